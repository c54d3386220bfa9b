"""What the table service answers, and what is no answer of a table at all.

A page that a proxy shows, or half an answer, makes the SDK raise whatever its parsers happen to
raise, or take nothing for something. Here both become trouble on the way, which is tried again like
a reply that was lost.
"""

from collections.abc import Awaitable, Callable, Mapping
from http.client import HTTPException
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ServiceResponseError
from azure.data.tables import TableEntity

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# What a caller wants to hear: malformed, not there, there already, changed since.
EXPECTED_STATUSES = frozenset({400, 404, 409, 412})
# What the SDK raises on answers that no table gives.
MALFORMED_ERRORS = (
    AttributeError,
    HTTPException,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def describe_table_error(error: HttpResponseError) -> str:
    """What went wrong with the state, and the remedy where one is known."""
    if error.status_code in (401, 403):
        return "the state table refuses access: assign Storage Table Data Contributor to the app"
    return f"the state table answers {error.status_code}"


def is_transient_error(error: BaseException) -> bool:
    """True for trouble of the service or the way to it, not an answer to what was asked.

    An error with a status of success is the SDK's: what came is not what a table answers.
    """
    if isinstance(error, HttpResponseError):
        status = error.status_code
        return status is None or status in TRANSIENT_STATUSES or 200 <= status < 300
    return isinstance(error, AzureError)


async def call_table_service[T](attempt: Callable[[], Awaitable[T]]) -> T:
    """What one call of the SDK brings. Raises AzureError for an answer that is not understood."""
    try:
        return await attempt()
    except MALFORMED_ERRORS as error:
        raise ServiceResponseError(f"no answer of a table: {type(error).__name__}") from error


def require_entity_keys(entity: TableEntity) -> TableEntity:
    """A row as it was answered. Raises ValueError for one without keys: no table has such."""
    if not all(isinstance(entity.get(name), str) for name in ("PartitionKey", "RowKey")):
        raise ValueError("a row without keys")
    return entity


def require_etag(answer: Mapping[str, Any]) -> str:
    """The ETag a write left. Raises ValueError where there is none, or only the first half of it.

    An ETag ends with a quotation mark (RFC 9110, 8.8.3).
    """
    etag = answer.get("etag")
    if not isinstance(etag, str) or not etag.endswith('"'):
        raise ValueError("a write without an ETag")
    return etag
