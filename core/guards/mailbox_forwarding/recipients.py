"""Where a recipient string sends mail: inside the tenant, outside, or to an unknown place.

Graph and Exchange write recipients as addresses, as `"Name" [SMTP:address]`, as legacy Exchange
names (`[EX:/o=...]`), GUIDs and plain names. An address of the tenant's own may still be a contact,
mail user or guest whose mail goes elsewhere, and a display name may hold an address that means
nothing. So only the domain of an address outside is judged by its spelling.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from core.tenant.domain_names import to_a_label
from core.tenant.mail_flow import AcceptedDomain, Recipient

RELIES_ON = ("exchange-rule-targets",)

BRACKET_PATTERN = re.compile(r"\[(SMTP|EX|X500):", re.IGNORECASE)
PREFIX_PATTERN = re.compile(r"^(SMTP|EX|X500):", re.IGNORECASE)
GUEST_MARK = "#ext#"
# Recipients that exist only to stand for an address elsewhere.
STAND_IN_KINDS = frozenset({"mailcontact", "mailuser", "guestmailuser", "mailforestcontact"})
SEVERAL = "several recipients of this name"
# A contact may point at a contact; a deeper chain is reported as unresolved.
MAX_HOPS = 4


class RecipientLocation(StrEnum):
    """Where mail to a recipient ends up."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class ForwardTarget:
    """A recipient, understood. `address` is normalised, empty when unresolved.

    `via` names what the mail passes through on its way: "MailContact bob@contoso.com".
    """

    raw: str
    location: RecipientLocation
    address: str = ""
    via: str = ""

    @property
    def identity(self) -> str:
        """What makes it this target and no other, however it was written."""
        value = parse_recipient_string(self.raw)[1]
        return self.address or normalize_address(value) or " ".join(value.casefold().split())


@dataclass(frozen=True, slots=True)
class OwnDomains:
    """The tenant's own domains, in A-label form; of `parents` every name below is own too."""

    exact: frozenset[str]
    parents: frozenset[str] = frozenset()

    @classmethod
    def from_accepted_domains(cls, accepted: Iterable[AcceptedDomain]) -> "OwnDomains":
        """Own domains as Exchange and Entra name them (`*.example.org` accepts subdomains)."""
        exact: set[str] = set()
        parents: set[str] = set()
        for domain in accepted:
            name = to_a_label(domain.name.strip().removeprefix("*."))
            if name:
                exact.add(name)
                if domain.includes_subdomains or domain.name.strip().startswith("*."):
                    parents.add(name)
        return cls(frozenset(exact), frozenset(parents))

    def contains_domain(self, domain: str) -> bool:
        """True for an own domain. Whole labels count: evilcontoso.com is not contoso.com."""
        if domain in self.exact:
            return True
        labels = domain.split(".")
        return any(".".join(labels[start:]) in self.parents for start in range(1, len(labels)))


def normalize_address(text: str) -> str:
    """An address in the form in which addresses compare; empty for what is none.

    The domain is what follows the last @, whatever the local part holds in quotes.
    """
    local, at, domain = text.strip().rpartition("@")
    domain = to_a_label(domain)
    if not at or not local or not domain or any(not label for label in domain.split(".")):
        return ""
    if any(sign.isspace() or sign in '<>"(),;' for sign in domain):
        return ""
    return f"{local.lower()}@{domain}"


def get_address_domain(address: str) -> str:
    """The domain of a normalised address."""
    return address.rpartition("@")[2]


def parse_recipient_string(raw: str) -> tuple[str, str]:
    """The kind of a recipient string (smtp, ex, or "" for a name) and what it says.

    A bracket counts only where the string ends with it: the display name before it is free text,
    chosen by whoever made the rule, and may hold brackets and addresses of its own.
    """
    text = raw.strip()
    if text.endswith("]"):
        tokens = list(BRACKET_PATTERN.finditer(text))
        if tokens:
            return classify_address_type(tokens[-1][1]), text[tokens[-1].end() : -1].strip()
    if text.endswith(">") and "<" in text:
        text = text[text.rindex("<") + 1 : -1].strip()
    prefix = PREFIX_PATTERN.match(text)
    if prefix:
        return classify_address_type(prefix[1]), text[prefix.end() :].strip()
    if text.lower().startswith("/o="):
        return "ex", text
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return "", text[1:-1].strip()
    return ("smtp", text) if normalize_address(text) else ("", text)


def classify_address_type(token: str) -> str:
    """How a string of this address type is understood."""
    return "smtp" if token.upper() == "SMTP" else "ex"


def extract_guest_address(address: str) -> str:
    """The address a guest came from: it is written into the guest's name before #EXT#.

    Microsoft Learn (Properties of a B2B guest user): the @ became an underscore, the last one.
    """
    before, mark, _ = address.lower().rpartition(GUEST_MARK)
    local, underscore, domain = before.rpartition("/")[2].rpartition("_")
    return normalize_address(f"{local}@{domain}") if mark and underscore else ""


def find_outside_address(text: str, own_domains: OwnDomains) -> str:
    """The outside address a string stands for without asking anybody, or an empty string."""
    address = normalize_address(text)
    if address and not own_domains.contains_domain(get_address_domain(address)):
        return address
    origin = extract_guest_address(text)
    return origin if origin and not own_domains.contains_domain(get_address_domain(origin)) else ""


def get_lookup_name(raw: str, own_domains: OwnDomains) -> str:
    """What Exchange has to be asked about a recipient; empty when it is known to be outside."""
    kind, value = parse_recipient_string(raw)
    if kind == "smtp":
        if find_outside_address(value, own_domains):
            return ""
        return normalize_address(value)
    return value


def list_further_lookups(known: Mapping[str, Recipient], own_domains: OwnDomains) -> Iterator[str]:
    """Own addresses that known recipients pass their mail on to and that were not asked for yet."""
    for recipient in known.values():
        if recipient.found and recipient.external_address:
            name = get_lookup_name(recipient.external_address, own_domains)
            if name and name not in known:
                yield name


def locate_recipient(
    raw: str, own_domains: OwnDomains, known: Mapping[str, Recipient]
) -> ForwardTarget | None:
    """Where a recipient's mail goes; None when what had to be asked was not answered."""
    kind, value = parse_recipient_string(raw)
    if kind == "smtp":
        outside = find_outside_address(value, own_domains)
        if outside:
            via = "guest" if outside != normalize_address(value) else ""
            return ForwardTarget(raw, RecipientLocation.OUTSIDE, outside, via)
    name = get_lookup_name(raw, own_domains)
    if not name:
        return ForwardTarget(raw, RecipientLocation.UNRESOLVED)
    if name not in known:
        return None
    if not known[name].found:
        return build_unknown_target(raw, known[name])
    return follow_recipient(raw, known[name], own_domains, known)


def build_unknown_target(raw: str, recipient: Recipient) -> ForwardTarget:
    """A recipient nobody knows: an address of ours leads nowhere else, a mere name to anybody.

    What several recipients answer to may lead to any of them.
    """
    if recipient.several:
        return ForwardTarget(raw, RecipientLocation.UNRESOLVED, via=SEVERAL)
    kind, value = parse_recipient_string(raw)
    address = normalize_address(value) if kind == "smtp" else ""
    return ForwardTarget(
        raw, RecipientLocation.INSIDE if address else RecipientLocation.UNRESOLVED, address
    )


def locate_forwarding_object(
    name: str, own_domains: OwnDomains, known: Mapping[str, Recipient]
) -> ForwardTarget | None:
    """The same for ForwardingAddress, which names an object and never an address.

    A contact may be named like a colleague's address, so its name decides nothing unless no
    recipient has that name and it reads as an address outside.
    """
    text = name.strip()
    if text not in known:
        return None
    if known[text].found:
        return follow_recipient(name, known[text], own_domains, known)
    if known[text].several:
        return ForwardTarget(name, RecipientLocation.UNRESOLVED, via=SEVERAL)
    outside = find_outside_address(parse_recipient_string(text)[1], own_domains)
    return (
        ForwardTarget(name, RecipientLocation.OUTSIDE, outside)
        if outside
        else ForwardTarget(name, RecipientLocation.UNRESOLVED)
    )


def follow_recipient(
    raw: str, recipient: Recipient, own_domains: OwnDomains, known: Mapping[str, Recipient]
) -> ForwardTarget | None:
    """Where a known recipient passes its mail on to, through contacts of contacts if need be."""
    via = f"{recipient.kind} {recipient.address or recipient.name}".strip()
    visited: set[str] = set()
    for _ in range(MAX_HOPS):
        place, value = find_next_recipient(recipient, own_domains)
        if place:
            return ForwardTarget(raw, place, value, via)
        if value in visited:
            return ForwardTarget(raw, RecipientLocation.INSIDE, normalize_address(value), via)
        if value not in known:
            return (
                None
                if len(visited) + 1 < MAX_HOPS
                else ForwardTarget(raw, RecipientLocation.UNRESOLVED, via=via)
            )
        if not known[value].found:
            return replace(build_unknown_target(value, known[value]), raw=raw, via=via)
        visited.add(value)
        recipient = known[value]
    return ForwardTarget(raw, RecipientLocation.UNRESOLVED, via=via)


def find_next_recipient(
    recipient: Recipient, own_domains: OwnDomains
) -> tuple[RecipientLocation | None, str]:
    """Where a recipient's mail ends up, or (None, name) when another recipient of ours has it."""
    if not recipient.external_address:
        # A stand-in without an address elsewhere cannot keep the mail either.
        place = (
            RecipientLocation.UNRESOLVED
            if recipient.kind.lower() in STAND_IN_KINDS
            else RecipientLocation.INSIDE
        )
        return place, normalize_address(
            recipient.address
        ) if place is RecipientLocation.INSIDE else ""
    kind, value = parse_recipient_string(recipient.external_address)
    outside = find_outside_address(value, own_domains) if kind == "smtp" else ""
    if outside:
        return RecipientLocation.OUTSIDE, outside
    name = get_lookup_name(recipient.external_address, own_domains)
    if not name:
        return RecipientLocation.UNRESOLVED, ""
    # A hybrid tenant's mail user stands for its own mailbox on the other side.
    return (
        RecipientLocation.INSIDE if name == normalize_address(recipient.address) else None
    ), name
