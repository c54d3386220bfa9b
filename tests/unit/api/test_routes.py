"""What the HTTP API accepts and refuses, and what it records in the ledger."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.api.authentication import KEY_HOLDER, Caller
from core.api.request import HttpRequest, HttpResponse
from core.api.routes import ROUTES
from core.api.server import MAX_BODY_BYTES, handle_request
from core.api.write_handlers import MAX_PENDING_REQUESTS
from core.config.settings import Settings, get_setting_prefix, list_settings
from core.engine.run import create_run_id
from core.evidence.file_format import verify_export
from core.jobs.run_requests import RunMessage
from core.keys import hash_parts
from core.model.findings import Severity
from core.model.guards import Mode
from core.model.requests import RequestKind
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY
from tests.unit.api.harness import (
    GUARD,
    JSON_HEADERS,
    PLAN,
    ROUTE,
    SAMPLES,
    WHO_AND_WHY,
    ApiHarness,
    build_audit_case,
    save_cases,
)


def parse_body(response: HttpResponse) -> Any:
    """The JSON document of a response."""
    assert response.headers["Cache-Control"] == "no-store"
    return json.loads(response.body)


async def test_a_run_is_requested_with_who_and_why() -> None:
    api = ApiHarness()
    response = await api.post("request-run")
    [operator_request] = await api.list_requests()
    assert (operator_request.kind, operator_request.requested_by, operator_request.reason) == (
        RequestKind.RUN,
        "Dana",
        "because",
    )
    assert operator_request.authenticated_as == KEY_HOLDER
    assert response.status == 202
    [message] = response.run_messages
    assert message == RunMessage(GUARD, operator_request.id, START, runs_guard=True)
    address = f"/api/runs/{GUARD}/{operator_request.id}"
    assert parse_body(response) == {
        "run": operator_request.id,
        "request": operator_request.id,
        "status": "queued",
        "address": address,
    }
    assert response.headers["Location"] == address
    assert parse_body(await api.get("run-report", run=operator_request.id))["status"] == "queued"


async def test_a_run_may_use_a_stricter_mode_and_never_a_looser_one() -> None:
    api = ApiHarness()
    response = await api.post("request-run", {**WHO_AND_WHY, "mode": "alert"})
    assert response.run_messages
    (operator_request,) = await api.list_requests()
    assert operator_request.mode is Mode.ALERT
    refused = await api.post("request-run", {**WHO_AND_WHY, "mode": "enforce"}, "app-consent")
    assert (refused.status, refused.run_messages) == (409, ())
    assert "only be stricter" in parse_body(refused)["error"]


async def test_a_plan_is_released_by_its_name() -> None:
    api = ApiHarness()
    response = await api.post("request-run", {**WHO_AND_WHY, "plan": PLAN})
    [operator_request] = await api.list_requests()
    assert (response.status, operator_request.kind, operator_request.subject) == (
        202,
        RequestKind.RELEASE,
        PLAN,
    )


@pytest.mark.parametrize(
    ("body", "guard", "status", "reason"),
    [
        (b"nonsense", GUARD, 400, "not JSON"),
        (b"[" * 4000, GUARD, 400, "not JSON"),
        (b"[]", GUARD, 400, "object"),
        (b'{"who": "a", "who": "b", "why": "c"}', GUARD, 400, "repeats a name"),
        (b"", GUARD, 400, "not JSON"),
        ({}, GUARD, 400, '"who" is missing'),
        ({"who": "Dana"}, GUARD, 400, '"why" is missing'),
        ({**WHO_AND_WHY, "who": " "}, GUARD, 400, '"who" is'),
        ({**WHO_AND_WHY, "who": ["Dana"]}, GUARD, 400, '"who" is'),
        ({**WHO_AND_WHY, "why": "line\nline"}, GUARD, 400, '"why" is'),
        ({**WHO_AND_WHY, "why": "\x85"}, GUARD, 400, '"why" is'),
        ({**WHO_AND_WHY, "why": "x" * 501}, GUARD, 400, "500 characters"),
        (b'{"who": "Dana", "why": "half of \\ud83d"}', GUARD, 400, "not JSON"),
        ({**WHO_AND_WHY, "apply": True}, GUARD, 400, "apply is not a known parameter"),
        ({**WHO_AND_WHY, "mode": "off"}, GUARD, 400, '"mode" is'),
        ({**WHO_AND_WHY, "mode": ["alert"]}, GUARD, 400, '"mode" is'),
        ({**WHO_AND_WHY, "plan": "*"}, GUARD, 400, "32 hex digits"),
        ({**WHO_AND_WHY, "plan": 7}, GUARD, 400, "32 hex digits"),
        ({**WHO_AND_WHY, "plan": None}, GUARD, 400, "32 hex digits"),
        ({**WHO_AND_WHY, "plan": PLAN, "mode": "alert"}, GUARD, 409, "alert mode"),
        ({**WHO_AND_WHY, "plan": PLAN}, "app-consent", 409, "alert mode"),
        (WHO_AND_WHY, "no-such-guard", 404, "the guards are: shared-mailbox-sign-in"),
        (b'{"mode": "' + b"x" * MAX_BODY_BYTES + b'"}', GUARD, 413, "larger than"),
    ],
)
async def test_an_invalid_run_request_is_refused_with_the_reason(
    body: Any, guard: str, status: int, reason: str
) -> None:
    api = ApiHarness()
    response = await api.post("request-run", body, guard)
    assert response.status == status
    assert reason in parse_body(response)["error"]
    assert response.run_messages == ()
    assert await api.list_requests() == ()


async def test_a_guard_that_is_off_does_not_run_but_its_changes_can_be_undone() -> None:
    api = ApiHarness(environ={f"{get_setting_prefix(GUARD)}_MODE": "off"})
    assert (await api.post("request-run")).status == 409
    assert (await api.post("request-undo", change=hash_parts("it"))).status == 202


async def test_every_field_at_its_longest_fits_however_it_is_escaped() -> None:
    api = ApiHarness()
    for route in ROUTES:
        if route.is_write:
            # A list holds keys, which are ASCII.
            signs = {entry: "a" if entry.is_list else "\U0001f6e1" for entry in route.parameters}
            longest = {entry.name: sign * entry.max_length for entry, sign in signs.items()}
            assert len(json.dumps(longest)) <= MAX_BODY_BYTES
    longest = {"who": "\U0001f6e1" * 200, "why": "\U0001f6e1" * 500}
    assert (await api.post("request-run", longest)).status == 202


@pytest.mark.parametrize(
    "headers",
    [{}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}],
)
async def test_a_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    api = ApiHarness()
    request = HttpRequest(
        path_parameters={"guard": GUARD}, headers=headers, body=json.dumps(WHO_AND_WHY).encode()
    )
    assert (await api.send("request-run", request)).status == 415
    foreign = {**JSON_HEADERS, "sec-fetch-site": "cross-site"}
    request = replace(request, headers=foreign)
    assert (await api.send("request-run", request)).status == 403
    assert await api.list_requests() == ()


async def test_a_reader_cannot_write() -> None:
    api = ApiHarness(caller=Caller("reader (id)", "reader", is_operator=False))
    assert (await api.post("request-run")).status == 403
    assert await api.list_requests() == ()


async def test_a_signed_in_operator_need_not_give_a_name() -> None:
    api = ApiHarness(caller=Caller("dana@contoso.com (id)", "dana@contoso.com"))
    await api.post("request-run", {"why": "because"})
    [operator_request] = await api.list_requests()
    assert (operator_request.requested_by, operator_request.authenticated_as) == (
        "dana@contoso.com",
        "dana@contoso.com (id)",
    )


async def test_a_repeated_request_points_to_the_pending_one() -> None:
    api = ApiHarness()
    first = await api.post("request-undo", change=hash_parts("it"))
    api.clock.advance(minutes=1)
    second = await api.post("request-undo", change=hash_parts("it"))
    other = await api.post("request-undo", change=hash_parts("another"))
    assert parse_body(first) == parse_body(second)
    # The first message may never have reached the queue.
    assert second.run_messages == first.run_messages != ()
    assert parse_body(other)["request"] != parse_body(first)["request"]
    assert len(await api.list_requests()) == 2


async def test_pending_requests_cannot_fill_the_ledger() -> None:
    api = ApiHarness()
    for number in range(MAX_PENDING_REQUESTS):
        api.clock.advance(seconds=1)
        assert (await api.post("request-undo", change=hash_parts(number))).status == 202
    assert (await api.post("request-undo", change=hash_parts("more"))).status == 429
    assert len(await api.list_requests()) == MAX_PENDING_REQUESTS


async def test_an_exemption_has_a_subject_and_an_end() -> None:
    api = ApiHarness()
    until = (START + 30 * DAY).isoformat()
    response = await api.post(
        "request-exemption", {**WHO_AND_WHY, "subject": "an-id", "until": until}
    )
    [operator_request] = await api.list_requests()
    assert (operator_request.kind, operator_request.subject, operator_request.until) == (
        RequestKind.EXEMPT,
        "an-id",
        START + 30 * DAY,
    )
    assert parse_body(response)["address"] == f"/api/requests/{GUARD}/{operator_request.id}"
    assert (
        parse_body(await api.get("request-report", request=operator_request.id))["status"]
        == "requested"
    )


async def test_a_date_begins_at_midnight_utc() -> None:
    api = ApiHarness()
    await api.post("request-exemption", {**WHO_AND_WHY, "subject": "x", "until": "2026-12-24"})
    [operator_request] = await api.list_requests()
    assert operator_request.until == datetime(2026, 12, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"subject": "*", "until": "2026-12-24"}, "never a pattern"),
        ({"subject": "x", "until": "2026-11-01"}, "in the future"),
        ({"subject": "x", "until": "2028-11-01"}, "within a year"),
        ({"subject": "x", "until": "2026-13-01"}, "not a valid date; use YYYY-MM-DD"),
        ({"subject": "x", "until": "soon"}, '"until" is'),
        ({"subject": "x"}, '"until" is missing'),
        ({"until": "2026-12-24"}, '"subject" is missing'),
        ({"subject": "x" * 300, "until": "2026-12-24"}, '"subject" is'),
    ],
)
async def test_an_exemption_without_bounds_is_refused(fields: dict[str, str], reason: str) -> None:
    api = ApiHarness()
    response = await api.post("request-exemption", {**WHO_AND_WHY, **fields})
    assert response.status == 400
    assert reason in parse_body(response)["error"]
    assert await api.list_requests() == ()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("request-undo", {"change": "../lease"}),
        ("request-acknowledgement", {"case": "0" * 31}),
        ("run-report", {"run": "lease"}),
        ("request-report", {"request": f"{'0' * 14}-ABCDEF01"}),
        ("run-report", {"run": create_run_id(START)}),
        ("request-report", {"request": create_run_id(START)}),
    ],
)
async def test_an_unknown_id_is_not_found(name: str, path: dict[str, str]) -> None:
    request = HttpRequest(
        {"guard": GUARD, **path}, headers=JSON_HEADERS, body=json.dumps(WHO_AND_WHY).encode()
    )
    assert (await ApiHarness().send(name, request)).status == 404


async def test_a_read_refuses_unknown_parameters() -> None:
    response = await ApiHarness().get("run-report", {"apply": "true"}, run=create_run_id(START))
    assert response.status == 400


async def test_a_read_leaves_no_trace() -> None:
    api = ApiHarness()
    await api.post("request-acknowledgement", case=hash_parts("it"))
    before = dict(api.ledger.get_partition(GUARD).rows)
    [operator_request] = await api.list_requests()
    for route in ROUTES:
        if not route.is_write:
            await api.get(
                route.name,
                run=operator_request.id,
                request=operator_request.id,
                case=hash_parts("it"),
            )
    assert api.ledger.get_partition(GUARD).rows == before


async def test_an_unreadable_ledger_answers_503() -> None:
    api = ApiHarness()
    api.ledger.is_down = True
    response = await api.post("request-run")
    assert (response.status, response.run_messages) == (503, ())
    assert "503" in parse_body(response)["error"]


async def test_invalid_settings_answer_503_with_their_names() -> None:
    response = await handle_request(ROUTE["run-report"], HttpRequest(), {})
    assert response.status == 503
    assert "TENANT_ID" in parse_body(response)["error"]


async def test_a_request_without_sign_in_is_refused_when_sign_in_is_required() -> None:
    environ = {**SAMPLES, "SIGN_IN": "entra", "WEBSITE_AUTH_ENABLED": "True"}
    assert (await handle_request(ROUTE["run-report"], HttpRequest(), environ)).status == 401
    assert (
        await handle_request(ROUTE["run-report"], HttpRequest(query={"code": "key"}), SAMPLES)
    ).status == 400


def test_a_run_message_survives_its_json() -> None:
    message = RunMessage(GUARD, create_run_id(START), START + timedelta(seconds=1), True)
    assert RunMessage.from_json(message.to_json()) == message


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"runs_guard":true', '"runs_guard":"yes"'),
        ('"runs_guard":true', '"runs_guard":true,"runs_guard":false'),
        ('"runs_guard":true', '"runs_guard":true,"colour":"red"'),
        (',"runs_guard":true', ""),
        ('"runs_guard":true', '"runs_guard":true,"mode":"alert"'),
        ('Z"', '"'),
        ('"2026-', '"0001-'),
        ('"2026-', '"9999-'),
    ],
)
def test_a_run_message_with_a_wrong_field_is_refused(was: str, becomes: str) -> None:
    text = RunMessage(GUARD, create_run_id(START), START, True).to_json()
    assert was in text
    with pytest.raises(ValueError, match="not a run message"):
        RunMessage.from_json(text.replace(was, becomes))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"guard": "x"}', "[" * 100_000])
def test_a_malformed_run_message_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a run message"):
        RunMessage.from_json(text)


def test_every_write_requires_who_and_why() -> None:
    for route in ROUTES:
        names = {entry.name for entry in route.parameters}
        assert route.is_write == (route.method == "POST"), route.name
        assert not route.is_write or route.is_preview or {"who", "why"} <= names, route.name


# ----------------------------------------------------------------------------------------------
# Reads
# ----------------------------------------------------------------------------------------------


async def test_the_status_covers_every_guard() -> None:
    api = ApiHarness()
    await save_cases(api, build_audit_case())
    document = parse_body(await api.get("status-json"))
    assert [guard["guard"] for guard in document["guards"]] == [
        duty.guard.name for duty in Settings.read(SAMPLES).guard_configs
    ]
    assert document["open"]["high"] == 1


async def test_a_guard_with_unreadable_state_is_failing_and_the_others_are_reported() -> None:
    api = ApiHarness()
    api.ledger.unreadable_guards.add(GUARD)
    document = parse_body(await api.get("status-json"))
    found = {guard["guard"]: guard["health"] for guard in document["guards"]}
    assert found[GUARD] == document["health"] == "failing"
    assert len(found) > 5


async def test_a_list_of_cases_names_the_guards_whose_cases_are_missing() -> None:
    api = ApiHarness()
    await save_cases(api, build_audit_case(1))
    assert parse_body(await api.get("cases-json"))["unreadable"] == []
    api.ledger.unreadable_guards.add(GUARD)
    found = parse_body(await api.get("cases-json"))
    assert (found["total"], found["unreadable"]) == (0, [GUARD])
    assert parse_body(await api.get("cases-json", {"guard": "app-consent"}))["unreadable"] == []
    for name in ("status-page", "cases-page", "requests-page", "permissions-page"):
        assert "Incomplete" in str((await api.get(name)).body)
    page = str((await api.get("coverage-page")).body)
    assert f"{GUARD} has a state that cannot be read now" in page


async def test_the_status_says_what_else_of_the_state_cannot_be_read() -> None:
    api = ApiHarness()
    api.ledger.is_down = True
    reasons = [one["text"] for one in parse_body(await api.get("status-json"))["reasons"]]
    assert "how the audit logs are read cannot be read now" in reasons
    page = str((await api.get("permissions-page")).body)
    assert "How the audit logs are read cannot be read now." in page


async def test_a_guard_that_has_not_scanned_is_not_said_to_tell_anything() -> None:
    page = str((await ApiHarness().get("coverage-page")).body)
    assert f"{GUARD} has not scanned yet" in page


@pytest.mark.parametrize("name", ["cases-csv", "cases-jsonl"])
async def test_a_file_of_cases_is_complete_or_is_none(name: str) -> None:
    api = ApiHarness()
    api.ledger.unreadable_guards.add(GUARD)
    refused = await api.get(name)
    assert refused.status == 503
    assert GUARD in parse_body(refused)["error"]
    assert (await api.get(name, {"guard": "app-consent"})).status == 200


async def test_cases_are_filtered() -> None:
    api = ApiHarness()
    closed = build_audit_case(2, closed_at=START, resolution="gone")
    await save_cases(api, build_audit_case(1), closed, build_audit_case(3, severity=Severity.LOW))
    every = parse_body(await api.get("cases-json", {"state": "all", "guard": GUARD}))
    assert every["total"] == 3
    low = parse_body(await api.get("cases-json", {"severity": "low"}))
    assert [row["subject"] for row in low["cases"]] == ["m3@contoso.com"]
    gone = parse_body(await api.get("cases-json", {"state": "closed"}))
    assert [row["case"] for row in gone["cases"]] == [closed.key]


@pytest.mark.parametrize(
    "query",
    [{"guard": "nobody"}, {"severity": "info"}, {"state": "x"}, {"page": "0"}, {"page": "9" * 7}],
)
async def test_an_invalid_filter_is_refused(query: dict[str, str]) -> None:
    assert (await ApiHarness().get("cases-json", query)).status == 400


async def test_selected_cases_come_as_a_file_that_no_spreadsheet_runs() -> None:
    api = ApiHarness()
    await save_cases(
        api,
        build_audit_case(
            1, summary='=HYPERLINK("http://evil.example")', subject="gpj.\u202eexe\r\nx"
        ),
        build_audit_case(2, severity=Severity.LOW),
    )
    table = (await api.get("cases-csv")).body
    assert isinstance(table, bytes)
    assert b"'=HYPERLINK" in table
    assert b"gpj.\\u202eexe\\u000d\\u000ax" in table
    assert len(table.splitlines()) == 3
    chosen = await api.get("cases-jsonl", {"severity": "low", "state": "all"})
    assert isinstance(chosen.body, bytes)
    rows = [json.loads(line) for line in chosen.body.splitlines()]
    assert [row["severity"] for row in rows] == ["low"]
    assert "attachment" in chosen.headers["Content-Disposition"]
    empty = await api.get("cases-csv", {"q": "nobody"})
    assert empty.body == table.splitlines(keepends=True)[0]


async def test_an_object_has_a_page_and_one_that_is_unknown_has_none() -> None:
    api = ApiHarness()
    one = build_audit_case(1)
    await save_cases(api, one)
    page = await api.get("object-page", object=one.key[:8])
    assert page.status == 200
    assert one.short_key not in page.headers.values()
    assert one.key in str(page.body)
    assert (await api.get("object-page", object="0" * 8)).status == 404
    assert (await api.get("object-page", object="../status")).status == 404


async def test_the_page_of_settings_shows_every_setting_and_no_secret() -> None:
    api = ApiHarness(environ={"CLIENT_SECRET": "hunter2hunter2", "TENANT_NAME": "<b>Contoso"})
    page = str((await api.get("settings-page")).body)
    for setting in list_settings():
        assert f"<code>{setting.name}</code>" in page
        assert not (setting.is_secret and setting.sample_text) or setting.sample_text not in page
    assert "hunter2hunter2" not in page
    assert "&lt;b&gt;Contoso" in page


@pytest.mark.parametrize("name", ["requests-page", "permissions-page", "coverage-page"])
async def test_requests_and_permissions_have_pages_of_their_own(name: str) -> None:
    assert (await ApiHarness().get(name)).status == 200


async def test_a_case_has_its_facts_and_requests() -> None:
    api = ApiHarness()
    case = build_audit_case()
    await save_cases(api, case)
    await api.post("request-acknowledgement", case=case.key)
    document = parse_body(await api.get("case-json", case=case.key))
    assert document["facts"] == ["AuditEnabled is false"]
    assert [row["kind"] for row in document["requests"]] == ["acknowledge"]
    assert (await api.get("case-json", case=hash_parts("another"))).status == 404


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_evidence_comes_with_its_digest(form: str) -> None:
    api = ApiHarness()
    await save_cases(api, build_audit_case())
    query = {"from": "2026-11-01", "to": "2026-11-21", "format": form}
    response = await api.get("export", query)
    assert isinstance(response.body, bytes)
    assert response.status == 200
    assert b"m1@contoso.com" in response.body
    checked = verify_export(
        response.body.splitlines(keepends=True), response.headers["Repr-Digest"]
    )
    assert checked.intact
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"from": "2026-11-01"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"from": "0001-01-01", "to": "0001-01-02"},
        {"from": "2026-11-01", "to": "2026-11-02", "format": "pdf"},
        {"from": "yesterday", "to": "2026-11-02"},
    ],
)
async def test_an_invalid_period_is_refused(query: dict[str, str]) -> None:
    assert (await ApiHarness().get("export", query)).status == 400
