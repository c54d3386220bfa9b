"""The apps of a scene in wire form, as a tenant in memory holds them."""

from core.adapters.m365.apps.parse import Self, app, app_permission, delegated_grant
from core.adapters.m365.parsing import each, object_id
from core.tenant.surfaces import APPS, DELEGATED_GRANTS
from sandbox.graph import apps as wired
from sandbox.graph.identity import CLIENT_ID
from sandbox.state.tenant import Tenant as Wire
from sandbox.state.tenant import rows_in
from tests.support.fakes.tenant import FakeTenant


def add_apps(fake: FakeTenant, wire: Wire) -> None:
    """Apps with what they hold; rows that make no sense are unread."""
    reader = Self(CLIENT_ID, wire.tenant_id)
    rows = wired.principals(wire)
    fake.principals, broken = each(rows, lambda row: app(row, reader))
    for number, (row, reason) in enumerate(broken, 1):
        fake.fail(APPS, object_id(row.get("id")) or f"unidentified-{number}", reason)
    grants = rows_in(wire.graph.get("oauth2PermissionGrants"))
    fake.consented, broken = each(grants, delegated_grant)
    for number, (row, reason) in enumerate(broken, 1):
        name = object_id(row.get("clientId")) or f"unidentified-{number}"
        fake.fail(DELEGATED_GRANTS, name, reason)
    names = {
        str(role["id"]): str(role["value"]) for api in rows for role in wired.roles_of(wire, api)
    }
    apis = {row["id"] for row in rows if row.get("appId") in wired.APIS}
    assigned = (app_permission(row, names) for row in wired.assignments(wire))
    fake.app_roles = [one for one in assigned if one and one.resource_id in apis]
