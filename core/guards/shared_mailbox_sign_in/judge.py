"""Judges one account by the first thing that decides about it. Pure.

Sign-in is blocked unattended only with proof that nobody uses the account: it holds no licence of
any kind, and either every success of the days that count would be on record and none is, or nobody
ever set its password. Without proof an operator decides.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from core.guards.shared_mailbox_sign_in.accounts import (
    KIND_NAMES,
    QUIET_PERIOD,
    ResourceAccount,
    SignInRecord,
    has_new_password,
    is_break_glass,
    is_device,
    is_known_unlicensed,
    is_licensed,
    is_proven_unused,
    is_recent,
)
from core.guards.shared_mailbox_sign_in.options import Policy
from core.guards.shared_mailbox_sign_in.texts import (
    BLOCK_EFFECTS,
    DELEGATION_FACT,
    ENABLE_ADVICE,
    MAX_TEXT_LENGTH,
    ON_PREMISES_ADVICE,
    build_account_remedy,
    build_block_advice,
    build_enable_remedy,
    format_mailbox_with_kind,
    list_account_facts,
    list_enabling_facts,
    list_use_facts,
)
from core.guards.shared_mailbox_sign_in.verdicts import SignInVerdict
from core.microsoft365.powershell import build_revoke_sessions_command
from core.microsoft365.remedies import make_graph_step
from core.microsoft365.service_plans import has_device_plan, has_meeting_room_plan
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.changes import BlockSignIn, EndSessions
from core.tenant.directory import Account
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.sources import ACCOUNTS, MAILBOXES

ROOM_SYSTEM_ADVICE = (
    "It is licensed for Teams Rooms, so a device signs in with it; it is never blocked."
)
SHARED_DEVICE_ADVICE = (
    "It is licensed for Teams Shared Devices, so a panel or a phone signs in with it, and it is "
    "never blocked. If no device uses it, take the licence away."
)
DEVICE_ADVICE = (
    "It holds a licence, so a panel, a phone or a hub of the room may sign in with it, and it is "
    "never blocked unattended. If no device uses it, take the licence away."
)
PHONE = (
    "It holds a device's licence, as a telephone in a common area does; a shared mailbox needs "
    "none, and whoever signs in with it looks like a device."
)
RELIES_ON = (
    "write-shared-use",
    "write-sign-in-first-look",
    "write-room-devices",
    "write-bookings",
    "write-other-uses",
    "write-revocation",
    "write-enabled-again",
    "write-role-holders",
    "write-blocked-effects",
    "write-converted-back",
    "write-synced-block",
)

ROLE_ADVICE = (
    "It holds an administrative role or may activate one, so it is never blocked unattended. An "
    "account that belongs to no person should hold none: take the role away, or block it by hand."
)
RESTRICTED_ADVICE = (
    "It is a member of a restricted management administrative unit: only an administrator of that "
    "unit can change it, and no app can. Ask one to block the account if nobody signs in with it."
)


def judge(item: ResourceAccount, policy: Policy) -> Iterator[Finding]:
    """One account, by the first thing that decides about it."""
    account = item.account
    if account is None:
        yield build_unknown_account_finding(item)
    elif item.mailbox.kind not in KIND_NAMES and item.blocked_at:
        if account.enabled is False:
            yield build_converted_finding(item, account)
    elif account.enabled is None:
        yield build_unknown_state_finding(item, account)
    elif account.enabled:
        yield judge_enabled_account(item, account, policy)
    elif item.blocked_at and not item.sessions_ended:
        yield from judge_quiet_block(item, account, item.blocked_at, policy)


def judge_quiet_block(
    item: ResourceAccount, account: Account, blocked_at: datetime, policy: Policy
) -> Iterator[Finding]:
    """A block that nobody undid for a while: what signed in before would go on where one does."""
    if policy.now - blocked_at < QUIET_PERIOD:
        return
    yield Finding(
        kind="sessions-before-block",
        object_id=item.mailbox.id,
        subject=format_mailbox_name(item.mailbox),
        severity=Severity.LOW,
        verdict=SignInVerdict.END_SESSIONS,
        summary=f"Sessions from before the block of the account of "
        f"{format_mailbox_with_kind(item.mailbox)} would go on if somebody enabled it.",
        facts=(
            *list_account_facts(item, account),
            Fact("blocked by Exoguard", f"{blocked_at:%Y-%m-%d %H:%M} UTC"),
            Fact("", "devices and programs that used the account have to sign in anew then"),
        ),
        sources=(MAILBOXES, ACCOUNTS),
        changes=(EndSessions(account.id),),
        advice="End the sessions.",
        steps=(make_graph_step("End its sessions.", build_revoke_sessions_command(account.id)),),
    )


def build_unknown_account_finding(item: ResourceAccount) -> Finding:
    """A mailbox whose account Entra does not show."""
    return Finding(
        kind="sign-in-enabled",
        object_id=item.mailbox.id,
        subject=format_mailbox_name(item.mailbox),
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"The account of {format_mailbox_with_kind(item.mailbox)} was not found in "
        "Entra ID.",
        facts=(Fact("kind of mailbox", quote_text(item.mailbox.kind, MAX_TEXT_LENGTH)),),
        sources=(MAILBOXES, ACCOUNTS),
        advice="Find out which account the mailbox belongs to, and whether it can sign in.",
    )


def build_unknown_state_finding(item: ResourceAccount, account: Account) -> Finding:
    """An account of which Graph did not say whether it is enabled."""
    return Finding(
        kind="sign-in-enabled",
        object_id=item.mailbox.id,
        subject=format_mailbox_name(item.mailbox),
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Whether the account of {format_mailbox_with_kind(item.mailbox)} can sign in "
        "is not known.",
        facts=(*list_account_facts(item, account), DELEGATION_FACT),
        sources=(MAILBOXES, ACCOUNTS),
        advice="Look at the account in Entra ID: Graph did not say whether it is enabled.",
    )


def build_converted_finding(item: ResourceAccount, account: Account) -> Finding:
    """A mailbox that was made a person's again while its account is still blocked."""
    return Finding(
        kind="blocked-after-conversion",
        object_id=item.mailbox.id,
        subject=format_mailbox_name(item.mailbox),
        severity=Severity.MEDIUM,
        verdict=Verdict.ASK,
        summary=f"The account of {format_mailbox_with_kind(item.mailbox)} is still blocked, "
        "although the mailbox is not shared any more.",
        facts=(
            *list_account_facts(item, account),
            Fact("blocked by Exoguard", f"{item.blocked_at:%Y-%m-%d %H:%M} UTC"),
        ),
        sources=(MAILBOXES, ACCOUNTS),
        advice=ENABLE_ADVICE,
        steps=build_enable_remedy(item, account),
    )


def judge_enabled_account(item: ResourceAccount, account: Account, policy: Policy) -> Finding:
    """An enabled account: what may be done about it."""
    finding = partial(
        Finding,
        kind="sign-in-enabled",
        object_id=item.mailbox.id,
        subject=format_mailbox_name(item.mailbox),
        summary=f"The account of {format_mailbox_with_kind(item.mailbox)} can sign in.",
        facts=(
            *list_account_facts(item, account),
            *list_use_facts(item, account, policy),
            DELEGATION_FACT,
        ),
        sources=(MAILBOXES, ACCOUNTS),
        steps=build_account_remedy(item, account),
    )
    if is_break_glass(account, policy):
        return finding(
            severity=Severity.INFO,
            verdict=SignInVerdict.NEVER,
            steps=(),
            advice="BREAK_GLASS_ACCOUNTS names it as an emergency account; it is never blocked.",
        )
    if is_device(item.mailbox, account):
        is_room_system = has_meeting_room_plan(account.plans or ())
        return finding(
            severity=Severity.INFO if is_room_system else Severity.LOW,
            verdict=SignInVerdict.NEVER,
            steps=(),
            advice=choose_device_advice(account),
            is_said_once=True,
        )
    if account.synced:
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ON_PREMISES,
            advice=ON_PREMISES_ADVICE,
        )
    if account.is_management_restricted or item.holds_role:
        return finding(
            severity=Severity.LOW,
            verdict=SignInVerdict.NEVER,
            steps=(),
            advice=RESTRICTED_ADVICE if account.is_management_restricted else ROLE_ADVICE,
            is_said_once=True,
        )
    if item.blocked_at:
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ASK,
            summary=f"The account of {format_mailbox_with_kind(item.mailbox)} can sign in again: "
            "somebody enabled it after Exoguard had blocked it.",
            facts=(*list_account_facts(item, account), *list_enabling_facts(item), DELEGATION_FACT),
            advice=build_block_advice("Ask who enabled it what the account is for."),
        )
    return judge_use(item, account, policy, finding)


def choose_device_advice(account: Account) -> str:
    """Why the account of a room is never blocked, by the plans it holds."""
    plans = account.plans or ()
    if has_meeting_room_plan(plans):
        return ROOM_SYSTEM_ADVICE
    return SHARED_DEVICE_ADVICE if has_device_plan(plans) else DEVICE_ADVICE


def judge_use(
    item: ResourceAccount, account: Account, policy: Policy, finding: partial[Finding]
) -> Finding:
    """An enabled account that may be blocked: whether anybody uses it."""
    if has_device_plan(account.plans or ()):
        return finding(
            severity=Severity.MEDIUM, verdict=Verdict.ASK, advice=build_block_advice(PHONE)
        )
    if is_licensed(account) and policy.options.licensed_accounts == "ignore":
        return finding(severity=Severity.INFO, verdict=SignInVerdict.KEEP, steps=())
    if is_licensed(account) and policy.options.licensed_accounts != "block":
        return finding(
            severity=Severity.MEDIUM,
            verdict=Verdict.ASK,
            advice=build_block_advice(
                "It is licensed, so it looks like a person or a mailbox over 50 GB."
            ),
        )
    if is_recent(item.last_sign_in, policy):
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ASK,
            advice=build_block_advice(
                "Somebody signed in lately. Find out who before blocking the account; if it was "
                "nobody of yours, end its sessions too.",
            ),
        )
    if reason := explain_missing_proof(item, account):
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ASK,
            advice=build_block_advice(reason),
        )
    is_suspicious = has_new_password(account, policy)
    return finding(
        severity=Severity.HIGH,
        verdict=SignInVerdict.BLOCK,
        facts=(
            *list_account_facts(item, account),
            *list_use_facts(item, account, policy),
            *BLOCK_EFFECTS,
        ),
        changes=(
            BlockSignIn(
                account.id,
                item.mailbox.guid,
                tuple(policy.options.resource_kinds),
                ends_sessions=is_suspicious,
            ),
        ),
        advice="Block sign-in of the account in Entra ID"
        + (
            ", and revoke its sessions: somebody set its password lately." if is_suspicious else "."
        ),
        asks_if_preexisting=policy.options.at_first_look == "ask",
    )


def explain_missing_proof(item: ResourceAccount, account: Account) -> str:
    """Why it is not proven that the account may be blocked; empty if it is."""
    if not is_licensed(account) and not is_known_unlicensed(account):
        return "Graph did not say which licences it holds."
    if item.holds_role is None:
        return "Who holds administrative roles cannot be read."
    if is_proven_unused(item, account):
        return ""
    if item.sign_ins is SignInRecord.UNREAD:
        return "It is not known whether anybody signs in: sign-ins cannot be read."
    if item.sign_ins is SignInRecord.UNCLEAR:
        return "It is not known whether the latest attempts to sign in succeeded."
    # Where sign-ins were read, only the account of a room or equipment is not proven unused.
    return "Somebody set its password or signed in once, as for a panel or a hub of the room."
