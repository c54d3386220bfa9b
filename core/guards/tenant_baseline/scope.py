"""For whom an object of the baseline counts, and about which allowed domains it decides. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.guards.tenant_baseline.baseline import Baseline
from core.guards.tenant_baseline.permissions import POLICIES
from core.property_values import fold_printed_text, parse_printed_bool, parse_printed_int
from core.tenant.configuration import Configuration
from core.tenant.domain_names import rank_domain_pattern, to_a_label
from core.tenant.readings import Reading

REMOTE_DOMAINS = "remote-domain"
LOWEST_PRIORITY = 1_000_000


@dataclass(frozen=True, slots=True)
class PolicyScope:
    """For whom an object counts, and its place among its kind."""

    priority: int = 0
    notes: tuple[str, ...] = ()
    is_inactive: bool = False


def find_policy_scope(configuration: Configuration, rules: Reading[Configuration]) -> PolicyScope:
    """For whom an outbound spam policy counts: rules go by priority, the default comes last."""
    if configuration.source != POLICIES:
        return PolicyScope()
    if parse_printed_bool(configuration.values.get("IsDefault")):
        return PolicyScope(LOWEST_PRIORITY, ("applies to everybody no rule names",))
    if rules.failures or not rules.complete:
        return PolicyScope(notes=("to whom it applies could not be read",))
    naming = [rule for rule in rules.items if rule_names_policy(rule, configuration)]
    switched_on = [rule for rule in naming if not is_disabled_rule(rule)]
    if not naming:
        return PolicyScope(
            LOWEST_PRIORITY, ("no rule names it: it applies to nobody now",), is_inactive=True
        )
    if not switched_on:
        return PolicyScope(
            LOWEST_PRIORITY,
            ("its rule is switched off: it applies to nobody now",),
            is_inactive=True,
        )
    place = parse_printed_int(switched_on[0].values.get("Priority"))
    shown = "of a priority that is not shown" if place is None else f"of priority {place}"
    return PolicyScope(place or 0, (f"applies to those its rule {shown} names",))


def rule_names_policy(rule: Configuration, policy: Configuration) -> bool:
    """True when a rule says for whom this policy counts."""
    named = fold_printed_text(str(rule.values.get("HostedOutboundSpamFilterPolicy") or ""))
    return bool(named) and named in {
        fold_printed_text(name)
        for name in (policy.id, policy.name, str(policy.values.get("Identity") or ""))
    }


def is_disabled_rule(rule: Configuration) -> bool:
    """True for a rule that is known to be switched off."""
    return fold_printed_text(str(rule.values.get("State"))) == "disabled"


def find_allowed_domains(
    configurations: Sequence[Configuration], baseline: Baseline
) -> Mapping[str, tuple[str, ...]]:
    """By object: the domains allowed for forwards to which it decides whether mail leaves.

    An outbound policy decides about all of them, of remote domains the one that fits closest.
    """
    result: dict[str, list[str]] = {}
    for domain in sorted(map(to_a_label, baseline.allowed_forward_domains)):
        ranks = {
            one.id: rank_domain_pattern(get_remote_name(one), domain)
            for one in configurations
            if one.source == REMOTE_DOMAINS
        }
        best = max((rank for rank in ranks.values() if rank), default=None)
        for one in configurations:
            if one.source == POLICIES or (best is not None and ranks.get(one.id) == best):
                result.setdefault(one.id, []).append(domain)
    return {identity: tuple(domains) for identity, domains in result.items()}


def is_single_remote_domain(configuration: Configuration) -> bool:
    """Whether an object is a remote domain that stands for one domain and none below it."""
    return configuration.source == REMOTE_DOMAINS and not get_remote_name(configuration).startswith(
        "*"
    )


def get_remote_name(configuration: Configuration) -> str:
    """The name of the domain that a remote domain stands for, `*` for all others."""
    return str(configuration.values.get("DomainName") or configuration.name).strip()
