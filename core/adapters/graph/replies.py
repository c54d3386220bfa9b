"""Answers of Graph, alone and in a batch, as objects or errors. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec import Raw

from core.adapters.api_errors import map_graph_error
from core.adapters.http import BufferedResponse
from core.adapters.parsing import ResponseRow, parse_json_object
from core.adapters.retry import RetryableError, retryable_inner_status
from core.errors import TenantError
from core.strict_json import DECODER, parse_strict_json, surely_has_unique_names

type RowOrError = ResponseRow | TenantError
type Reply = Mapping[str, Raw]
"""An inner answer of a batch, the values still JSON texts."""
type TextTest = Callable[[str, bytes], bool]
"""Whether the text of an answer, by the key it was asked for by, is as good as an empty list."""

SCALARS = frozenset({str, int})
NOTHING: ResponseRow = MappingProxyType({"value": []})
ANSWER_DECODER = msgspec.json.Decoder(dict[str, Raw])
REPLIES_DECODER = msgspec.json.Decoder(list[Reply])


def sort_graph_replies(response: BufferedResponse, request_count: int) -> list[list[Reply]]:
    """The replies in a batch by the number of their request, whatever order they came in.

    Raises RetryableError for a batch that is no JSON, or says something twice.
    """
    sorted_out: dict[str, list[Reply]] = {str(one): [] for one in range(request_count)}
    for reply in split_batch(response.body):
        number = decode_part(reply, "id")
        if isinstance(number, str):
            # A number may be written with a nought before it.
            known = number if number in sorted_out else number.lstrip("0") or "0"
            sorted_out.get(known, []).append(reply)
    return list(sorted_out.values())


def split_batch(text: bytes) -> list[Reply]:
    """The replies in a batch. Raises like `sort_graph_replies`."""
    try:
        answer = ANSWER_DECODER.decode(text)
        replies = REPLIES_DECODER.decode(answer["responses"])
        if surely_has_unique_names(text, {**answer, "responses": replies}):
            return replies
    except (LookupError, ValueError, RecursionError):
        pass  # Half a character in a name, which is no UTF-8, or something worse.
    try:
        found = parse_json_object(text).get("responses")
        if not isinstance(found, list):
            raise RetryableError("$batch: the answer has no responses")
        return [
            {name: Raw(json.dumps(part).encode()) for name, part in reply.items()}
            for reply in found
            if isinstance(reply, dict)
        ]
    except (ValueError, RecursionError) as error:
        raise RetryableError(f"$batch: {error}") from error


def decode_part(reply: Reply, name: str) -> object:
    """One value of a reply; None for one that is missing, ambiguous or no JSON."""
    try:
        value = DECODER.decode(reply[name])
        # Most are numbers and short texts, in which no name can occur twice.
        return value if type(value) in SCALARS else parse_strict_json(bytes(reply[name]))
    except (LookupError, ValueError, RecursionError):
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
        status, text = decode_part(replies[0], "status"), bytes(replies[0].get("body", b""))
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
        if not isinstance(status, int) or not 100 <= status < 600:
            return RetryableError(f"{what}: an answer without status")
        again = retryable_inner_status(status, decode_part(replies[0], "headers"), what)
        body = decode_part(replies[0], "body")
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
