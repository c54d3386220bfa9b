"""Get-MailboxStatistics, and the statistics of mailboxes that a scene does not specify.

A scene lists figures as Exchange prints them, each with the `Identity` of its mailbox. A mailbox
without figures is small. One with `"@sandbox.unused": true` was never opened: it has no row, only a
warning. The parameters are those of the cmdlet reference (Microsoft Learn).
"""

from collections.abc import Iterator, Mapping

from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletResult,
    Command,
    build_binding_error,
    build_missing_object_error,
    find_mailbox_owner,
)
from sandbox.http_types import Row, is_true, split_words
from sandbox.state.tenant import Owner, SimulatedTenant

GET_MAILBOX_STATISTICS = "Get-MailboxStatistics"
DEFAULT_SIZE = "1.25 GB (1,342,177,280 bytes)"

# A mailbox without a hold, an archive or an on-premises directory.
DEFAULT_MAILBOX_PROPERTIES: Mapping[str, object] = {
    "LitigationHoldEnabled": False,
    "InPlaceHolds": [],
    "RetentionHoldEnabled": False,
    "ComplianceTagHoldApplied": False,
    "ArchiveGuid": "00000000-0000-0000-0000-000000000000",
    "ArchiveStatus": "None",
    "RemoteRecipientType": "None",
    "IsExchangeCloudManaged": False,
}


def get_mailbox_statistics(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-MailboxStatistics: one mailbox per call."""
    identity = command.get_parameter("Identity")
    if identity is None:
        raise build_binding_error("Identity is mandatory.")
    owner = find_mailbox_owner(tenant, identity)
    name = str((owner.mailbox or {}).get("DisplayName") or identity)
    row = next(iter_statistics(tenant, owner), {})
    unused = is_true(row.get("@sandbox.unused"))
    if unused and tenant.reality.plays("exchange-statistics", "refused"):
        raise build_missing_object_error(identity)
    if unused and tenant.reality.plays("exchange-statistics", "zero"):
        return CmdletResult([{"DisplayName": name, "ItemCount": 0, "TotalItemSize": None}])
    if unused:
        return CmdletResult(
            (),
            (
                f"The user hasn't logged on to mailbox '{name}', so there is no data to return. "
                "After the user logs on, this warning will no longer appear.",
            ),
        )
    usual = {"DisplayName": name, "ItemCount": 1_000, "TotalItemSize": DEFAULT_SIZE}
    return CmdletResult([{**usual, **row}])


def iter_statistics(tenant: SimulatedTenant, owner: Owner) -> Iterator[Row]:
    """The scene's figures of a mailbox."""
    for row in tenant.exchange.get(GET_MAILBOX_STATISTICS, ()):
        if any(found is owner for found in tenant.find_owners(row.get("Identity"))):
            yield row


STATISTICS_CMDLETS: Mapping[str, Cmdlet] = {
    GET_MAILBOX_STATISTICS: Cmdlet(
        get_mailbox_statistics,
        frozenset(
            split_words(
                "Identity Archive IncludeMoveHistory IncludeMoveReport IncludeQuarantineDetails"
                " IncludeSoftDeletedRecipients UseCustomRouting"
            )
        ),
    ),
}
