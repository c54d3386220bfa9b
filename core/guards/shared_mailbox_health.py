"""The threat: a shared mailbox that stops being one, or that its licence does not fit.

Over 50 GB, on hold or with an archive it needs a licence; without one it takes no more mail, or
what has to be kept is not. One that needs none and has one costs money and is a person's mailbox in
all but name: a team's mail behind a sign-in that nobody owns. And one that was converted in the
cloud only becomes a user's again at the next synchronisation, and is lost when it has no licence.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise

from core.microsoft365.powershell import (
    ARCHIVING,
    LARGE_MAILBOX,
    assign_licence,
    remove_licences,
    set_ad_attributes,
    set_remote_shared,
)
from core.microsoft365.remote_recipient_type import (
    SHARED_DETAILS,
    Becomes,
    becomes,
    mended,
    names_of,
)
from core.microsoft365.service_plans import (
    PLAN_1,
    has_mailbox_plan,
    held,
    mailbox_plans,
    may_be_held,
    may_be_large,
    plan_names,
)
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Sweep, Terms
from core.sanitize import plain
from core.tenant.directory import Account
from core.tenant.mailbox_index import Page, between_sweeps
from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.merging import missed
from core.tenant.port import Tenant
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import ACCOUNTS, MAILBOX_SIZES, SHARED_MAILBOXES

CUT = 200
GB = 2**30
LIMIT, NEAR = 50 * GB, 45 * GB
STEPS = (45, 50, 60, 75, 90)
"""Sizes are told in steps of so many GB: a figure that is another one tomorrow is no fact."""

SETTINGS, LICENCES = "shared-mailbox-settings", "licences"
"""What is read of every shared mailbox at each run; sizes and accounts are read in the sweep."""

SURFACES = frozenset({SHARED_MAILBOXES, MAILBOX_SIZES, ACCOUNTS})
"""All that is read mailbox by mailbox."""

MEASURED = (SHARED_MAILBOXES, MAILBOX_SIZES, ACCOUNTS)
LOST = 1_000
"""Of so many mailboxes the account may be unread; with more, reading accounts did not work."""

SYNC = "then a sync cycle (Start-ADSyncSyncCycle -PolicyType Delta)"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a shared mailbox is set to, and its account; None: Entra knows none.

    `unread`: the account could not be read, which is told apart from what is wrong.
    """

    settings: SharedMailbox
    account: Account | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """How large a shared mailbox is, and its account; `settings` only where they decide."""

    mailbox: Mailbox
    size: int
    account: Account | None = None
    settings: SharedMailbox | None = None


type Item = Kept | Measured


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Item] | Page]:
    """Every shared mailbox with its settings and its account; then all of them, to be measured.

    No page but the last speaks of objects, and the last of all of them: a case ends when the whole
    listing no longer shows it.
    """
    lost: dict[Unread, None] = {}
    whole = True
    async for page in tenant.shared_mailboxes():
        if page.items:
            kept, misses = await with_accounts(tenant, page.items)
            lost |= dict.fromkeys(misses)
            yield Reading(items=kept, surfaces=frozenset({SETTINGS, LICENCES}), scope=frozenset())
        broken = [replace(miss, surface=SETTINGS) for miss in page.unread]
        lost |= dict.fromkeys(miss for miss in broken if miss.object_id)
        whole = whole and page.complete and not any(not miss.object_id for miss in page.unread)
        yield Page(listed(page), SURFACES)
    if whole:
        yield Reading(unread=together(lost), surfaces=frozenset({SETTINGS, LICENCES}))


def listed(page: Reading[SharedMailbox]) -> Reading[Mailbox]:
    """A page as a listing of mailboxes."""
    boxes = tuple(one.mailbox for one in page.items)
    return page.carrying(boxes, page.unread, page.surfaces, page.population)


def together(lost: dict[Unread, None]) -> tuple[Unread, ...]:
    """What was missed on all pages; of a thousand accounts, that accounts cannot be read."""
    accounts = [miss for miss in lost if miss.surface == LICENCES]
    whole = [miss for miss in accounts if not miss.object_id]
    if len(accounts) > LOST and not whole:
        whole = [Unread(LICENCES, f"the accounts of {LOST:,} mailboxes and more cannot be read")]
    return (*(miss for miss in lost if miss.surface != LICENCES), *(whole or accounts))


async def with_accounts(
    tenant: Tenant, boxes: Sequence[SharedMailbox]
) -> tuple[tuple[Kept, ...], tuple[Unread, ...]]:
    """Mailboxes with their accounts, and which accounts could not be read."""
    accounts = await tenant.accounts([one.mailbox for one in boxes])
    by_id = {account.id: account for account in accounts.items}
    misses = tuple(replace(miss, surface=LICENCES) for miss in missed((accounts,)))
    lost = {miss.object_id for miss in misses}
    return tuple(
        Kept(one, by_id.get(one.mailbox.id), not lost.isdisjoint({"", one.mailbox.id}))
        for one in boxes
    ), misses


async def inspect(tenant: Tenant, look: Look, owners: Sequence[Mailbox]) -> Reading[Item]:
    """How large some mailboxes are. It takes a command each, so it is swept over the day.

    Between sweeps only those with an open case are measured, so that what was put right is known
    sooner.
    """
    scope = frozenset(one.id for one in owners)
    swept = MAILBOX_SIZES in look.due
    asked = owners if swept else between_sweeps(owners, look.watched)
    if not asked and not swept:
        surfaces = frozenset({SHARED_MAILBOXES})
        return Reading(surfaces=surfaces, population=len(owners), scope=scope)
    sizes = await tenant.mailbox_sizes(asked)
    accounts = await tenant.accounts(asked)
    items, doubtful = measured(asked, sizes, accounts)
    settings = await tenant.shared_mailboxes_of(doubtful) if doubtful else Reading[SharedMailbox]()
    known = {one.mailbox.id: one for one in settings.items}
    spared = {one.id for one in doubtful} - known.keys()
    misses = missed((sizes, accounts, settings))
    # A sweep goes on only over what it has seen: nobody would look at these for another day.
    blind = [replace(one, surface=MAILBOX_SIZES) for one in misses if not one.object_id]
    seen = frozenset(one.id for one in asked)
    return Reading(
        items=tuple(
            replace(one, settings=known.get(one.mailbox.id))
            for one in items
            if one.mailbox.id not in spared
        ),
        unread=tuple(dict.fromkeys((*misses, *blind))),
        surfaces=SURFACES,
        population=len(owners),
        scope=scope,
        partly={} if swept else {MAILBOX_SIZES: seen, ACCOUNTS: seen},
    )


def measured(
    asked: Sequence[Mailbox], sizes: Reading[MailboxSize], accounts: Reading[Account]
) -> tuple[list[Measured], list[Mailbox]]:
    """Mailboxes with size and account, and those whose settings decide what to say of them.

    One whose account was not read says nothing: without its licences there is no telling.
    """
    by_id = {account.id: account for account in accounts.items}
    unread = {miss.object_id for miss in accounts.unread}
    bytes_of = {one.id: one.size for one in sizes.items}
    items, doubtful = list[Measured](), list[Mailbox]()
    for box in asked:
        if box.id not in bytes_of or not unread.isdisjoint({"", box.id}):
            continue
        account = by_id.get(box.id)
        items.append(Measured(box, bytes_of[box.id], account))
        if bytes_of[box.id] < NEAR and account and account.plans is not None:
            doubtful += [box] if has_mailbox_plan(account.plans) else []
    return items, doubtful


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: Item, terms: Terms) -> Iterator[Finding]:
    """What is wrong with one shared mailbox; it may be several things."""
    match item:
        case Kept():
            yield from coming_back(item)
            yield from unlicensed_features(item)
            yield from untold(item)
        case Measured():
            yield from too_large(item)
            yield from needless(item)


def coming_back(item: Kept) -> Iterator[Finding]:
    """A mailbox that the directory on premises holds for something else."""
    settings = item.settings
    remote = settings.remote
    if not settings.mailbox.synced or settings.cloud_managed or remote is None:
        return
    future = becomes(remote)
    if future is Becomes.SHARED:
        return
    name = subject_of(settings.mailbox)
    unsure = future is Becomes.UNSURE
    yield Finding(
        kind="comes-back",
        object_id=settings.mailbox.id,
        subject=name,
        severity=Severity.LOW if unsure else Severity.HIGH,
        verdict=Verdict.ON_PREMISES,
        summary=f"The directory on premises does not call {name} a shared mailbox."
        if unsure
        else f"The next synchronisation makes {name} {future.value} again.",
        facts=(
            f"RemoteRecipientType: {names_of(remote)} ({remote})",
            f"after the next synchronisation: {future.value}",
            *what_follows(future, item.account),
        ),
        surfaces=(SETTINGS,),
        dangerous=names_of(remote),
        advice=on_premises_advice(settings, remote),
    )


def what_follows(future: Becomes, account: Account | None) -> Iterator[str]:
    """What becomes of its mail and its sign-in."""
    if account is None:
        return
    unlicensed = account.plans is not None and not has_mailbox_plan(account.plans)
    if future is Becomes.USER and unlicensed:
        yield "no licence: as a user mailbox it is disconnected after 30 days, and its mail lost"
    yield sign_in(account)


def on_premises_advice(settings: SharedMailbox, remote: int) -> str:
    """What an administrator of the on-premises directory runs."""
    values = {
        "msExchRemoteRecipientType": mended(remote),
        "msExchRecipientTypeDetails": SHARED_DETAILS,
    }
    exchange = set_remote_shared(settings.mailbox.address)
    attributes = set_ad_attributes(settings.upn, values)
    if not exchange or not attributes:
        pairs = ", ".join(f"{name} to {number}" for name, number in values.items())
        return f"On premises set {pairs} of its account, {SYNC}."
    return (
        f"In Exchange on premises run {exchange}. Where there is none, or it says that the mailbox "
        f"is shared already, run {attributes}. In either case {SYNC}."
    )


def unlicensed_features(item: Kept) -> Iterator[Finding]:
    """A hold or an archive that the licence does not cover."""
    settings, account = item.settings, item.account
    named = (("litigation hold", settings.held), ("archive", settings.archive))
    features = [name for name, there in named if there]
    if not features or item.unread:
        return
    name = subject_of(settings.mailbox)
    finding = Finding(
        kind="hold-without-licence",
        object_id=settings.mailbox.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Whether {name} has the licence it needs is not known.",
        facts=(f"it has: {', '.join(features)}", licences(account)),
        surfaces=(SETTINGS, LICENCES),
        dangerous="+".join(features),
        advice="Graph did not say which service plans its account holds: look at it in Entra ID.",
    )
    if account is None or account.plans is None:
        yield finding
    elif not may_be_held(account.plans):
        yield replace(
            finding,
            severity=Severity.MEDIUM,
            verdict=Verdict.ASK,
            summary=f"Shared mailbox {name} has {' and '.join(features)} without the licence.",
            facts=(
                *finding.facts,
                "needed: Exchange Online (Plan 2), or (Plan 1) with Exchange Online Archiving",
            ),
            advice=licence_advice(
                account, ARCHIVING if held(account.plans) & PLAN_1 else LARGE_MAILBOX
            ),
        )


def untold(item: Kept) -> Iterator[Finding]:
    """Settings that the answer did not tell, or in words nobody knows."""
    settings = item.settings
    names = {
        "LitigationHoldEnabled": settings.held is None,
        "ArchiveStatus": settings.archive is None,
        "RemoteRecipientType": settings.mailbox.synced and settings.remote is None,
    }
    missing = [name for name, lacks in names.items() if lacks]
    if missing:
        name = subject_of(settings.mailbox)
        yield Finding(
            kind="settings-unknown",
            object_id=settings.mailbox.id,
            subject=name,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Exchange does not tell {', '.join(missing)} of {name}.",
            surfaces=(SETTINGS,),
            dangerous="+".join(missing),
            advice=f"Look at it: Get-Mailbox with the properties {', '.join(missing)}.",
        )


def too_large(item: Measured) -> Iterator[Finding]:
    """A mailbox that is over the size it may have without a licence, or near it."""
    account = item.account
    if item.size < NEAR or (account and account.plans is not None and may_be_large(account.plans)):
        return
    name = subject_of(item.mailbox)
    over = item.size > LIMIT
    finding = Finding(
        kind="too-large",
        object_id=item.mailbox.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Whether {name} has the licence for its size is not known.",
        facts=(f"size: {step_of(item.size)}",),
        surfaces=MEASURED,
        advice="Find out which licences its account holds: above 50 GB it needs Exchange Online "
        "(Plan 2).",
    )
    if account is None or (account.plans is None and account.licensed):
        yield finding
        return
    yield replace(
        finding,
        severity=Severity.HIGH if over else Severity.LOW,
        verdict=Verdict.ASK,
        summary=f"Shared mailbox {name} is over 50 GB without the licence: it takes no more mail."
        if over
        else f"Shared mailbox {name} is near the 50 GB it may have without a licence.",
        facts=(*finding.facts, licences(account), "needed above 50 GB: Exchange Online (Plan 2)"),
        advice=f"Delete or move what is not needed, or: {licence_advice(account, LARGE_MAILBOX)}",
    )


def needless(item: Measured) -> Iterator[Finding]:
    """A licence that the mailbox does not need: it costs money, and makes it fit for a person."""
    account, settings = item.account, item.settings
    if account is None or settings is None or item.size >= NEAR:
        return
    # What is not told may be what the licence is for.
    if not all(one is False for one in (settings.held, settings.archive, settings.kept)):
        return
    name = subject_of(item.mailbox)
    plans = mailbox_plans(account.plans or ())
    if not plans:
        return
    yield Finding(
        kind="needless-licence",
        object_id=item.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM if account.enabled else Severity.LOW,
        verdict=Verdict.ASK,
        summary=f"Shared mailbox {name} is licensed without need.",
        facts=(
            licences(account),
            sign_in(account),
            f"size: {step_of(item.size)}; no hold, no archive",
        ),
        surfaces=MEASURED,
        advice=needless_advice(account, plans),
    )


def needless_advice(account: Account, plans: Sequence[str]) -> str:
    """How to take a licence away, and what to do first where a person is behind it."""
    command = remove_licences(account.id, plans)
    taking = f"take the licence away: {command}" if command else "take its licence away in Entra ID"
    return (
        "If a person uses it, it is no shared mailbox: find out who licensed it and convert it "
        f"back, or give them one of their own. Otherwise {taking} (other services of the same "
        "licence go with it; one that comes from a group is taken away in the group)."
    )


def licence_advice(account: Account, product: str) -> str:
    """How to give the licence that is missing."""
    command = assign_licence(account.id, product)
    if not command:
        return f"give its account the licence {product} in Entra ID."
    instead = (
        " First take away the mailbox plan it has: two of them exclude each other."
        if product == LARGE_MAILBOX and has_mailbox_plan(account.plans or ())
        else ""
    )
    return f"{command} (the account needs a UsageLocation).{instead}"


# ----------------------------------------------------------------------------------------------
# Words
# ----------------------------------------------------------------------------------------------


def subject_of(mailbox: Mailbox) -> str:
    """The mailbox as people know it."""
    return plain(mailbox.address or mailbox.name or mailbox.id, CUT)


def step_of(size: int) -> str:
    """A size in steps so wide that it stays the same for weeks."""
    if size < NEAR:
        return f"under {STEPS[0]} GB"
    for low, high in pairwise(STEPS):
        if size <= high * GB:
            return f"{low} to {high} GB"
    return f"over {STEPS[-1]} GB"


def licences(account: Account | None) -> str:
    """Which licences decide, by service plan."""
    if account is None:
        return "licences: not known, for Entra ID does not know its account"
    if account.plans is None:
        return "licences: assigned, plans unknown" if account.licensed else "licences: not known"
    return f"licences: {', '.join(plan_names(account.plans)) or 'none that concerns a mailbox'}"


def sign_in(account: Account) -> str:
    """Whether somebody could sign in as the mailbox."""
    words = {True: "enabled", False: "blocked", None: "not known"}
    return f"sign-in of its account: {words[account.enabled]}"


GUARD = Guard(
    name="shared-mailbox-health",
    title="Health of shared mailboxes",
    why="One with the wrong licence, or that is a user's again tomorrow, loses mail or hides one.",
    permissions=(
        Permission(
            Service.EXCHANGE, "Get-Mailbox", "shared mailboxes, their holds, their type on premises"
        ),
        Permission(Service.EXCHANGE, "Get-MailboxStatistics", "how large they are"),
        Permission(Service.GRAPH, "User.Read.All", "which licences their accounts hold"),
    ),
    observe=observe,
    judge=judge,
    inspect=inspect,
    noun="shared mailboxes",
    sweeps=(Sweep(MAILBOX_SIZES, timedelta(days=1)),),
)
