"""What both tenants promise of registrations, deletions and users found by name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.tenant.directory import Actor, DeletedObject, Deletion, MfaRegistration
from core.tenant.readings import Reading
from core.tenant.sources import (
    ACCOUNTS,
    DELETED_GROUPS,
    DELETED_USERS,
    DELETIONS,
    FEDERATED_DOMAINS,
    SIGN_IN_METHODS,
    USER_COUNT,
)
from tests.support.http_recorder import PERSON, ROOM, build_scene
from tests.support.observe import collect_pages
from tests.support.tenants import OPENERS, OpenTenant

SINCE = datetime(2026, 11, 19, 6, 0, tzinfo=UTC)
ANN = "44444444-0000-4000-8000-00000000000a"
TEAM = "44444444-0000-4000-8000-00000000000b"
ADMIN = "44444444-0000-4000-8000-00000000000c"


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


def graph(**rows: Any) -> dict[str, Any]:
    """The tenant of one person and one room, and these collections besides."""
    return build_scene(graph=rows)


def report_row(object_id: str, **more: object) -> dict[str, object]:
    return {
        "id": object_id,
        "userPrincipalName": f"{object_id[-1]}@contoso.example",
        "userType": "member",
        "isAdmin": False,
        "isMfaRegistered": True,
        "isMfaCapable": True,
        "isPasswordlessCapable": False,
        "methodsRegistered": ["mobilePhone"],
        **more,
    }


def audit(at: str, target: str = ANN, **more: object) -> dict[str, object]:
    return {
        "id": f"{target} {at}",
        "activityDisplayName": "Delete user",
        "activityDateTime": at,
        "result": "success",
        "initiatedBy": {"user": {"id": ADMIN, "userPrincipalName": "boss@contoso.example"}},
        "targetResources": [{"id": target, "userPrincipalName": "ann@contoso.example"}],
        **more,
    }


def deleted_row(object_id: str, kind: str, at: str) -> dict[str, object]:
    return {
        "@odata.type": f"#microsoft.graph.{kind}",
        "id": object_id,
        "displayName": "Name",
        "deletedDateTime": at,
    }


async def test_the_report_is_read_page_by_page(open_tenant: OpenTenant) -> None:
    rows = [
        report_row(f"44444444-0000-4000-8000-{number:012}", isAdmin=number == 3)
        for number in range(1_100)
    ]
    async with open_tenant(graph(userRegistrationDetails=rows)) as to:
        parts = [part async for part in to.tenant.accounts.list_mfa_registrations()]
        assert len(parts) == 2
        assert sum(part.population for part in parts) == 1_100
        assert all(part.scope is not None and part.complete for part in parts)
        assert all(one.id in (part.scope or ()) for part in parts for one in part.items)
        found = [one for part in parts for one in part.items]
        assert found[3] == MfaRegistration(
            str(rows[3]["id"]),
            "3@contoso.example",
            is_admin=True,
            mfa_registered=True,
            mfa_capable=True,
            methods=frozenset({"mobilephone"}),
        )


@pytest.mark.parametrize("surface", [SIGN_IN_METHODS, DELETIONS, DELETED_USERS, DELETED_GROUPS])
async def test_what_may_not_be_read_names_the_permission(
    open_tenant: OpenTenant, surface: str
) -> None:
    needs = {
        SIGN_IN_METHODS: "AuditLog.Read.All",
        DELETIONS: "AuditLog.Read.All",
        DELETED_USERS: "User.Read.All",
        DELETED_GROUPS: "Group.Read.All",
    }
    async with open_tenant(graph()) as to:
        to.withhold_permission(surface)
        reading: Reading[Any]
        match surface:
            case "sign-in-methods":
                reading = await collect_pages(to.tenant.accounts.list_mfa_registrations())
            case "deletions-in-the-audit-log":
                reading = await to.tenant.deletions.read_deletions(SINCE)
            case _:
                reading = await to.tenant.deletions.read_deleted_objects(SINCE)
        miss = reading.find_source_failure(surface)
        assert miss is not None
        assert miss.permission == needs[surface]
        assert miss.optional is (surface == DELETED_GROUPS)
        assert surface in reading.sources


@pytest.mark.parametrize("surface", [SIGN_IN_METHODS, DELETIONS])
async def test_what_fails_for_now_names_none(open_tenant: OpenTenant, surface: str) -> None:
    async with open_tenant(graph(userRegistrationDetails=[report_row(ANN)])) as to:
        to.fail_read(surface)
        reading = (
            await collect_pages(to.tenant.accounts.list_mfa_registrations())
            if surface == SIGN_IN_METHODS
            else await to.tenant.deletions.read_deletions(SINCE)
        )
        assert reading.items == ()
        miss = reading.find_source_failure(surface)
        assert miss is not None
        assert miss.permission == ""
        to.clear_faults()
        assert (await collect_pages(to.tenant.accounts.list_mfa_registrations())).failures == ()


async def test_deletions_since_a_moment_with_who_did_them(open_tenant: OpenTenant) -> None:
    rows = [
        audit("2026-11-20T05:00:00Z"),
        audit("2026-11-20T05:01:00Z", activityDisplayName="Hard Delete user"),
        audit("2026-11-20T05:02:00Z", TEAM, result="failure"),
        audit("2026-11-20T05:02:00Z", TEAM, activityDisplayName="Update user"),
        audit("2026-11-19T05:59:00Z", TEAM),
    ]
    async with open_tenant(graph(directoryAudits=rows)) as to:
        reading = await to.tenant.deletions.read_deletions(SINCE)
        at = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
        soft = Deletion(
            ANN, "user", at, "ann@contoso.example", actor=Actor(ADMIN, "boss@contoso.example")
        )
        hard = Deletion(
            ANN, "user", at + timedelta(minutes=1), soft.name, permanent=True, actor=soft.actor
        )
        assert sorted(reading.items, key=lambda one: one.at) == [soft, hard]
        assert (reading.failures, reading.complete) == ((), True)


async def test_what_is_in_the_recycle_bin(open_tenant: OpenTenant) -> None:
    rows = [
        deleted_row(ANN, "user", "2026-11-20T05:00:00Z"),
        deleted_row(TEAM, "group", "2026-11-20T05:00:00Z"),
        deleted_row(ADMIN, "user", "2026-11-01T05:00:00Z"),
    ]
    async with open_tenant(graph(deletedItems=rows)) as to:
        reading = await to.tenant.deletions.read_deleted_objects(SINCE)
        at = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
        assert reading.items == (
            DeletedObject(ANN, "user", at, "Name"),
            DeletedObject(TEAM, "group", at, "Name"),
        )
        assert reading.sources == {DELETED_USERS, DELETED_GROUPS}


async def test_users_in_the_recycle_bin_are_found_by_id_and_the_others_are_absent(
    open_tenant: OpenTenant,
) -> None:
    rows = [
        deleted_row(ANN, "user", "2026-11-20T05:00:00Z"),
        deleted_row(ADMIN, "user", "2026-11-01T05:00:00Z"),
    ]
    async with open_tenant(graph(deletedItems=rows)) as to:
        reading = await to.tenant.deletions.read_deleted_users((ANN, TEAM))
        at = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
        assert reading.items == (DeletedObject(ANN, "user", at, "Name"),)
        assert not reading.failures
        assert reading.sources == {DELETED_USERS}


async def test_users_are_counted(open_tenant: OpenTenant) -> None:
    async with open_tenant(graph()) as to:
        assert (await to.tenant.accounts.read_user_count()).items == (2,)
    async with open_tenant(graph()) as to:
        to.withhold_permission(USER_COUNT)
        reading = await to.tenant.accounts.read_user_count()
        assert reading.items == ()
        miss = reading.find_source_failure(USER_COUNT)
        assert miss is not None
        assert miss.optional


async def test_users_are_found_by_id_and_by_name_and_the_others_are_absent(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(graph()) as to:
        reading = await to.tenant.accounts.read_users([PERSON, "Room@contoso.example", ANN])
        assert {one.id: (one.upn, one.enabled) for one in reading.items} == {
            PERSON: ("ann@contoso.example", True),
            ROOM: ("room@contoso.example", True),
        }
        assert reading.failures == ()
        assert (await to.tenant.accounts.read_users([])).sources == {ACCOUNTS}


async def test_one_user_who_cannot_be_read_is_unread_and_the_others_are_not(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(graph()) as to:
        to.fail_read(ACCOUNTS, PERSON)
        reading = await to.tenant.accounts.read_users([PERSON, ROOM])
        assert [one.id for one in reading.items] == [ROOM]
        assert [miss.object_id for miss in reading.failures] == [PERSON]


async def test_the_domains_another_provider_signs_in(open_tenant: OpenTenant) -> None:
    rows = [
        {"id": "contoso.example", "authenticationType": "Managed", "isVerified": True},
        {"id": "Fed.contoso.example", "authenticationType": "Federated", "isVerified": True},
    ]
    async with open_tenant(graph(domains=rows)) as to:
        reading = await to.tenant.accounts.read_federated_domains()
        assert reading.items == ("Fed.contoso.example",)
        assert (reading.failures, reading.sources) == ((), frozenset({FEDERATED_DOMAINS}))
    async with open_tenant(graph(domains=rows)) as to:
        to.withhold_permission(FEDERATED_DOMAINS)
        (miss,) = (await to.tenant.accounts.read_federated_domains()).failures
        assert (miss.permission, miss.optional, miss.object_id) == ("Domain.Read.All", True, "")


async def test_a_domain_that_does_not_say_who_signs_in_leaves_it_unread() -> None:
    rows = [{"id": "contoso.example", "authenticationType": "?", "isVerified": True}]
    async with OPENERS["m365"](graph(domains=rows)) as to:
        reading = await to.tenant.accounts.read_federated_domains()
        (miss,) = reading.failures
        assert (miss.source, miss.optional) == (FEDERATED_DOMAINS, True)
