"""Switching protocols of one mailbox off, and on again when that is undone."""

from collections.abc import Mapping

from core.adapters.exchange.client import Exchange
from core.adapters.m365.parsing import Row, truth
from core.adapters.m365.protocols.parse import CAS_PROPERTIES, SWITCHES, mailbox_protocols
from core.adapters.m365.verified_write import Sleep, Undo, begun, confirm, put_back, understood
from core.errors import Gone, Refused, Unavailable
from core.tenant.changes import Applied, DisableMailboxProtocols
from core.tenant.mailboxes import Mailbox, MailboxProtocols
from core.tenant.reversibility import NOTHING_KNOWN

# SMTP AUTH is switched off by a property that says so, the others by one that says they are on.
OFF: Mapping[str, bool] = {"imap": False, "pop": False, "smtp": True}


async def disable_mailbox_protocols(
    exchange: Exchange, change: DisableMailboxProtocols, sleep: Sleep
) -> Applied:
    """Switch off what is still on. A mailbox that left SMTP AUTH to the organization is let be."""
    unknown = set(change.protocols) - OFF.keys()
    if unknown or not change.protocols:
        raise Refused(f"no such protocols: {', '.join(sorted(unknown)) or 'none were named'}")

    async def look() -> tuple[Row, MailboxProtocols]:
        return await one_mailbox(exchange, change.mailbox_guid)

    row, seen = await look()
    untold = seen.untold & set(change.protocols)
    if untold:
        raise Unavailable(f"Exchange did not tell whether {', '.join(sorted(untold))} is on")
    wanted = [protocol for protocol in change.protocols if protocol in seen.allowed]
    before = {SWITCHES[protocol]: row.get(SWITCHES[protocol]) for protocol in change.protocols}
    if not wanted:
        return Applied(before, already=True)
    values = {SWITCHES[protocol]: OFF[protocol] for protocol in wanted}
    with begun(before):
        await exchange.invoke(
            "Set-CASMailbox",
            {"Identity": seen.mailbox.guid, **values},
            anchor=seen.mailbox.address,
        )
        await confirm(look, lambda now: now[1].refused.issuperset(wanted), sleep)
    return Applied(before)


async def restore_mailbox_protocols(
    exchange: Exchange,
    change: DisableMailboxProtocols,
    before: Mapping[str, object],
    sleep: Sleep,
) -> Applied:
    """Allow again what the change switched off; what was off or left open before stays so."""
    switches = {SWITCHES[name]: OFF[name] for name in change.protocols if name in SWITCHES}
    if len(switches) != len(change.protocols) or not switches.keys() <= before.keys():
        raise Refused(NOTHING_KNOWN)
    was = {name: truth(before[name]) for name in switches}

    async def look() -> tuple[Mapping[str, bool | None], Mailbox]:
        row, seen = await one_mailbox(exchange, change.mailbox_guid)
        if untold := seen.untold & set(change.protocols):
            raise Unavailable(f"Exchange did not tell whether {', '.join(sorted(untold))} is on")
        return {name: truth(row.get(name)) for name in switches}, seen.mailbox

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

    undo = Undo(look, lambda now: now[0], lambda now: now[0] == was, as_left, write)
    return await put_back(undo, sleep)


async def one_mailbox(exchange: Exchange, guid: str) -> tuple[Row, MailboxProtocols]:
    """One mailbox's protocols. Raises Gone, or Unavailable for anybody else's."""
    rows = await exchange.invoke("Get-CASMailbox", {"Identity": guid}, select=CAS_PROPERTIES)
    if not rows:
        raise Gone("the mailbox is gone")
    found = understood(mailbox_protocols, rows[0])
    if len(rows) > 1 or guid.lower() not in (found.mailbox.guid.lower(), found.mailbox.id.lower()):
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0], found
