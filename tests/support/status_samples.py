"""Tenants to look at: a healthy one, one on a busy morning, large ones, hostile ones."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from core.config.catalog import CATALOG
from core.config.coverage import build_rows, list_techniques
from core.keys import build_object_key
from core.microsoft365.cis_benchmark import find_controls
from core.model.cases import Case, Exemption, HeldPlan, Notification, parse_planned_changes
from core.model.changes import ChangeRecord, ChangeState, compute_plan_hash
from core.model.findings import Correlation, Fact, Severity, Verdict
from core.model.guards import GuardConfig, Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot, GuardState, ScanPass, ScanTotals, Shard
from core.ncrontab import CronSchedule
from core.ports import ShardStatus
from core.status.case_query import (
    CaseDetail,
    CaseFilter,
    find_case_detail,
    find_object_detail,
    select_case_page,
)
from core.status.guard_status import GuardData
from core.status.overview import build_status
from core.status.remedy import list_steps
from core.web.pages import (
    render_case_page,
    render_cases_page,
    render_coverage_page,
    render_notice_page,
    render_object_page,
    render_permissions_page,
    render_requests_page,
    render_settings_page,
    render_status_page,
)
from core.web.setting_rows import SettingRow
from tests.support.action_samples import ActionSamples
from tests.support.cases import build_case
from tests.support.sample_steps import ACCOUNT, build_rule_steps

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
CONFIGS_BY_NAME = {config.guard.name: config for config in CATALOG}
SIGN_IN, FORWARDING, AUDIT = "shared-mailbox-sign-in", "mailbox-forwarding", "mailbox-audit"
APPS, DELEGATION, BASELINE = "app-consent", "mailbox-delegation", "tenant-baseline"
PEOPLE = (
    "accounts@contoso.example", "mia.lang@contoso.example", "info@contoso.example",
    "boardroom@contoso.example", "t.okafor@contoso.example", "press@contoso.example",
    "j.silva@contoso.example", "orders@contoso.example", "van-3@contoso.example",
)  # fmt: skip
AUDIT_SETS_BEFORE = {
    "DefaultAuditSet": ["Admin"],
    "AuditDelegate": ["Create"],
    "AuditOwner": ["Update"],
}
TENANT_NAME = "Contoso & Sons"
SETTING_ROWS = [
    (
        "Notifications",
        [
            SettingRow("TEAMS_WEBHOOK_URL", "set, not shown", False, "address of the webhook"),
            SettingRow("REMIND_DAYS", "7", True, "days after which a card reminds"),
        ],
    ),
    ("State", [SettingRow("STATE_TABLE", "", True, "name of the table")]),
]
HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style><h1>owned</h1>",
    "{{ 71234 * 70001 }}{% raw %}",
    "javascript:alert(1)",
    "\u202egnp.exe\u202c \u2066isolated\u2069",
    "zero\u200bwidth\u00adsoft\x00null\x1b[31mred",
    "line\none\u2028two\r\nthree",
    "x" * 10_000,
    "\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645",
    "a\u0301" * 400,
    "&lt;already&amp;escaped&gt;",
)


def time_ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def build_sample_case(guard: str, number: int, summary: str, **other: Any) -> Case:
    """An open case that was told."""
    subject = other.pop("subject", PEOPLE[number % len(PEOPLE)])
    made = build_case(
        number,
        key=build_object_key(f"object-{number}", guard, other.get("kind", "finding")),
        kind="finding",
        object_id=f"object-{number}",
        subject=subject,
        severity=Severity.MEDIUM,
        summary=summary,
        opened_at=time_ago(days=2),
        sources=("mailboxes",),
    )
    return replace(replace(made, notified_at=other.get("opened_at", made.opened_at)), **other)


CHANGE_ARGUMENTS: dict[str, dict[str, object]] = {
    "BlockSignIn": {"account_id": "a", "mailbox_guid": "g", "kinds": ["SharedMailbox"]},
    "ResetAuditSet": {"mailbox_guid": "g", "logon_types": ["Delegate", "Owner"]},
}


def build_sample_change(
    case: Case, number: int, kind: str, at: datetime, **other: Any
) -> ChangeRecord:
    """A change that was made."""
    made = ChangeRecord(
        f"{case.key[:8]}{number:024x}",
        case.key,
        case.subject,
        kind,
        CHANGE_ARGUMENTS.get(kind, {}),
        ChangeState.APPLIED,
        at,
        "67451000000000-0a1b2c3d",
    )
    return replace(made, **other)


def build_recent_runs(config: GuardConfig, **other: object) -> list[dict[str, object]]:
    """The documents of the last two runs that were due."""
    cron = CronSchedule.parse(config.schedule)
    due = [time_ago(days=1)]
    while (following := cron.find_next(due[-1])) < time_ago(minutes=1):
        due.append(following)
    found = []
    for began in due[:-3:-1]:
        document: dict[str, object] = {
            "run": "67451000000000-0a1b2c3d",
            "status": "done",
            "mode": str(config.mode),
            "started": began.isoformat(),
            "finished": (began + timedelta(seconds=41)).isoformat(),
            "seen": 815,
            "population": 815,
            "granted": {"graph": ["User.Read.All"], "exchange": []},
        }
        found.append({**document, **other})
    return found


def build_guard_status(
    name: str, *cases: Case, runs: list[Any] | None = None, **other: Any
) -> GuardData:
    """One guard with these cases."""
    config = other.pop("config", CONFIGS_BY_NAME[name])
    state = other.pop(
        "state", GuardState(baselined_sources=frozenset({"mailboxes"}), population=815)
    )
    shards = other.pop("shards", {})
    known = GuardSnapshot(cases={one.key: one for one in cases}, state=state, **other)
    return GuardData(config, known, build_recent_runs(config) if runs is None else runs, shards)


def build_healthy_tenant() -> list[GuardData]:
    """Every guard has looked, nothing is wrong."""
    return [build_guard_status(duty.guard.name, config=duty) for duty in CATALOG]


def build_closed_cases(guard: str, count: int) -> list[Case]:
    """Cases of the last month that are over: more of them at the beginning of a week."""
    found = []
    for number in range(count):
        days = 1 + (number * number * 7 + number * 3) % 28
        opened = time_ago(days=days + number % 3, hours=number % 11)
        ended = opened + timedelta(days=1 + number % 4, hours=5)
        over = {"closed_at": ended, "resolution": "gone"} if ended < NOW else {}
        level = (Severity.MEDIUM, Severity.LOW, Severity.HIGH, Severity.LOW)[number % 4]
        found.append(
            build_sample_case(
                guard, 400 + number, "It was open.", opened_at=opened, severity=level, **over
            )
        )
    return [one for one in found if one.closed_at]


def build_busy_tenant() -> list[GuardData]:
    """A tenant on a busy morning: something of everything."""
    forward = build_sample_case(
        FORWARDING,
        1,
        "A hidden inbox rule of mia.lang@contoso.example sends mail out of the organization.",
        kind="inbox-rule",
        severity=Severity.CRITICAL,
        opened_at=time_ago(hours=3, minutes=7),
        facts=(
            Fact("rule", "\u201c.\u201d"),
            Fact("", "sends a copy to: collect.4471@mail.example.net"),
            Fact("hidden", "Outlook does not show it"),
            Fact("", "2 other mailboxes send to the same address"),
            Fact("outbound spam policy", "automatic forwarding is allowed, so mail is leaving"),
        ),
        advice="Ask the owner who made the rule; switch it off unless somebody answers for it, "
        "then reset the password and end all sessions.",
        steps=build_rule_steps(
            "mia.lang@contoso.example", "collect.4471@mail.example.net", hidden=True
        ),
        held_account=ACCOUNT,
        correlations=(Correlation.of("collect", "mail to collect.4471@mail.example.net"),),
        escalated=True,
    )
    contested = build_sample_case(
        AUDIT,
        2,
        "Mailbox info@contoso.example does not record what its delegates do.",
        kind="audit-set",
        severity=Severity.HIGH,
        verdict=Verdict.CONTESTED,
        guard_verdict="repair",
        opened_at=time_ago(days=6),
        deferred_at=time_ago(days=1, hours=2),
        facts=(Fact("missing from Delegate", "MailItemsAccessed, SendAs"),),
    )
    licensed = build_sample_case(
        SIGN_IN,
        3,
        "The account of boardroom@contoso.example can sign in.",
        kind="sign-in-enabled",
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        guard_verdict=Verdict.ASK,
        opened_at=time_ago(days=9),
        acknowledged_at=time_ago(days=8),
        acknowledged_by="ann@contoso.example",
        advice="It is licensed, so it looks like a person or a mailbox over 50 GB. Block it by "
        "hand if nobody signs in, or exempt it.",
    )
    blocked = build_sample_case(
        SIGN_IN,
        4,
        "The account of t.okafor@contoso.example can sign in.",
        kind="sign-in-enabled",
        verdict="block",
        guard_verdict="block",
        severity=Severity.HIGH,
        opened_at=time_ago(days=3),
        closed_at=time_ago(days=3) + timedelta(minutes=15),
        resolution="done",
        note="blocked, sessions revoked",
    )
    app = build_sample_case(
        APPS,
        5,
        "The app \u201cPDF Merge Free\u201d may read the mail of everybody.",
        subject="PDF Merge Free",
        kind="grant",
        severity=Severity.CRITICAL,
        verdict="granted",
        guard_verdict="granted",
        opened_at=time_ago(days=1),
        facts=(
            Fact("publisher", "not verified"),
            Fact("", "Mail.Read for all mailboxes"),
            Fact("consented", "19 Nov"),
        ),
        advice="Find out who needs it; take the grant away if nobody answers.",
    )
    missing = build_sample_case(
        DELEGATION,
        6,
        "Rights over mailboxes lacks the permission Get-MailboxPermission.",
        subject="Get-MailboxPermission",
        kind="permission-missing",
        severity=Severity.CRITICAL,
        verdict=Verdict.COULD_NOT_TELL,
        guard_verdict=Verdict.COULD_NOT_TELL,
        opened_at=time_ago(hours=5),
        advice="Grant it: pwsh infra/exchange-role.ps1 -AppId <CLIENT_ID>",
    )
    drift = [
        build_sample_case(
            BASELINE,
            20 + n,
            f"Setting {name} is not what it should be.",
            subject=name,
            severity=level,
            verdict="drift",
            guard_verdict="drift",
            opened_at=time_ago(days=12 + n),
        )
        for n, (name, level) in enumerate(
            (
                ("AdditionalStorageProvidersAvailable", Severity.LOW),
                ("OAuth2ClientProfileEnabled", Severity.HIGH),
                ("PasswordRequired of Default", Severity.MEDIUM),
            )
        )
    ]
    wanting = [
        build_sample_case(
            AUDIT,
            40 + n,
            f"Mailbox {PEOPLE[n % 9]} keeps audit records for 30 days only.",
            kind="audit-age",
            verdict="repair",
            guard_verdict="repair",
            opened_at=time_ago(minutes=32),
            planned_changes=(
                json.dumps(["RaiseAuditAge", {"mailbox_guid": f"g{n}", "days": 180}]),
            ),
            held_since=time_ago(minutes=32),
        )
        for n in range(6)
    ]
    pairs = [(one.key, change) for one in wanting for change in parse_planned_changes(one)]
    name = compute_plan_hash(AUDIT, pairs, 402)
    held = build_sample_case(
        AUDIT,
        99,
        "The brake holds: the listing fell from 815 to 402 mailboxes. Nothing was changed.",
        subject=AUDIT,
        kind="brake",
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        guard_verdict=Verdict.ASK,
        opened_at=time_ago(minutes=32),
        facts=(
            Fact("", f"plan {name}"),
            *(Fact("", f"would change {one.subject}") for one in wanting[:20]),
        ),
        plan_hash=name,
        held_plans=(HeldPlan(name, time_ago(minutes=32), len(wanting), 402),),
    )
    undone = build_sample_change(
        licensed,
        1,
        "BlockSignIn",
        time_ago(days=8),
        before={"accountEnabled": True},
        undone_at=time_ago(days=7),
    )
    made = build_sample_change(
        blocked, 2, "BlockSignIn", time_ago(days=3), before={"accountEnabled": True}
    )
    resets = tuple(
        build_sample_change(
            contested, n, "ResetAuditSet", time_ago(days=6 - 2 * n), before=AUDIT_SETS_BEFORE
        )
        for n in range(3)
    )
    asked = (
        OperatorRequest(
            id="30708439043000-00000001",
            kind=RequestKind.ACKNOWLEDGE,
            subject=licensed.key,
            requested_by="ann@contoso.example",
            reason="Used by the display.",
            at=time_ago(days=8),
            authenticated_as="function key",
            state=RequestState.DONE,
            ended_at=time_ago(days=8),
            notified=True,
        ),
        OperatorRequest(
            id="30708439043000-00000002",
            kind=RequestKind.UNDO,
            subject=undone.id,
            requested_by="ann@contoso.example",
            reason="The room could not join calls.",
            at=time_ago(days=7),
            authenticated_as="function key",
            state=RequestState.DONE,
            ended_at=time_ago(days=7),
            notified=True,
            note="restored and exempt until 2026-12-13",
        ),
    )
    going_on = ScanPass(
        "r1", time_ago(minutes=11), ScanTotals(), population=815, continuation="3f", shard_count=5
    )
    shards = {
        n: ShardStatus(Shard("r1", "", "", 170, NOW, done=n < 3), is_claimed=n == 3)
        for n in range(4)
    }
    special = {
        SIGN_IN: build_guard_status(
            SIGN_IN,
            licensed,
            blocked,
            *build_closed_cases(SIGN_IN, 12),
            changes=(made, undone),
            operator_requests=asked,
            exemptions={
                "object-3": Exemption(
                    "object-3", "ann@contoso.example", "Teams display", time_ago(days=-9)
                ),
                "object-77": Exemption(
                    "object-77", "li@contoso.example", "scanner of the branch", time_ago(days=-140)
                ),
            },
        ),
        FORWARDING: build_guard_status(
            FORWARDING,
            forward,
            *build_closed_cases(FORWARDING, 16),
            runs=build_recent_runs(CONFIGS_BY_NAME[FORWARDING], seen=812, unread=3),
        ),
        AUDIT: build_guard_status(AUDIT, contested, held, *wanting, changes=resets),
        APPS: build_guard_status(APPS, app, *build_closed_cases(APPS, 5)),
        DELEGATION: build_guard_status(
            DELEGATION,
            missing,
            runs=build_recent_runs(
                CONFIGS_BY_NAME[DELEGATION],
                status="in-progress",
                seen=510,
                left=305,
                blind=["delegations"],
            ),
            state=GuardState(population=815, scan_pass=going_on),
            shards=shards,
        ),
        BASELINE: build_guard_status(BASELINE, *drift),
        "mass-deletion": build_guard_status(
            "mass-deletion",
            runs=[
                {**row, "started": time_ago(minutes=84).isoformat(), "finished": None}
                for row in build_recent_runs(CONFIGS_BY_NAME["mass-deletion"])[:1]
            ],
        ),
        "exchange-module-access": build_guard_status(
            "exchange-module-access",
            config=replace(CONFIGS_BY_NAME["exchange-module-access"], mode=Mode.OFF),
            runs=[],
            state=GuardState(),
        ),
    }
    return [special.get(name) or build_guard_status(name) for name in CONFIGS_BY_NAME]


def build_large_tenant(count: int) -> list[GuardData]:
    """So many open cases in one guard, and as many that are over."""
    levels = [one for one in Severity if one is not Severity.INFO]
    cases = [
        build_sample_case(
            FORWARDING,
            n,
            f"Mailbox user{n}@contoso.example forwards to box{n}@mail.example.net.",
            severity=levels[n % 4],
            opened_at=time_ago(hours=n % 1_000),
            closed_at=time_ago(hours=n % 500) if n % 2 else None,
            resolution="gone" if n % 2 else "",
        )
        for n in range(2 * count)
    ]
    changes = tuple(
        build_sample_change(one, n, "ClearMailboxForward", time_ago(hours=n % 700))
        for n, one in enumerate(cases[:count])
    )
    return [
        build_guard_status(FORWARDING, *cases, changes=changes),
        *(one for one in build_healthy_tenant() if one.config.guard.name != FORWARDING),
    ]


def build_hostile_tenant() -> list[GuardData]:
    """Everything the tenant or a person can name is an attempt at something."""
    cases = []
    for n, name in enumerate(HOSTILE_TEXTS):
        opened = build_sample_case(
            FORWARDING,
            n,
            f"Mailbox {name} forwards to {name}.",
            subject=name,
            object_id=name,
            kind="permission-missing" if n == 3 else "finding",
            severity=Severity.HIGH,
            verdict=(Verdict.ASK, Verdict.CONTESTED, Verdict.FAILED)[n % 3],
            facts=(Fact("", name), Fact("rule", name)),
            advice=f"Look at {name}",
            note=name,
            correlations=(Correlation.of(name, name),),
            acknowledged_at=time_ago(hours=1),
            acknowledged_by=name,
            notification=Notification.OPENED,
        )
        cases.append(opened)
    changes = tuple(
        build_sample_change(
            one,
            n,
            "ClearMailboxForward",
            time_ago(hours=2),
            note=one.subject,
            before={one.subject: one.subject, "ForwardingSmtpAddress": one.subject},
        )
        for n, one in enumerate(cases)
    )
    asked = tuple(
        OperatorRequest(
            f"30708439043000-{n:08x}",
            RequestKind.UNDO,
            changes[n].id,
            name,
            name,
            time_ago(hours=1),
            name,
            note=name,
        )
        for n, name in enumerate(HOSTILE_TEXTS)
    )
    exempt = {one: Exemption(one, one, one, time_ago(days=-3)) for one in HOSTILE_TEXTS}
    name = HOSTILE_TEXTS[0]
    failed = {"status": "failed", "error": name, "started": time_ago(minutes=1).isoformat()}
    looked = build_recent_runs(
        CONFIGS_BY_NAME[FORWARDING],
        blind=list(HOSTILE_TEXTS),
        granted={"graph": list(HOSTILE_TEXTS)},
    )
    known = build_guard_status(
        FORWARDING, *cases, runs=[failed, *looked], changes=changes, operator_requests=asked,
        exemptions=exempt, unreadable_rows=2,
    )  # fmt: skip
    return [known, GuardData(CONFIGS_BY_NAME[AUDIT], read_error=HOSTILE_TEXTS[1])]


@dataclass(frozen=True)
class SamplePages:
    """The pages of one tenant, by their address below /api/."""

    statuses: list[GuardData]
    rendered: dict[tuple[str, tuple[tuple[str, str], ...]], str | None] = field(
        default_factory=dict
    )

    def recall_page(self, path: str, query: dict[str, str]) -> str | None:
        """What `render_page` gives, made once: the same address shows the same page."""
        key = (path, tuple(query.items()))
        if key not in self.rendered:
            self.rendered[key] = self.render_page(path, query)
        return self.rendered[key]

    def find_case(self, guard: str, key: str) -> CaseDetail:
        """A case with all that is known of it."""
        one = next(row for row in self.statuses if row.config.guard.name == guard)
        found = find_case_detail(one.config, one.snapshot, key)
        assert found is not None
        return found

    @property
    def gravest_case(self) -> tuple[str, str] | None:
        """The gravest case: its guard and its key."""
        rows = select_case_page(self.statuses, CaseFilter()).rows
        return (rows[0][0].guard.name, rows[0][1].key) if rows else None

    def render_page(self, path: str, query: dict[str, str]) -> str | None:
        """The HTML that an address answers with; None where there is nothing."""
        configs = [row.config for row in self.statuses]
        by_path = {
            "status": render_status_page,
            "requests": render_requests_page,
            "permissions": render_permissions_page,
        }
        if path in by_path:
            return by_path[path](build_status(self.statuses, NOW), TENANT_NAME)
        fixed = {
            "settings": partial(render_settings_page, SETTING_ROWS, NOW, TENANT_NAME),
            "coverage": partial(render_coverage_page, build_rows(), NOW, "", TENANT_NAME),
        }
        if path in fixed:
            return fixed[path]()
        if path.startswith("objects/"):
            about = path.removeprefix("objects/")
            detail = find_object_detail(about, self.statuses, self.statuses)
            if detail is None:
                return None
            return render_object_page(detail, about, NOW, TENANT_NAME, accounts=(ACCOUNT,))
        if path == "cases":
            choice = CaseFilter.parse(query, [config.guard.name for config in configs])
            page = select_case_page(self.statuses, choice)
            return render_cases_page(page, configs, NOW, TENANT_NAME)
        if path == "notice":
            return render_notice_page("Sign in", ["This page needs a key."], "exo page")
        if path.startswith("cases/"):
            _, guard, key = path.split("/")
            found = self.find_case(guard, key)
            one = found.case
            controls = tuple(find_controls(guard, one.kind, one.guard_verdict, one.object_id))
            named = list_techniques(guard, one.kind, one.guard_verdict)
            steps = list_steps(one, may_contain=True)
            return render_case_page(
                found, NOW, controls, TENANT_NAME, techniques=named, steps=steps
            )
        cases = [
            (data.config.guard.name, key)
            for data in self.statuses
            for key in list(data.snapshot.cases)[:3]
        ]
        actions = ActionSamples(CONFIGS_BY_NAME, cases, HOSTILE_TEXTS, TENANT_NAME, NOW)
        return actions.render(path, query)
