"""Which folders are Inboxes: asked for once a month, and by nothing that an owner can rename."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from core.adapters.exchange.batch import TakeRows
from core.adapters.exchange.command import Command
from core.adapters.m365.folder_names import FolderName
from core.adapters.m365.folder_rights import ROOT_PATH, read_folder_rights
from core.adapters.m365.inbox_memory import (
    ASK_AGAIN_DAYS,
    KEEP_DAYS,
    MAX_GROUP_INBOXES,
    MAX_ID_LENGTH,
    MAX_PATH_LENGTH,
    InboxMemory,
    build_mark,
    is_day_to_ask,
)
from core.adapters.parsing import ResponseRow
from core.adapters.table_storage.codec import encode_stored_record
from core.errors import NotFound, TenantError
from core.model.state import InboxGroup, KnownInbox
from core.tenant.mailboxes import Mailbox, MailboxFolder
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.exchange import ScriptedExchange
from tests.support.fakes.ledger import FakeLedger

ANN = Mailbox("ann", "g-ann", "ann@contoso.com")
PEOPLE = [Mailbox(f"m{n}", f"g{n}", f"m{n}@contoso.com") for n in range(60)]
NOBODY: dict[str, object] = {"User": "Default", "AccessRights": ["None"]}
EVERYBODY: dict[str, object] = {"User": "Default", "AccessRights": ["Reviewer"]}


@dataclass
class Folder:
    """A folder of every mailbox."""

    path: str
    id: str
    kind: str = "User Created"
    right: dict[str, object] = field(default_factory=lambda: NOBODY)
    prints_name: bool = True


class FolderExchange(ScriptedExchange):
    """An Exchange that finds folders by path and by id."""

    def __init__(self, *folders: Folder, finds_ids: bool = True) -> None:
        super().__init__()
        self.folders = list(folders)
        self.finds_ids = finds_ids

    async def invoke_batch(
        self, commands: Sequence[Command], take: TakeRows | None = None
    ) -> list[list[ResponseRow] | TenantError]:
        assert take is None
        self.sent += commands
        return [self.answer(command) for command in commands]

    def answer(self, command: Command) -> list[ResponseRow] | TenantError:
        if command.cmdlet == "Get-MailboxFolderStatistics":
            return [
                {"FolderPath": one.path.replace("\\", "/"), "FolderType": one.kind}
                | {"FolderId": one.id}
                for one in self.folders
            ]
        wanted = str(command.parameters["Identity"]).partition(":")[2]
        for one in (Folder(ROOT_PATH, "-"), *self.folders):
            if wanted == one.path or (self.finds_ids and wanted == one.id):
                name = {"FolderName": one.path[1:] or "Top"} if one.prints_name else {}
                return [one.right | name]
        return NotFound(f"{wanted} couldn't be found")

    def count_commands(self) -> tuple[int, int]:
        """Those about rights and those about names that came since the last time."""
        sent, self.sent = self.sent, []
        named = sum(one.cmdlet == "Get-MailboxFolderStatistics" for one in sent)
        return len(sent) - named, named


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> FakeLedger:
    return FakeLedger(clock)


def connect_memory(ledger: FakeLedger, clock: Clock) -> InboxMemory:
    """The memory of a new run."""
    return InboxMemory(ledger.load_inboxes, ledger.save_inboxes, clock)


async def test_a_usual_day_takes_two_commands_a_mailbox(ledger: FakeLedger, clock: Clock) -> None:
    exchange = FolderExchange(Folder("\\Inbox", "id-1", "Inbox"))
    asked = 0
    for day in range(ASK_AGAIN_DAYS + 1):
        found = await read_folder_rights(exchange, connect_memory(ledger, clock), PEOPLE)
        assert (found.items, found.failures) == ((), ())
        rights, names = exchange.count_commands()
        assert rights == 2 * len(PEOPLE)
        if day == 0:
            assert names == len(PEOPLE)
        else:
            asked += names
            # Within a day nobody is asked again.
            await read_folder_rights(exchange, connect_memory(ledger, clock), PEOPLE)
            assert exchange.count_commands() == (2 * len(PEOPLE), 0)
            assert names < len(PEOPLE) / 4
        clock.advance(days=1)
    assert asked == len(PEOPLE)


async def test_a_folder_that_is_called_like_the_inbox_hides_nothing(
    ledger: FakeLedger, clock: Clock
) -> None:
    """Who changes the language of a mailbox may give the name that its Inbox had to another."""
    exchange = FolderExchange(Folder("\\Inbox", "id-1", "Inbox", EVERYBODY))
    await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
    exchange.folders = [
        Folder("\\Inbox", "id-2"),
        Folder("\\Posteingang", "id-1", "Inbox", EVERYBODY),
    ]
    for _ in range(2):
        found = await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
        assert [(one.folder, one.path, one.rights) for one in found.items] == [
            (MailboxFolder.INBOX, "\\Posteingang", ("Reviewer",))
        ]
        assert found.failures == ()
    exchange.count_commands()
    await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
    assert exchange.count_commands() == (2, 0)


async def test_an_inbox_with_another_id_is_found_anew_at_once(
    ledger: FakeLedger, clock: Clock
) -> None:
    """A mailbox that was restored has new folders."""
    exchange = FolderExchange(Folder("\\Inbox", "id-1", "Inbox"))
    await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
    exchange.folders = [Folder("\\Inbox", "id-7", "Inbox", EVERYBODY, prints_name=False)]
    exchange.count_commands()
    found = await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
    assert [one.holder for one in found.items] == ["Default"]
    assert exchange.count_commands() == (3, 1)
    await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
    assert exchange.count_commands() == (2, 0)


async def test_an_inbox_that_is_gone_leaves_the_mailbox_unread_and_its_root_read(
    ledger: FakeLedger, clock: Clock
) -> None:
    exchange = FolderExchange(Folder("\\Inbox", "id-1", "Inbox"))
    await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
    exchange.folders = [Folder("\\Inbox", "id-2", right=EVERYBODY)]
    found = await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
    assert found.items == ()
    assert [(one.object_id, one.reason) for one in found.failures] == [
        ("ann", "Exchange named no folder Inbox")
    ]


async def test_where_no_folder_is_found_by_its_id_nothing_is_remembered(
    ledger: FakeLedger, clock: Clock
) -> None:
    exchange = FolderExchange(Folder("\\Inbox", "id-1", "Inbox", EVERYBODY), finds_ids=False)
    for _ in range(2):
        found = await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
        assert [one.path for one in found.items] == ["\\Inbox"]
        assert exchange.count_commands() == (3, 1)
    assert ledger.inboxes == {}


async def test_a_state_that_is_out_of_reach_costs_a_command_a_mailbox(
    ledger: FakeLedger, clock: Clock
) -> None:
    exchange = FolderExchange(Folder("\\Inbox", "id-1", "Inbox", EVERYBODY))
    ledger.is_down = True
    for _ in range(2):
        found = await read_folder_rights(exchange, connect_memory(ledger, clock), [ANN])
        assert (len(found.items), found.failures) == (1, ())
        assert exchange.count_commands() == (2, 1)


@pytest.mark.parametrize(
    ("known", "is_believed"),
    [
        (KnownInbox("id-1", "\\Inbox", START.toordinal()), True),
        (KnownInbox("id-1", "\\Inbox", START.toordinal() - KEEP_DAYS + 1), True),
        (KnownInbox("id-1", "\\Inbox", START.toordinal() - KEEP_DAYS), False),
        (KnownInbox("id-1", "\\Inbox", START.toordinal() + 1), False),
        (KnownInbox("", "\\Inbox", START.toordinal()), False),
    ],
)
async def test_what_nobody_confirmed_for_long_or_is_dated_ahead_is_not_believed(
    ledger: FakeLedger, clock: Clock, known: KnownInbox, is_believed: bool
) -> None:
    mark = build_mark(ANN.id)
    assert not is_day_to_ask(mark, START.toordinal())
    await ledger.save_inboxes([InboxGroup(mark[:2], {mark: known})])
    found = await connect_memory(ledger, clock).recall([ANN.id])
    assert found == ({ANN.id: FolderName("\\Inbox", "id-1")} if is_believed else {})


async def test_a_row_names_nobody_and_is_never_too_long(ledger: FakeLedger, clock: Clock) -> None:
    memory = connect_memory(ledger, clock)
    longest = FolderName("\\" + "ü" * (MAX_PATH_LENGTH - 1), "x" * MAX_ID_LENGTH)
    await memory.note({ANN.id: longest})
    (text,) = ledger.inboxes.values()
    assert "ann" not in text
    mark = build_mark(ANN.id)
    older = KnownInbox(longest.folder_id, longest.path, START.toordinal() - 1)
    full = {f"{mark[:2]}{n:014}": older for n in range(MAX_GROUP_INBOXES)}
    memory.groups[mark[:2]] = full
    await memory.note({ANN.id: longest})
    (group,) = await ledger.load_inboxes("00", "ff")
    assert len(group.inboxes) == MAX_GROUP_INBOXES
    assert group.inboxes[mark].day == START.toordinal()
    assert encode_stored_record(group)
    for name in (
        FolderName("\\Inbox", longest.folder_id + "x"),
        FolderName(longest.path + "x", "x"),
    ):
        await memory.note({"other": name})
    assert await memory.recall(["other"]) == {}


def test_the_days_on_which_mailboxes_are_asked_again_are_spread() -> None:
    today = datetime(2026, 12, 1, tzinfo=UTC).toordinal()
    marks = [build_mark(str(n)) for n in range(3_000)]
    for day in range(today, today + ASK_AGAIN_DAYS):
        assert 50 < sum(is_day_to_ask(mark, day) for mark in marks) < 150


async def test_groups_that_were_loaded_are_not_loaded_again(
    ledger: FakeLedger, clock: Clock
) -> None:
    asked: list[tuple[str, str]] = []

    async def load(first: str, last: str) -> Sequence[InboxGroup]:
        asked.append((first, last))
        return await ledger.load_inboxes(first, last)

    memory = InboxMemory(load, ledger.save_inboxes, clock)
    await memory.recall(["a"])
    await memory.note({"a": FolderName("\\Inbox", "id")})
    assert await memory.recall(["a"]) == {"a": FolderName("\\Inbox", "id")}
    assert asked == [(build_mark("a")[:2],) * 2]
