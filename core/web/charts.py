"""The geometry of the status page's charts, which the template draws as SVG. Pure.

A chart has one column a day. The page stretches it to the available width, so it contains no text:
its title and a table say what it shows.
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
    """A rectangle of a column, in chart units; `css_class` names its colour."""

    y: float
    height: float
    css_class: str


@dataclass(frozen=True, slots=True)
class Column:
    """One day: position, blocks, and the label that a pointer shows."""

    x: int
    blocks: tuple[Block, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A row of columns. `max_value` is the number at the upper edge."""

    columns: tuple[Column, ...]
    max_value: int
    baseline: float = CHART_HEIGHT

    @property
    def width(self) -> int:
        """The width in chart units."""
        return len(self.columns) * COLUMN_WIDTH - COLUMN_GAP


def round_up_to_axis(number: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least a number."""
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
    """Stacked columns. `get_parts` yields numbers with their CSS class, the lowest first."""
    max_value = round_up_to_axis(
        max((sum(number for number, _ in get_parts(day)) for day in days), default=0)
    )
    return Chart(
        tuple(
            Column(
                number * COLUMN_WIDTH,
                tuple(stack_blocks(get_parts(day), CHART_HEIGHT / max_value)),
                get_label(day),
            )
            for number, day in enumerate(days)
        ),
        max_value,
    )


def stack_blocks(parts: Iterable[tuple[int, str]], scale: float) -> Iterable[Block]:
    """The blocks of a column, from the bottom up."""
    y = float(CHART_HEIGHT)
    for number, css_class in parts:
        if number:
            y -= number * scale
            yield Block(round(y, 2), round(number * scale, 2), css_class)


def chart_open_cases(days: Sequence[DailyCounts]) -> Chart:
    """Open cases at the end of each day, the most severe at the bottom."""

    def get_parts(day: DailyCounts) -> list[tuple[int, str]]:
        return [
            (day.open_by_severity.get(severity, 0), severity.label)
            for severity in reversed(Severity)
        ]

    def get_label(day: DailyCounts) -> str:
        levels = [
            f"{day.open_by_severity[one]} {one.label}"
            for one in reversed(Severity)
            if day.open_by_severity.get(one)
        ]
        return f"{day.day:%d %b}: {', '.join(levels) or 'none open'}"

    return build_stacked_chart(days, get_parts, get_label)


def chart_changes(days: Sequence[DailyCounts]) -> Chart:
    """Changes made in the tenant on each day."""
    return build_stacked_chart(
        days,
        lambda day: [(day.change_count, "change")],
        lambda day: f"{day.day:%d %b}: {day.change_count} changes made",
    )


def chart_case_flow(days: Sequence[DailyCounts]) -> Chart:
    """Cases opened (above the line) and closed (below it) on each day."""
    max_value = round_up_to_axis(
        max((max(day.opened_count, day.closed_count) for day in days), default=0)
    )
    half = CHART_HEIGHT / 2

    def build_column(number: int, day: DailyCounts) -> Column:
        up, down = (
            round(count * half / max_value, 2) for count in (day.opened_count, day.closed_count)
        )
        above, below = Block(half - up, up, "opened"), Block(half, down, "closed")
        return Column(
            number * COLUMN_WIDTH,
            tuple(block for block in (above, below) if block.height),
            f"{day.day:%d %b}: {day.opened_count} opened, {day.closed_count} closed",
        )

    columns = tuple(build_column(number, day) for number, day in enumerate(days))
    return Chart(columns, max_value, baseline=half)
