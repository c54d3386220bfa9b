"""Switching protocols of one mailbox off."""

from collections.abc import Mapping

from core.adapters.exchange import Exchange
from core.adapters.steps import Sleep, begun, confirm, understood
from core.adapters.wire import Row
from core.adapters.wire_protocols import CAS_PROPERTIES, SWITCHES, mailbox_protocols
from core.errors import Gone, Refused, Unavailable
from core.tenant import Applied, DisableMailboxProtocols, MailboxProtocols

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


async def one_mailbox(exchange: Exchange, guid: str) -> tuple[Row, MailboxProtocols]:
    """One mailbox's protocols. Raises Gone, or Unavailable for anybody else's."""
    rows = await exchange.invoke("Get-CASMailbox", {"Identity": guid}, select=CAS_PROPERTIES)
    if not rows:
        raise Gone("the mailbox is gone")
    found = understood(mailbox_protocols, rows[0])
    if len(rows) > 1 or guid.lower() not in (found.mailbox.guid.lower(), found.mailbox.id.lower()):
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0], found
