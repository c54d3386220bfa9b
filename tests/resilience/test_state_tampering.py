"""The app as a target: rows and settings that would blind a guard are seen and told.

An exemption nobody asked for, one that was made longer, a sweep said to be finished in the future,
a place to go on from that leads elsewhere, a mode that was lowered, a webhook that was changed.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.exchange.client import Command
from core.adapters.table_storage.codec import written
from core.config.settings import SETTINGS, Settings, all_settings
from core.engine.decide import due_sweeps
from core.engine.exemption_audit import unaccounted
from core.engine.operator_requests import serve
from core.engine.run import new_run
from core.engine.self_findings import UNASKED
from core.errors import Refused
from core.jobs.settings_changes import Changed, changes, remembered, watch
from core.jobs.weekly_digest import PARTITION, due
from core.model.cases import Case, Exemption
from core.model.guards import Mode
from core.model.requests import Action, ActionState, Deed
from core.model.state import GuardState
from tests.support.fakes.world import DAY, START, row_key
from tests.support.http_recorder import connected, scene
from tests.support.synthetic_guard import ALERT, ENFORCE, GUARD, Stage, Toy

EVIL = "x@evil.example"


def stage() -> Stage:
    return Stage(Toy(size=40, bad={"m1": EVIL}))


def put(on: Stage, *rows: Exemption | Action | Case) -> None:
    """Somebody writes rows into the table, past the app."""
    for row in rows:
        on.ledger.partition("toy").rows[row_key(row)] = (type(row), written(row))


def forged(subject: str = "m1", days: int = 300) -> Exemption:
    return Exemption(subject, "Ann", "agreed", START + timedelta(days=days))


async def asked(on: Stage, deed: Deed, subject: str, **more: object) -> Action:
    action = Action(new_run(on.clock()), deed, subject, "Dana", "because", on.clock(), "key")
    action = replace(action, **more)  # type: ignore[arg-type]  # fields by name
    await on.ledger.ask("toy", action)
    on.clock.advance(seconds=1)
    await serve(on.duty, on.world, new_run(on.clock()))
    return action


def cases(on: Stage) -> list[Case]:
    """The open cases about exemptions."""
    found = on.ledger.cases("toy").values()
    return [case for case in found if case.kind == UNASKED and case.closed is None]


async def test_an_exemption_somebody_asked_for_is_no_case() -> None:
    on = stage()
    await asked(on, Deed.EXEMPT, "m1", until=START + 30 * DAY)
    await on.tick()
    assert (await on.ledger.recall("toy")).exemptions
    assert cases(on) == []


async def test_an_exemption_in_the_table_that_nobody_asked_for_is_told_at_once() -> None:
    on = stage()
    await on.tick()
    put(on, forged())
    await on.tick()
    [case] = cases(on)
    assert case.told
    assert case.severity.label == "high"
    assert "m1" in case.facts[0]
    assert any("nobody asked for" in str(card) for card in on.alerts.sent)


async def test_an_exemption_that_was_made_longer_is_told() -> None:
    on = stage()
    await asked(on, Deed.EXEMPT, "m1", until=START + 30 * DAY)
    [granted] = (await on.ledger.recall("toy")).exemptions.values()
    put(on, replace(granted, until=granted.until + 300 * DAY))
    await on.tick()
    assert len(cases(on)) == 1


async def test_a_forged_exemption_cannot_be_hidden_behind_another() -> None:
    on = stage()
    put(on, forged())
    await on.tick()
    [case] = cases(on)
    put(on, forged(case.key), forged(case.object_id))
    await on.tick()
    [now] = cases(on)
    assert now.told
    assert len(now.facts) == 3


async def test_a_forged_exemption_that_is_ended_is_a_case_no_more() -> None:
    on = stage()
    put(on, forged())
    await on.tick()
    await asked(on, Deed.END_EXEMPTION, "m1")
    await on.tick()
    assert cases(on) == []


async def test_a_thousand_forged_exemptions_fit_a_row() -> None:
    on = stage()
    put(on, *(forged(f"m{number}" + "\u202e" * 200) for number in range(1000)))
    await on.tick()
    [case] = cases(on)
    assert "980 more" in case.facts[-1]
    assert all(fact.isprintable() for fact in case.facts)


async def test_what_protects_a_change_that_was_taken_back_was_asked_for() -> None:
    on = stage()
    on.duty = replace(ENFORCE, guard=replace(GUARD, sweeps=()))
    await on.tick()
    await on.tick()
    [made] = (await on.ledger.recall("toy")).changes
    undone = await asked(on, Deed.UNDO, made.id)
    await on.tick()
    memory = await on.ledger.recall("toy")
    assert memory.exemptions
    assert cases(on) == []
    # The record of the change itself grows too old first; that of taking it back is younger.
    young = replace(memory, changes=tuple(one for one in memory.changes if one.restores))
    assert unaccounted(young, on.clock()) == ()
    [granted] = memory.exemptions.values()
    for other in (
        replace(granted, until=granted.until + DAY),
        replace(granted, who="Mallory"),
        replace(granted, subject="m2"),
    ):
        forgery = replace(memory, exemptions={other.subject: other})
        assert unaccounted(forgery, on.clock()) == (other,)
    never = replace(undone, state=ActionState.REFUSED)
    assert unaccounted(replace(memory, actions=(never,)), on.clock()) == (granted,)


def test_a_sweep_said_to_be_finished_in_the_future_is_due() -> None:
    planted = GuardState(sweeps={"deep": START + timedelta(days=4000)})
    assert due_sweeps(ALERT, planted, START) == {"deep"}
    assert due_sweeps(ALERT, GuardState(sweeps={"deep": START}), START) == set()


def test_a_weeks_card_said_to_be_sent_in_the_future_is_due() -> None:
    assert due("0 0 7 * * 1", START + timedelta(days=4000), START)


@pytest.mark.parametrize(
    "planted",
    [
        "@evil.example/adminapi/beta/x",
        "https://evil.example/adminapi/beta/x",
        "//evil.example/",
        ".evil.example/adminapi/beta/{tenant}/InvokeCommand",
        "/adminapi/beta/{tenant}/../another/InvokeCommand",
        "/adminapi/beta/another/InvokeCommand",
        "../../../",
    ],
)
async def test_a_place_to_go_on_from_that_leads_elsewhere_sends_no_request(planted: str) -> None:
    async with connected(scene()) as to:
        after = planted.replace("{tenant}", to.sandbox.tenant.tenant_id)
        with pytest.raises(Refused, match="no path"):
            _ = [page async for page in to.exchange.pages(Command("Get-Mailbox"), after)]
        assert to.exchange.service.requests == 0


async def test_a_listing_begins_anew_where_its_place_was_tampered_with() -> None:
    async with connected(scene()) as to:
        parts = [part async for part in to.tenant.mailbox_audits(after="//evil.example/steal")]
        assert parts[0].anew
        assert sum(part.population for part in parts) == 2


# -- settings ------------------------------------------------------------------------------------


def settings(**changed: str) -> Settings:
    return Settings.read({**{one.name: one.sample for one in all_settings()}, **changed})


async def test_a_guard_that_was_switched_off_is_told_once() -> None:
    on = stage()
    before = settings(MAILBOX_AUDIT_MODE="enforce")
    after = settings(MAILBOX_AUDIT_MODE="off")
    assert await watch(on.world, before, "1") == "same"
    assert await watch(on.world, after, "2") == "told"
    assert await watch(on.world, after, "3") == "same"
    [card] = on.alerts.sent
    assert "MAILBOX\\\\_AUDIT\\\\_MODE" in repr(card)
    assert "may do less than before" in str(card)


async def test_what_could_not_be_told_is_told_the_next_time() -> None:
    on = stage()
    await watch(on.world, settings(), "1")
    on.alerts.down = True
    assert await watch(on.world, settings(REMIND_DAYS="300"), "2") == "untold"
    on.alerts.down = False
    assert await watch(on.world, settings(REMIND_DAYS="300"), "3") == "told"


async def test_a_webhook_that_was_changed_is_told_without_either() -> None:
    on = stage()
    other = "https://prod-02.westeurope.logic.azure.com/workflows/other?sig=another-hush"
    await watch(on.world, settings(), "1")
    assert await watch(on.world, settings(TEAMS_WEBHOOK_URL=other), "2") == "told"
    said = str(on.alerts.sent) + on.ledger.partition(PARTITION).state
    assert "sha256" in said
    for secret in (other, "another-hush", settings()["TEAMS_WEBHOOK_URL"]):
        assert secret not in said


def test_no_secret_setting_is_remembered_as_it_is() -> None:
    long = "canary-" * 40
    given = settings(ALLOWED_FORWARD_DOMAINS="a.example," * 20)
    kept = remembered(replace(given, values={**given.values, "CLIENT_SECRET": long}))
    for entry in SETTINGS:
        if entry.secret and given[entry.name]:
            assert kept[entry.name].startswith("sha256 ")
    assert kept["ALLOWED_FORWARD_DOMAINS"].startswith("sha256 ")
    assert len(str(kept)) < 16_000


def test_a_setting_that_came_with_a_new_version_is_no_change() -> None:
    assert changes({"OLD": "1", "A": "x"}, {"NEW": "2", "A": "x"}) == ()


@pytest.mark.parametrize(
    ("before", "now", "weaker"),
    [
        ("enforce", "alert", True),
        ("enforce", "off", True),
        ("alert", "off", True),
        ("off", "alert", False),
        ("alert", "enforce", False),
    ],
)
def test_a_mode_that_went_down_stands_first(before: str, now: str, weaker: bool) -> None:
    found = changes({"A": "1", "Z_MODE": before}, {"A": "2", "Z_MODE": now})
    assert Changed("Z_MODE", before, now).weaker is weaker
    assert (found[0].name == "Z_MODE") is weaker
    assert {before, now} <= {str(mode) for mode in Mode}


async def test_nobody_compares_while_the_week_is_being_told() -> None:
    on = stage()
    async with on.ledger.claim(PARTITION, "somebody"):
        assert await watch(on.world, settings(), "1") == "busy"
