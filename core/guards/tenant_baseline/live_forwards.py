"""Which mail is forwarded outside now, before a setting of the organization would end all of it.

An organization may depend on such forwards without knowing, and nothing lists afterwards what
ended. So a forward that may lead outside counts as one. Hidden rules are left out: attackers make
them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.tenant.mail_flow import AcceptedDomain, InboxRule
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.merging import collect_failures
from core.tenant.port import HasConfiguration, HasInboxRules, HasMailboxes, HasMailFlow
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading

FORWARD_ENDING_PROPERTIES = frozenset({"AutoForwardingMode", "AutoForwardEnabled"})
"""The properties that end automatic forwards of the organization, or to a domain."""
BRACKET_PATTERN = re.compile(r"\[((?:SMTP|EX|X500):[^\]]*)\]$", re.IGNORECASE)
PREFIX_PATTERN = re.compile(r"^(SMTP|EX|X500):", re.IGNORECASE)
MAX_EXAMPLES = 20
MAX_TEXT_LENGTH = 120


class BaselinePorts(HasConfiguration, HasInboxRules, HasMailFlow, HasMailboxes, Protocol):
    """The ports the guard tenant-baseline reads."""


@dataclass(frozen=True, slots=True)
class LiveForwards:
    """The forwards that may lead outside, and why they are not all known, if so."""

    count: int = 0
    examples: tuple[str, ...] = ()
    unread_reason: str = ""


@dataclass(frozen=True, slots=True)
class ForwardingTarget:
    """One recipient of a forward of a mailbox, as it is written there."""

    owner: str
    raw: str

    @property
    def name(self) -> str:
        """The address or name itself, without the display name and type around it."""
        text = self.raw.strip()
        bracket = BRACKET_PATTERN.search(text)
        return PREFIX_PATTERN.sub("", bracket[1] if bracket else text).strip()

    @property
    def domain(self) -> str:
        """The domain of an SMTP address, in lower case; empty for a name or a directory object."""
        text = self.name.casefold()
        _, at, domain = text.rpartition("@")
        return domain if at and not any(sign in text for sign in ' "[]<>/=') else ""


async def read_live_forwards(tenant: BaselinePorts) -> LiveForwards:
    """Read the forwards of mailboxes and the inbox rules of all of them."""
    domains = await tenant.mail_flow.read_accepted_domains()
    listed = await tenant.mailboxes.read_forwarding_mailboxes()
    failures = [*collect_failures((domains, listed))]
    targets = [target for box in listed.items for target in list_mailbox_targets(box)]
    complete = domains.complete and listed.complete and bool(domains.items)
    async for page in tenant.mailboxes.list_mailboxes():
        rules = await tenant.inbox_rules.read_inbox_rules(page.items)
        failures += collect_failures((page, rules))
        complete = complete and page.complete
        names = {box.id: format_mailbox_name(box) for box in page.items}
        targets += (target for rule in rules.items for target in list_rule_targets(rule, names))
    own = list_own_domains(domains)
    outside, unclear = list[ForwardingTarget](), list[ForwardingTarget]()
    for target in targets:
        is_outside = bool(target.domain) and not is_own(target.domain, own)
        (outside if is_outside else unclear).append(target)
    recipients = await tenant.mail_flow.read_recipients(sorted({one.name for one in unclear}))
    mailboxes = {
        one.name for one in recipients.items if one.found and one.kind.lower().endswith("mailbox")
    }
    outside += [target for target in unclear if target.name not in mailboxes]
    lines = sorted({f"{target.owner} to {format_target(target)}" for target in outside})
    return LiveForwards(len(lines), tuple(lines[:MAX_EXAMPLES]), explain_gaps(failures, complete))


def list_mailbox_targets(box: Mailbox) -> Iterator[ForwardingTarget]:
    """The forward that is set on a mailbox; with both set, Exchange follows ForwardingAddress."""
    raw = box.forwarding_address or box.forwarding_smtp_address
    if raw:
        yield ForwardingTarget(format_mailbox_name(box), raw)


def list_rule_targets(rule: InboxRule, owners: dict[str, str]) -> Iterator[ForwardingTarget]:
    """The recipients of an inbox rule that is in effect."""
    if rule.enabled:
        for raw in (*rule.forward_to, *rule.forward_as_attachment_to, *rule.redirect_to):
            yield ForwardingTarget(owners.get(rule.mailbox_id, rule.mailbox_id), raw)


def list_own_domains(domains: Reading[AcceptedDomain]) -> tuple[frozenset[str], frozenset[str]]:
    """The tenant's own domains, and those whose subdomains are its own as well."""
    names = [(one, one.name.strip().casefold().removeprefix("*.")) for one in domains.items]
    return (
        frozenset(name for _, name in names),
        frozenset(name for one, name in names if one.includes_subdomains),
    )


def is_own(domain: str, own: tuple[frozenset[str], frozenset[str]]) -> bool:
    """Whether a domain belongs to the tenant."""
    exact, parents = own
    return domain in exact or any(domain.endswith(f".{parent}") for parent in parents)


def format_target(target: ForwardingTarget) -> str:
    """A recipient as a person reads it."""
    return quote_text(target.raw, MAX_TEXT_LENGTH)


def explain_gaps(failures: Sequence[ReadFailure], complete: bool) -> str:
    """Why some forwards may be missing; empty if all were read."""
    whole = [failure for failure in failures if not failure.object_id and not failure.optional]
    if whole:
        return f"{whole[0].source.replace('-', ' ')} not readable: {whole[0].reason}"
    if not complete:
        return "the listing is incomplete"
    unread = {failure.object_id for failure in failures if not failure.optional}
    return f"{len(unread)} mailboxes could not be read" if unread else ""


def list_forward_lines(found: LiveForwards) -> Iterable[str]:
    """What an operator has to see before all automatic forwards end."""
    if found.unread_reason:
        yield f"which mail is forwarded outside now is not known: {found.unread_reason}"
    if found.count:
        yield f"it would end {found.count:,} forwards that may lead outside"
        yield from (f"forwards mail now: {line}" for line in found.examples)
        if found.count > len(found.examples):
            yield f"and {found.count - len(found.examples):,} more"
