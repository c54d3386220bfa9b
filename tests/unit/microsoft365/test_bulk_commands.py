"""Commands for many changes at once: of one kind each, quoted, bounded, and honest about it."""

import pytest

from core.microsoft365.bulk_commands import (
    BulkCommand,
    build_bulk_commands,
    describe_action,
    join_targets,
)
from core.tenant.changes import (
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EndSessions,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
)

LIMIT = 3_000


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            (ClearMailboxForward("g1"), ClearMailboxForward("g2")),
            "@('g1', 'g2') | ForEach-Object { Set-Mailbox -Identity $_ -ForwardingAddress $null "
            "-ForwardingSmtpAddress $null }",
        ),
        (
            (DisableInboxRule("u1", "AQ=="), DisableInboxRule("u2", "AB==")),
            "@(('u1', 'AQ=='), ('u2', 'AB==')) | ForEach-Object { "
            "Update-MgUserMailFolderMessageRule -UserId $_[0] -MailFolderId inbox "
            "-MessageRuleId $_[1] -IsEnabled:$false }",
        ),
        (
            (BlockSignIn("a", "g", ()),),
            "@(,'a') | ForEach-Object { Update-MgUser -UserId $_ -AccountEnabled:$false }",
        ),
        (
            (BlockSignIn("a", "g", (), ends_sessions=True),),
            "@(,'a') | ForEach-Object { Update-MgUser -UserId $_ -AccountEnabled:$false; "
            "Revoke-MgUserSignInSession -UserId $_ }",
        ),
        (
            (EndSessions("a"),),
            "@(,'a') | ForEach-Object { Revoke-MgUserSignInSession -UserId $_ }",
        ),
        (
            (EnableMailboxAudit("g"),),
            "@(,'g') | ForEach-Object { Set-Mailbox -Identity $_ -AuditEnabled $true }",
        ),
        (
            (RaiseAuditAge("g", 180),),
            "@(,'g') | ForEach-Object { Set-Mailbox -Identity $_ -AuditLogAgeLimit 180.00:00:00 }",
        ),
        (
            (ClearAuditBypass("g"),),
            "@(,'g') | ForEach-Object { Set-MailboxAuditBypassAssociation -Identity $_ "
            "-AuditBypassEnabled $false }",
        ),
        (
            (DisableExchangeModule("u", "g"),),
            "@(,'g') | ForEach-Object { Set-User -Identity $_ -EXOModuleEnabled $false }",
        ),
        (
            (DisableMailboxProtocols("g", ("imap", "smtp")),),
            "@(,'g') | ForEach-Object { Set-CASMailbox -Identity $_ -ImapEnabled $false "
            "-SmtpClientAuthenticationDisabled $true }",
        ),
    ],
)
def test_each_kind_of_change_is_one_pipeline(changes: tuple[Change, ...], text: str) -> None:
    assert build_bulk_commands(changes, LIMIT) == [BulkCommand(text, len(changes), len(changes))]


@pytest.mark.parametrize("change", [EnableOrganizationAudit(), ResetAuditSet("g", ("Owner",))])
def test_what_one_pipeline_cannot_do_has_no_command(change: Change) -> None:
    assert build_bulk_commands([change], LIMIT) == []


def test_kinds_and_their_values_are_kept_apart_and_each_change_is_made_once() -> None:
    found = build_bulk_commands(
        [RaiseAuditAge("a", 90), RaiseAuditAge("b", 180), RaiseAuditAge("a", 90)], LIMIT
    )
    assert [(one.covered, one.wanted) for one in found] == [(1, 1), (1, 1)]


@pytest.mark.parametrize("identity", ["", "a b", "'; whoami; '", "a\u2019b", "x" * 201, "a\nb"])
def test_an_identity_that_is_no_plain_word_is_left_out_and_counted(identity: str) -> None:
    (command,) = build_bulk_commands(
        [ClearMailboxForward(identity), ClearMailboxForward("g")], LIMIT
    )
    assert command.text.startswith("@(,'g') | ")
    assert (command.covered, command.wanted) == (1, 2)
    assert build_bulk_commands([DisableInboxRule(identity, "r")], LIMIT) == []
    assert build_bulk_commands([DisableInboxRule("u", identity)], LIMIT) == []


def test_a_command_holds_as_many_as_fit() -> None:
    many = [ClearMailboxForward(f"guid-{number:08}") for number in range(1_000)]
    (command,) = build_bulk_commands(many, LIMIT)
    assert len(command.text) <= LIMIT
    assert 100 < command.covered < command.wanted == 1_000
    assert build_bulk_commands(many, 60) == []


def test_as_many_objects_as_fit_are_taken_in_their_order() -> None:
    action, targets = "Do-It $_", ["'a'", "'long-one'", "'b'"]
    frame = len(action) + len("@() | ForEach-Object {  }")
    two = frame + sum(len(one) + 2 for one in targets[:2])
    for room, count in ((two, 2), (two - 1, 1), (frame + len("'a'") + 2, 1)):
        command = join_targets(action, targets, room)
        assert command
        assert (command.covered, command.wanted) == (count, 3)
        assert len(command.text) <= room
    assert join_targets(action, targets, frame + len("'a'") + 1) is None


def test_a_change_that_no_pipeline_makes_has_no_action() -> None:
    assert describe_action(SetConfiguration("s", "i", "n", True)) == ("", "")
    assert describe_action(DisableMailboxProtocols("g1", ("fax",))) == (
        "Set-CASMailbox -Identity $_",
        "'g1'",
    )
