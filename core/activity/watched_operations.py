"""Operations that speak of the tenant's watched collections: data, and nothing else.

Names are those of cmdlets (office-docs-powershell) and of Entra's list of audit activities
(Microsoft Learn: "Microsoft Entra audit log categories and activities"). Who holds them looks at
everything again: the collections are a few requests.
"""

from collections.abc import Iterable, Iterator, Mapping

from core.activity.watches import About, Watch
from core.microsoft365.method_operations import (
    GIVEN_METHODS,
    PASSWORD_ACTS,
    WEAKENED_SIGN_INS,
)

TRUST, ROLES, PROTECTION = "external-trust", "exchange-roles", "mail-protection"
PRIVILEGED, CONSENT = "privileged-change", "app-consent"
REGISTRATION = "mfa-registration"
VERBS = ("New", "Set", "Remove", "Enable", "Disable")


def list_cmdlets(verbs: Iterable[str], nouns: Iterable[str]) -> tuple[str, ...]:
    """Each verb with each noun."""
    nouns = tuple(nouns)
    return tuple(f"{verb}-{noun}" for verb in verbs for noun in nouns)


FILTER_OPERATIONS = (
    *list_cmdlets(
        VERBS,
        (
            "AntiPhishRule",
            "MalwareFilterRule",
            "HostedContentFilterRule",
            "SafeLinksRule",
            "SafeAttachmentRule",
            "EOPProtectionPolicyRule",
            "ATPProtectionPolicyRule",
        ),
    ),
    *list_cmdlets(
        ("New", "Set", "Remove"),
        (
            "AntiPhishPolicy",
            "MalwareFilterPolicy",
            "HostedContentFilterPolicy",
            "HostedConnectionFilterPolicy",
            "SafeLinksPolicy",
            "SafeAttachmentPolicy",
            "TenantAllowBlockListItems",
            "TenantAllowBlockListSpoofItems",
            "QuarantinePolicy",
            "ReportSubmissionPolicy",
            "ExoPhishSimOverrideRule",
            "ExoSecOpsOverrideRule",
            "DkimSigningConfig",
        ),
    ),
    "Set-AtpPolicyForO365",
    "Set-ArcConfig",
)
TRUST_OPERATIONS = (
    *list_cmdlets(
        ("New", "Set", "Remove"),
        (
            "OrganizationRelationship",
            "IntraOrganizationConnector",
            "FederationTrust",
            "FederatedOrganizationIdentifier",
            "MigrationEndpoint",
            "MigrationBatch",
            "MailboxRestoreRequest",
        ),
    ),
    "Start-MigrationBatch",
)
ROLE_OPERATIONS = (
    *list_cmdlets(
        ("New", "Set", "Remove"),
        (
            "RoleGroup",
            "ManagementRoleAssignment",
            "ManagementRole",
            "ManagementScope",
            "RoleAssignmentPolicy",
            "ApplicationAccessPolicy",
        ),
    ),
    "Add-RoleGroupMember",
    "Update-RoleGroupMember",
    "Remove-RoleGroupMember",
    "Add-ManagementRoleEntry",
    "Set-ManagementRoleEntry",
)
WATCHED_EXCHANGE: Mapping[str, tuple[Watch, ...]] = {
    **dict.fromkeys(FILTER_OPERATIONS, (Watch(PROTECTION, About.WHOLE),)),
    **dict.fromkeys(TRUST_OPERATIONS, (Watch(TRUST, About.WHOLE),)),
    **dict.fromkeys(ROLE_OPERATIONS, (Watch(ROLES, About.WHOLE),)),
    **dict.fromkeys(("New-App", "Set-App", "Enable-App"), (Watch(CONSENT, About.WHOLE),)),
}

PRIVILEGED_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "conditional-access-policy": (
        "Add conditional access policy",
        "Update conditional access policy",
        "Delete conditional access policy",
    ),
    "security-defaults": ("Update security defaults",),
    "named-location": ("Add named location", "Update named location", "Delete named location"),
    "directory-role": ("Add role definition", "Update role definition", "Delete role definition"),
    "role-activation": (
        "Update role setting in PIM",
        "Disable PIM alert",
    ),
    "administrative-unit": (
        "Add administrative unit",
        "Update administrative unit",
        "Add member to restricted management administrative unit",
        "Remove member from restricted management administrative unit",
    ),
    "authentication-method": (
        "Authentication Methods Policy Update",
        "Authentication Methods Policy Reset",
    ),
    "domain": (
        "Set domain authentication",
        "Set federation settings on domain",
        "Add verified domain",
        "Verify domain",
        "Remove verified domain",
        "Update domain",
    ),
    "": ("Remove member from role", "Remove eligible member from role"),
}
"""By the kind of the cases they lead to; without one, to any.

What happens all day is not among them (Update user, Add member to group, Register device): so many
records would hide those that tell something, and the state is looked at every hour.
"""
TRUST_ACTIVITIES = (
    "Add a partner to cross-tenant access setting",
    "Update a partner cross-tenant access setting",
    "Delete partner specific cross-tenant access setting",
    "Update the company default cross-tenant access setting",
    "Create a partner cross-tenant identity sync setting",
    "Update a partner cross-tenant identity sync setting",
    "Add partner to company",
    "Add policy",
    "Update policy",
    "Add policy to service principal",
)
DELETED_METHOD = "Admin deleted security info"
ACT_OPERATIONS: Mapping[str, str] = {
    **dict.fromkeys(GIVEN_METHODS, "administrator-method-registered"),
    **dict.fromkeys(WEAKENED_SIGN_INS, "second-factor-disabled"),
    "User has elevated their access to User Access Administrator for their Azure Resources": (
        "azure-elevation"
    ),
    "Read BitLocker key": "recovery-secrets-read",
    "Recover device local administrator password": "recovery-secrets-read",
    "Add member to role request denied (PIM activation)": "activation-denied",
    "Add member to role outside of PIM (permanent)": "administrator-added",
    DELETED_METHOD: "administrator-method-removed",
}
"""Acts that are the subject of `privileged-change` themselves, with the kind of what is told."""


def build_privileged_watches() -> dict[str, tuple[Watch, ...]]:
    """What each of Entra's operations means to `privileged-change`."""
    return {
        name: (Watch(PRIVILEGED, About.WHOLE, kinds=(kind, f"{kind}-gone") if kind else ()),)
        for kind, names in PRIVILEGED_OPERATIONS.items()
        for name in names
    }


def iter_act_watches(name: str, kind: str) -> Iterator[Watch]:
    """What an act means to `privileged-change`, and what of its state another guard may find."""
    yield Watch(PRIVILEGED, About.WHOLE, kinds=(kind,))
    if name in GIVEN_METHODS:
        yield Watch(REGISTRATION, About.PERSON, kinds=("administrator-method-added",))
    if name in WEAKENED_SIGN_INS or name == DELETED_METHOD:
        yield Watch(REGISTRATION, About.PERSON, kinds=("administrator-second-factor",))


WATCHED_ENTRA: Mapping[str, tuple[Watch, ...]] = {
    **build_privileged_watches(),
    **dict.fromkeys(TRUST_ACTIVITIES, (Watch(TRUST, About.WHOLE),)),
    **{name: tuple(iter_act_watches(name, kind)) for name, kind in ACT_OPERATIONS.items()},
    **dict.fromkeys(
        PASSWORD_ACTS,
        (Watch(PRIVILEGED, About.PERSON, kinds=("administrator-password-reset",)),),
    ),
}
