"""What a person expects to hear about filters and allow lists, and what stays quiet."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.guards.mail_protection import GUARD
from core.guards.mail_protection.policies import (
    ANTI_PHISH,
    CONNECTION,
    CONTENT,
    DEFENDER_FOR_FILES,
    MALWARE,
    SAFE_ATTACHMENTS,
    SAFE_LINKS,
)
from core.guards.mail_protection.properties import FilterShape
from core.tenant.configuration import Configuration
from tests.support.remedy_checks import load_cmdlets
from tests.support.watched_looks import COLLECTIONS, Looks

DOMAIN = Configuration("accepted-domain", "contoso.com", "contoso.com", {})


async def tell(
    name: str, source: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> str:
    """What is said of one object between two looks; None: it is not there."""
    looks = Looks(COLLECTIONS[name])

    def rows(values: Mapping[str, Any] | None) -> list[Configuration]:
        found = [] if values is None else [Configuration(source, "p1", "Policy", values)]
        return [DOMAIN, *found]

    await looks.look(rows(before))
    if after is None:
        await looks.look(rows(after))
    found = await looks.look(rows(after))
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"EnableSpoofIntelligence": False}, "medium"),
        ({}, {"EnableSpoofIntelligence": "False"}, "medium"),
        ({}, {"HonorDmarcPolicy": False}, "medium"),
        ({"HonorDmarcPolicy": False}, {"HonorDmarcPolicy": True}, ""),
        ({"AuthenticationFailAction": "MoveToJmf"}, {"AuthenticationFailAction": "Quarantine"}, ""),
        (
            {"AuthenticationFailAction": "Quarantine"},
            {"AuthenticationFailAction": "MoveToJmf"},
            "medium",
        ),
        ({"PhishThresholdLevel": 3}, {"PhishThresholdLevel": 1}, "low"),
        ({"PhishThresholdLevel": 1}, {"PhishThresholdLevel": "4"}, ""),
        ({"TargetedUsersToProtect": ["a;a@x"]}, {"TargetedUsersToProtect": []}, "medium"),
        ({"EnableTargetedUserProtection": True}, {"EnableTargetedUserProtection": False}, "medium"),
        ({}, {"ExcludedSenders": ["a@freemail.example"]}, "medium"),
        (
            {
                "EnableTargetedUserProtection": True,
                "TargetedUserProtectionAction": "Quarantine",
            },
            {"EnableTargetedUserProtection": True, "TargetedUserProtectionAction": "NoAction"},
            "medium",
        ),
        # Without the switch nothing was done, and what is done now can only be more.
        (
            {"TargetedUserProtectionAction": "NoAction"},
            {"EnableTargetedUserProtection": True, "TargetedUserProtectionAction": "NoAction"},
            "",
        ),
        (
            {
                "EnableTargetedUserProtection": True,
                "TargetedUserProtectionAction": "Quarantine",
            },
            {
                "EnableTargetedUserProtection": True,
                "TargetedUserProtectionAction": "Redirect",
                "TargetedUserActionRecipients": ["thief@drop.example"],
            },
            "high",
        ),
        ({}, {"ExcludedDomains": ["contoso.com"]}, "high"),
        ({"RecommendedPolicyType": "Standard"}, {"RecommendedPolicyType": "Standard"}, ""),
    ],
)
async def test_a_policy_is_told_when_it_protects_less(
    before: Mapping[str, Any], after: Mapping[str, Any], expected: str
) -> None:
    said = await tell("anti-phish-policy", "anti-phish-policy", before, after)
    assert said.partition(":")[0] == expected


async def test_what_microsoft_changes_in_a_preset_is_no_news_and_what_the_tenant_does_is() -> None:
    preset = {"RecommendedPolicyType": "Strict", "TargetedUsersToProtect": ["a;a@x"]}
    weaker = preset | {"EnableSpoofIntelligence": False, "PhishThresholdLevel": 1}
    emptied = preset | {"TargetedUsersToProtect": []}
    assert await tell("anti-phish-policy", "anti-phish-policy", preset, weaker) == ""
    assert "no longer protects a;a@x" in await tell(
        "anti-phish-policy", "anti-phish-policy", preset, emptied
    )


async def test_a_policy_beside_the_preset_that_calls_itself_one_is_a_policy_of_the_tenant() -> None:
    looks = Looks(COLLECTIONS["anti-phish-policy"])
    kind = {"RecommendedPolicyType": "Standard"}
    real = Configuration("anti-phish-policy", "p1", "Standard Preset", kind)
    weak = kind | {"EnableSpoofIntelligence": False}
    other = Configuration("anti-phish-policy", "p2", "Standard Preset Too", weak)
    assert await looks.look([DOMAIN, real]) == []
    said = {one.object_id: one.summary for one in await looks.look([DOMAIN, real, other])}
    assert "no longer looks for spoofing" in said["p2"]
    assert said.keys() == {"p1", "p2"}


async def test_a_preset_that_is_made_anew_is_the_same_policy() -> None:
    looks = Looks(COLLECTIONS["anti-phish-policy"])
    values = {"RecommendedPolicyType": "Standard"}
    for identity in ("old", "new", "new"):
        item = Configuration("anti-phish-policy", identity, f"Preset {identity}", values)
        assert await looks.look([DOMAIN, item]) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"SpamAction": "MoveToJmf"}, {"SpamAction": "ModifySubject"}, "medium"),
        ({"SpamAction": "MoveToJmf"}, {"SpamAction": "Fly"}, "low"),
        (
            {"HighConfidencePhishAction": "Quarantine"},
            {"HighConfidencePhishAction": "MoveToJmf"},
            "high",
        ),
        ({"BulkThreshold": 7}, {"BulkThreshold": 8}, "low"),
        ({"BulkThreshold": 7}, {"BulkThreshold": 99}, "low"),
        ({"BulkThreshold": 7}, {"BulkThreshold": "many"}, ""),
        (
            {"HighConfidencePhishQuarantineTag": "AdminOnlyAccessPolicy"},
            {"HighConfidencePhishQuarantineTag": "DefaultFullAccessPolicy"},
            "medium",
        ),
        (
            {"HighConfidencePhishQuarantineTag": "Lax"},
            {"HighConfidencePhishQuarantineTag": "AdminOnlyAccessPolicy"},
            "",
        ),
        ({"PhishQuarantineTag": "DefaultFullAccessPolicy"}, {"PhishQuarantineTag": "Own"}, "low"),
        ({}, {"AllowedSenderDomains": ["partner.example"]}, "medium"),
        ({}, {"AllowedSenderDomains": [{"Domain": "contoso.com"}]}, "high"),
    ],
)
async def test_each_step_away_from_quarantine_is_weaker(
    before: Mapping[str, Any], after: Mapping[str, Any], expected: str
) -> None:
    said = await tell("content-filter-policy", "content-filter-policy", before, after)
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"State": "Enabled"}, {"State": "Disabled"}, "switched off"),
        ({}, {"SentTo": ["ann@contoso.com"]}, "no longer counts for everybody"),
        (
            {"SentTo": ["ann@contoso.com", "ben@contoso.com"]},
            {"SentTo": ["ann@contoso.com"]},
            "ben",
        ),
        ({"SentTo": ["ann@contoso.com"]}, {"SentTo": None}, ""),
        (
            {"RecipientDomainIs": ["contoso.com"]},
            {"RecipientDomainIs": ["contoso.com"], "SentTo": ["ann@contoso.com"]},
            "one more condition",
        ),
        # Without a condition, whomever it named is still covered as far as the others say.
        (
            {"RecipientDomainIs": ["contoso.com"], "SentTo": ["ann@contoso.com"]},
            {"RecipientDomainIs": ["contoso.com"]},
            "",
        ),
        (
            {"SentTo": ["ann@contoso.com"]},
            {"RecipientDomainIs": ["b.example"]},
            "one more condition",
        ),
        ({}, {"ExceptIfSentTo": ["ann@contoso.com"]}, "leaves out ann@contoso.com"),
        ({}, None, "is gone"),
        ({"State": "Disabled"}, None, ""),
        (None, {"State": "Enabled"}, ""),
    ],
)
async def test_a_rule_is_told_when_it_covers_fewer_people(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, expected: str
) -> None:
    said = await tell("preset-rule", "eop-preset-rule", before, after)
    assert expected in said
    assert bool(said) == bool(expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Action": "Allow", "Value": "a.example"}, "medium"),
        ({"Action": "Allow", "Value": "x@contoso.com", "RemoveAfter": 45}, "high"),
        ({"Action": "Allow", "Value": "a.example", "RemoveAfter": 45}, ""),
        ({"Action": "Allow", "Value": "a.example", "ExpirationDate": "2027-01-01"}, ""),
        ({"Action": "Allow", "Value": "a.example", "ExpirationDate": "2099-01-01"}, "medium"),
        ({"Action": "Allow", "Value": "a.example", "ExpirationDate": "some day"}, "medium"),
        ({"Action": "Allow", "Value": "a.example", "RemoveAfter": 36500}, "medium"),
        ({"Action": "Block", "Value": "a.example"}, ""),
        ({"Action": "Later", "Value": "a.example"}, "medium"),
    ],
)
async def test_an_entry_without_an_end_is_told(values: Mapping[str, Any], expected: str) -> None:
    said = await tell("allow-entry", "allow-sender", None, values)
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"SetSCL": "-1"}, "high"),
        ({"SetSCL": -1, "SenderDomainIs": ["a.example"]}, "medium"),
        ({"SetSCL": "9"}, ""),
        ({"SetSCL": "-1", "State": "Disabled"}, ""),
        ({"SetSCL": "-1", "Mode": "Audit"}, ""),
        ({"SetSCL": "-1", "Mode": "AuditAndNotify"}, ""),
        ({"SetSCL": "-1", "Mode": "Enforce"}, "high"),
        ({"SetSCL": "-1", "ExpiryDate": "2026-10-01T00:00:00Z"}, ""),
        ({"SetSCL": "-1", "ExpiryDate": "2027-10-01T00:00:00Z"}, "high"),
        ({"SetSCL": "-1", "ExpiryDate": "some day"}, "high"),
        ({"SetSCL": "-1", "FromScope": "InOrganization"}, "low"),
        ({"SetSCL": "-1", "FromScope": "NotInOrganization"}, "high"),
        # Whoever claims to be a colleague passes, unless something proves it.
        ({"SetSCL": -1, "SenderDomainIs": ["contoso.com"]}, "high"),
        ({"SetSCL": -1, "From": ["director@contoso.com"]}, "high"),
        (
            {
                "SetSCL": -1,
                "SenderDomainIs": ["contoso.com"],
                "SenderIpRanges": ["192.0.2.1"],
            },
            "medium",
        ),
        (
            {
                "SetHeaderName": "X-MS-Exchange-Organization-SkipSafeLinksProcessing",
                "SetHeaderValue": "1",
            },
            "medium",
        ),
        ({"SetHeaderName": "X-Own", "SetHeaderValue": "1"}, ""),
    ],
)
async def test_a_mail_flow_rule_is_told_for_what_it_lets_past(
    values: Mapping[str, Any], expected: str
) -> None:
    said = await tell("mail-flow-skip", "mail-flow-rule", None, values)
    assert said.partition(":")[0] == expected


async def test_reports_that_go_outside_are_high_and_inside_low() -> None:
    for address, expected in (("soc@contoso.com", ""), ("x@evil.example", "high")):
        values = {"ReportPhishAddresses": [address]}
        said = await tell("report-policy", "report-policy", {}, values)
        assert said.partition(":")[0] == (expected or "low")


def test_the_guard_only_reads_and_defender_is_optional() -> None:
    assert not any(one.writes for one in GUARD.permissions)
    optional = {one.name for one in GUARD.permissions if one.optional}
    assert "Get-SafeLinksPolicy" in optional
    assert "Get-AntiPhishPolicy" not in optional


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Quarantine", {"PhishSpamAction": "MoveToJmf"}, "medium"),
        ("Quarantine", {"PhishSpamAction": "Delete"}, ""),
        ("Delete", {"PhishSpamAction": "Quarantine"}, ""),
        ("ModifySubject", {"PhishSpamAction": "NoAction"}, "medium"),
        ("NoAction", {"PhishSpamAction": "MoveToJmf"}, ""),
        (
            "Quarantine",
            {"PhishSpamAction": "Redirect", "RedirectToRecipients": ["x@drop.example"]},
            "high",
        ),
        (
            "Quarantine",
            {"PhishSpamAction": "Redirect", "RedirectToRecipients": ["soc@contoso.com"]},
            "medium",
        ),
        ("Quarantine", {"PhishSpamAction": "SomethingNew"}, "low"),
    ],
)
async def test_an_action_is_weighed_by_what_it_lets_through_and_to_whom(
    before: str, after: Mapping[str, Any], expected: str
) -> None:
    said = await tell(
        "content-filter-policy", "content-filter-policy", {"PhishSpamAction": before}, after
    )
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    "granted",
    [
        "[PermissionToBlockSender: False\r\nPermissionToRelease: True]",
        {"PermissionToBlockSender": False, "PermissionToRelease": True},
        {"PermissionToBlockSender": "False", "PermissionToRelease": "True"},
    ],
)
async def test_rights_over_held_mail_are_understood_as_a_text_and_as_an_object(
    granted: object,
) -> None:
    said = await tell(
        "quarantine-policy",
        "quarantine-policy",
        {"EndUserQuarantinePermissions": {"PermissionToRelease": False}},
        {"EndUserQuarantinePermissions": granted},
    )
    assert said == "medium: The quarantine policy Policy lets users release held mail."


@pytest.mark.parametrize(
    ("shape", "cmdlet"),
    [
        (ANTI_PHISH, "Set-AntiPhishPolicy"),
        (MALWARE, "Set-MalwareFilterPolicy"),
        (CONTENT, "Set-HostedContentFilterPolicy"),
        (CONNECTION, "Set-HostedConnectionFilterPolicy"),
        (SAFE_LINKS, "Set-SafeLinksPolicy"),
        (SAFE_ATTACHMENTS, "Set-SafeAttachmentPolicy"),
        (DEFENDER_FOR_FILES, "Set-AtpPolicyForO365"),
    ],
)
def test_all_that_counts_about_a_filter_is_a_parameter_of_its_cmdlet(
    shape: FilterShape, cmdlet: str
) -> None:
    parts = (shape.switches, shape.holes, shape.steps, shape.numbers, shape.tags)
    names = {one.name.casefold() for part in parts for one in part}
    names |= {one.name.casefold() for part in (shape.allowed, shape.protected) for one in part}
    assert names
    assert names <= load_cmdlets()[cmdlet.casefold()]


@pytest.mark.parametrize(
    ("name", "source", "values", "severity"),
    [
        (
            "report-policy",
            "report-policy",
            {"ReportPhishAddresses": ["soc@evil.example"]},
            ("high", "low"),
        ),
        (
            "content-filter-policy",
            "content-filter-policy",
            {"SpamAction": "Redirect", "RedirectToRecipients": ["soc@evil.example"]},
            ("high", "medium"),
        ),
        (
            "leading-recipient",
            "mail-contact",
            {
                "ExternalEmailAddress": "SMTP:ann@evil.example",
                "EmailAddresses": ["smtp:ann@contoso.com"],
            },
            ("medium", ""),
        ),
        # Whoever lets a domain of the tenant pass does so for all who claim it, old or new.
        (
            "content-filter-policy",
            "content-filter-policy",
            {"AllowedSenderDomains": ["evil.example"]},
            ("high", "high"),
        ),
    ],
)
async def test_a_domain_that_was_added_a_moment_ago_keeps_nothing_inside(
    name: str, source: str, values: Mapping[str, Any], severity: tuple[str, str]
) -> None:
    evil = Configuration("accepted-domain", "evil.example", "evil.example", {})
    said = []
    for first in ([DOMAIN], [DOMAIN, evil]):
        looks = Looks(COLLECTIONS[name])
        old = [] if source == "mail-contact" else [Configuration(source, "p1", "Policy", {})]
        await looks.look([*first, *old])
        found = await looks.look([DOMAIN, evil, Configuration(source, "p1", "Policy", values)])
        said.append("; ".join(one.severity.label for one in found))
    assert tuple(said) == severity
