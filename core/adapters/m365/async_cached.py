"""Caches one asynchronous read, such as a listing that is the same for the whole tenant."""

import asyncio
from collections.abc import Awaitable, Callable


class AsyncCached[T]:
    """A value that is read on first use and then kept.

    Concurrent callers wait for the first; if it is cancelled or fails, the next caller reads.
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
