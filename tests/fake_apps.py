"""The apps of a scene in wire form, as a tenant in memory holds them."""

from core.adapters.wire import each, object_id
from core.adapters.wire_apps import Self, app, app_permission, delegated_grant
from core.tenant import APPS, DELEGATED_GRANTS
from sandbox import apps as wired
from sandbox.entra import CLIENT_ID
from sandbox.tenant import Tenant as Wire
from sandbox.tenant import rows_in
from tests.fakes import FakeTenant


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
