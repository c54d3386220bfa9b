"""The threat: the account behind a shared, room or equipment mailbox can sign in by itself.

Nobody watches such an account: it has no owner, seldom a second factor, and often a password from
before the mailbox was converted. Whoever guesses or buys that password reads and sends the mail of
a whole team and has a foothold in the tenant that nobody misses.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Protocol

from core.microsoft365.powershell import build_disable_account_command
from core.microsoft365.service_plans import has_mailbox_plan, has_teams_rooms_plan, list_plan_names
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission, Service
from core.model.options import Purpose, Setting, SettingReader, one_of
from core.model.shared_settings import RECENT_SIGN_IN_DAYS, RESOURCE_MAILBOX_KINDS
from core.tenant.changes import BlockSignIn
from core.tenant.directory import Account, SignIn
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.merging import (
    PresenceTracker,
    collect_failures,
    collect_sources,
    find_object_failure,
)
from core.tenant.port import HasAccounts, HasMailboxes
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, MAILBOXES, SIGN_INS


class SignInVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    BLOCK = "block"
    KEEP = "keep"
    NEVER = "never"


VERDICT_TEXTS: Mapping[str, str] = {
    SignInVerdict.BLOCK: "an account that should not be able to sign in can",
    SignInVerdict.KEEP: "it differs, and is kept as it is",
    SignInVerdict.NEVER: "it is never changed, only shown",
}

KIND_NAMES = {
    "SharedMailbox": "shared mailbox",
    "RoomMailbox": "room mailbox",
    "EquipmentMailbox": "equipment mailbox",
    "SchedulingMailbox": "scheduling mailbox",
}
DELEGATION_FACT = Fact(
    "", "whoever opens the mailbox by delegation keeps their access when sign-in is blocked"
)
MAX_TEXT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """Which accounts the guard blocks, and which it leaves to an operator."""

    resource_kinds: tuple[str, ...]
    """RecipientTypeDetails whose accounts should not sign in."""
    licensed_accounts: str
    """What to do about a licensed account: "alert" (leave it to an operator), "block", "ignore"."""
    recent_days: int
    """An account that signed in within so many days is left to an operator."""


type Policy = GuardPolicy[SignInOptions]

LICENSED_MAILBOXES = Setting(
    name="LICENSED_MAILBOXES",
    purpose=Purpose.JUDGEMENT,
    default="alert",
    help="shared-mailbox-sign-in: what to do about licensed accounts: alert, block or ignore",
    parse=one_of("alert", "block", "ignore"),
)


def read_options(reader: SettingReader) -> SignInOptions:
    """The guard's options from its settings."""
    return SignInOptions(
        resource_kinds=reader.read(RESOURCE_MAILBOX_KINDS),
        licensed_accounts=reader.read(LICENSED_MAILBOXES),
        recent_days=reader.read(RECENT_SIGN_IN_DAYS),
    )


@dataclass(frozen=True, slots=True)
class ResourceAccount:
    """A mailbox nobody should sign in to, and its account; `account` None: Entra knows none.

    `sign_ins_read` False: there is no telling whether anybody signs in, for want of a permission
    or a licence.
    """

    mailbox: Mailbox
    account: Account | None
    last_sign_in: datetime | None = None
    are_sign_ins_read: bool = False


class SignInPorts(HasAccounts, HasMailboxes, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: SignInPorts, context: ObserveContext[SignInOptions]
) -> AsyncIterator[Reading[ResourceAccount]]:
    """Resource mailboxes joined with their accounts, a page of the listing at a time."""
    listed = PresenceTracker(context.open_case_ids)
    async for page in tenant.mailboxes.list_mailboxes(
        context.policy.options.resource_kinds, context.continuation
    ):
        listed.add_page(page)
        yield await join_accounts(tenant, page, context.policy)
    if not context.continuation:
        for rest in listed.build_absence_readings((MAILBOXES, ACCOUNTS)):
            yield rest


async def join_accounts(
    tenant: HasAccounts, page: Reading[Mailbox], policy: Policy
) -> Reading[ResourceAccount]:
    """The mailboxes of a page with their accounts, and sign-ins where they decide something."""
    owners = page.items
    accounts = await tenant.accounts.read_accounts(owners)
    by_id = {account.id: account for account in accounts.items}
    candidates = {
        box.id for box in owners if box.id in by_id and is_block_candidate(by_id[box.id], policy)
    }
    sign_ins = (
        await tenant.accounts.read_last_sign_ins(sorted(candidates))
        if candidates
        else Reading[SignIn]()
    )
    dates = {entry.id: entry.last_success for entry in sign_ins.items}

    items: list[ResourceAccount] = []
    unread = [
        *collect_failures((page,)),
        *collect_failures((accounts,)),
        *collect_failures((sign_ins,), optional=True),
    ]
    for box in owners:
        if box.id not in by_id:
            if not (box.has_account and find_object_failure(accounts, ACCOUNTS, box.id)):
                items.append(ResourceAccount(box, None))
            continue
        miss = find_object_failure(sign_ins, SIGN_INS, box.id) if box.id in candidates else None
        if miss and miss.object_id:
            # One failed read must not count as no recent sign-in. If the log cannot be read at
            # all, for want of a permission or a licence, there is nothing to wait for.
            unread.append(ReadFailure(ACCOUNTS, miss.reason, box.id, format_mailbox_name(box)))
            continue
        read = box.id in candidates and miss is None
        items.append(ResourceAccount(box, by_id[box.id], dates.get(box.id), read))
    return page.with_items(
        tuple(items),
        tuple(dict.fromkeys(unread)),
        collect_sources((page, accounts, sign_ins)) | {MAILBOXES, ACCOUNTS},
        page.population,
    )


def is_block_candidate(account: Account, policy: Policy) -> bool:
    """True when only a recent sign-in could still speak against blocking the account."""
    return (
        account.enabled is True
        and not account.synced
        and not has_teams_rooms_plan(account.plans or ())
        and (policy.options.licensed_accounts == "block" or not is_licensed_account(account))
    )


def is_licensed_account(account: Account) -> bool:
    """True when the account holds a mailbox of its own, or may: its plans are not known."""
    if account.plans is None:
        return account.licensed
    return has_mailbox_plan(account.plans)


def judge(item: ResourceAccount, policy: Policy) -> Iterator[Finding]:
    """One account, by the first thing that decides about it."""
    account = item.account
    if account is None:
        yield build_unknown_account_finding(item)
    elif account.enabled is None:
        yield build_unknown_state_finding(item, account)
    elif account.enabled:
        yield judge_enabled_account(item, account, policy)


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
            *list_sign_in_facts(item, account, policy),
            DELEGATION_FACT,
        ),
        sources=(MAILBOXES, ACCOUNTS),
    )
    if has_teams_rooms_plan(account.plans or ()):
        return finding(
            severity=Severity.INFO,
            verdict=SignInVerdict.NEVER,
            advice="A Teams Rooms device signs in with this account; it is never blocked.",
        )
    if account.synced:
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ON_PREMISES,
            advice=build_ad_disable_advice(account),
        )
    if is_licensed_account(account) and policy.options.licensed_accounts == "ignore":
        return finding(severity=Severity.INFO, verdict=SignInVerdict.KEEP)
    if is_licensed_account(account) and policy.options.licensed_accounts != "block":
        return finding(
            severity=Severity.MEDIUM,
            verdict=Verdict.ASK,
            advice="It is licensed, so it looks like a person or a mailbox over 50 GB. "
            "Block it by hand if nobody signs in, or exempt it.",
        )
    if is_recent_sign_in(item.last_sign_in, policy):
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ASK,
            advice="Somebody signed in lately. Find out who before blocking the account.",
        )
    return finding(
        severity=Severity.HIGH,
        verdict=SignInVerdict.BLOCK,
        changes=(BlockSignIn(account.id, item.mailbox.guid, tuple(policy.options.resource_kinds)),),
        advice="Block sign-in of the account in Entra ID and revoke its sessions.",
    )


def is_recent_sign_in(signed_in_at: datetime | None, policy: Policy) -> bool:
    """True for a success within the days that count; a date to come is a clock that is off."""
    return signed_in_at is not None and policy.now - signed_in_at <= timedelta(
        days=policy.options.recent_days
    )


def build_ad_disable_advice(account: Account) -> str:
    """What an administrator of the on-premises directory runs."""
    command = build_disable_account_command(account.upn)
    if not command:
        return "Disable the account in the on-premises Active Directory, then run a sync cycle."
    return (
        f"The account is directory-synced: run {command} on premises, "
        "then a sync cycle (Start-ADSyncSyncCycle -PolicyType Delta)."
    )


def list_account_facts(item: ResourceAccount, account: Account) -> tuple[Fact, ...]:
    """What a person needs to know; nothing in it changes while the account does not."""
    licences = ", ".join(list_plan_names(account.plans or ())) or "none that is a mailbox"
    if account.plans is None:
        licences = "assigned, plans unknown" if account.licensed else "not known"
    facts = (
        Fact("kind of mailbox", quote_text(item.mailbox.kind, MAX_TEXT_LENGTH)),
        Fact("sign-in name", quote_text(account.upn, MAX_TEXT_LENGTH) or "not known"),
        Fact("licences", licences),
    )
    if not account.synced:
        return facts
    synced = "the account comes from the on-premises directory"
    if is_licensed_account(account):
        synced += "; it is licensed, so it may be a person's: ask before disabling it"
    return (*facts, Fact("", synced))


def list_sign_in_facts(item: ResourceAccount, account: Account, policy: Policy) -> tuple[Fact, ...]:
    """When somebody last signed in, where that was asked for."""
    if not is_block_candidate(account, policy):
        return ()
    if not item.are_sign_ins_read:
        return (
            Fact("last successful sign-in", "not readable (AuditLog.Read.All and Entra ID P1)"),
        )
    date = f"{item.last_sign_in:%Y-%m-%d}" if item.last_sign_in else "none on record"
    return (Fact("last successful sign-in", date),)


def format_mailbox_with_kind(mailbox: Mailbox) -> str:
    """The mailbox with its kind, within a sentence."""
    return f"{KIND_NAMES.get(mailbox.kind, 'mailbox')} {format_mailbox_name(mailbox)}"


GUARD = Guard(
    name="shared-mailbox-sign-in",
    title="Sign-in of shared mailboxes",
    rationale="An account that belongs to no person and can sign in is a way in that nobody "
    "watches.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(Service.EXCHANGE, "Get-Mailbox", "which mailboxes are shared, rooms, equipment"),
        Permission(Service.GRAPH, "User.Read.All", "whether an account is enabled and licensed"),
        Permission(
            Service.GRAPH,
            "AuditLog.Read.All",
            "when an account last signed in; needs Entra ID P1",
            optional=True,
        ),
        Permission(Service.GRAPH, "User.EnableDisableAccount.All", "to block sign-in", writes=True),
        Permission(
            Service.GRAPH,
            "User.RevokeSessions.All",
            "to end sessions of a blocked account",
            writes=True,
            optional=True,
        ),
    ),
    observe=observe,
    judge=judge,
    settings=(RESOURCE_MAILBOX_KINDS, LICENSED_MAILBOXES, RECENT_SIGN_IN_DAYS),
    read_options=read_options,
    options=read_options(SettingReader()),
    noun="resource mailboxes",
)
