"""What a row of a channel is known by, and which notices are about one case."""

from dataclasses import replace

import pytest

from core.model.findings import Severity
from core.model.outbox import Notice, NoticeEvent, OutboxRow
from tests.support.fakes.clock import START

NOTICE = Notice(
    "g", "Guard", "0123456789abcdef" * 2, NoticeEvent.OPENED, Severity.HIGH, "It forwards.", START
)


@pytest.mark.parametrize("event", NoticeEvent)
def test_what_happens_to_a_case_is_about_that_case(event: NoticeEvent) -> None:
    of_a_case = {"opened", "changed", "reminder", "done", "closed"}
    assert replace(NOTICE, event=event).is_case is (event in of_a_case)


def test_a_case_is_called_by_the_end_of_its_key() -> None:
    assert NOTICE.short_key == "89abcdef"


def test_a_row_is_of_a_case_and_a_channel_and_a_message_of_what_it_tells() -> None:
    row = OutboxRow("mail", "r1", NOTICE, START)
    assert row.key == f"{'0123456789abcdef' * 2}|mail"
    assert row.message_id == f"{'0123456789abcdef' * 2}.r1"
