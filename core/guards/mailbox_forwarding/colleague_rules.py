"""Compares what mail-flow rules show to colleagues with what they showed before. Pure.

Whoever holds one mailbox of the organization, and administers Exchange for an hour, needs no
address outside: a rule copies everybody's mail to the mailbox they hold (MITRE ATT&CK T1114.003).
Archives, deputies and moderated lists work the same way, so what was there at the first look is no
news.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from core.guards.mailbox_forwarding.flow_conditions import (
    has_technical_condition,
    is_met_by_every_message,
    list_telling_texts,
    takes_every_message,
)
from core.guards.mailbox_forwarding.flow_rules import list_rule_facts, select_acting
from core.guards.mailbox_forwarding.forwards import (
    MAX_TEXT_LENGTH,
    Forward,
    ForwardRecipient,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.texts import format_word_list
from core.keys import hash_parts
from core.microsoft365.addresses import OwnDomains, normalize_address
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Severity
from core.model.guards import ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.domain_names import to_a_label
from core.tenant.known_traits import build_traits_key
from core.tenant.mail_flow import TransportRule
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import TRANSPORT_RULES
from core.watched.guard import compare_collection
from core.watched.items import (
    SourceRows,
    Stock,
    Trait,
    WatchedCollection,
    WatchedItem,
    WatchedResult,
    build_token,
    build_value_token,
)
from core.watched.memory import FIRST_LOOK

SHOWN, MAIL_FLOW_RULE = "colleague-rule", "mail-flow-rule"
ITEM = "item"
SCOPE_CONDITIONS = frozenset({"FromScope", "SentToScope"})
"""Conditions that half of all mail meets: from inside, or to outside."""
ADDRESSEE_CONDITIONS = frozenset(
    {
        *("SentTo", "SentToMemberOf", "AnyOfToHeader", "AnyOfToHeaderMemberOf"),
        *("AnyOfCcHeader", "AnyOfCcHeaderMemberOf", "AnyOfToCcHeader", "AnyOfToCcHeaderMemberOf"),
    }
)
"""Conditions that name whose incoming mail a rule takes."""
OWN_CONDITIONS = frozenset({"From", "SentTo"})
"""Conditions that name one's own mail."""


class MailReach(IntEnum):
    """How much mail of others a rule takes, the least first."""

    OWN = 0
    """Mail of those alone whom it is shown to."""
    FORM = 1
    """Mail of some form, as filters look for: attachments, classified data."""
    ADDRESSED = 2
    """Mail to people or lists that it names."""
    SOME = 3
    WIDE = 4
    """Every message, all of one direction or of an own domain, or what a thief looks for."""


@dataclass(frozen=True, slots=True)
class Showing:
    """One way to show mail to somebody."""

    name: str
    """What it is remembered by."""
    severities: Mapping[MailReach, Severity]
    """How grave it is, by the mail that is taken; what is not named is harmless."""


LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
TAKING = Showing(
    "redirects",
    {MailReach.FORM: LOW, MailReach.ADDRESSED: LOW, MailReach.SOME: MEDIUM, MailReach.WIDE: HIGH},
)
UNSEEN = Showing(
    "copies unseen",
    {
        MailReach.FORM: LOW,
        MailReach.ADDRESSED: MEDIUM,
        MailReach.SOME: MEDIUM,
        MailReach.WIDE: MEDIUM,
    },
)
HOLDING = Showing(
    "holds",
    {MailReach.FORM: LOW, MailReach.ADDRESSED: LOW, MailReach.SOME: LOW, MailReach.WIDE: MEDIUM},
)
OPEN = Showing("copies", {MailReach.WIDE: LOW})
SHOWINGS: Mapping[str, Showing] = {
    "redirects to": TAKING,
    "blind copies to": UNSEEN,
    "reports with the whole mail to": UNSEEN,
    "asks for approval of": HOLDING,
    "copies to": OPEN,
    "adds": OPEN,
}
"""By what the rule does; a report without the mail shows none."""


def compare_shown_rules(
    forwards: Iterable[Forward],
    rules: Reading[TransportRule],
    unplaced: Iterable[ReadFailure],
    context: ObserveContext,
    left_out: Collection[str] = (),
) -> Reading[WatchedResult]:
    """What is new about the mail that rules show to colleagues, and the stock of the first look.

    A rule that the listing leaves out although it is there, that was not understood, or whose
    recipients could not be looked up, is told by name elsewhere, and here it is what it was. No
    first look is taken without its recipients: all that it lacked would be new at the next one.
    """
    rows = tuple(
        Configuration(SHOWN, one.rule.id, one.rule.name or one.rule.id, {ITEM: one})
        for one in forwards
        if isinstance(one, TransportRuleForward)
    )
    lost = [one for one in unplaced if one.source == TRANSPORT_RULES]
    unread = {one.object_id for one in (*rules.failures, *lost)} - {""} | {*left_out}
    gaps = [one for one in rules.failures if not one.object_id]
    if build_traits_key(SHOWN, FIRST_LOOK) not in context.known_traits:
        gaps += lost
    read = Reading(rows, tuple(gaps), complete=rules.complete)
    compared, stock = compare_collection(COLLEAGUE_RULES, {SHOWN: read}, context, unread)
    if not compared.complete:
        # Who reads rules and recipients says what is missing.
        return Reading(scope=frozenset[str]())
    known = (Stock(SHOWN, (stock,)),) if stock and stock.names else ()
    # This guard counts mailboxes.
    return replace(compared, items=(*compared.items, *known), population=0)


def describe_shown_rules(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each mail-flow rule, by the mail of others that it shows to somebody inside."""
    for one in rows[SHOWN] or ():
        item = one.values[ITEM]
        if isinstance(item, TransportRuleForward):
            traits = list_showings(item, select_acting(item.rule, item.colleagues, rows.now))
            yield WatchedItem(
                id=one.id,
                name=quote_text(one.name, MAX_TEXT_LENGTH),
                opens=tuple(traits),
                facts=tuple(list_rule_facts(item.rule, rows.now)),
                stop=(
                    make_exchange_step(
                        "Unless somebody answers for it: disable the rule; it stays there.",
                        build_command("Disable-TransportRule", "-Confirm:$false", Identity=one.id),
                    ),
                ),
            )


def list_showings(
    item: TransportRuleForward, sendings: Sequence[ForwardRecipient]
) -> Iterator[Trait]:
    """What a rule shows to whom, unless all of that is harmless; and which mail it takes."""
    found = [trait for one in sendings for trait in list_showing_traits(item, one)]
    yield from found
    if found:
        parts = sorted((name, *sorted(values)) for name, values in item.rule.conditions.items())
        without = sorted((name, *sorted(values)) for name, values in item.rule.exceptions.items())
        yield Trait(
            build_value_token("mail", hash_parts(repr((parts, without)))[:16]),
            f"takes {describe_mail(item.rule)}",
            LOW,
        )


def list_showing_traits(item: TransportRuleForward, sending: ForwardRecipient) -> Iterator[Trait]:
    """What a rule shows to one recipient, by the name that the rule has for it: a group is the same
    whether its members were read or not.
    """
    who = ForwardTarget(sending.target.raw, RecipientLocation.INSIDE).identity
    showing = SHOWINGS.get(sending.action)
    reach = measure_mail(item.rule, who, item.own_domains)
    severity = showing.severities.get(reach) if showing else None
    if showing and severity is not None:
        yield Trait(
            build_token(f"{showing.name} {reach}", who),
            f"{sending.action} {quote_text(who, MAX_TEXT_LENGTH)}",
            severity,
            within=tuple(
                build_token(f"{showing.name} {wider}", who) for wider in MailReach if wider > reach
            ),
        )


def measure_mail(rule: TransportRule, who: str, own: OwnDomains | None) -> MailReach:
    """How much mail of others than one recipient a rule takes."""
    limits = {
        name: values for name, values in rule.conditions.items() if not is_scope(name, values, own)
    }
    if not limits or list_telling_texts(rule):
        return MailReach.WIDE
    if any(
        {normalize_address(value) for value in limits.get(name, ())} == {who}
        for name in OWN_CONDITIONS
    ):
        return MailReach.OWN
    if has_technical_condition(rule):
        return MailReach.FORM
    return MailReach.ADDRESSED if ADDRESSEE_CONDITIONS & limits.keys() else MailReach.SOME


def is_scope(name: str, values: Sequence[str], own: OwnDomains | None) -> bool:
    """True for a condition that leaves little mail alone: nearly all mail goes to or comes from the
    organization's own domains.
    """
    if name in SCOPE_CONDITIONS or is_met_by_every_message(name, values):
        return True
    is_of_domain = name in ("RecipientDomainIs", "SenderDomainIs")
    return is_of_domain and (
        own is None or any(own.contains_domain(to_a_label(value.strip())) for value in values)
    )


def describe_mail(rule: TransportRule) -> str:
    """Which mail a rule takes, as the object of a sentence."""
    if takes_every_message(rule):
        return "every message" + (", but for exceptions" if rule.exceptions else "")
    parts = [
        f"{name} {format_word_list([quote_text(value, 60) for value in values])}"
        for name, values in sorted(rule.conditions.items())
    ]
    return f"mail by {'; '.join(parts)}"


COLLEAGUE_RULES = WatchedCollection(
    name=SHOWN,
    noun="mail-flow rule",
    plural="mail-flow rules that show mail to colleagues",
    needs=(SHOWN,),
    items_of=(MAIL_FLOW_RULE,),
    describe=describe_shown_rules,
    advice="It takes mail of others to a mailbox inside: ask who made it, and whether the people "
    "whose mail it takes know. Disable it unless somebody answers for it, and look at who can open "
    "that mailbox.",
    techniques=("T1114.003",),
    reference="Microsoft Learn: Mail flow rule actions in Exchange Online",
    harmless="rules of the first look, mail shown to those alone whose own it is, reports without "
    "the mail, and recipients that everybody sees unless a rule adds them to all mail",
)
