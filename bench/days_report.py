"""The table and the picture of the simulated days in docs/reliability.md, from docs/days.json."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from bench.days import REPORTED_DAYS, TICKS_A_DAY, DayFigures, Simulation, describe_tactics
from bench.environment import ROOT
from bench.report import format_table

DOCUMENT = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "docs" / "days.json"
PICTURE = ROOT / "docs" / "images" / "days.svg"
HEADINGS = (
    "day",
    "cards",
    "of them about the attacker's mailbox",
    "ordinary events to tell of",
    "writes",
    "rows at its end",
    "rows a run recalls",
    "ms of CPU a run",
    "peak MiB of a run",
)
PANELS: tuple[tuple[str, Callable[[DayFigures], float]], ...] = (
    ("cards a day", lambda day: day.cards),
    ("rows", lambda day: day.rows),
    ("rows a run recalls", lambda day: day.recalled),
    ("ms of CPU a run", lambda day: day.cpu_ms),
)
WIDTH, HEIGHT, MARGIN = 320, 180, 44


@dataclass(frozen=True, slots=True)
class DaysResults:
    """A simulation as it is published."""

    size: int
    figures: tuple[DayFigures, ...]
    told_after: tuple[int | None, ...]
    """For each victim, ticks until a card named the mailbox."""
    disabled_after: tuple[int | None, ...]
    """For each victim, ticks until the rule was disabled."""

    @classmethod
    def of(cls, simulation: Simulation) -> "DaysResults":
        """The results of a simulation."""
        return cls(
            simulation.size,
            tuple(simulation.figures),
            tuple(story.told_after for story in simulation.victims),
            tuple(story.disabled_after for story in simulation.victims),
        )

    def save(self, path: Path = RESULTS) -> None:
        """Write them as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path = RESULTS) -> "DaysResults":
        """Read what `save` wrote."""
        wire: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            wire["size"],
            tuple(DayFigures(**row) for row in wire["figures"]),
            tuple(wire["told_after"]),
            tuple(wire["disabled_after"]),
        )


def format_days(results: DaysResults) -> str:
    """The table of the reported days, and what became of the victims."""
    rows = [
        (
            str(day.day),
            f"{day.cards:,}",
            f"{day.attacker_cards:,}",
            f"{day.ordinary:,}",
            f"{day.writes:,}",
            f"{day.rows:,}",
            f"{day.recalled:,.0f}",
            f"{day.cpu_ms:.0f}",
            f"{day.peak_mib:.1f}",
        )
        for day in results.figures
        if day.day in REPORTED_DAYS
    ]
    return f"{format_table(HEADINGS, rows)}\n\n{describe_victims(results)}"


def describe_victims(results: DaysResults) -> str:
    """How soon others were told of and put right, whatever the attacker did."""
    told = [ticks for ticks in results.told_after if ticks is not None]
    disabled = [ticks for ticks in results.disabled_after if ticks is not None]
    at_once = sum(ticks == 0 for ticks in told)
    hours = max((*told, *disabled), default=0) * 24 / TICKS_A_DAY
    return (
        f"{len(results.told_after)} other mailboxes got a rule that sends mail out: {len(told)} "
        f"were told ({at_once} by the next look), {len(disabled)} had their rule disabled, the "
        f"last after {hours:g} hours. The tenant has {results.size:,} mailboxes; the attacker's "
        f"tactics: {describe_tactics()}."
    )


def update_document(text: str, results: DaysResults) -> str:
    """The document with its table. Raises LookupError if a mark is missing."""
    before, mark, rest = text.partition("<!-- days -->\n")
    _, end, after = rest.partition("<!-- end -->")
    if not mark or not end:
        raise LookupError("no place for <!-- days --> ... <!-- end -->")
    return f"{before}{mark}{format_days(results)}\n{end}{after}"


def draw_picture(results: DaysResults) -> str:
    """One panel a figure over all days, as SVG."""
    panels = [
        draw_panel(results.figures, title, value, number)
        for number, (title, value) in enumerate(PANELS)
    ]
    width, height = 2 * WIDTH, 2 * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        'aria-label="Cards, rows, recalled rows and CPU of each simulated day" '
        'font-family="sans-serif" font-size="11">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{"".join(panels)}</svg>\n'
    )


def draw_panel(
    days: Sequence[DayFigures], title: str, value: Callable[[DayFigures], float], number: int
) -> str:
    """One figure of each day: a line, a dot for each reported day, and the largest value."""
    left, top = number % 2 * WIDTH + MARGIN, number // 2 * HEIGHT + MARGIN // 2 + 8
    wide, high = WIDTH - MARGIN - 14, HEIGHT - MARGIN - 10
    last = max(day.day for day in days)
    most = max(max(map(value, days)), 1)

    def place(day: DayFigures) -> tuple[float, float]:
        across = (day.day - 1) / max(last - 1, 1)
        return left + wide * across, top + high * (1 - value(day) / most)

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, days))
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#0f6cbd"/>'
        for x, y in (place(day) for day in days if day.day in REPORTED_DAYS)
    )
    return (
        f'<text x="{left}" y="{top - 8}" font-weight="bold">{escape(title)}</text>\n'
        f'<path d="M{left},{top} V{top + high} H{left + wide}" fill="none" stroke="#767676"/>\n'
        f'<text x="{left - 6}" y="{top + 8}" text-anchor="end">{most:,.0f}</text>\n'
        f'<text x="{left - 6}" y="{top + high}" text-anchor="end">0</text>\n'
        f'<text x="{left}" y="{top + high + 14}">day 1</text>\n'
        f'<text x="{left + wide}" y="{top + high + 14}" text-anchor="end">day {last}</text>\n'
        f'<polyline points="{line}" fill="none" stroke="#0f6cbd" stroke-width="1.4"/>\n{dots}\n'
    )


def publish_days(results: DaysResults) -> None:
    """Make a simulation the published one: its figures, the table and the picture."""
    results.save()
    PICTURE.write_text(draw_picture(results), encoding="utf-8")
    DOCUMENT.write_text(
        update_document(DOCUMENT.read_text(encoding="utf-8"), results), encoding="utf-8"
    )


def format_day(day: DayFigures) -> Mapping[str, object]:
    """One day for the terminal."""
    return {name: round(value, 1) for name, value in asdict(day).items()}
