"""Many objects of Graph by their ids, each parsed as it arrives."""

from collections.abc import Callable, Mapping

from core.adapters.graph.client import GraphClient
from core.adapters.parsing import ResponseRow
from core.errors import NotFound, TenantError

type Failures = dict[str, TenantError | str]


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
        try:
            items.append(parse(answer))
        except ValueError as error:
            failures[key] = str(error)

    await graph.get_batch(paths, permission, take)
    return items, failures
