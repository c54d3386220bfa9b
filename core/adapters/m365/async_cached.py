"""What is the same for the whole tenant, read once a run."""

import asyncio
from collections.abc import Awaitable, Callable


class AsyncCached[T]:
    """What is the same for the whole tenant, read when somebody asks first and never again.

    Whoever asks meanwhile waits; when the first gives up, the next one reads.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self.read = read
        self.lock = asyncio.Lock()
        self.value: T | None = None

    async def __call__(self) -> T:
        async with self.lock:
            if self.value is None:
                self.value = await self.read()
            return self.value
