"""What the HTTP API takes and refuses, and what it leaves in the ledger."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.api.authentication import KEY_HOLDER, Caller
from core.api.request import HttpRequest, HttpResponse, Route
from core.api.routes import (
    MAX_BODY_BYTES,
    MAX_PENDING_REQUESTS,
    ROUTES,
    dispatch_request,
    handle_request,
)
from core.config.settings import Settings, get_setting_prefix, list_settings
from core.engine.run import create_run_id
from core.evidence.file_format import verify_export
from core.jobs.run_requests import RunMessage
from core.keys import build_object_key, hash_parts
from core.model.cases import Case
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind
from tests.support.fakes.world import DAY, START, Clock, FakeLedger

GUARD = "mailbox-audit"
ROUTE = {route.name: route for route in ROUTES}
SAMPLES = {entry.name: entry.sample for entry in list_settings()}
PLAN = hash_parts("a plan")
SAID = {"who": "Dana", "why": "because"}
JSON = {"content-type": "application/json"}


@dataclass
class Counter:
    """The API over a ledger in memory, as somebody with the key uses it."""

    clock: Clock = field(default_factory=Clock)
    environ: dict[str, str] = field(default_factory=dict)
    who: Caller = field(default_factory=lambda: Caller(KEY_HOLDER))

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)

    async def ask(
        self, name: str, body: Any = SAID, guard: str = GUARD, **path: str
    ) -> HttpResponse:
        """One request with a JSON body."""
        call = HttpRequest(
            path_parameters={"guard": guard, **path},
            headers=JSON,
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        return await self.send(name, call)

    async def look(
        self, name: str, query: Mapping[str, str] | None = None, **path: str
    ) -> HttpResponse:
        """One request that only looks."""
        return await self.send(
            name, HttpRequest(path_parameters={"guard": GUARD, **path}, query=query or {})
        )

    async def send(self, name: str, call: HttpRequest) -> HttpResponse:
        settings = Settings.read({**SAMPLES, **self.environ})
        return await dispatch_request(
            ROUTE[name], call, settings, self.ledger, self.who, self.clock()
        )

    async def actions(self, guard: str = GUARD) -> tuple[OperatorRequest, ...]:
        return (await self.ledger.load(guard)).operator_requests


def says(answer: HttpResponse) -> Any:
    """The JSON of an answer."""
    assert answer.headers["Cache-Control"] == "no-store"
    return json.loads(answer.body)


async def test_a_run_is_asked_for_with_who_and_why() -> None:
    counter = Counter()
    answer = await counter.ask("request-run")
    [action] = await counter.actions()
    assert (action.kind, action.requested_by, action.reason) == (RequestKind.RUN, "Dana", "because")
    assert action.authenticated_as == KEY_HOLDER
    assert answer.status == 202
    assert answer.run_message == RunMessage(GUARD, action.id, START, runs_guard=True)
    address = f"/api/runs/{GUARD}/{action.id}"
    assert says(answer) == {
        "run": action.id, "action": action.id, "status": "queued", "address": address
    }  # fmt: skip
    assert answer.headers["Location"] == address
    assert says(await counter.look("run-report", run=action.id))["status"] == "queued"


async def test_a_run_may_be_restrained_and_never_emboldened() -> None:
    counter = Counter()
    answer = await counter.ask("request-run", {**SAID, "mode": "alert"})
    assert answer.run_message
    assert answer.run_message.mode is Mode.ALERT
    refused = await counter.ask("request-run", {**SAID, "mode": "enforce"}, "app-consent")
    assert (refused.status, refused.run_message) == (409, None)
    assert "only go down" in says(refused)["error"]


async def test_a_plan_is_released_by_its_name() -> None:
    counter = Counter()
    answer = await counter.ask("request-run", {**SAID, "plan": PLAN})
    [action] = await counter.actions()
    assert (answer.status, action.kind, action.subject) == (202, RequestKind.RELEASE, PLAN)


@pytest.mark.parametrize(
    ("body", "guard", "status", "reason"),
    [
        (b"nonsense", GUARD, 400, "not JSON"),
        (b"[" * 4000, GUARD, 400, "not JSON"),
        (b"[]", GUARD, 400, "object"),
        (b'{"who": "a", "who": "b", "why": "c"}', GUARD, 400, "twice"),
        (b"", GUARD, 400, "not JSON"),
        ({}, GUARD, 400, '"who" is missing'),
        ({"who": "Dana"}, GUARD, 400, '"why" is missing'),
        ({**SAID, "who": " "}, GUARD, 400, '"who" is'),
        ({**SAID, "who": ["Dana"]}, GUARD, 400, '"who" is'),
        ({**SAID, "why": "line\nline"}, GUARD, 400, '"why" is'),
        ({**SAID, "why": "\x85"}, GUARD, 400, '"why" is'),
        ({**SAID, "why": "x" * 501}, GUARD, 400, "500 characters"),
        (b'{"who": "Dana", "why": "half of \\ud83d"}', GUARD, 400, "not JSON"),
        ({**SAID, "apply": True}, GUARD, 400, "apply is not known"),
        ({**SAID, "mode": "off"}, GUARD, 400, '"mode" is'),
        ({**SAID, "mode": ["alert"]}, GUARD, 400, '"mode" is'),
        ({**SAID, "plan": "*"}, GUARD, 400, "32 hex digits"),
        ({**SAID, "plan": 7}, GUARD, 400, "32 hex digits"),
        ({**SAID, "plan": None}, GUARD, 400, "32 hex digits"),
        ({**SAID, "plan": PLAN, "mode": "alert"}, GUARD, 409, "alert mode"),
        ({**SAID, "plan": PLAN}, "app-consent", 409, "alert mode"),
        (SAID, "no-such-guard", 404, "there are: shared-mailbox-sign-in"),
        (b'{"mode": "' + b"x" * MAX_BODY_BYTES + b'"}', GUARD, 413, "larger than"),
    ],
)
async def test_what_a_run_cannot_be_asked_for_with_is_named(
    body: Any, guard: str, status: int, reason: str
) -> None:
    counter = Counter()
    answer = await counter.ask("request-run", body, guard)
    assert answer.status == status
    assert reason in says(answer)["error"]
    assert answer.run_message is None
    assert await counter.actions() == ()


async def test_a_guard_that_is_off_is_not_run_but_answers_for_what_it_did() -> None:
    counter = Counter(environ={f"{get_setting_prefix(GUARD)}_MODE": "off"})
    assert (await counter.ask("request-run")).status == 409
    assert (await counter.ask("request-undo", change=hash_parts("it"))).status == 202


async def test_every_field_at_its_longest_fits_however_it_is_written() -> None:
    counter = Counter()
    for route in ROUTES:
        if route.is_write:
            longest = {entry.name: "\U0001f6e1" * entry.max_length for entry in route.parameters}
            assert len(json.dumps(longest)) <= MAX_BODY_BYTES
    said = {"who": "\U0001f6e1" * 200, "why": "\U0001f6e1" * 500}
    assert (await counter.ask("request-run", said)).status == 202


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}],
)
async def test_a_form_of_another_site_is_not_taken(headers: dict[str, str]) -> None:
    counter = Counter()
    call = HttpRequest(
        path_parameters={"guard": GUARD}, headers=headers, body=json.dumps(SAID).encode()
    )
    assert (await counter.send("request-run", call)).status == 415
    foreign = {**JSON, "sec-fetch-site": "cross-site"}
    call = replace(call, headers=foreign)
    assert (await counter.send("request-run", call)).status == 403
    assert await counter.actions() == ()


async def test_who_may_only_look_cannot_act() -> None:
    counter = Counter(who=Caller("reader (id)", "reader", is_operator=False))
    assert (await counter.ask("request-run")).status == 403
    assert await counter.actions() == ()


async def test_who_signed_in_need_not_say_who_they_are() -> None:
    counter = Counter(who=Caller("dana@contoso.com (id)", "dana@contoso.com"))
    await counter.ask("request-run", {"why": "because"})
    [action] = await counter.actions()
    assert (action.requested_by, action.authenticated_as) == (
        "dana@contoso.com",
        "dana@contoso.com (id)",
    )


async def test_who_asks_twice_is_told_of_what_waits_already() -> None:
    counter = Counter()
    first = await counter.ask("request-undo", change=hash_parts("it"))
    counter.clock.advance(minutes=1)
    second = await counter.ask("request-undo", change=hash_parts("it"))
    other = await counter.ask("request-undo", change=hash_parts("another"))
    assert says(first) == says(second)
    assert second.run_message is None
    assert says(other)["action"] != says(first)["action"]
    assert len(await counter.actions()) == 2


async def test_nobody_can_fill_the_ledger() -> None:
    counter = Counter()
    for number in range(MAX_PENDING_REQUESTS):
        counter.clock.advance(seconds=1)
        assert (await counter.ask("request-undo", change=hash_parts(number))).status == 202
    assert (await counter.ask("request-undo", change=hash_parts("more"))).status == 429
    assert len(await counter.actions()) == MAX_PENDING_REQUESTS


async def test_an_exemption_has_a_subject_and_an_end() -> None:
    counter = Counter()
    until = (START + 30 * DAY).isoformat()
    answer = await counter.ask("request-exemption", {**SAID, "subject": "an-id", "until": until})
    [action] = await counter.actions()
    assert (action.kind, action.subject, action.until) == (
        RequestKind.EXEMPT,
        "an-id",
        START + 30 * DAY,
    )
    assert says(answer)["address"] == f"/api/actions/{GUARD}/{action.id}"
    assert says(await counter.look("action-report", action=action.id))["status"] == "asked"


async def test_a_date_begins_at_midnight_utc() -> None:
    counter = Counter()
    await counter.ask("request-exemption", {**SAID, "subject": "x", "until": "2026-12-24"})
    [action] = await counter.actions()
    assert action.until == datetime(2026, 12, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"subject": "*", "until": "2026-12-24"}, "never a pattern"),
        ({"subject": "x", "until": "2026-11-01"}, "in the future"),
        ({"subject": "x", "until": "2028-11-01"}, "within a year"),
        ({"subject": "x", "until": "2026-13-01"}, "no date"),
        ({"subject": "x", "until": "soon"}, '"until" is'),
        ({"subject": "x"}, '"until" is missing'),
        ({"until": "2026-12-24"}, '"subject" is missing'),
        ({"subject": "x" * 300, "until": "2026-12-24"}, '"subject" is'),
    ],
)
async def test_an_exemption_without_bounds_is_refused(wish: dict[str, str], reason: str) -> None:
    counter = Counter()
    answer = await counter.ask("request-exemption", {**SAID, **wish})
    assert answer.status == 400
    assert reason in says(answer)["error"]
    assert await counter.actions() == ()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("request-undo", {"change": "../lease"}),
        ("request-acknowledgement", {"case": "0" * 31}),
        ("run-report", {"run": "lease"}),
        ("action-report", {"action": f"{'0' * 14}-ABCDEF01"}),
        ("run-report", {"run": create_run_id(START)}),
        ("action-report", {"action": create_run_id(START)}),
    ],
)
async def test_an_address_of_nothing_is_not_found(name: str, path: dict[str, str]) -> None:
    call = HttpRequest({"guard": GUARD, **path}, headers=JSON, body=json.dumps(SAID).encode())
    assert (await Counter().send(name, call)).status == 404


async def test_looking_takes_no_parameters_it_does_not_know() -> None:
    answer = await Counter().look("run-report", {"apply": "true"}, run=create_run_id(START))
    assert answer.status == 400


async def test_looking_leaves_no_trace() -> None:
    counter = Counter()
    await counter.ask("request-acknowledgement", case=hash_parts("it"))
    before = dict(counter.ledger.get_partition(GUARD).rows)
    [action] = await counter.actions()
    for route in ROUTES:
        if not route.is_write:
            await counter.look(route.name, run=action.id, action=action.id, case=hash_parts("it"))
    assert counter.ledger.get_partition(GUARD).rows == before


async def test_an_unreadable_ledger_is_said() -> None:
    counter = Counter()
    counter.ledger.is_down = True
    answer = await counter.ask("request-run")
    assert (answer.status, answer.run_message) == (503, None)
    assert "503" in says(answer)["error"]


async def test_settings_that_are_wrong_are_said_to_whoever_asks() -> None:
    answer = await handle_request(ROUTE["run-report"], HttpRequest(), {})
    assert answer.status == 503
    assert "TENANT_ID" in says(answer)["error"]


async def test_a_request_without_sign_in_is_not_served_where_people_sign_in() -> None:
    environ = {**SAMPLES, "SIGN_IN": "entra", "WEBSITE_AUTH_ENABLED": "True"}
    assert (await handle_request(ROUTE["run-report"], HttpRequest(), environ)).status == 401
    assert (
        await handle_request(ROUTE["run-report"], HttpRequest(query={"code": "key"}), SAMPLES)
    ).status == 400


def test_a_ticket_survives_its_message() -> None:
    for mode in (None, Mode.ALERT):
        ticket = RunMessage(GUARD, create_run_id(START), START + timedelta(seconds=1), True, mode)
        assert RunMessage.from_json(ticket.to_json()) == ticket


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"guard": "x"}', "[" * 100_000])
def test_a_message_that_is_no_ticket_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a ticket"):
        RunMessage.from_json(text)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_acts_says_who_and_why(route: Route) -> None:
    names = {entry.name for entry in route.parameters}
    assert route.is_write == (route.method == "POST")
    assert not route.is_write or {"who", "why"} <= names


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


def a_case(number: int = 1, **changes: Any) -> Case:
    """A case of a mailbox."""
    case = Case(
        key=build_object_key(f"m{number}", "audit"),
        kind="audit-off",
        object_id=f"m{number}",
        subject=f"m{number}@contoso.com",
        severity=Severity.HIGH,
        guard_verdict=Verdict.REPAIR,
        verdict=Verdict.REPAIR,
        summary="Nothing is audited.",
        opened_at=START - DAY,
        notified_at=START - DAY,
        facts=("AuditEnabled is false",),
    )
    return replace(case, **changes)


async def remember(counter: Counter, *cases: Case) -> None:
    """Put cases into the ledger."""
    async with counter.ledger.claim(GUARD, "a run") as claim:
        assert claim
        await claim.save(*cases)


async def test_how_everything_stands_is_told_for_every_guard() -> None:
    counter = Counter()
    await remember(counter, a_case())
    told = says(await counter.look("status-json"))
    assert [guard["guard"] for guard in told["guards"]] == [
        duty.guard.name for duty in Settings.read(SAMPLES).guard_configs
    ]
    assert told["open"]["high"] == 1


async def test_a_guard_whose_state_cannot_be_read_is_failing_and_the_others_are_told() -> None:
    counter = Counter()
    counter.ledger.unreadable_guards.add(GUARD)
    told = says(await counter.look("status-json"))
    found = {guard["guard"]: guard["health"] for guard in told["guards"]}
    assert found[GUARD] == told["health"] == "failing"
    assert len(found) > 5


async def test_cases_are_listed_by_choice() -> None:
    counter = Counter()
    closed = a_case(2, closed_at=START, resolution="gone")
    await remember(counter, a_case(1), closed, a_case(3, severity=Severity.LOW))
    every = says(await counter.look("cases-json", {"state": "all", "guard": GUARD}))
    assert every["total"] == 3
    low = says(await counter.look("cases-json", {"severity": "low"}))
    assert [row["subject"] for row in low["cases"]] == ["m3@contoso.com"]
    gone = says(await counter.look("cases-json", {"state": "closed"}))
    assert [row["case"] for row in gone["cases"]] == [closed.key]


@pytest.mark.parametrize(
    "query",
    [{"guard": "nobody"}, {"severity": "info"}, {"state": "x"}, {"page": "0"}, {"page": "9" * 7}],
)
async def test_a_choice_that_is_not_on_offer_is_refused(query: dict[str, str]) -> None:
    assert (await Counter().look("cases-json", query)).status == 400


async def test_a_case_is_told_with_its_evidence_and_what_people_did() -> None:
    counter = Counter()
    case = a_case()
    await remember(counter, case)
    await counter.ask("request-acknowledgement", case=case.key)
    told = says(await counter.look("case-json", case=case.key))
    assert told["facts"] == ["AuditEnabled is false"]
    assert [row["kind"] for row in told["actions"]] == ["acknowledge"]
    assert (await counter.look("case-json", case=hash_parts("another"))).status == 404


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_evidence_comes_with_its_digest(form: str) -> None:
    counter = Counter()
    await remember(counter, a_case())
    query = {"from": "2026-11-01", "to": "2026-11-21", "format": form}
    answer = await counter.look("export", query)
    assert isinstance(answer.body, bytes)
    assert answer.status == 200
    assert b"m1@contoso.com" in answer.body
    checked = verify_export(answer.body.splitlines(keepends=True), answer.headers["Repr-Digest"])
    assert checked.intact
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"from": "2026-11-01"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"from": "2026-11-01", "to": "2026-11-02", "format": "pdf"},
        {"from": "yesterday", "to": "2026-11-02"},
    ],
)
async def test_a_period_that_is_none_is_refused(query: dict[str, str]) -> None:
    assert (await Counter().look("export", query)).status == 400
