"""The sandbox's rights over mailboxes answer as Exchange does."""

from typing import Any

import pytest

from sandbox.exchange.permissions import PERMISSION_CMDLETS, SELF_TRUSTEE
from sandbox.exchange.read_cmdlets import CmdletError, Command
from sandbox.state.tenant import SimulatedTenant

GHOST = "S-1-5-21-1-2-3-4004"
ANN = {
    "Guid": "33333333-0000-4000-8000-000000000001",
    "Name": "ann",
    "Identity": "ann",
    "PrimarySmtpAddress": "ann@contoso.example",
}
BEN = {"Guid": "33333333-0000-4000-8000-000000000002", "Name": "ben", "Identity": "ben"}
ROW = {"AccessRights": ["FullAccess"], "IsInherited": False, "Deny": False}


def tenant(**exchange: object) -> SimulatedTenant:
    return SimulatedTenant({"exchange": {"Get-Mailbox": [ANN, BEN], **exchange}})


def users(of: SimulatedTenant, **parameters: object) -> list[str]:
    """Who has a right of their own over a mailbox, but itself."""
    return [row["User"] for row in rows(of, "Get-MailboxPermission", **parameters)]


def rows(of: SimulatedTenant, name: str, **parameters: object) -> list[dict[str, Any]]:
    cmdlet = PERMISSION_CMDLETS[name]
    found = cmdlet.run(of, Command(name, cmdlet.normalize_parameters(parameters))).rows
    return [dict(row) for row in found if row["IsInherited"] is not True and not own(row)]


def own(row: Any) -> bool:
    return SELF_TRUSTEE in (row.get("User"), row.get("Trustee"))


def test_every_mailbox_has_its_right_over_itself_and_an_inherited_one() -> None:
    cmdlet = PERMISSION_CMDLETS["Get-MailboxPermission"]
    found = cmdlet.run(tenant(), Command("Get-MailboxPermission", {"Identity": "ann"})).rows
    assert [(row["User"] == SELF_TRUSTEE, row["IsInherited"]) for row in found] == [
        (True, False),
        (False, True),
    ]


def test_rows_are_found_flat_or_by_mailbox_whatever_name_is_asked_for() -> None:
    flat = tenant(**{"Get-MailboxPermission": [{"Identity": "ann", "User": "max", **ROW}]})
    kept = tenant(**{"Get-MailboxPermission": {"ann@contoso.example": [{"User": "max", **ROW}]}})
    for one in (flat, kept):
        for name in ("ann", "ann@contoso.example", ANN["Guid"]):
            assert users(one, Identity=name) == ["max"]
        assert users(one, Identity="ben") == []
        assert users(one, Identity="ann", User="somebody") == []


def test_holders_nobody_can_name_are_shown_only_when_they_are_asked_for() -> None:
    of = tenant(**{"Get-MailboxPermission": [{"Identity": "ann", "User": GHOST, **ROW}]})
    assert users(of, Identity="ann") == []
    assert users(of, Identity="ann", IncludeUnresolvedPermissions=True) == [GHOST]


@pytest.mark.parametrize("parameters", [{}, {"Identity": ""}, {"Identity": "nobody"}])
def test_a_mailbox_has_to_be_named(parameters: dict[str, object]) -> None:
    with pytest.raises(CmdletError):
        users(tenant(), **parameters)


def test_rights_to_send_are_listed_for_everybody_or_for_one() -> None:
    given = [
        {"Identity": name, "Trustee": "max", "AccessRights": ["SendAs"], "IsInherited": False}
        for name in ("ann", "ben")
    ]
    of = tenant(**{"Get-RecipientPermission": given})
    name = "Get-RecipientPermission"
    assert len(rows(of, name, ResultSize="Unlimited")) == 2
    assert [row["Identity"] for row in rows(of, name, Identity="ann@contoso.example")] == ["ann"]
    assert rows(of, name, Trustee="somebody") == []
    assert len(rows(of, name, AccessRights="SendAs")) == 2
    cmdlet = PERMISSION_CMDLETS[name]
    assert len(cmdlet.run(of, Command(name, {"ResultSize": 3})).rows) == 3
