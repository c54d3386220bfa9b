"""The texts that pages show for modes, health, severities, verdicts, outcomes and requests."""

from collections.abc import Mapping
from typing import Any

from core.model.changes import ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Guard, Mode
from core.model.requests import RequestKind, RequestState
from core.status.case_query import CaseFilter
from core.status.guard_status import Health

HEALTH_LABELS = {
    Health.OK: "Ok",
    Health.ATTENTION: "Needs attention",
    Health.FAILING: "Degraded",
    Health.OFF: "Off",
}
HEALTH_HEADLINES = {
    Health.OK: "All is well",
    Health.ATTENTION: "An operator is needed",
    Health.FAILING: "Exoguard is degraded",
    Health.OFF: "Every guard is off",
}
HEALTH_LEADS = {
    Health.OK: "Every guard that is on scanned the tenant on time and read all of it. Nothing "
    "waits for you.",
    Health.ATTENTION: "No guard that is on is late or failing. Something needs an operator.",
    Health.FAILING: "Exoguard misses part of the tenant, or cannot send notifications. Until this "
    "is fixed, silence does not mean that nothing is wrong.",
    Health.OFF: "No guard scans the tenant.",
}
MODE_TEXTS = {
    Mode.OFF: "does not run",
    Mode.ALERT: "notifies, changes nothing",
    Mode.ENFORCE: "remediates and notifies",
}
SEVERITY_TEXTS = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.INFO: "Info",
}
VERDICT_TEXTS: Mapping[str, str] = {
    Verdict.COULD_NOT_TELL: "it could not be read, so nothing is known of it",
    Verdict.ASK: "an operator has to decide",
    Verdict.ON_PREMISES: "it is managed on premises and has to be changed there",
    Verdict.PROTECTED: "Microsoft lets no app change an administrator's account",
    Verdict.REFUSED: "the tenant refused the change; it is left to you",
    Verdict.FAILED: "the change failed several times; it is left to you for a week",
    Verdict.CONTESTED: "it was remediated twice and somebody reverted it; it is left to you",
}
CHANGE_STATE_TEXTS = {
    ChangeState.INTENDED: "started",
    ChangeState.APPLIED: "made",
    ChangeState.INFERRED: "in effect, response lost",
    ChangeState.FAILED: "failed",
    ChangeState.REFUSED: "refused",
    ChangeState.SUPERSEDED: "superseded",
}
REQUEST_KIND_TEXTS = {
    RequestKind.RUN: "requested a run",
    RequestKind.RELEASE: "released a plan",
    RequestKind.EXEMPT: "exempted",
    RequestKind.END_EXEMPTION: "ended an exemption",
    RequestKind.UNDO: "undid a change",
    RequestKind.ACKNOWLEDGE: "acknowledged",
    RequestKind.CONTAIN: "contained an account, or asked for the plan",
    RequestKind.UNCONTAIN: "took a containment back",
    RequestKind.EVIDENCE: "asked for an account's evidence",
    RequestKind.IMPACT: "asked for an account's impact",
    RequestKind.TEST_CHANNELS: "tested the channels",
}
REQUEST_STATE_TEXTS = {
    RequestState.REQUESTED: "waits for the next run",
    RequestState.DONE: "done",
    RequestState.REFUSED: "refused",
}
DECISION_TEXTS = {
    "plan": "A plan waits for release",
    "contested": "Reverted by somebody else",
    "ask": "An operator has to decide",
    "refused": "The tenant refused the change",
    "failed": "The change keeps failing",
    "half-made": "A change was applied in part",
}
RUN_STATUS_TEXTS = {
    "done": "complete",
    "in-progress": "in progress",
    "failed": "failed",
    "looked": "looked at single objects",
}


def describe_verdict(guard: Guard[Any, Any], verdict: str) -> str:
    """The sentence for a verdict; the word itself where this version knows none."""
    return guard.verdicts.get(verdict) or VERDICT_TEXTS.get(verdict, verdict)


def describe_order(case_filter: CaseFilter) -> str:
    """In which order a list of cases is."""
    if case_filter.state == "closed":
        return "Most recently closed first"
    return {
        "severity": "Most severe first, then oldest",
        "newest": "Newest first",
        "oldest": "Oldest first",
    }[case_filter.sort]
