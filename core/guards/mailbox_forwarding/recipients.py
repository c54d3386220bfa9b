"""Where a recipient string sends mail: inside the tenant, outside, or nobody can tell.

Graph and Exchange write recipients as addresses, as `"Name" [SMTP:address]`, as legacy Exchange
names (`[EX:/o=...]`), GUIDs and plain names. An address of the tenant's own may still be a contact,
mail user or guest whose mail goes elsewhere, and a display name may hold an address that means
nothing. So nothing is judged by how it looks but the domain of an address that is outside anyway.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import idna

from core.tenant.mail_flow import AcceptedDomain, Recipient

BRACKET = re.compile(r"\[(SMTP|EX|X500):", re.IGNORECASE)
PREFIX = re.compile(r"^(SMTP|EX|X500):", re.IGNORECASE)
GUEST = "#ext#"
# Recipients that exist only to stand for an address elsewhere.
STAND_INS = frozenset({"mailcontact", "mailuser", "guestmailuser", "mailforestcontact"})
# A contact may stand for a contact; whoever nests them deeper wants to be looked at.
HOPS = 4


class Place(StrEnum):
    """Where mail to a recipient ends up."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True, slots=True)
class Target:
    """A recipient, understood. `address` is normalised, empty when unresolved.

    `via` names what the mail passes through on its way: "MailContact bob@contoso.com".
    """

    raw: str
    place: Place
    address: str = ""
    via: str = ""

    @property
    def essence(self) -> str:
        """What makes it this target and no other, however it was written."""
        value = value_of(self.raw)[1]
        return self.address or normal_address(value) or " ".join(value.casefold().split())


@dataclass(frozen=True, slots=True)
class OwnDomains:
    """The tenant's own domains, in A-label form; of `parents` every name below is own too."""

    exact: frozenset[str]
    parents: frozenset[str] = frozenset()

    @classmethod
    def of(cls, accepted: Iterable[AcceptedDomain]) -> "OwnDomains":
        """Own domains as Exchange and Entra name them (`*.example.org` accepts subdomains)."""
        exact: set[str] = set()
        parents: set[str] = set()
        for domain in accepted:
            name = a_label(domain.name.strip().removeprefix("*."))
            if name:
                exact.add(name)
                if domain.subdomains or domain.name.strip().startswith("*."):
                    parents.add(name)
        return cls(frozenset(exact), frozenset(parents))

    def hold(self, domain: str) -> bool:
        """True for an own domain. Whole labels count: evilcontoso.com is not contoso.com."""
        if domain in self.exact:
            return True
        labels = domain.split(".")
        return any(".".join(labels[start:]) in self.parents for start in range(1, len(labels)))


def a_label(domain: str) -> str:
    """A domain in the one form in which domains compare: lower case, ASCII, no trailing dot.

    What the IDNA tables refuse is compared as text, so that it equals itself and nothing else.
    """
    domain = domain.strip().rstrip(".")
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        return unicodedata.normalize("NFKC", domain).casefold()


def normal_address(text: str) -> str:
    """An address in the form in which addresses compare; empty for what is none.

    The domain is what follows the last @, whatever the local part holds in quotes.
    """
    local, at, domain = text.strip().rpartition("@")
    domain = a_label(domain)
    if not at or not local or not domain or any(not label for label in domain.split(".")):
        return ""
    if any(sign.isspace() or sign in '<>"(),;' for sign in domain):
        return ""
    return f"{local.lower()}@{domain}"


def domain_of(address: str) -> str:
    """The domain of a normalised address."""
    return address.rpartition("@")[2]


def value_of(raw: str) -> tuple[str, str]:
    """The kind of a recipient string (smtp, ex, or "" for a name) and what it says.

    A bracket counts only where the string ends with it: the display name before it is free text,
    chosen by whoever made the rule, and may hold brackets and addresses of its own.
    """
    text = raw.strip()
    if text.endswith("]"):
        tokens = list(BRACKET.finditer(text))
        if tokens:
            return kind_of(tokens[-1][1]), text[tokens[-1].end() : -1].strip()
    if text.endswith(">") and "<" in text:
        text = text[text.rindex("<") + 1 : -1].strip()
    prefix = PREFIX.match(text)
    if prefix:
        return kind_of(prefix[1]), text[prefix.end() :].strip()
    if text.lower().startswith("/o="):
        return "ex", text
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        return "", text[1:-1].strip()
    return ("smtp", text) if normal_address(text) else ("", text)


def kind_of(token: str) -> str:
    """How a string of this address type is understood."""
    return "smtp" if token.upper() == "SMTP" else "ex"


def guest_origin(address: str) -> str:
    """The address a guest came from: it is written into the guest's name before #EXT#.

    Microsoft Learn (Properties of a B2B guest user): the @ became an underscore, the last one.
    """
    before, mark, _ = address.lower().rpartition(GUEST)
    local, underscore, domain = before.rpartition("/")[2].rpartition("_")
    return normal_address(f"{local}@{domain}") if mark and underscore else ""


def outside_address(text: str, own: OwnDomains) -> str:
    """The outside address a string stands for without asking anybody, or an empty string."""
    address = normal_address(text)
    if address and not own.hold(domain_of(address)):
        return address
    origin = guest_origin(text)
    return origin if origin and not own.hold(domain_of(origin)) else ""


def question(raw: str, own: OwnDomains) -> str:
    """What Exchange has to be asked about a recipient; empty when it is known to be outside."""
    kind, value = value_of(raw)
    if kind == "smtp":
        if outside_address(value, own):
            return ""
        return normal_address(value)
    return value


def further_questions(known: Mapping[str, Recipient], own: OwnDomains) -> Iterator[str]:
    """Own addresses that known recipients pass their mail on to and that were not asked for yet."""
    for recipient in known.values():
        if recipient.found and recipient.external_address:
            name = question(recipient.external_address, own)
            if name and name not in known:
                yield name


def locate(raw: str, own: OwnDomains, known: Mapping[str, Recipient]) -> Target | None:
    """Where a recipient's mail goes; None when what had to be asked was not answered."""
    kind, value = value_of(raw)
    if kind == "smtp":
        outside = outside_address(value, own)
        if outside:
            via = "guest" if outside != normal_address(value) else ""
            return Target(raw, Place.OUTSIDE, outside, via)
    name = question(raw, own)
    if not name:
        return Target(raw, Place.UNRESOLVED)
    if name not in known:
        return None
    if not known[name].found:
        return unknown(raw)
    return followed(raw, known[name], own, known)


def unknown(raw: str) -> Target:
    """A recipient nobody knows: an address of ours leads nowhere else, a mere name to anybody."""
    kind, value = value_of(raw)
    address = normal_address(value) if kind == "smtp" else ""
    return Target(raw, Place.INSIDE if address else Place.UNRESOLVED, address)


def locate_object(name: str, own: OwnDomains, known: Mapping[str, Recipient]) -> Target | None:
    """The same for ForwardingAddress, which names an object and never an address.

    A contact may be called like a colleague's address, so its name decides nothing unless nobody
    knows it and it reads as an address outside.
    """
    text = name.strip()
    if text not in known:
        return None
    if known[text].found:
        return followed(name, known[text], own, known)
    outside = outside_address(value_of(text)[1], own)
    return Target(name, Place.OUTSIDE, outside) if outside else Target(name, Place.UNRESOLVED)


def followed(
    raw: str, recipient: Recipient, own: OwnDomains, known: Mapping[str, Recipient]
) -> Target | None:
    """Where a known recipient passes its mail on to, through contacts of contacts if need be."""
    via = f"{recipient.kind} {recipient.address or recipient.name}".strip()
    visited: set[str] = set()
    for _ in range(HOPS):
        place, value = passes_on(recipient, own)
        if place:
            return Target(raw, place, value, via)
        if value in visited:
            return Target(raw, Place.INSIDE, normal_address(value), via)
        if value not in known:
            return None if len(visited) + 1 < HOPS else Target(raw, Place.UNRESOLVED, via=via)
        if not known[value].found:
            return replace(unknown(value), raw=raw, via=via)
        visited.add(value)
        recipient = known[value]
    return Target(raw, Place.UNRESOLVED, via=via)


def passes_on(recipient: Recipient, own: OwnDomains) -> tuple[Place | None, str]:
    """Where a recipient's mail ends up, or (None, name) when another recipient of ours has it."""
    if not recipient.external_address:
        # A stand-in without an address elsewhere cannot keep the mail either.
        place = Place.UNRESOLVED if recipient.kind.lower() in STAND_INS else Place.INSIDE
        return place, normal_address(recipient.address) if place is Place.INSIDE else ""
    kind, value = value_of(recipient.external_address)
    outside = outside_address(value, own) if kind == "smtp" else ""
    if outside:
        return Place.OUTSIDE, outside
    name = question(recipient.external_address, own)
    if not name:
        return Place.UNRESOLVED, ""
    # A hybrid tenant's mail user stands for its own mailbox on the other side.
    return (Place.INSIDE if name == normal_address(recipient.address) else None), name
