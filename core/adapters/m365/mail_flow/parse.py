"""Rows of recipients, domains, policies and mail-flow rules into `core.tenant.mail_flow`. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.adapters.exchange.command import Command
from core.adapters.parsing import (
    ResponseRow,
    parse_identifier,
    parse_object_id,
    parse_optional_bool,
    parse_optional_id,
    parse_recipient_kind,
    parse_recipient_text,
    parse_row_flag,
    parse_text,
)
from core.tenant.mail_flow import (
    AcceptedDomain,
    Recipient,
    RemoteDomain,
)

RELIES_ON = (
    "exchange-recipient-names",
    "exchange-match-subdomains",
)

DOMAIN = re.compile(r"[^\s@/\\:\x00-\x1f]{1,253}")
COMMON_NAME = re.compile(r"(?i)cn=((?:\\.|[^,\\])+),")
ADDRESS_PREFIX = re.compile(r"(?i)(?:smtp|x500|ex|sip|spo):")
RECIPIENT_PROPERTIES = (
    "Identity",
    "Name",
    "DisplayName",
    "Alias",
    "Guid",
    "ExternalDirectoryObjectId",
    "DistinguishedName",
    "PrimarySmtpAddress",
    "EmailAddresses",
    "ExternalEmailAddress",
    "RecipientTypeDetails",
)
IDENTITY_PROPERTIES = (
    "Identity",
    "Name",
    "DisplayName",
    "Alias",
    "Guid",
    "ExternalDirectoryObjectId",
    "DistinguishedName",
    "PrimarySmtpAddress",
    "ExternalEmailAddress",
    "EmailAddresses",
)
# The cmdlets that print the legacy name of a recipient of some kind, and what they need besides.
LEGACY_NAME = "LegacyExchangeDN"
GROUP_MAILBOX: Mapping[str, object] = {"GroupMailbox": True}
CONFIRMING_CMDLETS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "guestmailuser": ("Get-MailUser", {}),
    "mailuser": ("Get-MailUser", {}),
    "mailcontact": ("Get-MailContact", {}),
    "mailforestcontact": ("Get-MailContact", {}),
    "groupmailbox": ("Get-Mailbox", GROUP_MAILBOX),
}
EXTERNAL_KINDS = frozenset({"guestmailuser", "mailuser", "mailcontact", "mailforestcontact"})


def strip_address_prefix(value: object) -> str:
    """An address or name without its `SMTP:` and the like, for comparing."""
    shown = parse_text(value).strip()
    return (
        shown[found.end() :].casefold()
        if (found := ADDRESS_PREFIX.match(shown))
        else shown.casefold()
    )


def parse_leaf_name(path: str) -> str:
    """An object's own name in its distinguished or canonical name; empty where it is neither.

    `CN=Ann,OU=contoso.com,DC=...` and `forest.example/Hosted Organizations/contoso.com/Ann` are
    Ann; a comma or slash of the name itself follows a backslash.
    """
    path = path.strip()
    if first := COMMON_NAME.match(path):
        return re.sub(r"\\(.)", r"\1", first[1])
    forest, *parts = re.split(r"(?<!\\)/", path)
    if len(parts) < 2 or not DOMAIN.fullmatch(forest) or "." not in forest:
        return ""
    return parts[-1].replace("\\/", "/")


def matches_recipient(row: ResponseRow, name: str) -> bool:
    """True when a recipient row is the requested recipient, and not just any that came back.

    Exchange lists everyone for an identity it does not understand, so an answer is proof of
    nothing unless the name stands in it. Of a canonical name an answer only holds the end. An
    address is not that of whoever only bears it as a display name: anybody may.
    """
    wanted, last = strip_address_prefix(name), strip_address_prefix(parse_leaf_name(name))
    if last and last in (
        strip_address_prefix(row.get("Name")),
        strip_address_prefix(row.get("Identity")),
    ):
        return True
    return bool(wanted) and any(
        wanted == strip_address_prefix(value)
        for key in IDENTITY_PROPERTIES
        if key != "DisplayName" or "@" not in wanted
        for value in list_names(row.get(key))
    )


def list_names(value: object) -> Sequence[object]:
    """The names in a property, however many: an address is one among all."""
    return value if isinstance(value, list) else (value,)


def is_legacy_name(name: str) -> bool:
    """True for a legacyExchangeDN, which is how rules made in Outlook name a colleague."""
    return strip_address_prefix(name).startswith("/o=")


def build_confirming_command(row: ResponseRow) -> Command | None:
    """The command that prints the legacy name of a row; None where no cmdlet of ours does.

    Get-Recipient does not print LegacyExchangeDN (go-exoscc, Exchange's $metadata, 2026-07).
    """
    kind = parse_text(row.get("RecipientTypeDetails"), 64).casefold()
    guid = parse_identifier(row.get("Guid"))
    if not guid or not (kind in CONFIRMING_CMDLETS or kind.endswith("mailbox")):
        return None
    cmdlet, more = CONFIRMING_CMDLETS.get(kind, ("Get-Mailbox", {}))
    return Command(cmdlet, {"Identity": guid, **more}, ("Guid", LEGACY_NAME))


def has_legacy_name(row: ResponseRow, guid: object, name: str) -> bool:
    """True for the row of this object with this legacy name."""
    same = parse_object_id(row.get("Guid")) == parse_object_id(guid)
    return same and strip_address_prefix(row.get(LEGACY_NAME)) == strip_address_prefix(name)


def drop_repeated_rows(rows: Sequence[ResponseRow]) -> Sequence[ResponseRow]:
    """The rows without those that show the same object once more."""
    if len(rows) < 2:
        return rows
    by_id = {parse_identifier(row.get("Guid")) or number: row for number, row in enumerate(rows)}
    return list(by_id.values())


def parse_recipient(name: str, rows: Sequence[ResponseRow], confirmed: bool = False) -> Recipient:
    """The result of Get-Recipient for a name: found only if it is one row that matches.

    `confirmed` is True for a row that another cmdlet has shown to be the requested recipient.
    Raises ValueError for a row that nobody understands.
    """
    rows = drop_repeated_rows(rows)
    if len(rows) != 1 or not (confirmed or matches_recipient(rows[0], name)):
        several = len(rows) > 1 and all(matches_recipient(row, name) for row in rows)
        return Recipient(name=name, found=False, several=several)
    return replace(check_kind(parse_recipient_row(rows[0])), name=name)


def parse_displayed(name: str, rows: Sequence[ResponseRow]) -> Recipient:
    """What a display name stands for, given the rows that a filter by it brought."""
    wanted = strip_address_prefix(name)
    rows = drop_repeated_rows(rows)
    same = [row for row in rows if strip_address_prefix(row.get("DisplayName")) == wanted]
    if len(same) != 1 or len(rows) != 1:
        return Recipient(name=name, found=False, several=len(same) > 1)
    return replace(check_kind(parse_recipient_row(same[0])), name=name)


def check_kind(recipient: Recipient) -> Recipient:
    """The recipient. Raises ValueError where its kind is not shown, and so nobody can say whether
    it keeps its mail: that is no news about whoever sends to it.
    """
    if not recipient.kind:
        raise ValueError("the kind of a recipient is not shown")
    return recipient


def parse_recipient_row(row: ResponseRow) -> Recipient:
    """A row of a recipient, whatever cmdlet printed it.

    Its name is the address, or what Exchange calls it. Raises ValueError for an id that is none.
    """
    kind = parse_recipient_kind(row.get("RecipientTypeDetails"))
    outside = row.get("ExternalEmailAddress") if kind.lower() in EXTERNAL_KINDS else None
    address = parse_text(row.get("PrimarySmtpAddress"), 512)
    return Recipient(
        name=address or parse_text(row.get("Name"), 512),
        found=True,
        kind=kind,
        address=address,
        external_address=parse_recipient_text(outside) if isinstance(outside, str) else "",
        id=parse_optional_id(row.get("ExternalDirectoryObjectId"))
        or parse_object_id(row.get("Guid")),
    )


def parse_domain_name(value: object) -> str:
    """A domain in lower case. Raises ValueError when it cannot be one."""
    name = parse_text(value, 254).strip().lower().rstrip(".")
    if not DOMAIN.fullmatch(name):
        raise ValueError("a domain whose name cannot be read")
    return name


def parse_accepted_domain(row: ResponseRow) -> AcceptedDomain:
    """A row of Get-AcceptedDomain. Only a domain printed as Authoritative counts as such."""
    kind = parse_text(row.get("DomainType"), 64).strip().casefold()
    return AcceptedDomain(
        parse_domain_name(row.get("DomainName")),
        includes_subdomains=parse_row_flag(row, "MatchSubDomains"),
        authoritative=kind == "authoritative",
        are_subdomains_told=row.get("MatchSubDomains") not in (None, ""),
        is_type_told=bool(kind),
    )


def parse_verified_domain(row: ResponseRow) -> AcceptedDomain | None:
    """A domain of Graph's /domains; None while its ownership is not verified.

    Whether Exchange delivers its mail, Graph does not say.
    """
    name = parse_domain_name(row.get("id"))
    verified = parse_optional_bool(row.get("isVerified"))
    if verified is None:
        raise ValueError("a domain that does not say whether it is verified")
    return AcceptedDomain(name, authoritative=False, is_type_told=False) if verified else None


def parse_remote_domain(row: ResponseRow) -> RemoteDomain:
    """A row of Get-RemoteDomain."""
    allowed = parse_optional_bool(row.get("AutoForwardEnabled"))
    if allowed is None:
        raise ValueError("a remote domain that does not say whether it lets forwards pass")
    return RemoteDomain(parse_domain_name(row.get("DomainName")), allowed)
