"""Prints the demonstration as numbered acts: one row a guard, one card of each kind.

With `verbose`, all that a run read, found, changed and sent is printed, as `sandbox run` does.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.rule import Rule
from rich.text import Text

from core.sanitize import sanitize_text
from sandbox.console import STYLES, SceneConsole

ROW_WIDTHS = (24, 8, 30, 25, 8)
ROW_NAMES = ("guard", "mode", "found", "changed", "told")
# Of a card with many cases, so many are printed.
CARD_ENTRIES = 1

type JsonRow = Mapping[str, Any]


@dataclass(slots=True)
class ActPrinter:
    """One performance: its console, its clock, and what was shown of it so far."""

    output: SceneConsole
    verbose: bool = False
    now: Callable[[], float] = time.monotonic
    started_at: float = 0.0
    act: int = 0
    quiet_guards: list[str] = field(default_factory=list)
    """The guards of this act that had nothing new to tell, in order."""
    unshown_cards: int = 0
    steps: dict[str, str] = field(default_factory=dict)
    """What the attacker did for each guard to see, in this act, by guard."""

    def __post_init__(self) -> None:
        self.started_at = self.now()

    def begin_act(self, title: str, *sentences: str) -> None:
        """Print the number, the title and the time since the start, then what happens."""
        self.act += 1
        self.steps.clear()
        elapsed = self.now() - self.started_at
        self.output.console.print()
        heading = Text(f"{self.act}. {title} ({elapsed:.0f} s)", style="bold")
        self.output.console.print(Rule(heading, align="left"))
        for sentence in sentences:
            self.output.print_text(sentence)

    def add_step(self, guard: str, description: str) -> None:
        """Keep what the attacker did, for the row of the guard that sees it; or print it now."""
        if self.verbose:
            self.output.print_text(description)
        else:
            self.steps[guard] = description

    def print_header(self) -> None:
        """Print the names of the columns, above the rows of the guards."""
        if self.steps:
            names = format_step("told as", "by", "what the attacker did")
            self.output.console.print(Text(names, style="dim"), soft_wrap=True)
        elif not self.verbose:
            self.output.console.print(Text(format_row(ROW_NAMES), style="dim"), soft_wrap=True)

    def print_run(self, report: JsonRow, only_news: bool = False) -> None:
        """Print one run. With `only_news`, a run without any is left for `end_rows` to count."""
        if self.verbose:
            self.output.print_run(report)
        elif only_news and not has_news(report):
            self.quiet_guards.append(str(report["guard"]))
        elif step := self.steps.get(str(report["guard"])):
            self.output.console.print(build_step_row(report, step), soft_wrap=True)
        else:
            self.output.console.print(build_row(report), soft_wrap=True)

    def end_rows(self) -> None:
        """Say which guards had nothing new, in one line."""
        if self.quiet_guards:
            count = len(self.quiet_guards)
            self.output.print_text(f"{count} more guard{'s' * (count != 1)} ran: nothing new.")
        self.quiet_guards.clear()

    def print_cards(self, cards: Sequence[JsonRow], shows: Callable[[JsonRow], bool]) -> None:
        """Print all cards that arrived; without `verbose`, the last that `shows` picks.

        A run sends its gravest card first and what it put right last.
        """
        picked = next((card for card in reversed(cards) if shows(card)), None)
        for card in cards:
            if self.verbose:
                self.output.print_card(card)
            elif card is picked:
                self.output.print_card(card, CARD_ENTRIES, is_compact=True)
            else:
                self.unshown_cards += 1

    def print_rest(self, writes: Sequence[JsonRow], names: Mapping[str, str]) -> None:
        """Print the writes that the tenant received, and what was left out."""
        if self.verbose:
            self.output.print_writes(writes, names)
            return
        by_target = Counter(describe_target(row) for row in writes)
        listed = ", ".join(f"{count} x {target}" for target, count in by_target.most_common())
        self.output.print_text(f"{len(writes)} writes received by the tenant: {listed}.")
        self.output.print_text(
            f"{self.unshown_cards} more cards arrived in the channel; --verbose shows every card, "
            "every finding and every write."
        )


def has_news(report: JsonRow) -> bool:
    """True if a run found, changed or told anything that the run before did not."""
    return bool(report["changes"] or report["held"] or report["news"] or report["cards"])


def describe_target(row: JsonRow) -> str:
    """What kind of write it was: a cmdlet, or a Graph method and collection."""
    target = str(row["target"])
    if row["api"] != "graph":
        return sanitize_text(target.partition(" ")[0], 60)
    return sanitize_text(f"{row['method']} /{target.strip('/').partition('/')[0]}", 60)


def list_severities(report: JsonRow) -> list[str]:
    """The severities of what a run found that was not known, the gravest first, each once."""
    found = {str(row["severity"]) for row in list_news(report)}
    return [name for name in STYLES if name in found and name != "info"]


def list_news(report: JsonRow) -> list[JsonRow]:
    """The findings of a run that were not known before."""
    return [row for row in report["findings"] if row["state"] not in ("known", "note")]


def build_step_row(report: JsonRow, step: str) -> Text:
    """One step of the attacker in one line: how gravely it is told, by whom, if it is undone."""
    ranked = list_severities(report)
    is_put_right = any(row["outcome"] == "applied" for row in report["changes"])
    text = f"{step} Put right at once." if is_put_right else step
    line = format_step(ranked[0] if ranked else "-", str(report["guard"]), text)
    return Text(line, style=STYLES[ranked[0]] if ranked else "")


def format_step(severity: str, guard: str, text: str) -> str:
    """A step in columns."""
    return f"{severity:<9} {guard:<23} {text}"


def build_row(report: JsonRow) -> Text:
    """One run in one line: what it found by severity, what it changed, what it told."""
    severities = Counter(str(row["severity"]) for row in list_news(report))
    ranked = list_severities(report)
    found = ", ".join(f"{severities[name]} {name}" for name in ranked) or "-"
    told = "-" if not report["cards"] else f"{report['cards']} card{'s' * (report['cards'] != 1)}"
    cells = (str(report["guard"]), str(report["mode"]), found, describe_changes(report), told)
    return Text(format_row(cells), style=STYLES[ranked[0]] if ranked else "")


def describe_changes(report: JsonRow) -> str:
    """What a run changed, or will change, in a few words."""
    if report["held"]:
        return "held by the brake"
    if report["preview"]:
        return f"nothing yet; {len(report['preview'])} next run"
    outcomes = Counter(str(row["outcome"]) for row in report["changes"])
    return ", ".join(f"{count} {name}" for name, count in outcomes.most_common()) or "-"


def format_row(cells: Sequence[str]) -> str:
    """Cells in columns of fixed widths."""
    padded = (cell.ljust(width) for cell, width in zip(cells, ROW_WIDTHS, strict=True))
    return " ".join(padded).rstrip()
