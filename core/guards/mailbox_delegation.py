"""The threat: an attacker may open another user's mailbox, or send mail in its owner's name.

An attacker with an hour of administrator rights gives an account FullAccess or SendAs over the
mailboxes of interest. The right needs neither the owner's password nor a second factor, survives
every reset, and shows in no view of Entra (MITRE ATT&CK T1098.002, Additional Email Delegate
Permissions).
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from core.keys import hash_parts
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.trustees import (
    HolderType,
    build_remove_right_command,
    classify_holder,
    has_mail_elsewhere,
    is_own_mail_user,
    is_system_mailbox,
    list_holder_ids,
    needs_no_lookup,
    normalize_trustee,
)
from core.model.findings import CorrelationRule, Fact, Finding, Severity
from core.model.guards import Guard, GuardPolicy, ObserveContext, PeriodicCheck, Permission, Service
from core.model.options import SettingReader
from core.model.shared_settings import RESOURCE_MAILBOX_KINDS
from core.tenant.mail_flow import Recipient
from core.tenant.mailbox_index import MailboxPage, select_between_checks
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.merging import collect_failures
from core.tenant.port import HasDelegation, HasMailboxes, HasMailFlow
from core.tenant.quoting import quote_text
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.tenant.sources import FULL_ACCESS, MAILBOXES, RECIPIENTS, SEND_AS, SEND_ON_BEHALF


class DelegationVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    DELEGATED = "delegated"
    EVERYONE = "everyone"
    EXTERNAL = "external"
    UNRESOLVED = "unresolved"


VERDICT_TEXTS: Mapping[str, str] = {
    DelegationVerdict.DELEGATED: "somebody else has rights over a mailbox",
    DelegationVerdict.EVERYONE: "everybody has rights over a mailbox",
    DelegationVerdict.EXTERNAL: "somebody outside the organization has rights over a mailbox",
    DelegationVerdict.UNRESOLVED: "who has rights over a mailbox could not be found out",
}

MAX_TEXT_LENGTH = 120
HOLDER_UNREAD = "who holds a right over it could not be looked up"
DOMAINS_UNREAD = (
    "whether a mail user with a right over it belongs to the organization is not known: the "
    "accepted domains were not read"
)
MAX_FAILED_LOOKUPS = 100
"""Of so many mailboxes holders may be lost; with more, looking up itself did not work."""

SOURCES = frozenset({MAILBOXES, FULL_ACCESS, RECIPIENTS})
"""All that is read mailbox by mailbox. The other rights are listed for the whole organization."""

RIGHT_KINDS = {
    "FullAccess": ("full-access", "may open"),
    "ChangePermission": ("change-permission", "may give away rights over"),
    "ChangeOwner": ("change-owner", "may take over"),
    "SendAs": ("send-as", "may send mail as"),
    "SendOnBehalf": ("send-on-behalf", "may send mail on behalf of"),
}
RIGHT_SOURCES = {
    "SendAs": (SEND_AS, RECIPIENTS),
    "SendOnBehalf": (SEND_ON_BEHALF, RECIPIENTS),
}
MAILBOX_RIGHT_SOURCES = (FULL_ACCESS, MAILBOXES, RECIPIENTS)
"""What must be read before a right's absence may be believed."""

PERSONAL_KINDS = frozenset({"", "usermailbox", "linkedmailbox", "legacymailbox", "mailuser"})
"""Kinds of recipients that belong to one person; an unknown kind counts as one."""


@dataclass(frozen=True, slots=True)
class DelegationOptions:
    """Which mailboxes are shared ones."""

    resource_kinds: tuple[str, ...]
    """RecipientTypeDetails of mailboxes that people share."""


type Policy = GuardPolicy[DelegationOptions]


def read_options(reader: SettingReader) -> DelegationOptions:
    """The guard's options from its settings."""
    return DelegationOptions(resource_kinds=reader.read(RESOURCE_MAILBOX_KINDS))


@dataclass(frozen=True, slots=True)
class GrantedRight:
    """One right, the mailbox it is over, and who holds it as far as Exchange knows."""

    delegation: Delegation
    mailbox: Mailbox
    recipient: Recipient
    is_outside: bool = False
    """Whether the holder is a mail user of another organization."""


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


class DelegationPorts(HasDelegation, HasMailFlow, HasMailboxes, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: DelegationPorts, context: ObserveContext[DelegationOptions]
) -> AsyncIterator[Reading[GrantedRight] | MailboxPage]:
    """What Exchange lists for the whole organization, then all mailboxes, to ask one by one."""
    async for part in resolve_delegations(
        tenant, SEND_ON_BEHALF, tenant.delegation.list_send_on_behalf()
    ):
        yield part
    async for part in resolve_delegations(tenant, SEND_AS, tenant.delegation.list_send_as()):
        yield part
    async for page in tenant.mailboxes.list_mailboxes():
        yield MailboxPage(page, SOURCES, excluded_kinds=("DiscoveryMailbox",))


async def resolve_delegations(
    tenant: HasMailFlow, source: str, batches: AsyncIterator[Reading[Delegation]]
) -> AsyncIterator[Reading[GrantedRight]]:
    """Delegations in batches, with the recipients they name looked up.

    The last batch covers all objects, so it also reports every lookup that failed before.
    """
    lost: dict[ReadFailure, None] = {}
    async for part in batches:
        held, unread = await look_up_holders(tenant, source, part.items)
        lost |= dict.fromkeys((*part.failures, *number_lookup_failures(unread, len(lost))))
        yield Reading(
            items=held,
            failures=tuple(lost) if part.scope is None else (),
            sources=part.sources | {RECIPIENTS},
            complete=part.complete,
            scope=part.scope,
            listed_counts=part.listed_counts,
        )


def number_lookup_failures(failures: Iterable[ReadFailure], offset: int) -> Iterator[ReadFailure]:
    """What was missed, each without an id by its own place."""
    for number, failure in enumerate(failures, offset + 1):
        nameless = failure.object_id == UNIDENTIFIED_PREFIX
        yield (
            replace(failure, object_id=f"{UNIDENTIFIED_PREFIX}name-{number}")
            if nameless
            else failure
        )


async def inspect(
    tenant: DelegationPorts,
    context: ObserveContext[DelegationOptions],
    mailboxes: Sequence[Mailbox],
) -> Reading[GrantedRight]:
    """Who may open some mailboxes. It takes a command each, so it is swept over the day.

    Between sweeps only those with an open case are asked, also with one of this very run: who gave
    away one right over a mailbox gives away others, and what was taken back is known sooner.
    """
    scope = frozenset(mailbox.id for mailbox in mailboxes)
    swept = FULL_ACCESS in context.due_checks
    asked = mailboxes if swept else select_between_checks(mailboxes, context.open_case_ids)
    if not asked and not swept:
        return Reading(sources=frozenset({MAILBOXES}), population=len(mailboxes), scope=scope)
    granted = await tenant.delegation.read_full_access(asked)
    held, misses = await look_up_holders(tenant, FULL_ACCESS, granted.items)
    unread = [*collect_failures((granted,)), *misses]
    # A check skips what it has read, so without this these would wait for another day.
    unread += [replace(failure, source=FULL_ACCESS) for failure in misses if not failure.object_id]
    return Reading(
        items=held,
        failures=tuple(dict.fromkeys(unread)),
        sources=SOURCES,
        population=len(mailboxes),
        scope=scope,
        partial_scopes={} if swept else {FULL_ACCESS: frozenset(mailbox.id for mailbox in asked)},
    )


async def look_up_holders(
    tenant: HasMailFlow, source: str, delegations: Sequence[Delegation]
) -> tuple[tuple[GrantedRight, ...], tuple[ReadFailure, ...]]:
    """Delegations with their mailbox and holder, and what could not be looked up."""
    names = {one.mailbox_name for one in delegations if one.mailbox is None}
    names |= {one.trustee for one in delegations if not needs_no_lookup(one)}
    answers = (
        await tenant.mail_flow.read_recipients(sorted(names)) if names else Reading[Recipient]()
    )
    known = {person.name: person for person in answers.items}
    own = await read_own_domains(tenant, answers.items)
    blind = tuple(failure for failure in collect_failures((answers,)) if not failure.object_id)
    held: list[GrantedRight] = []
    lost: dict[str, ReadFailure] = {}
    for one in delegations:
        person = (
            Recipient(one.trustee, found=False) if needs_no_lookup(one) else known.get(one.trustee)
        )
        mailbox = one.mailbox or build_delegated_mailbox(
            one.mailbox_name, known.get(one.mailbox_name)
        )
        if mailbox is None or person is None:
            failure = build_lookup_failure(source, one, mailbox, HOLDER_UNREAD)
            lost.setdefault(failure.object_id, failure)
            continue
        if has_mail_elsewhere(person) and own is None:
            failure = build_lookup_failure(source, one, mailbox, DOMAINS_UNREAD)
            lost.setdefault(failure.object_id, failure)
        outside = has_mail_elsewhere(person) and not (own and is_own_mail_user(person, own))
        if not is_own_right(mailbox, person):
            held.append(GrantedRight(one, mailbox, person, outside and own is not None))
    if len(lost) > MAX_FAILED_LOOKUPS and not blind:
        blind = (
            ReadFailure(
                source, f"the holders of more than {MAX_FAILED_LOOKUPS} could not be looked up"
            ),
        )
    return tuple(held), blind or tuple(lost.values())


async def read_own_domains(
    tenant: HasMailFlow, recipients: Iterable[Recipient]
) -> OwnDomains | None:
    """The tenant's own domains, if a mail user is among the recipients; None if not all are read.

    A mail user is a colleague on premises or somebody of another tenant: its domain tells.
    """
    if not any(map(has_mail_elsewhere, recipients)):
        return None
    domains = await tenant.mail_flow.read_accepted_domains()
    gaps = [failure for failure in domains.failures if not failure.optional]
    if gaps or not domains.items or not domains.complete:
        return None
    return OwnDomains.from_accepted_domains(domains.items)


def build_delegated_mailbox(name: str, found: Recipient | None) -> Mailbox | None:
    """The mailbox or group that Exchange named; None when it could not be asked.

    One that Exchange does not know by that name is known by the name: there is nothing else.
    """
    if found is None:
        return None
    known = found.id if found.found else ""
    return Mailbox(
        id=known or f"name:{normalize_trustee(name)}",
        guid=known,
        address=found.address,
        name=name,
        kind=found.kind,
        has_account=False,
    )


def is_own_right(mailbox: Mailbox, recipient: Recipient) -> bool:
    """True for a right that says nothing: one's own, or over a mailbox of Exchange's."""
    return is_system_mailbox(mailbox) or (
        recipient.found and bool(recipient.id) and recipient.id == mailbox.id
    )


def build_lookup_failure(
    source: str, delegation: Delegation, mailbox: Mailbox | None, reason: str
) -> ReadFailure:
    """Somebody has a right, and who they are, or over what, could not be asked."""
    whose = mailbox.id if mailbox else UNIDENTIFIED_PREFIX
    subject = (
        format_delegated_mailbox(mailbox)
        if mailbox
        else quote_text(delegation.mailbox_name, MAX_TEXT_LENGTH)
    )
    return ReadFailure(source, reason, whose, subject)


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------

HOLDER_VERDICTS = {
    HolderType.EVERYONE: DelegationVerdict.EVERYONE,
    HolderType.OUTSIDER: DelegationVerdict.EXTERNAL,
    HolderType.UNKNOWN_SID: DelegationVerdict.UNRESOLVED,
    HolderType.UNKNOWN_NAME: DelegationVerdict.UNRESOLVED,
    HolderType.KNOWN: DelegationVerdict.DELEGATED,
}
HOLDER_TEXTS = {
    HolderType.EVERYONE: "this is not one person: everybody may",
    HolderType.OUTSIDER: "a guest, contact or mail user whose mail is not in this organization: "
    "somebody from outside",
    HolderType.UNKNOWN_SID: "an identifier nobody has: a deleted account, or one of another tenant",
    HolderType.UNKNOWN_NAME: "no recipient has that name: an account or group without mail, "
    "or several",
}


def judge(item: GrantedRight, policy: Policy) -> Iterator[Finding]:
    """One right. Members of a shared mailbox are normal; a new one is told all the same."""
    delegation = item.delegation
    holder = classify_holder(delegation, item.recipient, is_outside=item.is_outside)
    kind, may = RIGHT_KINDS[delegation.right]
    personal = is_personal_mailbox(item.mailbox, policy)
    known_by = list_holder_ids(delegation, item.recipient)
    name, whom = format_delegated_mailbox(item.mailbox), format_holder(item)
    # Shared access is the purpose of a shared mailbox.
    counts = personal or holder is not HolderType.KNOWN
    yield Finding(
        kind=kind,
        object_id=item.mailbox.id,
        subject=name,
        severity=rate_delegation(holder, personal, delegation.right),
        verdict=HOLDER_VERDICTS[holder],
        summary=f"{whom} {may} {name}.",
        facts=tuple(list_delegation_facts(item, holder)),
        sources=RIGHT_SOURCES.get(delegation.right, MAILBOX_RIGHT_SOURCES),
        fingerprint=known_by[0],
        advice=build_delegation_advice(item),
        correlation_keys=tuple(hash_parts(one)[:16] for one in known_by) if counts else (),
    )


def is_personal_mailbox(mailbox: Mailbox, policy: Policy) -> bool:
    """True for a mailbox that is one person's own."""
    shared = {kind.casefold() for kind in policy.options.resource_kinds}
    return mailbox.kind.casefold() in PERSONAL_KINDS - shared


def rate_delegation(holder: HolderType, is_personal: bool, right: str) -> Severity:
    """How bad it is. Sending on behalf shows who really wrote, and often the owner gave it."""
    grave = is_personal and right != "SendOnBehalf"
    match holder:
        case HolderType.EVERYONE:
            return Severity.CRITICAL
        case HolderType.OUTSIDER:
            return Severity.CRITICAL if grave else Severity.HIGH
        case HolderType.UNKNOWN_SID:
            return Severity.HIGH if grave else Severity.MEDIUM
        case HolderType.UNKNOWN_NAME:
            return Severity.MEDIUM
        case HolderType.KNOWN:
            return Severity.MEDIUM if grave else Severity.LOW


def format_delegated_mailbox(mailbox: Mailbox) -> str:
    """How people know the mailbox."""
    return quote_text(mailbox.address or mailbox.name or mailbox.id, MAX_TEXT_LENGTH)


def format_holder(item: GrantedRight) -> str:
    """How people know the holder."""
    return quote_text(item.recipient.address or item.delegation.trustee, MAX_TEXT_LENGTH)


def list_delegation_facts(item: GrantedRight, holder: HolderType) -> Iterator[Fact]:
    """What is told of a right; the same as long as it stays as it is."""
    delegation, person = item.delegation, item.recipient
    yield Fact("right", delegation.right)
    yield Fact(
        "over",
        quote_text(item.mailbox.kind, MAX_TEXT_LENGTH)
        or "a recipient Exchange does not know by name",
    )
    if person.kind:
        yield Fact("held by", f"{quote_text(person.kind, MAX_TEXT_LENGTH)} {format_holder(item)}")
    elif delegation.trustee != delegation.sid:
        yield Fact("held by", quote_text(delegation.trustee, MAX_TEXT_LENGTH))
    if delegation.sid:
        yield Fact("security identifier", quote_text(delegation.sid, MAX_TEXT_LENGTH))
    if holder in HOLDER_TEXTS:
        yield Fact("", HOLDER_TEXTS[holder])


def build_delegation_advice(item: GrantedRight) -> str:
    """What a person can do about it."""
    command = build_remove_right_command(item.delegation, item.mailbox, item.recipient)
    ask = "Ask the owner, and who gave it; unless somebody answers for it, take it away"
    return f"{ask}: {command}" if command else f"{ask} in the Exchange admin center."


EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="mailbox-delegation",
    title="Delegated mailboxes",
    looks_for="who may open another person's mailbox or send in their name: guests, unknown and new"
    " holders",
    rationale="A right over somebody's mailbox reads and writes for them, whatever their password.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(EXCHANGE, "Get-Mailbox", "all mailboxes, and who may send on their behalf"),
        Permission(EXCHANGE, "Get-MailboxPermission", "who may open a mailbox"),
        Permission(EXCHANGE, "Get-RecipientPermission", "who may send as somebody else"),
        Permission(EXCHANGE, "Get-Recipient", "who holds a right: a colleague, a guest, nobody"),
        Permission(
            EXCHANGE,
            "Get-AcceptedDomain",
            "whether a mail user with a right is a colleague or somebody of another tenant",
        ),
        Permission(
            Service.GRAPH,
            "Domain.Read.All",
            "whether a mail user with a right is a colleague or somebody of another tenant",
        ),
    ),
    observe=observe,
    judge=judge,
    settings=(RESOURCE_MAILBOX_KINDS,),
    read_options=read_options,
    options=read_options(SettingReader()),
    inspect=inspect,
    noun="mailboxes",
    periodic_checks=(PeriodicCheck(FULL_ACCESS, timedelta(days=1)),),
    correlation=CorrelationRule(
        5, Severity.HIGH, Fact("", "the same holder has rights over 5 or more mailboxes")
    ),
)
