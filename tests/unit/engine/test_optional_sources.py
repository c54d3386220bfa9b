"""A source that only adds detail may rest for some hours, and is told when it stays away."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from core.engine.self_findings import OPTIONAL_PATIENCE
from core.model.cases import Case
from core.model.findings import Severity
from core.model.guards import ObserveContext
from core.tenant.mailbox_index import MailboxPage
from core.tenant.port import Tenant
from core.tenant.readings import ReadFailure, Reading
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    GUARD,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    observe,
)

DETAIL = "sign-in-events"


@dataclass
class Detail:
    """A source beside those of the guard, and why it cannot be read."""

    reason: str = ""
    permission: str = ""

    async def observe(
        self, tenant: Tenant, context: ObserveContext[Any]
    ) -> AsyncIterator[Reading[ForwardItem] | MailboxPage]:
        """The tenant, and the source beside it."""
        failure = ReadFailure(DETAIL, self.reason, permission=self.permission, optional=True)
        yield Reading(
            failures=(failure,) if self.reason else (),
            sources=frozenset({DETAIL}),
            scope=frozenset[str](),
        )
        async for part in observe(tenant, context):
            yield part


def open_stage(detail: Detail) -> EngineHarness:
    guard = replace(GUARD, observe=detail.observe)
    return EngineHarness(SyntheticTenant(3), replace(ALERT_CONFIG, guard=guard))


async def list_told(stage: EngineHarness) -> list[Case]:
    """The open cases about the source that somebody was told of."""
    cases = (await stage.ledger.load("toy")).cases.values()
    return [
        one for one in cases if one.object_id == DETAIL and one.notified_at and not one.closed_at
    ]


async def test_one_that_stays_away_is_told_after_hours_and_its_end_too() -> None:
    detail = Detail("HTTP 503")
    stage = open_stage(detail)
    for _ in range(OPTIONAL_PATIENCE):
        report = await stage.run_timer()
        assert report.unavailable_sources == ()
        assert await list_told(stage) == []
    await stage.run_timer()
    (case,) = await list_told(stage)
    assert (case.kind, case.severity) == ("source-unavailable", Severity.LOW)
    detail.reason = ""
    for _ in range(6):
        await stage.run_timer()
    assert await list_told(stage) == []


async def test_one_that_comes_back_in_between_is_not_told() -> None:
    detail = Detail()
    stage = open_stage(detail)
    for number in range(3 * OPTIONAL_PATIENCE):
        detail.reason = "HTTP 503" if number % OPTIONAL_PATIENCE else ""
        await stage.run_timer()
        assert await list_told(stage) == []


async def test_one_that_a_permission_would_open_is_told_at_once() -> None:
    stage = open_stage(Detail("not allowed", "AuditLog.Read.All"))
    await stage.run_timer()
    (case,) = await list_told(stage)
    assert case.severity is Severity.LOW
