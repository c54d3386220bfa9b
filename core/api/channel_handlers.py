"""Handlers about the channels: test them, and what each answered.

A POST records a request and enqueues a message for it, like any other: no handler sends anything.
"""

from dataclasses import replace
from datetime import timedelta

from core.api.request import (
    BadRequest,
    HttpResponse,
    Parameter,
    RequestContext,
    json_response,
    path_parameter,
)
from core.api.responses import AcceptedChannelTestDocument
from core.config.channel_settings import CHANNEL_REMEDIES, CHANNELS
from core.engine.run import create_run_id
from core.jobs.run_requests import RunMessage
from core.json_document import to_json
from core.keys import RUN_ID_PATTERN
from core.model.outbox import TEAMS
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.ports import CHANNEL_PARTITION
from core.status.channel_test_document import build_channel_test

TESTS_AN_HOUR = 6
TEST_PERIOD = timedelta(hours=1)
CHANNEL_PARAMETER = Parameter(
    "channel",
    f"one of {', '.join(CHANNEL_REMEDIES)}; empty: all that are on",
    "|".join(CHANNEL_REMEDIES),
    20,
    required=False,
)


async def request_channel_test(context: RequestContext) -> HttpResponse:
    """Request that a channel, or each, is sent a message that says that it is a test.

    An equal test that is still pending is not recorded twice, but its message goes out again, since
    the first may be lost and nothing else makes a test. Raises BadRequest for a channel that is
    off, and for more tests than a few an hour: each tells people something.
    """
    channel = context.parameters.get("channel", "")
    check_channel_is_on(context, channel)
    recent = await context.ledger.list_requests(CHANNEL_PARTITION, context.now - TEST_PERIOD)
    for other in recent:
        if other.state is RequestState.REQUESTED and other.subject == channel:
            return accept_test(other)
    if len(recent) >= TESTS_AN_HOUR:
        free_at = min(one.at for one in recent) + TEST_PERIOD
        raise BadRequest(
            429,
            f"{len(recent)} tests were asked for within an hour: wait until {free_at:%H:%M} UTC",
        )
    request = OperatorRequest(
        id=create_run_id(context.now),
        kind=RequestKind.TEST_CHANNELS,
        subject=channel,
        requested_by=context.parameters["who"].strip(),
        reason=context.parameters["why"].strip(),
        at=context.now,
        authenticated_as=context.caller.authenticated_as,
    )
    await context.ledger.add_request(CHANNEL_PARTITION, request)
    return accept_test(request)


def check_channel_is_on(context: RequestContext, channel: str) -> None:
    """Raise BadRequest if a channel is off. One that is out of use is tested: it says why."""
    settings = context.settings
    wanted = {TEAMS, *(one.name for one in settings.channels)}
    wanted |= {one.channel for one in settings.channel_faults}
    if channel and channel not in wanted:
        [declaration] = [one for one in CHANNELS if one.name == channel]
        raise BadRequest(409, f"{channel} is off: set {declaration.settings[0].name}")


def accept_test(request: OperatorRequest) -> HttpResponse:
    """202, and the message by which the test is made."""
    message = RunMessage(CHANNEL_PARTITION, request.id, request.at, runs_guard=False)
    return replace(accepted_test_response(request), run_messages=(message,))


def accepted_test_response(request: OperatorRequest) -> HttpResponse:
    """202: the test is recorded; `Location` is the address of its result."""
    address = f"/api/channel-tests/{request.id}"
    accepted = AcceptedChannelTestDocument(request.id, request.state, address)
    return json_response(202, to_json(accepted), Location=address)


async def get_channel_test(context: RequestContext) -> HttpResponse:
    """A test of the channels, and what each answered."""
    request_id = path_parameter(context, "request", RUN_ID_PATTERN)
    request = await context.ledger.get_request(CHANNEL_PARTITION, request_id)
    if request is None:
        raise BadRequest(404, "there is no such test")
    row = await context.ledger.get_run(CHANNEL_PARTITION, request_id)
    return json_response(200, to_json(build_channel_test(request, row)))
