"""Get-MailboxStatistics, and what Get-Mailbox prints of a mailbox about which a scene says nothing.

A scene lists figures as Exchange prints them, each with the `Identity` of its mailbox. One of which
it tells none is small; one with `"@sandbox.unused": true` was never opened, and has no row, but a
warning. The parameters are those of the cmdlet reference (Microsoft Learn).
"""

from collections.abc import Iterator, Mapping

from sandbox.exchange.read_cmdlets import Cmdlet, Command, Result, mailbox_owner, not_bound
from sandbox.http_types import Row, truth, words
from sandbox.state.tenant import Owner, Tenant

STATISTICS = "Get-MailboxStatistics"
SMALL = "1.25 GB (1,342,177,280 bytes)"

# A mailbox nobody holds, without an archive, of no directory on premises.
USUAL: Mapping[str, object] = {
    "LitigationHoldEnabled": False,
    "InPlaceHolds": [],
    "RetentionHoldEnabled": False,
    "ComplianceTagHoldApplied": False,
    "ArchiveGuid": "00000000-0000-0000-0000-000000000000",
    "ArchiveStatus": "None",
    "RemoteRecipientType": "None",
    "IsExchangeCloudManaged": False,
}


def get_mailbox_statistics(tenant: Tenant, command: Command) -> Result:
    """Get-MailboxStatistics: one mailbox a call."""
    identity = command.given("Identity")
    if identity is None:
        raise not_bound("Identity is mandatory.")
    owner = mailbox_owner(tenant, identity)
    name = str((owner.mailbox or {}).get("DisplayName") or identity)
    row = next(figures_of(tenant, owner), {})
    if truth(row.get("@sandbox.unused")):
        return Result(
            (),
            (
                f"The user hasn't logged on to mailbox '{name}', so there is no data to return. "
                "After the user logs on, this warning will no longer appear.",
            ),
        )
    usual = {"DisplayName": name, "ItemCount": 1_000, "TotalItemSize": SMALL}
    return Result([{**usual, **row}])


def figures_of(tenant: Tenant, owner: Owner) -> Iterator[Row]:
    """The scene's figures of a mailbox."""
    for row in tenant.exchange.get(STATISTICS, ()):
        if any(found is owner for found in tenant.find(row.get("Identity"))):
            yield row


READS: Mapping[str, Cmdlet] = {
    STATISTICS: Cmdlet(
        get_mailbox_statistics,
        frozenset(
            words(
                "Identity Archive IncludeMoveHistory IncludeMoveReport IncludeQuarantineDetails"
                " IncludeSoftDeletedRecipients UseCustomRouting"
            )
        ),
    ),
}
