"""Answers of Graph, alone and in a batch, as objects or errors. Pure."""

import json
from collections.abc import Callable, Sequence
from types import MappingProxyType

import msgspec
from msgspec import Raw

from core.adapters.api_errors import map_graph_error
from core.adapters.http import BufferedResponse
from core.adapters.parsing import ResponseRow, parse_json_object
from core.adapters.retry import RetryableError, retryable_inner_status
from core.errors import TenantError
from core.strict_json import parse_strict_json, surely_has_unique_names

type RowOrError = ResponseRow | TenantError
type TextTest = Callable[[str, bytes], bool]
"""Whether the text of an answer, by the key it was asked for by, is as good as an empty list."""

NOTHING: ResponseRow = MappingProxyType({"value": []})


class Reply(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An inner answer of a batch; what stands in its headers and its body is still JSON text."""

    id: str
    status: int
    headers: Raw = Raw()
    body: Raw = Raw()


class BatchAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """What Graph answers to a batch."""

    responses: list[Reply]


BATCH_DECODER = msgspec.json.Decoder(BatchAnswer)


def sort_graph_replies(response: BufferedResponse, request_count: int) -> list[list[Reply]]:
    """The replies in a batch by the number of their request, whatever order they came in.

    Raises RetryableError for a batch that is no JSON, or says something twice.
    """
    sorted_out: dict[str, list[Reply]] = {str(one): [] for one in range(request_count)}
    for reply in split_batch(response.body):
        number = reply.id
        # A number may be written with a nought before it.
        known = number if number in sorted_out else number.lstrip("0") or number[:1]
        if known in sorted_out:
            sorted_out[known].append(reply)
    return list(sorted_out.values())


def split_batch(text: bytes) -> list[Reply]:
    """The replies in a batch that say whose they are. Raises like `sort_graph_replies`."""
    try:
        answer = BATCH_DECODER.decode(text)
        if surely_has_unique_names(text, answer):
            return answer.responses
    except (ValueError, RecursionError):
        pass  # Half a character in a text, which is no UTF-8, or something worse.
    try:
        found = parse_json_object(text).get("responses")
    except ValueError as error:
        raise RetryableError(f"$batch: {error}") from error
    if not isinstance(found, list):
        raise RetryableError("$batch: the answer has no responses")
    return [
        build_reply(row) for row in found if isinstance(row, dict) and type(row.get("id")) is str
    ]


def build_reply(row: ResponseRow) -> Reply:
    """A reply that was decoded with all that is in it; its status is 0 if it has none."""
    status = row.get("status")
    return Reply(
        str(row.get("id")),
        status if isinstance(status, int) else 0,
        **{
            name: Raw(json.dumps(row[name]).encode()) for name in ("headers", "body") if name in row
        },
    )


def decode_part(text: Raw) -> object:
    """A value of a reply; None for one that is missing, ambiguous or no JSON."""
    try:
        return parse_strict_json(bytes(text))
    except (ValueError, RecursionError):
        return None


def parse_graph_reply(
    replies: Sequence[Reply],
    path: str,
    permission: str,
    is_empty: Callable[[bytes], bool] | None = None,
) -> RowOrError:
    """Parse the replies to one inner request. RetryableError means that a retry may help.

    A success without an object is an error: a missing body never means that there is nothing. One
    whose text `is_empty` is not parsed, and is an empty list.
    """
    if len(replies) == 1:
        [reply] = replies
        status, text = reply.status, bytes(reply.body)
        if status == 200 and is_empty and is_empty(text):
            return NOTHING
        what = format_request_path(path)
        if status == 200 and text:
            try:
                return parse_json_object(text)
            except ValueError as error:
                return RetryableError(f"{what}: {error}")
        if status == 200:
            return RetryableError(f"{what}: an answer without body")
        if not 100 <= status < 600:
            return RetryableError(f"{what}: an answer without status")
        again = retryable_inner_status(status, decode_part(reply.headers), what)
        body = decode_part(reply.body)
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
