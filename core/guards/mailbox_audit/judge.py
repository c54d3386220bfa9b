"""Judges what keeps actions in mailboxes from being recorded. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

from core.guards.mailbox_audit.audit_sets import judge_audit_sets, judge_auditing_plan
from core.guards.mailbox_audit.items import AuditItem, AuditVerdict, LicensedAudit, Posture
from core.guards.mailbox_audit.options import MICROSOFT_AGE_DAYS, Policy
from core.guards.mailbox_audit.remedies import (
    build_bypass_remedy,
    build_log_remedy,
    build_organization_remedy,
)
from core.microsoft365.audit_actions import AuditLicence
from core.model.findings import Fact, Finding, Severity, Shell, Step, Verdict
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import (
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
)
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.sources import (
    AUDIT_BYPASS,
    MAILBOX_AUDIT,
    ORGANIZATION_AUDIT,
    UNIFIED_AUDIT_LOG,
)

CACHE_SIZE, MAX_CACHED_NAMES = 1_024, 200
MAX_TEXT_LENGTH = 200
ORGANIZATION = "organization"
AGE_STAYS = (
    "once raised it stays: a lower limit deletes records for good, so only an operator may set it"
)

type PostureTest = Callable[[Posture, Policy], bool]


def judge(item: AuditItem, policy: Policy) -> Iterator[Finding]:
    """What keeps actions from being recorded."""
    match item:
        case OrganizationAudit():
            yield from judge_organization_audit(item)
            yield from judge_unlogged_mailboxes(item)
        case AuditBypass():
            yield from judge_audit_bypass(item)
        case LicensedAudit():
            if item.account is None and is_in_order(item.posture, policy):
                return
            for finding in judge_mailbox_audit(item, policy):
                # Every mailbox has AuditEnabled: an answer without it is none to write by.
                is_known = item.audit.enabled is not None
                yield finding if is_known else replace(finding, changes=())


def remember_usual(test: PostureTest) -> PostureTest:
    """A test of postures that remembers what it gave. One of very many names is nobody's usual."""
    remembered = lru_cache(CACHE_SIZE)(test)

    def recall(posture: Posture, policy: Policy) -> bool:
        is_usual = posture.count_names() <= MAX_CACHED_NAMES
        return remembered(posture, policy) if is_usual else test(posture, policy)

    return recall


@remember_usual
def is_in_order(posture: Posture, policy: Policy) -> bool:
    """True where there is nothing to say about any mailbox with this posture."""
    return not any(True for _ in judge_mailbox_audit(posture.build_item(), policy))


@remember_usual
def depends_on_licence(posture: Posture, policy: Policy) -> bool:
    """True where a mailbox with this posture would be judged otherwise under another licence."""
    item = posture.build_item()
    judged = [
        list(judge_by_licence(replace(item, licence=licence), policy)) for licence in AuditLicence
    ]
    return any(other != judged[0] for other in judged[1:])


def judge_mailbox_audit(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """What keeps the actions in one mailbox from being recorded."""
    yield from judge_audit_enabled(item.audit)
    yield from judge_by_licence(item, policy)
    yield from judge_audit_age(item.audit, policy)


def judge_by_licence(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """What keeps actions from being recorded that a licence includes."""
    yield from judge_audit_sets(item, policy)
    yield from judge_auditing_plan(item, policy)


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
            advice="Switch it on, and find out who switched it off. If it is meant to be off, "
            "exempt it with the reason.",
            steps=build_organization_remedy(),
            asks_if_preexisting=True,
        )
    if item.unified_log is False:
        # Set-AdminAuditLogConfig is refused until the organization's configuration was copied from
        # Microsoft's shared one (Microsoft Learn: Enable-OrganizationCustomization).
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
            advice="Switch it on, and find out who switched it off. If it is meant to be off, "
            "exempt it with the reason.",
            steps=build_log_remedy(is_dehydrated=bool(item.dehydrated)),
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


def judge_unlogged_mailboxes(item: OrganizationAudit) -> Iterator[Finding]:
    """Mailboxes of which Exchange says both that they are audited and that they are not.

    Switching auditing off and on ends that, and leaves a gap in the records: nothing unattended.
    """
    count = item.unlogged_count
    if not count:
        return
    whose = f"{count:,} mailboxes" if count != 1 else "a mailbox"
    names = ", ".join(quote_text(name, MAX_TEXT_LENGTH) for name in item.unlogged_examples)
    yield Finding(
        kind="audit-enabled-contradicted",
        object_id=ORGANIZATION,
        subject=ORGANIZATION,
        severity=Severity.MEDIUM,
        verdict=Verdict.ASK,
        summary=f"Exchange shows AuditEnabled of {whose} as true, and filters it as false.",
        facts=(
            Fact("mailboxes", names + (", ..." if count > len(item.unlogged_examples) else "")),
            Fact("", "what happens there may be missing from the unified audit log"),
        ),
        sources=(ORGANIZATION_AUDIT,),
        advice="Set it once more. Where the filter still finds a mailbox, switch its auditing "
        "off and on again, and search the unified audit log for what comes next.",
        steps=(
            Step(
                "Set it of all that Exchange filters as not audited.",
                "Get-Mailbox -ResultSize Unlimited -Filter \"AuditEnabled -eq 'False'\" | "
                "Set-Mailbox -AuditEnabled $true",
                Shell.EXCHANGE,
            ),
        ),
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
        advice="Clear the bypass; afterwards look for IsThrottled in the records of the "
        "mailboxes it reads. If a service needs the bypass, exempt it with a reason and an end.",
        steps=build_bypass_remedy(item.id, name),
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
        )
    yield finding


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
