"""Requests about accounts where none belongs: in a guard's rows, or of an unknown kind."""

import pytest

from core.engine.request_decisions import decide_request
from core.model.requests import ACCOUNT_REQUESTS, OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot
from core.ports import CONTAINMENT_PARTITION
from tests.support.containment_stage import MIA, Stage
from tests.support.fakes.clock import START


@pytest.mark.parametrize("kind", sorted(ACCOUNT_REQUESTS))
def test_a_guard_refuses_a_request_about_an_account(kind: RequestKind) -> None:
    request = OperatorRequest("1", kind, MIA, "Eve", "none", START)
    decided = decide_request(request, GuardSnapshot(), START, "r1")
    assert decided.request.state is RequestState.REFUSED
    assert decided.intent is None


@pytest.mark.parametrize("kind", sorted(set(RequestKind) - ACCOUNT_REQUESTS))
async def test_a_guards_request_among_those_about_accounts_is_refused(kind: RequestKind) -> None:
    stage = Stage()
    asked = await stage.ask(kind)
    await stage.process()
    assert (await stage.get_request(asked)).state is RequestState.REFUSED
    assert stage.tenant.write_count == 0


async def test_only_one_process_works_on_accounts_at_a_time() -> None:
    stage = Stage()
    async with stage.ledger.claim(CONTAINMENT_PARTITION, "another") as claim:
        assert claim
        assert await stage.process() == "busy"
