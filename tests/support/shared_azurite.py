"""One Azurite for all tests, whichever process runs them; whoever asks gets an account in it.

The process that hands out the tests starts it when an account is first asked for, and others ask it
over a port. It belongs to no test's event loop: a thread of its own starts it and drains its
output. Whoever wants queues that no other app takes messages from asks for an account of its own.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Iterator
from functools import cache
from threading import Thread

from sandbox.functions_host.azurite import ACCOUNT, Azurite, AzuriteError

# The addresses of one that runs already, for who starts many sessions one after another.
AZURITE_ENDPOINTS_VARIABLE = "EXOGUARD_TEST_AZURITE"
# Where the process that hands out the tests is asked for an account.
AZURITE_PORT_VARIABLE = "EXOGUARD_TEST_AZURITE_PORT"
# More than there are workers and apps that want one of their own.
ACCOUNTS = tuple(f"account{number:03}" for number in range(200))


@cache
def get_loop() -> asyncio.AbstractEventLoop:
    """The event loop of the thread that keeps Azurite."""
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="azurite", daemon=True).start()
    return loop


@cache
def begin_azurite() -> asyncio.Task[Azurite]:
    """The start of the one Azurite, in the loop of its thread."""
    return asyncio.create_task(Azurite(more_accounts=ACCOUNTS).start())


@cache
def get_free_accounts() -> Iterator[str]:
    """The accounts that nobody has asked for yet."""
    return iter(ACCOUNTS)


async def open_account() -> Azurite:
    """A new account, in the loop of the thread that keeps Azurite. Raises AzuriteError."""
    endpoints = (await begin_azurite()).endpoints
    return Azurite(account=next(get_free_accounts()), endpoints=endpoints)


async def tell_account(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer another process: an account, or why there is none."""
    try:
        found = await open_account()
        answer: dict[str, object] = {"account": found.account, "endpoints": found.endpoints}
    except AzuriteError as error:
        answer = {"error": str(error)}
    writer.write(json.dumps(answer).encode())
    await writer.drain()
    writer.close()


def offer_accounts() -> None:
    """Let processes that are started from here on ask this one for accounts."""

    async def listen() -> int:
        server = await asyncio.start_server(tell_account, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    port = asyncio.run_coroutine_threadsafe(listen(), get_loop()).result()
    os.environ[AZURITE_PORT_VARIABLE] = str(port)


def ask_for_account(port: int) -> Azurite:
    """An account from the process that hands out the tests. Raises AzuriteError."""
    with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rb") as answer:
        told = json.load(answer)
    if "error" in told:
        raise AzuriteError(told["error"])
    return Azurite(account=told["account"], endpoints=told["endpoints"])


def take_account() -> Azurite:
    """A storage account in memory that nobody else has. Raises AzuriteError."""
    if port := os.environ.get(AZURITE_PORT_VARIABLE):
        return ask_for_account(int(port))
    return asyncio.run_coroutine_threadsafe(open_account(), get_loop()).result()


@cache
def get_shared_azurite() -> Azurite:
    """The storage account in memory of all tests of this process. Raises AzuriteError."""
    if addresses := os.environ.get(AZURITE_ENDPOINTS_VARIABLE):
        return Azurite(account=ACCOUNT, endpoints=json.loads(addresses))
    return take_account()


def stop_shared_azurite() -> None:
    """End it, if this process started it."""

    async def stop() -> None:
        if begin_azurite.cache_info().currsize:
            with contextlib.suppress(AzuriteError):
                await (await begin_azurite()).stop()

    if get_loop.cache_info().currsize:
        loop = get_loop()
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
