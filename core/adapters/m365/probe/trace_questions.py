"""What Graph is asked about the ways in that outlast a password: a request each is enough."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from core.adapters.m365.probe.graph_questions import Answers, take_rows
from core.adapters.m365.probe.session import (
    ProbeSession,
    count_rows,
    describe_error,
    fails,
    holds,
    unknown,
)
from core.adapters.parsing import ResponseRow, parse_identifier
from core.errors import Forbidden, NoLicence, NotFound, Rejected, TenantError
from core.microsoft365.assumptions.graph_traces import (
    DEVICE_OWNERS,
    DEVICE_POLICY,
    OUTSIDE_FEDERATION,
    PARTNER_CAPABILITIES,
    PRINCIPAL_OWNERS,
    ROLE_INSTANCES,
    USER_PROPERTIES,
)
from core.tenant.probing import ProbeAnswer

# Each listing with the property that every row of it has to have.
TELLING_PROPERTIES: Mapping[str, tuple[str, str]] = {
    DEVICE_OWNERS.id: (
        "/devices?$select=id&$expand=registeredOwners&$top=5",
        "registeredOwners",
    ),
    PRINCIPAL_OWNERS.id: ("/servicePrincipals?$select=id,appId&$expand=owners&$top=5", "owners"),
    USER_PROPERTIES.id: (
        "/users?$select=id,userType,creationType,identities,authorizationInfo&$top=5",
        "creationType",
    ),
    ROLE_INSTANCES.id: (
        "/roleManagement/directory/roleAssignmentScheduleInstances",
        "assignmentType",
    ),
}
FEDERATIONS = "/directory/federationConfigurations/graph.samlOrWsFedExternalDomainFederation"
DEVICE_POLICY_PATH = "/policies/deviceRegistrationPolicy"
SECOND_FACTOR = "multiFactorAuthConfiguration"
PARTNERS = "/policies/crossTenantAccessPolicy/partners"

type Part = Callable[[ProbeSession], Awaitable[ProbeAnswer]]


async def ask_traces(session: ProbeSession) -> Answers:
    """Whether the listings that are watched print what is looked for in them."""
    found = [await ask_listing(session, name) for name in TELLING_PROPERTIES]
    parts: Mapping[str, Part] = {
        OUTSIDE_FEDERATION.id: ask_federations,
        DEVICE_POLICY.id: ask_device_policy,
        PARTNER_CAPABILITIES.id: ask_capabilities,
    }
    for name, ask in parts.items():
        try:
            found.append(await ask(session))
        except TenantError as error:
            found.append(explain(name, error))
    return tuple(found)


def explain(name: str, error: TenantError) -> ProbeAnswer:
    """What an error says of an assumption: a refusal speaks against it, an outage says nothing."""
    saw = describe_error(error)
    if isinstance(error, NoLicence) or not isinstance(error, Forbidden | Rejected):
        return unknown(name, saw, type(error).__name__)
    return fails(name, saw)


async def ask_listing(session: ProbeSession, name: str) -> ProbeAnswer:
    """Whether each row of a listing has one property."""
    path, wanted = TELLING_PROPERTIES[name]
    try:
        rows = take_rows(await session.ask_graph(path))
    except TenantError as error:
        return explain(name, error)
    saw = f"{count_rows(rows)}, {sum(wanted in row for row in rows)} of them with {wanted}"
    if not rows:
        return unknown(name, saw)
    return holds(name, saw) if all(wanted in row for row in rows) else fails(name, saw)


async def ask_federations(session: ProbeSession) -> ProbeAnswer:
    """Whether the app may read federations of outside domains."""
    rows = take_rows(await session.ask_graph(FEDERATIONS))
    return holds(OUTSIDE_FEDERATION.id, f"the app may read them: {count_rows(rows)}")


async def ask_device_policy(session: ProbeSession) -> ProbeAnswer:
    """Whether the device registration policy says if a second factor is asked."""
    row = await session.ask_graph(DEVICE_POLICY_PATH)
    known = row.get(SECOND_FACTOR) in ("required", "notRequired")
    saw = f"{SECOND_FACTOR} is {'told' if known else 'not told'}"
    return holds(DEVICE_POLICY.id, saw) if known else fails(DEVICE_POLICY.id, saw)


async def ask_capabilities(session: ProbeSession) -> ProbeAnswer:
    """Whether a partner's capabilities are objects that say what they are."""
    partners = take_rows(await session.ask_graph(f"{PARTNERS}?$select=tenantId"))
    tenants = [one for row in partners if (one := parse_identifier(row.get("tenantId")))]
    if not tenants:
        return unknown(PARTNER_CAPABILITIES.id, "there is no partner to ask about")
    path = f"{PARTNERS}/{quote(tenants[0], safe='')}/m365Capabilities"
    try:
        rows: list[ResponseRow] = take_rows(await session.ask_graph(path))
    except (NotFound, Rejected) as error:
        saw = f"the tenant has none yet: {describe_error(error)}"
        return unknown(PARTNER_CAPABILITIES.id, saw)
    saw = f"{count_rows(rows, 'capability')[:60]} of one partner"
    if not rows:
        return unknown(PARTNER_CAPABILITIES.id, saw)
    told = all("inboundAccess" in row or "@odata.type" in row for row in rows)
    return holds(PARTNER_CAPABILITIES.id, saw) if told else fails(PARTNER_CAPABILITIES.id, saw)
