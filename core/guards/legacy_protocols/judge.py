"""Judges mail protocol settings by who uses the protocol. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from core.guards.legacy_protocols.items import (
    MAX_TEXT_LENGTH,
    ORGANIZATION,
    PLANS,
    POLICIES,
    PROTOCOL_PROPERTIES,
    SETTINGS,
    TRANSPORT,
    AuthenticationPolicy,
    LegacyProtocolMailbox,
    NewMailboxPlan,
    ProtocolItem,
    SmtpAuthSetting,
    allows_basic_smtp_auth,
    parse_protocol_switch,
)
from core.guards.legacy_protocols.options import Policy
from core.guards.legacy_protocols.remedies import (
    build_policy_remedy,
    build_protocols_remedy,
    build_smtp_remedy,
)
from core.guards.legacy_protocols.sign_in_evidence import (
    PROTOCOL_NAMES,
    decide_protocol_verdict,
    format_protocol_names,
    list_protocol_facts,
)
from core.guards.legacy_protocols.verdicts import ProtocolVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.remedies import make_exchange_step
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.changes import Change, DisableMailboxProtocols, SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.mailboxes import MAX_POLICY_USERS, format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.sources import PROTOCOL_USE, PROTOCOLS


def judge(item: ProtocolItem, policy: Policy) -> Iterator[Finding]:
    """Where a bare password, POP or IMAP still opens a mailbox."""
    match item:
        case SmtpAuthSetting():
            yield from judge_smtp_auth(item, policy)
        case NewMailboxPlan():
            yield from judge_mailbox_plan(item.plan)
        case AuthenticationPolicy():
            yield from judge_authentication_policy(item, policy)
        case LegacyProtocolMailbox():
            yield from judge_mailbox_protocols(item, policy)


def judge_smtp_auth(item: SmtpAuthSetting, policy: Policy) -> Iterator[Finding]:
    """SMTP AUTH for every mailbox that does not say otherwise."""
    if item.disabled:
        return
    finding = Finding(
        kind="smtp-auth-organization",
        object_id=ORGANIZATION,
        subject=ORGANIZATION,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary="Whether SMTP AUTH is off for the organization is not known.",
        sources=(get_configuration_source_name(TRANSPORT), PROTOCOL_USE),
        advice="Look at SmtpClientAuthenticationDisabled in the transport settings.",
        steps=(
            make_exchange_step(
                "Look at the setting.",
                "Get-TransportConfig | Format-List SmtpClientAuthenticationDisabled",
            ),
        ),
    )
    if item.disabled is None:
        yield finding
        return
    decided = decide_protocol_verdict(item.evidence, policy)
    spared = (
        (Fact("", f"{item.own_setting_count} more who use it have a setting of their own"),)
        if item.own_setting_count
        else ()
    )
    yield replace(
        finding,
        severity=Severity.HIGH,
        verdict=decided,
        summary="SMTP AUTH is on for every mailbox of the organization.",
        facts=(
            Fact("SmtpClientAuthenticationDisabled", "false"),
            Fact("", item.default_policy_text),
            *list_protocol_facts(item.evidence, ("smtp",), policy),
            *spared,
        ),
        changes=list_repair_changes(
            decided, SetConfiguration(TRANSPORT, "", "SmtpClientAuthenticationDisabled", True)
        ),
        advice="Switch it off for everybody. First give a device that cannot do without a mailbox "
        "of its own, allow it there, and exempt that mailbox here.",
        steps=build_smtp_remedy(),
    )


def judge_mailbox_plan(plan: Configuration) -> Iterator[Finding]:
    """What every mailbox licensed from now on starts with; nobody uses that yet."""
    values = {
        protocol: parse_protocol_switch(plan.values.get(name))
        for protocol, name in PROTOCOL_PROPERTIES.items()
    }
    name = quote_text(plan.name, MAX_TEXT_LENGTH)
    finding = Finding(
        kind="plan-protocols",
        object_id=plan.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=ProtocolVerdict.REPAIR,
        summary="",
        sources=(get_configuration_source_name(PLANS),),
    )
    open_ones = [protocol for protocol, value in values.items() if value]
    untold = [protocol for protocol, value in values.items() if value is None]
    if open_ones:
        yield replace(
            finding,
            fingerprint="+".join(open_ones),
            summary=f"New mailboxes of the plan {name} get {format_protocol_names(open_ones)}.",
            facts=tuple(Fact(PROTOCOL_PROPERTIES[one], "true") for one in open_ones),
            changes=tuple(
                SetConfiguration(PLANS, plan.id, PROTOCOL_PROPERTIES[one], False)
                for one in open_ones
            ),
            advice="Switch them off, so that new mailboxes begin without them.",
            steps=build_protocols_remedy("CASMailboxPlan", plan.id, name, open_ones),
        )
    if untold:
        yield replace(
            finding,
            kind="plan-protocols-unknown",
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether new mailboxes of the plan {name} get "
            f"{format_protocol_names(untold)} is not known.",
        )


def judge_authentication_policy(item: AuthenticationPolicy, policy: Policy) -> Iterator[Finding]:
    """A policy under which a bare password is still taken for sending."""
    allowed = allows_basic_smtp_auth(item.policy)
    name = quote_text(item.policy.name, MAX_TEXT_LENGTH)
    if allowed is False:
        return
    finding = Finding(
        kind="policy-basic-smtp",
        object_id=item.policy.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Whether the authentication policy {name} takes bare passwords for SMTP is not "
        "known.",
        sources=(
            get_configuration_source_name(POLICIES),
            get_configuration_source_name(SETTINGS),
            PROTOCOL_USE,
        ),
    )
    if allowed is None:
        yield finding
        return
    # A policy beside the default was given to somebody on purpose: whom, an operator knows.
    decided = decide_protocol_verdict(item.evidence, policy) if item.is_default else Verdict.ASK
    who = (
        "every account without a policy of its own" if item.is_default else "the accounts it is for"
    )
    yield replace(
        finding,
        severity=choose_policy_severity(item),
        verdict=decided,
        summary=f"The authentication policy {name} lets {who} send with a bare password.",
        facts=(
            Fact("AllowBasicAuthSmtp", "true"),
            *(() if item.is_default else (make_policy_users_fact(item.users),)),
            *list_protocol_facts(item.evidence, ("smtp",), policy),
        ),
        changes=list_repair_changes(
            decided, SetConfiguration(POLICIES, item.policy.id, "AllowBasicAuthSmtp", False)
        ),
        advice="See whom it is for, and have it take no bare password.",
        steps=build_policy_remedy(item.policy.id, name),
    )


def choose_policy_severity(item: AuthenticationPolicy) -> Severity:
    """How grave a policy is that takes bare passwords: by whom it concerns."""
    if item.is_default:
        return Severity.HIGH
    return Severity.LOW if item.users == () else Severity.MEDIUM


def make_policy_users_fact(users: tuple[str, ...] | None) -> Fact:
    """Whom a policy beside the default was given to."""
    if users is None:
        return Fact("given to", "not known, for Exchange did not tell it")
    names = [quote_text(name, MAX_TEXT_LENGTH) or "a user without a name" for name in users]
    more = f" and more than {MAX_POLICY_USERS} in all" if len(users) > MAX_POLICY_USERS else ""
    return Fact("given to", (", ".join(names[:MAX_POLICY_USERS]) or "nobody") + more)


def judge_mailbox_protocols(item: LegacyProtocolMailbox, policy: Policy) -> Iterator[Finding]:
    """A mailbox's own settings. POP and IMAP are one finding, an override of SMTP AUTH another."""
    seen = item.protocols
    readers = [one for one in PROTOCOL_PROPERTIES if one in seen.allowed]
    if readers:
        yield build_protocol_finding(item, readers, "mailbox-protocols", policy)
    if "smtp" in seen.allowed:
        yield build_protocol_finding(item, ["smtp"], "smtp-auth-override", policy)
    if seen.unknown:
        name = format_mailbox_name(seen.mailbox)
        unknown = format_protocol_names([one for one in PROTOCOL_NAMES if one in seen.unknown])
        yield Finding(
            kind="mailbox-protocols-unknown",
            object_id=seen.mailbox.id,
            subject=name,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether mailbox {name} allows {unknown} is not known.",
            sources=(PROTOCOLS,),
        )


def build_protocol_finding(
    item: LegacyProtocolMailbox, protocols: list[str], kind: str, policy: Policy
) -> Finding:
    """One or two protocols that a mailbox allows."""
    name, smtp = format_mailbox_name(item.protocols.mailbox), "smtp" in protocols
    uses = tuple(use for use in item.evidence.uses if use.protocol in protocols)
    consents = tuple(one for one in item.evidence.consents if one.protocol in protocols)
    evidence = replace(item.evidence, uses=uses, consents=consents)
    decided = decide_protocol_verdict(evidence, policy)
    busy = {use.protocol for use in uses} | {one.protocol for one in consents}
    idle = [one for one in protocols if one not in busy]
    advice = "Switch off what nobody uses."
    if busy:
        advice += " What is in use needs another way first, or an exemption."
    return Finding(
        kind=kind,
        object_id=item.protocols.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM if smtp or uses else Severity.LOW,
        verdict=decided,
        summary=f"Mailbox {name} allows SMTP AUTH whatever the organization says."
        if smtp
        else f"Mailbox {name} allows {format_protocol_names(protocols)}.",
        facts=list_protocol_facts(evidence, protocols, policy),
        sources=(PROTOCOLS, PROTOCOL_USE),
        fingerprint="+".join(protocols),
        changes=list_repair_changes(
            decided, DisableMailboxProtocols(item.protocols.mailbox.guid, (*protocols,))
        ),
        advice=advice,
        steps=build_protocols_remedy(
            "CASMailbox", item.protocols.mailbox.address, name, idle or protocols
        ),
    )


def list_repair_changes(decided: str, change: Change) -> tuple[Change, ...]:
    """The change of a finding that needs no asking."""
    return (change,) if decided is ProtocolVerdict.REPAIR else ()
