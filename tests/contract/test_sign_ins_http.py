"""Sign-ins of accounts over the wire: lists instead of single users, both kinds of the log."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.adapters.graph.reports import REPORT_WINDOW_SECONDS
from core.adapters.m365.sign_ins import IDS_PER_FILTER, MAX_FILTERED
from core.tenant.sources import SIGN_IN_LOG, SIGN_IN_METHODS
from tests.support.http_recorder import (
    PERSON,
    ROOM,
    build_scene,
    build_users,
    connect_sandbox,
    person,
)
from tests.support.observe import collect_pages

SINCE = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "side", "requests"),
    [
        (MAX_FILTERED, "answered", MAX_FILTERED // IDS_PER_FILTER),
        (MAX_FILTERED, "refused", 2),
        (700, "answered", 2),
    ],
)
async def test_sign_ins_are_listed_and_never_asked_of_one_user(
    count: int, side: str, requests: int
) -> None:
    async with connect_sandbox(build_users(count, reality={"graph-users-id-filter": side})) as to:
        ids = [person(number) for number in range(count)]
        found = await to.tenant.accounts.read_last_sign_ins(ids)
        assert {one.id for one in found.items} == set(ids)
        assert found.failures == ()
        assert len([one for one in to.sandbox.requests if one.path == "/v1.0/users"]) == requests
        assert not [one for one in to.sandbox.requests if "$batch" in one.path]


async def test_an_account_that_is_not_listed_is_unread_and_not_one_without_sign_ins() -> None:
    async with connect_sandbox(build_users(2)) as to:
        found = await to.tenant.accounts.read_last_sign_ins([person(0), person(9)])
        assert [one.id for one in found.items] == [person(0)]
        assert [(miss.object_id, miss.optional) for miss in found.failures] == [(person(9), True)]


async def test_sign_ins_that_are_throttled_without_a_date_wait_out_their_window() -> None:
    fault = {"match": "signInActivity", "kind": "error", "status": 429, "times": 1}
    async with connect_sandbox(build_users(1, faults=[fault])) as to:
        found = await to.tenant.accounts.read_last_sign_ins([person(0)])
        assert found.failures == ()
        assert sum(to.clock.waits) >= REPORT_WINDOW_SECONDS
        to.clock.waits.clear()
        await to.graph.get("/domains")
        assert to.clock.waits == []


def sign_in(who: str, kind: str, code: int = 0, day: int = 20) -> dict[str, Any]:
    return {
        "userId": who,
        "createdDateTime": f"2026-11-{day}T08:00:00Z",
        "clientAppUsed": "Browser",
        "signInEventTypes": [kind],
        "status": {"errorCode": code},
    }


async def test_the_log_tells_successes_of_either_kind_and_no_failures() -> None:
    rows = [
        sign_in(PERSON, "nonInteractiveUser", day=21),
        sign_in(PERSON, "interactiveUser"),
        sign_in(ROOM, "interactiveUser", code=50126),
    ]
    async with connect_sandbox(build_scene(graph={"signIns": rows})) as to:
        found = await to.tenant.accounts.read_successful_sign_ins([PERSON, ROOM], SINCE)
        assert {one.id: one.last_success for one in found.items} == {
            PERSON: datetime(2026, 11, 21, 8, tzinfo=UTC),
            ROOM: None,
        }
        assert found.failures == ()


async def test_a_log_of_one_kind_alone_is_not_a_log_without_successes() -> None:
    fault = {"match": "/beta/auditLogs", "kind": "error", "status": 400}
    async with connect_sandbox(build_scene(faults=[fault])) as to:
        found = await to.tenant.accounts.read_successful_sign_ins([PERSON, ROOM], SINCE)
        assert found.items == ()
        assert found.unread_object_ids | {miss.object_id for miss in found.failures} == {
            PERSON,
            ROOM,
        }


async def test_a_next_page_with_an_empty_token_is_no_page() -> None:
    link = "{base}/beta/auditLogs/signIns?$skiptoken="
    async with connect_sandbox(build_scene()) as to:
        body = {"value": [], "@odata.nextLink": link.format(base=to.sandbox.base)}
        fault = {"match": "/beta/auditLogs", "kind": "wrongBody", "body": body}
        to.sandbox.tenant.set_faults([fault])
        found = await to.tenant.accounts.read_successful_sign_ins([PERSON], SINCE)
        assert found.items == ()
        assert [miss.source for miss in found.failures] == [SIGN_IN_LOG]


@pytest.mark.parametrize(("side", "pages"), [("taken", 2), ("refused", 12)])
async def test_the_registration_report_is_read_in_pages_as_large_as_it_takes(
    side: str, pages: int
) -> None:
    async with connect_sandbox(build_users(1_100, reality={"graph-registration-page": side})) as to:
        found = await collect_pages(to.tenant.accounts.list_mfa_registrations())
        assert len(found.items) == 1_100
        assert found.find_source_failure(SIGN_IN_METHODS) is None
        asked = [one for one in to.sandbox.requests if "userRegistrationDetails" in one.path]
        assert len(asked) == pages
