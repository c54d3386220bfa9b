"""The demonstration's third tick: an intruder in the neglected tenant, and who sees what of it."""

from collections.abc import Mapping
from typing import Any

import pytest_asyncio

from core.config.catalog import CATALOG
from sandbox.scene_runner import run_scene
from sandbox.scenes.attack_steps import (
    ATTACKER,
    ATTACKER_IP,
    MALICIOUS_APP_ID,
    build_aftermath,
    build_rule_step,
)
from tests.support.run_scene import SceneResult, dump_cards, list_declared_permissions, load_scene

LAST = 3
SEEN: Mapping[str, set[tuple[str, str, str]]] = {
    "shared-mailbox-sign-in": {("archive-2019@contoso.com", "high", "block")},
    "mailbox-forwarding": {
        ("dana@contoso.com", "high", "external"),
        ("dana@contoso.com", "high", "hides-mail"),
    },
    "mailbox-audit": {("derya", "critical", "repair")},
    "mailbox-delegation": {("edda@contoso.com", "critical", "external")},
    "tenant-baseline": {("remote domain Billing", "high", "drift")},
    "app-consent": {("Micros0ft Mail Backup", "critical", "impostor")},
    "mfa-registration": {
        ("derya@contoso.com", "critical", "no-second-factor"),
        # The 14 deleted users leave its listing a fifth shorter: listing-shrank.
        ("mfa-registration", "medium", "could-not-tell"),
    },
    "mass-deletion": {("derya@contoso.com", "high", "mass-deletion")},
    "exchange-module-access": {("dana@contoso.com", "low", "repair")},
    "legacy-protocols": {("fiona@contoso.com", "medium", "ask")},
    "shared-mailbox-health": {("info@contoso.com", "medium", "ask")},
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def intruded() -> SceneResult:
    """The neglected tenant, taken over before the third tick."""
    scene = {"grants": list_declared_permissions()} | load_scene("neglected")
    steps = (build_rule_step(scene), *build_aftermath(scene))
    edits = [edit for step in steps for edit in step.edits]
    scene["ticks"] = [{}, {}, {"edit": edits}]
    return SceneResult(scene, await run_scene(scene, ticks=LAST))


def news(run: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (row["subject"], row["severity"], row["verdict"])
        for row in run["findings"]
        if row["state"] == "new"
    }


def test_every_guard_has_a_step_to_see_in_the_order_of_the_catalog() -> None:
    scene = load_scene("neglected")
    steps = (build_rule_step(scene), *build_aftermath(scene))
    names = [duty.guard.name for duty in CATALOG]
    assert sorted(step.guard for step in steps) == sorted(names)
    after = [step.guard for step in steps[1:]]
    assert after == [name for name in names if name != steps[0].guard]


def test_what_was_neglected_is_told_once_and_then_not_again(intruded: SceneResult) -> None:
    told = {run["guard"] for run in intruded.find_runs(1) if run["told"]}
    # Nothing has been deleted yet.
    assert told == set(SEEN) - {"mass-deletion"}
    enforcing = {run["guard"] for run in intruded.find_runs(2) if run["told"]}
    assert enforcing == {"shared-mailbox-sign-in", "mailbox-audit"}


def test_every_guard_tells_its_part_of_the_intrusion_and_no_more(intruded: SceneResult) -> None:
    found = {run["guard"]: news(run) for run in intruded.find_runs(LAST)}
    assert found == SEEN
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
    cards = dump_cards(intruded.cards[-len(SEEN) :])
    for wanted in (
        ATTACKER,
        ATTACKER_IP,
        MALICIOUS_APP_ID,
        "payments",
        "14 users, the first of them until",
    ):
        assert wanted in cards
