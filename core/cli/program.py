"""The command line program: its options, its commands and its exit codes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from core.cli import account_commands, coverage_commands, read_commands, viewer, write_commands
from core.cli.api_client import EXIT_USAGE, CliError
from core.cli.options import Command, as_command, get_session
from core.cli.session import APP_VARIABLE, Connection, Session
from core.cli.write_commands import as_write_command

NAME = "python -m core.cli"
# Set by tools/exo: the name that help texts and shell completion use.
NAME_VARIABLE = "EXOGUARD_PROGRAM"
EXIT_INTERRUPTED = 130
HELP = """Exoguard on the command line: read its status and cases, and submit requests.

Connects to a deployed app (--app, with its function key in EXOGUARD_KEY or a file), or with --local
directly to the state table, with the settings of the environment or of a file.

Exit codes: 0 if all is well, 1 if something is wrong in the tenant, 2 if the result is unknown, 3
if a request was refused, 64 if the command line is not valid.
"""

program = typer.Typer(
    help=HELP, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=False
)


@program.callback()
def configure_connection(
    ctx: typer.Context,
    app: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help=f"the app's address: https://<name>.azurewebsites.net [default: {APP_VARIABLE}]",
        ),
    ] = "",
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="a file with the function key, instead of EXOGUARD_KEY",
        ),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="use the state table directly, without an app")
    ] = False,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="the app's settings, in the form of local.settings.json; for --local and doctor",
        ),
    ] = None,
) -> None:
    """Record how to reach the data."""
    session = get_session(ctx)
    address = app or session.environ.get(APP_VARIABLE, "")
    session.connection = Connection(address, key_file, local, settings)


COMMANDS: tuple[tuple[str, Command], ...] = (
    ("status", as_command(read_commands.show_status)),
    ("cases", as_command(read_commands.list_cases)),
    ("case", as_command(read_commands.show_case)),
    ("changes", as_command(read_commands.list_changes)),
    ("requests", as_command(read_commands.list_requests)),
    ("request", as_command(read_commands.show_request)),
    ("page", viewer.serve_pages),
    ("export", as_command(read_commands.download_evidence)),
    ("verify", read_commands.verify_evidence),
    ("coverage", as_command(coverage_commands.show_coverage)),
    ("doctor", read_commands.check_permissions),
    ("probe", read_commands.probe_tenant),
    ("run", as_write_command(write_commands.prepare_run)),
    ("release", as_write_command(write_commands.prepare_release)),
    ("undo", as_write_command(write_commands.prepare_undo)),
    ("exempt", as_write_command(write_commands.prepare_exemption)),
    ("unexempt", as_write_command(write_commands.prepare_exemption_end)),
    ("contain", as_command(account_commands.contain_account)),
    ("uncontain", as_command(account_commands.uncontain_account)),
    ("containments", as_command(account_commands.list_containments)),
    ("impact", as_command(account_commands.show_impact)),
    ("evidence-bundle", as_command(account_commands.download_bundle)),
    ("acknowledge", as_write_command(write_commands.prepare_acknowledgement)),
)
for command_name, command_function in COMMANDS:
    program.command(command_name)(command_function)


def main(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command line and return its exit code."""
    session = session or Session()
    name = session.environ.get(NAME_VARIABLE, "") or NAME
    command = typer.main.get_command(program)
    try:
        code = command.main(list(arguments), prog_name=name, standalone_mode=False, obj=session)
    except TyperException as error:
        session.print_note(f"{error.format_message()}\nTry: {name} --help")
        return EXIT_USAGE
    except CliError as error:
        session.print_note(str(error))
        return error.exit_code
    except Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0
