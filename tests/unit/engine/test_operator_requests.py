"""What people ask for is done once, by whoever holds the guard next, and told."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from core.engine.exemption_audit import UNDO_EXEMPTION_PERIOD
from core.engine.operator_requests import (
    list_undelivered_requests,
    process_requests,
    run_requests_only,
)
from core.engine.request_decisions import MAX_UNDO_ATTEMPTS, decide_acknowledge
from core.engine.run import create_run_id
from core.errors import Forbidden, NotFound, Superseded, TenantError, Unavailable
from core.keys import hash_parts
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState, RunOptions
from core.model.runs import RunReport
from core.model.state import GuardSnapshot
from core.status.case_texts import describe_case_end
from tests.support.cases import build_case
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    EngineHarness,
    SyntheticTenant,
    build_forward_state,
)

EVIL = "evil@example.net"


async def asks(
    stage: EngineHarness, deed: RequestKind, subject: str = "", **more: Any
) -> OperatorRequest:
    """Somebody asks for something."""
    operator_request = OperatorRequest(
        create_run_id(stage.clock()), deed, subject, "Dana", "because", stage.clock(), "key", **more
    )
    await stage.ledger.add_request("toy", operator_request)
    stage.clock.advance(seconds=1)
    return operator_request


async def process_requests_now(stage: EngineHarness) -> RunReport:
    """A worker does what is asked."""
    return await run_requests_only(stage.config, stage.world, create_run_id(stage.clock()))


async def memory(stage: EngineHarness) -> GuardSnapshot:
    return await stage.ledger.load("toy")


async def became(stage: EngineHarness, operator_request: OperatorRequest) -> OperatorRequest:
    found = await stage.ledger.get_request("toy", operator_request.id)
    assert found
    return found


async def the_case(stage: EngineHarness) -> Case:
    [case] = (await memory(stage)).cases.values()
    return case


async def alerted() -> EngineHarness:
    """A tenant with one bad mailbox, whose case is told."""
    stage = EngineHarness(SyntheticTenant(mailbox_count=20, forwards={"m7": EVIL}))
    await stage.run_timer()
    await stage.run_timer()
    return stage


async def enforced() -> tuple[EngineHarness, ChangeRecord]:
    """A tenant in which one forward was cleared, and the record of it."""
    stage = EngineHarness(SyntheticTenant(mailbox_count=20, forwards={"m7": EVIL}), ENFORCE_CONFIG)
    await stage.run_timer()
    await stage.run_timer()
    assert stage.tenant.writes == ["m7"]
    [record] = (await memory(stage)).changes
    return stage, record


async def test_what_a_mistake_keeps_from_being_done_is_refused_and_keeps_back_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = await alerted()
    until = cast(datetime, "a day that nobody foresaw")
    odd = OperatorRequest(
        create_run_id(START), RequestKind.EXEMPT, "m7", "Dana", "why", START, until=until
    )
    good = replace(odd, id=create_run_id(stage.clock()), until=stage.clock() + DAY)
    async with stage.ledger.claim("toy", "r") as claim:
        assert claim
        asked = replace(await claim.load(), operator_requests=(odd, good))
        after = await process_requests(stage.world, claim, asked, "r")
    states = {one.id: (one.state, one.note) for one in after.operator_requests}
    state, note = states[odd.id]
    assert (state, states[good.id][0]) == (RequestState.REFUSED, RequestState.DONE)
    assert note.startswith("a mistake of the app, TypeError at ")
    assert "Traceback" in caplog.text


# ----------------------------------------------------------------------------------------------
# Acknowledging
# ----------------------------------------------------------------------------------------------


async def test_an_acknowledged_case_is_not_brought_up_again() -> None:
    stage = await alerted()
    operator_request = await asks(stage, RequestKind.ACKNOWLEDGE, (await the_case(stage)).key)
    await process_requests_now(stage)
    assert (await became(stage, operator_request)).state is RequestState.DONE
    case = await the_case(stage)
    assert (case.acknowledged_by, case.closed_at) == ("Dana", None)
    cards = len(stage.notification_channel.sent)
    for _ in range(3):
        stage.clock.advance(days=8)
        await stage.run_timer()
    assert len(stage.notification_channel.sent) == cards


async def test_an_acknowledged_case_that_gets_worse_is_news() -> None:
    stage = await alerted()
    await asks(stage, RequestKind.ACKNOWLEDGE, (await the_case(stage)).key)
    await process_requests_now(stage)
    cards = len(stage.notification_channel.sent)
    stage.tenant.forwards |= {"m8": EVIL, "m9": EVIL}
    await stage.run_timer()
    assert len(stage.notification_channel.sent) > cards
    worse = next(c for c in (await memory(stage)).cases.values() if c.object_id == "m7")
    assert (worse.severity, worse.acknowledged_at) == (Severity.CRITICAL, None)


async def test_only_an_open_case_can_be_acknowledged() -> None:
    stage = await alerted()
    nothing = await asks(stage, RequestKind.ACKNOWLEDGE, hash_parts("nothing"))
    stage.tenant.forwards.clear()
    await stage.run_timer()
    closed = await asks(stage, RequestKind.ACKNOWLEDGE, (await the_case(stage)).key)
    await process_requests_now(stage)
    for operator_request in (nothing, closed):
        assert (await became(stage, operator_request)).state is RequestState.REFUSED


# ----------------------------------------------------------------------------------------------
# Exempting
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["case", "object"])
async def test_what_is_exempt_ends_quietly_and_comes_back_when_the_exemption_ends(by: str) -> None:
    stage = await alerted()
    case = await the_case(stage)
    subject = case.key if by == "case" else case.object_id
    await asks(stage, RequestKind.EXEMPT, subject, until=stage.clock() + 30 * DAY)
    await process_requests_now(stage)
    assert (await the_case(stage)).resolution == "exempt"
    cards = len(stage.notification_channel.sent)
    await stage.run_timer()
    assert (len(stage.notification_channel.sent), stage.get_open_subjects()) == (cards, set())
    stage.clock.advance(days=31)
    await stage.run_timer()
    assert stage.get_open_subjects() == {"m7@x"}
    assert len(stage.notification_channel.sent) == cards + 1


async def test_who_exempts_a_name_is_told_that_nothing_goes_by_it() -> None:
    stage = await alerted()
    until = stage.clock() + 30 * DAY
    by_name = await asks(stage, RequestKind.EXEMPT, "m7@x", until=until)
    by_id = await asks(stage, RequestKind.EXEMPT, (await the_case(stage)).object_id, until=until)
    await process_requests_now(stage)
    assert "never by a name" in (await became(stage, by_name)).note
    assert "never by a name" not in (await became(stage, by_id)).note


async def test_an_exemption_can_be_ended_before_its_time_and_only_once() -> None:
    stage = await alerted()
    subject = (await the_case(stage)).key
    await asks(stage, RequestKind.EXEMPT, subject, until=stage.clock() + 30 * DAY)
    first = await asks(stage, RequestKind.END_EXEMPTION, subject)
    second = await asks(stage, RequestKind.END_EXEMPTION, subject)
    await process_requests_now(stage)
    assert (await became(stage, first)).state is RequestState.DONE
    assert (await became(stage, second)).state is RequestState.REFUSED
    await stage.run_timer()
    assert stage.get_open_subjects() == {"m7@x"}


async def test_an_exemption_whose_end_has_passed_meanwhile_is_refused() -> None:
    stage = await alerted()
    until = stage.clock() + timedelta(minutes=1)
    operator_request = await asks(stage, RequestKind.EXEMPT, "m7", until=until)
    stage.clock.advance(hours=1)
    await process_requests_now(stage)
    assert (await became(stage, operator_request)).state is RequestState.REFUSED
    assert stage.get_open_subjects() == {"m7@x"}


# ----------------------------------------------------------------------------------------------
# Undoing
# ----------------------------------------------------------------------------------------------


async def test_a_change_is_taken_back_and_left_alone_for_a_month() -> None:
    stage, record = await enforced()
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    assert stage.tenant.forwards == {"m7": EVIL}
    assert (await became(stage, operator_request)).state is RequestState.DONE
    for _ in range(3):
        await stage.run_timer()
    assert stage.tenant.writes == ["m7"]
    stage.clock.advance(seconds=UNDO_EXEMPTION_PERIOD.total_seconds())
    await stage.run_timer()
    assert stage.tenant.writes == ["m7", "m7"]


async def test_a_run_that_comes_first_does_what_was_asked_before_it_looks() -> None:
    stage, record = await enforced()
    await asks(stage, RequestKind.UNDO, record.id)
    await stage.run_timer()
    assert (stage.tenant.undone, stage.tenant.writes) == (["m7"], ["m7"])
    assert stage.tenant.forwards == {"m7": EVIL}


async def test_taking_back_is_a_record_of_its_own() -> None:
    stage, record = await enforced()
    await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    found = {one.id: one for one in (await memory(stage)).changes}
    assert found.pop(record.id).undone_at
    [restoring] = found.values()
    assert (restoring.undo_of, restoring.state) == (record.id, ChangeState.APPLIED)
    assert restoring.before == build_forward_state("")
    case = (await memory(stage)).cases[record.case_key]
    assert case.resolution == "undone"
    assert "took that back" in describe_case_end(case)


@pytest.mark.parametrize("number", [2, 3])
async def test_a_change_is_taken_back_once_however_often_it_is_asked_for(number: int) -> None:
    stage, record = await enforced()
    operator_requests = [await asks(stage, RequestKind.UNDO, record.id) for _ in range(number)]
    await process_requests_now(stage)
    states = [
        (await became(stage, operator_request)).state for operator_request in operator_requests
    ]
    assert states == [RequestState.DONE, *[RequestState.REFUSED] * (number - 1)]
    assert stage.tenant.undone == ["m7"]


async def test_a_restoring_is_no_change_that_could_be_taken_back() -> None:
    stage, record = await enforced()
    await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    restoring = next(one for one in (await memory(stage)).changes if one.undo_of)
    operator_request = await asks(stage, RequestKind.UNDO, restoring.id)
    unknown = await asks(stage, RequestKind.UNDO, hash_parts("unknown"))
    await process_requests_now(stage)
    assert "restoring itself" in (await became(stage, operator_request)).note
    assert "no change has that id" in (await became(stage, unknown)).note


async def archive_changes(stage: EngineHarness) -> tuple[ChangeRecord, ...]:
    """What was wrong is gone, and the changes move to the archive; returns them."""
    before = (await memory(stage)).changes
    stage.tenant.forwards.clear()
    stage.clock.advance(days=40)
    await stage.run_timer()
    assert not (await memory(stage)).changes
    return before


async def test_a_request_about_an_archived_change_that_is_refused_ends_no_run() -> None:
    """What is read of the archive to answer it is not archived once more."""
    stage, record = await enforced()
    await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    *_, restoring = sorted(await archive_changes(stage), key=lambda one: bool(one.undo_of))
    operator_requests = [
        await asks(stage, RequestKind.UNDO, one.id) for one in (restoring, record, restoring)
    ]
    report = await stage.run_timer()
    notes = [(await became(stage, one)).note for one in operator_requests]
    assert "restoring itself" in notes[0]
    assert "taken back on" in notes[1]
    assert notes[2] == notes[0]
    assert report.subject_names[restoring.id] == "ClearMailboxForward of m7@x"
    await stage.run_timer()
    assert not (await memory(stage)).changes


async def test_an_archived_change_whose_undo_fails_stays_in_the_archive() -> None:
    stage, record = await enforced()
    await archive_changes(stage)
    stage.tenant.undo_error = Superseded("somebody changed it since")
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    await stage.run_timer()
    assert (await became(stage, operator_request)).state is RequestState.REFUSED
    [attempt] = (await memory(stage)).changes
    assert attempt.undo_of == record.id


async def test_an_archived_change_is_taken_back_and_archived_as_such() -> None:
    stage, record = await enforced()
    await archive_changes(stage)
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    await stage.run_timer()
    assert (await became(stage, operator_request)).state is RequestState.DONE
    assert stage.tenant.undone == ["m7"]
    await archive_changes(stage)
    again = await asks(stage, RequestKind.UNDO, record.id)
    await stage.run_timer()
    assert "taken back on" in (await became(stage, again)).note


@pytest.mark.parametrize(
    "error",
    [
        Superseded("somebody changed it since"),
        NotFound("the mailbox is gone"),
        Forbidden("no", "MailboxSettings.ReadWrite"),
    ],
)
async def test_what_cannot_be_taken_back_is_refused_and_not_exempt(error: TenantError) -> None:
    stage, record = await enforced()
    stage.tenant.undo_error = error
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    ended = await became(stage, operator_request)
    assert ended.state is RequestState.REFUSED
    assert str(error) in ended.note
    now = await memory(stage)
    assert all(exemption.until <= stage.clock() for exemption in now.exemptions.values())
    assert not next(one for one in now.changes if one.id == record.id).undone_at


async def test_passing_trouble_is_tried_again_and_not_for_ever() -> None:
    stage, record = await enforced()
    stage.tenant.undo_error = Unavailable("HTTP 503")
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    for number in range(1, MAX_UNDO_ATTEMPTS):
        await stage.run_timer()
        now = await became(stage, operator_request)
        assert (now.state, now.attempts) == (RequestState.REQUESTED, number)
    stage.tenant.undo_error = None
    await stage.run_timer()
    assert (await became(stage, operator_request)).state is RequestState.DONE
    later = await asks(stage, RequestKind.UNDO, record.id)
    await stage.run_timer()
    assert (await became(stage, later)).state is RequestState.REFUSED


async def test_what_fails_too_often_is_given_up() -> None:
    stage, record = await enforced()
    stage.tenant.undo_error = Unavailable("HTTP 503")
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    for _ in range(MAX_UNDO_ATTEMPTS):
        await stage.run_timer()
    assert (await became(stage, operator_request)).state is RequestState.REFUSED


async def test_what_a_person_took_back_is_not_contested() -> None:
    stage, record = await enforced()
    await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    subject = record.case_key
    await asks(stage, RequestKind.END_EXEMPTION, subject)
    await stage.run_timer()
    assert stage.tenant.writes == ["m7", "m7"]
    case = (await memory(stage)).cases[subject]
    assert case.verdict == case.guard_verdict


async def test_doing_what_is_asked_is_told_and_is_no_run() -> None:
    stage, record = await enforced()
    runs = len(await stage.ledger.list_recent_runs("toy", 50))
    cards = len(stage.notification_channel.sent)
    await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    assert len(await stage.ledger.list_recent_runs("toy", 50)) == runs
    assert len(stage.notification_channel.sent) == cards + 1
    assert "Dana" in str(stage.notification_channel.sent[-1])
    await process_requests_now(stage)
    await stage.run_timer()
    assert len(stage.notification_channel.sent) == cards + 1


async def test_what_the_channel_did_not_take_is_told_by_the_next_run() -> None:
    stage, record = await enforced()
    await asks(stage, RequestKind.UNDO, record.id)
    stage.notification_channel.is_down = True
    await process_requests_now(stage)
    assert list_undelivered_requests(await memory(stage))
    stage.notification_channel.is_down = False
    await stage.run_timer()
    assert list_undelivered_requests(await memory(stage)) == ()
    assert "Dana" in str(stage.notification_channel.sent[-1])


# ----------------------------------------------------------------------------------------------
# Runs and releases
# ----------------------------------------------------------------------------------------------


async def held(size: int = 100) -> tuple[EngineHarness, RunReport]:
    """A stage whose changes the brake holds."""
    stage = EngineHarness(
        SyntheticTenant(size, forwards={f"m{number}": EVIL for number in range(60)}), ENFORCE_CONFIG
    )
    await stage.run_timer()
    return stage, await stage.run_timer()


async def test_a_plan_released_while_the_guard_was_busy_is_carried_out_by_the_next_run() -> None:
    stage, waits = await held()
    assert waits.plan
    wrong = await asks(stage, RequestKind.RELEASE, hash_parts("another plan"))
    await stage.run_timer()
    assert (await became(stage, wrong)).state is RequestState.REFUSED
    assert waits.plan in (await became(stage, wrong)).note
    right = await asks(stage, RequestKind.RELEASE, waits.plan)
    await stage.run_timer()
    assert (await became(stage, right)).state is RequestState.DONE
    assert len(stage.tenant.writes) == 60


async def test_a_release_is_good_for_an_hour() -> None:
    stage, waits = await held()
    late = await asks(stage, RequestKind.RELEASE, waits.plan)
    stage.clock.advance(hours=2)
    await stage.run_timer()
    assert (await became(stage, late)).state is RequestState.REFUSED
    assert stage.tenant.writes == []


async def test_a_look_that_may_change_nothing_leaves_a_release_to_the_next_that_may() -> None:
    stage, waits = await held()
    asked = await asks(stage, RequestKind.RELEASE, waits.plan)
    looked = await stage.run_timer(RunOptions(mode=Mode.ALERT))
    assert looked.error == ""
    assert (await became(stage, asked)).state is RequestState.REQUESTED
    await stage.run_timer()
    assert (await became(stage, asked)).state is RequestState.DONE
    assert len(stage.tenant.writes) == 60


async def test_a_release_waits_for_the_end_of_a_look_that_takes_two_runs() -> None:
    stage, waits = await held(size=400)
    asked = await asks(stage, RequestKind.RELEASE, waits.plan)
    stage.budget_used = iter([0.0] * 3 + [1.0] * 1_000).__next__
    first = await stage.run_timer()
    assert (first.status, first.error) == ("in-progress", "")
    assert stage.tenant.writes == []
    stage.budget_used = lambda: 0.0
    last = await stage.run_timer()
    assert (last.status, last.error) == ("done", "")
    assert (await became(stage, asked)).state is RequestState.DONE
    assert len(stage.tenant.writes) == 60


async def test_a_release_asked_for_while_shards_are_worked_on_counts_at_their_end() -> None:
    stage, waits = await held()
    stage.shard_above, stage.interval = 50, timedelta(minutes=5)
    planned = await stage.run_timer()
    assert planned.shard_messages
    asked = await asks(stage, RequestKind.RELEASE, waits.plan)
    meanwhile = await stage.run_timer()
    assert (meanwhile.status, meanwhile.error, meanwhile.shard_messages) == ("in-progress", "", ())
    assert stage.tenant.writes == []
    for message in stage.queue:
        await stage.process_message(message)
    assert len(stage.tenant.writes) == 60
    assert (await became(stage, asked)).state is RequestState.DONE


async def test_who_asked_for_a_run_hears_of_it() -> None:
    stage = EngineHarness(SyntheticTenant(mailbox_count=3))
    operator_request = await asks(stage, RequestKind.RUN)
    await process_requests_now(stage)
    assert (await became(stage, operator_request)).state is RequestState.REQUESTED
    report = await stage.run_timer()
    assert (await became(stage, operator_request)).state is RequestState.DONE
    assert [one.id for one in report.operator_requests] == [operator_request.id]


# ----------------------------------------------------------------------------------------------
# Whatever happens
# ----------------------------------------------------------------------------------------------


async def test_whoever_finds_the_guard_busy_waits_and_then_leaves_it_to_the_next_run() -> None:
    stage, record = await enforced()
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    turns = 0

    def spent() -> float:
        nonlocal turns
        turns += 1
        return turns / 3

    stage.budget_used = spent
    async with stage.ledger.claim("toy", "a long run"):
        with pytest.raises(Unavailable, match="busy"):
            await process_requests_now(stage)
    assert (await became(stage, operator_request)).state is RequestState.REQUESTED
    await stage.run_timer()
    assert stage.tenant.undone == ["m7"]


async def test_what_is_asked_for_in_alert_mode_writes_nothing_but_what_was_asked() -> None:
    stage, record = await enforced()
    stage.config = ALERT_CONFIG
    await asks(stage, RequestKind.UNDO, record.id)
    stage.tenant.forwards["m8"] = EVIL
    await stage.run_timer()
    assert (stage.tenant.undone, stage.tenant.writes) == (["m7"], ["m7"])


async def test_while_shards_are_worked_on_nothing_of_theirs_is_touched() -> None:
    stage, record = await enforced()
    stage.shard_above, stage.tenant.mailbox_count = 10, 300
    await stage.run_timer()
    assert stage.queue
    operator_request = await asks(stage, RequestKind.UNDO, record.id)
    await process_requests_now(stage)
    assert (await became(stage, operator_request)).state is RequestState.REQUESTED
    for message in stage.queue:
        await stage.process_message(message)
    stage.queue.clear()
    await stage.run_timer()
    assert (await became(stage, operator_request)).state is RequestState.DONE
    assert stage.tenant.undone == ["m7"]


@pytest.mark.parametrize(
    ("news", "kept"),
    [(Notification.OPENED, Notification.OPENED), (Notification.REMINDER, Notification.NONE)],
)
def test_acknowledging_a_case_loses_no_news_but_its_reminder(
    news: Notification, kept: Notification
) -> None:
    case = build_case(key="k", notification=news)
    operator_request = OperatorRequest("1", RequestKind.ACKNOWLEDGE, "k", "Dana", "because", START)
    [known] = decide_acknowledge(operator_request, GuardSnapshot(cases={"k": case}), START).rows
    assert isinstance(known, Case)
    assert (known.acknowledged_at, known.notification) == (START, kept)
