"""Generates tenants of any size, always the same for one specification, in constant memory.

Every mailbox has three ordinary inbox rules: set a category, mark as read, set an importance. Of
each thousand mailboxes some forward to a colleague and a few to an external address. There are no
other problems, so a later run has nothing new to report.

`python -m bench.tenant_generator 10000 FILE` writes a tenant, and the ids of its accounts beside
it.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from zlib import crc32

from sandbox.http_types import Row, split_words
from sandbox.scenes.people import MailboxFixture, TenantBuilder
from sandbox.scenes.row_templates import (
    build_bypass_row,
    build_graph_recipient,
    format_exchange_recipients,
)

NAMES = split_words(
    "anna boris chiara derya edda frank gesa henk ines jakub karin leo mia nils olga"
)
SENDERS = split_words(
    "news@shop.example lists@forum.example offers@cloud.example minutes@contoso.com"
)
TOPICS = split_words("newsletter invoice minutes on-call release survey travel webinar")
CATEGORY_COLOURS = split_words("Blue Green Orange Purple Red Yellow")
ORDINARY_OPERATIONS = split_words("MailItemsAccessed Send MoveToDeletedItems Update")
THOUSAND = 1000
FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)
MIGRATION_NIGHT = datetime(2019, 3, 1, 20, tzinfo=UTC)
TEN_YEARS = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class TenantSpec:
    """The specification of a tenant. What comes after the seed are counts per thousand mailboxes.

    `shared`, `rooms` and `equipment` are mailboxes whose accounts are blocked, as they should be.
    `internal_forwards` and `external_forwards` have a rule that forwards to a colleague or to an
    external address. `movers` have one that moves mail to a folder instead of the one that sets a
    category. In a tenant that is not `dated` nobody knows when a mailbox was created.
    `hidden_forwards` have a rule that Outlook does not show, which forwards to an external address.
    """

    mailboxes: int
    seed: int = 1
    shared: int = 100
    rooms: int = 15
    equipment: int = 5
    internal_forwards: int = 15
    external_forwards: int = 5
    movers: int = 0
    dated: bool = True
    hidden_forwards: int = 0

    def pick_number(self, topic: str, number: int, count: int) -> int:
        """A number from 0 to `count` - 1, derived from the seed, a topic and a mailbox's number."""
        return crc32(f"{self.seed} {topic} {number}".encode()) % count

    def build_alias(self, number: int) -> str:
        """A mailbox's alias, unique by its number."""
        return f"{NAMES[self.pick_number('name', number, len(NAMES))]}-{number:06d}"

    def get_mailbox_kind(self, number: int) -> str:
        """The RecipientTypeDetails of a mailbox, with the exact frequencies of the
        specification.
        """
        place = (
            number * 271 % THOUSAND
        )  # Any factor that is coprime to 10 spreads the mailbox types evenly.
        if place < self.shared:
            return "SharedMailbox"
        if place < self.shared + self.rooms:
            return "RoomMailbox"
        rest = place - self.shared - self.rooms
        return "EquipmentMailbox" if rest < self.equipment else "UserMailbox"

    def get_creation_time(self, number: int) -> str | None:
        """When a mailbox was created: any time in ten years, but a tenth of them in one night."""
        if not self.dated:
            return None
        if self.pick_number("migrated", number, 10) == 0:
            at = MIGRATION_NIGHT + timedelta(seconds=self.pick_number("at", number, 8 * 3600))
        else:
            at = FIRST_DAY + timedelta(seconds=self.pick_number("at", number, TEN_YEARS))
        return f"{at:%Y-%m-%dT%H:%M:%SZ}"

    def get_rule_pattern(self, number: int) -> str:
        """The special rule of a mailbox: "outside", "inside", "moves", "hidden" or none."""
        place = number * 617 % THOUSAND
        if place < self.external_forwards:
            return "outside"
        if place < self.external_forwards + self.internal_forwards:
            return "inside"
        rest = place - self.external_forwards - self.internal_forwards
        if rest < self.movers:
            return "moves"
        return "hidden" if rest - self.movers < self.hidden_forwards else ""


def build_mailbox(spec: TenantSpec, number: int) -> tuple[TenantBuilder, MailboxFixture]:
    """Builds one mailbox with its account and rules."""
    cast = TenantBuilder()
    alias = spec.build_alias(number)
    seat = cast.add_mailbox(alias, alias.replace("-", " ").title(), spec.get_mailbox_kind(number))
    seat.mailbox["WhenCreated"] = spec.get_creation_time(number)
    habit = spec.get_rule_pattern(number)
    for name, actions, conditions in (
        build_sorting_rule(
            spec, number, cast.add_folder(seat, "Projects") if habit == "moves" else ""
        ),
        build_reading_rule(spec, number),
        build_last_rule(spec, number, habit),
    ):
        cast.add_rule(seat, name, actions, conditions)
        cast.exchange_rules[seat.address][-1].update(build_exchange_parts(actions, conditions))
    if habit == "hidden":
        name, actions, conditions = build_external_forward(
            f"{spec.build_alias(number)}@evil.example"
        )
        cast.add_rule(seat, name, actions, conditions, hidden=True)
    return cast, seat


def build_exchange_parts(actions: Row, conditions: Row) -> Row:
    """Builds the parts of a rule that only Get-InboxRule prints."""
    importance: str | None = actions.get("markImportance")
    return {
        "ApplyCategory": actions.get("assignCategories"),
        "MarkImportance": importance.capitalize() if importance else None,
        "SubjectContainsWords": conditions.get("subjectContains"),
        "From": format_exchange_recipients(conditions.get("fromAddresses")),
        "SentOnlyToMe": conditions.get("sentOnlyToMe", False),
    }


def build_sorting_rule(spec: TenantSpec, number: int, folder: str) -> tuple[str, Row, Row]:
    """A rule that sorts a topic into a category or, if given, a folder."""
    topic = TOPICS[spec.pick_number("topic", number, len(TOPICS))]
    colour = (
        f"{CATEGORY_COLOURS[spec.pick_number('colour', number, len(CATEGORY_COLOURS))]} category"
    )
    actions: Row = {"moveToFolder": folder} if folder else {"assignCategories": [colour]}
    return topic.capitalize(), actions, {"subjectContains": [topic]}


def build_reading_rule(spec: TenantSpec, number: int) -> tuple[str, Row, Row]:
    """A rule that marks the mail of a sender as read."""
    sender = SENDERS[spec.pick_number("sender", number, len(SENDERS))]
    actions = {"markAsRead": True, "stopProcessingRules": True}
    return f"Read: {sender}", actions, {"senderContains": [sender]}


def build_last_rule(spec: TenantSpec, number: int, rule_pattern: str) -> tuple[str, Row, Row]:
    """A rule that forwards, if the mailbox does, or else marks a sender's mail."""
    if rule_pattern == "outside":
        return build_external_forward(f"{spec.build_alias(number)}@home.example")
    other = spec.build_alias(spec.pick_number("colleague", number, spec.mailboxes))
    colleague = [build_graph_recipient(f"{other}@contoso.com", other)]
    if rule_pattern == "inside":
        return "Deputy", {"forwardTo": colleague}, {"sentOnlyToMe": True}
    return "Important", {"markImportance": "high"}, {"fromAddresses": colleague}


def build_external_forward(address: str) -> tuple[str, Row, Row]:
    """A rule that forwards all mail to an external address."""
    return "To my other address", {"forwardTo": [build_graph_recipient(address)]}, {}


def drop_empty_values(row: Row) -> Row:
    """A row of Get-InboxRule without its many nulls."""
    return {name: value for name, value in row.items() if value not in (None, False)}


def build_ordinary_records(count: int) -> list[Row]:
    """Builds records of Exchange as people leave them all day, a minute old."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    return [
        {
            "CreationTime": f"{at:%Y-%m-%dT%H:%M:%S}",
            "Id": f"{number:032x}",
            "Operation": ORDINARY_OPERATIONS[number % len(ORDINARY_OPERATIONS)],
            "OrganizationId": "00000000-0000-4000-8000-000000000001",
            "RecordType": 2,
            "ResultStatus": "Succeeded",
            "UserType": 0,
            "Workload": "Exchange",
            "UserId": f"person{number}@contoso.com",
            "MailboxGuid": f"{number:08x}-0000-4000-8000-000000000000",
            "ClientInfoString": "Client=OWA;Action=ViaProxy",
            "Item": {"Subject": "Minutes of the meeting", "ParentFolder": {"Path": "\\Inbox"}},
            "AppAccessContext": {"UniqueTokenId": "x" * 900},
        }
        for number in range(count)
    ]


# Writing ----------------------------------------------------------------------------------------

LIST_COLLECTIONS = ("users", "Get-Mailbox", "Get-MailboxAuditBypassAssociation")
MAP_COLLECTIONS = ("messageRules", "mailFolders", "Get-InboxRule")


class SpooledCollection:
    """One collection of a scene, spooled to a file so that memory stays constant."""

    def __init__(self, file: IO[str], brackets: str) -> None:
        self.file = file
        self.brackets = brackets
        self.started = False

    def add(self, text: str) -> None:
        self.file.write(f",\n{text}" if self.started else text)
        self.started = True

    def write_to(self, out: IO[str]) -> None:
        """Write the whole collection."""
        self.file.seek(0)
        out.write(self.brackets[0])
        shutil.copyfileobj(self.file, out)
        out.write(self.brackets[1])


def iter_entries(builder: TenantBuilder, mailbox: MailboxFixture) -> Iterator[tuple[str, str]]:
    """The entries of one mailbox in each collection of the scene, as JSON."""
    bypass = build_bypass_row(mailbox.guid, mailbox.alias, False)
    for name, row in zip(LIST_COLLECTIONS, (mailbox.user, mailbox.mailbox, bypass), strict=True):
        yield name, json.dumps(row)
    twins = [drop_empty_values(row) for row in builder.exchange_rules[mailbox.address]]
    held = (
        (mailbox.id, builder.rules[mailbox.id]),
        (mailbox.id, builder.folders.get(mailbox.id)),
        (mailbox.address, twins),
    )
    for name, (owner, rows) in zip(MAP_COLLECTIONS, held, strict=True):
        if rows:
            yield name, f"{json.dumps(owner)}: {json.dumps(rows)}"


def write_half(out: IO[str], sections: Row, collections: Mapping[str, SpooledCollection]) -> None:
    """Writes Graph's or Exchange's half: the collections and the constant part."""
    lead = "{"
    for name, value in sections.items():
        out.write(f'{lead}\n"{name}": ')
        lead = ","
        if name in collections:
            collections[name].write_to(out)
        else:
            json.dump(value, out)
    out.write("}")


def write_scene(spec: TenantSpec, path: Path) -> None:
    """Writes a scene and, beside it, the ids of its accounts, one per line."""
    with ExitStack() as stack:
        made = {
            name: SpooledCollection(
                stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")),
                "[]" if name in LIST_COLLECTIONS else "{}",
            )
            for name in (*LIST_COLLECTIONS, *MAP_COLLECTIONS)
        }
        ids = stack.enter_context(get_ids_path(path).open("w", encoding="utf-8"))
        for number in range(spec.mailboxes):
            cast, seat = build_mailbox(spec, number)
            ids.write(f"{seat.id}\n")
            for name, text in iter_entries(cast, seat):
                made[name].add(text)
        out = stack.enter_context(path.open("w", encoding="utf-8"))
        out.write('{"graph": ')
        write_half(out, TenantBuilder().build_graph(), made)
        out.write(',\n"exchange": ')
        write_half(out, TenantBuilder().build_exchange(), made)
        out.write("}\n")


def get_ids_path(path: Path) -> Path:
    """The path of the ids of a scene's accounts."""
    return path.with_suffix(".ids")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tenant_generator", description=__doc__)
    parser.add_argument("mailboxes", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--movers", type=int, default=0, help="in each thousand")
    parser.add_argument("--hidden", type=int, default=0, help="hidden forwards, in each thousand")
    parser.add_argument("--undated", action="store_true", help="without dates of creation")
    asked = parser.parse_args()
    spec = TenantSpec(
        asked.mailboxes,
        asked.seed,
        movers=asked.movers,
        dated=not asked.undated,
        hidden_forwards=asked.hidden,
    )
    write_scene(spec, asked.file)


if __name__ == "__main__":
    main()
