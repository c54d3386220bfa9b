"""The card that says that it is a test. Pure."""

from collections.abc import Mapping
from datetime import datetime

from core.notifications.adaptive_card import make_subtle_text, make_text_block, wrap_in_message
from core.time_format import format_time

TEST_SUMMARY = "This is a test of this channel. Nothing happened in the tenant."
TEST_ADVICE = "Nothing is to be done. Whoever did not expect it asks who may run the test."


def build_test_card(now: datetime) -> Mapping[str, object]:
    """The test as a card."""
    body = [
        make_text_block("Exoguard · test", weight="Bolder"),
        make_text_block(TEST_SUMMARY),
        make_subtle_text(f"{TEST_ADVICE} {format_time(now)}"),
    ]
    return wrap_in_message(body, "Exoguard: a test of this channel")
