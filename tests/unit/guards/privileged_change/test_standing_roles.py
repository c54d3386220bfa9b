"""Roles that are held for good past activation, and who may register devices."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.model.findings import Finding
from core.tenant.configuration import Configuration
from tests.support.watched_looks import COLLECTIONS, Looks

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
READER = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
ENDS = "2026-12-01T00:00:00Z"


def eligible(role: str = GLOBAL_ADMINISTRATOR, who: str = "u1") -> Configuration:
    values = {"roleDefinitionId": role, "principalId": who, "directoryScopeId": "/"}
    return Configuration("role-eligibility-instance", f"e-{role}-{who}", "", values)


def held(kind: str = "Assigned", ends: str | None = None, **more: Any) -> Configuration:
    values = {
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "principalId": "u1",
        "directoryScopeId": "/",
        "assignmentType": kind,
        "endDateTime": ends,
        **more,
    }
    return Configuration("role-assignment-instance", f"a-{kind}", "", values)


async def tell(*looks_at: tuple[Configuration, ...]) -> list[Finding]:
    """What is told at the last of some looks."""
    looks = Looks(COLLECTIONS["standing-role"])
    found: list[Finding] = []
    for rows in looks_at:
        found = await looks.look(rows)
    return found


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        # Activated, and the activation ends.
        ((eligible(),), (eligible(), held("Activated", ENDS)), ""),
        ((eligible(), held("Activated", ENDS)), (eligible(),), ""),
        # Given for good, whether the eligibility stays or goes in the same moment.
        ((eligible(),), (eligible(), held()), "high"),
        ((eligible(), held("Activated", ENDS)), (held(),), "high"),
        # Given with an end.
        ((eligible(),), (eligible(), held(ends=ENDS)), "medium"),
        # Decades ahead is no end, and of several assignments the endless one counts.
        ((eligible(),), (eligible(), held(ends="9999-12-31T00:00:00Z")), "high"),
        ((eligible(),), (eligible(), held(), held("assigned", ends=ENDS)), "high"),
        # Never eligible: a new administrator, which is told as that.
        ((), (held(),), ""),
        ((), (eligible(), held()), ""),
        # Of a unit alone, or a role that opens nothing.
        ((eligible(),), (eligible(), held(directoryScopeId="/administrativeUnits/1")), ""),
        ((eligible(READER),), (eligible(READER), held(roleDefinitionId=READER)), ""),
        # There from the first look.
        ((eligible(), held()), (eligible(), held()), ""),
    ],
)
async def test_who_could_activate_a_role_and_holds_it_for_good_is_told(
    before: tuple[Configuration, ...], after: tuple[Configuration, ...], severity: str
) -> None:
    for repeats in (1, 3):
        found = await tell(before, before, *[after] * repeats)
        assert [one.severity.label for one in found] == ([severity] if severity else [])
        assert all(one.held_account == "u1" for one in found)


async def test_it_is_over_when_the_role_is_taken_away() -> None:
    assert await tell((eligible(),), (eligible(), held()), (eligible(),)) == []


EVERYBODY = {"odataType": "#microsoft.graph.allDeviceRegistrationMembership"}
SOME = {
    "odataType": "#microsoft.graph.enumeratedDeviceRegistrationMembership",
    "users": ["u1"],
    "groups": ["g1"],
}


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            {"multiFactorAuthConfiguration": "required"},
            {"multiFactorAuthConfiguration": "notRequired"},
            "high: The device registration policy of the tenant no longer asks for a second factor",
        ),
        (
            {"azureADJoin": {"allowedToJoin": SOME}},
            {"azureADJoin": {"allowedToJoin": EVERYBODY}},
            "medium: The device registration policy of the tenant lets everybody join devices",
        ),
        (
            {"azureADJoin": {"allowedToJoin": SOME}},
            {"azureADJoin": {"allowedToJoin": {**SOME, "groups": ["g1", "g2"]}}},
            "lets g2 join devices",
        ),
        (
            {"azureADJoin": {"allowedToJoin": EVERYBODY}},
            {"azureADJoin": {"allowedToJoin": SOME}},
            "",
        ),
        (
            {"localAdminPassword": {"isEnabled": True}},
            {"localAdminPassword": {"isEnabled": False}},
            "low: ",
        ),
        ({"userDeviceQuota": 50}, {"userDeviceQuota": 2147483647}, "low: "),
        ({"userDeviceQuota": 50}, {"userDeviceQuota": 20}, ""),
        ({}, {"multiFactorAuthConfiguration": "required"}, ""),
    ],
)
async def test_a_registration_policy_that_asks_less_is_told(
    before: Mapping[str, Any], after: Mapping[str, Any], says: str
) -> None:
    looks = Looks(COLLECTIONS["device-registration"])

    def row(values: Mapping[str, Any]) -> list[Configuration]:
        return [Configuration("device-registration-policy", "", "policy", values)]

    await looks.look(row(before))
    found = await looks.look(row(after))
    said = "; ".join(f"{one.severity.label}: {one.summary}" for one in found)
    assert bool(said) is bool(says)
    assert says in said
