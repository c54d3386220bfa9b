"""A listing in slices: each is one complete answer to a filter, and together they are everything.

    by recipient type ─► by creation date, halved ─► by the beginning of the name, halved

Every cut leaves a condition and its negation, so that an object without a date, of an unknown type
or with a name in any script is in exactly one slice, whatever Exchange makes of the condition.
"""

import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from string import ascii_lowercase, digits

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.page_requests import PageRequester
from core.adapters.exchange.responses import WayFailed
from core.adapters.parsing import ResponseRow

RELIES_ON = ("exchange-slice-filters",)
FIRST_YEAR = datetime(1996, 1, 1, tzinfo=UTC)
SHORTEST_SPAN = timedelta(hours=1)
# Letters and digits, and what stands between the parts of a name: "user-0001", "Smith, Ann".
ALPHABET = (*ascii_lowercase, *digits, *"-. _,+()&@#")
MAX_PREFIX = 24
MAX_SLICES = 20_000
PLACE_PREFIX = "slices:"
PLACE = re.compile(rf"{PLACE_PREFIX}(\d{{8}}T\d{{6}}Z)\.(\d{{1,2}})\.([01]{{0,400}})", re.ASCII)
# The share of the rows of a slice that its parts must show again: objects come and go meanwhile.
MIN_FOUND_AGAIN = 0.9


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

    def split(self, now: datetime) -> tuple["Slice", "Slice"] | None:
        """Two halves of the slice; None where nothing narrows it any more."""
        if not self.prefix and not self.next_characters and not self.excluded_characters:
            low, high = self.low or FIRST_YEAR, self.high or now + timedelta(days=1)
            if high - low > SHORTEST_SPAN:
                middle = low + (high - low) / 2
                return replace(self, low=middle), replace(self, high=middle)
            return self.split_name(ALPHABET)
        if len(self.next_characters) > 1:
            half = len(self.next_characters) // 2
            first, second = self.next_characters[:half], self.next_characters[half:]
            return replace(self, next_characters=first), replace(self, next_characters=second)
        if self.next_characters and len(self.prefix) < MAX_PREFIX:
            begun = replace(self, prefix=self.prefix + self.next_characters[0], next_characters=())
            return begun.split_name(ALPHABET)
        return None

    def split_name(self, characters: tuple[str, ...]) -> tuple["Slice", "Slice"]:
        """The names that go on with one of some characters, and all others."""
        return (
            replace(self, next_characters=characters),
            replace(self, excluded_characters=characters),
        )


def format_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def split_kinds(kinds: tuple[str, ...]) -> Iterator[Slice]:
    """One slice for each recipient type, and one for all others."""
    conditions = [f"RecipientTypeDetails -eq '{kind}'" for kind in kinds]
    yield from map(Slice, conditions)
    yield Slice(f"-not ({' -or '.join(conditions)})" if conditions else "")


@dataclass(frozen=True, slots=True)
class SlicePlace:
    """How far a listing in slices has come: the last slice of which everything was read."""

    now: datetime
    """The time that bounds the dates of creation, by which the slices are cut."""
    kind: int
    """The number of its recipient type."""
    halves: str = ""
    """Which half it lies in, cut by cut: a 0 or 1 each."""

    def format(self) -> str:
        """The place as a text to go on from in a later run."""
        return f"{PLACE_PREFIX}{self.now:%Y%m%dT%H%M%SZ}.{self.kind}.{self.halves}"

    @classmethod
    def parse(cls, text: str) -> "SlicePlace | None":
        """The place in a text; None for any other text."""
        found = PLACE.fullmatch(text)
        if found is None:
            return None
        try:
            now = datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(now, int(found[2]), found[3])


type SliceBlock = tuple[list[ResponseRow], str]
"""Rows, and the place after them; empty where no later run can go on."""


@dataclass(slots=True)
class Tally:
    """How many rows the complete slices below a slice showed."""

    count: int = 0


@dataclass(slots=True)
class SliceReader:
    """Reads a listing in slices. `now` bounds the dates of creation."""

    exchange: ExchangeClient
    command: Command
    kinds: tuple[str, ...]
    now: datetime
    requests: int = 0

    async def read(self, after: SlicePlace | None = None) -> AsyncGenerator[SliceBlock]:
        """The rows of all slices, or of those after a place; some of them more than once.

        Raises WayFailed or TenantError.
        """
        self.now = self.now.replace(microsecond=0)
        kinds = () if "RecipientTypeDetails" in self.command.parameters else self.kinds
        if after and after.kind > len(kinds):
            raise WayFailed("there is no such slice")
        for number, part in enumerate(split_kinds(kinds)):
            if after and number < after.kind:
                continue
            done = after.halves if after and number == after.kind else None
            place = SlicePlace(self.now, number)
            async for block in self.read_part(part, place, Tally(), done):
                yield block

    async def read_part(
        self, part: Slice, place: SlicePlace, tally: Tally, done: str | None = None
    ) -> AsyncGenerator[SliceBlock]:
        """The rows of a slice, or of its halves if one answer does not hold them all.

        `done` is the way to the last slice below that an earlier run has read; None where it read
        none of them.
        """
        if done == "":
            return
        rows, complete = ([], False) if done else await self.read_slice(part)
        if complete:
            tally.count += len(rows)
            if rows:
                yield rows, place.format()
            return
        found = Tally()
        async for block in self.read_halves(part, place, found, done):
            yield block
        if found.count < MIN_FOUND_AGAIN * len(rows):
            raise WayFailed("the halves of a slice lack objects of it")
        if rows:
            # Those that went from one half to the other meanwhile.
            yield rows, ""
        tally.count += found.count

    async def read_halves(
        self, part: Slice, place: SlicePlace, tally: Tally, done: str | None
    ) -> AsyncGenerator[SliceBlock]:
        """The rows of both halves of a slice, or of those that an earlier run has not read."""
        halves = part.split(self.now)
        if halves is None:
            raise WayFailed("a slice that nothing narrows is still cut")
        for side, half in zip("01", halves, strict=True):
            if done and side < done[0]:
                continue
            further = replace(place, halves=place.halves + side)
            below = done[1:] if done and side == done[0] else None
            async for block in self.read_part(half, further, tally, below):
                yield block

    async def read_slice(self, part: Slice) -> tuple[list[ResponseRow], bool]:
        """The rows of one answer, and whether they are all of the slice."""
        self.requests += 1
        if self.requests > MAX_SLICES:
            raise WayFailed("the slices do not end")
        base = self.command.parameters.get("Filter")
        text = part.build_filter(str(base) if base else "")
        parameters = {**self.command.parameters, **({"Filter": text} if text else {})}
        command = replace(self.command, parameters=parameters)
        return await PageRequester(self.exchange, command).read_first_page()
