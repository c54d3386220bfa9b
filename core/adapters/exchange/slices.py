"""The slices of a listing: each is one complete answer to a filter, all together are everything.

    by recipient type ─► by creation date ─► by name

Every cut leaves a condition and its negation, so that an object without a date, of an unknown type
or with a name in any script is in some slice, whatever Exchange makes of the condition and however
it sorts. The rows that a cut answer did hold only say where to cut; an answer that shows the oldest
alone makes more slices and never a wrong one.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from core.adapters.parsing import ResponseRow, parse_text, parse_timestamp

FIRST_YEAR = datetime(1996, 1, 1, tzinfo=UTC)
# Where the objects without a date stand among those that have one.
UNDATED = FIRST_YEAR - timedelta(days=1)
SHORTEST_SPAN = timedelta(hours=1)
SECOND = timedelta(seconds=1)
# Exchange allows names of 64 characters (Microsoft Learn: New-Mailbox, -Name).
MAX_NAME = 64
PLACE_PREFIX = "slices:"
PLACE = re.compile(
    rf"{PLACE_PREFIX}(\d{{8}}T\d{{6}}Z)\.(\d{{1,2}})"
    rf"\.(\d{{8}}T\d{{6}}Z|)\.(\d{{8}}T\d{{6}}Z|)\.((?:[0-9a-f]{{2}}){{0,{4 * MAX_NAME}}})",
    re.ASCII,
)
COMPACT_TIME = "%Y%m%dT%H%M%SZ"
# Into how many slices one is cut as long as nobody knows how much it holds.
USUAL_PARTS = 8
# How much of an answer a slice is to fill: what was seen is only a sample.
FILLED_SHARE = 0.6
# Fewer rows of a sample say too little of how many there are.
MIN_SAMPLE = 4
# So many neighbours are in order where a sample is, and so many of it come before its end: Exchange
# sorts signs in its own way.
ORDERED_SHARE = 0.9
# A longer filter might be refused.
MAX_CONDITION = 2_000
WILDCARDS = frozenset("*?[]")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

type Cut = datetime | str
"""Where a slice is cut: a date of creation, or a name."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a listing. All its conditions hold for each of its objects."""

    kind: str = ""
    """The condition on the recipient type; empty for any."""
    low: datetime | None = None
    """Created at this time or later; None for any time."""
    high: datetime | None = None
    """Not created at this time or later; None for any time."""
    first_name: str = ""
    """The name is this one or comes after it, as Exchange sorts; empty for any."""
    end_name: str = ""
    """The name is not this one and does not come after it; empty for any."""
    starts: tuple[str, ...] = ()
    """The name starts in one of these ways; empty for any."""
    other_starts: tuple[str, ...] = ()
    """The name starts in none of these ways."""

    def build_filter(self, base: str = "") -> str:
        """The conditions as an OPATH filter, with those of the command; empty for none."""
        parts = [base, self.kind]
        if self.low:
            parts.append(f"WhenCreated -ge '{format_time(self.low)}'")
        if self.high:
            parts.append(f"-not (WhenCreated -ge '{format_time(self.high)}')")
        if self.first_name:
            parts.append(f"Name -ge '{quote_name(self.first_name)}'")
        if self.end_name:
            parts.append(f"-not (Name -ge '{quote_name(self.end_name)}')")
        if self.starts:
            parts.append(build_start_condition(self.starts))
        if self.other_starts:
            parts.append(f"-not ({build_start_condition(self.other_starts)})")
        return " -and ".join(f"({part})" for part in parts if part)

    @property
    def is_by_name(self) -> bool:
        return bool(self.first_name or self.end_name or self.starts or self.other_starts)

    def get_span(self, now: datetime) -> tuple[datetime, datetime]:
        """The dates of creation that the slice may hold; the end may stand before the start."""
        return self.low or FIRST_YEAR, self.high or now + timedelta(days=1)

    def cut_at_times(self, times: Sequence[datetime]) -> list["Slice"]:
        """The slices between some times, earliest first. `times` ascend and lie in the span."""
        bounds = (self.low, *times, self.high)
        return [replace(self, low=low, high=high) for low, high in pairwise(bounds)]

    def cut_at_names(self, names: Sequence[str]) -> list["Slice"]:
        """The slices between some names of objects in it, in their order."""
        bounds = (self.first_name, *names, self.end_name)
        return [replace(self, first_name=low, end_name=high) for low, high in pairwise(bounds)]

    def cut_evenly(self, now: datetime) -> list["Slice"]:
        """Slices of equal spans; none where the span is short already."""
        low, high = self.get_span(now)
        if self.is_by_name or high - low <= SHORTEST_SPAN:
            return []
        parts = min(USUAL_PARTS, (high - low) // (SHORTEST_SPAN / 2))
        step = (high - low) / parts
        times = [(low + number * step).replace(microsecond=0) for number in range(1, parts)]
        return self.cut_at_times(times)

    def cut_by_start(self, names: Sequence[str]) -> list["Slice"]:
        """Slices by how the names that were seen go on after what they have in common, and one for
        all others; none where that narrows the slice no further.
        """
        common = get_common_start(names)
        # Behind what others have in common with them, so that the others stay few.
        shared = [len(get_common_start((common, other))) for other in self.other_starts]
        own = len(get_common_start(self.starts))
        length = 1 + max(own, max(shared, default=len(common)))
        starts = (name[:length] for name in names if len(name) >= length)
        seen = Counter(one for one in starts if not set(one) & WILDCARDS)
        rest = replace(self, other_starts=(*self.other_starts, *sorted(seen)))
        if not seen or len(rest.build_filter()) > MAX_CONDITION:
            return []
        return [*(replace(self, starts=group) for group in group_starts(seen)), rest]


def get_common_start(names: Sequence[str]) -> str:
    """What all these names start with; empty for none."""
    if not names:
        return ""
    first, last = min(names), max(names)
    differs = (at for at, one in enumerate(first) if one != last[at])
    return first[: next(differs, len(first))]


def group_starts(seen: Counter[str]) -> list[tuple[str, ...]]:
    """Neighbours together, as long as only some of the names that were seen start so."""
    most = seen.total() / USUAL_PARTS
    groups, weight = list[tuple[str, ...]](), 0
    for start, count in sorted(seen.items()):
        if groups and weight + count <= most:
            groups[-1] += (start,)
            weight += count
        else:
            groups.append((start,))
            weight = count
    return groups


def build_start_condition(starts: Sequence[str]) -> str:
    return " -or ".join(f"Name -like '{quote_name(one)}*'" for one in starts)


def quote_name(name: str) -> str:
    """A name between the single quotes of a filter."""
    return name.replace("'", "''")


def format_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def split_kinds(kinds: tuple[str, ...]) -> Iterator[Slice]:
    """One slice for each recipient type, and one for all others."""
    conditions = [f"RecipientTypeDetails -eq '{kind}'" for kind in kinds]
    yield from map(Slice, conditions)
    yield Slice(f"-not ({' -or '.join(conditions)})" if conditions else "")


def list_dates(rows: Sequence[ResponseRow]) -> list[datetime]:
    """When the objects of a sample were created, to the second, as they came."""
    return [read_date(row) for row in rows]


def read_date(row: ResponseRow) -> datetime:
    """When an object was created; one whose date is missing or garbage counts as undated."""
    try:
        at = parse_timestamp(row.get("WhenCreated"))
        created = UNDATED if at is None else at.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return UNDATED
    return max(UNDATED, created)


def list_names(rows: Sequence[ResponseRow]) -> list[str]:
    """The names of a sample that a filter can name, in lower case, as they came.

    Exchange compares them without regard to case, and sorts as it likes: what comes between two
    of these names is for Exchange to say.
    """
    names = (parse_text(row.get("Name"), 4 * MAX_NAME).lower() for row in rows)
    return [name for name in names if is_speakable(name)]


def find_ordered_end[C: Cut](part: Slice, keys: Sequence[C], now: datetime) -> C | None:
    """The last date or name of a sample that came in order, as far as Exchange sorts as we do; None
    for one that came in another, or that a cut there would not make smaller.
    """
    rising = sum(not comes_before(second, first) for first, second in pairwise(keys))
    if not keys or rising < ORDERED_SHARE * (len(keys) - 1):
        return None
    if sum(not comes_before(keys[-1], key) for key in keys) < ORDERED_SHARE * len(keys):
        return None
    low, high = part.get_span(now)
    bounds = (low, high, part.first_name, part.end_name)
    is_inside = comes_before(keys[0], keys[-1]) and keys[-1] not in bounds
    return keys[-1] if is_inside else None


def is_speakable(name: str) -> bool:
    """Whether a name may stand in a filter."""
    return 0 < len(name) <= MAX_NAME and not CONTROLS.search(name)


def choose_cuts(part: Slice, keys: Sequence[Cut], size: int, now: datetime) -> Sequence[Cut]:
    """Where to cut a slice so that each part holds `size` of the dates or names of a sample."""
    if dates := [key for key in keys if isinstance(key, datetime)]:
        return choose_times(part, dates, size, now)
    return choose_names(part, [key for key in keys if isinstance(key, str)], size)


def cut_slice(part: Slice, cuts: Sequence[Cut]) -> list[Slice]:
    """The parts of a slice between some dates, or between some names; itself for no cuts."""
    if names := [cut for cut in cuts if isinstance(cut, str)]:
        return part.cut_at_names(names)
    return part.cut_at_times([cut for cut in cuts if isinstance(cut, datetime)])


def comes_before(key: Cut, cut: Cut) -> bool:
    """Whether an object with this date or name lies before a cut."""
    match key, cut:
        case datetime(), datetime():
            return key < cut
        case str(), str():
            return key < cut
    return False


def choose_times(
    part: Slice, dates: Sequence[datetime], size: int, now: datetime
) -> list[datetime]:
    """The times that cut a slice so that each part holds `size` of the dates of a sample.

    Where more than those were created in one second, that second is a part of its own.
    """
    low, high = part.get_span(now)
    times, start = list[datetime](), 0
    while start + size < len(dates):
        at = dates[start + size]
        if at == dates[start]:
            at += SECOND
        if (part.low is None or at > low) and at < high and (not times or at > times[-1]):
            times.append(at)
        further = start + size
        while further < len(dates) and dates[further] < at:
            further += 1
        start = further
    return times


def choose_names(part: Slice, names: Sequence[str], size: int) -> list[str]:
    """The names that cut a slice so that each part holds `size` of those of a sample."""
    chosen, last = list[str](), names[0] if names else ""
    for name in names[size::size]:
        if name not in (last, part.first_name, part.end_name):
            chosen.append(name)
            last = name
    return chosen


@dataclass(frozen=True, slots=True)
class SlicePlace:
    """How far a listing in slices has come: everything before it was read."""

    now: datetime
    """The time that bounds the dates of creation, by which the slices are cut."""
    kind: int
    """The number of its recipient type."""
    low: datetime | None = None
    """What was created before this time was read, of this type; None for nothing."""
    high: datetime | None = None
    """The end of the span that is read by names; None for no end."""
    name: str = ""
    """Of that span, the names that come before this one were read; empty for none."""

    def format(self) -> str:
        """The place as a text to go on from in a later run."""
        times = (f"{at:{COMPACT_TIME}}" if at else "" for at in (self.now, self.low, self.high))
        now, low, high = times
        return f"{PLACE_PREFIX}{now}.{self.kind}.{low}.{high}.{self.name.encode().hex()}"

    @classmethod
    def parse(cls, text: str) -> "SlicePlace | None":
        """The place in a text; None for any other text."""
        found = PLACE.fullmatch(text)
        if found is None:
            return None
        try:
            name = bytes.fromhex(found[5]).decode()
            now, low, high = (
                datetime.strptime(at, COMPACT_TIME).replace(tzinfo=UTC) if at else None
                for at in (found[1], found[3], found[4])
            )
        except ValueError:
            return None
        if now is None or (name and not is_speakable(name)):
            return None
        return cls(now, int(found[2]), low, high, name)

    def advance(self, part: Slice) -> "SlicePlace | None":
        """The place after a slice of which everything was read; None inside of names by start,
        which have no order to go on in.
        """
        if part.starts or part.other_starts:
            return None
        if part.end_name:
            return replace(self, low=part.low, high=part.high, name=part.end_name)
        if part.high:
            return replace(self, low=part.high, high=None, name="")
        return SlicePlace(self.now, self.kind + 1)

    def list_left(self, kind: Slice) -> Iterator[Slice]:
        """What is left of a recipient type after the place, in the order of reading."""
        if not self.name:
            yield replace(kind, low=self.low)
            return
        yield replace(kind, low=self.low, high=self.high, first_name=self.name)
        if self.high:
            yield replace(kind, low=self.high)
