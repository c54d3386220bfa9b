"""What a person expects to hear about what protects the tenant, and what stays quiet."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.guards.privileged_change import GUARD
from core.tenant.configuration import Configuration
from tests.support.watched_looks import COLLECTIONS, Looks

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
MESSAGE_CENTER_READER = "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b"


def ask(state: str = "enabled", controls: tuple[str, ...] = ("mfa",), **users: object) -> Any:
    """A Conditional Access policy for everybody."""
    return {
        "state": state,
        "conditions": {"users": {"includeUsers": ["All"], **users}},
        "grantControls": {"operator": "OR", "builtInControls": [*controls]},
    }


async def tell(
    name: str, source: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> str:
    """What is said of one object between two looks; None: it is not there."""
    looks = Looks(COLLECTIONS[name])

    def rows(values: Mapping[str, Any] | None) -> list[Configuration]:
        return [] if values is None else [Configuration(source, "p1", "Policy", values)]

    await looks.look(rows(before))
    if after is None:
        await looks.look(rows(after))
    found = await looks.look(rows(after))
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ask(), ask(excludeUsers=["u1"]), "high: The Conditional Access policy Policy leaves out"),
        (ask(excludeUsers=["u1"]), ask(), ""),
        (ask(), ask(state="enabledForReportingButNotEnforced"), "high"),
        (ask(state="disabled"), ask(), ""),
        (ask(), ask(controls=()), "high"),
        (ask(controls=()), ask(), ""),
        (ask(), ask(includeUsers=["u1"]), "high"),
        (ask(), ask(excludeGuestsOrExternalUsers={"externalTenants": None}), "high"),
        (ask(state="disabled"), ask(state="disabled", excludeUsers=["u1"]), ""),
        (ask(), None, "high"),
        (None, ask(), ""),
    ],
)
async def test_a_policy_is_told_when_it_asks_less_or_leaves_out_more(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, expected: str
) -> None:
    said = await tell("conditional-access-policy", "conditional-access-policy", before, after)
    assert said.startswith(expected)
    assert bool(said) == bool(expected)


def activate(role: str, *asked: str, **rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a role is activated."""
    given = [{"id": name, **values} for name, values in rules.items()]
    enabled = {"id": "Enablement_EndUser_Assignment", "enabledRules": [*asked]}
    return {"roleDefinitionId": role, "policy": {"rules": [enabled, *given]}}


MFA = "MultiFactorAuthentication"
CONTEXT = {"AuthenticationContext_EndUser_Assignment": {"isEnabled": True}}
APPROVED = {"Approval_EndUser_Assignment": {"setting": {"isApprovalRequired": True}}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (activate(GLOBAL_ADMINISTRATOR, MFA), activate(GLOBAL_ADMINISTRATOR), "high"),
        (activate(GLOBAL_ADMINISTRATOR, MFA), activate(GLOBAL_ADMINISTRATOR, **CONTEXT), ""),
        (activate(GLOBAL_ADMINISTRATOR, **APPROVED), activate(GLOBAL_ADMINISTRATOR), "high"),
        (activate(GLOBAL_ADMINISTRATOR), activate(GLOBAL_ADMINISTRATOR, MFA, **APPROVED), ""),
        (activate(MESSAGE_CENTER_READER, MFA), activate(MESSAGE_CENTER_READER), ""),
    ],
)
async def test_a_powerful_role_is_told_when_it_is_easier_to_take(
    before: Mapping[str, Any], after: Mapping[str, Any], expected: str
) -> None:
    said = await tell("role-activation", "role-activation-policy", before, after)
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("microsoft.directory/applications/credentials/update", "high"),
        ("microsoft.directory/servicePrincipals/managePermissionGrantsForAll.x", "high"),
        ("microsoft.directory/users/password/update", "high"),
        ("microsoft.directory/devices/enable", "medium"),
        ("microsoft.directory/users/standard/read", ""),
    ],
)
async def test_a_role_of_ones_own_is_as_grave_as_its_gravest_action(
    action: str, expected: str
) -> None:
    values = {"rolePermissions": [{"allowedResourceActions": [action]}]}
    said = await tell("directory-role", "own-directory-role", None, values)
    assert said.partition(":")[0] == expected


async def test_a_unit_that_shields_is_told_and_an_ordinary_one_is_not() -> None:
    plain, restricted = {"members": ["u1"]}, {"isMemberManagementRestricted": True}
    assert await tell("administrative-unit", "administrative-unit", None, plain) == ""
    assert (await tell("administrative-unit", "administrative-unit", None, restricted)).startswith(
        "high"
    )


async def test_an_authority_renewed_with_the_same_key_is_the_same() -> None:
    def trust(key: str, certificate: str) -> Mapping[str, Any]:
        row = {"issuerSki": key, "certificate": certificate, "isRootAuthority": True}
        return {"certificateBasedAuthConfiguration": [{"certificateAuthorities": [row]}]}

    name = "certificate-authority"
    assert await tell(name, name, trust("k", "old"), trust("k", "renewed")) == ""
    assert (await tell(name, name, trust("k", "old"), trust("other", "x"))).startswith("critical")


def test_the_guard_only_reads() -> None:
    assert not any(one.writes for one in GUARD.permissions)
    assert "eDiscovery.Read.All" in {one.name for one in GUARD.permissions if one.optional}
