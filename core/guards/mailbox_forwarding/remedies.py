"""What an operator does about mail that is sent on or hidden, step by step. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from core.guards.mailbox_forwarding.forwards import InboxRuleForward
from core.guards.mailbox_forwarding.rule_texts import (
    CLIENT_RULES_WARNING,
    UNNAMED,
    can_disable_rule,
    format_rule_name,
)
from core.microsoft365.powershell import build_disable_rule_command, build_list_rules_command
from core.microsoft365.recipients import ForwardTarget, list_outside_addresses
from core.microsoft365.remedies import (
    ask,
    build_command,
    find_actor,
    lock_out,
    look_around,
    make_exchange_step,
    make_graph_step,
    save_from_exchange,
    stop_each,
    trace_received,
    trace_sent,
)
from core.model.findings import Step
from core.tenant.domain_memory import SUBDOMAINS, DomainChange
from core.tenant.mailboxes import Mailbox, format_mailbox_name

UNLESS_THEIRS = "it is theirs"
MAX_TRACED = 2
FORWARDS = "ForwardingAddress, ForwardingSmtpAddress, DeliverToMailboxAndForward"
CONNECTORS = {
    "outbound-connector": ("Get-OutboundConnector", "Set-OutboundConnector"),
    "inbound-connector": ("Get-InboundConnector", "Set-InboundConnector"),
}


def get_held_account(mailbox: Mailbox) -> str:
    """The account of a mailbox, which an intruder may hold; empty where it has none."""
    return mailbox.id if mailbox.has_account else ""


def list_people_steps(mailbox: Mailbox) -> Iterator[Step]:
    """Ask the owner, and shut out whoever else signs in to the mailbox."""
    name = format_mailbox_name(mailbox)
    yield ask(f"the owner of {name}")
    if account := get_held_account(mailbox):
        yield from lock_out(account, UNLESS_THEIRS)


def list_rest_steps(mailbox: Mailbox, targets: Iterable[ForwardTarget]) -> Iterator[Step]:
    """What else there is about a mailbox, and what went out."""
    name = format_mailbox_name(mailbox)
    yield look_around(name, mailbox.address, mailbox.id)
    yield trace_sent(mailbox.address)
    for address in sorted(list_outside_addresses(tuple(targets)))[:MAX_TRACED]:
        yield trace_received(address)


def build_rules_remedy(
    kind: str, rules: Sequence[InboxRuleForward], targets: Iterable[ForwardTarget] = ()
) -> tuple[Step, ...]:
    """The steps about inbox rules of one mailbox."""
    mailbox = rules[0].mailbox
    listing = build_list_rules_command(mailbox.guid).partition(" | ")[0]
    name = format_mailbox_name(mailbox)
    return (
        save_from_exchange(
            f"all inbox rules of {name}, hidden ones too", kind, mailbox.id, listing
        ),
        *list_people_steps(mailbox),
        *stop_each(
            (build_disable_step(one) for one in rules if one.rule.enabled), "rules that do the same"
        ),
        *list_rest_steps(mailbox, targets),
    )


def build_disable_step(item: InboxRuleForward) -> Step:
    """Disable one rule: through Graph, unless Graph does not show it in full."""
    name = format_rule_name(item.rule)
    which = name if name == UNNAMED else f"the rule {name}"
    if can_disable_rule(item):
        return make_graph_step(
            f"Disable {which}; it stays there, as evidence.",
            build_command(
                "Update-MgUserMailFolderMessageRule",
                "-IsEnabled:$false",
                UserId=item.mailbox.id,
                MailFolderId="inbox",
                MessageRuleId=item.rule.id,
            ),
        )
    identity = item.rule.name if item.rule.api == "graph" else item.rule.id
    return make_exchange_step(
        f"Disable {which}. {CLIENT_RULES_WARNING}",
        build_disable_rule_command(item.mailbox.guid, identity.strip()),
    )


def build_forward_remedy(mailbox: Mailbox, targets: Iterable[ForwardTarget]) -> tuple[Step, ...]:
    """The steps about a forward that is set on a mailbox."""
    name = format_mailbox_name(mailbox)
    read = build_command("Get-Mailbox", f"| Select-Object Guid, {FORWARDS}", Identity=mailbox.guid)
    clear = "-ForwardingAddress $null -ForwardingSmtpAddress $null"
    return (
        save_from_exchange(f"the forwards of {name}", "mailbox-forward", mailbox.id, read),
        *list_people_steps(mailbox),
        make_exchange_step(
            "Clear the forward: both settings, since the other one counts once one is empty.",
            build_command("Set-Mailbox", clear, Identity=mailbox.guid),
        ),
        find_actor("set it", "Set-Mailbox"),
        *list_rest_steps(mailbox, targets),
    )


def build_flow_remedy(
    kind: str, rule_id: str, name: str, targets: Iterable[ForwardTarget] = ()
) -> tuple[Step, ...]:
    """The steps about a mail-flow rule. `name` is quoted."""
    return (
        save_from_exchange(
            f"the mail-flow rule {name}",
            kind,
            rule_id,
            build_command("Get-TransportRule", Identity=rule_id),
        ),
        find_actor(
            "made or changed it", "New-TransportRule", "Set-TransportRule", "Enable-TransportRule"
        ),
        ask("whoever made it"),
        make_exchange_step(
            f"Unless somebody answers for it, disable the mail-flow rule {name}; it stays there.",
            build_command("Disable-TransportRule", "-Confirm:$false", Identity=rule_id),
        ),
        look_around("this rule", rule_id),
        *list_target_traces(targets),
    )


def list_target_traces(targets: Iterable[ForwardTarget]) -> Iterator[Step]:
    """What went to the first of the addresses outside."""
    for address in sorted(list_outside_addresses(tuple(targets)))[:MAX_TRACED]:
        yield trace_received(address)


# What shows each thing beside the rules, by the parameter that names the mailbox.
TRACE_READS: Mapping[str, tuple[str, str]] = {
    "sweep-rule": ("Get-SweepRule", "Mailbox"),
    "junk-list": ("Get-MailboxJunkEmailConfiguration", "Identity"),
    "automatic-reply": ("Get-MailboxAutoReplyConfiguration", "Identity"),
}


def build_trace_remedy(mailbox: Mailbox, kind: str, advice: str) -> tuple[Step, ...]:
    """The steps about what stands in a mailbox beside its rules."""
    name = format_mailbox_name(mailbox)
    cmdlet, parameter = TRACE_READS.get(kind, ("Get-Mailbox", "Identity"))
    stop = (
        [
            make_exchange_step(
                f"Unless {UNLESS_THEIRS}: switch the reply off.",
                build_command(
                    "Set-MailboxAutoReplyConfiguration",
                    Identity=mailbox.guid,
                    AutoReplyState="Disabled",
                ),
            )
        ]
        if kind == "automatic-reply"
        else [Step(advice)]
    )
    return (
        save_from_exchange(
            f"what stands in {name}",
            kind,
            mailbox.id,
            build_command(cmdlet, **{parameter: mailbox.guid}),
        ),
        *list_people_steps(mailbox),
        *stop,
        look_around(name, mailbox.address, mailbox.id),
        trace_sent(mailbox.address),
    )


def build_connector_remedy(kind: str, identity: str, name: str) -> tuple[Step, ...]:
    """The steps about a connector. `name` is quoted."""
    read, write = CONNECTORS[kind]
    noun = kind.replace("-", " ")
    return (
        save_from_exchange(
            f"the {noun} {name}", kind, identity, build_command(read, Identity=identity)
        ),
        find_actor("made or changed it", write.replace("Set-", "New-"), write),
        ask("whoever made it", "Mail that is meant to go that way stops at the next step."),
        make_exchange_step(
            f"Unless somebody answers for it, switch the {noun} {name} off; it stays there.",
            build_command(write, "-Enabled $false", Identity=identity),
        ),
        look_around("this connector", identity),
    )


def build_journal_remedy(
    identity: str, name: str, targets: Iterable[ForwardTarget]
) -> tuple[Step, ...]:
    """The steps about a journal rule. `name` is quoted."""
    return (
        save_from_exchange(
            f"the journal rule {name}",
            "journal-rule",
            identity,
            build_command("Get-JournalRule", Identity=identity),
        ),
        find_actor("made or changed it", "New-JournalRule", "Set-JournalRule"),
        ask("whoever made it, and whoever answers for legal matters"),
        make_exchange_step(
            f"Unless somebody answers for it, disable the journal rule {name}; it stays there.",
            build_command("Disable-JournalRule", "-Confirm:$false", Identity=identity),
        ),
        look_around("this rule", identity),
        *list_target_traces(targets),
    )


DOMAIN_ACTS: Mapping[DomainChange, tuple[str, tuple[str, ...]]] = {
    DomainChange.NEW: ("added it", ("New-AcceptedDomain", "Set-AcceptedDomain")),
    DomainChange.GONE: ("removed it", ("Remove-AcceptedDomain",)),
    DomainChange.RELAYED: ("changed it", ("Set-AcceptedDomain",)),
}
"""What somebody did to a domain, in words and as cmdlets."""


def build_domain_remedy(domain: str, change: DomainChange) -> tuple[Step, ...]:
    """The steps about a domain that appeared among the accepted ones, went or began to relay."""
    did, cmdlets = DOMAIN_ACTS[change]
    kind = f"accepted-domain-{change}"
    return (
        save_from_exchange("the list of accepted domains", kind, domain, "Get-AcceptedDomain"),
        find_actor(did, *cmdlets),
        ask(f"whoever {did}"),
        *list_domain_steps(domain, change),
        look_around("this domain", domain),
        trace_received(f"*@{domain}"),
    )


def list_domain_steps(domain: str, change: DomainChange) -> Iterator[Step]:
    """What sets a domain back; one that is gone has to be added anew."""
    parent = domain.removeprefix(SUBDOMAINS)
    match change:
        case DomainChange.NEW if parent != domain:
            yield make_exchange_step(
                "Unless somebody answers for it: accept no mail for what lies below the domain.",
                build_command("Set-AcceptedDomain", "-MatchSubDomains:$false", Identity=parent),
            )
        case DomainChange.NEW:
            yield make_graph_step(
                "Unless somebody answers for it, see what still uses the domain; Entra removes it "
                "once nothing does (Entra admin center > Settings > Domain names).",
                build_command("Get-MgDomainNameReference", "-All", DomainId=domain),
            )
        case DomainChange.RELAYED:
            yield make_exchange_step(
                "Unless somebody answers for it: make it authoritative again.",
                build_command("Set-AcceptedDomain", Identity=domain, DomainType="Authoritative"),
            )
