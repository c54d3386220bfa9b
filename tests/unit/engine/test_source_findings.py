"""What is said of a source that cannot be read, by what it takes to read it."""

import pytest

from core.engine.self_findings import build_source_finding
from core.model.findings import Severity
from core.tenant.readings import ReadFailure
from tests.support.decisions import CONFIG

LICENCE = "a licence of Microsoft Entra ID P1"


@pytest.mark.parametrize(
    ("failure", "severity", "advice", "confirmations"),
    [
        (ReadFailure("sign-ins", "HTTP 503"), Severity.HIGH, "", 2),
        (
            ReadFailure("sign-ins", "HTTP 403", permission="AuditLog.Read.All"),
            Severity.CRITICAL,
            "Grant AuditLog.Read.All (see docs/guards.md).",
            0,
        ),
        # Nobody grants a licence, and a tenant without one is not under attack.
        (
            ReadFailure("sign-ins", "HTTP 403", permission=LICENCE),
            Severity.MEDIUM,
            f"It takes {LICENCE}. Without it this is not watched: buy it, or set the mode of toy "
            "to off, so that nobody counts on it.",
            0,
        ),
        (
            ReadFailure("sign-ins", "HTTP 403", permission=LICENCE, optional=True),
            Severity.LOW,
            f"It takes {LICENCE}; without it the guard goes on with less.",
            0,
        ),
    ],
)
def test_what_makes_a_source_readable_is_said(
    failure: ReadFailure, severity: Severity, advice: str, confirmations: int
) -> None:
    found = build_source_finding(CONFIG, failure, ())
    assert found.summary == f"{CONFIG.guard.title}: sign-ins cannot be read."
    assert (found.severity, found.advice) == (severity, advice)
    assert found.confirmations_needed == confirmations
