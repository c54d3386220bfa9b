"""Delegated mailboxes through the whole app: healthy, neglected, attacked, and not to be read."""

from collections.abc import Mapping
from typing import Any

import pytest
import pytest_asyncio

from core.config.catalog import CATALOG
from tests.support.run_scene import dump_cards, list_declared_permissions, run_scene

GUARD = "mailbox-delegation"
MODES = {duty.guard.name: "off" for duty in CATALOG if duty.guard.name != GUARD}
SID = "S-1-5-21-1111111111-2222222222-3333333333-"
GHOST = f"{SID}4004"
GUEST = "max_partner.example#EXT#@contoso.onmicrosoft.com"
PEOPLE = ("ann", "ben", "eve", "fin", "gus", "director")
SHARED = ("info", "sales")

type Row = dict[str, Any]


def object_id(name: str) -> str:
    return f"11111111-0000-4000-8000-{(*PEOPLE, *SHARED).index(name):012}"


def guid(name: str) -> str:
    return f"33333333-0000-4000-8000-{(*PEOPLE, *SHARED).index(name):012}"


def mailbox(name: str, **more: object) -> Row:
    return {
        "Identity": object_id(name),
        "Name": object_id(name),
        "Alias": name,
        "DisplayName": name.title(),
        "ExternalDirectoryObjectId": object_id(name),
        "Guid": guid(name),
        "UserPrincipalName": f"{name}@contoso.com",
        "PrimarySmtpAddress": f"{name}@contoso.com",
        "EmailAddresses": [f"SMTP:{name}@contoso.com"],
        "RecipientTypeDetails": "SharedMailbox" if name in SHARED else "UserMailbox",
        "GrantSendOnBehalfTo": [],
        **more,
    }


def opens(user: str, of: str, sid: str = "", **more: object) -> Row:
    return {
        "Identity": object_id(of),
        "User": user,
        "UserSid": sid or None,
        "AccessRights": ["FullAccess"],
        "IsInherited": False,
        "Deny": False,
        "InheritanceType": "All",
        **more,
    }


def sends(trustee: str, of: str, sid: str = "", **more: object) -> Row:
    return {
        "Identity": object_id(of),
        "Trustee": trustee,
        "TrusteeSidString": sid or None,
        "AccessControlType": "Allow",
        "AccessRights": ["SendAs"],
        "IsInherited": False,
        **more,
    }


def scene(*, behalf: Mapping[str, list[str]] | None = None, **more: Any) -> Row:
    """A tenant of six people and two shared mailboxes; the app holds what it declares."""
    boxes = [
        mailbox(name, GrantSendOnBehalfTo=(behalf or {}).get(name, []))
        for name in (*PEOPLE, *SHARED)
    ]
    base: Row = {
        "grants": list_declared_permissions(),
        "graph": {
            "users": [
                {"id": object_id(name), "userPrincipalName": f"{name}@contoso.com"}
                for name in (*PEOPLE, *SHARED)
            ],
            "domains": [{"id": "contoso.com", "isVerified": True, "isDefault": True}],
        },
        "exchange": {
            "Get-Mailbox": boxes,
            "Get-Recipient": [
                {
                    "Identity": "Max Partner",
                    "Name": "Max Partner",
                    "Guid": "55555555-0000-4000-8000-000000000001",
                    "PrimarySmtpAddress": "max@partner.example",
                    "ExternalEmailAddress": "SMTP:max@partner.example",
                    "RecipientTypeDetails": "GuestMailUser",
                }
            ],
            **more.pop("exchange", {}),
        },
    }
    return base | more


NORMAL: Row = {
    "Get-MailboxPermission": [
        opens("ann@contoso.com", "info", f"{SID}1"),
        opens("BEN@contoso.com", "info", f"{SID}2"),
        opens("denied@contoso.com", "director", f"{SID}7", Deny=True),
        opens("above@contoso.com", "director", f"{SID}8", IsInherited="True"),
    ],
    "Get-RecipientPermission": [sends("ann@contoso.com", "info", f"{SID}1")],
}
NEGLECTED: Row = {
    "Get-MailboxPermission": [
        opens("Everyone", "sales", "S-1-1-0"),
        opens(GHOST, "director", GHOST),
        opens(GUEST, "director", f"{SID}66"),
        opens("ben@contoso.com", "ann", f"{SID}2", AccessRights="FullAccess, ReadPermission"),
        opens("ben@contoso.com", "eve", f"{SID}2", AccessRights=["ChangePermission"]),
        opens("CONTOSO\\svc", "sales"),
    ],
    "Get-RecipientPermission": [
        sends("Max Partner", "sales", f"{SID}66"),
        sends("ben@contoso.com", "fin", f"{SID}2"),
        sends("ben@contoso.com", "gus", f"{SID}2"),
        sends("ben@contoso.com", "director", f"{SID}2"),
    ],
}
ATTACK: Row = {
    "Get-MailboxPermission": [
        *NORMAL["Get-MailboxPermission"],
        opens("eve@contoso.com", "director", f"{SID}3"),
        opens("eve@contoso.com", "fin", f"{SID}3"),
    ],
    "Get-RecipientPermission": [
        *NORMAL["Get-RecipientPermission"],
        sends("eve@contoso.com", "director", f"{SID}3"),
    ],
}


def run_of(result: Row, tick: int) -> Row:
    (found,) = (one for one in result["runs"] if (one["tick"], one["guard"]) == (tick, GUARD))
    return dict(found)


def table(run: Row) -> set[tuple[str, str, str, str]]:
    return {
        (one["subject"].partition("@")[0], one["kind"], one["verdict"], one["severity"])
        for one in run["findings"]
    }


async def played(what: Row, ticks: int) -> Row:
    return await run_scene(what, ticks=ticks, modes=MODES)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def healthy() -> Row:
    return await played(scene(), 3)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neglected() -> Row:
    return await played(scene(exchange=NEGLECTED, behalf={"ann": ["Ben"], "info": ["nobody"]}), 3)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked() -> Row:
    edits = [{}, {"exchange": ATTACK}, {}, {}, {}, {"exchange": NORMAL}]
    return await played(scene(exchange=NORMAL, ticks=edits), 9)


# Healthy ----------------------------------------------------------------------------------------


def test_a_tenant_in_which_nobody_delegated_gets_no_card(healthy: Row) -> None:
    assert healthy["cards"] == []
    assert healthy["writes"] == []
    for tick in (1, 2, 3):
        run = run_of(healthy, tick)
        assert (run["findings"], run["unread"], run["blind"]) == ([], 0, [])
        assert run["seen"] == run["population"] == len(PEOPLE) + len(SHARED)


# Neglected --------------------------------------------------------------------------------------


def test_everything_that_exists_goes_on_one_card_with_the_gravest_first(neglected: Row) -> None:
    run = run_of(neglected, 1)
    assert table(run) == {
        ("sales", "full-access", "everyone", "critical"),
        ("director", "full-access", "external", "critical"),
        ("director", "full-access", "unresolved", "high"),
        ("sales", "send-as", "external", "high"),
        ("sales", "full-access", "unresolved", "medium"),
        ("info", "send-on-behalf", "unresolved", "medium"),
        # By themselves these are low or medium; it is the same holder in all of them.
        ("ann", "send-on-behalf", "delegated", "high"),
        ("ann", "full-access", "delegated", "high"),
        ("eve", "change-permission", "delegated", "high"),
        ("fin", "send-as", "delegated", "high"),
        ("gus", "send-as", "delegated", "high"),
        ("director", "send-as", "delegated", "high"),
    }
    assert {one["state"] for one in run["findings"]} == {"adopted"}
    assert next(one["severity"] for one in run["findings"]) == "critical"
    assert len(neglected["cards"]) == 1


def test_a_holder_of_five_peoples_mailboxes_makes_each_right_grave(neglected: Row) -> None:
    held = [one for one in run_of(neglected, 1)["findings"] if one["verdict"] == "delegated"]
    assert len(held) == 6
    for one in held:
        assert "the same holder has rights over 5 or more mailboxes" in one["facts"]
    # The card of the first look has room for what is critical, with its next step, and counts the
    # rest.
    text = dump_cards(neglected["cards"])
    assert "2 cases of director@contoso.com" in text
    assert "**Next step:** Ask the owner" in text
    assert "and 10 more" in text


def test_the_second_and_third_look_say_nothing_and_nothing_is_changed(neglected: Row) -> None:
    assert [run_of(neglected, tick)["news"] for tick in (2, 3)] == [0, 0]
    assert neglected["writes"] == []


# Attacked ---------------------------------------------------------------------------------------


def test_members_of_a_shared_mailbox_are_the_starting_point(attacked: Row) -> None:
    assert table(run_of(attacked, 1)) == {
        ("info", "full-access", "delegated", "low"),
        ("info", "send-as", "delegated", "low"),
    }
    assert len(run_of(attacked, 1)["findings"]) == 3


def new_in(run: Row) -> list[tuple[str, str]]:
    """The mailbox and kind of what a run found for the first time."""
    return sorted((one["subject"], one["kind"]) for one in run["findings"] if one["state"] == "new")


def test_a_new_right_to_send_is_told_at_the_next_run_and_leads_to_the_right_to_open(
    attacked: Row,
) -> None:
    assert new_in(run_of(attacked, 2)) == [
        ("director@contoso.com", "full-access"),
        ("director@contoso.com", "send-as"),
    ]
    text = dump_cards(attacked["cards"])
    assert "eve@contoso.com may send mail as director@contoso.com." in text
    advice = " ".join(one["advice"] for one in run_of(attacked, 2)["findings"])
    assert f"Remove-RecipientPermission -Identity '{object_id('director')}'" in advice
    assert f"Remove-MailboxPermission -Identity '{guid('director')}'" in advice


def test_a_right_over_a_mailbox_nobody_watched_is_told_by_the_next_days_sweep(
    attacked: Row,
) -> None:
    assert [run_of(attacked, tick)["news"] for tick in (3, 4)] == [0, 0]
    assert new_in(run_of(attacked, 5)) == [("fin@contoso.com", "full-access")]


def test_what_was_taken_away_is_told_as_ended_once(attacked: Row) -> None:
    assert [run_of(attacked, tick)["news"] for tick in (6, 7, 8, 9)] == [2, 1, 0, 0]
    assert {one["subject"] for one in run_of(attacked, 9)["findings"]} == {"info@contoso.com"}
    assert attacked["writes"] == []


# Unreadable -------------------------------------------------------------------------------------


def take_away(*cmdlets: str) -> dict[str, list[str]]:
    """Everything the app declares but some cmdlets."""
    grants = list_declared_permissions()
    assert set(cmdlets) <= set(grants["exchange"])
    return grants | {"exchange": [name for name in grants["exchange"] if name not in cmdlets]}


# How grave it is that a cmdlet which reads rights never was there: one of them is optional.
READ_RIGHTS = {
    "Get-MailboxPermission": "critical",
    "Get-RecipientPermission": "critical",
    "Get-MailboxFolderPermission": "critical",
    "Get-MailboxFolderStatistics": "critical",
    "Get-App": "low",
}


async def test_without_the_cmdlets_the_guard_says_which_are_missing() -> None:
    result = await played(scene(exchange=NORMAL, grants=take_away(*READ_RIGHTS)), 3)
    run = run_of(result, 1)
    assert sorted(run["blind"]) == ["folder-rights", "full-access", "send-as"]
    lacks = {
        one["subject"]: one["severity"]
        for one in run["findings"]
        if one["kind"] == "permission-missing"
    }
    assert lacks == READ_RIGHTS
    assert [run_of(result, tick)["news"] for tick in (1, 2, 3)] == [len(READ_RIGHTS), 0, 0]


async def test_without_get_recipient_nothing_is_taken_for_clean() -> None:
    edits = [
        {},
        {"grants": take_away("Get-Recipient")},
        {"grants": list_declared_permissions()},
    ]
    result = await played(scene(exchange=NORMAL, ticks=edits), 3)
    run = run_of(result, 2)
    assert "recipients" in run["blind"]
    # What is told of is the missing permission, and not that the rights are gone.
    assert run["news"] == 1
    again = [one for one in run_of(result, 3)["findings"] if one["kind"] == "send-as"]
    assert [one["state"] for one in again] == ["known"]


@pytest.mark.parametrize("broken", [{"AccessRights": ["OwnTheWorld"]}, {"User": None}])
async def test_a_mailbox_whose_rights_make_no_sense_is_unread_and_the_others_are_read(
    broken: Row,
) -> None:
    rows = [opens("ann@contoso.com", "director", f"{SID}1") | broken]
    rows.append(opens("ann@contoso.com", "info", f"{SID}1"))
    result = await played(scene(exchange={"Get-MailboxPermission": rows}), 1)
    run = run_of(result, 1)
    assert run["unread"] == 1
    assert ("info", "full-access", "delegated", "low") in table(run)
    assert ("director", "unreadable", "could-not-tell", "medium") in table(run)
