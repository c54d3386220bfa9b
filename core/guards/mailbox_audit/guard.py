"""The threat: an attacker works in mailboxes and leaves no record.

Auditing can be switched off for the organization, for one mailbox, for single actions, or for
everything one account does. An intruder who does that first reads, sends and deletes unseen, and
afterwards nobody can say which mail was taken; what was never recorded cannot be recovered.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from core.guards.mailbox_audit.options import (
    AUDIT_LOG_AGE_DAYS,
    ITEMS_ACCESSED,
    AuditOptions,
    Policy,
    read_options,
)
from core.microsoft365.audit_actions import (
    AUDITING_CAPABILITY,
    DEFAULT_ACTIONS,
    MAIL_ITEMS_ACCESSED,
    build_audit_reset,
    compare_audit_set,
    expects_items_accessed,
    get_audited_actions,
    get_managed_logon_types,
    includes_advanced_auditing,
    list_deviation_facts,
)
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import Guard, ObserveContext, Permission, Service
from core.model.options import SettingReader
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import (
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
)
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.merging import (
    PresenceTracker,
    collect_failures,
    collect_sources,
    find_object_failure,
)
from core.tenant.port import HasAccounts, HasAuditing
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    ACCOUNTS,
    AUDIT_BYPASS,
    MAILBOX_AUDIT,
    ORGANIZATION_AUDIT,
    UNIFIED_AUDIT_LOG,
)


class AuditVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    REPAIR = "repair"
    KEEP = "keep"


VERDICT_TEXTS: Mapping[str, str] = {
    AuditVerdict.REPAIR: "a protection is weaker than it should be",
    AuditVerdict.KEEP: "it differs, and is kept as it is",
}

MAX_TEXT_LENGTH = 200
ORGANIZATION = "organization"

# Default auditing knows these kinds. It does not know rooms, equipment and public folders, and
# group mailboxes cannot be changed (Microsoft Learn: Manage mailbox auditing). System mailboxes
# have kinds of their own; their names are nothing to go by, since anybody may be named like them.
AUDITED_KINDS = frozenset(
    {"usermailbox", "sharedmailbox", "linkedmailbox", "legacymailbox", "teammailbox"}
)


@dataclass(frozen=True, slots=True)
class LicensedAudit:
    """A mailbox's audit settings, and whether its owner's licence includes advanced auditing."""

    audit: MailboxAudit
    has_advanced_auditing: bool


type AuditItem = LicensedAudit | OrganizationAudit | AuditBypass


class AuditPorts(HasAccounts, HasAuditing, Protocol):
    """The ports this guard reads."""


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
    )
    listed = PresenceTracker(context.open_case_ids)
    async for page in tenant.auditing.list_mailbox_audits(context.continuation):
        listed.add_page(page)
        yield await add_audit_licences(tenant, page, context.policy)
    if not context.continuation:
        for rest in listed.build_absence_readings((MAILBOX_AUDIT, ACCOUNTS)):
            yield rest


async def add_audit_licences(
    tenant: HasAccounts, page: Reading[MailboxAudit], policy: Policy
) -> Reading[AuditItem]:
    """A page of settings, with the owners' licences where those decide something."""
    audits = [audit for audit in page.items if is_audited_mailbox(audit.mailbox)]
    open_questions = [audit for audit in audits if depends_on_licence(audit, policy)]
    accounts = Reading[Account](sources=frozenset({ACCOUNTS}))
    if open_questions:
        accounts = await tenant.accounts.read_accounts([audit.mailbox for audit in open_questions])
    holders = {account.id: account for account in accounts.items}
    return page.with_items(
        tuple[AuditItem, ...](
            LicensedAudit(audit, includes_advanced_auditing(audit, holders.get(audit.mailbox.id)))
            for audit in audits
        ),
        (
            *collect_failures((page,)),
            *(
                replace(miss, optional=True)
                for miss in collect_failures((accounts,))
                if not miss.object_id
            ),
            *list_licence_failures(accounts, open_questions),
        ),
        collect_sources((page, accounts)),
        max(page.population - (len(page.items) - len(audits)), 0),
    )


def depends_on_licence(audit: MailboxAudit, policy: Policy) -> bool:
    """True when a mailbox would be judged otherwise with a licence than without."""
    return list(judge(LicensedAudit(audit, True), policy)) != list(
        judge(LicensedAudit(audit, False), policy)
    )


def is_audited_mailbox(mailbox: Mailbox) -> bool:
    """True for the mailboxes of people and teams that default auditing covers."""
    return mailbox.kind.lower() in AUDITED_KINDS


def list_licence_failures(
    accounts: Reading[Account], audits: Sequence[MailboxAudit]
) -> Iterator[ReadFailure]:
    """The mailboxes whose licence failed to be read while Exchange does not vouch for it.

    They are judged as unlicensed, and what was found with the licence stays open meanwhile.
    """
    for audit in audits:
        miss = find_object_failure(accounts, ACCOUNTS, audit.mailbox.id)
        if miss and miss.object_id and AUDITING_CAPABILITY not in audit.capabilities:
            yield ReadFailure(
                MAILBOX_AUDIT,
                f"licence not known: {miss.reason}",
                audit.mailbox.id,
                format_mailbox_name(audit.mailbox),
                optional=True,
            )


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: AuditItem, policy: Policy) -> Iterator[Finding]:
    """What keeps actions from being recorded."""
    match item:
        case OrganizationAudit():
            yield from judge_organization_audit(item)
        case AuditBypass():
            yield from judge_audit_bypass(item)
        case LicensedAudit():
            for finding in judge_mailbox_audit(item, policy):
                # Every mailbox has AuditEnabled: an answer without it is none to write by.
                told = item.audit.enabled is not None
                yield finding if told else replace(finding, changes=())


def judge_mailbox_audit(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """What keeps the actions in one mailbox from being recorded."""
    yield from judge_audit_enabled(item.audit)
    yield from judge_audit_sets(item, policy)
    yield from judge_items_accessed(item, policy)
    yield from judge_audit_age(item.audit, policy)


def judge_organization_audit(item: OrganizationAudit) -> Iterator[Finding]:
    """The two switches that blind everything at once. None is told by the reading."""
    if item.audit_disabled:
        yield Finding(
            kind="organization-audit-disabled",
            object_id=ORGANIZATION,
            subject=ORGANIZATION,
            severity=Severity.CRITICAL,
            verdict=AuditVerdict.REPAIR,
            summary="Mailbox auditing is switched off for the whole organization.",
            facts=(
                Fact("AuditDisabled", "true"),
                Fact("", "no mailbox records anything, whatever its own settings"),
            ),
            sources=(ORGANIZATION_AUDIT,),
            changes=(EnableOrganizationAudit(),),
            advice="Set-OrganizationConfig -AuditDisabled $false; find out who switched it off.",
        )
    if item.unified_log is False:
        yield Finding(
            kind="unified-audit-log-off",
            object_id=ORGANIZATION,
            subject=ORGANIZATION,
            severity=Severity.CRITICAL,
            verdict=AuditVerdict.REPAIR,
            summary="The unified audit log of the organization is switched off.",
            facts=(
                Fact("UnifiedAuditLogIngestionEnabled", "false"),
                Fact("", "nothing that happens meanwhile can be searched later"),
            ),
            sources=(UNIFIED_AUDIT_LOG,),
            changes=(EnableUnifiedAuditLog(),),
            advice="Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true; "
            "find out who switched it off.",
        )


def judge_audit_bypass(item: AuditBypass) -> Iterator[Finding]:
    """An account whose actions are recorded in no mailbox."""
    if not item.bypassed:
        return
    name = quote_text(item.name or item.id, MAX_TEXT_LENGTH)
    yield Finding(
        kind="audit-bypass",
        object_id=item.id,
        subject=name,
        severity=Severity.CRITICAL,
        verdict=AuditVerdict.REPAIR,
        summary=f"Nothing that {name} does in any mailbox is recorded.",
        facts=(Fact("AuditBypassEnabled", "true"),),
        sources=(AUDIT_BYPASS,),
        changes=(ClearAuditBypass(item.id),),
        advice="Clear the bypass; if a service needs it, exempt it with a reason and an end.",
    )


def judge_audit_enabled(audit: MailboxAudit) -> Iterator[Finding]:
    """Auditing of one mailbox, switched on or not."""
    if audit.enabled:
        return
    name = format_mailbox_name(audit.mailbox)
    finding = Finding(
        kind="mailbox-audit-off",
        object_id=audit.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=AuditVerdict.REPAIR,
        summary=f"Auditing is not switched on for mailbox {name}.",
        facts=(
            Fact("AuditEnabled", "false"),
            Fact(
                "",
                "while auditing is on for the organization the mailbox still records, but without "
                "advanced auditing its records do not reach the unified audit log",
            ),
        ),
        sources=(MAILBOX_AUDIT,),
        changes=(EnableMailboxAudit(audit.mailbox.guid),),
    )
    if audit.enabled is None:
        finding = replace(
            finding,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether auditing is switched on for mailbox {name} is not known.",
            facts=(),
            changes=(),
        )
    yield finding


def judge_audit_sets(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """Logon types whose actions were set by hand and no longer follow Microsoft's."""
    audit = item.audit
    custom = [
        name for name in DEFAULT_ACTIONS if name.lower() not in get_managed_logon_types(audit)
    ]
    unknown = [name for name in custom if name not in audit.actions]
    deviations = [
        compare_audit_set(audit, name, item.has_advanced_auditing, policy.options.items_accessed)
        for name in custom
        if name in audit.actions
    ]
    resets = [entry for entry in deviations if not entry.is_deliberate]
    if not custom:
        return
    name = format_mailbox_name(audit.mailbox)
    finding = Finding(
        kind="audit-set-customised",
        object_id=audit.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=AuditVerdict.REPAIR,
        summary=f"What mailbox {name} audits was set by hand and misses what Microsoft adds.",
        facts=(
            *(line for entry in deviations for line in list_deviation_facts(entry, audit)),
            *(Fact("", f"{entry}: which actions are audited is not known") for entry in unknown),
        ),
        sources=(MAILBOX_AUDIT,),
    )
    if resets:
        yield replace(finding, changes=(build_audit_reset(audit, resets),))
    elif unknown:
        yield replace(
            finding,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"What mailbox {name} audits is not known.",
        )
    else:
        yield replace(
            finding,
            severity=Severity.INFO,
            verdict=AuditVerdict.KEEP,
            summary=f"Mailbox {name} audits more than Microsoft's default, and nothing less.",
        )


def judge_items_accessed(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """Logon types in Microsoft's hands that all the same do not record what was read."""
    audit = item.audit
    lacking = tuple(
        name
        for name in DEFAULT_ACTIONS
        if name.lower() in get_managed_logon_types(audit)
        and name in audit.actions
        and MAIL_ITEMS_ACCESSED not in get_audited_actions(audit, name)
    )
    if not lacking or not expects_items_accessed(
        item.has_advanced_auditing, policy.options.items_accessed
    ):
        return
    name = format_mailbox_name(audit.mailbox)
    yield Finding(
        kind="mail-items-accessed-missing",
        object_id=audit.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=AuditVerdict.REPAIR,
        summary=f"Mailbox {name} does not record which mail was read.",
        facts=(Fact("", f"{MAIL_ITEMS_ACCESSED} is missing for: {', '.join(lacking)}"),),
        sources=(MAILBOX_AUDIT,),
        changes=(ResetAuditSet(audit.mailbox.guid, lacking, expects=(MAIL_ITEMS_ACCESSED,)),),
    )


def judge_audit_age(audit: MailboxAudit, policy: Policy) -> Iterator[Finding]:
    """How long records are kept. Longer than asked for is never shortened: it would purge them."""
    if audit.age_days is not None and audit.age_days >= policy.options.age_days:
        return
    name = format_mailbox_name(audit.mailbox)
    finding = Finding(
        kind="audit-age-too-short",
        object_id=audit.mailbox.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"How long mailbox {name} keeps its audit records is not known.",
        sources=(MAILBOX_AUDIT,),
    )
    if audit.age_days is not None:
        finding = replace(
            finding,
            verdict=AuditVerdict.REPAIR,
            summary=f"Mailbox {name} keeps its audit records for too short a time.",
            facts=(Fact("", f"kept {audit.age_days:g} days; expected {policy.options.age_days}"),),
            changes=(RaiseAuditAge(audit.mailbox.guid, policy.options.age_days),),
        )
    yield finding


EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="mailbox-audit",
    title="Mailbox auditing",
    rationale="What is not recorded cannot be found out later, so intruders switch it off first.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(EXCHANGE, "Get-Mailbox", "what each mailbox audits and for how long"),
        Permission(EXCHANGE, "Get-OrganizationConfig", "whether mailboxes audit at all"),
        Permission(EXCHANGE, "Get-AdminAuditLogConfig", "whether the unified audit log is on"),
        Permission(EXCHANGE, "Get-MailboxAuditBypassAssociation", "whose actions are not recorded"),
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
    observe=observe,
    judge=judge,
    settings=(AUDIT_LOG_AGE_DAYS, ITEMS_ACCESSED),
    read_options=read_options,
    options=read_options(SettingReader()),
    settling_time=timedelta(hours=2),
)
