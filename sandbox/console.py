"""Prints runs, cards and writes for a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from core.sanitize import sanitize_text

STYLES = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "info": "dim",
    "attention": "red",
    "warning": "yellow",
    "good": "green",
    "accent": "cyan",
    "emphasis": "magenta",
    "default": "cyan",
}
MAX_ROWS = 40
# Used if the output is not a terminal.
DEFAULT_WIDTH = 110
MAX_CARDS = 6


class SceneConsole:
    """Prints to one console. Untrusted text is always shown as text, never as markup."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = DEFAULT_WIDTH

    def print_title(self, text: str) -> None:
        """Prints a heading."""
        self.console.print()
        self.console.print(Rule(Text(text, style="bold"), align="left"))

    def print_text(self, text: str) -> None:
        """Prints a sentence."""
        self.console.print(Text(text))

    async def print_tick_run(self, tick: int, report: RunReport) -> None:
        """Prints one run of one guard with its tick."""
        self.print_run(run_report_to_json(report), f"tick {tick} · ")

    def print_run(self, report: Mapping[str, Any], title_prefix: str = "") -> None:
        """Prints what one run read, found, changed and sent."""
        self.print_title(f"{title_prefix}{report['guard']} ({report['mode']})")
        self.print_text(f"coverage {report['coverage']}")
        findings = [row for row in report["findings"] if row["state"] != "known"]
        known = len(report["findings"]) - len(findings)
        self.print_text(f"found    {self.summarize_findings(report, known)}")
        if findings:
            self.console.print(self.build_findings_table(findings))
        self.print_changes(report)
        self.print_text(f"sent     {self.summarize_cards(report)}")

    def summarize_findings(self, report: Mapping[str, Any], known: int) -> str:
        """Counts the findings by verdict."""
        if not report["findings"]:
            return "no problems"
        counts = Counter(str(row["verdict"]) for row in report["findings"])
        text = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
        return f"{text} ({known} already known)" if known else text

    def build_findings_table(self, rows: Sequence[Mapping[str, Any]]) -> RenderableType:
        """Lays out findings as a table."""
        table = Table(box=None, pad_edge=False, expand=False, header_style="dim")
        for name in ("severity", "verdict", "summary", "evidence"):
            table.add_column(name, overflow="fold", max_width=56 if name == "evidence" else None)
        for row in rows[:MAX_ROWS]:
            table.add_row(
                Text(row["severity"], style=STYLES[row["severity"]]),
                Text(row["verdict"] + (" (note)" if row["state"] == "note" else "")),
                Text(sanitize_text(row["summary"], 120)),
                Text("; ".join(sanitize_text(fact, 70) for fact in row["facts"][:2]), style="dim"),
            )
        if len(rows) > MAX_ROWS:
            return Group(table, Text(f"… and {len(rows) - MAX_ROWS} more", style="dim"))
        return table

    def print_changes(self, report: Mapping[str, Any]) -> None:
        """Prints which changes were made, are planned or were blocked."""
        if report["held"]:
            self.print_text(f"blocked  {report['held']}; plan {report['plan']}")
        if report["preview"]:
            counts = Counter(row["kind"] for row in report["preview"])
            text = ", ".join(f"{number} x {kind}" for kind, number in counts.items())
            self.print_text(f"changed  nothing yet; the next run will make {text}")
        elif report["changes"]:
            counts = Counter((row["kind"], row["outcome"]) for row in report["changes"])
            text = ", ".join(f"{number} x {kind} {out}" for (kind, out), number in counts.items())
            self.print_text(f"changed  {text}")
        else:
            self.print_text("changed  nothing")

    def summarize_cards(self, report: Mapping[str, Any]) -> str:
        """Describes the cards that were sent."""
        if report["told"] is None and not report["cards"]:
            return "nothing: no news"
        number, news = report["cards"], report["news"]
        line = f"{number} card{'' if number == 1 else 's'}"
        if news:
            line += f"; {news} notification{'' if news == 1 else 's'}"
        if report["told"] is False:
            return f"{line}; NOT all were sent ({report['error']}); the next run sends the rest"
        return line

    def print_probe(self, probe: Mapping[str, Any] | None) -> None:
        """Prints what the last probe of the assumptions found."""
        if probe is None:
            return
        counts = Counter(answer["status"] for answer in probe["answers"])
        found = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        self.print_title(f"Assumptions: {found}; {probe['requests']} requests")
        for answer in probe["answers"]:
            if answer["status"] == "does-not-hold":
                way = f" -> {answer['way']}" if answer["way"] else ""
                self.console.print(Text(f"{answer['assumption']}{way}: {answer['saw']}"))

    def print_cards(self, cards: Sequence[Mapping[str, Any]]) -> None:
        """Prints the cards roughly as Teams would show them."""
        self.print_title(f"{len(cards)} cards in the Teams channel")
        for card in cards[-MAX_CARDS:]:
            self.print_card(card)

    def print_card(
        self, message: Mapping[str, Any], max_entries: int = 4, is_compact: bool = False
    ) -> None:
        """Prints one card with at most `max_entries` of its cases; compact: without blank lines."""
        content = message["attachments"][0]["content"]
        header, *blocks = content["body"]
        entries = [block for block in blocks if block.get("separator") and "items" in block]
        hidden = entries[max_entries:]
        parts: list[RenderableType] = []
        for block in [header, *blocks]:
            if block in hidden[:1]:
                parts.append(Text(f"… {len(hidden)} more on the card", style="dim"))
            if block not in hidden:
                parts += self.render_block(block) + ([] if is_compact else [Text("")])
        width, padding = (108, (0, 1)) if is_compact else (100, (1, 2))
        self.console.print(
            Panel(Group(*parts), border_style=STYLES[header["style"]], width=width, padding=padding)
        )

    def render_block(self, block: Mapping[str, Any]) -> list[RenderableType]:
        """Renders the texts of a block. Their markdown is the card's own; untrusted text in it is
        escaped.
        """
        return [self.render_element(item) for item in block.get("items", [block])]

    def render_element(self, item: Mapping[str, Any]) -> RenderableType:
        """Renders one text or one table of facts."""
        if item["type"] != "FactSet":
            return Markdown(item["text"], style="dim" if item.get("isSubtle") else "")
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(width=min(24, max(len(fact["title"]) for fact in item["facts"])))
        grid.add_column(ratio=1)
        for fact in item["facts"]:
            grid.add_row(Markdown(fact["title"], style="dim"), Markdown(fact["value"]))
        return grid

    def print_writes(self, writes: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
        """Prints every write the tenant has received. `names` maps object ids to readable names."""
        self.print_title(f"{len(writes)} writes received by the tenant")
        if not writes:
            return
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("api", "action", "object", "arguments"):
            table.add_column(name, overflow="fold")
        for row in writes[:MAX_ROWS]:
            action, subject = describe_write(row, names)
            table.add_row(
                row["api"],
                Text(sanitize_text(action, 60)),
                Text(sanitize_text(subject, 60)),
                Text(sanitize_text(format_write_arguments(row["body"]), 120), style="dim"),
            )
        self.console.print(table)
        if len(writes) > MAX_ROWS:
            self.print_text(f"… and {len(writes) - MAX_ROWS} more")


def map_object_names(scene: Mapping[str, Any]) -> dict[str, str]:
    """Maps the ids of a scene's users and mailboxes to their principal names and addresses."""
    users = scene.get("graph", {}).get("users", [])
    boxes = scene.get("exchange", {}).get("Get-Mailbox", [])
    named = {str(row.get("id")): str(row.get("userPrincipalName")) for row in users}
    return named | {str(row.get("Guid")): str(row.get("PrimarySmtpAddress")) for row in boxes}


def describe_write(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, str]:
    """Describes a write by its action and its object."""
    target = str(row["target"])
    if row["api"] == "graph":
        parts = target.strip("/").split("/")
        owner, rest = parts[1] if len(parts) > 1 else "", "/".join(parts[2:])
        return f"{row['method']} {rest or 'user'}", names.get(owner, owner)
    cmdlet, _, identity = target.partition(" ")
    return cmdlet, names.get(identity, identity)


def format_write_arguments(body: Any) -> str:
    """Formats the arguments of a write, without those that only name its object."""
    if isinstance(body, Mapping) and "CmdletInput" in body:
        body = body["CmdletInput"].get("Parameters", {})
    if not isinstance(body, Mapping):
        return str(body or "")
    shown = {name: value for name, value in body.items() if name not in ("Identity", "@odata.type")}
    return ", ".join(f"{name} = {value}" for name, value in shown.items())
