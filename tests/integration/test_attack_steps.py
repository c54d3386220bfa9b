"""The demonstration's third tick: an intruder in the neglected tenant, and who sees what of it."""

from collections.abc import Mapping
from typing import Any

import pytest_asyncio

from core.config.catalog import CATALOG
from sandbox.scenes.attack_steps import (
    ATTACKER,
    ATTACKER_IP,
    MALICIOUS_APP_ID,
    AttackStep,
    build_aftermath,
    build_rule_step,
)
from tests.support.run_scene import (
    SceneResult,
    dump_cards,
    list_declared_permissions,
    load_scene,
    run_scene,
)

LAST = 3


def list_steps() -> tuple[AttackStep, ...]:
    """Every step, in the order in which the attacker takes them."""
    scene = load_scene("neglected")
    return (build_rule_step(scene), *build_aftermath(scene))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def intruded() -> SceneResult:
    """The neglected tenant, taken over before the third tick."""
    scene = {"grants": list_declared_permissions()} | load_scene("neglected")
    edits = [edit for step in list_steps() for edit in step.edits]
    scene["ticks"] = [{}, {}, {"edit": edits}]
    return SceneResult(scene, await run_scene(scene, ticks=LAST))


def news(run: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (row["subject"], row["severity"], row["verdict"])
        for row in run["findings"]
        if row["state"] == "new"
    }


def test_every_guard_has_a_step_to_see_in_the_order_of_the_catalog() -> None:
    steps = list_steps()
    names = [duty.guard.name for duty in CATALOG]
    assert sorted(step.guard for step in steps) == sorted(names)
    after = [step.guard for step in steps[1:]]
    assert after == [name for name in names if name != steps[0].guard]


def test_what_was_neglected_is_told_once_and_then_not_again(intruded: SceneResult) -> None:
    told = {run["guard"] for run in intruded.find_runs(1) if run["told"]}
    # A note, such as what the first look at a collection counted, is not worth a card.
    assert told == {
        run["guard"]
        for run in intruded.find_runs(1)
        if any(row["severity"] != "info" for row in run["findings"])
    }
    # Nothing has been deleted yet.
    assert {"mailbox-forwarding", "app-consent"} <= told
    assert "mass-deletion" not in told
    enforcing = {run["guard"] for run in intruded.find_runs(2) if run["told"]}
    assert enforcing == {"shared-mailbox-sign-in", "mailbox-audit"}


def test_every_guard_tells_its_part_of_the_intrusion_and_no_more(intruded: SceneResult) -> None:
    found = {run["guard"]: news(run) for run in intruded.find_runs(LAST)}
    assert found == {step.guard: set(step.finds) for step in list_steps()}
    assert all(run["told"] for run in intruded.find_runs(LAST))


def test_everything_of_the_tenant_is_still_read(intruded: SceneResult) -> None:
    for run in intruded.find_runs(LAST):
        assert (run["status"], run["unread"], run["blind"], run["held"]) == ("done", 0, [], "")


def test_only_the_enforcing_guards_write_and_only_against_the_intruder(
    intruded: SceneResult,
) -> None:
    changed = {
        (run["guard"], change["subject"], change["outcome"])
        for run in intruded.find_runs(LAST)
        for change in run["changes"]
    }
    assert changed == {
        ("shared-mailbox-sign-in", "archive-2019@contoso.com", "applied"),
        ("mailbox-audit", "derya", "applied"),
    }


def test_the_cards_name_who_and_where_from(intruded: SceneResult) -> None:
    # A run sends a card for each severity.
    count = sum(len({row[1] for row in step.finds}) for step in list_steps())
    cards = dump_cards(intruded.cards[-count:])
    for wanted in (
        ATTACKER,
        ATTACKER_IP,
        MALICIOUS_APP_ID,
        "payments",
        "14 users, the first of them until",
    ):
        assert wanted in cards
