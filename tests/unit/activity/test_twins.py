"""One act that both logs of Entra tell of is one act, and two acts stay two."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.activity.twins import merge_twins
from core.engine.causes import ActIndex, add_cause, add_methods
from core.model.activity import Act
from core.model.cases import Case
from core.model.findings import Severity
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from tests.support.acts import build_act
from tests.support.fakes.clock import START

SEEN = START + timedelta(hours=1)
CASE = Case("k1", "grant", "app1", "Notes", Severity.HIGH, "new", "new", "An app.", SEEN)


def build_pair(seconds_apart: float = 2, **more: Any) -> tuple[Act, Act]:
    """A consent as Entra's own log tells it, and as the unified log does."""
    own = replace(
        build_act("app-consent", "", 10, "Consent to application", names=("app1",)),
        key="own",
        log=ActivityLog.DIRECTORY,
        session="",
        address="",
    )
    at = own.at + timedelta(seconds=seconds_apart)
    feed = replace(own, key="feed", log=ActivityLog.ENTRA_FEED, at=at, session="s9", address="a9")
    return own, replace(feed, **more)


@pytest.mark.parametrize("seconds", [-5, -2, 0, 2, 5])
def test_an_act_of_both_logs_is_one_with_the_session_that_only_one_tells(seconds: float) -> None:
    own, feed = build_pair(seconds)
    for order in ((own, feed), (feed, own)):
        assert merge_twins(order) == [replace(own, session="s9", address="a9")]


@pytest.mark.parametrize(
    "other",
    [
        {"operation": "Add service principal"},
        {"actor": ActivityActor(ActorKind.PERSON, "mia@contoso.com", "m1")},
        {"targets": build_act("app-consent", "", names=("app2",)).targets},
        {"log": ActivityLog.EXCHANGE},
        {"count": 3},
    ],
    ids=["another act", "another actor", "another object", "another log", "several"],
)
def test_two_acts_stay_two(other: dict[str, Any]) -> None:
    pair = build_pair(2, **other)
    assert merge_twins(pair) == list(pair)
    assert len(merge_twins(build_pair(6))) == 2


def test_two_acts_of_one_moment_that_both_logs_tell_are_two_and_not_four() -> None:
    own, feed = build_pair(0)
    again = [replace(act, key=f"{act.key} again") for act in (own, feed)]
    assert len(merge_twins([own, feed, *again])) == 2


def test_a_case_is_not_told_the_same_act_beside_itself() -> None:
    index = ActIndex.build(build_pair(), "app-consent")
    cause = add_cause(CASE, index, SEEN, (), timedelta(minutes=10)).cause
    assert cause
    assert (cause.session, cause.beside, cause.count) == ("s9", (), 1)


def test_a_cause_that_one_log_told_has_the_session_once_the_other_tells_it() -> None:
    own, feed = build_pair()
    settling = timedelta(minutes=10)
    first = add_cause(CASE, ActIndex.build([own], "app-consent"), SEEN, (), settling)
    assert first.cause
    assert first.cause.session == ""
    both = ActIndex.build([own, feed], "app-consent")
    later = add_cause(first, both, SEEN + timedelta(hours=1), (), settling)
    assert later.cause
    assert later.cause.session == "s9"


def test_a_way_in_that_both_logs_tell_is_said_once() -> None:
    acts = [replace(act, operation="User registered security info") for act in build_pair()]
    assert len(add_methods(CASE, ActIndex.build(acts, "app-consent")).new_methods) == 1
