"""Judges where mail is sent and whether a rule hides it from its reader. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from core.guards.mailbox_forwarding.beside import add_beside
from core.guards.mailbox_forwarding.connector_findings import (
    ConnectorItem,
    JournalItem,
    judge_connector,
    judge_journal_rule,
)
from core.guards.mailbox_forwarding.domain_news import judge_domain_news
from core.guards.mailbox_forwarding.flow_rules import judge_transport_rule
from core.guards.mailbox_forwarding.forwards import (
    MAX_TEXT_LENGTH,
    Forward,
    MailboxForward,
    MailboxRules,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.mailbox_traces import MailboxTraces, judge_traces
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.rating import (
    build_correlations,
    build_forward_fingerprint,
    decide_forward_verdict,
    rate_forward,
)
from core.guards.mailbox_forwarding.remedies import build_forward_remedy, get_held_account
from core.guards.mailbox_forwarding.rule_findings import judge_inbox_rules
from core.guards.mailbox_forwarding.standing_copies import (
    StandingCopyItem,
    judge_standing_copy,
)
from core.guards.mailbox_forwarding.texts import (
    FORWARD_TEXTS,
    describe_after_clearing,
    describe_departure,
    list_departure_facts,
    list_target_facts,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.recipients import list_outside_addresses
from core.model.findings import Fact, Finding
from core.model.reach import Reach
from core.tenant.changes import ClearMailboxForward
from core.tenant.domain_memory import DomainNews
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS, MAILBOX_FORWARDS
from core.watched.items import Stock, WatchedNews, WatchedResult
from core.watched.judge import judge as judge_watched

type ForwardingItem = (
    Forward
    | ConnectorItem
    | JournalItem
    | StandingCopyItem
    | DomainNews
    | MailboxTraces
    | WatchedResult
)


def judge(item: ForwardingItem, policy: Policy) -> Iterator[Finding]:
    """What is wrong with one forward or rule, and what else stands in its mailbox."""
    beside = item.beside if isinstance(item, MailboxForward | MailboxRules) else None
    for found in judge_item(item, policy):
        yield replace(found, facts=add_beside(found, beside)) if beside else found


def judge_item(item: ForwardingItem, policy: Policy) -> Iterator[Finding]:
    """What is wrong with one forward, rule or setting of a mailbox."""
    match item:
        case MailboxTraces():
            yield from judge_traces(item)
        case Stock() | WatchedNews():
            yield from judge_watched(item, policy)
        case _:
            yield from judge_path(item, policy)


def judge_path(
    item: Forward | ConnectorItem | JournalItem | StandingCopyItem | DomainNews, policy: Policy
) -> Iterator[Finding]:
    """What is wrong with one way that mail takes; a rule may send mail away and hide it as well."""
    match item:
        case MailboxForward():
            yield from judge_mailbox_forward(item, policy)
        case MailboxRules():
            yield from judge_inbox_rules(item, policy)
        case TransportRuleForward():
            yield from judge_transport_rule(item, policy)
        case ConnectorItem():
            yield from judge_connector(item, policy)
        case DomainNews():
            yield from judge_domain_news(item)
        case JournalItem():
            yield from judge_journal_rule(item, policy)
        case StandingCopyItem():
            yield from judge_standing_copy(item, policy)


def judge_mailbox_forward(item: MailboxForward, policy: Policy) -> Iterator[Finding]:
    """A forward set on the mailbox."""
    verdict = decide_forward_verdict(item.targets, policy)
    if verdict is None or (item.is_overruled and not list_outside_addresses(item.targets)):
        return
    if item.is_overruled:
        verdict = ForwardingVerdict.DORMANT
    facts = list(list_target_facts(item.setting, item.targets))
    if item.is_overruled:
        facts.append(Fact("", "without effect: ForwardingAddress is set too and wins"))
    else:
        copy = "keeps a copy" if item.mailbox.keeps_copy else "keeps no copy"
        facts += [Fact("", f"the mailbox {copy}"), *list_departure_facts(verdict, item.departure)]
    if item.overruled_address:
        facts.append(
            Fact(
                "ForwardingSmtpAddress, without effect",
                quote_text(item.overruled_address, MAX_TEXT_LENGTH),
            )
        )
    # The change clears both settings, so where both are set it is left to an operator: one of them
    # may be older than the guard.
    clearable = verdict is ForwardingVerdict.EXTERNAL and not item.overruled_address
    changes = (ClearMailboxForward(item.mailbox.guid),) if clearable else ()
    if verdict is ForwardingVerdict.EXTERNAL:
        facts.append(Fact("once cleared", describe_after_clearing(item)))
    name = format_mailbox_name(item.mailbox)
    yield Finding(
        kind="mailbox-forward",
        object_id=item.mailbox.id,
        subject=name,
        severity=rate_forward(verdict, item.departure.result),
        verdict=verdict,
        summary=f"Mailbox {name} {FORWARD_TEXTS[verdict]}"
        f"{describe_departure(verdict, item.departure)}.",
        facts=tuple(facts),
        sources=(MAILBOX_FORWARDS, DOMAINS),
        fingerprint=build_forward_fingerprint(item.targets),
        reaches=(Reach.of(["send"] if item.mailbox.keeps_copy else ["send", "keep no copy"]),),
        changes=changes,
        advice="Ask the owner who set the forward; clear it unless somebody answers for it.",
        steps=build_forward_remedy(item.mailbox, item.targets),
        held_account=get_held_account(item.mailbox)
        if verdict is ForwardingVerdict.EXTERNAL
        else "",
        correlations=build_correlations(verdict, item.targets),
        asks_if_preexisting=True,
        preexisting_verdict=verdict,
    )
