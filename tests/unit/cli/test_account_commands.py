"""Containing an account from the command line, through the routes, on a tenant in memory."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.api.authentication import Caller
from core.api.routes import ROUTES
from core.cli.api_client import EXIT_UNAVAILABLE
from core.cli.local_client import LocalClient
from core.config.settings import Settings
from core.containment.story import process_containments
from core.jobs.containment_news import tell_containments
from core.jobs.run_requests import RunMessage
from core.model.containment import Containment
from core.notifications.run_cards import build_cards
from core.ports import CONTAINMENT_PARTITION, World
from core.tenant.containing import AccountDetail, DetailKind
from core.web.action_pages import render_containment_page
from tests.support.containment_stage import GUID, MIA, SWITCHES, build_tenant, judge
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.tenant import FakeTenant
from tests.support.local_app import (
    GUARD_NAME,
    SAMPLES,
    WHY_OPTIONS,
    CommandResult,
    LocalApp,
    build_open_case,
)

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


@dataclass
class AccountApp(LocalApp):
    """An app where accounts may be contained."""

    mode: str = "enforce"
    tenant: FakeTenant = field(default_factory=build_tenant)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = Settings.read({**SAMPLES, "CONTAINMENT_MODE": self.mode})

    async def process_run_message(self, message: RunMessage, settings: Settings) -> None:
        """Process a message about accounts as the worker does."""
        assert message.guard == CONTAINMENT_PARTITION
        channel = FakeNotificationChannel()
        world = World(self.tenant, self.ledger, channel, self.clock, build_cards)
        await process_containments(
            world, settings.containment, judge, message.run, tell_containments
        )

    def plan(self, *more: str) -> str:
        """Ask for a plan, and return its hash."""
        shown = self.run_command("contain", MIA, *WHY_OPTIONS, "--json", *more)
        assert shown.exit_code == 0, shown.err
        plan: str = json.loads(shown.out)["plan"]
        return plan


def carry_out(app: AccountApp) -> CommandResult:
    """Ask for a plan and carry it out."""
    return app.run_command("contain", MIA, "--plan", app.plan(), *WHY_OPTIONS, "--yes")


def test_a_plan_is_shown_and_nothing_is_done() -> None:
    app = AccountApp()
    shown = app.run_command("contain", MIA, *WHY_OPTIONS)
    assert shown.exit_code == 0
    assert "block the account's sign-in" in shown.out
    assert "needs User.EnableDisableAccount.All; can be undone" in shown.out
    assert "Carry it out within the hour" in shown.out
    assert app.tenant.write_count == 0


def test_a_plan_is_carried_out_and_taken_back() -> None:
    app = AccountApp()
    done = carry_out(app)
    assert done.exit_code == 0, done.out
    assert "5 of 5 steps are made" in done.out
    assert not app.tenant.users[0].enabled
    back = app.run_command("uncontain", MIA, "--steps", "rule-1", *WHY_OPTIONS, "--yes")
    assert back.exit_code == 0
    assert "taken back: block-sign-in, rule-1" in back.out
    assert app.tenant.rules[0].enabled
    assert "undone" in app.run_command("containments").out


def test_what_was_not_taken_back_decides_the_exit_code() -> None:
    app = AccountApp()
    assert carry_out(app).exit_code == 0
    app.tenant.rules.clear()
    back = app.run_command("uncontain", MIA, "--steps", "rule-1", *WHY_OPTIONS, "--yes")
    assert "not taken back: rule-1" in back.out
    assert back.exit_code == 1
    [row] = json.loads(app.run_command("containments", "--json").out)["containments"]
    assert row["not_taken_back"] == ["rule-1"]


def test_a_request_about_an_account_is_shown_by_its_number() -> None:
    app = AccountApp()
    app.plan()
    [row] = json.loads(app.run_command("requests", "--json").out)["requests"]
    shown = app.run_command("request", row["guard"], row["request"])
    assert (shown.exit_code, "contain · containment" in shown.out) == (0, True)
    unknown = app.run_command("request", "containment", "30708425056706-00000000")
    assert (unknown.exit_code, "no such request" in unknown.err) == (2, True)


def test_an_empty_list_of_containments_says_so() -> None:
    assert AccountApp().run_command("containments").out == "None.\n"


def test_a_refusal_is_no_json() -> None:
    asked = AccountApp().run_command(
        "contain", MIA, "--plan", "0" * 32, *WHY_OPTIONS, "--yes", "--json"
    )
    assert (asked.exit_code, asked.out) == (3, "")
    assert "no plan of this account" in asked.err


def test_steps_are_chosen() -> None:
    app = AccountApp()
    plan = app.plan("--steps", "block-sign-in,protocols")
    app.run_command("contain", MIA, "--plan", plan, *WHY_OPTIONS, "--yes")
    assert set(app.tenant.client_switches[GUID].values()) == {False}
    assert app.tenant.signed_out == []


def test_nobody_is_contained_without_consent() -> None:
    app = AccountApp(is_terminal=True, typed_answers=["n"])
    plan = app.plan()
    asked = app.run_command("contain", MIA, "--plan", plan, *WHY_OPTIONS)
    assert asked.exit_code == 3
    assert app.tenant.users[0].enabled


def test_a_plan_is_not_carried_out_twice_nor_by_another_hash() -> None:
    app = AccountApp()
    plan = app.plan()
    app.run_command("contain", MIA, "--plan", plan, *WHY_OPTIONS, "--yes")
    again = app.run_command("contain", MIA, "--plan", plan, *WHY_OPTIONS, "--yes")
    assert again.exit_code == 3
    assert "carried out already" in again.out
    other = app.run_command("contain", MIA, "--plan", "0" * 32, *WHY_OPTIONS, "--yes")
    assert other.exit_code == 3
    assert "no plan of this account" in other.err


@pytest.mark.parametrize(
    ("mode", "words", "code"),
    [
        ("off", ("contain", MIA), 3),
        ("alert", ("contain", MIA), 0),
        ("alert", ("contain", MIA, "--plan", "0" * 32, "--yes"), 3),
        ("alert", ("uncontain", MIA, "--yes"), 3),
        ("off", ("impact", MIA), 3),
    ],
)
def test_the_mode_decides_what_may_be_asked_for(
    mode: str, words: tuple[str, ...], code: int
) -> None:
    app = AccountApp(mode=mode)
    assert app.run_command(*words, *WHY_OPTIONS).exit_code == code
    assert app.tenant.write_count == 0


@pytest.mark.parametrize("account", ["mia@example.com", "nobody", "0" * 32])
def test_an_account_goes_by_its_id(account: str) -> None:
    assert AccountApp().run_command("contain", account, *WHY_OPTIONS).exit_code != 0


def test_a_refused_account_says_why_and_what_a_person_can_do() -> None:
    app = AccountApp(tenant=build_tenant(is_management_restricted=True))
    shown = app.run_command("contain", MIA, *WHY_OPTIONS)
    assert shown.exit_code == 3
    assert "restricted management" in shown.out
    assert "Update-MgUser" in shown.out


def test_evidence_is_a_file_with_its_digest(tmp_path: Path) -> None:
    app = AccountApp()
    app.tenant.account_details[MIA, DetailKind.SIGN_INS] = (
        AccountDetail("s1", HOSTILE, "success", app.clock(), session="c1", address="203.0.113.9"),
    )
    file = tmp_path / "evidence.json"
    got = app.run_command("evidence-bundle", MIA, *WHY_OPTIONS, "--out", str(file))
    assert got.exit_code == 0
    assert "sha256 " in got.err
    text = file.read_text(encoding="utf-8")
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert json.loads(text)["sessions"][0]["addresses"] == ["203.0.113.9"]


def test_a_list_says_which_row_cannot_be_decoded() -> None:
    app = AccountApp()
    carry_out(app)
    rows = app.ledger.get_partition(CONTAINMENT_PARTITION).containment_rows
    rows["contain|odd"] = (Containment, "{")
    listed = app.run_command("containments")
    assert "mia@example.com" in listed.out
    assert "odd: its row cannot be decoded" in listed.err
    assert listed.exit_code == EXIT_UNAVAILABLE


def test_the_evidence_of_a_containment_is_kept_beside_it() -> None:
    app = AccountApp()
    carry_out(app)
    (kept,) = (asyncio.run(app.ledger.load_containments())).containments
    got = app.run_command("evidence-bundle", MIA, "--id", kept.id)
    assert json.loads(got.out)["account"]["id"] == MIA
    assert kept.bundle_digest in got.err


def test_the_impact_lists_recipients() -> None:
    app = AccountApp()
    sent = (
        AccountDetail("m1 x@evil.example", "x@evil.example", "Delivered", app.clock()),
        AccountDetail("m2 x@evil.example", "x@evil.example", "Delivered", app.clock()),
    )
    app.tenant.account_details[MIA, DetailKind.SENT_MAIL] = sent
    shown = app.run_command("impact", MIA, *WHY_OPTIONS)
    assert shown.exit_code == 0
    assert "2 messages to 1 recipients" in shown.out
    assert "Opened: not known" in shown.out
    assert app.tenant.write_count == 0
    assert "impact of mia@example.com, edition 1" in shown.err
    number = shown.err.rpartition("id ")[2].strip()
    for edition in ((), ("--edition", "1")):
        again = app.run_command("impact", MIA, "--id", number, *edition)
        assert (again.exit_code, again.out) == (0, shown.out), again.err
    assert app.run_command("impact", MIA, "--id", number, "--edition", "2").exit_code == 2


def test_a_list_that_is_cut_says_how_much_it_leaves_out() -> None:
    app = AccountApp()
    app.tenant.account_details[MIA, DetailKind.SENT_MAIL] = tuple(
        AccountDetail(f"m{number} x", f"x{number}@evil.example", "Delivered", app.clock())
        for number in range(103)
    )
    shown = app.run_command("impact", MIA, *WHY_OPTIONS)
    assert "and 3 more recipients" in shown.out


def test_the_impact_needs_a_reason_and_takes_no_id_of_evidence() -> None:
    app = AccountApp()
    carry_out(app)
    (kept,) = (asyncio.run(app.ledger.load_containments())).containments
    refused = app.run_command("impact", MIA, "--id", kept.id)
    assert refused.exit_code == 64
    assert f"evidence-bundle {MIA} --id {kept.id}" in refused.err
    without = app.run_command("impact", MIA)
    assert (without.exit_code, "--why" in without.err) == (64, True)


def test_a_page_shows_a_containment_and_runs_nothing_of_it() -> None:
    app = AccountApp(tenant=build_tenant(upn=f"mia{HOSTILE}@example.com"))
    carry_out(app)
    (kept,) = (asyncio.run(app.ledger.load_containments())).containments
    page = render_containment_page(kept, app.clock())
    assert "It is contained." in page
    assert "<script>alert" not in page
    assert f"uncontain {MIA}" in page


@pytest.mark.parametrize("held", [MIA, ""])
@pytest.mark.parametrize("mode", ["enforce", "alert", "off"])
def test_a_case_shows_how_to_contain_the_account_that_is_held_where_that_is_on(
    mode: str, held: str
) -> None:
    case = build_open_case(object_id=MIA, held_account=held)
    is_shown = bool(held) and mode != "off"
    app = AccountApp(mode=mode)
    app.save_rows(case)
    client = LocalClient("here", app.settings, app.ledger, Caller("function key"), now=app.clock)
    page = asyncio.run(client.get(f"/api/cases/{GUARD_NAME}/{case.key}")).body.decode()
    assert (f"contain {MIA}" in page) is is_shown


def test_a_contained_account_is_found_by_a_case_about_it() -> None:
    app = AccountApp()
    case = build_open_case(object_id=MIA)
    app.save_rows(case)
    assert app.run_command("contain", case.short_key, *WHY_OPTIONS).exit_code == 0


def test_switches_of_a_fake_mailbox_are_those_that_a_change_knows() -> None:
    assert len(SWITCHES) == 7
    assert {route.name for route in ROUTES} >= {"request-containment", "containment-page"}
