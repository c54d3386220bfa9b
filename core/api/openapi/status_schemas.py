"""Status, cases and evidence as JSON Schema 2020-12, as core.status.document writes them: pure."""

from collections.abc import Mapping

from core.api.openapi.response_schemas import (
    BOOLEAN,
    CASE_KEY,
    COUNT,
    RUN_ID,
    TEXT,
    TEXTS,
    TIME,
    JsonSchema,
    build_array_schema,
    build_enum_schema,
    build_nullable_schema,
    build_object_schema,
    build_schema_ref,
)
from core.model.changes import ChangeState
from core.model.findings import Severity, Verdict
from core.model.requests import RequestKind, RequestState
from core.status.guard_status import Health

SEVERITY = build_enum_schema([severity.label for severity in Severity])
SEVERITY_LABELS = [
    severity.label for severity in reversed(Severity) if severity is not Severity.INFO
]
DECISIONS = ("plan", "contested", "ask", "refused", "failed", "half-made")
DATE: JsonSchema = {"type": "string", "format": "date"}
SHARE: JsonSchema = {"type": "number", "minimum": 0, "maximum": 1}
VERSION_SCHEMA: JsonSchema = {"const": 1}

SEVERITY_COUNTS = build_object_schema(
    "Cases by severity, and their sum.", {"all": COUNT, **dict.fromkeys(SEVERITY_LABELS, COUNT)}
)
REASON = build_object_schema(
    "Why something is not well.",
    {"health": build_enum_schema(Health), "guard": build_nullable_schema(TEXT), "text": TEXT},
)
PENDING_NOTIFICATIONS = build_object_schema(
    "What the channel has not heard yet.",
    {"cases": COUNT, "actions": COUNT, "oldest": build_nullable_schema(TIME)},
)
LAST_RUN = build_object_schema(
    "A run in short.",
    {
        "run": RUN_ID,
        "status": TEXT,
        "mode": TEXT,
        "began": TIME,
        "ended": build_nullable_schema(TIME),
        "error": build_nullable_schema(TEXT),
    },
)
PROGRESS = build_object_schema(
    "A look at a large tenant that is under way.",
    {
        "began": TIME,
        "pieces_done": COUNT,
        "pieces": COUNT,
        "pieces_busy": COUNT,
        "times_stalled": COUNT,
    },
)
COVERAGE = build_object_schema(
    "How much was read.",
    {
        "at": TIME,
        "of": TEXT,
        "seen": COUNT,
        "population": COUNT,
        "unread": COUNT,
        "left": COUNT,
        "not_seen_at_all": TEXTS,
        "share": SHARE,
    },
)
GUARD = build_object_schema(
    "How one guard stands.",
    {
        "guard": TEXT,
        "title": TEXT,
        "health": build_enum_schema(Health),
        "mode": build_enum_schema(("off", "alert", "enforce")),
        "reasons": build_array_schema(build_schema_ref("Reason")),
        "schedule": TEXT,
        "schedule_in_words": TEXT,
        "last_run": build_nullable_schema(build_schema_ref("LastRun")),
        "last_complete_look": build_nullable_schema(TIME),
        "never_looked": BOOLEAN,
        "next_due": build_nullable_schema(TIME),
        "late": BOOLEAN,
        "late_seconds": COUNT,
        "missed": build_nullable_schema(TIME),
        "run_asked_for": build_nullable_schema(TIME),
        "going_on": build_nullable_schema(build_schema_ref("Progress")),
        "coverage": build_nullable_schema(build_schema_ref("Coverage")),
        "open": build_schema_ref("Levels"),
        "ages": build_object_schema(
            "Open cases by age.",
            dict.fromkeys(("within_a_day", "within_a_week", "within_30_days", "older"), COUNT),
        ),
        "decisions": COUNT,
        "recent_changes": COUNT,
        "exemptions": COUNT,
        "missing_permissions": TEXTS,
        "pending_notifications": build_schema_ref("PendingNotifications"),
        "rows_not_understood": COUNT,
        "unreadable": build_nullable_schema(TEXT),
    },
)
DECISION = build_object_schema(
    "Something only a person can decide; with kind plan, the plan that waits to be released.",
    {
        "guard": TEXT,
        "kind": build_enum_schema(DECISIONS),
        "subject": TEXT,
        "summary": TEXT,
        "since": TIME,
        "severity": SEVERITY,
        "case": build_nullable_schema(CASE_KEY),
        "acknowledged": BOOLEAN,
    },
    plan=TEXT,
    would_change=build_array_schema(
        build_object_schema("A change in short.", {"kind": TEXT, "subject": TEXT})
    ),
    list_is_exact=BOOLEAN,
)
CHANGE_RECORD = build_object_schema(
    "A change of the tenant, with what was there before.",
    {
        "guard": TEXT,
        "change": CASE_KEY,
        "case": TEXT,
        "kind": TEXT,
        "subject": TEXT,
        "arguments": {"type": "object"},
        "before": {"type": "object"},
        "outcome": build_enum_schema(ChangeState),
        "at": TIME,
        "run": TEXT,
        "note": TEXT,
        "restores": build_nullable_schema(CASE_KEY),
        "undone": build_nullable_schema(TIME),
    },
)
EXEMPTION_FIELDS = {"subject": TEXT, "who": TEXT, "why": TEXT, "until": TIME}
EXEMPTION = build_object_schema("An exemption as it was decided.", EXEMPTION_FIELDS)
EXEMPTION_VIEW = build_object_schema(
    "An exemption and what it is about.",
    {
        "guard": TEXT,
        **EXEMPTION_FIELDS,
        "named": build_nullable_schema(TEXT),
        "case": build_nullable_schema(CASE_KEY),
        "in_force": BOOLEAN,
        "ends_soon": BOOLEAN,
    },
)
OPERATOR_REQUEST = build_object_schema(
    "Something a person asked for.",
    {
        "guard": TEXT,
        "action": RUN_ID,
        "kind": build_enum_schema(RequestKind),
        "subject": build_nullable_schema(TEXT),
        "who": TEXT,
        "why": TEXT,
        "signed_in": build_nullable_schema(TEXT),
        "at": TIME,
        "until": build_nullable_schema(TIME),
        "status": build_enum_schema(RequestState),
        "ended": build_nullable_schema(TIME),
        "note": build_nullable_schema(TEXT),
    },
)
PERMISSIONS = build_object_schema(
    "What guards lack, and what the app has beside what they need, as far as that is known.",
    {
        "missing": build_array_schema(
            build_object_schema(
                "One that is missing.",
                {
                    "guard": TEXT,
                    "permission": TEXT,
                    "optional": BOOLEAN,
                    "case": CASE_KEY,
                    "since": TIME,
                    "advice": TEXT,
                },
            )
        ),
        "excess": TEXTS,
        "excess_known_since": build_nullable_schema(TIME),
        "graph_known": BOOLEAN,
        "exchange_known": BOOLEAN,
    },
)
HISTORY_DAY = build_object_schema(
    "One day.",
    {
        "day": DATE,
        "open": build_schema_ref("Levels"),
        "opened": COUNT,
        "closed": COUNT,
        "changes": COUNT,
    },
)
STATUS = build_object_schema(
    "How everything stands.",
    {
        "version": VERSION_SCHEMA,
        "at": TIME,
        "health": build_enum_schema(Health),
        "reasons": build_array_schema(build_schema_ref("Reason")),
        "open": build_schema_ref("Levels"),
        "pending_notifications": build_schema_ref("PendingNotifications"),
        "guards": build_array_schema(build_schema_ref("Guard")),
        "decisions": build_array_schema(build_schema_ref("Decision")),
        "changes": build_array_schema(build_schema_ref("Record")),
        "exemptions": build_array_schema(build_schema_ref("ExemptionView")),
        "actions": build_array_schema(build_schema_ref("OperatorRequest")),
        "permissions": build_schema_ref("Permissions"),
        "history": build_array_schema(build_schema_ref("Day")),
    },
)
CASE_SUMMARY_FIELDS: Mapping[str, JsonSchema] = {
    "guard": TEXT,
    "case": CASE_KEY,
    "short": TEXT,
    "state": build_enum_schema(("open", "closed")),
    "severity": SEVERITY,
    "verdict": build_enum_schema(Verdict),
    "kind": TEXT,
    "subject": TEXT,
    "summary": TEXT,
    "opened": TIME,
    "closed": build_nullable_schema(TIME),
    "closing": build_nullable_schema(build_enum_schema(("done", "gone", "exempt"))),
    "told": build_nullable_schema(TIME),
    "acknowledged": build_nullable_schema(TIME),
    "acknowledged_by": build_nullable_schema(TEXT),
}
CASE = build_object_schema(
    "A case with everything that is known of it.",
    {
        "version": VERSION_SCHEMA,
        **CASE_SUMMARY_FIELDS,
        "title": TEXT,
        "why": TEXT,
        "object": TEXT,
        "judged": build_enum_schema(Verdict),
        "facts": TEXTS,
        "advice": build_nullable_schema(TEXT),
        "note": build_nullable_schema(TEXT),
        "news": build_nullable_schema(TEXT),
        "set_aside": build_nullable_schema(TIME),
        "adopted": BOOLEAN,
        "event": BOOLEAN,
        "shared": TEXTS,
        "failures": COUNT,
        "changes": build_array_schema(build_schema_ref("Record")),
        "exemption": build_nullable_schema(build_schema_ref("Exemption")),
        "actions": build_array_schema(build_schema_ref("OperatorRequest")),
    },
)
CASES = build_object_schema(
    "A page of cases: open ones by gravity and age, then closed ones, the newest first.",
    {
        "version": VERSION_SCHEMA,
        "total": COUNT,
        "page": COUNT,
        "pages": COUNT,
        "cases": build_array_schema(build_schema_ref("CaseInShort")),
    },
)

STATUS_SCHEMAS: Mapping[str, JsonSchema] = {
    "Case": CASE,
    "CaseInShort": build_object_schema("A case as a list shows it.", CASE_SUMMARY_FIELDS),
    "Cases": CASES,
    "Coverage": COVERAGE,
    "Day": HISTORY_DAY,
    "Decision": DECISION,
    "OperatorRequest": OPERATOR_REQUEST,
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
    "Levels": SEVERITY_COUNTS,
    "ExemptionView": EXEMPTION_VIEW,
    "Permissions": PERMISSIONS,
    "Progress": PROGRESS,
    "Reason": REASON,
    "Record": CHANGE_RECORD,
    "Status": STATUS,
    "PendingNotifications": PENDING_NOTIFICATIONS,
}
