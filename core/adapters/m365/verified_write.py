"""The steps every change is made of: look at exactly the object, begin, confirm.

Reads lag behind writes for a while, so a confirmation is asked for several times before it counts
as missing.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from core.adapters.exchange.client import Exchange
from core.adapters.m365.parsing import (
    AUDIT_PROPERTIES,
    FORWARDING_PROPERTIES,
    MAILBOX_PROPERTIES,
    Row,
    mailbox,
    mailbox_audit,
)
from core.errors import Gone, Moot, Unavailable
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import Applied
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import changed_since

type Sleep = Callable[[float], Awaitable[None]]
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


PROPERTIES = (*MAILBOX_PROPERTIES, *FORWARDING_PROPERTIES, *AUDIT_PROPERTIES)


async def confirm[T](
    look: Callable[[], Awaitable[T]], settled: Callable[[T], bool], sleep: Sleep
) -> None:
    """Look until what was written shows. Raises Unavailable when it does not: the next run will."""
    for pause in (0.0, *PAUSES):
        if pause:
            await sleep(pause)
        if settled(await look()):
            return
    raise Unavailable("the change was sent but does not show yet")


@contextmanager
def begun(before: Mapping[str, object]) -> Iterator[None]:
    """From the first write on, what cannot be finished now says what was there before."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable(str(error), before) from error


@dataclass(frozen=True, slots=True)
class Undo[T]:
    """How a change is undone: how its object is looked at, and what to make of what is seen.

    `told` is what is there as a record names it; `as_before` and `as_left` compare it with what was
    there before the change and with what the change made of it. `write` puts back what it says.
    """

    look: Callable[[], Awaitable[T]]
    told: Callable[[T], Mapping[str, object]]
    as_before: Callable[[T], bool]
    as_left: Callable[[T], bool]
    write: Callable[[T], Awaitable[None]]


async def put_back[T](undo: Undo[T], sleep: Sleep) -> Applied:
    """Undo a change unless it is undone. Raises Moot for what somebody else made of the object."""
    now = await undo.look()
    there = dict(undo.told(now))
    if undo.as_before(now):
        return Applied(there, already=True)
    if not undo.as_left(now):
        raise Moot(changed_since(there))
    with begun(there):
        await undo.write(now)
        await confirm(undo.look, undo.as_before, sleep)
    return Applied(there)


def switch_back(
    look: Callable[[], Awaitable[bool]],
    write: Callable[[bool], Awaitable[None]],
    name: str,
    was: bool,
    left: bool,
) -> Undo[bool]:
    """How one switch is put back to what it was, if it is still as it was `left`."""
    return Undo(
        look,
        told=lambda now: {name: now},
        as_before=lambda now: now is was,
        as_left=lambda now: now is left,
        write=lambda _: write(was),
    )


def understood[T](parse: Callable[[Row], T], row: Row) -> T:
    """A row, or Unavailable: what cannot be understood is not changed."""
    try:
        return parse(row)
    except ValueError as error:
        raise Unavailable(f"not changed: {error}") from error


async def mailbox_row(exchange: Exchange, guid: str) -> tuple[Row, Mailbox]:
    """One mailbox with its audit settings. Raises Gone, or Unavailable for anybody else's."""
    rows = await exchange.invoke("Get-Mailbox", {"Identity": guid}, select=PROPERTIES)
    if not rows:
        raise Gone("the mailbox is gone")
    found = understood(mailbox, rows[0])
    if len(rows) > 1 or guid.lower() not in (found.guid.lower(), found.id.lower()):
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0], found


async def read_audit(exchange: Exchange, guid: str) -> MailboxAudit:
    row, _ = await mailbox_row(exchange, guid)
    return understood(mailbox_audit, row)


async def set_mailbox(exchange: Exchange, found: Mailbox, parameters: Mapping[str, object]) -> None:
    """Set-Mailbox on exactly this mailbox."""
    await exchange.invoke(
        "Set-Mailbox", {"Identity": found.guid, **parameters}, anchor=found.address
    )
