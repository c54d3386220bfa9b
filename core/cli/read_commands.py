"""The commands that read: status, cases, changes, requests and evidence."""

import base64
import hashlib
import os
from collections.abc import Sequence
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
from core.cli.completion import complete_word_of
from core.cli.lookup import (
    parse_guard_name,
    parse_option_choice,
    parse_run_number,
    resolve_case,
)
from core.cli.options import AsJson, CaseName, GuardFilter, GuardName
from core.cli.render import TerminalRenderer
from core.cli.session import Session
from core.cli.words import (
    CASE_ANSWERS,
    CASE_ORDERS,
    CASE_STATES,
    CONTAINMENT,
    EXPORT_FORMS,
    SEVERITY_LABELS,
)
from core.tenant.quoting import quote_text


async def show_status(session: Session, client: ApiClient, as_json: AsJson = False) -> int:
    """Show the status of every guard, and what is pending.

    Exits with 1 if a critical or high case is open, a guard is late or failing, or every guard is
    off.
    """
    response = await fetch_response(client, "/api/status.json")
    document = response.parse_object()
    if as_json:
        session.write_response(response.body)
    else:
        TerminalRenderer(session.out, session.now()).print_status(document, client.location)
    return EXIT_PROBLEM if has_problems(document) else EXIT_OK


def has_problems(document: dict[str, Any]) -> bool:
    """True if a status needs an operator now, because of the tenant or of Exoguard itself."""
    return bool(
        document["open"]["critical"]
        or document["open"]["high"]
        or document["health"] in ("failing", "off")
        or any(row["health"] == "failing" or row["late"] for row in document["guards"])
    )


async def list_cases(
    session: Session,
    client: ApiClient,
    guard: GuardFilter = "",
    severity: Annotated[
        str,
        typer.Option(
            "--severity",
            metavar="LEVEL",
            help="critical, high, medium or low",
            autocompletion=complete_word_of(SEVERITY_LABELS),
        ),
    ] = "",
    state: Annotated[
        str,
        typer.Option(
            "--state",
            metavar="STATE",
            help="open, closed or all",
            autocompletion=complete_word_of(CASE_STATES),
        ),
    ] = "open",
    about: Annotated[
        str,
        typer.Option(
            "--about", metavar="TEXT", help="only cases that name this: an address, an id, words"
        ),
    ] = "",
    answer: Annotated[
        str,
        typer.Option(
            "--answer",
            metavar="ANSWER",
            help="none (nobody acknowledged them) or acknowledged",
            autocompletion=complete_word_of(CASE_ANSWERS),
        ),
    ] = "",
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="DATE", help="only cases opened on this day, in UTC, or later"
        ),
    ] = "",
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="ORDER",
            help="severity, newest or oldest",
            autocompletion=complete_word_of(CASE_ORDERS),
        ),
    ] = "severity",
    page: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="the page, 100 cases each")
    ] = 1,
    as_json: AsJson = False,
) -> int:
    """List the cases, the most severe first."""
    choices = (
        ("severity", severity, SEVERITY_LABELS),
        ("state", state, CASE_STATES),
        ("answer", answer, CASE_ANSWERS),
        ("sort", sort, CASE_ORDERS),
    )
    query = {
        name: parse_option_choice(value, allowed, f"--{name}")
        for name, value, allowed in choices
        if value
    }
    query |= {"page": str(page), "q": about, "since": since}
    if guard:
        query["guard"] = parse_guard_name(guard)
    given = {name: value for name, value in query.items() if value}
    response = await fetch_response(client, "/api/cases.json", given)
    document = response.parse_object()
    if as_json:
        session.write_response(response.body)
    else:
        TerminalRenderer(session.out, session.now()).print_cases(document)
    return warn_of_unreadable(session, document["unreadable"])


def warn_of_unreadable(session: Session, guards: Sequence[str]) -> int:
    """Say whose state cannot be read now; the exit code of a list that lacks all of theirs."""
    if not guards:
        return EXIT_OK
    names = ", ".join(quote_text(str(name), 60) for name in guards)
    session.print_note(f"incomplete: the state cannot be read now of {names}")
    return EXIT_UNAVAILABLE


async def show_case(
    session: Session,
    client: ApiClient,
    case: CaseName,
    guard: GuardFilter = "",
    as_json: AsJson = False,
) -> int:
    """Show one case in full."""
    name, key = await resolve_case(client, case, guard and parse_guard_name(guard))
    response = await fetch_response(client, f"/api/cases/{name}/{key}.json")
    if as_json:
        session.write_response(response.body)
    else:
        TerminalRenderer(session.out, session.now()).print_case(response.parse_object())
    return EXIT_OK


async def list_changes(session: Session, client: ApiClient, as_json: AsJson = False) -> int:
    """List the changes of the last week, and how to undo them.

    With the values that each change replaced.
    """
    return await print_status_list(session, client, "changes", as_json)


async def list_requests(session: Session, client: ApiClient, as_json: AsJson = False) -> int:
    """List the requests of operators.

    Of the last 30 days, with their results.
    """
    return await print_status_list(session, client, "requests", as_json)


async def print_status_list(session: Session, client: ApiClient, name: str, as_json: bool) -> int:
    """Print one list of the status; as JSON, the whole response of the API."""
    response = await fetch_response(client, "/api/status.json")
    document = response.parse_object()
    rows = document[name]
    renderer = TerminalRenderer(session.out, session.now())
    if as_json:
        session.write_response(response.body)
    elif not rows:
        session.print_output("None.")
    elif name == "changes":
        renderer.print_changes(rows)
    else:
        renderer.print_requests(rows)
    unreadable = [row["guard"] for row in document["guards"] if row["unreadable"]]
    return warn_of_unreadable(session, unreadable)


async def show_request(
    session: Session,
    client: ApiClient,
    guard: GuardName,
    request: Annotated[
        str, typer.Argument(metavar="REQUEST", help="its number, as the submitting command printed")
    ],
    as_json: AsJson = False,
) -> int:
    """Show the result of a request.

    Of a run: its coverage, findings and changes. In place of the guard, containment names a request
    about an account.
    """
    number = parse_run_number(request, "request")
    if guard == CONTAINMENT:
        response, is_run = await fetch_response(client, f"/api/account-requests/{number}"), False
    else:
        name = parse_guard_name(guard)
        response = await client.get(f"/api/runs/{name}/{number}")
        is_run = response.status == 200
        if not is_run:
            response = await fetch_response(client, f"/api/requests/{name}/{number}")
    renderer = TerminalRenderer(session.out, session.now())
    if as_json:
        session.write_response(response.body)
    elif is_run:
        renderer.print_run(response.parse_object())
    else:
        renderer.print_requests([response.parse_object()])
    return EXIT_OK


# ----------------------------------------------------------------------------------------------
# Evidence
# ----------------------------------------------------------------------------------------------


async def download_evidence(
    session: Session,
    client: ApiClient,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="the file; - is standard output")
    ],
    since: Annotated[
        str, typer.Option("--from", metavar="DATE", help="the first day: 2026-01-01, in UTC")
    ],
    until: Annotated[
        str,
        typer.Option("--to", metavar="DATE", help="the day after the last day [default: tomorrow]"),
    ] = "",
    file_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORM",
            help="jsonl or csv",
            autocompletion=complete_word_of(EXPORT_FORMS),
        ),
    ] = "jsonl",
    force: Annotated[bool, typer.Option("--force", help="replace an existing file")] = False,
) -> int:
    """Write the evidence of a period to a file.

    Findings, changes, exemptions, requests and coverage, for auditors. Prints the digest of the
    file: keep it apart from the file.
    """
    form = parse_option_choice(file_format, EXPORT_FORMS, "--format")
    name = quote_text(str(output))
    if str(output) != "-" and output.exists() and not force:
        raise UsageError(f"{name} already exists: use --force to replace it")
    end = until or (session.now() + timedelta(days=1)).date().isoformat()
    query = {"from": since, "to": end, "format": form}
    response = await fetch_response(client, "/api/export", query)
    digest = hashlib.sha256(response.body)
    expected = response.headers.get("repr-digest", "")
    encoded = base64.b64encode(digest.digest()).decode()
    if expected and expected != f"sha-256=:{encoded}:":
        raise ApiUnavailable("the export was damaged in transit: download it again")
    if str(output) == "-":
        session.write_bytes(response.body)
    else:
        write_private_file(output, response.body)
    session.print_note(f"{name}: {len(response.body):,} bytes, SHA-256 {digest.hexdigest()}")
    return EXIT_OK


def write_private_file(path: Path, body: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only, because it names people.

    Raises ApiUnavailable if it cannot be written.
    """
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
        partial.replace(path)
    except OSError as error:
        raise ApiUnavailable(
            f"{quote_text(str(path))}: cannot be written ({error.strerror})"
        ) from None
