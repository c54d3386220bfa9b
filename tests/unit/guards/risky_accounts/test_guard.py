"""risky-accounts: who is told, how gravely, and what is no case."""

from datetime import timedelta
from typing import Any

import pytest

from core.engine.population import count_listings, remember_listings
from core.guards.risky_accounts import GUARD
from core.guards.risky_accounts.guard import MAX_LOOKUPS
from core.guards.risky_accounts.items import NoProtection
from core.model.findings import Finding, Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.model.state import GuardState, ScanTotals
from core.tenant.configuration import Configuration
from core.tenant.directory import Account
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, SIGN_IN_EVENTS
from tests.support.fakes.clock import START
from tests.support.fakes.tenant import FakeTenant
from tests.support.remedy_checks import check_remedies

POLICY = GuardPolicy(START)
USERS, DETECTIONS = "configuration-risky-user", "configuration-risk-detection"


def user(identity: str = "u1", **more: Any) -> Configuration:
    values = {
        "id": identity,
        "userPrincipalName": f"{identity}@x",
        "riskLevel": "high",
        "riskState": "atRisk",
        "riskLastUpdatedDateTime": "2026-11-20T05:00:00Z",
        **more,
    }
    return Configuration("risky-user", identity, identity, values)


def detection(identity: str = "u1", kind: str = "anomalousToken", **more: Any) -> Configuration:
    values = {
        "userId": identity,
        "userPrincipalName": f"{identity}@x",
        "riskEventType": kind,
        "riskLevel": "medium",
        "riskState": "atRisk",
        "ipAddress": "203.0.113.9",
        "lastUpdatedDateTime": "2026-11-20T05:00:00Z",
        **more,
    }
    return Configuration("risk-detection", f"d-{identity}-{kind}", "", values)


def build(*rows: Configuration, accounts: tuple[str, ...] = ("u1", "u2")) -> FakeTenant:
    users = [Account(one, f"{one}@x") for one in accounts]
    return FakeTenant(users=users, configurations=list(rows))


def refuse(of: FakeTenant, *sources: str) -> FakeTenant:
    """The tenant without a licence for some lists."""
    for one in sources:
        of.failures[one, ""] = ReadFailure(one, "not licensed for this feature", optional=True)
    return of


async def tell(of: FakeTenant) -> list[Finding]:
    readings = [one async for one in GUARD.observe(of, ObserveContext(POLICY))]
    (reading,) = [
        one for one in readings if isinstance(one, Reading) and SIGN_IN_EVENTS not in one.sources
    ]
    told = [found for item in reading.items for found in GUARD.judge(item, POLICY)]
    check_remedies(told)
    return told


@pytest.mark.parametrize(
    ("more", "severity", "verdict"),
    [
        ({}, Severity.HIGH, "at-risk"),
        ({"riskLevel": "medium"}, Severity.MEDIUM, "at-risk"),
        ({"riskLevel": "low"}, Severity.LOW, "at-risk"),
        ({"riskLevel": "hidden"}, Severity.MEDIUM, "at-risk"),
        ({"riskLevel": "of tomorrow"}, Severity.MEDIUM, "at-risk"),
        ({"riskState": "confirmedCompromised"}, Severity.CRITICAL, "compromised"),
        ({"riskState": "unknownFutureValue"}, Severity.HIGH, "at-risk"),
    ],
)
async def test_an_account_is_told_by_its_level_and_its_state(
    more: dict[str, str], severity: Severity, verdict: str
) -> None:
    (found,) = await tell(build(user(**more)))
    assert (found.object_id, found.severity, found.verdict) == ("u1", severity, verdict)
    assert "u1@x" in found.summary


@pytest.mark.parametrize("state", ["none", "dismissed", "remediated", "confirmedSafe"])
async def test_what_somebody_dealt_with_is_no_case(state: str) -> None:
    assert await tell(build(user(riskState=state), detection(riskState=state))) == []


async def test_a_risk_that_changed_is_another_case_and_the_same_one_is_not() -> None:
    keys = [
        (await tell(build(user(riskLastUpdatedDateTime=at))))[0].compute_key("g")
        for at in ("2026-11-20T05:00:00Z", "2026-11-20T05:00:00Z", "2026-11-21T05:00:00Z")
    ]
    assert keys[0] == keys[1] != keys[2]


async def test_the_level_is_the_highest_of_the_account_and_its_detections() -> None:
    (found,) = await tell(build(user(riskLevel="low"), detection(riskLevel="medium")))
    assert found.severity is Severity.MEDIUM
    assert "anomalousToken (medium), from 203.0.113.9" in str([str(one) for one in found.facts])


@pytest.mark.parametrize("kind", ["unlikelyTravel", "newCountry", "impossibleTravel"])
async def test_places_alone_are_never_a_case_below_high(kind: str) -> None:
    travelling = detection(kind=kind)
    assert await tell(build(user(riskLevel="medium"), travelling)) == []
    assert await tell(build(user(riskLevel="medium"), travelling, detection()))
    assert await tell(build(user(), travelling))
    # A device and a browser that nobody knew are more than a place.
    assert await tell(build(user(riskLevel="medium"), detection(kind="unfamiliarFeatures")))
    assert await tell(build(user(riskState="confirmedCompromised"), travelling))


async def test_without_the_list_of_users_detections_speak_for_themselves() -> None:
    of = refuse(build(detection(riskLevel="hidden"), detection("u2", "unlikelyTravel")), USERS)
    (found,) = await tell(of)
    assert (found.object_id, found.severity) == ("u1", Severity.MEDIUM)


async def test_an_account_that_is_deleted_is_no_case_and_one_that_cannot_be_read_is() -> None:
    assert await tell(build(user("gone"))) == []
    assert await tell(build(user(isDeleted=True))) == []
    unread = build(user("gone"))
    unread.fail_read(ACCOUNTS)
    (found,) = await tell(unread)
    assert "still exists could not be read" in str(found.facts)


async def test_a_tenant_without_a_licence_is_recorded_and_not_told() -> None:
    (found,) = await tell(refuse(build(), USERS, DETECTIONS))
    assert (found.severity, found.verdict) == (Severity.INFO, "not-licensed")


async def test_a_list_that_is_there_and_cannot_be_read_closes_nothing() -> None:
    of = build(user())
    of.fail_read(USERS)
    *_, reading = [one async for one in GUARD.observe(of, ObserveContext(POLICY))]
    assert isinstance(reading, Reading)
    assert not reading.complete
    assert [one.source for one in reading.failures if not one.optional] == ["identity-risk"]


@pytest.mark.parametrize("refused", [(USERS,), (DETECTIONS,), (USERS, DETECTIONS)])
async def test_a_list_that_is_refused_after_it_was_read_ends_nothing_for_a_month(
    refused: tuple[str, ...],
) -> None:
    known: dict[str, KnownTraits] = {}
    await look(build(user(), detection("u2")), known, 0)
    for day in (1, 20):
        reading = await look(refuse(build(user(), detection("u2")), *refused), known, day)
        assert not reading.covers(("identity-risk",), "u1")
        reasons = [one.reason for one in reading.failures if not one.optional]
        assert len(reasons) == len(refused)
        assert all("it was read before and no longer is" in one for one in reasons)
        assert NoProtection() not in reading.items
    # Who gives up the licence is believed after a month.
    reading = await look(refuse(build(user(), detection("u2")), *refused), known, 40)
    assert reading.covers(("identity-risk",), "u1")
    assert (NoProtection() in reading.items) is (len(refused) == 2)


async def test_a_list_that_got_shorter_is_believed_at_the_second_look() -> None:
    everyone = [user(f"u{number}") for number in range(4)]
    names = tuple(one.id for one in everyone)
    state = GuardState()
    for count, is_believed in ((4, True), (2, False), (2, True)):
        reading = await look(build(*everyone[:count], accounts=names), {}, 0)
        found = count_listings(reading, state)
        assert found.unconfirmed_sources == (frozenset() if is_believed else {"identity-risk"})
        totals = ScanTotals(listed_counts=found.trusted, shrunk_counts=found.shrunk)
        state = remember_listings(state, totals)


async def look(of: FakeTenant, known: dict[str, KnownTraits], day: int) -> Reading[Any]:
    """The reading of the lists on a day, remembered as the engine does."""
    policy = GuardPolicy(START + timedelta(days=day))
    context = ObserveContext(policy, known_traits=dict(known))
    (reading,) = [
        one
        async for one in GUARD.observe(of, context)
        if isinstance(one, Reading) and "identity-risk" in one.sources
    ]
    known |= {one.key: one for one in reading.known_traits}
    return reading


@pytest.mark.parametrize("day", [29, 30])
async def test_a_month_is_thirty_days(day: int) -> None:
    known: dict[str, KnownTraits] = {}
    await look(build(user()), known, 0)
    reading = await look(refuse(build(), USERS), known, day)
    assert reading.complete is (day == 30)


async def test_one_list_that_was_never_read_says_nothing_of_the_other() -> None:
    known: dict[str, KnownTraits] = {}
    await look(refuse(build(detection()), USERS), known, 0)
    reading = await look(refuse(build(), USERS, DETECTIONS), known, 1)
    (failure,) = [one for one in reading.failures if not one.optional]
    assert (failure.source, failure.object_id) == ("identity-risk", "")
    assert NoProtection() not in reading.items


@pytest.mark.parametrize(
    ("failure", "is_withdrawn"),
    [
        (ReadFailure(USERS, "HTTP 403", optional=True), True),
        (ReadFailure(USERS, "no number", "u7", optional=True), False),
    ],
)
async def test_a_row_that_cannot_be_read_is_no_list_that_was_withdrawn(
    failure: ReadFailure, is_withdrawn: bool
) -> None:
    known: dict[str, KnownTraits] = {}
    await look(build(user(), user("u7")), known, 0)
    broken = build(user(), user("u7"))
    broken.failures[USERS, failure.object_id] = failure
    reading = await look(broken, known, 1)
    reasons = [one.reason for one in reading.failures if "no longer is" in one.reason]
    assert bool(reasons) is is_withdrawn
    assert reading.complete is not is_withdrawn
    assert NoProtection() not in reading.items


async def test_of_more_accounts_than_are_looked_up_nobody_says_that_they_are_gone() -> None:
    names = [f"u{number:03}" for number in range(MAX_LOOKUPS + 1)]
    reading = await look(build(*map(user, names), accounts=(names[0],)), {}, 0)
    known = {one.id: one.is_known for one in reading.items}
    assert (known[names[0]], known[names[1]], known[names[-2]]) == (True, False, False)
    assert known[names[-1]] is None


async def look_alone(of: FakeTenant, ids: list[str], known: Reading[Any]) -> Reading[Any]:
    """A look at single accounts, after one that read the lists."""
    (look,) = GUARD.single_looks
    traits = {one.key: one for one in known.known_traits}
    return await look.read(of, ObserveContext(POLICY, known_traits=traits), ids)


async def read_lists(of: FakeTenant) -> Reading[Any]:
    """What a look at the lists remembers."""
    (reading,) = [
        one
        async for one in GUARD.observe(of, ObserveContext(POLICY))
        if isinstance(one, Reading) and SIGN_IN_EVENTS not in one.sources
    ]
    return reading


async def test_an_account_that_the_lists_lack_is_told_alone_while_it_is_at_risk() -> None:
    of = build(user("u1"), detection("u2"))
    known = await read_lists(of)
    of.unlisted = {"u1", "d-u2-anomalousToken"}
    assert await tell(of) == []
    found = await look_alone(of, ["u1", "u2", "u3"], known)
    told = [one.object_id for item in found.items for one in GUARD.judge(item, POLICY)]
    assert told == ["u1", "u2"]
    assert found.failures == ()
    assert found.covers({"identity-risk"}, "u3")


async def test_an_account_that_cannot_be_looked_at_is_unread_by_name() -> None:
    of = build(user("u1"))
    known = await read_lists(of)
    of.refused_objects[USERS, "u1"] = ReadFailure(USERS, "not now", "u1")
    found = await look_alone(of, ["u1", "u2"], known)
    assert not found.covers({"identity-risk"}, "u1")
    assert found.covers({"identity-risk"}, "u2")


async def test_a_list_that_the_tenant_never_had_keeps_no_case_open() -> None:
    of = refuse(build(detection("u1")), USERS)
    known = await read_lists(of)
    of.configurations.clear()
    found = await look_alone(of, ["u1", "identity-protection"], known)
    assert found.failures == ()
    assert found.covers({"identity-risk"}, "u1")
    assert found.covers({"identity-risk"}, "identity-protection")
