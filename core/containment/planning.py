"""Plans the containment of one account: who is refused and why, and each step in its order. Pure.

    what was read of the account ─► refuse? ─► steps that Exoguard makes ─► steps for a person

What Exoguard makes can be taken back, or harms nobody who signs in anew. Everything that cannot be
taken back, locks somebody out for good or concerns others stays for a person, with its command.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.containment.account_picture import AccountPicture
from core.containment.commands import build_device_command, build_switch_off_command
from core.containment.manual_steps import (
    HIDDEN_REMARK,
    MAX_OF_A_KIND,
    describe_date,
    list_manual_steps,
    list_recent_devices,
    list_unlisted,
)
from core.containment.options import ContainmentOptions
from core.microsoft365.powershell import (
    build_block_account_command,
    build_disable_account_command,
    build_disable_rule_command,
    build_revoke_sessions_command,
)
from core.model.containment import BLOCK, MAX_STEPS, SESSIONS, ContainmentStep, StepState
from core.tenant.changes import (
    CLIENT_PROTOCOLS,
    BlockAccount,
    Change,
    ClearMailboxForward,
    DisableClientProtocols,
    DisableDevice,
    DisableHiddenRule,
    DisableInboxRule,
    RevokeSessions,
    change_to_arguments,
)
from core.tenant.containing import DetailKind, TargetAccount
from core.tenant.directory import RoleHolder
from core.tenant.quoting import quote_text
from core.tenant.reversibility import SESSIONS_STAY_ENDED

DEVICES, FORWARDS, RULES, HIDDEN_RULES, PROTOCOLS = (
    "devices",
    "forwards",
    "rules",
    "hidden-rules",
    "protocols",
)
STEP_CHOICES = (BLOCK, SESSIONS, DEVICES, FORWARDS, RULES, HIDDEN_RULES, PROTOCOLS)
"""What a person may ask for; of each there may be several steps."""
STEP_TEXTS: Mapping[str, str] = {
    BLOCK: "Block its sign-in",
    SESSIONS: "Tell its sessions to end",
    DEVICES: "Switch off the devices that were registered within the last week",
    FORWARDS: "Switch off the dangerous forward of its mailbox",
    RULES: "Switch off its dangerous inbox rules",
    HIDDEN_RULES: "Switch off its dangerous rules that no mail program shows",
    PROTOCOLS: "Close its mailbox to mail clients",
}
"""What each choice asks for, as a form says it."""
DEFAULT_CHOICES = (BLOCK, SESSIONS, DEVICES, FORWARDS, RULES)

BLOCK_REMARK = (
    "No new token is issued from then on. After an undo, Exchange may stay shut for 40 minutes and "
    "other services for up to an hour."
)
SESSION_REMARK = (
    "Tokens that are out live on for up to an hour; clients that check continuously end within "
    "minutes, and phones and IMAP at their next sign-in. " + SESSIONS_STAY_ENDED.capitalize() + "."
)
SYNCED_REMARK = (
    "The directory on premises is this account's source: the next synchronisation may enable it "
    "again, so it is looked at once more after that. Disable it there as well."
)
RULE_REMARK = "An undo leaves it off unless it is named."
DEVICE_STEP_REMARK = (
    "Its sign-ins to Entra end; who uses it may still open what is stored on it. " + RULE_REMARK
)
PROTOCOL_REMARK = "It takes minutes to hours to reach clients that are signed in."


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps for one account, or why there are none."""

    refusal: str = ""
    steps: tuple[ContainmentStep, ...] = ()
    remarks: tuple[str, ...] = ()


def plan_containment(
    picture: AccountPicture, options: ContainmentOptions, choices: Collection[str]
) -> Plan:
    """The plan for an account. `choices` are of `STEP_CHOICES`; none: those made by default."""
    if reason := explain_refusal(picture, options):
        left = tuple(list_refusal_steps(picture))
        return Plan(reason, left[:MAX_STEPS], tuple(list_unlisted(picture)))
    account = picture.account
    if account is None:
        raise ValueError("an account that was not read is refused")
    wanted = set(choices) or set(DEFAULT_CHOICES)
    made = [
        step
        for choice, steps in (
            (BLOCK, plan_block(account)),
            (SESSIONS, plan_sessions(account)),
            (DEVICES, plan_devices(picture)),
            (FORWARDS, plan_judged(picture, ClearMailboxForward)),
            (RULES, plan_judged(picture, DisableInboxRule)),
            (HIDDEN_RULES, plan_hidden_rules(picture)),
            (PROTOCOLS, plan_protocols(picture)),
        )
        if choice in wanted
        for step in steps
    ]
    names = {step.name for step in made}
    manual = [step for step in list_manual_steps(picture) if step.name not in names]
    steps = (*made, *manual)[:MAX_STEPS]
    unmade = max(len(made) - MAX_STEPS, 0)
    left_out = len(made) + len(manual) - len(steps) - unmade
    remarks = (*list_remarks(picture, wanted), *list_unlisted(picture))
    if unmade:
        remarks += (
            f"{unmade} steps that Exoguard makes do not fit into one plan: contain the account "
            "again once these are done.",
        )
    if left_out:
        remarks += (f"{left_out} more steps for a person are not listed: see the evidence.",)
    return Plan(steps=steps, remarks=remarks)


# Refusals -----------------------------------------------------------------------------------------


def explain_refusal(picture: AccountPicture, options: ContainmentOptions) -> str:
    """Why an account is not contained; empty if it may be."""
    account = picture.account
    if account is None:
        return "there is no such account: not among users, nor in the recycle bin"
    if account.is_this_app:
        return "this is Exoguard itself: who contains it disarms every guard"
    if account.is_deleted:
        return (
            "the account is deleted: it cannot sign in. Tokens that are out live on for up to an "
            "hour, and whoever restores it gets it back as it was"
        )
    if {account.id.lower(), account.upn.lower()} & options.break_glass:
        return "it is a break-glass account (BREAK_GLASS_ACCOUNTS): only a person may block it"
    return explain_protection(picture, account)


def explain_protection(picture: AccountPicture, account: TargetAccount) -> str:
    """Why no app may change an account; empty if nothing protects it."""
    if account.is_management_restricted:
        return (
            "it is in a restricted management administrative unit: only who is assigned to that "
            "unit can change it"
        )
    if picture.role_holders is None:
        return (
            "who holds a role could not be read, and an administrator is never contained by an app"
        )
    ids = {account.id.lower()} | ({picture.mailbox.guid.lower()} if picture.mailbox else set())
    for holder in picture.role_holders:
        if holder.id.lower() in ids:
            return f"it is a protected administrator: {describe_role(holder)}"
    return ""


def describe_role(holder: RoleHolder) -> str:
    """How an account comes by its role."""
    return {
        "entra": "it holds a role of Entra, and Graph lets no such app change it",
        "eligible": "it may activate a role of Entra",
        "exchange": "it is in a role group of Exchange",
        "owner": "it owns a group that holds a role, and may put itself into it",
    }.get(holder.assigned_via, "it holds a role")


def list_refusal_steps(picture: AccountPicture) -> Iterator[ContainmentStep]:
    """What a person with the right role can do about an account that is refused: all of it."""
    account = picture.account
    if account is None or account.is_deleted or account.is_this_app:
        return
    yield make_manual_step(
        BLOCK, "block the account's sign-in", build_block_account_command(account.id)
    )
    if account.synced:
        yield make_manual_step(
            "block-on-premises",
            "disable it in the directory on premises as well",
            build_disable_account_command(account.upn),
            "The next synchronisation may enable it again otherwise.",
        )
    yield make_manual_step(
        SESSIONS, "tell its sessions to end", build_revoke_sessions_command(account.id)
    )
    each = {encode_change(judged.change): judged for judged in picture.judged}
    for number, judged in enumerate(each.values(), 1):
        command = build_switch_off_command(judged.change)
        yield make_manual_step(f"switch-off-{number}", quote_text(judged.title, 400), command)
    yield from list_manual_steps(picture)


def make_manual_step(name: str, title: str, command: str, remark: str = "") -> ContainmentStep:
    """A step that stays for a person."""
    return ContainmentStep(
        name, title, command=command, remark=remark, state=StepState.FOR_A_PERSON
    )


# Steps that Exoguard makes ------------------------------------------------------------------------


def encode_change(change: Change) -> str:
    """A change as a step stores it."""
    return json.dumps([type(change).__name__, change_to_arguments(change)], sort_keys=True)


def plan_block(account: TargetAccount) -> Iterator[ContainmentStep]:
    """Block sign-in; of a synchronised account with the directory's own command beside it."""
    synced = account.synced
    yield ContainmentStep(
        BLOCK,
        "block the account's sign-in",
        encode_change(BlockAccount(account.id)),
        "User.EnableDisableAccount.All",
        f"{SYNCED_REMARK} {BLOCK_REMARK}" if synced else BLOCK_REMARK,
        build_disable_account_command(account.upn) if synced else "",
        is_reversible=True,
        returns_unasked=True,
        prior={} if account.enabled is None else {"accountEnabled": account.enabled},
    )


def plan_sessions(account: TargetAccount) -> Iterator[ContainmentStep]:
    """Tell sessions to end. Graph answers 200 for a guest and ends nothing."""
    if account.is_guest:
        yield make_manual_step(
            SESSIONS,
            "end the guest's sessions in its own organization",
            "",
            "Graph accepts this for a guest and ends nothing: tell the organization it belongs to.",
        )
        return
    valid_from = account.sessions_valid_from
    yield ContainmentStep(
        SESSIONS,
        "tell the account's sessions to end",
        encode_change(RevokeSessions(account.id)),
        "User.RevokeSessions.All",
        SESSION_REMARK,
        prior={"signInSessionsValidFromDateTime": valid_from.isoformat()} if valid_from else {},
    )


def plan_judged(
    picture: AccountPicture, kind: type[ClearMailboxForward] | type[DisableInboxRule]
) -> Iterator[ContainmentStep]:
    """The dangerous forwards, or the dangerous rules, each by itself."""
    found = {
        encode_change(judged.change): judged
        for judged in picture.judged
        if isinstance(judged.change, kind)
    }
    is_rule = kind is DisableInboxRule
    for number, (change, judged) in enumerate(found.items(), 1):
        yield ContainmentStep(
            f"rule-{number}" if is_rule else "forward",
            quote_text(judged.title, 400),
            change,
            "MailboxSettings.ReadWrite" if is_rule else "Set-Mailbox",
            RULE_REMARK,
            is_reversible=True,
            prior=judged.prior,
        )


def plan_devices(picture: AccountPicture) -> Iterator[ContainmentStep]:
    """The devices that were registered lately, where Entra lets an app switch them off."""
    if not picture.may_switch_devices:
        return
    recent = list_recent_devices(picture.details.get(DetailKind.DEVICES, ()), picture.since)
    for number, device in enumerate(recent[:MAX_OF_A_KIND], 1):
        is_windows = device.kind.lower().startswith("windows")
        is_on = device.get_value("accountEnabled").lower() != "false"
        if not (is_windows and is_on and device.at):
            continue
        yield ContainmentStep(
            f"device-{number}",
            quote_text(f"switch off the device {device.title} ({describe_date(device)})", 400),
            encode_change(DisableDevice(device.id)),
            "Device.EnableDisableAccount.All",
            DEVICE_STEP_REMARK,
            build_device_command(device.id),
            is_reversible=True,
            prior={"accountEnabled": True},
        )


def plan_hidden_rules(picture: AccountPicture) -> Iterator[ContainmentStep]:
    """The dangerous rules that Graph does not show: only where a person asks for them."""
    mailbox = picture.mailbox
    if mailbox is None:
        return
    for number, rule in enumerate(picture.hidden_rules[:MAX_OF_A_KIND], 1):
        yield ContainmentStep(
            f"hidden-rule-{number}",
            quote_text(rule.title, 400),
            encode_change(DisableHiddenRule(mailbox.guid, rule.identity)),
            "Disable-InboxRule",
            f"{RULE_REMARK} {HIDDEN_REMARK}",
            build_disable_rule_command(mailbox.guid, rule.identity),
            is_reversible=True,
            prior={"Enabled": True},
        )


def plan_protocols(picture: AccountPicture) -> Iterator[ContainmentStep]:
    """Close every way of mail clients that is open."""
    shown = picture.details.get(DetailKind.CLIENT_PROTOCOLS, ())
    if picture.mailbox is None or not shown:
        return
    prior = {name: parse_switch(shown[0].get_value(name)) for name in CLIENT_PROTOCOLS.values()}
    change = DisableClientProtocols(picture.mailbox.guid, tuple(CLIENT_PROTOCOLS))
    yield ContainmentStep(
        PROTOCOLS,
        "close the mailbox to mail clients: " + ", ".join(CLIENT_PROTOCOLS),
        encode_change(change),
        "Set-CASMailbox",
        PROTOCOL_REMARK,
        is_reversible=True,
        returns_unasked=True,
        prior=prior,
    )


def parse_switch(text: str) -> bool | None:
    """A switch as it was shown; None for one that is left to the organization."""
    return {"true": True, "false": False}.get(text.strip().lower())


# Remarks ------------------------------------------------------------------------------------------


def list_remarks(picture: AccountPicture, wanted: Collection[str]) -> Iterator[str]:
    """What a person has to know before the plan is carried out."""
    account, mailbox = picture.account, picture.mailbox
    if account and account.enabled is False:
        yield "Its sign-in is blocked already."
    if account and account.is_guest:
        yield (
            "It is a guest: blocked here, it can still sign in to its own organization, and what it"
            " was sent stays with it."
        )
    if mailbox is None and picture.is_mailbox_unread:
        yield (
            "Whether a mailbox belongs to it could not be read: its forwards, rules and ways of "
            "mail clients are not in this plan."
        )
    elif mailbox is None:
        yield "No mailbox belongs to it."
    elif mailbox.kind == "SharedMailbox":
        yield (
            "It is a shared mailbox: nobody should sign in as it, and whoever holds rights over it "
            "opens it as before."
        )
    if PROTOCOLS not in wanted and mailbox:
        yield (
            "Mail clients that are signed in are not closed one by one: ask for the step protocols "
            "if one goes on."
        )


def build_since(now: datetime) -> datetime:
    """From when on what an account registered is named first: a week."""
    return now - timedelta(days=7)
