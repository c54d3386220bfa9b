"""Reads the settings of shared mailboxes at each run, and their sizes once a day."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Protocol

from core.guards.shared_mailbox_health.items import (
    LICENCES,
    NEAR_SIZE_LIMIT,
    SETTINGS,
    MeasuredMailbox,
    SharedMailboxItem,
    SharedMailboxState,
)
from core.microsoft365.service_plans import has_mailbox_plan
from core.model.guards import ObserveContext
from core.tenant.directory import Account
from core.tenant.mailbox_index import MailboxPage, select_between_checks
from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.merging import collect_failures, select_answered
from core.tenant.port import HasAccounts, HasMailboxes, HasSharedMailboxes
from core.tenant.readings import ListedCount, ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, MAILBOX_SIZES, SHARED_MAILBOXES

SOURCES = frozenset({SHARED_MAILBOXES, MAILBOX_SIZES, ACCOUNTS})
"""All that is read mailbox by mailbox."""
MAX_FAILED_ACCOUNTS = 1_000
"""Of so many mailboxes the account may be unread; with more, reading accounts did not work."""


class SharedMailboxPorts(HasAccounts, HasMailboxes, HasSharedMailboxes, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: SharedMailboxPorts, context: ObserveContext
) -> AsyncIterator[Reading[SharedMailboxItem] | MailboxPage]:
    """Every shared mailbox with its settings and its account; then all of them, to be measured.

    No page but the last speaks of objects, and the last of all of them: a case ends when the whole
    listing no longer shows it.
    """
    lost: dict[ReadFailure, None] = {}
    whole, count = True, 0
    async for page in tenant.shared_mailboxes.list_shared_mailboxes():
        if page.items:
            kept, unread = await join_mailbox_accounts(tenant, page.items)
            lost |= dict.fromkeys(unread)
            yield Reading(items=kept, sources=frozenset({SETTINGS, LICENCES}), scope=frozenset())
        lost |= dict.fromkeys(replace(failure, source=SETTINGS) for failure in page.failures)
        count += page.population
        whole = (
            whole and page.complete and not any(not failure.object_id for failure in page.failures)
        )
        yield MailboxPage(list_page_mailboxes(page), SOURCES)
    if whole:
        yield Reading(
            failures=combine_account_failures(lost),
            sources=frozenset({SETTINGS, LICENCES}),
            listed_counts={SETTINGS: ListedCount(count, frozenset({SETTINGS, LICENCES}), 2)},
        )


async def look_up_mailboxes(
    tenant: SharedMailboxPorts, context: ObserveContext, ids: Sequence[str]
) -> Reading[SharedMailboxItem]:
    """The mailboxes that the listing no longer shows as before, each read and measured alone."""
    found = await tenant.mailboxes.read_mailboxes(ids)
    settings = await tenant.shared_mailboxes.read_shared_mailboxes(found.items)
    kept, unread = await join_mailbox_accounts(tenant, settings.items)
    measured = await inspect(tenant, context, [one.mailbox for one in settings.items])
    answered = select_answered(ids, found) & select_answered(ids, settings)
    return Reading(
        items=(*kept, *measured.items),
        failures=(*found.failures, *settings.failures, *unread, *measured.failures),
        sources=SOURCES | {SETTINGS, LICENCES},
        scope=answered,
    )


def list_page_mailboxes(page: Reading[SharedMailbox]) -> Reading[Mailbox]:
    """A page as a listing of mailboxes."""
    boxes = tuple(one.mailbox for one in page.items)
    return page.with_items(boxes, page.failures, page.sources, page.population)


def combine_account_failures(failures: dict[ReadFailure, None]) -> tuple[ReadFailure, ...]:
    """What was missed on all pages; of a thousand accounts, that accounts cannot be read."""
    accounts = [failure for failure in failures if failure.source == LICENCES]
    whole = [failure for failure in accounts if not failure.object_id]
    if len(accounts) > MAX_FAILED_ACCOUNTS and not whole:
        whole = [
            ReadFailure(
                LICENCES,
                f"the accounts of {MAX_FAILED_ACCOUNTS:,} mailboxes and more cannot be read",
            )
        ]
    return (*(failure for failure in failures if failure.source != LICENCES), *(whole or accounts))


async def join_mailbox_accounts(
    tenant: HasAccounts, mailboxes: Sequence[SharedMailbox]
) -> tuple[tuple[SharedMailboxState, ...], tuple[ReadFailure, ...]]:
    """Mailboxes with their accounts, and which accounts could not be read."""
    accounts = await tenant.accounts.read_accounts([one.mailbox for one in mailboxes])
    by_id = {account.id: account for account in accounts.items}
    failures = tuple(replace(failure, source=LICENCES) for failure in collect_failures((accounts,)))
    lost = {failure.object_id for failure in failures}
    return tuple(
        SharedMailboxState(
            one, by_id.get(one.mailbox.id), not lost.isdisjoint({"", one.mailbox.id})
        )
        for one in mailboxes
    ), failures


async def inspect(
    tenant: SharedMailboxPorts, context: ObserveContext, mailboxes: Sequence[Mailbox]
) -> Reading[SharedMailboxItem]:
    """The sizes of some mailboxes. Each takes a command, so all are measured once a day.

    Between daily checks only mailboxes with an open case are measured, so that a remediated case
    closes sooner.
    """
    scope = frozenset(one.id for one in mailboxes)
    swept = MAILBOX_SIZES in context.due_checks
    asked = mailboxes if swept else select_between_checks(mailboxes, context.open_case_ids)
    if not asked and not swept:
        names = frozenset({SHARED_MAILBOXES})
        return Reading(sources=names, population=len(mailboxes), scope=scope)
    sizes = await tenant.shared_mailboxes.read_mailbox_sizes(asked)
    accounts = await tenant.accounts.read_accounts(asked)
    items, doubtful = measure_mailboxes(asked, sizes, accounts)
    settings = (
        await tenant.shared_mailboxes.read_shared_mailboxes(doubtful)
        if doubtful
        else Reading[SharedMailbox]()
    )
    known = {one.mailbox.id: one for one in settings.items}
    spared = {one.id for one in doubtful} - known.keys()
    unread = collect_failures((sizes, accounts, settings))
    # A check skips what it has read, so without this these would wait for another day.
    blind = [replace(one, source=MAILBOX_SIZES) for one in unread if not one.object_id]
    seen = frozenset(one.id for one in asked)
    return Reading(
        items=tuple(
            replace(one, settings=known.get(one.mailbox.id))
            for one in items
            if one.mailbox.id not in spared
        ),
        failures=tuple(dict.fromkeys((*unread, *blind))),
        sources=SOURCES,
        population=len(mailboxes),
        scope=scope,
        partial_scopes={} if swept else {MAILBOX_SIZES: seen, ACCOUNTS: seen},
    )


def measure_mailboxes(
    mailboxes: Sequence[Mailbox], sizes: Reading[MailboxSize], accounts: Reading[Account]
) -> tuple[list[MeasuredMailbox], list[Mailbox]]:
    """Mailboxes with size and account, and those whose settings decide what to say of them.

    One whose account was not read says nothing: without its licences there is no telling.
    """
    by_id = {account.id: account for account in accounts.items}
    unread = {failure.object_id for failure in accounts.failures}
    bytes_of = {one.id: one.size_bytes for one in sizes.items}
    items, doubtful = list[MeasuredMailbox](), list[Mailbox]()
    for box in mailboxes:
        if box.id not in bytes_of or not unread.isdisjoint({"", box.id}):
            continue
        account = by_id.get(box.id)
        items.append(MeasuredMailbox(box, bytes_of[box.id], account))
        plans = account.serving_plans if account else None
        if bytes_of[box.id] < NEAR_SIZE_LIMIT and plans is not None:
            doubtful += [box] if has_mailbox_plan(plans) else []
    return items, doubtful
