"""What both tenants promise of searches of the audit log: begun, looked after, read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.tenant.activity import ActorKind
from core.tenant.audit_queries import AuditQuestion, MailAccess, QueryState
from core.tenant.sources import AUDIT_QUERIES
from tests.support.audit_records import (
    build_exchange_record,
    build_mail_record,
    build_service_record,
)
from tests.support.http_recorder import build_scene
from tests.support.tenants import OPENERS, OpenTenant, TenantUnderTest

NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(hours=1)
EARLIER: dict[str, Any] = {"CreationTime": f"{NOW - timedelta(minutes=30):%Y-%m-%dT%H:%M:%S}"}
LATER: dict[str, Any] = {"CreationTime": f"{NOW - timedelta(hours=3):%Y-%m-%dT%H:%M:%S}"}
QUESTION = AuditQuestion(SINCE, NOW, ("Set-Mailbox", "New-InboxRule"))


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


async def search(to: TenantUnderTest, question: AuditQuestion) -> list[str]:
    """The ids of all that a search finds."""
    begun = await to.tenant.audit_queries.start_query("Exoguard", question)
    assert begun.failures == ()
    (query_id,) = begun.items
    (progress,) = (await to.tenant.audit_queries.read_progress(query_id)).items
    assert progress.state is QueryState.SUCCEEDED
    found = await to.tenant.audit_queries.read_records(query_id, question.operations)
    assert (found.failures, found.complete) == ((), True)
    return sorted(one.record.id for one in found.items)


async def test_records_of_a_time_by_operation_each_once(open_tenant: OpenTenant) -> None:
    records = [
        build_exchange_record("Set-Mailbox", "1", **EARLIER),
        build_exchange_record("Set-Clutter", "2", **EARLIER),
        build_exchange_record("Set-Mailbox", "3", **LATER),
        build_service_record("New-InboxRule", "4", **EARLIER),
        build_exchange_record("New-InboxRule", "5", ResultStatus="False", **EARLIER),
    ]
    async with open_tenant(build_scene(activity=records)) as to:
        assert await search(to, QUESTION) == ["1", "4"]
        assert await to.tenant.audit_queries.is_granted() is True


async def test_what_one_person_did_with_mail(open_tenant: OpenTenant) -> None:
    ann = "ann@contoso.example"
    records = [
        build_mail_record("MailItemsAccessed", "1", **EARLIER),
        build_mail_record("MailItemsAccessed", "2", UserId="bob@contoso.example", **EARLIER),
        build_exchange_record("Set-Mailbox", "3", UserId=ann, **EARLIER),
    ]
    async with open_tenant(build_scene(activity=records)) as to:
        question = AuditQuestion(SINCE, NOW, (), (ann,))
        begun = await to.tenant.audit_queries.start_query("x", question)
        read = await to.tenant.audit_queries.read_records(begun.items[0], ())
        by_id = {one.record.id: one for one in read.items}
        assert by_id.keys() == {"1", "3"}
        assert by_id["3"].mail is None
        mail = by_id["1"].mail
        assert mail is not None
        assert mail.access is MailAccess.BIND
        assert [item.message_id for item in mail.items] == ["<m1@contoso.example>"]
        assert by_id["1"].record.actor.kind is ActorKind.PERSON


async def test_a_search_that_nobody_knows_is_gone(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(activity=[])) as to:
        (progress,) = (await to.tenant.audit_queries.read_progress("q-unknown")).items
        assert progress.state is QueryState.GONE


async def test_what_fails_for_now_may_be_asked_again(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(activity=[])) as to:
        to.fail_read(AUDIT_QUERIES)
        read = await to.tenant.audit_queries.start_query("x", QUESTION)
        failure = read.find_source_failure(AUDIT_QUERIES)
        assert failure is not None
        assert (failure.permission, read.items, read.complete) == ("", (), False)
