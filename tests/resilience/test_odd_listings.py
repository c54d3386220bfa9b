"""Tenants that answer a listing in a way of their own: each object is read, once, and stays itself.

What was found is counted against what the tenant holds, where services answer as was measured and
where they do the worst.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from core.adapters.exchange.way_memory import WayMemory
from core.model.guards import GuardConfig
from core.model.runs import RunReport
from tests.resilience.generators.large_tenants import REFUSALS, list_found
from tests.resilience.generators.staged import AdapterHarness, get_object_cases, open_harness
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG
from tests.support.http_recorder import build_mailbox_row

ROWS, COUNT = 12, 61
OPEN = {0, 11, 12, 23, 24, 47, 48, 59, 60}
"""What is found stands at both ends of pages."""
SIDES: Mapping[str, Mapping[str, Any]] = {
    **REFUSALS,
    "after three pages": {"exchange-paging": {"side": "refused", "after": 3}},
    "an end on a full page": {"exchange-paging": "ended"},
    "every page twice": {"exchange-paging": "twice"},
    "the last page again and again": {"exchange-paging": "last-again"},
    "an end on a later full page": {"exchange-paging": {"side": "ended", "after": 4}},
    "the last page again, and no other way": {
        "exchange-paging": "last-again",
        "exchange-entity-endpoints": "refused",
        "exchange-one-answer": {"side": "silent", "size": ROWS},
    },
}


def build_tenant() -> dict[str, Any]:
    """Mailboxes of which some are not audited, and forward."""
    rows = [
        build_mailbox_row(
            f"{number:08x}-aaaa-4000-8000-00000000000a",
            f"{number:08x}-bbbb-4000-8000-00000000000b",
            f"m{number}",
            AuditEnabled=number not in OPEN,
            ForwardingSmtpAddress="smtp:x@evil.example" if number in OPEN else None,
            WhenCreated=f"20{10 + number % 15}-0{1 + number % 9}-11T00:00:{number % 60:02}Z",
        )
        for number in range(COUNT)
    ]
    return {
        "graph": {"domains": [{"id": "contoso.example", "isVerified": True, "isDefault": True}]},
        "exchange": {
            "Get-Mailbox": rows,
            "Get-MailboxAuditBypassAssociation": [
                {"Guid": "b1", "Identity": "m1", "AuditBypassEnabled": False}
            ],
        },
    }


async def look(stage: AdapterHarness, reality: Mapping[str, Any]) -> RunReport:
    """A run of a guard that knows no way of listing yet, on a tenant that plays these sides."""
    stage.sandbox.tenant.apply_patch({"reality": dict(reality)})
    stage.way_memory = WayMemory(now=stage.clock)
    return await stage.run_guard()


@pytest.mark.parametrize(
    ("profile", "config"),
    [("measured", AUDIT_CONFIG), ("contrary", AUDIT_CONFIG), ("contrary", FORWARDING_CONFIG)],
    ids=["measured", "contrary", "contrary forwards"],
)
@pytest.mark.parametrize("side", SIDES)
async def test_every_object_is_read_once_whatever_a_listing_does(
    side: str, profile: str, config: GuardConfig
) -> None:
    async with open_harness(build_tenant(), config) as stage:
        stage.page_size = ROWS
        for sides in ({"profile": profile, **SIDES[side]}, {"profile": profile}):
            report = await look(stage, sides)
            assert (report.population, report.read_count) == (COUNT, COUNT)
            assert (report.unread_count, report.unavailable_sources) == (0, ())
            assert [one.subject for one in report.notifications if one.closed_at] == []
            assert await list_found(stage) == {f"m{number}" for number in OPEN}


def turn_capitals(stage: AdapterHarness, *, upper: bool) -> None:
    """Print the ids of every other mailbox in capitals, or no longer."""
    for row in stage.sandbox.tenant.scene["exchange"]["Get-Mailbox"][::2]:
        for name in ("Guid", "ExternalDirectoryObjectId"):
            row[name] = row[name].upper() if upper else row[name].lower()


@pytest.mark.parametrize("profile", ["measured", "contrary"])
@pytest.mark.parametrize("config", [AUDIT_CONFIG, FORWARDING_CONFIG], ids=["audit", "forwards"])
async def test_an_object_stays_itself_whatever_the_case_of_its_ids(
    config: GuardConfig, profile: str
) -> None:
    async with open_harness(build_tenant(), config) as stage:
        stage.page_size = ROWS
        await look(stage, {"profile": profile})
        known = (await get_object_cases(stage)).keys()
        assert len(known) == len(OPEN)
        for upper in (True, False):
            turn_capitals(stage, upper=upper)
            report = await look(stage, {"profile": profile, **REFUSALS["after a page"]})
            assert (report.population, report.read_count) == (COUNT, COUNT)
            assert (await get_object_cases(stage)).keys() == known
