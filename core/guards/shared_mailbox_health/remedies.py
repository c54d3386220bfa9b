"""What an operator does about shared mailboxes: licence, size, directory on premises. Pure."""

from collections.abc import Iterator, Sequence

from core.guards.shared_mailbox_health.items import GB, MeasuredMailbox
from core.microsoft365.powershell import (
    LARGE_MAILBOX_PRODUCT,
    build_ad_attributes_command,
    build_assign_licence_command,
    build_find_account_command,
    build_remote_shared_command,
    build_remove_licences_command,
    can_be_quoted,
)
from core.microsoft365.remedies import (
    ask,
    build_command,
    look_around,
    make_exchange_step,
    make_graph_step,
    make_step,
    name_evidence,
    save_from_exchange,
    save_from_graph,
)
from core.microsoft365.remote_recipient_type import (
    PROVISIONED,
    REMOTE_SHARED_MAILBOX,
    compute_shared_flags,
)
from core.microsoft365.service_plans import has_mailbox_plan
from core.model.findings import Shell, Step
from core.tenant.directory import Account
from core.tenant.mailboxes import SharedMailbox, format_mailbox_name


def build_conversion_remedy(
    settings: SharedMailbox, remote_recipient_type: int
) -> tuple[Step, ...]:
    """The steps about a mailbox that the directory on premises holds for something else."""
    name = format_mailbox_name(settings.mailbox)
    values = {
        "msExchRemoteRecipientType": compute_shared_flags(remote_recipient_type),
        "msExchRecipientTypeDetails": REMOTE_SHARED_MAILBOX,
    }
    found = build_find_account_command(settings.upn) if can_be_quoted(settings.upn) else ""
    return (
        make_step(
            f"Save the account of {name}, before anything is changed.",
            f"{found} -Properties {','.join(values)} | Export-Clixml -NoClobber -Path "
            f"'{name_evidence('comes-back', settings.mailbox.id)}.xml'"
            if found
            else "",
            Shell.DIRECTORY,
        ),
        ask("whoever administers the directory on premises"),
        *list_conversion_steps(settings, remote_recipient_type, values),
        Step(
            "Run a sync cycle, on the server of Entra Connect.",
            "Start-ADSyncSyncCycle -PolicyType Delta",
            Shell.DIRECTORY,
        ),
        look_around(name, settings.mailbox.address, settings.mailbox.id),
    )


def list_conversion_steps(
    settings: SharedMailbox, remote_recipient_type: int, values: dict[str, int]
) -> Iterator[Step]:
    """Call it shared: by Exchange on premises, and by its attributes where that refuses."""
    if remote_recipient_type & PROVISIONED:
        yield make_step(
            "Where there is Exchange on premises, call it a shared mailbox there.",
            build_remote_shared_command(settings.mailbox.address),
            Shell.EXCHANGE_ON_PREMISES,
        )
        start = "Where there is none, or it says that the mailbox is shared already, set"
    else:
        # Set-RemoteMailbox -Type Shared refuses a migrated mailbox.
        start = "Set"
    pairs = ", ".join(f"{name} to {number}" for name, number in values.items())
    yield make_step(
        f"{start} {pairs} of its account.",
        build_ad_attributes_command(settings.upn, values),
        Shell.DIRECTORY,
    )


def build_licence_step(account: Account, product: str) -> Step:
    """Give the licence that is missing."""
    instead = (
        " First take away the mailbox plan it has: two of them exclude each other."
        if product == LARGE_MAILBOX_PRODUCT and has_mailbox_plan(account.serving_plans or ())
        else ""
    )
    return make_graph_step(
        f"Give its account the licence {product}; it needs a UsageLocation.{instead}",
        build_assign_licence_command(account.id, product),
    )


def build_size_remedy(item: MeasuredMailbox, is_licensed: bool) -> tuple[Step, ...]:
    """The steps about a mailbox that is full: room, by a larger quota, by a licence."""
    allowed = 100 if is_licensed else 50
    mailbox, quota = item.mailbox, item.mailbox.quota_bytes
    name = format_mailbox_name(mailbox)
    raised = (
        f"-ProhibitSendReceiveQuota {allowed}GB -ProhibitSendQuota {allowed - 1}GB "
        f"-IssueWarningQuota {allowed - 2}GB"
    )
    return (
        save_from_exchange(
            f"the sizes of the folders of {name}",
            "too-large",
            mailbox.id,
            build_command("Get-MailboxFolderStatistics", Identity=mailbox.address),
        ),
        ask(f"whoever works with {name}", "Delete or move what is not needed."),
        *(
            [
                make_exchange_step(
                    "Raise its quota: the licence has room.",
                    build_command("Set-Mailbox", raised, Identity=mailbox.address),
                )
            ]
            if quota is not None and quota < allowed * GB
            else []
        ),
        *(
            [build_licence_step(item.account, LARGE_MAILBOX_PRODUCT)]
            if item.account and not is_licensed
            else []
        ),
        look_around(name, mailbox.address, mailbox.id),
    )


def build_needless_remedy(account: Account, plans: Sequence[str]) -> tuple[Step, ...]:
    """The steps about a licence that nobody needs."""
    return (
        save_from_graph(
            "its licences", "needless-licence", account.id, "users", account.id, "licenseDetails"
        ),
        make_graph_step(
            "Take the licence away. Other services of the same licence go with it; one that comes "
            "from a group is taken away in the group.",
            build_remove_licences_command(account.id, plans),
        ),
    )
