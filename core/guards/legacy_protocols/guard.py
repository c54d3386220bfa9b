"""The threat: a password alone opens the mailbox, by a protocol that knows nothing else.

SMTP AUTH takes a name and a password and asks for no second factor: it is where stolen and guessed
passwords are tried, and from where they send mail in the owner's name. POP and IMAP copy a whole
mailbox to a client no policy sees, and whoever holds a token or a password for them reads on
unnoticed. They are on by default, also for mailboxes there will be; a mailbox's own setting, a plan
or an exception policy that nobody remembers brings them back.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from core.guards.legacy_protocols.sign_in_evidence import (
    NAMES,
    NO_USE,
    Evidence,
    Log,
    facts_of,
    spelled,
    verdict,
)
from core.microsoft365.configuration_sources import surface_of
from core.microsoft365.powershell import literal, writable
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Terms
from core.sanitize import plain
from core.tenant.changes import Change, DisableMailboxProtocols, SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.mailboxes import Mailbox, MailboxProtocols, ProtocolUse
from core.tenant.merging import Listed, missed, surfaces_of
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from core.tenant.surfaces import PROTOCOL_USE, PROTOCOLS, SIGN_INS

CUT = 200
LOOKED_UP = 200
"""Users of SMTP AUTH whose own setting is read; beyond that they all count as concerned."""

ORGANIZATION = "organization"
TRANSPORT, PLANS = "transport-config", "cas-mailbox-plan"
POLICIES, SETTINGS = "authentication-policy", "organization-config"
SWITCHES: Mapping[str, str] = {"imap": "ImapEnabled", "pop": "PopEnabled"}
OFF: Mapping[str, str] = {
    "imap": "-ImapEnabled $false",
    "pop": "-PopEnabled $false",
    "smtp": "-SmtpClientAuthenticationDisabled $true",
}


@dataclass(frozen=True, slots=True)
class Submission:
    """SMTP AUTH of the organization. `disabled` None: not told.

    `spared` counts the users whose mailbox decides for itself; `default` is what the default
    authentication policy says about bare passwords.
    """

    disabled: bool | None
    evidence: Evidence = NO_USE
    spared: int = 0
    default: str = ""


@dataclass(frozen=True, slots=True)
class FuturePlan:
    """What new mailboxes get."""

    plan: Configuration


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """An authentication policy; `default`: accounts without one of their own fall under it."""

    policy: Configuration
    default: bool = False
    evidence: Evidence = NO_USE


@dataclass(frozen=True, slots=True)
class OpenMailbox:
    """A mailbox that allows a protocol by itself, or does not tell, and who uses it."""

    seen: MailboxProtocols
    evidence: Evidence = NO_USE


type Item = Submission | FuturePlan | SignInPolicy | OpenMailbox


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Item]]:
    """The settings of the organization, then every mailbox; who uses what is only asked if needed.

    While the log cannot be read, what has an open case stays as it was last judged, and what has
    none is told without that knowledge.
    """
    log = Log(tenant, look.terms)
    yield await organization(tenant, look, log)
    listed = Listed(look.watched)
    searches: frozenset[str] | None = None
    async for page in tenant.mailbox_protocols(look.after):
        listed.note(page)
        if searches is None and any(one.allowed or one.untold for one in page.items):
            searches = await discovery(tenant)
        yield await weighed(page, look, log, searches or frozenset())
    if not look.after:
        for rest in listed.rest((PROTOCOLS, PROTOCOL_USE)):
            yield rest


async def organization(tenant: Tenant, look: Look, log: Log) -> Reading[Item]:
    """SMTP AUTH as a whole, the plans of new mailboxes, and authentication policies."""
    transport = await tenant.configuration(TRANSPORT)
    plans = await tenant.configuration(PLANS)
    policies = await tenant.configuration(POLICIES)
    settings = await tenant.configuration(SETTINGS)
    read = (transport, plans, policies, settings)
    named = next((default_name(one) for one in settings.items), None)
    items: list[Item] = [FuturePlan(plan) for plan in plans.items]
    for one in transport.items:
        disabled = truth(one.values.get("SmtpClientAuthenticationDisabled"))
        items.append(Submission(disabled, default=told_default(named, policies)))
    if named is not None:
        items += [SignInPolicy(one, names_it(named, one)) for one in policies.items]
    if any(open_to_all(item) for item in items):
        await log.read()
    return Reading(
        items=tuple([await with_users(tenant, item, log) for item in settled(items, look, log)]),
        unread=(*missed(read), *log.misses),
        surfaces=surfaces_of(read) | {PROTOCOL_USE, SIGN_INS},
    )


def open_to_all(item: Item) -> bool:
    """True for a setting that somebody may be signing in by."""
    match item:
        case Submission():
            return item.disabled is False
        case SignInPolicy():
            return allows_passwords(item.policy) is True
        case OpenMailbox():
            return bool(item.seen.allowed)
        case FuturePlan():
            return False


def settled(items: Iterable[Item], look: Look, log: Log) -> Iterator[Item]:
    """The items that can be judged: all, or without the log those that have no case yet."""
    for item in items:
        if not (log.failure and open_to_all(item) and subject_id(item) in look.watched):
            yield item


def subject_id(item: Item) -> str:
    """The object a finding about an item is about."""
    match item:
        case Submission():
            return ORGANIZATION
        case FuturePlan():
            return item.plan.id
        case SignInPolicy():
            return item.policy.id
        case OpenMailbox():
            return item.seen.mailbox.id


async def with_users(tenant: Tenant, item: Item, log: Log) -> Item:
    """A setting of the organization with those who use what it allows."""
    if not open_to_all(item):
        return item
    evidence = log.evidence(("smtp",))
    match item:
        case SignInPolicy():
            return replace(item, evidence=evidence)
        case Submission():
            concerned = await inheriting(tenant, evidence.uses)
            spared = len(evidence.uses) - len(concerned)
            return replace(item, evidence=replace(evidence, uses=concerned), spared=spared)
        case _:
            return item


async def inheriting(tenant: Tenant, uses: tuple[ProtocolUse, ...]) -> tuple[ProtocolUse, ...]:
    """The users whom the organization's switch concerns: all but those known to decide alone."""
    asked = [use.account_id for use in uses[:LOOKED_UP]]
    if not asked:
        return uses
    found = await tenant.protocols_of(asked)
    alone = {one.mailbox.id for one in found.items if "smtp" in one.allowed | one.refused}
    return tuple(use for use in uses if use.account_id not in alone)


async def discovery(tenant: Tenant) -> frozenset[str]:
    """The mailboxes that hold what a search found: nobody can sign in to one.

    Get-CASMailbox does not tell what a mailbox is. Where these cannot be listed they count like
    any other.
    """
    return frozenset(
        [box.id async for page in tenant.mailboxes(("DiscoveryMailbox",)) for box in page.items]
    )


async def weighed(
    page: Reading[MailboxProtocols], look: Look, log: Log, left_out: frozenset[str]
) -> Reading[Item]:
    """The mailboxes of a page in which something is open, with those who use it."""
    deviant = [
        OpenMailbox(one)
        for one in page.items
        if (one.allowed or one.untold) and one.mailbox.id not in left_out
    ]
    asks = any(open_to_all(item) for item in deviant)
    if asks:
        await log.read()
    items = [
        replace(item, evidence=evidence_of(item.seen, log))
        for item in settled(deviant, look, log)
        if isinstance(item, OpenMailbox)
    ]
    return page.carrying(
        tuple(items),
        (*missed((page,)), *(log.misses if asks else ())),
        page.surfaces | {PROTOCOL_USE},
        page.population,
    )


def evidence_of(seen: MailboxProtocols, log: Log) -> Evidence:
    """Who uses what a mailbox allows. Without an account there is nobody to look for."""
    if not seen.allowed:
        return NO_USE
    found = log.evidence(seen.allowed, seen.mailbox.id)
    if not seen.mailbox.has_account:
        return replace(found, doubts=(*found.doubts, "which account it belongs to is not told"))
    return found


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: Item, terms: Terms) -> Iterator[Finding]:
    """Where a bare password, POP or IMAP still opens a mailbox."""
    match item:
        case Submission():
            yield from judge_submission(item, terms)
        case FuturePlan():
            yield from judge_plan(item.plan)
        case SignInPolicy():
            yield from judge_policy(item, terms)
        case OpenMailbox():
            yield from judge_mailbox(item, terms)


def judge_submission(item: Submission, terms: Terms) -> Iterator[Finding]:
    """SMTP AUTH for every mailbox that does not say otherwise."""
    if item.disabled:
        return
    finding = Finding(
        kind="smtp-auth-organization",
        object_id=ORGANIZATION,
        subject=ORGANIZATION,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary="Whether SMTP AUTH is off for the organization is not known.",
        surfaces=(surface_of(TRANSPORT), PROTOCOL_USE),
        advice="Get-TransportConfig | Format-List SmtpClientAuthenticationDisabled",
    )
    if item.disabled is None:
        yield finding
        return
    decided = verdict(item.evidence, terms)
    command = "Set-TransportConfig -SmtpClientAuthenticationDisabled $true"
    spared = (f"{item.spared} more who use it have a setting of their own",) if item.spared else ()
    yield replace(
        finding,
        severity=Severity.HIGH,
        verdict=decided,
        summary="SMTP AUTH is on for every mailbox of the organization.",
        facts=(
            "SmtpClientAuthenticationDisabled: false",
            item.default,
            *facts_of(item.evidence, ("smtp",), terms),
            *spared,
        ),
        changes=changes(
            decided, SetConfiguration(TRANSPORT, "", "SmtpClientAuthenticationDisabled", True)
        ),
        advice=f"{command}. First give a device that cannot do without a mailbox of its own: "
        "Set-CASMailbox -Identity <mailbox> -SmtpClientAuthenticationDisabled $false, and exempt "
        "that mailbox here.",
    )


def judge_plan(plan: Configuration) -> Iterator[Finding]:
    """What every mailbox licensed from now on starts with; nobody uses that yet."""
    values = {protocol: truth(plan.values.get(name)) for protocol, name in SWITCHES.items()}
    name = plain(plan.name, CUT)
    finding = Finding(
        kind="plan-protocols",
        object_id=plan.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.REPAIR,
        summary="",
        surfaces=(surface_of(PLANS),),
    )
    open_ones = [protocol for protocol, value in values.items() if value]
    untold = [protocol for protocol, value in values.items() if value is None]
    if open_ones:
        yield replace(
            finding,
            dangerous="+".join(open_ones),
            summary=f"New mailboxes of the plan {name} get {spelled(open_ones)}.",
            facts=tuple(f"{SWITCHES[one]}: true" for one in open_ones),
            changes=tuple(
                SetConfiguration(PLANS, plan.id, SWITCHES[one], False) for one in open_ones
            ),
            advice=command_for("Set-CASMailboxPlan", plan.id, open_ones),
        )
    if untold:
        yield replace(
            finding,
            kind="plan-protocols-unknown",
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether new mailboxes of the plan {name} get {spelled(untold)} is not known.",
        )


def judge_policy(item: SignInPolicy, terms: Terms) -> Iterator[Finding]:
    """A policy under which a bare password is still taken for sending."""
    allowed = allows_passwords(item.policy)
    name = plain(item.policy.name, CUT)
    if allowed is False:
        return
    finding = Finding(
        kind="policy-basic-smtp",
        object_id=item.policy.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"Whether the authentication policy {name} takes bare passwords for SMTP is not "
        "known.",
        surfaces=(surface_of(POLICIES), surface_of(SETTINGS), PROTOCOL_USE),
    )
    if allowed is None:
        yield finding
        return
    decided = verdict(item.evidence, terms)
    who = "every account without a policy of its own" if item.default else "the accounts it is for"
    quoted = literal(item.policy.id) if writable(item.policy.id) else "<policy>"
    yield replace(
        finding,
        severity=Severity.HIGH if item.default else Severity.MEDIUM,
        verdict=decided,
        summary=f"The authentication policy {name} lets {who} send with a bare password.",
        facts=("AllowBasicAuthSmtp: true", *facts_of(item.evidence, ("smtp",), terms)),
        changes=changes(
            decided, SetConfiguration(POLICIES, item.policy.id, "AllowBasicAuthSmtp", False)
        ),
        advice=f"Set-AuthenticationPolicy -Identity {quoted} -AllowBasicAuthSmtp:$false; who it is "
        "for: Get-User -ResultSize Unlimited | Where-Object AuthenticationPolicy.",
    )


def judge_mailbox(item: OpenMailbox, terms: Terms) -> Iterator[Finding]:
    """A mailbox's own settings. POP and IMAP are one finding, an override of SMTP AUTH another."""
    seen = item.seen
    readers = [one for one in SWITCHES if one in seen.allowed]
    if readers:
        yield open_finding(item, readers, "mailbox-protocols", terms)
    if "smtp" in seen.allowed:
        yield open_finding(item, ["smtp"], "smtp-auth-override", terms)
    if seen.untold:
        name = subject_of(seen.mailbox)
        unknown = spelled([one for one in NAMES if one in seen.untold])
        yield Finding(
            kind="mailbox-protocols-unknown",
            object_id=seen.mailbox.id,
            subject=name,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether mailbox {name} allows {unknown} is not known.",
            surfaces=(PROTOCOLS,),
        )


def open_finding(item: OpenMailbox, protocols: list[str], kind: str, terms: Terms) -> Finding:
    """One or two protocols that a mailbox allows."""
    name, smtp = subject_of(item.seen.mailbox), "smtp" in protocols
    uses = tuple(use for use in item.evidence.uses if use.protocol in protocols)
    evidence = replace(item.evidence, uses=uses)
    decided = verdict(evidence, terms)
    idle = [one for one in protocols if one not in {use.protocol for use in uses}]
    advice = command_for("Set-CASMailbox", item.seen.mailbox.address, idle or protocols)
    if uses:
        advice += "; what is in use needs another way first, or an exemption."
    return Finding(
        kind=kind,
        object_id=item.seen.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM if smtp or uses else Severity.LOW,
        verdict=decided,
        summary=f"Mailbox {name} allows SMTP AUTH whatever the organization says."
        if smtp
        else f"Mailbox {name} allows {spelled(protocols)}.",
        facts=facts_of(evidence, protocols, terms),
        surfaces=(PROTOCOLS, PROTOCOL_USE),
        dangerous="+".join(protocols),
        changes=changes(decided, DisableMailboxProtocols(item.seen.mailbox.guid, (*protocols,))),
        advice=advice,
    )


# ----------------------------------------------------------------------------------------------
# Words
# ----------------------------------------------------------------------------------------------


def changes(decided: Verdict, change: Change) -> tuple[Change, ...]:
    """The change of a finding that needs no asking."""
    return (change,) if decided is Verdict.REPAIR else ()


def command_for(cmdlet: str, identity: str, protocols: Iterable[str]) -> str:
    """The command that switches protocols off; it names no object it cannot write."""
    quoted = literal(identity) if writable(identity) else "<identity>"
    return " ".join((cmdlet, "-Identity", quoted, *(OFF[one] for one in protocols)))


def subject_of(mailbox: Mailbox) -> str:
    """The mailbox as people know it."""
    return plain(mailbox.address or mailbox.name or mailbox.id, CUT)


def truth(value: object) -> bool | None:
    """A switch of the configuration, also as a word; None when it is neither."""
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def allows_passwords(policy: Configuration) -> bool | None:
    """Whether a policy takes basic authentication for SMTP, the one protocol that still has it."""
    return truth(policy.values.get("AllowBasicAuthSmtp"))


def default_name(settings: Configuration) -> str:
    """What the organization calls its default authentication policy, "" for none."""
    value = settings.values.get("DefaultAuthenticationPolicy")
    return value.strip() if isinstance(value, str) else ""


def names_it(name: str, policy: Configuration) -> bool:
    """True when a name, a path or a DN means this policy."""
    keys = (policy.id, policy.name, policy.values.get("DistinguishedName"))
    known = {key.strip().lower() for key in keys if isinstance(key, str) and key.strip()}
    wanted = name.strip().lower()
    last = wanted.replace("/", "\\").rpartition("\\")[2]
    first = wanted.removeprefix("cn=").partition(",")[0] if wanted.startswith("cn=") else wanted
    return bool(wanted) and bool(known & {wanted, last, first})


def told_default(name: str | None, policies: Reading[Configuration]) -> str:
    """What the default authentication policy says about bare passwords, in words."""
    if name is None:
        return "the default authentication policy is not known"
    if not name:
        return "no default authentication policy refuses bare passwords"
    shown = plain(name, CUT)
    for policy in policies.items:
        if names_it(name, policy):
            allowed = allows_passwords(policy)
            if allowed is False:
                return f"the default authentication policy {shown} refuses bare passwords"
            if allowed:
                return f"the default authentication policy {shown} takes bare passwords"
    return f"what the default authentication policy {shown} says is not known"


EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="legacy-protocols",
    title="Legacy protocols",
    why="SMTP AUTH, POP and IMAP let a stolen password in where no second factor is asked for.",
    permissions=(
        Permission(EXCHANGE, "Get-TransportConfig", "whether SMTP AUTH is off"),
        Permission(EXCHANGE, "Get-CASMailbox", "which mailboxes allow SMTP AUTH, POP or IMAP"),
        Permission(EXCHANGE, "Get-CASMailboxPlan", "what new mailboxes get"),
        Permission(EXCHANGE, "Get-AuthenticationPolicy", "who may use a bare password"),
        Permission(
            EXCHANGE, "Get-OrganizationConfig", "which authentication policy is the default"
        ),
        Permission(EXCHANGE, "Get-Mailbox", "which are for searches only", optional=True),
        Permission(
            Service.GRAPH,
            "AuditLog.Read.All",
            "who uses them, before they are switched off; needs Entra ID P1",
            optional=True,
        ),
        Permission(
            EXCHANGE,
            "Set-TransportConfig",
            "to switch SMTP AUTH off",
            writes=True,
            parameters=("SmtpClientAuthenticationDisabled",),
        ),
        Permission(
            EXCHANGE,
            "Set-CASMailbox",
            "to switch protocols of a mailbox off",
            writes=True,
            parameters=(
                "Identity",
                "ImapEnabled",
                "PopEnabled",
                "SmtpClientAuthenticationDisabled",
            ),
        ),
        Permission(
            EXCHANGE,
            "Set-CASMailboxPlan",
            "to switch POP and IMAP off for new mailboxes",
            writes=True,
            parameters=("Identity", "ImapEnabled", "PopEnabled"),
        ),
        Permission(
            EXCHANGE,
            "Set-AuthenticationPolicy",
            "to refuse bare passwords for SMTP",
            writes=True,
            parameters=("Identity", "AllowBasicAuthSmtp"),
        ),
    ),
    observe=observe,
    judge=judge,
)
