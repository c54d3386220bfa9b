"""Get-MailboxStatistics, and what Get-Mailbox prints of a mailbox about which a scene says nothing.

A scene lists figures as Exchange prints them, each with the `Identity` of its mailbox. One of which
it tells none is small; one with `"@sandbox.unused": true` was never opened, and has no row, but a
warning. The parameters are those of the cmdlet reference (Microsoft Learn).
"""

from collections.abc import Iterator, Mapping

from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletResult,
    Command,
    build_binding_error,
    find_mailbox_owner,
)
from sandbox.http_types import Row, is_true, split_words
from sandbox.state.tenant import Owner, SimulatedTenant

GET_MAILBOX_STATISTICS = "Get-MailboxStatistics"
DEFAULT_SIZE = "1.25 GB (1,342,177,280 bytes)"

# A mailbox nobody holds, without an archive, of no directory on premises.
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
    """Get-MailboxStatistics: one mailbox a call."""
    identity = command.get_parameter("Identity")
    if identity is None:
        raise build_binding_error("Identity is mandatory.")
    owner = find_mailbox_owner(tenant, identity)
    name = str((owner.mailbox or {}).get("DisplayName") or identity)
    row = next(iter_statistics(tenant, owner), {})
    if is_true(row.get("@sandbox.unused")):
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
