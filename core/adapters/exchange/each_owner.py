"""A listing by one command for each owner, where nothing lists all objects at once."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import batched

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listed_rows import ListedRows
from core.adapters.exchange.responses import WayFailed
from core.adapters.parsing import ResponseRow, parse_identifier
from core.errors import NotFound, TenantError

RELIES_ON = ("exchange-each-identity",)

OWNERS_AT_ONCE = 100


async def read_each(
    exchange: ExchangeClient, command: Command, owners: AsyncGenerator[tuple[str, ...]]
) -> AsyncGenerator[list[ResponseRow]]:
    """The objects of every owner, some owners at a time, in half of the time that is left.

    Raises TenantError for any that fails.
    """
    service = exchange.service
    until = (service.clock() + service.deadline) / 2
    async with aclosing(owners):
        async for guids in owners:
            if service.clock() > until:
                raise WayFailed(
                    "one command per object takes longer than half of RUN_MINUTES: more would let"
                    " it end"
                )
            yield await read_owners(exchange, command, guids)


async def read_owners(
    exchange: ExchangeClient, command: Command, guids: Sequence[str]
) -> list[ResponseRow]:
    """The objects of some owners. One that went away meanwhile has none."""
    commands = [
        replace(command, parameters={**command.parameters, "Identity": guid}) for guid in guids
    ]
    found: list[ResponseRow] = []
    for outcome in await exchange.invoke_batch(commands):
        if isinstance(outcome, NotFound):
            continue
        if isinstance(outcome, TenantError):
            raise outcome
        found += outcome
    return found


async def list_guids(
    parts: AsyncGenerator[ListedRows], cmdlet: str
) -> AsyncGenerator[tuple[str, ...]]:
    """The ids of what a cmdlet lists, some at a time. Raises TenantError."""
    is_empty = True
    async with aclosing(parts):
        async for part in parts:
            for rows in batched(part.rows, OWNERS_AT_ONCE, strict=False):
                is_empty = False
                guids = tuple(parse_identifier(row.get("Guid")) for row in rows)
                if not all(guids):
                    raise WayFailed("an owner without an id")
                yield guids
    if is_empty:
        raise WayFailed(f"{cmdlet} listed nothing")
