"""Searches of the audit log for causes, on working fakes: begun, read, silent, refused, killed."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.activity.options import ActivityOptions
from core.activity.searches import describe_search, mark_told
from core.engine.run import run
from core.jobs.activity import ActivityReport, read_activity
from core.model.activity import Act
from core.model.audit_queries import AuditSearch, SearchState
from core.model.cases import Case
from core.model.guards import GuardConfig
from core.notifications.run_cards import build_cards
from core.ports import ACTIVITY_PARTITION, World
from core.status.cause_texts import list_cause_lines
from core.tenant.activity import ActivityRecord
from core.tenant.audit_queries import AuditQuestion, QueryState
from core.tenant.directory import Account
from core.tenant.mail_flow import AcceptedDomain, InboxRule
from core.tenant.mailboxes import Mailbox
from core.tenant.sources import AUDIT_QUERIES
from tests.support.acts import EVE, build_record
from tests.support.builders import FORWARDING_CONFIG
from tests.support.deaths import go_on, live_through
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

FORWARDING = "mailbox-forwarding"
ANN = Mailbox("u1", "g1", "ann@contoso.com")
BOB = Mailbox("u2", "g2", "bob@contoso.com")
OPTIONS = ActivityOptions(feed="off", reads_accounts=False, runs_forwarding=False, searches=True)


def build_rule(owner: Mailbox) -> InboxRule:
    """A rule that sends a mailbox's mail out."""
    return InboxRule(f"r-{owner.id}", owner.id, ".", "graph", redirect_to=("x@evil.example",))


@dataclass
class Witness:
    """Sees each question that is about to be asked, and whether it is on record by then."""

    ledger: FakeLedger
    unrecorded: list[AuditQuestion] = field(default_factory=list)

    def __call__(self, question: AuditQuestion) -> None:
        if not any(
            one.state is SearchState.ASKING and one.question == question
            for one in self.ledger.load_searches(ACTIVITY_PARTITION).values()
        ):
            self.unrecorded.append(question)


@dataclass
class Stage:
    """A tenant that a guard has seen once; no feed is read."""

    config: GuardConfig = FORWARDING_CONFIG
    options: ActivityOptions = OPTIONS
    clock: Clock = field(default_factory=Clock)
    number: int = 0

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.channel = FakeNotificationChannel()
        self.tenant = FakeTenant(
            boxes=[ANN, BOB],
            users=[Account("u1", "ann@contoso.com"), Account("u2", "bob@contoso.com")],
            domains=[AcceptedDomain("contoso.com")],
        )
        self.tenant.note_query = self.witness = Witness(self.ledger)

    def build_world(self) -> World:
        return World(
            self.tenant,
            self.ledger,
            self.channel,
            self.clock,
            build_cards,
            searches_audit_log=self.options.searches,
        )

    async def run_guard(self) -> None:
        await run(self.config, self.build_world())
        self.clock.advance(minutes=2)

    async def tick(self, minutes: float = 5) -> ActivityReport:
        self.number += 1
        report = await read_activity(
            self.build_world(), (self.config,), self.options, f"tick-{self.number}"
        )
        self.clock.advance(minutes=minutes)
        return report

    def add_record(self, owner: Mailbox = ANN, at: datetime | None = None) -> ActivityRecord:
        """The record of who made the rule of a mailbox."""
        record = build_record(
            "new-inboxrule",
            owner.guid,
            record_id=f"rec-{len(self.tenant.activity_records)}",
            at=at or self.clock(),
            parameters={"Name": "."},
        )
        self.tenant.activity_records.append(record)
        return record

    async def attack(self, *owners: Mailbox) -> None:
        """Rules appear, and the guard's next run sees them without knowing who made them."""
        self.tenant.rules += map(build_rule, owners)
        await self.run_guard()

    def get_place(self) -> object:
        """Where in its story a process is, as the world sees it."""
        return self.clock(), self.number

    def list_cases(self) -> list[Case]:
        found = self.ledger.list_cases(FORWARDING).values()
        return [one for one in found if one.closed_at is None]

    def get_case(self) -> Case:
        (case,) = self.list_cases()
        return case

    async def list_searches(self) -> list[AuditSearch]:
        found = (await self.ledger.load_activity()).searches.values()
        return sorted(found, key=lambda one: one.asked_at)


@pytest.fixture
async def stage() -> Stage:
    """A guard that has seen the tenant, and one tick."""
    found = Stage()
    await found.run_guard()
    await found.tick()
    return found


async def test_who_did_it_is_found_in_a_later_tick_without_any_feed(stage: Stage) -> None:
    stage.add_record()
    await stage.attack(ANN)
    assert stage.get_case().cause is None
    sent = len(stage.channel.sent)
    await stage.tick()
    assert "asked at" in stage.get_case().cause_note
    assert len(stage.tenant.queries) == 1
    question = stage.tenant.queries[0].question
    assert "New-InboxRule" in question.operations
    assert "Set-CASMailbox" not in question.operations
    await stage.tick()
    case = stage.get_case()
    assert case.cause is not None
    assert (case.cause.actor, case.cause.address) == (EVE, "198.51.100.9")
    assert case.cause_note == ""
    # It is an update of the case, and no other card.
    assert len(stage.channel.sent) == sent
    for _ in range(3):
        await stage.tick()
    assert stage.tenant.queries[0].readings == 2
    assert len(stage.tenant.queries) == 1


async def test_what_one_reading_leaves_out_the_next_tick_finds(stage: Stage) -> None:
    stage.tenant.overlooked = {stage.add_record().id}
    await stage.attack(ANN)
    await stage.tick()
    await stage.tick()
    case = stage.get_case()
    assert (case.cause, case.cause_sought_at is not None) == (None, True)
    await stage.tick()
    assert stage.get_case().cause is not None


async def test_many_cases_of_a_guard_are_one_search(stage: Stage) -> None:
    stage.add_record(ANN)
    stage.add_record(BOB)
    await stage.attack(ANN, BOB)
    await stage.tick()
    await stage.tick()
    assert len(stage.tenant.queries) == 1
    assert all(case.cause for case in stage.list_cases())
    assert len(stage.list_cases()) == 2


async def test_none_found_is_a_fact_and_looked_for_again_at_each_age(stage: Stage) -> None:
    await stage.attack(ANN)
    opened = stage.get_case().opened_at
    asked = []
    while stage.clock() < opened + timedelta(days=9):
        before = len(stage.tenant.queries)
        await stage.run_guard()
        await stage.tick(minutes=58)
        if len(stage.tenant.queries) > before:
            asked.append(stage.tenant.queries[-1].question.until - opened)
    hours = [round(one.total_seconds() / 3_600) for one in asked]
    assert hours == [0, 2, 48, 168]
    lines = dict(list_cause_lines(stage.get_case()))
    assert "no record found by" in lines["who"]


async def test_a_record_that_came_days_late_is_found_then(stage: Stage) -> None:
    record = stage.add_record()
    stage.tenant.unserved.add(record.id)
    await stage.attack(ANN)
    await stage.tick()
    await stage.tick()
    assert stage.get_case().cause is None
    stage.tenant.unserved.clear()
    stage.clock.current = START + timedelta(days=7, hours=2)
    await stage.run_guard()
    await stage.tick()
    await stage.tick()
    assert stage.get_case().cause is not None


async def test_no_answer_in_time_is_said_with_both_times(stage: Stage) -> None:
    stage.tenant.query_state = QueryState.RUNNING
    await stage.attack(ANN)
    await stage.tick()
    asked_at = (await stage.list_searches())[0].asked_at
    for _ in range(8):
        await stage.tick(minutes=60)
    (search,) = await stage.list_searches()
    assert search.state is SearchState.SILENT
    note = stage.get_case().cause_note
    assert f"{asked_at:%H:%M}" in note
    assert "no answer by" in note
    assert stage.get_case().cause_sought_at is None


@pytest.mark.parametrize(
    ("state", "why"), [(QueryState.FAILED, "gave it up"), (QueryState.GONE, "knows it no more")]
)
async def test_a_search_that_failed_is_said_to_have(
    stage: Stage, state: QueryState, why: str
) -> None:
    stage.tenant.query_state = state
    await stage.attack(ANN)
    await stage.tick()
    await stage.tick()
    assert why in stage.get_case().cause_note
    for _ in range(3):
        await stage.run_guard()
        await stage.tick()
    assert len(stage.tenant.queries) == 1


async def test_one_that_is_refused_for_now_is_asked_again_and_finds_all_until_then(
    stage: Stage,
) -> None:
    stage.tenant.fail_read(AUDIT_QUERIES, reason="HTTP 429")
    await stage.attack(ANN)
    report = await stage.tick()
    assert any("429" in one for one in report.troubles)
    await stage.tick()
    assert stage.get_case().cause_note == ""
    stage.tenant.clear_faults()
    record = stage.add_record(at=stage.get_case().opened_at)
    await stage.tick()
    assert stage.tenant.queries[0].question.until > record.at
    await stage.tick()
    assert stage.get_case().cause is not None


async def test_a_mistake_in_what_cases_are_put_down_to_ends_no_tick_and_is_tried_again(
    stage: Stage,
) -> None:
    whole = stage.config
    await stage.attack(ANN)
    await stage.tick()
    stage.add_record(at=stage.get_case().opened_at)
    broken: Any = "no span of time"
    stage.config = replace(whole, guard=replace(whole.guard, settling_time=broken))
    (trouble,) = (await stage.tick()).troubles
    assert trouble.startswith(f"{FORWARDING}: its cases do not know of a search: a mistake of the")
    assert stage.get_case().cause is None
    stage.config = whole
    assert (await stage.tick()).troubles == ()
    assert stage.get_case().cause is not None


async def test_a_record_that_nobody_foresaw_in_what_a_search_found_ends_no_tick(
    stage: Stage,
) -> None:
    await stage.attack(ANN)
    await stage.tick()
    record = stage.add_record(at=stage.get_case().opened_at)
    stage.tenant.activity_records[-1] = replace(record, names=(7,))  # type: ignore[arg-type]
    report = await stage.tick()
    assert report.status == "done"
    (trouble,) = report.troubles
    assert trouble.startswith(
        f"{FORWARDING}: a search of the audit log does not go on: a mistake of the app, TypeError"
    )
    stage.tenant.activity_records[-1] = record
    assert (await stage.tick()).troubles == ()
    assert stage.get_case().cause is not None


async def test_without_the_permission_nothing_is_asked_and_it_is_said(stage: Stage) -> None:
    stage.tenant.queries_granted = False
    await stage.attack(ANN)
    report = await stage.tick()
    assert any("lacks the permission" in one for one in report.troubles)
    assert stage.tenant.queries == []


async def test_a_refusal_for_want_of_the_permission_is_final_until_the_next_age(
    stage: Stage,
) -> None:
    stage.tenant.fail_read(AUDIT_QUERIES, reason="HTTP 403", permission="AuditLogsQuery")
    await stage.attack(ANN)
    await stage.tick()
    assert "HTTP 403 (needs AuditLogsQuery)" in stage.get_case().cause_note
    await stage.run_guard()
    await stage.tick()
    assert len(await stage.list_searches()) == 1


async def test_switched_off_nothing_is_noted_or_asked() -> None:
    stage = Stage(options=replace(OPTIONS, searches=False))
    await stage.run_guard()
    await stage.attack(ANN)
    await stage.tick()
    assert (await stage.ledger.load_activity()).wishes == {}
    assert stage.tenant.queries == []


async def test_few_run_at_a_time_and_few_a_day(stage: Stage) -> None:
    stage.tenant.query_state = QueryState.RUNNING
    await stage.attack(ANN)
    await stage.tick()
    await stage.attack(BOB)
    for _ in range(4):
        await stage.tick()
    # The second case is another search of the same guard.
    assert len(stage.tenant.queries) == 2


async def test_a_busy_guard_is_told_by_the_next_tick(stage: Stage) -> None:
    stage.add_record()
    await stage.attack(ANN)
    async with stage.ledger.claim(FORWARDING, "another") as claim:
        assert claim
        await stage.tick(minutes=0.1)
        await stage.tick(minutes=0.1)
    assert (stage.get_case().cause, stage.get_case().cause_note) == (None, "")
    await stage.tick()
    assert stage.get_case().cause is not None
    assert len(stage.tenant.queries) == 1


# Kills -------------------------------------------------------------------------------------------


async def live(stage: Stage) -> None:
    """A run of the guard, and a tick of the audit logs."""
    await stage.run_guard()
    await stage.tick()


async def attack_another(stage: Stage) -> None:
    """A second mailbox is attacked."""
    stage.add_record(BOB)
    stage.tenant.rules.append(build_rule(BOB))


async def come_to_rest(stage: Stage) -> None:
    """Nothing happens any more."""
    for _ in range(4):
        await live(stage)


# Two searches in turn. Whoever is killed in one of the lives comes back with the next step.
STEPS = (live, live, live, live, attack_another, live, live, come_to_rest)
LIVES = frozenset({0, 1, 2, 5, 6})


def check_what_is_left(stage: Stage) -> None:
    """What a killed process leaves behind says no more than what is so.

    What was found is on record where a reading counts as done; cases say that the log was asked
    only where its search is known to be under way; and a search counts as told where they say so.
    A case has a cause only where a reading counts as done.
    """
    cases = {case.key: case for case in stage.list_cases()}
    rows = stage.ledger.get_partition(ACTIVITY_PARTITION).activity_rows.values()
    acts = [text for kind, text in rows if kind is Act]
    searches = stage.ledger.load_searches(ACTIVITY_PARTITION).values()
    read = {key for one in searches if one.collected for key in one.cases}
    assert {key for key, case in cases.items() if case.cause} <= read
    for search in searches:
        own = [cases[key] for key in search.cases if key in cases]
        assert not search.collected or len(acts) >= search.found > 0
        if search.state is SearchState.ASKING:
            assert not any(case.cause_note for case in own if not case.cause)
        elif search.told == mark_told(search):
            note = describe_search(search)
            assert all(case.cause or (note and case.cause_note == note) for case in own)


async def refuse_for_now(stage: Stage) -> None:
    """The service takes no search for a while."""
    stage.tenant.query_limit = len(stage.tenant.queries)


async def take_again(stage: Stage) -> None:
    """The service takes searches again."""
    stage.tenant.query_limit = 10


AGAIN = (refuse_for_now, live, live, take_again, live, live, come_to_rest)


async def test_killed_while_it_asks_again_nothing_is_asked_that_is_not_on_record() -> None:
    peaceful = Stage()
    await peaceful.run_guard()
    peaceful.tenant.query_state = QueryState.RUNNING
    peaceful.add_record()
    peaceful.tenant.rules.append(build_rule(ANN))
    deaths = await live_through(peaceful, AGAIN, frozenset({1, 2, 4}), [peaceful.config])
    assert peaceful.witness.unrecorded == []
    assert len(peaceful.tenant.queries) == 1
    assert len(deaths) > 10
    for death in deaths:
        check_what_is_left(death.world)
        stage = await go_on(death, AGAIN)
        assert stage.witness.unrecorded == [], death.name
        assert 1 <= len(stage.tenant.queries) <= 2, death.name


async def test_killed_at_every_operation_every_cause_is_found_and_nothing_is_told_twice() -> None:
    peaceful = Stage()
    await peaceful.run_guard()
    peaceful.add_record()
    peaceful.tenant.rules.append(build_rule(ANN))
    deaths = await live_through(peaceful, STEPS, LIVES, [peaceful.config])
    cards = len(peaceful.channel.sent)
    assert len(deaths) > 15
    assert peaceful.witness.unrecorded == []
    for death in deaths:
        check_what_is_left(death.world)
        stage, name = await go_on(death, STEPS), death.name
        assert stage.witness.unrecorded == [], name
        cases = stage.list_cases()
        assert [case.cause.actor if case.cause else None for case in cases] == [EVE, EVE], name
        assert {case.cause_note for case in cases} == {""}, name
        assert not any(one.is_open for one in await stage.list_searches()), name
        # A search may be asked for once more, where nobody knows whether it was.
        assert len(stage.tenant.queries) <= len(peaceful.tenant.queries) + 1, name
        # A card that was accepted and whose acceptance was lost comes twice.
        assert cards <= len(stage.channel.sent) <= cards + 1, name
