"""The commands that submit requests: who and why, preview, consent and result."""

import json
import shlex
from typing import Any

import pytest

from core.cli.api_client import (
    EXIT_OK,
    EXIT_PROBLEM,
    EXIT_REFUSED,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    ApiResponse,
)
from core.keys import hash_parts
from core.web import instructions
from tests.support.local_app import (
    APP_URL,
    GUARD_NAME,
    RAISE_AUDIT_AGE_CHANGE,
    WHY_OPTIONS,
    LocalApp,
    build_applied_change,
    build_open_case,
)

PLAN = hash_parts("a plan")
CASE = build_open_case()
CHANGE = build_applied_change()
ACKNOWLEDGE_PATH = f"/api/cases/{GUARD_NAME}/{CASE.key}/acknowledge"


def build_app(**other: Any) -> LocalApp:
    app = LocalApp(**other)
    app.save_rows(CASE, CHANGE)
    return app


def test_a_request_without_a_reason_is_not_submitted() -> None:
    app = build_app()
    result = app.run_command("acknowledge", CASE.short_key, "--yes")
    assert (result.exit_code, app.posts) == (EXIT_USAGE, [])
    assert "--why" in result.err


def test_all_that_is_missing_is_named_at_once() -> None:
    app = build_app()
    result = app.run_command("exempt", "--yes")
    assert (result.exit_code, app.posts) == (EXIT_USAGE, [])
    for word in ("GUARD", "SUBJECT...", "--until", "--why"):
        assert f"'{word}'" in result.err
    result = app.run_command("exempt", GUARD_NAME, "--why", "because", "--yes")
    assert "Missing: argument 'SUBJECT...', option '--until'." in result.err


def test_several_cases_are_acknowledged_with_one_reason_and_one_consent() -> None:
    app, other = build_app(is_terminal=True, typed_answers=["y\n"]), build_open_case(2)
    app.save_rows(other)
    result = app.run_command(
        "acknowledge", CASE.short_key, other.key, CASE.key, *WHY_OPTIONS, "--wait"
    )
    assert (result.exit_code, len(app.prompts)) == (EXIT_OK, 1)
    other_path = f"/api/cases/{GUARD_NAME}/{other.key}/acknowledge"
    assert [path for path, _ in app.posts] == [ACKNOWLEDGE_PATH, other_path]
    assert {body["why"] for _, body in app.posts} == {"because"}
    for address in ("box1@contoso.com", "box2@contoso.com"):
        assert address in result.err
    assert result.out.count("not brought up again until it changes") == 2


def test_of_several_cases_an_unknown_one_stops_all_before_anything_is_requested() -> None:
    app = build_app()
    result = app.run_command("acknowledge", CASE.short_key, "0badcafe", *WHY_OPTIONS, "--yes")
    assert (result.exit_code, app.posts) == (EXIT_UNAVAILABLE, [])


def test_of_several_cases_a_refused_one_keeps_no_other_from_being_requested() -> None:
    app, other = build_app(), build_open_case(2)
    app.save_rows(other)
    refusal = ApiResponse(409, b'{"error": "not this one"}')
    app.canned_replies[ACKNOWLEDGE_PATH] = refusal
    result = app.run_command("acknowledge", CASE.key, other.key, *WHY_OPTIONS, "--yes")
    assert (result.exit_code, len(app.posts)) == (EXIT_REFUSED, 2)
    assert f"of case {CASE.key} until it changes: refused: not this one" in result.err
    assert "Request recorded" in result.out


def test_without_a_terminal_a_request_needs_yes() -> None:
    app = build_app()
    result = app.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS)
    assert (result.exit_code, app.posts, app.prompts) == (EXIT_USAGE, [], [])
    assert "use --yes to skip it" in result.err


@pytest.mark.parametrize("answer", ["", "n\n", "no", "q", "yess"])
def test_without_consent_nothing_is_submitted(answer: str) -> None:
    app = build_app(is_terminal=True, typed_answers=[answer])
    result = app.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS)
    assert (result.exit_code, app.posts, len(app.prompts)) == (EXIT_REFUSED, [], 1)
    assert "Nothing was requested." in result.err


def test_an_operator_sees_what_will_happen_and_agrees() -> None:
    app = build_app(is_terminal=True, typed_answers=["y\n"])
    result = app.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS)
    assert result.exit_code == EXIT_OK
    assert app.posts == [(ACKNOWLEDGE_PATH, {"who": "dana@laptop", "why": "because"})]
    assert "box1@contoso.com" in result.err
    assert "requested by dana@laptop: because" in result.err
    assert APP_URL in result.err


def test_an_undo_shows_the_values_it_restores() -> None:
    app = build_app(is_terminal=True)
    result = app.run_command("undo", GUARD_NAME, CHANGE.id, *WHY_OPTIONS)
    assert "EnableMailboxAudit · box1@contoso.com" in result.err
    assert "restores AuditEnabled = false" in result.err


def test_an_undo_that_will_be_refused_is_announced_before_consent() -> None:
    app = LocalApp(is_terminal=True)
    app.save_rows(CASE, build_applied_change(**RAISE_AUDIT_AGE_CHANGE))
    result = app.run_command("undo", GUARD_NAME, CHANGE.id, *WHY_OPTIONS)
    assert "it will be refused: a lower AuditLogAgeLimit deletes" in result.err


def test_the_release_of_an_unknown_plan_is_announced() -> None:
    result = build_app(is_terminal=True).run_command("release", GUARD_NAME, PLAN, *WHY_OPTIONS)
    assert "the status lists no plan with this hash" in result.err


def test_the_changes_of_a_plan_are_shown() -> None:
    app = build_app(is_terminal=True)
    decision = {
        "guard": GUARD_NAME,
        "plan": PLAN,
        "would_change": [{"kind": "EnableMailboxAudit", "subject": "\x1b[31mred"}],
        "list_is_exact": False,
    }
    body = json.dumps({"decisions": [decision]}).encode()
    app.canned_replies["/api/status.json"] = ApiResponse(200, body)
    result = app.run_command("release", GUARD_NAME, PLAN, *WHY_OPTIONS)
    assert "EnableMailboxAudit · \\u001b[31mred" in result.err
    assert "more that are not listed here" in result.err


def test_a_request_is_recorded_and_its_result_can_be_shown() -> None:
    app = build_app(is_idle=True)
    result = app.run_command("acknowledge", CASE.key, *WHY_OPTIONS, "--yes", "--who", "Eve")
    [(_, body)] = app.posts
    assert (result.exit_code, body["who"]) == (EXIT_OK, "Eve")
    number = result.out.split()[-1]
    followed = app.run_command("request", GUARD_NAME, number, "--json")
    assert json.loads(followed.out)["status"] == "requested"


def test_waiting_prints_the_result() -> None:
    app = build_app()
    result = app.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS, "--yes", "--wait")
    assert result.exit_code == EXIT_OK
    assert "not brought up again until it changes" in result.out
    again = app.run_command(
        "acknowledge", CASE.short_key, *WHY_OPTIONS, "--yes", "--wait", "--json"
    )
    assert json.loads(again.out)["note"].startswith("it was acknowledged by dana@laptop")


def test_a_request_the_guard_refuses_exits_with_3() -> None:
    app = build_app()
    result = app.run_command("unexempt", GUARD_NAME, "nobody", *WHY_OPTIONS, "--yes", "--wait")
    assert result.exit_code == EXIT_REFUSED
    assert "no exemption is in force" in result.out


def test_one_answer_that_does_not_come_says_nothing_of_a_request() -> None:
    app = build_app(outages=["/api/requests/"] * 2)
    words = ("acknowledge", CASE.short_key, *WHY_OPTIONS, "--yes", "--wait")
    result = app.run_command(*words)
    assert (result.exit_code, "not brought up again" in result.out) == (EXIT_OK, True)
    app = build_app(outages=["/api/requests/"] * 9)
    result = app.run_command(*words)
    assert result.exit_code == EXIT_UNAVAILABLE
    assert "the request is recorded, but its result is not known" in result.err


def test_what_was_not_requested_for_want_of_an_answer_is_named() -> None:
    cases = [build_open_case(number) for number in (2, 3, 4)]
    app = LocalApp(outages=[f"/api/cases/{GUARD_NAME}/{cases[1].key}/acknowledge"])
    app.save_rows(*cases)
    keys = [case.key for case in cases]
    result = app.run_command("acknowledge", *keys, "--guard", GUARD_NAME, *WHY_OPTIONS, "--yes")
    assert result.exit_code == EXIT_UNAVAILABLE
    assert len(app.posts) == 2
    assert result.err.count("not requested: ") == 1
    assert keys[2] in result.err.rpartition("not requested: ")[2]


def test_waiting_ends_after_the_timeout_with_the_address() -> None:
    app = build_app(is_idle=True)
    result = app.run_command(
        "acknowledge", CASE.short_key, *WHY_OPTIONS, "--yes", "--wait", "--timeout", "30"
    )
    assert result.exit_code == EXIT_UNAVAILABLE
    assert "not done within 30 s; the request is still pending: see /api/requests/" in result.err
    assert 30 <= sum(app.waits) < 45
    assert app.waits == sorted(app.waits)


def test_a_failed_run_exits_with_1() -> None:
    app = LocalApp()
    number = "30708425056706-52e65694"
    path = f"/api/guards/{GUARD_NAME}/run"
    address = f"/api/runs/{GUARD_NAME}/{number}"
    taken = {"run": number, "request": number, "status": "queued", "address": address}
    failed = {"guard": GUARD_NAME, "run": number, "status": "failed", "error": "no\x1bne"}
    app.canned_replies[path] = ApiResponse(202, json.dumps(taken).encode())
    app.canned_replies[address] = ApiResponse(200, json.dumps(failed).encode())
    result = app.run_command("run", GUARD_NAME, *WHY_OPTIONS, "--yes", "--wait")
    assert result.exit_code == EXIT_PROBLEM
    assert "no\\u001bne" in result.out


def test_an_exemption_ends_after_so_many_days() -> None:
    app = build_app()
    result = app.run_command(
        "exempt", GUARD_NAME, CASE.short_key, "--until", "30d", *WHY_OPTIONS, "--yes", "--wait"
    )
    [(path, body)] = app.posts
    assert (result.exit_code, path) == (EXIT_OK, f"/api/guards/{GUARD_NAME}/exemptions")
    assert (body["subject"], body["until"]) == (CASE.key, "2026-12-20T06:00:00+00:00")
    assert "1 open cases ended" in result.out


def test_several_cases_are_exempt_for_one_reason() -> None:
    app, other = build_app(), build_open_case(2)
    app.save_rows(other)
    result = app.run_command(
        "exempt",
        *(GUARD_NAME, CASE.short_key, other.key, CASE.key, "--until", "30d"),
        *(*WHY_OPTIONS, "--yes", "--wait"),
    )
    assert result.exit_code == EXIT_OK
    assert [body["subject"] for _, body in app.posts] == [CASE.key, other.key]


def test_an_object_id_is_used_unchanged() -> None:
    app = LocalApp()
    subject = "11111111-0000-4000-8000-000000000001"
    app.run_command("exempt", GUARD_NAME, subject, "--until", "2026-12-01", *WHY_OPTIONS, "--yes")
    [(_, body)] = app.posts
    assert (body["subject"], body["until"]) == (subject, "2026-12-01T00:00:00+00:00")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "no-such-guard"),
        ("run", "../../admin"),
        ("release", GUARD_NAME, "*"),
        ("undo", GUARD_NAME, "abc"),
        ("exempt", GUARD_NAME, "it", "--until", "soon"),
        ("exempt", GUARD_NAME, "it"),
        ("acknowledge", "???"),
        ("acknowledge",),
        ("no-such-command",),
        ("run", GUARD_NAME, "--no-such-option"),
        ("run", GUARD_NAME, "--wait", "--timeout", "0"),
    ],
)
def test_an_invalid_command_line_submits_nothing(words: tuple[str, ...]) -> None:
    app = build_app()
    result = app.run_command(*words, *WHY_OPTIONS, "--yes")
    assert (result.exit_code, app.posts) == (EXIT_USAGE, [])
    assert result.err


def test_a_refusal_of_the_app_is_printed() -> None:
    app = build_app()
    result = app.run_command("exempt", GUARD_NAME, "it", "--until", "999d", *WHY_OPTIONS, "--yes")
    assert result.exit_code == EXIT_REFUSED
    assert "refused: an exemption ends in the future, within a year" in result.err


def test_one_of_many_cases_is_found_by_the_end_of_its_key_with_one_request() -> None:
    app = LocalApp()
    cases = [build_open_case(number) for number in range(250)]
    app.save_rows(*cases)
    assert app.run_command("case", cases[-1].short_key).exit_code == EXIT_OK
    assert app.reads.count("/api/cases.json") == 1


def test_a_request_shows_how_it_was_authenticated_beside_who_made_it_in_his_own_words() -> None:
    app = build_app()
    app.run_command("acknowledge", CASE.short_key, "--who", "Eve", *WHY_OPTIONS, "--yes")
    assert "Eve (function key): because" in " ".join(app.run_command("requests").out.split())


def test_the_end_of_several_keys_is_ambiguous() -> None:
    app = LocalApp()
    keys = [f"{number:024x}0badcafe" for number in (1, 2)]
    app.save_rows(*(build_open_case(number, key=key) for number, key in enumerate(keys)))
    result = app.run_command("acknowledge", "0badcafe", *WHY_OPTIONS, "--yes")
    assert (result.exit_code, app.posts) == (EXIT_USAGE, [])
    assert "ambiguous" in result.err
    assert all(key in result.err for key in keys)


def test_an_open_case_is_chosen_before_a_closed_one() -> None:
    app = LocalApp()
    ended = build_open_case(
        2, key="1" * 24 + "0badcafe", closed_at=build_open_case().opened_at, resolution="done"
    )
    still_open = build_open_case(3, key="2" * 24 + "0badcafe")
    app.save_rows(ended, still_open)
    app.run_command("acknowledge", "0badcafe", *WHY_OPTIONS, "--yes")
    [(path, _)] = app.posts
    assert still_open.key in path


@pytest.mark.parametrize(
    "instruction",
    [
        instructions.explain_acknowledgement(GUARD_NAME, CASE.key),
        instructions.explain_exemption(GUARD_NAME, CASE.key),
        instructions.explain_exemption_end(GUARD_NAME, CASE.key),
        instructions.explain_undo(GUARD_NAME, CHANGE.id),
        instructions.explain_release(GUARD_NAME, PLAN),
    ],
    ids=lambda instruction: str(instruction.kind),
)
def test_the_command_on_a_page_submits_the_same_request(
    instruction: instructions.Instruction,
) -> None:
    app = build_app()
    words = shlex.split(instruction.command.replace(instructions.EXAMPLE_UNTIL, "2026-12-24"))
    assert words[0] == "exo"
    app.run_command(*words[1:], "--yes")
    [(path, body)] = app.posts
    curl = shlex.split(instruction.http_request)
    assert curl[curl.index("--request") + 1] == "POST"
    assert f"{instructions.EXAMPLE_ADDRESS}{path}" in curl
    assert body.keys() == json.loads(curl[curl.index("--data") + 1]).keys()
