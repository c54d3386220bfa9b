"""Answers about the assumptions of the register, as a test sets them."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.tenant.probing import ProbeOutcome
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeAssumptionProber:
    """Implements AssumptionProber."""

    tenant: FakeTenantState

    async def probe_assumptions(self, max_requests: int, seconds: float) -> ProbeOutcome:
        """The answers of the tenant, all of which fit into the limits."""
        return ProbeOutcome(tuple(self.tenant.probe_answers), len(self.tenant.probe_answers), 0.0)

    def adopt_ways(self, ways: Mapping[str, str]) -> None:
        """Keep the ways for the test to look at."""
        self.tenant.chosen_ways = dict(ways)
