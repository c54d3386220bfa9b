"""Tokens that end, are not taken, or are not given, in the middle of a run and for ever.

One new token serves all calls that need one, a challenge is answered once, and a token endpoint
that asks to wait is left alone. An app that is shut out says so and concludes nothing.
"""

from base64 import b64encode
from typing import Any

import pytest

from core.model.guards import Mode
from tests.resilience.generators.small_tenant import small
from tests.resilience.generators.staged import staged
from tests.support.builders import FORWARDING, SIGN_IN

CLAIMS = b64encode(b'{"access_token":{"nbf":{"essential":true,"value":"1"}}}').decode()
CHALLENGE = {
    "WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", ' + f'claims="{CLAIMS}"'
}


@pytest.mark.parametrize("service", ["graph", "exchange"])
@pytest.mark.parametrize("headers", [{}, CHALLENGE], ids=["expired", "challenged"])
async def test_a_token_that_ends_in_the_middle_of_a_run_costs_one_more(
    service: str, headers: dict[str, str]
) -> None:
    async with staged(small(), FORWARDING) as stage:
        first = await stage.tick()
        quiet = len(stage.box.came("entra"))
        fault = {"service": service, "status": 401, "skip": 1, "times": 1, "headers": headers}
        report = await stage.tick(fault)
        assert len(stage.box.struck) == 1
        assert (report.status, report.unread, report.blind) == ("done", 0, first.blind)
        # A token for each service as in any run, and the new one.
        assert len(stage.box.came("entra")) <= 2 * quiet + 2


@pytest.mark.parametrize("headers", [{}, CHALLENGE], ids=["refused", "challenged"])
async def test_tokens_that_are_never_taken_do_not_flood_the_one_who_gives_them(
    headers: dict[str, str],
) -> None:
    async with staged(small(), FORWARDING) as stage:
        stage.slice_size = 5
        await stage.tick()
        known, quiet = set(await stage.open()), len(stage.box.came("entra"))
        report = await stage.tick({"service": "graph", "status": 401, "headers": headers})
        assert len(stage.box.struck) >= 6
        assert len(stage.box.came("entra")) - quiet <= quiet + 4
        assert "inbox-rules" in report.blind
        assert known <= (await stage.open()).keys()


SHUT: dict[str, tuple[dict[str, Any], int]] = {
    "throttled": ({"kind": "throttle", "retryAfter": 200}, 1),
    "throttled briefly": ({"kind": "throttle", "retryAfter": 5}, 9),
    "broken": ({"kind": "error", "status": 500}, 3),
    "a page of HTML": ({"kind": "html", "status": 200}, 3),
    "nothing": ({"kind": "empty"}, 3),
    "a reset": ({"kind": "drop"}, 3),
}


@pytest.mark.parametrize("trouble", SHUT)
async def test_who_gets_no_token_for_the_moment_asks_a_few_times_and_concludes_nothing(
    trouble: str,
) -> None:
    fault, most = SHUT[trouble]
    async with staged(small(), SIGN_IN, Mode.ENFORCE) as stage:
        await stage.tick()
        known, before = set(await stage.open()), len(stage.box.came("entra"))
        cards = len(stage.box.cards)
        report = await stage.tick({"service": "entra", **fault})
        assert 1 <= len(stage.box.came("entra")) - before <= most
        assert report.blind == ("credential",)
        assert known <= (await stage.open()).keys()
        assert (stage.box.writes, len(stage.box.cards)) == ([], cards)
        # It is news when it lasts, and then it is told once.
        await stage.tick({"service": "entra", **fault})
        await stage.tick({"service": "entra", **fault})
        await stage.tick({"service": "entra", **fault})
        assert len(stage.box.cards) == cards + 1
        assert "cannot sign in" in str(stage.box.cards[-1])
        assert len((await stage.tick()).outcomes) == 3


async def test_a_credential_that_is_refused_is_told_at_once() -> None:
    refused: dict[str, Any] = {
        "kind": "wrongBody",
        "status": 401,
        "body": {"error": "invalid_client", "error_description": "AADSTS7000222: expired"},
    }
    async with staged(small(), SIGN_IN) as stage:
        await stage.tick()
        cards = len(stage.box.cards)
        await stage.tick({"service": "entra", **refused})
        assert len(stage.box.cards) == cards + 1
        assert "expired" in str(stage.box.cards[-1])


async def test_consent_that_is_withdrawn_in_the_middle_of_a_run_is_told_and_ends_no_case() -> None:
    async with staged(small(), FORWARDING) as stage:
        stage.slice_size = 5
        await stage.tick()
        known, cards = set(await stage.open()), len(stage.box.cards)
        fault = {"service": "graph", "status": 403, "inner": True, "skip": 10}
        report = await stage.tick(fault)
        assert report.status == "done"
        assert known <= (await stage.open()).keys()
        assert len(stage.box.cards) == cards + 1
        assert "MailboxSettings.Read" in str(stage.box.cards[-1])
        assert set((await stage.open()).keys()) > known
        await stage.tick()
        assert set(await stage.open()) == known
