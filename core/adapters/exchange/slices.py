"""A listing in slices: each is one complete answer to a filter, and together they are everything.

    by recipient type ─► by creation date, halved ─► by the beginning of the name, halved

Every cut leaves a condition and its negation, so that an object without a date, of an unknown type
or with a name in any script is in exactly one slice, whatever Exchange makes of the condition.
"""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from string import ascii_lowercase, digits

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.page_requests import PageRequester, WayFailed
from core.adapters.parsing import ResponseRow

RELIES_ON = ("exchange-slice-filters",)
FIRST_YEAR = datetime(1996, 1, 1, tzinfo=UTC)
SHORTEST_SPAN = timedelta(hours=1)
# Letters and digits, and what stands between the parts of a name: "user-0001", "Smith, Ann".
ALPHABET = (*ascii_lowercase, *digits, *"-. _,+()&@#")
MAX_PREFIX = 24
MAX_SLICES = 20_000
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

    async def read(self) -> AsyncGenerator[list[ResponseRow]]:
        """The rows of all slices, some of them more than once. Raises WayFailed or TenantError."""
        kinds = () if "RecipientTypeDetails" in self.command.parameters else self.kinds
        for part in split_kinds(kinds):
            async for rows in self.read_part(part, Tally()):
                yield rows

    async def read_part(self, part: Slice, tally: Tally) -> AsyncGenerator[list[ResponseRow]]:
        """The rows of a slice, and of its halves if one answer does not hold them all."""
        rows, complete = await self.read_slice(part)
        if rows:
            yield rows
        if complete:
            tally.count += len(rows)
            return
        halves = part.split(self.now)
        if halves is None:
            raise WayFailed("a slice that nothing narrows is still cut")
        found = Tally()
        for half in halves:
            async for block in self.read_part(half, found):
                yield block
        if found.count < MIN_FOUND_AGAIN * len(rows):
            raise WayFailed("the halves of a slice lack objects of it")
        tally.count += found.count

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
