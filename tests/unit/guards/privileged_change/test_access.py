"""What a Conditional Access policy asks of sessions, and what it means that it asks less."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.guards.privileged_change.access import (
    HOURS,
    IN_FORCE,
    LOCATION_PAGE,
    POLICY_PAGE,
    TRUSTED,
    explain_location_loss,
    explain_policy_loss,
    list_alternatives,
    list_cases,
    list_conditions,
    list_session_controls,
    list_session_traits,
    restore_location,
    restore_policy,
)
from core.model.findings import Severity, Shell, Step
from core.tenant.configuration import Configuration
from core.watched.items import Trait
from tests.support.privileged_tenants import ON, policy


def keep(**controls: object) -> Configuration:
    """A policy that asks this of sessions."""
    values = {"state": ON, "sessionControls": controls}
    return Configuration("conditional-access-policy", "p1", "Policy", values)


@pytest.mark.parametrize(
    ("frequency", "hours"),
    [
        ({"type": "hours", "value": 4, "frequencyInterval": "timeBased"}, 4),
        ({"type": "hours", "value": 5, "frequencyInterval": "timeBased"}, 8),
        ({"type": "Days", "value": "3", "frequencyInterval": "timeBased"}, 72),
        ({"type": "days", "value": 90, "frequencyInterval": "timeBased"}, 2160),
        # Each time, whatever number is left from before.
        ({"type": "days", "value": 90, "frequencyInterval": "EveryTime"}, 0),
        # How often is not told: whatever is asked later is less.
        ({}, 0),
    ],
)
def test_how_often_somebody_signs_in_again_is_known_by_every_longer_time(
    frequency: Mapping[str, object], hours: int
) -> None:
    asking = keep(signInFrequency={"isEnabled": True, **frequency})
    assert list(list_session_controls(asking)) == [
        "session signInFrequency",
        *(f"again within {one}" for one in HOURS if one >= hours),
    ]
    assert not [*list_session_controls(keep(signInFrequency=frequency))]


@pytest.mark.parametrize(
    ("controls", "traits"),
    [
        (
            {"continuousAccessEvaluation": {"mode": "Disabled"}},
            [
                Trait(
                    "no continuous evaluation",
                    "switches off continuous access evaluation: a stolen token lasts longer",
                    Severity.HIGH,
                )
            ],
        ),
        ({"continuousAccessEvaluation": {"mode": "strictEnforcement"}}, []),
        (
            {"persistentBrowser": {"isEnabled": True, "mode": "Always"}},
            [Trait("always persistent", "keeps browsers signed in", Severity.MEDIUM)],
        ),
        ({"persistentBrowser": {"isEnabled": True, "mode": "never"}}, []),
        ({"persistentBrowser": {"isEnabled": False, "mode": "always"}}, []),
        ({"persistentBrowser": {"mode": "always"}}, []),
    ],
)
def test_what_makes_a_session_last_longer_is_told_where_it_is_on(
    controls: Mapping[str, object], traits: list[Trait]
) -> None:
    assert list(list_session_traits(keep(**controls))) == traits


def test_a_condition_that_nobody_knows_narrows_and_a_note_of_graph_does_not() -> None:
    conditions: dict[str, Any] = {"ofTomorrow": ["x"], "users@odata.context": "https://graph"}
    narrowed = policy(ON, **conditions)
    (told,) = list_conditions(narrowed)
    assert told.text == "only counts under a condition that is not known (ofTomorrow)"
    assert told.severity is Severity.LOW


def test_what_is_no_list_of_cases_is_one_case_and_the_same_in_every_version() -> None:
    # It is remembered from look to look, and compared after an upgrade.
    path = "conditions.signInRiskLevels"
    assert list_cases(policy(ON, signInRiskLevels={"least": 5}), path) == ("c52a76b1289358a6",)
    assert list_cases(policy(ON, signInRiskLevels={"least": "high"}), path) == ("high",)
    assert list_cases(policy(ON, signInRiskLevels=["high", "low"]), path) == ("high", "low")
    assert list_cases(policy(ON, signInRiskLevels=["ALL"]), path) == ()
    assert list_cases(policy(ON), path) == ()


@pytest.mark.parametrize(
    ("token", "text", "severity"),
    [
        ("in force", "is no longer enforced", Severity.HIGH),
        ("again within 4", "asks again after a longer time, or not at all", Severity.MEDIUM),
        ("session secureSignInSession", "no longer binds tokens to devices", Severity.MEDIUM),
        # Remembered by another version.
        ("session ofTomorrow", "asks less of a session", Severity.MEDIUM),
        ("control mfa", "no longer asks for mfa", Severity.HIGH),
        ("control user of mine", "no longer asks for user of mine", Severity.HIGH),
        ("control block", "lets people in whom it blocked", Severity.HIGH),
        ("control strength s1", "no longer asks for the strength s1", Severity.HIGH),
        (
            "control strength 00000000-0000-0000-0000-000000000004",
            "no longer asks for the strength Phishing-resistant MFA",
            Severity.HIGH,
        ),
        ("for user u1", "no longer counts for the user u1", Severity.HIGH),
        ("at risk of a user high", "no longer counts for the risk of a user high", Severity.HIGH),
        ("every user", "no longer counts for every user", Severity.HIGH),
        ("any platform", "only counts under a condition (platform)", Severity.HIGH),
        ("all controls", "no longer asks for all of its controls together", Severity.HIGH),
        ("asks", "no longer asks for anything before access", Severity.HIGH),
    ],
)
def test_what_it_means_that_a_policy_asks_less(token: str, text: str, severity: Severity) -> None:
    assert explain_policy_loss(token) == Trait(token, text, severity)


@pytest.mark.parametrize(
    ("strength", "shown"),
    [
        ({"id": "s1", "displayName": "Our\u202e"}, "is also met by the strength Our\\u202e"),
        ({"id": "s1"}, "is also met by the strength s1"),
        # What Microsoft builds in has one name, whatever is printed beside it.
        (
            {"id": "00000000-0000-0000-0000-000000000002", "displayName": "Phishing-resistant MFA"},
            "is also met by the strength Multifactor authentication",
        ),
    ],
)
def test_a_strength_is_shown_by_its_name_and_known_by_its_id(
    strength: Mapping[str, str], shown: str
) -> None:
    controls = {"builtInControls": ["compliantDevice"], "authenticationStrength": strength}
    values = {"state": ON, "grantControls": {"operator": "OR", **controls}}
    asking = Configuration("conditional-access-policy", "p1", "Policy", values)
    *_, told = list_alternatives(asking)
    assert (told.token, told.text) == (f"or strength {strength['id']}", shown)


def test_what_it_means_that_a_location_is_smaller() -> None:
    assert explain_location_loss("asks 192.0.2.0/24").text == (
        "no longer stands for 192.0.2.0/24 in a policy that asks something there"
    )


def test_a_policy_is_enforced_again_and_the_rest_is_set_back_by_a_person() -> None:
    enforce = Step(
        "Unless somebody answers for it: enforce the policy again.",
        "Invoke-MgGraphRequest -Method PATCH -Uri "
        "'v1.0/identity/conditionalAccess/policies/p1' -Body (@{ state = 'enabled' } | "
        "ConvertTo-Json -Depth 5)",
        Shell.GRAPH,
    )
    rest = Step(f"Set back the rest: {POLICY_PAGE}.")
    assert restore_policy("p1", [IN_FORCE]) == (enforce,)
    assert restore_policy("p1", ["control mfa", IN_FORCE]) == (enforce, rest)
    assert restore_policy("p1", ["control mfa"]) == ()


def test_a_location_is_trusted_no_longer_and_the_rest_is_set_back_by_a_person() -> None:
    alone, both = restore_location("l1", [TRUSTED]), restore_location("l1", [TRUSTED, "country kp"])
    assert alone[0].text == "Unless somebody answers for it: trust it no longer."
    assert "'v1.0/identity/conditionalAccess/namedLocations/l1'" in alone[0].command
    assert "isTrusted = $false" in alone[0].command
    assert both == (*alone, Step(f"Set back the rest: {LOCATION_PAGE}."))
    assert len(alone) == 1
    assert restore_location("l1", ["country kp"]) == ()
