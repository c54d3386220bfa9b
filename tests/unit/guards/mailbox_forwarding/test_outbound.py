"""Does forwarded mail actually leave?"""

from dataclasses import replace

import pytest

from core.guards.mailbox_forwarding.outbound import Departure, departure
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain

ANN = "Ann@contoso.com"
OUT = ["x@evil.example"]
ON = OutboundPolicy("Default", "On", default=True)
OFF = OutboundPolicy("Default", "Off", default=True)
AUTOMATIC = OutboundPolicy("Default", "Automatic", default=True)
OPEN = RemoteDomain("*", auto_forward=True)
CLOSED = RemoteDomain("*", auto_forward=False)
FOR_ANN = OutboundPolicy("Ann", "Off", priority=1, senders=frozenset({"ann@contoso.com"}))


@pytest.mark.parametrize(
    ("policy", "remote", "expected"),
    [
        (ON, OPEN, Departure.LEAVES),
        (OFF, OPEN, Departure.BLOCKED),
        (AUTOMATIC, OPEN, Departure.NOT_PINNED),
        (ON, CLOSED, Departure.BLOCKED),
        (OFF, CLOSED, Departure.BLOCKED),
        (AUTOMATIC, CLOSED, Departure.BLOCKED),
        (replace(ON, mode="Sometimes"), OPEN, Departure.UNKNOWN),
        (replace(ON, mode=" on "), OPEN, Departure.LEAVES),
    ],
)
def test_either_setting_alone_can_stop_a_forward(
    policy: OutboundPolicy, remote: RemoteDomain, expected: Departure
) -> None:
    assert departure(ANN, OUT, [policy], [remote]) is expected


def test_what_could_not_be_read_never_counts_as_letting_pass() -> None:
    assert departure(ANN, OUT, None, [OPEN]) is Departure.UNKNOWN
    assert departure(ANN, OUT, [ON], None) is Departure.UNKNOWN
    assert departure(ANN, OUT, None, None) is Departure.UNKNOWN
    assert departure(ANN, OUT, [], [OPEN]) is Departure.UNKNOWN
    assert departure(ANN, OUT, [OFF], None) is Departure.BLOCKED
    assert departure(ANN, OUT, None, [CLOSED]) is Departure.BLOCKED


def test_the_enabled_rule_that_comes_first_decides() -> None:
    later = OutboundPolicy("later", "On", priority=5, sender_domains=frozenset({"contoso.com"}))
    assert departure(ANN, OUT, [ON, later, FOR_ANN], [OPEN]) is Departure.BLOCKED
    assert departure("bob@contoso.com", OUT, [OFF, later], [OPEN]) is Departure.LEAVES
    off = replace(FOR_ANN, enabled=False)
    assert departure(ANN, OUT, [ON, off], [OPEN]) is Departure.LEAVES
    first = replace(later, priority=0)
    assert departure(ANN, OUT, [OFF, FOR_ANN, first], [OPEN]) is Departure.LEAVES


def test_a_rule_for_another_domain_does_not_apply() -> None:
    other = OutboundPolicy("x", "Off", sender_domains=frozenset({"evilcontoso.com"}))
    assert departure(ANN, OUT, [ON, other], [OPEN]) is Departure.LEAVES


def test_a_rule_that_names_groups_before_makes_the_answer_unknown() -> None:
    groups = OutboundPolicy("groups", "On", priority=0, groups=True)
    assert departure(ANN, OUT, [OFF, groups], [OPEN]) is Departure.UNKNOWN
    assert departure(ANN, OUT, [ON, groups], [OPEN]) is Departure.LEAVES
    assert departure(ANN, OUT, [ON, FOR_ANN, replace(groups, priority=9)], [OPEN]) is (
        Departure.BLOCKED
    )


def test_a_rule_with_exceptions_that_names_the_mailbox_may_not_be_the_one() -> None:
    assert departure(ANN, OUT, [ON, replace(FOR_ANN, groups=True)], [OPEN]) is Departure.UNKNOWN


@pytest.mark.parametrize(
    ("remotes", "expected"),
    [
        ([OPEN, RemoteDomain("evil.example", False)], Departure.BLOCKED),
        ([CLOSED, RemoteDomain("evil.example", True)], Departure.LEAVES),
        ([CLOSED, RemoteDomain("*.example", True)], Departure.LEAVES),
        ([OPEN, RemoteDomain("*.evil.example", False)], Departure.BLOCKED),
        (
            [RemoteDomain("*.example", False), RemoteDomain("*.evil.example", True), CLOSED],
            Departure.LEAVES,
        ),
        ([OPEN, RemoteDomain("vil.example", False)], Departure.LEAVES),
        ([RemoteDomain("other.example", True)], Departure.UNKNOWN),
        ([], Departure.UNKNOWN),
    ],
)
def test_the_most_specific_remote_domain_decides(
    remotes: list[RemoteDomain], expected: Departure
) -> None:
    assert departure(ANN, OUT, [ON], remotes) is expected


def test_the_worst_of_several_targets_decides() -> None:
    remotes = [OPEN, RemoteDomain("evil.example", False)]
    assert departure(ANN, ["x@evil.example", "y@other.example"], [ON], remotes) is Departure.LEAVES
    assert departure(ANN, [], [ON], remotes) is Departure.UNKNOWN
