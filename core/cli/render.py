"""Renders the documents of the API on a terminal, in tables that fit 80 columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from core.cli.formatting import (
    colour_word,
    format_age,
    format_time_and_age,
    format_utc,
    parse_document_time,
    sanitize_cell,
)
from core.cli.undo_hint import format_before, format_undo_hint
from core.cli.words import EFFECTIVE_OUTCOMES, SEVERITY_LABELS

MIN_TABLE_WIDTH = 80
# The most rows the status shows of a list without bounds.
MAX_ROWS = 8

type JsonRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TerminalRenderer:
    """Prints documents. Their text is untrusted: it is printed as text, never as markup."""

    console: Console
    now: datetime

    def print_line(self, *parts: str | Text) -> None:
        """Print parts on one line."""
        self.console.print(Text(" ").join(to_rich_text(part) for part in parts))

    def print_title(self, text: str) -> None:
        """Print the title of a section."""
        self.console.print()
        self.console.print(Text(text, style="bold"))

    def print_table(
        self, names: Iterable[str], rows: Iterable[Iterable[str | Text]], no_wrap: bool = False
    ) -> None:
        """Print a table whose last column takes the remaining width.

        `no_wrap`: cells of the other columns stay on one line if the terminal is wide enough.
        """
        no_wrap = no_wrap and self.console.width >= MIN_TABLE_WIDTH
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        columns = list(names)
        for name in columns[:-1]:
            table.add_column(name, overflow="fold", no_wrap=no_wrap)
        table.add_column(columns[-1], overflow="fold", ratio=1)
        for row in rows:
            table.add_row(*(to_rich_text(cell) for cell in row))
        self.console.print(table)

    def print_pairs(self, rows: Iterable[tuple[str, str | Text | None]]) -> None:
        """Print names and values, without those that have no value."""
        self.print_columns(
            (Text(name, style="dim"), to_rich_text(value)) for name, value in rows if value
        )

    def print_columns(self, rows: Iterable[tuple[Text, Text]]) -> None:
        """Print two columns without a header."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    # ------------------------------------------------------------------------------------------
    # Status
    # ------------------------------------------------------------------------------------------

    def print_status(self, document: JsonRow, location: str) -> None:
        """Print the status."""
        health, at = colour_word(document["health"]), format_time_and_age(document["at"], self.now)
        self.print_line("Exoguard is", health, f"· {location} · {at}")
        self.print_columns(map(build_reason_row, document["reasons"]))
        self.print_title("Guards")
        self.print_table(
            ("guard", "health", "mode", "scanned", "read", "open"),
            (self.build_guard_row(row) for row in document["guards"]),
            no_wrap=True,
        )
        self.print_waiting(document)

    def build_guard_row(self, row: JsonRow) -> tuple[str | Text, ...]:
        """The row of one guard."""
        coverage = row["coverage"]
        scanned = format_age(row["last_complete_scan"], self.now)
        health = colour_word(row["health"])
        if row["late"]:
            health = Text(" ").join([health, colour_word("late")])
        return (
            sanitize_cell(row["guard"], 60),
            health,
            sanitize_cell(row["mode"], 10),
            "never" if row["never_scanned"] else scanned,
            f"{coverage['seen']:,}/{coverage['population']:,}" if coverage else "-",
            format_level_counts(row["open"]),
        )

    def print_waiting(self, document: JsonRow) -> None:
        """Print what is pending: decisions, notifications, permissions, exemptions."""
        if document["decisions"]:
            number = sum(row["decisions"] for row in document["guards"])
            known = len(document["decisions"]) - number
            self.print_title(
                f"Waiting for your decision: {number}"
                + (f", and {known} that somebody acknowledged" if known else "")
            )
            self.print_table(
                ("since", "kind", "what"), map(self.build_decision_row, document["decisions"])
            )
        pending = document["pending_notifications"]
        if pending["cases"] or pending["requests"]:
            number = pending["cases"] + pending["requests"]
            self.print_title(
                f"Pending notifications: {number}, oldest {format_age(pending['oldest'], self.now)}"
            )
        missing = group_by_permission(document["permissions"]["missing"])
        if missing:
            self.print_title("Missing permissions")
            self.print_table(("permission", "needed by"), missing[:MAX_ROWS])
        if len(missing) > MAX_ROWS:
            self.print_line(f"and {len(missing) - MAX_ROWS} more: `doctor` lists all")
        exemptions = [row for row in document["exemptions"] if row["in_force"]]
        if exemptions:
            self.print_title("Exemptions")
            self.print_table(("until", "who", "what"), map(self.build_exemption_row, exemptions))

    def build_decision_row(self, row: JsonRow) -> tuple[str | Text, ...]:
        """The row of one pending decision."""
        acknowledged = " (acknowledged)" if row["acknowledged"] else ""
        text = sanitize_cell(f"{row['guard']} · {row['subject']}{acknowledged}", 400)
        text.append_text(Text("\n")).append_text(sanitize_cell(row["summary"], 400))
        if row["kind"] == "plan":
            text.append(f"\nrelease {row['guard']} {row['plan']}", style="bold")
        elif row["case"]:
            text.append(f"\ncase {row['case'][-8:]}", style="dim")
        return format_age(row["since"], self.now), colour_word(row["kind"]), text

    def build_exemption_row(self, row: JsonRow) -> tuple[str | Text, ...]:
        """The row of one exemption."""
        name = row["named"] or row["subject"]
        return (
            format_utc(row["until"])[:10],
            sanitize_cell(row["who"], 60),
            sanitize_cell(f"{row['guard']} · {name}: {row['why']}", 400),
        )

    # ------------------------------------------------------------------------------------------
    # Cases
    # ------------------------------------------------------------------------------------------

    def print_cases(self, document: JsonRow) -> None:
        """Print a page of cases."""
        if not document["cases"]:
            self.print_line(describe_empty_page(document))
            return
        self.print_table(
            ("case", "severity", "opened", "what"), map(self.build_case_row, document["cases"])
        )
        self.console.print()
        more = f"; page {document['page']} of {document['pages']}" if document["pages"] > 1 else ""
        number = document["total"]
        stand = f", which stand for {document['counted']:,}" if document["counted"] > number else ""
        self.print_line(f"{number:,} {'case' if number == 1 else 'cases'}{stand}{more}")

    def build_case_row(self, row: JsonRow) -> tuple[str | Text, ...]:
        """The row of one case."""
        state = ", acknowledged" if row["acknowledged_at"] else ""
        if row["state"] == "closed":
            closed_age = format_age(row["closed_at"], self.now)
            state = f", closed {closed_age} ({row['resolution'] or 'closed'})"
        head = sanitize_cell(f"{row['guard']} · {row['subject']}{state}", 400)
        body = sanitize_cell(f"{row['summary']}", 400, "dim")
        return (
            sanitize_cell(row["short"], 8),
            colour_word(row["severity"]),
            format_age(row["opened_at"], self.now),
            Text("\n").join([head, body]),
        )

    def list_cause_lines(self, row: JsonRow) -> Iterator[tuple[int, str]]:
        """What is on record about who did it, each line with how far it is indented."""
        cause = row["cause"]
        if cause:
            yield 2, f"who: {cause['text']}"
            yield from ((4, f"also: {name}") for name in cause["also"])
            if places := ", ".join(cause["other_addresses"]):
                yield 4, f"within an hour the same session also acted from {places}"
            for one in row["related"]:
                yield 4, f"same hand: case {one['case'][-8:]} of {one['guard']}: {one['summary']}"
        elif row["cause_sought_at"]:
            sought = format_time_and_age(row["cause_sought_at"], self.now)
            yield 2, f"who: no record found by {sought} in the logs that are read"
            if earlier := row["earlier_change"]:
                yield 2, f"earlier change: {earlier['text']}; a look after it found nothing"
        if row["clean_at"] and row["cause_sought_at"]:
            since = format_time_and_age(row["clean_at"], self.now)
            yield 2, f"came: after the look of {since}, which did not find it"
        yield from ((2, f"sign-in method: {method}") for method in row["new_methods"])

    def print_case(self, row: JsonRow) -> None:
        """Print one case in full."""
        self.print_line(
            colour_word(row["severity"]), sanitize_cell(f"{row['guard']} · {row['subject']}", 400)
        )
        self.print_line(sanitize_cell(row["summary"], 1000))
        for fact in row["facts"]:
            self.console.print(Padding(sanitize_cell(fact, 1000), (0, 0, 0, 2)))
        for indent, text in self.list_cause_lines(row):
            self.console.print(Padding(sanitize_cell(text, 1000), (0, 0, 0, indent)))
        self.console.print()
        closed = (
            f"closed {format_time_and_age(row['closed_at'], self.now)}: {row['resolution'] or '-'}"
        )
        exempt, known = row["exemption"], row["acknowledged_at"]
        self.print_pairs(
            (
                ("case", sanitize_cell(row["case"], 40)),
                ("object", sanitize_cell(row["object"])),
                ("state", sanitize_cell(closed) if row["closed_at"] else "open"),
                ("verdict", sanitize_cell(row["verdict"], 40)),
                ("opened", format_time_and_age(row["opened_at"], self.now)),
                (
                    "notified",
                    format_time_and_age(row["notified_at"], self.now)
                    if row["notified_at"]
                    else "not yet",
                ),
                (
                    "acknowledged",
                    sanitize_cell(
                        f"{format_time_and_age(known, self.now)} by {row['acknowledged_by']}"
                    )
                    if known
                    else None,
                ),
                (
                    "exempt" if exempt and is_ahead(exempt["until"], self.now) else "was exempt",
                    sanitize_cell(
                        f"until {format_utc(exempt['until'])}, by {exempt['who']}: {exempt['why']}",
                        800,
                    )
                    if exempt
                    else None,
                ),
                ("advice", sanitize_cell(row["advice"], 1000)),
                ("note", sanitize_cell(row["note"], 1000)),
            )
        )
        self.print_steps(row["steps"])
        if row["changes"]:
            self.print_title("Changes")
            self.print_changes(row["changes"])
        if row["requests"]:
            self.print_title("Requests")
            self.print_requests(row["requests"])

    def print_steps(self, rows: Sequence[JsonRow]) -> None:
        """Print what to do, in its order; each command stands alone on its line, to be copied."""
        if rows:
            self.print_title("What to do")
        for number, row in enumerate(rows, 1):
            shell = f" ({row['shell']})" if row["shell"] else ""
            self.console.print(sanitize_cell(f"{number}. {row['text']}{shell}", 1_200))
            if row["command"]:
                self.console.print(sanitize_cell(row["command"], 2_000, "bold"), soft_wrap=True)

    # ------------------------------------------------------------------------------------------
    # Changes, requests and runs
    # ------------------------------------------------------------------------------------------

    def print_changes(self, rows: Iterable[JsonRow]) -> None:
        """Print changes, with the values before them and how to undo them."""
        self.print_table(("when", "outcome", "what"), map(self.build_change_row, rows))

    def build_change_row(self, row: JsonRow) -> tuple[str | Text, ...]:
        """The row of one change."""
        kind = f"undo of {row['kind']}" if row["undo_of"] else row["kind"]
        outcome = "taken back" if row["undone_at"] else row["outcome"]
        lines = [sanitize_cell(f"{row['guard']} · {kind} · {row['subject']}", 400)]
        if row["note"]:
            lines.append(sanitize_cell(row["note"], 400))
        lines += [sanitize_cell(f"before: {line}", 600) for line in format_before(row)]
        lines.append(sanitize_cell(format_undo_hint(row), 400, "dim"))
        return format_age(row["at"], self.now), colour_word(outcome), Text("\n").join(lines)

    def print_requests(self, rows: Iterable[JsonRow]) -> None:
        """Print requests of operators with their results."""
        self.print_table(("requested", "status", "what"), map(self.build_request_row, rows))

    def build_request_row(self, row: JsonRow) -> tuple[str | Text, ...]:
        """The row of one request."""
        head = sanitize_cell(f"{row['kind']} · {row['guard']} {row['subject'] or ''}".strip(), 400)
        account = f" ({row['signed_in']})" if row["signed_in"] else ""
        why = sanitize_cell(f"{row['who']}{account}: {row['why']}", 1_000)
        lines = [head, why, *([sanitize_cell(row["note"], 600)] if row["note"] else [])]
        lines.append(sanitize_cell(row["request"], 40, "dim"))
        return format_age(row["at"], self.now), colour_word(row["status"]), Text("\n").join(lines)

    def print_run(self, row: JsonRow) -> None:
        """Print the report of a run: its coverage, findings and changes."""
        self.print_line(
            colour_word(row["status"]), sanitize_cell(f"{row['guard']} · run {row['run']}")
        )
        changes, held = row.get("changes") or [], row.get("held")
        held_back = f"{held}; plan {row.get('plan')}"
        self.print_pairs(
            (
                ("mode", sanitize_cell(row.get("mode"), 10)),
                ("coverage", sanitize_cell(row.get("coverage"), 400)),
                ("open", f"{row['open']} ({row['critical']} critical)" if "open" in row else None),
                ("changes made", f"{count_changes_made(changes)}" if "changes" in row else None),
                ("held back", sanitize_cell(held_back, 400) if held else None),
                ("error", sanitize_cell(row.get("error"), 600)),
            )
        )
        for change in changes:
            name = sanitize_cell(f"{change['kind']} · {change['subject']} {change['note']}", 400)
            self.print_line("  ", colour_word(change["outcome"]), name)


def is_ahead(text: str, now: datetime) -> bool:
    """Whether a time of a document has not come yet."""
    time = parse_document_time(text)
    return time is not None and time > now


def describe_empty_page(document: JsonRow) -> str:
    """Why a page has no cases: there are none, or they are on other pages."""
    number, pages = document["total"], document["pages"]
    if not number:
        return "No cases."
    cases = f"{number:,} {'case' if number == 1 else 'cases'}"
    return (
        f"None on page {document['page']}: {cases} on {pages} {'page' if pages == 1 else 'pages'}"
    )


def group_by_permission(rows: Iterable[JsonRow]) -> list[tuple[Text, Text]]:
    """The missing permissions, and the guards that need each."""
    guards_by_permission: dict[str, list[str]] = {}
    for row in rows:
        optional = " (optional)" if row["optional"] else ""
        guards_by_permission.setdefault(str(row["permission"]), []).append(
            f"{row['guard']}{optional}"
        )
    return [
        (sanitize_cell(name, 80), sanitize_cell(", ".join(guards), 400))
        for name, guards in guards_by_permission.items()
    ]


def count_changes_made(rows: Iterable[JsonRow]) -> int:
    """How many changes of a run took effect; refused and failed ones did not."""
    return sum(row["outcome"] in EFFECTIVE_OUTCOMES for row in rows)


def build_reason_row(reason: JsonRow) -> tuple[Text, Text]:
    """The row of a reason why the health is not ok."""
    about = f"{reason['guard']}: " if reason["guard"] else ""
    return Text.assemble("  ", colour_word(reason["health"])), sanitize_cell(
        f"{about}{reason['text']}", 400
    )


def to_rich_text(value: str | Text) -> Text:
    """A cell as text. A plain string is never read as markup."""
    return value if isinstance(value, Text) else Text(value)


def format_level_counts(counts: JsonRow) -> Text:
    """Open cases by severity, as text."""
    parts = [
        Text.assemble(f"{counts[name]} ", colour_word(name))
        for name in SEVERITY_LABELS
        if counts[name]
    ]
    return Text(", ").join(parts) if parts else Text("none")
