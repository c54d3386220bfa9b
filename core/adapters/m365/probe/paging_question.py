"""How the next page of a listing is to be asked for: two mailboxes, one a page, form by form."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.adapters.exchange.command import Command
from core.adapters.exchange.page_requests import PageRequester
from core.adapters.exchange.responses import IncompleteAnswer
from core.adapters.m365.probe.session import (
    OUTSIDE,
    ProbeSession,
    count_rows,
    describe_error,
    fails,
    holds,
    unknown,
)
from core.adapters.parsing import (
    ResponseRow,
    parse_object_id,
    parse_optional_bool,
    parse_response_rows,
    parse_text,
)
from core.errors import NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.exchange_listings import DEFAULT_PAGE_FORM, PAGE_FORMS, PageAnchor, PageForm
from core.tenant.probing import ProbeAnswer

TWO_MAILBOXES = Command("Get-Mailbox", {"ResultSize": 2}, ("Guid",))
NO_FORM = "none"
NO_LINK = "a cut page has no next link"
ONE_A_PAGE = "a page of one mailbox was asked for and came, with a link to the next"


class NoSecondPage(Unavailable):
    """The tenant showed no second page to ask for."""


class ForeignLink(Unavailable):
    """The link to the next page leads away from Exchange, in whatever form it is asked for."""


async def ask_paging(session: ProbeSession) -> tuple[ProbeAnswer, ...]:
    """The first form of asking for a page that brings another mailbox than the page before."""
    refusals: Counter[str] = Counter()
    starts: dict[tuple[str, PageAnchor], FirstPage] = {}
    try:
        session.initial_domain = await find_initial_domain(session)
        for form in PAGE_FORMS:
            if form.anchor is PageAnchor.OAUTH_USER and not session.initial_domain:
                continue
            refusal = await try_form(session, form, starts)
            if not refusal:
                return build_answers(form, refusals)
            refusals[refusal] += 1
    except ForeignLink as error:
        return (
            fails("exchange-paging", str(error), NO_FORM),
            holds("exchange-page-size", ONE_A_PAGE),
            fails("exchange-regional-hosts", str(error)),
        )
    except NoSecondPage as error:
        return (
            unknown("exchange-paging", str(error)),
            unknown("exchange-page-size", str(error)),
            unknown("exchange-regional-hosts", "no link was seen"),
        )
    except TenantError as error:
        tried = (
            f"{refusals.total()} of {len(PAGE_FORMS)} forms were refused, then the limits ended it"
        )
        return tuple(
            unknown(one, tried, type(error).__name__)
            for one in ("exchange-paging", "exchange-page-size", "exchange-regional-hosts")
        )
    tried = f"no way of asking brought the second page: {describe_refusals(refusals)}"
    return (
        fails("exchange-paging", tried, NO_FORM),
        fails("exchange-page-size", NO_LINK)
        if NO_LINK in refusals
        else holds("exchange-page-size", ONE_A_PAGE),
        unknown("exchange-regional-hosts", "no link was followed"),
    )


def build_answers(form: PageForm, refusals: Counter[str]) -> tuple[ProbeAnswer, ...]:
    """The answers once a form worked."""
    tried = describe_refusals(refusals)
    saw = f"the second page came by {form.name}{f'; by other ways: {tried}' if tried else ''}"
    return (
        (holds if form is DEFAULT_PAGE_FORM else fails)("exchange-paging", saw, form.name),
        holds("exchange-page-size", ONE_A_PAGE),
        holds("exchange-regional-hosts", "the links stay on Exchange's own hosts"),
    )


def describe_refusals(refusals: Counter[str]) -> str:
    """How often each refusal was seen."""
    return "; ".join(f"{refusal} ({count} times)" for refusal, count in refusals.most_common(4))


async def find_initial_domain(session: ProbeSession) -> str:
    """The tenant's initial domain, empty if Exchange does not tell it."""
    try:
        rows = await session.ask_exchange("Get-AcceptedDomain")
    except (NotFound, Rejected):
        return ""
    names = [
        parse_text(row.get("DomainName"), 253)
        for row in rows
        if parse_optional_bool(row.get("InitialDomain"))
    ]
    return names[0] if names and names[0].isascii() and names[0].isprintable() else ""


@dataclass(frozen=True, slots=True)
class FirstPage:
    """A first page, from which several forms try to go on."""

    rows: tuple[ResponseRow, ...]
    path: str
    link_origin: str
    cookies: Mapping[str, str]


async def try_form(
    session: ProbeSession, form: PageForm, starts: dict[tuple[str, PageAnchor], FirstPage]
) -> str:
    """Read a second page in a form. Returns what was wrong with it, empty if nothing was.

    `starts` holds the first pages that were read by method and anchor. Raises NoSecondPage where
    the first page leaves nothing to ask for, ForeignLink for a link that is not followed, and
    TenantError when the budget is used up.
    """
    requester = PageRequester(
        session.exchange,
        TWO_MAILBOXES,
        form,
        page_size=1,
        initial_domain=session.initial_domain,
    )
    key = (form.method, form.anchor)
    try:
        if key not in starts:
            starts[key] = await read_first_page(session, form)
    except IncompleteAnswer:
        return NO_LINK
    except TenantError as error:
        if isinstance(error, NoSecondPage) or session.request_count >= session.max_requests:
            raise
        refusal = describe_error(error)
        if OUTSIDE in refusal:
            raise ForeignLink(f"first page: {refusal}") from error
        return f"first page: {refusal}"
    start = starts[key]
    requester.link_origin = start.link_origin
    requester.cookies = dict(start.cookies) if form.keeps_cookies else {}
    try:
        second = take_page(await requester.request(start.path))
    except TenantError as error:
        if session.request_count >= session.max_requests:
            raise
        return describe_error(error)
    known = {parse_object_id(row.get("Guid")) for row in start.rows}
    new = [row for row in second if parse_object_id(row.get("Guid")) not in known]
    return "" if new else f"{count_rows(second)}, none of them new"


async def read_first_page(session: ProbeSession, form: PageForm) -> FirstPage:
    """The first page with its cookies, whether a form sends them back or not.

    Raises NoSecondPage for one without a link, and TenantError.
    """
    requester = PageRequester(
        session.exchange,
        TWO_MAILBOXES,
        replace(form, keeps_cookies=True),
        page_size=1,
        initial_domain=session.initial_domain,
    )
    rows: list[ResponseRow] = []
    path = session.exchange.build_command_path(TWO_MAILBOXES)
    path = requester.collect(await requester.request(path), rows)
    if not path:
        raise NoSecondPage(f"{count_rows(rows)} on the first page, and no next link")
    return FirstPage(tuple(rows), path, requester.link_origin, requester.cookies)


def take_page(answer: ResponseRow) -> list[ResponseRow]:
    """The rows of a page. Raises Unavailable."""
    try:
        return list(parse_response_rows(answer))
    except ValueError as error:
        raise Unavailable(f"the second page: {error}") from error
