"""What both tenants promise of audit logs: records since a time, content, changed accounts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.tenant.activity import ActivityLog, ActorKind
from core.tenant.port import Tenant
from core.tenant.sources import ACTIVITY_FEED, CHANGED_ACCOUNTS, DIRECTORY_AUDITS
from tests.support.audit_records import (
    build_audit_row,
    build_consent_record,
    build_exchange_record,
    build_service_record,
)
from tests.support.http_recorder import ROOM, build_scene
from tests.support.tenants import OPENERS, OpenTenant

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(hours=1)
EARLIER = f"{NOW - timedelta(minutes=30):%Y-%m-%dT%H:%M:%S}"


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


async def read_all(tenant: Tenant, log: ActivityLog, *operations: str) -> list[str]:
    """The ids of all records of a log in the last hour."""
    window = (log, SINCE, NOW + timedelta(minutes=5))
    listed = await tenant.activity.list_content(*window)
    assert (listed.failures, listed.complete) == ((), True)
    found = []
    for content in listed.items:
        read = await tenant.activity.read_content(log, content, operations)
        assert read.failures == ()
        found += [one.id for one in read.items]
    return found


async def test_records_of_the_directory_by_name_since_a_time(open_tenant: OpenTenant) -> None:
    long = "Update application \u2013 Certificates and secrets management "
    rows = [
        build_audit_row("Enable account", "1", activityDateTime=f"{EARLIER}Z"),
        build_audit_row("Enable account", "2", activityDateTime="2026-01-01T00:00:00Z"),
        build_audit_row("Update user", "3", activityDateTime=f"{EARLIER}Z"),
        build_audit_row(long, "4", activityDateTime=f"{EARLIER}Z"),
        build_audit_row("Enable account", "5", activityDateTime=f"{EARLIER}Z", result="failure"),
    ]
    async with open_tenant(build_scene(graph={"directoryAudits": rows})) as to:
        read = await to.tenant.activity.read_directory_audits(
            SINCE, ["Enable account", "Update application*"]
        )
        assert sorted(one.id for one in read.items) == ["1", "4"]
        assert read.failures == ()
        assert read.sources == {DIRECTORY_AUDITS}
        to.fail_read(DIRECTORY_AUDITS)
        unread = await to.tenant.activity.read_directory_audits(SINCE, ["Enable account"])
        failure = unread.find_source_failure(DIRECTORY_AUDITS)
        assert failure is not None
        assert failure.optional


async def test_records_of_both_logs_of_the_feed_by_name(open_tenant: OpenTenant) -> None:
    at: dict[str, Any] = {"CreationTime": EARLIER}
    records = [
        build_exchange_record("Set-Mailbox", "1", **at),
        build_exchange_record("Set-Clutter", "2", **at),
        build_service_record("Set-Mailbox", "3", **at),
        build_consent_record("4", **at),
    ]
    async with open_tenant(build_scene(activity=records)) as to:
        for log in (ActivityLog.EXCHANGE, ActivityLog.ENTRA_FEED):
            await to.tenant.activity.list_content(log, SINCE, NOW)
        found = await read_all(to.tenant, ActivityLog.EXCHANGE, "Set-Mailbox")
        assert sorted(found) == ["1", "3"]
        consents = ("Consent to application.",)
        assert await read_all(to.tenant, ActivityLog.ENTRA_FEED, *consents) == ["4"]
        assert await to.tenant.activity.is_feed_granted() is True
        to.fail_read(ACTIVITY_FEED)
        unread = await to.tenant.activity.list_content(ActivityLog.EXCHANGE, SINCE, NOW)
        assert unread.find_source_failure(ACTIVITY_FEED) is not None
        assert not unread.complete


async def test_accounts_that_changed_since_a_link(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        first = await to.tenant.activity.read_changed_accounts("")
        (begun,) = first.items
        assert (begun.ids, begun.has_restarted) == ((), False)
        again = await to.tenant.activity.read_changed_accounts(begun.link)
        assert [(one.ids, one.has_restarted) for one in again.items] == [((), False)]
        odd = await to.tenant.activity.read_changed_accounts("https://evil.example/users/delta?x")
        assert [(one.ids, one.has_restarted) for one in odd.items] == [((), True)]
        to.fail_read(CHANGED_ACCOUNTS)
        unread = await to.tenant.activity.read_changed_accounts(begun.link)
        assert unread.find_source_failure(CHANGED_ACCOUNTS) is not None


async def test_an_act_of_an_app_is_not_told_of_the_owner(open_tenant: OpenTenant) -> None:
    record = build_exchange_record(
        "Set-Mailbox", "1", UserType=5, UserId="room@contoso.example", CreationTime=EARLIER
    )
    async with open_tenant(build_scene(activity=[record])) as to:
        await to.tenant.activity.list_content(ActivityLog.EXCHANGE, SINCE, NOW)
        listed = await to.tenant.activity.list_content(ActivityLog.EXCHANGE, SINCE, NOW)
        (content,) = listed.items
        read = await to.tenant.activity.read_content(ActivityLog.EXCHANGE, content, ["Set-Mailbox"])
        assert [(one.actor.kind, one.actor.name) for one in read.items] == [(ActorKind.APP, "")]
        assert ROOM not in repr(read.items)
