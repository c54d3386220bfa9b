"""Tokens that end, are not taken, or are not given, in the middle of a run and for ever.

One new token serves all calls that need one, a challenge is answered once, and a token endpoint
that asks to wait is left alone. An app that is shut out says so and concludes nothing.
"""

from base64 import b64encode
from typing import Any

import pytest

from core.model.guards import Mode
from tests.resilience.generators.small_tenant import build_small_tenant
from tests.resilience.generators.staged import open_harness
from tests.support.builders import FORWARDING_CONFIG, SIGN_IN_CONFIG

CLAIMS = b64encode(b'{"access_token":{"nbf":{"essential":true,"value":"1"}}}').decode()
CHALLENGE = {
    "WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", ' + f'claims="{CLAIMS}"'
}


@pytest.mark.parametrize("service", ["graph", "exchange"])
@pytest.mark.parametrize("headers", [{}, CHALLENGE], ids=["expired", "challenged"])
async def test_a_token_that_ends_in_the_middle_of_a_run_costs_one_more(
    service: str, headers: dict[str, str]
) -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG, over_http=True) as stage:
        first = await stage.run_guard()
        quiet = len(stage.sandbox.find_received("entra"))
        fault = {"service": service, "status": 401, "skip": 1, "times": 1, "headers": headers}
        report = await stage.run_guard(fault)
        assert stage.sandbox.fault_count == 1
        assert (report.status, report.unread_count, report.unavailable_sources) == (
            "done",
            0,
            first.unavailable_sources,
        )
        # A token for each service as in any run, and the new one.
        assert len(stage.sandbox.find_received("entra")) <= 2 * quiet + 2


@pytest.mark.parametrize("headers", [{}, CHALLENGE], ids=["refused", "challenged"])
async def test_tokens_that_are_never_taken_do_not_flood_the_one_who_gives_them(
    headers: dict[str, str],
) -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG, over_http=True) as stage:
        stage.range_size = 5
        await stage.run_guard()
        known, quiet = set(await stage.get_open_cases()), len(stage.sandbox.find_received("entra"))
        report = await stage.run_guard({"service": "graph", "status": 401, "headers": headers})
        assert len(stage.sandbox.faulted) >= 6
        assert len(stage.sandbox.find_received("entra")) - quiet <= quiet + 4
        assert "inbox-rules" in report.unavailable_sources
        assert known <= (await stage.get_open_cases()).keys()


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
    async with open_harness(
        build_small_tenant(), SIGN_IN_CONFIG, Mode.ENFORCE, over_http=True
    ) as stage:
        await stage.run_guard()
        known, before = set(await stage.get_open_cases()), len(stage.sandbox.find_received("entra"))
        cards = len(stage.sandbox.cards)
        report = await stage.run_guard({"service": "entra", **fault})
        assert 1 <= len(stage.sandbox.find_received("entra")) - before <= most
        assert report.unavailable_sources == ("credential",)
        assert known <= (await stage.get_open_cases()).keys()
        assert (stage.sandbox.writes, len(stage.sandbox.cards)) == ([], cards)
        # It is news when it lasts, and then it is told once.
        await stage.run_guard({"service": "entra", **fault})
        await stage.run_guard({"service": "entra", **fault})
        await stage.run_guard({"service": "entra", **fault})
        assert len(stage.sandbox.cards) == cards + 1
        assert "cannot sign in" in str(stage.sandbox.cards[-1])
        assert len((await stage.run_guard()).outcomes) == 3


async def test_a_credential_that_is_refused_is_told_at_once() -> None:
    refused: dict[str, Any] = {
        "kind": "wrongBody",
        "status": 401,
        "body": {"error": "invalid_client", "error_description": "AADSTS7000222: expired"},
    }
    async with open_harness(build_small_tenant(), SIGN_IN_CONFIG, over_http=True) as stage:
        await stage.run_guard()
        cards = len(stage.sandbox.cards)
        await stage.run_guard({"service": "entra", **refused})
        assert len(stage.sandbox.cards) == cards + 1
        assert "expired" in str(stage.sandbox.cards[-1])


async def test_consent_that_is_withdrawn_in_the_middle_of_a_run_is_told_and_ends_no_case() -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG, over_http=True) as stage:
        stage.range_size = 5
        await stage.run_guard()
        known, cards = set(await stage.get_open_cases()), len(stage.sandbox.cards)
        fault = {"service": "graph", "status": 403, "inner": True, "skip": 10}
        report = await stage.run_guard(fault)
        assert report.status == "done"
        assert known <= (await stage.get_open_cases()).keys()
        assert len(stage.sandbox.cards) == cards + 1
        assert "MailboxSettings.Read" in str(stage.sandbox.cards[-1])
        assert set((await stage.get_open_cases()).keys()) > known
        await stage.run_guard()
        assert set(await stage.get_open_cases()) == known
