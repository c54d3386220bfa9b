"""How hard Exchange is asked: a few commands at once, and longer waits each time it refuses.

Microsoft publishes no limits of the admin API. Programs that ask for much went from ten commands at
once to three (Export-RecipientPermissions, 04-2025), or saw timeouts end with pauses
(CrowdStrike/CRT#41). The PowerShell module waits for two seconds after a refusal without a
Retry-After, doubles that five times, and gives a cmdlet 16 minutes, since Exchange stops it after
15.
"""

from typing import Any

from core.adapters.retry import ThrottledService

RELIES_ON = ("exchange-concurrency", "exchange-retry-after", "exchange-time-limit")
INITIAL_LIMIT = 2
THROTTLE_WAIT = 2.0
ATTEMPTS = 6
READ_TIMEOUT = 960.0
"""The longest wait for a part of an answer, in seconds."""


def build_exchange_service(**options: Any) -> ThrottledService:
    """Build the service of Exchange; `options` are those of any `ThrottledService`."""
    return ThrottledService(
        "exchange",
        attempts=ATTEMPTS,
        initial_limit=INITIAL_LIMIT,
        min_throttle_wait=THROTTLE_WAIT,
        **options,
    )
