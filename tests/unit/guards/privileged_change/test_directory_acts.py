"""privileged-change: acts of the directory's log about anybody."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.privileged_change import GUARD
from core.guards.privileged_change.directory_acts import (
    DIRECTORY_LOG,
    MANY_APPS,
    MANY_GUESTS,
    MANY_PASSES,
    SYNC_ROLE,
)
from core.guards.privileged_change.directory_log import MAX_ACTS, read_directory_acts
from core.guards.privileged_change.directory_operations import BUSY_OPERATIONS
from core.guards.privileged_change.guard import PrivilegedOptions
from core.model.findings import Finding, Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind
from core.tenant.configuration import Configuration
from core.tenant.directory import Account, RoleHolder
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DIRECTORY_AUDITS
from tests.support.fakes.activity import FakeActivityReader
from tests.support.fakes.state import ADMIN_ROLE_HOLDER
from tests.support.fakes.tenant import FakeTenant
from tests.support.remedy_checks import check_remedies

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOSS = RoleHolder("b055", "entra", frozenset({"62e90394-69f5-4237-9190-012177145e10"}), "boss@x")
EVE = ActivityActor(ActorKind.PERSON, "eve@contoso.com", "e7e")
GUEST = ActivityActor(ActorKind.PERSON, "pat_harbour.example#EXT#@contoso.com", "9")
SYNC = ActivityActor(ActorKind.SYNC, "Sync_A_1@contoso.com", "A5")
POSING = ActivityActor(ActorKind.SYNC, "Sync_B_2@contoso.com", "6")
COPIER = RoleHolder("a5", "entra", frozenset({SYNC_ROLE}), "Sync_A_1@contoso.com")
OTHER = replace(BOSS, id="c0b", name="other@x")
OWN = ActivityActor(ActorKind.PERSON, "boss@x", "b055")
DOMAIN = Configuration("domain", "contoso.com", "contoso.com", {})
QUIET, LOW, MEDIUM, HIGH = None, Severity.LOW, Severity.MEDIUM, Severity.HIGH


def record(operation: str, *names: str, hours: float = 1, **more: Any) -> ActivityRecord:
    """An act of some hours ago."""
    values: dict[str, Any] = {"actor": EVE, "address": "198.51.100.9", **more}
    at = NOW - hours * HOUR
    name = f"{operation} {names} {hours}"
    return ActivityRecord(
        name, ActivityLog.DIRECTORY, operation.casefold(), at, names=names, **values
    )


async def look(*records: ActivityRecord, unread: bool = False) -> Sequence[Finding]:
    """What is told of the directory's log."""
    tenant = FakeTenant(
        holders=[ADMIN_ROLE_HOLDER, BOSS, OTHER, COPIER],
        activity_records=list(records),
        configurations=[DOMAIN],
        users=[
            Account("new", "new@contoso.com", created_at=NOW - timedelta(days=2)),
            Account("old", "old@contoso.com", created_at=NOW - timedelta(days=900)),
        ],
    )
    if unread:
        tenant.fail_read(DIRECTORY_AUDITS)
    policy = GuardPolicy(NOW, PrivilegedOptions())
    found: list[Finding] = []
    async for reading in GUARD.observe(tenant, ObserveContext(policy)):
        if isinstance(reading, Reading) and DIRECTORY_LOG in reading.sources:
            assert reading.complete is not unread
            assert bool([one for one in reading.failures if not one.optional]) is unread
            for item in reading.items:
                found += GUARD.judge(item, policy)
    check_remedies(found)
    return found


def pick(found: Sequence[Finding]) -> tuple[str, str, Severity] | None:
    """The one finding by kind, verdict and severity; None for none."""
    if not found:
        return None
    (one,) = found
    return one.kind, str(one.verdict), one.severity


@pytest.mark.parametrize(
    ("records", "expected", "says"),
    [
        (
            [record("Add member to role request denied (PIM activation)", "u1", "ann@contoso.com")],
            ("activation-denied", "refused-role", MEDIUM),
            "refused ann@contoso.com the activation of a role",
        ),
        (
            [record("Reset user password", "b055")],
            ("administrator-password-reset", "locked-out", HIGH),
            "eve@contoso.com set the password of the administrator boss@x",
        ),
        ([record("Reset user password", "b055", actor=OWN)], QUIET, ""),
        ([record("Reset user password", "b055", actor=SYNC)], QUIET, ""),
        # Named like a copy of the directory, without its role.
        (
            [record("Reset user password", "b055", actor=POSING)],
            ("administrator-password-reset", "locked-out", HIGH),
            "Sync_B_2@contoso.com set the password",
        ),
        # An administrator, but not one that copies a directory.
        (
            [record("Reset user password", "b055", actor=replace(POSING, id="c0b"))],
            ("administrator-password-reset", "locked-out", HIGH),
            "Sync_B_2@contoso.com set the password",
        ),
        ([record("Reset user password", "old", "old@contoso.com")], QUIET, ""),
        (
            [record("Admin deleted security info", "b055")],
            ("administrator-method-removed", "locked-out", MEDIUM),
            "removed a sign-in method of the administrator boss@x",
        ),
        ([record("User deleted security info", "b055", actor=OWN)], QUIET, ""),
        ([record("Admin deleted security info", "old")], QUIET, ""),
        (
            [record("Update StsRefreshTokenValidFrom Timestamp", "b055")],
            ("administrator-sessions-ended", "locked-out", LOW),
            "ended the sessions of the administrator",
        ),
        (
            [
                record("Enable account", "old", "old@contoso.com", hours=5),
                record("Reset user password", "old", "old@contoso.com"),
            ],
            ("account-revived", "revived", MEDIUM),
            "enabled the account old@contoso.com and set its password",
        ),
        ([record("Enable account", "old", "old@contoso.com")], QUIET, ""),
        (
            [
                record("Enable account", "old", hours=5, actor=OWN),
                record("Reset user password", "old"),
            ],
            QUIET,
            "",
        ),
        (
            [
                record("Add user", "t1", "svc@contoso.com", hours=6),
                record("Delete user", "t1", "t1svc@contoso.com", hours=2),
            ],
            ("short-lived-account", "revived", MEDIUM),
            "made the account svc@contoso.com and deleted it within a day",
        ),
        (
            [
                record("Delete user", "t1", "t1svc@contoso.com", hours=6),
                record("Add user", "t1", "svc@contoso.com", hours=2),
            ],
            QUIET,
            "",
        ),
        (
            [
                record("Admin registered temporary access pass method for user", "old", hours=2),
            ],
            ("pass-issued", "method-added", LOW),
            "made a temporary access pass for old",
        ),
        (
            [record("Admin registered temporary access pass method for user", "new")],
            QUIET,
            "",
        ),
        (
            [
                record("Admin registered temporary access pass method for user", f"u{number}")
                for number in range(MANY_PASSES)
            ],
            ("pass-issued", "method-added", MEDIUM),
            "for 5 accounts",
        ),
        ([record("Invite external user", "g", "kim@harbour.example")], QUIET, ""),
        (
            [record("Invite external user", "g", "kim@c0ntoso.com")],
            ("guests-invited", "invited", HIGH),
            "whose domain looks like contoso.com",
        ),
        (
            [record("Invite external user", "g", "kim_contosso.com#EXT#@contoso.com")],
            ("guests-invited", "invited", HIGH),
            "looks like contoso.com",
        ),
        (
            [record("Invite external user", "g", "kim@harbour.example", actor=GUEST)],
            ("guests-invited", "invited", MEDIUM),
            "The guest pat_harbour.example#EXT#@contoso.com invited 1 other guests",
        ),
        (
            [
                record("Invite external user", f"g{number}", f"k{number}@harbour.example")
                for number in range(MANY_GUESTS)
            ],
            ("guests-invited", "invited", MEDIUM),
            "invited 20 guests within a day",
        ),
        (
            [
                record(
                    "Update policy",
                    "p1",
                    parameters={"PolicyDetail": '{"B2BManagementPolicy":{"AllowedDomains":["a"]}}'},
                )
            ],
            ("invitation-domains", "invited", MEDIUM),
            "changed from which domains guests may be invited",
        ),
        ([record("Update policy", "p1", parameters={"PolicyDetail": "{}"})], QUIET, ""),
        (
            [record("Add application", f"a{number}") for number in range(MANY_APPS)],
            ("apps-made", "apps-changed", MEDIUM),
            "made 5 apps within an hour",
        ),
        (
            [
                record("Add application", f"a{number}", hours=1 + 2 * number)
                for number in range(MANY_APPS)
            ],
            QUIET,
            "",
        ),
        (
            [
                record("Add service principal", f"a{number}", actor=ActivityActor(ActorKind.APP))
                for number in range(MANY_APPS)
            ],
            QUIET,
            "",
        ),
        (
            [
                record("Delete application", "a1", shown="Payroll sync"),
                record("Remove owner from application", "a2"),
            ],
            ("apps-removed", "apps-changed", LOW),
            "removed an owner of an app and the app",
        ),
    ],
)
async def test_what_is_told_of_the_directory_s_log(
    records: list[ActivityRecord], expected: tuple[str, str, Severity] | None, says: str
) -> None:
    found = await look(*records)
    assert pick(found) == expected
    if expected:
        assert says in found[0].summary
        assert found[0].advice
        facts = {fact.label: fact.text for fact in found[0].facts}
        assert facts["from"] == "198.51.100.9"
        assert facts["technique"].startswith("T1")


async def test_what_one_actor_does_in_a_day_is_one_event() -> None:
    again = [
        record("Admin deleted security info", "b055"),
        record("Admin deleted security info", "b055", hours=2),
        record("Reset user password", "b055"),
    ]
    found = await look(*again)
    assert len({one.compute_key("g") for one in found}) == 2
    keys = {one.compute_key("g") for one in await look(*again, *again)}
    assert keys == {one.compute_key("g") for one in found}


async def test_a_log_that_cannot_be_read_is_unread_and_opens_nothing() -> None:
    assert await look(record("Reset user password", "b055"), unread=True) == []


async def test_names_are_quoted_bounded_and_counted() -> None:
    hostile = [
        record("Add application", f"id{number}", shown="a\u202eb" + "x" * 500)
        for number in range(MANY_APPS)
    ]
    (found,) = await look(*hostile)
    text = found.summary + "".join(fact.text for fact in found.facts)
    assert "\u202e" not in text
    assert len(text) < 1_500


async def test_who_is_refused_a_role_over_and_over_hides_no_password_that_was_set() -> None:
    refusals = [
        record("Add member to role request denied (PIM activation)", f"u{number}", hours=2)
        for number in range(MAX_ACTS + 50)
    ]
    found = await look(*refusals, record("Reset user password", "b055"))
    assert len(found) == MAX_ACTS
    assert "administrator-password-reset" in {one.kind for one in found}


async def test_a_log_of_which_the_oldest_was_not_read_says_so() -> None:
    class CutReader(FakeActivityReader):
        """Holds only what happened in the last half hour."""

        async def read_directory_audits(self, *asked: Any) -> Reading[ActivityRecord]:
            read = await super().read_directory_audits(*asked)
            cut = (NOW - HOUR / 2).isoformat()
            return replace(read, complete=False, continuation=cut)

    class CutTenant(FakeTenant):
        """A tenant in which more happens than one reading holds."""

        @property
        def activity(self) -> CutReader:
            return CutReader(self)

    for last, is_said in ((NOW - HOUR, True), (NOW - HOUR / 4, False)):
        context = ObserveContext(GuardPolicy(NOW, PrivilegedOptions()), last_full_scan=last)
        tenant = CutTenant(holders=[BOSS])
        for source in (DIRECTORY_LOG, DIRECTORY_AUDITS):
            (failures,) = [
                reading.failures
                async for reading in GUARD.observe(tenant, context)
                if isinstance(reading, Reading) and reading.sources == {source}
            ]
            reasons = [one.reason for one in failures if one.optional]
            assert any("nothing older than" in one for one in reasons) is is_said


async def test_what_this_app_does_itself_is_not_told() -> None:
    own = replace(EVE, is_this_app=True)
    assert await look(record("Reset user password", "b055", actor=own)) == []


async def test_what_a_tenant_does_all_day_may_be_too_much_without_hiding_the_rest() -> None:
    class BusyReader(FakeActivityReader):
        """A log in which what is done all day cannot be read."""

        async def read_directory_audits(
            self, since: datetime, operations: Collection[str], until: datetime | None = None
        ) -> Reading[ActivityRecord]:
            read = await super().read_directory_audits(since, operations, until)
            failures = (ReadFailure(DIRECTORY_AUDITS, "too much"),)
            return replace(read, failures=failures) if operations is BUSY_OPERATIONS else read

    class BusyTenant(FakeTenant):
        """A tenant in which more is done all day than can be read."""

        @property
        def activity(self) -> BusyReader:
            return BusyReader(self)

    tenant = BusyTenant(holders=[BOSS], activity_records=[record("Reset user password", "b055")])
    context = ObserveContext(GuardPolicy(NOW, PrivilegedOptions()))
    holders = await tenant.roles.read_role_holders()
    reading = await read_directory_acts(tenant, holders, context)
    assert reading.complete
    assert [one.kind for one in reading.items] == ["administrator-password-reset"]
    assert reading.failures == (ReadFailure(DIRECTORY_LOG, "too much", optional=True),)
