"""Whatever operation a tick of the audit logs dies at, nothing is told twice and nothing is lost.

Records speak of mailboxes, which are looked at and put right; a search of the audit log answers who
did it, in later ticks. What must hold is stated in `tests.resilience.oracle`.
"""

from dataclasses import replace

import pytest

from core.activity.options import ActivityOptions
from core.config.catalog import CATALOG
from core.jobs.activity import read_activity
from core.model.cases import Case
from core.model.guards import GuardConfig, Mode
from core.ports import ACTIVITY_PARTITION
from core.tenant.mail_flow import InboxRule
from tests.resilience.generators.scenes import ANN, BEN, EVIL, SCENES
from tests.resilience.harness import (
    CrashStory,
    RecordingHarness,
    Step,
    assert_crash_safe,
    build_scene_harness,
    edit_tenant,
    go_on,
    play_story,
    run_timer_and_queue,
)
from tests.resilience.oracle import find_violations
from tests.support.acts import EVE, build_record
from tests.support.fakes.tenant import FakeTenant

FORWARDING = "mailbox-forwarding"
HINTS = ActivityOptions(feed="on", reads_accounts=False, runs_forwarding=False)
SEARCHES = replace(HINTS, feed="off", searches=True)


def find_config(mode: Mode) -> GuardConfig:
    """The guard of forwarding in a mode."""
    (config,) = (one for one in CATALOG if one.guard.name == FORWARDING)
    return replace(config, mode=mode)


async def begin(options: ActivityOptions, mode: Mode) -> RecordingHarness:
    """A tenant that the guard has seen, and whose logs were read once."""
    stage = await build_scene_harness(find_config(mode), SCENES[FORWARDING])
    stage.config = replace(stage.config, mode=mode)
    stage.searches_audit_log = options.searches
    await run_timer_and_queue(stage)
    await read_logs(options)(stage)
    return stage


def read_logs(options: ActivityOptions) -> Step:
    """One tick of the audit logs."""

    async def tick(stage: RecordingHarness) -> None:
        stage.journal.append(await stage.tenant.assess())
        await read_activity(stage.world, (stage.config,), options, stage.next_run_id())
        stage.clock.advance(minutes=5)

    return tick


def add_rules(tenant: FakeTenant) -> None:
    """Rules that no view shows, and the records of who made them."""
    for number, owner in enumerate((ANN, BEN)):
        tenant.exchange_rules.append(
            InboxRule(f"h{number}", owner.id, "..", "exchange", redirect_to=(EVIL,))
        )


def add_records(stage: RecordingHarness) -> None:
    """Who made them, served from now on."""
    tenant: FakeTenant = stage.tenant.real
    for number, owner in enumerate((ANN, BEN)):
        record = build_record(
            "new-inboxrule",
            owner.guid,
            record_id=f"rec-{number}",
            at=stage.clock(),
            parameters={"Name": ".."},
        )
        tenant.activity_records.append(record)
        tenant.served_at[record.id] = stage.clock()


async def attack(stage: RecordingHarness) -> None:
    """Somebody hides rules, and the log tells of it."""
    await edit_tenant(add_rules)(stage)
    add_records(stage)
    stage.clock.advance(minutes=5)


def list_causes(stage: RecordingHarness) -> list[str]:
    """Who did what the open cases of rules are about."""
    cases = stage.ledger.list_cases(FORWARDING).values()
    return [describe_cause(case) for case in cases if case.closed_at is None and is_hidden(case)]


def is_hidden(case: Case) -> bool:
    """Whether a case is about one of the rules that were added."""
    return case.kind.startswith("inbox-rule-")


def describe_cause(case: Case) -> str:
    return case.cause.actor.name if case.cause else f"nobody: {case.cause_note}"


@pytest.mark.parametrize("mode", [Mode.ALERT, Mode.ENFORCE])
async def test_a_tick_may_die_at_any_operation_of_what_records_lead_to(mode: Mode) -> None:
    async def set_up() -> RecordingHarness:
        return await begin(HINTS, mode)

    async def once(stage: RecordingHarness) -> None:
        """The attack happens once, whoever dies."""
        if not stage.tenant.real.activity_records:
            await attack(stage)

    story = CrashStory(set_up, (once, read_logs(HINTS), read_logs(HINTS)))

    async def check(stage: RecordingHarness, name: str) -> None:
        assert list_causes(stage) == [EVE.name] * 2, name
        looks = (await stage.ledger.load_activity()).looks.values()
        assert not any(look.guids or look.is_whole for look in looks), name

    peaceful = await assert_crash_safe(story, check)
    assert list_causes(peaceful) == [EVE.name] * 2


async def settle(stage: RecordingHarness) -> None:
    """Days in which nobody dies, so that every search comes to its end."""
    for _ in range(3):
        await run_timer_and_queue(stage)
        await read_logs(SEARCHES)(stage)
    for _ in range(3):
        await read_logs(SEARCHES)(stage)


async def test_a_tick_may_die_at_any_operation_of_a_search_for_causes() -> None:
    async def set_up() -> RecordingHarness:
        return await begin(SEARCHES, Mode.ALERT)

    async def once(stage: RecordingHarness) -> None:
        if not stage.tenant.real.activity_records:
            await attack(stage)

    tick = read_logs(SEARCHES)
    steps = (once, run_timer_and_queue, tick, tick, tick)
    story = CrashStory(set_up, steps)
    peaceful, deaths = await play_story(story)
    await settle(peaceful)
    assert list_causes(peaceful) == [EVE.name] * 2
    asked = len(peaceful.tenant.real.queries)
    cards = len(peaceful.notification_channel.sent)
    for death in deaths:
        name, stage = death.name, await go_on(story, death)
        assert not find_violations(stage.journal), name
        await settle(stage)
        assert list_causes(stage) == [EVE.name] * 2, name
        searches = (await stage.ledger.load_activity()).searches.values()
        assert not any(one.is_open for one in searches), name
        assert len(stage.tenant.real.queries) <= asked + 1, name
        # A card whose acceptance was lost comes once more.
        assert len(stage.notification_channel.sent) <= cards + 1, name
        async with stage.ledger.claim(ACTIVITY_PARTITION, "the test") as claim:
            assert claim, name
