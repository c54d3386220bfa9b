"""How a channel stands: accepted is not delivered, and a right just given may need time."""

from dataclasses import replace
from datetime import timedelta

from core.model.outbox import ChannelFault, ChannelHealth, CopyState
from core.status.channel_status import SETUP_TIME, build_channel_statuses, is_silent
from core.status.guard_status import Health
from core.status.overview import build_status
from tests.support.fakes.clock import START
from tests.support.notices import build_row

HEALTH = ChannelHealth("mail", "one", START, accepted_at=START)
REFUSED = replace(HEALTH, accepted_at=None, failed_at=START, error="HTTP 403", is_forbidden=True)


def describe(health: ChannelHealth | None, minutes: float = 5) -> tuple[bool, str]:
    healths = {health.channel: health} if health else {}
    name = health.channel if health else "mail"
    now = START + timedelta(minutes=minutes)
    (status,) = build_channel_statuses([name], healths, [], now)
    return status.is_well, status.text


def test_a_channel_says_that_it_accepted_and_never_that_it_delivered() -> None:
    is_well, text = describe(HEALTH)
    assert is_well
    assert text.startswith("Accepted the last message")
    assert "deliver" not in text


def test_mail_that_is_refused_waits_for_two_hours_and_then_is_a_problem() -> None:
    assert describe(REFUSED)[0]
    assert "Waiting for its rights" in describe(REFUSED)[1]
    late = SETUP_TIME.total_seconds() / 60
    assert describe(REFUSED, late) == (False, "Did not accept the last message: HTTP 403.")


def test_only_mail_that_never_worked_waits() -> None:
    assert not describe(replace(REFUSED, accepted_at=START))[0]
    assert not describe(replace(REFUSED, channel="webhook"))[0]
    assert not describe(replace(REFUSED, is_forbidden=False))[0]


def test_what_waits_and_what_is_refused_is_counted_and_what_was_taken_is_not() -> None:
    rows = [
        build_row(1, "mail"),
        replace(build_row(2, "mail"), state=CopyState.REFUSED),
        replace(build_row(3, "mail"), state=CopyState.ACCEPTED),
        build_row(4, "webhook"),
    ]
    (status,) = build_channel_statuses(["mail"], {"mail": HEALTH}, rows, START)
    assert (status.waiting_count, status.refused_count, status.is_well) == (1, 1, False)


def test_a_channel_that_was_never_tried_is_to_be_tested() -> None:
    assert "exo channels test" in describe(None)[1]


def test_a_channel_that_is_out_of_use_comes_first_with_its_reason() -> None:
    fault = ChannelFault("slack", "SLACK_WEBHOOK_URL must be at slack.com.")
    rows = [build_row(1, "slack")]
    first, second = build_channel_statuses(["mail"], {"mail": HEALTH}, rows, START, [fault])
    assert (first.name, first.is_well, first.waiting_count) == ("slack", False, 1)
    assert first.text == "Out of use: SLACK_WEBHOOK_URL must be at slack.com."
    assert (second.name, second.is_well) == ("mail", True)


def test_nobody_is_told_anything_only_where_teams_and_all_others_are_out_of_use() -> None:
    teams, slack = ChannelFault("teams", "x"), ChannelFault("slack", "x")
    for names, faults, expected in (
        ([], [], False),
        ([], [slack], False),
        (["mail"], [teams, slack], False),
        ([], [teams], True),
        ([], [teams, slack], True),
    ):
        assert is_silent(build_channel_statuses(names, {}, [], START, faults)) is expected


def test_the_status_says_what_is_out_of_use_and_louder_where_no_channel_is_left() -> None:
    for names, health in ((["mail"], Health.ATTENTION), ([], Health.FAILING)):
        faults = [ChannelFault("teams", "TEAMS_WEBHOOK_URL is missing.")]
        status = build_status([], START, channels=names, faults=faults)
        told = {reason.text: reason.health for reason in status.reasons}
        assert told["channel teams: Out of use: TEAMS_WEBHOOK_URL is missing."] is health
