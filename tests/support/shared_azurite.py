"""One Azurite for all tests of a process, started when the first one asks for it.

It belongs to no test's event loop: a thread of its own starts it and drains its output.
"""

import asyncio
import json
import os
from functools import cache
from threading import Thread

from sandbox.functions_host.azurite import Azurite

# The addresses of one that runs already, for who starts many sessions one after another.
AZURITE_ENDPOINTS_VARIABLE = "EXOGUARD_TEST_AZURITE"


@cache
def get_loop() -> asyncio.AbstractEventLoop:
    """The event loop of the thread that keeps Azurite."""
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="azurite", daemon=True).start()
    return loop


@cache
def get_shared_azurite() -> Azurite:
    """The storage account in memory. Raises AzuriteError."""
    if addresses := os.environ.get(AZURITE_ENDPOINTS_VARIABLE):
        return Azurite(endpoints=json.loads(addresses))
    return asyncio.run_coroutine_threadsafe(Azurite().start(), get_loop()).result()


def stop_shared_azurite() -> None:
    """End it, if it was started."""
    if get_shared_azurite.cache_info().currsize and get_loop.cache_info().currsize:
        loop = get_loop()
        asyncio.run_coroutine_threadsafe(get_shared_azurite().stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
