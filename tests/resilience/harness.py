"""Dying at every single operation of a story, and living on until all is quiet.

A story is a guard, a tenant and what happens, step by step. It is played once in peace, and at each
of its operations the world is copied as a process leaves it behind that is killed when the
operation had taken effect and no answer had come yet. To be killed after the answer, at a mere
read, or right before the next operation that leaves something behind is the same: nothing but the
process knows the difference. Where more happens before an operation (a life begins, time goes by, a
message goes), the world is copied right before it, too. In each copy whoever was killed comes back
as a platform brings it back: the same step once more, without anything in memory.
"""

import copy
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from core.engine.decision_context import IN_EFFECT_STATES
from core.engine.self_findings import RECURRING_PATIENCE, SELF_CHECK_KINDS
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import GuardConfig, Mode
from tests.resilience.generators.scenes import GuardScene
from tests.resilience.oracle import (
    ProcessEnded,
    RecordingTenant,
    TenantState,
    assess_tenant,
    find_violations,
    list_saved_rows,
    log_guard_readings,
)
from tests.support.deaths import Death, copy_world
from tests.support.fakes.channel import DeliveredMessage
from tests.support.fakes.clock import Clock
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.fakes.state import SingleWrite
from tests.support.fakes.tenant import FakeTenant
from tests.support.synthetic_guard import EngineHarness, SyntheticTenant

type RecordingHarness = EngineHarness[RecordingTenant]
type Step = Callable[[RecordingHarness], Awaitable[object]]

BOOKKEEPING_FIELDS = {
    "applied_changes",
    "undone_changes",
    "write_count",
    "signed_out",
    "read_log",
    "writes_left",
    "journal",
    "crash_injector",
    # A search may be asked for once more, where nobody knows whether it was.
    "queries",
    # Of a `SyntheticTenant`.
    "inspected",
    "deep_checked",
    "writes",
    "undone",
    "inspections_running",
    "max_concurrent",
    "next_links",
    "call_order",
}
"""What a tenant remembers of being asked, which shows in no answer."""


@dataclass(frozen=True)
class CrashStory:
    """What happens. `begin` sets the scene, in peace; each of `steps` is a life of the process."""

    set_up: Callable[[], Awaitable[RecordingHarness]]
    steps: tuple[Step, ...]


def build_harness(
    config: GuardConfig, tenant: FakeTenant | SyntheticTenant, **more: Any
) -> RecordingHarness:
    """A tenant that is watched, with a memory and a channel of its own."""

    assessed = defaultdict[datetime, list[tuple[Mapping[str, object], TenantState]]](list)

    async def assess(real: Any, now: datetime) -> TenantState:
        """Copies of a world are often in the same state at the same time: that is assessed once."""
        content = read_tenant_content(real)
        for known, state in assessed[now]:
            if known == content:
                return state
        state = await assess_tenant(config.guard, real, now)
        assessed[now].append((content, state))
        return state

    clock = Clock()
    duty = replace(config, guard=log_guard_readings(config.guard))
    return EngineHarness(RecordingTenant(tenant, clock, assess), duty, clock, **more)


async def build_scene_harness(config: GuardConfig, scene: GuardScene) -> RecordingHarness:
    """A guard that may change what it can, on the tenant of a scene."""
    enforcing = replace(config, mode=Mode.ENFORCE)
    if scene.options is not None:
        enforcing = replace(enforcing, guard=replace(config.guard, options=scene.options))
    return build_harness(enforcing, scene.build_tenant(), interval=scene.interval)


def edit_tenant(change: Callable[[FakeTenant], None]) -> Step:
    """Something happens in the tenant."""

    async def edited(stage: RecordingHarness) -> None:
        change(stage.tenant.real)

    return edited


async def run_timer_and_queue(harness: RecordingHarness) -> None:
    """The timer fires, and the queue is worked on: a message goes when it is done."""
    harness.journal.append(await harness.tenant.assess())
    await harness.run_timer()
    while harness.queue:
        await harness.process_message(harness.queue[0])
        harness.queue.pop(0)


async def do_nothing(harness: RecordingHarness) -> None:
    """Nobody does anything."""


def get_place(stage: RecordingHarness, step: int) -> object:
    """Where in a story a process is, as the world sees it."""
    return step, stage.run_count, stage.clock(), tuple(stage.queue)


async def play_story(story: CrashStory) -> tuple[RecordingHarness, list[Death[RecordingHarness]]]:
    """A story in peace, until all is quiet, and every death that a process could die in it."""
    stage, deaths = await story.set_up(), list[Death[RecordingHarness]]()
    injector = CrashInjector()

    def note_death(step: int, operation: int, after: bool) -> None:
        world = copy_world(stage, injector, (stage.config, *stage.journal))
        deaths.append(Death(step, operation, after, world))

    for number, step in enumerate(story.steps):
        injector.get_place = partial(get_place, stage, number)
        injector.note_death = partial(note_death, number)
        with stage.inject_crashes(injector):
            await step(stage)
    await come_to_rest(stage)
    return stage, deaths


async def assert_left_behind(story: CrashStory, death: Death[RecordingHarness]) -> None:
    """Where a process is torn out of its operation, it leaves behind just what was copied."""
    stage = await story.set_up()
    with stage.inject_crashes(CrashInjector(death.operation, death.after)):
        for step in story.steps[: death.step]:
            await step(stage)
        with pytest.raises(SimulatedCrash):
            await story.steps[death.step](stage)
    assert list_content(stage) == list_content(death.world), death.name


def list_content(stage: RecordingHarness) -> list[object]:
    """All that a world holds."""
    ledger = {
        name: value
        for name, value in vars(stage.ledger).items()
        if name not in ("clock", "crash_injector")
    }
    return [
        stage.clock(),
        stage.run_count,
        stage.queue,
        ledger,
        stage.notification_channel.sent,
        vars(stage.tenant.real) | {"crash_injector": None},
    ]


async def go_on(
    story: CrashStory, death: Death[RecordingHarness], meanwhile: Step = do_nothing
) -> RecordingHarness:
    """The rest of a story, after a death in it. `meanwhile` happens before the next life."""
    stage = death.world
    stage.journal.append(ProcessEnded())
    stage.clock.advance(minutes=2)
    await meanwhile(stage)
    for step in story.steps[death.step :]:
        await step(stage)
    await come_to_rest(stage)
    return stage


async def come_to_rest(stage: RecordingHarness) -> None:
    """Runs in which nothing happens any more."""
    await run_timer_and_queue(stage)
    await run_timer_and_queue(stage)
    # The end of what others can make come and go is told once it has stayed away for so long.
    stage.clock.current += max(RECURRING_PATIENCE.values())
    await run_timer_and_queue(stage)


@dataclass(frozen=True)
class FinalState:
    """How it all comes out: the tenant, the cases and the changes made.

    That a round had to be begun anew is told and over, and no difference.
    """

    tenant: Mapping[str, object]
    cases: Mapping[str, tuple[object, ...]]
    changes: list[str]

    @classmethod
    async def capture(cls, harness: RecordingHarness) -> "FinalState":
        """What is there when a story is over."""
        memory = await harness.ledger.load(harness.config.guard.name)
        return cls(
            read_tenant_content(harness.tenant.real),
            {
                key: outline_case(case)
                for key, case in memory.cases.items()
                if case.closed_at is None or case.kind not in SELF_CHECK_KINDS
            },
            sorted(
                f"{one.case_key} {one.kind} {describe_outcome(one)} {bool(one.undo_of)}"
                for one in memory.changes
            ),
        )


def describe_outcome(record: ChangeRecord) -> str:
    """What became of a change; whether the run that made it could say so is no difference."""
    return (
        "undone"
        if record.undone_at
        else "made"
        if record.state in IN_EFFECT_STATES
        else record.state
    )


def read_tenant_content(tenant: Any) -> Mapping[str, object]:
    """What a tenant holds, without what it remembers of being asked."""
    return {
        one.name: copy.copy(getattr(tenant, one.name))
        for one in fields(tenant)
        if one.name not in BOOKKEEPING_FIELDS
    }


def outline_case(case: Case) -> tuple[object, ...]:
    """What of a case does not depend on when it was found."""
    told = case.notified_at is not None
    return (
        case.verdict,
        case.closed_at is None,
        case.resolution,
        str(case.notification),
        told,
        case.severity,
    )


async def assert_quiet_run(harness: RecordingHarness) -> None:
    """One more run writes nothing to the tenant, tells nothing and has nothing to remember."""
    before = len(harness.journal)
    await run_timer_and_queue(harness)
    loud = [
        event
        for event in harness.journal[before:]
        if isinstance(event, SingleWrite | DeliveredMessage)
        or any(list_saved_rows(event, Case))
        or any(list_saved_rows(event, ChangeRecord))
    ]
    assert not loud, loud


async def assert_final_state(harness: RecordingHarness, expected: FinalState, name: str) -> None:
    """Nothing was broken, all is as it should be, and it stays so."""
    complaints = find_violations(harness.journal)
    assert not complaints, (name, complaints)
    now = await FinalState.capture(harness)
    for part in fields(FinalState):
        there, wanted = getattr(now, part.name), getattr(expected, part.name)
        assert there == wanted, (name, there, wanted)
    await assert_quiet_run(harness)


async def assert_crash_safe(
    story: CrashStory, check: Callable[[RecordingHarness, str], Awaitable[object]] | None = None
) -> RecordingHarness:
    """Whenever the process dies, no promise is broken and it all comes out the same.

    `check` looks at each end besides, and is told of the death.
    """
    peaceful, deaths = await play_story(story)
    end = await FinalState.capture(peaceful)
    await assert_final_state(peaceful, end, "in peace")
    for death in deaths:
        stage = await go_on(story, death)
        if check:
            await check(stage, death.name)
        await assert_final_state(stage, end, death.name)
    return peaceful
