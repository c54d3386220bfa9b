"""Get-MessageTraceV2 and Get-MobileDevice.

A scene lists messages, one row a message and recipient, and phones by mailbox or in one list.
Without them nothing was sent and no phone synchronises. The trace has no link to a next page: the
next question ends at the last row and begins at its recipient (rknightion/graph2otel, 2026-07). One
question covers ten days (Microsoft Learn).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sandbox.exchange.folders import iter_owned_rows, named_rows
from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletError,
    CmdletResult,
    Command,
    build_parameter_error,
    filter_cmdlet_rows,
    find_mailbox_owner,
    find_named_row,
    limit_rows,
)
from sandbox.http_types import Row, split_words, strip_private_keys
from sandbox.state.tenant import SimulatedTenant, fold_key, to_rows

TRACE, PHONES = "Get-MessageTraceV2", "Get-MobileDevice"
LONGEST_WINDOW = timedelta(days=10)
MAX_RESULT_SIZE, DEFAULT_RESULT_SIZE = 5_000, 1_000


def parse_when(value: object, name: str) -> datetime:
    """A time of a parameter or a row. Raises CmdletError."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise build_parameter_error(f"Cannot convert value to DateTime: '{name}'.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def get_message_trace(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-MessageTraceV2: the latest first, within a window."""
    if tenant.reality.plays("exchange-message-trace", "unauthorized"):
        raise CmdletError(
            "The user isn't assigned to any management roles.",
            "Microsoft.Exchange.AdminApi.CommandInvocation.UnauthorizedException",
            status=401,
        )
    start, end = (
        parse_when(command.get_parameter(name), name) for name in ("StartDate", "EndDate")
    )
    if not timedelta() <= end - start <= LONGEST_WINDOW:
        raise build_parameter_error("The period of a message trace is at most 10 days.")
    sender = fold_key(command.get_parameter("SenderAddress") or "")
    beginning = fold_key(command.get_parameter("StartingRecipientAddress") or "")
    size = int(str(command.get_parameter("ResultSize") or DEFAULT_RESULT_SIZE))
    if not 1 <= size <= MAX_RESULT_SIZE:
        raise build_parameter_error(f"ResultSize is from 1 to {MAX_RESULT_SIZE}.")
    rows = [
        row
        for row in to_rows(tenant.exchange.get(TRACE))
        if start <= parse_when(row.get("Received"), "Received") <= end
        and (not sender or fold_key(row.get("SenderAddress")) == sender)
    ]
    rows.sort(key=lambda row: (rank_time(row), fold_key(row.get("RecipientAddress"))))
    if beginning:
        rows = [
            row
            for row in rows
            if parse_when(row.get("Received"), "Received") < end
            or fold_key(row.get("RecipientAddress")) >= beginning
        ]
    return CmdletResult([strip_private_keys(row) for row in rows[:size]])


def rank_time(row: Row) -> float:
    """The order of rows: the latest first."""
    return -parse_when(row.get("Received"), "Received").timestamp()


def get_mobile_device(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-MobileDevice: the phones of one mailbox, or all of the organization (Microsoft Learn)."""
    mailbox = command.get_parameter("Mailbox")
    if mailbox is not None:
        rows = iter_owned_rows(tenant, PHONES, find_mailbox_owner(tenant, mailbox)) or []
    else:
        rows = list_phones(tenant)
    identity = command.get_parameter("Identity")
    if identity is not None:
        rows = [find_named_row(rows, identity)]
    shown = limit_rows(filter_cmdlet_rows(tenant, rows, command), command)
    return CmdletResult([strip_private_keys(row) for row in shown])


def list_phones(tenant: SimulatedTenant) -> list[Row]:
    """Every phone of a scene, which lists them by mailbox or as one list."""
    by_mailbox = named_rows(tenant, PHONES)
    if by_mailbox:
        return [row for rows in by_mailbox.values() for row in to_rows(rows)]
    return to_rows(tenant.exchange.get(PHONES))


TRACING_CMDLETS: Mapping[str, Cmdlet] = {
    TRACE: Cmdlet(
        get_message_trace,
        frozenset(
            split_words(
                "EndDate FromIP MessageId MessageTraceId RecipientAddress ResultSize SenderAddress"
                " StartDate StartingRecipientAddress Status Subject SubjectFilterType ToIP"
            )
        ),
    ),
    PHONES: Cmdlet(
        get_mobile_device,
        frozenset(split_words("Mailbox Identity Filter ResultSize SortBy ActiveSync")),
    ),
}
