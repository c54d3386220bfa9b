"""Reads a listing in slices: some at once, and passed on in order.

A slice whose answer was cut is divided. The rows that the answer did hold show when the objects
were created, or how they are named where that says nothing; the first part shows how many there are
for each of those rows. So the rest is divided at once into parts that each fit into one answer.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.page_requests import PageRequester
from core.adapters.exchange.responses import WayFailed
from core.adapters.exchange.slices import (
    FILLED_SHARE,
    MIN_SAMPLE,
    USUAL_PARTS,
    Cut,
    Slice,
    SlicePlace,
    choose_cuts,
    comes_before,
    cut_slice,
    list_dates,
    list_names,
    split_kinds,
)
from core.adapters.parsing import ResponseRow
from core.microsoft365.assumptions.exchange_api import NAME_ORDER

RELIES_ON = ("exchange-slice-filters", NAME_ORDER)
MAX_SLICES = 20_000
# Whoever asks this often without seeing a row is not getting anywhere.
MAX_VAIN_REQUESTS = 120
# How many answers are asked for at once; the service's own limit may let fewer through.
SLICES_AT_ONCE = 4
# How often samples decide where to cut; then dates are cut evenly, whatever samples show.
MAX_CUTS_BY_SAMPLE = 3
# The share of the rows of a slice that its parts must show again: objects come and go meanwhile.
MIN_FOUND_AGAIN = 0.9
# What is asked for to cut by, besides what is wanted.
CUT_PROPERTIES = ("WhenCreated", "Name")

type SliceBlock = tuple[list[ResponseRow], str]
"""Rows, and the place after them; empty where no later run can go on."""
type SliceAnswer = tuple[list[ResponseRow], bool, int]
"""The rows of one answer, whether they are all of its slice, and how many that has, or 0."""


@dataclass(slots=True, eq=False)
class CutSlice:
    """A slice that one answer did not hold."""

    rows: list[ResponseRow]
    """What the answer held."""
    parent: "CutSlice | None"
    found: int = 0
    """How many rows the complete slices below it showed."""
    asked: int = 0
    """How many rows of the sample lie in the part that was asked for first."""


@dataclass(slots=True, eq=False)
class Step:
    """A slice to ask for."""

    part: Slice
    place: SlicePlace
    parent: CutSlice | None = None
    depth: int = 0
    """How often a sample decided where to cut on the way to it."""
    task: asyncio.Task[SliceAnswer] | None = None


@dataclass(slots=True, eq=False)
class Rest:
    """What is left of a slice after its first part, to be divided once that was read."""

    step: Step
    cut: CutSlice
    keys: Sequence[Cut]
    """The dates or names of the sample that lie in it."""


@dataclass(slots=True, eq=False)
class End:
    """The end of the parts of a slice."""

    cut: CutSlice


@dataclass(slots=True)
class SliceReader:
    """Reads a listing in slices. `now` bounds the dates of creation."""

    exchange: ExchangeClient
    command: Command
    kinds: tuple[str, ...]
    now: datetime
    requests: int = 0
    vain_requests: int = 0
    """How many answers in a row brought no row."""
    sorts_names: bool = True
    """Whether Exchange compares names by their order, and not only by how they start."""
    ahead: deque[Step | Rest | End] = field(default_factory=deque)
    """What is still to be done, in order."""

    async def read(self, after: SlicePlace | None = None) -> AsyncGenerator[SliceBlock]:
        """The rows of all slices, or of those after a place; some of them more than once.

        Raises WayFailed or TenantError.
        """
        self.now = self.now.replace(microsecond=0)
        way = await self.exchange.chosen_ways.find(NAME_ORDER)
        self.sorts_names = way == NAME_ORDER.default_way
        kinds = () if "RecipientTypeDetails" in self.command.parameters else self.kinds
        # After the last type stands the place of a listing of which everything was read.
        if after and after.kind > len(kinds) + 1:
            raise WayFailed("there is no such slice")
        self.ahead.extend(self.list_first_steps(kinds, after))
        try:
            while self.ahead:
                self.ask_ahead()
                match self.ahead.popleft():
                    case Step() as step:
                        if block := await self.take_step(step):
                            yield block
                    case Rest() as rest:
                        self.ahead.extendleft(reversed(self.divide_rest(rest)))
                    case End(cut):
                        self.check_found(cut)
                        # Those that went from one part to the other meanwhile.
                        yield cut.rows, ""
        finally:
            await self.stop_asking()

    def list_first_steps(self, kinds: tuple[str, ...], after: SlicePlace | None) -> Iterable[Step]:
        for number, kind in enumerate(split_kinds(kinds)):
            place = SlicePlace(self.now, number)
            if after and number < after.kind:
                continue
            if after and number == after.kind:
                yield from (Step(part, place) for part in after.list_left(kind))
            else:
                yield Step(kind, place)

    # Asking -----------------------------------------------------------------------------------

    def ask_ahead(self) -> None:
        """Ask for the next slices, as far as it is known which those are."""
        for step in islice(self.ahead, SLICES_AT_ONCE):
            if isinstance(step, Rest):
                return
            if isinstance(step, Step) and step.task is None:
                step.task = asyncio.create_task(self.read_slice(step.part))

    async def stop_asking(self) -> None:
        """Cancel what was asked for and is not wanted any more."""
        tasks = [one.task for one in self.ahead if isinstance(one, Step) and one.task]
        self.ahead.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def read_slice(self, part: Slice) -> SliceAnswer:
        """One answer to a slice."""
        self.requests += 1
        if self.requests > MAX_SLICES:
            raise WayFailed("the slices do not end")
        base = self.command.parameters.get("Filter")
        text = part.build_filter(str(base) if base else "")
        parameters = {**self.command.parameters, **({"Filter": text} if text else {})}
        wanted = self.command.select
        select = (*wanted, *(name for name in CUT_PROPERTIES if name not in wanted))
        command = replace(self.command, parameters=parameters, select=select if wanted else wanted)
        requester = PageRequester(self.exchange, command)
        rows, complete = await requester.read_first_page()
        complete = complete and len(rows) >= requester.expected_count
        return rows, complete, requester.expected_count

    def drop_further(self, rows: list[ResponseRow]) -> list[ResponseRow]:
        """The rows with the properties that are wanted alone."""
        further = [name for name in CUT_PROPERTIES if name not in self.command.select]
        if not self.command.select or not further:
            return rows
        unwanted = tuple(f"{name}@" for name in further)
        return [
            {
                name: value
                for name, value in row.items()
                if name not in further and not name.startswith(unwanted)
            }
            for row in rows
        ]

    async def take_step(self, step: Step) -> SliceBlock | None:
        """The rows of a slice that one answer holds; any other is divided."""
        rows, complete, count = await (step.task or self.read_slice(step.part))
        self.vain_requests = 0 if complete and rows else self.vain_requests + 1
        if self.vain_requests > MAX_VAIN_REQUESTS:
            raise WayFailed("the slices do not become smaller")
        if not complete:
            self.ahead.extendleft(reversed(self.divide(step, rows, count)))
            return None
        if step.parent:
            step.parent.found += len(rows)
        if not rows:
            return None
        place = step.place.advance(step.part)
        return self.drop_further(rows), place.format() if place else ""

    # Dividing ---------------------------------------------------------------------------------

    def divide(self, step: Step, rows: list[ResponseRow], count: int) -> list[Step | Rest | End]:
        """The parts of a slice whose answer was cut, in order."""
        cut = CutSlice(self.drop_further(rows), step.parent)
        dates = list_dates(rows)
        if step.part.is_by_name or (dates and dates[0] == dates[-1]):
            return self.divide_by_name(step, cut, list_names(rows), count)
        if dates and step.depth < MAX_CUTS_BY_SAMPLE:
            further = replace(step, depth=step.depth + 1)
            if parts := self.divide_by_sample(further, cut, dates, count):
                return parts
        names = list_names(rows)
        spans = [] if names and self.sorts_names else step.part.cut_evenly(self.now)
        if spans:
            return self.list_parts(step, cut, spans)
        return self.divide_by_name(step, cut, names, count)

    def divide_by_name(
        self, step: Step, cut: CutSlice, names: list[str], count: int
    ) -> list[Step | Rest | End]:
        """The parts of a slice by the names of objects in it. Raises WayFailed for none."""
        if self.sorts_names:
            parts = self.divide_by_sample(step, cut, names, count)
        else:
            parts = self.list_parts(step, cut, step.part.cut_by_start(names))
        if not parts:
            raise WayFailed("a slice that nothing narrows is still cut")
        return parts

    def divide_by_sample(
        self, step: Step, cut: CutSlice, keys: Sequence[Cut], count: int
    ) -> list[Step | Rest | End]:
        """The parts of a slice, as many as `count` says, or the first one and the rest, which waits
        for how much the first holds; none where the sample does not say where to cut.
        """
        size = choose_sample_size(len(keys), count, len(cut.rows))
        cuts = choose_cuts(step.part, keys, size, self.now)
        if not cuts:
            return []
        if count:
            return self.list_parts(step, cut, cut_slice(step.part, cuts))
        first, rest = cut_slice(step.part, cuts[:1])
        later = [key for key in keys if not comes_before(key, cuts[0])]
        cut.asked = len(keys) - len(later)
        further = replace(step, part=rest, parent=cut, task=None)
        return [replace(further, part=first), Rest(further, cut, later), End(cut)]

    def list_parts(
        self, step: Step, cut: CutSlice, parts: Sequence[Slice]
    ) -> list[Step | Rest | End]:
        """Some parts of a slice to ask for; nothing for none."""
        steps = (replace(step, part=part, parent=cut, task=None) for part in parts)
        return [*steps, End(cut)] if parts else []

    def divide_rest(self, rest: Rest) -> list[Step | Rest | End]:
        """Parts that each fit into one answer, if the rest holds as much as the first part."""
        cut, step = rest.cut, rest.step
        rows_per_key = cut.found / max(1, cut.asked)
        page = len(cut.rows)
        size = int(FILLED_SHARE * page / rows_per_key) if rows_per_key else len(rest.keys)
        cuts = choose_cuts(step.part, rest.keys, max(MIN_SAMPLE, size), self.now)
        return [replace(step, part=part) for part in cut_slice(step.part, cuts)]

    def check_found(self, cut: CutSlice) -> None:
        """Raise WayFailed for parts that lack objects of the whole."""
        if cut.found < MIN_FOUND_AGAIN * len(cut.rows):
            raise WayFailed("the parts of a slice lack objects of it")
        if cut.parent:
            cut.parent.found += cut.found


def choose_sample_size(dates: int, count: int, page: int) -> int:
    """How many dates of a sample a part is to have; `count` is how many objects there are, or 0."""
    if not count or not page:
        return max(1, dates // USUAL_PARTS)
    # Whole numbers: the service may say any count, one too large for a float too.
    return max(MIN_SAMPLE, int(FILLED_SHARE * page * dates) // count)
