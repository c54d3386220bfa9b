"""Rows of the report, the audit log and the recycle bin: understood, or not guessed."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from yarl import URL

from core.adapters.api_errors import map_graph_error
from core.adapters.m365.accounts import PREMIUM_LICENCE, build_report_failure, parse_registration
from core.adapters.m365.actors import parse_actor
from core.adapters.m365.deletions import (
    DELETION_ACTIVITIES,
    build_audit_log_path,
    parse_deleted_object,
    parse_deletion,
    strip_deletion_prefix,
)
from core.errors import Unavailable
from core.tenant.directory import Actor, DeletedObject, MfaRegistration
from sandbox.graph.odata import parse_filter
from sandbox.http_types import make_request

ID = "44444444-0000-4000-8000-00000000000A"
AT = datetime(2026, 11, 20, 5, 0, 0, 123456, tzinfo=UTC)
DETAILS: dict[str, Any] = {
    "id": ID,
    "userPrincipalName": "ann@contoso.example",
    "userType": "member",
    "isAdmin": True,
    "isMfaRegistered": True,
    "isMfaCapable": False,
    "isPasswordlessCapable": False,
    "methodsRegistered": ["mobilePhone", None, "passKeyDeviceBound"],
}
RECORD: dict[str, Any] = {
    "id": "Directory_1",
    "activityDisplayName": "Delete user",
    "activityDateTime": "2026-11-20T05:00:00.1234567Z",
    "result": "success",
    "initiatedBy": {"user": {"id": "A1", "userPrincipalName": "boss@contoso.example"}, "app": None},
    "targetResources": [{"id": ID, "displayName": "Ann", "userPrincipalName": None}],
}


def test_a_row_of_the_report() -> None:
    assert parse_registration(DETAILS) == MfaRegistration(
        ID.lower(),
        "ann@contoso.example",
        is_admin=True,
        mfa_registered=True,
        methods=frozenset({"mobilephone", "passkeydevicebound"}),
    )


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"userType": "Guest"}, "is_guest", True),
        ({"userType": None}, "is_guest", False),
        ({"isAdmin": None}, "is_admin", None),
        ({"isAdmin": "False"}, "is_admin", False),
        ({"isPasswordlessCapable": True}, "passwordless_capable", True),
        ({"isPasswordlessCapable": None}, "passwordless_capable", False),
        ({"methodsRegistered": None}, "methods", frozenset()),
        ({"methodsRegistered": "mobilePhone"}, "methods", frozenset({"mobilephone"})),
        ({"userPrincipalName": None}, "upn", ""),
    ],
)
def test_what_the_report_may_leave_open(change: dict[str, Any], name: str, value: object) -> None:
    assert getattr(parse_registration(DETAILS | change), name) == value


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": "a b"},
        {"isMfaCapable": None},
        {"isMfaRegistered": "perhaps"},
        {"isMfaCapable": True, "methodsRegistered": None},
        {"methodsRegistered": ["mobilePhone", 7]},
        {"methodsRegistered": {"method": "mobilePhone"}},
    ],
)
def test_a_row_that_does_not_say_the_main_thing_is_unread(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="report"):
        parse_registration(DETAILS | change)


def test_a_deletion() -> None:
    found = parse_deletion(RECORD)
    assert found is not None
    assert (found.id, found.kind, found.at, found.name) == (ID.lower(), "user", AT, "Ann")
    assert (found.permanent, found.actor) == (False, Actor("A1", "boss@contoso.example"))


@pytest.mark.parametrize("activity", DELETION_ACTIVITIES)
def test_every_kind_of_deletion(activity: str) -> None:
    found = parse_deletion(RECORD | {"activityDisplayName": activity.title()})
    assert found is not None
    assert (found.kind, found.permanent) == DELETION_ACTIVITIES[activity]


@pytest.mark.parametrize(
    "change",
    [
        {"result": "failure"},
        {"result": None},
        {"result": "timeout"},
        {"activityDisplayName": "Restore user"},
        {"activityDisplayName": None},
    ],
)
def test_what_deleted_nothing_is_left_out(change: dict[str, Any]) -> None:
    assert parse_deletion(RECORD | change) is None


@pytest.mark.parametrize(
    "change",
    [
        {"targetResources": None},
        {"targetResources": [{"displayName": "Ann"}]},
        {"activityDateTime": None},
        {"activityDateTime": "yesterday"},
    ],
)
def test_a_deletion_that_does_not_say_of_what_or_when_is_unread(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="delet"):
        parse_deletion(RECORD | change)


@pytest.mark.parametrize(
    ("by", "who"),
    [
        (None, Actor()),
        ({"user": None, "app": None}, Actor()),
        ({"user": {"id": None}, "app": None}, Actor()),
        (
            {"user": {"id": None, "userPrincipalName": "Sync_1@x.example", "ipAddress": "::1"}},
            Actor("sync_1@x.example", "Sync_1@x.example", False, "::1"),
        ),
        ({"app": {"servicePrincipalId": "sp", "appId": "a"}}, Actor("sp", "", True)),
        (
            {"app": {"displayName": "Microsoft.Azure.SyncFabric"}, "user": None},
            Actor("microsoft.azure.syncfabric", "Microsoft.Azure.SyncFabric", True),
        ),
    ],
)
def test_who_did_it(by: object, who: Actor) -> None:
    assert parse_actor({"initiatedBy": by}) == who


def test_the_name_of_a_deleted_user_is_freed_of_its_id() -> None:
    mark = ID.replace("-", "")
    assert strip_deletion_prefix(ID.lower(), f"{mark}ann@contoso.example") == "ann@contoso.example"
    assert strip_deletion_prefix(ID.lower(), "ann@contoso.example") == "ann@contoso.example"
    assert strip_deletion_prefix(ID.lower(), mark) == mark
    row = {"id": ID, "displayName": "Team", "deletedDateTime": "2026-11-20T05:00:00Z"}
    at = AT.replace(microsecond=0)
    assert parse_deleted_object("group", row) == DeletedObject(ID.lower(), "group", at, "Team")
    with pytest.raises(ValueError, match="time"):
        parse_deleted_object("user", row | {"deletedDateTime": None})


def test_the_log_is_asked_for_deletions_only() -> None:
    call = make_request(
        "GET", URL("https://graph.example/v1.0" + build_audit_log_path(AT), encoded=True)
    )
    wanted = parse_filter(call.query["$filter"])
    row = {"activityDateTime": "2026-11-20T05:00:01Z", "activityDisplayName": "Hard Delete group"}
    assert wanted.matches(row)
    assert not wanted.matches(row | {"activityDateTime": "2026-11-20T04:59:59Z"})
    assert not wanted.matches(row | {"activityDisplayName": "Update user"})


def test_a_missing_licence_is_told_from_a_missing_permission() -> None:
    code = {"error": {"code": "Authentication_RequestFromNonPremiumTenantOrB2CTenant"}}
    licence = build_report_failure(map_graph_error(403, code, "GET", "AuditLog.Read.All"))
    right = build_report_failure(map_graph_error(403, {}, "GET", "AuditLog.Read.All"))
    assert (licence.permission, right.permission) == (PREMIUM_LICENCE, "AuditLog.Read.All")
    assert build_report_failure(map_graph_error(401, {}, "GET")).permission == ""
    assert build_report_failure(Unavailable("HTTP 503")).permission == ""


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=20),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from([*DETAILS, *RECORD, "user", "app"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(some.dictionaries(some.sampled_from([*DETAILS, *RECORD]), JSON))
def test_whatever_comes_is_understood_or_unread(row: dict[str, Any]) -> None:
    for parse in (
        parse_registration,
        parse_deletion,
        lambda one: parse_deleted_object("user", one),
    ):
        for one in (row, DETAILS | row, RECORD | row):
            with suppress(ValueError):
                parse(one)
