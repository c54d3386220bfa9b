"""The commands that look: status, cases, changes, what was asked for, evidence."""

import base64
import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.api_client import (
    EXIT_OK,
    EXIT_PROBLEM,
    EXIT_UNAVAILABLE,
    ApiClient,
    ApiUnavailable,
    UsageError,
    fetch_response,
)
from core.cli.lookup import (
    SEVERITY_LABELS,
    parse_guard_name,
    parse_option_choice,
    parse_run_number,
    resolve_case,
)
from core.cli.options import AsJson, GuardName, get_session, run_command
from core.cli.render import TerminalRenderer
from core.cli.session import Session
from core.doctor import main as doctor_main
from core.evidence.file_format import ExportFormat, verify_export
from core.sanitize import sanitize_text
from core.status.case_query import CASE_STATES


def show_status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """How every guard stands, and what waits.

    Ends with 1 when a critical or high case is open, or a guard is late or failing.
    """

    async def work(session: Session, way: ApiClient) -> int:
        reply = await fetch_response(way, "/api/status.json")
        document = reply.parse_object()
        if as_json:
            session.write_response(reply.body)
        else:
            TerminalRenderer(session.out, session.now()).print_status(document, way.location)
        return EXIT_PROBLEM if has_problems(document) else EXIT_OK

    run_command(ctx, work)


def has_problems(document: dict[str, Any]) -> bool:
    """True when somebody should look at the tenant, or at Exoguard, now."""
    grave = document["open"]["critical"] + document["open"]["high"]
    guards = document["guards"]
    return bool(
        grave
        or document["health"] == "failing"
        or any(row["health"] == "failing" or row["late"] for row in guards)
    )


def list_cases(
    ctx: typer.Context,
    guard: Annotated[
        str, typer.Option("--guard", metavar="GUARD", help="only those of one guard")
    ] = "",
    severity: Annotated[
        str, typer.Option("--severity", metavar="LEVEL", help="critical, high, medium or low")
    ] = "",
    state: Annotated[
        str, typer.Option("--state", metavar="STATE", help="open, closed or all")
    ] = "open",
    page: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="the page, 100 cases each")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """What is wrong, the gravest first."""

    async def work(session: Session, way: ApiClient) -> int:
        query = {"state": parse_option_choice(state, CASE_STATES, "--state"), "page": str(page)}
        query |= {"guard": parse_guard_name(guard)} if guard else {}
        query |= (
            {"severity": parse_option_choice(severity, SEVERITY_LABELS, "--severity")}
            if severity
            else {}
        )
        reply = await fetch_response(way, "/api/cases.json", query)
        if as_json:
            session.write_response(reply.body)
        else:
            TerminalRenderer(session.out, session.now()).print_cases(reply.parse_object())
        return EXIT_OK

    run_command(ctx, work)


def show_case(
    ctx: typer.Context,
    case: Annotated[
        str, typer.Argument(metavar="CASE", help="its key, or the last 8 digits, as cards show it")
    ],
    guard: Annotated[
        str, typer.Option("--guard", metavar="GUARD", help="only among those of one guard")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """All that is known of one case."""

    async def work(session: Session, way: ApiClient) -> int:
        of, key = await resolve_case(way, case, guard and parse_guard_name(guard))
        reply = await fetch_response(way, f"/api/cases/{of}/{key}.json")
        if as_json:
            session.write_response(reply.body)
        else:
            TerminalRenderer(session.out, session.now()).print_case(reply.parse_object())
        return EXIT_OK

    run_command(ctx, work)


def list_changes(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What was changed, and how to undo it.

    Of the last week, with what was there before.
    """

    async def work(session: Session, way: ApiClient) -> int:
        return await print_status_list(session, way, "changes", as_json)

    run_command(ctx, work)


def list_requests(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What people asked for.

    In the last 30 days, and what came of it.
    """

    async def work(session: Session, way: ApiClient) -> int:
        return await print_status_list(session, way, "actions", as_json)

    run_command(ctx, work)


async def print_status_list(session: Session, client: ApiClient, name: str, as_json: bool) -> int:
    """One list of the status. As JSON the whole of it, as the API answers."""
    reply = await fetch_response(client, "/api/status.json")
    rows = reply.parse_object()[name]
    show = TerminalRenderer(session.out, session.now())
    if as_json:
        session.write_response(reply.body)
    elif not rows:
        session.print_output("Nothing.")
    elif name == "changes":
        show.print_changes(rows)
    else:
        show.print_requests(rows)
    return EXIT_OK


def show_request(
    ctx: typer.Context,
    guard: GuardName,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="its number, as the command said that asked")
    ],
    as_json: AsJson = False,
) -> None:
    """What came of something asked for.

    Of a run: what it saw, did and said.
    """

    async def work(session: Session, way: ApiClient) -> int:
        of, number = parse_guard_name(guard), parse_run_number(action, "action")
        reply = await way.get(f"/api/runs/{of}/{number}")
        of_run = reply.status == 200
        if not of_run:
            reply = await fetch_response(way, f"/api/actions/{of}/{number}")
        show = TerminalRenderer(session.out, session.now())
        if as_json:
            session.write_response(reply.body)
        elif of_run:
            show.print_run(reply.parse_object())
        else:
            show.print_requests([reply.parse_object()])
        return EXIT_OK

    run_command(ctx, work)


# ----------------------------------------------------------------------------------------------
# Evidence
# ----------------------------------------------------------------------------------------------


def download_evidence(
    ctx: typer.Context,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="the file; - is standard output")
    ],
    since: Annotated[
        str, typer.Option("--from", metavar="DATE", help="the first day: 2026-01-01, in UTC")
    ],
    until: Annotated[
        str,
        typer.Option(
            "--to", metavar="DATE", help="the day after the last; without it, today is the last"
        ),
    ] = "",
    form: Annotated[str, typer.Option("--format", metavar="FORM", help="jsonl or csv")] = "jsonl",
    force: Annotated[bool, typer.Option("--force", help="replace a file that is there")] = False,
) -> None:
    """Write the evidence of a period.

    Findings, changes, exemptions, what was asked for and how much was looked at, for auditors.
    Says the digest of the file: keep it apart from the file.
    """

    async def work(session: Session, way: ApiClient) -> int:
        kind = parse_option_choice(form, tuple(ExportFormat), "--format")
        if str(output) != "-" and output.exists() and not force:
            raise UsageError(f"{sanitize_text(str(output))} is there already: --force replaces it")
        last = until or (session.now() + timedelta(days=1)).date().isoformat()
        reply = await fetch_response(
            way, "/api/export", {"from": since, "to": last, "format": kind}
        )
        digest = hashlib.sha256(reply.body)
        told = reply.headers.get("repr-digest", "")
        encoded = base64.b64encode(digest.digest()).decode()
        if told and told != f"sha-256=:{encoded}:":
            raise ApiUnavailable("the export did not arrive as it was sent: ask for it again")
        if str(output) == "-":
            session.write_bytes(reply.body)
        else:
            write_private_file(output, reply.body)
        size = f"{len(reply.body):,} bytes"
        session.print_note(f"{sanitize_text(str(output))}: {size}, SHA-256 {digest.hexdigest()}")
        return EXIT_OK

    run_command(ctx, work)


def write_private_file(path: Path, body: bytes) -> None:
    """Write a file whole or not at all, for its owner alone: it names people. Raises Unknown."""
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
        partial.replace(path)
    except OSError as error:
        raise ApiUnavailable(
            f"{sanitize_text(str(path))}: cannot be written ({error.strerror})"
        ) from None


def verify_evidence(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="an exported file")],
    digest: Annotated[
        str,
        typer.Option(
            "--digest", metavar="DIGEST", help="its SHA-256, or the Repr-Digest header it came with"
        ),
    ] = "",
) -> None:
    """Whether an export is as it was made.

    With the digest that was kept apart from it, for certain.
    """
    session = get_session(ctx)
    try:
        with file.open("rb") as lines:
            checked = verify_export(lines, digest)
    except OSError as error:
        session.print_note(f"{sanitize_text(str(file))}: cannot be read ({error.strerror})")
        raise typer.Exit(EXIT_UNAVAILABLE) from None
    session.print_output(f"{'intact' if checked.intact else 'NOT INTACT'}: {checked.note}")
    session.print_output(f"SHA-256 {checked.sha256}")
    if checked.intact and not digest:
        session.print_output("Compare the digest with the one that was kept apart from the file.")
    raise typer.Exit(EXIT_OK if checked.intact else EXIT_PROBLEM)


def check_permissions(
    ctx: typer.Context,
    needs: Annotated[bool, typer.Option("--needs", help="only say what is needed")] = False,
) -> None:
    """What the app may do in the tenant.

    Signs in as the app, and says what is missing and what is too much. Reads the settings of the
    environment, or of the file that --settings names. Ends with 1 when something required is
    missing, 2 when it could not be found out.
    """
    session = get_session(ctx)
    code = doctor_main(
        ["--needs"] if needs else [],
        session.load_settings(),
        lambda line: session.print_output(sanitize_text(line, 2000)),
    )
    raise typer.Exit(code)
