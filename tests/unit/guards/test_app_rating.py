"""Apps and consent: how much an app may do in all, and how much a role of Exchange adds."""

from dataclasses import replace

import pytest

from core.guards.app_consent.credentials import describe_reach
from core.guards.app_consent.exchange_roles import judge_role_group, rate_exchange_risk
from core.guards.app_consent.grants import (
    AppGrant,
    ConsentedApp,
    HeldRole,
    RoleGroupMembership,
)
from core.guards.app_consent.rating import AppReach, find_misleading_name, measure_reach
from core.microsoft365.app_names import NameClaim
from core.microsoft365.permission_rules import PermissionRisk
from core.model.findings import Severity, format_facts
from core.tenant.apps import AppPermission
from core.tenant.sources import ROLE_HOLDERS
from tests.support.guard_tenants import GRAPH, HOME_APP

MAIL, PEOPLE = (
    AppGrant(GRAPH, AppPermission(value, "c1", "graph", value, value))
    for value in ("Mail.Read", "User.Read.All")
)
WIDE, SENSITIVE = PermissionRisk.TENANT_WIDE, PermissionRisk.SENSITIVE


@pytest.mark.parametrize("grants", [(MAIL, PEOPLE), (PEOPLE, MAIL)])
def test_the_worst_of_what_an_app_holds_counts(grants: tuple[AppGrant, ...]) -> None:
    reach = measure_reach(ConsentedApp(HOME_APP, app_grants=grants))
    assert (reach.by_itself, reach.is_empty, reach.role_source) == (SENSITIVE, False, "")


def test_an_app_that_holds_a_role_alone_holds_something() -> None:
    role = HeldRole(WIDE, ROLE_HOLDERS)
    reach = measure_reach(ConsentedApp(HOME_APP, held_role=role))
    assert (reach.by_itself, reach.is_empty, reach.role_source) == (WIDE, False, ROLE_HOLDERS)
    assert format_facts(describe_reach(reach)) == (
        "without anybody signed in it may: take over accounts, apps, mailboxes or sites",
        "by a role that it holds, and not by a consent",
    )
    assert measure_reach(ConsentedApp(HOME_APP)) == AppReach()


@pytest.mark.parametrize(
    "reach", [AppReach(WIDE), AppReach(for_everyone=WIDE), AppReach(for_users=WIDE)]
)
def test_it_does_not_matter_for_whom_the_worst_is(reach: AppReach) -> None:
    assert reach.worst is WIDE


def test_at_home_a_name_of_microsofts_misleads_whoever_made_the_app() -> None:
    app = replace(HOME_APP, name="Microsoft Teams", owner_tenant_id="")
    assert find_misleading_name(app, SENSITIVE, by_users=True) is NameClaim.MICROSOFT
    assert find_misleading_name(app, SENSITIVE, by_users=False) is None


@pytest.mark.parametrize(
    ("risk", "whole", "limited"),
    [
        (WIDE, Severity.CRITICAL, Severity.HIGH),
        (SENSITIVE, Severity.HIGH, Severity.MEDIUM),
        (PermissionRisk.BROAD, Severity.MEDIUM, Severity.LOW),
        (PermissionRisk.SIGN_IN, Severity.LOW, Severity.LOW),
    ],
)
def test_a_scope_makes_a_role_of_exchange_a_step_less_grave(
    risk: PermissionRisk, whole: Severity, limited: Severity
) -> None:
    assert rate_exchange_risk(risk, is_limited=False) is whole
    assert rate_exchange_risk(risk, is_limited=True) is limited


def test_the_name_of_a_role_group_is_cut() -> None:
    finding = judge_role_group(HOME_APP, RoleGroupMembership("n" * 300, ()))
    assert f"is in the role group {'n' * 120}… (300 characters) of Exchange" in finding.summary
