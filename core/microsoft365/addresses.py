"""Mail addresses: how they are written, how they compare, and which are the tenant's own. Pure.

Graph and Exchange write recipients as addresses, as `"Name" [SMTP:address]`, as legacy Exchange
names (`[EX:/o=...]`), GUIDs and plain names. A display name may hold an address that means nothing,
and a local part may hold another address, to which a relay passes the mail on.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from core.tenant.domain_names import to_a_label
from core.tenant.mail_flow import AcceptedDomain

RELIES_ON = ("exchange-rule-targets",)

# One recipient is asked for several times, and is named in many mailboxes.
CACHE_SIZE = 1_024
NO_DOMAIN_SIGN = re.compile(r'[\s<>"(),;]')
BRACKET_PATTERN = re.compile(r"\[(SMTP|EX|X500):", re.IGNORECASE)
PREFIX_PATTERN = re.compile(r"^(SMTP|EX|X500):", re.IGNORECASE)
GUEST_MARK = "#ext#"
# Exchange's encapsulated address (Microsoft Learn, MS-OXCMAIL 2.1.3.4): IMCEA, the kind of address,
# a dash, and the address with `_` for `/` and `+2E` for a dot.
ENCAPSULATED_PATTERN = re.compile(r"imcea([a-z0-9]+)-(.+)", re.IGNORECASE)
ENCODED_SIGN_PATTERN = re.compile(r"\+([0-9a-f]{2})", re.IGNORECASE)
# A plain local part (RFC 5321, Dot-string) without the signs by which relays know a route.
PLAIN_LOCAL_PATTERN = re.compile(r"[^\s\"\\%!@:,;<>()\[\]]+")
MAX_UNWRAPPED = 3
"""So many addresses may be encapsulated in one another."""
MAIL_PROVIDERS_FILE = Path(__file__).with_name("mail_providers.txt")
DOTLESS_PROVIDERS = frozenset({"gmail.com", "googlemail.com"})
"""Where a dot in the local part changes nothing (Google: Gmail help, dots don't matter)."""


@cache
def load_mail_providers() -> frozenset[str]:
    """Domains at which anybody has an address: two addresses there have nothing in common."""
    lines = MAIL_PROVIDERS_FILE.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class OwnDomains:
    """The tenant's own domains, in A-label form; of `parents` every name below is own too.

    Mail for an unknown address in a domain of `relayed` goes to a mail system elsewhere.
    """

    exact: frozenset[str]
    parents: frozenset[str] = frozenset()
    relayed: frozenset[str] = frozenset()

    @classmethod
    def from_accepted_domains(cls, accepted: Iterable[AcceptedDomain]) -> "OwnDomains":
        """Own domains as Exchange and Entra name them (`*.example.org` accepts subdomains)."""
        exact: set[str] = set()
        parents: set[str] = set()
        relayed: set[str] = set()
        for domain in accepted:
            name = to_a_label(domain.name.strip().removeprefix("*."))
            if name:
                exact.add(name)
                if domain.includes_subdomains or domain.name.strip().startswith("*."):
                    parents.add(name)
                if not domain.authoritative:
                    relayed.add(name)
        return cls(frozenset(exact), frozenset(parents), frozenset(relayed))

    def find_domain(self, domain: str) -> str:
        """The accepted domain that a domain is or lies below; empty for one of others.

        Whole labels count: evilcontoso.com is not contoso.com.
        """
        if domain in self.exact:
            return domain
        labels = domain.split(".")
        above = (".".join(labels[start:]) for start in range(1, len(labels)))
        return next((parent for parent in above if parent in self.parents), "")

    def contains_domain(self, domain: str) -> bool:
        """True for an own domain."""
        return bool(self.find_domain(domain))

    def contains_address(self, address: str) -> bool:
        """True for a normalised address in an own domain."""
        return self.contains_domain(get_address_domain(address))

    def relays_unknown(self, address: str) -> bool:
        """True if mail for an address that Exchange does not know is passed on elsewhere."""
        return self.find_domain(get_address_domain(address)) in self.relayed


def normalize_address(text: str) -> str:
    """An address in the form in which addresses compare; empty for what is none.

    The domain is what follows the last @, whatever the local part holds in quotes.
    """
    local, _, domain = text.strip().rpartition("@")
    domain = to_a_label(domain)
    if not local or "" in domain.split(".") or NO_DOMAIN_SIGN.search(domain):
        return ""
    return f"{local.lower()}@{domain}"


def get_address_domain(address: str) -> str:
    """The domain of a normalised address."""
    return address.rpartition("@")[2]


@lru_cache(CACHE_SIZE)
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
    before = address.lower().rpartition(GUEST_MARK)[0]
    local, _, domain = before.rpartition("/")[2].rpartition("_")
    return normalize_address(f"{local}@{domain}")


def unwrap_address(text: str) -> tuple[str, str]:
    """What an encapsulated address says: its kind in lower case, and the address it holds.

    Both are empty for an address that encapsulates none.
    """
    local, at, _ = text.strip().rpartition("@")
    found = ENCAPSULATED_PATTERN.fullmatch(local) if at else None
    if not found:
        return "", ""
    inner = found[2].replace("_", "/")
    return found[1].lower(), ENCODED_SIGN_PATTERN.sub(lambda sign: chr(int(sign[1], 16)), inner)


def may_carry_route(address: str) -> bool:
    """True for an address whose local part is not plain: it may name another address.

    A relay may send mail for `x%other@own`, `other!x@own` or `"x@other"@own` to the other address.
    """
    return PLAIN_LOCAL_PATTERN.fullmatch(address.rpartition("@")[0]) is None


def strip_subaddress(address: str) -> str:
    """`anna@own` for `anna+parcel@own` (plus addressing); empty for an address without one."""
    local, _, domain = address.rpartition("@")
    base, plus, _ = local.partition("+")
    found = base and plus and domain and not ENCAPSULATED_PATTERN.fullmatch(local)
    return f"{base}@{domain}" if found else ""


def find_outside_address(text: str, own_domains: OwnDomains, depth: int = MAX_UNWRAPPED) -> str:
    """The outside address a string stands for without asking anybody, or an empty string."""
    address = normalize_address(text)
    if address and not own_domains.contains_address(address):
        return address
    kind, inner = unwrap_address(text)
    if kind == "smtp" and depth:
        return find_outside_address(inner, own_domains, depth - 1)
    origin = extract_guest_address(text)
    return "" if own_domains.contains_address(origin) else origin


def get_lookup_name(raw: str, own_domains: OwnDomains) -> str:
    """What Exchange has to be asked about a recipient; empty when it is known to be outside."""
    kind, value = parse_recipient_string(raw)
    if kind != "smtp":
        return value
    for _ in range(MAX_UNWRAPPED):
        if find_outside_address(value, own_domains):
            return ""
        inner_kind, inner = unwrap_address(value)
        if inner_kind == "ex":
            return inner.strip()
        if inner_kind != "smtp" or not normalize_address(inner):
            break
        value = inner
    return normalize_address(value)


def find_base_address(address: str) -> str:
    """The address that mail to a normalised address arrives at, where it has a part behind a plus
    sign that only tells the sender (RFC 5233). Few systems hold it for another address.
    """
    found = strip_subaddress(address) or address
    local, _, domain = found.rpartition("@")
    dotless = local.replace(".", "")
    return f"{dotless}@gmail.com" if dotless and domain in DOTLESS_PROVIDERS else found
