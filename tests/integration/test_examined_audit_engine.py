"""Auditing and the engine, examined from outside: what real exports hold, and what goes wrong."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sandbox.exchange.auditing import DEFAULT_ACTIONS
from sandbox.http_types import split_words
from sandbox.scenes.people import TenantBuilder
from sandbox.scenes.row_templates import E5
from tests.support.run_scene import (
    AUDIT,
    SceneResult,
    dump_cards,
    list_declared_permissions,
    run_scene,
    set_alone,
)

ABSENT = object()
SHORT = {"AuditLogAgeLimit": "30.00:00:00"}
OWNER = [*DEFAULT_ACTIONS["Owner"]]
BAD: dict[str, Any] = {**SHORT, "AuditEnabled": False, "DefaultAuditSet": [], "AuditOwner": []}
AGE, OFF, SET = "audit-age-too-short", "mailbox-audit-off", "audit-set-customised"
MISSING = "audit-actions-missing"
REPAIR, KEEP, ASK, UNKNOWN = "repair", "keep", "ask", "could-not-tell"

type Found = set[tuple[str, str]]
NOTHING: Found = set()


def by_hand(owner: object, **more: object) -> dict[str, object]:
    """A mailbox whose Owner actions were set by hand."""
    return {"DefaultAuditSet": ["Admin", "Delegate"], "AuditOwner": owner, **more}


# What the row says besides a mailbox in order, what is found in it, and what is left at the end.
ROWS: dict[str, tuple[Mapping[str, object], Found, Found]] = {
    "age-30": (SHORT, {(AGE, REPAIR)}, NOTHING),
    "age-90": ({"AuditLogAgeLimit": "90.00:00:00"}, NOTHING, NOTHING),
    "age-zero": ({"AuditLogAgeLimit": "00:00:00"}, {(AGE, REPAIR)}, NOTHING),
    "age-parts": ({"AuditLogAgeLimit": {"Days": 30, "Hours": 0}}, {(AGE, REPAIR)}, NOTHING),
    "age-nearly": ({"AuditLogAgeLimit": "89.23:59:59"}, {(AGE, REPAIR)}, NOTHING),
    "age-half-year": ({"AuditLogAgeLimit": "180.00:00:00"}, NOTHING, NOTHING),
    "age-year": ({"AuditLogAgeLimit": "365.00:00:00"}, NOTHING, NOTHING),
    "age-long": ({"AuditLogAgeLimit": "10675199.02:48:05.4775807"}, NOTHING, NOTHING),
    "age-word": ({"AuditLogAgeLimit": "ninety days"}, {(AGE, UNKNOWN)}, {(AGE, UNKNOWN)}),
    "age-null": ({"AuditLogAgeLimit": None}, {(AGE, UNKNOWN)}, {(AGE, UNKNOWN)}),
    "age-absent": ({"AuditLogAgeLimit": ABSENT}, {(AGE, UNKNOWN)}, {(AGE, UNKNOWN)}),
    "age-huge": ({"AuditLogAgeLimit": "9" * 20 + ".00:00:00"}, {(AGE, UNKNOWN)}, {(AGE, UNKNOWN)}),
    "set-any-order": ({"DefaultAuditSet": ["owner", "Admin", "delegate"]}, NOTHING, NOTHING),
    "set-one-string": ({"DefaultAuditSet": "Admin, Delegate, Owner"}, NOTHING, NOTHING),
    "set-empty": ({"DefaultAuditSet": []}, {(SET, REPAIR)}, NOTHING),
    "set-null": ({"DefaultAuditSet": None}, {(SET, REPAIR)}, NOTHING),
    "set-none": ({"DefaultAuditSet": ["None"]}, {(SET, REPAIR)}, NOTHING),
    "set-absent": ({"DefaultAuditSet": ABSENT}, {(SET, UNKNOWN)}, {(SET, UNKNOWN)}),
    "set-number": ({"DefaultAuditSet": 42}, {(SET, UNKNOWN)}, {(SET, UNKNOWN)}),
    "set-absent-off": (
        {"DefaultAuditSet": ABSENT, "AuditEnabled": False},
        {(SET, UNKNOWN), (OFF, REPAIR)},
        {(SET, UNKNOWN)},
    ),
    "owner-more": (by_hand([*OWNER, "Move"]), {(SET, KEEP)}, {(SET, KEEP)}),
    "owner-login": (by_hand(["mailboxlogin", "none"]), {(MISSING, REPAIR)}, {(SET, KEEP)}),
    "owner-retired": (by_hand(["MailboxLogin", "Retired"]), {(MISSING, REPAIR)}, {(SET, KEEP)}),
    "owner-none": (by_hand(["None"]), {(MISSING, REPAIR)}, NOTHING),
    "owner-none-word": (by_hand("None"), {(MISSING, REPAIR)}, NOTHING),
    "owner-empty": (by_hand([]), {(MISSING, REPAIR)}, NOTHING),
    "owner-null": (by_hand(None), {(MISSING, REPAIR)}, NOTHING),
    "owner-absent": (by_hand(ABSENT), {(SET, UNKNOWN)}, {(SET, UNKNOWN)}),
    "bind-refused": (
        {
            "DefaultAuditSet": ["Delegate", "Owner"],
            "AuditAdmin": ["MessageBind"],
            "PersistedCapabilities": ["M365Auditing"],
        },
        {(MISSING, REPAIR)},
        NOTHING,
    ),
    "bind-refused-unlicensed": (
        {"DefaultAuditSet": ["Delegate", "Owner"], "AuditAdmin": ["MessageBind"]},
        {(MISSING, REPAIR)},
        NOTHING,
    ),
    "off-word": ({"AuditEnabled": "False"}, {(OFF, REPAIR)}, NOTHING),
    "on-word": ({"AuditEnabled": "True"}, NOTHING, NOTHING),
    "on-null": ({"AuditEnabled": None}, {(OFF, UNKNOWN)}, {(OFF, UNKNOWN)}),
    "kind-lower": (SHORT | {"RecipientTypeDetails": "sharedmailbox"}, {(AGE, REPAIR)}, NOTHING),
    "named-system": (SHORT | {"DisplayName": "SystemMailbox{1}"}, {(AGE, REPAIR)}, NOTHING),
    **{
        kind: (BAD | {"RecipientTypeDetails": kind}, NOTHING, NOTHING)
        for kind in split_words(
            "DiscoveryMailbox ArbitrationMailbox GroupMailbox RoomMailbox EquipmentMailbox"
            " SchedulingMailbox PublicFolderMailbox"
        )
    },
}


def people(*rows: Mapping[str, object], **more: object) -> dict[str, Any]:
    """A scene of mailboxes in order, but for what each row says."""
    cast = TenantBuilder()
    for number, row in enumerate(rows):
        cast.add_mailbox(f"u{number}", f"U {number}", mailbox=row)
    return {
        "grants": list_declared_permissions(),
        "graph": cast.build_graph(),
        "exchange": cast.build_exchange(),
        **more,
    }


def bypass(number: int, on: object) -> dict[str, object]:
    """An edit of whether an account is bypassed."""
    path = f"/exchange/Get-MailboxAuditBypassAssociation/{number}/AuditBypassEnabled"
    return {"op": "set", "path": path, "value": on}


async def examined(
    scene: Mapping[str, Any],
    ticks: int = 3,
    mode: str = "enforce",
    edits: Sequence[object] = (),
    *,
    as_deployed: bool = False,
) -> SceneResult:
    """Only the audit guard, run on a scene that was edited first."""
    first = {"ticks": [{"edit": list(edits)}]} if edits else {}
    result = await run_scene(
        {**scene, **first}, ticks=ticks, modes=set_alone(AUDIT, mode), as_deployed=as_deployed
    )
    return SceneResult(scene, result)


def parameters(journey: SceneResult) -> list[dict[str, Any]]:
    """What the cmdlets that changed something were given."""
    return [write["body"]["CmdletInput"]["Parameters"] for write in journey.writes]


def verdicts(journey: SceneResult, tick: int) -> Found:
    return {(row["kind"], row["verdict"]) for row in journey.find_run(tick, AUDIT)["findings"]}


async def test_each_mailbox_is_judged_by_what_its_row_says_and_put_right_once() -> None:
    cast = TenantBuilder()
    for alias, (row, _, _) in ROWS.items():
        one = cast.add_mailbox(alias, alias, mailbox=row)
        for name in [name for name, value in row.items() if value is ABSENT]:
            del one.mailbox[name]
    scene = {
        "grants": list_declared_permissions(),
        "graph": cast.build_graph(),
        "exchange": cast.build_exchange(),
    }
    journey = await examined(scene, ticks=4)
    first, last = journey.tabulate_findings(1, AUDIT), journey.tabulate_findings(4, AUDIT)
    assert {alias: first.get(alias, set()) for alias in ROWS} == {
        alias: found for alias, (_, found, _) in ROWS.items()
    }
    assert {alias: last.get(alias, set()) for alias in ROWS} == {
        alias: left for alias, (_, _, left) in ROWS.items()
    }
    assert not journey.find_run(3, AUDIT)["changes"]
    assert not journey.find_run(4, AUDIT)["changes"]
    added = [row["AuditOwner"]["Add"] for row in parameters(journey) if "AuditOwner" in row]
    assert "None" not in dump_cards(added)
    assert {row.get("AuditLogAgeLimit", "90.00:00:00") for row in parameters(journey)} == {
        "90.00:00:00"
    }


async def test_a_reset_that_brings_nothing_is_a_failure_and_is_not_made_again() -> None:
    short = {
        f"Audit{kind}": [one for one in actions if one not in ("MailItemsAccessed", "Send")]
        for kind, actions in DEFAULT_ACTIONS.items()
    }
    owner = [*short["AuditOwner"], "Create"]
    row = {**short, **by_hand(owner), "PersistedCapabilities": ["BPOS_S_Enterprise"]}
    journey = await examined(people(row, {}, {}, {}), ticks=5)
    for tick in (3, 4, 5):
        (found,) = journey.find_run(tick, AUDIT)["findings"]
        assert (found["kind"], found["verdict"]) == (MISSING, "failed")
        assert not journey.find_run(tick, AUDIT)["changes"]
    assert len(journey.writes) <= 2, "one reset, and what was added is added again"
    told = dump_cards(journey.cards)
    assert "still does not audit MailItemsAccessed" in told
    assert "Remediated" not in told
    assert "contested" not in told
    assert "Microsoft\u0027s default does not contain it here" in told or (
        "default does not contain it here" in told
    )


async def test_an_unticked_plan_is_told_at_the_next_look() -> None:
    cast = TenantBuilder()
    one = cast.add_mailbox("boss", "Boss", product=E5)
    cast.add_mailbox("rest", "Rest", product=E5)
    scene: dict[str, Any] = {
        "grants": list_declared_permissions(),
        "graph": cast.build_graph(),
        "exchange": cast.build_exchange(),
    }
    user = f"/graph/users/{one.mailbox['ExternalDirectoryObjectId']}"
    plan = "2f442157-a11c-46b9-ae5b-6e39ff4e5849"
    left = [row for row in one.user["assignedPlans"] if row["servicePlanId"] != plan]
    licence = [{**one.user["assignedLicenses"][0], "disabledPlans": [plan]}]
    edits = [
        {"op": "set", "path": f"{user}/assignedPlans", "value": left},
        {"op": "set", "path": f"{user}/assignedLicenses", "value": licence},
        {
            "op": "set",
            "path": f"/exchange/Get-Mailbox/{one.mailbox['Identity']}/PersistedCapabilities",
            "value": ["BPOS_S_Enterprise"],
        },
    ]
    modes = set_alone(AUDIT, "alert")
    scene = {**scene, "ticks": [{}, {"edit": edits}]}
    journey = SceneResult(scene, await run_scene(scene, ticks=3, modes=modes))
    assert not journey.find_run(1, AUDIT)["findings"]
    for tick in (2, 3):
        (found,) = journey.find_run(tick, AUDIT)["findings"]
        assert (found["kind"], found["severity"]) == ("auditing-plan-off", "high")
        assert found["subject"].startswith("boss@")


ORGANIZATION = ("/exchange/Get-OrganizationConfig", "AuditDisabled", "organization-audit-disabled")
UNIFIED = (
    "/exchange/Get-AdminAuditLogConfig",
    "UnifiedAuditLogIngestionEnabled",
    "unified-audit-log-off",
)


@pytest.mark.parametrize(
    ("switch", "value", "found"),
    [
        (ORGANIZATION, "True", True),
        (ORGANIZATION, None, False),
        (ORGANIZATION, "perhaps", False),
        (UNIFIED, "False", True),
        (UNIFIED, None, False),
    ],
)
async def test_a_switch_is_read_as_exports_print_it_and_never_guessed(
    switch: tuple[str, str, str], value: object, found: bool
) -> None:
    path, name, kind = switch
    edit = {"op": "set", "path": f"{path}/0/{name}", "value": value}
    journey = await examined(people({}, ticks=[{}, {}, {"edit": [edit]}]), ticks=5)
    if found:
        assert (verdicts(journey, 2), verdicts(journey, 3)) == (NOTHING, {(kind, REPAIR)})
        assert (len(journey.writes), verdicts(journey, 5)) == (1, NOTHING)
    journey = await examined(people({}), edits=[edit])
    if found:
        assert verdicts(journey, 1) == verdicts(journey, 3) == {(kind, ASK)}
        assert (journey.writes, len(journey.cards)) == ([], 1)
    else:
        assert verdicts(journey, 1) == {("source-unavailable", UNKNOWN)}
        assert (len(journey.writes), len(journey.cards)) == (0, 1)


async def test_a_bypassed_row_without_an_id_is_told_by_its_name_and_nothing_absent_is_gone() -> (
    None
):
    scene = people({}, {})
    rows = scene["exchange"]["Get-MailboxAuditBypassAssociation"]
    nameless = {"Name": "svc backup", "AuditBypassEnabled": True}
    listing = {"op": "set", "path": "/exchange/Get-MailboxAuditBypassAssociation"}
    ticks = [{"edit": [bypass(0, True)]}, {"edit": [listing | {"value": [nameless, rows[1]]}]}]
    journey = await examined({**scene, "ticks": ticks}, ticks=4, mode="alert")
    told = dump_cards(journey.cards)
    assert "svc backup" in told
    assert "AuditBypassEnabled: True" in told
    assert "No longer present" not in told


@pytest.mark.parametrize("cmdlet", ["Get-MailboxAuditBypassAssociation", "Get-Mailbox"])
async def test_a_listing_of_nobody_at_all_is_not_a_clean_tenant(cmdlet: str) -> None:
    fault = {"service": "exchange", "match": f"^{cmdlet}( |$)", "kind": "wrongBody"}
    ticks = [{"edit": [bypass(0, True)]}, {"faults": [{**fault, "body": {"value": []}}]}]
    scene = people(SHORT, {}, ticks=ticks, faults=[])
    journey = await examined(scene, ticks=4, mode="alert")
    assert journey.find_run(2, AUDIT)["blind"]
    told = dump_cards(journey.cards)
    assert "No longer present" not in told
    assert "listed nobody at all" in told


# Longer than a run may wait, so that the change ends here and now.
CUT_OFF = {"service": "exchange", "match": "^Set-Mailbox ", "retryAfter": 3600, "status": 429}


async def test_extras_are_added_again_although_the_first_half_already_looks_right() -> None:
    scene = people(by_hand(["MailboxLogin"]), faults=[])
    scene["ticks"] = [{}, {"faults": [CUT_OFF | {"skip": 1}]}, {"faults": []}]
    journey = await examined(scene, ticks=4)
    assert [
        [change["outcome"] for change in journey.find_run(tick, AUDIT)["changes"]]
        for tick in (2, 3, 4)
    ] == [["failed"], ["applied"], []]
    added = [row["AuditOwner"]["Add"] for row in parameters(journey) if "AuditOwner" in row]
    assert added == [["MailboxLogin"]]
    assert verdicts(journey, 4) == {(SET, KEEP)}
    assert "Remediated" in dump_cards(journey.cards)


async def test_a_change_whose_answer_was_lost_is_told_as_made_and_not_made_again() -> None:
    scene = people(SHORT, faults=[])
    scene["ticks"] = [{}, {"faults": [CUT_OFF | {"late": True}]}, {"faults": []}]
    journey = await examined(scene)
    assert [
        [change["outcome"] for change in journey.find_run(tick, AUDIT)["changes"]]
        for tick in (2, 3)
    ] == [["failed"], []]
    assert len(journey.writes) == 1
    assert "**Remediated** · u0@contoso.com" in dump_cards(journey.cards)
    assert "**No longer present** · u0@contoso.com" not in dump_cards(journey.cards)


async def test_what_somebody_changes_back_twice_is_left_to_a_person() -> None:
    again = {"edit": [bypass(0, True)]}
    journey = await examined(people({}, {}, ticks=[{}, *[again] * 4]), ticks=5)
    assert [len(journey.find_run(tick, AUDIT)["changes"]) for tick in range(1, 6)] == [
        0,
        1,
        1,
        0,
        0,
    ]
    assert verdicts(journey, 4) == verdicts(journey, 5) == {("audit-bypass", "contested")}
    assert len(journey.cards) == 3


async def test_the_brake_holds_a_plan_that_is_too_big_and_the_card_names_it() -> None:
    journey = await examined(people(*[SHORT] * 51))
    held = journey.find_run(2, AUDIT)
    assert (journey.writes, held["held"] != "") == ([], True)
    assert held["plan"] in dump_cards(journey.cards)
    assert held["plan"] == journey.find_run(3, AUDIT)["plan"]
    assert len(journey.cards) == 2


async def test_switches_are_put_right_while_the_brake_holds_every_mailbox() -> None:
    off = [
        {"op": "set", "path": f"{path}/0/{name}", "value": value}
        for path, name, value in ((*ORGANIZATION[:2], True), (*UNIFIED[:2], False))
    ]
    ticks = [{}, {}, {"edit": [*off, bypass(0, True)]}]
    journey = await examined(people(*[SHORT] * 51, ticks=ticks), ticks=4)
    made = [change["kind"] for change in journey.find_run(3, AUDIT)["changes"]]
    assert sorted(made) == ["ClearAuditBypass", "EnableOrganizationAudit", "EnableUnifiedAuditLog"]
    assert (
        journey.find_run(3, AUDIT)["held"] == "51 objects would be changed and a run may change 50"
    )
    assert len(journey.writes) == 3


async def test_four_hundred_mailboxes_as_microsoft_makes_them_are_no_change_at_all() -> None:
    journey = await examined(people(*[{}] * 400), ticks=2)
    assert (journey.writes, journey.cards, verdicts(journey, 2)) == ([], [], NOTHING)


async def test_what_is_first_seen_after_a_permission_came_is_adopted_before_it_is_changed() -> None:
    scene = people(SHORT)
    scene["grants"]["exchange"] = [
        name
        for name in list_declared_permissions()["exchange"]
        if name not in ("Get-Mailbox", "Set-Mailbox")
    ]
    came = [
        {"op": "add", "path": "/grants/exchange/-", "value": name}
        for name in ("Get-Mailbox", "Set-Mailbox")
    ]
    journey = await examined({**scene, "ticks": [{}, {"edit": came}]}, ticks=4)
    assert journey.find_run(1, AUDIT)["blind"] == ["mailbox-audit"]
    assert (journey.find_run(2, AUDIT)["adopted"], journey.find_run(2, AUDIT)["changes"]) == (
        True,
        [],
    )
    assert (len(journey.writes), verdicts(journey, 4)) == (1, NOTHING)


async def test_hostile_names_break_neither_run_nor_rows_nor_card_nor_document() -> None:
    names = [
        "\u202egnp.exe",
        "A" * 100_000,
        "[x](https://evil) <at>a</at> {{T()}}",
        "a\x00\x1b[31m",
    ]
    names += [json.loads(r'"\ud800x\udfff"'), "\u200b", ""]
    scene = people(*[SHORT] * len(names))
    rows = zip(
        names,
        scene["exchange"]["Get-Mailbox"],
        scene["exchange"]["Get-MailboxAuditBypassAssociation"],
        strict=True,
    )
    for name, mailbox, account in rows:
        mailbox |= dict.fromkeys(("DisplayName", "PrimarySmtpAddress", "UserPrincipalName"), name)
        account |= {"Name": name, "AuditBypassEnabled": True}
    journey = await examined(scene, as_deployed=True)
    assert len(journey.writes) == len(names)
    asked = [row for row in journey.find_run(3, AUDIT)["findings"] if row["verdict"] == ASK]
    assert [row["kind"] for row in asked] == ["audit-bypass"] * len(names)
    shown = json.dumps(journey.result, ensure_ascii=False)
    shown.encode()
    assert not {"\u202e", "\u200b", "\x00", "\x1b"} & set(shown)
    told = dump_cards(journey.cards)
    assert not [part for part in ("](https://", "<at>", "{{") if part in told]
