"""The slices of a listing: each is one complete answer to a filter, all together are everything.

    by recipient type ─► by creation date ─► by the beginning of the name

Every cut leaves a condition and its negation, so that an object without a date, of an unknown type
or with a name in any script is in exactly one slice, whatever Exchange makes of the condition. The
rows that a cut answer did hold only say where to cut; an answer that shows the oldest alone makes
more slices and never a wrong one.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from string import ascii_lowercase, digits

from core.adapters.parsing import ResponseRow, parse_text, parse_timestamp

FIRST_YEAR = datetime(1996, 1, 1, tzinfo=UTC)
# Where the objects without a date stand among those that have one.
UNDATED = FIRST_YEAR - timedelta(days=1)
SHORTEST_SPAN = timedelta(hours=1)
SECOND = timedelta(seconds=1)
# Letters and digits, and what stands between the parts of a name: "user-0001", "Smith, Ann".
ALPHABET = (*ascii_lowercase, *digits, *"-. _,+()&@#")
MAX_PREFIX = 24
PLACE_PREFIX = "slices:"
PLACE = re.compile(
    rf"{PLACE_PREFIX}(\d{{8}}T\d{{6}}Z)\.(\d{{1,2}})"
    r"\.(\d{8}T\d{6}Z|)\.(\d{8}T\d{6}Z|)\.((?:[0-9a-f]{2}){0,25})",
    re.ASCII,
)
COMPACT_TIME = "%Y%m%dT%H%M%SZ"
# Into how many slices one is cut as long as nobody knows how much it holds.
USUAL_PARTS = 8
# The same for the names: a slice is to hold no more than this share of those that were seen.
NAME_PARTS = 8
# Names that begin alike, such as "user-0001", are cut behind what they have in common.
COMMON_SHARE = 0.9
# How much of an answer a slice is to fill: what was seen is only a sample.
FILLED_SHARE = 0.6
# Fewer rows of a sample say too little of how many there are.
MIN_SAMPLE = 4


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a listing. All its conditions hold for each of its objects."""

    kind: str = ""
    """The condition on the recipient type; empty for any."""
    low: datetime | None = None
    """Created at this time or later; None for any time."""
    high: datetime | None = None
    """Not created at this time or later; None for any time."""
    prefix: str = ""
    """How the name begins; empty for any."""
    next_characters: tuple[str, ...] = ()
    """The characters one of which follows the prefix; empty for any."""
    excluded_characters: tuple[str, ...] = ()
    """The characters none of which follows the prefix."""

    def build_filter(self, base: str = "") -> str:
        """The conditions as an OPATH filter, with those of the command; empty for none."""
        parts = [base, self.kind]
        if self.low:
            parts.append(f"WhenCreated -ge '{format_time(self.low)}'")
        if self.high:
            parts.append(f"-not (WhenCreated -ge '{format_time(self.high)}')")
        if self.prefix:
            parts.append(f"Name -like '{self.prefix}*'")
        if self.next_characters:
            parts.append(self.build_name_condition(self.next_characters))
        if self.excluded_characters:
            parts.append(f"-not ({self.build_name_condition(self.excluded_characters)})")
        return " -and ".join(f"({part})" for part in parts if part)

    def build_name_condition(self, characters: tuple[str, ...]) -> str:
        return " -or ".join(f"Name -like '{self.prefix}{one}*'" for one in characters)

    @property
    def is_by_name(self) -> bool:
        return bool(self.prefix or self.next_characters or self.excluded_characters)

    def get_span(self, now: datetime) -> tuple[datetime, datetime]:
        """The dates of creation that the slice may hold; the end may stand before the start."""
        return self.low or FIRST_YEAR, self.high or now + timedelta(days=1)

    def cut_at(self, times: Sequence[datetime]) -> list["Slice"]:
        """The slices between some times, earliest first. `times` ascend and lie in the span."""
        bounds = (self.low, *times, self.high)
        return [replace(self, low=low, high=high) for low, high in pairwise(bounds)]

    def cut_evenly(self, now: datetime) -> list["Slice"]:
        """Slices of equal spans; none where the span is short already."""
        low, high = self.get_span(now)
        if self.is_by_name or high - low <= SHORTEST_SPAN:
            return []
        parts = min(USUAL_PARTS, (high - low) // (SHORTEST_SPAN / 2))
        step = (high - low) / parts
        times = [(low + number * step).replace(microsecond=0) for number in range(1, parts)]
        return self.cut_at(times)

    def cut_names(self, names: Sequence[str]) -> list["Slice"]:
        """Slices by the next character of the name, so that each has few of the names that were
        seen; none where nothing narrows the slice any more.
        """
        part, characters, rest = self, self.next_characters, list["Slice"]()
        if self.excluded_characters:
            return []
        if len(characters) < 2:
            prefix = self.prefix + "".join(characters)
            if len(prefix) > MAX_PREFIX:
                return []
            part = replace(self, prefix=prefix, next_characters=())
            characters = ALPHABET
            rest = [replace(part, excluded_characters=ALPHABET)]
        at = len(part.prefix)
        seen = Counter(name[at : at + 1] for name in names)
        groups = list(group_characters(characters, seen))
        if len(groups) == 1 and not rest:
            half = len(characters) // 2
            groups = [characters[:half], characters[half:]]
        parts = [replace(part, next_characters=group) for group in groups]
        return [further for one in parts for further in one.cut_common(names, seen)] + rest

    def cut_common(self, names: Sequence[str], seen: Counter[str]) -> list["Slice"]:
        """The parts of a slice that holds nearly all that were seen, and is cut as they were."""
        share = COMMON_SHARE * sum(seen.values())
        if len(self.next_characters) > 1 or seen[self.next_characters[0]] <= share:
            return [self]
        return self.cut_names(names) or [self]


def group_characters(characters: tuple[str, ...], seen: Counter[str]) -> Iterator[tuple[str, ...]]:
    """Neighbours together, as long as few of the names that were seen go on with one of them."""
    most = sum(seen[one] for one in characters) / NAME_PARTS
    group, weight = list[str](), 0
    for one in characters:
        if group and most and (weight >= most or weight + seen[one] > most):
            yield tuple(group)
            group, weight = [], 0
        group.append(one)
        weight += seen[one]
    yield tuple(group)


def format_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def split_kinds(kinds: tuple[str, ...]) -> Iterator[Slice]:
    """One slice for each recipient type, and one for all others."""
    conditions = [f"RecipientTypeDetails -eq '{kind}'" for kind in kinds]
    yield from map(Slice, conditions)
    yield Slice(f"-not ({' -or '.join(conditions)})" if conditions else "")


def list_dates(rows: Sequence[ResponseRow]) -> list[datetime]:
    """When the objects of a sample were created, to the second, earliest first."""
    return sorted(read_date(row) for row in rows)


def read_date(row: ResponseRow) -> datetime:
    """When an object was created; one whose date is missing or garbage counts as undated."""
    try:
        at = parse_timestamp(row.get("WhenCreated"))
    except ValueError:
        return UNDATED
    return UNDATED if at is None else max(UNDATED, at.astimezone(UTC).replace(microsecond=0))


def list_names(rows: Sequence[ResponseRow]) -> list[str]:
    """The names of a sample, in lower case as Exchange compares them."""
    return [parse_text(row.get("Name"), 256).lower() for row in rows]


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
    """Of that span, the names that begin so or stand before were read; empty for none."""

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
        name = bytes.fromhex(found[5]).decode("latin-1")
        if not set(name) <= set(ALPHABET):
            return None
        try:
            now, low, high = (
                datetime.strptime(at, COMPACT_TIME).replace(tzinfo=UTC) if at else None
                for at in (found[1], found[3], found[4])
            )
        except ValueError:
            return None
        return cls(now, int(found[2]), low, high, name) if now else None

    def advance(self, part: Slice) -> "SlicePlace":
        """The place after a slice of which everything was read."""
        name = part.prefix + (part.next_characters[-1] if part.next_characters else "")
        if part.is_by_name and name:
            return replace(self, low=part.low, high=part.high, name=name)
        if part.high:
            return replace(self, low=part.high, high=None, name="")
        return SlicePlace(self.now, self.kind + 1)

    def list_left(self, kind: Slice) -> Iterator[Slice]:
        """What is left of a recipient type after the place, in the order of reading."""
        span = replace(kind, low=self.low, high=self.high)
        for end in range(len(self.name), 0, -1):
            begun = replace(span, prefix=self.name[: end - 1])
            if further := ALPHABET[ALPHABET.index(self.name[end - 1]) + 1 :]:
                yield replace(begun, next_characters=further)
            yield replace(begun, excluded_characters=ALPHABET)
        if not self.name:
            yield replace(kind, low=self.low)
        elif self.high:
            yield replace(kind, low=self.high)
