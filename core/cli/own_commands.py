"""The commands that ask no app: they verify a file, or sign in as the app themselves.

What they need is imported when they run, because it takes seconds.
"""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.api_client import EXIT_OK, EXIT_PROBLEM, EXIT_UNAVAILABLE
from core.cli.app_libraries import explain_missing_libraries
from core.cli.connection import get_session
from core.cli.session import Session
from core.tenant.quoting import quote_text

IDENTITY_SETTINGS = ("TENANT_ID", "CLIENT_ID")
"""The settings without which nobody signs in as the app."""
APP_SETTINGS_HINT = """
{command} signs in as the app itself, so it needs the app's settings, and on this machine a way to
sign in as the app: a certificate (CLIENT_CERTIFICATE_PATH) or, for development, CLIENT_SECRET.
  az functionapp config appsettings list -g <group> -n <function app> > app-settings.json
  CLIENT_CERTIFICATE_PATH=app.pem exo --settings app-settings.json {command}
Without the settings, exo doctor --needs lists what the guards need, and exo status says what the
deployed app lacks."""


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
    """Verify that an export is unchanged.

    Only the digest that was kept apart from the file proves it.
    """
    from core.evidence.file_format import verify_export

    session = get_session(ctx)
    try:
        with file.open("rb") as lines:
            verification = verify_export(lines, digest)
    except OSError as error:
        session.print_note(f"{quote_text(str(file))}: cannot be read ({error.strerror})")
        raise typer.Exit(EXIT_UNAVAILABLE) from None
    session.print_output(
        f"{'intact' if verification.intact else 'NOT INTACT'}: {verification.note}"
    )
    session.print_output(f"SHA-256 {verification.sha256}")
    if verification.intact and not digest:
        session.print_output("Compare this digest with the one that was kept apart from the file.")
    raise typer.Exit(EXIT_OK if verification.intact else EXIT_PROBLEM)


def check_permissions(
    ctx: typer.Context,
    needs: Annotated[bool, typer.Option("--needs", help="only list what is needed")] = False,
) -> None:
    """Compare the app's permissions with those it needs.

    Signs in as the app, and lists missing and excess permissions. Reads the settings from the
    environment, or from the file that --settings names. Exits with 1 if a required permission is
    missing, 2 if the permissions could not be read.
    """
    raise typer.Exit(run_doctor(get_session(ctx), "doctor", ["--needs"] if needs else []))


def probe_tenant(
    ctx: typer.Context,
    report: Annotated[
        str,
        typer.Option(
            "--report", metavar="FILE", help="write a report without names, addresses and ids"
        ),
    ] = "",
) -> None:
    """Ask how this tenant answers.

    Signs in as the app, and asks the tenant about each assumption of docs/assumptions.md: reads
    only, at most 100 requests and two minutes. Reads the settings as doctor does. Exits with 1 if
    an assumption does not hold, 2 if the tenant could not be asked.
    """
    arguments = ["--probe", *(["--report", report] if report else [])]
    raise typer.Exit(run_doctor(get_session(ctx), "probe", arguments))


def run_doctor(session: Session, command: str, arguments: list[str]) -> int:
    """Sign in as the app, unless it only lists; the exit code of `core.doctor`."""
    with explain_missing_libraries(command):
        from core.doctor import main as doctor_main
    settings = session.load_settings()
    code = doctor_main(arguments, settings, session.print_output)
    if "--needs" not in arguments and not all(settings.get(name) for name in IDENTITY_SETTINGS):
        session.print_note(APP_SETTINGS_HINT.format(command=command))
    return code
