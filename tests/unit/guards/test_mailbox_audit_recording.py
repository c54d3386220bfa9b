"""What a mailbox should record: by the tenant's own default, and by what it recorded before."""

from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.guards.mailbox_audit.guard import GUARD, select_plan_checks
from core.guards.mailbox_audit.items import AuditItem, AuditVerdict, LicensedAudit
from core.guards.mailbox_audit.judge import (
    MAX_CACHED_NAMES,
    depends_on_licence,
    judge,
    judge_mailbox_audit,
)
from core.guards.mailbox_audit.marks import MARK_LENGTH
from core.guards.mailbox_audit.memory import (
    MAX_ROW_MARKS,
    Recorded,
    RecordingMemory,
    build_mark,
    divide_marks,
)
from core.guards.mailbox_audit.tenant_defaults import MIN_MAILBOXES, TenantDefaults
from core.microsoft365.audit_actions import (
    DEFAULT_ACTIONS,
    UNLICENSED_ACTIONS,
    AuditLicence,
    ItemsAccessedRule,
    list_expected_actions,
)
from core.microsoft365.service_plans import ADVANCED_AUDITING_PLAN, MAILBOX_PLANS
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import ResetAuditSet
from core.tenant.directory import Account
from core.tenant.known_traits import KnownTraits
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import ACCOUNTS
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TERMS = GuardPolicy(NOW, GUARD.options)
READING, SEND = "MailItemsAccessed", "Send"
TYPES = ("Admin", "Delegate", "Owner")
ALL = frozenset(TYPES)
FULL: Mapping[str, frozenset[str]] = dict(DEFAULT_ACTIONS)
BASIC: Mapping[str, frozenset[str]] = dict(UNLICENSED_ACTIONS)
STANDARD, PREMIUM, NONE = AuditLicence.STANDARD, AuditLicence.PREMIUM, AuditLicence.NONE
CAPABILITIES = {
    STANDARD: frozenset({"BPOS_S_Enterprise"}),
    PREMIUM: frozenset({"BPOS_S_Enterprise", "M365Auditing"}),
    NONE: frozenset[str](),
}
MAILBOX_PLAN = next(iter(MAILBOX_PLANS))


def audit(
    number: int = 1,
    lists: Mapping[str, frozenset[str]] = FULL,
    licence: AuditLicence = STANDARD,
    *,
    custom: frozenset[str] = frozenset(),
    kind: str = "UserMailbox",
) -> MailboxAudit:
    box = Mailbox(f"m{number}", f"g{number}", f"user{number}@contoso.com", kind=kind)
    return MailboxAudit(box, True, ALL - custom, dict(lists), 90.0, CAPABILITIES[licence])


def judged(item: LicensedAudit, rule: str = "licensed") -> dict[str, Finding]:
    options = replace(GUARD.options, items_accessed=ItemsAccessedRule(rule))
    return {one.kind: one for one in judge(item, replace(TERMS, options=options))}


async def look(
    tenant: FakeTenant, known: Mapping[str, KnownTraits] | None = None, at: datetime = NOW
) -> Reading[AuditItem]:
    return await observe_all(
        GUARD, tenant, ObserveContext(replace(TERMS, now=at), known_traits=known or {})
    )


def findings(reading: Reading[AuditItem], subject: str = "user1@contoso.com") -> dict[str, Finding]:
    found = [one for item in reading.items for one in judge(item, TERMS)]
    return {one.kind: one for one in found if one.subject == subject}


def memory_after(
    reading: Reading[AuditItem], before: Mapping[str, KnownTraits] | None = None
) -> Mapping[str, KnownTraits]:
    return {**(before or {}), **{row.key: row for row in reading.known_traits}}


# The tenant's own default ------------------------------------------------------------------------


@pytest.mark.parametrize("licence", [STANDARD, PREMIUM])
def test_a_licensed_mailbox_records_what_was_read_since_audit_standard_contains_it(
    licence: AuditLicence,
) -> None:
    lists = {**FULL, "Owner": FULL["Owner"] - {READING, SEND}}
    custom = LicensedAudit(
        audit(lists=lists, licence=licence, custom=frozenset({"Owner"})), licence
    )
    found = judged(custom)["audit-actions-missing"]
    assert (found.severity, found.verdict) == (Severity.MEDIUM, AuditVerdict.REPAIR)
    assert "Owner: not audited: MailItemsAccessed, Send" in format_facts(found.facts)
    assert found.changes == (
        ResetAuditSet("g1", ("Owner",), expects=(("Owner", (READING, SEND)),)),
    )


@pytest.mark.parametrize("added", ["Create", "MailboxLogin", "Move", "SearchQueryInitiated"])
def test_an_added_action_does_not_excuse_a_missing_one(added: str) -> None:
    lists = {**FULL, "Owner": (FULL["Owner"] - {READING}) | {added}}
    found = judged(LicensedAudit(audit(lists=lists, custom=frozenset({"Owner"})), STANDARD))
    assert set(found) == {"audit-actions-missing"}
    (change,) = found["audit-actions-missing"].changes
    assert change == ResetAuditSet(
        "g1", ("Owner",), (("Owner", (added,)),), (("Owner", (READING,)),)
    )


async def test_a_default_without_send_in_this_tenant_expects_none() -> None:
    microsofts = {name: actions - {SEND} for name, actions in FULL.items()}
    others = [audit(number, microsofts) for number in range(2, 2 + MIN_MAILBOXES)]
    by_hand = audit(lists=microsofts, custom=frozenset({"Owner"}))
    reading = await look(FakeTenant(audits=[by_hand, *others]))
    assert set(findings(reading)) == {"audit-set-customised"}
    missing = replace(by_hand, actions={**microsofts, "Owner": microsofts["Owner"] - {READING}})
    reading = await look(FakeTenant(audits=[missing, *others]))
    facts = format_facts(findings(reading)["audit-actions-missing"].facts)
    assert "Owner: not audited: MailItemsAccessed" in facts


async def test_what_microsoft_has_begun_to_audit_here_is_missed_in_a_list_set_by_hand() -> None:
    newer = {name: actions | {"SearchQueryInitiated"} for name, actions in FULL.items()}
    others = [audit(number, newer) for number in range(2, 2 + MIN_MAILBOXES)]
    reading = await look(FakeTenant(audits=[audit(custom=frozenset({"Owner"})), *others]))
    facts = format_facts(findings(reading)["audit-actions-missing"].facts)
    assert "Owner: not audited: SearchQueryInitiated" in facts


@pytest.mark.parametrize("others_licence", [PREMIUM, NONE])
async def test_mailboxes_of_another_licence_or_kind_say_nothing_about_a_default(
    others_licence: AuditLicence,
) -> None:
    newer = {name: actions | {"SearchQueryInitiated"} for name, actions in FULL.items()}
    others = [audit(number, newer, others_licence) for number in range(2, 6)]
    others += [audit(number, newer, kind="SharedMailbox") for number in range(6, 10)]
    alike = [audit(number) for number in range(10, 10 + MIN_MAILBOXES)]
    by_hand = audit(custom=frozenset({"Owner"}))
    reading = await look(FakeTenant(audits=[by_hand, *others, *alike]))
    assert set(findings(reading)) == {"audit-set-customised"}


async def test_the_one_shared_mailbox_with_a_licence_is_like_the_others_that_have_it() -> None:
    others = [audit(number, BASIC) for number in range(2, 6)]
    shared = audit(1, BASIC, kind="SharedMailbox")
    user = Account("m1", plans=frozenset({MAILBOX_PLAN}))
    assert findings(await look(FakeTenant(audits=[shared, *others], users=[user]))) == {}


async def test_a_tenant_whose_default_has_not_got_it_yet_stays_quiet() -> None:
    audits = [audit(number, BASIC) for number in range(1, 6)]
    users = [Account(f"m{number}", plans=frozenset({MAILBOX_PLAN})) for number in range(1, 6)]
    reading = await look(FakeTenant(audits=audits, users=users))
    assert all(not list(judge(item, TERMS)) for item in reading.items)


async def test_a_few_mailboxes_that_lack_it_do_not_make_it_the_default() -> None:
    audits = [audit(1, BASIC), *(audit(number) for number in range(2, 6))]
    user = Account("m1", plans=frozenset({MAILBOX_PLAN}))
    reading = await look(FakeTenant(audits=audits, users=[user]))
    assert findings(reading)["audit-actions-missing"].severity is Severity.MEDIUM


def test_unlicensed_shared_mailboxes_are_expected_to_record_only_what_the_tenant_shows() -> None:
    shared = audit(lists=BASIC, licence=NONE, kind="SharedMailbox")
    assert judged(LicensedAudit(shared, NONE)) == {}
    shown = LicensedAudit(shared, NONE, tenant_defaults=FULL)
    assert set(judged(shown)) == {"audit-actions-missing"}
    assert judged(shown, "ignore") == {}
    assert set(judged(LicensedAudit(shared, NONE), "required")) == {"audit-actions-missing"}


@pytest.mark.parametrize("name", TYPES)
def test_the_rule_is_data_and_says_what_a_licence_adds(name: str) -> None:
    rule = ItemsAccessedRule.LICENSED
    assert list_expected_actions(name, NONE, None, rule) == BASIC[name]
    for licence in (STANDARD, PREMIUM):
        assert list_expected_actions(name, licence, None, rule) == FULL[name]
    assert list_expected_actions(name, STANDARD, BASIC[name], rule) == BASIC[name]
    assert list_expected_actions(name, PREMIUM, BASIC[name], rule) == FULL[name]


def test_half_of_the_lists_and_three_of_them_make_a_default() -> None:
    defaults = TenantDefaults()
    defaults.add_audits([audit(1), audit(2, BASIC)])
    assert defaults.get_default(audit()) == {}
    defaults.add_audits([audit(3, BASIC), audit(4)])
    assert defaults.get_default(audit())["Owner"] == FULL["Owner"]
    defaults.add_audits([audit(5, BASIC)])
    assert defaults.get_default(audit())["Owner"] == BASIC["Owner"]
    defaults.add_audits([audit(6, {}, custom=ALL)])
    assert defaults.list_counts[("usermailbox", STANDARD, "Owner")] == 5


# What it recorded before -------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [("Owner",), ("Admin", "Delegate"), TYPES])
@pytest.mark.parametrize("custom", [False, True])
async def test_a_mailbox_that_recorded_reading_and_no_longer_does_is_grave(
    lost: tuple[str, ...], custom: bool
) -> None:
    known = memory_after(await look(FakeTenant(audits=[audit()])))
    lists = {**FULL, **{name: FULL[name] - {READING} for name in lost}}
    blind = audit(lists=lists, custom=frozenset(lost) if custom else frozenset())
    user = Account("m1", plans=frozenset({MAILBOX_PLAN}))
    for hours in (6, 12, 18):
        reading = await look(FakeTenant(audits=[blind], users=[user]), known, NOW + hours * HOUR)
        known = memory_after(reading, known)
        found = findings(reading)["audit-actions-missing"]
        assert (found.severity, found.verdict) == (Severity.HIGH, AuditVerdict.REPAIR)
        assert found.summary == "Mailbox user1@contoso.com no longer records which mail was read."
        assert f"it did record it before, for {' and '.join(lost)}" in format_facts(found.facts)


async def test_even_where_the_tenants_default_leaves_it_out_one_that_stopped_is_told() -> None:
    known = memory_after(await look(FakeTenant(audits=[audit()])))
    others = [audit(number, BASIC) for number in range(2, 9)]
    reading = await look(FakeTenant(audits=[audit(1, BASIC), *others]), known)
    assert findings(reading)["audit-actions-missing"].severity is Severity.HIGH
    assert findings(reading, "user2@contoso.com") == {}


async def test_a_mailbox_that_never_recorded_it_did_not_stop() -> None:
    known = memory_after(await look(FakeTenant(audits=[audit(1, BASIC)])))
    user = Account("m1", plans=frozenset({MAILBOX_PLAN}))
    reading = await look(FakeTenant(audits=[audit(1, BASIC)], users=[user]), known)
    assert findings(reading)["audit-actions-missing"].severity is Severity.MEDIUM


async def test_a_leavers_mailbox_without_its_licence_is_told_once_and_low() -> None:
    known = memory_after(await look(FakeTenant(audits=[audit()])))
    shared = audit(1, BASIC, NONE, kind="SharedMailbox")
    reading = await look(FakeTenant(audits=[shared], users=[Account("m1")]), known)
    found = findings(reading)["audit-actions-missing"]
    assert (found.severity, found.verdict) == (Severity.LOW, Verdict.ASK)
    assert (found.changes, found.steps, found.is_said_once) == ((), (), True)
    assert "holds no licence" in found.summary


async def test_what_is_no_longer_shown_is_not_known_rather_than_harmless() -> None:
    known = memory_after(await look(FakeTenant(audits=[audit()])))
    lists = {name: actions for name, actions in FULL.items() if name != "Owner"}
    reading = await look(FakeTenant(audits=[audit(1, lists)]), known)
    assert findings(reading)["audit-set-customised"].verdict is Verdict.COULD_NOT_TELL


async def test_the_setting_that_ignores_reading_ignores_that_it_stopped() -> None:
    item = LicensedAudit(audit(1, BASIC), STANDARD, recorded=Recorded(ALL))
    assert judged(item, "ignore") == {}


# The auditing plan -------------------------------------------------------------------------------


def account(*plans: str, off: tuple[str, ...] = ()) -> Account:
    return Account("m1", plans=frozenset(plans), switched_off_plans=frozenset(off), licensed=True)


async def premium_memory() -> Mapping[str, KnownTraits]:
    return memory_after(await look(FakeTenant(audits=[audit(licence=PREMIUM)])))


@pytest.mark.parametrize("lists", [FULL, BASIC])
async def test_a_plan_unticked_for_one_user_is_grave(
    lists: Mapping[str, frozenset[str]],
) -> None:
    known = await premium_memory()
    user = account(MAILBOX_PLAN, off=(ADVANCED_AUDITING_PLAN,))
    for hours in (6, 12):
        reading = await look(
            FakeTenant(audits=[audit(lists=lists)], users=[user]), known, NOW + hours * HOUR
        )
        known = memory_after(reading, known)
        found = findings(reading)
        assert found["auditing-plan-off"].severity is Severity.HIGH
        assert found["auditing-plan-off"].summary == (
            "The auditing plan of mailbox user1@contoso.com was switched off."
        )
        assert ("audit-actions-missing" in found) is (lists is BASIC)


async def test_another_product_without_the_plan_is_licence_management() -> None:
    known = await premium_memory()
    reading = await look(FakeTenant(audits=[audit()], users=[account(MAILBOX_PLAN)]), known)
    assert findings(reading)["auditing-plan-off"].severity is Severity.INFO
    known = memory_after(reading, known)
    tenant = FakeTenant(audits=[audit()], users=[account(MAILBOX_PLAN)])
    assert findings(await look(tenant, known)) == {}
    assert ACCOUNTS not in [source for source, _ in tenant.read_log]


async def test_a_plan_back_under_another_licence_is_no_finding() -> None:
    known = await premium_memory()
    user = account(MAILBOX_PLAN, ADVANCED_AUDITING_PLAN, off=(ADVANCED_AUDITING_PLAN,))
    reading = await look(FakeTenant(audits=[audit()], users=[user]), known)
    assert findings(reading) == {}


async def test_a_licence_that_cannot_be_read_leaves_the_plan_unknown() -> None:
    known = await premium_memory()
    tenant = FakeTenant(audits=[audit()], users=[account(MAILBOX_PLAN)])
    tenant.fail_read(ACCOUNTS, permission="User.Read.All")
    reading = await look(tenant, known)
    found = findings(reading)["auditing-plan-off"]
    assert (found.severity, found.verdict) == (Severity.LOW, Verdict.COULD_NOT_TELL)
    later = await look(
        FakeTenant(audits=[audit()], users=[account(MAILBOX_PLAN, off=(ADVANCED_AUDITING_PLAN,))]),
        memory_after(reading, known),
    )
    assert findings(later)["auditing-plan-off"].severity is Severity.HIGH, "it was not forgotten"


async def test_a_plan_unticked_before_the_first_look_counts_where_reading_is_missing() -> None:
    user = account(MAILBOX_PLAN, off=(ADVANCED_AUDITING_PLAN,))
    reading = await look(FakeTenant(audits=[audit(1, BASIC)], users=[user]))
    found = findings(reading)["audit-actions-missing"]
    assert found.severity is Severity.HIGH
    assert any("switched off for this account" in fact for fact in format_facts(found.facts))


WITHHELD = account(MAILBOX_PLAN, off=(ADVANCED_AUDITING_PLAN,))


async def test_a_plan_unticked_before_the_first_look_is_asked_about_where_reading_is_recorded() -> (
    None
):
    known: Mapping[str, KnownTraits] = {}
    for hours in (0, 6):
        reading = await look(
            FakeTenant(audits=[audit()], users=[WITHHELD]), known, NOW + hours * HOUR
        )
        known = memory_after(reading, known)
        (finding,) = findings(reading).values()
        assert (finding.kind, finding.severity) == ("auditing-plan-withheld", Severity.LOW)
        assert finding.verdict is Verdict.ASK
        assert any("first saw it" in fact for fact in format_facts(finding.facts))
    ticked = await look(
        FakeTenant(audits=[audit()], users=[account(MAILBOX_PLAN, ADVANCED_AUDITING_PLAN)]), known
    )
    assert findings(ticked) == {}


async def test_where_reading_is_missing_one_finding_says_both() -> None:
    reading = await look(FakeTenant(audits=[audit(1, BASIC)], users=[WITHHELD]))
    assert findings(reading).keys() == {"audit-actions-missing"}


async def test_an_account_without_the_plan_is_asked_about_once() -> None:
    first = FakeTenant(audits=[audit()], users=[account(MAILBOX_PLAN)])
    known = memory_after(await look(first))
    assert ACCOUNTS in [source for source, _ in first.read_log]
    second = FakeTenant(audits=[audit()], users=[account(MAILBOX_PLAN)])
    assert findings(await look(second, known)) == {}
    assert ACCOUNTS not in [source for source, _ in second.read_log]


@pytest.mark.parametrize("users", [[], [Account("m1", plans=None, licensed=True)]])
async def test_an_account_that_says_nothing_is_asked_again(users: list[Account]) -> None:
    known = memory_after(await look(FakeTenant(audits=[audit()], users=users)))
    again = FakeTenant(audits=[audit()], users=[WITHHELD])
    assert findings(await look(again, known)).keys() == {"auditing-plan-withheld"}


def test_so_many_are_asked_a_run_and_open_cases_first() -> None:
    items = [LicensedAudit(audit(number), AuditLicence.STANDARD) for number in range(1, 6)]
    assert select_plan_checks(items, (), 2) == {"m1", "m2"}
    assert select_plan_checks(items, {"m4", "m5"}, 3) == {"m1", "m4", "m5"}
    assert select_plan_checks(items, {"m4", "m5"}, 0) == {"m4", "m5"}
    checked = [replace(one, recorded=Recorded(is_plan_checked=True)) for one in items]
    assert select_plan_checks(checked, {"m4"}, 9) == frozenset()
    premium = LicensedAudit(audit(licence=PREMIUM), AuditLicence.PREMIUM)
    assert select_plan_checks([premium], (), 9) == frozenset()


# The memory --------------------------------------------------------------------------------------


def test_what_was_noted_is_recalled_by_a_later_scan() -> None:
    first = RecordingMemory({}, NOW)
    for number in range(200):
        first.note(f"m{number}", Recorded(frozenset({"Owner"}), number % 2 == 0, number % 3 == 0))
    rows = {row.key: row for row in first.build_rows()}
    later = RecordingMemory(rows, NOW + HOUR)
    for number in range(200):
        expected = Recorded(frozenset({"Owner"}), number % 2 == 0, number % 3 == 0)
        assert later.recall(f"m{number}") == expected
    assert later.recall("m201") == Recorded()


def look_again(rows: Mapping[str, KnownTraits], seen: str, now: datetime) -> dict[str, KnownTraits]:
    """The rows after a whole listing that showed one of two mailboxes."""
    later = RecordingMemory(rows, now)
    for one in ("m1", "m2"):
        later.recall(one)
    later.note(seen, later.recall(seen))
    return {row.key: row for row in later.build_rows(is_whole=True)}


def test_a_mailbox_that_no_listing_shows_is_forgotten_after_a_month() -> None:
    first = RecordingMemory({}, NOW)
    for one in ("m1", "m2"):
        first.note(one, Recorded(ALL))
    rows = {row.key: row for row in first.build_rows()}
    for days in (1, 15, 30):
        rows = look_again(rows, "m1", NOW + timedelta(days=days))
        assert RecordingMemory(rows, NOW).recall("m2") == Recorded(ALL)
    rows = look_again(rows, "m1", NOW + timedelta(days=31))
    assert RecordingMemory(rows, NOW).recall("m1") == Recorded(ALL)
    assert RecordingMemory(rows, NOW).recall("m2") == Recorded()


def test_a_mailbox_that_a_listing_left_out_once_is_remembered_as_before() -> None:
    first = RecordingMemory({}, NOW)
    for one in ("m1", "m2"):
        first.note(one, Recorded(ALL))
    rows = {row.key: row for row in first.build_rows()}
    rows = look_again(rows, "m1", NOW + timedelta(days=1))
    rows = look_again(rows, "m2", NOW + timedelta(days=2))
    rows = look_again(rows, "m2", NOW + timedelta(days=31))
    for one in ("m1", "m2"):
        assert RecordingMemory(rows, NOW).recall(one) == Recorded(ALL)
    partly = RecordingMemory(rows, NOW + timedelta(days=90))
    partly.recall("m1")
    kept = {row.key: row for row in partly.build_rows()}
    assert RecordingMemory(kept, NOW).recall("m1") == Recorded(ALL)


def test_a_mailbox_that_recorded_nothing_leaves_no_mark() -> None:
    memory = RecordingMemory({}, NOW)
    memory.note("m1", Recorded())
    assert not list(memory.build_rows())


def test_a_mark_holds_no_id_and_no_name() -> None:
    memory = RecordingMemory({}, NOW)
    memory.note("7c9e6679-7425-40de-944b-e07fc1f90ae7", Recorded(ALL, had_premium=True))
    (row,) = memory.build_rows()
    assert not any("7c9e" in name for name in (*row.traits, row.object_id))
    assert all(name.endswith(":ADOP") and len(name) <= 64 for name in row.traits)


def test_a_second_look_at_the_same_changes_no_row() -> None:
    first = RecordingMemory({}, NOW)
    first.note("m1", Recorded(ALL))
    rows = {row.key: row for row in first.build_rows()}
    later = RecordingMemory(rows, NOW + HOUR)
    later.note("m1", later.recall("m1"))
    assert {row.key: row for row in later.build_rows(is_whole=True)} == rows


def keep_rows(memory: RecordingMemory, rows: dict[str, KnownTraits]) -> dict[str, KnownTraits]:
    """The ledger after a save in the middle of a scan."""
    return rows | {row.key: row for row in memory.build_changed_rows()}


def find_alike(count: int) -> list[str]:
    """Mailboxes whose marks begin alike, so that they share a row as long as one is enough."""
    group = build_mark("m0")[:1]
    return [one for number in range(300 * count) if build_mark(one := f"m{number}")[:1] == group][
        :count
    ]


def test_a_row_with_too_many_marks_is_divided_and_what_it_held_is_recalled() -> None:
    names = find_alike(MAX_ROW_MARKS + 50)
    assert len(names) == MAX_ROW_MARKS + 50
    memory = RecordingMemory({}, NOW)
    for name in names[:MAX_ROW_MARKS]:
        memory.note(name, Recorded(ALL))
    rows = keep_rows(memory, {})
    assert len(rows) == 1
    # One more scan, which is saved twice.
    memory = RecordingMemory(rows, NOW + HOUR)
    for name in names[MAX_ROW_MARKS:]:
        memory.note(name, Recorded(frozenset({"Owner"})))
        rows = keep_rows(memory, rows)
    assert 1 < len([row for row in rows.values() if row.traits]) < 5
    assert max(len(row.traits) for row in rows.values()) <= MAX_ROW_MARKS
    marks = [name for row in rows.values() for name in row.traits]
    assert len(marks) == len(set(marks)) == len(names)
    later = RecordingMemory(rows, NOW + 2 * HOUR)
    assert {later.recall(name) for name in names[:MAX_ROW_MARKS]} == {Recorded(ALL)}
    assert later.recall(names[-1]) == Recorded(frozenset({"Owner"}))
    # Most of them are gone for a month: one row is enough again, and the others hold nothing.
    for days in (1, 32):
        later = RecordingMemory(rows, NOW + timedelta(days=days))
        for name in names[:30]:
            later.note(name, Recorded(ALL))
        rows |= {row.key: row for row in later.build_rows(is_whole=True)}
    assert [len(row.traits) for row in rows.values() if row.traits] == [30]


def test_marks_that_go_on_alike_are_divided_where_they_differ() -> None:
    marks = [f"a{number:0{MARK_LENGTH - 1}x}" for number in range(4 * MAX_ROW_MARKS)]
    rows = dict(divide_marks("a", marks))
    assert [mark for part in rows.values() for mark in part] == marks
    assert max(map(len, rows.values())) <= MAX_ROW_MARKS
    for prefix, part in rows.items():
        for mark in part:
            assert f"{int(mark[1:], 16):0{4 * (MARK_LENGTH - 1)}b}".startswith(prefix[1:])


def test_a_save_in_the_middle_has_the_rows_alone_in_which_something_changed() -> None:
    memory = RecordingMemory({}, NOW)
    for number in range(500):
        memory.note(f"m{number}", Recorded(ALL))
    rows = keep_rows(memory, {})
    assert not list(memory.build_changed_rows())
    memory.note("m7", Recorded(ALL, had_premium=True))
    (row,) = memory.build_changed_rows()
    assert rows[row.key] != row
    assert f"{build_mark('m7')}:ADOP" in row.traits


def test_a_row_that_was_divided_when_the_run_died_takes_nothing_back() -> None:
    names = find_alike(MAX_ROW_MARKS + 1)
    memory = RecordingMemory({}, NOW)
    for name in names[:-1]:
        memory.note(name, Recorded(frozenset({"Owner"})))
    rows = keep_rows(memory, {})
    (whole,) = rows
    for name in names:
        memory.note(name, Recorded(ALL))
    torn = {**keep_rows(memory, rows), whole: rows[whole]}
    later = RecordingMemory(torn, NOW + HOUR)
    assert {later.recall(name) for name in names} == {Recorded(ALL)}
    rows = torn | {row.key: row for row in later.build_rows()}
    assert not rows[whole].traits


LISTS = st.sampled_from(
    [
        FULL,
        BASIC,
        {name: actions - {READING} for name, actions in FULL.items()},
        {name: actions | {"Copy"} for name, actions in FULL.items()},
        {"Owner": FULL["Owner"]},
        {name: frozenset(word.lower() for word in actions) for name, actions in FULL.items()},
    ]
)
RECORDED = st.builds(Recorded, st.frozensets(st.sampled_from(TYPES)), st.booleans(), st.booleans())
ITEMS = st.builds(
    lambda number, lists, licence, custom, kind, defaults, recorded: LicensedAudit(
        audit(number, lists, licence, custom=custom, kind=kind), licence, defaults, recorded
    ),
    st.integers(1, 9),
    LISTS,
    st.sampled_from(AuditLicence),
    st.frozensets(st.sampled_from(TYPES)),
    st.sampled_from(["UserMailbox", "SharedMailbox"]),
    st.sampled_from([{}, FULL, BASIC]),
    RECORDED,
)


@given(ITEMS)
def test_what_is_asked_once_for_all_alike_is_the_answer_for_each(item: LicensedAudit) -> None:
    judged = [list(judge(replace(item, licence=one), TERMS)) for one in AuditLicence]
    depends = any(other != judged[0] for other in judged[1:])
    assert depends_on_licence(item.posture, TERMS) is depends


@given(ITEMS, st.booleans(), st.sampled_from([None, 5.0, 90.0]))
def test_what_is_judged_once_for_all_alike_is_said_of_each(
    item: LicensedAudit, is_on: bool, days: float | None
) -> None:
    item = replace(item, audit=replace(item.audit, enabled=is_on, age_days=days))
    for number in (1, 2):
        box = replace(item.audit.mailbox, id=f"m{number}", address=f"user{number}@contoso.com")
        one = replace(item, audit=replace(item.audit, mailbox=box))
        assert list(judge(one, TERMS)) == list(judge_mailbox_audit(one, TERMS))


def test_a_list_of_very_many_names_is_judged_and_not_kept() -> None:
    many = frozenset(f"Action{number}" for number in range(MAX_CACHED_NAMES + 1))
    item = LicensedAudit(
        audit(lists={**FULL, "Owner": FULL["Owner"] | many}, custom=frozenset({"Owner"})), STANDARD
    )
    assert judged(item)["audit-set-customised"].verdict is AuditVerdict.KEEP
