"""Searches of the audit log over the wire: versions, limits, refusals, partial pages, odd rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.m365.activity.mail import parse_mail_part
from core.adapters.m365.activity.queries import parse_progress, unwrap_audit_data
from core.microsoft365.assumptions.audit_queries import QUERY_VERSION
from core.microsoft365.permission_risks import AUDIT_QUERY_PERMISSION
from core.tenant.audit_queries import AuditQuestion, MailAccess, QueryState
from core.tenant.probing import AnswerStatus
from core.tenant.sources import UNIFIED_AUDIT_LOG
from sandbox.graph.api import ALL_ROLES
from tests.support.audit_records import (
    SESSION,
    THIEF_APP,
    build_exchange_record,
    build_mail_record,
)
from tests.support.http_recorder import PERSON, Connection, build_scene, connect_directly

NOW = datetime.now(UTC).replace(microsecond=0)
QUESTION = AuditQuestion(NOW - timedelta(days=7), NOW, ("Set-Mailbox",))


def build_records(count: int) -> list[dict[str, Any]]:
    """Records of the last hour, served by now."""
    return [
        build_exchange_record(
            "Set-Mailbox",
            f"r{number}",
            CreationTime=f"{NOW - timedelta(minutes=10, seconds=number):%Y-%m-%dT%H:%M:%S}",
        )
        for number in range(count)
    ]


async def begin(to: Connection) -> str:
    """The id of a search that was begun."""
    read = await to.tenant.audit_queries.start_query("Exoguard", QUESTION)
    assert read.failures == ()
    return read.items[0]


async def read_ids(to: Connection, query_id: str) -> set[str]:
    """The ids of what one reading of a search has."""
    read = await to.tenant.audit_queries.read_records(query_id, QUESTION.operations)
    assert (read.failures, read.complete) == ((), True)
    return {one.record.id for one in read.items}


async def test_doubled_and_unordered_pages_are_read_to_the_last_each_record_once() -> None:
    async with connect_directly(build_scene(activity=build_records(700))) as to:
        assert len(await read_ids(to, await begin(to))) == 700
        lines = [one for one in to.sandbox.requests if one.path.endswith("/records")]
        assert len(lines) > 3


async def test_two_readings_together_have_what_each_leaves_out() -> None:
    scene = build_scene(activity=build_records(60), reality={"graph-audit-query-pages": "partial"})
    async with connect_directly(scene) as to:
        query_id = await begin(to)
        first, second = await read_ids(to, query_id), await read_ids(to, query_id)
        assert 0 < len(first) < 60
        assert len(first | second) == 60


async def test_pages_that_are_lost_leave_what_was_read_and_say_so() -> None:
    async with connect_directly(build_scene(activity=build_records(400))) as to:
        query_id = await begin(to)
        to.sandbox.tenant.set_faults(
            [{"match": "records.*skiptoken", "kind": "error", "status": 503}]
        )
        read = await to.tenant.audit_queries.read_records(query_id, ("Set-Mailbox",))
        assert not read.complete
        assert 0 < len(read.items) < 400
        assert read.failures


@pytest.mark.parametrize(
    ("side", "way"), [("beta-only", "beta"), ("v1-only", "v1.0"), ("both", "beta")]
)
async def test_the_probe_finds_the_version_that_searches(side: str, way: str) -> None:
    scene = build_scene(activity=build_records(1), reality={"graph-audit-query-version": side})
    async with connect_directly(scene) as to:
        outcome = await to.tenant.prober.probe_assumptions(900, 600)
        answer = next(one for one in outcome.answers if one.assumption == QUERY_VERSION.id)
        held = AnswerStatus.HOLDS if way == "beta" else AnswerStatus.DOES_NOT_HOLD
        assert (answer.status, answer.way) == (held, way)
        to.tenant.prober.adopt_ways({QUERY_VERSION.id: way})
        assert await read_ids(to, await begin(to)) == {"r0"}


async def test_a_version_that_does_not_search_is_said_not_to_know_it() -> None:
    scene = build_scene(reality={"graph-audit-query-version": "v1-only"})
    async with connect_directly(scene) as to:
        read = await to.tenant.audit_queries.start_query("x", QUESTION)
        assert read.complete
        assert "HTTP 404" in read.failures[0].reason


async def test_one_search_too_many_is_refused_at_once_and_slows_nothing_else() -> None:
    activity = {"records": build_records(1), "queryMinutes": 60, "queryLimit": 2}
    async with connect_directly(build_scene(activity=activity)) as to:
        for _ in range(2):
            await begin(to)
        before = to.clock.now
        read = await to.tenant.audit_queries.start_query("x", QUESTION)
        assert (read.items, read.complete) == ((), False)
        assert "HTTP 429" in read.failures[0].reason
        asked = [one for one in to.sandbox.requests if one.method == "POST"]
        assert len([one for one in asked if one.path.endswith("queries")]) == 3
        assert to.clock.now == before


@pytest.mark.parametrize("side", ["role", "wider"])
async def test_a_missing_permission_is_named_whatever_its_text(side: str) -> None:
    role = AUDIT_QUERY_PERMISSION if side == "wider" else "User.Read.All"
    scene = build_scene(
        grants={"graph": [role]},
        reality={"graph-audit-query-scope": "wider" if side == "wider" else "exchange"},
    )
    async with connect_directly(scene) as to:
        read = await to.tenant.audit_queries.start_query("x", QUESTION)
        assert read.complete
        assert read.failures[0].permission == AUDIT_QUERY_PERMISSION
        assert await to.tenant.audit_queries.is_granted() is (side == "wider")


async def test_a_wider_role_is_as_good() -> None:
    roles = sorted(ALL_ROLES - {AUDIT_QUERY_PERMISSION})
    async with connect_directly(build_scene(grants={"graph": roles}, activity=[])) as to:
        assert await to.tenant.audit_queries.is_granted() is True
        assert await read_ids(to, await begin(to)) == set()


async def test_a_log_that_is_off_is_told_from_a_missing_permission() -> None:
    async with connect_directly(build_scene(activity={"enabled": False})) as to:
        read = await to.tenant.audit_queries.start_query("x", QUESTION)
        assert read.failures[0].permission == UNIFIED_AUDIT_LOG
        assert read.complete


async def test_a_search_is_running_for_a_while_and_may_fail_or_vanish() -> None:
    activity = {"records": build_records(1), "queryMinutes": 60}
    async with connect_directly(build_scene(activity=activity)) as to:
        query_id = await begin(to)
        states = []
        for minutes, outcome in ((60, ""), (0, "succeeded"), (0, "failed"), (0, "gone")):
            to.sandbox.tenant.scene["activity"] |= {
                "queryMinutes": minutes,
                "queryOutcome": outcome,
            }
            (progress,) = (await to.tenant.audit_queries.read_progress(query_id)).items
            states.append(progress.state)
        assert states == list(QueryState)


async def test_a_search_is_recorded_itself_and_found_by_none_of_ours() -> None:
    async with connect_directly(build_scene(activity=build_records(1))) as to:
        await begin(to)
        assert await read_ids(to, await begin(to)) == {"r0"}
        kept = to.sandbox.tenant.scene["activity"]
        assert [one["Operation"] for one in kept].count("AuditSearchCreated") == 2


# Rows --------------------------------------------------------------------------------------------


SIGN_IN = {
    "CreationTime": f"{NOW - timedelta(minutes=10):%Y-%m-%dT%H:%M:%S}",
    "Id": "u1",
    "Operation": "UserLoggedIn",
    "RecordType": 15,
    "ResultStatus": "Success",
    "UserType": 0,
    "UserId": "ann@contoso.example",
    "ActorIpAddress": "203.0.113.9",
    "Actor": [{"ID": PERSON, "Type": 0}, {"ID": "ann@contoso.example", "Type": 5}],
    "Target": [{"ID": THIEF_APP, "Type": 0}],
    "DeviceProperties": [{"Name": "SessionId", "Value": SESSION}],
    "ExtendedProperties": [{"Name": "UserAgent", "Value": "python-requests"}],
}


async def test_of_an_account_its_sign_ins_are_found_as_well_which_need_no_licence() -> None:
    whole = AuditQuestion(NOW - timedelta(days=1), NOW, (), ("ann@contoso.example",))
    async with connect_directly(build_scene(activity=[SIGN_IN])) as to:
        started = await to.tenant.audit_queries.start_query("Exoguard", whole)
        read = await to.tenant.audit_queries.read_records(started.items[0], whole.operations)
        (found,) = (one.record for one in read.items)
        assert (found.actor.id, found.address, found.session, found.client) == (
            PERSON,
            "203.0.113.9",
            SESSION,
            "python-requests",
        )
        named = await to.tenant.audit_queries.read_records(started.items[0], ("UserLoggedIn",))
        assert named.items == ()


def test_a_record_is_its_audit_data_as_an_object_or_as_text() -> None:
    data = {"@odata.type": "#x", "Operation": "Set-Mailbox", "Id": "1", "ClientIP": "203.0.113.1"}
    row = {"id": "row", "userId": "1003", "clientIp": None, "auditData": data}
    assert unwrap_audit_data(row)["ClientIP"] == "203.0.113.1"
    assert unwrap_audit_data({"id": "row", "auditData": '{"Operation": "X"}'})["Id"] == "row"
    for odd in ("[1]", "{", 7, None, "1" * 500_000):
        assert unwrap_audit_data({"id": "row", "operation": "X", "auditData": odd}) == {
            "Id": "row",
            "Operation": "X",
        }


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("notStarted", QueryState.RUNNING),
        ("succeeded", QueryState.SUCCEEDED),
        ("cancelled", QueryState.FAILED),
        ("somethingNew", QueryState.RUNNING),
        (None, QueryState.RUNNING),
    ],
)
def test_a_status_that_nobody_knows_is_waited_for(status: str | None, state: QueryState) -> None:
    assert parse_progress({"status": status}).state is state
    assert parse_progress({"status": status, "isRecordCountLimitReached": True}).is_cut


# Mail --------------------------------------------------------------------------------------------


def test_single_messages_are_told_from_whole_folders_and_lost_records_are_said() -> None:
    bind = parse_mail_part(build_mail_record("MailItemsAccessed"))
    assert bind is not None
    assert (bind.access, bind.is_throttled) == (MailAccess.BIND, False)
    assert [(item.message_id, item.folder) for item in bind.items] == [
        ("<m1@contoso.example>", "\\Inbox")
    ]
    sync = parse_mail_part(
        build_mail_record(
            "MailItemsAccessed",
            OperationProperties=[
                {"Name": "MailAccessType", "Value": "Sync"},
                {"Name": "IsThrottled", "Value": "True"},
            ],
            Folders=[],
            Item={"ParentFolder": {"Path": "\\Inbox"}},
        )
    )
    assert sync is not None
    assert (sync.access, sync.is_throttled, sync.folders) == (MailAccess.SYNC, True, ("\\Inbox",))
    odd = parse_mail_part(build_mail_record("MailItemsAccessed", OperationProperties=None))
    assert odd is not None
    assert odd.access is MailAccess.UNKNOWN


def test_what_was_sent_has_its_subject_and_its_recipients_as_far_as_they_are_told() -> None:
    sent = parse_mail_part(
        build_mail_record(
            "Send",
            Folders=None,
            Item={"Subject": "invoice", "InternetMessageId": "<m2@contoso.example>"},
            recipientList=["a@x.example", "b@y.example"],
            recipientCount="1500",
        )
    )
    assert sent is not None
    assert (sent.access, sent.items[0].subject) == (MailAccess.SENT, "invoice")
    assert sent.recipients == ("a@x.example", "b@y.example")
    assert sent.left_out == 1_498


def test_attachments_are_named_however_they_are_told() -> None:
    for told in ([{"Name": "a.pdf"}], ["a.pdf"], "a.pdf", {"AttachmentName": "a.pdf"}):
        part = parse_mail_part(
            build_mail_record(
                "AttachmentAccess",
                Folders=[{"Path": "\\Inbox", "FolderItems": [{"Attachments": told}]}],
            )
        )
        assert part is not None
        assert part.access is MailAccess.ATTACHMENT
        assert [item.attachments for item in part.items] == [("a.pdf",)]


@pytest.mark.parametrize(
    "more",
    [
        {"Folders": "x"},
        {"Folders": [None, 7, {"FolderItems": {"InternetMessageId": 5}}]},
        {"OperationProperties": {"Name": "MailAccessType"}},
        {"recipientList": {"a": 1}, "recipientCount": -5},
        {"Folders": [{"FolderItems": [{"InternetMessageId": "<x>" * 1_000}] * 5_000}]},
    ],
)
def test_odd_records_of_mail_are_bounded_and_break_nothing(more: dict[str, Any]) -> None:
    part = parse_mail_part(build_mail_record("MailItemsAccessed", **more))
    assert part is not None
    assert len(part.items) <= 200
    assert all(len(item.message_id) <= 320 for item in part.items)
    assert part.left_out >= 0


def test_what_is_about_no_mail_says_nothing_of_it() -> None:
    assert parse_mail_part(build_exchange_record("Set-Mailbox")) is None
