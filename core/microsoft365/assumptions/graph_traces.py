"""What Graph shows of the ways in that outlast a password: devices, partners, roles, policies."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

PROBE = "graph-traces"
DEVICE_OWNERS = Assumption(
    id="graph-device-owners",
    assumed="$expand=registeredOwners shows the owner of each device of a list, one at most, a "
    "while after it was registered.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, List devices; elastic/detection-rules (owners come seconds later)",
    dated="2026",
    otherwise="A device of an administrator is told by its name and system alone, if at all.",
    depends=Dependents(guards=("privileged-change",)),
    probe=PROBE,
)
PRINCIPAL_OWNERS = Assumption(
    id="graph-principal-owners",
    assumed="$expand=owners shows the owners of service principals, twenty at most, and $select "
    "keeps them.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, List servicePrincipals; Microsoft Graph known issues",
    dated="2026",
    otherwise="Who became an owner of a powerful app is not told.",
    depends=Dependents(guards=("app-consent",)),
    probe=PROBE,
)
OUTSIDE_FEDERATION = Assumption(
    id="graph-outside-federation",
    assumed="Federations of outside domains are read with IdentityProvider.Read.All.",
    standing=Standing.CONTESTED,
    source="Microsoft Learn names IdentityProvider.Read.All; microsoft-graph-devx-content names "
    "Domain.Read.All",
    dated="2026-08",
    otherwise="Federations of outside domains are unread, which the report says.",
    depends=Dependents(guards=("external-trust",)),
    probe=PROBE,
)
PARTNER_CAPABILITIES = Assumption(
    id="graph-partner-capabilities",
    assumed="m365Capabilities of a partner are a list of objects, each with its type and "
    "inboundAccess.isAllowed; a tenant that has none yet refuses with 400 or 404.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Cross-tenant mailbox migration; microsoft-graph-devx-content",
    dated="2026-08",
    otherwise="What a partner may take away by this way is unread, which the report says.",
    depends=Dependents(guards=("external-trust",)),
    probe=PROBE,
)
USER_PROPERTIES = Assumption(
    id="graph-user-properties",
    assumed="A listing of users prints userType, creationType, identities and authorizationInfo "
    "where $select names them.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, user resource type; that all of them come by $select is inferred",
    dated="2026",
    otherwise="A name to sign in by that was added, or a guest that became a member, is not told.",
    depends=Dependents(guards=("privileged-change",)),
    probe=PROBE,
)
TOKEN_POLICIES = Assumption(
    id="graph-token-policies",
    assumed="The definition of a claims-mapping, token or home-realm policy is a list of one text "
    "of JSON, and a fresh tenant has none.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, claimsMappingPolicy and tokenLifetimePolicy; that a fresh tenant has "
    "none is inferred",
    dated="2026",
    otherwise="A policy is told as one that is new, without what it says.",
    depends=Dependents(guards=("external-trust",)),
)
DEVICE_POLICY = Assumption(
    id="graph-device-policy",
    assumed="The device registration policy is read with Policy.Read.DeviceConfiguration and "
    "prints multiFactorAuthConfiguration as required or notRequired.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Get deviceRegistrationPolicy",
    dated="2026",
    otherwise="Who may join devices, and whether a second factor is asked, is unread.",
    depends=Dependents(guards=("privileged-change",)),
    probe=PROBE,
)
ROLE_INSTANCES = Assumption(
    id="graph-role-instances",
    assumed="roleAssignmentScheduleInstances say Activated of a role that was activated for a "
    "while and Assigned of one that was given, with endDateTime null where it never ends.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, unifiedRoleAssignmentScheduleInstance",
    dated="2026",
    otherwise="An eligible administrator who is made a standing one is not told, or an activation "
    "is.",
    depends=Dependents(guards=("privileged-change",)),
    probe=PROBE,
)
SINGLE_FILTERS = Assumption(
    id="graph-single-filters",
    assumed="Role assignments and their instances are found by principalId, settings of activation "
    "by roleDefinitionId beside scope and type, risk detections by userId; what is not found by "
    "such a filter is not there. transitiveMemberOf of a user shows each group that gives a role.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, v1.0: List unifiedRoleAssignments, List roleAssignmentSchedule"
    "Instances, List roleManagementPolicyAssignments, List riskDetections; that they agree with "
    "the whole listing is inferred",
    dated="2026",
    otherwise="A refused filter, or one that brings other rows, leaves what a listing no longer "
    "shows unread by name; where it wrongly finds nothing, a case ends at the second look.",
    depends=Dependents(guards=("privileged-change", "risky-accounts")),
)
KIT_DEFAULTS = Assumption(
    id="graph-kit-devices",
    assumed="Phishing kits and ROADtools leave the names and builds that public analyses print on "
    "the devices they join.",
    standing=Standing.MEASURED,
    source="dirkjanm/ROADtools; elastic/detection-rules",
    dated="2026-08",
    otherwise="A made-up device is told only where it belongs to an administrator or comes with "
    "others.",
    depends=Dependents(guards=("privileged-change",)),
)
ASSUMPTIONS = (
    DEVICE_OWNERS,
    PRINCIPAL_OWNERS,
    OUTSIDE_FEDERATION,
    PARTNER_CAPABILITIES,
    USER_PROPERTIES,
    TOKEN_POLICIES,
    DEVICE_POLICY,
    ROLE_INSTANCES,
    SINGLE_FILTERS,
    KIT_DEFAULTS,
)
