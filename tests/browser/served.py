"""The pages of a made-up tenant, served on loopback as the app would, and a browser to see them."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from aiohttp import web
from playwright.async_api import Browser, async_playwright

from core.web.pages import PAGE_HEADERS, render_notice_page
from tests.support.status_samples import SamplePages

BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A browser that may not reach anything but this machine, started as any user in any container. It
# runs a page's scripts as they are: to compile them well takes longer than any page stays open.
BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--js-flags=--no-opt --no-maglev",
)


def find_chromium() -> str:
    """The browser on this machine. Raises RuntimeError with the command that installs one."""
    for name in (os.environ.get("CHROMIUM", ""), *BROWSER_NAMES):
        if name and (found := shutil.which(name)):
            return found
    raise RuntimeError("there is no Chromium: sudo apt install chromium (or set CHROMIUM)")


@asynccontextmanager
async def launch_browser() -> AsyncIterator[Browser]:
    """Chromium, without a window."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=find_chromium(), args=list(BROWSER_ARGUMENTS)
        )
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def serve_pages(pages: SamplePages) -> AsyncIterator[str]:
    """Serve the pages below /api/; yields the address they begin with."""

    async def answer(request: web.BaseRequest) -> web.Response:
        path = urlsplit(request.path).path.removeprefix("/api/")
        text = pages.recall_page(path, dict(request.query))
        body = (
            text
            if text is not None
            else render_notice_page("Not found", ["There is no such page."])
        )
        return web.Response(
            body=body.encode(), status=200 if text is not None else 404, headers=PAGE_HEADERS
        )

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()
