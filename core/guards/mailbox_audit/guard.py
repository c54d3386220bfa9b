"""The threat: an attacker works in mailboxes and leaves no record.

Auditing can be switched off for the organization, for one mailbox, for single actions, or for
everything one account does. An intruder who does that first reads, sends and deletes unseen, and
afterwards nobody can say which mail was taken; what was never recorded cannot be recovered.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import batched
from typing import Protocol

from core.guards.mailbox_audit.audit_sets import is_plan_switched_off
from core.guards.mailbox_audit.items import VERDICT_TEXTS, AuditItem, LicensedAudit
from core.guards.mailbox_audit.judge import depends_on_licence, judge
from core.guards.mailbox_audit.memory import Recorded, RecordingMemory
from core.guards.mailbox_audit.options import (
    AUDIT_LOG_AGE_DAYS,
    ITEMS_ACCESSED,
    AuditOptions,
    Policy,
    read_options,
)
from core.guards.mailbox_audit.tenant_defaults import TenantDefaults
from core.microsoft365.audit_actions import (
    AUDITING_CAPABILITY,
    MAIL_ITEMS_ACCESSED,
    classify_capabilities,
    classify_licence,
    get_audited_actions,
)
from core.microsoft365.recipient_kinds import RECIPIENT_KINDS
from core.model.guards import Guard, ObserveContext, Permission, Service, SingleLook
from core.model.options import SettingReader
from core.tenant.auditing import MailboxAudit
from core.tenant.directory import Account
from core.tenant.known_traits import KnownTraits
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.merging import (
    PresenceTracker,
    collect_failures,
    collect_sources,
    count_listing,
    find_object_failure,
    select_answered,
)
from core.tenant.port import HasAccounts, HasAuditing, HasMailboxes
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    ACCOUNTS,
    AUDIT_BYPASS,
    MAILBOX_AUDIT,
)

RELIES_ON = (
    "exchange-audited-kinds",
    "exchange-audit-age",
    "write-audit-off",
    "write-bypass",
    "write-audit-enabled",
    "exchange-bulk-writes",
)

# Default auditing knows these kinds. It does not know rooms, equipment and public folders, and
# group mailboxes cannot be changed (Microsoft Learn: Manage mailbox auditing). System mailboxes
# have kinds of their own; their names are nothing to go by, since anybody may be named like them.
AUDITED_KINDS = frozenset(
    {"usermailbox", "sharedmailbox", "linkedmailbox", "legacymailbox", "teammailbox"}
)


MAX_PLAN_CHECKS = 1_000
"""So many mailboxes a run are asked for the first time why they have no advanced auditing."""
ROWS_A_TURN = 200
PAGES_PER_SAVE = 10
"""What mailboxes record is remembered after so many pages of the listing, and at its end."""


class AuditPorts(HasAccounts, HasAuditing, HasMailboxes, Protocol):
    """The ports this guard reads."""


async def collect_rows(rows: Iterable[KnownTraits]) -> tuple[KnownTraits, ...]:
    """Some rows, of which a large tenant has thousands: others have their turn in between."""
    collected: list[KnownTraits] = []
    for part in batched(rows, ROWS_A_TURN, strict=False):
        collected += part
        await asyncio.sleep(0)
    return tuple(collected)


async def observe(
    tenant: AuditPorts, context: ObserveContext[AuditOptions]
) -> AsyncIterator[Reading[AuditItem]]:
    """The switches of the organization, who bypasses them, and every mailbox's settings."""
    organization = await tenant.auditing.read_organization_audit()
    bypasses = await tenant.auditing.read_audit_bypasses()
    yield Reading(
        items=(*organization.items, *bypasses.items),
        failures=collect_failures((organization, bypasses)),
        sources=collect_sources((organization, bypasses)),
        listed_counts=count_listing(AUDIT_BYPASS, bypasses, min_missing=2),
    )
    listed = PresenceTracker(context.open_case_ids)
    memory = RecordingMemory(context.known_traits, context.policy.now)
    defaults = TenantDefaults()
    page_count, checks_left = 0, MAX_PLAN_CHECKS
    async for page in tenant.auditing.list_mailbox_audits(context.continuation):
        listed.add_page(page)
        page_count += 1
        audits = [audit for audit in page.items if is_audited_mailbox(audit.mailbox)]
        defaults.add_audits(audits)
        items = [
            LicensedAudit(
                audit,
                classify_capabilities(audit),
                defaults.get_default(audit),
                memory.recall(audit.mailbox.id),
            )
            for audit in audits
        ]
        await asyncio.sleep(0)  # A page is long: others have their turn.
        asked = select_plan_checks(items, context.open_case_ids, checks_left)
        checks_left -= len(asked)
        reading = await add_audit_licences(tenant, page, items, asked, context.policy)
        remember_recording(memory, reading.items)
        if page_count % PAGES_PER_SAVE == 0:
            reading = replace(reading, known_traits=await collect_rows(memory.build_changed_rows()))
        yield reading
    is_whole = listed.complete and not context.continuation
    rows = await collect_rows(memory.build_rows(is_whole=is_whole))
    yield Reading(known_traits=rows, scope=frozenset(), complete=listed.complete)
    if not context.continuation:
        for rest in listed.build_absence_readings((MAILBOX_AUDIT, ACCOUNTS)):
            yield rest


async def look_at(
    tenant: AuditPorts, context: ObserveContext[AuditOptions], mailboxes: Sequence[Mailbox]
) -> AsyncIterator[Reading[AuditItem]]:
    """Whether the actions of some mailboxes' accounts are left out of all logs.

    What a mailbox records is judged by what others record, so it takes a full run.
    """
    guids = sorted({mailbox.guid for mailbox in mailboxes})
    bypasses = await tenant.auditing.read_audit_bypasses_of(guids)
    yield replace(bypasses, scope=frozenset(guids))


async def look_up_mailboxes(
    tenant: AuditPorts, context: ObserveContext[AuditOptions], ids: Sequence[str]
) -> Reading[AuditItem]:
    """Which mailboxes are gone that the listing no longer shows.

    What a mailbox records is judged by what others record, so one that is there stays as it was.
    """
    found = await tenant.mailboxes.read_mailboxes(ids)
    there = {one for box in found.items if is_audited_mailbox(box) for one in (box.id, box.guid)}
    return Reading(
        failures=tuple(replace(failure, source=MAILBOX_AUDIT) for failure in found.failures),
        sources=frozenset({MAILBOX_AUDIT, ACCOUNTS}),
        scope=select_answered(ids, found) - there,
    )


async def look_up_bypasses(
    tenant: AuditPorts, context: ObserveContext[AuditOptions], ids: Sequence[str]
) -> Reading[AuditItem]:
    """Whether accounts that the list of bypasses no longer shows are recorded again."""
    read = await tenant.auditing.read_audit_bypasses_of(ids)
    return replace(read, scope=frozenset(ids))


def remember_recording(memory: RecordingMemory, items: Iterable[AuditItem]) -> None:
    """Add what mailboxes record now to what they recorded before.

    It stays remembered while it is missing. A licence for advanced auditing is forgotten once it is
    known that the account has another one.
    """
    for item in items:
        if isinstance(item, LicensedAudit):
            audit, before = item.audit, item.recorded
            now = {
                name
                for name in audit.actions
                if MAIL_ITEMS_ACCESSED in get_audited_actions(audit, name)
            }
            has_premium = AUDITING_CAPABILITY in audit.capabilities
            is_cleared = item.account is not None and not is_plan_switched_off(item)
            memory.note(
                audit.mailbox.id,
                Recorded(
                    before.logon_types | now,
                    has_premium or (before.had_premium and not is_cleared),
                    before.is_plan_checked or (is_cleared and knows_plans(item.account)),
                ),
            )


async def add_audit_licences(
    tenant: HasAccounts,
    page: Reading[MailboxAudit],
    items: Sequence[LicensedAudit],
    asked_ids: Collection[str],
    policy: Policy,
) -> Reading[AuditItem]:
    """A page of settings, with the owners' licences where those decide something."""
    open_questions = [
        item.audit
        for item in items
        if item.audit.mailbox.id in asked_ids or depends_on_licence(item.posture, policy)
    ]
    accounts = Reading[Account](sources=frozenset({ACCOUNTS}))
    if open_questions:
        accounts = await tenant.accounts.read_accounts([audit.mailbox for audit in open_questions])
    holders = {account.id: account for account in accounts.items}
    return page.with_items(
        tuple[AuditItem, ...](
            add_account(item, holders.get(item.audit.mailbox.id)) for item in items
        ),
        (
            *collect_failures((page,)),
            *(
                replace(failure, optional=True)
                for failure in collect_failures((accounts,))
                if not failure.object_id
            ),
            *list_licence_failures(accounts, open_questions),
        ),
        collect_sources((page, accounts)),
        max(page.population - (len(page.items) - len(items)), 0),
    )


def add_account(item: LicensedAudit, account: Account | None) -> LicensedAudit:
    """A mailbox's settings with its account, which knows the licence better than Exchange."""
    if account is None:
        return item
    return replace(item, licence=classify_licence(item.audit, account), account=account)


def knows_plans(account: Account | None) -> bool:
    """True for an account of which Graph said what its licences hold."""
    return account is not None and account.plans is not None


def select_plan_checks(
    items: Sequence[LicensedAudit], open_case_ids: Collection[str], limit: int
) -> frozenset[str]:
    """Mailboxes without advanced auditing of which nobody has seen yet why that is.

    An intruder may have switched the plan off before the guard looked for the first time. Each is
    asked about once, some at every run; where the answer is an open case, again.
    """
    unchecked = [
        item.audit.mailbox.id
        for item in items
        if AUDITING_CAPABILITY not in item.audit.capabilities
        and not item.recorded.is_plan_checked
        and item.audit.mailbox.has_account
    ]
    unchecked.sort(key=lambda one: one not in open_case_ids)
    told = sum(one in open_case_ids for one in unchecked)
    return frozenset(unchecked[: max(limit, told)])


def is_audited_mailbox(mailbox: Mailbox) -> bool:
    """True for the mailboxes of people and teams that default auditing covers, and for those of a
    kind that nobody knows.
    """
    return mailbox.kind.lower() in AUDITED_KINDS or mailbox.kind not in RECIPIENT_KINDS


def list_licence_failures(
    accounts: Reading[Account], audits: Sequence[MailboxAudit]
) -> Iterator[ReadFailure]:
    """The mailboxes whose licence failed to be read while Exchange does not vouch for it.

    They are judged as unlicensed, and what was found with the licence stays open meanwhile.
    """
    for audit in audits:
        failure = find_object_failure(accounts, ACCOUNTS, audit.mailbox.id)
        if failure and failure.object_id and AUDITING_CAPABILITY not in audit.capabilities:
            yield ReadFailure(
                MAILBOX_AUDIT,
                f"licence not known: {failure.reason}",
                audit.mailbox.id,
                format_mailbox_name(audit.mailbox),
                optional=True,
            )


EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="mailbox-audit",
    title="Mailbox auditing",
    looks_for="auditing switched off, customised, too short, or bypassed",
    rationale="What is not recorded cannot be found out later, so intruders switch it off first.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(EXCHANGE, "Get-Mailbox", "what each mailbox audits and for how long"),
        Permission(EXCHANGE, "Get-OrganizationConfig", "whether mailboxes audit at all"),
        Permission(EXCHANGE, "Get-AdminAuditLogConfig", "whether the unified audit log is on"),
        Permission(EXCHANGE, "Get-MailboxAuditBypassAssociation", "whose actions are not recorded"),
        Permission(
            EXCHANGE,
            "Get-User",
            "which accounts to ask about, where the list of bypasses is not served as a whole",
            optional=True,
        ),
        Permission(Service.GRAPH, "User.Read.All", "whether a licence audits more", optional=True),
        Permission(
            EXCHANGE,
            "Set-Mailbox",
            "to put a mailbox's auditing right",
            writes=True,
            parameters=(
                "Identity",
                "AuditEnabled",
                "AuditLogAgeLimit",
                "DefaultAuditSet",
                "AuditAdmin",
                "AuditDelegate",
                "AuditOwner",
            ),
        ),
        Permission(
            EXCHANGE,
            "Set-OrganizationConfig",
            "to switch mailbox auditing on",
            writes=True,
            parameters=("AuditDisabled",),
        ),
        Permission(
            EXCHANGE,
            "Set-AdminAuditLogConfig",
            "to switch the unified audit log on",
            writes=True,
            parameters=("UnifiedAuditLogIngestionEnabled",),
        ),
        Permission(
            EXCHANGE,
            "Set-MailboxAuditBypassAssociation",
            "to clear a bypass",
            writes=True,
            parameters=("Identity", "AuditBypassEnabled"),
        ),
    ),
    noun="mailboxes",
    observe=observe,
    look_at=look_at,
    single_looks=(
        SingleLook(AUDIT_BYPASS, frozenset({AUDIT_BYPASS}), look_up_bypasses),
        SingleLook(MAILBOX_AUDIT, frozenset({MAILBOX_AUDIT}), look_up_mailboxes),
    ),
    judge=judge,
    settings=(AUDIT_LOG_AGE_DAYS, ITEMS_ACCESSED),
    read_options=read_options,
    options=read_options(SettingReader()),
    settling_time=timedelta(hours=2),
    standalone_changes=frozenset(
        {"EnableOrganizationAudit", "EnableUnifiedAuditLog", "ClearAuditBypass"}
    ),
)
