"""Asking for something: who and why, what will happen shown first, and what came of it."""

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
ACKNOWLEDGED = f"/api/cases/{GUARD_NAME}/{CASE.key}/acknowledge"


def with_rows(**other: Any) -> LocalApp:
    counter = LocalApp(**other)
    counter.save_rows(CASE, CHANGE)
    return counter


def test_nothing_is_asked_for_without_a_reason() -> None:
    counter = with_rows()
    said = counter.run_command("acknowledge", CASE.short_key, "--yes")
    assert (said.exit_code, counter.posts) == (EXIT_USAGE, [])
    assert "--why" in said.err


def test_without_a_terminal_nobody_is_asked_and_nothing_is_done_unless_told_so() -> None:
    counter = with_rows()
    said = counter.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS)
    assert (said.exit_code, counter.posts, counter.prompts) == (EXIT_USAGE, [], [])
    assert "--yes does it without asking" in said.err


@pytest.mark.parametrize("answer", ["", "n\n", "no", "q", "yess"])
def test_whoever_does_not_agree_asked_for_nothing(answer: str) -> None:
    counter = with_rows(is_terminal=True, typed_answers=[answer])
    said = counter.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS)
    assert (said.exit_code, counter.posts, len(counter.prompts)) == (EXIT_REFUSED, [], 1)
    assert "Nothing was asked for." in said.err


def test_a_person_sees_what_will_happen_and_agrees() -> None:
    counter = with_rows(is_terminal=True, typed_answers=["y\n"])
    said = counter.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS)
    assert said.exit_code == EXIT_OK
    assert counter.posts == [(ACKNOWLEDGED, {"who": "dana@desk", "why": "because"})]
    assert "box1@contoso.com" in said.err
    assert "asked for by dana@desk: because" in said.err
    assert APP_URL in said.err


def test_a_change_is_shown_with_what_it_will_be_again() -> None:
    counter = with_rows(is_terminal=True)
    said = counter.run_command("undo", GUARD_NAME, CHANGE.id, *WHY_OPTIONS)
    assert "EnableMailboxAudit · box1@contoso.com" in said.err
    assert "restores AuditEnabled = false" in said.err


def test_a_change_that_cannot_be_undone_is_said_to_be_before_it_is_asked_for() -> None:
    counter = LocalApp(is_terminal=True)
    counter.save_rows(CASE, build_applied_change(**RAISE_AUDIT_AGE_CHANGE))
    said = counter.run_command("undo", GUARD_NAME, CHANGE.id, *WHY_OPTIONS)
    assert "it will be refused: a lower AuditLogAgeLimit deletes" in said.err


def test_a_plan_that_does_not_wait_is_said_not_to() -> None:
    said = with_rows(is_terminal=True).run_command("release", GUARD_NAME, PLAN, *WHY_OPTIONS)
    assert "no plan of that name waits now" in said.err


def test_the_changes_of_a_plan_are_shown() -> None:
    counter = with_rows(is_terminal=True)
    decision = {
        "guard": GUARD_NAME,
        "plan": PLAN,
        "would_change": [{"kind": "EnableMailboxAudit", "subject": "\x1b[31mred"}],
        "list_is_exact": False,
    }
    body = json.dumps({"decisions": [decision]}).encode()
    counter.canned_replies["/api/status.json"] = ApiResponse(200, body)
    said = counter.run_command("release", GUARD_NAME, PLAN, *WHY_OPTIONS)
    assert "EnableMailboxAudit · \\u001b[31mred" in said.err
    assert "more than is known here" in said.err


def test_what_is_asked_for_is_written_down_and_can_be_followed() -> None:
    counter = with_rows(is_idle=True)
    said = counter.run_command("acknowledge", CASE.key, *WHY_OPTIONS, "--yes", "--who", "Eve")
    [(_, body)] = counter.posts
    assert (said.exit_code, body["who"]) == (EXIT_OK, "Eve")
    number = said.out.split()[-1]
    followed = counter.run_command("action", GUARD_NAME, number, "--json")
    assert json.loads(followed.out)["status"] == "asked"


def test_waiting_tells_what_came_of_it() -> None:
    counter = with_rows()
    said = counter.run_command("acknowledge", CASE.short_key, *WHY_OPTIONS, "--yes", "--wait")
    assert said.exit_code == EXIT_OK
    assert "not brought up again until it changes" in said.out
    again = counter.run_command(
        "acknowledge", CASE.short_key, *WHY_OPTIONS, "--yes", "--wait", "--json"
    )
    assert json.loads(again.out)["note"].startswith("it was acknowledged by dana@desk")


def test_what_the_guard_refuses_ends_as_refused() -> None:
    counter = with_rows()
    said = counter.run_command("unexempt", GUARD_NAME, "nobody", *WHY_OPTIONS, "--yes", "--wait")
    assert said.exit_code == EXIT_REFUSED
    assert "no exemption is in force" in said.out


def test_waiting_ends_and_says_where_it_goes_on() -> None:
    counter = with_rows(is_idle=True)
    said = counter.run_command(
        "acknowledge", CASE.short_key, *WHY_OPTIONS, "--yes", "--wait", "--timeout", "30"
    )
    assert said.exit_code == EXIT_UNAVAILABLE
    assert "not done within 30 s; it goes on: see /api/actions/" in said.err
    assert 30 <= sum(counter.waits) < 45
    assert counter.waits == sorted(counter.waits)


def test_a_run_that_failed_ends_as_wrong() -> None:
    counter = LocalApp()
    number = "30708425056706-52e65694"
    path = f"/api/guards/{GUARD_NAME}/run"
    address = f"/api/runs/{GUARD_NAME}/{number}"
    taken = {"run": number, "action": number, "status": "queued", "address": address}
    failed = {"guard": GUARD_NAME, "run": number, "status": "failed", "error": "no\x1bne"}
    counter.canned_replies[path] = ApiResponse(202, json.dumps(taken).encode())
    counter.canned_replies[address] = ApiResponse(200, json.dumps(failed).encode())
    said = counter.run_command("run", GUARD_NAME, *WHY_OPTIONS, "--yes", "--wait")
    assert said.exit_code == EXIT_PROBLEM
    assert "no\\u001bne" in said.out


def test_an_exemption_ends_after_so_many_days() -> None:
    counter = with_rows()
    said = counter.run_command(
        "exempt", GUARD_NAME, CASE.short_key, "--until", "30d", *WHY_OPTIONS, "--yes", "--wait"
    )
    [(path, body)] = counter.posts
    assert (said.exit_code, path) == (EXIT_OK, f"/api/guards/{GUARD_NAME}/exemptions")
    assert (body["subject"], body["until"]) == (CASE.key, "2026-12-20T06:00:00+00:00")
    assert "1 open cases ended" in said.out


def test_an_id_of_an_object_is_taken_as_it_is() -> None:
    counter = LocalApp()
    subject = "11111111-0000-4000-8000-000000000001"
    counter.run_command(
        "exempt", GUARD_NAME, subject, "--until", "2026-12-01", *WHY_OPTIONS, "--yes"
    )
    [(_, body)] = counter.posts
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
def test_what_cannot_be_meant_is_not_asked_for(words: tuple[str, ...]) -> None:
    counter = with_rows()
    said = counter.run_command(*words, *WHY_OPTIONS, "--yes")
    assert (said.exit_code, counter.posts) == (EXIT_USAGE, [])
    assert said.err


def test_what_the_app_refuses_is_told_in_its_words() -> None:
    counter = with_rows()
    said = counter.run_command("exempt", GUARD_NAME, "it", "--until", "999d", *WHY_OPTIONS, "--yes")
    assert said.exit_code == EXIT_REFUSED
    assert "refused: an exemption ends in the future, within a year" in said.err


def test_what_several_cases_end_with_is_ambiguous() -> None:
    counter = LocalApp()
    keys = [f"{number:024x}0badcafe" for number in (1, 2)]
    counter.save_rows(*(build_open_case(number, key=key) for number, key in enumerate(keys)))
    said = counter.run_command("acknowledge", "0badcafe", *WHY_OPTIONS, "--yes")
    assert (said.exit_code, counter.posts) == (EXIT_USAGE, [])
    assert "ambiguous" in said.err
    assert all(key in said.err for key in keys)


def test_an_open_case_is_meant_before_one_that_ended() -> None:
    counter = LocalApp()
    ended = build_open_case(
        2, key="1" * 24 + "0badcafe", closed_at=build_open_case().opened_at, resolution="done"
    )
    still_open = build_open_case(3, key="2" * 24 + "0badcafe")
    counter.save_rows(ended, still_open)
    counter.run_command("acknowledge", "0badcafe", *WHY_OPTIONS, "--yes")
    [(path, _)] = counter.posts
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
def test_the_command_a_page_tells_asks_for_what_its_request_does(
    instruction: instructions.Instruction,
) -> None:
    counter = with_rows()
    words = shlex.split(instruction.command.replace(instructions.EXAMPLE_UNTIL, "2026-12-24"))
    assert words[:3] == ["python", "-m", "core.cli"]
    counter.run_command(*words[3:], "--yes")
    [(path, body)] = counter.posts
    head, _, text = instruction.http_request.partition("\n\n")
    assert head.startswith(f"POST {path}\n")
    assert body.keys() == json.loads(text).keys()
