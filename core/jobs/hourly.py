"""What is done every hour, whatever becomes of each part of it."""

import logging
from collections.abc import Awaitable, Callable, Mapping

from core.errors import FAILURES, ExoguardError, explain_error

log = logging.getLogger("exoguard")


async def do_each(parts: Mapping[str, Callable[[], Awaitable[str]]]) -> None:
    """Do one part after another, and log what became of each, by name.

    One that fails keeps back no other. Raises the first error at the end, for the host to report.
    """
    failure: Exception | None = None
    for name, do in parts.items():
        try:
            log.info("%s: %s", name, await do())
        except FAILURES as error:
            trace = None if isinstance(error, ExoguardError) else error
            log.error("%s: %s", name, explain_error(error), exc_info=trace)
            failure = failure or error
    if failure:
        raise failure
