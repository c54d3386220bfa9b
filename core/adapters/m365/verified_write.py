"""The steps of every change: read exactly the object, write, read back.

Reads lag behind writes for a while, so the object is read several times before a change counts as
not visible.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from core.adapters.exchange.client import ExchangeClient
from core.adapters.m365.auditing.parse import AUDIT_PROPERTIES, parse_mailbox_audit
from core.adapters.m365.mailboxes import FORWARDING_PROPERTIES, MAILBOX_PROPERTIES, parse_mailbox
from core.adapters.parsing import ResponseRow
from core.errors import Forbidden, NotFound, Rejected, Superseded, TenantError, Unavailable
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import AppliedChange
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import describe_changed_since

RELIES_ON = (
    "exchange-read-back",
    "write-graph-read-back",
)

type Sleep = Callable[[float], Awaitable[None]]
CONFIRM_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)


MAILBOX_ROW_PROPERTIES = (*MAILBOX_PROPERTIES, *FORWARDING_PROPERTIES, *AUDIT_PROPERTIES)


async def wait_until_visible[T](
    read: Callable[[], Awaitable[T]], is_visible: Callable[[T], bool], sleep: Sleep
) -> None:
    """Read until the change is visible. Raises Unavailable if it never is; the next run retries."""
    for pause in (0.0, *CONFIRM_DELAYS):
        if pause:
            await sleep(pause)
        if is_visible(await read()):
            return
    raise Unavailable("the change was sent but does not show yet")


@contextmanager
def recording_before(before: Mapping[str, object]) -> Iterator[None]:
    """From the first write on, attach the prior state to whatever interrupts the change."""
    try:
        yield
    except Unavailable as error:
        raise Unavailable(str(error), before) from error


async def write_verified[T](
    write: Callable[[], Awaitable[object]],
    read: Callable[[], Awaitable[T]],
    is_visible: Callable[[T], bool],
    before: Mapping[str, object],
    sleep: Sleep,
) -> None:
    """Write, and read until the change is visible. Raises a TenantError.

    Exchange can carry out a write and fail in its answer (seen with Set-OrganizationConfig), so
    what was refused is looked at once before the prior state is forgotten.
    """
    with recording_before(before):
        if not await carry_out(write, read, is_visible):
            await wait_until_visible(read, is_visible, sleep)


async def carry_out[T](
    write: Callable[[], Awaitable[object]],
    read: Callable[[], Awaitable[T]],
    is_visible: Callable[[T], bool],
) -> bool:
    """Write. Returns True for a write that was refused and is visible all the same."""
    try:
        await write()
    except (Rejected, Forbidden) as refusal:
        if await was_carried_out(read, is_visible, refusal):
            return True
        raise
    return False


async def was_carried_out[T](
    read: Callable[[], Awaitable[T]], is_visible: Callable[[T], bool], refusal: TenantError
) -> bool:
    """Whether a refused write is visible all the same. Raises Unavailable if it cannot be told."""
    try:
        return is_visible(await read())
    except TenantError as error:
        raise Unavailable(f"{refusal}; whether it was carried out is not known: {error}") from error


@dataclass(frozen=True, slots=True)
class UndoProcedure[T]:
    """How a change is undone.

    `read` reads the object. `to_record` gives its state under the names that a record uses.
    `is_as_before` and `is_as_applied` compare it with the state before the change and with what the
    change made of it. `write` restores the prior state.
    """

    read: Callable[[], Awaitable[T]]
    to_record: Callable[[T], Mapping[str, object]]
    is_as_before: Callable[[T], bool]
    is_as_applied: Callable[[T], bool]
    write: Callable[[T], Awaitable[None]]


async def run_undo[T](undo: UndoProcedure[T], sleep: Sleep) -> AppliedChange:
    """Undo a change, if still needed. Raises Superseded when the object was changed since."""
    now = await undo.read()
    there = dict(undo.to_record(now))
    if undo.is_as_before(now):
        return AppliedChange(there, unchanged=True)
    if not undo.is_as_applied(now):
        raise Superseded(describe_changed_since(there))
    await write_verified(lambda: undo.write(now), undo.read, undo.is_as_before, there, sleep)
    return AppliedChange(there)


def build_switch_undo(
    read: Callable[[], Awaitable[bool]],
    write: Callable[[bool], Awaitable[None]],
    name: str,
    previous: bool,
    applied: bool,
) -> UndoProcedure[bool]:
    """How to restore one switch to `previous`, if it still has the value `applied`."""
    return UndoProcedure(
        read,
        to_record=lambda now: {name: now},
        is_as_before=lambda now: now is previous,
        is_as_applied=lambda now: now is applied,
        write=lambda _: write(previous),
    )


def parse_row_for_change[T](parse: Callable[[ResponseRow], T], row: ResponseRow) -> T:
    """A parsed row. Raises Unavailable: an object that cannot be parsed is not changed."""
    try:
        return parse(row)
    except ValueError as error:
        raise Unavailable(f"not changed: {error}") from error


async def read_mailbox_row(exchange: ExchangeClient, guid: str) -> tuple[ResponseRow, Mailbox]:
    """One mailbox and its row. Raises NotFound, or Unavailable for another mailbox's row."""
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
