"""Reads of Entra's report and audit log that break off, are cut off, or hold broken rows."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.adapters.m365.deletions import M365DeletionReader
from core.errors import Rejected
from core.tenant.sources import DELETED_USERS, DELETIONS, SIGN_IN_METHODS
from sandbox.app_identity import APP_PRINCIPAL_ID
from sandbox.graph.registrations import build_report_row
from tests.support.http_recorder import build_scene, build_user_row, connect_directly
from tests.support.observe import collect_pages

SINCE = datetime(2026, 11, 19, 6, 0, tzinfo=UTC)


def numbered(number: int) -> str:
    return f"55555555-0000-4000-8000-{number:012}"


def record(number: int) -> dict[str, Any]:
    return {
        "activityDisplayName": "Delete user",
        "activityDateTime": f"2026-11-20T05:00:{number % 60:02}Z",
        "result": "success",
        "initiatedBy": {},
        "targetResources": [{"id": numbered(number)}],
    }


def log(number: int, **more: Any) -> dict[str, Any]:
    return build_scene(graph={"directoryAudits": [record(one) for one in range(number)]}, **more)


def breaking(where: str) -> list[dict[str, Any]]:
    """The second page does not come."""
    return [{"match": where, "kind": "error", "status": 503, "skip": 1}]


async def test_a_log_that_breaks_off_tells_what_it_told_and_that_it_broke_off() -> None:
    async with connect_directly(log(1_500, faults=breaking("directoryAudits")), attempts=1) as to:
        reading = await to.tenant.deletions.read_deletions(SINCE)
        assert len(reading.items) == 999
        assert reading.find_source_failure(DELETIONS) is not None
        assert not reading.covers((DELETIONS,), numbered(1))


async def test_of_more_deletions_than_anybody_needs_the_rest_is_said_to_be_unread() -> None:
    async with connect_directly(log(1_500)) as to:
        reading = await M365DeletionReader(to.graph, max_deletions=500).read_deletions(SINCE)
        miss = reading.find_source_failure(DELETIONS)
        assert miss is not None
        assert miss.reason == "more than 500 deletions; the older ones were not read"
        assert len(reading.items) == 999


async def test_a_broken_record_is_unread_and_the_others_are_read() -> None:
    rows = [record(1), record(2) | {"targetResources": []}, record(3) | {"activityDateTime": "?"}]
    async with connect_directly(build_scene(graph={"directoryAudits": rows})) as to:
        reading = await to.tenant.deletions.read_deletions(SINCE)
        assert [one.id for one in reading.items] == [numbered(1)]
        assert [miss.object_id for miss in reading.failures] == ["unidentified-1", "unidentified-2"]
        assert not reading.covers((DELETIONS,), "anybody")


async def test_a_broken_row_of_the_recycle_bin_is_unread_by_its_id() -> None:
    rows = [{"@odata.type": "#microsoft.graph.user", "id": numbered(7), "displayName": "Ann"}]
    async with connect_directly(build_scene(graph={"deletedItems": rows})) as to:
        reading = await to.tenant.deletions.read_deleted_objects(SINCE)
        assert reading.items == ()
        (miss,) = reading.failures
        assert (miss.source, miss.object_id) == (DELETED_USERS, numbered(7))


async def test_a_report_that_breaks_off_ends_with_a_part_that_says_so() -> None:
    rows = [build_report_row(build_user_row(numbered(one), f"u{one}")) for one in range(1_200)]
    broken = build_scene(
        graph={"userRegistrationDetails": rows}, faults=breaking("userRegistrationDetails")
    )
    async with connect_directly(broken, attempts=1) as to:
        first, last = [part async for part in to.tenant.accounts.list_mfa_registrations()]
        assert (first.population, first.complete) == (999, True)
        assert (last.items, last.complete) == ((), False)
        assert last.find_source_failure(SIGN_IN_METHODS) is not None


@pytest.mark.parametrize("count", [1, 2])
async def test_broken_rows_of_the_report_are_counted_as_unread(count: int) -> None:
    rows = [
        build_report_row(build_user_row(numbered(1), "ann")),
        *([{"userPrincipalName": "x"}] * count),
    ]
    async with connect_directly(build_scene(graph={"userRegistrationDetails": rows})) as to:
        reading = await collect_pages(to.tenant.accounts.list_mfa_registrations())
        assert len(reading.items) == 1
        assert len(reading.failures) == count
        assert reading.population == 1 + count


async def test_graph_may_refuse_what_the_documents_do_not_name() -> None:
    async with connect_directly(build_scene(reality={"graph-registration-page": "refused"})) as to:
        path = "/reports/authenticationMethods/userRegistrationDetails"
        good = await to.graph.get(f"{path}?$filter=isAdmin%20eq%20false")
        assert good["value"]
        with pytest.raises(Rejected, match=r"\$top"):
            await to.graph.get(f"{path}?$top=5")


@pytest.mark.parametrize(
    ("activity", "kind", "final"),
    [
        ("Disable account", "disabled", False),
        ("Reset user password", "reset", False),
        ("Reset password (by admin)", "reset", False),
        ("Admin deleted security info", "method", False),
        ("Delete application", "application", False),
        ("Hard delete application", "application", True),
        ("Remove service principal", "service-principal", False),
        ("Delete conditional access policy", "policy", False),
    ],
)
async def test_what_locks_out_or_opens_is_read_beside_deletions(
    activity: str, kind: str, final: bool
) -> None:
    rows = [record(1) | {"activityDisplayName": activity}]
    async with connect_directly(build_scene(graph={"directoryAudits": rows})) as to:
        (one,) = (await to.tenant.deletions.read_deletions(SINCE)).items
        assert (one.kind, one.permanent, one.id) == (kind, final, numbered(1))


async def test_other_activities_and_what_users_do_for_themselves_are_not_read() -> None:
    names = ("Reset password (self-service)", "Enable account", "Update policy", "Change password")
    rows = [record(one) | {"activityDisplayName": name} for one, name in enumerate(names)]
    async with connect_directly(build_scene(graph={"directoryAudits": rows})) as to:
        assert (await to.tenant.deletions.read_deletions(SINCE)).items == ()


@pytest.mark.parametrize(
    ("by", "is_own"),
    [
        ({"app": {"servicePrincipalId": APP_PRINCIPAL_ID, "displayName": "Exoguard"}}, True),
        ({"app": {"servicePrincipalId": numbered(9), "displayName": "Exoguard"}}, False),
        ({"user": {"id": APP_PRINCIPAL_ID, "userPrincipalName": "x@contoso.example"}}, False),
    ],
)
async def test_what_the_app_did_itself_is_known_by_its_id_and_never_by_its_name(
    by: dict[str, Any], is_own: bool
) -> None:
    rows = [record(1) | {"activityDisplayName": "Disable account", "initiatedBy": by}]
    async with connect_directly(build_scene(graph={"directoryAudits": rows})) as to:
        (one,) = (await to.tenant.deletions.read_deletions(SINCE)).items
        assert one.actor.is_this_app is is_own
