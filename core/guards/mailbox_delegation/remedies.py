"""What an operator does about rights over mailboxes and add-ins in them, step by step. Pure."""

from collections.abc import Iterable, Iterator

from core.guards.mailbox_delegation.items import GrantedRight, format_delegated_mailbox
from core.microsoft365.remedies import (
    ask,
    build_command,
    find_actor,
    lock_out,
    look_around,
    make_exchange_step,
    save_from_exchange,
    trace_sent,
)
from core.microsoft365.trustees import build_remove_right_command
from core.model.findings import Step
from core.tenant.mailboxes import Mailbox, OwnAddIn

# By right: the cmdlet that shows who holds it, and the operation that gives it.
READS = {
    "SendAs": ("Get-RecipientPermission", "Add-RecipientPermission"),
    "SendOnBehalf": ("Get-Mailbox", "Set-Mailbox"),
}
MAILBOX_RIGHT = ("Get-MailboxPermission", "Add-MailboxPermission")


def get_identity(mailbox: Mailbox) -> str:
    """What cmdlets know a mailbox by."""
    return mailbox.guid or mailbox.address or mailbox.name


def build_right_remedy(item: GrantedRight, kind: str, whom: str) -> tuple[Step, ...]:
    """The steps about a right over a mailbox. `whom` is quoted."""
    mailbox, right = item.mailbox, item.delegation.right
    name = format_delegated_mailbox(mailbox)
    read, gives = READS.get(right, MAILBOX_RIGHT)
    shown = "| Select-Object Guid, GrantSendOnBehalfTo" if right == "SendOnBehalf" else ""
    return (
        save_from_exchange(
            f"who holds this right over {name}",
            kind,
            mailbox.id,
            build_command(read, shown, Identity=get_identity(mailbox)),
        ),
        find_actor("gave it", gives),
        ask(f"the owner of {name}, and whoever gave it"),
        make_exchange_step(
            f"Unless somebody answers for it, take it from {whom}.",
            build_remove_right_command(item.delegation, mailbox, item.recipient),
        ),
        *list_rest_steps(item, whom),
    )


def build_folder_remedy(item: GrantedRight, commands: Iterable[str], whom: str) -> tuple[Step, ...]:
    """The steps about rights over folders. `whom` is quoted."""
    mailbox = item.mailbox
    name = format_delegated_mailbox(mailbox)
    folders = dict.fromkeys(one.path for one in item.folders)
    return (
        *(
            save_from_exchange(
                f"who may do what in a folder of {name}",
                "folder-right",
                f"{mailbox.id} {path}",
                build_command(
                    "Get-MailboxFolderPermission", Identity=f"{get_identity(mailbox)}:{path}"
                ),
            )
            for path in folders
        ),
        find_actor(
            "gave it",
            *("Add-MailboxFolderPermission", "Set-MailboxFolderPermission"),
            "ModifyFolderPermissions",
        ),
        ask(f"the owner of {name}, and whoever gave it"),
        *(
            make_exchange_step(f"Unless somebody answers for it, take it from {whom}.", command)
            for command in dict.fromkeys(commands)
        ),
        *list_rest_steps(item, whom),
    )


def list_rest_steps(item: GrantedRight, whom: str) -> Iterator[Step]:
    """What else there is about the mailbox and the holder."""
    mailbox, holder = item.mailbox, item.recipient.address or item.delegation.trustee
    yield look_around(whom, holder)
    yield look_around(format_delegated_mailbox(mailbox), mailbox.address, mailbox.id)
    if item.delegation.right in READS:
        yield trace_sent(mailbox.address)


def build_add_in_remedy(item: OwnAddIn, name: str) -> tuple[Step, ...]:
    """The steps about an add-in that somebody put into one mailbox. `name` is quoted."""
    mailbox = item.mailbox
    shown = format_delegated_mailbox(mailbox)
    of = mailbox.guid or mailbox.address
    return (
        save_from_exchange(
            f"the add-ins of {shown}",
            "own-add-in",
            mailbox.id,
            build_command("Get-App", Mailbox=of),
        ),
        ask(f"the owner of {shown}", "If they installed it, exempt the case."),
        *(lock_out(mailbox.id, "they installed it") if mailbox.has_account else ()),
        make_exchange_step(
            f"Take the add-in {name} out.",
            build_command("Remove-App", "-Confirm:$false", Mailbox=of, Identity=item.app_id),
        ),
        look_around(shown, mailbox.address, mailbox.id),
        trace_sent(mailbox.address),
    )
