"""Single rows as Graph and Exchange print them: accounts, mailboxes, domains, licences, settings.

Shapes follow Microsoft's Graph v1.0 metadata and the Exchange PowerShell reference. Every id is
derived from a name, so that a row is the same every time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from sandbox.exchange.auditing import ADVANCED_AUDITING, LOGON_TYPES, list_default_actions
from sandbox.http_types import Row
from sandbox.state.tenant import TENANT_ID

CONTOSO = "contoso.com"
INITIAL_DOMAIN = "contoso.onmicrosoft.com"
FABRIKAM = "fabrikam.com"
LEGACY_DN_PREFIX = (
    "/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn="
)
ASSIGNED_AT = "2024-02-05T08:00:00Z"
PASSWORD_SET_AT = "2024-02-06T09:30:00Z"

# Microsoft Learn: Product names and service plan identifiers for licensing.
EXCHANGE_FOUNDATION = ("EXCHANGE_S_FOUNDATION", "113feb6c-3fe4-4440-bddc-54d774bf0318")
EXCHANGE_PLAN_2 = ("EXCHANGE_S_ENTERPRISE", "efb87545-963c-4e0d-99df-69c6916d9eb0")
ENTRA_P1 = ("AAD_PREMIUM", "41781fb2-bc02-4b7c-bd55-b576c07bb09d")
ENTRA_P2 = ("AAD_PREMIUM_P2", "eec0eb4f-6444-4f95-aba0-50c24d67f998")
ADVANCED_AUDITING_PLAN = ("M365_ADVANCED_AUDITING", "2f442157-a11c-46b9-ae5b-6e39ff4e5849")
TEAMS_ROOMS = ("MTRProManagement", "ecc74eae-eeb7-4ad5-9c88-e8b2bfca75b8")


@dataclass(frozen=True, slots=True)
class Product:
    """A product that a tenant buys: a SKU and its service plans."""

    part_number: str
    sku: str
    plans: tuple[tuple[str, str], ...]
    capabilities: tuple[str, ...] = ()


E3 = Product(
    "SPE_E3",
    "05e9a617-0261-4cee-bb44-138d3ef5d965",
    (EXCHANGE_FOUNDATION, EXCHANGE_PLAN_2, ENTRA_P1),
    ("BPOS_S_Enterprise",),
)
E5 = Product(
    "SPE_E5",
    "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
    (EXCHANGE_FOUNDATION, EXCHANGE_PLAN_2, ENTRA_P1, ENTRA_P2, ADVANCED_AUDITING_PLAN),
    ("BPOS_S_Enterprise", ADVANCED_AUDITING, "M365AuditPlatform"),
)
ROOMS_PRO = Product(
    "Microsoft_Teams_Rooms_Pro",
    "4cde982a-ede4-4409-9ae6-b003453c8ea6",
    (EXCHANGE_FOUNDATION, TEAMS_ROOMS, ENTRA_P1),
)
FLOW_FREE = Product("FLOW_FREE", "f30db892-07e9-47e9-837c-80727f46fd3d", (EXCHANGE_FOUNDATION,))
PRODUCTS = (E3, E5, ROOMS_PRO, FLOW_FREE)


def derive_id(*parts: str) -> str:
    """Derives a stable GUID from words."""
    return str(uuid5(UUID(TENANT_ID), "/".join(parts)))


OUTBOUND_POLICY_ID, REMOTE_DOMAIN_ID = derive_id("outbound policy"), derive_id("remote domain")


def derive_opaque_id(prefix: str, *parts: str) -> str:
    """Derives a stable id that looks like Outlook's: letters and digits."""
    return f"{prefix}{UUID(derive_id(*parts)).hex[:20]}="


def build_legacy_dn(alias: str) -> str:
    """A legacyExchangeDN, which rules made in Outlook hold for the tenant's recipients."""
    return f"{LEGACY_DN_PREFIX}{UUID(derive_id('legacy', alias)).hex}-{alias}"


def build_address(alias: str) -> str:
    """A primary address in the tenant's first domain."""
    return f"{alias}@{CONTOSO}"


# Recipients -------------------------------------------------------------------------------------


def build_graph_recipient(address: str, name: str = "") -> Row:
    """A recipient as Graph prints it: an address, or a legacyExchangeDN in its place."""
    return {"emailAddress": {"name": name or address, "address": address}}


def format_exchange_recipients(recipients: Iterable[Row] | None) -> list[str] | None:
    """Recipients as Exchange prints them: `"Name" [SMTP:address]`, or EX: for a legacy name."""
    if recipients is None:
        return None
    found = []
    for entry in recipients:
        one = entry["emailAddress"]
        kind = "EX" if one["address"].startswith("/o=") else "SMTP"
        found.append(f'"{one["name"]}" [{kind}:{one["address"]}]')
    return found


# Graph ------------------------------------------------------------------------------------------


def build_user_row(alias: str, name: str, enabled: bool, product: Product | None) -> Row:
    """A cloud account."""
    return {
        "id": derive_id("user", alias),
        "userPrincipalName": build_address(alias),
        "displayName": name,
        "mail": build_address(alias),
        "accountEnabled": enabled,
        "userType": "Member",
        "createdDateTime": ASSIGNED_AT,
        "lastPasswordChangeDateTime": PASSWORD_SET_AT,
        "onPremisesSyncEnabled": None,
        "assignedLicenses": [{"skuId": product.sku, "disabledPlans": []}] if product else [],
        "assignedPlans": build_assigned_plans(product),
    }


def build_untouched_password() -> Row:
    """The dates of an account that Exchange made for a mailbox, with a password nobody knows."""
    return {"createdDateTime": ASSIGNED_AT, "lastPasswordChangeDateTime": ASSIGNED_AT}


def build_assigned_plans(product: Product | None) -> list[Row]:
    """The service plans that a product assigns to a user."""
    return [
        {
            "assignedDateTime": ASSIGNED_AT,
            "capabilityStatus": "Enabled",
            "service": "exchange" if name.startswith("EXCHANGE") else "Microsoft365",
            "servicePlanId": plan,
        }
        for name, plan in (product.plans if product else ())
    ]


def build_sku_row(product: Product) -> Row:
    """A row of /subscribedSkus."""
    return {
        "id": f"{TENANT_ID}_{product.sku}",
        "skuId": product.sku,
        "skuPartNumber": product.part_number,
        "capabilityStatus": "Enabled",
        "appliesTo": "User",
        "servicePlans": [
            {
                "servicePlanId": plan,
                "servicePlanName": name,
                "provisioningStatus": "Success",
                "appliesTo": "User",
            }
            for name, plan in product.plans
        ],
    }


def build_domain_row(name: str) -> Row:
    """A verified domain."""
    return {
        "id": name,
        "authenticationType": "Managed",
        "isAdminManaged": True,
        "isDefault": name == CONTOSO,
        "isInitial": name == INITIAL_DOMAIN,
        "isRoot": True,
        "isVerified": True,
        "supportedServices": ["Email", "OfficeCommunicationsOnline"],
    }


def build_organization_row() -> Row:
    """The organization."""
    return {
        "id": TENANT_ID,
        "displayName": "Contoso",
        "verifiedDomains": [
            {"name": CONTOSO, "isDefault": True, "isInitial": False, "type": "Managed"},
            {"name": INITIAL_DOMAIN, "isDefault": False, "isInitial": True, "type": "Managed"},
            {"name": FABRIKAM, "isDefault": False, "isInitial": False, "type": "Managed"},
        ],
    }


# Exchange ---------------------------------------------------------------------------------------


def build_mailbox_row(alias: str, name: str, kind: str, product: Product | None) -> Row:
    """A mailbox with healthy audit settings."""
    row: Row = {
        "Identity": alias,
        "Name": alias,
        "DisplayName": name,
        "Alias": alias,
        "Guid": derive_id("mailbox", alias),
        "ExchangeGuid": derive_id("store", alias),
        "ExternalDirectoryObjectId": derive_id("user", alias),
        "UserPrincipalName": build_address(alias),
        "PrimarySmtpAddress": build_address(alias),
        "EmailAddresses": [f"SMTP:{build_address(alias)}", f"smtp:{alias}@{INITIAL_DOMAIN}"],
        "LegacyExchangeDN": build_legacy_dn(alias),
        "RecipientTypeDetails": kind,
        "PersistedCapabilities": list(product.capabilities) if product else [],
        "ForwardingAddress": None,
        "ForwardingSmtpAddress": None,
        "DeliverToMailboxAndForward": False,
        "AuditEnabled": True,
        "AuditLogAgeLimit": "90.00:00:00",
        "DefaultAuditSet": list(LOGON_TYPES),
        "WhenCreatedUTC": ASSIGNED_AT,
    }
    return row | {f"Audit{each}": list_default_actions(row, each, False) for each in LOGON_TYPES}


def build_bypass_row(guid: str, name: str, bypassed: bool) -> Row:
    """A row of Get-MailboxAuditBypassAssociation, which lists every account."""
    return {"Guid": guid, "Name": name, "AuditBypassEnabled": bypassed}


def build_organization_config(audit_disabled: bool) -> Row:
    """The row of Get-OrganizationConfig, with the properties that are read."""
    return {
        "Identity": INITIAL_DOMAIN,
        "Name": INITIAL_DOMAIN,
        "AuditDisabled": audit_disabled,
        "IsDehydrated": False,
    }


def build_audit_log_config(enabled: bool) -> Row:
    """The row of Get-AdminAuditLogConfig."""
    return {
        "Identity": "Admin Audit Log Settings",
        "UnifiedAuditLogIngestionEnabled": enabled,
    }


def build_accepted_domain(name: str, default: bool = False, subdomains: bool = False) -> Row:
    """A row of Get-AcceptedDomain."""
    return {
        "Identity": name,
        "Name": name,
        "DomainName": name,
        "DomainType": "Authoritative",
        "Default": default,
        "MatchSubDomains": subdomains,
    }


def build_outbound_policy(mode: str) -> Row:
    """The default outbound spam policy."""
    return {
        "Guid": OUTBOUND_POLICY_ID,
        "Identity": "Default",
        "Name": "Default",
        "IsDefault": True,
        "AutoForwardingMode": mode,
    }


def build_remote_domain(forwards: bool) -> Row:
    """The default remote domain."""
    return {
        "Guid": REMOTE_DOMAIN_ID,
        "Identity": "Default",
        "Name": "Default",
        "DomainName": "*",
        "AutoForwardEnabled": forwards,
    }


def build_transport_rule(name: str, state: str = "Enabled", **actions: Sequence[str]) -> Row:
    """A row of Get-TransportRule with its actions."""
    return {
        "Identity": name,
        "Name": name,
        "Guid": derive_id("transport rule", name),
        "State": state,
        "Mode": "Enforce",
        "Priority": 0,
    } | {action: list(targets) for action, targets in actions.items()}
