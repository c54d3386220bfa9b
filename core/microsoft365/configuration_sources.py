"""The organization's configuration: which objects are read, and which properties may be changed.

A row a source, reviewed like the catalog. What is not in `writable` is never written, whoever asks:
a `SetConfiguration` names a source, one of its objects and one such property.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.model.guards import Service


@dataclass(frozen=True, slots=True)
class Source:
    """Where objects of one kind are read and written.

    For Exchange `read` and `write` are cmdlets, for Graph paths below the version. `identity` is
    the property that names an object to `write`; without one there is only a single object.
    `permission` and `write_permission` are app roles; of a cmdlet it is the cmdlet itself.
    `writable` are the only properties that may be changed.
    """

    service: Service
    read: str
    permission: str
    identity: str = ""
    write: str = ""
    write_permission: str = ""
    writable: frozenset[str] = field(default_factory=frozenset)


def exchange(read: str, identity: str = "", write: str = "", *writable: str) -> Source:
    """A source behind a pair of cmdlets."""
    return Source(Service.EXCHANGE, read, read, identity, write, write, frozenset(writable))


SOURCES: Mapping[str, Source] = {
    "transport-config": exchange(
        "Get-TransportConfig", "", "Set-TransportConfig", "SmtpClientAuthenticationDisabled"
    ),
    "cas-mailbox-plan": exchange(
        "Get-CASMailboxPlan", "Identity", "Set-CASMailboxPlan", "ImapEnabled", "PopEnabled"
    ),
    "authentication-policy": exchange(
        "Get-AuthenticationPolicy", "Identity", "Set-AuthenticationPolicy", "AllowBasicAuthSmtp"
    ),
    "organization-config": exchange(
        "Get-OrganizationConfig", "", "Set-OrganizationConfig", "OAuth2ClientProfileEnabled"
    ),
    "remote-domain": exchange("Get-RemoteDomain", "Guid", "Set-RemoteDomain", "AutoForwardEnabled"),
    "outbound-spam-policy": exchange(
        "Get-HostedOutboundSpamFilterPolicy",
        "Guid",
        "Set-HostedOutboundSpamFilterPolicy",
        "AutoForwardingMode",
    ),
    "outbound-spam-rule": exchange("Get-HostedOutboundSpamFilterRule", "Guid"),
    "owa-mailbox-policy": exchange(
        *("Get-OwaMailboxPolicy", "Guid", "Set-OwaMailboxPolicy"),
        *("AdditionalStorageProvidersAvailable", "AllowOfflineOn", "RulesEnabled"),
    ),
    "mobile-device-policy": exchange(
        *("Get-MobileDeviceMailboxPolicy", "Guid", "Set-MobileDeviceMailboxPolicy"),
        *("AllowNonProvisionableDevices", "AllowSimplePassword", "MaxPasswordFailedAttempts"),
        *("MinPasswordLength", "PasswordEnabled", "RequireDeviceEncryption"),
    ),
    "sharing-policy": exchange("Get-SharingPolicy", "Guid", "Set-SharingPolicy", "Domains"),
    "organization": Source(Service.GRAPH, "/organization", "Organization.Read.All", "id"),
    "security-defaults": Source(
        Service.GRAPH,
        "/policies/identitySecurityDefaultsEnforcementPolicy",
        "Policy.Read.All",
    ),
    "authorization-policy": Source(
        Service.GRAPH,
        "/policies/authorizationPolicy",
        "Policy.Read.All",
        write="/policies/authorizationPolicy",
        write_permission="Policy.ReadWrite.Authorization",
        writable=frozenset(
            {
                "allowEmailVerifiedUsersToJoinOrganization",
                "allowInvitesFrom",
                "allowedToSignUpEmailBasedSubscriptions",
                "defaultUserRolePermissions.allowedToCreateApps",
                "defaultUserRolePermissions.allowedToCreateTenants",
                "defaultUserRolePermissions.permissionGrantPoliciesAssigned",
                "guestUserRoleId",
            }
        ),
    ),
}


def surface_of(source: str) -> str:
    """The surface of a source, as readings and findings name it."""
    return f"configuration-{source}"
