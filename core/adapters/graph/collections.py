"""Collections of Graph on their way, and whether one that ends with a full page is whole."""

import re
from collections.abc import Callable

from core.adapters.graph.replies import NOTHING, RowOrError
from core.adapters.parsing import ResponseRow, parse_response_rows
from core.errors import TenantError, Unavailable

RELIES_ON = ("graph-collection-count",)

MAX_ROWS = 10_000
PAGE_SIZE = re.compile(r"[?&]\$top=([1-9][0-9]{0,4})(?:&|$)")
# The collections that it counts.
COUNTED = re.compile(
    r"/(?:administrativeUnits|applications|devices|groups|servicePrincipals|users)(?=\?)"
)
FILTER = re.compile(r"[?&](\$filter=[^&]+)")
# Only an advanced query counts, and it has to say so in a header as well (Microsoft Learn: Graph
# "Advanced query capabilities on directory objects").
COUNTING = "$count=true"


def find_page_size(path: str) -> int:
    """How many rows a path asks for in a page; 0 where it leaves that to Graph."""
    found = PAGE_SIZE.search(path)
    return int(found[1]) if found else 0


def build_count_path(path: str) -> str:
    """The path that counts the collection of another; empty where Graph counts none."""
    found = COUNTED.match(path)
    if not found:
        return ""
    condition = FILTER.search(path)
    return f"{found[0]}?$select=id&$top=1&{COUNTING}" + (f"&{condition[1]}" if condition else "")


class CollectionReader:
    """Collections on their way. Rows are kept of those alone that have further pages."""

    def __init__(
        self,
        get_next_path: Callable[[ResponseRow], str],
        on_result: Callable[[str, list[ResponseRow] | TenantError], None],
        max_pages: int,
    ) -> None:
        self.get_next_path = get_next_path
        self.max_pages = max_pages
        self.on_result = on_result
        self.rows: dict[str, list[ResponseRow]] = {}
        self.requested_paths: dict[str, set[str]] = {}
        self.next_paths: dict[str, str] = {}

    def record_page(self, key: str, answer: RowOrError) -> None:
        """A page of a collection, or why there is none."""
        if answer is NOTHING and key not in self.rows:
            self.on_result(key, [])
            return
        try:
            rows, path = self.append_page(key, answer)
        except TenantError as error:
            self.rows.pop(key, None)
            self.on_result(key, error)
            return
        if path:
            self.rows[key] = rows
            self.next_paths[key] = path
        else:
            self.rows.pop(key, None)
            self.on_result(key, rows)

    def append_page(self, key: str, answer: RowOrError) -> tuple[list[ResponseRow], str]:
        """The rows so far, and where the next page is. Raises TenantError."""
        if isinstance(answer, TenantError):
            raise answer
        try:
            rows = parse_response_rows(answer)
        except ValueError as error:
            raise Unavailable(f"Graph: {error}") from error
        if key in self.rows:
            rows = self.rows[key] + rows
        if len(rows) > MAX_ROWS:
            raise Unavailable(f"Graph: a list of more than {MAX_ROWS} elements")
        path = self.get_next_path(answer)
        if path:
            asked = self.requested_paths.setdefault(key, set())
            if path in asked or len(asked) >= self.max_pages:
                raise Unavailable("Graph: the pages do not end")
            asked.add(path)
        return rows, path

    def take_next_paths(self) -> dict[str, str]:
        """The pages to ask for now."""
        further, self.next_paths = self.next_paths, {}
        return further
