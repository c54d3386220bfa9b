"""How dangerous the permissions of Microsoft's APIs are.

`permission_weights.csv` beside this module has a row for each permission that Microsoft publishes:
those of Microsoft Graph on 2026-08-07 (microsoftgraph/microsoft-graph-devx-content), those of the
other APIs as of 2026-08-20 (CISA ScubaGear `schemas/RiskyAppPermissions.json`, and Microsoft's
pages about each API). A name counts at the API it belongs to only, since any API may define a scope
called Mail.Read.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.microsoft365.known_apps import is_microsoft_app
from core.microsoft365.permission_rules import (
    PermissionKind,
    PermissionRisk,
    match_rule,
    sounds_broad,
)
from core.tenant.apps import App

WEIGHTS_FILE = Path(__file__).with_suffix(".csv")
COLUMNS = ("api", "kind", "name", "id", "risk", "concerns")

GRAPH_API, EXCHANGE_API, SHAREPOINT_API = (
    "00000003-0000-0000-c000-000000000000",
    "00000002-0000-0ff1-ce00-000000000000",
    "00000003-0000-0ff1-ce00-000000000000",
)

# Microsoft's APIs to mail, files, the directory, devices and security, by application id, which
# nobody else can have (Microsoft Learn: Verify first-party Microsoft applications in sign-in
# reports; merill/microsoft-info, 2026-08-20). Their app roles are read.
MICROSOFT_APIS: Mapping[str, str] = {
    GRAPH_API: "Microsoft Graph",
    EXCHANGE_API: "Exchange Online",
    SHAREPOINT_API: "SharePoint Online",
    "00000002-0000-0000-c000-000000000000": "Azure AD Graph",
    "c5393580-f805-4401-95e8-94b7a6ef2fc2": "Office 365 Management APIs",
    "c161e42e-d4df-4a3d-9b42-e7a3c31f59d4": "Microsoft Intune API",
    "fc780465-2017-40d4-a0c5-307022471b92": "Microsoft Defender for Endpoint",
    "8ee8fdad-f234-4243-8f3b-15c294843740": "Microsoft Threat Protection",
    "05a65629-4c1b-48c1-a78b-804c4abdd4af": "Microsoft Defender for Cloud Apps",
    "00000012-0000-0000-c000-000000000000": "Azure Rights Management",
    "870c4f2e-85b6-4d43-bdda-6ed9a579b725": "Microsoft Information Protection Sync Service",
    "73c2949e-da2d-457a-9607-fcc665198967": "Microsoft Purview",
    "48ac35b8-9aa8-4d74-927d-1f4a14a0b239": "Skype and Teams Tenant Admin API",
    "00000009-0000-0000-c000-000000000000": "Power BI Service",
    "00000007-0000-0000-c000-000000000000": "Dataverse",
    "475226c6-020e-4fb2-8a90-7a972cbfc1d4": "PowerApps Service",
    "7df0a125-d3be-4c96-aa54-591f83ff541c": "Microsoft Flow Service",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013": "Azure Service Management",
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093": "Azure Key Vault",
}


@dataclass(frozen=True, slots=True)
class PermissionWeight:
    """What a permission of one of Microsoft's APIs is worth to an attacker."""

    risk: PermissionRisk
    concerns: str
    """What it opens, in a few words."""
    is_published: bool = True
    """False: Microsoft's list does not have it, so its weight is told from its name alone."""


UNKNOWN_ROLE = PermissionWeight(
    PermissionRisk.SENSITIVE, "what nobody can tell: the API does not name it", is_published=False
)


@dataclass(frozen=True, slots=True)
class PublishedPermission:
    """A row of the list: a permission by its API, kind and name."""

    api: str
    kind: PermissionKind
    name: str
    id: str
    """The id by which it is granted; empty where no public source says it."""
    weight: PermissionWeight


def parse_weight_row(row: Mapping[str, str]) -> PublishedPermission:
    """A row of the file. Raises KeyError or ValueError for one that makes no sense."""
    weight = PermissionWeight(PermissionRisk[row["risk"].upper()], row["concerns"])
    return PublishedPermission(
        row["api"], PermissionKind(row["kind"]), row["name"], row["id"], weight
    )


def read_published_permissions(path: Path = WEIGHTS_FILE) -> Iterator[PublishedPermission]:
    """Every row of the file."""
    with path.open(encoding="utf-8", newline="") as lines:
        yield from map(parse_weight_row, csv.DictReader(lines))


@cache
def load_weights() -> Mapping[tuple[str, PermissionKind, str], PermissionWeight]:
    """The published weights by API, kind and name in lower case."""
    return {
        (one.api, one.kind, one.name.casefold()): one.weight for one in read_published_permissions()
    }


@cache
def load_role_names() -> Mapping[tuple[str, str], str]:
    """The names of the published app roles by API and id."""
    return {
        (one.api, one.id): one.name
        for one in read_published_permissions()
        if one.id and one.kind is PermissionKind.ROLE
    }


def find_role_name(api_app_id: str, role_id: str) -> str:
    """The published name of an app role; empty for one that is not published."""
    return load_role_names().get((api_app_id, role_id), "")


def weigh_by_name(name: str, kind: PermissionKind) -> PermissionWeight:
    """The weight of a permission that Microsoft has not published, or not at this API.

    Whatever sounds broad is at least that: new names come every month.
    """
    rule = match_rule(name, kind)
    risk = max(rule.risk, PermissionRisk.BROAD) if sounds_broad(name) else rule.risk
    return PermissionWeight(risk, rule.concerns, is_published=False)


def weigh_microsoft_permission(
    api_app_id: str, name: str, kind: PermissionKind
) -> PermissionWeight:
    """The weight of a scope or app role of one of Microsoft's APIs."""
    known = load_weights().get((api_app_id, kind, name.casefold()))
    return known or weigh_by_name(name, kind)


def weigh_permission(name: str, kind: PermissionKind, api: App) -> PermissionWeight:
    """The weight of a scope or app role of an API.

    What an API that is not Microsoft's gives away is known to its makers only: one of this tenant's
    own to its people, another's to nobody here, so that a name that sounds broad counts.
    """
    if is_microsoft_app(api) or api.app_id in MICROSOFT_APIS:
        return weigh_microsoft_permission(api.app_id, name, kind)
    if api.is_home_tenant:
        return PermissionWeight(PermissionRisk.ORDINARY, "an API of this tenant's own")
    broad = sounds_broad(name) or not name
    risk = PermissionRisk.BROAD if broad else PermissionRisk.ORDINARY
    return PermissionWeight(risk, "an API that is not Microsoft's")


def weigh_unnamed_role(api: App) -> PermissionWeight:
    """The weight of an app role that its API does not name: at one of Microsoft's, anything."""
    if is_microsoft_app(api) or api.app_id in MICROSOFT_APIS:
        return UNKNOWN_ROLE
    return weigh_permission("", PermissionKind.ROLE, api)
