"""Where a recipient string sends mail: inside the tenant, outside, or to an unknown place. Pure.

An address of the tenant's own may still be a contact, mail user or guest whose mail goes elsewhere,
or a group with such members. So only the domain of an address outside is judged by its spelling,
and a recipient is inside only if it is known to keep its mail here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from core.microsoft365.addresses import (
    OwnDomains,
    find_outside_address,
    get_lookup_name,
    may_carry_route,
    normalize_address,
    parse_recipient_string,
    strip_subaddress,
)
from core.tenant.mail_flow import GroupMembers, Recipient

RELIES_ON = ("exchange-rule-targets", "exchange-group-members")

# Recipients that exist only to stand for an address elsewhere.
STAND_IN_KINDS = frozenset({"mailcontact", "mailuser", "guestmailuser", "mailforestcontact"})
LISTED_GROUP_KINDS = frozenset(
    {
        *("groupmailbox", "mailnonuniversalgroup", "mailuniversaldistributiongroup"),
        *("mailuniversalsecuritygroup", "roomlist"),
    }
)
"""Groups whose members Exchange lists."""
OTHER_GROUP_KINDS: Mapping[str, str] = {
    "dynamicdistributiongroup": "its members are whoever meets a filter when mail arrives",
    "exchangesecuritygroup": "its members are not looked into",
    "nonuniversalgroup": "its members are not looked into",
    "remotegroupmailbox": "its members are kept on premises",
    "rolegroup": "its members are not looked into",
    "universaldistributiongroup": "its members are not looked into",
    "universalsecuritygroup": "its members are not looked into",
}
"""Groups of which no member is known, and why."""
KEEPING_KINDS = frozenset({"disableduser", "linkeduser", "microsoftexchange", "publicfolder"})
KEEPING_KINDS |= {"user", "computer", "contact"}
"""Recipients besides mailboxes whose mail stays inside, or that get none."""
SEVERAL = "several recipients of this name"
# A contact may point at a contact; a deeper chain is reported as unresolved.
MAX_HOPS = 4
MAX_NESTED_GROUPS = 20
"""So many groups of one recipient are looked into."""


class RecipientLocation(StrEnum):
    """Where mail to a recipient ends up."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNRESOLVED = "unresolved"
    UNSEEN = "unseen"
    """With the members of a group that could not all be looked into."""


@dataclass(frozen=True, slots=True)
class ForwardTarget:
    """A recipient, understood. `address` is normalised, empty when unresolved.

    `via` names what the mail passes through on its way: "MailContact bob@contoso.com". `reason`
    says why it is not known where the mail goes, as a clause.
    """

    raw: str
    location: RecipientLocation
    address: str = ""
    via: str = ""
    reason: str = ""

    @property
    def identity(self) -> str:
        """What makes it this target and no other, however it was written."""
        value = parse_recipient_string(self.raw)[1]
        return self.address or normalize_address(value) or " ".join(value.casefold().split())


@dataclass(frozen=True, slots=True)
class KnownRecipients:
    """What was looked up: recipients by the name asked for, and the members of groups by id."""

    by_name: Mapping[str, Recipient] = field(default_factory=dict)
    groups: Mapping[str, GroupMembers] = field(default_factory=dict)
    unread_groups: Mapping[str, str] = field(default_factory=dict)
    """Why the members of a group may not be read, by the group's id."""


def is_listed_group(recipient: Recipient) -> bool:
    """True for a group whose members Exchange lists."""
    return recipient.found and recipient.kind.casefold() in LISTED_GROUP_KINDS


def list_further_lookups(known: KnownRecipients, own_domains: OwnDomains) -> Iterator[str]:
    """Own addresses that known recipients pass their mail on to and that were not asked for yet."""
    members = (member for group in known.groups.values() for member in group.members)
    for recipient in (*known.by_name.values(), *members):
        if recipient.found and recipient.external_address:
            name = get_lookup_name(recipient.external_address, own_domains)
        elif recipient.found and is_stand_in(recipient):
            name = get_lookup_name(recipient.address, own_domains)
        else:
            unknown = not recipient.found and not recipient.several
            name = strip_subaddress(normalize_address(recipient.name)) if unknown else ""
        if name and name not in known.by_name:
            yield name


def list_further_groups(known: KnownRecipients) -> Iterator[Recipient]:
    """The groups among known recipients and members that were not looked into yet."""
    members = (member for group in known.groups.values() for member in group.members)
    for recipient in (*known.by_name.values(), *members):
        if is_listed_group(recipient) and recipient.key not in known.groups:
            yield recipient


def locate_recipient(
    raw: str, own_domains: OwnDomains, known: KnownRecipients
) -> tuple[ForwardTarget, ...] | None:
    """Where a recipient's mail goes, to each member of a group that counts.

    None when what had to be asked was not answered.
    """
    kind, value = parse_recipient_string(raw)
    if kind == "smtp":
        outside = find_outside_address(value, own_domains)
        if outside:
            via = describe_wrapping(value, outside)
            return (ForwardTarget(raw, RecipientLocation.OUTSIDE, outside, via),)
    name = get_lookup_name(raw, own_domains)
    if not name:
        return (ForwardTarget(raw, RecipientLocation.UNRESOLVED),)
    recipient = find_known(name, known)
    if recipient is None:
        return None
    if not recipient.found:
        return (build_unknown_target(raw, recipient, own_domains),)
    return follow_recipient(raw, recipient, own_domains, known)


def describe_wrapping(value: str, outside: str) -> str:
    """What an address that stands for an outside one is; empty where it is that address."""
    if outside == normalize_address(value):
        return ""
    return "guest" if "#ext#" in value.casefold() else "encapsulated address"


def find_known(name: str, known: KnownRecipients) -> Recipient | None:
    """The recipient of a name; of `anna+parcel@own`, which nobody has, that of `anna@own`."""
    recipient = known.by_name.get(name)
    if recipient is None or recipient.found or recipient.several:
        return recipient
    base = strip_subaddress(normalize_address(name))
    if not base:
        return recipient
    answer = known.by_name.get(base)
    return recipient if answer is not None and not answer.found else answer


def build_unknown_target(raw: str, recipient: Recipient, own_domains: OwnDomains) -> ForwardTarget:
    """A recipient nobody knows: a plain address of an own domain leads nowhere, a name anywhere.

    What several recipients answer to may lead to any of them.
    """
    if recipient.several:
        return ForwardTarget(raw, RecipientLocation.UNRESOLVED, reason=SEVERAL)
    kind, value = parse_recipient_string(raw)
    address = normalize_address(value) if kind == "smtp" else ""
    if not address:
        return ForwardTarget(raw, RecipientLocation.UNRESOLVED)
    if own_domains.relays_unknown(address):
        reason = "Exchange knows no such recipient and passes mail of this domain on elsewhere"
        return ForwardTarget(raw, RecipientLocation.UNRESOLVED, reason=reason)
    if may_carry_route(address):
        reason = "no recipient has this address, and it may carry another one"
        return ForwardTarget(raw, RecipientLocation.UNRESOLVED, reason=reason)
    if address.startswith("imcea"):
        reason = "it encapsulates an address of another kind"
        return ForwardTarget(raw, RecipientLocation.UNRESOLVED, reason=reason)
    return ForwardTarget(raw, RecipientLocation.INSIDE, address)


def locate_forwarding_object(
    name: str, own_domains: OwnDomains, known: KnownRecipients
) -> tuple[ForwardTarget, ...] | None:
    """The same for ForwardingAddress, which names an object and never an address.

    A contact may be named like a colleague's address, so its name decides nothing unless no
    recipient has that name and it reads as an address outside.
    """
    text = name.strip()
    if text not in known.by_name:
        return None
    recipient = known.by_name[text]
    if recipient.found:
        return follow_recipient(name, recipient, own_domains, known)
    if recipient.several:
        return (ForwardTarget(name, RecipientLocation.UNRESOLVED, reason=SEVERAL),)
    outside = find_outside_address(parse_recipient_string(text)[1], own_domains)
    location = RecipientLocation.OUTSIDE if outside else RecipientLocation.UNRESOLVED
    return (ForwardTarget(name, location, outside),)


def follow_recipient(
    raw: str, recipient: Recipient, own_domains: OwnDomains, known: KnownRecipients
) -> tuple[ForwardTarget, ...] | None:
    """Where a known recipient passes its mail on to, through contacts and groups if need be."""
    via = describe_recipient(recipient)
    end, target = follow_contacts(raw, recipient, own_domains, known)
    if end is None:
        return (replace(target, via=via),) if target else None
    return follow_group(raw, end, via, own_domains, known)


def describe_recipient(recipient: Recipient) -> str:
    """A recipient as the way that mail takes: "MailContact bob@contoso.com"."""
    return f"{recipient.kind} {recipient.address or recipient.name}".strip()


def follow_contacts(
    raw: str, recipient: Recipient, own_domains: OwnDomains, known: KnownRecipients
) -> tuple[Recipient | None, ForwardTarget | None]:
    """The group at which a chain of contacts ends, or the target that is no group.

    Neither where what had to be asked was not answered.
    """
    visited: set[str] = set()
    for hop in range(1, MAX_HOPS + 1):
        recipient = complete_stand_in(recipient, known)
        if is_group(recipient):
            return recipient, None
        place, value = find_next_recipient(recipient, own_domains)
        if place or value in visited:
            return None, build_final_target(raw, recipient, place, value)
        following = find_known(value, known)
        if following is None and hop < MAX_HOPS:
            return None, None
        if following is None:
            break
        if not following.found:
            return None, replace(build_unknown_target(value, following, own_domains), raw=raw)
        visited.add(value)
        recipient = following
    return None, ForwardTarget(raw, RecipientLocation.UNRESOLVED, reason="a chain of contacts")


def build_final_target(
    raw: str, recipient: Recipient, place: RecipientLocation | None, value: str
) -> ForwardTarget:
    """The target of a recipient that is the last one; without a place, it closes a circle."""
    if place is not RecipientLocation.UNRESOLVED:
        inside = RecipientLocation.INSIDE
        return ForwardTarget(raw, place or inside, value if place else normalize_address(value))
    if is_stand_in(recipient):
        return ForwardTarget(raw, place)
    reason = f"{value or 'this'} is no kind of recipient that is known to keep its mail"
    return ForwardTarget(raw, place, reason=reason)


def complete_stand_in(recipient: Recipient, known: KnownRecipients) -> Recipient:
    """A contact or mail user with the address it leads to, where a group's listing left it out."""
    if recipient.external_address or not is_stand_in(recipient):
        return recipient
    other = known.by_name.get(normalize_address(recipient.address))
    return other if other is not None and other.found else recipient


def is_group(recipient: Recipient) -> bool:
    """True for a recipient whose mail goes to its members."""
    kind = recipient.kind.casefold()
    return kind in LISTED_GROUP_KINDS or kind in OTHER_GROUP_KINDS


def is_stand_in(recipient: Recipient) -> bool:
    """True for a recipient that stands for an address elsewhere."""
    return recipient.kind.casefold() in STAND_IN_KINDS


def follow_group(
    raw: str, group: Recipient, via: str, own_domains: OwnDomains, known: KnownRecipients
) -> tuple[ForwardTarget, ...] | None:
    """Where mail to a group goes: the members outside, and each group that was not looked into."""
    found: dict[tuple[str, str], ForwardTarget] = {}
    visited: set[str] = set()
    waiting = [group]
    while waiting:
        at = waiting.pop(0)
        if at.key in visited:
            continue
        visited.add(at.key)
        members, reason = list_members(at, known, len(visited))
        if members is None:
            return None
        if reason:
            address = normalize_address(at.address)
            note = f"{describe_recipient(at)}: {reason}"
            target = ForwardTarget(raw, RecipientLocation.UNSEEN, address, via, note)
            found.setdefault((address, target.location), target)
        ends = [(one, *follow_contacts(raw, one, own_domains, known)) for one in members]
        if any(nested is None and end is None for _, nested, end in ends):
            return None
        waiting += [nested for _, nested, _ in ends if nested]
        for member, _, end in ends:
            if end and end.location is not RecipientLocation.INSIDE:
                shown = end.address or member.address or member.name
                found.setdefault((shown, end.location), replace(end, address=shown, via=via))
    return tuple(found.values()) or (
        ForwardTarget(raw, RecipientLocation.INSIDE, normalize_address(group.address), via),
    )


def list_members(
    group: Recipient, known: KnownRecipients, group_count: int
) -> tuple[tuple[Recipient, ...] | None, str]:
    """The known members of a group, and why they may not be all; None: not answered yet."""
    other = OTHER_GROUP_KINDS.get(group.kind.casefold())
    if other:
        return (), other
    if group_count > MAX_NESTED_GROUPS:
        return (), "too many groups in one another to look into"
    key = group.key
    if key in known.unread_groups:
        return (), known.unread_groups[key]
    answer = known.groups.get(key)
    if answer is None:
        return None, ""
    if not answer.members:
        return (), "Exchange shows no member of it"
    return answer.members, "" if answer.complete else "it has too many members to look into"


def fold_group_name(name: str) -> str:
    """The name of a group as it is looked up: Exchange compares names without regard to case."""
    return name.strip().casefold()


@dataclass(frozen=True, slots=True)
class Membership:
    """Everybody in a group, at any depth, as far as it was looked into."""

    people: tuple[Recipient, ...] = ()
    """The members that are no groups themselves."""
    doubt: str = ""
    """Why others may be in it too, as a clause; empty where all are known."""
    is_answered: bool = True
    """False: a group was not asked for its members, or did not answer this time."""


def collect_members(group: Recipient, known: KnownRecipients) -> Membership:
    """Everybody in a group and in the groups it holds."""
    people: dict[str, Recipient] = {}
    doubt, is_answered = "", True
    visited, waiting = set[str](), [group]
    while waiting:
        at = waiting.pop(0)
        if at.key in visited:
            continue
        visited.add(at.key)
        members, reason = list_members(at, known, len(visited))
        is_answered = is_answered and members is not None
        if reason or members is None:
            doubt = doubt or f"{describe_recipient(at)}: {reason or 'its members were not read'}"
        for member in members or ():
            if is_group(member):
                waiting.append(member)
            else:
                people.setdefault(member.key, member)
    return Membership(tuple(people.values()), doubt, is_answered)


def find_membership(
    group_name: str, person_keys: frozenset[str], known: KnownRecipients
) -> tuple[bool | None, str]:
    """Whether somebody is a member of a group, at any depth; None with the reason, as a clause.

    `person_keys` are the ids and addresses they are known by; the group was looked up by its name
    as `fold_group_name` has it.
    """
    recipient = known.by_name.get(fold_group_name(group_name))
    if recipient is None or not recipient.found:
        return None, SEVERAL if recipient and recipient.several else "no such group was found"
    if not is_group(recipient):
        return None, f"{describe_recipient(recipient)} is no group"
    found = collect_members(recipient, known)
    if any(list_recipient_keys(one) & person_keys for one in found.people):
        return True, ""
    return (None, found.doubt) if found.doubt else (False, "")


def list_recipient_keys(recipient: Recipient) -> frozenset[str]:
    """What a recipient is known by: its id, its address, and the address its mail goes to."""
    outside = parse_recipient_string(recipient.external_address)[1]
    addresses = {normalize_address(recipient.address), normalize_address(outside)}
    return frozenset({recipient.id.casefold(), *addresses}) - {""}


def find_next_recipient(
    recipient: Recipient, own_domains: OwnDomains
) -> tuple[RecipientLocation | None, str]:
    """Where a recipient's mail ends up, or (None, name) when another recipient of ours has it.

    Of a recipient of an unknown kind, the kind.
    """
    address = normalize_address(recipient.address)
    if not recipient.external_address:
        if keeps_mail(recipient):
            return RecipientLocation.INSIDE, address
        # A stand-in without an address elsewhere cannot keep the mail either.
        if is_stand_in(recipient) and address and not own_domains.contains_address(address):
            return RecipientLocation.OUTSIDE, address
        return RecipientLocation.UNRESOLVED, recipient.kind
    kind, value = parse_recipient_string(recipient.external_address)
    outside = find_outside_address(value, own_domains) if kind == "smtp" else ""
    if outside:
        return RecipientLocation.OUTSIDE, outside
    name = get_lookup_name(recipient.external_address, own_domains)
    if not name:
        return RecipientLocation.UNRESOLVED, recipient.kind
    # A hybrid tenant's mail user stands for its own mailbox on the other side.
    return (RecipientLocation.INSIDE if name == address else None), name


def keeps_mail(recipient: Recipient) -> bool:
    """True for a kind of recipient whose mail stays inside, whoever reads it."""
    kind = recipient.kind.casefold()
    return kind.endswith("mailbox") or kind in KEEPING_KINDS


def list_outside_addresses(targets: Iterable[ForwardTarget]) -> list[str]:
    """The outside addresses among targets."""
    return [target.address for target in targets if target.location is RecipientLocation.OUTSIDE]
