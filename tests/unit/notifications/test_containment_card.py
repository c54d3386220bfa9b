"""The card of a containment: it fits whatever names are in it, and what failed is on it."""

import json
from dataclasses import replace

import pytest

from core.model.containment import Containment, ContainmentState, ContainmentStep, StepState
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.notifications.containment_card import build_containment_card
from core.notifications.containment_notice import build_containment_notice
from tests.support.adaptive_cards import (
    PUBLIC_URL,
    collect_texts,
    get_card_content,
    validate_card,
)
from tests.support.containment_samples import CHANGE, build_containment
from tests.support.fakes.clock import START

SIGNS = ("x", "*", "\u6f22", "\U0001f600", "\u202e", "_ ")


@pytest.mark.parametrize("sign", SIGNS)
def test_it_fits_and_shows_what_failed_whatever_the_names_are(sign: str) -> None:
    told = build_containment(sign * 2_000, *[StepState.DONE] * 20, StepState.FAILED)
    card = build_containment_card(told, sign * 2_000, PUBLIC_URL)
    validate_card(card)
    assert len(json.dumps(card).encode()) <= MAX_MESSAGE_BYTES
    texts = collect_texts(card)
    assert "failed" in texts
    shown = sum(text in ("failed", "done") or text.startswith("- ") for text in texts)
    assert f"and {36 - shown} more steps" in texts


def test_a_step_that_failed_is_above_a_dozen_that_were_made() -> None:
    told = build_containment("a rule", *[StepState.DONE] * 12, StepState.REFUSED)
    texts = collect_texts(build_containment_card(told, "a summary", ""))
    assert texts.index("refused") < texts.index("done")


def test_other_channels_are_told_what_stays_for_a_person_however_much_was_made() -> None:
    told = build_containment("a rule", *[StepState.DONE] * 20, StepState.FAILED)
    facts = build_containment_notice(told, "a summary", START).facts
    assert [fact.label for fact in facts[:3]] == ["by", "for you", "failed"]
    assert facts[1].text.startswith("15 steps: a rule; ")
    assert facts[-1].text == "and 11 more steps"


def test_a_containment_that_was_not_taken_back_is_not_told_as_if_it_was() -> None:
    step = ContainmentStep(
        "block-sign-in", "block the sign-in", CHANGE, state=StepState.DONE, result="not taken back"
    )
    told = Containment(
        "c1", "u1", "mia@contoso.com", "Ann", "why", START, ContainmentState.UNDONE,
        steps=(replace(step, name="other", state=StepState.UNDONE), step),
        undo_steps=("block-sign-in", "other"), undone_by="Ann", untold="undone",
    )  # fmt: skip
    card = get_card_content(build_containment_card(told, "a summary", ""))
    header, texts = card["body"][0], collect_texts(card)
    assert "but not all of it" in header["items"][1]["text"]
    assert header["style"] == "attention"
    assert texts.index("done") < texts.index("taken back")


def test_a_command_that_cannot_be_shown_as_it_is_is_on_the_page_alone() -> None:
    step = ContainmentStep("own", "look", state=StepState.FOR_A_PERSON)
    told = replace(build_containment("a rule"), steps=())
    for command, is_shown in (
        ("Get-Mailbox", True),
        ("Open https://x.example", False),
        ("x" * 601, False),
    ):
        changed = replace(told, steps=(replace(step, command=command),))
        texts = collect_texts(build_containment_card(changed, "a summary", ""))
        assert (command[:20] in "\n".join(texts)) is is_shown
