"""What an operator is told to type about news of a watched collection."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.model.findings import Finding
from core.tenant.configuration import Configuration
from core.watched.items import WatchedCollection
from tests.support.remedy_checks import is_changing
from tests.support.watched_examples import EXAMPLES
from tests.support.watched_looks import COLLECTIONS, Looks

KNOWN, OTHER = "id-known", "id-other"
# A person decides how these are put right, and why no command can say it.
BY_HAND: Mapping[str, str] = {
    "conditional-access-policy": "whom it leaves out are lists that are set whole",
    "arc-config": "its sealers are a list that is set whole",
    "cross-tenant-default": "what was set before counts for all tenants, and is not known",
    "federated-organization": "its domains are a person's to choose",
    "quarantine-policy": "its rights are one number that is set whole",
    "report-policy": "its addresses are lists that are set whole",
    "partner-role-group": "the partner is ended in the Microsoft 365 admin center",
    "role-assignment-policy": "its roles are a list that is set whole",
    "application-access-policy": "which mailboxes the app was limited to is not known",
    "role-activation": "its rules are set whole",
    "certificate-authority": "they are one list that is set whole",
    "management-role": "who holds it is shown first: removing it ends what everybody has by it",
    "notice-contact": "its addresses are lists that are set whole",
    "administrator": "who is to hold the role again is a person's to decide",
    "device-registration": "the policy is set whole",
    "requested-permission": "what an app asks for is a list that is set whole",
}


async def find_news(collection: WatchedCollection, *, is_new: bool) -> list[Finding]:
    """What is told of a new item, or of a known one that opens more or keeps less."""
    example, looks = EXAMPLES[collection.name], Looks(collection)
    known, others = example.build(KNOWN), example.others
    if not is_new:
        await looks.look([*others, known])
        return await looks.look([*others, example.build(KNOWN, example.wider)])
    await looks.look([*others, *([] if example.is_single else [known])])
    return await looks.look(
        [*others, known, *([] if example.is_single else [example.build(OTHER)])]
    )


async def test_each_collection_says_what_to_type_or_why_a_person_decides() -> None:
    for name, collection in COLLECTIONS.items():
        told = [
            *await find_news(collection, is_new=True),
            *await find_news(collection, is_new=False),
        ]
        commands = [step.command for one in told for step in one.steps if is_changing(step.command)]
        assert bool(commands) is (name not in BY_HAND), f"{name}: {told}"


async def play(
    name: str, source: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[str]:
    """The commands that change something, after one object changed between two looks."""
    looks = Looks(COLLECTIONS[name])
    others = [one for one in EXAMPLES[name].others if one.source != source]
    identity = KNOWN if name == "excluded-group" else "p1"
    await looks.look([*others, Configuration(source, identity, "One", before)])
    found = await looks.look([*others, Configuration(source, identity, "One", after)])
    steps = [step for one in found for step in one.steps]
    return [
        one.command or one.text for one in steps if is_changing(one.command) or "rest" in one.text
    ]


HAND = "Set back the rest by hand: what was saved first says how it is now."


@pytest.mark.parametrize(
    ("name", "before", "after", "commands"),
    [
        (
            "anti-phish-policy",
            {},
            {"EnableSpoofIntelligence": False, "HonorDmarcPolicy": False},
            [
                "Set-AntiPhishPolicy -Identity 'p1' -EnableSpoofIntelligence $true "
                "-HonorDmarcPolicy $true"
            ],
        ),
        (
            "anti-phish-policy",
            {"PhishThresholdLevel": 3, "TargetedUsersToProtect": ["Ann;ann@contoso.com"]},
            {"PhishThresholdLevel": 1, "ExcludedSenders": ["o'hara@lookalike.example"]},
            [
                "Set-AntiPhishPolicy -Identity 'p1' -PhishThresholdLevel 3 "
                "-ExcludedSenders @{Remove='o''hara@lookalike.example'} "
                "-TargetedUsersToProtect @{Add='ann;ann@contoso.com'}"
            ],
        ),
        # How weak it was before is known by the first step that is new.
        (
            "content-filter-policy",
            {"SpamAction": "MoveToJmf", "BulkThreshold": 6},
            {"SpamAction": "NoAction", "BulkThreshold": 9},
            [
                "Set-HostedContentFilterPolicy -Identity 'p1' -SpamAction 'MoveToJmf' "
                "-BulkThreshold 6"
            ],
        ),
        # An entry that is too long to be remembered whole cannot be taken out by its name.
        (
            "content-filter-policy",
            {},
            {"AllowedSenderDomains": [f"{'a' * 70}.example"], "PhishZapEnabled": False},
            ["Set-HostedContentFilterPolicy -Identity 'p1' -PhishZapEnabled $true", HAND],
        ),
        ("content-filter-policy", {}, {"AllowedSenderDomains": [f"{'a' * 70}.example"]}, []),
        (
            "malware-filter-policy",
            {"FileTypes": ["exe", "js"]},
            {"FileTypes": ["exe"], "ZapEnabled": False},
            ["Set-MalwareFilterPolicy -Identity 'p1' -ZapEnabled $true", HAND],
        ),
        (
            "connection-filter-policy",
            {},
            {"EnableSafeList": True, "IPAllowList": ["192.0.2.0/24"]},
            [
                "Set-HostedConnectionFilterPolicy -Identity 'p1' -EnableSafeList $false "
                "-IPAllowList @{Remove='192.0.2.0/24'}"
            ],
        ),
        # What a tenant sets of Microsoft's presets, it sets in a wizard.
        (
            "anti-phish-policy",
            {"RecommendedPolicyType": "Strict"},
            {"RecommendedPolicyType": "Strict", "ExcludedSenders": ["a@b.example"]},
            [],
        ),
        (
            "anti-phish-rule",
            {"State": "Enabled"},
            {"State": "Disabled"},
            ["Enable-AntiPhishRule -Identity 'p1'"],
        ),
        (
            "preset-rule",
            {"State": "Enabled"},
            {"State": "Disabled", "ExceptIfSentTo": ["ann@contoso.com"]},
            [
                "Enable-EOPProtectionPolicyRule -Identity 'p1'",
                "Set back the rest, whom it is for: Defender portal > Policies > Threat policies.",
            ],
        ),
        ("anti-phish-rule", {}, {"SentTo": ["ann@contoso.com"]}, []),
        (
            "phish-simulation-rule",
            {"Domains": ["exercise.example"]},
            {"Domains": ["exercise.example", "evil.example"]},
            ["Set-ExoPhishSimOverrideRule -Identity 'p1' -RemoveDomains 'evil.example'"],
        ),
        (
            "dkim-config",
            {"Enabled": True},
            {"Enabled": False},
            ["Set-DkimSigningConfig -Identity 'p1' -Enabled $true"],
        ),
        (
            "report-policy",
            {"EnableReportToMicrosoft": True},
            {"EnableReportToMicrosoft": False},
            [
                "Set-ReportSubmissionPolicy -Identity 'DefaultReportSubmissionPolicy' "
                "-EnableReportToMicrosoft $true"
            ],
        ),
        (
            "conditional-access-policy",
            {"state": "enabled"},
            {"state": "disabled"},
            [
                "Invoke-MgGraphRequest -Method PATCH "
                "-Uri 'v1.0/identity/conditionalAccess/policies/p1' "
                "-Body (@{ state = 'enabled' } | ConvertTo-Json -Depth 5)"
            ],
        ),
        (
            "administrative-unit",
            {"isMemberManagementRestricted": True, "members": [{"id": "u1"}]},
            {"isMemberManagementRestricted": True, "members": [{"id": "u1"}, {"id": "u2"}]},
            [
                "Invoke-MgGraphRequest -Method DELETE "
                "-Uri 'v1.0/directory/administrativeUnits/p1/members/u2/$ref'"
            ],
        ),
        (
            "role-group",
            {"Roles": ["Mail Recipients"], "Get-RoleGroupMember": [{"Guid": "u1", "Name": "Ann"}]},
            {
                "Roles": ["Mail Recipients"],
                "Get-RoleGroupMember": [
                    {"Guid": "u1", "Name": "Ann"},
                    {"Guid": "u2", "Name": "Eve"},
                ],
            },
            ["Remove-RoleGroupMember -Identity 'p1' -Member 'u2' -Confirm:$false"],
        ),
        # Who was left out before, such as an emergency account, stays so.
        (
            "excluded-group",
            {"members": [{"id": "u1"}]},
            {"members": [{"id": "u1"}, {"id": "u2"}], "owners": [{"id": "u3"}]},
            [
                "Invoke-MgGraphRequest -Method DELETE -Uri 'v1.0/groups/id-known/owners/u3/$ref'",
                "Invoke-MgGraphRequest -Method DELETE -Uri 'v1.0/groups/id-known/members/u2/$ref'",
            ],
        ),
        (
            "administrative-unit",
            {},
            {"isMemberManagementRestricted": True, "members": [{"id": "u1"}]},
            ["Invoke-MgGraphRequest -Method DELETE -Uri 'v1.0/directory/administrativeUnits/p1'"],
        ),
    ],
)
async def test_what_got_laxer_is_set_back_to_what_it_was_by_one_command(
    name: str, before: Mapping[str, Any], after: Mapping[str, Any], commands: list[str]
) -> None:
    source = EXAMPLES[name].source
    assert await play(name, source, before, after) == commands


async def test_a_preset_is_saved_with_all_policies_since_its_id_is_none() -> None:
    looks = Looks(COLLECTIONS["anti-phish-policy"])
    others = EXAMPLES["anti-phish-policy"].others
    values: dict[str, Any] = {"RecommendedPolicyType": "Strict"}
    await looks.look([*others, Configuration("anti-phish-policy", "p1", "Strict", values)])
    values = values | {"ExcludedSenders": ["a@b.example"]}
    (found,) = await looks.look(
        [*others, Configuration("anti-phish-policy", "p1", "Strict", values)]
    )
    assert found.steps[0].text == "Save all anti-phishing policies, before anything is changed."
    assert found.steps[0].command.startswith("Get-AntiPhishPolicy | ")


async def test_a_method_that_is_switched_on_is_switched_off_by_the_name_of_its_type() -> None:
    looks = Looks(COLLECTIONS["authentication-method"])
    name = "authenticationMethodConfigurations"

    def allow(identity: str, state: str) -> Configuration:
        source = EXAMPLES["authentication-method"].source
        return Configuration(source, "p", "p", {name: [{"id": identity, "state": state}]})

    await looks.look([allow("TemporaryAccessPass", "disabled")])
    (found,) = await looks.look([allow("TemporaryAccessPass", "enabled")])
    (command,) = [step.command for step in found.steps if is_changing(step.command)]
    assert f"/{name}/temporaryAccessPass'" in command
    assert "'#microsoft.graph.temporaryAccessPassAuthenticationMethodConfiguration'" in command
