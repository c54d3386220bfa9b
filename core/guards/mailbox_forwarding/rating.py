"""How grave a forward is, by where it sends mail and what becomes of it. Pure."""

import json
from collections.abc import Iterable

from core.guards.mailbox_forwarding.departure import ForwardingPolicyResult
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.texts import MAX_SHOWN
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.addresses import (
    find_base_address,
    get_address_domain,
    load_mail_providers,
)
from core.microsoft365.recipients import (
    ForwardTarget,
    RecipientLocation,
    list_outside_addresses,
)
from core.model.findings import Correlation, Severity, Verdict
from core.tenant.domain_names import to_a_label
from core.tenant.quoting import quote_text

MAX_ADDRESS_LENGTH = 64
UNDECIDED = (ForwardingVerdict.UNRESOLVED, Verdict.COULD_NOT_TELL)
"""The verdicts on mail of which it is not known where it goes."""


def decide_forward_verdict(
    targets: Iterable[ForwardTarget], policy: Policy, is_hidden: bool = False
) -> str | None:
    """What the recipients say together; the gravest of them decides.

    A domain that is allowed excuses a forward its owner can see, never a hidden one.
    """
    allowed = {to_a_label(domain) for domain in policy.options.allowed_domains}
    verdicts: set[str] = set()
    for target in targets:
        if target.location is RecipientLocation.UNRESOLVED:
            verdicts.add(ForwardingVerdict.UNRESOLVED)
        elif target.location is RecipientLocation.UNSEEN:
            verdicts.add(Verdict.COULD_NOT_TELL)
        elif target.location is RecipientLocation.OUTSIDE:
            excused = get_address_domain(target.address) in allowed and not is_hidden
            verdicts.add(ForwardingVerdict.KEEP if excused else ForwardingVerdict.EXTERNAL)
    for verdict in (
        ForwardingVerdict.EXTERNAL,
        ForwardingVerdict.UNRESOLVED,
        Verdict.COULD_NOT_TELL,
        ForwardingVerdict.KEEP,
    ):
        if verdict in verdicts:
            return verdict
    return None


def rate_forward(
    verdict: str, policy_result: ForwardingPolicyResult, is_unseen: bool = False
) -> Severity:
    """How bad a forward is, by what becomes of the mail and whether anybody could notice."""
    if verdict in (ForwardingVerdict.KEEP, ForwardingVerdict.DORMANT):
        return Severity.INFO
    if verdict is ForwardingVerdict.EXTERNAL and is_unseen:
        return Severity.CRITICAL
    if verdict is ForwardingVerdict.EXTERNAL:
        return Severity.MEDIUM if policy_result is ForwardingPolicyResult.BLOCKED else Severity.HIGH
    if verdict == Verdict.COULD_NOT_TELL:
        # A group of the tenant, most often of colleagues alone.
        return Severity.MEDIUM if is_unseen else Severity.LOW
    return Severity.HIGH if is_unseen else Severity.MEDIUM


def build_forward_fingerprint(targets: Iterable[ForwardTarget]) -> str:
    """The dangerous part of a forward: whom it sends to, and neither its name nor its id."""
    sent = {
        target.identity for target in targets if target.location is not RecipientLocation.INSIDE
    }
    return json.dumps(sorted(sent), separators=(",", ":"))


def build_correlations(verdict: str, targets: Iterable[ForwardTarget]) -> tuple[Correlation, ...]:
    """The outside addresses mail goes to now: the same one in several mailboxes is no accident. An
    address of its own for each mailbox leads to the same place where only what follows a plus sign
    differs, and belongs to the same people where the domain is theirs.
    """
    if verdict is not ForwardingVerdict.EXTERNAL:
        return ()
    outside = {find_base_address(one) for one in list_outside_addresses(targets)}
    domains = set(map(get_address_domain, outside)) - load_mail_providers() - {""}
    return (
        *bound_correlations(
            Correlation.of(one, f"mail to {quote_text(one, MAX_ADDRESS_LENGTH)}") for one in outside
        ),
        *bound_correlations(
            Correlation.of(
                f"domain {one}",
                f"mail to addresses of {quote_text(one, MAX_ADDRESS_LENGTH)}",
                is_loose=True,
            )
            for one in domains
        ),
    )


def bound_correlations(shared: Iterable[Correlation]) -> tuple[Correlation, ...]:
    """The first of what is shared, in an order that stays the same."""
    return tuple(sorted(shared, key=lambda one: one.key)[:MAX_SHOWN])
