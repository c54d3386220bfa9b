"""Throttling: concurrent requests, and requests in a time window."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from sandbox.faults.throttling import ThrottleLimit
from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import MIA, ROOM, TenantClient

USER = f"/users/{MIA}?$select=id"
RULES = "/users/{}/mailFolders/inbox/messageRules"
OWN_RULES = RULES.format(MIA)
# Long enough for requests that are sent together to be under way together.
TOGETHER = 0.3


def asked(urls: Iterable[str]) -> list[dict[str, str]]:
    return [
        {"id": str(number), "method": "GET", "url": url} for number, url in enumerate(urls, start=1)
    ]


async def statuses(client: TenantClient, *urls: str) -> list[int]:
    """The statuses of a batch of reads, in the order asked."""
    answers = await client.send_batch(*asked(urls))
    return [answers[each["id"]]["status"] for each in asked(urls)]


async def commands(client: TenantClient, *mailboxes: str) -> list[dict[str, Any]]:
    """The answers to a batch of Get-InboxRule, in the order asked."""
    parts = [
        {
            "id": str(number),
            "method": "POST",
            "url": "InvokeCommand",
            "body": {"CmdletInput": {"CmdletName": "Get-InboxRule", "Parameters": {"Mailbox": on}}},
        }
        for number, on in enumerate(mailboxes)
    ]
    reply = await client.request("POST", client.build_admin_url("$batch"), {"requests": parts})
    return sorted(reply.body["responses"], key=lambda answer: str(answer["id"]))


# At once ----------------------------------------------------------------------------------------


async def test_inner_requests_count_one_by_one_against_the_whole_app(start: StartTenant) -> None:
    limit = {"kind": "limit", "service": "graph", "atOnce": 2, "per": "app"}
    async with start(latency=0.01, faults=limit) as client:
        answers = await client.send_batch(*asked([USER] * 5))
        again = await statuses(client, USER, USER)
    assert Counter(answer["status"] for answer in answers.values()) == {200: 2, 429: 3}
    refused = next(answer for answer in answers.values() if answer["status"] == 429)
    assert refused["headers"]["Retry-After"] == "1"
    error = refused["body"]["error"]
    assert (error["code"], "MailboxConcurrency" in error["message"]) == (
        "ApplicationThrottled",
        True,
    )
    # The places of those that are answered are free again.
    assert again == [200, 200]


async def test_requests_by_themselves_count_too(start: StartTenant) -> None:
    limit = {"kind": "limit", "atOnce": 1, "retryAfter": 4}
    async with start(latency=TOGETHER, faults=limit) as client:
        replies = await asyncio.gather(client.get(USER), client.get(USER), client.get(USER))
    assert sorted(reply.status for reply in replies) == [200, 429, 429]
    assert {reply.headers.get("Retry-After") for reply in replies} == {None, "4"}


async def test_a_batch_takes_no_place_but_those_of_its_requests(start: StartTenant) -> None:
    async with start(latency=0.01, faults={"kind": "limit", "atOnce": 1}) as client:
        assert await statuses(client, USER) == [200]


@pytest.mark.parametrize(("inner", "single", "together"), [(True, 200, 429), (False, 429, 200)])
async def test_a_limit_can_be_for_inner_requests_or_for_the_others(
    start: StartTenant, inner: bool, single: int, together: int
) -> None:
    async with start(faults={"kind": "limit", "atOnce": 0, "inner": inner}) as client:
        assert (await client.get(USER)).status == single
        assert await statuses(client, USER) == [together]


async def test_a_limit_holds_only_for_what_it_matches(start: StartTenant) -> None:
    limits = [
        {"kind": "limit", "service": "graph", "match": "messageRules", "atOnce": 0},
        {"kind": "limit", "service": "exchange", "atOnce": 0, "match": "^Get-InboxRule"},
    ]
    async with start(faults=limits) as client:
        assert await statuses(client, OWN_RULES, USER) == [429, 200]
        assert (await client.run_cmdlet("Get-InboxRule", Mailbox="mia")).status == 429
        assert (await client.run_cmdlet("Get-Mailbox")).status == 200


async def test_each_mailbox_has_a_limit_of_its_own_whatever_it_is_called(
    start: StartTenant,
) -> None:
    limit = {"kind": "limit", "atOnce": 1, "per": "mailbox"}
    async with start(latency=0.01, faults=limit) as client:
        # The account by its id and by its name is the same mailbox; a directory read has none.
        urls = [OWN_RULES, RULES.format("mia@contoso.example"), RULES.format(ROOM), USER]
        seen = await statuses(client, *urls)
        answers = await commands(client, "mia", "room-4", "mia@contoso.example")
    assert seen == [200, 429, 200, 200]
    assert [answer["status"] for answer in answers] == [200, 200, 429]


async def test_graph_takes_four_requests_at_once_to_a_mailbox_without_any_table(
    start: StartTenant,
) -> None:
    async with start(latency=TOGETHER) as client:
        replies = await asyncio.gather(*(client.get(OWN_RULES) for _ in range(6)))
    assert Counter(reply.status for reply in replies) == {200: 4, 429: 2}


async def test_a_batch_sends_four_at_a_time_to_outlook_so_that_four_are_enough(
    start: StartTenant,
) -> None:
    async with start(latency=0.01, faults={"kind": "limit", "atOnce": 4}) as client:
        assert set(await statuses(client, *[OWN_RULES, RULES.format(ROOM)] * 10)) == {200}


async def test_exchange_refuses_commands_as_it_does_with_its_budget_told(
    start: StartTenant,
) -> None:
    async with start(faults={"kind": "limit", "service": "exchange", "atOnce": 1}) as client:
        first, second = await commands(client, "mia", "room-4")
    assert (first["status"], second["status"]) == (200, 429)
    assert second["headers"]["Retry-After"] == "1"
    assert "Rate-Limit-Remaining" in second["headers"]
    assert second["body"]["error"]["code"] == "ApplicationThrottled"


async def test_a_refused_request_changes_nothing_and_is_noted(start: StartTenant) -> None:
    async with start(faults={"kind": "limit", "atOnce": 0}) as client:
        reply = await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
        assert reply.status == 429
        assert client.sandbox.writes == []
        assert client.sandbox.requests[-1].status == 429


async def test_skip_and_times_count_what_would_be_refused(start: StartTenant) -> None:
    async with start(faults={"kind": "limit", "atOnce": 0, "skip": 1, "times": 2}) as client:
        seen = [(await client.get(USER)).status for _ in range(5)]
        assert seen == [200, 429, 429, 200, 200]
        assert client.sandbox.tenant.faults.rows[0].strike_count == 2


# In a window ------------------------------------------------------------------------------------


async def test_what_exceeds_a_window_is_told_when_it_ends(start: StartTenant) -> None:
    async with start(faults={"kind": "limit", "window": 3600, "most": 3}) as client:
        assert await statuses(client, USER, OWN_RULES) == [200, 200]
        assert (await client.run_cmdlet("Get-Mailbox")).status == 200
        refused = await client.get(USER)
        client.sandbox.end_windows()
        again = await client.get(USER)
    assert refused.status == 429
    assert 3000 < int(refused.headers["Retry-After"]) <= 3600
    assert "RequestRate" in refused.body["error"]["message"]
    assert again.status == 200


def admitted(limit: ThrottleLimit, times: Iterable[float]) -> list[bool]:
    return [limit.enter("app", now) == 0 for now in times]


def test_a_window_begins_with_the_first_request_and_another_follows_it() -> None:
    limit = ThrottleLimit(window=10, max_requests=2)
    assert admitted(limit, [100, 101, 109.9, 110, 119, 119.5, 120]) == [
        *(True, True, False),
        *(True, True, False),
        True,
    ]
    assert limit.enter("app", 121) == 0
    assert limit.enter("app", 123) == 7


def test_refused_requests_count_only_where_the_limit_says_so() -> None:
    hammering = [*range(8), 10, 11, 20]
    assert admitted(ThrottleLimit(window=10, max_requests=2), hammering)[-3:] == [True, True, True]
    # Six too many: three windows of two are paid for with them before one is free again.
    strict = ThrottleLimit(window=10, max_requests=2, counts_refused=True)
    assert admitted(strict, [*range(8), 39]) == [True, True, *[False] * 6, False]
    assert admitted(strict, [60]) == [True]


def test_every_mailbox_has_windows_of_its_own() -> None:
    limit = ThrottleLimit(window=10, max_requests=1)
    seen = [limit.enter(key, now) == 0 for key, now in (("a", 0), ("b", 5), ("a", 10), ("b", 10))]
    assert seen == [True, True, True, False]


# The table --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"atOnce": 4, "window": 10, "most": 5},
        {"window": 10},
        {"most": 10},
        {"atOnce": -1},
        {"window": 0, "most": 1},
        {"atOnce": 4, "per": "planet"},
    ],
)
async def test_a_limit_that_says_nothing_or_two_things_is_refused(
    client: TenantClient, wire: dict[str, Any]
) -> None:
    reply = await client.request("POST", "/sandbox/faults", {"kind": "limit", **wire})
    assert reply.status == 400
    assert (await client.get(USER)).status == 200
