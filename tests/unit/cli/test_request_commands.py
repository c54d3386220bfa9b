"""Asking for something: who and why, what will happen shown first, and what came of it."""

import json
import shlex
from typing import Any

import pytest

from core.cli.api_client import FINE, REFUSED, UNKNOWN, USAGE, WRONG, Reply
from core.keys import digest
from core.web import instructions as told
from tests.support.local_app import ADDRESS, GUARD, RAISED, WHY, Counter, a_case, a_change

PLAN = digest("a plan")
CASE = a_case()
CHANGE = a_change()
ACKNOWLEDGED = f"/api/cases/{GUARD}/{CASE.key}/acknowledge"


def with_rows(**other: Any) -> Counter:
    counter = Counter(**other)
    counter.keep(CASE, CHANGE)
    return counter


def test_nothing_is_asked_for_without_a_reason() -> None:
    counter = with_rows()
    said = counter.run("acknowledge", CASE.short, "--yes")
    assert (said.code, counter.posts) == (USAGE, [])
    assert "--why" in said.err


def test_without_a_terminal_nobody_is_asked_and_nothing_is_done_unless_told_so() -> None:
    counter = with_rows()
    said = counter.run("acknowledge", CASE.short, *WHY)
    assert (said.code, counter.posts, counter.puts) == (USAGE, [], [])
    assert "--yes does it without asking" in said.err


@pytest.mark.parametrize("answer", ["", "n\n", "no", "q", "yess"])
def test_whoever_does_not_agree_asked_for_nothing(answer: str) -> None:
    counter = with_rows(terminal=True, answers=[answer])
    said = counter.run("acknowledge", CASE.short, *WHY)
    assert (said.code, counter.posts, len(counter.puts)) == (REFUSED, [], 1)
    assert "Nothing was asked for." in said.err


def test_a_person_sees_what_will_happen_and_agrees() -> None:
    counter = with_rows(terminal=True, answers=["y\n"])
    said = counter.run("acknowledge", CASE.short, *WHY)
    assert said.code == FINE
    assert counter.posts == [(ACKNOWLEDGED, {"who": "dana@desk", "why": "because"})]
    assert "box1@contoso.com" in said.err
    assert "asked for by dana@desk: because" in said.err
    assert ADDRESS in said.err


def test_a_change_is_shown_with_what_it_will_be_again() -> None:
    counter = with_rows(terminal=True)
    said = counter.run("undo", GUARD, CHANGE.id, *WHY)
    assert "EnableMailboxAudit · box1@contoso.com" in said.err
    assert "restores AuditEnabled = false" in said.err


def test_a_change_that_cannot_be_undone_is_said_to_be_before_it_is_asked_for() -> None:
    counter = Counter(terminal=True)
    counter.keep(CASE, a_change(**RAISED))
    said = counter.run("undo", GUARD, CHANGE.id, *WHY)
    assert "it will be refused: a lower AuditLogAgeLimit deletes" in said.err


def test_a_plan_that_does_not_wait_is_said_not_to() -> None:
    said = with_rows(terminal=True).run("release", GUARD, PLAN, *WHY)
    assert "no plan of that name waits now" in said.err


def test_the_changes_of_a_plan_are_shown() -> None:
    counter = with_rows(terminal=True)
    decision = {
        "guard": GUARD,
        "plan": PLAN,
        "would_change": [{"kind": "EnableMailboxAudit", "subject": "\x1b[31mred"}],
        "list_is_exact": False,
    }
    body = json.dumps({"decisions": [decision]}).encode()
    counter.replies["/api/status.json"] = Reply(200, body)
    said = counter.run("release", GUARD, PLAN, *WHY)
    assert "EnableMailboxAudit · \\u001b[31mred" in said.err
    assert "more than is known here" in said.err


def test_what_is_asked_for_is_written_down_and_can_be_followed() -> None:
    counter = with_rows(idle=True)
    said = counter.run("acknowledge", CASE.key, *WHY, "--yes", "--who", "Eve")
    [(_, body)] = counter.posts
    assert (said.code, body["who"]) == (FINE, "Eve")
    number = said.out.split()[-1]
    followed = counter.run("action", GUARD, number, "--json")
    assert json.loads(followed.out)["status"] == "asked"


def test_waiting_tells_what_came_of_it() -> None:
    counter = with_rows()
    said = counter.run("acknowledge", CASE.short, *WHY, "--yes", "--wait")
    assert said.code == FINE
    assert "not brought up again until it changes" in said.out
    again = counter.run("acknowledge", CASE.short, *WHY, "--yes", "--wait", "--json")
    assert json.loads(again.out)["note"].startswith("it was acknowledged by dana@desk")


def test_what_the_guard_refuses_ends_as_refused() -> None:
    counter = with_rows()
    said = counter.run("unexempt", GUARD, "nobody", *WHY, "--yes", "--wait")
    assert said.code == REFUSED
    assert "no exemption is in force" in said.out


def test_waiting_ends_and_says_where_it_goes_on() -> None:
    counter = with_rows(idle=True)
    said = counter.run("acknowledge", CASE.short, *WHY, "--yes", "--wait", "--timeout", "30")
    assert said.code == UNKNOWN
    assert "not done within 30 s; it goes on: see /api/actions/" in said.err
    assert 30 <= sum(counter.waits) < 45
    assert counter.waits == sorted(counter.waits)


def test_a_run_that_failed_ends_as_wrong() -> None:
    counter = Counter()
    number = "30708425056706-52e65694"
    path = f"/api/guards/{GUARD}/run"
    address = f"/api/runs/{GUARD}/{number}"
    taken = {"run": number, "action": number, "status": "queued", "address": address}
    failed = {"guard": GUARD, "run": number, "status": "failed", "error": "no\x1bne"}
    counter.replies[path] = Reply(202, json.dumps(taken).encode())
    counter.replies[address] = Reply(200, json.dumps(failed).encode())
    said = counter.run("run", GUARD, *WHY, "--yes", "--wait")
    assert said.code == WRONG
    assert "no\\u001bne" in said.out


def test_an_exemption_ends_after_so_many_days() -> None:
    counter = with_rows()
    said = counter.run("exempt", GUARD, CASE.short, "--until", "30d", *WHY, "--yes", "--wait")
    [(path, body)] = counter.posts
    assert (said.code, path) == (FINE, f"/api/guards/{GUARD}/exemptions")
    assert (body["subject"], body["until"]) == (CASE.key, "2026-12-20T06:00:00+00:00")
    assert "1 open cases ended" in said.out


def test_an_id_of_an_object_is_taken_as_it_is() -> None:
    counter = Counter()
    subject = "11111111-0000-4000-8000-000000000001"
    counter.run("exempt", GUARD, subject, "--until", "2026-12-01", *WHY, "--yes")
    [(_, body)] = counter.posts
    assert (body["subject"], body["until"]) == (subject, "2026-12-01T00:00:00+00:00")


@pytest.mark.parametrize(
    "words",
    [
        ("run", "no-such-guard"),
        ("run", "../../admin"),
        ("release", GUARD, "*"),
        ("undo", GUARD, "abc"),
        ("exempt", GUARD, "it", "--until", "soon"),
        ("exempt", GUARD, "it"),
        ("acknowledge", "???"),
        ("acknowledge",),
        ("no-such-command",),
        ("run", GUARD, "--no-such-option"),
        ("run", GUARD, "--wait", "--timeout", "0"),
    ],
)
def test_what_cannot_be_meant_is_not_asked_for(words: tuple[str, ...]) -> None:
    counter = with_rows()
    said = counter.run(*words, *WHY, "--yes")
    assert (said.code, counter.posts) == (USAGE, [])
    assert said.err


def test_what_the_app_refuses_is_told_in_its_words() -> None:
    counter = with_rows()
    said = counter.run("exempt", GUARD, "it", "--until", "999d", *WHY, "--yes")
    assert said.code == REFUSED
    assert "refused: an exemption ends in the future, within a year" in said.err


def test_what_several_cases_end_with_is_ambiguous() -> None:
    counter = Counter()
    keys = [f"{number:024x}0badcafe" for number in (1, 2)]
    counter.keep(*(a_case(number, key=key) for number, key in enumerate(keys)))
    said = counter.run("acknowledge", "0badcafe", *WHY, "--yes")
    assert (said.code, counter.posts) == (USAGE, [])
    assert "ambiguous" in said.err
    assert all(key in said.err for key in keys)


def test_an_open_case_is_meant_before_one_that_ended() -> None:
    counter = Counter()
    ended = a_case(2, key="1" * 24 + "0badcafe", closed=a_case().opened, closing="done")
    still_open = a_case(3, key="2" * 24 + "0badcafe")
    counter.keep(ended, still_open)
    counter.run("acknowledge", "0badcafe", *WHY, "--yes")
    [(path, _)] = counter.posts
    assert still_open.key in path


@pytest.mark.parametrize(
    "way",
    [
        told.acknowledge(GUARD, CASE.key),
        told.exempt(GUARD, CASE.key),
        told.end_exemption(GUARD, CASE.key),
        told.undo(GUARD, CHANGE.id),
        told.release(GUARD, PLAN),
    ],
    ids=lambda way: str(way.deed),
)
def test_the_command_a_page_tells_asks_for_what_its_request_does(way: told.Way) -> None:
    counter = with_rows()
    words = shlex.split(way.command.replace(told.UNTIL, "2026-12-24"))
    assert words[:3] == ["python", "-m", "core.cli"]
    counter.run(*words[3:], "--yes")
    [(path, body)] = counter.posts
    head, _, text = way.request.partition("\n\n")
    assert head.startswith(f"POST {path}\n")
    assert body.keys() == json.loads(text).keys()
