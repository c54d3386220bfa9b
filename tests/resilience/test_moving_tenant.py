"""A tenant that changes during a scan: between two pages, and between two requests.

An account that changed meanwhile is not written to, a mailbox listed twice counts once, and none of
it triggers the change limit. A listing that suddenly disappears counts as unread.
"""

from typing import Any

from core.model.guards import Mode
from sandbox.http_types import HttpRequest, HttpResponse
from sandbox.server import SimulatedService
from tests.resilience.generators.small_tenant import build_mailbox_guid
from tests.resilience.generators.staged import AdapterHarness, RecordingSandbox, open_harness
from tests.support.builders import SIGN_IN_CONFIG
from tests.support.http_recorder import build_mailbox_row, build_user_row

IDS = [f"{number:08d}-0000-4000-8000-000000000003" for number in range(1, 1_021)]
OPEN = (3, 500, 998, 999, 1_000, 1_001, 1_015)


def large() -> dict[str, Any]:
    """A little more than a page of shared mailboxes, some of which can sign in."""
    boxes = [
        build_mailbox_row(
            one, build_mailbox_guid(one), f"s{number}", RecipientTypeDetails="SharedMailbox"
        )
        for number, one in enumerate(IDS)
    ]
    users = [
        build_user_row(one, f"s{number}", accountEnabled=number in OPEN)
        for number, one in enumerate(IDS)
    ]
    return {"graph": {"users": users}, "exchange": {"Get-Mailbox": boxes}}


class Moving(RecordingSandbox):
    """A tenant that changes when its second page is requested."""

    happens: dict[str, Any] | None = None

    async def serve_request(self, service: SimulatedService, call: HttpRequest) -> HttpResponse:
        if self.happens and service.name == "exchange" and "$skiptoken" in call.query:
            patch, self.happens = self.happens, None
            self.tenant.apply_patch(patch)
        return await super().serve_request(service, call)


def enabled(stage: AdapterHarness) -> set[str]:
    """The accounts that can sign in now."""
    return {
        row["id"] for row in stage.sandbox.tenant.scene["graph"]["users"] if row["accountEnabled"]
    }


async def test_who_changes_between_two_pages_is_looked_at_again_before_he_is_written_to() -> None:
    async with open_harness(large(), SIGN_IN_CONFIG, Mode.ENFORCE, sandbox_type=Moving) as stage:
        first = await stage.run_guard()
        assert (first.population, len(first.preview)) == (1_020, len(OPEN))
        boxes = [dict(row) for row in stage.sandbox.tenant.scene["exchange"]["Get-Mailbox"]]
        # One of the first page becomes a person's, one is deleted, and one is listed twice.
        boxes[3]["RecipientTypeDetails"] = "UserMailbox"
        moved = [*boxes[:10], *boxes[11:], boxes[5]]
        assert isinstance(stage.sandbox, Moving)
        stage.sandbox.happens = {"exchange": {"Get-Mailbox": moved}}
        second = await stage.run_guard()
        assert (second.status, second.block_reason) == ("done", "")
        third = await stage.run_guard()
        assert (third.status, third.block_reason, third.population) == ("done", "", 1_018)
        # All are blocked but the one that is a person's now: it was looked at again before that.
        assert enabled(stage) == {IDS[3]}
        assert IDS[3] not in str([one for one in stage.sandbox.writes if one["api"] == "graph"])


async def test_a_listing_that_answers_gone_half_way_is_no_listing() -> None:
    async with open_harness(large(), SIGN_IN_CONFIG, Mode.ENFORCE) as stage:
        await stage.run_guard()
        known = set(await stage.get_open_cases())
        # Every way of listing mailboxes is refused after the first page: command and entities.
        match = "^(Get-|GET )Mailbox$"
        fault = {"service": "exchange", "match": match, "skip": 1, "status": 410}
        report = await stage.run_guard(fault)
        assert report.block_reason == "the listing is incomplete"
        assert set(await stage.get_open_cases()) >= known
        assert stage.sandbox.writes == []
        await stage.run_guard()
        assert enabled(stage) == set()
