"""A mistake about one case keeps no other from being planned, and is told: it stays as it is."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from core.engine.self_findings import UNREADABLE
from core.engine.unplanned import build_unplanned_finding, plan_all, plan_looked_at
from core.model.cases import Case
from core.model.findings import Correlation, CorrelationRule, Fact, Finding, Severity, Verdict
from core.model.guards import GuardPolicy
from core.model.state import ScanTotals
from tests.support.decisions import CASE, CONFIG, SURFACE, build_scene, build_snapshot
from tests.support.synthetic_guard import (
    ENFORCE_CONFIG,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    judge,
)

ODD = "odd"
KEYS = [sign * 32 for sign in "012"]
RULE = CorrelationRule(2, Severity.CRITICAL, Fact("", "several share it"))
CORRELATING = replace(CONFIG, guard=replace(CONFIG.guard, correlation=RULE))


def build_cases(**odd: Any) -> list[Case]:
    """Three cases, of which the second is odd."""
    first, second, third = (
        replace(CASE, key=key, object_id=f"m{key[0]}", subject=f"m{key[0]}") for key in KEYS
    )
    return [first, replace(second, **odd), third]


ODDITIES = [{"planned_changes": 7}, {"correlations": (None,)}, {"severity": None}]


@pytest.mark.parametrize("odd", ODDITIES, ids=str)
@pytest.mark.parametrize("plan", [plan_all, plan_looked_at])
def test_the_others_are_planned_and_the_case_is_told_and_stays(
    odd: dict[str, Any], plan: Any
) -> None:
    cases = build_cases(**odd)
    context, _ = build_scene(build_snapshot(*cases))
    context = replace(context, config=CORRELATING)
    totals = ScanTotals(
        20, sources=frozenset({SURFACE}), ready_case_keys=tuple(KEYS), complete=True
    )
    planned = plan(context, totals)
    assert {one.case_key for one in planned.changes_to_apply} == {KEYS[0], KEYS[2]}
    # What two of them share is seen all the same.
    saved = {case.key: case for case in planned.result.cases}
    assert {saved[key].escalated for key in (KEYS[0], KEYS[2])} == {True}
    assert KEYS[1] not in saved
    assert KEYS[1] not in {case.key for case in planned.result.cases_to_delete}
    (told,) = [case for case in saved.values() if case.kind == UNREADABLE]
    assert (told.object_id, told.verdict) == ("m1", Verdict.COULD_NOT_TELL)
    assert told.summary == (
        "m1: what was found of it could not be planned, so nothing of it was changed."
    )
    assert str(told.facts[0]).startswith("a mistake of the app, ")
    (reported,) = planned.result.reported_findings
    assert reported.finding.summary == told.summary


def test_a_case_that_an_earlier_run_left_halfway_is_left_out_too() -> None:
    cases = build_cases(planned_changes=7)
    context, _ = build_scene(build_snapshot(*cases))
    totals = ScanTotals(
        20,
        sources=frozenset({SURFACE}),
        ready_case_keys=tuple(KEYS),
        unfinished_case_keys=(KEYS[1],),
        complete=True,
    )
    assert len(plan_all(context, totals).changes_to_apply) == 2


def test_a_mistake_that_no_case_explains_ends_the_run() -> None:
    context, _ = build_scene(build_snapshot(*build_cases()))
    with pytest.raises(AttributeError):
        plan_all(context, replace(ScanTotals(20), source_failures=cast(Any, (None,))))


def test_what_is_told_of_two_cases_of_one_object_is_told_of_each() -> None:
    first, second = (replace(CASE, key=key) for key in KEYS[:2])
    told = [
        build_unplanned_finding(one, ValueError("text of the tenant")) for one in (first, second)
    ]
    assert told[0].compute_key("g") != told[1].compute_key("g")
    assert "text of the tenant" not in str(told[0].facts)


def slip_later(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
    """Judges as ever, but for what nobody can compare with others."""
    for finding in judge(item, policy):
        odd = cast(Any, Correlation(cast(Any, [ODD]), ODD))
        yield replace(finding, correlations=(odd,)) if item.target == ODD else finding


async def test_a_run_changes_and_tells_the_others() -> None:
    guard = replace(ENFORCE_CONFIG.guard, judge=slip_later, correlation=RULE)
    stage = EngineHarness(SyntheticTenant(6), replace(ENFORCE_CONFIG, guard=guard))
    await stage.run_timer()
    stage.tenant.forwards = {"m1": ODD, "m2": "y"}
    report = await stage.run_timer()
    assert (report.status, report.delivered) == ("done", True)
    assert stage.tenant.writes == ["m2"]
    told = [one.finding for one in report.findings if one.finding.kind == UNREADABLE]
    assert [one.object_id for one in told] == ["m1"]
