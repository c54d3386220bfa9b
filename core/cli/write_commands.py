"""The commands that ask for something: each says who and why, and shows first what will happen."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from core.cli.api_client import FINE, REFUSED, UNKNOWN, WRONG, Reply, Unknown, Way, ask, read
from core.cli.formatting import both, utc
from core.cli.lookup import case_of, change_in, guard_of, id_of, subject_of, until_of
from core.cli.options import AsJson, GuardName, perform, session_of
from core.cli.render import Show
from core.cli.session import Session
from core.cli.undo_hint import was, why_not
from core.sanitize import plain

Who = Annotated[str, typer.Option("--who", metavar="NAME", help="who asks [default: user@machine]")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="why, for whoever reads it later")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do it without asking")]
Wait = Annotated[
    bool | None,
    typer.Option(
        "--wait/--no-wait",
        help="wait for what comes of it [default: with --local]",
        show_default=False,
    ),
]
Patience = Annotated[
    float, typer.Option("--timeout", min=1, metavar="SECONDS", help="wait so long at most")
]
WAITING = ("queued", "running", "asked")
PATIENCE = 600.0
# Seconds between two looks: short at first, then longer.
FIRST, LONGEST = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Asking:
    """How something is asked for, as the options of the command say."""

    why: str
    who: str = ""
    yes: bool = False
    wait: bool | None = None
    timeout: float = PATIENCE
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `says` is what will happen; `shows` looks it up for who has to agree."""

    path: str
    guard: str
    says: str
    body: dict[str, str]
    shows: Callable[[Session, Way], Awaitable[None]] | None = None


def run(
    ctx: typer.Context,
    guard: GuardName,
    why: Why,
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="restrains this run: alert")
    ] = "",
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Run a guard now.

    In enforce mode it changes what it would change on its schedule.
    """
    asking = Asking(why, who, yes, wait, timeout, as_json)

    async def wish(way: Way) -> Wish:
        of = guard_of(guard)
        how = f" in {plain(mode, 8)} mode" if mode else ""
        body = {"mode": mode} if mode else {}
        return Wish(f"/api/guards/{of}/run", of, f"{of} runs now{how}", body, shows_guard(of))

    carry_out(ctx, asking, wish)


def release(
    ctx: typer.Context,
    guard: GuardName,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="the plan's name: 32 hex digits of the alert")
    ],
    why: Why,
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Release what the brake holds.

    Exactly the changes of that plan: if others wait by then, nothing is changed.
    """
    asking = Asking(why, who, yes, wait, timeout, as_json)

    async def wish(way: Way) -> Wish:
        of, name = guard_of(guard), id_of(plan, "plan")
        says = f"{of} makes the changes of plan {name}"
        return Wish(f"/api/guards/{of}/run", of, says, {"plan": name}, shows_plan(of, name))

    carry_out(ctx, asking, wish)


def undo(
    ctx: typer.Context,
    guard: GuardName,
    change: Annotated[
        str, typer.Argument(metavar="CHANGE", help="its id: 32 hex digits, see changes")
    ],
    why: Why,
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Take a change back.

    What was there before is restored, and left alone for 30 days.
    """
    asking = Asking(why, who, yes, wait, timeout, as_json)

    async def wish(way: Way) -> Wish:
        of, name = guard_of(guard), id_of(change, "change")
        says = f"{of} takes back change {name}, and leaves it alone for 30 days"
        return Wish(f"/api/changes/{of}/{name}/undo", of, says, {}, shows_change(name))

    carry_out(ctx, asking, wish)


def exempt(
    ctx: typer.Context,
    guard: GuardName,
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="a case, or the id of an object")
    ],
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="30d, or a date; within a year")
    ],
    why: Why,
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Say that something is right for a time.

    Its cases end, and no more are opened.
    """
    asking = Asking(why, who, yes, wait, timeout, as_json)

    async def wish(way: Way) -> Wish:
        of, now = guard_of(guard), session_of(ctx).now()
        end = until_of(until, now).isoformat(timespec="seconds")
        about = await subject_of(way, subject, of)
        says = f"{of} leaves {plain(about)} alone until {utc(end)}"
        body = {"subject": about, "until": end}
        return Wish(f"/api/guards/{of}/exemptions", of, says, body)

    carry_out(ctx, asking, wish)


def unexempt(
    ctx: typer.Context,
    guard: GuardName,
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="a case, or the id of an object")
    ],
    why: Why,
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """End an exemption before its time."""
    asking = Asking(why, who, yes, wait, timeout, as_json)

    async def wish(way: Way) -> Wish:
        of = guard_of(guard)
        about = await subject_of(way, subject, of)
        says = f"{of} watches {plain(about)} again"
        return Wish(f"/api/guards/{of}/exemptions/end", of, says, {"subject": about})

    carry_out(ctx, asking, wish)


def acknowledge(
    ctx: typer.Context,
    case: Annotated[
        str, typer.Argument(metavar="CASE", help="its key, or the last 8 digits, as cards show it")
    ],
    why: Why,
    guard: Annotated[
        str, typer.Option("--guard", metavar="GUARD", help="only among the cases of one guard")
    ] = "",
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Patience = PATIENCE,
    as_json: AsJson = False,
) -> None:
    """Say that a case is known.

    It is not brought up again until it changes.
    """
    asking = Asking(why, who, yes, wait, timeout, as_json)

    async def wish(way: Way) -> Wish:
        of, key = await case_of(way, case, guard and guard_of(guard))
        says = f"{of} does not bring up case {key} again until it changes"
        return Wish(f"/api/cases/{of}/{key}/acknowledge", of, says, {}, shows_case(of, key))

    carry_out(ctx, asking, wish)


# ----------------------------------------------------------------------------------------------
# What will happen
# ----------------------------------------------------------------------------------------------


def shows_guard(guard: str) -> Callable[[Session, Way], Awaitable[None]]:
    """The guard's mode and what waits of it."""

    async def shows(session: Session, way: Way) -> None:
        document = (await read(way, "/api/status.json")).document()
        for row in document["guards"]:
            if row["guard"] == guard:
                looked = both(row["last_complete_look"], session.now())
                session.note(f"  mode {plain(str(row['mode']), 10)}, looked {looked}")

    return shows


def shows_plan(guard: str, plan: str) -> Callable[[Session, Way], Awaitable[None]]:
    """The changes of a plan."""

    async def shows(session: Session, way: Way) -> None:
        document = (await read(way, "/api/status.json")).document()
        for row in document["decisions"]:
            if (row["guard"], row.get("plan")) == (guard, plan):
                for change in row["would_change"]:
                    session.note(f"  {plain(change['kind'], 60)} · {plain(change['subject'])}")
                if not row["list_is_exact"]:
                    session.note("  and more than is known here: see the alert")
                return
        session.note("  no plan of that name waits now, as far as the status knows")

    return shows


def shows_change(change: str) -> Callable[[Session, Way], Awaitable[None]]:
    """A change, what was there before, and why it cannot be taken back if so."""

    async def shows(session: Session, way: Way) -> None:
        row = change_in((await read(way, "/api/status.json")).document(), change)
        if row is None:
            session.note("  it is not among the changes of the last week: see its case")
            return
        kind, subject = plain(row["kind"], 60), plain(row["subject"])
        session.note(f"  {kind} · {subject}, {both(row['at'], session.now())}")
        for line in was(row):
            session.note(f"  restores {plain(line, 600)}")
        if reason := why_not(row):
            session.note(f"  it will be refused: {plain(reason, 600)}")

    return shows


def shows_case(guard: str, key: str) -> Callable[[Session, Way], Awaitable[None]]:
    """A case in two lines."""

    async def shows(session: Session, way: Way) -> None:
        row = (await read(way, f"/api/cases/{guard}/{key}.json")).document()
        session.note(f"  {row['severity']}: {plain(row['subject'])}")
        session.note(f"  {plain(row['summary'], 600)}")

    return shows


# ----------------------------------------------------------------------------------------------
# Asking, and waiting for what comes of it
# ----------------------------------------------------------------------------------------------


def carry_out(ctx: typer.Context, asking: Asking, wishes: Callable[[Way], Awaitable[Wish]]) -> None:
    """Show what will happen, ask, ask for it, wait."""

    async def work(session: Session, way: Way) -> int:
        wish = await wishes(way)
        who = asking.who or session.who
        session.note(f"{wish.says}, at {way.where}")
        session.note(f"  asked for by {plain(who, 200)}: {plain(asking.why, 500)}")
        if wish.shows and not asking.yes:
            await wish.shows(session, way)
        if not session.agreed(asking.yes):
            session.note("Nothing was asked for.")
            return REFUSED
        reply = await ask(way, wish.path, {**wish.body, "who": who, "why": asking.why})
        waits = session.connection.local if asking.wait is None else asking.wait
        if waits:
            return await waited(session, way, wish, asking, reply)
        told(session, wish, asking, reply)
        return FINE

    perform(ctx, work)


def told(session: Session, wish: Wish, asking: Asking, reply: Reply) -> None:
    """What was asked for is written down; where to see what comes of it."""
    if asking.as_json:
        session.answer(reply.body)
        return
    number = plain(str(reply.document()["action"]), 40)
    session.say(f"Written down. See what comes of it: action {wish.guard} {number}")
    if session.connection.local:
        session.say("It is done by the guard's next run.")


async def waited(session: Session, way: Way, wish: Wish, asking: Asking, reply: Reply) -> int:
    """Wait, and say what came of it."""
    taken = reply.document()
    with session.err.status("waiting for what comes of it …"):
        await way.work()
        ended = await followed(session, way, str(taken["address"]), asking.timeout)
        of_run = "run" in taken
        answer = ended
        if of_run:
            number = str(taken["action"])
            answer = await way.get(f"/api/actions/{wish.guard}/{number}")
    if asking.as_json:
        session.answer(ended.body)
    elif of_run:
        Show(session.out, session.now()).run(ended.document())
    if not asking.as_json and answer.status == 200:
        Show(session.out, session.now()).actions([answer.document()])
    return outcome(ended.document(), answer)


def outcome(ended: dict[str, Any], answer: Reply) -> int:
    """The code for what came of it."""
    asked = answer.document() if answer.status == 200 else ended
    if ended["status"] == "failed":
        return WRONG
    if asked["status"] == "refused":
        return REFUSED
    return UNKNOWN if ended["status"] in ("busy", "off") else FINE


async def followed(session: Session, way: Way, address: str, patience: float) -> Reply:
    """The answer at an address once it is the last one. Raises Unknown when that takes too long."""
    waited, step = 0.0, FIRST
    while True:
        reply = await read(way, address)
        if reply.document().get("status") not in WAITING:
            return reply
        if waited >= patience:
            raise Unknown(f"not done within {patience:.0f} s; it goes on: see {address}")
        await session.pause(step)
        waited, step = waited + step, min(step * 1.5, LONGEST)
