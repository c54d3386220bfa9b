"""Reports and logs of Entra, which Graph throttles apart from everything else.

They take 5 requests in 10 seconds (Microsoft Learn: Graph throttling, "Identity and access reports
service limits"), and a refusal does not always carry a Retry-After. So they have a gate of their
own, and a refusal without one closes it for the length of that window.
"""

from dataclasses import replace

from core.adapters.retry import ThrottledService, ThrottleGate
from core.microsoft365.assumptions.graph_directory import REPORT_BACKOFF

RELIES_ON = (REPORT_BACKOFF,)
REPORT_WINDOW_SECONDS = 10.0
REPORT_PAGE_DELAY = 2.0
"""Seconds between the pages of a report."""
# Identity Protection takes a request a second, and Conditional Access counts with it (graph2otel).
REPORT_PREFIXES = (
    "/reports/",
    "/auditLogs/",
    "/identityProtection/",
    "/identity/conditionalAccess/",
)
SIGN_IN_ACTIVITY = "signInActivity"
# Only beta filters the sign-in log by the kind of a sign-in (Microsoft Learn: List signIns).
BETA = "/beta"


def is_report_path(path: str) -> bool:
    """True for a path that the limits of reports cover.

    signInActivity is answered by them, although it is a property of users.
    """
    return path.removeprefix(BETA).startswith(REPORT_PREFIXES) or SIGN_IN_ACTIVITY in path


def build_report_service(
    service: ThrottledService, throttle_gate: ThrottleGate | None = None
) -> ThrottledService:
    """Build the service of reports from that of Graph: its clock and deadline, another gate."""
    return replace(
        service,
        name=f"{service.name} reports",
        min_throttle_wait=REPORT_WINDOW_SECONDS,
        throttle_gate=throttle_gate or ThrottleGate(),
    )
