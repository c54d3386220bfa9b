"""The command that says what is told of the things intruders do, here."""

import json
from pathlib import Path
from typing import Annotated

import typer

from core.cli.api_client import EXIT_OK, EXIT_PROBLEM, ApiClient, UsageError, fetch_response
from core.cli.read_commands import write_private_file
from core.cli.render import TerminalRenderer
from core.cli.session import Session
from core.tenant.quoting import quote_text


async def show_coverage(
    session: Session,
    client: ApiClient,
    technique: Annotated[
        str,
        typer.Option(
            "--technique", metavar="ID", help="only this ATT&CK technique, with its parts"
        ),
    ] = "",
    navigator: Annotated[
        Path | None,
        typer.Option(
            "--navigator", metavar="FILE", help="write a layer that ATT&CK Navigator opens"
        ),
    ] = None,
) -> int:
    """Show which guard tells of what intruders do, and what is off or unread in this tenant.

    Exits with 1 if something that should be told is not.
    """
    from core.cli.coverage_view import format_coverage, is_technique, list_rows
    from core.status.coverage import build_layer, summarize

    if technique and not is_technique(technique):
        raise UsageError(f"{technique[:20]} is no technique of ATT&CK, such as T1098.002")
    response = await fetch_response(client, "/api/status.json")
    rows = list_rows(technique, response.parse_object()["guards"])
    if navigator:
        layer = json.dumps(build_layer(rows), indent=2) + "\n"
        write_private_file(navigator, layer.encode())
        session.print_note(f"Written: {quote_text(str(navigator))}. Open it in ATT&CK Navigator.")
    else:
        TerminalRenderer(session.out, session.now()).print_table(
            ("behaviour", "told", "by", "late at worst"), map(format_coverage, rows)
        )
        session.print_output(summarize(rows))
    return EXIT_PROBLEM if any(one.blind for one in rows) else EXIT_OK
