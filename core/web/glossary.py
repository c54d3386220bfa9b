"""What Exoguard's own terms mean, for people who see them for the first time."""

from core.model.changes import ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import RequestKind, RequestState
from core.status.change_texts import CHANGE_TEXTS
from core.status.guard_status import Health

HEALTH_LABELS = {
    Health.OK: "Ok",
    Health.ATTENTION: "Needs you",
    Health.FAILING: "Hindered",
    Health.OFF: "Off",
}
HEALTH_HEADLINES = {
    Health.OK: "All is well",
    Health.ATTENTION: "Somebody is needed",
    Health.FAILING: "Exoguard is hindered",
    Health.OFF: "Everything is off",
}
HEALTH_LEADS = {
    Health.OK: "Every guard has looked in time and has read all it should. Nothing waits for you.",
    Health.ATTENTION: "The guards are at work. What they found, or ask, needs a person.",
    Health.FAILING: "Part of the tenant is not seen, or not told about. Until this is mended, "
    "silence does not mean that nothing is wrong.",
    Health.OFF: "No guard looks at the tenant.",
}
MODE_TEXTS = {
    Mode.OFF: "does not run",
    Mode.ALERT: "tells, changes nothing",
    Mode.ENFORCE: "puts right, and tells",
}
SEVERITY_TEXTS = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.INFO: "Note",
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
CHANGE_TEXTS_BY_KIND = CHANGE_TEXTS
CHANGE_STATE_TEXTS = {
    ChangeState.INTENDED: "begun",
    ChangeState.APPLIED: "made",
    ChangeState.INFERRED: "in effect",
    ChangeState.FAILED: "failed",
    ChangeState.REFUSED: "refused",
    ChangeState.SUPERSEDED: "not needed",
}
REQUEST_KIND_TEXTS = {
    RequestKind.RUN: "asked for a run",
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
    "plan": "A plan waits for its release",
    "contested": "Changed back by somebody",
    "ask": "A person has to decide",
    "refused": "The tenant refused the change",
    "failed": "The change keeps failing",
    "half-made": "A change is half made",
}
RUN_STATUS_TEXTS = {
    "done": "looked at everything",
    "going on": "still looking",
    "failed": "failed",
}
