"""Pages of a listing, each asked for in one of the forms that Exchange may want."""

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlsplit

from core.adapters.exchange.batch import PAGE_SIZE
from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.responses import (
    FullEnd,
    IncompleteAnswer,
    RepeatedPage,
    WayFailed,
    fills_pages,
    map_failed_reply,
    parse_command_response,
)
from core.adapters.exchange.routing import SYSTEM_MAILBOX
from core.adapters.parsing import (
    ResponseRow,
    parse_optional_bool,
    parse_text,
    parse_total_count,
    parse_value_list,
)
from core.adapters.retry import RetryableError
from core.errors import TenantError
from core.microsoft365.exchange_listings import (
    DEFAULT_PAGE_FORM,
    EntitySet,
    PageAnchor,
    PageForm,
)

RELIES_ON = ("exchange-paging", "exchange-page-size", "exchange-entity-endpoints")
DOMAIN = re.compile(r"[a-z0-9.-]{1,253}", re.ASCII | re.IGNORECASE)
COOKIE = re.compile(
    r"(?:^|,\s*)([!#$%&'*+.^_`|~\w-]{1,128})=([!#-+\--:<-\[\]-~]{0,4096})", re.ASCII
)
MAX_COOKIES = 50
ENTITY_FORM = PageForm("GET", PageAnchor.SYSTEM, keeps_cookies=False, uses_link_host=False)
COMMAND_SEGMENT = "/invokecommand"


@dataclass(slots=True)
class PageWalk:
    """The pages that were asked for, and how many objects they had."""

    max_pages: int
    seen: set[str] = field(default_factory=set)
    count: int = 0
    last_rows: list[ResponseRow] = field(default_factory=list)

    def enter(self, path: str) -> None:
        """Note a page before it is asked for. Raises WayFailed for one that came before."""
        if path in self.seen or len(self.seen) >= self.max_pages:
            raise WayFailed("the pages do not end")
        self.seen.add(path)

    def leave(self, rows: list[ResponseRow], path: str) -> None:
        """Note the rows of a page. Raises WayFailed for a link behind a page without rows, and for
        the rows of the page before.
        """
        if path and not rows:
            raise WayFailed("a page has a next link and no rows")
        if rows and rows == self.last_rows:
            raise RepeatedPage("a page comes again")
        self.count, self.last_rows = self.count + len(rows), rows


@dataclass(slots=True)
class PageRequester:
    """Asks for the pages of one listing, in one form."""

    exchange: ExchangeClient
    command: Command
    form: PageForm = DEFAULT_PAGE_FORM
    page_size: int = 0
    """How many rows to ask for; 0 for as many as usual."""
    cookies: dict[str, str] = field(default_factory=dict)
    link_origin: str = ""
    initial_domain: str = ""
    expected_count: int = 0
    """The number of objects as Exchange gives it; 0 where it gives none."""
    full_end: int = 0
    """After how many rows a full page came of which nothing said that it is the last, or that it is
    not; 0 for any other end.
    """

    async def read_pages(
        self, path: str = "", *, resumed: bool = False
    ) -> AsyncGenerator[tuple[list[ResponseRow], str]]:
        """The rows of each page with the path of the next, from the first page or from a path.

        Raises the error of the first page as it is, unless `resumed`, and WayFailed for everything
        that keeps a later one from being read, except for RetryableError.
        """
        if self.form.anchor is PageAnchor.OAUTH_USER:
            self.initial_domain = await fetch_initial_domain(self.exchange)
        walk = PageWalk(self.exchange.max_pages)
        path = path or self.exchange.build_command_path(self.command)
        while path:
            walk.enter(path)
            rows: list[ResponseRow] = []
            try:
                path = self.collect(await self.request(path), rows)
            except IncompleteAnswer as error:
                yield rows, ""
                raise WayFailed("a cut page has no next link") from error
            except RetryableError:
                raise
            except TenantError as error:
                if len(walk.seen) == 1 and not resumed:
                    raise
                raise WayFailed(f"page {len(walk.seen)}: {error}") from error
            walk.leave(rows, path)
            self.note_end(rows, path, walk.count)
            yield rows, path
        if not resumed:
            check_count(walk.count, self.expected_count)

    async def read_first_page(self) -> tuple[list[ResponseRow], bool]:
        """The rows of the first page, and whether there are no more. Raises TenantError."""
        rows: list[ResponseRow] = []
        path = self.exchange.build_command_path(self.command)
        try:
            more = self.collect(await self.request(path), rows)
        except IncompleteAnswer:
            return rows, False
        self.note_end(rows, more, len(rows))
        return rows, not (more or self.full_end)

    def note_end(self, rows: list[ResponseRow], path: str, count: int) -> None:
        """Note whether a page without a next one was full; `count` is how many rows were read.

        A page of more rows than were asked for is one of the usual size.
        """
        size = self.page_size or self.exchange.page_size
        if len(rows) > size:
            size = self.exchange.page_size
        is_full = not path and not self.expected_count and fills_pages(len(rows), size)
        self.full_end = count if is_full else 0

    def check_end(self) -> None:
        """Raise FullEnd where the pages may have ended too soon."""
        if self.full_end:
            raise FullEnd(self.full_end)

    def collect(self, answer: ResponseRow, rows: list[ResponseRow]) -> str:
        """Take the rows of a page, and note the host of its link."""
        path = self.exchange.collect_page(self.command, answer, rows)
        self.expected_count = max(self.expected_count, parse_total_count(answer))
        if path:
            parts = urlsplit(parse_text(answer.get("@odata.nextLink"), 16_000))
            self.link_origin = f"{parts.scheme}://{parts.netloc.removesuffix(':446')}"
        return path

    async def request(self, path: str) -> ResponseRow:
        """One page. The first page is the command itself, whatever the form."""
        if self.form == DEFAULT_PAGE_FORM and not self.page_size:
            return await self.exchange.request_page(path, self.command)
        is_command = path == self.exchange.build_command_path(self.command)
        method = "POST" if is_command else self.form.method
        body = json.dumps(self.command.body).encode() if method == "POST" else b""
        origin = self.link_origin if self.form.uses_link_host else ""

        async def attempt(anchor: str = "") -> ResponseRow:
            headers = self.build_headers(anchor)
            reply = await self.exchange.send(method, path, headers, body, origin)
            self.keep_cookies(reply.headers)
            if 200 <= reply.status < 300:
                return parse_command_response(reply, self.command)
            raise map_failed_reply(reply, self.command.cmdlet, self.command.parameters)

        if not self.command.anchor:
            return await self.exchange.service.call(attempt, goes_first=True)
        return await self.exchange.service.call(
            lambda: self.exchange.try_anchors(self.command, attempt), goes_first=True
        )

    def build_headers(self, anchor: str = "") -> dict[str, str]:
        """The headers of a page, with the cookies of the form, and with its anchor where the
        command has none of its own.
        """
        headers = self.exchange.build_headers(self.command, anchor)
        if self.page_size:
            headers["Prefer"] = f"odata.maxpagesize={self.page_size}"
        if not self.command.anchor:
            headers["X-AnchorMailbox"] = self.build_anchor()
        if self.form.keeps_cookies and self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        return headers

    def build_anchor(self) -> str:
        match self.form.anchor:
            case PageAnchor.OAUTH_USER:
                return f"UPN:OAuthUser@{self.initial_domain}"
            case PageAnchor.TENANT:
                return f"TID:{self.exchange.tenant_id}"
            case _:
                return f"APP:{SYSTEM_MAILBOX}@{self.exchange.tenant_id}"

    def keep_cookies(self, headers: Mapping[str, str]) -> None:
        """Keep the cookies of a reply if the form sends them back."""
        if self.form.keeps_cookies:
            self.cookies |= parse_cookies(headers)


def choose_other_size(usual: int, row_count: int) -> int:
    """The page size nearest to the usual one in which so many rows do not end on a full page."""
    sizes = (size for size in range(1, PAGE_SIZE + 1) if row_count % size)
    return min(sizes, key=lambda size: abs(size - usual))


def check_count(count: int, expected: int) -> None:
    """Raise WayFailed for fewer objects than Exchange says there are."""
    if count < expected:
        raise WayFailed(f"{count} of {expected} objects")


async def try_page_form(exchange: ExchangeClient, command: Command, form: PageForm) -> bool:
    """Whether a second page can be read in a form: two objects, one a page. Raises TenantError.

    True also for a listing of one object, which has no second page. Raises WayFailed for a refusal.
    """
    two = replace(command, parameters={**command.parameters, "ResultSize": 2})
    requester = PageRequester(exchange, two, form, page_size=1)
    return bool([rows async for rows, _ in requester.read_pages()])


def parse_cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The names and values in all Set-Cookie headers, which come joined by commas."""
    joined = ", ".join(text for name, text in headers.items() if name.lower() == "set-cookie")
    return dict(COOKIE.findall(joined[:64_000])[:MAX_COOKIES])


async def fetch_initial_domain(exchange: ExchangeClient) -> str:
    """The tenant's .onmicrosoft.com domain. Raises WayFailed where none is found."""
    if exchange.way_memory.initial_domain:
        return exchange.way_memory.initial_domain
    try:
        rows = await exchange.invoke(
            "Get-AcceptedDomain", {}, select=("DomainName", "InitialDomain")
        )
    except TenantError as error:
        raise WayFailed(f"the initial domain: {error}") from error
    for row in rows:
        name = parse_text(row.get("DomainName"), 253)
        if parse_optional_bool(row.get("InitialDomain")) and DOMAIN.fullmatch(name):
            exchange.way_memory.initial_domain = name
            return name
    raise WayFailed("Exchange names no initial domain")


def build_entity_path(exchange: ExchangeClient, command: Command, entity_set: EntitySet) -> str:
    """The path of an entity endpoint. Raises WayFailed for parameters that it does not take."""
    parameters = {name for name in command.parameters if name != "ResultSize"}
    if further := parameters - {"RecipientTypeDetails"}:
        raise WayFailed(f"the endpoint does not take {', '.join(sorted(further))}")
    query = f"PropertySet={','.join(entity_set.choose_sets(tuple(command.select)))}"
    kinds = parse_value_list(command.parameters.get("RecipientTypeDetails"))
    if kinds:
        wanted = " or ".join(f"RecipientTypeDetails eq '{kind}'" for kind in kinds)
        query += f"&$filter={quote(wanted, safe="'")}"
    return f"/adminapi/beta/{exchange.tenant_id}/{entity_set.name}?{query}"


async def read_entities(
    exchange: ExchangeClient,
    command: Command,
    entity_set: EntitySet,
    after: str = "",
    page_size: int = 0,
) -> AsyncGenerator[tuple[list[ResponseRow], str]]:
    """The objects of an entity endpoint as rows of the command, page by page, as
    `PageRequester.read_pages` does.
    """
    path = build_entity_path(exchange, command, entity_set)
    if after and after.partition("?")[0] != path.partition("?")[0]:
        raise WayFailed("that is no page of this endpoint")
    path = after or path
    requester = PageRequester(exchange, command, ENTITY_FORM, page_size)
    async with aclosing(requester.read_pages(path, resumed=bool(after))) as pages:
        async for rows, further in pages:
            yield [select_properties(row, command) for row in rows], further
    requester.check_end()


def select_properties(row: ResponseRow, command: Command) -> ResponseRow:
    """The wanted properties of an entity. Raises WayFailed where one is missing.

    A forward that an entity does not print must not look like none.
    """
    missing = [name for name in command.select if name not in row]
    if missing:
        raise WayFailed(f"an entity without {missing[0]}")
    return {name: row[name] for name in command.select}


def is_command_path(path: str) -> bool:
    """True for the next page of a command, False for that of an entity endpoint."""
    return path.partition("?")[0].lower().endswith(COMMAND_SEGMENT)
