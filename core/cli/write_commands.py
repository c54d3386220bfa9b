"""The commands that submit a request: each states who and why, and first shows what will happen.

    prepare ─► PendingRequest ─► preview ─► consent ─► POST ─► wait for the result, or its address

A command is declared by the function that prepares its request. The options of `RequestOptions`
are common to all of them.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
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
    RequestRefused,
    fetch_response,
    submit_request,
)
from core.cli.completion import complete_word_of
from core.cli.formatting import format_time_and_age, format_utc
from core.cli.lookup import (
    find_change_row,
    parse_guard_name,
    parse_hex_id,
    parse_until_option,
    resolve_case,
    resolve_subject,
)
from core.cli.options import (
    AsJson,
    CaseNames,
    Command,
    GuardFilter,
    GuardName,
    SubjectName,
    SubjectNames,
    as_command,
    list_own_parameters,
)
from core.cli.render import TerminalRenderer
from core.cli.session import Session
from core.cli.undo_hint import explain_undo_refusal, format_before
from core.cli.words import MODES
from core.tenant.quoting import quote_text

PENDING_STATUSES = ("queued", "running", "requested")
# Seconds to wait for a result at most.
DEFAULT_TIMEOUT = 600.0
# Seconds between two polls: short at first, then longer.
FIRST_DELAY, MAX_DELAY = 1.0, 10.0
# One answer that does not come says nothing of the request.
MAX_FAILED_POLLS = 4


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The options that every write command takes."""

    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="the reason, kept with the request")
    ]
    who: Annotated[
        str,
        typer.Option("--who", metavar="NAME", help="the operator [default: user@machine]"),
    ] = ""
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask for confirmation")] = False
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help="wait for the result [default: with --local]",
            show_default=False,
        ),
    ] = None
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=1, metavar="SECONDS", help="how long to wait at most"),
    ] = DEFAULT_TIMEOUT
    as_json: AsJson = False


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that is ready to be submitted."""

    path: str
    guard: str
    summary: str
    """What will happen, in one sentence."""
    body: dict[str, str] = field(default_factory=dict)
    """The fields of the body other than who and why."""
    preview: Callable[[Session, ApiClient], Awaitable[None]] | None = None
    """Prints details for the operator who has to confirm."""


def as_write_command(
    prepare: Callable[..., Awaitable[PendingRequest | Sequence[PendingRequest]]],
) -> Command:
    """The command that submits what `prepare` returns, with the options of every write command."""
    options = signature(RequestOptions).parameters

    async def submit(session: Session, client: ApiClient, **arguments: Any) -> int:
        chosen = RequestOptions(**{name: arguments.pop(name) for name in options})
        prepared = await prepare(session, client, **arguments)
        requests = [prepared] if isinstance(prepared, PendingRequest) else prepared
        return await submit_with_consent(session, client, requests, chosen)

    parameters = [*list_own_parameters(prepare), *options.values()]
    return as_command(submit, parameters, prepare.__doc__)


async def prepare_run(
    session: Session,
    client: ApiClient,
    guard: GuardName,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="MODE",
            help="a stricter mode for this run: alert",
            autocompletion=complete_word_of(MODES),
        ),
    ] = "",
) -> PendingRequest:
    """Run a guard now.

    In enforce mode it makes the same changes as a scheduled run.
    """
    name = parse_guard_name(guard)
    in_mode = f" in {quote_text(mode, 8)} mode" if mode else ""
    return PendingRequest(
        f"/api/guards/{name}/run",
        name,
        f"{name} runs now{in_mode}",
        {"mode": mode} if mode else {},
        partial(preview_guard, guard=name),
    )


async def prepare_release(
    session: Session,
    client: ApiClient,
    guard: GuardName,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="the plan's hash: 32 hex digits of the alert")
    ],
) -> PendingRequest:
    """Release a plan that the brake held back.

    Makes exactly the changes of that plan. If the plan is different by then, makes none.
    """
    name, plan_hash = parse_guard_name(guard), parse_hex_id(plan, "plan")
    return PendingRequest(
        f"/api/guards/{name}/run",
        name,
        f"{name} makes the changes of plan {plan_hash}",
        {"plan": plan_hash},
        partial(preview_plan, guard=name, plan=plan_hash),
    )


async def prepare_undo(
    session: Session,
    client: ApiClient,
    guard: GuardName,
    change: Annotated[
        str, typer.Argument(metavar="CHANGE", help="its id: 32 hex digits, see `changes`")
    ],
) -> PendingRequest:
    """Undo a change.

    Restores the earlier values, and leaves them alone for 30 days.
    """
    name, change_id = parse_guard_name(guard), parse_hex_id(change, "change")
    return PendingRequest(
        f"/api/changes/{name}/{change_id}/undo",
        name,
        f"{name} undoes change {change_id}, and leaves the object alone for 30 days",
        preview=partial(preview_change, change=change_id),
    )


async def prepare_exemption(
    session: Session,
    client: ApiClient,
    guard: GuardName,
    subjects: SubjectNames,
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="30d, or a date; within a year")
    ],
) -> Sequence[PendingRequest]:
    """Exempt cases or objects of a guard until a date.

    Closes their open cases and suppresses new ones. Several are exempt for one reason.
    """
    name = parse_guard_name(guard)
    end = parse_until_option(until, session.now()).isoformat(timespec="seconds")
    keys = [await resolve_subject(client, subject, name) for subject in subjects]
    return [
        PendingRequest(
            f"/api/guards/{name}/exemptions",
            name,
            f"{name} exempts {quote_text(key)} until {format_utc(end)}",
            {"subject": key, "until": end},
        )
        for key in dict.fromkeys(keys)
    ]


async def prepare_exemption_end(
    session: Session, client: ApiClient, guard: GuardName, subject: SubjectName
) -> PendingRequest:
    """End an exemption before its date."""
    name = parse_guard_name(guard)
    key = await resolve_subject(client, subject, name)
    return PendingRequest(
        f"/api/guards/{name}/exemptions/end",
        name,
        f"{name} ends the exemption of {quote_text(key)}",
        {"subject": key},
    )


async def prepare_acknowledgements(
    session: Session, client: ApiClient, cases: CaseNames, guard: GuardFilter = ""
) -> Sequence[PendingRequest]:
    """Acknowledge cases.

    Exoguard sends no reminders of them until they change. Several are acknowledged with one reason.
    """
    only = guard and parse_guard_name(guard)
    found = [await resolve_case(client, case, only) for case in cases]
    return [
        PendingRequest(
            f"/api/cases/{name}/{key}/acknowledge",
            name,
            f"{name} sends no reminders of case {key} until it changes",
            preview=partial(preview_case, guard=name, key=key),
        )
        for name, key in dict.fromkeys(found)
    ]


# ----------------------------------------------------------------------------------------------
# Previews
# ----------------------------------------------------------------------------------------------


async def preview_guard(session: Session, client: ApiClient, guard: str) -> None:
    """Print the guard's mode and its last complete scan."""
    document = (await fetch_response(client, "/api/status.json")).parse_object()
    for row in document["guards"]:
        if row["guard"] == guard:
            scanned = format_time_and_age(row["last_complete_scan"], session.now())
            mode = quote_text(str(row["mode"]), 10)
            session.print_note(f"  mode {mode}, last complete scan {scanned}")


async def preview_plan(session: Session, client: ApiClient, guard: str, plan: str) -> None:
    """Print the changes of a plan."""
    document = (await fetch_response(client, "/api/status.json")).parse_object()
    for row in document["decisions"]:
        if (row["guard"], row.get("plan")) == (guard, plan):
            for change in row["would_change"]:
                kind = quote_text(change["kind"], 60)
                session.print_note(f"  {kind} · {quote_text(change['subject'])}")
            if not row["list_is_exact"]:
                session.print_note("  and more that are not listed here: see the alert")
            return
    session.print_note("  the status lists no plan with this hash")


async def preview_change(session: Session, client: ApiClient, change: str) -> None:
    """Print a change, the values it restores, and why an undo would be refused, if so."""
    document = (await fetch_response(client, "/api/status.json")).parse_object()
    row = find_change_row(document, change)
    if row is None:
        session.print_note("  it is not among the changes of the last week: see its case")
        return
    kind, subject = quote_text(row["kind"], 60), quote_text(row["subject"])
    session.print_note(f"  {kind} · {subject}, {format_time_and_age(row['at'], session.now())}")
    for line in format_before(row):
        session.print_note(f"  restores {quote_text(line, 600)}")
    if reason := explain_undo_refusal(row):
        session.print_note(f"  it will be refused: {quote_text(reason, 600)}")


async def preview_case(session: Session, client: ApiClient, guard: str, key: str) -> None:
    """Print a case in two lines."""
    row = (await fetch_response(client, f"/api/cases/{guard}/{key}.json")).parse_object()
    session.print_note(f"  {row['severity']}: {quote_text(row['subject'])}")
    session.print_note(f"  {quote_text(row['summary'], 600)}")


# ----------------------------------------------------------------------------------------------
# Consent, submission and result
# ----------------------------------------------------------------------------------------------


async def submit_with_consent(
    session: Session,
    client: ApiClient,
    requests: Sequence[PendingRequest],
    options: RequestOptions,
) -> int:
    """Show what will happen, ask once for consent, submit the requests and wait for the results."""
    who = options.who or session.who
    for request in requests:
        session.print_note(f"{request.summary}, at {client.location}")
        if request.preview and not options.yes:
            await request.preview(session, client)
    session.print_note(f"  requested by {quote_text(who, 200)}: {quote_text(options.why, 500)}")
    if not session.confirm(options.yes):
        session.print_note("Nothing was requested.")
        return EXIT_REFUSED
    return await submit_all(session, client, requests, options, who)


async def submit_all(
    session: Session,
    client: ApiClient,
    requests: Sequence[PendingRequest],
    options: RequestOptions,
    who: str,
) -> int:
    """Submit the requests and wait for the results; the exit code.

    Of several, each is submitted even if one before it was refused: the worst result decides the
    exit code. Where the app does not answer, the rest is not requested, and named.
    """
    codes = [EXIT_OK]
    for number, request in enumerate(requests):
        try:
            codes.append(await submit_one(session, client, request, options, who))
        except RequestRefused as refusal:
            if len(requests) == 1:
                raise
            session.print_note(f"{request.summary}: {refusal}")
            codes.append(refusal.exit_code)
        except ApiUnavailable:
            for left in requests[number + 1 :]:
                session.print_note(f"not requested: {left.summary}")
            raise
    return max(codes)


async def submit_one(
    session: Session, client: ApiClient, request: PendingRequest, options: RequestOptions, who: str
) -> int:
    """Submit a request and report it, or wait for its result. Raises RequestRefused."""
    body = {**request.body, "who": who, "why": options.why}
    response = await submit_request(client, request.path, body)
    if session.connection.local if options.wait is None else options.wait:
        return await await_result(session, client, request, options, response)
    report_accepted(session, request, options, response)
    return EXIT_OK


def report_accepted(
    session: Session, request: PendingRequest, options: RequestOptions, response: ApiResponse
) -> None:
    """Print that the request is recorded, and the command that shows its result."""
    if options.as_json:
        session.write_response(response.body)
        return
    number = quote_text(str(response.parse_object()["request"]), 40)
    session.print_output(f"Request recorded. See its result: request {request.guard} {number}")
    if session.connection.local:
        session.print_output("The guard's next run processes it.")


async def await_result(
    session: Session,
    client: ApiClient,
    request: PendingRequest,
    options: RequestOptions,
    response: ApiResponse,
) -> int:
    """Wait for the result, print it, and return the exit code for it."""
    accepted = response.parse_object()
    is_run = "run" in accepted
    with session.err.status("waiting for the result …"):
        await client.process_pending()
        result = await poll_until_done(
            session, client, str(accepted["address"]), max_wait_seconds=options.timeout
        )
        request_result = result
        if is_run:
            request_result = await client.get(
                f"/api/requests/{request.guard}/{accepted['request']}"
            )
    if options.as_json:
        session.write_response(result.body)
        return get_exit_code(result, request_result)
    renderer = TerminalRenderer(session.out, session.now())
    if is_run:
        renderer.print_run(result.parse_object())
    if request_result.status == 200:
        renderer.print_requests([request_result.parse_object()])
    return get_exit_code(result, request_result)


def get_exit_code(result: ApiResponse, request_result: ApiResponse) -> int:
    """The exit code for a result: of a run and of the request for it, or of the request alone."""
    document = result.parse_object()
    request = request_result.parse_object() if request_result.status == 200 else document
    if document["status"] == "failed":
        return EXIT_PROBLEM
    if request["status"] == "refused":
        return EXIT_REFUSED
    return EXIT_UNAVAILABLE if document["status"] in ("busy", "off") else EXIT_OK


async def poll_until_done(
    session: Session, client: ApiClient, address: str, max_wait_seconds: float
) -> ApiResponse:
    """The response at an address once it is final.

    Raises ApiUnavailable after the longest wait, and where several answers in a row do not come:
    the request is recorded all the same, and said to be.
    """
    waited, delay, failure_count = 0.0, FIRST_DELAY, 0
    while True:
        try:
            response = await fetch_response(client, address)
            if response.parse_object().get("status") not in PENDING_STATUSES:
                return response
            failure_count = 0
        except ApiUnavailable as error:
            failure_count += 1
            if failure_count >= MAX_FAILED_POLLS:
                raise ApiUnavailable(
                    f"the request is recorded, but its result is not known: {error}; see {address}"
                ) from error
        if waited >= max_wait_seconds:
            raise ApiUnavailable(
                f"not done within {max_wait_seconds:.0f} s; the request is still pending: "
                f"see {address}"
            )
        await session.sleep(delay)
        waited, delay = waited + delay, min(delay * 1.5, MAX_DELAY)
