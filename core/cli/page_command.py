"""The command that shows the pages in a browser of this machine."""

import asyncio
import webbrowser
from collections.abc import Callable
from typing import Annotated

import typer

from core.cli.api_client import EXIT_OK, ApiClient
from core.cli.options import run_command
from core.cli.session import Session


def serve_pages(
    ctx: typer.Context,
    browser: Annotated[bool, typer.Option(help="open the browser")] = True,
) -> None:
    """Open the pages in a browser.

    A local viewer adds the function key to each request, so that it is in no address. Whoever uses
    it can act, as with the other commands. Ctrl-C ends it.
    """

    async def serve(session: Session, client: ApiClient) -> int:
        # A web server of which no other command has any use.
        from core.cli.viewer import PageViewer

        viewer = PageViewer(client)
        await viewer.start()
        try:
            session.print_output(f"{viewer.opening_url}", "opens once; Ctrl-C ends the viewer")
            if browser:
                await asyncio.to_thread(open_browser, viewer.opening_url)
            await asyncio.Event().wait()
        finally:
            await viewer.stop()
        return EXIT_OK

    try:
        run_command(ctx, serve)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_OK) from None


def open_browser(address: str, opener: Callable[[str], bool] = webbrowser.open) -> bool:
    """Open the default browser. False if there is none."""
    try:
        return opener(address)
    except webbrowser.Error:
        return False
