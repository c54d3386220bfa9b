"""Cards for tests: cases and runs to tell of, and what a message says."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft6Validator

from core.model.cases import Case, Notification
from core.model.changes import ChangeState, Outcome
from core.model.findings import Fact, Severity
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.runs import RunReport
from tests.support.cases import build_case
from tests.support.fakes.clock import START

CARD_SCHEMA = json.loads(
    (Path(__file__).parents[1] / "data" / "adaptive-card-1.4.0.json").read_text(encoding="utf-8")
)
CARD_VALIDATOR = Draft6Validator(CARD_SCHEMA)
PUBLIC_URL = "https://exoguard.contoso.example"
BLOCK_CHANGE_JSON = '["BlockSignIn", {"account_id": "u", "kinds": [], "mailbox_guid": "g"}]'
DISABLE_RULE_CHANGE_JSON = '["DisableInboxRule", {"mailbox_id": "u", "rule_id": "r"}]'


def build_rule_case(number: int = 1, **changes: Any) -> Case:
    """An inbox rule that sends mail out."""
    base = build_case(
        number,
        kind="inbox-rule-forward",
        object_id=f"mailbox-{number}",
        subject="joe@contoso.com",
        summary="An inbox rule of joe@contoso.com redirects to x@evil.example.",
        facts=(
            Fact("rule", "Parcel notes"),
            Fact("target", "x@evil.example"),
            Fact("", "marks it as read"),
        ),
        advice="Ask joe; then disable the rule.",
        notification=Notification.OPENED,
    )
    return replace(base, **changes)


def build_closed_case(
    number: int = 1, notification: Notification = Notification.DONE, **changes: Any
) -> Case:
    """A case that ended."""
    resolution = "done" if notification is Notification.DONE else "gone"
    ended = {"notification": notification, "closed_at": START, "resolution": resolution}
    return build_rule_case(number, **(ended | changes))


def build_request(
    number: int = 1, kind: RequestKind = RequestKind.ACKNOWLEDGE, **changes: Any
) -> OperatorRequest:
    """Something a person asked for, and got."""
    base = OperatorRequest(
        id=f"30000000000000-{number:08x}",
        kind=kind,
        subject=f"{number:032x}",
        requested_by="Ada",
        reason="I talk to Joe this afternoon.",
        at=START,
        authenticated_as="function key",
        state=RequestState.DONE,
        ended_at=START,
        note="It is not brought up again until it changes.",
    )
    return replace(base, **changes)


def build_report(*cases: Case, **changes: Any) -> RunReport:
    """A run with something to tell."""
    base = RunReport(
        guard="mailbox-forwarding",
        title="Mailbox forwarding",
        noun="mailboxes",
        run="30000000000000-0000abcd",
        mode=Mode.ALERT,
        started_at=START,
        read_count=812,
        population=815,
        unread_count=3,
        notifications=cases,
        rationale="A forward keeps an intruder reading after the password was changed.",
    )
    return replace(base, **changes)


def build_planned_outcome(case: Case, kind: str = "BlockSignIn") -> Outcome:
    """What the next run will do about a case."""
    return Outcome(case.key, case.subject, kind, ChangeState.INTENDED)


def get_card_content(message: Mapping[str, Any]) -> dict[str, Any]:
    """The card within its envelope."""
    body: dict[str, Any] = message["attachments"][0]["content"]
    return body


def collect_texts(message: Any) -> list[str]:
    """Every text of a card, in order: of blocks, and of both columns of tables."""
    if isinstance(message, Mapping):
        own = [message["text"]] if message.get("type") == "TextBlock" else []
        own += [message["title"], message["value"]] if message.keys() == {"title", "value"} else []
        return own + [text for value in message.values() for text in collect_texts(value)]
    if isinstance(message, list):
        return [text for value in message for text in collect_texts(value)]
    return []


def validate_card(message: Mapping[str, Any]) -> None:
    """Against the schema, but for `msteams`, which Teams adds to it."""
    plain = {name: value for name, value in get_card_content(message).items() if name != "msteams"}
    CARD_VALIDATOR.validate(plain)


HOSTILE_TEXT = "**x** [click](https://evil.example) <at>All</at> \u202e\n# y " + "\u00e9" * 5000
HOSTILE_CASE = build_rule_case(
    summary=HOSTILE_TEXT,
    subject=HOSTILE_TEXT,
    facts=(Fact("rule", HOSTILE_TEXT), Fact("", HOSTILE_TEXT)) * 20,
    advice=HOSTILE_TEXT,
    note=HOSTILE_TEXT,
)
BASELINED_CASE = build_rule_case(baselined=True, planned_changes=(BLOCK_CHANGE_JSON,))
REPORT_VARIANTS = {
    "every gravity": build_report(
        *(build_rule_case(number, severity=number) for number in Severity if number)
    ),
    "every news": build_report(
        *(
            build_rule_case(number, notification=news, note="tried")
            for number, news in enumerate(Notification)
            if news
        ),
        build_closed_case(10),
        build_closed_case(11, Notification.CLOSED),
    ),
    "first look": build_report(
        BASELINED_CASE,
        baselined=True,
        mode=Mode.ENFORCE,
        preview=(build_planned_outcome(BASELINED_CASE),),
    ),
    "failed": build_report(
        build_rule_case(), outcomes=(Outcome("k", "a", "BlockSignIn", ChangeState.FAILED),)
    ),
    "exempt": build_report(
        build_rule_case(), exemption_count=2, unavailable_sources=("inbox-rules",)
    ),
    "held": build_report(
        build_rule_case(planned_changes=(BLOCK_CHANGE_JSON,)),
        mode=Mode.ENFORCE,
        block_reason="too many",
        plan="0" * 32,
    ),
    "an event": build_report(build_rule_case(is_one_off=True, closed_at=START, resolution="gone")),
    "asked for": build_report(
        *(),
        operator_requests=tuple(
            build_request(number, deed) for number, deed in enumerate(RequestKind)
        ),
    ),
    "asked for at the first look": build_report(
        BASELINED_CASE, baselined=True, operator_requests=(build_request(),)
    ),
    "hostile": build_report(
        HOSTILE_CASE,
        operator_requests=(
            build_request(subject=HOSTILE_TEXT, requested_by=HOSTILE_TEXT, reason=HOSTILE_TEXT),
        ),
    ),
    "overfull": build_report(*(build_rule_case(number) for number in range(500))),
    "overfull of deeds": build_report(
        operator_requests=tuple(build_request(number) for number in range(500))
    ),
}


SAMPLE_CARD: dict[str, Any] = {
    "type": "message",
    "attachments": [
        {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {"type": "AdaptiveCard", "version": "1.4", "body": []},
        }
    ],
}
