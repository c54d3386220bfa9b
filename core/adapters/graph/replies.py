"""Answers of Graph, alone and in a batch, as objects or errors. Pure."""

from collections.abc import Sequence

from core.adapters.api_errors import map_graph_error
from core.adapters.http import BufferedResponse
from core.adapters.parsing import ResponseRow, parse_json_object
from core.adapters.retry import RetryableError, retryable_inner_status
from core.errors import TenantError

type RowOrError = ResponseRow | TenantError


def sort_graph_replies(answer: ResponseRow, request_count: int) -> list[list[ResponseRow]]:
    """The replies in a batch by the number of their request, whatever order they came in."""
    replies = answer.get("responses")
    if not isinstance(replies, list):
        raise RetryableError("$batch: the answer has no responses")
    sorted_out: dict[str, list[ResponseRow]] = {str(one): [] for one in range(request_count)}
    for reply in replies:
        number = reply.get("id") if isinstance(reply, dict) else None
        if isinstance(number, str):
            # A number may be written with a nought before it.
            sorted_out.get(number.lstrip("0") or "0", []).append(reply)
    return list(sorted_out.values())


def parse_graph_reply(replies: Sequence[ResponseRow], path: str, permission: str) -> RowOrError:
    """Parse the replies to one inner request. RetryableError means that a retry may help.

    A success without an object is an error: a missing body never means that there is nothing.
    """
    if len(replies) == 1:
        status, body = replies[0].get("status"), replies[0].get("body")
        if status == 200 and isinstance(body, dict):
            return body
        what = format_request_path(path)
        if status == 200:
            return RetryableError(f"{what}: an answer without body")
        if not isinstance(status, int) or not 100 <= status < 600:
            return RetryableError(f"{what}: an answer without status")
        again = retryable_inner_status(status, replies[0].get("headers"), what)
        return again or map_graph_error(status, body, what, permission)
    return RetryableError(
        f"{format_request_path(path)}: {len(replies) or 'no'} answers in the batch"
    )


def parse_graph_error_body(response: BufferedResponse) -> ResponseRow:
    """The JSON of a refusal, empty when it has none."""
    try:
        return parse_json_object(response.body)
    except ValueError:
        return {}


def parse_graph_response(response: BufferedResponse, operation: str) -> ResponseRow:
    """Parse the JSON of a success. Raises RetryableError if it is truncated or not JSON."""
    try:
        return parse_json_object(response.body)
    except ValueError as error:
        raise RetryableError(f"{operation}: {error}") from error


def format_request_path(path: str) -> str:
    """A path fit for a message: no query, not too long."""
    return path.partition("?")[0][:160]
