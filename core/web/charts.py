"""The geometry of the page's small charts: pure numbers, drawn by the template as SVG.

A chart is a strip of columns, one a day, in a box that the page stretches to the width there is;
so there is no text in it. What it shows is in its title, and in a table beside it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.model.findings import Severity
from core.status.daily_history import DailyCounts

COLUMN_WIDTH = 10
COLUMN_GAP = 2
CHART_HEIGHT = 100


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of a column; `shade` names its colour."""

    y: float
    height: float
    css_class: str


@dataclass(frozen=True, slots=True)
class Column:
    """One day: where it stands, of what it is made, what it says when pointed at."""

    x: int
    blocks: tuple[Block, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A strip of columns. `top` is the number that reaches the upper edge."""

    columns: tuple[Column, ...]
    max_value: int
    baseline: float = CHART_HEIGHT

    @property
    def width(self) -> int:
        """In the units of the columns."""
        return len(self.columns) * COLUMN_WIDTH - COLUMN_GAP


def round_up_to_axis(number: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50, ... that is not below a number: an axis to read."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if number <= factor * step:
                return factor * step
        step *= 10


def build_stacked_chart(
    days: Sequence[DailyCounts],
    get_parts: Callable[[DailyCounts], Iterable[tuple[int, str]]],
    get_label: Callable[[DailyCounts], str],
) -> Chart:
    """Columns of parts on top of each other: pairs of a number and a shade, the lowest first."""
    top = round_up_to_axis(
        max((sum(number for number, _ in get_parts(day)) for day in days), default=0)
    )
    return Chart(
        tuple(
            Column(
                place * COLUMN_WIDTH,
                tuple(stack_blocks(get_parts(day), CHART_HEIGHT / top)),
                get_label(day),
            )
            for place, day in enumerate(days)
        ),
        top,
    )


def stack_blocks(parts: Iterable[tuple[int, str]], scale: float) -> Iterable[Block]:
    """The blocks of a column, from the ground up."""
    ground = float(CHART_HEIGHT)
    for number, shade in parts:
        if number:
            ground -= number * scale
            yield Block(round(ground, 2), round(number * scale, 2), shade)


def chart_open_cases(days: Sequence[DailyCounts]) -> Chart:
    """Open cases at the end of each day: the gravest at the ground, where it is easiest to read."""

    def parts(day: DailyCounts) -> list[tuple[int, str]]:
        return [
            (day.open_by_severity.get(severity, 0), severity.label)
            for severity in reversed(Severity)
        ]

    def says(day: DailyCounts) -> str:
        known = [
            f"{day.open_by_severity[one]} {one.label}"
            for one in reversed(Severity)
            if day.open_by_severity.get(one)
        ]
        return f"{day.day:%d %b}: {', '.join(known) or 'none open'}"

    return build_stacked_chart(days, parts, says)


def chart_changes(days: Sequence[DailyCounts]) -> Chart:
    """Changes made in the tenant on each day."""
    return build_stacked_chart(
        days,
        lambda day: [(day.change_count, "change")],
        lambda day: f"{day.day:%d %b}: {day.change_count} changed",
    )


def chart_case_flow(days: Sequence[DailyCounts]) -> Chart:
    """Cases opened, above the line, and closed, below it, on each day."""
    top = round_up_to_axis(
        max((max(day.opened_count, day.closed_count) for day in days), default=0)
    )
    half = CHART_HEIGHT / 2

    def column(place: int, day: DailyCounts) -> Column:
        up, down = (
            round(number * half / top, 2) for number in (day.opened_count, day.closed_count)
        )
        above, below = Block(half - up, up, "opened"), Block(half, down, "closed")
        return Column(
            place * COLUMN_WIDTH,
            tuple(block for block in (above, below) if block.height),
            f"{day.day:%d %b}: {day.opened_count} opened, {day.closed_count} closed",
        )

    return Chart(tuple(column(place, day) for place, day in enumerate(days)), top, baseline=half)
