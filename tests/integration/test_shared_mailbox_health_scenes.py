"""Shared mailboxes through the whole app: healthy, neglected, attacked, and not to be read."""

from collections.abc import Mapping
from typing import Any

import pytest_asyncio

from core.config.catalog import CATALOG
from tests.support.run_scene import dump_cards, list_declared_permissions, run_scene

GUARD = "shared-mailbox-health"
MODES = {duty.guard.name: "off" for duty in CATALOG if duty.guard.name != GUARD}
PLAN_1 = "9aaf7827-d63c-4b61-89c3-182f06f82e5c"
PLAN_2 = "efb87545-963c-4e0d-99df-69c6916d9eb0"
ARCHIVING = "176a09a6-7ec5-4039-ac02-b2791c6ba793"
NAMES = ("ann", "info", "sales", "archive", "legal", "board", "leaver", "lobby")
BIG = "72.5 GB (77,846,282,240 bytes)"
NEAR = "46.2 GB (49,606,872,269 bytes)"

type Row = dict[str, Any]


def object_id(name: str) -> str:
    return f"11111111-0000-4000-8000-{NAMES.index(name):012}"


def guid(name: str) -> str:
    return f"33333333-0000-4000-8000-{NAMES.index(name):012}"


def mailbox(name: str, **more: object) -> Row:
    kinds = {"ann": "UserMailbox", "lobby": "RoomMailbox"}
    return {
        "Identity": object_id(name),
        "Name": name,
        "Alias": name,
        "DisplayName": name.title(),
        "ExternalDirectoryObjectId": object_id(name),
        "Guid": guid(name),
        "UserPrincipalName": f"{name}@contoso.com",
        "PrimarySmtpAddress": f"{name}@contoso.com",
        "EmailAddresses": [f"SMTP:{name}@contoso.com"],
        "RecipientTypeDetails": kinds.get(name, "SharedMailbox"),
        "IsDirSynced": False,
        **more,
    }


def user(name: str, *plans: str, **more: object) -> Row:
    return {
        "id": object_id(name),
        "userPrincipalName": f"{name}@contoso.com",
        "accountEnabled": name == "ann",
        "assignedPlans": [
            {"servicePlanId": plan, "capabilityStatus": "Enabled", "service": "exchange"}
            for plan in plans
        ],
        "assignedLicenses": [{"skuId": "99999999-0000-4000-8000-000000000001"}] if plans else [],
        **more,
    }


def figures(name: str, size: str) -> Row:
    return {"Identity": object_id(name), "TotalItemSize": size}


def scene(
    users: Mapping[str, Row] | None = None,
    boxes: Mapping[str, Row] | None = None,
    statistics: list[Row] | None = None,
    **more: Any,
) -> Row:
    """A person, a room and six shared mailboxes; the app holds what it declares."""
    named = users or {}
    base: Row = {
        "grants": list_declared_permissions(),
        "graph": {
            "users": [named.get(name) or plain_user(name) for name in NAMES],
            "domains": [{"id": "contoso.com", "isVerified": True, "isDefault": True}],
        },
        "exchange": {
            "Get-Mailbox": [mailbox(name, **(boxes or {}).get(name, {})) for name in NAMES],
            "Get-MailboxStatistics": statistics or [],
        },
    }
    return base | more


def plain_user(name: str) -> Row:
    """Ann is a person; nobody else has a licence."""
    return user(name, *((PLAN_2,) if name == "ann" else ()))


# What is large, held or archived has its licence; what is synchronised is shared on premises too.
HEALTHY_USERS = {
    "archive": user("archive", PLAN_2),
    "legal": user("legal", PLAN_1, ARCHIVING),
}
HEALTHY_BOXES = {
    "legal": {"LitigationHoldEnabled": True, "ArchiveGuid": object_id("legal")},
    "board": {"IsDirSynced": True, "RemoteRecipientType": "Migrated, SharedMailbox"},
    "leaver": {"IsDirSynced": True, "RemoteRecipientType": "None"},
    "lobby": {"IsDirSynced": True, "RemoteRecipientType": "ProvisionMailbox"},
}
HEALTHY_FIGURES = [
    figures("archive", BIG),
    figures("ann", BIG),
    {"Identity": object_id("sales"), "@sandbox.unused": True},
]

NEGLECTED_USERS = {
    "info": user("info", PLAN_2),
    "archive": user("archive", PLAN_1),
    "legal": user("legal", PLAN_1),
    "leaver": user("leaver", accountEnabled=True, onPremisesSyncEnabled=True),
}
NEGLECTED_BOXES = {
    "legal": {"LitigationHoldEnabled": True, "InPlaceHolds": ["UniH7d895d48"]},
    "board": {"IsDirSynced": True, "RemoteRecipientType": "Migrated"},
    "leaver": {"IsDirSynced": True, "RemoteRecipientType": "ProvisionMailbox, ProvisionArchive"},
}
NEGLECTED_FIGURES = [figures("archive", BIG), figures("sales", NEAR)]


def run_of(result: Row, tick: int) -> Row:
    (found,) = (one for one in result["runs"] if (one["tick"], one["guard"]) == (tick, GUARD))
    return dict(found)


def table(run: Row) -> set[tuple[str, str, str, str]]:
    return {
        (one["subject"].partition("@")[0], one["kind"], one["verdict"], one["severity"])
        for one in run["findings"]
    }


def news(result: Row) -> list[int]:
    return [one["news"] for one in result["runs"] if one["guard"] == GUARD]


async def played(what: Row, ticks: int) -> Row:
    return await run_scene(what, ticks=ticks, modes=MODES)


def healthy_scene(**more: Any) -> Row:
    return scene(HEALTHY_USERS, HEALTHY_BOXES, HEALTHY_FIGURES, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def healthy() -> Row:
    return await played(healthy_scene(), 3)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neglected() -> Row:
    return await played(scene(NEGLECTED_USERS, NEGLECTED_BOXES, NEGLECTED_FIGURES), 3)


# Healthy ----------------------------------------------------------------------------------------


def test_shared_mailboxes_in_order_get_no_card(healthy: Row) -> None:
    assert (healthy["cards"], healthy["writes"]) == ([], [])
    for tick in (1, 2, 3):
        run = run_of(healthy, tick)
        assert (run["unread"], run["blind"]) == (0, [])
        assert run["seen"] == run["population"] == 6


def test_one_that_nobody_has_opened_is_noted_and_not_told(healthy: Row) -> None:
    assert table(run_of(healthy, 1)) == {("sales", "unreadable", "could-not-tell", "info")}


# Neglected --------------------------------------------------------------------------------------


def test_everything_that_is_wrong_goes_on_one_card(neglected: Row) -> None:
    assert table(run_of(neglected, 1)) == {
        ("leaver", "comes-back", "on-premises", "high"),
        ("archive", "too-large", "ask", "high"),
        ("legal", "hold-without-licence", "ask", "medium"),
        ("board", "comes-back", "on-premises", "low"),
        ("sales", "too-large", "ask", "low"),
        ("info", "needless-licence", "ask", "low"),
    }
    assert len(neglected["cards"]) == 1
    assert neglected["writes"] == []


def test_the_second_and_third_look_say_nothing(neglected: Row) -> None:
    assert news(neglected)[1:] == [0, 0]
    # What has a case is measured at each run; nothing is sent twice about it.
    assert table(run_of(neglected, 3)) == table(run_of(neglected, 1))


def test_each_says_what_puts_it_right(neglected: Row) -> None:
    advice = {
        (one["subject"].partition("@")[0], one["kind"]): one["advice"]
        for one in run_of(neglected, 1)["findings"]
    }
    assert "Have the directory on premises call it" in advice["leaver", "comes-back"]
    assert "give it a licence" in advice["archive", "too-large"]
    assert "Give its account the licence" in advice["legal", "hold-without-licence"]
    assert "take the licence away" in advice["info", "needless-licence"]


# Attacked ---------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked() -> Row:
    """A team's mailbox is made fit for a person: a licence, a sign-in, a user's on premises."""
    licensed = user("board", PLAN_2, accountEnabled=True, onPremisesSyncEnabled=True)
    before = healthy_scene()
    turned = scene(
        HEALTHY_USERS | {"board": licensed},
        HEALTHY_BOXES | {"board": {"IsDirSynced": True, "RemoteRecipientType": "ProvisionMailbox"}},
        HEALTHY_FIGURES,
    )
    undo = {"graph": before["graph"], "exchange": before["exchange"]}
    attack = {"graph": turned["graph"], "exchange": turned["exchange"]}
    return await played(healthy_scene(ticks=[{}, attack, {}, {}, {}, undo]), 8)


def test_a_mailbox_made_a_users_on_premises_is_told_at_the_next_run(attacked: Row) -> None:
    found = {row for row in table(run_of(attacked, 2)) if row[0] == "board"}
    assert ("board", "comes-back", "on-premises", "high") in found
    (finding,) = (one for one in run_of(attacked, 2)["findings"] if one["kind"] == "comes-back")
    assert finding["state"] == "new"
    assert "sign-in of its account: enabled" in finding["facts"]


def test_its_licence_and_its_sign_in_are_told_within_a_day(attacked: Row) -> None:
    kinds = {one["kind"] for tick in (2, 3, 4, 5) for one in run_of(attacked, tick)["findings"]}
    assert {"comes-back", "needless-licence"} <= kinds
    assert ("board", "needless-licence", "ask", "medium") in table(run_of(attacked, 5))
    assert "is licensed without need" in dump_cards(attacked["cards"])
    assert sum(news(attacked)[1:5]) == 2


def test_what_was_put_right_is_told_as_ended_once(attacked: Row) -> None:
    assert news(attacked)[5:] == [2, 0, 0]
    assert not any(row[0] == "board" for row in table(run_of(attacked, 6)))
    assert attacked["writes"] == []


# Unreadable -------------------------------------------------------------------------------------


async def test_without_the_cmdlet_for_sizes_the_rest_is_told_and_it_is_named() -> None:
    grants = list_declared_permissions() | {"exchange": ["Get-Mailbox"]}
    what = scene(NEGLECTED_USERS, NEGLECTED_BOXES, NEGLECTED_FIGURES, grants=grants)
    result = await played(what, 3)
    run = run_of(result, 1)
    assert run["blind"] == ["mailbox-sizes"]
    assert {row[1] for row in table(run)} == {
        "comes-back",
        "hold-without-licence",
        "permission-missing",
        "source-unavailable",
    }
    assert ("Get-MailboxStatistics", "permission-missing", "could-not-tell", "critical") in table(
        run
    )
    assert news(result)[1:] == [0, 0]


async def test_without_the_accounts_nothing_is_taken_for_licensed_or_unlicensed() -> None:
    grants = list_declared_permissions()
    taken = {"grants": grants | {"graph": []}}
    what = scene(NEGLECTED_USERS, NEGLECTED_BOXES, NEGLECTED_FIGURES)
    result = await played(what | {"ticks": [{}, taken, {"grants": grants}, {}]}, 4)
    run = run_of(result, 2)
    assert "licences" in run["blind"]
    # What is told is the missing permission, and not that something was put right.
    assert run["news"] == 1
    assert {row[1] for row in table(run)} >= {"permission-missing", "comes-back"}
    again = {one["subject"]: one["state"] for one in run_of(result, 3)["findings"]}
    assert set(again.values()) == {"known"}
    assert news(result)[2:] == [1, 0]


async def test_without_get_mailbox_the_guard_is_blind_and_says_so_once() -> None:
    grants = list_declared_permissions() | {"exchange": ["Get-MailboxStatistics"]}
    result = await played(healthy_scene(grants=grants), 3)
    assert run_of(result, 1)["blind"] == ["shared-mailboxes"]
    assert news(result) == [1, 0, 0]


async def test_one_mailbox_that_cannot_be_measured_is_told_when_it_stays_so() -> None:
    broken = [*HEALTHY_FIGURES, figures("info", "more than enough")]
    result = await played(scene(HEALTHY_USERS, HEALTHY_BOXES, broken), 1)
    run = run_of(result, 1)
    assert run["unread"] == 1
    assert ("info", "unreadable", "could-not-tell", "medium") in table(run)


async def test_what_the_guard_does_not_know_by_name_is_not_healthy() -> None:
    boxes = {"board": {"IsDirSynced": True, "RemoteRecipientType": "SomethingNew"}}
    boxes["info"] = {"LitigationHoldEnabled": None}
    result = await played(scene(None, boxes), 2)
    assert table(run_of(result, 1)) == {
        ("board", "settings-unknown", "could-not-tell", "low"),
        ("info", "settings-unknown", "could-not-tell", "low"),
    }
    assert news(result)[1] == 0
