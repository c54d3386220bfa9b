"""The commands that look: status, cases, changes, what was asked for, evidence."""

import base64
import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.api_client import FINE, UNKNOWN, WRONG, Misused, Unknown, Way, read
from core.cli.lookup import LEVELS, case_of, guard_of, number_of, one_of
from core.cli.options import AsJson, GuardName, perform, session_of
from core.cli.render import Show
from core.cli.session import Session
from core.doctor import main as doctor_main
from core.evidence.file_format import Form
from core.evidence.file_format import verify as verify_export
from core.sanitize import plain
from core.status.case_query import STATES


def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """How every guard stands, and what waits.

    Ends with 1 when a critical or high case is open, or a guard is late or failing.
    """

    async def work(session: Session, way: Way) -> int:
        reply = await read(way, "/api/status.json")
        document = reply.document()
        if as_json:
            session.answer(reply.body)
        else:
            Show(session.out, session.now()).status(document, way.where)
        return WRONG if is_wrong(document) else FINE

    perform(ctx, work)


def is_wrong(document: dict[str, Any]) -> bool:
    """True when somebody should look at the tenant, or at Exoguard, now."""
    grave = document["open"]["critical"] + document["open"]["high"]
    guards = document["guards"]
    return bool(
        grave
        or document["health"] == "failing"
        or any(row["health"] == "failing" or row["late"] for row in guards)
    )


def cases(
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
        int, typer.Option(min=1, metavar="NUMBER", help="a hundred cases are a page")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """What is wrong, the gravest first."""

    async def work(session: Session, way: Way) -> int:
        query = {"state": one_of(state, STATES, "--state"), "page": str(page)}
        query |= {"guard": guard_of(guard)} if guard else {}
        query |= {"severity": one_of(severity, LEVELS, "--severity")} if severity else {}
        reply = await read(way, "/api/cases.json", query)
        if as_json:
            session.answer(reply.body)
        else:
            Show(session.out, session.now()).cases(reply.document())
        return FINE

    perform(ctx, work)


def case(
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

    async def work(session: Session, way: Way) -> int:
        of, key = await case_of(way, case, guard and guard_of(guard))
        reply = await read(way, f"/api/cases/{of}/{key}.json")
        if as_json:
            session.answer(reply.body)
        else:
            Show(session.out, session.now()).case(reply.document())
        return FINE

    perform(ctx, work)


def changes(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What was changed, and how to undo it.

    Of the last week, with what was there before.
    """

    async def work(session: Session, way: Way) -> int:
        return await part(session, way, "changes", as_json)

    perform(ctx, work)


def actions(ctx: typer.Context, as_json: AsJson = False) -> None:
    """What people asked for.

    In the last 30 days, and what came of it.
    """

    async def work(session: Session, way: Way) -> int:
        return await part(session, way, "actions", as_json)

    perform(ctx, work)


async def part(session: Session, way: Way, name: str, as_json: bool) -> int:
    """One list of the status. As JSON the whole of it, as the API answers."""
    reply = await read(way, "/api/status.json")
    rows = reply.document()[name]
    show = Show(session.out, session.now())
    if as_json:
        session.answer(reply.body)
    elif not rows:
        session.say("Nothing.")
    elif name == "changes":
        show.changes(rows)
    else:
        show.actions(rows)
    return FINE


def action(
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

    async def work(session: Session, way: Way) -> int:
        of, number = guard_of(guard), number_of(action, "action")
        reply = await way.get(f"/api/runs/{of}/{number}")
        of_run = reply.status == 200
        if not of_run:
            reply = await read(way, f"/api/actions/{of}/{number}")
        show = Show(session.out, session.now())
        if as_json:
            session.answer(reply.body)
        elif of_run:
            show.run(reply.document())
        else:
            show.actions([reply.document()])
        return FINE

    perform(ctx, work)


# ----------------------------------------------------------------------------------------------
# Evidence
# ----------------------------------------------------------------------------------------------


def export(
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

    async def work(session: Session, way: Way) -> int:
        kind = one_of(form, tuple(Form), "--format")
        if str(output) != "-" and output.exists() and not force:
            raise Misused(f"{plain(str(output))} is there already: --force replaces it")
        last = until or (session.now() + timedelta(days=1)).date().isoformat()
        reply = await read(way, "/api/export", {"from": since, "to": last, "format": kind})
        digest = hashlib.sha256(reply.body)
        told = reply.headers.get("repr-digest", "")
        encoded = base64.b64encode(digest.digest()).decode()
        if told and told != f"sha-256=:{encoded}:":
            raise Unknown("the export did not arrive as it was sent: ask for it again")
        if str(output) == "-":
            session.raw(reply.body)
        else:
            written(output, reply.body)
        size = f"{len(reply.body):,} bytes"
        session.note(f"{plain(str(output))}: {size}, SHA-256 {digest.hexdigest()}")
        return FINE

    perform(ctx, work)


def written(path: Path, body: bytes) -> None:
    """Write a file whole or not at all, for its owner alone: it names people. Raises Unknown."""
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
        partial.replace(path)
    except OSError as error:
        raise Unknown(f"{plain(str(path))}: cannot be written ({error.strerror})") from None


def verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="an export")],
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
    session = session_of(ctx)
    try:
        with file.open("rb") as lines:
            checked = verify_export(lines, digest)
    except OSError as error:
        session.note(f"{plain(str(file))}: cannot be read ({error.strerror})")
        raise typer.Exit(UNKNOWN) from None
    session.say(f"{'intact' if checked.intact else 'NOT INTACT'}: {checked.note}")
    session.say(f"SHA-256 {checked.sha256}")
    if checked.intact and not digest:
        session.say("Compare the digest with the one that was kept apart from the file.")
    raise typer.Exit(FINE if checked.intact else WRONG)


def doctor(
    ctx: typer.Context,
    needs: Annotated[bool, typer.Option("--needs", help="only say what is needed")] = False,
) -> None:
    """What the app may do in the tenant.

    Signs in as the app, and says what is missing and what is too much. Reads the settings of the
    environment, or of the file that --settings names. Ends with 1 when something required is
    missing, 2 when it could not be found out.
    """
    session = session_of(ctx)
    code = doctor_main(
        ["--needs"] if needs else [],
        session.settings(),
        lambda line: session.say(plain(line, 2000)),
    )
    raise typer.Exit(code)
