"""The command line as a whole: its options, its commands, and the codes it ends with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from core.cli import read_commands, viewer, write_commands
from core.cli.api_client import EXIT_USAGE, CliError
from core.cli.options import get_session
from core.cli.session import APP_VARIABLE, Connection, Session

NAME = "python -m core.cli"
# What somebody calls it who has tools/exo on PATH; completion goes by that name.
NAME_VARIABLE = "EXOGUARD_PROGRAM"
EXIT_INTERRUPTED = 130
HELP = """Exoguard from a terminal: what it sees, what it did, and what you want of it.

Speaks to a deployed app (--app, with its function key in EXOGUARD_KEY or a file), or with --local
to the state table itself, by the settings of the environment or of a file.

Ends with 0 when all is well, 1 when something is wrong in the tenant, 2 when it could not be found
out, 3 when what was asked for was refused, 64 when the command was not understood.
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
            help=f"the app: https://<name>.azurewebsites.net [default: {APP_VARIABLE}]",
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
        bool, typer.Option("--local", help="the state table itself, without an app")
    ] = False,
    settings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="settings of the app, as local.settings.json; with --local and doctor",
        ),
    ] = None,
) -> None:
    """Where the data is."""
    session = get_session(ctx)
    address = app or session.environ.get(APP_VARIABLE, "")
    session.connection = Connection(address, key_file, local, settings)


COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("status", read_commands.show_status),
    ("cases", read_commands.list_cases),
    ("case", read_commands.show_case),
    ("changes", read_commands.list_changes),
    ("actions", read_commands.list_requests),
    ("action", read_commands.show_request),
    ("page", viewer.serve_pages),
    ("export", read_commands.download_evidence),
    ("verify", read_commands.verify_evidence),
    ("doctor", read_commands.check_permissions),
    ("run", write_commands.submit_run),
    ("release", write_commands.submit_release),
    ("undo", write_commands.submit_undo),
    ("exempt", write_commands.submit_exemption),
    ("unexempt", write_commands.submit_exemption_end),
    ("acknowledge", write_commands.submit_acknowledgement),
)
for command_name, command_body in COMMANDS:
    program.command(command_name)(command_body)


def main(arguments: Sequence[str], session: Session | None = None) -> int:
    """Carry out one command line; the code to end with."""
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
        return error.code
    except Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0
