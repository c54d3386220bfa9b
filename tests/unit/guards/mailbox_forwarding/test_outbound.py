"""Does forwarded mail actually leave?"""

from dataclasses import replace

import pytest

from core.guards.mailbox_forwarding.outbound import ForwardingPolicyResult, evaluate_forwarding
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain

ANN = "Ann@contoso.com"
OUT = ["x@evil.example"]
ON = OutboundPolicy("Default", "On", is_default=True)
OFF = OutboundPolicy("Default", "Off", is_default=True)
AUTOMATIC = OutboundPolicy("Default", "Automatic", is_default=True)
OPEN = RemoteDomain("*", auto_forward=True)
CLOSED = RemoteDomain("*", auto_forward=False)
FOR_ANN = OutboundPolicy("Ann", "Off", priority=1, senders=frozenset({"ann@contoso.com"}))


@pytest.mark.parametrize(
    ("policy", "remote", "expected"),
    [
        (ON, OPEN, ForwardingPolicyResult.ALLOWED),
        (OFF, OPEN, ForwardingPolicyResult.BLOCKED),
        (AUTOMATIC, OPEN, ForwardingPolicyResult.AUTOMATIC),
        (ON, CLOSED, ForwardingPolicyResult.BLOCKED),
        (OFF, CLOSED, ForwardingPolicyResult.BLOCKED),
        (AUTOMATIC, CLOSED, ForwardingPolicyResult.BLOCKED),
        (replace(ON, mode="Sometimes"), OPEN, ForwardingPolicyResult.UNKNOWN),
        (replace(ON, mode=" on "), OPEN, ForwardingPolicyResult.ALLOWED),
    ],
)
def test_either_setting_alone_can_stop_a_forward(
    policy: OutboundPolicy, remote: RemoteDomain, expected: ForwardingPolicyResult
) -> None:
    assert evaluate_forwarding(ANN, OUT, [policy], [remote]) is expected


def test_what_could_not_be_read_never_counts_as_letting_pass() -> None:
    assert evaluate_forwarding(ANN, OUT, None, [OPEN]) is ForwardingPolicyResult.UNKNOWN
    assert evaluate_forwarding(ANN, OUT, [ON], None) is ForwardingPolicyResult.UNKNOWN
    assert evaluate_forwarding(ANN, OUT, None, None) is ForwardingPolicyResult.UNKNOWN
    assert evaluate_forwarding(ANN, OUT, [], [OPEN]) is ForwardingPolicyResult.UNKNOWN
    assert evaluate_forwarding(ANN, OUT, [OFF], None) is ForwardingPolicyResult.BLOCKED
    assert evaluate_forwarding(ANN, OUT, None, [CLOSED]) is ForwardingPolicyResult.BLOCKED


def test_the_enabled_rule_that_comes_first_decides() -> None:
    later = OutboundPolicy("later", "On", priority=5, sender_domains=frozenset({"contoso.com"}))
    assert (
        evaluate_forwarding(ANN, OUT, [ON, later, FOR_ANN], [OPEN])
        is ForwardingPolicyResult.BLOCKED
    )
    assert (
        evaluate_forwarding("bob@contoso.com", OUT, [OFF, later], [OPEN])
        is ForwardingPolicyResult.ALLOWED
    )
    off = replace(FOR_ANN, enabled=False)
    assert evaluate_forwarding(ANN, OUT, [ON, off], [OPEN]) is ForwardingPolicyResult.ALLOWED
    first = replace(later, priority=0)
    assert (
        evaluate_forwarding(ANN, OUT, [OFF, FOR_ANN, first], [OPEN])
        is ForwardingPolicyResult.ALLOWED
    )


def test_a_rule_for_another_domain_does_not_apply() -> None:
    other = OutboundPolicy("x", "Off", sender_domains=frozenset({"evilcontoso.com"}))
    assert evaluate_forwarding(ANN, OUT, [ON, other], [OPEN]) is ForwardingPolicyResult.ALLOWED


def test_a_rule_that_names_groups_before_makes_the_answer_unknown() -> None:
    groups = OutboundPolicy("groups", "On", priority=0, names_groups=True)
    assert evaluate_forwarding(ANN, OUT, [OFF, groups], [OPEN]) is ForwardingPolicyResult.UNKNOWN
    assert evaluate_forwarding(ANN, OUT, [ON, groups], [OPEN]) is ForwardingPolicyResult.ALLOWED
    assert evaluate_forwarding(ANN, OUT, [ON, FOR_ANN, replace(groups, priority=9)], [OPEN]) is (
        ForwardingPolicyResult.BLOCKED
    )


def test_a_rule_with_exceptions_that_names_the_mailbox_may_not_be_the_one() -> None:
    assert (
        evaluate_forwarding(ANN, OUT, [ON, replace(FOR_ANN, names_groups=True)], [OPEN])
        is ForwardingPolicyResult.UNKNOWN
    )


@pytest.mark.parametrize(
    ("remotes", "expected"),
    [
        ([OPEN, RemoteDomain("evil.example", False)], ForwardingPolicyResult.BLOCKED),
        ([CLOSED, RemoteDomain("evil.example", True)], ForwardingPolicyResult.ALLOWED),
        ([CLOSED, RemoteDomain("*.example", True)], ForwardingPolicyResult.ALLOWED),
        ([OPEN, RemoteDomain("*.evil.example", False)], ForwardingPolicyResult.BLOCKED),
        (
            [RemoteDomain("*.example", False), RemoteDomain("*.evil.example", True), CLOSED],
            ForwardingPolicyResult.ALLOWED,
        ),
        ([OPEN, RemoteDomain("vil.example", False)], ForwardingPolicyResult.ALLOWED),
        ([RemoteDomain("other.example", True)], ForwardingPolicyResult.UNKNOWN),
        ([], ForwardingPolicyResult.UNKNOWN),
    ],
)
def test_the_most_specific_remote_domain_decides(
    remotes: list[RemoteDomain], expected: ForwardingPolicyResult
) -> None:
    assert evaluate_forwarding(ANN, OUT, [ON], remotes) is expected


def test_the_worst_of_several_targets_decides() -> None:
    remotes = [OPEN, RemoteDomain("evil.example", False)]
    assert (
        evaluate_forwarding(ANN, ["x@evil.example", "y@other.example"], [ON], remotes)
        is ForwardingPolicyResult.ALLOWED
    )
    assert evaluate_forwarding(ANN, [], [ON], remotes) is ForwardingPolicyResult.UNKNOWN
