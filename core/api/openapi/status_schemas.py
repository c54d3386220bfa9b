"""Status, cases and evidence as JSON Schema 2020-12, as core.status.document writes them: pure."""

from collections.abc import Mapping

from core.api.openapi.response_schemas import (
    CASE_KEY,
    FLAG,
    NUMBER_OF,
    RUN_ID,
    TEXT,
    TEXTS,
    TIME,
    Json,
    perhaps,
    ref,
    rows,
    whole,
    words,
)
from core.model.changes import ChangeState
from core.model.findings import Severity, Verdict
from core.model.requests import ActionState, Deed
from core.status.guard_status import Health

SEVERITY = words([severity.label for severity in Severity])
TOLD = [severity.label for severity in reversed(Severity) if severity is not Severity.INFO]
DECISIONS = ("plan", "contested", "ask", "refused", "failed", "half-made")
DAY: Json = {"type": "string", "format": "date"}
SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
VERSION: Json = {"const": 1}

LEVELS = whole(
    "Cases by severity, and their sum.", {"all": NUMBER_OF, **dict.fromkeys(TOLD, NUMBER_OF)}
)
REASON = whole(
    "Why something is not well.",
    {"health": words(Health), "guard": perhaps(TEXT), "text": TEXT},
)
UNTOLD = whole(
    "What the channel has not heard yet.",
    {"cases": NUMBER_OF, "actions": NUMBER_OF, "oldest": perhaps(TIME)},
)
LAST_RUN = whole(
    "A run in short.",
    {
        "run": RUN_ID,
        "status": TEXT,
        "mode": TEXT,
        "began": TIME,
        "ended": perhaps(TIME),
        "error": perhaps(TEXT),
    },
)
PROGRESS = whole(
    "A look at a large tenant that is under way.",
    {
        "began": TIME,
        "pieces_done": NUMBER_OF,
        "pieces": NUMBER_OF,
        "pieces_busy": NUMBER_OF,
        "times_stalled": NUMBER_OF,
    },
)
COVERAGE = whole(
    "How much was read.",
    {
        "at": TIME,
        "of": TEXT,
        "seen": NUMBER_OF,
        "population": NUMBER_OF,
        "unread": NUMBER_OF,
        "left": NUMBER_OF,
        "not_seen_at_all": TEXTS,
        "share": SHARE,
    },
)
GUARD = whole(
    "How one guard stands.",
    {
        "guard": TEXT,
        "title": TEXT,
        "health": words(Health),
        "mode": words(("off", "alert", "enforce")),
        "reasons": rows(ref("Reason")),
        "schedule": TEXT,
        "schedule_in_words": TEXT,
        "last_run": perhaps(ref("LastRun")),
        "last_complete_look": perhaps(TIME),
        "never_looked": FLAG,
        "next_due": perhaps(TIME),
        "late": FLAG,
        "late_seconds": NUMBER_OF,
        "missed": perhaps(TIME),
        "run_asked_for": perhaps(TIME),
        "going_on": perhaps(ref("Progress")),
        "coverage": perhaps(ref("Coverage")),
        "open": ref("Levels"),
        "ages": whole(
            "Open cases by age.",
            dict.fromkeys(("within_a_day", "within_a_week", "within_30_days", "older"), NUMBER_OF),
        ),
        "decisions": NUMBER_OF,
        "changes_lately": NUMBER_OF,
        "exemptions": NUMBER_OF,
        "missing_permissions": TEXTS,
        "untold": ref("Untold"),
        "rows_not_understood": NUMBER_OF,
        "unreadable": perhaps(TEXT),
    },
)
DECISION = whole(
    "Something only a person can decide; with kind plan, the plan that waits to be released.",
    {
        "guard": TEXT,
        "kind": words(DECISIONS),
        "subject": TEXT,
        "summary": TEXT,
        "since": TIME,
        "severity": SEVERITY,
        "case": perhaps(CASE_KEY),
        "acknowledged": FLAG,
    },
    plan=TEXT,
    would_change=rows(whole("A change in short.", {"kind": TEXT, "subject": TEXT})),
    list_is_exact=FLAG,
)
RECORD = whole(
    "A change of the tenant, with what was there before.",
    {
        "guard": TEXT,
        "change": CASE_KEY,
        "case": TEXT,
        "kind": TEXT,
        "subject": TEXT,
        "arguments": {"type": "object"},
        "before": {"type": "object"},
        "outcome": words(ChangeState),
        "at": TIME,
        "run": TEXT,
        "note": TEXT,
        "restores": perhaps(CASE_KEY),
        "undone": perhaps(TIME),
    },
)
DECIDED = {"subject": TEXT, "who": TEXT, "why": TEXT, "until": TIME}
EXEMPTION = whole("An exemption as it was decided.", DECIDED)
PARDON = whole(
    "An exemption and what it is about.",
    {
        "guard": TEXT,
        **DECIDED,
        "named": perhaps(TEXT),
        "case": perhaps(CASE_KEY),
        "in_force": FLAG,
        "ends_soon": FLAG,
    },
)
DEED = whole(
    "Something a person asked for.",
    {
        "guard": TEXT,
        "action": RUN_ID,
        "deed": words(Deed),
        "subject": perhaps(TEXT),
        "who": TEXT,
        "why": TEXT,
        "signed_in": perhaps(TEXT),
        "at": TIME,
        "until": perhaps(TIME),
        "status": words(ActionState),
        "ended": perhaps(TIME),
        "note": perhaps(TEXT),
    },
)
PERMISSIONS = whole(
    "What guards lack, and what the app has beside what they need, as far as that is known.",
    {
        "missing": rows(
            whole(
                "One that is missing.",
                {
                    "guard": TEXT,
                    "permission": TEXT,
                    "optional": FLAG,
                    "case": CASE_KEY,
                    "since": TIME,
                    "advice": TEXT,
                },
            )
        ),
        "excess": TEXTS,
        "excess_known_since": perhaps(TIME),
        "graph_known": FLAG,
        "exchange_known": FLAG,
    },
)
DAY_OF_HISTORY = whole(
    "One day.",
    {
        "day": DAY,
        "open": ref("Levels"),
        "opened": NUMBER_OF,
        "closed": NUMBER_OF,
        "changes": NUMBER_OF,
    },
)
STATUS = whole(
    "How everything stands.",
    {
        "version": VERSION,
        "at": TIME,
        "health": words(Health),
        "reasons": rows(ref("Reason")),
        "open": ref("Levels"),
        "untold": ref("Untold"),
        "guards": rows(ref("Guard")),
        "decisions": rows(ref("Decision")),
        "changes": rows(ref("Record")),
        "exemptions": rows(ref("Pardon")),
        "actions": rows(ref("Deed")),
        "permissions": ref("Permissions"),
        "history": rows(ref("Day")),
    },
)
IN_SHORT: Mapping[str, Json] = {
    "guard": TEXT,
    "case": CASE_KEY,
    "short": TEXT,
    "state": words(("open", "closed")),
    "severity": SEVERITY,
    "verdict": words(Verdict),
    "kind": TEXT,
    "subject": TEXT,
    "summary": TEXT,
    "opened": TIME,
    "closed": perhaps(TIME),
    "closing": perhaps(words(("done", "gone", "exempt"))),
    "told": perhaps(TIME),
    "acknowledged": perhaps(TIME),
    "acknowledged_by": perhaps(TEXT),
}
CASE = whole(
    "A case with everything that is known of it.",
    {
        "version": VERSION,
        **IN_SHORT,
        "title": TEXT,
        "why": TEXT,
        "object": TEXT,
        "judged": words(Verdict),
        "facts": TEXTS,
        "advice": perhaps(TEXT),
        "note": perhaps(TEXT),
        "news": perhaps(TEXT),
        "set_aside": perhaps(TIME),
        "adopted": FLAG,
        "event": FLAG,
        "shared": TEXTS,
        "failures": NUMBER_OF,
        "changes": rows(ref("Record")),
        "exemption": perhaps(ref("Exemption")),
        "actions": rows(ref("Deed")),
    },
)
CASES = whole(
    "A page of cases: open ones by gravity and age, then closed ones, the newest first.",
    {
        "version": VERSION,
        "total": NUMBER_OF,
        "page": NUMBER_OF,
        "pages": NUMBER_OF,
        "cases": rows(ref("CaseInShort")),
    },
)

STATUS_SCHEMAS: Mapping[str, Json] = {
    "Case": CASE,
    "CaseInShort": whole("A case as a list shows it.", IN_SHORT),
    "Cases": CASES,
    "Coverage": COVERAGE,
    "Day": DAY_OF_HISTORY,
    "Decision": DECISION,
    "Deed": DEED,
    "Page": {
        "type": "string",
        "description": "A page for people: HTML, without a script.",
    },
    "Evidence": {
        "type": "string",
        "description": (
            "The records of a period, guard by guard, and how many there are of each kind; the "
            "header Repr-Digest has the SHA-256 of all bytes."
        ),
    },
    "Exemption": EXEMPTION,
    "Guard": GUARD,
    "LastRun": LAST_RUN,
    "Levels": LEVELS,
    "Pardon": PARDON,
    "Permissions": PERMISSIONS,
    "Progress": PROGRESS,
    "Reason": REASON,
    "Record": RECORD,
    "Status": STATUS,
    "Untold": UNTOLD,
}
