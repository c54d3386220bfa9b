"""The threat: somebody else may open a mailbox, or write in its owner's name.

Whoever has been an administrator for an hour gives an account of theirs FullAccess or SendAs over
the mailboxes they care for. It needs no password and no second factor of the owner, survives every
reset, and no view of Entra shows it (MITRE ATT&CK T1098.002, Additional Email Delegate
Permissions).
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from core.keys import digest
from core.microsoft365.trustees import (
    Holder,
    folded,
    holder_of,
    identities,
    is_system,
    remove_command,
    says_it_all,
)
from core.model.findings import Finding, Several, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Sweep, Terms
from core.sanitize import plain
from core.tenant.mail_flow import Recipient
from core.tenant.mailbox_index import Page, between_sweeps
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.merging import missed
from core.tenant.port import Tenant
from core.tenant.readings import UNIDENTIFIED, Reading, Unread
from core.tenant.surfaces import FULL_ACCESS, MAILBOXES, RECIPIENTS, SEND_AS, SEND_ON_BEHALF

CUT = 120
LOST = 100
"""Of so many mailboxes holders may be lost; with more, looking up itself did not work."""

SURFACES = frozenset({MAILBOXES, FULL_ACCESS, RECIPIENTS})
"""All that is read mailbox by mailbox. The other rights are listed for the whole organization."""

KINDS = {
    "FullAccess": ("full-access", "may open"),
    "ChangePermission": ("change-permission", "may give away rights over"),
    "ChangeOwner": ("change-owner", "may take over"),
    "SendAs": ("send-as", "may send mail as"),
    "SendOnBehalf": ("send-on-behalf", "may send mail on behalf of"),
}
BEHIND = {
    "SendAs": (SEND_AS, RECIPIENTS),
    "SendOnBehalf": (SEND_ON_BEHALF, RECIPIENTS),
}
OVER_MAILBOXES = (FULL_ACCESS, MAILBOXES, RECIPIENTS)
"""What must be read before a right's absence may be believed."""

PERSONAL = frozenset({"", "usermailbox", "linkedmailbox", "legacymailbox", "mailuser"})
"""Kinds of recipients that are one person's; of one nobody knows, the worse is taken."""


@dataclass(frozen=True, slots=True)
class Held:
    """One right, the mailbox it is over, and who holds it as far as Exchange knows."""

    delegation: Delegation
    mailbox: Mailbox
    person: Recipient


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Held] | Page]:
    """What Exchange lists for the whole organization, then all mailboxes, to ask one by one."""
    async for part in placed(tenant, SEND_ON_BEHALF, tenant.send_on_behalf()):
        yield part
    async for part in placed(tenant, SEND_AS, tenant.send_as()):
        yield part
    async for page in tenant.mailboxes():
        yield Page(page, SURFACES, left_out=("DiscoveryMailbox",))


async def placed(
    tenant: Tenant, surface: str, parts: AsyncIterator[Reading[Delegation]]
) -> AsyncIterator[Reading[Held]]:
    """A stream of delegations with everybody in it looked up.

    The last part speaks of all objects, so it also has to say what could not be looked up before.
    """
    lost: dict[Unread, None] = {}
    async for part in parts:
        held, misses = await looked_up(tenant, surface, part.items)
        lost |= dict.fromkeys((*part.unread, *numbered(misses, len(lost))))
        yield Reading(
            items=held,
            unread=tuple(lost) if part.scope is None else (),
            surfaces=part.surfaces | {RECIPIENTS},
            complete=part.complete,
            scope=part.scope,
        )


def numbered(misses: Iterable[Unread], before: int) -> Iterator[Unread]:
    """What was missed, each without an id by its own place."""
    for number, miss in enumerate(misses, before + 1):
        nameless = miss.object_id == UNIDENTIFIED
        yield replace(miss, object_id=f"{UNIDENTIFIED}name-{number}") if nameless else miss


async def inspect(tenant: Tenant, look: Look, owners: Sequence[Mailbox]) -> Reading[Held]:
    """Who may open some mailboxes. It takes a command each, so it is swept over the day.

    Between sweeps only those with an open case are asked, also with one of this very run: who gave
    away one right over a mailbox gives away others, and what was taken back is known sooner.
    """
    scope = frozenset(mailbox.id for mailbox in owners)
    swept = FULL_ACCESS in look.due
    asked = owners if swept else between_sweeps(owners, look.watched)
    if not asked and not swept:
        return Reading(surfaces=frozenset({MAILBOXES}), population=len(owners), scope=scope)
    granted = await tenant.full_access(asked)
    held, misses = await looked_up(tenant, FULL_ACCESS, granted.items)
    unread = [*missed((granted,)), *misses]
    # A sweep goes on only over what it has seen: nobody would look at these for another day.
    unread += [replace(miss, surface=FULL_ACCESS) for miss in misses if not miss.object_id]
    return Reading(
        items=held,
        unread=tuple(dict.fromkeys(unread)),
        surfaces=SURFACES,
        population=len(owners),
        scope=scope,
        partly={} if swept else {FULL_ACCESS: frozenset(mailbox.id for mailbox in asked)},
    )


async def looked_up(
    tenant: Tenant, surface: str, delegations: Sequence[Delegation]
) -> tuple[tuple[Held, ...], tuple[Unread, ...]]:
    """Delegations with their mailbox and holder, and what could not be looked up."""
    names = {one.of for one in delegations if one.mailbox is None}
    names |= {one.trustee for one in delegations if not says_it_all(one)}
    answers = await tenant.recipients(sorted(names)) if names else Reading[Recipient]()
    known = {person.name: person for person in answers.items}
    blind = tuple(miss for miss in missed((answers,)) if not miss.object_id)
    held: list[Held] = []
    lost: dict[str, Unread] = {}
    for one in delegations:
        person = Recipient(one.trustee, found=False) if says_it_all(one) else known.get(one.trustee)
        mailbox = one.mailbox or owner_of(one.of, known.get(one.of))
        if mailbox is not None and person is not None:
            held += [] if is_own(mailbox, person) else [Held(one, mailbox, person)]
        else:
            miss = not_looked_up(surface, one, mailbox)
            lost.setdefault(miss.object_id, miss)
    if len(lost) > LOST and not blind:
        blind = (Unread(surface, f"the holders of more than {LOST} could not be looked up"),)
    return tuple(held), blind or tuple(lost.values())


def owner_of(name: str, found: Recipient | None) -> Mailbox | None:
    """The mailbox or group that Exchange named; None when it could not be asked.

    One that Exchange does not know by that name is known by the name: there is nothing else.
    """
    if found is None:
        return None
    known = found.id if found.found else ""
    return Mailbox(
        id=known or f"name:{folded(name)}",
        guid=known,
        address=found.address,
        name=name,
        kind=found.kind,
        has_account=False,
    )


def is_own(mailbox: Mailbox, person: Recipient) -> bool:
    """True for a right that says nothing: one's own, or over a mailbox of Exchange's."""
    return is_system(mailbox) or (person.found and bool(person.id) and person.id == mailbox.id)


def not_looked_up(surface: str, one: Delegation, mailbox: Mailbox | None) -> Unread:
    """Somebody has a right, and who they are, or over what, could not be asked."""
    whose = mailbox.id if mailbox else UNIDENTIFIED
    subject = subject_of(mailbox) if mailbox else plain(one.of, CUT)
    return Unread(surface, "who holds a right over it could not be looked up", whose, subject)


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------

VERDICTS = {
    Holder.EVERYONE: Verdict.EVERYONE,
    Holder.OUTSIDER: Verdict.EXTERNAL,
    Holder.UNKNOWN_SID: Verdict.UNRESOLVED,
    Holder.UNKNOWN_NAME: Verdict.UNRESOLVED,
    Holder.KNOWN: Verdict.DELEGATED,
}
ABOUT = {
    Holder.EVERYONE: "this is not one person: everybody may",
    Holder.OUTSIDER: "a guest or contact: somebody from outside",
    Holder.UNKNOWN_SID: "an identifier nobody has: a deleted account, or one of another tenant",
    Holder.UNKNOWN_NAME: "no recipient has that name: an account or group without mail, or several",
}


def judge(item: Held, terms: Terms) -> Iterator[Finding]:
    """One right. Members of a shared mailbox are normal; a new one is told all the same."""
    delegation, holder = item.delegation, holder_of(item.delegation, item.person)
    kind, may = KINDS[delegation.right]
    personal = is_personal(item.mailbox, terms)
    known_by = identities(delegation, item.person)
    name, whom = subject_of(item.mailbox), shown(item)
    # That people share a team's mailboxes is what those are for.
    counts = personal or holder is not Holder.KNOWN
    yield Finding(
        kind=kind,
        object_id=item.mailbox.id,
        subject=name,
        severity=severity(holder, personal, delegation.right),
        verdict=VERDICTS[holder],
        summary=f"{whom} {may} {name}.",
        facts=tuple(facts(item, holder)),
        surfaces=BEHIND.get(delegation.right, OVER_MAILBOXES),
        dangerous=known_by[0],
        advice=advice(item),
        shared=tuple(digest(one)[:16] for one in known_by) if counts else (),
    )


def is_personal(mailbox: Mailbox, terms: Terms) -> bool:
    """True for a mailbox that is one person's own."""
    shared = {kind.casefold() for kind in terms.resource_kinds}
    return mailbox.kind.casefold() in PERSONAL - shared


def severity(holder: Holder, personal: bool, right: str) -> Severity:
    """How bad it is. Sending on behalf shows who really wrote, and often the owner gave it."""
    grave = personal and right != "SendOnBehalf"
    match holder:
        case Holder.EVERYONE:
            return Severity.CRITICAL
        case Holder.OUTSIDER:
            return Severity.CRITICAL if grave else Severity.HIGH
        case Holder.UNKNOWN_SID:
            return Severity.HIGH if grave else Severity.MEDIUM
        case Holder.UNKNOWN_NAME:
            return Severity.MEDIUM
        case Holder.KNOWN:
            return Severity.MEDIUM if grave else Severity.LOW


def subject_of(mailbox: Mailbox) -> str:
    """How people know the mailbox."""
    return plain(mailbox.address or mailbox.name or mailbox.id, CUT)


def shown(item: Held) -> str:
    """How people know the holder."""
    return plain(item.person.address or item.delegation.trustee, CUT)


def facts(item: Held, holder: Holder) -> Iterator[str]:
    """What is told of a right; the same as long as it stays as it is."""
    delegation, person = item.delegation, item.person
    yield f"right: {delegation.right}"
    yield f"over: {plain(item.mailbox.kind, CUT) or 'a recipient Exchange does not know by name'}"
    if person.kind:
        yield f"held by: {plain(person.kind, CUT)} {shown(item)}"
    elif delegation.trustee != delegation.sid:
        yield f"held by: {plain(delegation.trustee, CUT)}"
    if delegation.sid:
        yield f"security identifier: {plain(delegation.sid, CUT)}"
    if holder in ABOUT:
        yield ABOUT[holder]


def advice(item: Held) -> str:
    """What a person can do about it."""
    command = remove_command(item.delegation, item.mailbox, item.person)
    ask = "Ask the owner, and who gave it; unless somebody answers for it, take it away"
    return f"{ask}: {command}" if command else f"{ask} in the Exchange admin center."


EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="mailbox-delegation",
    title="Delegated mailboxes",
    why="A right over somebody's mailbox reads and writes for them, whatever their password.",
    permissions=(
        Permission(EXCHANGE, "Get-Mailbox", "all mailboxes, and who may send on their behalf"),
        Permission(EXCHANGE, "Get-MailboxPermission", "who may open a mailbox"),
        Permission(EXCHANGE, "Get-RecipientPermission", "who may send as somebody else"),
        Permission(EXCHANGE, "Get-Recipient", "who holds a right: a colleague, a guest, nobody"),
    ),
    observe=observe,
    judge=judge,
    inspect=inspect,
    noun="mailboxes",
    sweeps=(Sweep(FULL_ACCESS, timedelta(days=1)),),
    several=Several(5, Severity.HIGH, "the same holder has rights over 5 or more mailboxes"),
)
