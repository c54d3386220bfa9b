"""Outlook add-ins that a user installed for the own mailbox alone."""

from collections.abc import Sequence
from functools import partial
from itertools import batched

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.m365.mailboxes import CHUNK_SIZE
from core.adapters.parsing import ResponseRow, parse_each_row, parse_identifier, parse_row_flag
from core.adapters.read_errors import build_object_failures
from core.errors import TenantError
from core.property_values import get_text, show_text
from core.tenant.mailboxes import Mailbox, OwnAddIn
from core.tenant.readings import Reading
from core.tenant.sources import OWN_ADD_INS

RELIES_ON = ("exchange-mailbox-extras",)
TEXT_LIMIT = 200
USER_SCOPE, STORE_TYPES = "user", frozenset({"marketplace", "default"})
KNOWN_SCOPES = frozenset({"default", "organization", USER_SCOPE})


async def read_own_add_ins(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> Reading[OwnAddIn]:
    """The add-ins from files that only one user has: a command a mailbox."""
    items: list[OwnAddIn] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(owners, CHUNK_SIZE, strict=False):
        commands = [Command("Get-App", {"Mailbox": one.guid}, (), one.address) for one in part]
        for owner, rows in zip(part, await list_each(exchange, commands), strict=True):
            if isinstance(rows, TenantError):
                failures[owner.id] = rows
                continue
            found, broken = parse_each_row(rows, partial(parse_add_in, owner))
            items += [one for one in found if one]
            if broken:
                failures[owner.id] = broken[0][1]
    subjects = {one.id: one.address for one in owners}
    return Reading(
        items=tuple(items),
        failures=build_object_failures(OWN_ADD_INS, failures, len(owners), subjects, optional=True),
        sources=frozenset({OWN_ADD_INS}),
        population=len(owners),
    )


def parse_add_in(owner: Mailbox, row: ResponseRow) -> OwnAddIn | None:
    """A row of Get-App; None for one of the organization, of the store, or that is off.

    Raises ValueError for one that does not say whose it is.
    """
    scope = get_text(row, "Scope").casefold()
    if scope not in KNOWN_SCOPES:
        raise ValueError("an add-in that does not say whose it is")
    is_on = parse_row_flag({"Enabled": True, **row}, "Enabled")
    if scope != USER_SCOPE or not is_on or get_text(row, "Type").casefold() in STORE_TYPES:
        return None
    app_id = parse_identifier(row.get("AppId")) or get_text(row, "AppId")[:TEXT_LIMIT]
    if not app_id:
        raise ValueError("an add-in without an id")
    return OwnAddIn(
        mailbox=owner,
        app_id=app_id,
        name=show_text(row, "DisplayName")[:TEXT_LIMIT],
        provider=show_text(row, "ProviderName")[:TEXT_LIMIT],
        requirements=show_text(row, "Requirements")[:TEXT_LIMIT],
    )
