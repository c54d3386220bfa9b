"""Judges what keeps actions in mailboxes from being recorded. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from core.guards.mailbox_audit.options import MICROSOFT_AGE_DAYS, Policy
from core.microsoft365.audit_actions import (
    DEFAULT_ACTIONS,
    MAIL_ITEMS_ACCESSED,
    build_audit_reset,
    compare_audit_set,
    expects_items_accessed,
    get_audited_actions,
    get_managed_logon_types,
    list_deviation_facts,
)
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import (
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
)
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.sources import AUDIT_BYPASS, MAILBOX_AUDIT, ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG


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
AGE_STAYS = (
    "once raised it stays: a lower limit deletes records for good, so only an operator may set it"
)


@dataclass(frozen=True, slots=True)
class LicensedAudit:
    """A mailbox's audit settings, and whether its owner's licence includes advanced auditing."""

    audit: MailboxAudit
    has_advanced_auditing: bool


type AuditItem = LicensedAudit | OrganizationAudit | AuditBypass


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
            advice="Set-OrganizationConfig -AuditDisabled $false; find out who switched it off. "
            "If it is meant to be off, exempt it with the reason.",
            asks_if_preexisting=True,
        )
    if item.unified_log is False:
        # Set-AdminAuditLogConfig is refused until the organization's configuration was copied from
        # Microsoft's shared one (Microsoft Learn: Enable-OrganizationCustomization).
        first = "Enable-OrganizationCustomization, and an hour later " if item.dehydrated else ""
        finding = Finding(
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
            advice=f"{first}Set-AdminAuditLogConfig -UnifiedAuditLogIngestionEnabled $true in "
            "Exchange Online PowerShell (Security & Compliance always shows False); find out who "
            "switched it off. If it is meant to be off, exempt it with the reason.",
            asks_if_preexisting=True,
        )
        if item.dehydrated:
            finding = replace(
                finding,
                verdict=Verdict.ASK,
                facts=(*finding.facts, Fact("IsDehydrated", "true")),
                changes=(),
            )
        yield finding


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
        facts=(
            Fact("AuditBypassEnabled", "true"),
            Fact(
                "",
                "backup and archive services are bypassed on purpose: a mailbox in which more than "
                "1,000 items are read in a day stops recording MailItemsAccessed for 24 hours",
            ),
        ),
        sources=(AUDIT_BYPASS,),
        changes=(ClearAuditBypass(item.id),),
        advice=f"Clear the bypass: Set-MailboxAuditBypassAssociation -Identity {item.id} "
        "-AuditBypassEnabled $false; afterwards look for IsThrottled in the records of the "
        "mailboxes it reads. If a service needs the bypass, exempt it with a reason and an end.",
        asks_if_preexisting=True,
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
            *(line for entry in deviations for line in list_deviation_facts(entry)),
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
            facts=(
                Fact("", f"kept {audit.age_days:g} days; expected {policy.options.age_days}"),
                Fact("", AGE_STAYS),
            ),
            changes=(RaiseAuditAge(audit.mailbox.guid, policy.options.age_days),),
        )
        if audit.age_days < MICROSOFT_AGE_DAYS:
            finding = replace(
                finding,
                severity=Severity.MEDIUM,
                summary=f"Mailbox {name} keeps its audit records for less than Microsoft's "
                f"{MICROSOFT_AGE_DAYS} days: somebody shortened it.",
            )
        else:
            finding = replace(
                finding,
                summary=f"Mailbox {name} keeps its audit records for less than AUDIT_LOG_AGE_DAYS "
                "asks for.",
            )
    yield finding
