"""What the registrations of this tenant ask for: the step before a grant. Pure.

Whoever has an app asks for all mail in its registration first, and waits for somebody to consent;
nothing is granted yet, so nothing else tells (MITRE ATT&CK T1098).
"""

from collections.abc import Iterator, Mapping

from core.microsoft365.permission_rules import PermissionKind, PermissionRisk
from core.microsoft365.permission_weights import (
    MICROSOFT_APIS,
    UNKNOWN_ROLE,
    PermissionWeight,
    find_role_name,
    weigh_microsoft_permission,
)
from core.model.findings import Fact, Severity
from core.property_values import get_objects, get_text
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, Trait, WatchedCollection, WatchedItem, build_token

REGISTRATION = "app-registration"
MAX_NAME_LENGTH = 120
SEVERITIES: Mapping[PermissionRisk, Severity] = {
    PermissionRisk.TENANT_WIDE: Severity.MEDIUM,
    PermissionRisk.SENSITIVE: Severity.LOW,
}


def describe_requests(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each registration that asks for a permission of weight in its own name."""
    for one in rows[REGISTRATION] or ():
        traits = tuple(list_request_traits(one))
        if traits:
            yield WatchedItem(
                id=one.id,
                name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
                opens=traits,
                facts=tuple(list_registration_facts(one)),
                advice="Ask its owner what it is for, before anybody consents. Unless somebody "
                "answers for it: Entra admin center > App registrations > the app > API "
                "permissions, and look at its secrets and owners.",
            )


def list_request_traits(registration: Configuration) -> Iterator[Trait]:
    """Each app role that is asked for and weighs something."""
    for api in get_objects(registration.values, "requiredResourceAccess"):
        api_id = get_text(api, "resourceAppId").casefold()
        if not api_id:
            raise ValueError("it asks for permissions, and does not say of which API")
        for access in get_objects(api, "resourceAccess"):
            if get_text(access, "type").casefold() == "scope":
                continue
            role_id = get_text(access, "id").casefold()
            name = find_role_name(api_id, role_id)
            weight = weigh_role(api_id, name)
            severity = SEVERITIES.get(weight.risk) if weight else None
            if weight and severity is not None:
                shown = quote_text(name or f"an unknown permission ({role_id})", MAX_NAME_LENGTH)
                text = f"asks for {shown} in its own name ({weight.concerns})"
                yield Trait(build_token("asks", f"{name or role_id} {api_id}"), text, severity)


def weigh_role(api_id: str, name: str) -> PermissionWeight | None:
    """What a role is worth; None for one that only its makers know, at an API of theirs.

    Microsoft's list may lack a role of one of Microsoft's APIs, which may be anything.
    """
    if name:
        return weigh_microsoft_permission(api_id, name, PermissionKind.ROLE)
    return UNKNOWN_ROLE if api_id in MICROSOFT_APIS else None


def list_registration_facts(registration: Configuration) -> Iterator[Fact]:
    """What the registration is known by, and since when."""
    yield Fact("app id", quote_text(get_text(registration.values, "appId") or "not told"))
    if made := get_text(registration.values, "createdDateTime"):
        yield Fact("registered", quote_text(made, 32))


REQUESTS = WatchedCollection(
    name="requested-permission",
    noun="app registration",
    plural="app registrations that ask for much",
    needs=(REGISTRATION,),
    describe=describe_requests,
    advice="Ask its owner what it is for.",
    techniques=("T1098",),
    reference="Microsoft Graph v1.0: application, requiredResourceAccess",
    harmless="what was asked for at the first look, permissions that read little, those that a "
    "user gives, and what is no longer asked for",
    may_be_old=True,
)
