"""Changes that can be undone, and the scenes they leave behind."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from core.tenant.changes import Change, RaiseAuditAge
from tests.contract.test_tenant_changes import named
from tests.support.http_recorder import PERSON_GUID, scene
from tests.support.tenants import EVERY_CHANGE, WRONG, OnSandbox, open_sandbox

AGE = RaiseAuditAge(PERSON_GUID, 180)
REVERSIBLE = [change for change in EVERY_CHANGE if change != AGE]
EACH = pytest.mark.parametrize("change", REVERSIBLE, ids=named)


def box(**more: object) -> dict[str, Any]:
    """The scene of WRONG, but for properties of the person's mailbox."""
    person, room = WRONG["exchange"]["Get-Mailbox"]
    exchange = {**WRONG["exchange"], "Get-Mailbox": [{**person, **more}, room]}
    return {**WRONG, "exchange": exchange}


async def left_by(
    change: Change, what: Mapping[str, Any] = WRONG
) -> tuple[dict[str, Any], Mapping[str, object]]:
    """The scene that a change leaves behind, and what the change recorded."""
    async with open_sandbox(scene(**deepcopy(dict(what)))) as to:
        assert isinstance(to, OnSandbox)
        made = await to.tenant.apply(change)
        tenant = to.to.sandbox.tenant
        return deepcopy({"graph": tenant.graph, "exchange": tenant.exchange}), made.before


def person_in(left: Mapping[str, Any]) -> dict[str, Any]:
    """The person's row of Get-Mailbox in a scene."""
    row: dict[str, Any] = left["exchange"]["Get-Mailbox"][0]
    return row
