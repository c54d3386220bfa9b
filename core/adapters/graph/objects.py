"""Many objects of Graph: by their ids, each parsed as it arrives, or in large pages."""

from collections.abc import AsyncIterator, Callable, Mapping

from core.adapters.graph.client import GraphClient
from core.adapters.parsing import ResponseRow, explain_row_error, find_guid, parse_identifier
from core.errors import MISTAKES, NotFound, Rejected, TenantError

type Failures = dict[str, TenantError | str]


OTHER_OBJECT = "Graph showed another object than was asked for"


def is_other_object(key: str, row: ResponseRow) -> bool:
    """Whether an answer has an id, and not the one that was asked for. Other keys are names."""
    asked = find_guid(key)
    return bool(asked) and "id" in row and parse_identifier(row["id"]) != asked


async def fetch_objects[T](
    graph: GraphClient, paths: Mapping[str, str], permission: str, parse: Callable[[ResponseRow], T]
) -> tuple[list[T], Failures]:
    """Many objects, each parsed as it arrives; those that do not exist are in neither list."""
    items: list[T] = []
    failures: Failures = {}

    def take(key: str, answer: ResponseRow | TenantError) -> None:
        if isinstance(answer, NotFound):
            return
        if isinstance(answer, TenantError):
            failures[key] = answer
            return
        if is_other_object(key, answer):
            failures[key] = OTHER_OBJECT
            return
        try:
            items.append(parse(answer))
        except MISTAKES as error:
            failures[key] = explain_row_error(error)

    await graph.get_batch(paths, permission, take)
    return items, failures


async def read_large_pages(
    graph: GraphClient, path: str, page_size: int, permission: str
) -> AsyncIterator[list[ResponseRow]]:
    """A collection in pages of this size, or of Graph's own if it is 0 or Graph refuses $top.

    For collections of which it is not documented that they take $top. Raises TenantError.
    """
    is_started = False
    joint = "&" if "?" in path else "?"
    if page_size:
        try:
            async for rows in graph.read_pages(f"{path}{joint}$top={page_size}", permission):
                is_started = True
                yield rows
            return
        except Rejected:
            if is_started:
                raise
    async for rows in graph.read_pages(path, permission):
        yield rows
