"""The geometry of the page's small charts: pure numbers, drawn by the template as SVG.

A chart is a strip of columns, one a day, in a box that the page stretches to the width there is;
so there is no text in it. What it shows is in its title, and in a table beside it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.model.findings import Severity
from core.status.daily_history import Day

COLUMN = 10
GAP = 2
HEIGHT = 100


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of a column; `shade` names its colour."""

    y: float
    height: float
    shade: str


@dataclass(frozen=True, slots=True)
class Column:
    """One day: where it stands, of what it is made, what it says when pointed at."""

    x: int
    blocks: tuple[Block, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A strip of columns. `top` is the number that reaches the upper edge."""

    columns: tuple[Column, ...]
    top: int
    baseline: float = HEIGHT

    @property
    def width(self) -> int:
        """In the units of the columns."""
        return len(self.columns) * COLUMN - GAP


def nice(number: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50, ... that is not below a number: an axis to read."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if number <= factor * step:
                return factor * step
        step *= 10


def stacked(
    days: Sequence[Day],
    parts: Callable[[Day], Iterable[tuple[int, str]]],
    says: Callable[[Day], str],
) -> Chart:
    """Columns of parts on top of each other: pairs of a number and a shade, the lowest first."""
    top = nice(max((sum(number for number, _ in parts(day)) for day in days), default=0))
    return Chart(
        tuple(
            Column(place * COLUMN, tuple(pile(parts(day), HEIGHT / top)), says(day))
            for place, day in enumerate(days)
        ),
        top,
    )


def pile(parts: Iterable[tuple[int, str]], scale: float) -> Iterable[Block]:
    """The blocks of a column, from the ground up."""
    ground = float(HEIGHT)
    for number, shade in parts:
        if number:
            ground -= number * scale
            yield Block(round(ground, 2), round(number * scale, 2), shade)


def open_cases(days: Sequence[Day]) -> Chart:
    """Open cases at the end of each day: the gravest at the ground, where it is easiest to read."""

    def parts(day: Day) -> list[tuple[int, str]]:
        return [(day.open.get(severity, 0), severity.label) for severity in reversed(Severity)]

    def says(day: Day) -> str:
        known = [f"{day.open[one]} {one.label}" for one in reversed(Severity) if day.open.get(one)]
        return f"{day.day:%d %b}: {', '.join(known) or 'none open'}"

    return stacked(days, parts, says)


def changes_made(days: Sequence[Day]) -> Chart:
    """Changes made in the tenant on each day."""
    return stacked(
        days,
        lambda day: [(day.changes, "change")],
        lambda day: f"{day.day:%d %b}: {day.changes} changed",
    )


def opened_and_closed(days: Sequence[Day]) -> Chart:
    """Cases opened, above the line, and closed, below it, on each day."""
    top = nice(max((max(day.opened, day.closed) for day in days), default=0))
    half = HEIGHT / 2

    def column(place: int, day: Day) -> Column:
        up, down = (round(number * half / top, 2) for number in (day.opened, day.closed))
        above, below = Block(half - up, up, "opened"), Block(half, down, "closed")
        return Column(
            place * COLUMN,
            tuple(block for block in (above, below) if block.height),
            f"{day.day:%d %b}: {day.opened} opened, {day.closed} closed",
        )

    return Chart(tuple(column(place, day) for place, day in enumerate(days)), top, baseline=half)
