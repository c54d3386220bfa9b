"""The threat: the account behind a shared, room or equipment mailbox can sign in by itself.

Nobody watches such an account: it has no owner, seldom a second factor, and often a password from
before the mailbox was converted. Whoever guesses or buys that password reads and sends the mail of
a whole team and has a foothold in the tenant that nobody misses.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from core.microsoft365.powershell import disable_ad_account
from core.microsoft365.service_plans import has_mailbox_plan, has_teams_rooms_plan, plan_names
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Terms
from core.sanitize import plain
from core.tenant.changes import BlockSignIn
from core.tenant.directory import Account, SignIn
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import Listed, miss_of, missed, surfaces_of
from core.tenant.port import Tenant
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import ACCOUNTS, MAILBOXES, SIGN_INS

NAMES = {
    "SharedMailbox": "shared mailbox",
    "RoomMailbox": "room mailbox",
    "EquipmentMailbox": "equipment mailbox",
    "SchedulingMailbox": "scheduling mailbox",
}
DELEGATION = "whoever opens the mailbox by delegation keeps their access when sign-in is blocked"
CUT = 200


@dataclass(frozen=True, slots=True)
class ResourceAccount:
    """A mailbox nobody should sign in to, and its account; `account` None: Entra knows none.

    `sign_ins_read` False: there is no telling whether anybody signs in, for want of a permission
    or a licence.
    """

    mailbox: Mailbox
    account: Account | None
    last_sign_in: datetime | None = None
    sign_ins_read: bool = False


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[ResourceAccount]]:
    """Resource mailboxes joined with their accounts, a page of the listing at a time."""
    listed = Listed(look.watched)
    async for page in tenant.mailboxes(look.terms.resource_kinds, look.after):
        listed.note(page)
        yield await joined(tenant, page, look.terms)
    if not look.after:
        for rest in listed.rest((MAILBOXES, ACCOUNTS)):
            yield rest


async def joined(tenant: Tenant, page: Reading[Mailbox], terms: Terms) -> Reading[ResourceAccount]:
    """The mailboxes of a page with their accounts, and sign-ins where they decide something."""
    owners = page.items
    accounts = await tenant.accounts(owners)
    by_id = {account.id: account for account in accounts.items}
    candidates = {
        box.id for box in owners if box.id in by_id and may_be_blocked(by_id[box.id], terms)
    }
    sign_ins = await tenant.last_sign_ins(sorted(candidates)) if candidates else Reading[SignIn]()
    dates = {entry.id: entry.last_success for entry in sign_ins.items}

    items: list[ResourceAccount] = []
    unread = [*missed((page,)), *missed((accounts,)), *missed((sign_ins,), optional=True)]
    for box in owners:
        if box.id not in by_id:
            if not (box.has_account and miss_of(accounts, ACCOUNTS, box.id)):
                items.append(ResourceAccount(box, None))
            continue
        miss = miss_of(sign_ins, SIGN_INS, box.id) if box.id in candidates else None
        if miss and miss.object_id:
            # One failed look must not take away what a recent sign-in would have said; where
            # nobody's can be read, for want of a right or a licence, there is nothing to wait for.
            unread.append(Unread(ACCOUNTS, miss.reason, box.id, subject_of(box)))
            continue
        read = box.id in candidates and miss is None
        items.append(ResourceAccount(box, by_id[box.id], dates.get(box.id), read))
    return page.carrying(
        tuple(items),
        tuple(dict.fromkeys(unread)),
        surfaces_of((page, accounts, sign_ins)) | {MAILBOXES, ACCOUNTS},
        page.population,
    )


def may_be_blocked(account: Account, terms: Terms) -> bool:
    """True when only a recent sign-in could still speak against blocking the account."""
    return (
        account.enabled is True
        and not account.synced
        and not has_teams_rooms_plan(account.plans or ())
        and (terms.licensed == "block" or not licensed(account))
    )


def licensed(account: Account) -> bool:
    """True when the account holds a mailbox of its own, or may: its plans are not known."""
    if account.plans is None:
        return account.licensed
    return has_mailbox_plan(account.plans)


def judge(item: ResourceAccount, terms: Terms) -> Iterator[Finding]:
    """One account, by the first thing that decides about it."""
    account = item.account
    if account is None:
        yield nobody_knows(item)
    elif account.enabled is None:
        yield undecided(item, account)
    elif account.enabled:
        yield able_to_sign_in(item, account, terms)


def nobody_knows(item: ResourceAccount) -> Finding:
    """A mailbox whose account Entra does not show."""
    return Finding(
        kind="sign-in-enabled",
        object_id=item.mailbox.id,
        subject=subject_of(item.mailbox),
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"The account of {named(item.mailbox)} was not found in Entra ID.",
        facts=(f"kind of mailbox: {plain(item.mailbox.kind, CUT)}",),
        surfaces=(MAILBOXES, ACCOUNTS),
        advice="Find out which account the mailbox belongs to, and whether it can sign in.",
    )


def undecided(item: ResourceAccount, account: Account) -> Finding:
    """An account of which Graph did not say whether it is enabled."""
    return Finding(
        kind="sign-in-enabled",
        object_id=item.mailbox.id,
        subject=subject_of(item.mailbox),
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Whether the account of {named(item.mailbox)} can sign in is not known.",
        facts=(*account_facts(item, account), DELEGATION),
        surfaces=(MAILBOXES, ACCOUNTS),
        advice="Look at the account in Entra ID: Graph did not say whether it is enabled.",
    )


def able_to_sign_in(item: ResourceAccount, account: Account, terms: Terms) -> Finding:
    """An enabled account: what may be done about it."""
    finding = partial(
        Finding,
        kind="sign-in-enabled",
        object_id=item.mailbox.id,
        subject=subject_of(item.mailbox),
        summary=f"The account of {named(item.mailbox)} can sign in.",
        facts=(*account_facts(item, account), *sign_in_facts(item, account, terms), DELEGATION),
        surfaces=(MAILBOXES, ACCOUNTS),
    )
    if has_teams_rooms_plan(account.plans or ()):
        return finding(
            severity=Severity.INFO,
            verdict=Verdict.NEVER,
            advice="A Teams Rooms device signs in with this account; it is never blocked.",
        )
    if account.synced:
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ON_PREMISES,
            advice=on_premises_advice(account),
        )
    if licensed(account) and terms.licensed == "ignore":
        return finding(severity=Severity.INFO, verdict=Verdict.KEEP)
    if licensed(account) and terms.licensed != "block":
        return finding(
            severity=Severity.MEDIUM,
            verdict=Verdict.ASK,
            advice="It is licensed, so it looks like a person or a mailbox over 50 GB. "
            "Block it by hand if nobody signs in, or exempt it.",
        )
    if recent(item.last_sign_in, terms):
        return finding(
            severity=Severity.HIGH,
            verdict=Verdict.ASK,
            advice="Somebody signed in lately. Find out who before blocking the account.",
        )
    return finding(
        severity=Severity.HIGH,
        verdict=Verdict.BLOCK,
        changes=(BlockSignIn(account.id, item.mailbox.guid, tuple(terms.resource_kinds)),),
        advice="Block sign-in of the account in Entra ID and revoke its sessions.",
    )


def recent(moment: datetime | None, terms: Terms) -> bool:
    """True for a success within the days that count; a date to come is a clock that is off."""
    return moment is not None and terms.now - moment <= timedelta(days=terms.recent_days)


def on_premises_advice(account: Account) -> str:
    """What an administrator of the on-premises directory runs."""
    command = disable_ad_account(account.upn)
    if not command:
        return "Disable the account in the on-premises Active Directory, then run a sync cycle."
    return (
        f"The account is directory-synced: run {command} on premises, "
        "then a sync cycle (Start-ADSyncSyncCycle -PolicyType Delta)."
    )


def account_facts(item: ResourceAccount, account: Account) -> tuple[str, ...]:
    """What a person needs to know; nothing in it changes while the account does not."""
    licences = ", ".join(plan_names(account.plans or ())) or "none that is a mailbox"
    if account.plans is None:
        licences = "assigned, plans unknown" if account.licensed else "not known"
    facts = (
        f"kind of mailbox: {plain(item.mailbox.kind, CUT)}",
        f"sign-in name: {plain(account.upn, CUT) or 'not known'}",
        f"licences: {licences}",
    )
    if not account.synced:
        return facts
    synced = "the account comes from the on-premises directory"
    if licensed(account):
        synced += "; it is licensed, so it may be a person's: ask before disabling it"
    return (*facts, synced)


def sign_in_facts(item: ResourceAccount, account: Account, terms: Terms) -> tuple[str, ...]:
    """When somebody last signed in, where that was asked for."""
    if not may_be_blocked(account, terms):
        return ()
    if not item.sign_ins_read:
        return ("last successful sign-in: not readable (AuditLog.Read.All and Entra ID P1)",)
    date = f"{item.last_sign_in:%Y-%m-%d}" if item.last_sign_in else "none on record"
    return (f"last successful sign-in: {date}",)


def subject_of(mailbox: Mailbox) -> str:
    """The mailbox as people know it."""
    return plain(mailbox.address or mailbox.name or mailbox.id, CUT)


def named(mailbox: Mailbox) -> str:
    """The mailbox with its kind, within a sentence."""
    return f"{NAMES.get(mailbox.kind, 'mailbox')} {subject_of(mailbox)}"


GUARD = Guard(
    name="shared-mailbox-sign-in",
    title="Sign-in of shared mailboxes",
    why="An account that belongs to no person and can sign in is a way in that nobody watches.",
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
    noun="resource mailboxes",
)
