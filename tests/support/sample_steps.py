"""The steps of sample cases: those that the guard gives about a rule like theirs."""

from core.guards.mailbox_forwarding.forwards import InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.remedies import build_rules_remedy
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Step
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Mailbox

ACCOUNT = "0b0e2d5a-7a53-4d0f-9d55-4f27a0a3f0aa"
MAILBOX_GUID = "5d2b8c0e-61f6-4c1e-9d3b-0a9f5d1c2e77"


def build_rule_steps(address: str, target: str, *, hidden: bool = False) -> tuple[Step, ...]:
    """The steps about one inbox rule that sends mail to the outside."""
    rule = InboxRule(
        mailbox_id=ACCOUNT,
        id="16037956459370427" if hidden else "AQAAAAAAxnQ=",
        name=".",
        enabled=True,
        api="exchange" if hidden else "graph",
    )
    item = InboxRuleForward(
        mailbox=Mailbox(ACCOUNT, MAILBOX_GUID, address),
        rule=rule,
        visibility=RuleVisibility.HIDDEN if hidden else RuleVisibility.GRAPH,
    )
    outside = ForwardTarget(target, RecipientLocation.OUTSIDE, target)
    return build_rules_remedy("inbox-rule-forward", [item], [outside])
