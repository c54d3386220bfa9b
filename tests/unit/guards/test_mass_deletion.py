"""Mass deletion: ten objects in a day are ordinary, then one thing varied a case."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.guards.mass_deletion.bursts import (
    compute_deletion_limit,
    count_peak_deletions,
    find_bursts,
)
from core.guards.mass_deletion.guard import GUARD
from core.guards.mass_deletion.items import DeletionBurst
from core.guards.mass_deletion.observe import add_deletion_outcomes, note_reported_count
from core.guards.mass_deletion.options import MAX_LOOKUPS
from core.guards.mass_deletion.verdicts import DeletionVerdict
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import Account, Actor, Deletion
from core.tenant.known_traits import KnownTraits, build_traits_key
from core.tenant.readings import Reading
from core.tenant.sources import ACCOUNTS, DELETED_GROUPS, DELETED_USERS, DELETIONS, USER_COUNT
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import ADMIN, NOW, OTHER_ACTOR, build_deletions, build_recycle_bin
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

TERMS = GuardPolicy(NOW, GUARD.options)
SYNC = Actor("s1", "Sync_DC1_0123@contoso.onmicrosoft.com")
FIVE, DAY = timedelta(minutes=5), timedelta(days=1)


def tenant(rows: Sequence[Deletion], users: int = 50) -> FakeTenant:
    kept = {one.id: one for one in rows if one.kind in ("user", "group") and not one.permanent}
    return FakeTenant(
        deletion_events=list(rows),
        recycle_bin=build_recycle_bin([*kept.values()]),
        reported_user_count=users,
    )


async def look(of: FakeTenant, terms: GuardPolicy = TERMS) -> Reading[DeletionBurst]:
    return await observe_all(GUARD, of, ObserveContext(terms))


async def found(of: FakeTenant, terms: GuardPolicy = TERMS) -> list[Finding]:
    return [one for item in (await look(of, terms)).items for one in GUARD.judge(item, terms)]


async def only(of: FakeTenant, terms: GuardPolicy = TERMS) -> Finding:
    (finding,) = await found(of, terms)
    return finding


# What a burst is --------------------------------------------------------------------------------


async def test_ten_deletions_in_a_day_are_ordinary() -> None:
    assert await found(tenant(build_deletions(10))) == []


async def test_one_more_is_a_mass_deletion_told_with_who_did_it_and_what_can_be_restored() -> None:
    finding = await only(tenant([*build_deletions(10), *build_deletions(1, kind="group")]))
    assert (finding.object_id, finding.verdict) == ("a1", DeletionVerdict.MASS_DELETION)
    assert finding.severity is Severity.HIGH
    assert finding.summary == "10 users, 1 group were deleted by admin@contoso.com."
    assert format_facts(finding.facts) == (
        "between 2026-11-20 05:00 UTC and 2026-11-20 05:00 UTC",
        "by admin@contoso.com from 203.0.113.9 (11)",
        "17 % of all users; told above 10 objects within 24 hours",
        "can be restored: 10 users, 1 group, the first of them until 2026-12-20",
        "first by name: group 0, user-0@contoso.com, user-1@contoso.com, user-2@contoso.com, "
        "user-3@contoso.com",
    )
    restore = next(step.command for step in finding.steps if "Restore-" in step.command)
    ids = [one.id for one in [*build_deletions(10), *build_deletions(1, kind="group")]]
    assert sorted(re.findall(r"'([^']+)'", restore)) == sorted(ids)
    assert "Time" not in restore, "what others deleted stays deleted"
    assert "block and sign out admin@contoso.com." in finding.advice
    assert len(finding.advice) < 600
    assert finding.changes == ()


@pytest.mark.parametrize(
    ("users", "limit"),
    [
        (None, 10),
        (0, 10),
        (100, 10),
        (200, 10),
        (201, 11),
        (1_000, 50),
        (10_000, 500),
        (10**6, 500),
    ],
)
def test_the_limit_is_the_larger_of_count_and_share_and_never_over_500(
    users: int | None, limit: int
) -> None:
    assert compute_deletion_limit(users, TERMS) == limit


async def test_in_a_large_tenant_as_many_are_ordinary() -> None:
    assert await found(tenant(build_deletions(50), users=1_000)) == []
    assert len(await found(tenant(build_deletions(54), users=1_000))) == 1


async def test_without_the_number_of_users_the_count_alone_decides() -> None:
    of = tenant(build_deletions(11), users=10_000)
    assert await found(of) == []
    of.fail_read(USER_COUNT)
    finding = await only(of)
    assert format_facts(finding.facts)[2] == "told above 10 objects within 24 hours"


async def test_settings_change_limit_and_window() -> None:
    of = tenant([*build_deletions(3, hours=1), *build_deletions(3, hours=20, first=3)])
    assert len(await found(of, replace(TERMS, options=replace(GUARD.options, count=5)))) == 1
    narrow = replace(TERMS, options=replace(GUARD.options, count=5, hours=6))
    assert await found(of, narrow) == []


async def test_records_that_come_twice_and_in_any_order_are_one_deletion_each() -> None:
    rows = build_deletions(11)
    assert await found(tenant([*rows[:10], *rows[:10], *rows[:10]])) == []
    one = await only(tenant(rows))
    other = await only(tenant([*rows[::-1], *rows]))
    assert one == other


def test_an_object_deleted_softly_and_then_for_good_is_one_object() -> None:
    rows = build_deletions(6)
    purged = [replace(one, permanent=True, at=one.at + FIVE) for one in rows]
    assert find_bursts([*rows, *purged], None, TERMS) == []


@pytest.mark.parametrize("order", [1, -1])
def test_deleted_for_good_is_never_forgotten_whatever_record_comes_last(order: int) -> None:
    rows = build_deletions(11)
    purged = replace(rows[0], permanent=True, at=rows[0].at - FIVE)
    (burst,) = find_bursts([*rows, purged][::order], None, TERMS)
    assert [one.id for one in burst.purged_deletions] == ["user-0"]


async def test_what_was_deleted_for_good_makes_it_critical() -> None:
    rows = build_deletions(11)
    finding = await only(tenant([*rows, replace(rows[0], permanent=True)]))
    assert finding.severity is Severity.CRITICAL
    assert any(fact.startswith("gone for good: 1 user") for fact in format_facts(finding.facts))


async def test_what_is_purged_by_itself_after_30_days_is_nobodys_deed() -> None:
    purged = [replace(one, permanent=True, actor=Actor()) for one in build_deletions(40)]
    assert await found(tenant(purged)) == []


async def test_devices_have_no_recycle_bin_and_are_counted() -> None:
    finding = await only(
        tenant([replace(one, permanent=True) for one in build_deletions(30, kind="device")])
    )
    assert finding.severity is Severity.HIGH
    assert finding.summary == "30 devices were deleted by admin@contoso.com."
    assert any("gone for good: 30 devices" in fact for fact in format_facts(finding.facts))


@pytest.mark.parametrize(("kind", "told"), [("user", 0), ("group", 0), ("application", 1)])
def test_only_users_and_groups_leave_the_bin_by_themselves(kind: str, told: int) -> None:
    rows = [
        replace(one, permanent=True, actor=Actor("", "")) for one in build_deletions(11, kind=kind)
    ]
    assert len(find_bursts(rows, 50, TERMS)) == told


def test_groups_that_somebody_deleted_for_good_are_as_grave_as_users() -> None:
    rows = tuple(replace(one, permanent=True) for one in build_deletions(11, kind="group"))
    (burst,) = find_bursts(rows, 50, TERMS)
    (finding,) = GUARD.judge(burst, TERMS)
    assert finding.verdict is DeletionVerdict.DELETED_FOR_GOOD


@pytest.mark.parametrize(("limit", "told"), [(8, 1), (9, 0), (10, 0)])
def test_of_what_goes_on_for_days_the_worst_day_counts(limit: int, told: int) -> None:
    rows = [build_deletions(1, hours=3 * one, first=one)[0] for one in range(20)]
    terms = replace(TERMS, options=replace(GUARD.options, count=limit))
    bursts = find_bursts(rows, None, terms)
    assert [len(burst.deletions) for burst in bursts] == [20] * told


@pytest.mark.parametrize(
    ("hours", "peak"),
    [((), 0), ((0,), 1), ((0, 20, 30, 31), 3), ((0, 24), 2), ((0, 25, 50), 1), ((0, 1, 2, 40), 3)],
)
def test_the_most_within_any_one_window_are_counted(hours: tuple[int, ...], peak: int) -> None:
    (one,) = build_deletions(1)
    episode = [replace(one, at=NOW + timedelta(hours=hour)) for hour in hours]
    assert count_peak_deletions(episode, TERMS) == peak


@pytest.mark.parametrize(("hours", "told"), [(24, 1), (24.01, 0)])
def test_what_is_exactly_a_window_apart_counts_together(hours: float, told: int) -> None:
    rows = [*build_deletions(1, hours=0), *build_deletions(1, hours=hours, first=60)]
    terms = replace(TERMS, options=replace(GUARD.options, count=1))
    assert len(find_bursts(rows, None, terms)) == told


async def test_several_who_delete_a_few_each_are_one_case() -> None:
    finding = await only(tenant([*build_deletions(6), *build_deletions(6, OTHER_ACTOR, first=6)]))
    assert finding.object_id == "several"
    assert format_facts(finding.facts)[1] == (
        "by admin@contoso.com from 203.0.113.9 (6), other@contoso.com (6)"
    )


async def test_of_those_who_did_equally_much_the_order_stays_the_same() -> None:
    rows = [*build_deletions(6, OTHER_ACTOR), *build_deletions(6, ADMIN, first=6)]
    assert format_facts((await only(tenant(rows))).facts)[1] == (
        "by admin@contoso.com from 203.0.113.9 (6), other@contoso.com (6)"
    )


async def test_a_known_burst_does_not_cover_another_ones() -> None:
    rows = [
        *build_deletions(40, SYNC),
        *build_deletions(11, OTHER_ACTOR, first=40),
        *build_deletions(2, ADMIN, first=60),
    ]
    assert [one.object_id for one in await found(tenant(rows))] == ["a2", "s1"]


async def test_synchronization_gets_the_advice_it_needs_and_no_more_trust() -> None:
    ours, theirs = (
        await only(tenant(build_deletions(11, SYNC))),
        await only(tenant(build_deletions(11))),
    )
    assert "Set-ADSyncScheduler -SyncCycleEnabled $false" in tell_remedy(ours)
    assert ours.severity is theirs.severity
    assert len(ours.advice) < 600


# The life of a case -----------------------------------------------------------------------------


async def looks(*states: FakeTenant, hours: float = 0.1) -> list[Finding]:
    """What is found at each of several looks, each of which remembers the ones before."""
    known: dict[str, KnownTraits] = {}
    result = []
    for number, of in enumerate(states):
        terms = replace(TERMS, now=NOW + number * timedelta(hours=hours))
        reading = await observe_all(GUARD, of, ObserveContext(terms, known_traits=known))
        known |= {one.key: one for one in reading.known_traits}
        (finding,) = (one for item in reading.items for one in GUARD.judge(item, terms))
        result.append(finding)
    return result


def growing(*counts: int) -> list[FakeTenant]:
    return [tenant(build_deletions(count), users=200) for count in counts]


async def test_a_burst_that_grows_is_told_again_when_it_has_doubled() -> None:
    keys = [one.compute_key("g") for one in await looks(*growing(60, 63, 119, 120, 239, 240, 241))]
    assert len(set(keys[:3])) == len(set(keys[3:5])) == len(set(keys[5:])) == 1
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("noted", "count", "told", "since"),
    [
        ({}, 11, 11, NOW),
        ({"11": NOW - 2 * DAY}, 21, 11, NOW - 2 * DAY),
        ({"11": NOW - 2 * DAY - FIVE}, 21, 21, NOW),
        ({"11": NOW - 3 * DAY}, 11, 11, NOW),
        ({"11": NOW - FIVE, "15": NOW}, 25, 15, NOW),
        ({"11": NOW - FIVE}, 22, 22, NOW),
        ({"odd": NOW}, 11, 11, NOW),
    ],
)
def test_how_much_was_told_is_remembered_for_two_windows(
    noted: Mapping[str, datetime], count: int, told: int, since: datetime
) -> None:
    (burst,) = find_bursts(build_deletions(count), None, TERMS)
    key = build_traits_key("a1", burst.act_class.kind)
    kept = KnownTraits(key, "a1", burst.act_class.kind, NOW, NOW, noted)
    context = ObserveContext(TERMS, known_traits={key: kept} if noted else {})
    reported, memory = note_reported_count(burst, context)
    assert reported.reported_count == told
    assert memory.traits == {str(told): since}


async def test_a_burst_of_later_is_measured_by_itself() -> None:
    now = build_deletions(40, hours=-59, first=60)
    first, later = await looks(*growing(60), tenant(now, users=200), hours=60)
    assert first.compute_key("g") != later.compute_key("g")
    small, doubled = await looks(*growing(20, 40))
    assert small.compute_key("g") != doubled.compute_key("g")


async def test_what_is_gone_for_good_after_it_was_told_is_told_by_its_verdict() -> None:
    rows = build_deletions(60)
    purged = [replace(one, permanent=True, at=one.at + FIVE) for one in rows]
    before, after = await looks(tenant(rows), tenant([*rows, *purged]))
    assert before.compute_key("g") == after.compute_key("g")
    assert (before.verdict, after.verdict) == ("mass-deletion", "deleted-for-good")
    assert after.severity is Severity.CRITICAL


async def test_what_somebody_else_deletes_for_good_is_told_of_both() -> None:
    rows = build_deletions(20)
    purged = [replace(one, permanent=True, at=one.at + FIVE, actor=OTHER_ACTOR) for one in rows]
    of = tenant(rows)
    of.deletion_events += purged
    of.recycle_bin = []
    told = {one.object_id: one for one in await found(of)}
    assert told.keys() == {"a1", "a2"}
    assert {one.verdict for one in told.values()} == {"deleted-for-good"}


async def test_a_few_purged_by_somebody_else_are_gone_all_the_same() -> None:
    rows = build_deletions(20)
    of = tenant(rows)
    of.deletion_events += [
        replace(one, permanent=True, at=one.at + FIVE, actor=OTHER_ACTOR) for one in rows[:3]
    ]
    of.recycle_bin = build_recycle_bin(rows[3:])
    (finding,) = await found(of)
    assert (finding.object_id, finding.verdict) == ("a1", "deleted-for-good")
    assert any(fact.startswith("gone for good: 3 users") for fact in format_facts(finding.facts))


async def test_a_bin_that_was_emptied_is_gone_for_good_without_a_record_of_it() -> None:
    rows = build_deletions(20)
    of = tenant(rows)
    of.recycle_bin = []
    finding = await only(of)
    assert (finding.verdict, finding.severity) == ("deleted-for-good", Severity.CRITICAL)


async def test_who_was_restored_and_groups_that_left_the_bin_are_not_gone_for_good() -> None:
    rows = [*build_deletions(12), *build_deletions(12, kind="group")]
    of = tenant(rows)
    of.recycle_bin = []
    of.users = [Account(one.id, one.name) for one in rows[:12]]
    finding = await only(of)
    assert finding.verdict is DeletionVerdict.MASS_DELETION
    facts = format_facts(finding.facts)
    assert "not known whether it can be restored: 12 groups" in facts
    assert not any("gone for good" in fact for fact in facts)


# What is not a deletion of users ----------------------------------------------------------------


async def test_who_locks_many_out_is_told_without_a_word_of_restoring() -> None:
    rows = [*build_deletions(8, kind="disabled"), *build_deletions(5, kind="reset", first=4)]
    finding = await only(tenant(rows))
    assert (finding.kind, finding.verdict) == ("mass-lockout", DeletionVerdict.MASS_LOCKOUT)
    assert finding.severity is Severity.HIGH
    assert finding.summary == (
        "8 accounts were disabled, 5 passwords were reset by admin@contoso.com."
    )
    assert not any("restored" in fact or "gone" in fact for fact in format_facts(finding.facts))
    assert "Restore" not in tell_remedy(finding)


async def test_one_account_that_is_disabled_and_reset_counts_for_both() -> None:
    rows = [*build_deletions(6, kind="disabled"), *build_deletions(6, kind="reset")]
    assert len(await found(tenant(rows))) == 1


async def test_leavers_and_forgotten_passwords_of_a_day_are_ordinary() -> None:
    rows = [*build_deletions(6, kind="disabled"), *build_deletions(4, OTHER_ACTOR, kind="reset")]
    assert await found(tenant(rows)) == []


async def test_deletions_and_lockouts_are_counted_apart() -> None:
    rows = [*build_deletions(8), *build_deletions(8, kind="disabled")]
    assert await found(tenant(rows)) == []


@pytest.mark.parametrize(
    ("kind", "limit", "told"),
    [
        ("policy", 2, "mass-deletion-of-policies"),
        ("application", 10, "mass-deletion-of-apps"),
        ("service-principal", 10, "mass-deletion-of-apps"),
        ("method", 500, "mass-lockout"),
    ],
)
async def test_apps_and_policies_have_a_limit_no_size_of_the_tenant_raises(
    kind: str, limit: int, told: str
) -> None:
    assert await found(tenant(build_deletions(limit, kind=kind), users=20_000)) == []
    finding = await only(tenant(build_deletions(limit + 1, kind=kind), users=20_000))
    assert finding.kind == told
    assert not any("gone for good" in fact for fact in format_facts(finding.facts))


async def test_policies_deleted_in_numbers_are_critical() -> None:
    finding = await only(tenant(build_deletions(25, kind="policy")))
    assert finding.severity is Severity.CRITICAL
    assert "25 Conditional Access policies were deleted" in finding.summary
    assert "not known whether it can be restored" in "".join(format_facts(finding.facts))


async def test_one_actor_who_does_everything_is_a_case_for_each_intent() -> None:
    kinds = ("user", "application", "policy", "disabled")
    rows = [row for kind in kinds for row in build_deletions(30, kind=kind)]
    told = await found(tenant(rows))
    assert len({one.compute_key("g") for one in told}) == 4
    assert {one.object_id for one in told} == {"a1"}


async def test_an_exemption_of_whoever_deletes_covers_neither_purges_nor_policies() -> None:
    covered = await only(tenant(build_deletions(20)))
    assert not covered.needs_own_exemption
    rows = build_deletions(20)
    purged = await only(tenant([*rows, replace(rows[0], permanent=True)]))
    policies = await only(tenant(build_deletions(20, kind="policy")))
    assert purged.needs_own_exemption
    assert policies.needs_own_exemption


async def test_what_exoguard_itself_locked_out_is_low_and_says_so() -> None:
    own = Actor("x1", "exoguard", is_app=True, is_this_app=True)
    finding = await only(tenant(build_deletions(200, own, kind="disabled")))
    assert finding.severity is Severity.LOW
    assert any("it was Exoguard itself" in fact for fact in format_facts(finding.facts))
    mixed = [*build_deletions(6, own, kind="reset"), *build_deletions(6, kind="disabled")]
    assert (await only(tenant(mixed))).severity is Severity.HIGH
    assert (await only(tenant(build_deletions(11, own)))).severity is Severity.HIGH


async def test_it_is_the_same_case_with_the_same_facts_until_a_whole_window_has_passed() -> None:
    of = tenant(build_deletions(11))
    first = await only(of)
    for hours in (1, 12, 22.9):
        assert await only(of, replace(TERMS, now=NOW + timedelta(hours=hours))) == first
    assert await found(of, replace(TERMS, now=NOW + timedelta(hours=23.1))) == []


async def test_as_long_as_more_is_deleted_it_is_not_over() -> None:
    rows = [*build_deletions(11, hours=30), build_deletions(1, hours=8, first=11)[0]]
    finding = await only(tenant(rows))
    assert finding.summary.startswith("12 users")


async def test_a_single_deletion_after_a_pause_does_not_bring_the_burst_back() -> None:
    rows = [*build_deletions(11, hours=30), build_deletions(1, hours=1, first=11)[0]]
    assert await found(tenant(rows)) == []


async def test_its_end_is_no_news() -> None:
    assert (await only(tenant(build_deletions(11)))).is_one_off


# What became of the objects ---------------------------------------------------------------------


async def test_who_is_back_and_whose_name_is_taken_is_said() -> None:
    rows = build_deletions(12)
    of = tenant(rows)
    of.recycle_bin = build_recycle_bin(rows[2:])
    of.users = [Account("user-0", "user-0@contoso.com"), Account("new", "User-5@contoso.com")]
    facts = format_facts((await only(of)).facts)
    assert "back already: 1 user" in facts
    assert "their name is somebody else's by now, so restoring collides: 1 user" in facts
    assert any(fact.startswith("can be restored: 10 users") for fact in facts)
    assert any(fact.startswith("gone for good: 1 user ") for fact in facts)


def test_a_name_is_taken_only_from_a_user_who_is_not_back_and_has_a_name() -> None:
    ann, ben, cid = build_deletions(3)
    group = replace(build_deletions(1, kind="group")[0], name="dan@contoso.com")
    rows = (ann, ben, replace(cid, name=""), group)
    accounts = [
        Account(ann.id, ann.name),
        Account("other", ben.name.upper()),
        Account("nameless"),
        Account("dan", group.name),
    ]
    burst = add_deletion_outcomes(DeletionBurst("a1", rows, 2), (), accounts, ())
    assert burst.restored_ids == {ann.id}
    assert burst.name_taken_ids == {ben.id}


async def test_a_look_at_which_nobody_had_to_be_looked_up_has_read_all_there_is() -> None:
    quiet, busy = await look(tenant([])), await look(tenant(build_deletions(11)))
    assert quiet.sources == busy.sources >= {ACCOUNTS, DELETED_USERS, DELETIONS}


async def test_what_cannot_be_looked_up_is_not_called_lost() -> None:
    rows = [*build_deletions(11), *build_deletions(4, kind="group")]
    of = tenant(rows)
    of.recycle_bin = []
    for surface in (DELETED_GROUPS, ACCOUNTS):
        of.fail_read(surface)
    facts = format_facts((await only(of)).facts)
    assert "not known whether it can be restored: 11 users, 4 groups" in facts
    assert not any("gone for good" in fact for fact in facts)


async def test_whom_a_look_up_can_find_is_looked_up_by_id_or_by_the_old_name() -> None:
    names = ("ann@contoso.com", "$ben@contoso.com", "cid", "", "dan@contoso.com", "eve$")
    rows = [replace(one, name=name) for one, name in zip(build_deletions(6), names, strict=True)]
    gone = build_deletions(1, first=6)[0]
    purged = replace(build_deletions(1, first=7)[0], permanent=True)
    fake = tenant([*rows, *build_deletions(4, kind="group")])
    fake.deletion_events += [gone, purged]
    fake.users = [Account("other")]
    (burst,) = (await look(fake)).items
    assert [names for source, names in fake.read_log if source == ACCOUNTS] == [
        ("ann@contoso.com", "dan@contoso.com", "user-6")
    ]
    assert burst.name_taken_ids == frozenset()


async def test_what_the_log_does_not_name_anybody_for_is_still_from_the_log() -> None:
    rows = [replace(one, actor=Actor("", "")) for one in build_deletions(11)]
    finding = await only(tenant(rows))
    assert (finding.object_id, finding.sources) == ("unknown", (DELETIONS,))
    assert "by nobody the audit log names (11)" in format_facts(finding.facts)


async def test_only_so_many_are_looked_up() -> None:
    rows = build_deletions(MAX_LOOKUPS + 50)
    of = tenant(rows)
    of.recycle_bin = []
    facts = format_facts((await only(of)).facts)
    (asked,) = (keys for surface, keys in of.read_log if surface == ACCOUNTS)
    assert len(asked) == MAX_LOOKUPS
    assert "not known whether it can be restored: 50 users" in facts


async def test_foreign_text_is_bounded_and_plain() -> None:
    actor = Actor("a1", "x\u202e" * 3_000, ip="9" * 900)
    rows = [replace(one, name="n\n" * 2_000) for one in build_deletions(11, actor)]
    finding = await only(tenant(rows))
    assert len(finding.summary) < 2_000
    assert "\u202e" not in finding.summary + "".join(format_facts(finding.facts))
    assert all(len(fact) < 2_000 for fact in format_facts(finding.facts))
    assert finding.advice.endswith("each by its id."), "what was cut off is not how to restore"


# What cannot be read ----------------------------------------------------------------------------


async def test_without_the_audit_log_the_recycle_bin_still_tells() -> None:
    of = tenant(build_deletions(11))
    of.fail_read(DELETIONS, permission="AuditLog.Read.All")
    reading = await look(of)
    (finding,) = [one for item in reading.items for one in GUARD.judge(item, TERMS)]
    assert finding.object_id == "unknown"
    assert "11 users were deleted by somebody unknown." in finding.summary
    assert any("who did it is not known" in fact for fact in format_facts(finding.facts))
    assert any("user-0@contoso.com" in fact for fact in format_facts(finding.facts))
    assert (finding.sources, finding.confirmations_needed) == ((DELETED_USERS,), 0)
    miss = reading.find_source_failure(DELETIONS)
    assert miss is not None
    assert miss.permission == "AuditLog.Read.All"
    assert not reading.covers((DELETIONS,), "a1"), "the case with a name goes on"
    assert reading.covers((DELETED_USERS,), "unknown")


async def test_while_the_audit_log_only_fails_for_now_the_nameless_case_waits() -> None:
    of = tenant(build_deletions(11))
    of.fail_read(DELETIONS)
    assert (await only(of)).confirmations_needed == 2


async def test_without_the_recycle_bin_the_audit_log_still_tells() -> None:
    of = tenant(build_deletions(11))
    of.fail_read(DELETED_USERS, permission="User.Read.All")
    finding = await only(of)
    assert finding.sources == (DELETIONS,)
    assert finding.object_id == "a1"


async def test_nothing_readable_is_not_nothing_deleted() -> None:
    of = tenant(build_deletions(11))
    for surface in (DELETIONS, DELETED_USERS):
        of.fail_read(surface)
    reading = await look(of)
    assert reading.items == ()
    assert {miss.source for miss in reading.failures} == {DELETIONS, DELETED_USERS}
    assert not reading.covers((DELETIONS,), "a1")


async def test_a_mass_deletion_does_not_look_like_a_listing_that_fell() -> None:
    before, after = (
        await look(tenant([], users=100)),
        await look(tenant(build_deletions(60), users=40)),
    )
    assert before.population == after.population > 0
