"""The card: valid, small enough, gravest first, and nothing foreign acts in it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft6Validator

from core.message import LIMIT, card
from core.model import (
    Case,
    ChangeState,
    Mode,
    News,
    Outcome,
    RunReport,
    Severity,
    Verdict,
)
from tests.fake_world import START

SCHEMA = json.loads(
    (Path(__file__).parent / "data" / "adaptive-card-1.4.0.json").read_text(encoding="utf-8")
)


def case(number: int = 1, **changes: Any) -> Case:
    base = Case(
        key=f"{number:032x}",
        kind="inbox-rule-forward",
        object_id=f"mailbox-{number}",
        subject="joe@contoso.com",
        severity=Severity.HIGH,
        judged=Verdict.EXTERNAL,
        verdict=Verdict.EXTERNAL,
        summary="An inbox rule of joe@contoso.com redirects to x@evil.example.",
        opened=START,
        facts=("rule: Parcel notes", "target: x@evil.example"),
        advice="Ask joe; then disable the rule.",
        news=News.OPENED,
    )
    return replace(base, **changes)


def report(*news: Case, **changes: Any) -> RunReport:
    base = RunReport(
        guard="mailbox-forwarding",
        title="Mailbox forwarding",
        noun="mailboxes",
        run="30000000000000-0000abcd",
        mode=Mode.ALERT,
        started=START,
        seen=812,
        population=815,
        unread=3,
        news=news,
    )
    return replace(base, **changes)


def content(message: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = message["attachments"][0]["content"]
    return body


def validate(message: dict[str, Any]) -> None:
    """Against the schema, but for `msteams`, which Teams adds to it."""
    plain = {name: value for name, value in content(message).items() if name != "msteams"}
    Draft6Validator(SCHEMA).validate(plain)


def texts(message: Any) -> list[str]:
    """Every text of a card, in order."""
    if isinstance(message, dict):
        own = [message["text"]] if message.get("type") == "TextBlock" else []
        return own + [text for value in message.values() for text in texts(value)]
    if isinstance(message, list):
        return [text for value in message for text in texts(value)]
    return []


VARIANTS = {
    "new": report(case()),
    "every news": report(
        *(
            case(number, news=news, closed=START, closing="done", note="sessions revoked")
            if news in (News.DONE, News.CLOSED)
            else case(number, news=news, note="tried")
            for number, news in enumerate(News)
            if news
        )
    ),
    "first look": report(
        case(adopted=True),
        adopted=True,
        mode=Mode.ENFORCE,
        preview=(Outcome("k", "a", "BlockSignIn", ChangeState.INTENDED),),
    ),
    "failed": report(case(), outcomes=(Outcome("k", "a", "BlockSignIn", ChangeState.FAILED),)),
    "exempt": report(case(), exemptions=2, blind=("inbox-rules",)),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_card_is_a_valid_adaptive_card_in_the_envelope_of_workflows(name: str) -> None:
    message = card(VARIANTS[name])
    assert message["type"] == "message"
    assert content(message)["version"] == "1.4"
    validate(message)


def test_a_card_says_what_was_found_the_evidence_the_next_step_and_the_coverage() -> None:
    shown = "\n".join(texts(card(report(case()))))
    assert "812 of 815 mailboxes read; 3 unreadable" in shown
    assert "redirects to x@evil.example" in shown
    assert "rule: Parcel notes" in shown
    assert "Next step: Ask joe; then disable the rule." in shown
    assert "case 00000001" in shown


def test_what_the_next_run_will_do_is_nobody_elses_next_step() -> None:
    planned = Outcome(case().key, "a", "BlockSignIn", ChangeState.INTENDED)
    shown = "\n".join(texts(card(report(case(), preview=(planned,), mode=Mode.ENFORCE))))
    assert "the next run puts it right" in shown
    assert "Ask joe" not in shown


def test_what_was_done_is_said_and_asks_for_nothing() -> None:
    done = case(news=News.DONE, closed=START, closing="done")
    message = card(report(done, mode=Mode.ENFORCE))
    shown = "\n".join(texts(message))
    assert "put it right" in shown
    assert "Next step" not in shown
    assert content(message)["body"][0]["style"] == "good"


def test_five_hundred_cases_fit_one_card_and_the_rest_is_counted() -> None:
    message = card(report(*(case(number) for number in range(500))))
    assert len(json.dumps(message).encode()) < 25_000
    shown = texts(message)
    listed = sum("redirects to" in text for text in shown)
    (more,) = [text for text in shown if text.startswith("and ")]
    assert more.startswith(f"and {500 - listed} more: {500 - listed} x inbox-rule-forward (high)")


def test_one_mailbox_cannot_crowd_out_another() -> None:
    loud = [case(number, object_id="loud", severity=Severity.CRITICAL) for number in range(400)]
    quiet = case(999, summary="The quiet one.", severity=Severity.LOW)
    assert "The quiet one." in texts(card(report(*loud, quiet)))


def test_the_gravest_comes_first() -> None:
    low, grave = case(1, summary="Low.", severity=Severity.LOW), case(2, summary="Grave.")
    shown = texts(card(report(low, grave)))
    assert shown.index("Grave.") < shown.index("Low.")


HOSTILE = "**x** [click](https://evil.example) <at>All</at> \u202e\n# y " + "z" * 5000


def test_hostile_names_act_as_nothing_and_are_bounded() -> None:
    bad = case(summary=HOSTILE, facts=(HOSTILE,) * 50, advice=HOSTILE, note=HOSTILE)
    message = card(report(bad, run=HOSTILE))
    validate(message)
    raw = json.dumps(message, ensure_ascii=False)
    assert len(raw) < LIMIT
    assert "https://evil" not in raw
    assert "[click](" not in raw
    assert "\u202e" not in raw
    assert not [text for text in texts(message) if "\n# y" in text]
    assert "entities" not in raw
