"""What the folders of a mailbox are called, and how cmdlets are told which one is meant."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.adapters.exchange.command import Command
from core.adapters.m365.mailboxes import ALL_RESULTS
from core.adapters.parsing import ResponseRow, parse_identifier, parse_text
from core.errors import TenantError
from core.tenant.mailboxes import Mailbox

RELIES_ON = ("exchange-folder-rows",)

MAX_FOLDER_NAME = 512
INBOX_TYPE = "Inbox"


@dataclass(frozen=True, slots=True)
class FolderName:
    """How cmdlets are told which folder is meant."""

    path: str
    """Its own name in the language of the mailbox, behind a backslash."""
    folder_id: str
    """The id that means this folder in any language; empty where Exchange printed none."""


def build_folder_command(owner: Mailbox, kind: str) -> Command:
    """The command that tells the own name and id of the folder of a kind, and those in it."""
    parameters = {"Identity": owner.guid, "FolderScope": kind, **ALL_RESULTS}
    select = ("Name", "FolderPath", "FolderType", "FolderId")
    return Command("Get-MailboxFolderStatistics", parameters, select, owner.address)


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
