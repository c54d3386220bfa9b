"""What people ask for is done once, by whoever holds the guard next, and told."""

from datetime import timedelta
from typing import Any

import pytest

from core.engine.exemption_audit import UNDONE_FOR
from core.engine.operator_requests import serve, untold
from core.engine.request_decisions import TRIES, acknowledge
from core.engine.run import new_run
from core.errors import Forbidden, Gone, Moot, TenantError, Unavailable
from core.keys import digest
from core.model.cases import Case, News
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import Action, ActionState, Deed, Request
from core.model.runs import RunReport
from core.model.state import Memory
from tests.support.fakes.world import DAY, START
from tests.support.synthetic_guard import ALERT, ENFORCE, Stage, Toy, forward

EVIL = "evil@example.net"


async def asks(stage: Stage, deed: Deed, subject: str = "", **more: Any) -> Action:
    """Somebody asks for something."""
    action = Action(
        new_run(stage.clock()), deed, subject, "Dana", "because", stage.clock(), "key", **more
    )
    await stage.ledger.ask("toy", action)
    stage.clock.advance(seconds=1)
    return action


async def attended(stage: Stage) -> RunReport:
    """A worker does what is asked."""
    return await serve(stage.duty, stage.world, new_run(stage.clock()))


async def memory(stage: Stage) -> Memory:
    return await stage.ledger.recall("toy")


async def became(stage: Stage, action: Action) -> Action:
    found = await stage.ledger.action("toy", action.id)
    assert found
    return found


async def the_case(stage: Stage) -> Case:
    [case] = (await memory(stage)).cases.values()
    return case


async def alerted() -> Stage:
    """A tenant with one bad mailbox, whose case is told."""
    stage = Stage(Toy(size=20, bad={"m7": EVIL}))
    await stage.tick()
    await stage.tick()
    return stage


async def enforced() -> tuple[Stage, ChangeRecord]:
    """A tenant in which one forward was cleared, and the record of it."""
    stage = Stage(Toy(size=20, bad={"m7": EVIL}), ENFORCE)
    await stage.tick()
    await stage.tick()
    assert stage.tenant.writes == ["m7"]
    [record] = (await memory(stage)).changes
    return stage, record


# ----------------------------------------------------------------------------------------------
# Acknowledging
# ----------------------------------------------------------------------------------------------


async def test_an_acknowledged_case_is_not_brought_up_again() -> None:
    stage = await alerted()
    action = await asks(stage, Deed.ACKNOWLEDGE, (await the_case(stage)).key)
    await attended(stage)
    assert (await became(stage, action)).state is ActionState.DONE
    case = await the_case(stage)
    assert (case.acknowledged_by, case.closed) == ("Dana", None)
    cards = len(stage.alerts.sent)
    for _ in range(3):
        stage.clock.advance(days=8)
        await stage.tick()
    assert len(stage.alerts.sent) == cards


async def test_an_acknowledged_case_that_gets_worse_is_news() -> None:
    stage = await alerted()
    await asks(stage, Deed.ACKNOWLEDGE, (await the_case(stage)).key)
    await attended(stage)
    cards = len(stage.alerts.sent)
    stage.tenant.bad |= {"m8": EVIL, "m9": EVIL}
    await stage.tick()
    assert len(stage.alerts.sent) > cards
    worse = next(c for c in (await memory(stage)).cases.values() if c.object_id == "m7")
    assert (worse.severity, worse.acknowledged) == (Severity.CRITICAL, None)


async def test_only_an_open_case_can_be_acknowledged() -> None:
    stage = await alerted()
    nothing = await asks(stage, Deed.ACKNOWLEDGE, digest("nothing"))
    stage.tenant.bad.clear()
    await stage.tick()
    closed = await asks(stage, Deed.ACKNOWLEDGE, (await the_case(stage)).key)
    await attended(stage)
    for action in (nothing, closed):
        assert (await became(stage, action)).state is ActionState.REFUSED


# ----------------------------------------------------------------------------------------------
# Exempting
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["case", "object"])
async def test_what_is_exempt_ends_quietly_and_comes_back_when_the_exemption_ends(by: str) -> None:
    stage = await alerted()
    case = await the_case(stage)
    subject = case.key if by == "case" else case.object_id
    await asks(stage, Deed.EXEMPT, subject, until=stage.clock() + 30 * DAY)
    await attended(stage)
    assert (await the_case(stage)).closing == "exempt"
    cards = len(stage.alerts.sent)
    await stage.tick()
    assert (len(stage.alerts.sent), stage.open()) == (cards, set())
    stage.clock.advance(days=31)
    await stage.tick()
    assert stage.open() == {"m7@x"}
    assert len(stage.alerts.sent) == cards + 1


async def test_an_exemption_can_be_ended_before_its_time_and_only_once() -> None:
    stage = await alerted()
    subject = (await the_case(stage)).key
    await asks(stage, Deed.EXEMPT, subject, until=stage.clock() + 30 * DAY)
    first = await asks(stage, Deed.END_EXEMPTION, subject)
    second = await asks(stage, Deed.END_EXEMPTION, subject)
    await attended(stage)
    assert (await became(stage, first)).state is ActionState.DONE
    assert (await became(stage, second)).state is ActionState.REFUSED
    await stage.tick()
    assert stage.open() == {"m7@x"}


async def test_an_exemption_whose_end_has_passed_meanwhile_is_refused() -> None:
    stage = await alerted()
    until = stage.clock() + timedelta(minutes=1)
    action = await asks(stage, Deed.EXEMPT, "m7", until=until)
    stage.clock.advance(hours=1)
    await attended(stage)
    assert (await became(stage, action)).state is ActionState.REFUSED
    assert stage.open() == {"m7@x"}


# ----------------------------------------------------------------------------------------------
# Undoing
# ----------------------------------------------------------------------------------------------


async def test_a_change_is_taken_back_and_left_alone_for_a_month() -> None:
    stage, record = await enforced()
    action = await asks(stage, Deed.UNDO, record.id)
    await attended(stage)
    assert stage.tenant.bad == {"m7": EVIL}
    assert (await became(stage, action)).state is ActionState.DONE
    for _ in range(3):
        await stage.tick()
    assert stage.tenant.writes == ["m7"]
    stage.clock.advance(seconds=UNDONE_FOR.total_seconds())
    await stage.tick()
    assert stage.tenant.writes == ["m7", "m7"]


async def test_a_run_that_comes_first_does_what_was_asked_before_it_looks() -> None:
    stage, record = await enforced()
    await asks(stage, Deed.UNDO, record.id)
    await stage.tick()
    assert (stage.tenant.restored, stage.tenant.writes) == (["m7"], ["m7"])
    assert stage.tenant.bad == {"m7": EVIL}


async def test_taking_back_is_a_record_of_its_own() -> None:
    stage, record = await enforced()
    await asks(stage, Deed.UNDO, record.id)
    await attended(stage)
    found = {one.id: one for one in (await memory(stage)).changes}
    assert found.pop(record.id).undone
    [restoring] = found.values()
    assert (restoring.restores, restoring.state) == (record.id, ChangeState.APPLIED)
    assert restoring.before == forward("")


@pytest.mark.parametrize("number", [2, 3])
async def test_a_change_is_taken_back_once_however_often_it_is_asked_for(number: int) -> None:
    stage, record = await enforced()
    actions = [await asks(stage, Deed.UNDO, record.id) for _ in range(number)]
    await attended(stage)
    states = [(await became(stage, action)).state for action in actions]
    assert states == [ActionState.DONE, *[ActionState.REFUSED] * (number - 1)]
    assert stage.tenant.restored == ["m7"]


async def test_a_restoring_is_no_change_that_could_be_taken_back() -> None:
    stage, record = await enforced()
    await asks(stage, Deed.UNDO, record.id)
    await attended(stage)
    restoring = next(one for one in (await memory(stage)).changes if one.restores)
    action = await asks(stage, Deed.UNDO, restoring.id)
    unknown = await asks(stage, Deed.UNDO, digest("unknown"))
    await attended(stage)
    assert "restoring itself" in (await became(stage, action)).note
    assert "no change has that id" in (await became(stage, unknown)).note


@pytest.mark.parametrize(
    "error",
    [
        Moot("somebody changed it since"),
        Gone("the mailbox is gone"),
        Forbidden("no", "MailboxSettings.ReadWrite"),
    ],
)
async def test_what_cannot_be_taken_back_is_refused_and_not_exempt(error: TenantError) -> None:
    stage, record = await enforced()
    stage.tenant.refusal = error
    action = await asks(stage, Deed.UNDO, record.id)
    await attended(stage)
    ended = await became(stage, action)
    assert ended.state is ActionState.REFUSED
    assert str(error) in ended.note
    now = await memory(stage)
    assert all(exemption.until <= stage.clock() for exemption in now.exemptions.values())
    assert not next(one for one in now.changes if one.id == record.id).undone


async def test_passing_trouble_is_tried_again_and_not_for_ever() -> None:
    stage, record = await enforced()
    stage.tenant.refusal = Unavailable("HTTP 503")
    action = await asks(stage, Deed.UNDO, record.id)
    for number in range(1, TRIES):
        await stage.tick()
        now = await became(stage, action)
        assert (now.state, now.tries) == (ActionState.ASKED, number)
    stage.tenant.refusal = None
    await stage.tick()
    assert (await became(stage, action)).state is ActionState.DONE
    later = await asks(stage, Deed.UNDO, record.id)
    await stage.tick()
    assert (await became(stage, later)).state is ActionState.REFUSED


async def test_what_fails_too_often_is_given_up() -> None:
    stage, record = await enforced()
    stage.tenant.refusal = Unavailable("HTTP 503")
    action = await asks(stage, Deed.UNDO, record.id)
    for _ in range(TRIES):
        await stage.tick()
    assert (await became(stage, action)).state is ActionState.REFUSED


async def test_what_a_person_took_back_is_not_contested() -> None:
    stage, record = await enforced()
    await asks(stage, Deed.UNDO, record.id)
    await attended(stage)
    subject = record.case
    await asks(stage, Deed.END_EXEMPTION, subject)
    await stage.tick()
    assert stage.tenant.writes == ["m7", "m7"]
    case = (await memory(stage)).cases[subject]
    assert case.verdict is case.judged


async def test_doing_what_is_asked_is_told_and_is_no_run() -> None:
    stage, record = await enforced()
    runs = len(await stage.ledger.history("toy", 50))
    cards = len(stage.alerts.sent)
    await asks(stage, Deed.UNDO, record.id)
    await attended(stage)
    assert len(await stage.ledger.history("toy", 50)) == runs
    assert len(stage.alerts.sent) == cards + 1
    assert "Dana" in str(stage.alerts.sent[-1])
    await attended(stage)
    await stage.tick()
    assert len(stage.alerts.sent) == cards + 1


async def test_what_the_channel_did_not_take_is_told_by_the_next_run() -> None:
    stage, record = await enforced()
    await asks(stage, Deed.UNDO, record.id)
    stage.alerts.down = True
    await attended(stage)
    assert untold(await memory(stage))
    stage.alerts.down = False
    await stage.tick()
    assert untold(await memory(stage)) == ()
    assert "Dana" in str(stage.alerts.sent[-1])


# ----------------------------------------------------------------------------------------------
# Runs and releases
# ----------------------------------------------------------------------------------------------


async def held(size: int = 100) -> tuple[Stage, RunReport]:
    """A stage whose changes the brake holds."""
    stage = Stage(Toy(size, bad={f"m{number}": EVIL for number in range(60)}), ENFORCE)
    await stage.tick()
    return stage, await stage.tick()


async def test_a_plan_released_while_the_guard_was_busy_is_carried_out_by_the_next_run() -> None:
    stage, waits = await held()
    assert waits.plan
    wrong = await asks(stage, Deed.RELEASE, digest("another plan"))
    await stage.tick()
    assert (await became(stage, wrong)).state is ActionState.REFUSED
    assert waits.plan in (await became(stage, wrong)).note
    right = await asks(stage, Deed.RELEASE, waits.plan)
    await stage.tick()
    assert (await became(stage, right)).state is ActionState.DONE
    assert len(stage.tenant.writes) == 60


async def test_a_release_is_good_for_an_hour() -> None:
    stage, waits = await held()
    late = await asks(stage, Deed.RELEASE, waits.plan)
    stage.clock.advance(hours=2)
    await stage.tick()
    assert (await became(stage, late)).state is ActionState.REFUSED
    assert stage.tenant.writes == []


async def test_a_look_that_may_change_nothing_leaves_a_release_to_the_next_that_may() -> None:
    stage, waits = await held()
    asked = await asks(stage, Deed.RELEASE, waits.plan)
    looked = await stage.tick(Request(mode=Mode.ALERT))
    assert looked.error == ""
    assert (await became(stage, asked)).state is ActionState.ASKED
    await stage.tick()
    assert (await became(stage, asked)).state is ActionState.DONE
    assert len(stage.tenant.writes) == 60


async def test_a_release_waits_for_the_end_of_a_look_that_takes_two_runs() -> None:
    stage, waits = await held(size=400)
    asked = await asks(stage, Deed.RELEASE, waits.plan)
    stage.spent = iter([0.0] * 3 + [1.0] * 1_000).__next__
    first = await stage.tick()
    assert (first.status, first.error) == ("going on", "")
    assert stage.tenant.writes == []
    stage.spent = lambda: 0.0
    last = await stage.tick()
    assert (last.status, last.error) == ("done", "")
    assert (await became(stage, asked)).state is ActionState.DONE
    assert len(stage.tenant.writes) == 60


async def test_a_release_asked_for_while_shards_are_worked_on_counts_at_their_end() -> None:
    stage, waits = await held()
    stage.shard_above, stage.every = 50, timedelta(minutes=5)
    planned = await stage.tick()
    assert planned.orders
    asked = await asks(stage, Deed.RELEASE, waits.plan)
    meanwhile = await stage.tick()
    assert (meanwhile.status, meanwhile.error, meanwhile.orders) == ("going on", "", ())
    assert stage.tenant.writes == []
    for message in stage.queue:
        await stage.worked(message)
    assert len(stage.tenant.writes) == 60
    assert (await became(stage, asked)).state is ActionState.DONE


async def test_who_asked_for_a_run_hears_of_it() -> None:
    stage = Stage(Toy(size=3))
    action = await asks(stage, Deed.RUN)
    await attended(stage)
    assert (await became(stage, action)).state is ActionState.ASKED
    report = await stage.tick()
    assert (await became(stage, action)).state is ActionState.DONE
    assert [one.id for one in report.actions] == [action.id]


# ----------------------------------------------------------------------------------------------
# Whatever happens
# ----------------------------------------------------------------------------------------------


async def test_whoever_finds_the_guard_busy_waits_and_then_leaves_it_to_the_next_run() -> None:
    stage, record = await enforced()
    action = await asks(stage, Deed.UNDO, record.id)
    turns = 0

    def spent() -> float:
        nonlocal turns
        turns += 1
        return turns / 3

    stage.spent = spent
    async with stage.ledger.claim("toy", "a long run"):
        with pytest.raises(Unavailable, match="busy"):
            await attended(stage)
    assert (await became(stage, action)).state is ActionState.ASKED
    await stage.tick()
    assert stage.tenant.restored == ["m7"]


async def test_what_is_asked_for_in_alert_mode_writes_nothing_but_what_was_asked() -> None:
    stage, record = await enforced()
    stage.duty = ALERT
    await asks(stage, Deed.UNDO, record.id)
    stage.tenant.bad["m8"] = EVIL
    await stage.tick()
    assert (stage.tenant.restored, stage.tenant.writes) == (["m7"], ["m7"])


async def test_while_shards_are_worked_on_nothing_of_theirs_is_touched() -> None:
    stage, record = await enforced()
    stage.shard_above, stage.tenant.size = 10, 300
    await stage.tick()
    assert stage.queue
    action = await asks(stage, Deed.UNDO, record.id)
    await attended(stage)
    assert (await became(stage, action)).state is ActionState.ASKED
    for message in stage.queue:
        await stage.worked(message)
    stage.queue.clear()
    await stage.tick()
    assert (await became(stage, action)).state is ActionState.DONE
    assert stage.tenant.restored == ["m7"]


@pytest.mark.parametrize(("news", "kept"), [(News.OPENED, News.OPENED), (News.REMINDER, News.NONE)])
def test_acknowledging_a_case_loses_no_news_but_its_reminder(news: News, kept: News) -> None:
    case = Case(
        key="k",
        kind="forward",
        object_id="m7",
        subject="m7",
        severity=Severity.HIGH,
        judged=Verdict.EXTERNAL,
        verdict=Verdict.EXTERNAL,
        summary="",
        opened=START,
        news=news,
    )
    action = Action("1", Deed.ACKNOWLEDGE, "k", "Dana", "because", START)
    [known] = acknowledge(action, Memory(cases={"k": case}), START).rows
    assert isinstance(known, Case)
    assert (known.acknowledged, known.news) == (START, kept)
