"""Messages of the queue of requests: a guard is to be run, or to do what people asked of it.

    POST ─► an Action row ─► a ticket on the queue ─► work_off ─► a run, or only what is asked

The row is what counts: a ticket that is lost, doubled or forged does nothing that is not asked for
in the ledger, and nothing that the guard's mode does not allow.
"""

from datetime import UTC, datetime

import msgspec

from core.bootstrap import connect_world, open_ledger
from core.config.settings import Settings
from core.engine.operator_requests import CLAIM_RETRY_DELAY, run_requests_only
from core.engine.request_decisions import refuse_request
from core.engine.run import run
from core.errors import ExoguardError, SettingsError, Unavailable
from core.model.guards import GuardConfig, Mode
from core.model.requests import RequestKind, RequestState, RunOptions
from core.model.run_document import run_report_to_json
from core.model.runs import RunReport
from core.ports import World
from core.strict_json import normalize_time, parse_strict_json

# How often a run that was asked for looks whether the guard is free, TURN seconds apart.
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
    """Do what a ticket stands for. What ends without a claim is noted where its address points.

    Raises ExoguardError when it should be tried again.
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
            report = await run_when_free(config, world, request)
    except ExoguardError as error:
        await record_unclaimed_run(settings, message, {"status": "failed", "error": str(error)})
        raise
    if report.status in ("busy", "off"):
        await record_unclaimed_run(settings, message, run_report_to_json(report))
    return report


async def run_when_free(config: GuardConfig, world: World, run_options: RunOptions) -> RunReport:
    """A run that waits a moment for a guard that is held.

    What a person asked for just before may still be told, which is soon over. Another run is not
    waited for: it looks at the same tenant.
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
    """Write down what became of a run that held no claim.

    Who only asked for a run may ask again. A plan that was released is waited for: the queue tries
    again, and so does each run of the next hour. Raises Unavailable for that.
    """
    asked = {"guard": message.guard, "run": message.run, "at": message.at.isoformat()}
    async with open_ledger(settings) as ledger:
        await ledger.save_run_status(message.guard, message.run, {**asked, **result})
        action = await ledger.get_request(message.guard, message.run)
        if action and action.kind is RequestKind.RUN and action.state is RequestState.REQUESTED:
            why = f"nothing was run: {result['status']}"
            await ledger.add_request(message.guard, refuse_request(action, datetime.now(UTC), why))
    if action and action.kind is RequestKind.RELEASE and result["status"] == "busy":
        raise Unavailable(f"{message.guard} is busy: the release waits for its turn")
