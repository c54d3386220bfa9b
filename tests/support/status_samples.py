"""Tenants to look at: a healthy one, one on a busy morning, large ones, hostile ones."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.config.catalog import CATALOG
from core.engine.decide import wished
from core.keys import key_of
from core.microsoft365.cis_benchmark import controls_of
from core.model.cases import Case, Exemption, News
from core.model.changes import ChangeRecord, ChangeState, plan_hash
from core.model.findings import Severity, Verdict
from core.model.guards import Duty, Mode
from core.model.requests import Action, ActionState, Deed
from core.model.state import GuardState, Memory, Round, Shard, Tally
from core.ncrontab import Cron
from core.ports import Held
from core.status.case_query import Choice, Whole, chosen, whole
from core.status.guard_status import Standing
from core.status.overview import status
from core.web.pages import case_page, cases_page, notice_page, status_page

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
DUTIES = {duty.guard.name: duty for duty in CATALOG}
SIGN_IN, FORWARDING, AUDIT = "shared-mailbox-sign-in", "mailbox-forwarding", "mailbox-audit"
APPS, DELEGATION, BASELINE = "app-consent", "mailbox-delegation", "tenant-baseline"
PEOPLE = (
    "accounts@contoso.example", "mia.lang@contoso.example", "info@contoso.example",
    "boardroom@contoso.example", "t.okafor@contoso.example", "press@contoso.example",
    "j.silva@contoso.example", "orders@contoso.example", "van-3@contoso.example",
)  # fmt: skip
AS_IT_WAS = {"DefaultAuditSet": ["Admin"], "AuditDelegate": ["Create"], "AuditOwner": ["Update"]}
HOSTILE = (
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


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def case(guard: str, number: int, summary: str, **other: Any) -> Case:
    """An open case that was told."""
    subject = other.pop("subject", PEOPLE[number % len(PEOPLE)])
    made = Case(
        key=key_of(f"object-{number}", guard, other.get("kind", "finding")),
        kind="finding",
        object_id=f"object-{number}",
        subject=subject,
        severity=Severity.MEDIUM,
        judged=Verdict.EXTERNAL,
        verdict=Verdict.EXTERNAL,
        summary=summary,
        opened=ago(days=2),
        surfaces=("mailboxes",),
    )
    return replace(replace(made, told=other.get("opened", made.opened)), **other)


ARGUMENTS: dict[str, dict[str, object]] = {
    "BlockSignIn": {"account_id": "a", "mailbox_guid": "g", "kinds": ["SharedMailbox"]},
    "ResetAuditSet": {"mailbox_guid": "g", "logon_types": ["Delegate", "Owner"]},
}


def record(of: Case, number: int, kind: str, at: datetime, **other: Any) -> ChangeRecord:
    """A change that was made."""
    made = ChangeRecord(
        f"{of.key[:8]}{number:024x}",
        of.key,
        of.subject,
        kind,
        ARGUMENTS.get(kind, {}),
        ChangeState.APPLIED,
        at,
        "67451000000000-0a1b2c3d",
    )
    return replace(made, **other)


def ran(duty: Duty, **other: object) -> list[dict[str, object]]:
    """The documents of the last two runs that were due."""
    cron = Cron.parse(duty.schedule)
    due = [ago(days=1)]
    while (following := cron.next(due[-1])) < ago(minutes=1):
        due.append(following)
    found = []
    for began in due[:-3:-1]:
        document: dict[str, object] = {
            "run": "67451000000000-0a1b2c3d",
            "status": "done",
            "mode": str(duty.mode),
            "started": began.isoformat(),
            "finished": (began + timedelta(seconds=41)).isoformat(),
            "seen": 815,
            "population": 815,
            "granted": {"graph": ["User.Read.All"], "exchange": []},
        }
        found.append({**document, **other})
    return found


def standing(name: str, *cases: Case, runs: list[Any] | None = None, **other: Any) -> Standing:
    """One guard with these cases."""
    duty = other.pop("duty", DUTIES[name])
    state = other.pop("state", GuardState(adopted=frozenset({"mailboxes"}), population=815))
    shards = other.pop("shards", {})
    known = Memory(cases={one.key: one for one in cases}, state=state, **other)
    return Standing(duty, known, ran(duty) if runs is None else runs, shards)


def quiet() -> list[Standing]:
    """Every guard has looked, nothing is wrong."""
    return [standing(duty.guard.name, duty=duty) for duty in CATALOG]


def closed_ones(guard: str, count: int) -> list[Case]:
    """Cases of the last month that are over: more of them at the beginning of a week."""
    found = []
    for number in range(count):
        days = 1 + (number * number * 7 + number * 3) % 28
        opened = ago(days=days + number % 3, hours=number % 11)
        ended = opened + timedelta(days=1 + number % 4, hours=5)
        over = {"closed": ended, "closing": "gone"} if ended < NOW else {}
        level = (Severity.MEDIUM, Severity.LOW, Severity.HIGH, Severity.LOW)[number % 4]
        found.append(
            case(guard, 400 + number, "It was open.", opened=opened, severity=level, **over)
        )
    return [one for one in found if one.closed]


def mornings() -> list[Standing]:
    """A tenant on a busy morning: something of everything."""
    forward = case(
        FORWARDING,
        1,
        "A hidden inbox rule of mia.lang@contoso.example sends mail out of the organization.",
        kind="inbox-rule",
        severity=Severity.CRITICAL,
        opened=ago(hours=3, minutes=7),
        facts=(
            "rule: \u201c.\u201d",
            "sends a copy to: collect.4471@mail.example.net",
            "hidden: Outlook does not show it",
            "2 other mailboxes send to the same address",
            "outbound spam policy: automatic forwarding is allowed, so mail is leaving",
        ),
        advice="Ask the owner who made the rule; switch it off unless somebody answers for it, "
        "then reset the password and end all sessions.",
        shared=("collect.4471@mail.example.net",),
        raised=True,
    )
    contested = case(
        AUDIT,
        2,
        "Mailbox info@contoso.example does not record what its delegates do.",
        kind="audit-set",
        severity=Severity.HIGH,
        verdict=Verdict.CONTESTED,
        judged=Verdict.REPAIR,
        opened=ago(days=6),
        set_aside=ago(days=1, hours=2),
        facts=("missing from Delegate: MailItemsAccessed, SendAs",),
    )
    licensed = case(
        SIGN_IN,
        3,
        "The account of boardroom@contoso.example can sign in.",
        kind="sign-in-enabled",
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        judged=Verdict.ASK,
        opened=ago(days=9),
        acknowledged=ago(days=8),
        acknowledged_by="ann@contoso.example",
        advice="It is licensed, so it looks like a person or a mailbox over 50 GB. Block it by "
        "hand if nobody signs in, or exempt it.",
    )
    blocked = case(
        SIGN_IN,
        4,
        "The account of t.okafor@contoso.example can sign in.",
        kind="sign-in-enabled",
        verdict=Verdict.BLOCK,
        judged=Verdict.BLOCK,
        severity=Severity.HIGH,
        opened=ago(days=3),
        closed=ago(days=3) + timedelta(minutes=15),
        closing="done",
        note="blocked, sessions revoked",
    )
    app = case(
        APPS,
        5,
        "The app \u201cPDF Merge Free\u201d may read the mail of everybody.",
        subject="PDF Merge Free",
        kind="grant",
        severity=Severity.CRITICAL,
        verdict=Verdict.GRANTED,
        judged=Verdict.GRANTED,
        opened=ago(days=1),
        facts=("publisher: not verified", "Mail.Read for all mailboxes", "consented: 19 Nov"),
        advice="Find out who needs it; take the grant away if nobody answers.",
    )
    missing = case(
        DELEGATION,
        6,
        "Rights over mailboxes lacks the permission Get-MailboxPermission.",
        subject="Get-MailboxPermission",
        kind="permission-missing",
        severity=Severity.CRITICAL,
        verdict=Verdict.COULD_NOT_TELL,
        judged=Verdict.COULD_NOT_TELL,
        opened=ago(hours=5),
        advice="Grant it: pwsh infra/exchange-role.ps1 -AppId <CLIENT_ID>",
    )
    drift = [
        case(
            BASELINE,
            20 + n,
            f"Setting {name} is not what it should be.",
            subject=name,
            severity=level,
            verdict=Verdict.DRIFT,
            judged=Verdict.DRIFT,
            opened=ago(days=12 + n),
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
        case(
            AUDIT,
            40 + n,
            f"Mailbox {PEOPLE[n % 9]} keeps audit records for 30 days only.",
            kind="audit-age",
            verdict=Verdict.REPAIR,
            judged=Verdict.REPAIR,
            opened=ago(minutes=32),
            wanted=(json.dumps(["RaiseAuditAge", {"mailbox_guid": f"g{n}", "days": 180}]),),
        )
        for n in range(6)
    ]
    pairs = [(one.key, change) for one in wanting for change in wished(one)]
    name = plan_hash(AUDIT, pairs, 815)
    held = case(
        AUDIT,
        99,
        "The brake holds: the listing fell from 815 to 402 mailboxes. Nothing was changed.",
        subject=AUDIT,
        kind="brake",
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        judged=Verdict.ASK,
        opened=ago(minutes=32),
        facts=(f"plan {name}", *(f"would change {one.subject}" for one in wanting[:20])),
    )
    undone = record(
        licensed,
        1,
        "BlockSignIn",
        ago(days=8),
        before={"accountEnabled": True},
        undone=ago(days=7),
    )
    made = record(blocked, 2, "BlockSignIn", ago(days=3), before={"accountEnabled": True})
    resets = tuple(
        record(contested, n, "ResetAuditSet", ago(days=6 - 2 * n), before=AS_IT_WAS)
        for n in range(3)
    )
    asked = (
        Action(
            "1", Deed.ACKNOWLEDGE, licensed.key, "ann@contoso.example", "Used by the display.",
            ago(days=8), "function key", state=ActionState.DONE, ended=ago(days=8), told=True,
        ),
        Action(
            "2", Deed.UNDO, undone.id, "ann@contoso.example", "The room could not join calls.",
            ago(days=7), "function key", state=ActionState.DONE, ended=ago(days=7), told=True,
            note="put back and exempt until 2026-12-13",
        ),
    )  # fmt: skip
    going_on = Round("r1", ago(minutes=11), Tally(), population=815, after="3f", shards=5)
    shards = {n: Held(Shard("r1", "", "", 170, NOW, done=n < 3), busy=n == 3) for n in range(4)}
    special = {
        SIGN_IN: standing(
            SIGN_IN,
            licensed,
            blocked,
            *closed_ones(SIGN_IN, 12),
            changes=(made, undone),
            actions=asked,
            exemptions={
                "object-3": Exemption(
                    "object-3", "ann@contoso.example", "Teams display", ago(days=-9)
                ),
                "object-77": Exemption(
                    "object-77", "li@contoso.example", "scanner of the branch", ago(days=-140)
                ),
            },
        ),
        FORWARDING: standing(
            FORWARDING,
            forward,
            *closed_ones(FORWARDING, 16),
            runs=ran(DUTIES[FORWARDING], seen=812, unread=3),
        ),
        AUDIT: standing(AUDIT, contested, held, *wanting, changes=resets),
        APPS: standing(APPS, app, *closed_ones(APPS, 5)),
        DELEGATION: standing(
            DELEGATION,
            missing,
            runs=ran(
                DUTIES[DELEGATION], status="going on", seen=510, left=305, blind=["delegations"]
            ),
            state=GuardState(population=815, round=going_on),
            shards=shards,
        ),
        BASELINE: standing(BASELINE, *drift),
        "mass-deletion": standing(
            "mass-deletion",
            runs=[
                {**row, "started": ago(minutes=84).isoformat(), "finished": None}
                for row in ran(DUTIES["mass-deletion"])[:1]
            ],
        ),
        "exchange-module-access": standing(
            "exchange-module-access",
            duty=replace(DUTIES["exchange-module-access"], mode=Mode.OFF),
            runs=[],
            state=GuardState(),
        ),
    }
    return [special.get(name) or standing(name) for name in DUTIES]


def large(count: int) -> list[Standing]:
    """So many open cases in one guard, and as many that are over."""
    levels = [one for one in Severity if one is not Severity.INFO]
    cases = [
        case(
            FORWARDING,
            n,
            f"Mailbox user{n}@contoso.example forwards to box{n}@mail.example.net.",
            severity=levels[n % 4],
            opened=ago(hours=n % 1_000),
            closed=ago(hours=n % 500) if n % 2 else None,
            closing="gone" if n % 2 else "",
        )
        for n in range(2 * count)
    ]
    changes = tuple(
        record(one, n, "ClearMailboxForward", ago(hours=n % 700))
        for n, one in enumerate(cases[:count])
    )
    return [
        standing(FORWARDING, *cases, changes=changes),
        *(one for one in quiet() if one.duty.guard.name != FORWARDING),
    ]


def hostile() -> list[Standing]:
    """Everything the tenant or a person can name is an attempt at something."""
    cases = []
    for n, name in enumerate(HOSTILE):
        opened = case(
            FORWARDING,
            n,
            f"Mailbox {name} forwards to {name}.",
            subject=name,
            object_id=name,
            kind="permission-missing" if n == 3 else "finding",
            severity=Severity.HIGH,
            verdict=(Verdict.ASK, Verdict.CONTESTED, Verdict.FAILED)[n % 3],
            facts=(name, f"rule: {name}"),
            advice=f"Look at {name}",
            note=name,
            shared=(name,),
            acknowledged=ago(hours=1),
            acknowledged_by=name,
            news=News.OPENED,
        )
        cases.append(opened)
    changes = tuple(
        record(
            one,
            n,
            "ClearMailboxForward",
            ago(hours=2),
            note=one.subject,
            before={one.subject: one.subject, "ForwardingSmtpAddress": one.subject},
        )
        for n, one in enumerate(cases)
    )
    asked = tuple(
        Action(str(n), Deed.UNDO, changes[n].id, name, name, ago(hours=1), name, note=name)
        for n, name in enumerate(HOSTILE)
    )
    exempt = {one: Exemption(one, one, one, ago(days=-3)) for one in HOSTILE}
    name = HOSTILE[0]
    failed = {"status": "failed", "error": name, "started": ago(minutes=1).isoformat()}
    looked = ran(DUTIES[FORWARDING], blind=list(HOSTILE), granted={"graph": list(HOSTILE)})
    known = standing(
        FORWARDING, *cases, runs=[failed, *looked], changes=changes, actions=asked,
        exemptions=exempt, poisoned=2,
    )  # fmt: skip
    return [known, Standing(DUTIES[AUDIT], unreadable=HOSTILE[1])]


@dataclass(frozen=True)
class Pages:
    """The pages of one tenant, by their address below /api/."""

    standings: list[Standing]

    def case_of(self, guard: str, key: str) -> Whole:
        """A case with all that is known of it."""
        one = next(row for row in self.standings if row.duty.guard.name == guard)
        found = whole(one.duty, one.memory, key)
        assert found is not None
        return found

    @property
    def first(self) -> tuple[str, str] | None:
        """The gravest case: its guard and its key."""
        rows = chosen(self.standings, Choice()).rows
        return (rows[0][0].guard.name, rows[0][1].key) if rows else None

    def page(self, path: str, query: dict[str, str]) -> str | None:
        """The HTML that an address answers with; None where there is nothing."""
        duties = [row.duty for row in self.standings]
        if path == "status":
            return status_page(status(self.standings, NOW))
        if path == "cases":
            choice = Choice.read(query, [duty.guard.name for duty in duties])
            return cases_page(chosen(self.standings, choice), duties, NOW)
        if path == "notice":
            return notice_page("Sign in", ["This page needs a key."], "python -m core.cli page")
        if path.startswith("cases/"):
            _, guard, key = path.split("/")
            found = self.case_of(guard, key)
            one = found.case
            about = tuple(controls_of(guard, one.kind, one.judged, one.object_id))
            return case_page(found, NOW, about)
        return None
