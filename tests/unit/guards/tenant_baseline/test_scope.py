"""For whom an outbound policy counts, and which object decides about an allowed domain."""

from dataclasses import replace
from typing import Any

import pytest

from core.guards.tenant_baseline.baseline import Baseline
from core.guards.tenant_baseline.permissions import POLICIES, RULES
from core.guards.tenant_baseline.scope import (
    LOWEST_PRIORITY,
    REMOTE_DOMAINS,
    PolicyScope,
    find_allowed_domains,
    find_policy_scope,
    is_disabled_rule,
    is_single_remote_domain,
    rule_names_policy,
)
from core.tenant.configuration import Configuration
from core.tenant.readings import ReadFailure, Reading

POLICY = Configuration(POLICIES, "p1", "Sales", {"Identity": "Tenant\\Sales"})


def rule(name: Any = "Sales", **values: Any) -> Configuration:
    return Configuration(RULES, "r1", "Rule", {"HostedOutboundSpamFilterPolicy": name, **values})


def scope(*rules: Configuration, policy: Configuration = POLICY, **more: Any) -> PolicyScope:
    return find_policy_scope(policy, Reading(rules, **more))


@pytest.mark.parametrize(
    ("priority", "place", "shown"),
    [
        (2, 2, "of priority 2"),
        ("0", 0, "of priority 0"),
        (None, 0, "of a priority that is not shown"),
    ],
)
def test_a_policy_counts_for_those_whom_its_rule_names(
    priority: Any, place: int, shown: str
) -> None:
    found = scope(rule("Other", Priority=9), rule(Priority=priority))
    assert found == PolicyScope(place, (f"applies to those its rule {shown} names",))


def test_the_default_counts_for_the_rest_and_comes_last() -> None:
    default = replace(POLICY, values={"IsDefault": "True"})
    assert scope(policy=default) == PolicyScope(
        LOWEST_PRIORITY, ("applies to everybody no rule names",)
    )


def test_a_policy_that_no_rule_names_or_only_one_that_is_off_counts_for_nobody() -> None:
    assert scope(rule("Other")) == PolicyScope(
        LOWEST_PRIORITY, ("no rule names it: it applies to nobody now",), is_inactive=True
    )
    off = rule(State="Disabled", Priority=1)
    assert scope(off) == PolicyScope(
        LOWEST_PRIORITY, ("its rule is switched off: it applies to nobody now",), is_inactive=True
    )
    assert scope(off, rule(Priority=3)).priority == 3


@pytest.mark.parametrize("more", [{"failures": (ReadFailure(RULES, "no"),)}, {"complete": False}])
def test_without_all_rules_nobody_knows_for_whom_it_counts(more: dict[str, Any]) -> None:
    unknown = PolicyScope(notes=("to whom it applies could not be read",))
    assert scope(rule(), **more) == unknown


def test_an_object_that_is_no_outbound_policy_counts_as_it_is() -> None:
    assert scope(policy=replace(POLICY, source=REMOTE_DOMAINS)) == PolicyScope()


@pytest.mark.parametrize("name", ["Sales", "SALES", "p1", "tenant\\sales"])
def test_a_rule_names_a_policy_by_its_name_its_id_or_its_identity(name: str) -> None:
    assert rule_names_policy(rule(name), POLICY)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("Other", POLICY),
        ("", POLICY),
        (None, POLICY),
        # What is not printed is no name that two can share.
        (None, replace(POLICY, name="", values={})),
        ("", replace(POLICY, name="", values={})),
        ("None", replace(POLICY, values={})),
        (None, replace(POLICY, name="None")),
    ],
)
def test_a_rule_without_the_name_of_a_policy_names_none(name: Any, policy: Configuration) -> None:
    assert not rule_names_policy(rule(name), policy)


@pytest.mark.parametrize(
    ("state", "is_off"), [("DISABLED", True), ("Enabled", False), ("", False), (None, False)]
)
def test_a_rule_is_off_only_where_it_says_so(state: Any, is_off: bool) -> None:
    assert is_disabled_rule(rule(State=state)) is is_off


def remote(identity: str, name: str, **values: Any) -> Configuration:
    return Configuration(REMOTE_DOMAINS, identity, name, values)


def test_an_allowed_domain_is_decided_by_the_closest_remote_domain_and_every_policy() -> None:
    objects = [
        remote("r0", "Default", DomainName="*"),
        remote("r1", "partner.example"),
        remote("r2", "Below", DomainName=" *.partner.example "),
        # Of another source, and called like a domain.
        Configuration("sharing-policy", "s1", "partner.example", {}),
        POLICY,
    ]
    allowed = frozenset({"partner.example", "b.partner.example", "else.example"})
    assert find_allowed_domains(objects, Baseline(allowed_forward_domains=allowed)) == {
        "r0": ("else.example",),
        "r1": ("partner.example",),
        "r2": ("b.partner.example",),
        "p1": ("b.partner.example", "else.example", "partner.example"),
    }
    assert find_allowed_domains(objects[3:4], Baseline(allowed_forward_domains=allowed)) == {}


def test_a_remote_domain_is_for_one_domain_unless_it_has_a_star() -> None:
    assert is_single_remote_domain(remote("r1", "partner.example"))
    assert not is_single_remote_domain(remote("r2", "Below", DomainName="*.partner.example"))
    assert not is_single_remote_domain(replace(POLICY, name="partner.example"))
