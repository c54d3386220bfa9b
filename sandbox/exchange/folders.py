"""Folders of mailboxes and the rights over them: Get-MailboxFolderStatistics and
Get-MailboxFolderPermission.

A scene lists folders by mailbox, and rights by mailbox and path (`anna@contoso.com:\\Inbox`). Every
mailbox has an Inbox, and every folder a row for Default and one for Anonymous, as in every tenant;
so a scene without folders has healthy mailboxes. A folder is named by its path, in the language of
the mailbox, or by its id.
"""

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletResult,
    Command,
    build_binding_error,
    build_missing_object_error,
    find_mailbox_owner,
    limit_rows,
)
from sandbox.http_types import Row, split_words
from sandbox.state.tenant import Owner, SimulatedTenant, fold_key, to_rows

STATISTICS, PERMISSION = "Get-MailboxFolderStatistics", "Get-MailboxFolderPermission"
ROOT, ROOT_NAME = "\\", "Top of Information Store"
EVERYBODY = ("Default", "Anonymous")
FOLDER_KINDS = ("Inbox", "Calendar")
"""Folders that every mailbox has; a scene names those that are called otherwise."""


def iter_owned_rows(tenant: SimulatedTenant, cmdlet: str, owner: Owner) -> list[Row] | None:
    """The rows that a scene lists under a mailbox; None where it lists none."""
    for name, rows in named_rows(tenant, cmdlet).items():
        if name and any(found is owner for found in tenant.find_owners(name)):
            return to_rows(rows)
    return None


def named_rows(tenant: SimulatedTenant, cmdlet: str) -> Mapping[str, object]:
    """What a scene lists of a cmdlet, by name."""
    found = tenant.exchange.get(cmdlet)
    return found if isinstance(found, Mapping) else {}


def list_folders(tenant: SimulatedTenant, owner: Owner) -> list[Row]:
    """The folders of a mailbox: those that a scene names, and those that every mailbox has."""
    listed = iter_owned_rows(tenant, STATISTICS, owner) or []
    kinds = {fold_key(row.get("FolderType")) for row in listed}
    name = str((owner.mailbox or {}).get("Name") or (owner.mailbox or {}).get("Identity"))
    missing: list[Row] = [
        {
            "Identity": f"{name}\\{kind}",
            "Name": kind,
            "FolderPath": f"/{kind}",
            "FolderType": kind,
            "FolderId": f"LgAAAA{uuid5(NAMESPACE_URL, f'{kind}/{name}').hex}=",
            "ItemsInFolder": 0,
            "FolderSize": "0 B (0 bytes)",
        }
        for kind in FOLDER_KINDS
        if fold_key(kind) not in kinds
    ]
    return [*listed, *missing]


def get_folder_statistics(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-MailboxFolderStatistics: one mailbox per call; a scope is a folder with those in it."""
    identity = command.get_parameter("Identity")
    if identity is None:
        raise build_binding_error("Identity is mandatory.")
    rows = list_folders(tenant, find_mailbox_owner(tenant, identity))
    scope = fold_key(command.get_parameter("FolderScope") or "")
    if scope and scope != "all":
        top = next(
            (str(row["FolderPath"]) for row in rows if fold_key(row.get("FolderType")) == scope), ""
        )
        rows = [row for row in rows if top and f"{row.get('FolderPath')}/".startswith(f"{top}/")]
    return CmdletResult(limit_rows(rows, command))


def get_folder_permission(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-MailboxFolderPermission: one folder per call, by its path or by its id."""
    identity = command.get_parameter("Identity")
    if identity is None:
        raise build_binding_error("Identity is mandatory.")
    mailbox, _, folder = str(identity).partition(":")
    owner = find_mailbox_owner(tenant, mailbox)
    path = find_folder_path(tenant, owner, folder or ROOT, identity)
    holder = command.get_parameter("User")
    rows = [
        row
        for row in list_folder_rows(tenant, owner, path)
        if holder is None or fold_key(row.get("User")) == fold_key(holder)
    ]
    return CmdletResult(limit_rows(rows, command))


def find_folder_path(tenant: SimulatedTenant, owner: Owner, folder: str, identity: object) -> str:
    """The path of the folder that is meant. Raises CmdletError where there is none."""
    paths = {
        str(row.get("FolderPath")).replace("/", "\\"): str(row.get("FolderId") or "")
        for row in list_folders(tenant, owner)
    }
    paths |= dict.fromkeys(list_paths_with_rights(tenant, owner), "")
    for path, folder_id in {ROOT: "", **paths}.items():
        by_id = tenant.reality.plays("exchange-folder-identity", "by-id")
        if fold_key(path) == fold_key(folder) or (by_id and folder_id and folder_id == folder):
            return path
    raise build_missing_object_error(identity)


def list_paths_with_rights(tenant: SimulatedTenant, owner: Owner) -> list[str]:
    """The paths under which a scene lists rights over folders of a mailbox."""
    return [
        path or ROOT
        for name in named_rows(tenant, PERMISSION)
        for mailbox, _, path in (name.partition(":"),)
        if any(found is owner for found in tenant.find_owners(mailbox))
    ]


def list_folder_rows(tenant: SimulatedTenant, owner: Owner, path: str) -> list[Row]:
    """The rows of one folder, those of everybody first."""
    for name, rows in named_rows(tenant, PERMISSION).items():
        mailbox, _, folder = name.partition(":")
        if fold_key(folder or ROOT) == fold_key(path) and any(
            found is owner for found in tenant.find_owners(mailbox)
        ):
            return add_everybody(to_rows(rows), owner, path)
    return add_everybody([], owner, path)


def add_everybody(rows: list[Row], owner: Owner, path: str) -> list[Row]:
    """Rows of a folder, with those that each folder has and a scene leaves out."""
    if any(row.get("@sandbox.bare") for row in rows):
        return [row for row in rows if len(row) > 1]
    box = owner.mailbox or {}
    name = str(box.get("Identity") or box.get("Name"))
    present = {fold_key(row.get("User")) for row in rows}
    missing: list[Row] = [
        {
            "Identity": f"{name}:{path}",
            "FolderName": path.rpartition("\\")[2] or ROOT_NAME,
            "User": user,
            "AccessRights": ["None"],
            "SharingPermissionFlags": None,
        }
        for user in EVERYBODY
        if fold_key(user) not in present
    ]
    return [*missing, *rows]


FOLDER_CMDLETS: Mapping[str, Cmdlet] = {
    STATISTICS: Cmdlet(
        get_folder_statistics,
        frozenset(
            split_words(
                "Identity Archive DiagnosticInfo FolderScope IncludeAnalysis"
                " IncludeOldestAndNewestItems IncludeSoftDeletedRecipients ResultSize SkipCount"
                " UseCustomRouting"
            )
        ),
    ),
    PERMISSION: Cmdlet(
        get_folder_permission,
        frozenset(split_words("Identity GroupMailbox ResultSize SkipCount User UseCustomRouting")),
    ),
}
