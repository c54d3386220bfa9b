"""Apps from the field through the whole app: each is told at the gravity that a person expects."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from core.config.catalog import CATALOG
from core.microsoft365.permission_weights import MICROSOFT_APIS
from core.model.findings import Severity
from sandbox.graph.apps import (
    GRAPH_APP,
    MICROSOFT_TENANT_ID,
    build_principal,
    derive_api_id,
    derive_object_id,
    find_role_id,
)
from tests.support.run_scene import list_declared_permissions, run_scene

GUARD = "app-consent"
TENANT = "5a4d0b0c-7e1a-4a6f-9c55-0d7e5a11ce00"
OTHER = "0e15e000-0000-4000-8000-000000000001"
FOR_APPS = "Application"
OWNERS = {"home": TENANT, "other": OTHER, "microsoft": MICROSOFT_TENANT_ID}
DOCUMENT = json.loads(
    (Path(__file__).with_name("field_data") / "apps.json").read_text(encoding="utf-8")
)
APPS: list[dict[str, Any]] = DOCUMENT["apps"]

type Row = dict[str, Any]


def derive_app_id(app: Mapping[str, Any]) -> str:
    return str(app.get("app_id") or derive_object_id("field app", app["name"]))


def build_grants(app: Mapping[str, Any], client: str) -> list[Row]:
    """Its delegated grants: for everyone, and those of one user."""
    return [
        {
            "id": f"G{client}{kind}",
            "clientId": client,
            "consentType": kind,
            "principalId": None if kind == "AllPrincipals" else derive_object_id("somebody"),
            "resourceId": derive_api_id(GRAPH_APP),
            "scope": " ".join(app[name]),
        }
        for name, kind in (("everyone", "AllPrincipals"), ("users", "Principal"))
        if app.get(name)
    ]


def build_assignments(app: Mapping[str, Any], client: str) -> list[Row]:
    return [
        {
            "id": derive_object_id("field role", client, api, role),
            "appRoleId": find_role_id(api, role),
            "principalId": client,
            "principalType": "ServicePrincipal",
            "resourceId": derive_api_id(api),
        }
        for api, role in app.get("roles", ())
    ]


def build_registration(app: Mapping[str, Any], client: str) -> Row:
    secret = {"keyId": derive_object_id("key", client), "endDateTime": app.get("secret_until")}
    federated = {"id": derive_object_id("f", client), "name": "f", "issuer": app.get("issuer")}
    return {
        "id": derive_object_id("registration", client),
        "appId": derive_app_id(app),
        "displayName": app["name"],
        "passwordCredentials": [secret] if "secret_until" in app else [],
        "keyCredentials": [],
        "owners": [],
        "federatedIdentityCredentials": [federated | {"subject": "x"}] if "issuer" in app else [],
    }


def build_apis() -> list[Row]:
    """The APIs that are used, those that no list has with their roles."""
    used: dict[str, set[str]] = {}
    for app in APPS:
        for api, role in app.get("roles", ()):
            used.setdefault(api, set()).add(role)
    return [
        build_principal(
            derive_api_id(api),
            api,
            MICROSOFT_APIS.get(api, "Graph Connector Service"),
            MICROSOFT_TENANT_ID,
            appRoles=[
                {
                    "id": find_role_id(api, role),
                    "value": role,
                    "allowedMemberTypes": ["Application"],
                }
                for role in sorted(roles)
            ],
        )
        for api, roles in used.items()
        if api not in (GRAPH_APP, "00000002-0000-0ff1-ce00-000000000000")
    ]


def build_scene() -> Row:
    clients = {app["name"]: derive_object_id("field client", app["name"]) for app in APPS}
    return {
        "grants": list_declared_permissions(),
        "graph": {
            "organization": [{"id": TENANT, "displayName": "Contoso", "verifiedDomains": []}],
            "domains": [{"id": "contoso.example", "isVerified": True}],
            "servicePrincipals": [
                *build_apis(),
                *(
                    build_principal(
                        clients[app["name"]],
                        derive_app_id(app),
                        app["name"],
                        OWNERS[app.get("whose", "home")],
                    )
                    for app in APPS
                ),
            ],
            "oauth2PermissionGrants": [
                row for app in APPS for row in build_grants(app, clients[app["name"]])
            ],
            "appRoleAssignments": [
                row for app in APPS for row in build_assignments(app, clients[app["name"]])
            ],
            "applications": [
                build_registration(app, clients[app["name"]])
                for app in APPS
                if app.get("whose", "home") == "home"
            ],
        },
        "exchange": {},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told() -> Mapping[str, Sequence[Row]]:
    """What is found about each app, by its name."""
    modes = {config.guard.name: "off" for config in CATALOG} | {GUARD: "alert"}
    result = await run_scene(build_scene(), modes=modes)
    (run,) = (one for one in result["runs"] if one["guard"] == GUARD)
    assert run["unread"] == 0
    names = {derive_object_id("field client", app["name"]): app["name"] for app in APPS}
    table: dict[str, list[Row]] = {}
    for finding in run["findings"]:
        table.setdefault(names.get(finding["object"], finding["object"]), []).append(finding)
    return table


def test_every_app_names_a_source_that_is_described() -> None:
    assert {app["from"] for app in APPS} == DOCUMENT["sources"].keys()


@pytest.mark.parametrize("app", APPS, ids=lambda app: str(app["name"]))
def test_an_app_from_the_field_is_told_as_a_person_expects(
    told: Mapping[str, Sequence[Row]], app: Mapping[str, Any]
) -> None:
    found = told.get(str(app["name"]), ())
    worst = max((Severity[one["severity"].upper()] for one in found), default=Severity.INFO)
    said = [(one["kind"], one["severity"], one["verdict"], one["summary"]) for one in found]
    assert worst >= Severity[app.get("least", "info").upper()], said
    assert worst <= Severity[app.get("most", "critical").upper()], said
    if "verdict" in app:
        assert app["verdict"] in {one["verdict"] for one in found}, said
