"""What machines and other channels are sent: foreign text acts nowhere."""

from dataclasses import replace

import pytest

from core.jobs.channel_tests import build_test_row
from core.model.findings import Shell, Step
from core.model.outbox import NoticeEvent, OutboxRow
from core.notifications.event_messages import (
    build_cloud_event,
    build_incident,
    build_incident_note,
)
from core.notifications.notice_texts import clean, list_lines
from tests.support.fakes.clock import START

HOSTILE = "[code]<a href='https://evil.example'>renew</a>[/code] [CODE]x[ /code]"


def tell(summary: str) -> OutboxRow:
    """The row of a case that an intruder named."""
    row = build_test_row("servicenow", START)
    notice = replace(row.notice, event=NoticeEvent.CHANGED, summary=summary, subject=summary)
    return replace(row, notice=notice)


def test_no_name_becomes_markup_in_the_notes_of_an_incident() -> None:
    note = str(build_incident_note(tell(HOSTILE), "")["work_notes"])
    assert "[code]" not in note.casefold()
    assert "[/code]" not in note.casefold()
    assert "renew" in note
    plain = str(build_incident_note(tell("the list [a] of codes"), "")["work_notes"])
    assert "the list [a] of codes" in plain
    incident = build_incident(tell(HOSTILE), "")
    assert "[code]" not in str(incident).casefold()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://evil.example/x", "see https[:]//evil.example/x"),
        ("see www.evil.example", "see www[.]evil.example"),
        ("see WWW.evil.example", "see WWW[.]evil.example"),
        ("awww.nice", "awww.nice"),
    ],
)
def test_no_address_in_a_text_can_be_followed(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


def test_a_command_is_told_as_it_is_or_not_at_all() -> None:
    row = build_test_row("slack", START)
    steps = (
        Step("Look.", "exo cases --about 'ann@contoso.com'", Shell.EXO),
        Step("Look there.", "exo cases --about 'www.evil.example'", Shell.EXO),
    )
    notice = replace(row.notice, event=NoticeEvent.OPENED, steps=steps, advice="Look.")
    lines = dict(list_lines(notice))
    assert lines["Look"] == "exo cases --about 'ann@contoso.com'"
    assert "Look there" not in lines
    event = build_cloud_event(replace(row, notice=notice), "t", "")
    data = event["data"]
    assert isinstance(data, dict)
    assert data["commands"] == [step.command for step in steps]
    assert "Look" not in dict(list_lines(replace(notice, event=NoticeEvent.CLOSED)))
