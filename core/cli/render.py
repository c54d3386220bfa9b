"""The documents of the API on a terminal: tables that fit 80 columns, and words beside colours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from core.cli.formatting import ago, both, safe, utc, word
from core.cli.lookup import LEVELS
from core.cli.undo_hint import how_to_undo, was

NARROW = 80
# So many of what may be many are shown in the status.
SOME = 8

type Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Show:
    """Prints documents. Everything in them is foreign: shown as text and never as markup."""

    console: Console
    now: datetime

    def line(self, *parts: str | Text) -> None:
        """Parts on one line."""
        self.console.print(Text(" ").join(as_text(part) for part in parts))

    def title(self, text: str) -> None:
        """What begins a part."""
        self.console.print()
        self.console.print(Text(text, style="bold"))

    def table(
        self, names: Iterable[str], rows: Iterable[Iterable[str | Text]], whole: bool = False
    ) -> None:
        """A table; its last column takes what is left. `whole`: no line of the others is broken,
        where there is room for that.
        """
        whole = whole and self.console.width >= NARROW
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        columns = list(names)
        for name in columns[:-1]:
            table.add_column(name, overflow="fold", no_wrap=whole)
        table.add_column(columns[-1], overflow="fold", ratio=1)
        for row in rows:
            table.add_row(*(as_text(cell) for cell in row))
        self.console.print(table)

    def pairs(self, rows: Iterable[tuple[str, str | Text | None]]) -> None:
        """Names and values; what has no value is left out."""
        self.columns((Text(name, style="dim"), as_text(value)) for name, value in rows if value)

    def columns(self, rows: Iterable[tuple[Text, Text]]) -> None:
        """Two columns without a head."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    # ------------------------------------------------------------------------------------------
    # The status
    # ------------------------------------------------------------------------------------------

    def status(self, document: Row, where: str) -> None:
        """How everything stands."""
        health, at = word(document["health"]), both(document["at"], self.now)
        self.line("Exoguard is", health, f"· {where} · {at}")
        self.columns(map(why, document["reasons"]))
        self.title("Guards")
        self.table(
            ("guard", "health", "mode", "looked", "seen", "open"),
            (self.guard(row) for row in document["guards"]),
            whole=True,
        )
        self.waiting(document)

    def guard(self, row: Row) -> tuple[str | Text, ...]:
        """One guard."""
        seen = row["coverage"]
        looked = ago(row["last_complete_look"], self.now)
        health = word(row["health"])
        if row["late"]:
            health = Text(" ").join([health, word("late")])
        return (
            safe(row["guard"], 60),
            health,
            safe(row["mode"], 10),
            "never" if row["never_looked"] else looked,
            f"{seen['seen']:,}/{seen['population']:,}" if seen else "-",
            levels(row["open"]),
        )

    def waiting(self, document: Row) -> None:
        """What waits: for a person, for the channel, for a grant."""
        if document["decisions"]:
            self.title("Waiting for a person")
            self.table(("since", "kind", "what"), map(self.decision, document["decisions"]))
        untold = document["untold"]
        if untold["cases"] or untold["actions"]:
            number = untold["cases"] + untold["actions"]
            self.title(f"{number} not told yet, the oldest {ago(untold['oldest'], self.now)}")
        missing = by_permission(document["permissions"]["missing"])
        if missing:
            self.title("Permissions that are missing")
            self.table(("permission", "for"), missing[:SOME])
        if len(missing) > SOME:
            self.line(f"and {len(missing) - SOME} more: doctor tells all")
        exemptions = [row for row in document["exemptions"] if row["in_force"]]
        if exemptions:
            self.title("Exemptions")
            self.table(("until", "who", "what"), map(self.exemption, exemptions))

    def decision(self, row: Row) -> tuple[str | Text, ...]:
        """Something only a person can decide."""
        text = safe(f"{row['guard']} · {row['subject']}", 400)
        text.append_text(Text("\n")).append_text(safe(row["summary"], 400))
        if row["kind"] == "plan":
            text.append(f"\nrelease {row['guard']} {row['plan']}", style="bold")
        elif row["case"]:
            text.append(f"\ncase {row['case'][-8:]}", style="dim")
        return ago(row["since"], self.now), word(row["kind"]), text

    def exemption(self, row: Row) -> tuple[str | Text, ...]:
        """Something that is right as it is, for a time."""
        name = row["named"] or row["subject"]
        return (
            utc(row["until"])[:10],
            safe(row["who"], 60),
            safe(f"{row['guard']} · {name}: {row['why']}", 400),
        )

    # ------------------------------------------------------------------------------------------
    # Cases
    # ------------------------------------------------------------------------------------------

    def cases(self, document: Row) -> None:
        """A list of cases."""
        if not document["cases"]:
            self.line("No cases.")
            return
        self.table(("case", "severity", "opened", "what"), map(self.case_row, document["cases"]))
        self.console.print()
        more = f"; page {document['page']} of {document['pages']}" if document["pages"] > 1 else ""
        number = document["total"]
        self.line(f"{number:,} {'case' if number == 1 else 'cases'}{more}")

    def case_row(self, row: Row) -> tuple[str | Text, ...]:
        """One of them."""
        state = ", acknowledged" if row["acknowledged"] else ""
        if row["state"] == "closed":
            state = f", closed {ago(row['closed'], self.now)} ({row['closing'] or 'closed'})"
        head = safe(f"{row['guard']} · {row['subject']}{state}", 400)
        body = safe(f"{row['summary']}", 400, "dim")
        return (
            safe(row["short"], 8),
            word(row["severity"]),
            ago(row["opened"], self.now),
            Text("\n").join([head, body]),
        )

    def case(self, row: Row) -> None:
        """A case with all that is known of it."""
        self.line(word(row["severity"]), safe(f"{row['guard']} · {row['subject']}", 400))
        self.line(safe(row["summary"], 1000))
        for fact in row["facts"]:
            self.console.print(Padding(safe(fact, 1000), (0, 0, 0, 2)))
        self.console.print()
        closed = f"closed {both(row['closed'], self.now)}: {row['closing'] or '-'}"
        exempt, known = row["exemption"], row["acknowledged"]
        self.pairs(
            (
                ("case", safe(row["case"], 40)),
                ("object", safe(row["object"])),
                ("state", safe(closed) if row["closed"] else "open"),
                ("verdict", safe(row["verdict"], 40)),
                ("opened", both(row["opened"], self.now)),
                ("told", both(row["told"], self.now) if row["told"] else "not yet"),
                (
                    "acknowledged",
                    safe(f"{both(known, self.now)} by {row['acknowledged_by']}") if known else None,
                ),
                (
                    "exempt",
                    safe(f"until {utc(exempt['until'])}, by {exempt['who']}: {exempt['why']}", 800)
                    if exempt
                    else None,
                ),
                ("advice", safe(row["advice"], 1000)),
                ("note", safe(row["note"], 1000)),
            )
        )
        if row["changes"]:
            self.title("Changes")
            self.changes(row["changes"])
        if row["actions"]:
            self.title("What people asked for")
            self.actions(row["actions"])

    # ------------------------------------------------------------------------------------------
    # Changes and actions
    # ------------------------------------------------------------------------------------------

    def changes(self, rows: Iterable[Row]) -> None:
        """Changes of the tenant, with what was there before and how to take them back."""
        self.table(("when", "outcome", "what"), map(self.change, rows))

    def change(self, row: Row) -> tuple[str | Text, ...]:
        """One of them."""
        lines = [safe(f"{row['guard']} · {row['kind']} · {row['subject']}", 400)]
        if row["note"]:
            lines.append(safe(row["note"], 400))
        lines += [safe(f"before: {line}", 600) for line in was(row)]
        lines.append(safe(how_to_undo(row), 400, "dim"))
        return ago(row["at"], self.now), word(row["outcome"]), Text("\n").join(lines)

    def actions(self, rows: Iterable[Row]) -> None:
        """What people asked for, and what came of it."""
        self.table(("asked", "status", "what"), map(self.action, rows))

    def action(self, row: Row) -> tuple[str | Text, ...]:
        """One of them."""
        head = safe(f"{row['deed']} · {row['guard']} {row['subject'] or ''}".strip(), 400)
        why = safe(f"{row['who']}: {row['why']}", 800)
        lines = [head, why, *([safe(row["note"], 600)] if row["note"] else [])]
        lines.append(safe(row["action"], 40, "dim"))
        asked = row.get("at") or row.get("asked")
        return ago(asked, self.now), word(row["status"]), Text("\n").join(lines)

    def run(self, row: Row) -> None:
        """What a run saw, did and said."""
        self.line(word(row["status"]), safe(f"{row['guard']} · run {row['run']}"))
        changes, held = row.get("changes") or [], row.get("held")
        self.pairs(
            (
                ("mode", safe(row.get("mode"), 10)),
                ("saw", safe(row.get("coverage"), 400)),
                ("open", f"{row['open']} ({row['critical']} critical)" if "open" in row else None),
                ("changed", f"{len(changes)}" if "changes" in row else None),
                ("held", safe(f"{held}; plan {row.get('plan')}", 400) if held else None),
                ("error", safe(row.get("error"), 600)),
            )
        )
        for change in changes:
            name = safe(f"{change['kind']} · {change['subject']} {change['note']}", 400)
            self.line("  ", word(change["outcome"]), name)


def by_permission(rows: Iterable[Row]) -> list[tuple[Text, Text]]:
    """Permissions that are missing, and which guards are short of each."""
    found: dict[str, list[str]] = {}
    for row in rows:
        optional = " (optional)" if row["optional"] else ""
        found.setdefault(str(row["permission"]), []).append(f"{row['guard']}{optional}")
    return [(safe(name, 80), safe(", ".join(guards), 400)) for name, guards in found.items()]


def why(reason: Row) -> tuple[Text, Text]:
    """A reason why something is not well."""
    about = f"{reason['guard']}: " if reason["guard"] else ""
    return Text.assemble("  ", word(reason["health"])), safe(f"{about}{reason['text']}", 400)


def as_text(value: str | Text) -> Text:
    """A cell; a string of this program's own is text as well, never markup."""
    return value if isinstance(value, Text) else Text(value)


def levels(counts: Row) -> Text:
    """Open cases by severity, in words."""
    parts = [Text.assemble(f"{counts[name]} ", word(name)) for name in LEVELS if counts[name]]
    return Text(", ").join(parts) if parts else Text("none")
