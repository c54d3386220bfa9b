"""What a response of Exchange says beside its rows: that it failed, or that rows are missing."""

import re
from collections.abc import Collection

from core.adapters.api_errors import map_exchange_error, retryable_exchange_error
from core.adapters.exchange.command import Command
from core.adapters.http import BufferedResponse
from core.adapters.parsing import ResponseRow, parse_json_object, parse_text
from core.adapters.retry import RetryableError
from core.errors import TenantError, Unavailable

MORE_RESULTS = re.compile(
    r"more results|more objects|ResultSize|first \d[\d,.]* (?:item|result)", re.I
)


class IncompleteAnswer(Unavailable):
    """An answer lacks rows, and Exchange gave no link to the rest."""


class WayFailed(Unavailable):
    """A way of listing broke off or left something out: another way has to be tried."""


class RepeatedPage(WayFailed):
    """A page held the rows of the page before: whether there are more is not known."""


class FullEnd(WayFailed):
    """A way ended where full pages do, and nothing said that there are no more rows.

    `row_count` is how many it had shown.
    """

    def __init__(self, row_count: int) -> None:
        super().__init__("the last page is full, and nothing says that it is the last")
        self.row_count = row_count


def fills_pages(row_count: int, page_size: int) -> bool:
    """Whether some rows are just as many as fit into full pages: there may be more of them."""
    return row_count > 0 and row_count % page_size == 0


def warns_of_more(warnings: object, row_count: int, page_size: int) -> bool:
    """True if a warning says that there are more rows.

    Exchange warns in its own words, in the language of the caller perhaps; a full page with any
    warning at all counts as cut.
    """
    texts = [parse_text(text) for text in (warnings if isinstance(warnings, list) else [warnings])]
    full = fills_pages(row_count, page_size)
    return any(full or MORE_RESULTS.search(text) for text in texts if text)


def parse_exchange_error_body(reply: BufferedResponse) -> ResponseRow | None:
    """The JSON of a refusal; None when it is NUL bytes, a page of HTML, or nothing."""
    try:
        return parse_json_object(reply.body)
    except ValueError:
        return None


def map_failed_reply(
    reply: BufferedResponse, cmdlet: str, parameters: Collection[str] = ()
) -> TenantError:
    """The error of a response that is no success."""
    body = parse_exchange_error_body(reply)
    retry_after = reply.headers.get("Retry-After")
    return retryable_exchange_error(reply.status, retry_after, body, cmdlet) or map_exchange_error(
        reply.status, body, cmdlet, parameters
    )


def parse_command_response(reply: BufferedResponse, command: Command) -> ResponseRow:
    """The object in a success. Only a command that changes something may say nothing."""
    if not reply.body.strip() and not command.is_read:
        return {"value": []}
    try:
        return parse_json_object(reply.body)
    except ValueError as error:
        raise RetryableError(f"{command.cmdlet}: {error}") from error
