"""Whoever may write the queue of runs gets no more done than operators asked for."""

import logging
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from core.bootstrap import open_ledger
from core.config.settings import Settings
from core.engine.run import create_run_id
from core.jobs.run_requests import (
    RunMessage,
    explain_refusal,
    give_up_message,
    process_run_message,
)
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.ports import CHANNEL_PARTITION, CONTAINMENT_PARTITION
from sandbox.functions_host.azurite import Azurite
from tests.resilience.generators.deployed import SIGN_IN, deployed
from tests.support.fakes.clock import START
from tests.support.mistakes import make_slip

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


def break_guards(settings: Settings) -> Settings:
    """The settings of an app each of whose guards has a mistake."""
    error = KeyError("of info@contoso.com")
    return replace(
        settings, guard_configs=tuple(make_slip(one, error) for one in settings.guard_configs)
    )


MISTAKE = "a mistake of the app, KeyError at mistakes.py:"


async def test_a_requested_run_that_dies_of_a_mistake_is_refused_with_the_reason(
    azurite: Azurite,
) -> None:
    async with deployed(azurite) as (_, environ):
        settings = Settings.read(environ)
        async with open_ledger(settings) as ledger:
            await ledger.load_state(SIGN_IN)
            now = ledger.table.clock.now()
            asked = replace(REQUEST, id=create_run_id(now), at=now)
            message = RunMessage(SIGN_IN, asked.id, now, runs_guard=True)
            await ledger.add_request(SIGN_IN, asked)
            with pytest.raises(KeyError):
                await process_run_message(message, break_guards(settings))
            request = await ledger.get_request(SIGN_IN, asked.id)
            assert request
            assert request.state is RequestState.REFUSED
            assert request.note.startswith(f"the run failed: {MISTAKE}")
            document = await ledger.get_run(SIGN_IN, asked.id)
            assert document
            assert document["started"]
            assert (document["status"], str(document["error"])[: len(MISTAKE)]) == (
                "failed",
                MISTAKE,
            )
            # The queue delivers it again, perhaps to a version that was mended.
            report = await process_run_message(message, settings)
            assert report
            assert report.status == "done"


@pytest.mark.parametrize(
    ("kind", "status", "result"),
    [
        (RequestKind.RUN, "queued", "it failed too often: the log of run-requested says why"),
        (RequestKind.RELEASE, "failed", "it failed too often: HTTP 503"),
        # The next run of the guard does these.
        (RequestKind.RELEASE, "busy", ""),
        (RequestKind.RUN, "running", ""),
        (RequestKind.EXEMPT, "", ""),
    ],
)
async def test_what_a_message_asked_for_that_failed_too_often_is_refused_unless_a_run_does_it(
    azurite: Azurite, kind: RequestKind, status: str, result: str
) -> None:
    async with deployed(azurite) as (_, environ):
        settings = Settings.read(environ)
        request = replace(REQUEST, kind=kind)
        async with open_ledger(settings) as ledger:
            await ledger.add_request(SIGN_IN, request)
            if status:
                document = {"status": status, "error": "HTTP 503" if status == "failed" else ""}
                await ledger.save_run_status(SIGN_IN, request.id, document)
            said = await give_up_message(MESSAGE.to_json(), settings)
            known = await ledger.get_request(SIGN_IN, request.id)
            stored = await ledger.get_run(SIGN_IN, request.id) or {}
        assert known
        assert said == (f"refused: {result}" if result else "left to the next run")
        assert (known.state, known.note) == (
            (RequestState.REFUSED, result) if result else (RequestState.REQUESTED, "")
        )
        if result:
            assert (stored["status"], stored["error"]) == ("failed", result)


async def test_of_messages_that_failed_too_often_the_odd_ones_are_dropped(
    azurite: Azurite,
) -> None:
    async with deployed(azurite) as (_, environ):
        settings = Settings.read(environ)
        asked = replace(REQUEST, kind=RequestKind.TEST_CHANNELS)
        message = RunMessage(CHANNEL_PARTITION, asked.id, START, runs_guard=False)
        said = await give_up_message("{", settings)
        assert said.startswith("dropped: not a run message: ")
        for odd in ODD_IDS:
            assert await give_up_message(replace_run(message, odd), settings) == "dropped"
            forged = RunMessage(odd, asked.id, START, runs_guard=True).to_json()
            assert await give_up_message(forged, settings) == "dropped"
        assert await give_up_message(MESSAGE.to_json(), settings) == "it was answered"
        account = RunMessage(CONTAINMENT_PARTITION, asked.id, START, runs_guard=False)
        assert await give_up_message(account.to_json(), settings) == "left to the next tick"
        async with open_ledger(settings) as ledger:
            await ledger.add_request(CHANNEL_PARTITION, asked)
            said = await give_up_message(message.to_json(), settings)
            assert said == "refused: it failed too often: the log of run-requested says why"
            known = await ledger.get_request(CHANNEL_PARTITION, asked.id)
            assert known
            assert known.state is RequestState.REFUSED
            assert await give_up_message(message.to_json(), settings) == "it was answered"


def replace_run(message: RunMessage, run: str) -> str:
    """The message with another id."""
    return msgspec.structs.replace(message, run=run).to_json()
