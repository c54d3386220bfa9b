"""Rows of Get-CASMailbox and of the sign-in log into the nouns of `core.tenant`. Pure."""

from collections.abc import Mapping

from core.adapters.m365.parsing import (
    ResponseRow,
    parse_mailbox,
    parse_object_id,
    parse_optional_bool,
    parse_text,
    parse_timestamp,
)
from core.tenant.mailboxes import MailboxProtocols, ProtocolUse

PROTOCOL_FLAGS: Mapping[str, str] = {
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
    *PROTOCOL_FLAGS.values(),
)
ADDRESS_LIMIT = 64


def parse_mailbox_protocols(row: ResponseRow) -> MailboxProtocols:
    """A row of Get-CASMailbox.

    SmtpClientAuthenticationDisabled is null where the organization decides. A property that is not
    there at all, or is no boolean, tells nothing.
    """
    allowed, refused, untold = set[str](), set[str](), set[str]()
    for protocol, name in PROTOCOL_FLAGS.items():
        value = parse_optional_bool(row.get(name))
        inherits = protocol == "smtp" and name in row and row[name] in (None, "")
        if value is None:
            untold |= set() if inherits else {protocol}
        else:
            (allowed if value is (protocol != "smtp") else refused).add(protocol)
    return MailboxProtocols(
        parse_mailbox(row), frozenset(allowed), frozenset(refused), frozenset(untold)
    )


def is_failed_sign_in(row: ResponseRow) -> bool:
    """True for a sign-in that is known to have failed: anybody can cause those.

    An error has a positive code; what cannot be one leaves the sign-in a use of the protocol.
    """
    status = row.get("status")
    code = status.get("errorCode") if isinstance(status, Mapping) else None
    return isinstance(code, int) and not isinstance(code, bool) and code > 0


def parse_protocol_use(protocol: str, row: ResponseRow) -> ProtocolUse:
    """A row of /auditLogs/signIns. Raises ValueError when it names nobody, or no time."""
    account = parse_object_id(row.get("userId"))
    at = parse_timestamp(row.get("createdDateTime"))
    if not account or at is None:
        raise ValueError("a sign-in that does not tell who or when")
    address = parse_text(row.get("ipAddress"), ADDRESS_LIMIT).strip()
    return ProtocolUse(
        account_id=account,
        protocol=protocol,
        upn=parse_text(row.get("userPrincipalName"), 512),
        last_used=at,
        addresses=(address,) if address else (),
    )
