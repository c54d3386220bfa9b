"""Changes that can be undone, and the scenes they leave behind."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from core.tenant.changes import Change, RaiseAuditAge
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from tests.support.http_recorder import PERSON_GUID, build_scene
from tests.support.observe import collect_pages
from tests.support.tenants import (
    EVERY_CHANGE,
    MISCONFIGURED_SCENE,
    OWNERS,
    SandboxTenant,
    open_sandbox,
)


def name_change(value: object) -> str:
    """A change in the name of a test."""
    return str(value) if isinstance(value, int) else type(value).__name__


RAISE_AGE_CHANGE = RaiseAuditAge(PERSON_GUID, 180)
REVERSIBLE = [change for change in EVERY_CHANGE if change != RAISE_AGE_CHANGE]
EACH_REVERSIBLE = pytest.mark.parametrize("change", REVERSIBLE, ids=name_change)


def build_mailbox_scene(**more: object) -> dict[str, Any]:
    """The scene of WRONG, but for properties of the person's mailbox."""
    person, room = MISCONFIGURED_SCENE["exchange"]["Get-Mailbox"]
    exchange = {**MISCONFIGURED_SCENE["exchange"], "Get-Mailbox": [{**person, **more}, room]}
    return {**MISCONFIGURED_SCENE, "exchange": exchange}


async def apply_and_capture(
    change: Change, scene_parts: Mapping[str, Any] = MISCONFIGURED_SCENE
) -> tuple[dict[str, Any], Mapping[str, object]]:
    """The scene that a change leaves behind, and what the change recorded."""
    async with open_sandbox(build_scene(**deepcopy(dict(scene_parts)))) as to:
        assert isinstance(to, SandboxTenant)
        made = await to.tenant.writer.apply(change)
        tenant = to.connection.sandbox.tenant
        return deepcopy({"graph": tenant.graph, "exchange": tenant.exchange}), made.before


def get_person_row(captured: Mapping[str, Any]) -> dict[str, Any]:
    """The person's row of Get-Mailbox in a scene."""
    row: dict[str, Any] = captured["exchange"]["Get-Mailbox"][0]
    return row


UNKNOWN_ACCOUNT_ID = "33333333-0000-4000-8000-00000000dead"


async def read_changeable_state(tenant: Tenant) -> list[Reading[Any]]:
    """All of a tenant that a change can touch."""
    return [
        await tenant.accounts.read_accounts(OWNERS),
        await tenant.inbox_rules.read_inbox_rules(OWNERS),
        await tenant.mailboxes.read_forwarding_mailboxes(),
        await collect_pages(tenant.auditing.list_mailbox_audits()),
        await collect_pages(tenant.protocols.list_mailbox_protocols()),
        await tenant.auditing.read_organization_audit(),
        await tenant.auditing.read_audit_bypasses(),
        await tenant.configuration.read_configuration("remote-domain"),
        await collect_pages(tenant.roles.list_module_users()),
    ]
