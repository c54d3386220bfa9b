"""A mistake about one object keeps back no other, and is told: nothing of it closes by silence."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from core.config.catalog import CATALOG
from core.engine.judgement import build_item_failure
from core.engine.run import run
from core.keys import compute_hash_prefix
from core.model.activity import ActivityCursor
from core.model.cases import Case
from core.model.changes import ChangeState
from core.model.findings import Finding
from core.model.guards import Guard, GuardConfig, GuardPolicy, Mode, SingleLook
from core.notifications.run_cards import build_cards
from core.ports import ACTIVITY_PARTITION, World
from core.tenant.activity import ActivityLog
from core.tenant.known_traits import note_traits
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import join_readings
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.tenant.sources import ALL_LISTED, JUDGEMENT
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.sentences import build_intruded_tenant
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    DEEP_CHECK,
    ENFORCE_CONFIG,
    GUARD,
    LISTED_SOURCES,
    RULES_SOURCE,
    UNLISTED_SOURCE,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    judge,
    look_up,
)

ODD = "odd"


def slip_on_odd(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
    """Judges as ever, but for a target that nobody foresaw."""
    if item.target == ODD:
        raise KeyError(ODD)
    yield from judge(item, policy)


@dataclass(frozen=True)
class Nameless:
    """An item that says of no object which one it is."""

    target: str


def slip_on_nameless(item: ForwardItem | Nameless, policy: GuardPolicy) -> Iterator[Finding]:
    """Judges as ever, but for what has no name."""
    if isinstance(item, Nameless):
        raise IndexError("nameless")
    yield from judge(item, policy)


def find_nothing_sane(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
    """Judges the odd one too, in words that nobody can handle."""
    for one in judge(item, policy):
        yield replace(one, summary=7) if item.target == ODD else one  # type: ignore[arg-type]


def build_stage(
    size: int = 6, config: GuardConfig = ALERT_CONFIG, judged: Any = slip_on_odd, **more: Any
) -> EngineHarness:
    guard = replace(config.guard, judge=judged, correlation=None)
    return EngineHarness(SyntheticTenant(size), replace(config, guard=guard), **more)


def list_open(stage: EngineHarness) -> dict[str, Case]:
    """The open cases by object and kind."""
    cases = stage.ledger.list_cases("toy").values()
    return {f"{one.object_id} {one.kind}": one for one in cases if one.closed_at is None}


@pytest.mark.parametrize("judged", [slip_on_odd, find_nothing_sane])
async def test_one_object_that_cannot_be_judged_keeps_back_no_other_and_is_told(
    judged: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stage = build_stage(judged=judged)
    stage.tenant.forwards = {"m1": "x", "m2": "y"}
    await stage.run_timer()
    assert list_open(stage).keys() == {"m1 forward", "m2 forward"}
    # The odd one keeps its case; of the others one ends and one is new.
    stage.tenant.forwards = {"m1": ODD, "m3": "z"}
    report = await stage.run_timer()
    assert (report.status, report.unread_count, report.read_count) == ("done", 1, 5)
    assert list_open(stage).keys() == {"m1 forward", "m3 forward", "m1 unreadable"}
    case = list_open(stage)["m1 unreadable"]
    (fact,) = case.facts
    assert (case.summary, str(case.verdict)) == ("m1: could not be judged.", "could-not-tell")
    assert fact.text.startswith("a mistake of the app, ")
    assert case.notified_at
    told = {row.finding.kind for row in report.findings if row.finding.object_id == "m1"}
    assert told == {"unreadable"}
    assert "Traceback" in caplog.text
    # It is told once, and that it is over.
    sent = len(stage.notification_channel.sent)
    assert [one.object_id for one in (await stage.run_timer()).notifications] == ["m2"]
    assert [str(card).count("m1:") for card in stage.notification_channel.sent[sent:]] == [0]
    stage.tenant.forwards = {"m3": "z"}
    await stage.run_timer()
    assert list_open(stage).keys() == {"m3 forward"}
    ended = (await stage.run_timer()).notifications
    assert {one.kind for one in ended if one.object_id == "m1"} == {"forward", "unreadable"}


async def test_what_is_not_judged_is_never_changed_and_its_intent_is_not_taken_for_done() -> None:
    stage = build_stage(config=ENFORCE_CONFIG)
    await stage.run_timer()
    stage.tenant.forwards = {"m1": ODD, "m2": "y"}
    await stage.run_timer()
    assert stage.tenant.writes == ["m2"]


async def test_where_an_item_names_no_object_no_case_of_its_batch_ends() -> None:
    stage = build_stage(judged=slip_on_nameless)
    stage.tenant.forwards = {"m1": "x"}
    await stage.run_timer()
    stage.tenant.forwards = {}
    inspect = GUARD.inspect
    assert inspect

    async def inspect_oddly(*given: Any) -> Reading[Any]:
        read = await inspect(*given)
        return replace(read, items=(*read.items, Nameless("t")))

    guard = stage.config.guard
    stage.config = replace(stage.config, guard=replace(guard, inspect=inspect_oddly))
    report = await stage.run_timer()
    assert list_open(stage).keys() == {"m1 forward", f"{UNIDENTIFIED_PREFIX}Nameless unreadable"}
    assert report.unread_count == 1
    state = (await stage.ledger.load("toy")).state
    # Nobody may say later that such a look found nothing.
    assert state.read_from[RULES_SOURCE] == START
    stage.config = replace(stage.config, guard=guard)
    await stage.run_timer()
    assert list_open(stage) == {}
    assert (await stage.ledger.load("toy")).state.read_from[RULES_SOURCE] > START


async def test_a_mistake_about_no_item_still_ends_the_run() -> None:
    stage = build_stage()
    stage.tenant.forwards = {"m1": "x"}
    stage.config = replace(stage.config, guard=replace(stage.config.guard, single_looks=None))  # type: ignore[arg-type]
    await stage.run_timer()
    stage.tenant.deleted = {"m1"}
    with pytest.raises(TypeError):
        await stage.run_timer()


async def test_what_is_known_of_an_object_that_was_not_judged_stays_as_it_was() -> None:
    rows = [note_traits({}, one, "t", ("a",), START) for one in ("m1", "m2")]

    async def inspect_and_note(*given: Any) -> Reading[Any]:
        return Reading(
            (ForwardItem("m1", ODD), ForwardItem("m2", "y")),
            sources=frozenset({RULES_SOURCE}),
            scope=frozenset(one.id for one in given[2]),
            known_traits=tuple(rows),
        )

    stage = build_stage()
    stage.config = replace(
        stage.config, guard=replace(stage.config.guard, inspect=inspect_and_note)
    )
    await stage.run_timer()
    known = (await stage.ledger.load("toy")).known_traits.values()
    assert {one.object_id for one in known} == {"m2"}


# -- inspecting --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 250])
async def test_one_mailbox_that_cannot_be_inspected_keeps_back_no_other(size: int) -> None:
    stage = build_stage(size)
    await stage.run_timer()
    stage.tenant.forwards = {f"m{n}": "x" for n in range(0, size, 3)}
    stage.tenant.odd = {"m0"}
    report = await stage.run_timer()
    expected = {f"m{n} forward" for n in range(3, size, 3)}
    assert list_open(stage).keys() == {*expected, "m0 unreadable"}
    assert (report.unread_count, report.read_count) == (1, size - 1)
    stage.tenant.odd.clear()
    await stage.run_timer()
    assert list_open(stage).keys() == {*expected, "m0 forward"}


async def test_a_mailbox_that_could_not_be_inspected_and_is_gone_has_no_case() -> None:
    stage = build_stage()
    stage.tenant.odd = {"m0"}
    await stage.run_timer()
    assert list_open(stage).keys() == {"m0 unreadable"}
    stage.tenant.deleted = {"m0"}
    await stage.run_timer()
    assert list_open(stage) == {}


async def test_a_periodic_check_goes_on_behind_what_cannot_be_inspected() -> None:
    stage = build_stage(300)
    await stage.run_timer()
    stage.clock.current += timedelta(days=2)
    stage.tenant.deep_checked.clear()
    # All of the first range.
    first = sorted((f"m{n}" for n in range(300)), key=compute_hash_prefix)[:100]
    stage.tenant.odd = {*first}
    report = await stage.run_timer()
    assert report.status == "done"
    assert report.unread_count == 100
    assert {*stage.tenant.deep_checked, *first} == set(stage.tenant.mailbox_ids)
    stage.tenant.deep_checked.clear()
    await stage.run_timer()
    assert stage.tenant.deep_checked == []


async def test_a_mistake_about_every_mailbox_takes_few_attempts() -> None:
    stage = build_stage(100)
    stage.tenant.odd = set(stage.tenant.mailbox_ids)
    report = await stage.run_timer()
    assert report.unread_count == 100
    assert stage.tenant.call_order.count("look") < 40


async def test_what_is_found_of_an_object_not_inspected_at_the_first_look_may_be_old() -> None:
    stage = build_stage()
    stage.tenant.odd = {"m0"}
    stage.tenant.forwards = {"m0": "x"}
    await stage.run_timer()
    assert list_open(stage)["m0 unreadable"].unread_since_first_look


async def test_a_shard_with_an_odd_mailbox_and_an_odd_item_is_done() -> None:
    stage = build_stage(300, shard_above=50)
    await stage.run_timer()
    while stage.queue:
        await stage.process_message(stage.queue.pop())
    stage.tenant.forwards = {"m1": ODD, "m2": "y", "m5": "z"}
    stage.tenant.odd = {"m5"}
    await stage.run_timer()
    assert stage.queue
    while stage.queue:
        assert await stage.process_message(stage.queue.pop()) == "done"
    assert list_open(stage).keys() == {"m1 unreadable", "m5 unreadable", "m2 forward"}


async def test_a_mistake_in_a_listing_leaves_the_rest_unread_and_what_was_listed_is_looked_into(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = build_stage(6)
    stage.tenant.page_size = 3
    stage.tenant.forwards = {"m1": "x", "m5": "y"}
    await stage.run_timer()
    whole = stage.config.guard

    async def observe_one_page(*given: Any) -> AsyncIterator[Any]:
        async for batch in whole.observe(*given):
            yield batch
            if isinstance(batch, MailboxPage):
                raise KeyError("nobody foresaw the second page")

    stage.config = replace(stage.config, guard=replace(whole, observe=observe_one_page))
    stage.tenant.forwards = {"m2": "z"}
    for _ in range(3):
        report = await stage.run_timer()
        assert (report.status, report.unavailable_sources) == ("done", (ALL_LISTED,))
    # What was listed is judged; of the rest nothing ends.
    assert list_open(stage).keys() >= {"m2 forward", "m5 forward"}
    assert "m1 forward" not in list_open(stage)
    case = list_open(stage)[f"{ALL_LISTED} source-unavailable"]
    assert case.notified_at
    assert str(case.facts[0]).startswith("a mistake of the app, KeyError at test_judgement.py:")
    assert "not all was listed" in caplog.text
    assert (await stage.ledger.load("toy")).state.population == 6
    stage.config = replace(stage.config, guard=whole)
    await stage.run_timer()
    assert list_open(stage).keys() == {"m2 forward"}


# -- changes and causes ------------------------------------------------------------------------


async def test_a_mistake_in_one_change_is_its_outcome_and_an_operator_decides_in_the_end() -> None:
    stage = build_stage(config=ENFORCE_CONFIG)
    await stage.run_timer()
    stage.tenant.forwards = {"m1": "x", "m2": "y"}
    stage.tenant.change_errors["m1"] = KeyError("nobody foresaw this answer")
    report = await stage.run_timer()
    assert stage.tenant.writes == ["m2"]
    states = {one.subject: (one.state, one.note) for one in report.outcomes}
    state, note = states["m1@x"]
    assert (state, states["m2@x"][0]) == (ChangeState.FAILED, ChangeState.APPLIED)
    assert note.startswith("a mistake of the app, KeyError at synthetic_guard.py:")
    for _ in range(3):
        await stage.run_timer()
    assert str(list_open(stage)["m1 forward"].verdict) == "failed"


async def test_an_act_that_nobody_foresaw_leaves_cases_without_a_cause_and_ends_no_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = build_stage()
    await stage.run_timer()
    async with stage.ledger.claim(ACTIVITY_PARTITION, "r") as claim:
        assert claim
        await claim.save(*(ActivityCursor(log, START, START, START) for log in ActivityLog))
    stage.ledger.has_odd_act = True
    stage.tenant.forwards = {"m1": "x"}
    stage.config = replace(
        stage.config, guard=replace(stage.config.guard, name="mailbox-forwarding")
    )
    report = await stage.run_timer()
    assert (report.status, report.delivered) == ("done", True)
    assert "who caused its cases is not known" in caplog.text


# -- single objects ----------------------------------------------------------------------------


async def test_a_look_at_several_mailboxes_goes_on_behind_an_odd_one() -> None:
    stage = build_stage()
    await stage.run_timer()
    stage.tenant.forwards = {"m1": "x", "m2": "y"}
    stage.tenant.odd = {"m1"}
    report = await stage.look(["m1", "m2"])
    assert (report.status, report.unread_count) == ("looked", 1)
    assert list_open(stage).keys() == {"m1 unreadable", "m2 forward"}
    stage.tenant.odd.clear()
    await stage.run_timer()
    assert list_open(stage).keys() == {"m1 forward", "m2 forward"}


async def test_an_object_that_cannot_be_looked_at_alone_keeps_its_case_and_holds_up_no_other() -> (
    None
):
    single = SingleLook(UNLISTED_SOURCE, LISTED_SOURCES, look_up)
    stage = build_stage(200, replace(ALERT_CONFIG, guard=replace(GUARD, single_looks=(single,))))
    stage.tenant.forwards = {"m1": "x", "m2": "y", "m3": "z"}
    await stage.run_timer()
    stage.tenant.deleted = {"m1", "m2"}
    stage.tenant.omitted = {"m3"}
    stage.tenant.odd = {"m3"}
    await stage.run_timer()
    assert list_open(stage).keys() == {"m3 forward", "m3 unreadable"}
    stage.tenant.odd.clear()
    stage.tenant.omitted.clear()
    stage.clock.advance(hours=24)
    await stage.run_timer()
    assert list_open(stage).keys() == {"m3 forward"}


# -- names -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Holder:
    mailbox: Mailbox
    object_id: str = "o1"


@dataclass(frozen=True)
class Outer:
    holder: Holder


@dataclass(frozen=True)
class Act:
    object_id: str
    name: str = "A \u202egroup"


@dataclass(frozen=True)
class Policy:
    id: str
    title: str = ""


@dataclass(frozen=True)
class AboutPolicy:
    policy: Policy


@pytest.mark.parametrize(
    ("item", "object_id", "subject"),
    [
        (Outer(Holder(Mailbox("u1", "g1", "info@contoso.com"))), "u1", "info@contoso.com"),
        (Act("o2"), "o2", "A \\u202egroup"),
        (Act("", ""), "unidentified-Act", "Act without a name"),
        (AboutPolicy(Policy("p1", "Spam")), "unidentified-p1", "Spam"),
        (AboutPolicy(Policy("p1")), "unidentified-p1", "p1"),
        ("text", "unidentified-str", "str without a name"),
    ],
)
def test_an_item_is_named_by_what_it_says_of_itself(
    item: object, object_id: str, subject: str
) -> None:
    failure = build_item_failure(item, KeyError("secret"))
    assert (failure.object_id, failure.subject) == (object_id, subject)
    assert (failure.source, failure.reason) == (JUDGEMENT, "a mistake of the app, KeyError")


def test_a_source_that_one_part_did_not_read_is_read_of_the_others_alone() -> None:
    first = Reading(
        ("a",),
        (ReadFailure("rules", "HTTP 503", "m1"),),
        frozenset({"rules", "deep"}),
        2,
        partial_scopes={"deep": frozenset({"m0", "m9"})},
    )
    second = Reading(("b",), sources=frozenset({"rules"}), population=1)
    joined = join_readings([(frozenset({"m0", "m1"}), first), (frozenset({"m9"}), second)])
    assert (joined.items, joined.population) == (("a", "b"), 3)
    assert joined.covers(("rules", "deep"), "m0")
    assert joined.covers(("rules",), "m9")
    assert not joined.covers(("rules",), "m1")
    assert not joined.covers(("deep",), "m9")
    assert DEEP_CHECK in joined.partial_scopes


async def test_what_an_item_says_it_is_of_is_what_it_is_judged_to_be_of() -> None:
    told, others = set[str](), set[str]()
    tenant = build_intruded_tenant()
    clock = Clock()

    def watch(guard: Guard[Any]) -> Guard[Any]:
        def judge_and_compare(item: object, policy: GuardPolicy) -> list[Finding]:
            found = list(guard.judge(item, policy))
            own = build_item_failure(item, KeyError()).object_id
            if not own.startswith(UNIDENTIFIED_PREFIX):
                told.update(type(item).__name__ for _ in found)
                others.update(type(item).__name__ for one in found if one.object_id != own)
            return found

        return replace(guard, judge=judge_and_compare)

    for config in CATALOG:
        world = World(tenant, FakeLedger(clock), FakeNotificationChannel(), clock, build_cards)
        await run(replace(config, guard=watch(config.guard), mode=Mode.ALERT), world)
    assert others == set()
    assert told >= {
        *("MailboxForward", "MailboxRules", "GrantedRight", "LegacyProtocolMailbox"),
        *("LicensedAudit", "SharedMailboxState", "ResourceAccount"),
    }
