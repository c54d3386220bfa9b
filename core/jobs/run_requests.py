"""Processes the queue of run messages: runs a guard, or only its requests.

    POST ─► request row ─► run message ─► process_run_message ─► a run, or requests only

The row decides: a lost, duplicated or forged message cannot trigger anything without a matching
request row, nor anything that the guard's mode does not allow.
"""

from datetime import UTC, datetime

import msgspec

from core.bootstrap import connect_world, open_ledger
from core.config.settings import Settings
from core.engine.operator_requests import CLAIM_RETRY_DELAY, run_requests_only
from core.engine.request_decisions import refuse_request
from core.engine.run import run
from core.errors import ExoguardError, SettingsError, Unavailable
from core.jobs.tenant_probe import probe_before_run
from core.model.guards import GuardConfig, Mode
from core.model.requests import RequestKind, RequestState, RunOptions
from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from core.ports import World
from core.strict_json import normalize_time, parse_strict_json

# How often a requested run tries to claim the guard, CLAIM_RETRY_DELAY seconds apart.
MAX_CLAIM_ATTEMPTS = 3


class RunMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of the queue of requests."""

    guard: str
    """The name of the guard."""
    run: str
    """The id of the operator request."""
    at: datetime
    """When the operator made the request."""
    runs_guard: bool = msgspec.field(name="looks")
    """Whether the guard is to run; otherwise it only processes its requests."""
    mode: Mode | None = None
    """A mode for the run; it can only restrict the guard's own."""

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


async def process_run_message(message: RunMessage, settings: Settings) -> RunReport:
    """Run the guard or process its requests. A run without a claim is recorded under the request.

    Raises ExoguardError if the queue should deliver the message again.
    """
    config = settings.find_guard_config(message.guard)
    if config is None:
        raise SettingsError(f"there is no guard {message.guard[:60]!r}")
    if not message.runs_guard:
        async with connect_world(settings) as world:
            return await run_requests_only(config, world, message.run)
    try:
        async with connect_world(settings, has_queue=True) as world:
            request = RunOptions(message.run, message.mode, at=message.at)
            await probe_before_run(config, world, settings.guard_configs, message.run)
            report = await run_when_free(config, world, request)
    except ExoguardError as error:
        await record_unclaimed_run(settings, message, {"status": "failed", "error": str(error)})
        raise
    if report.status in ("busy", "off"):
        await record_unclaimed_run(settings, message, run_report_to_json(report))
    return report


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
        await ledger.save_run_status(message.guard, message.run, {**asked, **result})
        operator_request = await ledger.get_request(message.guard, message.run)
        if (
            operator_request
            and operator_request.kind is RequestKind.RUN
            and operator_request.state is RequestState.REQUESTED
        ):
            why = f"nothing was run: {result['status']}"
            await ledger.add_request(
                message.guard, refuse_request(operator_request, datetime.now(UTC), why)
            )
    if (
        operator_request
        and operator_request.kind is RequestKind.RELEASE
        and result["status"] == "busy"
    ):
        raise Unavailable(f"{message.guard} is busy: the release waits for its turn")
