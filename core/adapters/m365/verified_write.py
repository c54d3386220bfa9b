"""The steps every change is made of: look at exactly the object, begin, confirm.

Reads lag behind writes for a while, so a confirmation is asked for several times before it counts
as missing.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from core.adapters.exchange.client import ExchangeClient
from core.adapters.m365.auditing.parse import AUDIT_PROPERTIES, parse_mailbox_audit
from core.adapters.m365.mailboxes import FORWARDING_PROPERTIES, MAILBOX_PROPERTIES, parse_mailbox
from core.adapters.parsing import ResponseRow
from core.errors import NotFound, Superseded, Unavailable
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import AppliedChange
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import describe_changed_since

type Sleep = Callable[[float], Awaitable[None]]
CONFIRM_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)


MAILBOX_ROW_PROPERTIES = (*MAILBOX_PROPERTIES, *FORWARDING_PROPERTIES, *AUDIT_PROPERTIES)


async def wait_until_visible[T](
    read: Callable[[], Awaitable[T]], is_visible: Callable[[T], bool], sleep: Sleep
) -> None:
    """Look until what was written shows. Raises Unavailable when it does not: the next run will."""
    for pause in (0.0, *CONFIRM_DELAYS):
        if pause:
            await sleep(pause)
        if is_visible(await read()):
            return
    raise Unavailable("the change was sent but does not show yet")


@contextmanager
def recording_before(before: Mapping[str, object]) -> Iterator[None]:
    """From the first write on, what cannot be finished now says what was there before."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable(str(error), before) from error


@dataclass(frozen=True, slots=True)
class UndoProcedure[T]:
    """How a change is undone: how its object is looked at, and what to make of what is seen.

    `told` is what is there as a record names it; `as_before` and `as_left` compare it with what was
    there before the change and with what the change made of it. `write` puts back what it says.
    """

    read: Callable[[], Awaitable[T]]
    to_record: Callable[[T], Mapping[str, object]]
    is_as_before: Callable[[T], bool]
    is_as_applied: Callable[[T], bool]
    write: Callable[[T], Awaitable[None]]


async def run_undo[T](undo: UndoProcedure[T], sleep: Sleep) -> AppliedChange:
    """Undo a change unless it is undone. Raises Moot for what somebody else made of the object."""
    now = await undo.read()
    there = dict(undo.to_record(now))
    if undo.is_as_before(now):
        return AppliedChange(there, unchanged=True)
    if not undo.is_as_applied(now):
        raise Superseded(describe_changed_since(there))
    with recording_before(there):
        await undo.write(now)
        await wait_until_visible(undo.read, undo.is_as_before, sleep)
    return AppliedChange(there)


def build_switch_undo(
    read: Callable[[], Awaitable[bool]],
    write: Callable[[bool], Awaitable[None]],
    name: str,
    previous: bool,
    applied: bool,
) -> UndoProcedure[bool]:
    """How one switch is put back to what it was, if it is still as it was `left`."""
    return UndoProcedure(
        read,
        to_record=lambda now: {name: now},
        is_as_before=lambda now: now is previous,
        is_as_applied=lambda now: now is applied,
        write=lambda _: write(previous),
    )


def parse_row_for_change[T](parse: Callable[[ResponseRow], T], row: ResponseRow) -> T:
    """A row, or Unavailable: what cannot be understood is not changed."""
    try:
        return parse(row)
    except ValueError as error:
        raise Unavailable(f"not changed: {error}") from error


async def read_mailbox_row(exchange: ExchangeClient, guid: str) -> tuple[ResponseRow, Mailbox]:
    """One mailbox with its audit settings. Raises Gone, or Unavailable for anybody else's."""
    rows = await exchange.invoke("Get-Mailbox", {"Identity": guid}, select=MAILBOX_ROW_PROPERTIES)
    if not rows:
        raise NotFound("the mailbox is gone")
    found = parse_row_for_change(parse_mailbox, rows[0])
    if len(rows) > 1 or guid.lower() not in (found.guid.lower(), found.id.lower()):
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0], found


async def read_mailbox_audit(exchange: ExchangeClient, guid: str) -> MailboxAudit:
    row, _ = await read_mailbox_row(exchange, guid)
    return parse_row_for_change(parse_mailbox_audit, row)


async def set_mailbox_properties(
    exchange: ExchangeClient, target: Mailbox, parameters: Mapping[str, object]
) -> None:
    """Set-Mailbox on exactly this mailbox."""
    await exchange.invoke(
        "Set-Mailbox", {"Identity": target.guid, **parameters}, anchor=target.address
    )
