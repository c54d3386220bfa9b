"""Judges which actions a mailbox records, by its licence and by what it recorded before. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from core.guards.mailbox_audit.items import AuditVerdict, LicensedAudit
from core.guards.mailbox_audit.options import Policy
from core.guards.mailbox_audit.remedies import build_actions_remedy, build_plan_remedy
from core.microsoft365.audit_actions import (
    AUDITING_CAPABILITY,
    DEFAULT_ACTIONS,
    MAIL_ITEMS_ACCESSED,
    AuditLicence,
    AuditSetDeviation,
    ItemsAccessedRule,
    build_audit_reset,
    compare_audit_set,
    get_managed_logon_types,
    list_deviation_facts,
    list_expected_actions,
)
from core.microsoft365.service_plans import ADVANCED_AUDITING_PLAN
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.sources import ACCOUNTS, MAILBOX_AUDIT

PLAN_FACT = Fact(
    "",
    "its licence includes the plan Microsoft 365 Advanced Auditing, which is switched off for this "
    "account",
)


def list_deviations(item: LicensedAudit, policy: Policy) -> Iterator[AuditSetDeviation]:
    """How each logon type that was shown differs from what it should audit.

    A list in Microsoft's hands holds what Microsoft wants; only what was read is missed there.
    """
    audit, rule = item.audit, policy.options.items_accessed
    managed = get_managed_logon_types(audit)
    for name in DEFAULT_ACTIONS:
        if name not in audit.actions:
            continue
        expected = list_expected_actions(name, item.licence, item.tenant_defaults.get(name), rule)
        if rule is not ItemsAccessedRule.IGNORE and name in item.recorded.logon_types:
            expected |= {MAIL_ITEMS_ACCESSED}
        deviation = compare_audit_set(audit, name, expected)
        if name.lower() in managed:
            missing = deviation.missing & {MAIL_ITEMS_ACCESSED}
            deviation = replace(deviation, extras=frozenset(), missing=missing)
        yield deviation


def judge_audit_sets(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """Logon types that miss an action, or whose actions were set by hand."""
    audit = item.audit
    managed = get_managed_logon_types(audit)
    deviations = list(list_deviations(item, policy))
    custom = [entry for entry in deviations if entry.logon_type.lower() not in managed]
    told = [entry for entry in deviations if entry in custom or entry.missing]
    unknown = [
        name
        for name in DEFAULT_ACTIONS
        if name not in audit.actions
        and (name.lower() not in managed or name in item.recorded.logon_types)
    ]
    if not told and not unknown:
        return
    resets = [
        entry
        for entry in deviations
        if entry.missing or (entry in custom and not entry.is_deliberate)
    ]
    name = format_mailbox_name(audit.mailbox)
    finding = Finding(
        kind="audit-set-customised",
        object_id=audit.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=AuditVerdict.REPAIR,
        summary=f"What mailbox {name} audits was set by hand and misses what Microsoft adds.",
        facts=(
            *(line for entry in told for line in list_deviation_facts(entry)),
            *(Fact("", f"{entry}: which actions are audited is not known") for entry in unknown),
        ),
        sources=(MAILBOX_AUDIT,),
    )
    if any(entry.missing for entry in resets):
        yield build_missing_actions_finding(item, finding, deviations, resets)
    elif resets:
        yield replace(finding, changes=(build_audit_reset(audit, resets),))
    elif unknown:
        yield replace(
            finding,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"What mailbox {name} audits is not known.",
        )
    elif custom:
        yield replace(
            finding,
            severity=Severity.INFO,
            verdict=AuditVerdict.KEEP,
            summary=f"Mailbox {name} audits more than Microsoft's default, and nothing less.",
        )


def build_missing_actions_finding(
    item: LicensedAudit,
    finding: Finding,
    deviations: Iterable[AuditSetDeviation],
    resets: Sequence[AuditSetDeviation],
) -> Finding:
    """Actions that should be audited and are not: reading mail, above all."""
    name = finding.subject
    unread = [entry.logon_type for entry in deviations if MAIL_ITEMS_ACCESSED in entry.missing]
    stopped = [one for one in unread if one in item.recorded.logon_types]
    finding = replace(
        finding,
        kind="audit-actions-missing",
        summary=f"Mailbox {name} does not record which mail was read."
        if unread
        else f"What mailbox {name} audits was set by hand and misses what Microsoft audits.",
        changes=(build_audit_reset(item.audit, resets),),
        steps=build_actions_remedy(item.audit.mailbox),
    )
    if not stopped:
        is_blinded = bool(unread) and is_plan_switched_off(item)
        return replace(
            finding,
            severity=Severity.HIGH if is_blinded else finding.severity,
            facts=(*finding.facts, *((PLAN_FACT,) if is_blinded else ())),
        )
    facts = (
        *finding.facts,
        Fact("", f"it did record it before, for {' and '.join(stopped)}"),
        *((PLAN_FACT,) if is_plan_switched_off(item) else ()),
    )
    if item.licence is AuditLicence.NONE:
        return replace(
            finding,
            severity=Severity.LOW,
            verdict=Verdict.ASK,
            summary=f"Mailbox {name} no longer records which mail was read: it holds no licence of "
            "Exchange Online any more.",
            facts=facts,
            changes=(),
            steps=(),
            advice="If its owner left and its licence was taken away, this is what follows. "
            "Otherwise find out who took it away, and give it back.",
            is_said_once=True,
        )
    return replace(
        finding,
        severity=Severity.HIGH,
        summary=f"Mailbox {name} no longer records which mail was read.",
        facts=facts,
        advice="Find out who changed it, the mailbox or its licence: whoever reads mail unseen "
        "begins with this.",
    )


def is_plan_switched_off(item: LicensedAudit) -> bool:
    """True where an administrator switched the auditing plan off for the owner alone."""
    account = item.account
    return (
        account is not None
        and item.licence is not AuditLicence.PREMIUM
        and ADVANCED_AUDITING_PLAN in account.switched_off_plans
    )


def judge_auditing_plan(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """A licence for advanced auditing that was there when the mailbox was seen before."""
    shows_it = AUDITING_CAPABILITY in item.audit.capabilities
    if shows_it or item.licence is AuditLicence.PREMIUM:
        return
    if not item.recorded.had_premium:
        yield from judge_withheld_plan(item, policy)
        return
    name = format_mailbox_name(item.audit.mailbox)
    finding = Finding(
        kind="auditing-plan-off",
        object_id=item.audit.mailbox.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Exchange no longer shows the auditing licence of mailbox {name}; why is not "
        "known.",
        facts=(Fact("", "PersistedCapabilities had M365Auditing before"),),
        sources=(MAILBOX_AUDIT, ACCOUNTS),
        advice="Look at the licences of its account in Entra ID.",
    )
    if is_plan_switched_off(item):
        yield replace(
            finding,
            severity=Severity.HIGH,
            verdict=Verdict.ASK,
            summary=f"The auditing plan of mailbox {name} was switched off.",
            facts=(*finding.facts, PLAN_FACT),
            advice="Find out who did it: the directory's audit log, activity Change user license. "
            "Intruders untick this plan before they read mail. Switch it on again under the "
            "licences of the account in Entra ID.",
            steps=build_plan_remedy(item.audit.mailbox),
        )
    elif item.account is None or item.account.serving_plans is None:
        yield finding
    else:
        yield replace(
            finding,
            severity=Severity.INFO,
            verdict=AuditVerdict.KEEP,
            summary=f"Mailbox {name} has another licence now, without advanced auditing.",
            advice="",
        )


def judge_withheld_plan(item: LicensedAudit, policy: Policy) -> Iterator[Finding]:
    """A plan for advanced auditing that was off already when the guard first saw the mailbox.

    Administrators leave plans out, intruders untick this one: nobody knows which it was. Where
    reading is not recorded either, that finding says it.
    """
    unread = any(MAIL_ITEMS_ACCESSED in one.missing for one in list_deviations(item, policy))
    if unread or not is_plan_switched_off(item):
        return
    name = format_mailbox_name(item.audit.mailbox)
    yield Finding(
        kind="auditing-plan-withheld",
        object_id=item.audit.mailbox.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.ASK,
        summary=f"Mailbox {name} has advanced auditing in its licence, and it is switched off.",
        facts=(
            PLAN_FACT,
            Fact("", "it was so when the guard first saw it: since when is not known"),
        ),
        sources=(MAILBOX_AUDIT, ACCOUNTS),
        advice="Ask who decided it. If nobody did, look for the activity Change user license in "
        "the directory's audit log, and switch the plan on again under the licences of the "
        "account in Entra ID.",
    )
