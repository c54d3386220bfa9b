"""Plans around a case that a mistake keeps from being planned: all others are planned as ever.

    plan ─► a mistake: with each case alone ─► plan without those that fail, and tell each of them

Such a case stays as it is: nothing is changed for it, and it is neither forgotten nor over.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from core.engine.decision_context import DecisionContext
from core.engine.plan import Plan, plan_changes, plan_look
from core.engine.self_findings import build_unjudged_finding
from core.errors import MISTAKES, explain_error
from core.model.cases import Case
from core.model.findings import Finding
from core.model.state import ScanTotals
from core.tenant.readings import ReadFailure
from core.tenant.sources import JUDGEMENT

log = logging.getLogger("exoguard.run")

type Planner = Callable[[DecisionContext, ScanTotals, Collection[Finding]], Plan]


def plan_all(context: DecisionContext, totals: ScanTotals) -> Plan:
    """Decide about the whole tenant. Raises a mistake that no single case explains."""
    return plan_around(context, totals, plan_changes)


def plan_looked_at(context: DecisionContext, totals: ScanTotals) -> Plan:
    """Decide about what a look found. Raises a mistake that no single case explains."""
    return plan_around(context, totals, plan_look)


def plan_around(context: DecisionContext, totals: ScanTotals, plan: Planner) -> Plan:
    """The plan, without the cases that cannot be planned; each of these is told in their place."""
    try:
        return plan(context, totals, ())
    except MISTAKES:
        log.exception("%s: what to change is planned case by case", context.config.guard.name)
    odd = dict[str, Finding]()
    for key, case in context.snapshot.cases.items():
        try:
            plan(*keep_cases(context, totals, {key: case}), ())
        except MISTAKES as error:
            odd[key] = build_unplanned_finding(case, error)
    others = {key: case for key, case in context.snapshot.cases.items() if key not in odd}
    return plan(*keep_cases(context, totals, others), odd.values())


def keep_cases(
    context: DecisionContext, totals: ScanTotals, cases: Mapping[str, Case]
) -> tuple[DecisionContext, ScanTotals]:
    """What is planned from, with no other cases than these."""
    return (
        replace(context, snapshot=replace(context.snapshot, cases=cases)),
        replace(
            totals,
            unfinished_case_keys=tuple(one for one in totals.unfinished_case_keys if one in cases),
        ),
    )


def build_unplanned_finding(case: Case, error: Exception) -> Finding:
    """A case that a mistake of the app kept from being planned: nothing was changed for it."""
    failure = ReadFailure(JUDGEMENT, explain_error(error), case.object_id, case.subject)
    return replace(
        build_unjudged_finding(failure, case.sources),
        summary=f"{case.subject}: what was found of it could not be planned, so nothing of it was "
        "changed.",
        fingerprint=f"plan {case.key}",
    )
