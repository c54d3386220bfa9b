"""Containing accounts through the API: who is contained and brought back, and what is refused.

One process: the routes, a ledger and a tenant in memory, and the worker that processes requests.
"""

import json
from collections.abc import Mapping
from copy import replace
from datetime import timedelta
from typing import Any

import pytest

from core.keys import hash_parts
from core.model.containment import ContainmentState
from core.tenant.directory import RoleHolder
from tests.support.containment_stage import GUID, MIA, build_tenant
from tests.support.fakes.tenant import FakeTenant
from tests.unit.api.contain_harness import ContainApi

OTHER = "33333333-0000-4000-8000-000000000001"
EVERYTHING = "block-sign-in,end-sessions,devices,forwards,rules,hidden-rules,protocols"
NAMED = "forward,rule-1,hidden-rule-1,device-1"


def build_plain() -> FakeTenant:
    return build_tenant()


def build_shared() -> FakeTenant:
    tenant = build_tenant()
    tenant.boxes = [replace(tenant.boxes[0], kind="SharedMailbox")]
    return tenant


def build_without_mailbox() -> FakeTenant:
    tenant = build_tenant()
    tenant.boxes.clear()
    return tenant


def build_admin() -> FakeTenant:
    tenant = build_tenant()
    tenant.holders.append(RoleHolder(MIA, "entra"))
    return tenant


CONTAINED: Mapping[str, tuple[Any, int, str]] = {
    "licensed": (lambda: build_tenant(licence_ids=("sku-1",)), 7, ""),
    "hybrid": (lambda: build_tenant(synced=True), 7, "Disable-ADAccount"),
    "guest": (lambda: build_tenant(is_guest=True), 6, ""),
    "shared": (build_shared, 7, ""),
    "without a mailbox": (build_without_mailbox, 3, ""),
}
REFUSED: Mapping[str, tuple[Any, str]] = {
    "admin": (build_admin, "protected administrator"),
    "deleted": (lambda: build_tenant(is_deleted=True), "the account is deleted"),
    "restricted": (lambda: build_tenant(is_management_restricted=True), "restricted management"),
    "the app": (lambda: build_tenant(is_this_app=True), "Exoguard itself"),
    "unknown": (lambda: FakeTenant(targets=[]), "no such account"),
}


@pytest.mark.parametrize("kind", CONTAINED)
async def test_an_account_is_contained_blocked_and_brought_back_exactly_as_it_was(
    kind: str,
) -> None:
    build, count, command = CONTAINED[kind]
    api = ContainApi(tenant=build())
    before = api.picture()
    plan = await api.plan(steps=EVERYTHING)
    assert (plan["state"], api.picture()) == ("planned", before)
    assert command in str(plan["steps"][0]["command"])
    order = await api.result("containment", plan=plan["plan"])
    assert order["note"].startswith(f"{count} of {count} steps are made"), order["note"]
    done = await api.latest()
    assert done["seconds_to_block"] is not None
    assert api.tenant.users[0].enabled is False
    assert all(step["state"] == "done" for step in done["steps"] if step["by_exoguard"])
    known = {step["step"] for step in done["steps"] if step["by_exoguard"]}
    named = ",".join(name for name in NAMED.split(",") if name in known)
    back = await api.result("containment-end", **({"steps": named} if named else {}))
    assert back["status"] == "done"
    assert "not taken back" not in back["note"]
    assert api.picture() == before
    assert (await api.latest())["state"] == "undone"


@pytest.mark.parametrize("kind", REFUSED)
async def test_an_account_that_no_app_contains_is_refused_with_the_reason(kind: str) -> None:
    build, reason = REFUSED[kind]
    api = ContainApi(tenant=build())
    result = await api.result("containment", steps=EVERYTHING)
    assert result["status"] == "refused"
    assert reason in result["note"]
    shown = await api.latest()
    assert (shown["state"], shown["plan"], api.tenant.write_count) == ("refused", None, 0)
    again = await api.result("containment", plan=hash_parts("a guess"))
    assert again["status"] == "refused"
    assert api.tenant.write_count == 0


async def test_an_undo_leaves_off_what_is_not_named() -> None:
    api = ContainApi()
    before = api.picture()
    plan = await api.plan(steps=EVERYTHING)
    await api.result("containment", plan=plan["plan"])
    back = await api.result("containment-end")
    assert f"stays off unless named: {', '.join(['device-1', 'forward', 'rule-1'])}" in back["note"]
    assert api.picture()[0] == before[0]
    assert api.picture()[1:5] != before[1:5]


# Forged, repeated, crossed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"plan": "0" * 31}, '"plan"'),
        ({"plan": "G" * 32}, '"plan"'),
        ({"steps": "everything"}, '"steps"'),
        ({"steps": "block-sign-in,,forwards"}, '"steps"'),
        ({"steps": "block-sign-in; rm"}, '"steps"'),
        ({"who": ""}, '"who"'),
        ({"why": " "}, '"why"'),
        ({"subject": OTHER}, "subject"),
        ({"rule": "redirect-and-risk"}, "rule"),
    ],
)
async def test_a_body_that_says_something_else_is_not_accepted(
    body: dict[str, str], reason: str
) -> None:
    api = ContainApi()
    status, answer = await api.ask("containment", **body)
    assert status == 400
    assert reason in answer["error"]
    await api.process()
    assert api.tenant.write_count == 0


@pytest.mark.parametrize("account", ["x", "..", MIA + "0", "%2e%2e", "mia@example.com", "' or 1=1"])
async def test_an_address_that_names_no_account_is_not_one(account: str) -> None:
    api = ContainApi()
    for action in ("containment", "containment-end", "account-evidence", "account-impact"):
        status, _ = await api.ask(action, account)
        assert status == 404


async def test_an_id_in_capitals_is_the_same_account() -> None:
    api = ContainApi()
    plan = await api.plan(MIA.upper())
    order = await api.result("containment", plan=plan["plan"])
    assert order["status"] == "done"


async def test_a_plan_is_carried_out_once_for_its_account_within_its_hour() -> None:
    api = ContainApi()
    api.tenant.targets.append(replace(api.tenant.targets[0], id=OTHER, upn="leo@example.com"))
    api.tenant.users.append(replace(api.tenant.users[0], id=OTHER))
    plan = await api.plan()
    crossed = await api.result("containment", OTHER, plan=plan["plan"])
    assert "no plan of this account" in crossed["note"]
    first = await api.result("containment", plan=plan["plan"])
    assert first["status"] == "done"
    again = await api.result("containment", plan=plan["plan"])
    assert "carried out already" in again["note"]
    late = await api.plan(OTHER)
    api.clock.advance(minutes=61)
    assert (
        "valid for an hour" in (await api.result("containment", OTHER, plan=late["plan"]))["note"]
    )
    assert api.tenant.users[1].enabled is True
    assert api.tenant.signed_out == [MIA]


async def test_equal_requests_that_wait_are_one_and_many_are_too_many() -> None:
    api = ContainApi()
    first, second = await api.ask("containment"), await api.ask("containment")
    assert first[1]["request"] == second[1]["request"]
    api.clock.advance(seconds=1)
    statuses = []
    for number in range(110):
        since = (api.clock() - timedelta(days=1, minutes=number)).isoformat()
        statuses.append((await api.ask("account-impact", since=since))[0])
        api.clock.advance(seconds=1)
    assert statuses[0] == 202
    assert statuses[-1] == 429


async def test_what_was_never_contained_is_not_brought_back() -> None:
    api = ContainApi()
    back = await api.result("containment-end")
    assert (back["status"], back["note"]) == (
        "refused",
        "Exoguard has not contained this account",
    )
    plan = await api.plan()
    await api.result("containment", plan=plan["plan"])
    unknown = await api.result("containment-end", steps="protocols")
    assert "no step" in unknown["note"]
    assert api.tenant.users[0].enabled is False


async def test_a_plan_and_its_undo_at_once_leave_the_account_as_the_later_one_says() -> None:
    api = ContainApi()
    plan = await api.plan()
    await api.ask("containment", plan=plan["plan"])
    api.clock.advance(seconds=1)
    await api.ask("containment-end")
    await api.process()
    await api.process()
    latest = (await api.ledger.load_containments()).containments[0]
    assert latest.state in (ContainmentState.DONE, ContainmentState.UNDONE)
    assert api.tenant.users[0].enabled is (latest.state is ContainmentState.UNDONE)


@pytest.mark.parametrize(
    ("mode", "action", "body", "status"),
    [
        ("off", "containment", {}, 409),
        ("off", "account-evidence", {}, 409),
        ("alert", "containment", {}, 202),
        ("alert", "containment", {"plan": "0" * 32}, 409),
        ("alert", "containment-end", {}, 409),
        ("alert", "account-impact", {}, 202),
    ],
)
async def test_the_mode_decides_what_is_accepted(
    mode: str, action: str, body: dict[str, str], status: int
) -> None:
    api = ContainApi(environ={"CONTAINMENT_MODE": mode})
    assert (await api.ask(action, **body))[0] == status


@pytest.mark.parametrize("since", ["yesterday", "2020-01-01", "2999-01-01", "2026-13-01"])
async def test_a_period_that_cannot_be_is_not_accepted(since: str) -> None:
    api = ContainApi()
    assert (await api.ask("account-evidence", since=since))[0] == 400


async def test_what_was_kept_is_served_by_edition_with_its_digest() -> None:
    api = ContainApi()
    result = await api.result("account-evidence")
    kept = await api.get("account-bundle", bundle=result["request"])
    assert kept.status == 200
    assert kept.headers["Repr-Digest"].startswith("sha-256=:")
    first = await api.get("account-bundle", {"edition": "1"}, bundle=result["request"])
    assert first.body == kept.body
    assert (
        await api.get("account-bundle", {"edition": "2"}, bundle=result["request"])
    ).status == 404
    for edition in ("0", "-1", "x", "99999"):
        odd = await api.get("account-bundle", {"edition": edition}, bundle=result["request"])
        assert odd.status == 400
    assert GUID in str(kept.body)


async def test_what_was_asked_about_accounts_is_among_the_requests_of_operators() -> None:
    api = ContainApi()
    asked = await api.result("containment")
    status = json.loads((await api.get("status-json")).body)
    assert [(one["guard"], one["kind"], one["request"]) for one in status["requests"]] == [
        ("containment", "contain", asked["request"])
    ]
    page = str((await api.get("requests-page")).body)
    assert f'href="containments/{asked["request"]}"' in page
