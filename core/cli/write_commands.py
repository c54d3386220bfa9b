"""The commands that ask for something: each says who and why, and shows first what will happen."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from core.cli.api_client import (
    EXIT_OK,
    EXIT_PROBLEM,
    EXIT_REFUSED,
    EXIT_UNAVAILABLE,
    ApiClient,
    ApiResponse,
    ApiUnavailable,
    fetch_response,
    submit_request,
)
from core.cli.formatting import format_time_and_age, format_utc
from core.cli.lookup import (
    find_change_row,
    parse_guard_name,
    parse_hex_id,
    parse_until_option,
    resolve_case,
    resolve_subject,
)
from core.cli.options import AsJson, GuardName, get_session, run_command
from core.cli.render import TerminalRenderer
from core.cli.session import Session
from core.cli.undo_hint import explain_undo_refusal, format_before
from core.sanitize import sanitize_text

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
Timeout = Annotated[
    float, typer.Option("--timeout", min=1, metavar="SECONDS", help="wait so long at most")
]
PENDING_STATUSES = ("queued", "running", "asked")
DEFAULT_TIMEOUT = 600.0
# Seconds between two looks: short at first, then longer.
FIRST_DELAY, MAX_DELAY = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How something is asked for, as the options of the command say."""

    why: str
    who: str = ""
    assume_yes: bool = False
    wait: bool | None = None
    timeout: float = DEFAULT_TIMEOUT
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """What is asked for. `says` is what will happen; `shows` looks it up for who has to agree."""

    path: str
    guard: str
    summary: str
    body: dict[str, str]
    preview: Callable[[Session, ApiClient], Awaitable[None]] | None = None


def submit_run(
    ctx: typer.Context,
    guard: GuardName,
    why: Why,
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="restricts the mode of this run: alert")
    ] = "",
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Run a guard now.

    In enforce mode it changes what it would change on its schedule.
    """
    asking = RequestOptions(why, who, yes, wait, timeout, as_json)

    async def wish(way: ApiClient) -> PendingRequest:
        of = parse_guard_name(guard)
        how = f" in {sanitize_text(mode, 8)} mode" if mode else ""
        body = {"mode": mode} if mode else {}
        return PendingRequest(
            f"/api/guards/{of}/run", of, f"{of} runs now{how}", body, preview_guard(of)
        )

    submit_with_consent(ctx, asking, wish)


def submit_release(
    ctx: typer.Context,
    guard: GuardName,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="the plan's name: 32 hex digits of the alert")
    ],
    why: Why,
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Release what the brake holds.

    Exactly the changes of that plan: if others wait by then, nothing is changed.
    """
    asking = RequestOptions(why, who, yes, wait, timeout, as_json)

    async def wish(way: ApiClient) -> PendingRequest:
        of, name = parse_guard_name(guard), parse_hex_id(plan, "plan")
        says = f"{of} makes the changes of plan {name}"
        return PendingRequest(
            f"/api/guards/{of}/run", of, says, {"plan": name}, preview_plan(of, name)
        )

    submit_with_consent(ctx, asking, wish)


def submit_undo(
    ctx: typer.Context,
    guard: GuardName,
    change: Annotated[
        str, typer.Argument(metavar="CHANGE", help="its id: 32 hex digits, see changes")
    ],
    why: Why,
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Take a change back.

    What was there before is restored, and left alone for 30 days.
    """
    asking = RequestOptions(why, who, yes, wait, timeout, as_json)

    async def wish(way: ApiClient) -> PendingRequest:
        of, name = parse_guard_name(guard), parse_hex_id(change, "change")
        says = f"{of} takes back change {name}, and leaves it alone for 30 days"
        return PendingRequest(f"/api/changes/{of}/{name}/undo", of, says, {}, preview_change(name))

    submit_with_consent(ctx, asking, wish)


def submit_exemption(
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
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Say that something is right for a time.

    Its cases end, and no more are opened.
    """
    asking = RequestOptions(why, who, yes, wait, timeout, as_json)

    async def wish(way: ApiClient) -> PendingRequest:
        of, now = parse_guard_name(guard), get_session(ctx).now()
        end = parse_until_option(until, now).isoformat(timespec="seconds")
        about = await resolve_subject(way, subject, of)
        says = f"{of} leaves {sanitize_text(about)} alone until {format_utc(end)}"
        body = {"subject": about, "until": end}
        return PendingRequest(f"/api/guards/{of}/exemptions", of, says, body)

    submit_with_consent(ctx, asking, wish)


def submit_exemption_end(
    ctx: typer.Context,
    guard: GuardName,
    subject: Annotated[
        str, typer.Argument(metavar="SUBJECT", help="a case, or the id of an object")
    ],
    why: Why,
    who: Who = "",
    yes: Yes = False,
    wait: Wait = None,
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """End an exemption before its time."""
    asking = RequestOptions(why, who, yes, wait, timeout, as_json)

    async def wish(way: ApiClient) -> PendingRequest:
        of = parse_guard_name(guard)
        about = await resolve_subject(way, subject, of)
        says = f"{of} watches {sanitize_text(about)} again"
        return PendingRequest(f"/api/guards/{of}/exemptions/end", of, says, {"subject": about})

    submit_with_consent(ctx, asking, wish)


def submit_acknowledgement(
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
    timeout: Timeout = DEFAULT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Say that a case is known.

    It is not brought up again until it changes.
    """
    asking = RequestOptions(why, who, yes, wait, timeout, as_json)

    async def wish(way: ApiClient) -> PendingRequest:
        of, key = await resolve_case(way, case, guard and parse_guard_name(guard))
        says = f"{of} does not bring up case {key} again until it changes"
        return PendingRequest(
            f"/api/cases/{of}/{key}/acknowledge", of, says, {}, preview_case(of, key)
        )

    submit_with_consent(ctx, asking, wish)


# ----------------------------------------------------------------------------------------------
# What will happen
# ----------------------------------------------------------------------------------------------


def preview_guard(guard: str) -> Callable[[Session, ApiClient], Awaitable[None]]:
    """The guard's mode and what waits of it."""

    async def shows(session: Session, way: ApiClient) -> None:
        document = (await fetch_response(way, "/api/status.json")).parse_object()
        for row in document["guards"]:
            if row["guard"] == guard:
                looked = format_time_and_age(row["last_complete_look"], session.now())
                session.print_note(f"  mode {sanitize_text(str(row['mode']), 10)}, looked {looked}")

    return shows


def preview_plan(guard: str, plan: str) -> Callable[[Session, ApiClient], Awaitable[None]]:
    """The changes of a plan."""

    async def shows(session: Session, way: ApiClient) -> None:
        document = (await fetch_response(way, "/api/status.json")).parse_object()
        for row in document["decisions"]:
            if (row["guard"], row.get("plan")) == (guard, plan):
                for change in row["would_change"]:
                    kind = sanitize_text(change["kind"], 60)
                    session.print_note(f"  {kind} · {sanitize_text(change['subject'])}")
                if not row["list_is_exact"]:
                    session.print_note("  and more than is known here: see the alert")
                return
        session.print_note("  no plan of that name waits now, as far as the status knows")

    return shows


def preview_change(change: str) -> Callable[[Session, ApiClient], Awaitable[None]]:
    """A change, what was there before, and why it cannot be taken back if so."""

    async def shows(session: Session, way: ApiClient) -> None:
        row = find_change_row(
            (await fetch_response(way, "/api/status.json")).parse_object(), change
        )
        if row is None:
            session.print_note("  it is not among the changes of the last week: see its case")
            return
        kind, subject = sanitize_text(row["kind"], 60), sanitize_text(row["subject"])
        session.print_note(f"  {kind} · {subject}, {format_time_and_age(row['at'], session.now())}")
        for line in format_before(row):
            session.print_note(f"  restores {sanitize_text(line, 600)}")
        if reason := explain_undo_refusal(row):
            session.print_note(f"  it will be refused: {sanitize_text(reason, 600)}")

    return shows


def preview_case(guard: str, key: str) -> Callable[[Session, ApiClient], Awaitable[None]]:
    """A case in two lines."""

    async def shows(session: Session, way: ApiClient) -> None:
        row = (await fetch_response(way, f"/api/cases/{guard}/{key}.json")).parse_object()
        session.print_note(f"  {row['severity']}: {sanitize_text(row['subject'])}")
        session.print_note(f"  {sanitize_text(row['summary'], 600)}")

    return shows


# ----------------------------------------------------------------------------------------------
# Asking, and waiting for what comes of it
# ----------------------------------------------------------------------------------------------


def submit_with_consent(
    ctx: typer.Context,
    options: RequestOptions,
    build_request: Callable[[ApiClient], Awaitable[PendingRequest]],
) -> None:
    """Show what will happen, ask, ask for it, wait."""

    async def work(session: Session, way: ApiClient) -> int:
        wish = await build_request(way)
        who = options.who or session.who
        session.print_note(f"{wish.summary}, at {way.location}")
        session.print_note(
            f"  asked for by {sanitize_text(who, 200)}: {sanitize_text(options.why, 500)}"
        )
        if wish.preview and not options.assume_yes:
            await wish.preview(session, way)
        if not session.confirm(options.assume_yes):
            session.print_note("Nothing was asked for.")
            return EXIT_REFUSED
        reply = await submit_request(way, wish.path, {**wish.body, "who": who, "why": options.why})
        waits = session.connection.local if options.wait is None else options.wait
        if waits:
            return await await_result(session, way, wish, options, reply)
        report_accepted(session, wish, options, reply)
        return EXIT_OK

    run_command(ctx, work)


def report_accepted(
    session: Session, request: PendingRequest, options: RequestOptions, response: ApiResponse
) -> None:
    """What was asked for is written down; where to see what comes of it."""
    if options.as_json:
        session.write_response(response.body)
        return
    number = sanitize_text(str(response.parse_object()["action"]), 40)
    session.print_output(f"Written down. See what comes of it: action {request.guard} {number}")
    if session.connection.local:
        session.print_output("It is done by the guard's next run.")


async def await_result(
    session: Session,
    client: ApiClient,
    request: PendingRequest,
    options: RequestOptions,
    response: ApiResponse,
) -> int:
    """Wait, and say what came of it."""
    taken = response.parse_object()
    with session.err.status("waiting for what comes of it …"):
        await client.process_pending()
        ended = await poll_until_done(session, client, str(taken["address"]), options.timeout)
        of_run = "run" in taken
        answer = ended
        if of_run:
            number = str(taken["action"])
            answer = await client.get(f"/api/actions/{request.guard}/{number}")
    if options.as_json:
        session.write_response(ended.body)
    elif of_run:
        TerminalRenderer(session.out, session.now()).print_run(ended.parse_object())
    if not options.as_json and answer.status == 200:
        TerminalRenderer(session.out, session.now()).print_requests([answer.parse_object()])
    return get_exit_code(ended.parse_object(), answer)


def get_exit_code(ended: dict[str, Any], response: ApiResponse) -> int:
    """The code for what came of it."""
    asked = response.parse_object() if response.status == 200 else ended
    if ended["status"] == "failed":
        return EXIT_PROBLEM
    if asked["status"] == "refused":
        return EXIT_REFUSED
    return EXIT_UNAVAILABLE if ended["status"] in ("busy", "off") else EXIT_OK


async def poll_until_done(
    session: Session, client: ApiClient, address: str, max_wait_seconds: float
) -> ApiResponse:
    """The answer at an address once it is the last one. Raises Unknown when that takes too long."""
    waited, step = 0.0, FIRST_DELAY
    while True:
        reply = await fetch_response(client, address)
        if reply.parse_object().get("status") not in PENDING_STATUSES:
            return reply
        if waited >= max_wait_seconds:
            raise ApiUnavailable(
                f"not done within {max_wait_seconds:.0f} s; it goes on: see {address}"
            )
        await session.sleep(step)
        waited, step = waited + step, min(step * 1.5, MAX_DELAY)
