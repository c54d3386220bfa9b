"""Cards for tests: cases and runs to tell of, and what a message says."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema import Draft6Validator

from core.model.cases import Case, News
from core.model.changes import ChangeState, Outcome
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import Action, ActionState, Deed
from core.model.runs import RunReport
from tests.support.fakes.world import START

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "data" / "adaptive-card-1.4.0.json").read_text(encoding="utf-8")
)
ADDRESS = "https://exoguard.contoso.example"
BLOCK = '["BlockSignIn", {"account_id": "u", "kinds": [], "mailbox_guid": "g"}]'
DISABLE = '["DisableInboxRule", {"mailbox_id": "u", "rule_id": "r"}]'


def case(number: int = 1, **changes: Any) -> Case:
    """An inbox rule that sends mail out."""
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
        facts=("rule: Parcel notes", "target: x@evil.example", "marks it as read"),
        advice="Ask joe; then disable the rule.",
        news=News.OPENED,
    )
    return replace(base, **changes)


def over(number: int = 1, news: News = News.DONE, **changes: Any) -> Case:
    """A case that ended."""
    closing = "done" if news is News.DONE else "gone"
    return case(number, **({"news": news, "closed": START, "closing": closing} | changes))


def action(number: int = 1, deed: Deed = Deed.ACKNOWLEDGE, **changes: Any) -> Action:
    """Something a person asked for, and got."""
    base = Action(
        id=f"30000000000000-{number:08x}",
        deed=deed,
        subject=f"{number:032x}",
        who="Ada",
        why="I talk to Joe this afternoon.",
        at=START,
        signed_in="function key",
        state=ActionState.DONE,
        ended=START,
        note="It is not brought up again until it changes.",
    )
    return replace(base, **changes)


def report(*news: Case, **changes: Any) -> RunReport:
    """A run with something to tell."""
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
        why="A forward keeps an intruder reading after the password was changed.",
    )
    return replace(base, **changes)


def planned(one: Case, kind: str = "BlockSignIn") -> Outcome:
    """What the next run will do about a case."""
    return Outcome(one.key, one.subject, kind, ChangeState.INTENDED)


def content(message: Mapping[str, Any]) -> dict[str, Any]:
    """The card within its envelope."""
    body: dict[str, Any] = message["attachments"][0]["content"]
    return body


def texts(message: Any) -> list[str]:
    """Every text of a card, in order: of blocks, and of both columns of tables."""
    if isinstance(message, Mapping):
        own = [message["text"]] if message.get("type") == "TextBlock" else []
        own += [message["title"], message["value"]] if message.keys() == {"title", "value"} else []
        return own + [text for value in message.values() for text in texts(value)]
    if isinstance(message, list):
        return [text for value in message for text in texts(value)]
    return []


def validate(message: Mapping[str, Any]) -> None:
    """Against the schema, but for `msteams`, which Teams adds to it."""
    plain = {name: value for name, value in content(message).items() if name != "msteams"}
    Draft6Validator(SCHEMA).validate(plain)
