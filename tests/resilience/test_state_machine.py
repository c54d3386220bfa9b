"""Anything may happen to a guard, in any order, and what must hold holds after each step.

The tenant is edited, reads and writes fail, the ledger and the channel go away, the process is
killed, shards are worked on in any order, twice or in vain, people ask for things, settings and the
clock are changed; what is wrong comes and goes at each look, is shared by several, or is seen by
full looks alone, which come when nobody can tell; records speak of some mailboxes, at which alone
the guard then looks, and an audit log answers who did it; the table is restored to an older day, or
rows of it vanish. After each step
the promises of `tests.resilience.oracle` are checked, and those of this module. At the end all
trouble stops; two
runs and an hour later everything is as a small model says it should be, but for what came and went,
which is over once it has been quiet for a day; and one more run is silent.
"""

import asyncio
import copy
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.adapters.table_storage.codec import decode_stored_record
from core.engine.assess import FLAP_COUNT
from core.engine.attention import CARDS_PER_OBJECT, OBJECT_PAUSE
from core.engine.cause_updates import SearchNews, update_causes
from core.engine.decision_context import CONTEST_WINDOW, IN_EFFECT_STATES
from core.engine.flapping import QUIET_TIME, is_flapping
from core.engine.memory_loss import STATE_LOST
from core.engine.operator_requests import run_requests_only
from core.engine.self_findings import SELF_CHECK_KINDS
from core.engine.shard_message import ShardMessage
from core.errors import Forbidden, LedgerError, NotificationError, Rejected, Unavailable
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord
from core.model.findings import Finding, Severity
from core.model.guards import ChangeLimit, GuardPolicy, Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState, RunOptions
from core.model.state import GuardSnapshot, GuardState
from core.ports import LedgerRow
from tests.resilience.harness import RecordingHarness, assert_quiet_run, build_harness
from tests.resilience.oracle import (
    ChangeAttempt,
    ProcessEnded,
    TenantState,
    check_dangers_notified,
    check_nothing_lost,
    check_notified_once,
    check_passed_range_saved,
    check_resolutions_notified,
    check_saved_before_notified,
    check_unread_stays_open,
    check_writes_justified,
    check_writes_recorded,
    find_case_names,
    find_exempted,
    list_saved_rows,
)
from tests.support.acts import build_act
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.fakes.ledger import DAY, Partition, SavedTransaction
from tests.support.synthetic_guard import ENFORCE_CONFIG, GUARD, ForwardItem, SyntheticTenant, judge

SIZE = 7
HOUR = timedelta(hours=1)
LIMIT = ChangeLimit(count=2, percent=0.0, per_object=1_000, runs_per_day=3)
BUDGET = LIMIT.count * LIMIT.runs_per_day
# Four, then one in eight hours; and whatever is graver than all before it: high, then critical.
CARDS_A_DAY = CARDS_PER_OBJECT + DAY // OBJECT_PAUSE + 2
MAILBOXES = st.sampled_from([f"m{number}" for number in range(SIZE)])
TARGETS = st.sampled_from(["thief", "crook", "partner"])
ALLOWED = frozenset({"partner"})

ALWAYS = (
    check_notified_once,
    check_writes_justified,
    check_unread_stays_open,
    check_passed_range_saved,
    check_saved_before_notified,
)
AT_THE_END = (
    check_dangers_notified,
    check_nothing_lost,
    check_resolutions_notified,
    check_writes_recorded,
)


def judging(item: ForwardItem, terms: GuardPolicy) -> Iterator[Finding]:
    """What the toy finds wrong, but for targets that are allowed; what is deep is told alone."""
    if item.target not in terms.options:
        for finding in judge(item, terms):
            yield replace(finding, changes=()) if item.is_deep else finding


DUTY = replace(
    ENFORCE_CONFIG,
    guard=replace(GUARD, judge=judging, options=frozenset()),
    limit=LIMIT,
)


class Model:
    """What must be open and may be changed, by what happened in the world alone."""

    def __init__(self) -> None:
        self.tenant = SyntheticTenant(SIZE)
        self.mode = Mode.ENFORCE
        self.allowed = frozenset[str]()
        self.believed: int | None = None

    def wrong(self, exempt: Collection[str] = (), *, deep: bool = False) -> dict[str, Finding]:
        """What is wrong now and any look shows, or what full looks alone show; by key, without what
        somebody answered for.
        """
        forwards = self.tenant.deep_forwards if deep else self.tenant.forwards
        found = {
            finding.compute_key("toy"): finding
            for name, target in forwards.items()
            if name not in self.tenant.deleted
            for finding in judging(
                ForwardItem(name, target, deep), GuardPolicy(START, self.allowed)
            )
        }
        return {
            key: finding
            for key, finding in found.items()
            if not {key, finding.object_id} & set(exempt)
        }

    @property
    def missing(self) -> bool:
        """More mailboxes are gone than a listing is believed to have lost."""
        lost = (self.believed or 0) - len(self.tenant.mailbox_ids)
        return lost >= 2 and lost > 0.3 * (self.believed or 0)

    def open(self, exempt: Collection[str]) -> set[str]:
        """What stays open once all has come to rest: what may not be put right."""
        wrong = set(self.wrong(exempt))
        held = self.missing or len(wrong) > LIMIT.count
        told = set(self.wrong(exempt, deep=True))
        return told | (wrong if self.mode is Mode.ALERT or held else set())

    def braked(self, exempt: Collection[str]) -> bool:
        """The brake holds: by what is missing, or by what is wanted."""
        wanted = len(self.wrong(exempt)) if self.mode is Mode.ENFORCE else 0
        return self.missing or wanted > LIMIT.count


@dataclass(frozen=True)
class Strike:
    """Something that goes wrong in one life: at its `at`-th operation, before or after its effect,
    or with one mailbox.
    """

    fault: str = "none"
    at: int = 1
    after: bool = False
    name: str = "m0"

    def on_process(self, stage: RecordingHarness) -> None:
        """The process, its memory or its voice is struck."""
        match self.fault:
            case "killed":
                reaper = CrashInjector(self.at, self.after)
                stage.ledger.crash_injector = stage.notification_channel.crash_injector = (
                    stage.tenant.crash_injector
                ) = reaper
            case "ledger down":
                stage.ledger.crash_injector = CrashInjector(self.at, self.after, error=out_of_reach)
            case "channel down":
                stage.notification_channel.is_down = True
            case "reply lost":
                stage.notification_channel.crash_injector = CrashInjector(
                    1, after=True, error=unanswered
                )
            case "hurried":
                stage.budget_used = hurried(self.at)

    def on_tenant(self, tenant: SyntheticTenant) -> None:
        """What is read of the tenant, or written to it, is struck."""
        errors = {
            "refused": Rejected("no"),
            "failing": Unavailable("HTTP 503"),
            "forbidden": Forbidden("HTTP 403", "Set-Mailbox"),
        }
        tenant.unavailable = self.fault == "blind"
        tenant.listing_interrupted = self.fault == "broken off"
        if self.fault == "short":
            tenant.omitted = {f"m{number}" for number in range(self.at % SIZE)}
        if self.fault in errors:
            tenant.change_errors[self.name] = errors[self.fault]
        if self.fault in ("half made", "half lost"):
            tenant.partially_applied[self.name] = self.fault == "half made"


FAULTS = (
    *("none", "none", "none", "killed", "killed", "ledger down", "channel down", "reply lost"),
    *("blind", "broken off", "short", "hurried", "refused", "failing", "forbidden"),
    *("half made", "half lost"),
)
STRIKES = st.builds(Strike, st.sampled_from(FAULTS), st.integers(1, 14), st.booleans(), MAILBOXES)
PEACE = Strike()
PICKS = st.integers(0, 30)


class Machine(RuleBasedStateMachine):
    """One guard in a world in which anything happens."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.tenant = self.model.tenant
        self.stage: RecordingHarness = build_harness(DUTY, self.tenant, range_size=2)
        self.stage.tenant.assess_at = self.view
        # The storage service has a clock of its own, which nobody sets.
        self.stage.ledger.clock = Clock()
        self.latest = self.stage.clock()
        self.plan = ""
        self.checked = 0
        self.cards: list[tuple[datetime, frozenset[str]]] = []
        self.deaths: list[datetime] = []
        # What the ledger held after the last life.
        self.known = GuardSnapshot()
        # What happened before the table was restored or lost rows, for what outlives that.
        self.before: list[object] = []
        self.kept: Partition | None = None
        self.is_tampered = False

    async def view(self, tenant: SyntheticTenant, now: datetime) -> TenantState:
        """How the tenant stands, whatever can be read of it now."""
        return TenantState(self.model.wrong(), now)

    @property
    def memory(self) -> GuardSnapshot:
        return self.runner.run(self.stage.ledger.load("toy"))

    def exempt(self) -> set[str]:
        return find_exempted(self.story, self.stage.clock())

    @property
    def story(self) -> list[object]:
        """Everything that ever happened."""
        return [*self.before, *self.stage.journal]

    # The table ------------------------------------------------------------------------------------

    @rule()
    def the_table_is_backed_up(self) -> None:
        self.kept = copy.deepcopy(self.stage.ledger.get_partition("toy"))

    @rule()
    def the_table_is_restored(self) -> None:
        table = self.stage.ledger.get_partition("toy")
        # While workers read a large tenant, rows of theirs are not counted.
        if self.kept and self.kept.state != table.state and not self.is_read_in_shards():
            self.stage.ledger.partitions["toy"] = copy.deepcopy(self.kept)
            self.begin_anew()

    @rule(pick=PICKS)
    def a_row_vanishes(self, pick: int) -> None:
        rows = self.stage.ledger.get_partition("toy").rows
        names = sorted(key for key in rows if key.partition("|")[0] in ("case", "change", "exempt"))
        if names and not self.is_read_in_shards():
            del rows[names[pick % len(names)]]
            self.begin_anew()

    @rule()
    def somebody_says_that_the_table_may_be_believed(self) -> None:
        for key, case in self.memory.cases.items():
            if case.kind == STATE_LOST and not case.closed_at:
                self.ask(RequestKind.ACKNOWLEDGE, key)

    def is_read_in_shards(self) -> bool:
        """Whether workers read the tenant, or are about to."""
        text = self.kept.state if self.kept else ""
        kept = decode_stored_record(GuardState, text) if text else GuardState()
        passes = (self.memory.state.scan_pass, kept.scan_pass)
        return bool(self.stage.shard_above) or any(one and one.shard_count for one in passes)

    def begin_anew(self) -> None:
        """What was promised of rows that are gone cannot be held; what follows is."""
        self.before += self.stage.journal
        self.stage.journal.clear()
        self.checked = 0
        self.cards.clear()
        self.known = known = self.memory
        self.is_tampered = True
        rows: tuple[LedgerRow, ...] = (
            *known.cases.values(),
            *known.changes,
            *known.exemptions.values(),
            *known.operator_requests,
        )
        now = self.stage.ledger.clock()
        # What ended before did not end now.
        ended = tuple(
            replace(case, resolution="noted", notification=Notification.NONE)
            for case in known.cases.values()
            if case.closed_at
        )
        self.stage.journal += [
            SavedTransaction("toy", ended, None, now),
            SavedTransaction("toy", rows, known.state, now),
        ]

    def check_distrust(self, *, is_over: bool) -> None:
        """Whoever restores the table, or deletes of it, is noticed by the first run after that.

        One that dies may have noticed it before, and somebody may acknowledge it before the next.
        """
        if self.memory.state.distrusted_since:
            self.is_tampered = False
        assert not (self.is_tampered and is_over) or self.stage.config.mode is Mode.OFF

    # The tenant -----------------------------------------------------------------------------------

    @rule(name=MAILBOXES, to=TARGETS)
    def a_mailbox_forwards(self, name: str, to: str) -> None:
        self.tenant.forwards[name] = to

    @rule(name=MAILBOXES)
    def a_forward_vanishes(self, name: str) -> None:
        self.tenant.forwards.pop(name, None)

    @rule(name=MAILBOXES)
    def a_mailbox_appears_or_vanishes(self, name: str) -> None:
        self.tenant.deleted ^= {name}

    @rule(name=MAILBOXES)
    def a_mailbox_becomes_unreadable_or_readable(self, name: str) -> None:
        self.tenant.unreadable ^= {name}

    @rule(name=MAILBOXES, to=TARGETS)
    def a_mailbox_forwards_where_full_looks_alone_see_it(self, name: str, to: str) -> None:
        self.tenant.deep_forwards[name] = to

    @rule(name=MAILBOXES)
    def what_full_looks_alone_see_vanishes(self, name: str) -> None:
        self.tenant.deep_forwards.pop(name, None)

    @rule(names=st.lists(MAILBOXES, min_size=3, max_size=SIZE, unique=True), to=TARGETS)
    def several_mailboxes_forward_to_one_target(self, names: list[str], to: str) -> None:
        self.tenant.forwards |= dict.fromkeys(names, to)

    @rule(name=MAILBOXES, to=TARGETS, looks=st.integers(3, 5))
    def a_forward_comes_and_goes_at_each_look(self, name: str, to: str, looks: int) -> None:
        for look in range(looks):
            self.tenant.forwards.pop(name, None)
            if look % 2 == 0:
                self.tenant.forwards[name] = to
            self.lives(PEACE)

    @rule(name=MAILBOXES, looks=st.integers(3, 5))
    def a_forward_has_another_target_at_each_look(self, name: str, looks: int) -> None:
        for look in range(looks):
            self.tenant.forwards[name] = f"thief-{look}"
            self.lives(PEACE)

    # Runs -----------------------------------------------------------------------------------------

    @rule(strike=STRIKES)
    def the_timer_fires(self, strike: Strike) -> None:
        self.lives(strike)

    @rule(pick=PICKS)
    def a_forward_is_back_and_the_timer_fires(self, pick: int) -> None:
        made = sorted(key for key, case in self.memory.cases.items() if case.resolution == "done")
        if made:
            case = self.memory.cases[made[pick % len(made)]]
            self.tenant.forwards[case.object_id] = case.correlations[0].key
        self.lives(PEACE)

    @rule(strike=STRIKES)
    def somebody_runs_it_and_it_may_only_tell(self, strike: Strike) -> None:
        self.lives(strike, mode=Mode.ALERT)

    @rule(strike=STRIKES)
    def a_worker_does_what_is_asked(self, strike: Strike) -> None:
        self.lives(strike, serving=True)

    @rule(pick=PICKS, strike=STRIKES, again=st.booleans())
    def a_worker_takes_a_message(self, pick: int, strike: Strike, again: bool) -> None:
        queue = self.stage.queue
        if queue:
            message = queue[pick % len(queue)]
            if self.lives(strike, message=message) and not again:
                queue.remove(message)

    @rule(names=st.lists(MAILBOXES, min_size=1, max_size=3, unique=True), strike=STRIKES)
    def records_speak_of_mailboxes(self, names: list[str], strike: Strike) -> None:
        self.lives(strike, hint=tuple(names))

    @rule(names=st.lists(MAILBOXES, min_size=1, max_size=3, unique=True), strike=STRIKES)
    def a_search_of_the_audit_log_tells_of_mailboxes(
        self, names: list[str], strike: Strike
    ) -> None:
        self.lives(strike, answer=tuple(names))

    @rule(pick=PICKS)
    def a_message_is_given_up(self, pick: int) -> None:
        queue = self.stage.queue
        if queue:
            self.lives(PEACE, message=queue.pop(pick % len(queue)), lost=True)

    def lives(
        self,
        strike: Strike,
        *,
        mode: Mode | None = None,
        serving: bool = False,
        message: str = "",
        lost: bool = False,
        hint: tuple[str, ...] = (),
        answer: tuple[str, ...] = (),
    ) -> bool:
        """One life of the process, with something going wrong. True when it came to its end."""
        stage = self.stage
        strike.on_process(stage)
        strike.on_tenant(self.tenant)
        stage.journal.append(TenantState(self.model.wrong(), stage.clock()))
        began, before = stage.clock(), self.known
        mode = mode or self.model.mode
        try:
            if serving:
                self.runner.run(run_requests_only(stage.config, stage.world, stage.next_run_id()))
            elif message:
                mode = stage.config.mode.restrict_to(ShardMessage.from_json(message).mode)
                self.runner.run((stage.abandon_message if lost else stage.process_message)(message))
            elif hint:
                self.runner.run(stage.look(hint, mode))
            elif answer:
                self.runner.run(self.tell_causes(answer))
            else:
                report = self.runner.run(stage.run_timer(RunOptions(mode=mode)))
                self.plan = report.plan or self.plan
            died = strike.fault == "reply lost"
        except (SimulatedCrash, LedgerError, Unavailable):
            died = True
        stage.journal += [ProcessEnded()] if died else []
        self.deaths += [began] if died else []
        self.mend()
        self.known = self.memory
        self.note_cards(began)
        self.check_releases(before)
        distrusted = self.is_tampered or bool(before.state.distrusted_since)
        self.check_distrust(is_over=not (died or message or hint or answer))
        if strike.fault == "none" and not (serving or message or hint or answer or stage.queue):
            self.check_gravest_told(began)
        stage.ledger.clock.advance(minutes=3)
        self.latest = max(self.latest, stage.clock())
        may_write = not distrusted or not self.known.state.distrusted_since
        self.check_what_was_changed(mode if may_write else Mode.ALERT, serving)
        return not died

    async def tell_causes(self, names: tuple[str, ...]) -> None:
        """Acts are found for the cases of some mailboxes; told of them is nobody."""
        stage, now = self.stage, self.stage.clock()
        known = await stage.ledger.load("toy")
        cases = [case for case in known.cases.values() if case.object_id in names]
        acts = tuple(
            replace(build_act("toy", name), at=now, seen_at=now, key=f"act {name}")
            for name in names
        )
        keys = frozenset(case.key for case in cases)
        news = SearchNews(keys, now, "", has_answer=True, acts=acts)
        cards = len(stage.notification_channel.sent)
        await update_causes(stage.world, stage.config.guard, stage.next_run_id(), news)
        assert len(stage.notification_channel.sent) == cards

    def mend(self) -> None:
        """What went wrong is over."""
        stage = self.stage
        stage.ledger.crash_injector = stage.notification_channel.crash_injector = (
            stage.tenant.crash_injector
        ) = CrashInjector()
        stage.notification_channel.is_down = False
        stage.budget_used = lambda: 0.0
        self.tenant.clear_faults()

    # People ---------------------------------------------------------------------------------------

    def ask(self, deed: RequestKind, subject: str, until: datetime | None = None) -> None:
        """Somebody asks for something; it is done by whoever comes next."""
        stage = self.stage
        action = OperatorRequest(
            stage.next_run_id(), deed, subject, "Dana", "because", stage.clock(), until=until
        )
        self.runner.run(stage.ledger.add_request("toy", action))

    @rule()
    def the_plan_that_waits_is_released(self) -> None:
        if self.plan:
            self.ask(RequestKind.RELEASE, self.plan)

    @rule(name=MAILBOXES, days=st.integers(1, 20))
    def a_mailbox_is_exempted(self, name: str, days: int) -> None:
        self.ask(RequestKind.EXEMPT, name, self.stage.clock() + days * DAY)

    @rule(pick=PICKS, deed=st.sampled_from([RequestKind.EXEMPT, RequestKind.ACKNOWLEDGE]))
    def a_case_is_exempted_or_acknowledged(self, pick: int, deed: RequestKind) -> None:
        keys = sorted(self.memory.cases)
        if keys:
            self.ask(deed, keys[pick % len(keys)], self.stage.clock() + 3 * DAY)

    @rule(pick=PICKS)
    def an_exemption_is_ended(self, pick: int) -> None:
        subjects = sorted(self.exempt())
        if subjects:
            self.ask(RequestKind.END_EXEMPTION, subjects[pick % len(subjects)])

    @rule(pick=PICKS)
    def a_change_is_taken_back(self, pick: int) -> None:
        records = sorted(record.id for record in self.memory.changes if not record.undo_of)
        if records:
            self.ask(RequestKind.UNDO, records[pick % len(records)])

    # Settings and time ----------------------------------------------------------------------------

    @rule(mode=st.sampled_from(Mode))
    def the_mode_is_set(self, mode: Mode) -> None:
        self.model.mode = mode
        self.stage.config = replace(self.stage.config, mode=mode)

    @rule()
    def partners_are_allowed_or_not(self) -> None:
        self.model.allowed ^= ALLOWED
        guard = replace(self.stage.config.guard, options=self.model.allowed)
        self.stage.config = replace(self.stage.config, guard=guard)

    @rule(hours=st.sampled_from([-1, 1, 24, 24 * 8]))
    def the_clock_jumps(self, hours: int) -> None:
        self.stage.clock.advance(hours=hours)

    @rule()
    def the_tenant_is_looked_at_in_shards_or_not(self) -> None:
        self.stage.shard_above = None if self.stage.shard_above else 3

    # What holds -----------------------------------------------------------------------------------

    @invariant()
    def no_promise_is_broken(self) -> None:
        if len(self.stage.journal) > self.checked:
            self.checked = len(self.stage.journal)
            complaints = [one for promise in ALWAYS for one in promise(self.stage.journal)]
            assert not complaints, complaints

    def check_what_was_changed(self, mode: Mode, serving: bool) -> None:
        """Within the mode, the brake, and what people changed back."""
        journal = self.stage.journal
        last = max(at for at, event in enumerate(journal) if isinstance(event, TenantState))
        known = {
            record.id
            for event in (*self.before, *journal[:last])
            for record in list_saved_rows(event, ChangeRecord)
        }
        fresh = {
            record.id
            for event in journal[last:]
            for record in list_saved_rows(event, ChangeRecord)
            if record.id not in known and not record.undo_of
        }
        released = any(
            action.kind is RequestKind.RELEASE and action.state is RequestState.DONE
            for event in journal[last:]
            for action in list_saved_rows(event, OperatorRequest)
        )
        if mode is not Mode.ENFORCE or serving:
            assert not fresh
            attempts = [event for event in journal[last:] if isinstance(event, ChangeAttempt)]
            assert all(attempt.is_undo for attempt in attempts)
        elif not released and not any(self.asked_for_release()):
            assert len(fresh) <= LIMIT.count
        self.check_flaps()
        self.check_budget()

    def note_cards(self, began: datetime) -> None:
        """An object has so many cards a day, and one more for each death that left one unmarked."""
        known = {case.short_key: case.object_id for case in self.known.cases.values()}
        last = max(
            at for at, event in enumerate(self.stage.journal) if isinstance(event, TenantState)
        )
        for event in self.stage.journal[last:]:
            if names := find_case_names(event):
                self.cards.append((began, frozenset(known.get(name, name) for name in names)))
        counts = Counter(
            name for at, names in self.cards if abs(began - at) < DAY for name in names
        )
        spare = sum(abs(began - at) < DAY for at in self.deaths)
        assert all(count <= CARDS_A_DAY + spare for count in counts.values()), counts

    def check_gravest_told(self, began: datetime) -> None:
        """What is graver than all that was told of its object lately is told at once."""
        cases = self.known.cases.values()
        told = {
            case.object_id
            for case in cases
            if case.card_severity is Severity.CRITICAL
            and any(abs(began - at) < DAY for at in case.card_times)
        }
        late = [
            case
            for case in cases
            if case.severity is Severity.CRITICAL
            and case.notification in (Notification.OPENED, Notification.CHANGED)
            and case.object_id not in told
        ]
        assert not late, late

    def check_releases(self, before: GuardSnapshot) -> None:
        """A release covers what its plan named, and nothing that the brake held later."""
        known = {record.id for record in before.changes}
        plans = {plan.hash: plan.at for case in before.cases.values() for plan in case.held_plans}
        for record in self.known.changes:
            if record.released_plan and record.id not in known:
                held = before.cases[record.case_key].held_since
                assert held
                assert held <= plans[record.released_plan]

    def check_budget(self) -> None:
        """Within a day no more objects are changed without a release than the budget allows."""
        now = self.stage.clock()
        changed = {
            record.subject
            for record in self.known.changes
            if record.state in IN_EFFECT_STATES
            and not record.undo_of
            and not record.released_plan
            and timedelta() <= now - record.at < DAY
        }
        assert len(changed) <= BUDGET, changed

    def asked_for_release(self) -> Iterator[OperatorRequest]:
        """Releases that wait to be answered."""
        yield from (one for one in self.known.operator_requests if one.kind is RequestKind.RELEASE)

    def check_flaps(self) -> None:
        """Nobody is overruled more than twice a week."""
        now = self.stage.clock()
        made = Counter(
            record.case_key
            for record in self.known.changes
            if record.state in IN_EFFECT_STATES
            and not record.undo_of
            and not record.undone_at
            and abs(now - record.at) < CONTEST_WINDOW
        )
        assert all(count <= FLAP_COUNT for count in made.values()), made

    def teardown(self) -> None:
        """The faults stop, a week passes; soon after all is as it should be, and stays so."""
        try:
            self.comes_to_rest()
        finally:
            self.runner.close()

    def looks_again(self, *pauses: int) -> None:
        """Runs in peace, after so many hours each, with all that they hand out."""
        for hours in pauses:
            self.stage.clock.advance(hours=hours)
            self.lives(PEACE)
            while self.stage.queue:
                self.lives(PEACE, message=self.stage.queue.pop(0))

    def open_cases(self) -> list[Case]:
        """The open cases of what the tenant has, but for those about the guard itself."""
        return [
            case
            for case in self.memory.cases.values()
            if not case.closed_at
            and case.kind not in SELF_CHECK_KINDS
            and case.object_id not in self.tenant.deleted
        ]

    def comes_to_rest(self) -> None:
        """The end."""
        stage = self.stage
        self.tenant.unreadable.clear()
        # A full look that was broken off goes on where it stopped; the next one sees all.
        is_part_way = bool(self.memory.state.check_progress)
        if self.model.mode is Mode.OFF:
            self.the_mode_is_set(Mode.ALERT)
        stage.clock.current = self.latest + 8 * DAY
        # In shards a full look takes a day.
        stage.shard_above = None
        self.looks_again(0)
        if is_part_way:
            self.looks_again(DAY // HOUR)
        if self.memory.state.distrusted_since:
            self.somebody_says_that_the_table_may_be_believed()
        self.looks_again(0, 0, 1)
        self.model.believed = self.memory.state.population
        waiting = {
            case.key for case in self.open_cases() if is_flapping(case) and case.absent_since
        }
        assert not waiting & set(self.model.wrong() | self.model.wrong(deep=True))
        found = {case.key for case in self.open_cases()}
        assert found - waiting == self.model.open(self.exempt())
        if waiting:
            self.looks_again(QUIET_TIME // HOUR, 0, 1)
            self.model.believed = self.memory.state.population
            found = {case.key for case in self.open_cases()}
            assert found == self.model.open(self.exempt())
        exempt = self.exempt()
        cases = self.memory.cases.values()
        present = [case for case in cases if case.object_id not in self.tenant.deleted]
        braked = any(case.kind == "brake" and not case.closed_at for case in cases)
        assert braked is self.model.braked(exempt)
        assert not [case for case in cases if case.notification]
        assert not [case for case in present if case.deferred_at and not case.closed_at]
        assert not [one for one in self.memory.operator_requests if not one.notified]
        stage.journal.append(
            TenantState(self.model.wrong() | self.model.wrong(deep=True), stage.clock())
        )
        # What was told or written before rows were lost stands in no row any more.
        promises = () if self.before else AT_THE_END
        complaints = [one for promise in promises for one in promise(stage.journal)]
        assert not complaints, complaints
        self.no_promise_is_broken()
        self.runner.run(assert_quiet_run(stage))


def out_of_reach() -> Exception:
    return LedgerError("the state table is out of reach")


def unanswered() -> Exception:
    return NotificationError("no answer")


def hurried(questions: int) -> Callable[[], float]:
    """A run whose time is up after so many questions of what time it is."""
    left = iter([0.0] * questions)
    return lambda: next(left, 1.0)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=200, stateful_step_count=30)


def test_what_came_and_went_is_over_once_it_has_been_quiet_for_a_day() -> None:
    world = Machine()
    world.several_mailboxes_forward_to_one_target(names=["m0", "m1", "m2"], to="thief")
    world.a_forward_comes_and_goes_at_each_look(looks=3, name="m3", to="partner")
    world.partners_are_allowed_or_not()
    world.teardown()


def test_a_case_that_an_entry_of_several_counts_and_does_not_name_was_told() -> None:
    world = Machine()
    world.a_mailbox_forwards_where_full_looks_alone_see_it(name="m0", to="thief")
    world.several_mailboxes_forward_to_one_target(names=["m0", "m1", "m2", "m3"], to="thief")
    world.teardown()


def test_a_restored_table_is_noticed_and_what_people_decided_since_holds() -> None:
    world = Machine()
    world.several_mailboxes_forward_to_one_target(names=["m0", "m1", "m2"], to="thief")
    world.the_timer_fires(PEACE)
    world.the_table_is_backed_up()
    world.a_mailbox_is_exempted(name="m1", days=20)
    world.the_timer_fires(PEACE)
    world.the_table_is_restored()
    world.the_timer_fires(PEACE)
    assert "m1" in world.memory.exemptions
    world.a_row_vanishes(pick=0)
    world.teardown()


def test_a_change_that_waits_is_told_though_a_week_passes_and_another_form_comes() -> None:
    world = Machine()
    world.a_forward_comes_and_goes_at_each_look(name="m6", to="crook", looks=3)
    world.a_forward_comes_and_goes_at_each_look(name="m6", to="thief", looks=5)
    world.several_mailboxes_forward_to_one_target(names=["m6", "m2", "m1"], to="crook")
    world.teardown()


def test_a_change_for_what_a_card_told_as_open_is_told_within_the_hour() -> None:
    world = Machine()
    world.a_forward_has_another_target_at_each_look(name="m0", looks=3)
    world.a_row_vanishes(pick=0)
    world.a_forward_has_another_target_at_each_look(name="m0", looks=3)
    world.teardown()


def test_what_ended_before_the_first_full_look_is_named() -> None:
    world = Machine()
    world.several_mailboxes_forward_to_one_target(names=["m1", "m2", "m3", "m4", "m5"], to="thief")
    world.the_timer_fires(Strike("blind"))
    world.the_tenant_is_looked_at_in_shards_or_not()
    world.records_speak_of_mailboxes(names=["m2"], strike=PEACE)
    world.a_forward_has_another_target_at_each_look(name="m2", looks=3)
    world.teardown()


def test_a_full_look_that_was_broken_off_goes_on_where_it_stopped() -> None:
    world = Machine()
    world.the_timer_fires(Strike("hurried", 8))
    world.a_mailbox_forwards_where_full_looks_alone_see_it(name="m1", to="thief")
    world.teardown()
