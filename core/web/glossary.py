"""The texts that pages show for modes, health, severities, verdicts, outcomes and requests."""

from core.model.changes import ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import RequestKind, RequestState
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
    Health.OK: "Every guard scanned the tenant on time and read all of it. Nothing waits for you.",
    Health.ATTENTION: "The guards run as scheduled. What they found needs an operator.",
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
VERDICT_TEXTS = {
    Verdict.COULD_NOT_TELL: "it could not be read, so nothing is known of it",
    Verdict.FAILED: "putting it right failed again and again; it is left to you for a week",
    Verdict.CONTESTED: "it was put right twice and somebody changed it back; it is left to you",
    Verdict.REFUSED: "the tenant refused the change; it is left to you",
    Verdict.BLOCK: "an account that should not be able to sign in can",
    Verdict.ON_PREMISES: "it is managed on premises and has to be changed there",
    Verdict.ASK: "a person has to decide",
    Verdict.NEVER: "it is never changed, only shown",
    Verdict.PROTECTED: "Microsoft lets no app change an administrator's account",
    Verdict.EXTERNAL: "mail leaves the organization",
    Verdict.UNRESOLVED: "where mail goes could not be found out",
    Verdict.HIDES_MAIL: "mail is hidden from its owner",
    Verdict.DORMANT: "it does nothing now and would if it were switched on",
    Verdict.REPAIR: "a protection is weaker than it should be",
    Verdict.KEEP: "it differs, and is kept as it is",
    Verdict.DELEGATED: "somebody else has rights over a mailbox",
    Verdict.EVERYONE: "everybody has rights over a mailbox",
    Verdict.DRIFT: "a setting is not what it should be",
    Verdict.GRANTED: "an app was given access",
    Verdict.IMPOSTOR: "an app goes by a name that is not its own",
    Verdict.NO_SECOND_FACTOR: "a password alone opens the account",
    Verdict.WEAK_FACTOR: "the second factor is a weak one",
    Verdict.MASS_DELETION: "much was deleted at once",
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
}
