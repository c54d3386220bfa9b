"""The audit logs over the wire: pages in headers, throttling as 403, addresses that lead away."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from core.adapters.graph.client import GraphClient
from core.adapters.m365.activity.read import M365ActivityReader, WantedOperations, mentions_any
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.permission_risks import FEED_PERMISSION
from core.tenant.activity import ActivityContent, ActivityLog
from core.tenant.sources import ACTIVITY_FEED, UNIFIED_AUDIT_LOG
from tests.support.audit_records import build_exchange_record
from tests.support.http_recorder import ROOM, Connection, build_scene, connect_directly

NOW = datetime.now(UTC).replace(microsecond=0)
WINDOW = (ActivityLog.EXCHANGE, NOW - timedelta(hours=2), NOW + timedelta(minutes=1))


def build_records(count: int) -> list[dict[str, Any]]:
    """Records of the last hours, served by now."""
    return [
        build_exchange_record(
            "Set-Mailbox",
            f"r{number}",
            CreationTime=f"{NOW - timedelta(minutes=10, seconds=number):%Y-%m-%dT%H:%M:%S}",
        )
        for number in range(count)
    ]


@asynccontextmanager
async def subscribe(**parts: Any) -> AsyncIterator[Connection]:
    """A tenant whose log of Exchange is subscribed to."""
    async with connect_directly(build_scene(**parts)) as to:
        begun = await to.tenant.activity.list_content(*WINDOW)
        assert (begun.items, begun.failures, begun.complete) == ((), (), False)
        yield to


async def test_odd_addresses_are_not_followed_and_every_page_is_read() -> None:
    odd = {"activity-content-uri": "elsewhere", "activity-next-page": "elsewhere"}
    records = {"records": build_records(230), "perBlob": 1}
    async with subscribe(activity=records, reality=odd) as to:
        listed = await to.tenant.activity.list_content(*WINDOW)
        assert len({one.id for one in listed.items}) == 230
        read = await to.tenant.activity.read_content(
            ActivityLog.EXCHANGE, listed.items[0], ["Set-Mailbox"]
        )
        assert len(read.items) == 1


@pytest.mark.parametrize(
    "sides",
    [
        {"activity-record-form": "text"},
        {"activity-session": "property"},
        {"activity-session": "none"},
    ],
    ids=str,
)
async def test_records_tell_the_same_in_each_of_their_forms(sides: dict[str, str]) -> None:
    told = []
    for reality in ({}, sides):
        async with subscribe(activity=build_records(2), reality=reality) as to:
            listed = await to.tenant.activity.list_content(*WINDOW)
            read = await to.tenant.activity.read_content(
                ActivityLog.EXCHANGE, listed.items[0], ["Set-Mailbox"]
            )
            assert read.failures == ()
            told.append([replace(one, session="") for one in read.items])
            has_session = reality.get("activity-session") != "none"
            assert {bool(one.session) for one in read.items} == {has_session}
    assert told[0] == told[1]


async def test_a_403_that_throttles_is_tried_again() -> None:
    throttled = {"service": "activity", "kind": "error", "status": 403, "code": "AF429", "times": 2}
    async with subscribe(activity=build_records(1)) as to:
        to.sandbox.tenant.set_faults([throttled])
        listed = await to.tenant.activity.list_content(*WINDOW)
        assert (len(listed.items), listed.failures) == (1, ())
        assert to.clock.now > 0


async def test_one_blob_that_is_gone_or_refused_is_a_gap_of_its_own() -> None:
    async with subscribe(activity={"records": build_records(2), "perBlob": 1}) as to:
        listed = await to.tenant.activity.list_content(*WINDOW)
        first, second = listed.items
        gone = ActivityContent("never$there", NOW, NOW)
        for content, fault in ((gone, []), (first, [{"match": "audit/", "status": 403}])):
            to.sandbox.tenant.set_faults(fault)
            read = await to.tenant.activity.read_content(
                ActivityLog.EXCHANGE, content, ["Set-Mailbox"]
            )
            assert [one.object_id for one in read.failures] == [content.id]
        # Throttling and an outage say nothing of the content.
        for status in (429, 503):
            outage = {"match": "audit/", "kind": "error", "status": status}
            to.sandbox.tenant.set_faults([outage])
            read = await to.tenant.activity.read_content(
                ActivityLog.EXCHANGE, first, ["Set-Mailbox"]
            )
            assert [one.object_id for one in read.failures] == [""]
        to.sandbox.tenant.set_faults([])
        read = await to.tenant.activity.read_content(ActivityLog.EXCHANGE, second, ["Set-Mailbox"])
        assert read.failures == ()


@pytest.mark.parametrize(
    ("parts", "permission"),
    [
        ({"grants": {"management": []}}, FEED_PERMISSION),
        ({"activity": {"enabled": False}}, UNIFIED_AUDIT_LOG),
    ],
)
async def test_what_is_missing_is_named(parts: dict[str, Any], permission: str) -> None:
    async with connect_directly(build_scene(**parts), attempts=1) as to:
        listed = await to.tenant.activity.list_content(*WINDOW)
        failure = listed.find_source_failure(ACTIVITY_FEED)
        assert failure is not None
        assert failure.permission == permission
        assert await to.tenant.activity.is_feed_granted() is (permission != FEED_PERMISSION)


async def test_an_account_that_is_enabled_is_named_and_a_dead_token_begins_anew() -> None:
    path = f"/graph/users/{ROOM}/accountEnabled"
    async with connect_directly(build_scene(), attempts=1) as to:
        (begun,) = (await to.tenant.activity.read_changed_accounts("")).items
        edit = {"edit": [{"op": "set", "path": path, "value": False}]}
        to.sandbox.tenant.apply_patch(edit)
        (changed,) = (await to.tenant.activity.read_changed_accounts(begun.link)).items
        assert (changed.ids, changed.has_restarted) == ((ROOM,), False)
        to.sandbox.tenant.apply_patch({"reality": {"graph-delta-token": "dies"}})
        (anew,) = (await to.tenant.activity.read_changed_accounts(changed.link)).items
        assert (anew.ids, anew.has_restarted) == ((), True)
        assert anew.link.startswith("/users/delta?")


async def test_a_link_that_is_not_understood_any_more_begins_anew_and_an_outage_does_not() -> None:
    async with connect_directly(build_scene(), attempts=1) as to:
        (begun,) = (await to.tenant.activity.read_changed_accounts("")).items
        fault = {"match": "users/delta", "kind": "error", "status": 400, "times": 1}
        to.sandbox.tenant.set_faults([fault])
        (anew,) = (await to.tenant.activity.read_changed_accounts(begun.link)).items
        assert (anew.ids, anew.has_restarted) == ((), True)
        assert anew.link.startswith("/users/delta?")
        to.sandbox.tenant.set_faults([{**fault, "status": 503}])
        assert (await to.tenant.activity.read_changed_accounts(anew.link)).failures


async def test_hostile_answers_are_failures() -> None:
    async with subscribe(activity=build_records(1)) as to:
        listed = await to.tenant.activity.list_content(*WINDOW)
        for kind in ("html", "empty", "truncate", "deep", "wrongBody", "drop"):
            to.sandbox.tenant.set_faults([{"service": "activity", "kind": kind, "status": 200}])
            read = await to.tenant.activity.read_content(
                ActivityLog.EXCHANGE, listed.items[0], ["Set-Mailbox"]
            )
            assert read.failures, kind
            assert read.items == ()


def test_a_content_is_looked_through_by_the_names_of_operations_in_any_spelling() -> None:
    wanted = WantedOperations.of(["Set-Mailbox", "Update application*"])
    secret = "Update application \u2013 Certificates and secrets management "
    assert wanted.includes(normalize_operation(secret))
    for body in (
        b'[{"Operation":"Set-Mailbox"}]',
        b'[{"operation" : "set-mailbox"}]',
        json.dumps([{"Operation": secret}]).encode(),
        json.dumps([{"Operation": secret}], ensure_ascii=False).encode(),
    ):
        assert mentions_any(body, wanted)
    for body in (b'[{"Operation":"Set-MailboxPlan"}]', b'[{"Name":"Set-Mailbox"}]', b"[]"):
        assert not mentions_any(body, wanted)


@dataclass(slots=True)
class OneDelta:
    """A connection to Graph that has one page of changed accounts."""

    rows: object
    max_pages: int = 1

    async def get(self, path: str, permission: str) -> Mapping[str, object]:
        return {"value": self.rows, "@odata.deltaLink": "/users/delta?$deltatoken=next"}

    def get_next_path(self, answer: Mapping[str, object]) -> str:
        return str(answer.get("@odata.nextLink") or "")


@pytest.mark.parametrize(
    ("rows", "ids", "has_restarted"),
    [
        ([{"id": "u1"}, {"id": "u1"}], ("u1",), False),
        ([{"id": "u1"}, {"id": None}], ("u1",), True),
        ([{"id": "u1"}, "u2"], ("u1",), True),
    ],
)
async def test_after_a_row_of_nobody_knows_whom_any_account_may_have_changed(
    rows: list[object], ids: tuple[str, ...], has_restarted: bool
) -> None:
    reader = M365ActivityReader(cast(GraphClient, OneDelta(rows)), None)
    (changed,) = (await reader.read_changed_accounts("/users/delta?$deltatoken=old")).items
    assert (changed.ids, changed.has_restarted) == (ids, has_restarted)


async def test_a_page_that_lists_nothing_at_all_is_no_page_without_changes() -> None:
    reader = M365ActivityReader(cast(GraphClient, OneDelta(None)), None)
    assert (await reader.read_changed_accounts("/users/delta?$deltatoken=old")).failures
