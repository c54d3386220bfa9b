"""A tenant that changes while it is looked at: between two pages, and between two requests.

Who is no longer what he was is not written to, who is listed twice counts once, and none of it
trips the brake. A listing that is suddenly gone is none.
"""

from typing import Any

from aiohttp import web

from core.model.guards import Mode
from sandbox.http_types import Call
from sandbox.server import Service
from tests.resilience.generators.small_tenant import guid
from tests.resilience.generators.staged import Staged, Watched, staged
from tests.support.builders import SIGN_IN
from tests.support.http_recorder import mailbox, user

IDS = [f"{number:08d}-0000-4000-8000-000000000003" for number in range(1, 1_021)]
OPEN = (3, 500, 998, 999, 1_000, 1_001, 1_015)


def large() -> dict[str, Any]:
    """A little more than a page of shared mailboxes, of which a few can sign in."""
    boxes = [
        mailbox(one, guid(one), f"s{number}", RecipientTypeDetails="SharedMailbox")
        for number, one in enumerate(IDS)
    ]
    users = [
        user(one, f"s{number}", accountEnabled=number in OPEN) for number, one in enumerate(IDS)
    ]
    return {"graph": {"users": users}, "exchange": {"Get-Mailbox": boxes}}


class Moving(Watched):
    """A tenant to which something happens when it is asked for its second page."""

    happens: dict[str, Any] | None = None

    async def serve(
        self, request: web.BaseRequest, service: Service, call: Call
    ) -> web.StreamResponse:
        if self.happens and service.name == "exchange" and "$skiptoken" in call.query:
            patch, self.happens = self.happens, None
            self.tenant.merge(patch)
        return await super().serve(request, service, call)


def enabled(stage: Staged) -> set[str]:
    """The accounts that can sign in now."""
    return {row["id"] for row in stage.box.tenant.scene["graph"]["users"] if row["accountEnabled"]}


async def test_who_changes_between_two_pages_is_looked_at_again_before_he_is_written_to() -> None:
    async with staged(large(), SIGN_IN, Mode.ENFORCE, box=Moving) as stage:
        first = await stage.tick()
        assert (first.population, len(first.preview)) == (1_020, len(OPEN))
        boxes = [dict(row) for row in stage.box.tenant.scene["exchange"]["Get-Mailbox"]]
        # One of the first page becomes a person's, one is deleted, and one is listed twice.
        boxes[3]["RecipientTypeDetails"] = "UserMailbox"
        moved = [*boxes[:10], *boxes[11:], boxes[5]]
        assert isinstance(stage.box, Moving)
        stage.box.happens = {"exchange": {"Get-Mailbox": moved}}
        second = await stage.tick()
        assert (second.status, second.held) == ("done", "")
        third = await stage.tick()
        assert (third.status, third.held, third.population) == ("done", "", 1_018)
        # All are blocked but the one that is a person's now: it was looked at again before that.
        assert enabled(stage) == {IDS[3]}
        assert IDS[3] not in str([one for one in stage.box.writes if one["api"] == "graph"])


async def test_a_listing_that_answers_gone_half_way_is_no_listing() -> None:
    async with staged(large(), SIGN_IN, Mode.ENFORCE) as stage:
        await stage.tick()
        known = set(await stage.open())
        fault = {"service": "exchange", "match": "^Get-Mailbox$", "skip": 1, "status": 410}
        report = await stage.tick(fault)
        assert report.held == "the listing is incomplete"
        assert set(await stage.open()) >= known
        assert stage.box.writes == []
        await stage.tick()
        assert enabled(stage) == set()
