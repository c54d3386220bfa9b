"""What follows from the answers of a tenant: ways, cases, and when it is asked again."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from core.config.catalog import CATALOG
from core.engine.run import run
from core.jobs.tenant_probe import (
    PROBE_INTERVAL,
    choose_reporting_guard,
    hash_register,
    is_probe_due,
    probe_before_run,
    probe_tenant,
)
from core.microsoft365.assumptions.exchange_api import PAGING
from core.microsoft365.assumptions.exchange_objects import BYPASS_ROWS
from core.microsoft365.assumptions.graph_directory import GRANTS_COUNT
from core.microsoft365.assumptions.register import ASSUMPTIONS
from core.model.guards import Mode
from core.model.state import EVERY_CMDLET, ProbeReport, Way
from core.notifications.run_cards import build_cards
from core.ports import TENANT_PARTITION, World
from core.status.assumptions import build_bug_report, list_answer_lines, list_assumption_views
from core.tenant.probing import AnswerStatus, ProbeAnswer
from tests.support.builders import AUDIT_CONFIG
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import DAY, FakeLedger
from tests.support.fakes.tenant import FakeTenant

HOLDS, FAILS, UNKNOWN = AnswerStatus.HOLDS, AnswerStatus.DOES_NOT_HOLD, AnswerStatus.UNKNOWN
CONFIGS = (AUDIT_CONFIG,)


@dataclass
class Deployment:
    """One tenant and its state, over any number of probes and runs."""

    tenant: FakeTenant = field(default_factory=FakeTenant)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.world = World(
            self.tenant, self.ledger, FakeNotificationChannel(), self.clock, build_cards
        )

    async def probe(self, *answers: ProbeAnswer) -> ProbeReport:
        """One probe of a tenant that answers so, a day after the last."""
        self.tenant.probe_answers = list(answers)
        self.clock.advance(days=1)
        report = await probe_tenant(self.world, CONFIGS, "probe")
        assert report
        return report

    async def list_open_kinds(self) -> list[str]:
        """The kinds of the cases that are open after a run."""
        await run(AUDIT_CONFIG, self.world)
        cases = self.ledger.list_cases(AUDIT_CONFIG.guard.name).values()
        return [case.kind for case in cases if case.closed_at is None]


async def test_what_never_held_is_no_case() -> None:
    deployment = Deployment()
    report = await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, FAILS, "3 rows, 2 with a Guid"))
    assert report.answers[0].stopped_at is None
    assert "assumption-stopped" not in await deployment.list_open_kinds()


async def test_what_stops_holding_is_a_case_until_it_holds_again() -> None:
    deployment = Deployment()
    await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, HOLDS, "3 rows, 3 with a Guid"))
    await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, UNKNOWN, error="Unavailable"))
    assert "assumption-stopped" not in await deployment.list_open_kinds()
    await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, FAILS, "3 rows, 2 with a Guid"))
    stopped_at = deployment.clock()
    assert "assumption-stopped" in await deployment.list_open_kinds()
    # A probe that cannot tell does not close the case.
    report = await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, UNKNOWN, error="Unavailable"))
    assert report.answers[0].stopped_at == stopped_at
    assert "assumption-stopped" in await deployment.list_open_kinds()
    await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, HOLDS, "3 rows, 3 with a Guid"))
    assert "assumption-stopped" not in await deployment.list_open_kinds()


async def test_the_case_says_what_was_assumed_and_seen() -> None:
    deployment = Deployment()
    await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, HOLDS))
    await deployment.probe(ProbeAnswer(BYPASS_ROWS.id, FAILS, "3 rows, 2 with a Guid"))
    await deployment.list_open_kinds()
    cases = deployment.ledger.list_cases(AUDIT_CONFIG.guard.name).values()
    (case,) = [one for one in cases if one.kind == "assumption-stopped"]
    assert [fact.text for fact in case.facts] == [BYPASS_ROWS.assumed, "3 rows, 2 with a Guid"]
    assert BYPASS_ROWS.otherwise in case.advice


@pytest.mark.parametrize("status", [HOLDS, FAILS])
async def test_the_form_of_paging_that_works_is_the_way_of_every_cmdlet(
    status: AnswerStatus,
) -> None:
    deployment = Deployment()
    await deployment.probe(
        ProbeAnswer(PAGING.id, status, "Rejected (2 times)", "get-oauth-plain-link")
    )
    reason = "" if status is HOLDS else "Rejected (2 times)"
    assert await deployment.ledger.load_ways() == {
        EVERY_CMDLET: Way(EVERY_CMDLET, "get-oauth-plain-link", deployment.clock(), reason)
    }


async def test_the_ways_that_a_probe_chose_are_gone_at_once() -> None:
    deployment = Deployment()
    await deployment.probe(ProbeAnswer(GRANTS_COUNT.id, FAILS, "3 rows", "per-client"))
    assert deployment.tenant.chosen_ways == {GRANTS_COUNT.id: "per-client"}
    # What could not be told this time keeps its way.
    await deployment.probe(ProbeAnswer(GRANTS_COUNT.id, UNKNOWN, error="Unavailable"))
    assert deployment.tenant.chosen_ways == {GRANTS_COUNT.id: "per-client"}
    await deployment.probe(ProbeAnswer(GRANTS_COUNT.id, HOLDS, "3 rows", "counted"))
    assert deployment.tenant.chosen_ways == {GRANTS_COUNT.id: "counted"}


async def test_a_probe_that_cannot_tell_keeps_the_way() -> None:
    deployment = Deployment()
    await deployment.probe(ProbeAnswer(PAGING.id, HOLDS, "", "get-oauth-plain-link"))
    ways = await deployment.ledger.load_ways()
    report = await deployment.probe(ProbeAnswer(PAGING.id, UNKNOWN, "1 row", ""))
    assert await deployment.ledger.load_ways() == ways
    assert report.answers[0].way == "get-oauth-plain-link"


async def test_a_deployment_probes_before_its_first_run_and_daily() -> None:
    deployment = Deployment()
    for expected in (1, 1, 2):
        await probe_before_run(AUDIT_CONFIG, deployment.world, CONFIGS, "run")
        report = await deployment.ledger.load_probe()
        assert report
        assert report.register == hash_register()
        probed = {1: START, 2: START + PROBE_INTERVAL}[expected]
        assert report.probed_at == probed
        deployment.clock.advance(hours=12)


async def test_a_guard_that_is_off_probes_nothing() -> None:
    deployment = Deployment()
    off = replace(AUDIT_CONFIG, mode=Mode.OFF)
    await probe_before_run(off, deployment.world, CONFIGS, "run")
    assert await deployment.ledger.load_probe() is None


def test_a_register_that_asks_something_else_is_due_at_once() -> None:
    fresh = ProbeReport(START, register=hash_register())
    assert not is_probe_due(fresh, START + timedelta(hours=1))
    assert is_probe_due(replace(fresh, register=hash_register(ASSUMPTIONS[1:])), START)
    assert is_probe_due(None, START)
    assert is_probe_due(fresh, START + DAY)


async def test_one_instance_probes_at_a_time() -> None:
    deployment = Deployment()
    async with deployment.ledger.claim(TENANT_PARTITION, "another"):
        assert await probe_tenant(deployment.world, CONFIGS, "this one") is None


async def test_a_state_out_of_reach_does_not_stop_the_run() -> None:
    deployment = Deployment()
    deployment.ledger.is_down = True
    await probe_before_run(AUDIT_CONFIG, deployment.world, CONFIGS, "run")
    deployment.ledger.is_down = False
    assert await deployment.ledger.load_probe() is None


def test_the_first_dependent_guard_that_is_on_reports() -> None:
    audit = next(one for one in CATALOG if one.guard.name == "mailbox-audit")
    assert choose_reporting_guard(BYPASS_ROWS, CATALOG) == "mailbox-audit"
    assert choose_reporting_guard(PAGING, CATALOG) == CATALOG[0].guard.name
    off = [replace(CATALOG[0], mode=Mode.OFF), *CATALOG[1:]]
    assert choose_reporting_guard(PAGING, off) == CATALOG[1].guard.name
    assert choose_reporting_guard(BYPASS_ROWS, [replace(audit, mode=Mode.OFF)]) == "mailbox-audit"
    assert choose_reporting_guard(BYPASS_ROWS, CATALOG[:1]) == ""


def test_what_does_not_hold_comes_first_with_what_to_do() -> None:
    report = ProbeReport(
        START,
        (
            ProbeAnswer("exchange-page-size", HOLDS, "one row a page"),
            ProbeAnswer(PAGING.id, FAILS, "Rejected, HTTP 400 (24 times)", "none"),
        ),
        60,
        41.5,
        "abc",
    )
    lines = list(list_answer_lines(list_assumption_views(report)))
    assert lines[0] == "does not hold  exchange-paging: Rejected, HTTP 400 (24 times)"
    assert lines[2].strip() == f"so: {PAGING.otherwise}"
    assert lines[3].strip() == f"way: none: {PAGING.ways['none']}"
    text = build_bug_report(report, "1.2")
    assert "does not hold  exchange-paging: Rejected, HTTP 400 (24 times)\n" in text
    assert f"so: {PAGING.otherwise}\n" in text
    assert "does not hold: 1, could not tell: 0, holds: 1; 60 requests in 42 s" in text
