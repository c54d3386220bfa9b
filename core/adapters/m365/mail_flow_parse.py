"""Recipients, domains, mail-flow and audit rows of Exchange into the nouns of the tenant. Pure."""

import re
from collections.abc import Iterable, Mapping

from core.adapters.m365.parsing import (
    Row,
    apart,
    flag,
    identifier,
    is_set,
    listed,
    object_id,
    recipient_text,
    sequence_number,
    text,
    truth,
    words,
)
from core.tenant.auditing import AuditBypass
from core.tenant.mail_flow import (
    AcceptedDomain,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    TransportRule,
)

DOMAIN = re.compile(r"[^\s@/\\:\x00-\x1f]{1,253}")
FIRST_NAME = re.compile(r"(?i)cn=((?:\\.|[^,\\])+),")
PROXY = re.compile(r"(?i)(?:smtp|x500|ex|sip|spo):")

RECIPIENT_PROPERTIES = (
    "Identity",
    "Name",
    "DisplayName",
    "Alias",
    "Guid",
    "ExternalDirectoryObjectId",
    "DistinguishedName",
    "LegacyExchangeDN",
    "PrimarySmtpAddress",
    "EmailAddresses",
    "ExternalEmailAddress",
    "RecipientTypeDetails",
)
IDENTITIES = (
    "Identity",
    "Name",
    "DisplayName",
    "Alias",
    "Guid",
    "ExternalDirectoryObjectId",
    "DistinguishedName",
    "LegacyExchangeDN",
    "PrimarySmtpAddress",
    "ExternalEmailAddress",
    "EmailAddresses",
)
OUTSIDE_KINDS = frozenset({"guestmailuser", "mailuser", "mailcontact"})


def bare(value: object) -> str:
    """An address or name without its `SMTP:` and the like, for comparing."""
    shown = text(value).strip()
    return shown[found.end() :].casefold() if (found := PROXY.match(shown)) else shown.casefold()


def own_name(path: str) -> str:
    """An object's own name in its distinguished or canonical name; empty where it is neither.

    `CN=Ann,OU=contoso.com,DC=...` and `forest.example/Hosted Organizations/contoso.com/Ann` are
    Ann; a comma or slash of the name itself follows a backslash.
    """
    path = path.strip()
    if first := FIRST_NAME.match(path):
        return re.sub(r"\\(.)", r"\1", first[1])
    forest, *parts = re.split(r"(?<!\\)/", path)
    if len(parts) < 2 or not DOMAIN.fullmatch(forest) or "." not in forest:
        return ""
    return parts[-1].replace("\\/", "/")


def answers_to(row: Row, name: str) -> bool:
    """True when a recipient row is the one that was asked for, and not just what came back.

    Exchange lists everyone for an identity it does not understand, so an answer is proof of
    nothing unless the name stands in it. Of a canonical name an answer only holds the end.
    """
    wanted, last = bare(name), bare(own_name(name))
    if last and last in (bare(row.get("Name")), bare(row.get("Identity"))):
        return True
    return bool(wanted) and any(
        wanted == bare(value) for key in IDENTITIES for value in listed(row.get(key))
    )


def recipient(name: str, rows: list[Row]) -> Recipient:
    """What Get-Recipient brought for a name: found only when it is one row, and the right one."""
    if len(rows) != 1 or not answers_to(rows[0], name):
        return Recipient(name=name, found=False)
    row = rows[0]
    kind = text(row.get("RecipientTypeDetails"), 64)
    outside = row.get("ExternalEmailAddress") if kind.lower() in OUTSIDE_KINDS else None
    return Recipient(
        name=name,
        found=True,
        kind=kind,
        address=text(row.get("PrimarySmtpAddress"), 512),
        external_address=recipient_text(outside) if isinstance(outside, str) else "",
        id=object_id(row.get("ExternalDirectoryObjectId")) or object_id(row.get("Guid")),
    )


def domain_name(value: object) -> str:
    """A domain in lower case. Raises ValueError when it cannot be one."""
    name = text(value, 254).strip().lower().rstrip(".")
    if not DOMAIN.fullmatch(name):
        raise ValueError("a domain whose name cannot be read")
    return name


def accepted_domain(row: Row) -> AcceptedDomain:
    """A row of Get-AcceptedDomain."""
    name = domain_name(row.get("DomainName"))
    return AcceptedDomain(name, subdomains=flag(row, "MatchSubDomains"))


def verified_domain(row: Row) -> AcceptedDomain | None:
    """A domain of Graph's /domains; None while nobody has proved to own it."""
    name = domain_name(row.get("id"))
    verified = truth(row.get("isVerified"))
    if verified is None:
        raise ValueError("a domain that does not say whether it is verified")
    return AcceptedDomain(name) if verified else None


def remote_domain(row: Row) -> RemoteDomain:
    """A row of Get-RemoteDomain."""
    allowed = truth(row.get("AutoForwardEnabled"))
    if allowed is None:
        raise ValueError("a remote domain that does not say whether it lets forwards pass")
    return RemoteDomain(domain_name(row.get("DomainName")), allowed)


def outbound_policies(policies: Iterable[Row], rules: Iterable[Row]) -> list[OutboundPolicy]:
    """Policies with the rules that apply them. A custom policy without a rule applies to nobody."""
    found = []
    by_policy = {text(rule.get("HostedOutboundSpamFilterPolicy")): rule for rule in rules}
    for row in policies:
        name = text(row.get("Name")) or text(row.get("Identity"))
        default = truth(row.get("IsDefault"))
        default = name.lower() == "default" if default is None else default
        rule = by_policy.get(name) or by_policy.get(text(row.get("Identity"))) or {}
        found.append(
            OutboundPolicy(
                name=name,
                mode=text(row.get("AutoForwardingMode"), 64),
                default=default,
                enabled=default or text(rule.get("State"), 64).lower() == "enabled",
                priority=sequence_number(rule.get("Priority")),
                senders=lowered(rule.get("From")),
                sender_domains=lowered(rule.get("SenderDomainIs")),
                groups=any(
                    is_set(rule.get(key))
                    for key in rule
                    if key == "FromMemberOf" or key.startswith("ExceptIf")
                ),
            )
        )
    return found


def lowered(value: object) -> frozenset[str]:
    """Addresses or domains in lower case."""
    return frozenset(bare(part) for part in listed(value) if isinstance(part, str) and part)


def transport_recipients(value: object) -> tuple[str, ...]:
    """Recipients of a mail-flow rule: a list, one string, or objects that have an address."""
    found = []
    for part in apart(value):
        if isinstance(part, Mapping):
            keys = ("Address", "PrimarySmtpAddress", "SmtpAddress", "Name")
            part = next((part[key] for key in keys if part.get(key)), None)
        if not isinstance(part, str) or not part.strip():
            raise ValueError("a mail-flow rule with a recipient that cannot be read")
        found += [recipient_text(str(piece).strip()) for piece in apart(part)]
    return tuple(found)


def transport_rule(row: Row) -> TransportRule:
    """A row of Get-TransportRule."""
    rule_id = next(
        (known for key in ("Guid", "ImmutableId") if (known := identifier(row.get(key)))), ""
    ) or text(row.get("Identity"), 256)
    if not rule_id:
        raise ValueError("a mail-flow rule without a usable id")
    return TransportRule(
        id=rule_id,
        name=text(row.get("Name")) or text(row.get("Identity")),
        enabled=text(row.get("State"), 64).lower() != "disabled",
        enforced=text(row.get("Mode"), 64).lower() not in ("audit", "auditandnotify"),
        redirect_to=transport_recipients(row.get("RedirectMessageTo")),
        blind_copy_to=transport_recipients(row.get("BlindCopyTo")),
        copy_to=transport_recipients(row.get("CopyTo")),
        add_to=transport_recipients(row.get("AddToRecipients")),
    )


def audit_bypass(row: Row) -> AuditBypass:
    """A row of Get-MailboxAuditBypassAssociation."""
    found = identifier(row.get("Guid"))
    bypassed = truth(row.get("AuditBypassEnabled"))
    if bypassed is None:
        raise ValueError("an account that does not say whether it is bypassed")
    if not found:
        raise ValueError(f"an account without a usable id; AuditBypassEnabled: {bypassed}")
    return AuditBypass(found, text(row.get("Name")), bypassed)


def cmdlet_names(row: Row) -> frozenset[str]:
    """The cmdlets the caller may run, from an EXOModuleFile row."""
    return words(row.get("exportedCmdlets"))
