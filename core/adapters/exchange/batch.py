"""The commands of a batch: which are pending, and the reply to each."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from core.adapters.api_errors import (
    MisroutedError,
    map_exchange_error,
    retryable_exchange_error,
)
from core.adapters.exchange.command import Command
from core.adapters.exchange.responses import IncompleteAnswer, WayFailed, fills_pages
from core.adapters.http import BufferedResponse
from core.adapters.parsing import ResponseRow, parse_json_object, parse_text
from core.adapters.retry import RetryableError, find_header, retryable_inner_status
from core.errors import Rejected, TenantError

MAX_PAGES, PAGE_SIZE = 2_000, 1_000


type TakeRows = Callable[[int, list[ResponseRow]], None]
"""Takes all rows of a command, by its number."""


class BatchProgress:
    """The progress of commands in batches: the next page of each pending one, and the outcomes.

    With `take`, rows are passed on as soon as a command is answered, and are in no outcome.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        first_path: Callable[[Command], str],
        max_pages: int = MAX_PAGES,
        page_size: int = PAGE_SIZE,
        take: TakeRows | None = None,
    ) -> None:
        self.commands = commands
        self.take = take
        self.max_pages = max_pages
        self.page_size = page_size
        self.rows: list[list[ResponseRow]] = [[] for _ in commands]
        self.outcomes: list[list[ResponseRow] | TenantError] = list(self.rows)
        self.counts = [0] * len(commands)
        self.requested_paths: list[set[str]] = [set() for _ in commands]
        self.pending: dict[int, str] = {}
        self.misrouted: set[int] = set()
        for number, command in enumerate(commands):
            try:
                command.check_target()
                self.pending[number] = first_path(command)
            except Rejected as error:
                self.outcomes[number] = error

    def record_page(self, number: int, path: str) -> None:
        """Record that a page was read; `path` is the next one, empty at the end."""
        self.pending.pop(number, None)
        self.outcomes[number] = self.rows[number]
        problem = self.find_problem(number, path)
        self.counts[number] = len(self.rows[number])
        if problem:
            self.record_error(number, WayFailed(f"Exchange: {problem}"))
        elif path:
            self.requested_paths[number].add(path)
            self.pending[number] = path
        elif self.take:
            rows = self.rows[number]
            self.rows[number] = self.outcomes[number] = []
            self.take(number, rows)

    def find_problem(self, number: int, path: str) -> str:
        """What speaks against the pages of a command after the last of them; empty for nothing."""
        rows, begun, walked = self.rows[number], self.counts[number], self.requested_paths[number]
        page = rows[begun:]
        if page and page == rows[max(begun - len(page), 0) : begun]:
            return "a page comes again"
        if path and (path in walked or len(walked) >= self.max_pages or not page):
            return "the pages do not end"
        if not path and fills_pages(len(page), self.page_size):
            return "the last page is full, and nothing says that it is the last"
        return ""

    def restart(self, number: int) -> list[ResponseRow]:
        """Begin a command anew, outside of the batch; the list that takes its rows."""
        self.rows[number], self.counts[number] = [], 0
        self.requested_paths[number].clear()
        return self.rows[number]

    def record_error(self, number: int, error: TenantError) -> None:
        """Record the final error of a command, and drop the rows of its earlier pages."""
        self.pending.pop(number, None)
        self.outcomes[number] = error

    def record_refusal(self, number: int, error: TenantError) -> None:
        """Record the error of a command: of a later page, it says nothing about the command."""
        is_later = bool(self.requested_paths[number]) or isinstance(error, IncompleteAnswer)
        self.record_error(number, WayFailed(str(error)) if is_later else error)

    def record_misrouted(self, number: int, error: MisroutedError) -> None:
        """Record that a command has to be run outside of this batch, from its beginning."""
        self.record_error(number, error)
        self.misrouted.add(number)


def encode_batch(requests: Sequence[Mapping[str, object]]) -> bytes:
    """The body of a batch. A lone surrogate in a name, which UTF-8 has no form for, is escaped."""
    body = {"requests": requests}
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return json.dumps(body).encode()


def sort_exchange_replies(
    reply: BufferedResponse, requested: Collection[int]
) -> dict[int, list[ResponseRow]]:
    """Sort the replies of a batch, which may come in any order, by the number of their command."""
    try:
        replies = parse_json_object(reply.body).get("responses")
    except ValueError as error:
        raise RetryableError(f"Exchange batch: {error}") from error
    if not isinstance(replies, list):
        raise RetryableError("Exchange batch: the answer has no responses")
    found: dict[int, list[ResponseRow]] = {number: [] for number in requested}
    for inner in replies:
        number = parse_text(inner.get("id"), 12) if isinstance(inner, dict) else ""
        if number.isascii() and number.isdigit() and int(number) in found:
            found[int(number)].append(inner)
    return found


def parse_exchange_reply(replies: Sequence[ResponseRow], command: Command) -> ResponseRow:
    """Parse the one reply to an inner command. Raises RetryableError or a TenantError."""
    if len(replies) != 1:
        raise RetryableError(f"{command.cmdlet}: {len(replies) or 'no'} answers in the batch")
    status, body = replies[0].get("status"), replies[0].get("body")
    if not isinstance(status, int) or not 100 <= status < 600:
        raise RetryableError(f"{command.cmdlet}: an answer without status")
    if 200 <= status < 300:
        if isinstance(body, dict):
            return body
        if not command.is_read and not body:
            return {"value": []}
        raise RetryableError(f"{command.cmdlet}: an answer without body")
    headers = replies[0].get("headers")
    raise (
        retryable_exchange_error(
            status, find_header(headers, "Retry-After"), body, command.cmdlet, is_inner=True
        )
        or retryable_inner_status(status, headers, command.cmdlet)
        or map_exchange_error(status, body, command.cmdlet, command.parameters)
    )
