"""Who acted, and what acts of one hand share."""

from dataclasses import replace

import pytest

from core.model.activity import (
    STORY_KEY_LENGTH,
    Cause,
    build_actor_key,
    build_session_key,
    get_hand,
    identify_actor,
)
from core.model.findings import Correlation
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from tests.support.fakes.clock import START

ANN = ActivityActor(ActorKind.PERSON, "Ann@Contoso.com", id="a1", app_id="outlook")
CAUSE = Cause("New-InboxRule", START, ANN, ActivityLog.EXCHANGE, address="192.0.2.7", session="s1")


@pytest.mark.parametrize(
    ("actor", "identity"),
    [
        (ANN, "a1"),
        (replace(ANN, id=""), "ann@contoso.com"),
        (replace(ANN, id="", name=""), ""),
        (replace(ANN, kind=ActorKind.PARTNER, id=""), "ann@contoso.com"),
        # Any app may call itself anything.
        (ActivityActor(ActorKind.APP, "Backup", id="p1", app_id="app"), "p1"),
        (ActivityActor(ActorKind.APP, "Backup", app_id="app"), "app"),
        (ActivityActor(ActorKind.APP, "Backup"), ""),
        (replace(ANN, kind=ActorKind.UNKNOWN), ""),
    ],
)
def test_a_person_is_known_by_an_id_or_a_name_and_an_app_by_an_id(
    actor: ActivityActor, identity: str
) -> None:
    assert identify_actor(actor) == identity


def test_cases_of_one_session_share_a_key_and_those_of_none_share_nothing() -> None:
    key = build_session_key(CAUSE)
    assert len(key) == STORY_KEY_LENGTH
    assert build_session_key(replace(CAUSE, operation="Set-Mailbox")) == key
    assert build_session_key(replace(CAUSE, session="s2")) != key
    assert build_session_key(replace(CAUSE, session="")) == ""


def test_cases_of_one_actor_share_a_key_unless_it_is_microsoft_or_nobody() -> None:
    key = build_actor_key(CAUSE)
    assert len(key) == STORY_KEY_LENGTH
    assert build_actor_key(replace(CAUSE, actor=replace(ANN, name="Ann B."))) == key
    assert build_actor_key(replace(CAUSE, actor=replace(ANN, id="b1"))) != key
    for kind in (ActorKind.MICROSOFT, ActorKind.UNKNOWN):
        assert build_actor_key(replace(CAUSE, actor=replace(ANN, kind=kind))) == ""


def test_a_session_and_an_actor_of_one_name_are_two_stories() -> None:
    same = replace(CAUSE, session="a1")
    assert build_session_key(same) != build_actor_key(same)


def test_a_session_or_an_actor_that_is_called_like_an_address_shares_nothing_with_its_mail() -> (
    None
):
    mail = Correlation.of("x@drop.example", "mail to x@drop.example").key
    named = replace(CAUSE, session="x@drop.example", actor=replace(ANN, id="x@drop.example"))
    assert mail not in {build_session_key(named), build_actor_key(named)}


@pytest.mark.parametrize(
    ("act", "hand"),
    [
        (CAUSE, "session s1"),
        (replace(CAUSE, session=""), "a1 at 192.0.2.7"),
        (replace(CAUSE, session="", address=""), "act 2026-11-20T06:00:00+00:00"),
        (
            replace(CAUSE, session="", actor=ActivityActor(ActorKind.UNKNOWN)),
            "act 2026-11-20T06:00:00+00:00",
        ),
    ],
)
def test_acts_are_of_one_hand_by_their_session_or_by_who_and_where(act: Cause, hand: str) -> None:
    assert get_hand(act) == hand
