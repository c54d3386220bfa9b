"""Judges what users may give to apps by themselves. Pure."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from core.guards.app_consent.grants import POLICY
from core.guards.app_consent.remedies import build_consent_remedy
from core.guards.app_consent.texts import format_name_list
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.findings import Fact, Finding, Severity, Verdict
from core.property_values import find_property, parse_printed_bool
from core.tenant.changes import SetConfiguration
from core.tenant.configuration import Configuration

RISKY_APPS = "allowUserConsentForRiskyApps"
GRANT_POLICIES = "permissionGrantPoliciesAssigned"
PROPERTY = f"defaultUserRolePermissions.{GRANT_POLICIES}"
SELF_CONSENT_PREFIX = "managepermissiongrantsforself."


# Microsoft's own policies of what users may agree to (Microsoft Learn: Configure how users consent
# to applications), from the widest to the narrowest.
SELF_CONSENT_TEXTS: Mapping[str, str] = {
    "microsoft-user-default-legacy": "Users may let apps into their mail and files by themselves.",
    "": "Users may let apps in by themselves, as far as a policy of the tenant's own lets them.",
    "microsoft-user-default-recommended": "Users may let apps in by themselves, as far as "
    "Microsoft's current recommendation lets them.",
    "microsoft-user-default-low": "Users may let apps of verified publishers in by themselves, "
    "with permissions that the tenant calls low.",
}


def describe_self_consent(policies: Collection[str]) -> str:
    """What users may agree to by themselves, by the widest of some policies."""
    known = {one.casefold() for one in policies}
    known = {one if one in SELF_CONSENT_TEXTS else "" for one in known}
    return next(text for name, text in SELF_CONSENT_TEXTS.items() if name in known)


def may_users_register_apps(policy: Configuration | None) -> bool:
    """Whether users may register apps; also where nobody can tell."""
    permissions = policy.values.get("defaultUserRolePermissions") if policy else None
    return not (
        isinstance(permissions, Mapping) and permissions.get("allowedToCreateApps") is False
    )


def judge_consent_policy(policy: Configuration) -> Iterator[Finding]:
    """Whether users may give apps access to their mail by themselves."""
    permissions = policy.values.get("defaultUserRolePermissions")
    assigned = permissions.get(GRANT_POLICIES) if isinstance(permissions, Mapping) else None
    finding = partial(
        Finding,
        kind="user-consent",
        object_id=POLICY,
        subject="User consent to apps",
        sources=(get_configuration_source_name(POLICY),),
    )
    if not isinstance(assigned, list) or not all(isinstance(one, str) for one in assigned):
        yield finding(
            severity=Severity.MEDIUM,
            verdict=Verdict.COULD_NOT_TELL,
            summary="Whether users may consent to apps is not known.",
            advice="Look under Entra ID > Enterprise apps > Consent and permissions.",
        )
        return
    found = [one for one in assigned if one.casefold().startswith(SELF_CONSENT_PREFIX)]
    if found:
        anything = any(one.casefold().endswith("-legacy") for one in found)
        yield finding(
            severity=Severity.HIGH if anything else Severity.MEDIUM,
            verdict=ConsentVerdict.REPAIR,
            summary=describe_self_consent([one[len(SELF_CONSENT_PREFIX) :] for one in found]),
            facts=(Fact("by", format_name_list(sorted(found))),),
            changes=(
                SetConfiguration(
                    POLICY, "", PROPERTY, tuple(one for one in assigned if one not in found)
                ),
            ),
            advice="Entra ID > Enterprise apps > Consent and permissions > User consent settings: "
            "Do not allow user consent. Let users ask an admin instead: Admin consent settings.",
            steps=build_consent_remedy(
                "Have users ask instead: Entra ID > Enterprise apps > Consent and permissions > "
                "User consent settings: Do not allow user consent."
            ),
        )
    shown = find_property(policy.values, RISKY_APPS)[1]
    if shown is not None and shown != "" and parse_printed_bool(shown) is None:
        yield finding(
            kind="risky-app-consent",
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary="Whether users may consent to apps that Microsoft holds to be risky is not "
            "known.",
        )
    if parse_printed_bool(shown):
        yield finding(
            kind="risky-app-consent",
            severity=Severity.HIGH,
            verdict=ConsentVerdict.GRANTED,
            summary="Users may consent even to apps that Microsoft holds to be risky.",
            advice="Switch it off.",
            steps=build_consent_remedy(
                "Switch it off.",
                "Update-MgPolicyAuthorizationPolicy -AllowUserConsentForRiskyApps:$false",
            ),
        )
