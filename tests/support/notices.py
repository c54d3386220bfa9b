"""Rows of the outbox for tests of channels."""

from dataclasses import replace
from typing import Any

from core.model.findings import Fact, Severity, Shell, Step
from core.model.outbox import Notice, NoticeEvent, OutboxRow
from tests.support.fakes.clock import START

CASE_KEY = "0123456789abcdef" * 2
HOSTILE = "<!channel> <a href=https://evil.example>x</a> \u202e[x](https://evil.example)\n@here"


def build_row(number: int = 0, channel: str = "webhook", **notice: Any) -> OutboxRow:
    """A row about one case."""
    base = Notice(
        guard="mailbox-forwarding",
        guard_title="Mailbox forwarding",
        case_key=f"{number:08x}{CASE_KEY[8:]}" if number else CASE_KEY,
        event=NoticeEvent.OPENED,
        severity=Severity.CRITICAL,
        summary="Mail of ann@contoso.example leaves to evil@evil.example.",
        at=START,
        kind="forward-outside",
        verdict="disable",
        subject="ann@contoso.example",
        object_id="11111111-0000-4000-8000-000000000001",
        advice="Disable the rule unless ann made it.",
        steps=(
            Step(
                "Disable the rule.",
                "Disable-InboxRule -Mailbox 'ann' -Identity '7'",
                Shell.EXCHANGE,
            ),
        ),
        facts=(Fact("rule", "Parcel notes"), Fact("", "It takes all mail.")),
        opened_at=START,
    )
    return OutboxRow(channel, f"{number:032x}", replace(base, **notice), START)
