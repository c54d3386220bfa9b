"""Whoever may write the queue of runs gets no more done than operators asked for."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from core.bootstrap import open_ledger
from core.config.settings import Settings
from core.engine.run import create_run_id
from core.jobs.run_requests import RunMessage, explain_refusal, process_run_message
from core.model.requests import OperatorRequest, RequestKind, RequestState
from sandbox.functions_host.azurite import Azurite
from tests.resilience.generators.deployed import SIGN_IN, deployed
from tests.support.fakes.clock import START

REQUEST = OperatorRequest(create_run_id(START), RequestKind.RUN, "", "Dana", "to see", START)
MESSAGE = RunMessage(SIGN_IN, REQUEST.id, START, runs_guard=True)


@pytest.mark.parametrize(
    ("request_state", "status", "hours", "is_refused"),
    [
        (RequestState.REQUESTED, None, 0, False),
        (RequestState.REQUESTED, "queued", 0, False),
        (RequestState.REQUESTED, "busy", 1, False),
        (RequestState.REQUESTED, "done", 0, True),
        (RequestState.REQUESTED, "in-progress", 0, True),
        (RequestState.DONE, "queued", 1, False),
        (RequestState.DONE, "queued", 25, True),
        (RequestState.DONE, "done", 1, True),
        (RequestState.DONE, None, 0, True),
        (RequestState.REFUSED, "failed", 1, False),
        (RequestState.REFUSED, "busy", 1, True),
        (RequestState.REFUSED, "off", 1, True),
    ],
)
def test_a_request_is_owed_one_run(
    request_state: RequestState, status: str | None, hours: int, is_refused: bool
) -> None:
    request = replace(REQUEST, state=request_state)
    document = {"status": status} if status else None
    why = explain_refusal(MESSAGE, request, document, START + timedelta(hours=hours))
    assert bool(why) is is_refused


@pytest.mark.parametrize("kind", RequestKind)
def test_a_message_asks_for_what_its_request_asks_for(kind: RequestKind) -> None:
    is_run = kind in (RequestKind.RUN, RequestKind.RELEASE)
    for runs_guard in (True, False):
        message = RunMessage(SIGN_IN, REQUEST.id, START, runs_guard=runs_guard)
        why = explain_refusal(message, replace(REQUEST, kind=kind), None, START)
        assert bool(why) is (runs_guard is not is_run)


ODD_IDS = ("", "x" * 5000, "../lease", "a/b#c?d", "run|1\n2026 forged", "\u202e", "'; drop", "%2f")


async def test_odd_and_forged_messages_end_as_a_refusal_in_the_log(
    azurite: Azurite, caplog: pytest.LogCaptureFixture
) -> None:
    async with deployed(azurite) as (box, environ):
        settings = Settings.read(environ)
        messages = [
            *(
                RunMessage(SIGN_IN, name, START, runs_guard=on)
                for name in ODD_IDS
                for on in (False, True)
            ),
            *(RunMessage(name, REQUEST.id, START, runs_guard=True) for name in ODD_IDS),
            MESSAGE,
        ]
        with caplog.at_level(logging.ERROR, "exoguard.requests"):
            for message in messages:
                assert await process_run_message(message, settings) is None
        lines = [record.getMessage() for record in caplog.records]
        assert len(lines) == len(messages)
        assert all("was refused" in line and "\n" not in line and len(line) < 400 for line in lines)
        assert (box.writes, box.cards) == ([], [])
        async with open_ledger(settings) as ledger:
            assert await ledger.list_recent_runs(SIGN_IN, 10) == []


async def test_a_message_that_comes_again_neither_runs_the_guard_nor_touches_its_report(
    azurite: Azurite,
) -> None:
    async with deployed(azurite) as (box, environ):
        settings = Settings.read(environ)
        async with open_ledger(settings) as ledger:
            await ledger.add_request(SIGN_IN, REQUEST)
            report = await process_run_message(MESSAGE, settings)
            assert report is not None
            assert report.status == "done"
            stored, cards = await ledger.get_run(SIGN_IN, REQUEST.id), len(box.cards)
            off = Settings.read({**environ, "SHARED_MAILBOX_SIGN_IN_MODE": "off"})
            for now in (settings, off):
                assert await process_run_message(MESSAGE, now) is None
            assert await ledger.get_run(SIGN_IN, REQUEST.id) == stored
            assert len(box.cards) == cards
