"""The command line program: its options, its commands and its exit codes."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, cast

import typer
from typer._click.exceptions import MissingParameter
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from core import VERSION
from core.cli import (
    account_commands,
    channel_commands,
    coverage_commands,
    own_commands,
    page_command,
    read_commands,
    write_commands,
)
from core.cli.api_client import EXIT_UNAVAILABLE, EXIT_USAGE, CliError
from core.cli.connection import get_session, read_connection
from core.cli.options import Command, as_command
from core.cli.session import APP_VARIABLE, Session
from core.cli.write_commands import as_write_command
from core.errors import MISTAKES, explain_error

NAME = "python -m core.cli"
# Set by tools/exo: the name that help texts and shell completion use.
NAME_VARIABLE = "EXOGUARD_PROGRAM"
EXIT_INTERRUPTED = 130
# What a shell says of a program whose output nobody reads any more (128 + SIGPIPE).
EXIT_BROKEN_PIPE = 141
HELP = """Exoguard on the command line: read its status and cases, and submit requests.

Connects to a deployed app (--app, with its function key in EXOGUARD_KEY or a file), or with --local
directly to the state table, with the settings of the environment or of a file.

Exit codes: 0 if all is well, 1 if something is wrong in the tenant, 2 if the result is unknown, 3
if a request was refused, 64 if the command line is not valid.
"""

program = typer.Typer(
    help=HELP, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=False
)


def print_version(ctx: typer.Context, asked: bool) -> None:
    """Print the version and end, if it is asked for."""
    if asked and not ctx.resilient_parsing:
        get_session(ctx).print_output(f"exoguard {VERSION}")
        raise typer.Exit


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
            help="the app's settings: local.settings.json, or what az functionapp config "
            "appsettings list prints; for --local, doctor and probe",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="print the version and exit", callback=print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Record how to reach the data."""
    session = get_session(ctx)
    session.connection = read_connection(session.environ, app, key_file, local, settings)


COMMANDS: tuple[tuple[str, Command], ...] = (
    ("status", as_command(read_commands.show_status)),
    ("cases", as_command(read_commands.list_cases)),
    ("case", as_command(read_commands.show_case)),
    ("changes", as_command(read_commands.list_changes)),
    ("requests", as_command(read_commands.list_requests)),
    ("request", as_command(read_commands.show_request)),
    ("page", page_command.serve_pages),
    ("export", as_command(read_commands.download_evidence)),
    ("verify", own_commands.verify_evidence),
    ("coverage", as_command(coverage_commands.show_coverage)),
    ("doctor", own_commands.check_permissions),
    ("probe", own_commands.probe_tenant),
    ("channels", channel_commands.check_channels),
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
    ("acknowledge", as_write_command(write_commands.prepare_acknowledgements)),
)
for command_name, command_function in COMMANDS:
    program.command(command_name)(command_function)


@cache
def get_root_command() -> TyperGroup:
    """All commands and their options, which typer reads from the functions and their hints."""
    return cast(TyperGroup, typer.main.get_command(program))


def main(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command line and return its exit code. Without a command, it prints its help."""
    session = session or Session()
    try:
        return run_command_line(list(arguments) or ["--help"], session)
    except CliError as error:
        session.print_note(str(error))
        return error.exit_code
    except MISTAKES as error:
        # A traceback would end with 1, which means a problem in the tenant.
        session.print_note(
            f"what was answered could not be shown ({explain_error(error)}): is the app of the "
            "same version as this command line?"
        )
        return EXIT_UNAVAILABLE
    except Abort:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE
    except SystemExit as end:
        # typer's way to end when nobody reads the output; 1 would mean a problem in the tenant.
        if isinstance(end.__context__, BrokenPipeError):
            return EXIT_BROKEN_PIPE
        raise


def run_command_line(words: list[str], session: Session) -> int:
    """Run the command; of words that are none, say what is valid."""
    name = session.environ.get(NAME_VARIABLE, "") or NAME
    try:
        code = get_root_command().main(words, prog_name=name, standalone_mode=False, obj=session)
    except MissingParameter as error:
        session.print_note(f"{list_missing_parameters(error)}\nTry: {name} --help")
        return EXIT_USAGE
    except TyperException as error:
        session.print_note(f"{error.format_message()}\nTry: {name} --help")
        return EXIT_USAGE
    return code if isinstance(code, int) else 0


def list_missing_parameters(error: MissingParameter) -> str:
    """All that is missing, not only what the parser met first.

    It handles what was given before what was not, so a required parameter without a value at the
    first missing one was not given.
    """
    ctx = error.ctx
    if ctx is None:
        return error.format_message()
    missing = [
        MissingParameter(ctx=ctx, param=parameter).format_message().removeprefix("Missing ")
        for parameter in ctx.command.get_params(ctx)
        if parameter.required and parameter.name not in ctx.params
    ]
    return f"Missing: {', '.join(text.rstrip('.') for text in missing)}."
