"""How far an inbox rule goes: what it does, to what mail. Pure.

What every message meets is no condition, so that adding or dropping it changes nothing. Neither
does the name of a rule, nor its place among others.
"""

from collections.abc import Iterable, Iterator

from core.guards.mailbox_forwarding.conditions import Owner, is_met_by_every_message
from core.guards.mailbox_forwarding.forwards import InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import DELETE, PERMANENT
from core.microsoft365.addresses import (
    get_address_domain,
    normalize_address,
    parse_recipient_string,
)
from core.model.reach import Reach, Selection
from core.tenant.mail_flow import RuleCondition


def measure_rule_reach(item: InboxRuleForward, sends: bool) -> Reach:
    """How far a rule goes; `sends` says whether it is about mail that it sends on."""
    rule = item.rule
    does = ["send"] if sends else []
    if item.visibility is RuleVisibility.HIDDEN:
        does.append("hide from Outlook")
    if rule.delete:
        does += [DELETE, PERMANENT] if rule.delete == PERMANENT else [DELETE]
    elif item.hiding and rule.move_to:
        # Where nobody looked, mail goes to a folder like any other.
        does.append(f"move to {item.hiding.place.replace('unread', 'ordinary')}")
    if rule.mark_as_read:
        does.append("mark as read")
    home = get_address_domain(normalize_address(item.mailbox.address))
    owner = Owner(item.mailbox.address, lambda domain: domain == home)
    effective = [one for one in rule.conditions if not is_met_by_every_message(one, owner, False)]
    return Reach.of(does, select(effective), select(rule.exceptions))


def select(conditions: Iterable[RuleCondition]) -> Iterator[Selection]:
    """Conditions as they compare: senders and recipients by their address."""
    for one in conditions:
        yield Selection.of(one.kind, (parse_recipient_string(value)[1] for value in one.values))
