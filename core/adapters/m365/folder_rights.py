"""Rights over the root and the Inbox of mailboxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.m365.mailboxes import ALL_RESULTS, CHUNK_SIZE
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_identifier,
    parse_name_set,
    parse_text,
)
from core.adapters.read_errors import build_object_failures
from core.errors import NotFound, Rejected, TenantError
from core.microsoft365.folder_rights import list_folder_acts, select_known_rights
from core.tenant.mailboxes import FolderRight, Mailbox, MailboxFolder
from core.tenant.readings import Reading
from core.tenant.sources import FOLDER_RIGHTS

RELIES_ON = ("exchange-folder-identity", "exchange-folder-rows")

MAX_FOLDER_NAME = 512
INBOX_TYPE = "Inbox"
NO_ROW = "Exchange told of no right at all, not even of that of Default"
ROOT_PATH = "\\"

type RowsOrError = list[ResponseRow] | TenantError


@dataclass(frozen=True, slots=True)
class FolderName:
    """How cmdlets are told which folder is meant."""

    path: str
    """Its own name in the language of the mailbox, behind a backslash."""
    folder_id: str
    """The id that means this folder in any language; empty where Exchange printed none."""


async def read_folder_rights(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> Reading[FolderRight]:
    """Who may do what in the root and the Inbox of each mailbox: three commands a mailbox."""
    items: list[FolderRight] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(owners, CHUNK_SIZE, strict=False):
        found, unread = await read_part(exchange, part)
        items += found
        failures |= unread
    return Reading(
        items=tuple(items),
        failures=build_object_failures(
            FOLDER_RIGHTS, failures, len(owners), {one.id: one.address for one in owners}
        ),
        sources=frozenset({FOLDER_RIGHTS}),
        population=len(owners),
    )


async def read_part(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> tuple[list[FolderRight], dict[str, TenantError | str]]:
    """The rights over the folders of some mailboxes, and why those of others are not known."""
    failures: dict[str, TenantError | str] = {}
    named = await list_each(exchange, [build_folder_command(one, INBOX_TYPE) for one in owners])
    inboxes: dict[str, FolderName] = {}
    for owner, rows in zip(owners, named, strict=True):
        try:
            inboxes[owner.id] = parse_inbox(rows)
        except ValueError as error:
            failures[owner.id] = str(error)
        except TenantError as error:
            failures[owner.id] = error
    asked = [one for one in owners if one.id in inboxes]
    roots = await list_each(exchange, [build_rights_command(one, ROOT_PATH) for one in asked])
    answers = await read_inboxes(exchange, asked, inboxes)
    items: list[FolderRight] = []
    for owner, root in zip(asked, roots, strict=True):
        path = inboxes[owner.id].path
        for folder, where, rows in (
            (MailboxFolder.ROOT, ROOT_PATH, root),
            (MailboxFolder.INBOX, path, answers[owner.id]),
        ):
            if isinstance(rows, TenantError):
                failures.setdefault(owner.id, rows)
                continue
            found, broken = parse_each_row(rows, parse_folder_row)
            items += [
                FolderRight(owner, folder, where, holder, rights)
                for holder, rights in found
                if rights
            ]
            _, odd = parse_each_row(rows, check_folder_row)
            if broken or odd or not rows:
                failures.setdefault(owner.id, (broken or odd)[0][1] if broken or odd else NO_ROW)
    return items, failures


async def read_inboxes(
    exchange: ExchangeClient, owners: Sequence[Mailbox], inboxes: Mapping[str, FolderName]
) -> dict[str, RowsOrError]:
    """The rows of each Inbox: by its id, or by its own name where no folder is known by the id."""
    commands = {
        one.id: build_rights_command(one, inboxes[one.id].folder_id or inboxes[one.id].path)
        for one in owners
    }
    answers = dict(zip(commands, await list_each(exchange, list(commands.values())), strict=True))
    again = {
        one.id: build_rights_command(one, inboxes[one.id].path)
        for one in owners
        if inboxes[one.id].folder_id and is_unknown_folder(answers[one.id])
    }
    if again:
        replies = await list_each(exchange, list(again.values()))
        answers |= dict(zip(again, replies, strict=True))
    return answers


def is_unknown_folder(answer: RowsOrError) -> bool:
    """Whether Exchange did not understand which folder was meant."""
    return isinstance(answer, NotFound | Rejected)


def build_folder_command(owner: Mailbox, kind: str) -> Command:
    """The command that tells the own name and id of the folder of a kind, and those in it."""
    parameters = {"Identity": owner.guid, "FolderScope": kind, **ALL_RESULTS}
    select = ("Name", "FolderPath", "FolderType", "FolderId")
    return Command("Get-MailboxFolderStatistics", parameters, select, owner.address)


def build_rights_command(owner: Mailbox, folder: str) -> Command:
    """The command that lists the rights over one folder, by its path or id."""
    parameters = {"Identity": f"{owner.guid}:{folder}", **ALL_RESULTS}
    return Command("Get-MailboxFolderPermission", parameters, (), owner.address)


def parse_inbox(rows: Sequence[ResponseRow] | TenantError) -> FolderName:
    """The Inbox among the folders of its scope. Raises as `parse_folder` does."""
    return parse_folder(rows, INBOX_TYPE)


def parse_folder(rows: Sequence[ResponseRow] | TenantError, kind: str) -> FolderName:
    """The folder of a kind among those of its scope; kinds are English in every language.

    Raises ValueError where none or several are, and the error of a failed command.
    """
    if isinstance(rows, TenantError):
        raise rows
    wanted = kind.casefold()
    found = [
        row for row in rows if parse_text(row.get("FolderType"), 64).strip().casefold() == wanted
    ]
    if len(found) != 1:
        raise ValueError(f"Exchange named {'several folders' if found else 'no folder'} {kind}")
    path = parse_text(found[0].get("FolderPath"), MAX_FOLDER_NAME).replace("/", "\\")
    name = path if path.strip("\\") else f"\\{parse_text(found[0].get('Name'), MAX_FOLDER_NAME)}"
    if not name.strip("\\ "):
        raise ValueError(f"Exchange named no folder {kind}")
    return FolderName(name, parse_identifier(found[0].get("FolderId"), MAX_FOLDER_NAME))


def parse_folder_row(row: ResponseRow) -> tuple[str, tuple[str, ...]]:
    """The holder of a row and the known rights, none where they do no harm.

    Raises ValueError for a row without a holder, or without a right.
    """
    user = row.get("User")
    if isinstance(user, Mapping):
        user = user.get("DisplayName")
    holder = parse_text(user, MAX_FOLDER_NAME).strip()
    if not holder:
        raise ValueError("a right over a folder whose User cannot be read")
    rights = select_known_rights(parse_folder_rights(row))
    return holder, rights if list_folder_acts(rights) else ()


def parse_folder_rights(row: ResponseRow) -> tuple[str, ...]:
    """The rights of a row. Raises ValueError for none."""
    rights = tuple(sorted(parse_name_set(row.get("AccessRights"))))
    if not rights:
        raise ValueError("a right over a folder that is not named")
    return rights


def check_folder_row(row: ResponseRow) -> None:
    """Raise ValueError for a row with a right that is not known.

    The known rights beside it stand; what the other one allows is not known.
    """
    list_folder_acts(parse_folder_rights(row))
