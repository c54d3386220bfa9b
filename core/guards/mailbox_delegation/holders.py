"""Who the holder of a right is: a colleague, somebody from outside, a group with either. Pure.

A right that a group holds is everybody's in it, and whoever may add a member gives it away.
"""

from dataclasses import dataclass, field, replace

from core.guards.mailbox_delegation.items import GrantedRight
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import (
    KnownRecipients,
    collect_members,
    describe_recipient,
    is_group,
)
from core.microsoft365.trustees import (
    OUTSIDE_KINDS,
    find_mail_domain,
    has_mail_elsewhere,
    is_known_kind,
    is_own_mail_user,
)
from core.tenant.mail_flow import Recipient

DOMAINS_UNREAD = (
    "whether a mail user with a right over it belongs to the organization is not known: the "
    "accepted domains were not read"
)
DOMAIN_MISSING = (
    "a domain of a holder was accepted before and is missing now: it went, or the list was cut"
)
MEMBERS_UNREAD = "the members of a group with a right over it could not be looked up"


@dataclass(frozen=True, slots=True)
class TenantDomains:
    """The domains of the tenant; None where they were not all read."""

    settled: OwnDomains | None = None
    """Without those that are new."""
    all: OwnDomains | None = None
    missing: OwnDomains = field(default_factory=lambda: OwnDomains(frozenset()))
    """Those that went, or that a listing left out: it is not yet known which."""


def place_holder(
    right: GrantedRight, domains: TenantDomains, known: KnownRecipients
) -> tuple[GrantedRight, str]:
    """A right with who its holder is, and why that could not be found out, if so."""
    person = right.recipient
    if is_group(person):
        return open_group(right, domains, known)
    if not has_mail_elsewhere(person):
        return right, ""
    if domains.settled is None:
        return right, DOMAINS_UNREAD
    if domains.missing.contains_domain(find_mail_domain(person)):
        return right, DOMAIN_MISSING
    is_new = is_outsider(person, domains.settled) and not is_outsider(person, domains.all)
    return (
        replace(
            right,
            is_outside=is_outsider(person, domains.settled),
            new_domain=find_mail_domain(person) if is_new else "",
        ),
        "",
    )


def open_group(
    right: GrantedRight, domains: TenantDomains, known: KnownRecipients
) -> tuple[GrantedRight, str]:
    """A right that a group holds, with its members from outside."""
    found = collect_members(right.recipient, known)
    if not found.is_answered:
        return right, MEMBERS_UNREAD
    elsewhere = any(map(has_mail_elsewhere, found.people))
    missing = {
        one for one in found.people if domains.missing.contains_domain(find_mail_domain(one))
    }
    outside = sorted(
        one.address or one.name
        for one in found.people
        if one not in missing and is_outsider(one, domains.settled)
    )
    strange = (describe_recipient(one) for one in found.people if not is_known_kind(one))
    doubt = found.doubt or next((f"{one} is of a kind that is not known" for one in strange), "")
    placed = replace(right, outside_members=tuple(outside), doubt=doubt)
    if missing:
        return placed, DOMAIN_MISSING
    return placed, DOMAINS_UNREAD if elsewhere and domains.settled is None else ""


def is_outsider(person: Recipient, own_domains: OwnDomains | None) -> bool:
    """True for a guest or contact, and for a mail user who is none of the organization's."""
    if person.kind.casefold() in OUTSIDE_KINDS:
        return True
    is_elsewhere = has_mail_elsewhere(person)
    return is_elsewhere and own_domains is not None and not is_own_mail_user(person, own_domains)
