"""Reads resource mailboxes with their accounts, and what shows that somebody uses an account.

    mailboxes ─► accounts ─► who holds roles ─► last sign-ins ─► the log, where those are unclear
                        └──► who enabled again what Exoguard blocked

Each of the later reads covers only the accounts that it can decide about. A read that failed for
the moment leaves the account unread; one that lacks a permission or a licence leaves its question
open, and the judge asks an operator.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from core.guards.shared_mailbox_sign_in.accounts import (
    KIND_NAMES,
    ResourceAccount,
    SignInRecord,
    is_changeable,
    is_recent,
    needs_sign_ins,
)
from core.guards.shared_mailbox_sign_in.options import Policy, SignInOptions
from core.model.guards import ObserveContext
from core.tenant.changes import BlockSignIn, EndSessions
from core.tenant.directory import Account, Enabling, RoleHolder, SignIn
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.merging import (
    PresenceTracker,
    collect_failures,
    collect_sources,
    find_object_failure,
)
from core.tenant.port import HasAccounts, HasMailboxes, HasRoles
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, MAILBOXES, ROLE_HOLDERS, SIGN_IN_LOG, SIGN_INS

RELIES_ON = ("graph-sign-in-days",)

MAX_LOG_LOOKUPS = 20
"""Accounts looked up in the sign-in log for each page of mailboxes; the next run reads others."""
LOG_RETENTION = timedelta(days=30)
"""How far back the sign-in log goes (Microsoft Learn: Microsoft Entra data retention)."""
MAX_CONVERSION_LOOKUPS = 50
"""Blocked accounts whose mailbox left the listing that one run looks up, the latest first."""


class SignInPorts(HasAccounts, HasMailboxes, HasRoles, Protocol):
    """The ports this guard reads."""


@dataclass(slots=True)
class AccountScan:
    """One scan: what is read once for all pages, and what a page reads besides its accounts."""

    tenant: SignInPorts
    policy: Policy
    blocks: Mapping[str, tuple[BlockSignIn, datetime]]
    """The blocks that are in effect, by account, with their times."""
    ended_sessions: Mapping[str, datetime]
    """When sessions of accounts were last ended by themselves."""
    roles: Reading[RoleHolder] | None = None
    """Who holds roles; None: not read yet."""
    failures: list[ReadFailure] = field(default_factory=list)
    """What the current page could not read."""
    sources: frozenset[str] = frozenset()
    """What the current page read."""

    def add_reading(self, reading: Reading[Any]) -> None:
        """Keep what a reading covered that only adds detail; its items are used elsewhere."""
        self.failures += (replace(gap, optional=True) for gap in collect_failures((reading,)))
        self.sources |= reading.sources

    def set_unread(self, mailbox: Mailbox, failure: ReadFailure) -> None:
        """Leave an account unread: what could not be read for the moment decides about it."""
        name = format_mailbox_name(mailbox)
        self.failures.append(ReadFailure(ACCOUNTS, failure.reason, mailbox.id, name))


async def observe(
    tenant: SignInPorts, context: ObserveContext[SignInOptions]
) -> AsyncIterator[Reading[ResourceAccount]]:
    """Resource mailboxes joined with their accounts, a page of the listing at a time."""
    scan = AccountScan(tenant, context.policy, find_blocks(context), find_ended_sessions(context))
    listed = PresenceTracker(context.open_case_ids)
    listed_ids: set[str] = set()
    async for page in tenant.mailboxes.list_mailboxes(
        context.policy.options.resource_kinds, context.continuation
    ):
        listed.add_page(page)
        listed_ids |= {box.id for box in page.items} & scan.blocks.keys()
        yield await join_accounts(scan, page)
    if context.continuation or not listed.complete:
        return
    converted = await read_converted(scan, scan.blocks.keys() - listed_ids)
    if converted.items or converted.failures:
        listed.add_page(converted)
        yield converted
    for rest in listed.build_absence_readings((MAILBOXES, ACCOUNTS)):
        yield rest


async def look_at(
    tenant: SignInPorts, context: ObserveContext[SignInOptions], mailboxes: Sequence[Mailbox]
) -> AsyncIterator[Reading[ResourceAccount]]:
    """The resource mailboxes among some mailboxes, with their accounts."""
    ids = sorted({box.id for box in mailboxes if is_resource(box, context)})
    if ids:
        yield await look_up_mailboxes(tenant, context, ids)


async def look_up_mailboxes(
    tenant: SignInPorts, context: ObserveContext[SignInOptions], ids: Sequence[str]
) -> Reading[ResourceAccount]:
    """The resource mailboxes of some ids, each asked alone, with their accounts."""
    read = await tenant.mailboxes.read_mailboxes(ids)
    boxes = tuple(box for box in read.items if is_resource(box, context))
    page = replace(read, items=boxes, population=len(boxes), scope=frozenset(ids))
    blocks, ended = find_blocks(context), find_ended_sessions(context)
    return await join_accounts(AccountScan(tenant, context.policy, blocks, ended), page)


def is_resource(mailbox: Mailbox, context: ObserveContext[SignInOptions]) -> bool:
    """Whether a mailbox is of a kind that this guard looks at."""
    kinds = {kind.casefold() for kind in context.policy.options.resource_kinds}
    return mailbox.kind.casefold() in kinds


def find_blocks(
    context: ObserveContext[SignInOptions],
) -> dict[str, tuple[BlockSignIn, datetime]]:
    """The latest block of each account that this guard made and no operator undid."""
    found: dict[str, tuple[BlockSignIn, datetime]] = {}
    for change, at in context.applied_changes:
        if isinstance(change, BlockSignIn):
            known = found.get(change.account_id)
            if known is None or known[1] < at:
                found[change.account_id] = (change, at)
    return found


def find_ended_sessions(context: ObserveContext[SignInOptions]) -> dict[str, datetime]:
    """When this guard last ended the sessions of each account, after its block."""
    found: dict[str, datetime] = {}
    for change, at in context.applied_changes:
        if isinstance(change, EndSessions):
            found[change.account_id] = max(at, found.get(change.account_id, at))
    return found


async def join_accounts(scan: AccountScan, page: Reading[Mailbox]) -> Reading[ResourceAccount]:
    """The mailboxes of a page with their accounts, and their use where it decides something."""
    accounts = await scan.tenant.accounts.read_accounts(page.items)
    by_id = {account.id: account for account in accounts.items}
    scan.failures = [*collect_failures((page,)), *collect_failures((accounts,))]
    scan.sources = collect_sources((page, accounts)) | {MAILBOXES, ACCOUNTS}
    items: dict[str, ResourceAccount] = {}
    for box in page.items:
        if box.id in by_id:
            items[box.id] = ResourceAccount(box, by_id[box.id])
        elif not (box.has_account and find_object_failure(accounts, ACCOUNTS, box.id)):
            items[box.id] = ResourceAccount(box, None)
    await add_roles(scan, items)
    add_standing_blocks(scan, items)
    await add_enablings(scan, items)
    await add_sign_ins(scan, items)
    return page.with_items(
        tuple(items.values()),
        tuple(dict.fromkeys(scan.failures)),
        scan.sources,
        page.population,
    )


async def add_roles(scan: AccountScan, items: dict[str, ResourceAccount]) -> None:
    """Who of them holds a role, or may activate one."""
    concerned = [
        item
        for item in items.values()
        if item.account and is_changeable(item.mailbox, item.account, scan.policy)
    ]
    if not concerned:
        return
    if scan.roles is None:
        scan.roles = await scan.tenant.roles.read_role_holders()
    scan.add_reading(scan.roles)
    failure = next(iter(collect_failures((scan.roles,))), None)
    holders = {holder.id for holder in scan.roles.items}
    for item in concerned:
        one = item.mailbox
        holds_role = not holders.isdisjoint({one.id, one.guid})
        if not holds_role and failure is not None and not is_permanent(scan.roles):
            scan.set_unread(one, replace(failure, reason=f"{ROLE_HOLDERS}: {failure.reason}"))
            del items[one.id]
        else:
            known = holds_role or failure is None
            items[one.id] = replace(item, holds_role=holds_role if known else None)


def is_permanent(reading: Reading[Any]) -> bool:
    """True when a reading lacks a permission or a licence, so that waiting does not help."""
    return any(failure.permission for failure in reading.failures)


def add_standing_blocks(scan: AccountScan, items: dict[str, ResourceAccount]) -> None:
    """Which of them are blocked since Exoguard did it, and whether it ended their sessions."""
    for one, (change, at) in scan.blocks.items():
        item = items.get(one)
        if item and item.account and item.account.enabled is False:
            ended_at = scan.ended_sessions.get(one)
            is_ended = change.ends_sessions or (ended_at is not None and ended_at >= at)
            items[one] = replace(item, blocked_at=at, sessions_ended=is_ended)


async def add_enablings(scan: AccountScan, items: dict[str, ResourceAccount]) -> None:
    """Which of them Exoguard blocked, and who enabled those again."""
    enabled = {
        one: scan.blocks[one][1]
        for one, item in items.items()
        if one in scan.blocks and item.account and item.account.enabled
    }
    if not enabled:
        return
    log = await scan.tenant.accounts.read_enablings(sorted(enabled), min(enabled.values()))
    scan.add_reading(log)
    latest: dict[str, Enabling] = {}
    for entry in log.items:
        known = latest.get(entry.id)
        if entry.at >= enabled[entry.id] and (known is None or known.at < entry.at):
            latest[entry.id] = entry
    for one, at in enabled.items():
        items[one] = replace(items[one], blocked_at=at, enabling=latest.get(one))


async def add_sign_ins(scan: AccountScan, items: dict[str, ResourceAccount]) -> None:
    """When somebody last signed in, where nothing else speaks against a block."""
    candidates = sorted(
        one
        for one, item in items.items()
        if item.account
        and item.holds_role is not True
        and item.blocked_at is None
        and needs_sign_ins(item.mailbox, item.account, scan.policy)
    )
    if not candidates:
        return
    sign_ins = await scan.tenant.accounts.read_last_sign_ins(candidates)
    scan.add_reading(sign_ins)
    found = {entry.id: entry for entry in sign_ins.items}
    unclear: list[str] = []
    for one in candidates:
        failure = find_object_failure(sign_ins, SIGN_INS, one)
        if failure and (failure.object_id or not failure.permission):
            # A read that failed for the moment must not count as no recent sign-in.
            scan.set_unread(items.pop(one).mailbox, failure)
        elif failure is None:
            entry = found.get(one, SignIn(one, None))
            items[one] = replace(
                items[one], last_sign_in=entry.last_success, sign_ins=SignInRecord.READ
            )
            if entry.last_success is None and is_recent(entry.last_attempt, scan.policy):
                items[one] = replace(items[one], sign_ins=SignInRecord.UNCLEAR)
                unclear.append(one)
    if unclear and timedelta(days=scan.policy.options.recent_days) <= LOG_RETENTION:
        await look_up_log(scan, items, unclear[:MAX_LOG_LOOKUPS])


async def look_up_log(
    scan: AccountScan, items: dict[str, ResourceAccount], ids: Collection[str]
) -> None:
    """Whether an attempt at an account succeeded.

    Anybody can cause failures, so those must not protect an account for ever; the date of the last
    success is not always kept, so its absence is no proof beside recent attempts.
    """
    since = scan.policy.now - timedelta(days=scan.policy.options.recent_days)
    log = await scan.tenant.accounts.read_successful_sign_ins(sorted(ids), since)
    scan.add_reading(log)
    found = {entry.id: entry.last_success for entry in log.items}
    for one in ids:
        failure = find_object_failure(log, SIGN_IN_LOG, one)
        if failure is None:
            items[one] = replace(
                items[one], last_sign_in=found.get(one), sign_ins=SignInRecord.READ
            )
        elif not failure.permission:
            scan.set_unread(items.pop(one).mailbox, failure)


async def read_converted(scan: AccountScan, ids: Collection[str]) -> Reading[ResourceAccount]:
    """Mailboxes of another kind by now whose account Exoguard blocked when they were shared.

    Nothing enables such an account: a person who is given the mailbox cannot sign in.
    """
    latest = sorted(ids, key=lambda one: scan.blocks[one][1], reverse=True)[:MAX_CONVERSION_LOOKUPS]
    if not latest:
        return Reading()
    by_guid = {scan.blocks[one][0].mailbox_guid: one for one in latest}
    page = await scan.tenant.mailboxes.read_mailboxes(sorted(by_guid))
    boxes = [box for box in page.items if box.kind not in KIND_NAMES and box.id in latest]
    accounts: Reading[Account] = (
        await scan.tenant.accounts.read_accounts(boxes) if boxes else Reading()
    )
    by_id = {account.id: account for account in accounts.items}
    unread = [
        (by_guid[guid], failure)
        for guid in by_guid
        if (failure := find_object_failure(page, MAILBOXES, guid))
    ]
    unread += [
        (box.id, failure)
        for box in boxes
        if (failure := find_object_failure(accounts, ACCOUNTS, box.id))
    ]
    # The listing was read a moment ago, so what fails now leaves single accounts unread.
    return Reading(
        items=tuple(
            ResourceAccount(box, by_id[box.id], blocked_at=scan.blocks[box.id][1])
            for box in boxes
            if box.id in by_id
        ),
        failures=tuple(
            ReadFailure(failure.source, failure.reason, one, optional=True)
            for one, failure in unread
        ),
        sources=frozenset({MAILBOXES, ACCOUNTS}),
        scope=frozenset(box.id for box in boxes),
    )
