"""Ticks of the audit logs on working fakes: looks, causes, killed ticks, late records."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from core.activity.hints import MAX_ATTEMPTS
from core.activity.options import ActivityOptions
from core.adapters.table_storage.codec import encode_stored_record
from core.engine.run import run
from core.engine.shared_state import list_lost_places
from core.errors import LedgerError
from core.jobs.activity import ActivityReport, run_tick
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.model.activity import ActivityCursor, PendingLook
from core.model.guards import GuardConfig, Mode
from core.model.requests import RunOptions
from core.model.runs import RunReport
from core.ports import ACTIVITY_PARTITION
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from core.tenant.auditing import AuditBypass
from core.tenant.directory import Account, RoleHolder
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.sources import (
    ACTIVITY_FEED,
    CHANGED_ACCOUNTS,
    CREDENTIAL,
    DIRECTORY_AUDITS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOXES,
)
from tests.support.acts import EVE, SERVICE
from tests.support.builders import (
    AUDIT_CONFIG,
    CONFIGS_BY_NAME,
    FORWARDING_CONFIG,
    SIGN_IN_CONFIG,
)
from tests.support.fakes.activity import CONTENT_OUTAGE
from tests.support.fakes.clock import START
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.mistakes import make_slip
from tests.support.watched_logs import (
    ANN,
    DELEGATION,
    FORWARDING,
    HIDDEN,
    PRIVILEGED,
    QUIET,
    Watched,
)

ANN_HERSELF = ActivityActor(ActorKind.PERSON, "ann@contoso.com", "u1")


@pytest.fixture
async def watched() -> Watched:
    found = Watched()
    await found.begin()
    return found


async def test_a_hidden_rule_is_seen_in_the_tick_after_its_record_with_who_made_it(
    watched: Watched,
) -> None:
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.add_record("new-inboxrule", "g1", parameters={"Name": "."})
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert [(one.guard, one.status) for one in report.reports] == [(FORWARDING, "looked")]
    cases = watched.list_cases()
    assert {case.object_id for case in cases} == {"u1"}
    assert all(case.cause and case.cause.actor == EVE for case in cases)
    assert "eve@contoso.com" in str(watched.channel.sent)
    # Nothing is told or looked at twice.
    sent = len(watched.channel.sent)
    watched.clock.advance(minutes=5)
    again = await watched.tick()
    assert (again.reports, again.record_count) == ((), 0)
    assert len(watched.channel.sent) == sent


async def test_a_tick_without_news_asks_little_and_saves_no_look(watched: Watched) -> None:
    watched.tenant.read_log.clear()
    report = await watched.tick()
    assert report.reports == ()
    assert [name for name, _ in watched.tenant.read_log] == [
        DIRECTORY_AUDITS,
        CHANGED_ACCOUNTS,
        ACTIVITY_FEED,
        ACTIVITY_FEED,
    ]


async def test_a_look_ends_only_cases_of_what_it_saw(watched: Watched) -> None:
    seen = InboxRule("r1", "u1", "a", "graph", redirect_to=("x@evil.example",))
    other = InboxRule("r2", "u2", "b", "graph", redirect_to=("x@evil.example",))
    watched.tenant.rules += [seen, other]
    await run(FORWARDING_CONFIG, watched.build_world())
    assert {case.object_id for case in watched.list_cases()} == {"u1", "u2"}
    watched.tenant.rules.clear()
    watched.add_record("remove-inboxrule", "g1")
    watched.clock.advance(minutes=5)
    await watched.tick()
    assert {case.object_id for case in watched.list_cases()} == {"u2"}


async def test_a_look_notes_what_it_looked_at_and_keeps_the_rest_of_the_guards_state(
    watched: Watched,
) -> None:
    before = await watched.ledger.load_state(FORWARDING)
    watched.add_record("new-inboxrule", "g1")
    watched.clock.advance(minutes=5)
    await watched.tick()
    after = await watched.ledger.load_state(FORWARDING)
    assert after.looked_alone == {"u1": watched.clock(), "g1": watched.clock()}
    assert HIDDEN_RULES in after.alone_sources
    assert after.revision == before.revision + 1
    assert before == replace(
        after,
        looked_alone=before.looked_alone,
        alone_sources=before.alone_sources,
        revision=before.revision,
    )


async def test_an_act_that_was_looked_into_is_not_who_made_what_is_found_later(
    watched: Watched,
) -> None:
    # Ann renames a rule: the guard looks at her mailbox and finds nothing.
    watched.add_record("set-inboxrule", "g1", actor=ANN_HERSELF)
    watched.clock.advance(minutes=15)
    await watched.tick()
    assert watched.list_cases() == []
    # Hours later somebody hides a rule past the log, and the next sweep sees it.
    watched.clock.advance(hours=7)
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.clock.advance(hours=20)
    await run(FORWARDING_CONFIG, watched.build_world())
    cases = watched.list_cases()
    assert cases
    for case in cases:
        assert case.cause is None
        assert case.earlier_change
        assert case.earlier_change.actor == ANN_HERSELF
    # Its record comes two days late: that is who.
    watched.add_record("new-inboxrule", "g1", at=watched.clock() - timedelta(hours=19))
    watched.clock.advance(hours=30)
    await watched.tick()
    assert {case.cause.actor.name for case in watched.list_cases() if case.cause} == {EVE.name}
    assert all(case.earlier_change is None for case in watched.list_cases())


async def test_a_killed_tick_looks_again_and_tells_once(watched: Watched) -> None:
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.add_record("new-inboxrule", "g1")
    watched.clock.advance(minutes=5)
    for operation in range(40):
        watched.crash = CrashInjector(operation, True)
        watched.ledger.crash_injector = watched.crash
        try:
            await watched.tick()
        except SimulatedCrash:
            watched.clock.advance(minutes=5)
            continue
        break
    watched.ledger.crash_injector = CrashInjector()
    await watched.tick()
    assert {case.object_id for case in watched.list_cases()} == {"u1"}
    assert len({case.key for case in watched.list_cases()}) == len(watched.list_cases())
    assert all(case.cause for case in watched.list_cases())


async def test_a_guard_that_is_busy_looks_at_the_next_tick(watched: Watched) -> None:
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.add_record("new-inboxrule", "g1")
    watched.clock.advance(minutes=5)
    async with watched.ledger.claim(FORWARDING, "another"):
        report = await watched.tick()
        assert report.reports == ()
    watched.clock.advance(minutes=5)
    assert [one.status for one in (await watched.tick()).reports] == ["looked"]
    assert watched.list_cases()


async def test_a_doubled_record_is_one_and_a_late_one_explains_an_open_case(
    watched: Watched,
) -> None:
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    record = watched.add_record("new-inboxrule", "g1")
    watched.tenant.unserved.add(record.id)
    watched.clock.advance(minutes=5)
    await run(FORWARDING_CONFIG, watched.build_world())
    assert [case.cause for case in watched.list_cases()] == [None]
    told = len(watched.channel.sent)
    # The record comes two days late, twice.
    watched.clock.advance(hours=53)
    watched.tenant.unserved.clear()
    watched.tenant.served_at[record.id] = watched.clock()
    double = replace(record, id=record.id)
    watched.tenant.activity_records.append(double)
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert report.record_count == 1
    (case,) = watched.list_cases()
    assert case.cause is not None
    assert case.cause.at == record.at
    # It is an update of the case, not a new card.
    assert len(watched.channel.sent) == told


ROOT = RoleHolder("a1", "entra", frozenset({GLOBAL_ADMINISTRATOR}), "root@contoso.com")


async def begin_with_administrator(*configs: GuardConfig) -> Watched:
    watched = Watched((CONFIGS_BY_NAME[PRIVILEGED], *configs))
    watched.tenant.holders = [ROOT]
    await watched.begin()
    return watched


@pytest.mark.parametrize(
    ("operation", "log"),
    [
        ("reset user password", ActivityLog.DIRECTORY),
        ("reset password (self-service)", ActivityLog.DIRECTORY),
        ("change user password", ActivityLog.ENTRA_FEED),
    ],
)
async def test_a_password_of_an_administrator_is_looked_at_in_the_tick_and_no_other(
    operation: str, log: ActivityLog
) -> None:
    watched = await begin_with_administrator()
    watched.add_record(operation, "u1", "ann@contoso.com", log=log)
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).reports == ()
    watched.add_record(operation, "A1", "root@contoso.com", log=log)
    watched.clock.advance(minutes=5)
    assert [(one.guard, one.status) for one in (await watched.tick()).reports] == [
        (PRIVILEGED, "done")
    ]
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).reports == ()


async def test_a_reset_of_an_administrators_password_is_told_in_the_tick() -> None:
    watched = await begin_with_administrator()
    watched.add_record(
        "reset user password", "a1", "root@contoso.com", log=ActivityLog.DIRECTORY, session=""
    )
    watched.clock.advance(minutes=5)
    await watched.tick()
    (case,) = watched.list_cases(PRIVILEGED)
    assert (case.kind, case.object_id) == ("administrator-password-reset", "a1")
    assert "eve@contoso.com" in str(watched.channel.sent)


@pytest.mark.parametrize("operation", ["reset user password", "user registered security info"])
async def test_a_way_in_for_somebody_a_case_is_about_is_told_with_it_in_the_tick(
    operation: str,
) -> None:
    watched = await begin_with_administrator(FORWARDING_CONFIG)
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    await run(FORWARDING_CONFIG, watched.build_world())
    (case,) = watched.list_cases()
    told = len(watched.channel.sent)
    watched.clock.advance(hours=2)
    # Somebody else's is nobody's concern.
    watched.add_record(operation, "u2", "info@contoso.com", log=ActivityLog.DIRECTORY)
    watched.clock.advance(minutes=5)
    assert FORWARDING not in {one.guard for one in (await watched.tick()).reports}
    watched.add_record(
        operation, "u1", "ann@contoso.com", log=ActivityLog.DIRECTORY, actor=ANN_HERSELF
    )
    watched.clock.advance(minutes=5)
    reports = (await watched.tick()).reports
    assert (FORWARDING, "looked") in {(one.guard, one.status) for one in reports}
    (case,) = watched.list_cases()
    assert case.new_methods[0].casefold().startswith(f"{operation} by ann@contoso.com")
    assert "ann@contoso.com" in str(watched.channel.sent[told:])
    # It is no cause of what was found.
    assert case.cause is None


async def test_full_access_is_seen_in_the_tick_after_its_record() -> None:
    watched = Watched((CONFIGS_BY_NAME[DELEGATION],))
    await watched.begin()
    watched.tenant.delegations.append(Delegation("FullAccess", "S-1-5-21-1-2-3-4", mailbox=ANN))
    watched.add_record("add-mailboxpermission", "g1", parameters={"User": "x"})
    watched.clock.advance(minutes=5)
    await watched.tick()
    assert {case.object_id for case in watched.list_cases(DELEGATION)} == {"u1"}


async def test_an_audit_bypass_is_seen_in_the_tick_after_its_record() -> None:
    watched = Watched((replace(AUDIT_CONFIG, mode=Mode.ALERT),))
    await watched.begin()
    watched.tenant.bypasses.append(AuditBypass("g1", "ann"))
    watched.add_record(
        "set-mailboxauditbypassassociation", "g1", parameters={"AuditBypassEnabled": "True"}
    )
    watched.clock.advance(minutes=5)
    await watched.tick()
    cases = [one for one in watched.list_cases("mailbox-audit") if one.kind == "audit-bypass"]
    assert [case.object_id for case in cases] == ["g1"]
    assert cases[0].cause is not None


async def test_an_account_that_is_enabled_is_looked_at_by_its_delta() -> None:
    watched = Watched((replace(SIGN_IN_CONFIG, mode=Mode.ALERT),))
    watched.tenant.users = [Account("u2", "info@contoso.com", enabled=False)]
    await watched.begin()
    watched.tenant.users = [Account("u2", "info@contoso.com", enabled=True)]
    watched.tenant.changed_accounts.append("u2")
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert [one.status for one in report.reports] == ["looked"]
    assert [case.object_id for case in watched.list_cases("shared-mailbox-sign-in")] == ["u2"]


async def test_a_log_that_cannot_be_read_keeps_its_place_and_the_others_go_on(
    watched: Watched,
) -> None:
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.add_record("new-inboxrule", "g1")
    watched.tenant.fail_read(DIRECTORY_AUDITS)
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert [one.partition(":")[0] for one in report.troubles] == [ActivityLog.DIRECTORY]
    assert watched.list_cases()
    watched.tenant.clear_faults()
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).troubles == ()


async def test_one_refused_content_holds_up_nothing_and_is_asked_for_again(
    watched: Watched,
) -> None:
    watched.tenant.exchange_rules.append(HIDDEN)
    refused = watched.add_record("set-inboxrule", "g1")
    watched.add_record("new-inboxrule", "g1")
    watched.tenant.fail_read(ACTIVITY_FEED, refused.id)
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).record_count == 1
    cursor = (await watched.ledger.load_activity()).cursors[ActivityLog.EXCHANGE]
    assert [one.id for one in cursor.refused] == [refused.id]
    watched.tenant.clear_faults()
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).record_count == 1
    cursor = (await watched.ledger.load_activity()).cursors[ActivityLog.EXCHANGE]
    assert (cursor.refused, cursor.lost_count) == ((), 0)


async def test_noise_and_what_a_log_held_before_it_was_read_lead_to_nothing() -> None:
    watched = Watched()
    old = watched.add_record("new-inboxrule", "g1", at=START - timedelta(hours=5))
    watched.tenant.served_at[old.id] = START - timedelta(hours=5)
    await watched.begin()
    for number in range(500):
        watched.add_record("set-mailbox", f"x{number}", actor=SERVICE)
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert (report.reports, report.record_count) == ((), 0)


async def test_the_feed_is_read_where_it_is_granted_or_asked_for() -> None:
    for feed, granted, is_read in (
        ("auto", True, True),
        ("auto", False, False),
        ("auto", None, False),
        ("on", False, True),
        ("off", True, False),
    ):
        watched = Watched(options=replace(QUIET, feed=feed))
        watched.tenant.feed_granted = granted
        await watched.tick()
        cursors = (await watched.ledger.load_activity()).cursors
        assert (ActivityLog.EXCHANGE in cursors) is is_read, (feed, granted)


async def test_forwarding_runs_at_each_tick_of_a_tenant_that_is_not_too_large() -> None:
    watched = Watched(options=ActivityOptions(feed="off"))
    await watched.begin()
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    report = await watched.tick()
    assert [(one.guard, one.status) for one in report.reports] == [(FORWARDING, "done")]
    assert watched.list_cases()
    assert (await watched.tick()).reports == ()
    watched.options = replace(watched.options, shard_above=1)
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).reports == ()


async def test_an_enforcing_look_changes_what_it_found_under_the_brake() -> None:
    config = replace(FORWARDING_CONFIG, mode=Mode.ENFORCE)
    watched = Watched((config,))
    await watched.begin()
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    watched.add_record("new-inboxrule", "g1")
    watched.clock.advance(minutes=5)
    await watched.tick()
    assert [type(one).__name__ for one in watched.tenant.applied_changes] == ["DisableInboxRule"]
    # What the brake of a full run holds is not made by a look.
    braked = Watched((replace(config, limit=replace(config.limit, count=0, percent=0.0)),))
    await braked.begin()
    braked.tenant.rules.append(InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",)))
    await run(braked.configs[0], braked.build_world(), RunOptions())
    braked.add_record("set-inboxrule", "g1")
    braked.clock.advance(minutes=5)
    await braked.tick()
    assert braked.tenant.applied_changes == []
    assert "brake" in {case.kind for case in braked.list_cases()}


async def test_each_full_look_of_a_guard_is_taken_not_only_the_first() -> None:
    watched = Watched((CONFIGS_BY_NAME["tenant-baseline"],))
    await watched.begin()
    for _ in range(3):
        await run(watched.configs[0], watched.build_world())
        watched.clock.advance(minutes=5)
        watched.add_record("set-organizationconfig", parameters={"AuditDisabled": "True"})
        watched.clock.advance(minutes=5)
        report = await watched.tick()
        assert [one.status for one in report.reports] == ["done"]
        watched.clock.advance(minutes=5)


async def test_a_tick_that_dies_between_two_transactions_loses_no_look() -> None:
    for number in range(1, 60):
        watched = Watched()
        await watched.begin()
        watched.tenant.exchange_rules.append(HIDDEN)
        watched.add_record("new-inboxrule", "g1")
        watched.clock.advance(minutes=5)
        watched.ledger.batch_size = 1
        watched.ledger.crash_injector = CrashInjector(number, True)
        try:
            await watched.tick()
        except SimulatedCrash:
            watched.ledger.crash_injector = CrashInjector()
            watched.clock.advance(minutes=5)
            await watched.tick()
            assert {case.object_id for case in watched.list_cases()} == {"u1"}, number
            continue
        break
    else:
        pytest.fail("no tick came to its end")


@pytest.mark.parametrize(
    ("source", "object_id"),
    [
        pytest.param(INBOX_RULES, "u1", id="the rules of the mailbox"),
        pytest.param(INBOX_RULES, "", id="all rules"),
        pytest.param(CREDENTIAL, "", id="no token"),
    ],
)
async def test_a_look_that_could_not_read_is_taken_again(
    watched: Watched, source: str, object_id: str
) -> None:
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    watched.add_record("new-inboxrule", "g1")
    watched.tenant.fail_read(source, object_id)
    watched.clock.advance(minutes=5)
    await watched.tick()
    waiting = (await watched.ledger.load_activity()).looks[FORWARDING]
    assert (waiting.guids, waiting.attempts) == (("g1",), 1)
    watched.tenant.clear_faults()
    watched.clock.advance(minutes=5)
    assert [one.status for one in (await watched.tick()).reports] == ["looked"]
    assert "u1" in {case.object_id for case in watched.list_cases()}
    assert (await watched.ledger.load_activity()).looks[FORWARDING].guids == ()


async def test_a_mailbox_that_could_not_be_looked_up_is_not_one_that_is_gone(
    watched: Watched,
) -> None:
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    watched.add_record("new-inboxrule", "g1")
    watched.clock.advance(minutes=5)
    async with watched.ledger.claim(FORWARDING, "another"):
        await watched.tick()
    watched.tenant.fail_read(MAILBOXES, "g1")
    for attempts in range(2, MAX_ATTEMPTS):
        watched.clock.advance(minutes=5)
        assert (await watched.tick()).reports == ()
        waiting = (await watched.ledger.load_activity()).looks[FORWARDING]
        assert (waiting.guids, waiting.attempts, waiting.is_whole) == (("g1",), attempts, False)
    watched.clock.advance(minutes=5)
    await watched.tick()
    assert (await watched.ledger.load_activity()).looks[FORWARDING].is_whole
    watched.tenant.clear_faults()
    watched.clock.advance(minutes=5)
    assert [one.status for one in (await watched.tick()).reports] == ["done"]
    assert {case.object_id for case in watched.list_cases()} == {"u1"}


async def test_a_full_run_in_time_to_come_holds_up_no_look_of_a_large_tenant() -> None:
    watched = Watched((AUDIT_CONFIG,), options=replace(QUIET, shard_above=-1))
    await watched.begin()
    state = await watched.ledger.load_state("mailbox-audit")
    ahead = {**state.checks_finished_at, "looked": watched.clock() + timedelta(days=2)}
    async with watched.ledger.claim("mailbox-audit", "another") as claim:
        assert claim is not None
        await claim.save(state=replace(state, checks_finished_at=ahead))
    watched.add_record("set-organizationconfig", parameters={"AuditDisabled": "True"})
    watched.clock.advance(minutes=5)
    assert [one.status for one in (await watched.tick()).reports] == ["done"]
    # A run of a moment ago does pause the next one.
    watched.clock.advance(minutes=5)
    watched.add_record("set-organizationconfig", parameters={"AuditDisabled": "False"})
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).reports == ()
    watched.clock.advance(hours=1)
    assert [one.status for one in (await watched.tick()).reports] == ["done"]


async def test_a_throttled_tick_counts_nothing_as_refused_and_loses_nothing(
    watched: Watched,
) -> None:
    before = (await watched.ledger.load_activity()).cursors[ActivityLog.EXCHANGE]
    watched.tenant.exchange_rules.append(HIDDEN)
    for number in range(100):
        watched.add_record("set-inboxrule", "g1", record_id=f"s{number:03}")
    watched.tenant.fail_read(CONTENT_OUTAGE)
    for _ in range(40):
        watched.clock.advance(minutes=5)
        assert (await watched.tick()).troubles
    cursor = (await watched.ledger.load_activity()).cursors[ActivityLog.EXCHANGE]
    assert (cursor.through, cursor.lost_count) == (before.through, 0)
    watched.tenant.clear_faults()
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert (report.record_count, report.troubles) == (100, ())
    cursor = (await watched.ledger.load_activity()).cursors[ActivityLog.EXCHANGE]
    assert (cursor.through, cursor.refused, cursor.lost_count) == (watched.clock(), (), 0)


async def test_one_content_that_fails_at_each_tick_does_not_hold_up_the_others(
    watched: Watched,
) -> None:
    watched.tenant.exchange_rules.append(HIDDEN)
    broken = watched.add_record("set-inboxrule", "g1")
    watched.clock.advance(seconds=1)
    watched.add_record("new-inboxrule", "g1")
    watched.tenant.fail_read(CONTENT_OUTAGE, broken.id)
    counts = []
    for _ in range(3):
        watched.clock.advance(minutes=5)
        counts.append((await watched.tick()).record_count)
    assert counts == [0, 0, 1]
    assert watched.list_cases()
    watched.tenant.clear_faults()
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).record_count == 1


async def test_places_and_looks_that_cannot_be_decoded_are_told_and_nothing_is_lost(
    watched: Watched,
) -> None:
    watched.add_record("new-inboxrule", "g1")
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.clock.advance(minutes=5)
    rows = watched.ledger.get_partition(ACTIVITY_PARTITION).activity_rows
    for key in ("cursor|exchange", "cursor|directory", "cursor|changed-accounts"):
        rows[key] = (ActivityCursor, '{"name": "of a newer version"}')
    rows[f"look|{FORWARDING}"] = (PendingLook, "{")
    report = await watched.tick()
    assert [(one.guard, one.status) for one in report.reports] == [(FORWARDING, "done")]
    assert len([one for one in report.troubles if "cannot be decoded" in one]) == 4
    state = await watched.ledger.load_activity()
    assert state.unreadable == frozenset()
    assert all(
        one.restarted_at == watched.clock()
        for one in state.cursors.values()
        if one.name in ("exchange", "directory", "changed-accounts")
    )
    assert report.record_count == 1
    assert all(case.cause and case.cause.actor == EVE for case in watched.list_cases())


@pytest.mark.parametrize("field", ["through", "started_at"])
async def test_a_place_that_somebody_set_ahead_hides_nothing_and_is_told(
    watched: Watched, field: str
) -> None:
    rows = watched.ledger.get_partition(ACTIVITY_PARTITION).activity_rows
    ahead = watched.clock() + timedelta(days=300)
    for name in ("exchange", "directory", "changed-accounts"):
        cursor = (await watched.ledger.load_activity()).cursors[name]
        moved = (
            replace(cursor, through=ahead)
            if field == "through"
            else replace(cursor, started_at=ahead)
        )
        rows[f"cursor|{name}"] = (ActivityCursor, encode_stored_record(moved))
    watched.add_record("new-inboxrule", "g1")
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.clock.advance(minutes=600)
    report = await watched.tick()
    assert report.record_count == 1
    state = await watched.ledger.load_activity()
    anew = {name for name, one in state.cursors.items() if one.restarted_at == watched.clock()}
    assert anew == {"exchange", "directory", "changed-accounts"}
    world = replace(watched.build_world(), digest_guard=FORWARDING)
    assert await list_lost_places(world) == ("changed-accounts", "directory", "exchange")
    watched.clock.advance(days=2)
    assert await list_lost_places(world) == ()


async def test_a_directory_with_more_records_than_a_reading_holds_is_read_over_several_ticks() -> (
    None
):
    watched = Watched()
    watched.tenant.max_audit_rows = 10
    await watched.begin()
    for number in range(35):
        watched.add_record(
            "consent to application",
            f"app{number}",
            log=ActivityLog.DIRECTORY,
            at=watched.clock() - timedelta(hours=1 + number),
        )
    watched.clock.advance(hours=36)
    counts = []
    for _ in range(6):
        counts.append((await watched.tick()).record_count)
        watched.clock.advance(minutes=5)
    assert sum(counts) == 35
    # One of the last hour, and ten of the week.
    assert counts[0] == 11
    cursor = (await watched.ledger.load_activity()).cursors[ActivityLog.DIRECTORY]
    assert (cursor.error, cursor.sweep_until, cursor.gap_from) == ("", None, None)


async def test_a_weaker_name_never_stands_for_a_surer_one_that_is_that_of_several(
    watched: Watched,
) -> None:
    watched.tenant.boxes += [
        Mailbox("u3", "g3", "kim@contoso.com", name="kim"),
        Mailbox("u4", "g4", "kim@fabrikam.com", name="kim"),
    ]
    watched.add_record("new-inboxrule", "kim", "g1")
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert [(one.guard, one.status) for one in report.reports] == [(FORWARDING, "done")]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("of ann@contoso.com"),
        KeyError("ann@contoso.com"),
        ZeroDivisionError("ann@contoso.com"),
        ExceptionGroup("of tasks", [TypeError("ann@contoso.com")]),
    ],
)
async def test_a_guard_with_a_mistake_is_named_and_tried_again_and_stops_no_other(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    whole = (CONFIGS_BY_NAME[DELEGATION], FORWARDING_CONFIG)
    watched = Watched(whole)
    await watched.begin()
    watched.tenant.delegations.append(Delegation("FullAccess", "S-1-5-21-1-2-3-4", mailbox=ANN))
    watched.add_record("add-mailboxpermission", "g1", parameters={"User": "x"})
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.add_record("new-inboxrule", "g1", parameters={"Name": "."})
    watched.clock.advance(minutes=5)
    watched.configs = (make_slip(whole[0], error), whole[1])
    report = await watched.tick()
    assert [(one.guard, one.status) for one in report.reports] == [(FORWARDING, "looked")]
    assert {case.object_id for case in watched.list_cases()} == {"u1"}
    (trouble,) = report.troubles
    assert trouble.startswith(
        f"{DELEGATION}: the look that records led to failed: a mistake of the app, "
        f"{type(error).__name__} at mistakes.py:"
    )
    assert trouble in report.to_log_line()
    (logged,) = [one for one in caplog.records if one.getMessage() == trouble]
    assert logged.levelname == "ERROR"
    assert logged.exc_info
    assert logged.exc_info[1] is error
    waiting = (await watched.ledger.load_activity()).looks[DELEGATION]
    assert (waiting.guids, waiting.attempts) == (("g1",), 1)
    watched.configs = whole
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).troubles == ()
    assert {case.object_id for case in watched.list_cases(DELEGATION)} == {"u1"}


async def test_a_record_that_nobody_foresaw_leaves_the_others_as_they_are_and_leads_to_one_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watched = Watched()
    await watched.begin()
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    odd = watched.add_record("new-inboxrule", "g2")
    place = watched.tenant.activity_records.index(odd)
    watched.tenant.activity_records[place] = replace(odd, names=(7,))  # type: ignore[arg-type]
    watched.add_record("set-mailbox", "g1", parameters={"ForwardingSmtpAddress": "x"})
    watched.clock.advance(minutes=5)
    report = await watched.tick()
    assert [(one.guard, one.status) for one in report.reports] == [(FORWARDING, "done")]
    assert watched.list_cases()
    state = await watched.ledger.load_activity()
    assert state.cursors[ActivityLog.EXCHANGE].broken_count == 1
    acts = await watched.ledger.load_acts(START, watched.clock())
    assert [act.operation for act in acts] == ["Set-Mailbox"]
    assert "records that nobody foresaw are left out" in caplog.text
    # It is read again with what overlaps, and is known.
    watched.tenant.activity_records.append(watched.tenant.activity_records[place])
    watched.clock.advance(minutes=5)
    assert (await watched.tick()).reports == ()


async def test_a_state_that_cannot_be_read_stops_no_other_guard() -> None:
    watched = await begin_with_administrator(FORWARDING_CONFIG)
    watched.tenant.exchange_rules.append(HIDDEN)
    watched.add_record("new-inboxrule", "g1", parameters={"Name": "."})
    watched.add_record("reset user password", "a1", "root@contoso.com", log=ActivityLog.DIRECTORY)
    watched.clock.advance(minutes=5)
    watched.ledger.unreadable_guards.add(PRIVILEGED)
    report = await watched.tick()
    assert (FORWARDING, "looked") in {(one.guard, one.status) for one in report.reports}
    assert watched.list_cases()
    assert report.troubles[0] == (
        f"{PRIVILEGED}: whom its cases are about is not known: the state table answers 503"
    )
    # Whom it would have been about is not known, so it looks at everything.
    assert (PRIVILEGED, "done") in {(one.guard, one.status) for one in report.reports}


async def test_a_run_of_forwarding_with_a_mistake_ends_no_tick() -> None:
    watched = Watched(options=ActivityOptions(feed="off"))
    await watched.begin()
    watched.configs = (make_slip(FORWARDING_CONFIG, ValueError("x")),)
    watched.tenant.rules.append(
        InboxRule("r1", "u1", ".", "graph", redirect_to=("x@evil.example",))
    )
    report = await watched.tick()
    assert report.status == "done"
    (trouble,) = report.troubles
    assert trouble.startswith(f"{FORWARDING}: the run of this tick failed: a mistake of the app, V")


async def test_a_mistake_in_reading_logs_or_in_accounts_stops_neither_and_fails_the_tick(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[str] = []
    waiting = RunReport(
        FORWARDING, "", "", "r1", Mode.ALERT, START, "in-progress", shard_messages=("shard 1",)
    )
    shards = ActivityReport("done", reports=(waiting,))

    async def slip() -> ActivityReport:
        raise IndexError("a record of Ann's")

    async def go_on() -> str:
        asked.append("accounts")
        return "nothing to do"

    async def read() -> ActivityReport:
        return shards

    async def slip_too() -> str:
        raise AttributeError("a name of Ann's")

    with pytest.raises(IndexError):
        await run_tick(slip, go_on)
    assert asked == ["accounts"]
    # What was found must leave: the mistake is in the log.
    assert await run_tick(read, slip_too) == shards
    said = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert len(said) == 1
    assert said[0].startswith("accounts: a mistake of the app, AttributeError at test_activity.py:")


async def test_accounts_go_on_where_logs_cannot_be_read_and_shards_leave_where_accounts_fail() -> (
    None
):
    asked: list[str] = []
    waiting = RunReport(
        FORWARDING, "", "", "r1", Mode.ALERT, START, "in-progress", shard_messages=("shard 1",)
    )
    shards = ActivityReport("done", reports=(waiting,))

    async def read(report: ActivityReport | None) -> ActivityReport:
        if report is None:
            raise LedgerError("no table")
        return report

    async def go_on(*, is_failing: bool) -> str:
        asked.append("accounts")
        if is_failing:
            raise LedgerError("a row nobody understands")
        return "nothing to do"

    with pytest.raises(LedgerError, match="no table"):
        await run_tick(partial(read, None), partial(go_on, is_failing=False))
    assert asked == ["accounts"]
    assert await run_tick(partial(read, shards), partial(go_on, is_failing=True)) == shards
    with pytest.raises(LedgerError, match="nobody understands"):
        await run_tick(partial(read, ActivityReport("done")), partial(go_on, is_failing=True))
