"""risky-accounts: single sign-ins that say an account is being taken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.risky_accounts import GUARD
from core.guards.risky_accounts.sign_ins import (
    FLOOD,
    PromptFlood,
    find_floods,
    find_new_ways,
    list_whole_kinds,
    note_ways,
    read_sign_ins,
)
from core.model.findings import Finding, Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import Account, SignIn, SignInEvent, SignInKind
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import SIGN_IN_EVENTS
from tests.support.fakes.tenant import FakeTenant
from tests.support.remedy_checks import check_remedies

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
BROKER = "29d9ed98-a469-4536-ade2-f981bc1d605e"
ROOM_PLAN = "8081ca9c-188c-4b49-a8e5-c23b5e9463a8"


def event(
    account: str = "u1",
    kind: SignInKind = SignInKind.DEVICE_CODE,
    minutes: float = 30,
    **more: Any,
) -> SignInEvent:
    values: dict[str, Any] = {"app_id": BROKER, "app_name": "Broker", "address": "203.0.113.9"}
    return SignInEvent(account, kind, NOW - minutes * MINUTE, f"{account}@x", **(values | more))


class Looks:
    """The guard, looking again and again at a log, and remembering as the engine does."""

    def __init__(self, **tenant: Any) -> None:
        self.tenant = FakeTenant(**tenant)
        self.known: dict[str, KnownTraits] = {}
        self.now = NOW

    async def look(self, *events: SignInEvent, unread: bool = False) -> list[Finding]:
        self.tenant.sign_in_events = list(events)
        self.tenant.clear_faults()
        if unread:
            self.tenant.fail_read(SIGN_IN_EVENTS)
        policy = GuardPolicy(self.now)
        context = ObserveContext(policy, known_traits=dict(self.known))
        found: list[Finding] = []
        async for reading in GUARD.observe(self.tenant, context):
            if isinstance(reading, Reading) and SIGN_IN_EVENTS in reading.sources:
                self.known |= {one.key: one for one in reading.known_traits}
                assert not [one for one in reading.failures if not one.optional]
                assert reading.covers((SIGN_IN_EVENTS,), "u1") is not unread
                found += [one for item in reading.items for one in GUARD.judge(item, policy)]
        self.now += 15 * MINUTE
        check_remedies(found)
        return found


@pytest.mark.parametrize(
    ("more", "kind", "severity"),
    [
        ({}, "device-code-sign-in", Severity.MEDIUM),
        ({"app_id": AZURE_CLI}, "device-code-sign-in", Severity.LOW),
        ({"kind": SignInKind.ROPC}, "password-grant-sign-in", Severity.MEDIUM),
        ({"kind": SignInKind.ROPC, "app_id": AZURE_CLI}, "password-grant-sign-in", 2),
    ],
)
async def test_a_way_that_an_account_never_went_is_told_for_a_day(
    more: dict[str, Any], kind: str, severity: Severity
) -> None:
    looks = Looks()
    assert await looks.look() == []
    for _ in range(2):
        (found,) = await looks.look(event(**more))
        assert (found.kind, found.severity, found.verdict) == (kind, severity, "new-way")
        assert found.object_id == "u1"
        assert "had not done so before" in found.summary
    looks.now += timedelta(days=1)
    assert await looks.look(event(**more)) == []


async def test_what_was_done_at_the_first_look_or_before_is_no_news() -> None:
    looks = Looks()
    assert await looks.look(event()) == []
    assert await looks.look(event(), event(minutes=5)) == []
    # Whoever signs in so twice a year does so: nothing is forgotten between.
    looks.now += timedelta(days=100)
    assert await looks.look() == []
    late = SignInEvent("u1", SignInKind.DEVICE_CODE, looks.now, "u1@x", BROKER)
    assert await looks.look(late) == []
    # Another app is another way.
    other = SignInEvent("u1", SignInKind.DEVICE_CODE, looks.now, "u1@x", AZURE_CLI)
    assert len(await looks.look(late, other)) == 1


async def test_the_device_of_a_meeting_room_signs_in_by_a_code() -> None:
    plans = frozenset({ROOM_PLAN})
    looks = Looks(users=[Account("u1", "room@x", plans=plans, licensed=True)])
    await looks.look()
    assert await looks.look(event()) == []


async def test_a_log_that_is_unread_makes_nothing_new_when_it_is_back() -> None:
    looks = Looks()
    assert await looks.look(event(), unread=True) == []
    assert await looks.look(event()) == []


def prompts(count: int, minutes: float = 5, **more: Any) -> list[SignInEvent]:
    return [
        event(kind=SignInKind.PROMPT_DENIED, minutes=60 + number * minutes, **more)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (prompts(FLOOD - 1), None),
        (prompts(FLOOD, minutes=40), None),
        (prompts(FLOOD), Severity.MEDIUM),
        (prompts(1, detail="MFA denied; user declined the authentication"), None),
        (prompts(1, detail="MFA denied; Fraud code entered"), Severity.HIGH),
    ],
)
async def test_whom_prompts_flood_is_told(
    events: list[SignInEvent], expected: Severity | None
) -> None:
    found = await Looks().look(*events)
    assert [one.severity for one in found] == ([expected] if expected else [])
    assert all((one.kind, one.verdict) == ("prompt-flood", "prompted") for one in found)


@pytest.mark.parametrize(("minutes", "severity"), [(50, Severity.HIGH), (600, Severity.MEDIUM)])
async def test_a_sign_in_after_the_flood_makes_it_graver(
    minutes: float, severity: Severity
) -> None:
    looks = Looks(logged_sign_ins=[SignIn("u1", NOW - minutes * MINUTE)])
    (found,) = await looks.look(*prompts(FLOOD))
    assert found.severity == severity
    assert ("then somebody signed in" in found.summary) is (severity is Severity.HIGH)


def test_the_worst_hour_counts() -> None:
    (flood,) = find_floods([*prompts(FLOOD), *prompts(2, minutes=300)])
    assert len(flood.events) == FLOOD + 1
    assert flood.events == tuple(sorted(flood.events, key=lambda one: one.at))


async def test_names_are_quoted_and_bounded() -> None:
    hostile = "a\u202eb" + "x" * 900
    looks = Looks()
    await looks.look()
    named = SignInEvent("u1", SignInKind.DEVICE_CODE, NOW, hostile, hostile, hostile, hostile)
    for one in await looks.look(named):
        text = one.summary + "".join(fact.text for fact in one.facts)
        assert "\u202e" not in text
        assert len(text) < 900


def compare(
    known: dict[str, KnownTraits], now: datetime, *events: SignInEvent, unread: str | None = None
) -> list[str]:
    """The kinds of ways that are new at a look, at which one kind may be unread."""
    failures = () if unread is None else (ReadFailure(SIGN_IN_EVENTS, "cut", subject=unread),)
    noted = note_ways(known, events, list_whole_kinds(Reading(events, failures)), now)
    known |= {row.key: row for row in noted}
    return [one.event.kind for one in find_new_ways(events, noted, now)]


def test_a_kind_that_is_cut_silences_no_other() -> None:
    known: dict[str, KnownTraits] = {}
    flood = SignInKind.PROMPT_DENIED
    assert compare(known, NOW, unread=flood) == []
    assert compare(known, NOW + HOUR, event(), unread=flood) == [SignInKind.DEVICE_CODE]
    # A failure that names no kind may be of any.
    assert compare(known, NOW + 2 * HOUR, event("u2"), unread="") == []


def test_a_kind_that_is_read_later_than_the_others_has_a_first_look_of_its_own() -> None:
    known: dict[str, KnownTraits] = {}
    password = event(kind=SignInKind.ROPC)
    assert compare(known, NOW, password, unread=SignInKind.ROPC) == []
    assert compare(known, NOW + HOUR, password) == []
    later = compare(known, NOW + 2 * HOUR, password, event("u2", kind=SignInKind.ROPC))
    assert later == [SignInKind.ROPC]


@pytest.mark.parametrize(
    ("last", "is_read"),
    [
        (timedelta(), False),
        (timedelta(days=-2), False),
        (timedelta(days=3), True),
        (timedelta(days=6.9), True),
        (timedelta(days=400), True),
    ],
)
async def test_after_a_pause_the_log_is_read_from_a_day_before_it_and_within_eight(
    last: timedelta, is_read: bool
) -> None:
    days_ago = prompts(FLOOD, minutes=1)
    shifted = [replace(one, at=one.at - timedelta(days=3.5)) for one in days_ago]
    old = [replace(one, at=one.at - timedelta(days=8), account_id="u2") for one in days_ago]
    tenant = FakeTenant(sign_in_events=[*shifted, *old])
    context = ObserveContext(GuardPolicy(NOW), last_full_scan=NOW - last)
    read = await read_sign_ins(tenant, context)
    assert [one.events[0].account_id for one in read.items if isinstance(one, PromptFlood)] == (
        ["u1"] * is_read
    )


def test_what_is_known_stays_known_while_another_way_is_used() -> None:
    known: dict[str, KnownTraits] = {}
    usual, other = event(), event(app_id="a2")
    assert compare(known, NOW, usual) == []
    assert compare(known, NOW + HOUR, other) == [SignInKind.DEVICE_CODE]
    assert compare(known, NOW + 2 * HOUR, usual) == []
    # The other one is told for a day, also after it is old news to another.
    assert compare(known, NOW + 24 * HOUR, other) == [SignInKind.DEVICE_CODE]
    assert compare(known, NOW + 25 * HOUR, other) == []
    third = event(app_id="a3")
    assert compare(known, NOW + 25 * HOUR, other, third) == [SignInKind.DEVICE_CODE]


def test_a_new_way_is_told_with_its_own_sign_ins_and_the_first_of_them() -> None:
    known: dict[str, KnownTraits] = {}
    assert compare(known, NOW) == []
    code, password = SignInKind.DEVICE_CODE, SignInKind.ROPC
    events = (
        event(minutes=5),
        event(minutes=30),
        event(kind=password, minutes=40),
        event(minutes=50, app_id="a2"),
        event("u2", minutes=60),
    )
    noted = note_ways(known, events, [code, password], NOW + HOUR)
    found = {
        (one.event.account_id, one.event.kind, one.event.app_id): (one.count, one.event.at)
        for one in find_new_ways(events, noted, NOW + HOUR)
    }
    assert found == {
        ("u1", code, BROKER): (2, events[1].at),
        ("u1", password, BROKER): (1, events[2].at),
        ("u1", code, "a2"): (1, events[3].at),
        ("u2", code, BROKER): (1, events[4].at),
    }


async def test_one_prompt_that_was_reported_outweighs_any_number_of_others() -> None:
    reported = event(kind=SignInKind.PROMPT_DENIED, minutes=400, detail="Fraud reported")
    (found,) = await Looks().look(*prompts(FLOOD), reported)
    assert found.severity == Severity.HIGH
    assert "was not theirs" in found.summary
    # Also one of several within its hour.
    (flood,) = find_floods([*prompts(2), replace(reported, at=NOW - 61 * MINUTE)])
    assert len(flood.events) == 3


def test_an_hour_includes_its_end() -> None:
    assert len([*find_floods(prompts(FLOOD, minutes=15))]) == 1
    assert [*find_floods(prompts(FLOOD, minutes=15.1))] == []


async def test_a_licence_for_people_is_none_for_a_device() -> None:
    looks = Looks(users=[Account("u1", "u1@x", plans=frozenset({"people"}), licensed=True)])
    await looks.look()
    assert len(await looks.look(event())) == 1


@pytest.mark.parametrize(("minutes", "is_after"), [(84, True), (80, True), (84.1, False)])
async def test_a_sign_in_counts_from_the_first_prompt_on(minutes: float, is_after: bool) -> None:
    # The first of the prompts is 84 minutes old, the second 78.
    looks = Looks(logged_sign_ins=[SignIn("u1", NOW - minutes * MINUTE)])
    (found,) = await looks.look(*prompts(FLOOD, minutes=6))
    assert ("then somebody signed in" in found.summary) is is_after
