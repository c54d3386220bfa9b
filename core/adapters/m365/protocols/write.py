"""Switching protocols of one mailbox off, and on again when that is undone."""

from collections.abc import Mapping

from core.adapters.exchange.client import ExchangeClient
from core.adapters.m365.parsing import ResponseRow, parse_optional_bool
from core.adapters.m365.protocols.parse import (
    CAS_PROPERTIES,
    PROTOCOL_FLAGS,
    parse_mailbox_protocols,
)
from core.adapters.m365.verified_write import (
    Sleep,
    UndoProcedure,
    parse_row_for_change,
    recording_before,
    run_undo,
    wait_until_visible,
)
from core.errors import NotFound, Rejected, Unavailable
from core.tenant.changes import AppliedChange, DisableMailboxProtocols
from core.tenant.mailboxes import Mailbox, MailboxProtocols
from core.tenant.reversibility import PRIOR_STATE_UNKNOWN

# SMTP AUTH is switched off by a property that says so, the others by one that says they are on.
OFF_VALUES: Mapping[str, bool] = {"imap": False, "pop": False, "smtp": True}


async def disable_mailbox_protocols(
    exchange: ExchangeClient, change: DisableMailboxProtocols, sleep: Sleep
) -> AppliedChange:
    """Switch off what is still on. A mailbox that left SMTP AUTH to the organization is let be."""
    unknown = set(change.protocols) - OFF_VALUES.keys()
    if unknown or not change.protocols:
        raise Rejected(f"no such protocols: {', '.join(sorted(unknown)) or 'none were named'}")

    async def look() -> tuple[ResponseRow, MailboxProtocols]:
        return await read_mailbox_protocols(exchange, change.mailbox_guid)

    row, seen = await look()
    untold = seen.unknown & set(change.protocols)
    if untold:
        raise Unavailable(f"Exchange did not tell whether {', '.join(sorted(untold))} is on")
    wanted = [protocol for protocol in change.protocols if protocol in seen.allowed]
    before = {
        PROTOCOL_FLAGS[protocol]: row.get(PROTOCOL_FLAGS[protocol]) for protocol in change.protocols
    }
    if not wanted:
        return AppliedChange(before, unchanged=True)
    values = {PROTOCOL_FLAGS[protocol]: OFF_VALUES[protocol] for protocol in wanted}
    with recording_before(before):
        await exchange.invoke(
            "Set-CASMailbox",
            {"Identity": seen.mailbox.guid, **values},
            anchor=seen.mailbox.address,
        )
        await wait_until_visible(look, lambda now: now[1].denied.issuperset(wanted), sleep)
    return AppliedChange(before)


async def undo_disable_mailbox_protocols(
    exchange: ExchangeClient,
    change: DisableMailboxProtocols,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Allow again what the change switched off; what was off or left open before stays so."""
    switches = {
        PROTOCOL_FLAGS[name]: OFF_VALUES[name]
        for name in change.protocols
        if name in PROTOCOL_FLAGS
    }
    if len(switches) != len(change.protocols) or not switches.keys() <= before.keys():
        raise Rejected(PRIOR_STATE_UNKNOWN)
    was = {name: parse_optional_bool(before[name]) for name in switches}

    async def look() -> tuple[Mapping[str, bool | None], Mailbox]:
        row, seen = await read_mailbox_protocols(exchange, change.mailbox_guid)
        if untold := seen.unknown & set(change.protocols):
            raise Unavailable(f"Exchange did not tell whether {', '.join(sorted(untold))} is on")
        return {name: parse_optional_bool(row.get(name)) for name in switches}, seen.mailbox

    def as_left(now: tuple[Mapping[str, bool | None], Mailbox]) -> bool:
        return all(
            now[0][name] is was[name] or (now[0][name] is off and was[name] is (not off))
            for name, off in switches.items()
        )

    async def write(now: tuple[Mapping[str, bool | None], Mailbox]) -> None:
        values = {name: value for name, value in was.items() if now[0][name] is not value}
        await exchange.invoke(
            "Set-CASMailbox", {"Identity": now[1].guid, **values}, anchor=now[1].address
        )

    undo = UndoProcedure(look, lambda now: now[0], lambda now: now[0] == was, as_left, write)
    return await run_undo(undo, sleep)


async def read_mailbox_protocols(
    exchange: ExchangeClient, guid: str
) -> tuple[ResponseRow, MailboxProtocols]:
    """One mailbox's protocols. Raises Gone, or Unavailable for anybody else's."""
    rows = await exchange.invoke("Get-CASMailbox", {"Identity": guid}, select=CAS_PROPERTIES)
    if not rows:
        raise NotFound("the mailbox is gone")
    found = parse_row_for_change(parse_mailbox_protocols, rows[0])
    if len(rows) > 1 or guid.lower() not in (found.mailbox.guid.lower(), found.mailbox.id.lower()):
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0], found
