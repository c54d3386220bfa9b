"""The neglected tenant, through the real SDKs: every finding, every repair.

The tables say what is to be found where; a mailbox that is not in a table is to be left alone.
"""

from tests.support.run_scene import (
    AUDIT,
    FORWARDING,
    SIGN_IN,
    TICK_COUNT,
    FindingTable,
    SceneResult,
    expect_alike,
    may_read_nothing,
)

BLOCKED = (
    *("info", "room-berlin", "projector", "bookings"),
    *("warehouse", "newsletter", "events"),
)
LEFT_TO_PEOPLE = {
    **expect_alike("sign-in-enabled", "on-premises", "legacy-orders"),
    **expect_alike("sign-in-enabled", "ask", "board", "support", "suggestions"),
    **expect_alike("sign-in-enabled", "never", "room-oslo"),
    **expect_alike("sign-in-enabled", "could-not-tell", "orphan"),
}
FORWARDS: FindingTable = {
    **expect_alike("mailbox-forward", "external", "amelia", "bruno", "karin"),
    "clara": {("mailbox-forward", "external"), ("mailbox-forward", "dormant")},
    **expect_alike(
        *("inbox-rule-forward", "external"),
        *("elena", "felix", "greta", "hugo", "iris", "lars", "nils", "olga", "pavel"),
        *("paula", "petra", "rudi", "sven", "yann", "zoe"),
    ),
    **expect_alike("inbox-rule-forward", "unresolved", "jonas"),
    **expect_alike("inbox-rule-forward", "dormant", "quinn"),
    **expect_alike("inbox-rule-unreadable", "could-not-tell", "rosa"),
    **expect_alike("inbox-rule-hides", "hides-mail", "tilda", "xenia", "ugo", "vera", "wim"),
    "Copy for auditors": {("transport-rule", "external")},
    "Move to the new host": {("transport-rule", "dormant")},
    # Job applications go to Anna, and always did.
    "colleague-rule": {("stock", "stock")},
}
# What was switched off before the first look is a question, in every run.
ASKED = {
    "organization": {("organization-audit-disabled", "ask"), ("unified-audit-log-off", "ask")},
    **expect_alike("audit-bypass", "ask", "hanna"),
}
REPAIRS = {
    **expect_alike("mailbox-audit-off", "repair", "ben"),
    **expect_alike("audit-age-too-short", "repair", "fiona"),
    **expect_alike("audit-actions-missing", "repair", "cora", "dana", "ivo"),
}
KEPT = expect_alike("audit-set-customised", "keep", "emil")
# The gravest of what the other guards find: severity, kind, verdict, subject.
GRAVEST = {
    "mailbox-delegation": ("high", "full-access", "unresolved", "edda@contoso.com"),
    "tenant-baseline": ("high", "remote-domain-forwarding", "drift", "remote domain Default"),
    "app-consent": ("high", "application-permission", "granted", "Invoice scanner"),
    "mfa-registration": (
        *("critical", "administrator-second-factor", "no-second-factor", "henk@contoso.com"),
    ),
    "exchange-module-access": ("low", "exchange-module", "repair", "anna@contoso.com"),
    "legacy-protocols": ("high", "smtp-auth-organization", "repair", "organization"),
    "shared-mailbox-health": ("medium", "needless-licence", "ask", "board@contoso.com"),
}


def test_the_neglected_tenant_shows_every_account_that_can_sign_in(neglected: SceneResult) -> None:
    to_block = expect_alike("sign-in-enabled", "block", *BLOCKED, "exec-office")
    assert neglected.tabulate_findings(1, SIGN_IN) == LEFT_TO_PEOPLE | to_block


def test_the_neglected_tenant_shows_every_way_mail_leaves_or_is_hidden(
    neglected: SceneResult,
) -> None:
    assert neglected.tabulate_findings(1, FORWARDING) == FORWARDS


def test_an_outside_address_several_mailboxes_send_to_is_critical(neglected: SceneResult) -> None:
    critical = {
        row["subject"]
        for row in neglected.find_run(1, FORWARDING)["findings"]
        if row["severity"] == "critical"
    }
    # Sven's rule is hidden, and the auditors get a blind copy of what everybody sends.
    stolen = {"pavel@contoso.com", "paula@contoso.com", "petra@contoso.com"}
    assert critical == stolen | {"sven@contoso.com", "Copy for auditors"}


def test_the_neglected_tenant_shows_every_gap_of_its_audit(neglected: SceneResult) -> None:
    assert neglected.tabulate_findings(1, AUDIT) == ASKED | REPAIRS | KEPT


def test_the_neglected_tenant_has_something_for_every_guard_but_the_one_for_events(
    neglected: SceneResult,
) -> None:
    found = {
        guard: tuple(row[name] for name in ("severity", "kind", "verdict", "subject"))
        for guard in GRAVEST
        for row in neglected.find_run(1, guard)["findings"][:1]
    }
    assert found == GRAVEST
    assert neglected.tabulate_findings(1, "mass-deletion") == {}


def test_everything_in_the_neglected_tenant_is_read(neglected: SceneResult) -> None:
    for run in neglected.find_runs(1):
        assert (run["unread"], run["blind"], run["held"]) == (0, [], "")
        assert run["seen"] == run["population"]
        assert run["population"] or may_read_nothing(run["guard"])


def test_the_first_tick_only_says_what_the_second_will_change(neglected: SceneResult) -> None:
    assert all(run["changes"] == [] for run in neglected.find_runs(1))
    for guard in (SIGN_IN, FORWARDING, AUDIT):
        promised = {
            (row["case"], row["kind"], row["subject"])
            for row in neglected.find_run(1, guard)["preview"]
        }
        made = {
            (row["case"], row["kind"], row["subject"])
            for row in neglected.find_run(2, guard)["changes"]
        }
        assert made == promised


def test_the_neglected_tenant_is_written_to_exactly_where_that_was_announced(
    neglected: SceneResult,
) -> None:
    # Nobody set their passwords lately, so sessions are ended once the blocks have stood.
    sign_in = [("PATCH", name) for name in BLOCKED]
    audit = [("Set-Mailbox", name) for name in ("ben", "cora", "dana", "dana", "fiona", "ivo")]
    assert sorted(neglected.tabulate_writes()) == sorted(sign_in + audit)


def test_additions_to_an_audit_set_outlive_its_repair(neglected: SceneResult) -> None:
    names = dict(neglected.list_aliases())
    given = [
        write["body"]["CmdletInput"]["Parameters"]
        for write in neglected.writes
        if names.get(write["target"].partition(" ")[2]) == "dana"
    ]
    assert given[0]["DefaultAuditSet"] == ["Owner"]
    assert given[1]["AuditOwner"]["Add"] == ["MailboxLogin"]


def test_an_account_with_an_admin_role_is_left_to_people(neglected: SceneResult) -> None:
    (outcome,) = (
        row
        for row in neglected.find_run(2, SIGN_IN)["changes"]
        if row["subject"].startswith("exec-office@")
    )
    assert outcome["outcome"] == "refused"
    assert neglected.tabulate_findings(3, SIGN_IN)["exec-office"] == {
        ("sign-in-enabled", "protected")
    }


def test_after_the_repairs_only_what_is_left_to_people_is_still_found(
    neglected: SceneResult,
) -> None:
    protected = expect_alike("sign-in-enabled", "protected", "exec-office")
    assert neglected.tabulate_findings(3, SIGN_IN) == LEFT_TO_PEOPLE | protected
    # Dana's additions were kept, so from now on her set is as deliberate as Emil's.
    assert neglected.tabulate_findings(3, AUDIT) == ASKED | KEPT | expect_alike(
        "audit-set-customised", "keep", "dana"
    )


def test_the_third_tick_writes_nothing_and_says_nothing_even_of_a_renamed_rule(
    neglected: SceneResult,
) -> None:
    for run in neglected.find_runs(3):
        assert (run["changes"], run["preview"], run["news"]) == ([], [], 0)
    facts = [
        fact
        for finding in neglected.find_run(3, FORWARDING)["findings"]
        if finding["subject"].startswith("zoe@")
        for fact in finding["facts"]
    ]
    assert "rules: 2: Renamed again, Forward (renamed)" in facts


def test_the_neglected_tenant_gets_one_card_for_what_is_and_one_for_what_was_done(
    neglected: SceneResult,
) -> None:
    told = [(run["tick"], run["guard"]) for run in neglected.result["runs"] if run["told"]]
    ours = [(tick, guard) for tick, guard in told if guard in (SIGN_IN, FORWARDING, AUDIT)]
    assert ours == [(1, SIGN_IN), (1, FORWARDING), (1, AUDIT), (2, SIGN_IN), (2, AUDIT)]
    several = {(run["tick"], run["guard"]): run["cards"] for run in neglected.result["runs"]}
    # What was put right, and the account that is left to people. What is critical leaves before the
    # summary of a first look that takes long.
    assert [several[row] for row in ours[3:]] == [2, 1]
    assert all(several[row] in (1, 2) for row in ours[:3])
    assert len(neglected.cards) == sum(several.values())


# The neglected tenant, with other modes -----------------------------------------------------------


def test_enforcing_clears_forwards_and_disables_rules_and_touches_nothing_else(
    enforced: SceneResult,
) -> None:
    rules = {
        f"PATCH/mailFolders/inbox/messageRules/{rule['id']}": name
        for key, name in enforced.list_aliases()
        for rule in enforced.scene["graph"]["messageRules"].get(key, ())
    }
    forwarding = ("elena", "felix", "greta", "hugo", "iris", "lars", "nils", "olga", "pavel")
    written = [(rules.get(what, what), name) for what, name in enforced.tabulate_writes()]
    assert sorted(written) == sorted(
        [("Set-Mailbox", name) for name in ("amelia", "bruno", "karin")]
        + [(name, name) for name in (*forwarding, "paula", "petra", "yann", "zoe", "zoe")]
    )


def test_a_forward_is_cleared_whole_and_a_rule_is_only_disabled(enforced: SceneResult) -> None:
    for write in enforced.writes:
        if write["api"] == "graph":
            assert write["body"] == {"isEnabled": False}
        else:
            given = dict(write["body"]["CmdletInput"]["Parameters"])
            del given["Identity"]
            assert given == {
                "ForwardingAddress": None,
                "ForwardingSmtpAddress": None,
                "DeliverToMailboxAndForward": False,
            }


def test_what_was_cleared_is_gone_and_what_was_disabled_sleeps(enforced: SceneResult) -> None:
    found = enforced.tabulate_findings(3, FORWARDING)
    assert {"amelia", "bruno", "karin"}.isdisjoint(found)
    # Clearing ends both of Clara's forwards, so an operator decides.
    assert ("mailbox-forward", "external") in found["clara"]
    for name in ("elena", "hugo", "nils", "yann", "zoe"):
        assert found[name] == {("inbox-rule-forward", "dormant")}
    # Outlook alone can change this one, and Graph does not even show what it does.
    assert found["rudi"] == {("inbox-rule-forward", "external")}


def test_a_guard_that_is_off_does_not_look_and_one_that_alerts_does_not_write(
    enforced: SceneResult,
) -> None:
    for tick in range(1, TICK_COUNT + 1):
        assert enforced.find_run(tick, SIGN_IN)["status"] == "off"
        assert enforced.find_run(tick, SIGN_IN)["findings"] == []
        assert enforced.find_run(tick, AUDIT)["changes"] == []
        assert enforced.tabulate_findings(tick, AUDIT) == ASKED | REPAIRS | KEPT
