"""Which commands need what the app itself is built of, and how to get it.

Installed on its own, the command line brings only what asks an app over HTTPS. What signs in as the
app, or works on its table, needs the app's libraries too.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from core.cli.api_client import UsageError

REPOSITORY_EXTRA = "exoguard[app]"


@contextmanager
def explain_missing_libraries(what: str) -> Iterator[None]:
    """Import inside of this. Raises UsageError where one of the app's libraries is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "core":
            raise
        raise UsageError(
            f"{what} needs the app's libraries, of which {error.name} is missing: install "
            f"{REPOSITORY_EXTRA} instead of exoguard, see docs/cli.md"
        ) from None
