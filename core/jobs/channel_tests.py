"""Tests each channel with a message that says it is a test: `exo channels test`.

    POST ─► request row ─► run message ─► a message to each channel ─► the result, a row

A test tells people something, so there are only a few an hour (`core.api.channel_handlers`), and
who asked for it is on record.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.config.channel_settings import CHANNEL_REMEDIES
from core.errors import ChannelForbidden, NotificationError
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.findings import Severity
from core.model.outbox import TEAMS, Notice, NoticeEvent, OutboxRow
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.notifications.channel_test_card import TEST_ADVICE, TEST_SUMMARY, build_test_card
from core.ports import CHANNEL_PARTITION, MessageChannel, World
from core.status.channel_test_document import ChannelTestResultDocument, build_results_row
from core.tenant.quoting import quote_text

log = logging.getLogger("exoguard.channels")

WAITS_AT_MOST = timedelta(hours=1)
"""A test that nobody waits for any more is not sent."""
PATIENCE = 60.0
"""How many seconds Teams may take."""
MAX_ERROR = 400
ACCEPTED = "accepted; look whether it arrived"
UNUSABLE_REMEDY = "correct the setting; the next run reads it"


def build_test_row(channel: str, now: datetime) -> OutboxRow:
    """The message of a test; each test has an id of its own."""
    notice = Notice(
        guard="exoguard",
        guard_title="Exoguard",
        case_key="0" * PREFIX_LENGTH + "-test",
        event=NoticeEvent.TEST,
        severity=Severity.LOW,
        summary=TEST_SUMMARY,
        at=now,
        advice=TEST_ADVICE,
    )
    return OutboxRow(channel, hash_parts(now.isoformat()), notice, now)


async def try_channel(
    name: str, send: Callable[[], Coroutine[Any, Any, None]], patience: float
) -> ChannelTestResultDocument:
    """Send the test to one channel, and say what it answered within some seconds."""
    try:
        async with asyncio.timeout(patience):
            await send()
    except TimeoutError:
        return describe_refusal(name, f"no answer within {patience:g} seconds")
    except ChannelForbidden as error:
        return describe_refusal(name, f"forbidden, or not known yet: {error}")
    except NotificationError as error:
        return describe_refusal(name, f"not accepted: {error}")
    return ChannelTestResultDocument(name, True, ACCEPTED, None)


def describe_refusal(name: str, text: str) -> ChannelTestResultDocument:
    """The result of a channel that did not take the test."""
    return ChannelTestResultDocument(
        name, False, quote_text(text, MAX_ERROR), CHANNEL_REMEDIES.get(name)
    )


async def send_channel_test(channel: MessageChannel, now: datetime) -> ChannelTestResultDocument:
    """Send the test to a channel besides Teams."""
    return await try_channel(
        channel.name,
        lambda: channel.send([build_test_row(channel.name, now)]),
        channel.patience,
    )


async def run_channel_tests(world: World, only: str = "") -> tuple[ChannelTestResultDocument, ...]:
    """Send the test to each channel, one after another, or to one; what each answered."""
    faults = {one.channel: one.reason for one in world.channel_faults}
    results = [
        ChannelTestResultDocument(
            name, False, quote_text(f"out of use: {reason}", MAX_ERROR), UNUSABLE_REMEDY
        )
        for name, reason in faults.items()
        if only in ("", name)
    ]
    now = world.now()
    if only in ("", TEAMS) and TEAMS not in faults:
        card = build_test_card(now)
        results.append(
            await try_channel(TEAMS, lambda: world.notification_channel.send(card), PATIENCE)
        )
    for channel in world.channels:
        if only in ("", channel.name):
            results.append(await send_channel_test(channel, now))
    return tuple(results)


async def process_channel_tests(world: World, run: str) -> str:
    """Make the tests that wait: "busy", or what was done, in words. Raises LedgerError."""
    async with world.ledger.claim(CHANNEL_PARTITION, run) as claim:
        if claim is None:
            return "busy"
        snapshot = await claim.load()
        waiting = [
            one
            for one in snapshot.operator_requests
            if one.kind is RequestKind.TEST_CHANNELS and one.state is RequestState.REQUESTED
        ]
        done = []
        for request in sorted(waiting, key=lambda one: (one.at, one.id)):
            await claim.ensure_held()
            processed = await process_channel_test(world, request)
            await claim.save(processed)
            done.append(f"{processed.state}: {processed.note}")
        await world.ledger.purge_channel_tests(world.now())
    return "; ".join(done) or "nothing to do"


async def process_channel_test(world: World, request: OperatorRequest) -> OperatorRequest:
    """Make one test, and store what each channel answered. Returns the request with its end."""
    now = world.now()
    if now - request.at > WAITS_AT_MOST:
        why = "it waited for more than an hour: ask again"
        return replace(request, state=RequestState.REFUSED, ended_at=now, note=why)
    results = await run_channel_tests(world, request.subject)
    if not results:
        why = f"the channel {quote_text(request.subject, 40)} is off"
        return replace(request, state=RequestState.REFUSED, ended_at=world.now(), note=why)
    await world.ledger.save_run_status(CHANNEL_PARTITION, request.id, build_results_row(results))
    accepted = sum(one.accepted for one in results)
    note = f"{accepted} of {len(results)} channels accepted the test"
    log.info("a test of the channels that %s asked for: %s", request.requested_by, note)
    return replace(request, state=RequestState.DONE, ended_at=world.now(), note=note)
