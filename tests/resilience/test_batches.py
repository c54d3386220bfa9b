"""Batches whose replies are missing, doubled, renamed, empty or mixed with refusals.

Every id that was asked is answered exactly once, by its own object or by an error: never by
nothing, never by somebody else's. Held at Graph and at Exchange, over HTTP.
"""

from typing import Any

import pytest

from core.adapters.exchange.command import Command
from core.errors import Forbidden, NotFound, TenantError, Unavailable
from tests.resilience.generators.small_tenant import (
    PERSON_IDS,
    build_mailbox_guid,
    build_small_tenant,
)
from tests.support.http_recorder import collect_batch_answers, connect_sandbox

HOW = ("missing", "twice", "renamed", "padded", "null", "text")
ASKED = {one: f"/users/{one}?$select=id" for one in PERSON_IDS}
COMMANDS = [
    Command("Get-Mailbox", {"Identity": build_mailbox_guid(one)}) for one in PERSON_IDS[:15]
]


def mixing(service: str, how: str, **more: Any) -> dict[str, Any]:
    """The first three replies of each batch are made worse."""
    return {"service": service, "kind": "replies", "match": "batch", "how": how, "many": 3, **more}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("times", [1, None], ids=["once", "for ever"])
async def test_graph_answers_for_everyone_or_says_for_whom_it_did_not(
    how: str, times: int | None
) -> None:
    fault = mixing("graph", how, **({"times": times} if times else {}))
    async with connect_sandbox(build_small_tenant() | {"faults": [fault]}, attempts=3) as to:
        answers = await collect_batch_answers(to.graph.get_batch, ASKED)
        right = {key for key, answer in answers.items() if isinstance(answer, dict)}
        assert all(answers[key]["id"] == key for key in right)
        assert all(isinstance(answers[key], Unavailable) for key in ASKED.keys() - right)
        # A number may be written with a nought before it: it is the same number.
        whole = times is not None or how == "padded"
        assert (right == ASKED.keys()) is whole
        assert len(right) >= 3


@pytest.mark.parametrize("how", HOW)
async def test_exchange_answers_for_everyone_or_says_for_whom_it_did_not(how: str) -> None:
    async with connect_sandbox(
        build_small_tenant() | {"faults": [mixing("exchange", how)]}, attempts=3
    ) as to:
        outcomes = await to.exchange.invoke_batch(COMMANDS)
        assert len(outcomes) == len(COMMANDS)
        for one, outcome in zip(PERSON_IDS, outcomes, strict=False):
            if isinstance(outcome, TenantError):
                assert isinstance(outcome, Unavailable)
            else:
                assert [row["ExternalDirectoryObjectId"] for row in outcome] == [one]
        failed = sum(isinstance(outcome, TenantError) for outcome in outcomes)
        assert (failed > 0) is (how != "padded")


async def test_each_refusal_in_a_batch_is_that_ones_alone() -> None:
    statuses = {429: Unavailable, 403: Forbidden, 404: NotFound, 424: Unavailable, 503: Unavailable}
    faults = [
        {"service": "graph", "inner": True, "match": PERSON_IDS[number], "status": status}
        for number, status in enumerate(statuses)
    ]
    async with connect_sandbox(build_small_tenant() | {"faults": faults}, attempts=2) as to:
        answers = await collect_batch_answers(to.graph.get_batch, ASKED)
    for number, kind in enumerate(statuses.values()):
        assert type(answers[PERSON_IDS[number]]).__mro__.count(kind) == 1
    assert all(isinstance(answers[one], dict) for one in PERSON_IDS[len(statuses) :])
