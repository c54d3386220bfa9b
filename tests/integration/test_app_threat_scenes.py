"""Ways in through apps from end to end, each beside a healthy tenant that looks alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.config.catalog import CATALOG
from sandbox.graph.apps import (
    EXCHANGE_APP,
    GRAPH_APP,
    MICROSOFT_TENANT_ID,
    build_app_assignment,
    build_principal,
    derive_api_id,
)
from tests.support.run_scene import list_declared_permissions, run_scene

GUARD = "app-consent"
TENANT = "5a4d0b0c-7e1a-4a6f-9c55-0d7e5a11ce00"
ELSEWHERE = "0e15e000-0000-4000-8000-000000000001"
APP, APP_ID, REGISTRATION = (f"c{n}000000-0000-4000-8000-000000000001" for n in (0, 1, 2))
OWNER = "d0000000-0000-4000-8000-000000000001"
VERIFIED = {"displayName": "Backup Ltd", "verifiedPublisherId": "12345", "addedDateTime": None}
LEVELS = ("info", "low", "medium", "high", "critical")
DEFENDER = "fc780465-2017-40d4-a0c5-307022471b92"

type Scene = dict[str, Any]


def build_tenant(
    name: str,
    *roles: tuple[str, str],
    owner: str = TENANT,
    scopes: str = "",
    everyone: bool = False,
    registration: Mapping[str, object] | None = None,
    exchange: Mapping[str, Sequence[Scene]] | None = None,
    may_register: bool = False,
    **principal: object,
) -> Scene:
    """A tenant with one app, what it was given, and how it can be signed in to."""
    apis = [
        build_principal(derive_api_id(api), api, api, MICROSOFT_TENANT_ID)
        for api in {api for api, _ in roles} - {GRAPH_APP, EXCHANGE_APP}
    ]
    grant = {
        "id": "G1",
        "clientId": APP,
        "consentType": "AllPrincipals" if everyone else "Principal",
        "principalId": None if everyone else OWNER,
        "resourceId": derive_api_id(GRAPH_APP),
        "scope": scopes,
    }
    return {
        "grants": list_declared_permissions(),
        "graph": {
            "organization": [{"id": TENANT, "displayName": "Contoso", "verifiedDomains": []}],
            "domains": [{"id": "contoso.example", "isVerified": True}],
            "servicePrincipals": [
                *apis,
                build_principal(APP, APP_ID, name, owner) | principal,
            ],
            "oauth2PermissionGrants": [grant] if scopes else [],
            "appRoleAssignments": [build_app_assignment(APP, *role) for role in roles],
            "applications": [
                {
                    "id": REGISTRATION,
                    "appId": APP_ID,
                    "displayName": name,
                    "passwordCredentials": [],
                    "keyCredentials": [],
                    "owners": [],
                    "federatedIdentityCredentials": [],
                    **(registration or {}),
                }
            ],
            "authorizationPolicy": {
                "id": "authorizationPolicy",
                "defaultUserRolePermissions": {
                    "allowedToCreateApps": may_register,
                    "permissionGrantPoliciesAssigned": [],
                },
            },
        },
        "exchange": dict(exchange or {}),
    }


def list_secrets(years: str) -> Mapping[str, object]:
    one = {
        "keyId": "fe000000-0000-4000-8000-000000000001",
        "endDateTime": f"{years}-01-01T00:00:00Z",
    }
    return {"passwordCredentials": [one]}


def list_providers(issuer: str, subject: str) -> Mapping[str, object]:
    one = {"id": "fe000000-0000-4000-8000-000000000002", "name": "ci", "issuer": issuer}
    return {"federatedIdentityCredentials": [one | {"subject": subject}]}


def build_assignment(role: str, **more: object) -> Scene:
    return {
        "Identity": f"{role}-sync",
        "Name": f"{role}-sync",
        "Role": role,
        "RoleAssigneeType": "ServicePrincipal",
        "RoleAssignee": APP,
        "Enabled": True,
        **more,
    }


def list_roles(*rows: Scene) -> Mapping[str, Sequence[Scene]]:
    principal = {"AppId": APP_ID, "ObjectId": APP, "DisplayName": "Sync", "Identity": APP}
    return {"Get-ManagementRoleAssignment": list(rows), "Get-ServicePrincipal": [principal]}


@dataclass(frozen=True)
class Case:
    scene: Scene
    kind: str
    """The kind of the worst finding; empty: nothing above a note."""
    least: str = "low"
    most: str = "critical"
    says: Sequence[str] = field(default_factory=tuple)


THREATS: Mapping[str, Case] = {
    "a certificate on an app that reads all files": Case(
        build_tenant(
            "Archive",
            (GRAPH_APP, "Files.Read.All"),
            registration={
                "keyCredentials": [
                    {"keyId": "fe000000-0000-4000-8000-000000000003", "usage": "Verify"}
                ]
            },
        ),
        "registration-credential",
        "high",
        says=("certificate",),
    ),
    "a foreign tenant vouches for an app that may give roles": Case(
        build_tenant(
            "Onboarding",
            (GRAPH_APP, "RoleManagement.ReadWrite.Directory"),
            registration=list_providers(f"https://login.microsoftonline.com/{ELSEWHERE}/v2.0", "x"),
        ),
        "federated-credential",
        "high",
        says=("another tenant of Entra",),
    ),
    "a secret for decades on an ordinary app": Case(
        build_tenant("Rota", registration=list_secrets("2080")), "registration-credential", "low"
    ),
    "a guest owns an app that sends mail": Case(
        build_tenant(
            "Newsletter",
            (GRAPH_APP, "Mail.Send"),
            registration={
                "owners": [{"id": OWNER, "userPrincipalName": "eve_x.example#EXT#@contoso.example"}]
            },
        ),
        "app-owner",
        "medium",
        says=("guest",),
    ),
    "a role at Defender that runs commands on devices": Case(
        build_tenant("Response", (DEFENDER, "Machine.LiveResponse")),
        "application-permission",
        "high",
    ),
    "a full-access role by Exchange alone": Case(
        build_tenant("Sync", exchange=list_roles(build_assignment("Application Mail Full Access"))),
        "exchange-role",
        "critical",
        says=("every mailbox", "not by a consent"),
    ),
    "a role by Exchange within a scope": Case(
        build_tenant(
            "Sync",
            exchange=list_roles(
                build_assignment("Application Mail.Read", CustomResourceScope="Invoices")
            ),
        ),
        "exchange-role",
        "medium",
        "medium",
        says=("Invoices",),
    ),
    "everyone's mail by Azure CLI": Case(
        build_tenant(
            "Microsoft Azure CLI",
            owner=MICROSOFT_TENANT_ID,
            scopes="Mail.ReadWrite offline_access",
            everyone=True,
            appId="04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        ),
        "delegated-everyone",
        "medium",
    ),
    "an invisible name registered here": Case(
        build_tenant("\u3164", scopes="Contacts.Read", may_register=True),
        "delegated-users",
        "medium",
        says=("cannot be read", "could be read"),
    ),
    "mail for an app that intruders use": Case(
        build_tenant(
            "Sync tool",
            owner=ELSEWHERE,
            scopes="IMAP.AccessAsUser.All",
            appId="2ef68ccc-8a4d-42ff-ae88-2d7bb89ad139",
        ),
        "abused-app",
        "high",
        says=("Mail_Backup",),
    ),
    "sign-ins to a wildcard": Case(
        build_tenant("Portal", scopes="openid", replyUrls=["https://*.contoso.example/cb"]),
        "reply-address",
        "medium",
        says=("wildcard",),
    ),
    "a permission that nobody knows yet": Case(
        build_tenant("Assistant", owner=ELSEWHERE, scopes="Novelty.ReadWrite.All"),
        "delegated-users",
        "medium",
    ),
    "an app that Microsoft has disabled": Case(
        build_tenant(
            "Invoice viewer",
            owner=ELSEWHERE,
            scopes="User.Read",
            disabledByMicrosoftStatus="DisabledDueToViolationOfServicesAgreement",
        ),
        "disabled-by-microsoft",
        "medium",
    ),
}
HEALTHY: Mapping[str, Scene] = {
    "a tool of our own with a secret for a year": build_tenant(
        "Rota", scopes="openid profile User.Read", registration=list_secrets("2027")
    ),
    "a build pipeline of our own managed identity": build_tenant(
        "Pipeline",
        registration=list_providers(f"https://login.microsoftonline.com/{TENANT}/v2.0", OWNER),
    ),
    "a product name on a tool that signs in": build_tenant("Teams room finder", scopes="User.Read"),
    "a verified app that signs in": build_tenant(
        "Adobe Acrobat", owner=ELSEWHERE, scopes="openid email", verifiedPublisher=VERIFIED
    ),
    "a verified app on a shared platform": build_tenant(
        "Surveys",
        owner=ELSEWHERE,
        scopes="openid",
        verifiedPublisher=VERIFIED,
        replyUrls=["https://surveys.azurewebsites.net/cb"],
    ),
    "Graph Explorer for signing in": build_tenant(
        "Graph Explorer",
        owner=MICROSOFT_TENANT_ID,
        scopes="openid profile User.Read",
        everyone=True,
        appId="de8bc8b5-d9f9-48b1-a8ad-b748da725064",
    ),
    "a service of Microsoft's": build_tenant(
        "Office 365 Something",
        (GRAPH_APP, "Mail.ReadWrite"),
        owner=MICROSOFT_TENANT_ID,
        disabledByMicrosoftStatus="NotDisabled",
    ),
    "a desktop tool of our own": build_tenant(
        "Time sheets", scopes="User.Read", replyUrls=["http://localhost:8400", "msal1://auth"]
    ),
    "roles that Exchange gives people": build_tenant(
        "Rota",
        exchange=list_roles(
            build_assignment("Mail Recipients", RoleAssigneeType="RoleGroup", RoleAssignee="HD")
        ),
    ),
}


async def play(scene: Scene) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    modes = {entry.guard.name: "off" for entry in CATALOG} | {GUARD: "alert"}
    result = await run_scene(scene, ticks=1, modes=modes)
    (run,) = (one for one in result["runs"] if one["guard"] == GUARD)
    return run, [one for one in run["findings"] if one["severity"] != "info"]


@pytest.mark.parametrize("name", THREATS)
async def test_a_way_in_is_told(name: str) -> None:
    case = THREATS[name]
    run, found = await play(case.scene)
    assert (run["unread"], run["blind"]) == (0, [])
    (finding,) = (one for one in found if one["kind"] == case.kind)
    levels = LEVELS.index(case.least), LEVELS.index(case.most)
    assert levels[0] <= LEVELS.index(finding["severity"]) <= levels[1]
    text = " ".join((finding["summary"], *map(str, finding["facts"])))
    assert not case.says or any(one in text for one in case.says)


@pytest.mark.parametrize("name", HEALTHY)
async def test_what_only_looks_like_one_is_nothing(name: str) -> None:
    run, found = await play(HEALTHY[name])
    assert (run["unread"], run["blind"], found) == (0, [], [])
