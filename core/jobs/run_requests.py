"""Messages of the queue of requests: a guard is to be run, or to do what people asked of it.

    POST ─► an Action row ─► a ticket on the queue ─► work_off ─► a run, or only what is asked

The row is what counts: a ticket that is lost, doubled or forged does nothing that is not asked for
in the ledger, and nothing that the guard's mode does not allow.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from core.bootstrap import connect, open_ledger
from core.config.settings import Settings
from core.engine.operator_requests import TURN, serve
from core.engine.request_decisions import refused
from core.engine.run import run
from core.errors import ExoguardError, SettingsError, Unavailable
from core.model.guards import Duty, Mode
from core.model.requests import ActionState, Deed, Request
from core.model.run_document import document
from core.model.runs import RunReport
from core.ports import World

# How often a run that was asked for looks whether the guard is free, TURN seconds apart.
TURNS = 3


@dataclass(frozen=True, slots=True)
class Ticket:
    """One message. `run` is the id of what was asked for; `looks`: the guard is to run, in a mode
    that may only restrain it.
    """

    guard: str
    run: str
    at: datetime
    looks: bool
    mode: Mode | None = None

    def packed(self) -> str:
        """The message."""
        wire = {
            "guard": self.guard,
            "run": self.run,
            "at": self.at.isoformat(),
            "looks": self.looks,
            "mode": str(self.mode) if self.mode else None,
        }
        return json.dumps(wire)

    @classmethod
    def unpacked(cls, text: str) -> "Ticket":
        """A ticket from its message. Raises ValueError for anything else."""
        try:
            wire = json.loads(text)
            at = datetime.fromisoformat(wire["at"])
            if at.tzinfo is None:
                raise ValueError("no time zone")
            return cls(
                guard=str(wire["guard"]),
                run=str(wire["run"]),
                at=at,
                looks=wire["looks"] is True,
                mode=Mode(wire["mode"]) if wire["mode"] else None,
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"not a ticket: {type(error).__name__}") from error


async def work_off(ticket: Ticket, settings: Settings) -> RunReport:
    """Do what a ticket stands for. What ends without a claim is noted where its address points.

    Raises ExoguardError when it should be tried again.
    """
    duty = settings.duty(ticket.guard)
    if duty is None:
        raise SettingsError(f"there is no guard {ticket.guard[:60]!r}")
    if not ticket.looks:
        async with connect(settings) as world:
            return await serve(duty, world, ticket.run)
    try:
        async with connect(settings, queue=True) as world:
            request = Request(ticket.run, ticket.mode, at=ticket.at)
            report = await run_in_turn(duty, world, request)
    except ExoguardError as error:
        await note(settings, ticket, {"status": "failed", "error": str(error)})
        raise
    if report.status in ("busy", "off"):
        await note(settings, ticket, document(report))
    return report


async def run_in_turn(duty: Duty, world: World, request: Request) -> RunReport:
    """A run that waits a moment for a guard that is held.

    What a person asked for just before may still be told, which is soon over. Another run is not
    waited for: it looks at the same tenant.
    """
    for _ in range(TURNS - 1):
        report = await run(duty, world, request)
        if report.status != "busy":
            return report
        await world.pause(TURN)
    return await run(duty, world, request)


async def note(settings: Settings, ticket: Ticket, became: dict[str, object]) -> None:
    """Write down what became of a run that held no claim.

    Who only asked for a run may ask again. A plan that was released is waited for: the queue tries
    again, and so does each run of the next hour. Raises Unavailable for that.
    """
    asked = {"guard": ticket.guard, "run": ticket.run, "at": ticket.at.isoformat()}
    async with open_ledger(settings) as ledger:
        await ledger.note(ticket.guard, ticket.run, {**asked, **became})
        action = await ledger.action(ticket.guard, ticket.run)
        if action and action.deed is Deed.RUN and action.state is ActionState.ASKED:
            why = f"nothing was run: {became['status']}"
            await ledger.ask(ticket.guard, refused(action, datetime.now(UTC), why))
    if action and action.deed is Deed.RELEASE and became["status"] == "busy":
        raise Unavailable(f"{ticket.guard} is busy: the release waits for its turn")
