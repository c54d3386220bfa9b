"""Rows of Get-CASMailbox and of the sign-in log into the nouns of `core.tenant`. Pure."""

from collections.abc import Mapping

from core.adapters.m365.parsing import Row, mailbox, moment, object_id, text, truth
from core.tenant.mailboxes import MailboxProtocols, ProtocolUse

SWITCHES: Mapping[str, str] = {
    "imap": "ImapEnabled",
    "pop": "PopEnabled",
    "smtp": "SmtpClientAuthenticationDisabled",
}
CAS_PROPERTIES = (
    "ExternalDirectoryObjectId",
    "Guid",
    "PrimarySmtpAddress",
    "DisplayName",
    "Name",
    *SWITCHES.values(),
)
ADDRESS_LIMIT = 64


def mailbox_protocols(row: Row) -> MailboxProtocols:
    """A row of Get-CASMailbox.

    SmtpClientAuthenticationDisabled is null where the organization decides. A property that is not
    there at all, or is no boolean, tells nothing.
    """
    allowed, refused, untold = set[str](), set[str](), set[str]()
    for protocol, name in SWITCHES.items():
        value = truth(row.get(name))
        inherits = protocol == "smtp" and name in row and row[name] in (None, "")
        if value is None:
            untold |= set() if inherits else {protocol}
        else:
            (allowed if value is (protocol != "smtp") else refused).add(protocol)
    return MailboxProtocols(mailbox(row), frozenset(allowed), frozenset(refused), frozenset(untold))


def failed(row: Row) -> bool:
    """True for a sign-in that is known to have failed: anybody can cause those.

    An error has a positive code; what cannot be one leaves the sign-in a use of the protocol.
    """
    status = row.get("status")
    code = status.get("errorCode") if isinstance(status, Mapping) else None
    return isinstance(code, int) and not isinstance(code, bool) and code > 0


def protocol_use(protocol: str, row: Row) -> ProtocolUse:
    """A row of /auditLogs/signIns. Raises ValueError when it names nobody, or no time."""
    account = object_id(row.get("userId"))
    at = moment(row.get("createdDateTime"))
    if not account or at is None:
        raise ValueError("a sign-in that does not tell who or when")
    address = text(row.get("ipAddress"), ADDRESS_LIMIT).strip()
    return ProtocolUse(
        account_id=account,
        protocol=protocol,
        upn=text(row.get("userPrincipalName"), 512),
        last=at,
        addresses=(address,) if address else (),
    )
