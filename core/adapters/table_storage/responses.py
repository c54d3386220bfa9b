"""Tells responses of the table service from those that no table service sends.

On a proxy's HTML page or a truncated response, the SDK raises whatever its parsers happen to raise,
or accepts an empty response as success. Both are treated as transient failures here and retried
like a lost response.
"""

from collections.abc import Awaitable, Callable, Mapping
from http.client import HTTPException
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ServiceResponseError
from azure.data.tables import TableEntity

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# Statuses that callers handle: malformed, not found, already exists, changed since.
EXPECTED_STATUSES = frozenset({400, 404, 409, 412})
# What the SDK raises on responses that no table service sends.
MALFORMED_ERRORS = (
    AttributeError,
    HTTPException,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def describe_table_error(error: HttpResponseError) -> str:
    """Describe a failure of the state table, with the remedy where one is known."""
    if error.status_code in (401, 403):
        return "the state table refuses access: assign Storage Table Data Contributor to the app"
    return f"the state table answers {error.status_code}"


def is_transient_error(error: BaseException) -> bool:
    """Return whether an error is a failure of the service or the network, so a retry may help.

    An error with a status of success comes from the SDK: the response was not a table service's.
    """
    if isinstance(error, HttpResponseError):
        status = error.status_code
        return status is None or status in TRANSIENT_STATUSES or 200 <= status < 300
    return isinstance(error, AzureError)


async def call_table_service[T](attempt: Callable[[], Awaitable[T]]) -> T:
    """Call the SDK. Raises AzureError for a response that it could not parse."""
    try:
        return await attempt()
    except MALFORMED_ERRORS as error:
        raise ServiceResponseError(f"malformed response: {type(error).__name__}") from error


def require_entity_keys(entity: TableEntity) -> TableEntity:
    """Return a row that has keys. Raises ValueError for one that has none, as no table's has."""
    if not all(isinstance(entity.get(name), str) for name in ("PartitionKey", "RowKey")):
        raise ValueError("a row without keys")
    return entity


def require_etag(response: Mapping[str, Any]) -> str:
    """Return the ETag of a write's response. Raises ValueError if it is missing or truncated.

    An ETag ends with a quotation mark (RFC 9110, 8.8.3).
    """
    etag = response.get("etag")
    if not isinstance(etag, str) or not etag.endswith('"'):
        raise ValueError("a write without an ETag")
    return etag
