"""Names of domains as they compare. Pure."""

import unicodedata

import idna


def to_a_label(domain: str) -> str:
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


def rank_domain_pattern(pattern: str, domain: str) -> tuple[int, int] | None:
    """How closely a remote domain's name fits; None when it does not fit at all.

    `*.example.org` stands for example.org and everything below it (Microsoft Learn: Remote
    domains in Exchange Online).
    """
    pattern = pattern.strip()
    if pattern == "*":
        return (0, 0)
    parent = to_a_label(pattern.removeprefix("*."))
    if pattern.startswith("*."):
        fits = domain == parent or domain.endswith(f".{parent}")
        return (1, parent.count(".")) if fits else None
    return (2, 0) if domain == parent else None
