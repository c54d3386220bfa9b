"""Reads a listing in slices: some at once, and passed on in order.

A slice whose answer was cut is divided. The rows that the answer did hold show when the objects
were created, or how they are named where that says nothing; the first part shows how many there are
for each of those rows. So the rest is divided at once into parts that each fit into one answer. An
answer whose rows come in the order of their dates or names is the beginning of its slice: up to
the last of these it is asked for once more, and what comes after that is the next slice.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listed_rows import identify_rows
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
    find_ordered_end,
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

    row_count: int
    """How many rows the answer held."""
    missing: dict[str, ResponseRow]
    """Those of them that no complete slice below it showed yet, by what tells them apart."""
    parent: "CutSlice | None"
    found: int = 0
    """How many rows the complete slices below it showed."""
    asked: int = 0
    """How many rows of the sample lie in the part that was asked for first."""

    def note_shown(self, rows: list[ResponseRow]) -> None:
        """Let go of rows that a complete slice below shows, here and in all that hold this one."""
        self.found += len(rows)
        cut: CutSlice | None = self
        names = identify_rows(rows)
        while cut:
            for name in names if cut.missing else ():
                cut.missing.pop(name, None)
            cut = cut.parent


@dataclass(slots=True, eq=False)
class Step:
    """A slice to ask for."""

    part: Slice
    place: SlicePlace
    parent: CutSlice | None = None
    depth: int = 0
    """How often a sample decided where to cut on the way to it."""
    is_beginning: bool = False
    """Whether it fits into one answer if rows come in order."""
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
    comes_in_order: bool = True
    """Whether rows may come in order: no beginning was longer than the answer that showed it."""
    has_shown: bool = False
    """Whether a slice was complete already."""
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
                        yield list(cut.missing.values()), ""
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
        """Ask for the next slices, as far as it is known which those are.

        Before the first rows are shown there is one request at a time, so that a run gets on in
        which three answers take all of its time.
        """
        for step in islice(self.ahead, SLICES_AT_ONCE if self.has_shown else 1):
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
            self.comes_in_order = self.comes_in_order and not step.is_beginning
            self.ahead.extendleft(reversed(self.divide(step, rows, count)))
            return None
        shown = self.drop_further(rows)
        if step.parent:
            step.parent.note_shown(shown)
        if not rows:
            return None
        self.has_shown = True
        place = step.place.advance(step.part)
        return shown, place.format() if place else ""

    # Dividing ---------------------------------------------------------------------------------

    def divide(self, step: Step, rows: list[ResponseRow], count: int) -> list[Step | Rest | End]:
        """The parts of a slice whose answer was cut, in order."""
        kept = self.drop_further(rows)
        held = dict(zip(identify_rows(kept), kept, strict=True))
        cut = CutSlice(len(rows), held, step.parent)
        dates, names = list_dates(rows), list_names(rows)
        if step.part.is_by_name or len(set(dates)) == 1:
            return self.divide_by_name(step, cut, names, count)
        if parts := self.divide_at_end(step, cut, dates):
            return parts
        if dates and step.depth < MAX_CUTS_BY_SAMPLE:
            further = replace(step, depth=step.depth + 1)
            if parts := self.divide_by_sample(further, cut, sorted(dates), count):
                return parts
        spans = [] if names and self.sorts_names else step.part.cut_evenly(self.now)
        if spans:
            return self.list_parts(step, cut, spans)
        return self.divide_by_name(step, cut, names, count)

    def divide_by_name(
        self, step: Step, cut: CutSlice, names: list[str], count: int
    ) -> list[Step | Rest | End]:
        """The parts of a slice by the names of objects in it, as they came. Raises WayFailed for
        none.
        """
        if not self.sorts_names:
            parts = self.list_parts(step, cut, step.part.cut_by_start(sorted(names)))
        else:
            parts = self.divide_at_end(step, cut, names)
            parts = parts or self.divide_by_sample(step, cut, sorted(names), count)
        if not parts:
            raise WayFailed("a slice that nothing narrows is still cut")
        return parts

    def divide_at_end(
        self, step: Step, cut: CutSlice, keys: Sequence[Cut]
    ) -> list[Step | Rest | End]:
        """What an answer showed whose rows came in order, and what comes after it; nothing for
        rows in another order.
        """
        end = find_ordered_end(step.part, keys, self.now) if self.comes_in_order else None
        if end is None:
            return []
        first, rest = cut_slice(step.part, [end])
        further = replace(step, parent=cut, task=None, is_beginning=False)
        return [
            replace(further, part=first, is_beginning=True),
            replace(further, part=rest),
            End(cut),
        ]

    def divide_by_sample(
        self, step: Step, cut: CutSlice, keys: Sequence[Cut], count: int
    ) -> list[Step | Rest | End]:
        """The parts of a slice, as many as `count` says, or the first one and the rest, which waits
        for how much the first holds; none where the sample does not say where to cut.
        """
        size = choose_sample_size(len(keys), count, cut.row_count)
        cuts = choose_cuts(step.part, keys, size, self.now)
        if not cuts:
            return []
        if count:
            return self.list_parts(step, cut, cut_slice(step.part, cuts))
        first, rest = cut_slice(step.part, cuts[:1])
        later = [key for key in keys if not comes_before(key, cuts[0])]
        cut.asked = len(keys) - len(later)
        further = replace(step, part=rest, parent=cut, task=None, is_beginning=False)
        return [replace(further, part=first), Rest(further, cut, later), End(cut)]

    def list_parts(
        self, step: Step, cut: CutSlice, parts: Sequence[Slice]
    ) -> list[Step | Rest | End]:
        """Some parts of a slice to ask for; nothing for none."""
        whole = replace(step, parent=cut, task=None, is_beginning=False)
        steps = (replace(whole, part=part) for part in parts)
        return [*steps, End(cut)] if parts else []

    def divide_rest(self, rest: Rest) -> list[Step | Rest | End]:
        """Parts that each fit into one answer, if the rest holds as much as the first part."""
        cut, step = rest.cut, rest.step
        rows_per_key = cut.found / max(1, cut.asked)
        page = cut.row_count
        size = int(FILLED_SHARE * page / rows_per_key) if rows_per_key else len(rest.keys)
        cuts = choose_cuts(step.part, rest.keys, max(MIN_SAMPLE, size), self.now)
        return [replace(step, part=part) for part in cut_slice(step.part, cuts)]

    def check_found(self, cut: CutSlice) -> None:
        """Raise WayFailed for parts that lack objects of the whole."""
        if cut.found < MIN_FOUND_AGAIN * cut.row_count:
            raise WayFailed("the parts of a slice lack objects of it")
        if cut.parent:
            cut.parent.found += cut.found


def choose_sample_size(dates: int, count: int, page: int) -> int:
    """How many dates of a sample a part is to have; `count` is how many objects there are, or 0."""
    if not count or not page:
        return max(1, dates // USUAL_PARTS)
    # Whole numbers: the service may say any count, one too large for a float too.
    return max(MIN_SAMPLE, int(FILLED_SHARE * page * dates) // count)
