"""The long lists of the directory that are watched, and which of their rows count. Pure.

A tenant has a hundred thousand users and devices; what an intruder leaves behind is seen on few of
them. The rest is dropped as the pages arrive.
"""

from collections.abc import Mapping

from core.microsoft365.source_shapes import ConfigurationSource
from core.model.guards import Service
from core.property_values import find_property, get_flag, get_text

EXTERNAL_MARK = "#ext#"
"""In the principal name of an account that belongs to another organization."""
AUTOPILOT_MARK = "[ztdid]"
"""Begins an entry of `physicalIds` of a device that Windows Autopilot knows; its case varies."""
SHARED_PROFILES = frozenset({"securevm", "printer", "shared", "iot"})
"""Values of `profileType` of what belongs to no person."""
SAFE_STATES = frozenset({"none", "confirmedsafe", "remediated", "dismissed"})
"""Values of `riskState` of an account that is at risk no longer."""
USER_PROPERTIES = (
    *("id", "displayName", "userPrincipalName", "userType", "createdDateTime", "accountEnabled"),
    *("onPremisesSyncEnabled", "onPremisesImmutableId", "identities", "authorizationInfo"),
)
DEVICE_PROPERTIES = (
    *("id", "deviceId", "displayName", "accountEnabled", "createdDateTime"),
    *("registrationDateTime", "operatingSystem", "operatingSystemVersion", "trustType"),
    *("profileType", "enrollmentProfileName", "enrollmentType", "onPremisesSyncEnabled"),
    *("physicalIds", "managementType", "isManaged"),
)
UNIT_PROPERTIES = (
    *("id", "displayName", "isMemberManagementRestricted", "visibility", "membershipRule"),
)


def is_external(user: Mapping[str, object]) -> bool:
    """Whether an account belongs to another organization."""
    return EXTERNAL_MARK in get_text(user, "userPrincipalName").casefold()


def is_member(user: Mapping[str, object]) -> bool:
    """Whether an account counts as one of the organization's own people. Unknown is not a guest."""
    return get_text(user, "userType").casefold() != "guest"


def is_synchronised(row: Mapping[str, object]) -> bool:
    """Whether an object's source is the organization's own directory."""
    return get_flag(row, "onPremisesSyncEnabled", default=False)


def lists_foreign_identity(user: Mapping[str, object]) -> bool:
    """Whether an account of the organization's own can be signed in to through another provider."""
    identities = find_property(user, "identities")[1]
    kinds = {
        get_text(one, "signInType").casefold()
        for one in (identities if isinstance(identities, list) else ())
        if isinstance(one, Mapping)
    }
    return "federated" in kinds and not is_external(user)


def has_certificate_name(user: Mapping[str, object]) -> bool:
    """Whether certificates can stand for an account."""
    return bool(find_property(user, "authorizationInfo.certificateUserIds")[1])


def has_own_immutable_id(user: Mapping[str, object]) -> bool:
    """Whether an account that is not synchronised has the id by which a federation knows it."""
    return bool(get_text(user, "onPremisesImmutableId")) and not is_synchronised(user)


def is_telling_user(user: Mapping[str, object]) -> bool:
    """Whether an account can be signed in to in an unusual way, or is an outsider that counts as a
    member.
    """
    return (
        (is_external(user) and is_member(user))
        or lists_foreign_identity(user)
        or has_certificate_name(user)
        or has_own_immutable_id(user)
    )


def is_personal_device(device: Mapping[str, object]) -> bool:
    """Whether somebody may have registered a device by hand: no hybrid join, no enrolment by the
    organization, and nothing that belongs to no person.
    """
    physical = find_property(device, "physicalIds")[1]
    entries = physical if isinstance(physical, list) else ()
    return not (
        is_synchronised(device)
        or get_text(device, "trustType").casefold() == "serverad"
        or get_text(device, "profileType").casefold() in SHARED_PROFILES
        or get_text(device, "enrollmentProfileName")
        or get_text(device, "enrollmentType").casefold() == "deviceenrollmentmanager"
        or any(isinstance(one, str) and AUTOPILOT_MARK in one.casefold() for one in entries)
    )


def is_shielding_unit(unit: Mapping[str, object]) -> bool:
    """Whether an administrative unit keeps others from its members, or hides them."""
    return (
        get_flag(unit, "isMemberManagementRestricted", default=False)
        or get_text(unit, "visibility").casefold() == "hiddenmembership"
    )


def is_federated_domain(domain: Mapping[str, object]) -> bool:
    """Whether another provider signs a domain's people in. One that does not tell may be."""
    return get_text(domain, "authenticationType").casefold() in ("federated", "")


def is_at_risk(row: Mapping[str, object]) -> bool:
    """Whether Identity Protection still holds something against an account. Unknown is not safe."""
    return get_text(row, "riskState").casefold() not in SAFE_STATES


DIRECTORY_SOURCES: Mapping[str, ConfigurationSource] = {
    "directory-user": ConfigurationSource(
        Service.GRAPH,
        f"/users?$select={','.join(USER_PROPERTIES)}&$top=999",
        "User.Read.All",
        "id",
        may_be_none=True,
        keeps=is_telling_user,
    ),
    "device": ConfigurationSource(
        Service.GRAPH,
        f"/devices?$select={','.join(DEVICE_PROPERTIES)}&$expand=registeredOwners&$top=999",
        "Directory.Read.All",
        "id",
        may_be_none=True,
        keeps=is_personal_device,
    ),
    "app-principal": ConfigurationSource(
        Service.GRAPH,
        "/servicePrincipals?$select=id,appId,displayName,signInAudience,logoutUrl,"
        "servicePrincipalNames&$expand=owners&$top=999",
        "Application.Read.All",
        "id",
    ),
    "domain": ConfigurationSource(
        Service.GRAPH,
        "/domains",
        "Domain.Read.All",
        "id",
        relation="federationConfiguration",
        relates=is_federated_domain,
        relates_whole_objects=True,
        relates_to_nothing_if_absent=True,
    ),
    "risky-user": ConfigurationSource(
        Service.GRAPH,
        "/identityProtection/riskyUsers?$filter=riskState eq 'atRisk' or riskState eq "
        "'confirmedCompromised'&$top=500",
        "IdentityRiskyUser.Read.All",
        "id",
        may_be_none=True,
        keeps=is_at_risk,
        optional_because="it exists only with Microsoft Entra ID P2",
    ),
    "risk-detection": ConfigurationSource(
        Service.GRAPH,
        "/identityProtection/riskDetections?$filter=riskState eq 'atRisk' or riskState eq "
        "'confirmedCompromised'&$top=500",
        "IdentityRiskEvent.Read.All",
        "id",
        may_be_none=True,
        keeps=is_at_risk,
        found_by="userId",
        optional_because="it exists only with Microsoft Entra ID P1",
    ),
    "authentication-flows": ConfigurationSource(
        Service.GRAPH, "/policies/authenticationFlowsPolicy", "Policy.Read.All"
    ),
    "outside-federation": ConfigurationSource(
        Service.GRAPH,
        "/directory/federationConfigurations/graph.samlOrWsFedExternalDomainFederation",
        "IdentityProvider.Read.All",
        "id",
        may_be_none=True,
        optional_because="Microsoft's pages differ on which permission reads it",
    ),
    "partner-capability": ConfigurationSource(
        Service.GRAPH,
        "/policies/crossTenantAccessPolicy/partners?$select=tenantId",
        "Policy.Read.All",
        "tenantId",
        may_be_none=True,
        relation="m365Capabilities",
        relates_whole_objects=True,
        keeps_types=True,
        optional_because="Microsoft gives it to one tenant after the other",
    ),
    "device-registration-policy": ConfigurationSource(
        Service.GRAPH,
        "/policies/deviceRegistrationPolicy",
        "Policy.Read.DeviceConfiguration",
        keeps_types=True,
        optional_because="the permission is asked for by this read alone",
    ),
    **{
        name: ConfigurationSource(
            Service.GRAPH,
            f"/roleManagement/directory/{collection}",
            "RoleManagement.Read.Directory",
            "id",
            may_be_none=True,
            found_by="principalId",
            optional_because="it exists only with Microsoft Entra ID P2",
        )
        for name, collection in (
            ("role-assignment-instance", "roleAssignmentScheduleInstances"),
            ("role-eligibility-instance", "roleEligibilityScheduleInstances"),
        )
    },
    "app-registration": ConfigurationSource(
        Service.GRAPH,
        "/applications?$select=id,appId,displayName,createdDateTime,requiredResourceAccess&$top=999",
        "Application.Read.All",
        "id",
        may_be_none=True,
    ),
    "administrative-unit": ConfigurationSource(
        Service.GRAPH,
        f"/directory/administrativeUnits?$select={','.join(UNIT_PROPERTIES)}",
        "Directory.Read.All",
        "id",
        may_be_none=True,
        relation="members",
        related_properties=("displayName", "userPrincipalName"),
        relates=is_shielding_unit,
    ),
    "certificate-authority": ConfigurationSource(
        Service.GRAPH,
        "/organization",
        "Organization.Read.All",
        "id",
        relation="certificateBasedAuthConfiguration",
        relates_whole_objects=True,
    ),
    "trust-store": ConfigurationSource(
        Service.GRAPH,
        "/directory/publicKeyInfrastructure/certificateBasedAuthConfigurations",
        "PublicKeyInfrastructure.Read.All",
        "id",
        may_be_none=True,
        relation="certificateAuthorities",
        relates_whole_objects=True,
        optional_because="the permission is asked for by this read alone",
    ),
}
