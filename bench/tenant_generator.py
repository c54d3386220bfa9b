"""Made-up tenants of any size, always the same for the same recipe, written without holding them.

Everybody has three inbox rules, as people have them: a category, mark as read, an importance. Of
each thousand mailboxes some forward to a colleague, and a few to somebody outside. Nothing else is
wrong, so that a run which follows another one has nothing new to tell.

`python -m bench.tenant_generator 10000 FILE` writes one, and the ids of its accounts beside it.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from zlib import crc32

from sandbox.http_types import Row, words
from sandbox.scenes.people import Cast, Seat
from sandbox.scenes.row_templates import bypass_row, exchange_people, person

NAMES = words("anna boris chiara derya edda frank gesa henk ines jakub karin leo mia nils olga")
SENDERS = words("news@shop.example lists@forum.example billing@cloud.example hr@contoso.com")
TOPICS = words("newsletter invoice minutes on-call release survey travel webinar")
COLOURS = words("Blue Green Orange Purple Red Yellow")
THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a tenant is made of. All but the first two are counts in each thousand mailboxes.

    `shared`, `rooms` and `equipment` are mailboxes whose accounts are blocked, as they should be;
    `inside` and `outside` have a rule that forwards to a colleague or to a stranger; `movers` have
    one that moves mail to a folder, in place of the one that sets a category.
    """

    mailboxes: int
    seed: int = 1
    shared: int = 100
    rooms: int = 15
    equipment: int = 5
    inside: int = 15
    outside: int = 5
    movers: int = 0

    def chance(self, what: str, number: int, of: int) -> int:
        """A number from 0 to `of` - 1 that follows from the seed, a word and a mailbox's number."""
        return crc32(f"{self.seed} {what} {number}".encode()) % of

    def alias(self, number: int) -> str:
        """What a mailbox is called; the number makes it unique."""
        return f"{NAMES[self.chance('name', number, len(NAMES))]}-{number:06d}"

    def kind(self, number: int) -> str:
        """The RecipientTypeDetails of a mailbox, exactly as often as the recipe says."""
        place = number * 271 % THOUSAND  # Any factor that 2 and 5 do not divide spreads them.
        if place < self.shared:
            return "SharedMailbox"
        if place < self.shared + self.rooms:
            return "RoomMailbox"
        rest = place - self.shared - self.rooms
        return "EquipmentMailbox" if rest < self.equipment else "UserMailbox"

    def habit(self, number: int) -> str:
        """What is special about a mailbox's rules: "outside", "inside", "moves" or nothing."""
        place = number * 617 % THOUSAND
        if place < self.outside:
            return "outside"
        if place < self.outside + self.inside:
            return "inside"
        return "moves" if place < self.outside + self.inside + self.movers else ""


def seated(recipe: Recipe, number: int) -> tuple[Cast, Seat]:
    """One mailbox with its account and its rules, in a cast of its own."""
    cast = Cast()
    alias = recipe.alias(number)
    seat = cast.seat(alias, alias.replace("-", " ").title(), recipe.kind(number))
    habit = recipe.habit(number)
    for name, actions, conditions in (
        sorting(recipe, number, cast.folder(seat, "Projects") if habit == "moves" else ""),
        reading(recipe, number),
        last(recipe, number, habit),
    ):
        cast.rule(seat, name, actions, conditions)
        cast.exchange_rules[seat.address][-1].update(in_exchange(actions, conditions))
    return cast, seat


def in_exchange(actions: Row, conditions: Row) -> Row:
    """The parts of a rule that a cast leaves out of its twin, as Get-InboxRule prints them."""
    importance: str | None = actions.get("markImportance")
    return {
        "ApplyCategory": actions.get("assignCategories"),
        "MarkImportance": importance.capitalize() if importance else None,
        "SubjectContainsWords": conditions.get("subjectContains"),
        "From": exchange_people(conditions.get("fromAddresses")),
        "SentOnlyToMe": conditions.get("sentOnlyToMe", False),
    }


def sorting(recipe: Recipe, number: int, folder: str) -> tuple[str, Row, Row]:
    """A rule that puts a topic in a category or, where there is one, in a folder."""
    topic = TOPICS[recipe.chance("topic", number, len(TOPICS))]
    colour = f"{COLOURS[recipe.chance('colour', number, len(COLOURS))]} category"
    actions: Row = {"moveToFolder": folder} if folder else {"assignCategories": [colour]}
    return topic.capitalize(), actions, {"subjectContains": [topic]}


def reading(recipe: Recipe, number: int) -> tuple[str, Row, Row]:
    """A rule that marks the mail of a sender as read."""
    sender = SENDERS[recipe.chance("sender", number, len(SENDERS))]
    actions = {"markAsRead": True, "stopProcessingRules": True}
    return f"Read: {sender}", actions, {"senderContains": [sender]}


def last(recipe: Recipe, number: int, habit: str) -> tuple[str, Row, Row]:
    """A rule that forwards, where that is the mailbox's habit, or else marks a sender's mail."""
    if habit == "outside":
        return forward_outside(f"{recipe.alias(number)}@home.example")
    other = recipe.alias(recipe.chance("colleague", number, recipe.mailboxes))
    colleague = [person(f"{other}@contoso.com", other)]
    if habit == "inside":
        return "Deputy", {"forwardTo": colleague}, {"sentOnlyToMe": True}
    return "Important", {"markImportance": "high"}, {"fromAddresses": colleague}


def forward_outside(address: str) -> tuple[str, Row, Row]:
    """A rule that sends all mail to an address elsewhere."""
    return "To my other address", {"forwardTo": [person(address)]}, {}


def told(row: Row) -> Row:
    """A row of Get-InboxRule with what it says, and without the many nulls."""
    return {name: value for name, value in row.items() if value not in (None, False)}


# Writing ----------------------------------------------------------------------------------------

LISTS = ("users", "Get-Mailbox", "Get-MailboxAuditBypassAssociation")
MAPS = ("messageRules", "mailFolders", "Get-InboxRule")


class Collection:
    """One collection of a scene, kept in a file until it is its turn: memory stays flat."""

    def __init__(self, file: IO[str], brackets: str) -> None:
        self.file = file
        self.brackets = brackets
        self.started = False

    def add(self, text: str) -> None:
        self.file.write(f",\n{text}" if self.started else text)
        self.started = True

    def pour(self, out: IO[str]) -> None:
        """Write the whole collection."""
        self.file.seek(0)
        out.write(self.brackets[0])
        shutil.copyfileobj(self.file, out)
        out.write(self.brackets[1])


def entries(cast: Cast, seat: Seat) -> Iterator[tuple[str, str]]:
    """What one mailbox adds to each collection of the scene, as JSON."""
    bypass = bypass_row(seat.guid, seat.alias, False)
    for name, row in zip(LISTS, (seat.user, seat.mailbox, bypass), strict=True):
        yield name, json.dumps(row)
    twins = [told(row) for row in cast.exchange_rules[seat.address]]
    held = (
        (seat.id, cast.rules[seat.id]),
        (seat.id, cast.folders.get(seat.id)),
        (seat.address, twins),
    )
    for name, (owner, rows) in zip(MAPS, held, strict=True):
        if rows:
            yield name, f"{json.dumps(owner)}: {json.dumps(rows)}"


def pour_half(out: IO[str], sections: Row, made: Mapping[str, Collection]) -> None:
    """Write Graph's or Exchange's half: the collections, and what is the same in all tenants."""
    lead = "{"
    for name, value in sections.items():
        out.write(f'{lead}\n"{name}": ')
        lead = ","
        if name in made:
            made[name].pour(out)
        else:
            json.dump(value, out)
    out.write("}")


def write(recipe: Recipe, path: Path) -> None:
    """Write a scene and, beside it, the ids of its accounts, one a line."""
    with ExitStack() as stack:
        made = {
            name: Collection(
                stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")),
                "[]" if name in LISTS else "{}",
            )
            for name in (*LISTS, *MAPS)
        }
        ids = stack.enter_context(ids_beside(path).open("w", encoding="utf-8"))
        for number in range(recipe.mailboxes):
            cast, seat = seated(recipe, number)
            ids.write(f"{seat.id}\n")
            for name, text in entries(cast, seat):
                made[name].add(text)
        out = stack.enter_context(path.open("w", encoding="utf-8"))
        out.write('{"graph": ')
        pour_half(out, Cast().graph(), made)
        out.write(',\n"exchange": ')
        pour_half(out, Cast().exchange(), made)
        out.write("}\n")


def ids_beside(path: Path) -> Path:
    """Where the ids of a scene's accounts are."""
    return path.with_suffix(".ids")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tenant_generator", description=__doc__)
    parser.add_argument("mailboxes", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--movers", type=int, default=0, help="in each thousand")
    options = parser.parse_args()
    write(Recipe(options.mailboxes, options.seed, movers=options.movers), options.file)


if __name__ == "__main__":
    main()
