"""Changes that can be undone, and the scenes they leave behind."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from core.tenant.changes import Change, RaiseAuditAge
from tests.contract.test_tenant_changes import named
from tests.support.http_recorder import PERSON_GUID, build_scene
from tests.support.tenants import EVERY_CHANGE, MISCONFIGURED_SCENE, SandboxTenant, open_sandbox

RAISE_AGE_CHANGE = RaiseAuditAge(PERSON_GUID, 180)
REVERSIBLE = [change for change in EVERY_CHANGE if change != RAISE_AGE_CHANGE]
EACH_REVERSIBLE = pytest.mark.parametrize("change", REVERSIBLE, ids=named)


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
