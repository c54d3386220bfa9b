"""How grave a forward is: by where it goes, what stops it, and whether anybody could notice."""

import pytest

from core.guards.mailbox_forwarding.departure import ForwardingPolicyResult
from core.guards.mailbox_forwarding.rating import (
    build_correlations,
    build_forward_fingerprint,
    rate_forward,
)
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
    (shared,) = build_correlations(EXTERNAL, [outside, inside])
    assert shared.text.startswith("mail to xxx")
    assert LONG not in shared.text
    assert build_correlations(UNRESOLVED, [outside]) == ()
