"""Processes the queue of run messages: runs a guard, or only its requests.

    POST ─► request row ─► run message ─► process_run_message ─► a run, or requests only
                                └─► failed five times ─► give_up_message ─► the request is refused

The row decides, also in which mode the guard runs: a lost, duplicated or forged message cannot
trigger anything without a matching request row, nor anything that the guard's mode does not allow.
A request is owed one run, so no message writes over the report of a run that was.
"""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from core.bootstrap import connect_world, open_ledger
from core.config.settings import Settings
from core.engine.operator_requests import CLAIM_RETRY_DELAY, run_requests_only
from core.engine.request_decisions import RUN_REQUEST_KINDS, refuse_request
from core.engine.run import run
from core.errors import FAILURES, Unavailable, explain_error
from core.jobs.channel_tests import process_channel_tests
from core.jobs.containment import process_account_requests
from core.jobs.tenant_probe import probe_before_run
from core.keys import RUN_ID_PATTERN
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind, RequestState, RunOptions
from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from core.ports import CHANNEL_PARTITION, CONTAINMENT_PARTITION, World
from core.strict_json import normalize_time, parse_strict_json
from core.tenant.quoting import quote_text

log = logging.getLogger("exoguard.requests")

# How often a requested run tries to claim the guard, CLAIM_RETRY_DELAY seconds apart.
MAX_CLAIM_ATTEMPTS = 3
MAX_REASON = 300
# How long a run is owed to a request that another run has answered or that failed.
OWED_FOR = timedelta(days=1)
# The statuses of a run that has a report, or is about to.
REPORTED_STATUSES = frozenset({"done", "in-progress", "requests-only", "looked"})
# The statuses of a request whose run never began, or ended without a report.
OWED_STATUSES = frozenset({"queued", "failed"})


class RunMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of the queue of requests."""

    guard: str
    """The name of the guard."""
    run: str
    """The id of the operator request."""
    at: datetime
    """When the operator made the request."""
    runs_guard: bool
    """Whether the guard is to run; otherwise it only processes its requests."""

    def to_json(self) -> str:
        """Encode the message."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "RunMessage":
        """Decode a message. Raises ValueError if the text is not exactly a message."""
        try:
            message = msgspec.convert(parse_strict_json(text), cls)
            return msgspec.structs.replace(message, at=normalize_time(message.at))
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"not a run message: {type(error).__name__}") from error


async def process_run_message(message: RunMessage, settings: Settings) -> RunReport | None:
    """Run the guard or process its requests. A run without a claim is recorded under the request.

    A message that no request asks for is refused: the refusal is logged, and None returned. Raises
    ExoguardError or a mistake if the queue should deliver the message again.
    """
    if not re.fullmatch(RUN_ID_PATTERN, message.run):
        log_refusal(message, "no request has an id of that form")
        return None
    if message.guard == CONTAINMENT_PARTITION:
        await process_account_message(message, settings)
        return None
    if message.guard == CHANNEL_PARTITION:
        await process_channel_message(message, settings)
        return None
    return await process_guard_message(message, settings)


async def process_guard_message(message: RunMessage, settings: Settings) -> RunReport | None:
    """Process a message for a guard."""
    config = settings.find_guard_config(message.guard)
    if config is None:
        log_refusal(message, "there is no such guard")
        return None
    async with open_ledger(settings) as ledger:
        request = await ledger.get_request(message.guard, message.run)
        if request is None:
            log_refusal(message, "no operator made such a request")
            return None
        document = await ledger.get_run(message.guard, message.run)
        if why := explain_refusal(message, request, document, ledger.table.clock.now()):
            log_refusal(message, why)
            return None
    if not message.runs_guard:
        async with connect_world(settings) as world:
            return await run_requests_only(config, world, message.run)
    try:
        async with connect_world(settings, has_queue=True) as world:
            options = RunOptions(message.run, request.mode, at=request.at)
            await probe_before_run(config, world, settings.guard_configs, message.run)
            report = await run_when_free(config, world, options)
    except FAILURES as error:
        why = explain_error(error)
        await record_unclaimed_run(settings, message, {"status": "failed", "error": why})
        raise
    if report.status in ("busy", "off"):
        await record_unclaimed_run(settings, message, run_report_to_json(report))
    return report


async def process_account_message(message: RunMessage, settings: Settings) -> None:
    """Process the requests about accounts. The rows decide: a message only says that one waits.

    Raises Unavailable while another process is at it, so that the queue delivers it again.
    """
    async with open_ledger(settings) as ledger:
        request = await ledger.get_request(CONTAINMENT_PARTITION, message.run)
    if request is None or message.runs_guard:
        log_refusal(message, "no operator made such a request")
        return
    async with connect_world(settings) as world:
        while True:
            result = await process_account_requests(
                world, settings.containment, settings.guard_configs, message.run
            )
            if result != "busy":
                log.info("accounts: %s", result)
                return
            if world.budget_used() >= 1:
                raise Unavailable("accounts are busy: the requests wait for the next tick")
            await world.sleep(CLAIM_RETRY_DELAY)


async def process_channel_message(message: RunMessage, settings: Settings) -> None:
    """Make the tests of the channels that wait. The rows decide, as for accounts.

    Raises Unavailable while another process is at it, so that the queue delivers it again.
    """
    async with open_ledger(settings) as ledger:
        request = await ledger.get_request(CHANNEL_PARTITION, message.run)
    if request is None or message.runs_guard:
        log_refusal(message, "no operator made such a request")
        return
    async with connect_world(settings) as world:
        result = await process_channel_tests(world, message.run)
    if result == "busy":
        raise Unavailable("another test of the channels is being made: this one waits for its end")
    log.info("channels: %s", result)


def explain_refusal(
    message: RunMessage,
    request: OperatorRequest,
    document: Mapping[str, object] | None,
    now: datetime,
) -> str:
    """Why a message asks for more than its request; empty if it does not.

    `document` is what is stored of the run with the id of the request.
    """
    if message.runs_guard != (request.kind in RUN_REQUEST_KINDS):
        return f"the request is of the kind {request.kind}"
    if not message.runs_guard:
        return ""
    status = document.get("status") if document else None
    if status in REPORTED_STATUSES:
        return "the run that was asked for has a report"
    if request.state is RequestState.REQUESTED:
        return ""
    # Another run may have answered the request before its message came.
    if status in OWED_STATUSES and abs(now - request.at) <= OWED_FOR:
        return ""
    return f"the request is {request.state}"


def log_refusal(message: RunMessage, why: str) -> None:
    """Log why a message is refused; whoever may write the queue chose its texts."""
    log.error(
        "a message of the queue was refused, guard %s, id %s: %s",
        quote_text(message.guard, 60),
        quote_text(message.run, 60),
        why,
    )


async def run_when_free(config: GuardConfig, world: World, run_options: RunOptions) -> RunReport:
    """Run a guard; wait a moment if it is busy.

    The guard may still be sending notifications of an earlier request. Another full run is not
    waited for, because it reads the same tenant.
    """
    for _ in range(MAX_CLAIM_ATTEMPTS - 1):
        report = await run(config, world, run_options)
        if report.status != "busy":
            return report
        await world.sleep(CLAIM_RETRY_DELAY)
    return await run(config, world, run_options)


async def record_unclaimed_run(
    settings: Settings, message: RunMessage, result: dict[str, object]
) -> None:
    """Record the result of a run that held no claim.

    A request for a run is refused, and the operator may repeat it. A release is kept: the queue
    tries again, as does every run within the hour. Raises Unavailable for that.
    """
    asked = {"guard": message.guard, "run": message.run, "at": message.at.isoformat()}
    async with open_ledger(settings) as ledger:
        known = await ledger.get_run(message.guard, message.run)
        if known and known.get("status") in {*REPORTED_STATUSES, "running"}:
            # The same message was delivered twice, and the other one runs or has run.
            return
        # A run that failed by a mistake has said so itself, and with its start.
        if not (known and known.get("status") == "failed" and known.get("started")):
            await ledger.save_run_status(message.guard, message.run, {**asked, **result})
        operator_request = await ledger.get_request(message.guard, message.run)
        if (
            operator_request
            and operator_request.kind is RequestKind.RUN
            and operator_request.state is RequestState.REQUESTED
        ):
            why = explain_end(result)
            await ledger.add_request(
                message.guard, refuse_request(operator_request, datetime.now(UTC), why)
            )
    if (
        operator_request
        and operator_request.kind is RequestKind.RELEASE
        and result["status"] == "busy"
    ):
        raise Unavailable(f"{message.guard} is busy: the release waits for its turn")


def explain_end(result: Mapping[str, object]) -> str:
    """Why a run that was asked for is over without a report."""
    if result["status"] != "failed":
        return f"nothing was run: {result['status']}"
    return f"the run failed: {quote_text(str(result.get('error') or 'no reason'), MAX_REASON)}"


async def give_up_message(text: str, settings: Settings) -> str:
    """End what a message asked for that failed too often. Returns what became of it.

    The next run of the guard, or the next tick, still does what does not need the message.
    """
    try:
        message = RunMessage.from_json(text)
    except ValueError as error:
        return f"dropped: {error}"
    known = {CHANNEL_PARTITION, *(one.guard.name for one in settings.guard_configs)}
    if message.guard not in known or not re.fullmatch(RUN_ID_PATTERN, message.run):
        return "left to the next tick" if message.guard == CONTAINMENT_PARTITION else "dropped"
    async with open_ledger(settings) as ledger:
        request = await ledger.get_request(message.guard, message.run)
        if request is None or request.state is not RequestState.REQUESTED:
            return "it was answered"
        document = await ledger.get_run(message.guard, message.run) or {}
        has_failed = document.get("status") in OWED_STATUSES
        if not (has_failed or message.guard == CHANNEL_PARTITION):
            return "left to the next run"
        reason = document.get("error") or "the log of run-requested says why"
        why = quote_text(f"it failed too often: {reason}", MAX_REASON)
        await ledger.add_request(message.guard, refuse_request(request, datetime.now(UTC), why))
        if message.guard != CHANNEL_PARTITION:
            asked = {"guard": message.guard, "run": message.run, "at": message.at.isoformat()}
            status = {**asked, **document, "status": "failed", "error": why}
            await ledger.save_run_status(message.guard, message.run, status)
    return f"refused: {why}"
