"""The apps of a scene in wire form, as a tenant in memory holds them."""

from core.adapters.m365.apps.parse import (
    CallerIdentity,
    parse_app,
    parse_app_permission,
    parse_delegated_grant,
)
from core.adapters.m365.parsing import parse_each_row, parse_object_id
from core.tenant.surfaces import APPS, DELEGATED_GRANTS
from sandbox.graph import apps as wired
from sandbox.graph.identity import CLIENT_ID
from sandbox.state.tenant import SimulatedTenant as Wire
from sandbox.state.tenant import to_rows
from tests.support.fakes.tenant import FakeTenant


def add_apps(fake: FakeTenant, wire: Wire) -> None:
    """Apps with what they hold; rows that make no sense are unread."""
    reader = CallerIdentity(CLIENT_ID, wire.tenant_id)
    rows = wired.collect_principals(wire)
    fake.service_principals, broken = parse_each_row(rows, lambda row: parse_app(row, reader))
    for number, (row, reason) in enumerate(broken, 1):
        fake.fail_read(APPS, parse_object_id(row.get("id")) or f"unidentified-{number}", reason)
    grants = to_rows(wire.graph.get("oauth2PermissionGrants"))
    fake.oauth_grants, broken = parse_each_row(grants, parse_delegated_grant)
    for number, (row, reason) in enumerate(broken, 1):
        name = parse_object_id(row.get("clientId")) or f"unidentified-{number}"
        fake.fail_read(DELEGATED_GRANTS, name, reason)
    names = {
        str(role["id"]): str(role["value"])
        for api in rows
        for role in wired.list_api_roles(wire, api)
    }
    apis = {row["id"] for row in rows if row.get("appId") in wired.APIS}
    assigned = (parse_app_permission(row, names) for row in wired.collect_app_assignments(wire))
    fake.app_role_assignments = [one for one in assigned if one and one.resource_id in apis]
