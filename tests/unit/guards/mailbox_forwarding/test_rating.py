"""How grave a forward is: by where it goes, what stops it, and whether anybody could notice."""

import pytest

from core.guards.mailbox_forwarding.departure import ForwardingPolicyResult
from core.guards.mailbox_forwarding.rating import (
    build_correlations,
    build_forward_fingerprint,
    rate_forward,
)
from core.guards.mailbox_forwarding.texts import MAX_SHOWN
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Severity, Verdict

EXTERNAL, KEEP = ForwardingVerdict.EXTERNAL, ForwardingVerdict.KEEP
DORMANT, UNRESOLVED = ForwardingVerdict.DORMANT, ForwardingVerdict.UNRESOLVED
UNTOLD = Verdict.COULD_NOT_TELL
ALLOWED, BLOCKED = ForwardingPolicyResult.ALLOWED, ForwardingPolicyResult.BLOCKED
LONG = f"{'x' * 100}@evil.example"


@pytest.mark.parametrize(
    ("verdict", "result", "seen", "unseen"),
    [
        (EXTERNAL, ALLOWED, Severity.HIGH, Severity.CRITICAL),
        (EXTERNAL, ForwardingPolicyResult.UNKNOWN, Severity.HIGH, Severity.CRITICAL),
        (EXTERNAL, ForwardingPolicyResult.AUTOMATIC, Severity.HIGH, Severity.CRITICAL),
        (EXTERNAL, BLOCKED, Severity.MEDIUM, Severity.CRITICAL),
        (UNRESOLVED, ALLOWED, Severity.MEDIUM, Severity.HIGH),
        (UNTOLD, ALLOWED, Severity.LOW, Severity.MEDIUM),
        (KEEP, ALLOWED, Severity.INFO, Severity.INFO),
        (DORMANT, ALLOWED, Severity.INFO, Severity.INFO),
    ],
)
def test_what_nobody_can_see_is_graver(
    verdict: str, result: ForwardingPolicyResult, seen: Severity, unseen: Severity
) -> None:
    assert rate_forward(verdict, result) is seen
    assert rate_forward(verdict, result, is_unseen=True) is unseen


def test_a_forward_is_known_by_whom_it_sends_to_and_a_long_address_is_shown_short() -> None:
    outside = ForwardTarget(LONG, RecipientLocation.OUTSIDE, LONG)
    inside = ForwardTarget("a", RecipientLocation.INSIDE, "ann@contoso.com")
    assert build_forward_fingerprint([outside, inside]) == f'["{LONG}"]'
    shared, domain = build_correlations(EXTERNAL, [outside, inside])
    assert shared.text.startswith("mail to xxx")
    assert LONG not in shared.text
    assert LONG not in domain.text
    assert build_correlations(UNRESOLVED, [outside]) == ()


@pytest.mark.parametrize(
    ("address", "shared"),
    [
        ("x@evil.example", ["mail to x@evil.example", "mail to addresses of evil.example"]),
        # An address of its own for each victim.
        ("x+ann@evil.example", ["mail to x@evil.example", "mail to addresses of evil.example"]),
        ("+x@evil.example", ["mail to +x@evil.example", "mail to addresses of evil.example"]),
        # Two people who have an address at a provider have nothing in common.
        ("t.h.i.e.f+ann@gmail.com", ["mail to thief@gmail.com"]),
        ("thief@googlemail.com", ["mail to thief@gmail.com"]),
        ("t.hief@web.de", ["mail to t.hief@web.de"]),
    ],
)
def test_forwards_share_the_place_where_mail_arrives_and_loosely_a_domain(
    address: str, shared: list[str]
) -> None:
    target = ForwardTarget("t", RecipientLocation.OUTSIDE, address)
    found = build_correlations(EXTERNAL, [target])
    assert [one.text for one in found] == shared
    assert [one.is_loose for one in found] == [False, True][: len(shared)]


def test_many_addresses_leave_room_for_their_domains_and_keep_their_order() -> None:
    targets = [
        ForwardTarget(f"t{number}", RecipientLocation.OUTSIDE, f"x{number}@evil{number}.example")
        for number in range(2 * MAX_SHOWN)
    ]
    found = build_correlations(EXTERNAL, targets)
    assert [one.is_loose for one in found] == [False] * MAX_SHOWN + [True] * MAX_SHOWN
    assert found == build_correlations(EXTERNAL, targets[::-1])
