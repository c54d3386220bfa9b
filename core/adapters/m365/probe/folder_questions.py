"""What one mailbox tells of its folders and of the rights over them."""

from core.adapters.m365.folder_names import parse_inbox
from core.adapters.m365.folder_rights import parse_folder_row
from core.adapters.m365.probe.session import (
    ProbeSession,
    count_rows,
    describe_error,
    fails,
    judge,
    unknown,
)
from core.adapters.parsing import parse_each_row, parse_object_id
from core.errors import NotFound, Rejected
from core.tenant.probing import ProbeAnswer

FOLDERS, RIGHTS = "Get-MailboxFolderStatistics", "Get-MailboxFolderPermission"
IDENTITY, ROWS = "exchange-folder-identity", "exchange-folder-rows"


async def ask_folders(session: ProbeSession) -> tuple[ProbeAnswer, ...]:
    """Whether the Inbox is found by its type, and its rights by its id."""
    mailbox = parse_object_id((await session.fetch_mailbox())["Guid"])
    folders = await session.ask_exchange(FOLDERS, {"Identity": mailbox, "FolderScope": "Inbox"})
    try:
        inbox = parse_inbox(list(folders))
    except ValueError as error:
        why = f"{count_rows(folders, 'folder')}: {error}"
        return (fails(ROWS, why), unknown(IDENTITY, why))
    if not inbox.folder_id:
        why = "no FolderId is printed"
        by_id = fails(IDENTITY, why)
    else:
        by_id = await ask_by_id(session, f"{mailbox}:{inbox.folder_id}")
    rows = await session.ask_exchange(RIGHTS, {"Identity": f"{mailbox}:{inbox.path}"})
    _, broken = parse_each_row(rows, parse_folder_row)
    saw = f"{count_rows(rows)} of rights over one Inbox, {len(broken)} of them not understood"
    return (judge(ROWS, bool(rows) and not broken, saw), by_id)


async def ask_by_id(session: ProbeSession, identity: str) -> ProbeAnswer:
    """Whether a folder is found by its id."""
    try:
        rows = await session.ask_exchange(RIGHTS, {"Identity": identity})
    except (Rejected, NotFound) as error:
        return fails(IDENTITY, f"by its id: {describe_error(error)}")
    return judge(IDENTITY, bool(rows), f"by its id: {count_rows(rows)} of rights")
