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
    NO_EVIDENCE,
    PROTOCOL_NAMES,
    ProtocolEvidence,
    SignInLog,
    decide_protocol_verdict,
    format_protocol_names,
    list_protocol_facts,
)
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission, Service
from core.sanitize import sanitize_text
from core.tenant.changes import Change, DisableMailboxProtocols, SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.mailboxes import Mailbox, MailboxProtocols, ProtocolUse
from core.tenant.merging import PresenceTracker, collect_failures, collect_sources
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from core.tenant.surfaces import PROTOCOL_USE, PROTOCOLS, SIGN_INS

MAX_TEXT_LENGTH = 200
MAX_LOOKUPS = 200
"""Users of SMTP AUTH whose own setting is read; beyond that they all count as concerned."""

ORGANIZATION = "organization"
TRANSPORT, PLANS = "transport-config", "cas-mailbox-plan"
POLICIES, SETTINGS = "authentication-policy", "organization-config"
PROTOCOL_PROPERTIES: Mapping[str, str] = {"imap": "ImapEnabled", "pop": "PopEnabled"}
DISABLE_PARAMETERS: Mapping[str, str] = {
    "imap": "-ImapEnabled $false",
    "pop": "-PopEnabled $false",
    "smtp": "-SmtpClientAuthenticationDisabled $true",
}


@dataclass(frozen=True, slots=True)
class SmtpAuthSetting:
    """SMTP AUTH of the organization. `disabled` None: not told.

    `spared` counts the users whose mailbox decides for itself; `default` is what the default
    authentication policy says about bare passwords.
    """

    disabled: bool | None
    evidence: ProtocolEvidence = NO_EVIDENCE
    own_setting_count: int = 0
    default_policy_fact: str = ""


@dataclass(frozen=True, slots=True)
class NewMailboxPlan:
    """What new mailboxes get."""

    plan: Configuration


@dataclass(frozen=True, slots=True)
class AuthenticationPolicy:
    """An authentication policy; `default`: accounts without one of their own fall under it."""

    policy: Configuration
    is_default: bool = False
    evidence: ProtocolEvidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True)
class LegacyProtocolMailbox:
    """A mailbox that allows a protocol by itself, or does not tell, and who uses it."""

    protocols: MailboxProtocols
    evidence: ProtocolEvidence = NO_EVIDENCE


type ProtocolItem = SmtpAuthSetting | NewMailboxPlan | AuthenticationPolicy | LegacyProtocolMailbox


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


async def observe(tenant: Tenant, context: ObserveContext) -> AsyncIterator[Reading[ProtocolItem]]:
    """The settings of the organization, then every mailbox; who uses what is only asked if needed.

    While the log cannot be read, what has an open case stays as it was last judged, and what has
    none is told without that knowledge.
    """
    log = SignInLog(tenant, context.policy)
    yield await read_organization_protocols(tenant, context, log)
    listed = PresenceTracker(context.open_case_ids)
    searches: frozenset[str] | None = None
    async for page in tenant.mailbox_protocols(context.continuation):
        listed.add_page(page)
        if searches is None and any(one.allowed or one.unknown for one in page.items):
            searches = await read_discovery_mailboxes(tenant)
        yield await build_protocol_batch(page, context, log, searches or frozenset())
    if not context.continuation:
        for rest in listed.build_absence_readings((PROTOCOLS, PROTOCOL_USE)):
            yield rest


async def read_organization_protocols(
    tenant: Tenant, context: ObserveContext, log: SignInLog
) -> Reading[ProtocolItem]:
    """SMTP AUTH as a whole, the plans of new mailboxes, and authentication policies."""
    transport = await tenant.configuration(TRANSPORT)
    plans = await tenant.configuration(PLANS)
    policies = await tenant.configuration(POLICIES)
    settings = await tenant.configuration(SETTINGS)
    read = (transport, plans, policies, settings)
    named = next((get_default_policy_name(one) for one in settings.items), None)
    items: list[ProtocolItem] = [NewMailboxPlan(plan) for plan in plans.items]
    for one in transport.items:
        disabled = parse_protocol_switch(one.values.get("SmtpClientAuthenticationDisabled"))
        items.append(
            SmtpAuthSetting(disabled, default_policy_fact=describe_default_policy(named, policies))
        )
    if named is not None:
        items += [
            AuthenticationPolicy(one, matches_policy_name(named, one)) for one in policies.items
        ]
    if any(allows_legacy_sign_in(item) for item in items):
        await log.read_once()
    return Reading(
        items=tuple(
            [
                await add_protocol_users(tenant, item, log)
                for item in filter_judgeable_items(items, context, log)
            ]
        ),
        failures=(*collect_failures(read), *log.read_failures),
        sources=collect_sources(read) | {PROTOCOL_USE, SIGN_INS},
    )


def allows_legacy_sign_in(item: ProtocolItem) -> bool:
    """True for a setting that somebody may be signing in by."""
    match item:
        case SmtpAuthSetting():
            return item.disabled is False
        case AuthenticationPolicy():
            return allows_basic_smtp_auth(item.policy) is True
        case LegacyProtocolMailbox():
            return bool(item.protocols.allowed)
        case NewMailboxPlan():
            return False


def filter_judgeable_items(
    items: Iterable[ProtocolItem], context: ObserveContext, log: SignInLog
) -> Iterator[ProtocolItem]:
    """The items that can be judged: all, or without the log those that have no case yet."""
    for item in items:
        if not (
            log.failure
            and allows_legacy_sign_in(item)
            and get_item_object_id(item) in context.open_case_ids
        ):
            yield item


def get_item_object_id(item: ProtocolItem) -> str:
    """The object a finding about an item is about."""
    match item:
        case SmtpAuthSetting():
            return ORGANIZATION
        case NewMailboxPlan():
            return item.plan.id
        case AuthenticationPolicy():
            return item.policy.id
        case LegacyProtocolMailbox():
            return item.protocols.mailbox.id


async def add_protocol_users(tenant: Tenant, item: ProtocolItem, log: SignInLog) -> ProtocolItem:
    """A setting of the organization with those who use what it allows."""
    if not allows_legacy_sign_in(item):
        return item
    evidence = log.find_evidence(("smtp",))
    match item:
        case AuthenticationPolicy():
            return replace(item, evidence=evidence)
        case SmtpAuthSetting():
            concerned = await filter_inheriting_users(tenant, evidence.uses)
            spared = len(evidence.uses) - len(concerned)
            return replace(
                item, evidence=replace(evidence, uses=concerned), own_setting_count=spared
            )
        case _:
            return item


async def filter_inheriting_users(
    tenant: Tenant, uses: tuple[ProtocolUse, ...]
) -> tuple[ProtocolUse, ...]:
    """The users whom the organization's switch concerns: all but those known to decide alone."""
    asked = [use.account_id for use in uses[:MAX_LOOKUPS]]
    if not asked:
        return uses
    found = await tenant.protocols_of(asked)
    alone = {one.mailbox.id for one in found.items if "smtp" in one.allowed | one.denied}
    return tuple(use for use in uses if use.account_id not in alone)


async def read_discovery_mailboxes(tenant: Tenant) -> frozenset[str]:
    """The mailboxes that hold what a search found: nobody can sign in to one.

    Get-CASMailbox does not tell what a mailbox is. Where these cannot be listed they count like
    any other.
    """
    return frozenset(
        [box.id async for page in tenant.mailboxes(("DiscoveryMailbox",)) for box in page.items]
    )


async def build_protocol_batch(
    page: Reading[MailboxProtocols],
    context: ObserveContext,
    log: SignInLog,
    excluded: frozenset[str],
) -> Reading[ProtocolItem]:
    """The mailboxes of a page in which something is open, with those who use it."""
    deviant = [
        LegacyProtocolMailbox(one)
        for one in page.items
        if (one.allowed or one.unknown) and one.mailbox.id not in excluded
    ]
    asks = any(allows_legacy_sign_in(item) for item in deviant)
    if asks:
        await log.read_once()
    items = [
        replace(item, evidence=find_mailbox_evidence(item.protocols, log))
        for item in filter_judgeable_items(deviant, context, log)
        if isinstance(item, LegacyProtocolMailbox)
    ]
    return page.with_items(
        tuple(items),
        (*collect_failures((page,)), *(log.read_failures if asks else ())),
        page.sources | {PROTOCOL_USE},
        page.population,
    )


def find_mailbox_evidence(protocols: MailboxProtocols, log: SignInLog) -> ProtocolEvidence:
    """Who uses what a mailbox allows. Without an account there is nobody to look for."""
    if not protocols.allowed:
        return NO_EVIDENCE
    found = log.find_evidence(protocols.allowed, protocols.mailbox.id)
    if not protocols.mailbox.has_account:
        return replace(found, doubts=(*found.doubts, "which account it belongs to is not told"))
    return found


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: ProtocolItem, policy: GuardPolicy) -> Iterator[Finding]:
    """Where a bare password, POP or IMAP still opens a mailbox."""
    match item:
        case SmtpAuthSetting():
            yield from judge_smtp_auth(item, policy)
        case NewMailboxPlan():
            yield from judge_mailbox_plan(item.plan)
        case AuthenticationPolicy():
            yield from judge_authentication_policy(item, policy)
        case LegacyProtocolMailbox():
            yield from judge_mailbox_protocols(item, policy)


def judge_smtp_auth(item: SmtpAuthSetting, policy: GuardPolicy) -> Iterator[Finding]:
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
        sources=(get_configuration_source_name(TRANSPORT), PROTOCOL_USE),
        advice="Get-TransportConfig | Format-List SmtpClientAuthenticationDisabled",
    )
    if item.disabled is None:
        yield finding
        return
    decided = decide_protocol_verdict(item.evidence, policy)
    command = "Set-TransportConfig -SmtpClientAuthenticationDisabled $true"
    spared = (
        (f"{item.own_setting_count} more who use it have a setting of their own",)
        if item.own_setting_count
        else ()
    )
    yield replace(
        finding,
        severity=Severity.HIGH,
        verdict=decided,
        summary="SMTP AUTH is on for every mailbox of the organization.",
        facts=(
            "SmtpClientAuthenticationDisabled: false",
            item.default_policy_fact,
            *list_protocol_facts(item.evidence, ("smtp",), policy),
            *spared,
        ),
        changes=list_repair_changes(
            decided, SetConfiguration(TRANSPORT, "", "SmtpClientAuthenticationDisabled", True)
        ),
        advice=f"{command}. First give a device that cannot do without a mailbox of its own: "
        "Set-CASMailbox -Identity <mailbox> -SmtpClientAuthenticationDisabled $false, and exempt "
        "that mailbox here.",
    )


def judge_mailbox_plan(plan: Configuration) -> Iterator[Finding]:
    """What every mailbox licensed from now on starts with; nobody uses that yet."""
    values = {
        protocol: parse_protocol_switch(plan.values.get(name))
        for protocol, name in PROTOCOL_PROPERTIES.items()
    }
    name = sanitize_text(plan.name, MAX_TEXT_LENGTH)
    finding = Finding(
        kind="plan-protocols",
        object_id=plan.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.REPAIR,
        summary="",
        sources=(get_configuration_source_name(PLANS),),
    )
    open_ones = [protocol for protocol, value in values.items() if value]
    untold = [protocol for protocol, value in values.items() if value is None]
    if open_ones:
        yield replace(
            finding,
            fingerprint="+".join(open_ones),
            summary=f"New mailboxes of the plan {name} get {format_protocol_names(open_ones)}.",
            facts=tuple(f"{PROTOCOL_PROPERTIES[one]}: true" for one in open_ones),
            changes=tuple(
                SetConfiguration(PLANS, plan.id, PROTOCOL_PROPERTIES[one], False)
                for one in open_ones
            ),
            advice=build_protocols_off_command("Set-CASMailboxPlan", plan.id, open_ones),
        )
    if untold:
        yield replace(
            finding,
            kind="plan-protocols-unknown",
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether new mailboxes of the plan {name} get {format_protocol_names(untold)} is not known.",
        )


def judge_authentication_policy(
    item: AuthenticationPolicy, policy: GuardPolicy
) -> Iterator[Finding]:
    """A policy under which a bare password is still taken for sending."""
    allowed = allows_basic_smtp_auth(item.policy)
    name = sanitize_text(item.policy.name, MAX_TEXT_LENGTH)
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
        sources=(
            get_configuration_source_name(POLICIES),
            get_configuration_source_name(SETTINGS),
            PROTOCOL_USE,
        ),
    )
    if allowed is None:
        yield finding
        return
    decided = decide_protocol_verdict(item.evidence, policy)
    who = (
        "every account without a policy of its own" if item.is_default else "the accounts it is for"
    )
    quoted = quote_literal(item.policy.id) if can_be_quoted(item.policy.id) else "<policy>"
    yield replace(
        finding,
        severity=Severity.HIGH if item.is_default else Severity.MEDIUM,
        verdict=decided,
        summary=f"The authentication policy {name} lets {who} send with a bare password.",
        facts=("AllowBasicAuthSmtp: true", *list_protocol_facts(item.evidence, ("smtp",), policy)),
        changes=list_repair_changes(
            decided, SetConfiguration(POLICIES, item.policy.id, "AllowBasicAuthSmtp", False)
        ),
        advice=f"Set-AuthenticationPolicy -Identity {quoted} -AllowBasicAuthSmtp:$false; who it is "
        "for: Get-User -ResultSize Unlimited | Where-Object AuthenticationPolicy.",
    )


def judge_mailbox_protocols(item: LegacyProtocolMailbox, policy: GuardPolicy) -> Iterator[Finding]:
    """A mailbox's own settings. POP and IMAP are one finding, an override of SMTP AUTH another."""
    seen = item.protocols
    readers = [one for one in PROTOCOL_PROPERTIES if one in seen.allowed]
    if readers:
        yield build_protocol_finding(item, readers, "mailbox-protocols", policy)
    if "smtp" in seen.allowed:
        yield build_protocol_finding(item, ["smtp"], "smtp-auth-override", policy)
    if seen.unknown:
        name = format_mailbox_name(seen.mailbox)
        unknown = format_protocol_names([one for one in PROTOCOL_NAMES if one in seen.unknown])
        yield Finding(
            kind="mailbox-protocols-unknown",
            object_id=seen.mailbox.id,
            subject=name,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"Whether mailbox {name} allows {unknown} is not known.",
            sources=(PROTOCOLS,),
        )


def build_protocol_finding(
    item: LegacyProtocolMailbox, protocols: list[str], kind: str, policy: GuardPolicy
) -> Finding:
    """One or two protocols that a mailbox allows."""
    name, smtp = format_mailbox_name(item.protocols.mailbox), "smtp" in protocols
    uses = tuple(use for use in item.evidence.uses if use.protocol in protocols)
    evidence = replace(item.evidence, uses=uses)
    decided = decide_protocol_verdict(evidence, policy)
    idle = [one for one in protocols if one not in {use.protocol for use in uses}]
    advice = build_protocols_off_command(
        "Set-CASMailbox", item.protocols.mailbox.address, idle or protocols
    )
    if uses:
        advice += "; what is in use needs another way first, or an exemption."
    return Finding(
        kind=kind,
        object_id=item.protocols.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM if smtp or uses else Severity.LOW,
        verdict=decided,
        summary=f"Mailbox {name} allows SMTP AUTH whatever the organization says."
        if smtp
        else f"Mailbox {name} allows {format_protocol_names(protocols)}.",
        facts=list_protocol_facts(evidence, protocols, policy),
        sources=(PROTOCOLS, PROTOCOL_USE),
        fingerprint="+".join(protocols),
        changes=list_repair_changes(
            decided, DisableMailboxProtocols(item.protocols.mailbox.guid, (*protocols,))
        ),
        advice=advice,
    )


# ----------------------------------------------------------------------------------------------
# Words
# ----------------------------------------------------------------------------------------------


def list_repair_changes(decided: Verdict, change: Change) -> tuple[Change, ...]:
    """The change of a finding that needs no asking."""
    return (change,) if decided is Verdict.REPAIR else ()


def build_protocols_off_command(cmdlet: str, identity: str, protocols: Iterable[str]) -> str:
    """The command that switches protocols off; it names no object it cannot write."""
    quoted = quote_literal(identity) if can_be_quoted(identity) else "<identity>"
    return " ".join((cmdlet, "-Identity", quoted, *(DISABLE_PARAMETERS[one] for one in protocols)))


def format_mailbox_name(mailbox: Mailbox) -> str:
    """The mailbox as people know it."""
    return sanitize_text(mailbox.address or mailbox.name or mailbox.id, MAX_TEXT_LENGTH)


def parse_protocol_switch(value: object) -> bool | None:
    """A switch of the configuration, also as a word; None when it is neither."""
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def allows_basic_smtp_auth(policy: Configuration) -> bool | None:
    """Whether a policy takes basic authentication for SMTP, the one protocol that still has it."""
    return parse_protocol_switch(policy.values.get("AllowBasicAuthSmtp"))


def get_default_policy_name(settings: Configuration) -> str:
    """What the organization calls its default authentication policy, "" for none."""
    value = settings.values.get("DefaultAuthenticationPolicy")
    return value.strip() if isinstance(value, str) else ""


def matches_policy_name(name: str, policy: Configuration) -> bool:
    """True when a name, a path or a DN means this policy."""
    keys = (policy.id, policy.name, policy.values.get("DistinguishedName"))
    known = {key.strip().lower() for key in keys if isinstance(key, str) and key.strip()}
    wanted = name.strip().lower()
    last = wanted.replace("/", "\\").rpartition("\\")[2]
    first = wanted.removeprefix("cn=").partition(",")[0] if wanted.startswith("cn=") else wanted
    return bool(wanted) and bool(known & {wanted, last, first})


def describe_default_policy(name: str | None, policies: Reading[Configuration]) -> str:
    """What the default authentication policy says about bare passwords, in words."""
    if name is None:
        return "the default authentication policy is not known"
    if not name:
        return "no default authentication policy refuses bare passwords"
    shown = sanitize_text(name, MAX_TEXT_LENGTH)
    for policy in policies.items:
        if matches_policy_name(name, policy):
            allowed = allows_basic_smtp_auth(policy)
            if allowed is False:
                return f"the default authentication policy {shown} refuses bare passwords"
            if allowed:
                return f"the default authentication policy {shown} takes bare passwords"
    return f"what the default authentication policy {shown} says is not known"


EXCHANGE = Service.EXCHANGE
GUARD = Guard(
    name="legacy-protocols",
    title="Legacy protocols",
    rationale="SMTP AUTH, POP and IMAP let a stolen password in where no second factor is asked for.",
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
