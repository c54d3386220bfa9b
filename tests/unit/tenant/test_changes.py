"""Changes as a case stores them: read back exactly, or refused."""

import json

import pytest

from core.tenant.changes import (
    CHANGE_TYPES,
    BlockSignIn,
    Change,
    ClearMailboxForward,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
    change_to_arguments,
    get_joint_target,
    parse_change,
)

CHANGES: tuple[Change, ...] = (
    BlockSignIn("a1", "g1", ("SharedMailbox", "RoomMailbox"), ends_sessions=True),
    EnableOrganizationAudit(),
    ResetAuditSet("g1", ("Owner",), (("Owner", ("Send", "Copy")),), (("Owner", ("Create",)),)),
    RaiseAuditAge("g1", 90),
    *(
        SetConfiguration("remote-domain", "Default", "AutoForwardEnabled", value)
        for value in (False, 5, "Off", ("a", "b"), ())
    ),
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_read_as_it_was_stored(change: Change) -> None:
    stored = json.dumps([type(change).__name__, change_to_arguments(change)])
    assert parse_change(stored) == change


def test_every_kind_of_change_can_be_stored() -> None:
    assert len(CHANGE_TYPES) == 18
    assert CHANGE_TYPES["ClearMailboxForward"] is ClearMailboxForward


@pytest.mark.parametrize(
    "stored",
    [
        "[]",
        "5",
        "null",
        '["ClearMailboxForward"]',
        '["ClearMailboxForward", {}, {}]',
        '["ClearMailboxForward", {}]',
        '["ClearMailboxForward", ["g1"]]',
        '["ClearMailboxForward", {"mailbox_guid": 5}]',
        '["ClearMailboxForward", {"mailbox_guid": "g1", "more": 1}]',
        '["DeleteTenant", {}]',
        '["RaiseAuditAge", {"mailbox_guid": "g1", "days": true}]',
        '["RaiseAuditAge", {"mailbox_guid": "g1", "days": "90"}]',
        '["BlockSignIn", {"account_id": "a", "mailbox_guid": "g", "kinds": "SharedMailbox"}]',
        '["BlockSignIn", {"account_id": "a", "mailbox_guid": "g", "kinds": ["x", 5]}]',
        '["ResetAuditSet", {"mailbox_guid": "g", "logon_types": [], "extras": [["Owner"]]}]',
        '["ResetAuditSet", {"mailbox_guid": "g", "logon_types": [], "extras": [["Owner", "x"]]}]',
        '["SetConfiguration", {"source": "s", "identity": "i", "name": "n", "value": null}]',
        '["SetConfiguration", {"source": "s", "identity": "i", "name": "n", "value": 1.5}]',
        '["SetConfiguration", {"source": "s", "identity": "i", "name": "n", "value": [1]}]',
    ],
)
def test_what_is_no_change_is_refused(stored: str) -> None:
    with pytest.raises(ValueError, match="not a change"):
        parse_change(stored)


def test_changes_of_what_one_mailbox_records_are_made_together() -> None:
    for change in (EnableMailboxAudit("g1"), ResetAuditSet("g1", ()), RaiseAuditAge("g1", 90)):
        assert get_joint_target(change) == "g1"
    assert get_joint_target(ClearMailboxForward("g1")) == ""
