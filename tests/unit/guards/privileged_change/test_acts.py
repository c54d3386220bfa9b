"""privileged-change: emergency accounts, acts of the audit log, and blocked senders."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.privileged_change import GUARD
from core.guards.privileged_change.acts import BULK_READS
from core.guards.privileged_change.emergency import MAX_ACCOUNTS, read_emergency_accounts
from core.guards.privileged_change.guard import PrivilegedOptions
from core.model.findings import Finding, Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind
from core.tenant.configuration import Configuration
from core.tenant.directory import Account, RoleHolder, SignIn
from core.tenant.readings import Reading
from core.tenant.sources import ACCOUNTS, DIRECTORY_AUDITS, SIGN_IN_LOG
from tests.support.fakes.state import ADMIN_ROLE_HOLDER
from tests.support.fakes.tenant import FakeTenant
from tests.support.remedy_checks import check_remedies, tell_remedy

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOSS = RoleHolder("b055", "entra", frozenset({"62e90394-69f5-4237-9190-012177145e10"}), "boss@x")
EVE = ActivityActor(ActorKind.PERSON, "eve@x", "e7e")
CHIEF = Account("c1", "chief@x")


async def tell(
    of: FakeTenant, emergency: tuple[str, ...] = (), last: datetime | None = None
) -> list[Finding]:
    """What is told of people and acts, the collections left out."""
    policy = GuardPolicy(NOW, PrivilegedOptions(emergency))
    context = ObserveContext(policy, last_full_scan=last)
    told = [
        found
        async for reading in GUARD.observe(of, context)
        if isinstance(reading, Reading)
        for item in reading.items
        for found in GUARD.judge(item, policy)
        if found.severity > Severity.INFO
    ]
    check_remedies(told)
    return told


def record(operation: str, *names: str, hours: float = 1, **more: Any) -> ActivityRecord:
    """An act of some hours ago."""
    values: dict[str, Any] = {"actor": EVE, "address": "198.51.100.9", **more}
    name = f"{operation} {names} {hours}"
    at = NOW - hours * HOUR
    return ActivityRecord(name, ActivityLog.DIRECTORY, operation, at, names=names, **values)


def audited(*records: ActivityRecord) -> FakeTenant:
    return FakeTenant(holders=[ADMIN_ROLE_HOLDER, BOSS], activity_records=list(records))


@pytest.mark.parametrize(
    ("operation", "actor", "severity"),
    [
        ("user registered security info", ActivityActor(ActorKind.PERSON, "boss@x", "b055"), 2),
        ("user registered security info", EVE, 3),
        ("admin registered security info", EVE, 3),
        ("create application password for user", EVE, 3),
        ("disable strong authentication", EVE, 3),
    ],
)
async def test_a_way_in_added_to_an_administrator_is_told_with_who_added_it(
    operation: str, actor: ActivityActor, severity: int
) -> None:
    (found,) = await tell(audited(record(operation, "b055", actor=actor)))
    assert (found.object_id, found.severity, found.verdict) == ("b055", severity, "method-added")
    assert "boss@x" in found.summary
    assert ("by", actor.name) in [(fact.label, fact.text) for fact in found.facts]
    names_actor = found.summary.startswith(f"{actor.name} gave the administrator boss@x ")
    assert names_actor is (actor is EVE and operation != "disable strong authentication")


async def test_who_gave_an_administrator_a_method_without_a_name_is_somebody_else() -> None:
    unnamed = ActivityActor(ActorKind.UNKNOWN)
    (found,) = await tell(audited(record("add fido2 security key", "b055", actor=unnamed)))
    assert found.summary == "Somebody else gave the administrator boss@x a security key."


async def test_what_is_no_act_on_an_administrator_or_is_old_is_not_told() -> None:
    quiet = audited(
        record("user registered security info", "somebody"),
        record("user registered security info", "b055", hours=25),
        record("read bitlocker key", "d1"),
        record("change user password", "b055"),
    )
    assert await tell(quiet) == []
    # After a pause of three days, what happened meanwhile is told.
    (found,) = await tell(quiet, last=NOW - 3 * 24 * HOUR)
    assert found.kind == "administrator-method-registered"


async def test_many_methods_of_one_day_are_one_event_and_another_kind_of_act_is_another() -> None:
    found = await tell(
        audited(
            record("user registered security info", "b055"),
            record("user registered security info", "b055", hours=2),
            record("add fido2 security key", "b055"),
        )
    )
    assert len({one.compute_key("g") for one in found}) == 2


async def test_an_administrator_who_takes_azure_is_always_told() -> None:
    elevated = "user has elevated their access to user access administrator for their azure"
    (found,) = await tell(audited(record(f"{elevated} resources", "anything")))
    assert (found.severity, found.verdict, found.object_id) == (Severity.HIGH, "elevated", "e7e")


@pytest.mark.parametrize(("count", "is_told"), [(BULK_READS - 1, False), (BULK_READS, True)])
async def test_recovery_secrets_are_told_where_one_actor_reads_many(
    count: int, is_told: bool
) -> None:
    reads = [record("read bitlocker key", f"d{number}") for number in range(count)]
    others = [
        record("recover device local administrator password", f"d{number}", actor=actor)
        for number in range(5)
        for actor in (replace(EVE, id="other", name="other@x"),)
    ]
    found = await tell(audited(*reads, *others))
    assert [one.verdict for one in found] == (["secrets-read"] if is_told else [])
    # The same key read again and again is one key.
    again = [record("read bitlocker key", "d1", hours=number / 10) for number in range(count)]
    assert await tell(audited(*again)) == []


async def test_recovery_secrets_of_several_days_are_no_burst() -> None:
    reads = [
        record("read bitlocker key", f"d{number}", hours=20 * number)
        for number in range(BULK_READS)
    ]
    assert await tell(audited(*reads), last=NOW - timedelta(days=7)) == []


async def test_a_sign_in_with_an_emergency_account_is_critical_and_one_case_a_day() -> None:
    of = FakeTenant(users=[CHIEF], logged_sign_ins=[SignIn("c1", NOW - HOUR)])
    (found,) = await tell(of, ("chief@x",))
    assert (found.severity, found.object_id, found.kind) == (
        Severity.CRITICAL,
        "c1",
        "emergency-sign-in",
    )
    later = FakeTenant(users=[CHIEF], logged_sign_ins=[SignIn("c1", NOW - HOUR / 2)])
    (again,) = await tell(later, ("c1",))
    assert again.compute_key("g") == found.compute_key("g")
    assert await tell(of) == []
    idle = FakeTenant(users=[CHIEF], logged_sign_ins=[SignIn("c1", NOW - 30 * HOUR)])
    assert await tell(idle, ("chief@x",)) == []


@pytest.mark.parametrize("more", [0, 1, 2])
async def test_that_more_emergency_accounts_are_named_than_are_looked_at_is_said(more: int) -> None:
    names = tuple(f"chief{number}@x" for number in range(MAX_ACCOUNTS + more))
    accounts = [Account(f"c{number}", name) for number, name in enumerate(names)]
    context = ObserveContext(GuardPolicy(NOW, PrivilegedOptions(names)))
    read = await read_emergency_accounts(FakeTenant(users=accounts), names, context)
    failures = [one for one in read.failures if not one.optional]
    assert len(failures) == bool(more)
    for one in failures:
        assert one.reason == f"{more} of its accounts are not looked at: at most 20 are"
        assert one.object_id == one.subject == "BREAK_GLASS_ACCOUNTS"


async def test_without_emergency_accounts_nothing_is_read_of_anybody() -> None:
    tenant = FakeTenant()
    read = await read_emergency_accounts(tenant, (), ObserveContext(GuardPolicy(NOW)))
    assert tenant.read_log == []
    assert not read.covers((), "c1")


@pytest.mark.parametrize(
    ("last", "is_told"),
    [(None, False), (timedelta(days=-9), False), (timedelta(days=2), True), (timedelta(99), True)],
)
async def test_a_sign_in_during_a_pause_is_told_afterwards(
    last: timedelta | None, is_told: bool
) -> None:
    nameless = Account("c1", "")
    of = FakeTenant(users=[nameless], logged_sign_ins=[SignIn("c1", NOW - timedelta(days=2.5))])
    found = await tell(of, ("c1",), NOW - last if last else None)
    assert [one.subject for one in found] == ["c1"] * is_told


async def test_an_emergency_account_that_is_gone_is_told_and_an_unread_one_is_not_gone() -> None:
    of = FakeTenant(users=[CHIEF])
    (found,) = await tell(of, ("chief@x", "spare@x"))
    assert (found.kind, found.subject) == ("emergency-account-unknown", "spare@x")
    of.fail_read(ACCOUNTS)
    assert await tell(of, ("chief@x", "spare@x")) == []


@pytest.mark.parametrize("source", [DIRECTORY_AUDITS, SIGN_IN_LOG])
async def test_a_log_that_cannot_be_read_is_unread_and_not_quiet(source: str) -> None:
    of = FakeTenant(users=[CHIEF])
    of.fail_read(source)
    policy = GuardPolicy(NOW, PrivilegedOptions(("c1",)))
    readings = [one async for one in GUARD.observe(of, ObserveContext(policy))]
    unread = [
        failure.source
        for one in readings
        if isinstance(one, Reading)
        for failure in one.failures
        if not failure.optional
    ]
    assert source in unread


async def test_a_sender_that_microsoft_blocked_is_told_also_at_the_first_look() -> None:
    values: Mapping[str, object] = {
        "SenderAddress": "dana@x",
        "Reason": "OutboundSpamLast24Hours=9",
    }
    of = FakeTenant(configurations=[Configuration("blocked-sender", "dana@x", "dana@x", values)])
    (found,) = await tell(of)
    assert (found.verdict, found.severity) == ("blocked-sender", Severity.HIGH)
    assert "OutboundSpamLast24Hours=9" in str(found.facts)
    hostile = "a'; Remove-Mailbox x; '"
    of = FakeTenant(configurations=[Configuration("blocked-sender", hostile, hostile, values)])
    (found,) = await tell(of)
    assert "-SenderAddress 'a''; Remove-Mailbox x; '''" in tell_remedy(found)
