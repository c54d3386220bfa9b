"""Audit logs in whole scenes: a record leads to a look, a look to a case that says who did it.

The state is in a table, where the records and what they lead to have rows of their own.
"""

import json
from typing import Any

from core.config.catalog import CATALOG
from tests.support.http_recorder import PERSON, PERSON_GUID, ROOM, build_scene
from tests.support.run_scene import list_declared_permissions, run_scene

LOOKING = ("mailbox-forwarding", "mailbox-delegation", "shared-mailbox-sign-in")
EVE = {
    "userPrincipalName": "eve@contoso.example",
    "id": "44444444-0000-4000-8000-00000000000e",
    "ipAddress": "198.51.100.9",
    "session": "5e551011-0000-4000-8000-000000000009",
}
HIDDEN = {
    "Identity": "ann\\77",
    "RuleIdentity": "77",
    "Name": ".",
    "Enabled": True,
    "RedirectTo": ["x@evil.example"],
    "@sandbox.hidden": True,
}


async def play(edits: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    """A tenant that guards have seen, in which somebody does something before the second tick."""
    scene = build_scene(
        activity={"delayMinutes": 0},
        ticks=[{}, {"actor": EVE, "edit": edits}],
        grants={**list_declared_permissions(), "management": ["ActivityFeed.Read"]},
        **parts,
    )
    others = {config.guard.name: "off" for config in CATALOG} | dict.fromkeys(LOOKING, "alert")
    return await run_scene(scene, ticks=2, modes=others, as_deployed=True)


def find_looks(result: dict[str, Any], tick: int) -> dict[str, dict[str, Any]]:
    """The looks that records led to in a tick, by guard."""
    (found,) = (one for one in result["activity"] if one["tick"] == tick)
    assert found["troubles"] == []
    return {run["guard"]: run for run in found["runs"] if run["status"] == "looked"}


async def test_what_somebody_does_is_looked_at_in_the_tick_after_its_record() -> None:
    box = f"/exchange/Get-Mailbox/{PERSON_GUID}"
    edits: list[dict[str, Any]] = [
        {"op": "set", "path": f"/exchange/Get-InboxRule/{PERSON_GUID}", "value": [HIDDEN]},
        {
            "op": "set",
            "path": f"{box}/ForwardingSmtpAddress",
            "value": "smtp:y@evil.example",
        },
        {
            "op": "set",
            "path": "/exchange/Get-MailboxPermission",
            "value": [
                {
                    "Identity": "ann",
                    "User": "S-1-5-21-1-2-3-4",
                    "AccessRights": ["FullAccess"],
                    "IsInherited": False,
                    "Deny": False,
                }
            ],
        },
        {"op": "set", "path": f"/graph/users/{ROOM}/accountEnabled", "value": True},
    ]
    users = [
        {"id": PERSON, "userPrincipalName": "ann@contoso.example", "accountEnabled": True},
        {"id": ROOM, "userPrincipalName": "room@contoso.example", "accountEnabled": False},
    ]
    result = await play(edits, graph={"users": users})
    looks = find_looks(result, 2)
    assert looks.keys() == set(LOOKING)
    kinds = {
        guard: {finding["kind"] for finding in look["findings"]} for guard, look in looks.items()
    }
    assert "mailbox-forward" in kinds["mailbox-forwarding"]
    assert [kind for kind in kinds["mailbox-forwarding"] if kind.startswith("inbox-rule-")]
    assert "full-access" in kinds["mailbox-delegation"]
    # The cards of the new cases name who did it, from where, by the record.
    cards = [json.dumps(card) for card in result["cards"]]
    assert len([card for card in cards if "198.51.100.9" in card]) == len(LOOKING)
