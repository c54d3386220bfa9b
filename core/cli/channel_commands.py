"""The command that tests the channels: through the app, or with its settings from here."""

from typing import Annotated, Any

import typer

from core.cli.api_client import (
    EXIT_OK,
    EXIT_PROBLEM,
    EXIT_REFUSED,
    ApiClient,
    UsageError,
    submit_request,
)
from core.cli.connection import get_session
from core.cli.options import AsJson, run_command
from core.cli.own_commands import run_doctor
from core.cli.session import Session
from core.cli.write_commands import DEFAULT_TIMEOUT, poll_until_done
from core.tenant.quoting import quote_text


def check_channels(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="test")] = "test",
    channel: Annotated[
        str, typer.Option("--channel", metavar="NAME", help="only this one, such as mail")
    ] = "",
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="the reason, kept with the request")
    ] = "a test of the channels",
    who: Annotated[
        str, typer.Option("--who", metavar="NAME", help="the operator [default: user@machine]")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Test the channels: each is sent a message that says that it is a test.

    The app sends them, at most a few times an hour, and it is on record who asked. Without --app
    and --local, they are sent from here, with the settings that doctor reads. Exits with 1 if a
    channel does not accept it. Accepted does not mean that it arrived: look.
    """
    if action != "test":
        raise UsageError("the only action is: test")
    session = get_session(ctx)
    if not (session.connection.app or session.connection.local):
        if channel:
            raise UsageError("--channel goes with --app or --local")
        raise typer.Exit(run_doctor(session, "channels", ["--channels"]))

    async def test(session: Session, client: ApiClient) -> int:
        body = {"who": who or session.who, "why": why} | ({"channel": channel} if channel else {})
        return await request_test(session, client, body, as_json=as_json)

    run_command(ctx, test)


async def request_test(
    session: Session, client: ApiClient, body: dict[str, str], *, as_json: bool
) -> int:
    """Ask the app for a test, wait for it and print what each channel answered."""
    accepted = (await submit_request(client, "/api/channels/test", body)).parse_object()
    with session.err.status("waiting for the channels …"):
        await client.process_pending()
        response = await poll_until_done(
            session, client, str(accepted["address"]), max_wait_seconds=DEFAULT_TIMEOUT
        )
    document = response.parse_object()
    if as_json:
        session.write_response(response.body)
    else:
        print_test(session, document)
    if document["status"] == "refused":
        return EXIT_REFUSED
    results = document["results"]
    return EXIT_OK if results and all(one["accepted"] for one in results) else EXIT_PROBLEM


def print_test(session: Session, document: dict[str, Any]) -> None:
    """Print what each channel answered, and what to look at where it did not take the test."""
    for one in document["results"]:
        state = "accepted" if one["accepted"] else "REFUSED"
        channel, text = quote_text(one["channel"], 40), quote_text(one["text"], 500)
        session.print_output(f"{state:<10}{channel}: {text}")
        if one["remedy"]:
            session.print_output(f"          {quote_text(one['remedy'], 400)}")
    session.print_output(quote_text(str(document["note"] or ""), 400))
