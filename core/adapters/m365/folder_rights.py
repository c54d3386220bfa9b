"""Rights over the root and the Inbox of mailboxes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import batched

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.m365.folder_names import (
    INBOX_TYPE,
    MAX_FOLDER_NAME,
    FolderName,
    build_folder_command,
    parse_inbox,
)
from core.adapters.m365.inbox_memory import InboxMemory
from core.adapters.m365.mailboxes import ALL_RESULTS, CHUNK_SIZE
from core.adapters.parsing import (
    ResponseRow,
    explain_row_error,
    parse_each_row,
    parse_name_set,
    parse_text,
)
from core.adapters.read_errors import build_object_failures
from core.errors import MISTAKES, NotFound, Rejected, TenantError
from core.microsoft365.folder_rights import list_folder_acts, select_known_rights
from core.tenant.mailboxes import FolderRight, Mailbox, MailboxFolder
from core.tenant.readings import Reading
from core.tenant.sources import FOLDER_RIGHTS

RELIES_ON = ("exchange-folder-identity", "exchange-folder-rows")

NO_ROW = "Exchange told of no right at all, not even of that of Default"
ROOT_PATH = "\\"
MAX_USUAL_RIGHTS = 8
"""Rights of one row that are judged once for all rows alike."""

type RowsOrError = list[ResponseRow] | TenantError


async def read_folder_rights(
    exchange: ExchangeClient, memory: InboxMemory, owners: Sequence[Mailbox]
) -> Reading[FolderRight]:
    """Who may do what in the root and the Inbox of each mailbox.

    Two commands a mailbox whose Inbox is remembered, and a third to ask which folder it is.
    """
    items: list[FolderRight] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(owners, CHUNK_SIZE, strict=False):
        found, unread = await read_part(exchange, memory, part)
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
    exchange: ExchangeClient, memory: InboxMemory, owners: Sequence[Mailbox]
) -> tuple[list[FolderRight], dict[str, TenantError | str]]:
    """The rights over the folders of some mailboxes, and why those of others are not known.

    What a remembered id leads to is believed as long as it bears the name that goes with it.
    """
    known = await memory.recall([one.id for one in owners])
    # Asked for at the same time, the two keep Exchange's batches full.
    root_rows, inbox_rows = await asyncio.gather(
        ask_rights(exchange, owners, {one.id: ROOT_PATH for one in owners}),
        ask_rights(exchange, owners, {key: one.folder_id for key, one in known.items()}),
    )
    doubted = {one for one, rows in inbox_rows.items() if is_doubtful(rows, known[one].path)}
    unknown = [one for one in owners if one.id not in known or one.id in doubted]
    found, failures = await find_inboxes(exchange, unknown)
    inbox_rows |= await read_found_inboxes(exchange, memory, unknown, found)
    paths = {key: one.path for key, one in (known | found).items() if key not in failures}
    items: list[FolderRight] = []
    for owner in owners:
        for folder, path, rows in (
            (MailboxFolder.ROOT, ROOT_PATH, root_rows[owner.id]),
            (MailboxFolder.INBOX, paths.get(owner.id, ""), inbox_rows.get(owner.id, [])),
        ):
            if not path:
                continue
            rights, reason = collect_folder_rights(rows)
            items += [FolderRight(owner, folder, path, *one) for one in rights]
            if reason:
                failures.setdefault(owner.id, reason)
    return items, failures


async def find_inboxes(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> tuple[dict[str, FolderName], dict[str, TenantError | str]]:
    """Which folder is the Inbox of some mailboxes, and why it is not known of others."""
    found: dict[str, FolderName] = {}
    failures: dict[str, TenantError | str] = {}
    answers = await list_each(exchange, [build_folder_command(one, INBOX_TYPE) for one in owners])
    for owner, rows in zip(owners, answers, strict=True):
        try:
            found[owner.id] = parse_inbox(rows)
        except MISTAKES as error:
            failures[owner.id] = explain_row_error(error)
        except TenantError as error:
            failures[owner.id] = error
    return found, failures


async def read_found_inboxes(
    exchange: ExchangeClient,
    memory: InboxMemory,
    owners: Sequence[Mailbox],
    found: Mapping[str, FolderName],
) -> dict[str, RowsOrError]:
    """The rows of each Inbox that was found: by its id, which is then remembered, or by its own
    name where no folder is known by the id.
    """
    by_id = {key: one.folder_id for key, one in found.items() if one.folder_id}
    answers = await ask_rights(exchange, owners, by_id)
    accepted = {key for key, rows in answers.items() if not is_unknown_folder(rows)}
    await memory.note({key: found[key] for key in accepted})
    by_name = {key: one.path for key, one in found.items() if key not in accepted}
    return answers | await ask_rights(exchange, owners, by_name)


async def ask_rights(
    exchange: ExchangeClient, owners: Sequence[Mailbox], folders: Mapping[str, str]
) -> dict[str, RowsOrError]:
    """The rows of one folder of each mailbox that has one in `folders`, by the mailbox's id."""
    asked = [one for one in owners if one.id in folders]
    commands = [build_rights_command(one, folders[one.id]) for one in asked]
    replies = await list_each(exchange, commands)
    return {one.id: rows for one, rows in zip(asked, replies, strict=True)}


def is_doubtful(rows: RowsOrError, path: str) -> bool:
    """Whether a remembered id led to no folder, or to one that is called otherwise by now."""
    if isinstance(rows, TenantError):
        return is_unknown_folder(rows)
    names = {parse_text(row.get("FolderName"), MAX_FOLDER_NAME) for row in rows}
    return not names <= {"", path.rpartition("\\")[2]}


def is_unknown_folder(answer: RowsOrError) -> bool:
    """Whether Exchange did not understand which folder was meant."""
    return isinstance(answer, NotFound | Rejected)


def build_rights_command(owner: Mailbox, folder: str) -> Command:
    """The command that lists the rights over one folder, by its path or id."""
    parameters = {"Identity": f"{owner.guid}:{folder}", **ALL_RESULTS}
    return Command("Get-MailboxFolderPermission", parameters, (), owner.address)


def collect_folder_rights(
    rows: Sequence[ResponseRow] | TenantError,
) -> tuple[list[tuple[str, tuple[str, ...]]], TenantError | str | None]:
    """The holders of rights that do harm, with those, and why some rights are not known."""
    if isinstance(rows, TenantError):
        return [], rows
    parsed, broken = parse_each_row(rows, parse_folder_row)
    reasons = [reason for _, reason in broken]
    reasons += [one.unknown for one in parsed if one.unknown]
    found = [(one.holder, one.rights) for one in parsed if one.rights]
    return found, reasons[0] if reasons else None if rows else NO_ROW


@dataclass(frozen=True, slots=True)
class FolderRow:
    """What a row of rights over a folder says."""

    holder: str
    rights: tuple[str, ...]
    """The known rights, none where they do no harm."""
    unknown: str
    """Why not all rights are known; empty if they are."""


def parse_folder_row(row: ResponseRow) -> FolderRow:
    """One row of rights. Raises ValueError for a row without a holder, or without a right.

    The known rights stand beside one that is not: what that allows is not known.
    """
    user = row.get("User")
    if isinstance(user, Mapping):
        user = user.get("DisplayName")
    holder = parse_text(user, MAX_FOLDER_NAME).strip()
    if not holder:
        raise ValueError("a right over a folder whose User cannot be read")
    names = parse_name_set(row.get("AccessRights"))
    if not names:
        raise ValueError("a right over a folder that is not named")
    weigh = weigh_usual_rights if len(names) <= MAX_USUAL_RIGHTS else weigh_rights
    return FolderRow(holder, *weigh(names))


def weigh_rights(names: frozenset[str]) -> tuple[tuple[str, ...], str]:
    """The known rights, none where they do no harm, and why others are not known."""
    rights = select_known_rights(sorted(names))
    unknown = ""
    try:
        list_folder_acts(names)
    except ValueError as error:
        unknown = str(error)
    return rights if list_folder_acts(rights) else (), unknown


@lru_cache(256)
def weigh_usual_rights(names: frozenset[str]) -> tuple[tuple[str, ...], str]:
    """The same of few rights: nearly all folders of a tenant have the same ones."""
    return weigh_rights(names)
