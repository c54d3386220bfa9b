"""What findings say about an account: its evidence, the effects of a block, and commands."""

from collections.abc import Iterator

from core.guards.shared_mailbox_sign_in.accounts import (
    KIND_NAMES,
    PasswordAge,
    ResourceAccount,
    SignInRecord,
    get_password_age,
    is_licensed,
    needs_sign_ins,
)
from core.guards.shared_mailbox_sign_in.options import Policy
from core.microsoft365.powershell import (
    build_block_account_command,
    build_disable_account_command,
    build_enable_account_command,
    build_revoke_sessions_command,
    can_be_quoted,
    quote_literal,
)
from core.microsoft365.remedies import (
    ask,
    build_command,
    build_password_command,
    look_around,
    make_graph_step,
    make_step,
    save_from_graph,
    trace_sent,
)
from core.microsoft365.service_plans import list_plan_names
from core.model.findings import Fact, Shell, Step
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.quoting import quote_text

MAX_TEXT_LENGTH = 200
DELEGATION_FACT = Fact(
    "", "whoever opens the mailbox by delegation keeps their access when sign-in is blocked"
)
# Exclaimer's documentation: disabled users are left out by default. Microsoft Learn: About shared
# mailboxes; Delete or restore user mailboxes.
BLOCK_EFFECTS = (
    DELEGATION_FACT,
    Fact(
        "",
        "signature software such as Exclaimer leaves disabled accounts out by default: mail from "
        "the mailbox then goes without a signature",
    ),
    Fact(
        "",
        "deleting the disabled account deletes the mailbox, for good after 30 days",
    ),
    Fact(
        "",
        "if the mailbox becomes a person's again, its account stays blocked until somebody "
        "enables it",
    ),
)
PASSWORD_TEXTS = {
    PasswordAge.UNTOUCHED: "as old as the account: nobody set it",
    PasswordAge.UNKNOWN: "not known",
}


def format_mailbox_with_kind(mailbox: Mailbox) -> str:
    """The mailbox with its kind, within a sentence."""
    return f"{KIND_NAMES.get(mailbox.kind, 'mailbox')} {format_mailbox_name(mailbox)}"


def list_account_facts(item: ResourceAccount, account: Account) -> tuple[Fact, ...]:
    """What a person needs to know; nothing in it changes while the account does not."""
    facts = (
        Fact("kind of mailbox", quote_text(item.mailbox.kind, MAX_TEXT_LENGTH)),
        Fact("sign-in name", quote_text(account.upn, MAX_TEXT_LENGTH) or "not known"),
        Fact("licences", format_licences(account)),
    )
    if not account.synced:
        return facts
    synced = "the account comes from the on-premises directory"
    if is_licensed(account):
        synced += "; it is licensed, so it may be a person's: ask before disabling it"
    return (*facts, Fact("", synced))


def format_licences(account: Account) -> str:
    """The licences of an account, by the plans that are known by name."""
    if not is_licensed(account):
        return "none" if account.plans is not None else "not known"
    if account.plans is None:
        return "assigned, plans unknown"
    return ", ".join(list_plan_names(account.plans)) or "assigned, none with a mailbox"


def list_use_facts(item: ResourceAccount, account: Account, policy: Policy) -> tuple[Fact, ...]:
    """When somebody last signed in and set the password, where that was asked for."""
    if not needs_sign_ins(item.mailbox, account, policy):
        return ()
    password = PASSWORD_TEXTS.get(get_password_age(account))
    return (
        Fact("last successful sign-in", format_last_sign_in(item)),
        Fact("password", password or f"set on {account.password_changed_at:%Y-%m-%d}"),
    )


def format_last_sign_in(item: ResourceAccount) -> str:
    """The last success, or why it is not known."""
    if item.sign_ins is SignInRecord.UNREAD:
        return "not readable (AuditLog.Read.All and Entra ID P1)"
    if item.sign_ins is SignInRecord.UNCLEAR:
        return "not known: there were attempts lately, and no success is on record"
    return f"{item.last_sign_in:%Y-%m-%d}" if item.last_sign_in else "none on record"


def list_enabling_facts(item: ResourceAccount) -> tuple[Fact, ...]:
    """When Exoguard blocked the account, and who enabled it since."""
    if item.blocked_at is None:
        return ()
    blocked = Fact("blocked by Exoguard", f"{item.blocked_at:%Y-%m-%d %H:%M} UTC")
    if item.enabling is None:
        return (blocked, Fact("enabled again", "the directory's audit log does not say by whom"))
    actor = item.enabling.actor
    name = quote_text(actor.name or actor.id, MAX_TEXT_LENGTH) or "an unknown account"
    kind = "the app " if actor.is_app else ""
    when = f"{item.enabling.at:%Y-%m-%d %H:%M} UTC"
    return (blocked, Fact("enabled again", f"by {kind}{name} on {when}"))


def build_block_advice(reason: str) -> str:
    """Why nothing is blocked unattended, and what to do."""
    return f"{reason} If nobody signs in with it, block it; otherwise exempt it."


ENABLE_ADVICE = (
    "If a person is to sign in with it, set a new password and enable the account. Undoing "
    "Exoguard's change enables it too. Otherwise leave it, and acknowledge the case."
)
ON_PREMISES_ADVICE = (
    "The account is directory-synced: disable it in the directory on premises, then run a sync "
    "cycle."
)


def build_account_remedy(item: ResourceAccount, account: Account) -> tuple[Step, ...]:
    """The steps about an account that can sign in and should not."""
    name = format_mailbox_with_kind(item.mailbox)
    return (
        save_from_graph(
            f"the account of {name}",
            "sign-in-enabled",
            account.id,
            *("users", account.id),
        ),
        make_graph_step(
            "Look at who signed in with it lately: from where, and to what.",
            build_command("Get-MgAuditLogSignIn", Filter=f"userId eq {quote_literal(account.id)}")
            if can_be_quoted(account.id)
            else "",
        ),
        ask(f"whoever works with the {name}", "If somebody has to sign in with it, exempt it."),
        *(list_premises_steps(account) if account.synced else list_block_steps(account)),
        look_around(name, item.mailbox.address, item.mailbox.id),
        trace_sent(item.mailbox.address),
    )


def list_block_steps(account: Account) -> Iterator[Step]:
    """Block an account of the cloud, and end what it was signed in to."""
    yield make_graph_step("Block its sign-in.", build_block_account_command(account.id))
    yield make_graph_step("End its sessions.", build_revoke_sessions_command(account.id))


def list_premises_steps(account: Account) -> Iterator[Step]:
    """Disable an account where it is mastered, and have that synchronised."""
    yield make_step(
        "Disable it in the directory on premises.",
        build_disable_account_command(account.upn),
        Shell.DIRECTORY,
    )
    yield Step(
        "Run a sync cycle, on the server of Entra Connect.",
        "Start-ADSyncSyncCycle -PolicyType Delta",
        Shell.DIRECTORY,
    )
    yield make_graph_step("End its sessions.", build_revoke_sessions_command(account.id))


def build_enable_remedy(item: ResourceAccount, account: Account) -> tuple[Step, ...]:
    """The steps about a person who cannot sign in any more."""
    return (
        ask(f"whoever made the {format_mailbox_with_kind(item.mailbox)} a person's"),
        make_graph_step(
            "Set a new password, and tell it by telephone.",
            build_password_command(account.id, account.upn, synced=account.synced),
        ),
        make_graph_step("Enable the account.", build_enable_account_command(account.id)),
    )
