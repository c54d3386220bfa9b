"""What the roles of Entra are worth to whoever holds one, by the ids that are the same everywhere.

Microsoft Learn: Microsoft Entra built-in roles, 2026-11.
"""

from collections.abc import Mapping

from core.microsoft365.permission_rules import PermissionRisk

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
# Roles whose holders can take over the tenant, its mail, or the account of anybody: those Microsoft
# marks as privileged, and Exchange's (Microsoft Learn: Microsoft Entra built-in roles, 2026-11).
GRAVE_ROLES: Mapping[str, str] = {
    GLOBAL_ADMINISTRATOR: "Global Administrator",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
    "7be44c8a-adaf-4e2a-84d6-ab2649e08a13": "Privileged Authentication Administrator",
    "c4e39bd9-1100-46d3-8c65-fb160da0071f": "Authentication Administrator",
    "0526716b-113d-4c15-b2c8-68e3c22b9f80": "Authentication Policy Administrator",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
    "158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
    "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9": "Conditional Access Administrator",
    "194ae4cb-b126-40b2-bd5b-6091b380977d": "Security Administrator",
    "fe930be7-5e62-47db-91af-98c3a49a38b1": "User Administrator",
    "729827e3-9c14-49f7-bb1b-9608f156bbb8": "Helpdesk Administrator",
    "966707d0-3269-4727-9be2-8c3a10f19b9d": "Password Administrator",
    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2": "Hybrid Identity Administrator",
    "be2f45a1-457d-42af-a067-6ec1fa63bc45": "External Identity Provider Administrator",
    "8329153b-31d0-4727-b945-745eb3bc5f31": "Domain Name Administrator",
    "9360feb5-f418-4baa-8175-e2a00bac4301": "Directory Writers",
    "d29b2b05-8046-44ba-8758-1e26182fcf32": "Directory Synchronization Accounts",
    "4ba39ca4-527c-499a-b93d-d9b492c50246": "Partner Tier1 Support",
    "e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8": "Partner Tier2 Support",
    "3a2c62db-5318-420d-8d74-23affee5d9d5": "Intune Administrator",
    "29232cdf-9323-42fd-ade2-1d097af3e4de": "Exchange Administrator",
}
# Those of them whose holders can become Global Administrator, by another's method or credential, by
# a role they give or an app they sign in as, or by a domain whose tokens they make (the same page:
# the privileged label; MITRE ATT&CK T1098.003, T1484.002).
BECOMING_ROLES = frozenset(
    {
        GLOBAL_ADMINISTRATOR,
        "e8611ab8-c189-46e8-94e1-60213ab1f814",  # Privileged Role Administrator
        "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",  # Privileged Authentication Administrator
        "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
        "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
        "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",  # Hybrid Identity Administrator
        "8329153b-31d0-4727-b945-745eb3bc5f31",  # Domain Name Administrator
        "be2f45a1-457d-42af-a067-6ec1fa63bc45",  # External Identity Provider Administrator
        "d29b2b05-8046-44ba-8758-1e26182fcf32",  # Directory Synchronization Accounts
        "e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8",  # Partner Tier2 Support
    }
)
# Roles that only read, or only let guests in (the same page).
HARMLESS_ROLES = frozenset(
    {
        "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",  # Directory Readers
        "4a5d8f65-41da-4de4-8968-e035b65339cf",  # Reports Reader
        "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b",  # Message Center Reader
        "ac16e43d-7b2d-40e0-ac05-243ff356ab5b",  # Message Center Privacy Reader
        "75934031-6c7e-415a-99d7-48dbd49e875e",  # Usage Summary Reports Reader
        "95e79109-95c0-4d8e-aee3-d01accf2d47b",  # Guest Inviter
    }
)
# Roles that read what others may not, and change nothing (the same page).
READING_ROLES = frozenset(
    {
        "f2ef992c-3afb-46b9-b7cf-a126ee74c451",  # Global Reader
        "5d6b6bb7-de71-4623-b4af-96380a352509",  # Security Reader
    }
)


def weigh_directory_role(role_id: str) -> PermissionRisk:
    """What a role is worth to an app that holds it. One that is not known may change much."""
    if role_id in BECOMING_ROLES:
        return PermissionRisk.TENANT_WIDE
    if role_id in HARMLESS_ROLES:
        return PermissionRisk.ORDINARY
    return PermissionRisk.BROAD if role_id in READING_ROLES else PermissionRisk.SENSITIVE
