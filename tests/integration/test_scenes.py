"""Whole journeys through the other scenes of the sandbox, through the real SDKs."""

import json

import pytest

from core.config.catalog import CATALOG
from tests.support.adaptive_cards import validate_card
from tests.support.run_scene import (
    AUDIT,
    FORWARDING,
    MAX_CARD_BYTES,
    SIGN_IN,
    TICK_COUNT,
    SceneResult,
    dump_cards,
    expect_alike,
    may_read_nothing,
)

# What the guard of forwarding reads of a mailbox with an open case, and may do without.
SURROUNDINGS = (
    "Get-App",
    "Get-MailboxAutoReplyConfiguration",
    "Get-MailboxCalendarFolder",
    "Get-MailboxFolderStatistics",
    "Get-MailboxJunkEmailConfiguration",
    "Get-MobileDevice",
    "Get-SweepRule",
)

# The healthy tenant -----------------------------------------------------------------------------


def test_the_healthy_tenant_gets_no_card_and_no_write(healthy: SceneResult) -> None:
    assert healthy.cards == []
    assert healthy.writes == []


def test_in_the_healthy_tenant_only_the_meeting_room_is_worth_a_note(healthy: SceneResult) -> None:
    for tick in range(1, TICK_COUNT + 1):
        assert healthy.tabulate_findings(tick, SIGN_IN) == expect_alike(
            "sign-in-enabled", "never", "room-lyon"
        )
        assert healthy.tabulate_findings(tick, FORWARDING) == {}
        assert healthy.tabulate_findings(tick, AUDIT) == {}


def test_the_healthy_tenant_is_read_as_a_whole(healthy: SceneResult) -> None:
    for run in healthy.result["runs"]:
        assert (run["unread"], run["blind"]) == (0, [])
        assert run["seen"] == run["population"]
        assert run["population"] or may_read_nothing(run["guard"])


# The attack -------------------------------------------------------------------------------------


def test_before_the_attack_all_is_quiet(attack: SceneResult) -> None:
    for tick in (1, 2):
        assert {run["news"] for run in attack.find_runs(tick)} == {0}


def test_the_attackers_rule_is_told_in_the_tick_it_appears(attack: SceneResult) -> None:
    assert attack.tabulate_findings(3, FORWARDING) == {
        "director": {("inbox-rule-forward", "external"), ("inbox-rule-hides", "hides-mail")}
    }
    assert [row["state"] for row in attack.find_run(3, FORWARDING)["findings"]] == ["new", "new"]
    assert "attacker" in dump_cards(attack.cards)


def test_a_shared_mailbox_somebody_enabled_again_is_blocked_at_once(attack: SceneResult) -> None:
    assert attack.tabulate_writes() == [("PATCH", "info"), ("POST/revokeSignInSessions", "info")]
    assert [row["outcome"] for row in attack.find_run(3, SIGN_IN)["changes"]] == ["applied"]


def test_the_attack_makes_one_card_for_each_guard_that_saw_it(attack: SceneResult) -> None:
    told = [(run["tick"], run["guard"]) for run in attack.result["runs"] if run["told"]]
    assert told == [(3, SIGN_IN), (3, FORWARDING)]
    assert len(attack.cards) == 2


# The first installation -------------------------------------------------------------------------


def test_500_forwards_that_were_there_before_make_one_card(first_install: SceneResult) -> None:
    run = first_install.find_run(1, FORWARDING)
    assert len(run["findings"]) == 500
    assert {row["verdict"] for row in run["findings"]} == {"external"}
    assert (run["seen"], run["population"], run["unread"]) == (1050, 1050, 0)
    told = [(run["tick"], run["guard"]) for run in first_install.result["runs"] if run["told"]]
    assert told == [(1, FORWARDING), (1, AUDIT)]
    # What is critical may have left before the summary, on a card of its own.
    sent = [run["cards"] for run in first_install.result["runs"] if run["told"]]
    assert set(sent) <= {1, 2}
    assert len(first_install.cards) == sum(sent)


def test_the_hidden_rule_beyond_the_first_thousand_is_found_and_told_first(
    first_install: SceneResult,
) -> None:
    gravest = first_install.find_run(1, FORWARDING)["findings"][0]
    assert (gravest["subject"], gravest["kind"], gravest["severity"]) == (
        "user-1037@contoso.com",
        "inbox-rule-forward",
        "critical",
    )
    assert "user-1037" in dump_cards(first_install.cards)


def test_the_bypassed_account_beyond_the_first_thousand_is_found_and_asked_about(
    first_install: SceneResult,
) -> None:
    assert first_install.tabulate_findings(1, AUDIT) == expect_alike(
        "audit-bypass", "ask", "user-1042"
    )
    assert first_install.tabulate_writes() == []


def test_the_second_look_at_500_known_forwards_says_nothing(first_install: SceneResult) -> None:
    for tick in (2, 3):
        assert first_install.find_run(tick, FORWARDING)["news"] == 0


# Missing permissions ----------------------------------------------------------------------------


def test_what_cannot_be_seen_is_told_with_the_permission_that_is_missing(
    missing_permissions: SceneResult,
) -> None:
    run = missing_permissions.find_run(1, FORWARDING)
    assert run["blind"] == ["inbox-rules", "transport-rules"]
    lacks = {row["subject"]: row for row in run["findings"] if row["kind"] == "permission-missing"}
    rules, flow = lacks["MailboxSettings.Read"], lacks["Get-TransportRule"]
    assert "cannot be read without it: inbox rules" in rules["facts"]
    assert "cannot be read without it: transport rules" in flow["facts"]
    assert "az ad app permission add" in rules["advice"]
    assert "infra/exchange-role.ps1" in flow["advice"]
    graver = {name: row["severity"] for name, row in lacks.items() if row["severity"] != "low"}
    assert graver == {"MailboxSettings.Read": "critical", "Get-TransportRule": "critical"}


def test_a_guard_that_has_all_it_needs_says_nothing(missing_permissions: SceneResult) -> None:
    for guard in ("mfa-registration", "mass-deletion"):
        for tick in range(1, TICK_COUNT + 1):
            run = missing_permissions.find_run(tick, guard)
            assert (run["findings"], run["blind"], run["news"]) == ([], [], 0)


def test_what_is_needed_is_grave_and_what_only_adds_detail_is_low_and_said_once(
    missing_permissions: SceneResult,
) -> None:
    optional = {
        (config.guard.name, permission.name)
        for config in CATALOG
        for permission in config.guard.permissions
        if permission.optional
    }
    for tick in (1, 2, 3):
        for run in missing_permissions.find_runs(tick):
            lacking = [row for row in run["findings"] if row["kind"] == "permission-missing"]
            for row in lacking:
                is_detail = (run["guard"], row["subject"]) in optional
                assert row["severity"] in (("low",) if is_detail else ("critical", "high"))
            assert tick == 1 or not any(row["state"] == "new" for row in lacking)


def test_what_can_be_seen_all_the_same_is_found(missing_permissions: SceneResult) -> None:
    assert missing_permissions.tabulate_findings(1, SIGN_IN) == {
        **expect_alike("permission-missing", "could-not-tell", "User.EnableDisableAccount.All"),
        **expect_alike("sign-in-enabled", "block", "sales"),
        **expect_alike("sign-in-enabled", "never", "room-lyon"),
    }
    assert missing_permissions.tabulate_findings(1, FORWARDING) == {
        **expect_alike(
            "permission-missing", "could-not-tell", "MailboxSettings.Read", "Get-TransportRule"
        ),
        # What would be read beside an open case.
        **expect_alike("permission-missing", "could-not-tell", *SURROUNDINGS),
        # The same in other words, as a note.
        **expect_alike(
            "source-unavailable",
            "could-not-tell",
            *("inbox-rules", "mailbox-surroundings", "transport-rules"),
        ),
        **expect_alike("mailbox-forward", "external", "amelia"),
        # Exchange shows the rule in the daily sweep although Graph may not.
        **expect_alike("inbox-rule-forward", "external", "felix"),
    }
    assert missing_permissions.tabulate_findings(1, AUDIT) == {
        **expect_alike("permission-missing", "could-not-tell", "Set-Mailbox"),
        **expect_alike("mailbox-audit-off", "repair", "ben"),
    }


@pytest.mark.parametrize(
    ("guard", "kind", "permission"),
    [
        (SIGN_IN, "BlockSignIn", "User.EnableDisableAccount.All"),
        (AUDIT, "EnableMailboxAudit", "Set-Mailbox"),
    ],
)
def test_a_change_that_is_not_permitted_says_what_is_missing_and_says_it_once(
    missing_permissions: SceneResult, guard: str, kind: str, permission: str
) -> None:
    for tick in (2, 3):
        (change,) = missing_permissions.find_run(tick, guard)["changes"]
        assert (change["kind"], change["outcome"]) == (kind, "failed")
        assert permission in change["note"]
    assert [missing_permissions.find_run(tick, guard)["news"] for tick in (1, 2, 3)] == [2, 1, 0]


def test_without_permission_nothing_is_written(missing_permissions: SceneResult) -> None:
    assert missing_permissions.writes == []


# All of them ------------------------------------------------------------------------------------


def test_every_card_of_every_scene_fits_into_teams(every_scene: SceneResult) -> None:
    sizes = [len(json.dumps(card).encode()) for card in every_scene.cards]
    assert all(size <= MAX_CARD_BYTES for size in sizes)
    assert len(sizes) == sum(run["cards"] for run in every_scene.result["runs"])
    for card in every_scene.cards:
        validate_card(card)


def test_every_run_of_every_scene_ends_well(every_scene: SceneResult) -> None:
    assert len(every_scene.result["runs"]) == TICK_COUNT * len(CATALOG)
    for run in every_scene.result["runs"]:
        assert (run["status"], run["error"], run["held"]) == ("done", "", "")
