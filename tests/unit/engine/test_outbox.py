"""Further channels: each is told each thing once, whatever the others do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from core.engine.deliver import (
    LATE_TIME,
    MAX_REFUSED_IN_A_ROW,
    queue_for_channels,
    send_to_answering_channels,
    send_to_channels,
)
from core.engine.housekeeping import is_memory_whole
from core.engine.outbox import (
    KEEP_ACCEPTED,
    MANY_FAILURES,
    MAX_EXISTING,
    MAX_PENDING,
    REFUSED_PAUSE,
    TOLD_PAUSE,
    TOLD_PER_CASE,
    Outbox,
    cut,
    list_rows_to_forget,
    list_silent_ends,
    queue_notices,
)
from core.errors import CardRejected
from core.model.cases import Notification
from core.model.findings import Severity
from core.model.outbox import CopyState, NoticeEvent, OutboxRow
from core.model.state import GuardSnapshot, GuardState
from tests.support.adaptive_cards import build_closed_case, build_report, build_rule_case
from tests.support.channel_stage import CRITICAL, HIGH, RUN, ChannelStage
from tests.support.fakes.channel import FakeMessageChannel
from tests.support.fakes.clock import START


async def test_each_channel_is_told_the_gravest_first_and_each_case_once() -> None:
    stage = ChannelStage()
    await stage.tell(RUN)
    for channel in (stage.mail, stage.hook):
        assert channel.told_keys == [CRITICAL.key, HIGH.key]
    assert [len(rows) for rows in stage.mail.sent] == [2]
    assert [len(rows) for rows in stage.hook.sent] == [1, 1]
    await stage.later()
    assert len(stage.mail.told_ids) == 2
    assert {row.state for row in (await stage.rows()).values()} == {CopyState.ACCEPTED}


@pytest.mark.parametrize("trouble", ["is_down", "hangs"])
async def test_a_channel_that_fails_holds_up_no_other(trouble: str) -> None:
    stage = ChannelStage()
    stage.mail.patience = 0.01
    setattr(stage.mail, trouble, True)
    report = await stage.tell(RUN)
    assert (report.delivered, stage.hook.told_keys) == (True, [CRITICAL.key, HIGH.key])
    assert (stage.mail.told_ids, stage.mail.attempt_count) == ([], 1)
    waiting = [row for row in (await stage.rows()).values() if row.channel == "mail"]
    assert {row.state for row in waiting} == {CopyState.PENDING}
    assert all(row.queued_at == START for row in waiting)
    setattr(stage.mail, trouble, False)
    await stage.later()
    assert stage.mail.told_keys == [CRITICAL.key, HIGH.key]
    assert len(stage.hook.told_ids) == 2


async def test_a_case_that_meets_a_mistake_in_a_message_is_told_plainly_and_stops_nothing() -> None:
    stage = ChannelStage()
    stage.mail.odd_keys = {CRITICAL.key}
    assert (await stage.tell(RUN)).delivered
    assert [row.notice.case_key for (row,) in stage.mail.sent] == [HIGH.key]
    assert [row.notice.case_key for (row,) in stage.mail.plain] == [CRITICAL.key]
    assert stage.hook.told_keys == [CRITICAL.key, HIGH.key]


def test_of_a_case_that_cannot_be_copied_what_needs_no_details_is_told() -> None:
    odd = replace(HIGH, facts=(None,))  # type: ignore[arg-type]
    report = replace(RUN, notifications=(CRITICAL, odd))
    whole, plain = queue_notices(report, [FakeMessageChannel()], {}, START)
    assert (whole.notice.case_key, whole.notice.note) == (CRITICAL.key, "")
    told = plain.notice
    assert told.note.startswith("a mistake of the app, AttributeError at outbox.py:")
    assert (told.case_key, told.kind, told.severity) == (HIGH.key, HIGH.kind, HIGH.severity)
    assert (told.event, told.facts) == (NoticeEvent.OPENED, ())


async def test_while_teams_is_down_the_others_are_told_once_and_of_what_changes() -> None:
    stage = ChannelStage()
    stage.teams.is_down = True
    assert (await stage.tell(RUN)).delivered is False
    await stage.later()
    await stage.later()
    assert stage.mail.told_keys == [CRITICAL.key, HIGH.key]
    ended = replace(
        CRITICAL, notification=Notification.CLOSED, closed_at=stage.clock(), resolution="gone"
    )
    await stage.later(ended)
    graver = replace(HIGH, severity=Severity.CRITICAL)
    await stage.later(graver)
    assert stage.mail.told_keys == [CRITICAL.key, HIGH.key, CRITICAL.key, HIGH.key]
    events = [row.notice.event for rows in stage.mail.sent for row in rows]
    assert events[2:] == [NoticeEvent.CLOSED, NoticeEvent.CHANGED]
    stage.teams.is_down = False
    await stage.later()
    assert len(stage.teams.sent) == 3
    assert len(stage.mail.told_ids) == 4


async def test_what_a_channel_has_not_taken_is_told_as_it_is_when_it_does() -> None:
    stage = ChannelStage()
    stage.mail.is_down = True
    await stage.tell(RUN)
    ended = replace(
        CRITICAL, notification=Notification.CLOSED, closed_at=stage.clock(), resolution="gone"
    )
    await stage.later(ended)
    stage.mail.is_down = False
    await stage.later()
    first = stage.mail.sent[0][0]
    assert (first.notice.event, first.queued_at) == (NoticeEvent.CLOSED, START)
    assert stage.mail.told_keys == [CRITICAL.key, HIGH.key]
    assert stage.hook.told_keys.count(CRITICAL.key) == 2


async def test_critical_cases_go_to_channels_of_other_guards_too() -> None:
    stage = ChannelStage()
    stage.mail.guards = frozenset({"another-guard"})
    stage.mail.least_severity = Severity.LOW
    await stage.tell(RUN)
    assert stage.mail.told_keys == [CRITICAL.key]


async def test_the_end_is_told_where_the_beginning_was_told() -> None:
    stage = ChannelStage()
    await stage.tell(RUN)
    milder = replace(
        CRITICAL,
        severity=Severity.LOW,
        notification=Notification.DONE,
        closed_at=START,
        notified_at=START,
    )
    unknown = build_closed_case(9, severity=Severity.LOW)
    await stage.later(milder, unknown)
    assert stage.mail.told_keys == [CRITICAL.key, HIGH.key, CRITICAL.key]


async def test_one_unwelcome_case_of_a_message_costs_the_others_no_details() -> None:
    stage = ChannelStage()
    stage.mail.only_plain = {CRITICAL.key}
    await stage.tell(RUN)
    assert [[row.notice.case_key for row in rows] for rows in stage.mail.plain] == [[CRITICAL.key]]
    assert [row.notice.case_key for rows in stage.mail.sent for row in rows] == [HIGH.key]


async def test_a_refused_message_is_sent_plainly_and_keeps_no_other() -> None:
    stage = ChannelStage()
    stage.hook.only_plain = {CRITICAL.key}
    stage.mail.refused_keys = {CRITICAL.key}
    stage.mail.batch_size = 1
    await stage.tell(RUN)
    assert [row.notice.case_key for (row,) in stage.hook.plain] == [CRITICAL.key]
    assert stage.mail.told_keys == [HIGH.key]
    refused = (await stage.rows())[f"{CRITICAL.key}|mail"]
    assert (refused.state, refused.error) == (CopyState.REFUSED, "HTTP 400")
    await stage.later()
    assert stage.mail.attempt_count == 3
    stage.mail.refused_keys = set()
    await stage.later(minutes=int(REFUSED_PAUSE.total_seconds() // 60))
    assert stage.mail.told_keys == [HIGH.key, CRITICAL.key]


async def test_of_a_refused_message_about_several_cases_only_the_one_at_fault_is_refused() -> None:
    stage = ChannelStage()
    cases = [build_rule_case(number, severity=Severity.HIGH) for number in range(1, 6)]
    stage.mail.refused_keys = {cases[2].key}
    await stage.later(*cases)
    assert sorted(stage.mail.told_keys) == sorted(
        one.key for one in cases if one.key not in stage.mail.refused_keys
    )
    row = (await stage.rows())[f"{cases[2].key}|mail"]
    assert row.state is CopyState.REFUSED


async def test_a_channel_that_refuses_everything_is_not_asked_about_each_case() -> None:
    stage = ChannelStage()
    cases = [build_rule_case(number, severity=Severity.HIGH) for number in range(1, 41)]
    stage.hook.refused_keys = {one.key for one in cases}
    await stage.later(*cases)
    assert stage.hook.attempt_count == 2 * MAX_REFUSED_IN_A_ROW
    states = [row.state for row in (await stage.rows()).values() if row.channel == "webhook"]
    assert states.count(CopyState.REFUSED) == MAX_REFUSED_IN_A_ROW
    stage.hook.refused_keys = set()
    await stage.later()
    assert len(stage.hook.told_keys) == len(cases) - MAX_REFUSED_IN_A_ROW


async def test_a_channel_that_is_slow_holds_up_no_scan() -> None:
    stage = ChannelStage()

    class SlowChannel(FakeMessageChannel):
        """Takes each message after six seconds."""

        async def send(self, rows: Sequence[OutboxRow], *, is_plain: bool = False) -> None:
            stage.clock.advance(seconds=6)
            await super().send(rows, is_plain=is_plain)

    slow = SlowChannel("slow", batch_size=1)
    stage.world = replace(stage.world, channels=(slow,))
    cases = [build_rule_case(number, severity=Severity.HIGH) for number in range(1, 31)]
    async with stage.ledger.claim(RUN.guard, "run") as claim:
        assert claim
        outbox = Outbox({})
        await queue_for_channels(stage.world, claim, build_report(*cases), outbox)
        await send_to_answering_channels(stage.world, claim, outbox)
        assert len(slow.sent) == 2
        await send_to_channels(stage.world, claim, outbox)
        assert len(slow.sent) == 2 + LATE_TIME // timedelta(seconds=6)
        await send_to_channels(stage.world, claim, outbox)
        assert len(slow.sent) == len(cases)


async def test_a_refusal_that_is_not_looked_into_any_more_is_no_acceptance() -> None:
    stage = ChannelStage()

    class SlowRefusal(FakeMessageChannel):
        """Refuses each message after six seconds."""

        async def send(self, rows: Sequence[OutboxRow], *, is_plain: bool = False) -> None:
            stage.clock.advance(seconds=6)
            raise CardRejected("HTTP 400")

    stage.world = replace(stage.world, channels=(SlowRefusal("slow"),))
    cases = [build_rule_case(number, severity=Severity.HIGH) for number in range(1, 4)]
    async with stage.ledger.claim(RUN.guard, "run") as claim:
        assert claim
        outbox = Outbox({})
        await queue_for_channels(stage.world, claim, build_report(*cases), outbox)
        await send_to_answering_channels(stage.world, claim, outbox)
    health = (await stage.ledger.load_channel_healths())["slow"]
    assert (health.error, health.accepted_at) == ("HTTP 400", None)


async def test_a_message_at_which_a_channel_fails_holds_up_the_others_for_a_few_runs_only() -> None:
    stage = ChannelStage()
    stage.hook.failing_keys = {CRITICAL.key}
    await stage.tell(RUN)
    for _ in range(MANY_FAILURES):
        await stage.later()
    assert stage.hook.told_keys == [HIGH.key]
    stage.hook.failing_keys = set()
    await stage.later()
    assert stage.hook.told_keys == [HIGH.key, CRITICAL.key]


async def test_what_existed_at_the_first_look_is_one_message_and_what_is_critical() -> None:
    stage = ChannelStage()
    old = [
        replace(build_rule_case(number, severity=severity), baselined=True)
        for number, severity in enumerate(
            [Severity.CRITICAL] * (MAX_EXISTING + 5) + [Severity.HIGH] * 40, start=1
        )
    ]
    await stage.tell(replace(build_report(*old), baselined=True))
    events = [row.notice.event for rows in stage.mail.sent for row in rows]
    assert events.count(NoticeEvent.EXISTING) == 1
    assert events.count(NoticeEvent.OPENED) == MAX_EXISTING
    notices = [row.notice for rows in stage.mail.sent for row in rows]
    counted = next(one for one in notices if one.event is NoticeEvent.EXISTING)
    assert (counted.count, "25 critical, 40 high" in counted.summary) == (65, True)


async def test_what_leaves_before_the_end_of_a_first_look_is_not_counted_as_all_of_it() -> None:
    stage = ChannelStage()
    early, late = replace(CRITICAL, baselined=True), replace(HIGH, baselined=True)
    await stage.tell(replace(build_report(early), baselined=True, is_early=True))
    assert [row.notice.event for rows in stage.mail.sent for row in rows] == [NoticeEvent.OPENED]
    await stage.tell(replace(build_report(late), baselined=True))
    events = [row.notice.event for rows in stage.mail.sent for row in rows]
    assert events == [NoticeEvent.OPENED, NoticeEvent.EXISTING]


async def test_of_more_than_a_dead_channel_can_keep_the_number_is_kept() -> None:
    stage = ChannelStage()
    stage.mail.is_down = True
    first = [
        build_rule_case(number, severity=Severity.HIGH) for number in range(1, MAX_PENDING + 4)
    ]
    stage.teams.is_down = True
    await stage.later(*first)
    # What is in the report again is not counted again.
    await stage.later(*first)
    stage.teams.is_down = False
    await stage.later(
        *(
            replace(build_rule_case(n, severity=Severity.HIGH), opened_at=stage.clock())
            for n in (1001, 1002)
        )
    )
    rows = [row for row in (await stage.rows()).values() if row.channel == "mail"]
    more = next(row for row in rows if row.notice.event is NoticeEvent.MORE)
    assert (len(rows), more.notice.count) == (MAX_PENDING + 1, 5)
    assert "5 more notifications" in more.notice.summary


async def test_a_case_that_comes_and_goes_waits_unless_it_is_graver() -> None:
    stage = ChannelStage()
    case = replace(HIGH, notification=Notification.CHANGED)
    for number in range(TOLD_PER_CASE + 2):
        await stage.later(replace(case, deferred_at=START + timedelta(minutes=number)))
    assert len(stage.mail.told_ids) == TOLD_PER_CASE
    await stage.later(replace(case, severity=Severity.CRITICAL))
    assert len(stage.mail.told_ids) == TOLD_PER_CASE + 1
    await stage.later(replace(case, deferred_at=START + timedelta(days=1)))
    await stage.later(minutes=int(TOLD_PAUSE.total_seconds() // 60))
    assert len(stage.mail.told_ids) == TOLD_PER_CASE + 2


async def test_the_health_of_each_channel_is_recorded_and_begins_anew_with_its_address() -> None:
    stage = ChannelStage()
    stage.mail.is_down = True
    await stage.tell(RUN)
    healths = await stage.ledger.load_channel_healths()
    assert (healths["mail"].error, healths["mail"].accepted_at) == ("HTTP 503", None)
    assert (healths["webhook"].error, healths["webhook"].accepted_at) == ("", START)
    stage.mail.is_down, stage.mail.setup = False, "another"
    await stage.later()
    now = (await stage.ledger.load_channel_healths())["mail"]
    assert (now.first_tried_at, now.accepted_at, now.failed_at) == (
        stage.clock(),
        stage.clock(),
        None,
    )


async def test_what_was_told_long_ago_and_channels_that_are_off_are_forgotten() -> None:
    stage = ChannelStage()
    await stage.tell(RUN)
    rows = (await stage.rows()).values()
    both = ("mail", "webhook")
    assert list_rows_to_forget(rows, both, {}, START + KEEP_ACCEPTED - timedelta(hours=1)) == ()
    assert len(list_rows_to_forget(rows, both, {}, START + KEEP_ACCEPTED)) == 4
    assert {row.channel for row in list_rows_to_forget(rows, ("mail",), {}, START)} == {"webhook"}


async def test_a_case_that_ends_without_a_card_ends_where_it_was_told() -> None:
    stage = ChannelStage()
    await stage.tell(replace(RUN, notifications=(CRITICAL,)))
    exempt = replace(CRITICAL, notification=Notification.NONE, closed_at=START, resolution="exempt")
    cases = {exempt.key: exempt}
    rows = (await stage.rows()).values()
    ends = list_silent_ends(rows, cases, (), START)
    assert {row.channel for row in ends} == {"mail", "webhook"}
    assert {row.notice.event for row in ends} == {NoticeEvent.CLOSED}
    assert {row.notice.note for row in ends} == {"an operator exempted it"}
    assert all(row.state is CopyState.PENDING for row in ends)
    assert list_silent_ends(ends, cases, (), START) == ()
    for other in (
        replace(exempt, notification=Notification.CLOSED),
        replace(exempt, closed_at=None),
    ):
        assert list_silent_ends(rows, {other.key: other}, (), START) == ()


async def test_a_case_that_ended_in_one_that_held_it_ends_where_it_was_told() -> None:
    stage = ChannelStage()
    await stage.tell(replace(RUN, notifications=(CRITICAL,)))
    rows = (await stage.rows()).values()
    assert list_silent_ends(rows, {}, {CRITICAL.key}, START) == ()
    ends = list_silent_ends(rows, {}, (), START)
    assert {(row.notice.event, row.state) for row in ends} == {
        (NoticeEvent.CLOSED, CopyState.PENDING)
    }
    assert list_silent_ends(ends, {}, (), START) == ()


@pytest.mark.parametrize(
    ("snapshot", "is_whole"),
    [
        (GuardSnapshot(), True),
        (GuardSnapshot(unreadable_rows=1), False),
        (GuardSnapshot(rows_differ="a row vanished"), False),
        (GuardSnapshot(state=GuardState(distrust_reason="an older table")), False),
    ],
)
def test_a_case_that_is_not_there_is_over_only_where_all_rows_are_known(
    snapshot: GuardSnapshot, is_whole: bool
) -> None:
    assert is_memory_whole(snapshot) is is_whole


async def test_an_event_has_no_end_to_tell() -> None:
    stage = ChannelStage()
    await stage.tell(replace(RUN, notifications=(CRITICAL,)))
    over = replace(CRITICAL, notification=Notification.NONE, closed_at=START, is_one_off=True)
    rows = (await stage.rows()).values()
    noted = list_silent_ends(rows, {over.key: over}, (), START)
    assert {row.state for row in noted} == {CopyState.ACCEPTED}
    # Once its case is archived, nothing is told of it either.
    assert list_silent_ends(noted, {}, (), START) == ()


async def test_what_ended_before_a_channel_took_anything_is_not_told_there() -> None:
    stage = ChannelStage()
    stage.mail.is_down = True
    await stage.tell(RUN)
    exempt = replace(CRITICAL, notification=Notification.NONE, closed_at=START, resolution="exempt")
    rows, both = (await stage.rows()).values(), ("mail", "webhook")
    forgotten = list_rows_to_forget(rows, both, {exempt.key: exempt}, START)
    assert [row.key for row in forgotten] == [f"{exempt.key}|mail"]


async def test_a_case_that_comes_back_after_its_end_was_told_is_new() -> None:
    stage = ChannelStage()
    await stage.tell(RUN)
    ended = replace(CRITICAL, notification=Notification.CLOSED, closed_at=START, resolution="gone")
    await stage.later(ended)
    await stage.later(replace(CRITICAL, opened_at=stage.clock()))
    events = [row.notice.event for rows in stage.mail.sent for row in rows]
    assert events[-2:] == [NoticeEvent.CLOSED, NoticeEvent.OPENED]


def test_a_hostile_case_leaves_a_notice_that_fits() -> None:
    text = "x" * 5_000_000
    case = replace(CRITICAL, summary=text, subject=text, advice=text, note=text, object_id=text)
    (row,) = queue_notices(build_report(case), [FakeMessageChannel()], {}, START)
    texts = (row.notice.summary, row.notice.subject, row.notice.advice, row.notice.note)
    assert sum(map(len, texts)) < 5_000


def test_a_text_is_cut_at_the_end_of_a_word() -> None:
    assert cut("short", 20) == "short"
    assert cut("a sentence of words", 12) == "a sentence…"
    assert cut("x" * 50, 12) == "x" * 11 + "…"
