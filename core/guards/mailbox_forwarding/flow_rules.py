"""Judges the organization's mail-flow rules. Pure.

Whoever administers Exchange for an hour copies everybody's mail with one of them, or deletes what
would give them away. Each rule is an object of its own. Silent are actions known to be harmless:
stamps, disclaimers, encryption, subjects, notices. Mail that is shown to colleagues is compared
with what it was: see `colleague_rules`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.guards.mailbox_forwarding.connectors import OutboundConnector, list_foreign_hosts
from core.guards.mailbox_forwarding.departure import ForwardingPolicyResult
from core.guards.mailbox_forwarding.flow_conditions import (
    has_technical_condition,
    list_telling_texts,
    takes_every_message,
)
from core.guards.mailbox_forwarding.forwards import (
    MAX_TEXT_LENGTH,
    ForwardRecipient,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.rating import (
    UNDECIDED,
    build_correlations,
    build_forward_fingerprint,
    decide_forward_verdict,
    rate_forward,
)
from core.guards.mailbox_forwarding.remedies import build_flow_remedy
from core.guards.mailbox_forwarding.stopping_rules import (
    ENDS_RULES,
    is_rule_active,
    names_auto_forward,
)
from core.guards.mailbox_forwarding.texts import (
    MAX_SHOWN,
    TRANSPORT_RULE_TEXTS,
    format_word_list,
    list_recipient_facts,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.addresses import normalize_address, parse_recipient_string
from core.microsoft365.mail_flow_rules import (
    FILTER_BYPASS_HEADERS,
    REJECT_PREFIXES,
    REPLY_HEADERS,
    is_internal_header,
)
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.reach import Reach, Selection
from core.tenant.mail_flow import TransportRule
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS, TRANSPORT_RULES

RELIES_ON = ("exchange-spam-levels",)

UNSEEN_ACTIONS = frozenset({"redirects to", "blind copies to", "reports with the whole mail to"})
"""Actions that neither sender nor recipient can notice."""
NOTING_ACTIONS = frozenset({"LogEventText", "SetAuditSeverity"})
"""What a rule does besides without any message being different."""
REPORT_ACTIONS = frozenset({"reports with the whole mail to", "reports to"})
"""What a rule does also while it is only tested (Microsoft Learn: Test mail flow rules)."""
SPAM_LEVELS = frozenset("56789")
"""Those of mail that is spam; the lower ones reach the inbox."""
ADVICE = (
    "It applies to the whole organization: find out who made it, and disable it unless somebody "
    "answers for it."
)


@dataclass(frozen=True, slots=True)
class FlowEffect:
    """One thing a mail-flow rule does that is not known to be harmless."""

    kind: str
    """The kind of the finding."""
    verdict: str
    severity: Severity
    says: str
    """What the rule does, as the end of a sentence that begins with the rule."""
    does: str
    """The same in one word, for comparing."""
    facts: tuple[Fact, ...] = ()


def judge_transport_rule(item: TransportRuleForward, policy: Policy) -> Iterator[Finding]:
    """What is wrong with one mail-flow rule, which may be several things."""
    yield from judge_flow_recipients(item, policy)
    if explain_inactivity(item.rule, policy.now):
        return
    for effect in list_effects(item):
        yield build_flow_finding(item.rule, effect, policy.now)


def explain_inactivity(rule: TransportRule, now: datetime) -> str:
    """Why a rule does nothing any more, or not yet by decision; empty for one that acts or will."""
    if not rule.enabled:
        return "the rule is disabled"
    if rule.expires_at is not None and rule.expires_at <= now:
        return f"its time is over: it ended on {rule.expires_at:%Y-%m-%d}"
    return "" if rule.enforced else "the rule is only tested"


def is_pending(rule: TransportRule, now: datetime) -> bool:
    """True for a rule that begins to act by itself at a later date."""
    return rule.activates_at is not None and rule.activates_at > now


def list_rule_facts(rule: TransportRule, now: datetime) -> Iterator[Fact]:
    """What is told of a rule whatever it does; the same as long as it stays as it is."""
    yield Fact("rule", quote_text(rule.name, MAX_TEXT_LENGTH))
    if is_pending(rule, now) and rule.activates_at:
        yield Fact("", f"not in effect before {rule.activates_at:%Y-%m-%d %H:%M} UTC")
    elif rule.expires_at and rule.expires_at > now:
        yield Fact("", f"in effect until {rule.expires_at:%Y-%m-%d %H:%M} UTC")
    if not rule.conditions:
        yield Fact("", "without any condition: it takes every message")
    elif takes_every_message(rule):
        yield Fact("", "its conditions leave no message alone: it takes every message")
    if words := list_telling_texts(rule):
        yield Fact("looks for", format_word_list([quote_text(word, 60) for word in words]))
    if any("donotaudit" in one.casefold() for one in rule.actions.get("SetAuditSeverity", ())):
        yield Fact("", "it keeps its own traces out of the reports (SetAuditSeverity DoNotAudit)")


def build_reach(rule: TransportRule, does: Sequence[str]) -> Reach:
    """How far a rule goes: what it does, and to which mail."""
    return Reach.of(
        does,
        (Selection.of(name, values) for name, values in rule.conditions.items()),
        (Selection.of(name, values) for name, values in rule.exceptions.items()),
    )


def limit_pending(severity: Severity, rule: TransportRule, now: datetime) -> Severity:
    """How bad it is: what has not begun yet is not critical now."""
    return min(severity, Severity.HIGH) if is_pending(rule, now) else severity


# ----------------------------------------------------------------------------------------------
# Whom it sends to
# ----------------------------------------------------------------------------------------------


def judge_flow_recipients(item: TransportRuleForward, policy: Policy) -> Iterator[Finding]:
    """The recipients that a rule adds, and those that read mail because of it."""
    rule, now = item.rule, policy.now
    inactive = explain_inactivity(rule, now)
    acting = select_acting(rule, item.recipients, now)
    sendings = acting if decide_verdict(acting, policy) else item.recipients
    verdict = decide_verdict(sendings, policy)
    if verdict is None or (not acting and verdict in UNDECIDED):
        return
    unseen = any(
        one.action in UNSEEN_ACTIONS and decide_verdict([one], policy) == ForwardingVerdict.EXTERNAL
        for one in sendings
    )
    grave = rate_forward(verdict, ForwardingPolicyResult.ALLOWED, unseen)
    facts = [*list_rule_facts(rule, now), *list_recipient_facts(sendings)]
    if sendings is not acting:
        verdict, grave = ForwardingVerdict.DORMANT, Severity.INFO
    if inactive:
        facts.append(Fact("", inactive))
    targets = [one.target for one in sendings]
    later = " once it is in effect" if is_pending(rule, now) and not inactive else ""
    name = quote_text(rule.name or rule.id, MAX_TEXT_LENGTH)
    does = [f"{one.action} {one.target.identity}" for one in sendings]
    yield Finding(
        kind="transport-rule",
        object_id=rule.id,
        subject=name,
        severity=limit_pending(grave, rule, now),
        verdict=verdict,
        summary=f"Mail-flow rule {name} {TRANSPORT_RULE_TEXTS[verdict]}{later}.",
        facts=tuple(facts),
        sources=(TRANSPORT_RULES, DOMAINS),
        fingerprint=build_forward_fingerprint(targets),
        advice=ADVICE,
        steps=build_flow_remedy("transport-rule", rule.id, name, targets),
        correlations=build_correlations(verdict, targets),
        reaches=(build_reach(rule, does),),
    )


def select_acting(
    rule: TransportRule, sendings: Iterable[ForwardRecipient], now: datetime
) -> list[ForwardRecipient]:
    """The recipients that a rule really shows mail to, now or by itself later."""
    inactive = explain_inactivity(rule, now)
    is_tested = rule.enabled and not rule.enforced and is_in_time(rule, now)
    return [one for one in sendings if not inactive or (is_tested and one.action in REPORT_ACTIONS)]


def is_in_time(rule: TransportRule, now: datetime) -> bool:
    """Whether a moment lies between the dates of a rule."""
    return not is_pending(rule, now) and (rule.expires_at is None or rule.expires_at > now)


def decide_verdict(sendings: Sequence[ForwardRecipient], policy: Policy) -> str | None:
    """What the recipients say together."""
    return decide_forward_verdict([one.target for one in sendings], policy)


# ----------------------------------------------------------------------------------------------
# What else it does
# ----------------------------------------------------------------------------------------------


def list_effects(item: TransportRuleForward) -> Iterator[FlowEffect]:
    """What a rule does besides sending mail to somebody, unless it is known to be harmless."""
    rule = item.rule
    yield from list_removals(rule)
    for name in rule.actions.get("RouteMessageOutboundConnector", ()):
        yield from judge_route(name, item)
    if "AddManagerAsRecipientType" in rule.actions or "ModerateMessageByManager" in rule.actions:
        yield FlowEffect(
            kind="transport-rule-manager",
            verdict=Verdict.COULD_NOT_TELL,
            severity=Severity.LOW,
            says="shows mail to the manager of its sender or recipient, whoever that is",
            does="manager",
            facts=(Fact("", "who is whose manager stands in the directory and was not read"),),
        )
    yield from list_reply_effects(item)
    yield from list_filter_bypasses(rule)
    if ends_all_rules(rule):
        yield FlowEffect(
            kind="transport-rule-filter",
            verdict=Verdict.COULD_NOT_TELL,
            severity=Severity.LOW,
            says="ends the rules for every message, so that none after it acts",
            does="end",
            facts=(Fact("", "what the rules after it would do was not compared"),),
        )
    if rule.unknown:
        shown = format_word_list([quote_text(one, 60) for one in rule.unknown])
        yield FlowEffect(
            kind="transport-rule-unknown",
            verdict=Verdict.COULD_NOT_TELL,
            severity=Severity.LOW,
            says="does something that this app does not know",
            does="unknown",
            facts=(Fact("not known", shown),),
        )


def ends_all_rules(rule: TransportRule) -> bool:
    """True for a rule that does nothing of its own but to keep the later ones from every message.

    A disclaimer that ends the rules is usual, and so is an exception for some mail.
    """
    acts = rule.actions.keys() - NOTING_ACTIONS
    return acts == {ENDS_RULES} and not rule.exceptions and takes_every_message(rule)


def list_removals(rule: TransportRule) -> Iterator[FlowEffect]:
    """Deleting, quarantining or refusing mail, which keeps it from its reader.

    Rules that stop automatic forwards, and those against malware that quarantine or refuse, are
    what administrators make.
    """
    if names_auto_forward(rule):
        return
    everything, telling = takes_every_message(rule), bool(list_telling_texts(rule))
    technical = has_technical_condition(rule)
    if "DeleteMessage" in rule.actions:
        grave = Severity.HIGH if everything or telling else Severity.MEDIUM
        grave = Severity.LOW if technical and not telling else grave
        yield build_removal("delete", grave, "deletes mail before anybody reads it")
    elif "Quarantine" in rule.actions and (telling or everything or not technical):
        grave = Severity.MEDIUM if everything or telling else Severity.LOW
        yield build_removal("quarantine", grave, "keeps mail in quarantine, away from its reader")
    elif has_spam_level(rule) and (telling or everything):
        yield build_removal(
            "spam", Severity.MEDIUM, "calls mail spam, away from its reader's inbox"
        )
    refuses = any(name.startswith(REJECT_PREFIXES) or name == "Disconnect" for name in rule.actions)
    if refuses and (telling or everything):
        grave = Severity.MEDIUM if telling else Severity.LOW
        yield build_removal("refuse", grave, "refuses mail, so that nobody reads it")


def has_spam_level(rule: TransportRule) -> bool:
    """True for a rule that gives mail a level by which it goes to Junk Email or to quarantine
    (Microsoft Learn: Spam confidence level (SCL) in EOP).
    """
    return any(value.strip() in SPAM_LEVELS for value in rule.actions.get("SetSCL", ()))


def build_removal(does: str, severity: Severity, says: str) -> FlowEffect:
    """Mail is kept from its reader."""
    verdict = ForwardingVerdict.HIDES_MAIL
    return FlowEffect("transport-rule-hides", verdict, severity, says, does)


def judge_route(name: str, item: TransportRuleForward) -> Iterator[FlowEffect]:
    """A rule that leads mail through a connector: harmless if its servers are the tenant's own."""
    shown = quote_text(name, MAX_TEXT_LENGTH)
    connector = find_connector(name, item.connectors)
    if connector is None or item.own_domains is None:
        reason = (
            "the connectors or the accepted domains were not read"
            if item.connectors is None or item.own_domains is None
            else "there is no connector of that name"
        )
        yield FlowEffect(
            kind="transport-rule-route",
            verdict=Verdict.COULD_NOT_TELL,
            severity=Severity.LOW,
            says=f"leads mail through connector {shown}, and where that leads is not known",
            does=f"route {name}",
            facts=(Fact("", reason),),
        )
        return
    # A rule leads mail there whatever domains the connector itself is for.
    recipients = item.rule.conditions.get("RecipientDomainIs", ())
    hosts = list_foreign_hosts(connector, recipients, item.own_domains)
    if connector.enabled and hosts:
        yield FlowEffect(
            kind="transport-rule-route",
            verdict=ForwardingVerdict.ROUTED,
            severity=Severity.MEDIUM,
            says=f"leads mail through connector {shown} to a server of others",
            does=f"route {name}",
            facts=(Fact("server", format_word_list([quote_text(one, 100) for one in hosts])),),
        )


def find_connector(
    name: str, connectors: Sequence[OutboundConnector] | None
) -> OutboundConnector | None:
    """The connector of a name or id."""
    wanted = name.strip().casefold()
    named = (one for one in connectors or () if wanted in (one.name.casefold(), one.id.casefold()))
    return next(named, None)


def list_reply_effects(item: TransportRuleForward) -> Iterator[FlowEffect]:
    """A header that says whom to answer: who got an invoice asks the thief about it. An address of
    an own domain is harmless.
    """
    names = {
        name.strip().casefold().rstrip(":") for name in item.rule.actions.get("SetHeaderName", ())
    }
    if not names & REPLY_HEADERS:
        return
    for value in item.rule.actions.get("SetHeaderValue", ("",)):
        address = normalize_address(parse_recipient_string(value)[1])
        if address and item.own_domains and item.own_domains.contains_address(address):
            continue
        shown = quote_text(value, MAX_TEXT_LENGTH) or "nobody that was read"
        leaves = bool(address and item.own_domains)
        yield FlowEffect(
            kind="transport-rule-reply",
            verdict=ForwardingVerdict.EXTERNAL if leaves else Verdict.COULD_NOT_TELL,
            severity=Severity.HIGH if leaves else Severity.MEDIUM,
            says=f"has answers to mail go to {shown}",
            does=f"reply {address or value}",
            facts=(Fact("header", quote_text(", ".join(sorted(names)), 100)),),
        )


INSIDE = "inorganization"


def list_filter_bypasses(rule: TransportRule) -> Iterator[FlowEffect]:
    """Taking mail past the filters of spam, malware and links."""
    scl = {value.strip() for value in rule.actions.get("SetSCL", ())}
    headers = {name.strip().casefold() for name in rule.actions.get("SetHeaderName", ())}
    if "-1" in scl:
        scopes = {value.strip().casefold() for value in rule.conditions.get("FromScope", ())}
        is_inside = scopes == {INSIDE}
        yield FlowEffect(
            kind="transport-rule-filter",
            verdict=ForwardingVerdict.UNFILTERED,
            # Who is inside has signed in, or comes by a connector of one's own.
            severity=Severity.LOW if is_inside else Severity.MEDIUM,
            says=f"takes mail{' from inside' if is_inside else ''} past the spam filter (SCL -1)",
            does="scl",
        )
    elif headers & FILTER_BYPASS_HEADERS:
        yield FlowEffect(
            kind="transport-rule-filter",
            verdict=ForwardingVerdict.UNFILTERED,
            severity=Severity.LOW,
            says="takes mail past the check of links or attachments",
            does="header",
        )
    else:
        yield from list_internal_headers(headers, "sets")
    removed = {name.strip().casefold() for name in rule.actions.get("RemoveHeader", ())}
    yield from list_internal_headers(removed, "takes off")


def list_internal_headers(headers: Collection[str], does: str) -> Iterator[FlowEffect]:
    """Headers by which Exchange decides what becomes of mail, other than those that only sort."""
    internal = sorted(filter(is_internal_header, headers))
    if internal:
        shown = format_word_list([quote_text(name, 100) for name in internal])
        yield FlowEffect(
            kind="transport-rule-filter",
            verdict=Verdict.COULD_NOT_TELL,
            severity=Severity.LOW,
            says=f"{does} a header by which Exchange itself decides what becomes of mail",
            does="internal header" if does == "sets" else "removed header",
            facts=(Fact("header", shown),),
        )


def build_flow_finding(rule: TransportRule, effect: FlowEffect, now: datetime) -> Finding:
    """One thing that a rule does, as a finding."""
    name = quote_text(rule.name or rule.id, MAX_TEXT_LENGTH)
    later = " once it is in effect" if not is_rule_active(rule, now) else ""
    conditions = sorted(rule.conditions)[:MAX_SHOWN]
    facts = [*list_rule_facts(rule, now), *effect.facts]
    if conditions:
        facts.append(Fact("if", ", ".join(conditions)))
    return Finding(
        kind=effect.kind,
        object_id=rule.id,
        subject=name,
        severity=limit_pending(effect.severity, rule, now),
        verdict=effect.verdict,
        summary=f"Mail-flow rule {name} {effect.says}{later}.",
        facts=tuple(facts),
        sources=(TRANSPORT_RULES,),
        fingerprint=effect.does,
        advice=ADVICE,
        steps=build_flow_remedy(effect.kind, rule.id, name),
        reaches=(build_reach(rule, [effect.does]),),
    )
