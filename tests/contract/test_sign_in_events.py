"""Single sign-ins: both tenants show the same of a log, and what it refuses is a detail."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.m365 import sign_in_events
from core.tenant.directory import SignInEvent, SignInKind
from core.tenant.sources import SIGN_IN_EVENTS
from tests.support.http_recorder import build_scene, connect_sandbox
from tests.support.tenants import OPENERS

PERSON = "11111111-0000-4000-8000-000000000001"
SINCE = datetime.now(UTC) - timedelta(days=1)


def row(number: int, error: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "createdDateTime": (SINCE + timedelta(hours=number)).isoformat().replace("+00:00", "Z"),
        "userId": PERSON,
        "userPrincipalName": "ann@contoso.example",
        "appId": "29d9ed98-a469-4536-ade2-f981bc1d605e",
        "appDisplayName": "Broker",
        "clientAppUsed": "Mobile Apps and Desktop clients",
        "ipAddress": "203.0.113.9",
        "authenticationProtocol": "none",
        "status": {"errorCode": error, "additionalDetails": "MFA denied; user declined"},
        **more,
    }


ROWS = [
    row(1, authenticationProtocol="deviceCode"),
    row(2, authenticationProtocol="ropc"),
    row(3, 500121),
    row(4),
    row(5, 50126, authenticationProtocol="ropc"),
    row(6, authenticationProtocol="deviceCode", createdDateTime="2026-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
async def test_the_kinds_that_are_worth_a_look_are_read(opener: Any) -> None:
    async with opener(build_scene(graph={"signIns": ROWS})) as to:
        found = await to.tenant.accounts.read_sign_in_events(SINCE)
        assert [one.kind for one in sorted(found.items, key=lambda one: one.at)] == [
            SignInKind.DEVICE_CODE,
            SignInKind.ROPC,
            SignInKind.PROMPT_DENIED,
        ]
        assert found.failures == ()
        assert found.sources == {SIGN_IN_EVENTS}
        first: SignInEvent = min(found.items, key=lambda one: one.at)
        assert (first.account_id, first.name, first.address) == (
            PERSON,
            "ann@contoso.example",
            "203.0.113.9",
        )


async def test_without_a_licence_or_the_permission_it_is_a_detail() -> None:
    for scene in (
        build_scene(graph={"signIns": ROWS, "@sandbox.premium": False}),
        build_scene(graph={"signIns": ROWS}, grants={"graph": ["User.Read.All"]}),
    ):
        async with connect_sandbox(scene, attempts=1) as to:
            found = await to.tenant.accounts.read_sign_in_events(SINCE)
            assert found.items == ()
            assert found.failures
            assert all(one.optional for one in found.failures)


async def test_too_many_and_broken_rows_are_said() -> None:
    many = [row(1, authenticationProtocol="deviceCode", id=f"s{number}") for number in range(2_600)]
    broken = [row(2, 500121, userId=None)]
    async with connect_sandbox(build_scene(graph={"signIns": [*many, *broken]})) as to:
        found = await to.tenant.accounts.read_sign_in_events(SINCE)
        assert len(found.items) == sign_in_events.MAX_EVENTS
        assert len(found.failures) == 2
        assert "more than 2,000" in "".join(one.reason for one in found.failures)
        assert {one.subject for one in found.failures} == {"device-code", "prompt-denied"}
