"""Rows and settings that would blind a guard are seen and reported.

An exemption without a request, one that was extended, a periodic check finished in the future,
a place to go on from that leads elsewhere, a mode that was lowered, a webhook that was changed.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.exchange.command import Command
from core.adapters.table_storage.codec import encode_stored_record
from core.config.settings import SETTINGS, Settings, list_settings
from core.engine.exemption_audit import find_unauthorized_exemptions
from core.engine.operator_requests import run_requests_only
from core.engine.periodic_checks import find_due_checks
from core.engine.run import create_run_id
from core.engine.self_findings import UNAUTHORIZED_EXEMPTION
from core.errors import Rejected
from core.jobs.settings_changes import (
    CARDS_A_DAY,
    SettingChange,
    alert_on_settings_change,
    collect_setting_values,
    diff_settings,
)
from core.jobs.weekly_digest import is_digest_due, send_weekly_digest
from core.model.cases import Case, Exemption
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardState
from core.ports import DIGEST_PARTITION
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY, get_row_key
from tests.support.http_recorder import build_scene, connect_sandbox
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    GUARD,
    EngineHarness,
    SyntheticTenant,
)

EVIL = "x@evil.example"


def stage() -> EngineHarness:
    return EngineHarness(SyntheticTenant(mailbox_count=40, forwards={"m1": EVIL}))


def put(on: EngineHarness, *rows: Exemption | OperatorRequest | Case) -> None:
    """Somebody writes rows into the table, past the app."""
    for row in rows:
        on.ledger.get_partition("toy").rows[get_row_key(row)] = (
            type(row),
            encode_stored_record(row),
        )


def forged(subject: str = "m1", days: int = 300) -> Exemption:
    return Exemption(subject, "Ann", "agreed", START + timedelta(days=days))


async def asked(
    on: EngineHarness, deed: RequestKind, subject: str, **more: object
) -> OperatorRequest:
    action = OperatorRequest(
        create_run_id(on.clock()), deed, subject, "Dana", "because", on.clock(), "key"
    )
    action = replace(action, **more)  # type: ignore[arg-type]  # fields by name
    await on.ledger.add_request("toy", action)
    on.clock.advance(seconds=1)
    await run_requests_only(on.config, on.world, create_run_id(on.clock()))
    return action


def cases(on: EngineHarness) -> list[Case]:
    """The open cases about exemptions."""
    found = on.ledger.list_cases("toy").values()
    return [
        case for case in found if case.kind == UNAUTHORIZED_EXEMPTION and case.closed_at is None
    ]


async def test_an_exemption_somebody_asked_for_is_no_case() -> None:
    on = stage()
    await asked(on, RequestKind.EXEMPT, "m1", until=START + 30 * DAY)
    await on.run_timer()
    assert (await on.ledger.load("toy")).exemptions
    assert cases(on) == []


async def test_an_exemption_in_the_table_that_nobody_asked_for_is_told_at_once() -> None:
    on = stage()
    await on.run_timer()
    put(on, forged())
    await on.run_timer()
    [case] = cases(on)
    assert case.notified_at
    assert case.severity.label == "high"
    assert "m1" in str(case.facts[0])
    assert any("without a matching request" in str(card) for card in on.notification_channel.sent)


async def test_an_exemption_that_was_made_longer_is_told() -> None:
    on = stage()
    await asked(on, RequestKind.EXEMPT, "m1", until=START + 30 * DAY)
    [granted] = (await on.ledger.load("toy")).exemptions.values()
    put(on, replace(granted, until=granted.until + 300 * DAY))
    await on.run_timer()
    assert len(cases(on)) == 1


async def test_a_forged_exemption_cannot_be_hidden_behind_another() -> None:
    on = stage()
    put(on, forged())
    await on.run_timer()
    [case] = cases(on)
    put(on, forged(case.key), forged(case.object_id))
    await on.run_timer()
    [now] = cases(on)
    assert now.notified_at
    assert len(now.facts) == 3


async def test_a_forged_exemption_that_is_ended_is_a_case_no_more() -> None:
    on = stage()
    put(on, forged())
    await on.run_timer()
    await asked(on, RequestKind.END_EXEMPTION, "m1")
    await on.run_timer()
    assert cases(on) == []


async def test_a_thousand_forged_exemptions_fit_a_row() -> None:
    on = stage()
    put(on, *(forged(f"m{number}" + "\u202e" * 200) for number in range(1000)))
    await on.run_timer()
    [case] = cases(on)
    assert "980 more" in str(case.facts[-1])
    assert all(str(fact).isprintable() for fact in case.facts)


async def test_what_protects_a_change_that_was_taken_back_was_asked_for() -> None:
    on = stage()
    on.config = replace(ENFORCE_CONFIG, guard=replace(GUARD, periodic_checks=()))
    await on.run_timer()
    await on.run_timer()
    [made] = (await on.ledger.load("toy")).changes
    undone = await asked(on, RequestKind.UNDO, made.id)
    await on.run_timer()
    memory = await on.ledger.load("toy")
    assert memory.exemptions
    assert cases(on) == []
    # The record of the change itself grows too old first; that of taking it back is younger.
    young = replace(memory, changes=tuple(one for one in memory.changes if one.undo_of))
    assert find_unauthorized_exemptions(young, on.clock()) == ()
    [granted] = memory.exemptions.values()
    for other in (
        replace(granted, until=granted.until + DAY),
        replace(granted, granted_by="Mallory"),
        replace(granted, subject="m2"),
    ):
        forgery = replace(memory, exemptions={other.subject: other})
        assert find_unauthorized_exemptions(forgery, on.clock()) == (other,)
    never = replace(undone, state=RequestState.REFUSED)
    assert find_unauthorized_exemptions(
        replace(memory, operator_requests=(never,)), on.clock()
    ) == (granted,)


def test_a_sweep_said_to_be_finished_in_the_future_is_due() -> None:
    planted = GuardState(checks_finished_at={"deep": START + timedelta(days=4000)})
    assert find_due_checks(ALERT_CONFIG, planted, START) == {"deep"}
    assert (
        find_due_checks(ALERT_CONFIG, GuardState(checks_finished_at={"deep": START}), START)
        == set()
    )


def test_a_weeks_card_said_to_be_sent_in_the_future_is_due() -> None:
    assert is_digest_due("0 0 7 * * 1", START + timedelta(days=4000), START)


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
    async with connect_sandbox(build_scene()) as to:
        after = planted.replace("{tenant}", to.sandbox.tenant.tenant_id)
        with pytest.raises(Rejected, match="no path"):
            _ = [page async for page in to.exchange.read_pages(Command("Get-Mailbox"), after)]
        assert to.exchange.service.requests == 0


async def test_a_listing_begins_anew_where_its_place_was_tampered_with() -> None:
    async with connect_sandbox(build_scene()) as to:
        parts = [
            part
            async for part in to.tenant.auditing.list_mailbox_audits(after="//evil.example/steal")
        ]
        assert parts[0].restarted
        assert sum(part.population for part in parts) == 2


# -- settings ------------------------------------------------------------------------------------


def settings(**changed: str) -> Settings:
    return Settings.read({**{one.name: one.sample_text for one in list_settings()}, **changed})


async def test_a_guard_that_was_switched_off_is_told_once() -> None:
    on = stage()
    before = settings(MAILBOX_AUDIT_MODE="enforce")
    after = settings(MAILBOX_AUDIT_MODE="off")
    assert await alert_on_settings_change(on.world, before, "1") == "same"
    assert await alert_on_settings_change(on.world, after, "2") == "told"
    assert await alert_on_settings_change(on.world, after, "3") == "same"
    [card] = on.notification_channel.sent
    assert "MAILBOX_AUDIT_MODE" in str(card)
    assert "may do less than before" in str(card)


async def test_what_could_not_be_told_is_told_the_next_time() -> None:
    on = stage()
    await alert_on_settings_change(on.world, settings(), "1")
    on.notification_channel.is_down = True
    assert await alert_on_settings_change(on.world, settings(REMIND_DAYS="300"), "2") == "untold"
    on.notification_channel.is_down = False
    assert await alert_on_settings_change(on.world, settings(REMIND_DAYS="300"), "3") == "told"


async def test_a_change_is_logged_once_however_long_the_channel_is_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    on = stage()
    before, after = settings(), settings(REMIND_DAYS="300")
    await alert_on_settings_change(on.world, before, "r")
    on.notification_channel.is_down = True
    for now in (after, after, after, settings(REMIND_DAYS="200")):
        assert await alert_on_settings_change(on.world, now, "r") == "untold"
    on.notification_channel.is_down = False
    assert await alert_on_settings_change(on.world, settings(REMIND_DAYS="200"), "r") == "told"
    assert await alert_on_settings_change(on.world, before, "r") == "told"
    logged = [one for one in caplog.messages if one.startswith("exoguard.settings ")]
    assert len(logged) == 3


async def test_a_webhook_that_was_changed_is_told_without_either() -> None:
    on = stage()
    other = (
        "https://default0a1b.5d.environment.api.powerplatform.com/workflows/other?sig=another-hush"
    )
    await alert_on_settings_change(on.world, settings(), "1")
    assert (
        await alert_on_settings_change(on.world, settings(TEAMS_WEBHOOK_URL=other), "2") == "told"
    )
    said = str(on.notification_channel.sent) + on.ledger.get_partition(DIGEST_PARTITION).state
    assert "sha256" in said
    for secret in (other, "another-hush", settings()["TEAMS_WEBHOOK_URL"]):
        assert secret not in said


def test_no_secret_setting_is_remembered_as_it_is() -> None:
    long = "canary-" * 40
    given = settings(ALLOWED_FORWARD_DOMAINS="a.example," * 20)
    kept = collect_setting_values(replace(given, values={**given.values, "CLIENT_SECRET": long}))
    for entry in SETTINGS:
        if entry.is_secret and given[entry.name]:
            assert kept[entry.name].startswith("sha256 ")
    assert kept["ALLOWED_FORWARD_DOMAINS"].startswith("sha256 ")
    assert len(str(kept)) < 16_000


def test_a_setting_that_came_with_a_new_version_is_no_change() -> None:
    assert diff_settings({"OLD": "1", "A": "x"}, {"NEW": "2", "A": "x"}) == ()


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
    found = diff_settings({"A": "1", "Z_MODE": before}, {"A": "2", "Z_MODE": now})
    assert SettingChange("Z_MODE", before, now).is_weaker is weaker
    assert (found[0].name == "Z_MODE") is weaker
    assert {before, now} <= {str(mode) for mode in Mode}


async def test_what_is_changed_and_put_back_between_two_looks_of_the_hour_is_told() -> None:
    on = stage()
    before, after = settings(MAILBOX_AUDIT_MODE="enforce"), settings(MAILBOX_AUDIT_MODE="off")
    results = []
    for now in (before, after, before):
        results.append(await alert_on_settings_change(on.world, now, "r"))
        on.clock.advance(minutes=15)
    assert results == ["same", "told", "told"]
    assert "to and fro" not in str(on.notification_channel.sent[0])
    assert "to and fro" in str(on.notification_channel.sent[1])


async def test_a_comparison_that_finds_nothing_takes_no_claim() -> None:
    on = stage()
    await alert_on_settings_change(on.world, settings(), "1")
    async with on.ledger.claim(DIGEST_PARTITION, "somebody"):
        assert await alert_on_settings_change(on.world, settings(), "2") == "same"


async def test_two_deployments_with_one_table_are_told_once_and_not_47_times_a_day() -> None:
    on = stage()
    ours, theirs = settings(), settings(REMIND_DAYS="300")
    for _ in range(3 * 24 * 4):
        for now in (ours, theirs):
            await alert_on_settings_change(on.world, now, "r")
            on.clock.advance(minutes=7)
    assert len(on.notification_channel.sent) == 2


async def test_a_mode_that_is_lowered_again_within_a_day_is_told_once_it_lasts() -> None:
    on = stage()
    before, after = settings(MAILBOX_AUDIT_MODE="enforce"), settings(MAILBOX_AUDIT_MODE="off")
    results = []
    for now in (before, after, before, after, after, after, after):
        results.append(await alert_on_settings_change(on.world, now, "r"))
        on.clock.advance(hours=1)
    assert results == ["same", "told", "told", "held", "held", "told", "same"]
    assert "may do less than before" in str(on.notification_channel.sent[-1])


async def test_another_change_amid_a_to_and_fro_is_told_at_once() -> None:
    on = stage()
    ours, theirs = settings(), settings(REMIND_DAYS="300")
    for now in (ours, theirs, ours, theirs):
        await alert_on_settings_change(on.world, now, "r")
    worse = settings(REMIND_DAYS="300", MAILBOX_AUDIT_MODE="off")
    assert await alert_on_settings_change(on.world, worse, "r") == "told"


async def test_who_changes_settings_before_every_run_does_not_flood_the_channel() -> None:
    on = stage()
    await alert_on_settings_change(on.world, settings(), "r")
    for number in range(96):
        await alert_on_settings_change(on.world, settings(REMIND_DAYS=f"{number + 10}"), "r")
        on.clock.advance(minutes=15)
    assert len(on.notification_channel.sent) <= CARDS_A_DAY + 24
    on.clock.advance(hours=1)
    assert await alert_on_settings_change(on.world, settings(REMIND_DAYS="7"), "r") == "told"


async def test_amid_a_flood_of_settings_a_lowered_mode_is_told_at_once_and_once() -> None:
    on = stage()
    await alert_on_settings_change(on.world, settings(MAILBOX_AUDIT_MODE="enforce"), "r")
    results = []
    for number in range(40):
        mode = "off" if number > 20 and number % 2 else "enforce"
        changed = settings(REMIND_DAYS=f"{number + 10}", MAILBOX_AUDIT_MODE=mode)
        results.append(await alert_on_settings_change(on.world, changed, "r"))
        on.clock.advance(minutes=1)
    assert results[:CARDS_A_DAY] == ["told"] * CARDS_A_DAY
    assert results.count("told") == CARDS_A_DAY + 1
    assert results[21] == "told"
    assert "may do less than before" in str(on.notification_channel.sent[-1])


async def test_a_row_of_settings_that_was_deleted_is_told_with_the_modes_as_they_are() -> None:
    on = stage()
    await alert_on_settings_change(on.world, settings(MAILBOX_AUDIT_MODE="enforce"), "r")
    on.ledger.get_partition(DIGEST_PARTITION).state = ""
    after = settings(MAILBOX_AUDIT_MODE="off")
    on.notification_channel.is_down = True
    assert await alert_on_settings_change(on.world, after, "r") == "untold"
    on.notification_channel.is_down = False
    assert await alert_on_settings_change(on.world, after, "r") == "told"
    assert await alert_on_settings_change(on.world, after, "r") == "same"
    [card] = on.notification_channel.sent
    assert "MAILBOX_AUDIT_MODE" in str(card)
    assert "is gone" in str(card)


async def test_the_week_is_told_at_once_where_the_row_of_the_last_one_is_gone() -> None:
    on = stage()
    await alert_on_settings_change(on.world, settings(), "r")
    assert await send_weekly_digest(on.world, (), "0 0 7 * * 1", "r") == "not due"
    on.ledger.get_partition(DIGEST_PARTITION).state = ""
    assert await send_weekly_digest(on.world, (), "0 0 7 * * 1", "r") == "sent"
    assert await send_weekly_digest(on.world, (), "0 0 7 * * 1", "r") == "not due"


async def test_a_change_is_logged_where_somebody_else_holds_the_row(
    caplog: pytest.LogCaptureFixture,
) -> None:
    on = stage()
    await alert_on_settings_change(on.world, settings(MAILBOX_AUDIT_MODE="enforce"), "r")
    async with on.ledger.claim(DIGEST_PARTITION, "somebody"):
        after = settings(MAILBOX_AUDIT_MODE="off")
        assert await alert_on_settings_change(on.world, after, "r") == "busy"
    assert any(
        one.startswith("exoguard.settings ") and "MAILBOX_AUDIT_MODE" in one
        for one in caplog.messages
    )


async def test_changes_said_to_be_told_in_the_future_are_told() -> None:
    on = stage()
    before, after = settings(), settings(REMIND_DAYS="300")
    for now in (before, after, before):
        await alert_on_settings_change(on.world, now, "r")
    on.clock.advance(days=-5)
    assert await alert_on_settings_change(on.world, after, "r") == "told"


async def test_nobody_compares_while_the_week_is_being_told() -> None:
    on = stage()
    async with on.ledger.claim(DIGEST_PARTITION, "somebody"):
        assert await alert_on_settings_change(on.world, settings(), "1") == "busy"
