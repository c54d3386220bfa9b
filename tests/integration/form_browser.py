"""A browser without scripts for the app on the local host: pages, their forms, and its cookie."""

import re
from dataclasses import dataclass
from html import unescape

import aiohttp

from sandbox.functions_host.host import Host


@dataclass
class FormBrowser:
    """Reads pages and sends their forms, with the function key that the viewer would add."""

    host: Host
    session: aiohttp.ClientSession
    page: str = ""
    status: int = 0
    cookie: str = ""

    async def open(self, path: str) -> str:
        """Read a page."""
        return await self.request("GET", path)

    async def request(
        self, method: str, path: str, fields: list[tuple[str, str]] | None = None, **headers: str
    ) -> str:
        """One request; keeps the page and the cookie that it sets."""
        named = {
            "x-functions-key": self.host.keys.function,
            "sec-fetch-site": "same-origin",
            "cookie": self.cookie,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        address = f"{self.host.base}/api/{path}"
        async with self.session.request(method, address, data=fields, headers=named) as reply:
            self.page, self.status = await reply.text(), reply.status
            if cookie := reply.headers.get("Set-Cookie"):
                self.cookie = cookie.partition(";")[0]
        return self.page

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the form of the page sends as it stands: hidden fields and ticked boxes."""
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page)
        ticked = re.findall(r'type="checkbox" name="(\w+)" value="([^"]*)" checked', self.page)
        return [(name, unescape(value)) for name, value in (*hidden, *ticked)]

    async def submit(self, path: str, *more: tuple[str, str], **headers: str) -> str:
        """Send the form of the page, with further fields; returns where the answer leads."""
        await self.request("POST", path, [*self.fields, *more], **headers)
        found = re.search(r'href="((?:containments/|[./]*requests\?)[^"]+)"', self.page)
        return unescape(found[1]).replace("../", "") if found else ""
