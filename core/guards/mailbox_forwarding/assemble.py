"""All forwards of what was read, and the inbox rules that forward or hide mail. Pure.

Graph leaves out hidden rules and shows some without their actions; Exchange shows all of them, one
slow call a mailbox. Here both views become one, and what could not be understood becomes a
`ReadFailure` instead of a rule that looks harmless.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from core.guards.mailbox_forwarding.forwards import (
    Forward,
    ForwardingInputs,
    InboxRuleForward,
    assemble_flow_forwards,
    assemble_mailbox_forwards,
    list_rule_recipients,
)
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility, match_visible_rules
from core.guards.mailbox_forwarding.hiding import (
    classify_folder_path,
    classify_graph_folder,
    find_hiding_place,
    is_built_in_rule,
)
from core.guards.mailbox_forwarding.recipients import ForwardTarget, RecipientLocation
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
        entries += assemble_rule_forwards(mailbox, graph[mailbox.id], exchange[mailbox.id], inputs)
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
) -> Iterator[Forward | ReadFailure]:
    """The inbox rules of a mailbox that send mail on, hide it, or do not say what they do.

    Graph and Exchange describe a rule that hides mail differently. A rule that Graph shows again
    later is not judged by Exchange's description, which would open a second case.
    """

    def sends_to(rule: InboxRule) -> frozenset[str]:
        placed = inputs.locate_recipients(list_rule_recipients(rule))
        if placed is None:
            raw = [
                ForwardTarget(name, RecipientLocation.UNRESOLVED)
                for _, name in list_rule_recipients(rule)
            ]
            return frozenset(target.identity for target in raw)
        return frozenset(sending.target.identity for sending in placed)

    miss = find_object_failure(inputs.graph_rules, INBOX_RULES, mailbox.id)
    for rule, sight in match_visible_rules(graph_rules, exchange_rules, miss is None, sends_to):
        if not rule.readable:
            yield from assemble_unreadable_rule(mailbox, rule, sight, inputs)
            continue
        placed = inputs.locate_recipients(list_rule_recipients(rule))
        if placed is None and rule.enabled:
            shown = sight in (RuleVisibility.GRAPH, RuleVisibility.READ_ONLY)
            yield inputs.build_location_failure(INBOX_RULES if shown else HIDDEN_RULES, mailbox)
        sendings = tuple(
            one for one in placed or () if one.target.location is not RecipientLocation.INSIDE
        )
        second_hand = sight is RuleVisibility.EXCHANGE and miss is not None and bool(miss.object_id)
        place = "" if second_hand else find_active_hiding_place(rule, inputs)
        if sendings or place:
            leaves = inputs.evaluate_departure(mailbox, [sending.target for sending in sendings])
            yield InboxRuleForward(mailbox, rule, sight, sendings, place, leaves)


def find_active_hiding_place(rule: InboxRule, inputs: ForwardingInputs) -> str:
    """Where an enabled rule puts mail that its owner will not see; "" for nowhere."""
    place = find_hiding_place(rule, find_hiding_folder(rule, inputs))
    if not rule.enabled or (place == "junkemail" and is_built_in_rule(rule)):
        return ""
    return place


def assemble_unreadable_rule(
    mailbox: Mailbox, rule: InboxRule, visibility: RuleVisibility, inputs: ForwardingInputs
) -> Iterator[Forward | ReadFailure]:
    """An enabled rule of which nobody shows what it does.

    Where Exchange was asked and did not answer, an earlier conclusion about this rule stays: the
    mailbox is unread. It is a finding when Exchange answered, or cannot be asked at all.
    """
    if not rule.enabled or is_built_in_rule(rule):
        return
    miss = find_object_failure(inputs.exchange_rules, HIDDEN_RULES, mailbox.id)
    if miss:
        yield ReadFailure(INBOX_RULES, miss.reason, mailbox.id, format_mailbox_name(mailbox))
    if not (miss and miss.object_id):
        yield InboxRuleForward(mailbox, rule, visibility)


def find_hiding_folder(rule: InboxRule, inputs: ForwardingInputs) -> str:
    """The folder a rule moves mail to, if it is one nobody looks into."""
    if rule.api == "exchange":
        return classify_folder_path(rule.move_to)
    folder = inputs.folders.get((rule.mailbox_id, rule.move_to))
    return classify_graph_folder(folder.well_known, folder.name) if folder else ""
