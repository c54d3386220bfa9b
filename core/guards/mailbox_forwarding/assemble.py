"""All forwards of what was read, and the inbox rules that forward or hide mail. Pure.

Graph leaves out hidden rules and shows some without their actions; Exchange shows all of them, one
slow call a mailbox. Here both views become one, and what could not be understood becomes a
`ReadFailure` instead of a rule that looks harmless.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from core.guards.mailbox_forwarding.conditions import Owner, needs_own_domains
from core.guards.mailbox_forwarding.folders import classify_folder, classify_folder_path
from core.guards.mailbox_forwarding.forwards import (
    Forward,
    ForwardingInputs,
    ForwardRecipient,
    InboxRuleForward,
    MailboxRules,
    assemble_flow_forwards,
    assemble_mailbox_forwards,
    list_rule_recipients,
)
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility, match_visible_rules
from core.guards.mailbox_forwarding.hiding import (
    READ,
    Hiding,
    is_exchanges_own_rule,
    is_meeting_rule,
    judge_hiding,
    only_marks,
)
from core.microsoft365.addresses import get_address_domain, normalize_address
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.merging import find_object_failure
from core.tenant.readings import ReadFailure
from core.tenant.sources import HIDDEN_RULES, INBOX_RULES


def assemble_forwards(
    inputs: ForwardingInputs,
) -> tuple[tuple[Forward, ...], tuple[ReadFailure, ...]]:
    """All forwards, and what could not be judged."""
    graph, exchange = (
        group_rules_by_mailbox(inputs.graph_rules.items),
        group_rules_by_mailbox(inputs.exchange_rules.items),
    )
    entries: list[Forward | ReadFailure] = list(assemble_flow_forwards(inputs))
    for mailbox in inputs.mailboxes:
        entries += assemble_mailbox_forwards(mailbox, inputs)
        shown, listed = graph.get(mailbox.id, ()), exchange.get(mailbox.id, ())
        if not shown and not listed:
            continue
        found = list(assemble_rule_forwards(mailbox, shown, listed, inputs))
        entries += [entry for entry in found if isinstance(entry, ReadFailure)]
        rules = tuple(entry for entry in found if isinstance(entry, InboxRuleForward))
        if rules:
            entries.append(MailboxRules(mailbox, rules))
    forwards = tuple(entry for entry in entries if not isinstance(entry, ReadFailure))
    unread = tuple(entry for entry in entries if isinstance(entry, ReadFailure))
    return forwards, unread


def group_rules_by_mailbox(rules: Iterable[InboxRule]) -> defaultdict[str, list[InboxRule]]:
    """Rules by the mailbox they belong to."""
    found: defaultdict[str, list[InboxRule]] = defaultdict(list)
    for rule in rules:
        found[rule.mailbox_id].append(rule)
    return found


def assemble_rule_forwards(
    mailbox: Mailbox,
    graph_rules: Sequence[InboxRule],
    exchange_rules: Sequence[InboxRule],
    inputs: ForwardingInputs,
) -> Iterator[InboxRuleForward | ReadFailure]:
    """The inbox rules of a mailbox that send mail on, hide it, or do not say what they do.

    Graph and Exchange describe a rule that hides mail differently. A rule that Graph shows again
    later is not judged by Exchange's description, which would open a second case.
    """

    def sends_to(rule: InboxRule) -> frozenset[str]:
        sends = list(list_rule_recipients(rule))
        if not sends:
            return frozenset()
        placed = inputs.locate_recipients(sends)
        if placed is None:
            raw = [ForwardTarget(name, RecipientLocation.UNRESOLVED) for _, name in sends]
            return frozenset(target.identity for target in raw)
        return frozenset(sending.target.identity for sending in placed)

    miss = find_object_failure(inputs.graph_rules, INBOX_RULES, mailbox.id)
    excused: set[str] = set()
    for rule, sight in match_visible_rules(graph_rules, exchange_rules, miss is None, sends_to):
        if is_excused(rule, sight, excused):
            continue
        if not rule.readable:
            yield from assemble_unreadable_rule(mailbox, rule, sight, inputs)
            continue
        yield from assemble_acting_rule(mailbox, rule, sight, inputs, miss)


def assemble_acting_rule(
    mailbox: Mailbox,
    rule: InboxRule,
    sight: RuleVisibility,
    inputs: ForwardingInputs,
    miss: ReadFailure | None,
) -> Iterator[InboxRuleForward | ReadFailure]:
    """A rule of which it is known what it does. `miss`: why Graph's rules were not read.

    Most rules leave mail where it is, and to whom it came: there is nothing to say of them.
    """
    sends = list(list_rule_recipients(rule))
    if not (sends or rule.delete or rule.move_to or rule.mark_as_read or acts_unseen(rule, sight)):
        return
    acts_unknown = rule.enabled and rule.has_unknown_action
    placed = inputs.locate_recipients(sends)
    lacks_domains = needs_own_domains(rule) and inputs.own_domains is None
    if rule.enabled and (placed is None or lacks_domains):
        shown = sight in (RuleVisibility.GRAPH, RuleVisibility.READ_ONLY)
        yield inputs.build_location_failure(INBOX_RULES if shown else HIDDEN_RULES, mailbox)
    sendings = tuple(
        one for one in placed or () if one.target.location is not RecipientLocation.INSIDE
    )
    second_hand = sight is RuleVisibility.EXCHANGE and miss is not None and bool(miss.object_id)
    untold = second_hand or lacks_domains
    hiding = None if untold else find_hiding(mailbox, rule, sight, inputs, placed is not None)
    colleagues = list_secret_colleagues(rule, sight, placed or ())
    if sendings or hiding or colleagues or acts_unknown or acts_unseen(rule, sight):
        leaves = inputs.evaluate_rule_departure(mailbox, sendings)
        yield InboxRuleForward(mailbox, rule, sight, sendings, hiding, colleagues, leaves)


def is_excused(rule: InboxRule, visibility: RuleVisibility, excused: set[str]) -> bool:
    """True for a rule that Exchange made itself. Of each there is one: a second is somebody's."""
    if visibility not in (RuleVisibility.HIDDEN, RuleVisibility.EXCHANGE):
        return False
    name = rule.name.casefold()
    if name in excused or not is_exchanges_own_rule(rule, classify_folder_path(rule.move_to)):
        return False
    excused.add(name)
    return True


def find_hiding(
    mailbox: Mailbox,
    rule: InboxRule,
    visibility: RuleVisibility,
    inputs: ForwardingInputs,
    is_placed: bool,
) -> Hiding | None:
    """How an enabled rule keeps mail from its reader; None if it does not.

    Nothing is concluded where the folder could not be read this time: what was known of it stays.
    Nor is it where a rule only marks as read what it sends to who knows where, since of a forward
    that is a part. `is_placed`: it is known where the rule sends mail, if anywhere.
    """
    if not rule.enabled or is_folder_unread(rule, inputs):
        return None
    own = inputs.own_domains

    def is_own_domain(domain: str) -> bool:
        if own is not None and own.contains_domain(domain):
            return True
        return domain == get_address_domain(normalize_address(mailbox.address))

    hiding = judge_hiding(
        rule,
        find_folder(rule, inputs),
        visibility is RuleVisibility.HIDDEN,
        Owner(mailbox.address, is_own_domain),
    )
    if hiding is None or (hiding.place == READ and not is_placed):
        return None
    return replace(hiding, folder_name=find_folder_name(rule, inputs))


def is_folder_unread(rule: InboxRule, inputs: ForwardingInputs) -> bool:
    """True for a rule that is to be judged by a folder which could not be read for the moment."""
    return (
        rule.api == "graph"
        and bool(rule.move_to)
        and not rule.delete
        and rule.mailbox_id in inputs.unread_folder_mailbox_ids
        and (rule.mailbox_id, rule.move_to) not in inputs.folders
    )


def list_secret_colleagues(
    rule: InboxRule, visibility: RuleVisibility, placed: Sequence[ForwardRecipient]
) -> tuple[ForwardRecipient, ...]:
    """To whom inside a hidden rule sends mail; nobody where it only passes meetings to delegates.

    Outlook makes such a rule for each delegate.
    """
    if visibility is not RuleVisibility.HIDDEN or not rule.enabled or is_meeting_rule(rule):
        return ()
    return tuple(one for one in placed if one.target.location is RecipientLocation.INSIDE)


def acts_unseen(rule: InboxRule, visibility: RuleVisibility) -> bool:
    """True for a hidden rule that acts on mail in a way that is harmless where it is seen.

    Outlook makes hidden rules that take meetings for delegates; nobody makes another by chance.
    """
    is_hidden = visibility is RuleVisibility.HIDDEN and rule.enabled
    return is_hidden and only_marks(rule) and not is_meeting_rule(rule)


def assemble_unreadable_rule(
    mailbox: Mailbox, rule: InboxRule, visibility: RuleVisibility, inputs: ForwardingInputs
) -> Iterator[InboxRuleForward | ReadFailure]:
    """An enabled rule of which nobody shows what it does.

    Where Exchange was asked and did not answer, an earlier conclusion about this rule stays: the
    mailbox is unread. It is a finding when Exchange answered, or cannot be asked at all.
    """
    if not rule.enabled:
        return
    miss = find_object_failure(inputs.exchange_rules, HIDDEN_RULES, mailbox.id)
    if miss:
        yield ReadFailure(INBOX_RULES, miss.reason, mailbox.id, format_mailbox_name(mailbox))
    if not (miss and miss.object_id):
        yield InboxRuleForward(mailbox, rule, visibility)


def find_folder_name(rule: InboxRule, inputs: ForwardingInputs) -> str:
    """What the folder is called that a rule moves mail to; "" for none, or where nobody looked."""
    if rule.delete:
        return ""
    folder = inputs.folders.get((rule.mailbox_id, rule.move_to))
    return rule.move_to if rule.api == "exchange" else folder.name if folder else ""


def find_folder(rule: InboxRule, inputs: ForwardingInputs) -> str:
    """The folder a rule moves mail to, by a name that no language changes; "" if not read."""
    if rule.api == "exchange":
        return classify_folder_path(rule.move_to)
    folder = inputs.folders.get((rule.mailbox_id, rule.move_to))
    return classify_folder(folder) if folder else ""
