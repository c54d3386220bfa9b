"""What is said of an account of a shared mailbox, and what is done about it, step by step."""

from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.shared_mailbox_sign_in import GUARD
from core.guards.shared_mailbox_sign_in.accounts import ResourceAccount, SignInRecord
from core.guards.shared_mailbox_sign_in.judge import judge
from core.guards.shared_mailbox_sign_in.texts import (
    build_account_remedy,
    build_block_advice,
    build_enable_remedy,
    format_licences,
    format_mailbox_with_kind,
    list_account_facts,
    list_enabling_facts,
    list_use_facts,
)
from core.microsoft365.remedies import NO_COMMAND
from core.microsoft365.service_plans import MAILBOX_PLANS
from core.model.findings import Shell, Step, format_facts
from core.model.guards import GuardPolicy
from core.tenant.directory import Account, Actor, Enabling
from core.tenant.mailboxes import Mailbox

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
TERMS = GuardPolicy(NOW, GUARD.options)
BOX = Mailbox("m1", "g1", "info@contoso.com", "Info", "SharedMailbox")
OPEN = Account("m1", "info@contoso.com", enabled=True)
ITEM = ResourceAccount(BOX, OPEN, sign_ins=SignInRecord.READ)
BY_TELEPHONE = "by telephone, not by mail: whoever holds a mailbox reads the question too"
SAVED = Step(
    "Save the account of shared mailbox info@contoso.com, before anything is changed.",
    "Invoke-MgGraphRequest -Method GET -Uri 'v1.0/users/m1' "
    "-OutputFilePath 'evidence-sign-in-enabled-d37f6c33.json'",
    Shell.GRAPH,
)
SIGN_INS = Step(
    "Look at who signed in with it lately: from where, and to what.",
    "Get-MgAuditLogSignIn -Filter 'userId eq ''m1'''",
    Shell.GRAPH,
)
ASKED = Step(
    f"Ask whoever works with the shared mailbox info@contoso.com, {BY_TELEPHONE}. "
    "If somebody has to sign in with it, exempt it."
)
ENDED = Step("End its sessions.", "Revoke-MgUserSignInSession -UserId 'm1'", Shell.GRAPH)
AROUND = Step(
    "Look at the other cases of shared mailbox info@contoso.com.",
    "exo cases --about 'info@contoso.com'",
    Shell.EXO,
)
SENT = Step(
    "Look at what it sent in the last 10 days: to whom, how much, when.",
    "Get-MessageTraceV2 -SenderAddress 'info@contoso.com' -StartDate (Get-Date).AddDays(-10) "
    "-EndDate (Get-Date) -ResultSize 5000",
    Shell.EXCHANGE,
)


def test_an_account_is_saved_and_asked_about_before_it_is_blocked() -> None:
    blocked = Step(
        "Block its sign-in.", "Update-MgUser -UserId 'm1' -AccountEnabled:$false", Shell.GRAPH
    )
    assert build_account_remedy(ITEM, OPEN) == (
        *(SAVED, SIGN_INS, ASKED),
        *(blocked, ENDED),
        *(AROUND, SENT),
    )


def test_a_synced_account_is_disabled_where_it_comes_from_and_signed_out_in_the_cloud() -> None:
    disabled = Step(
        "Disable it in the directory on premises.",
        "Get-ADUser -Filter \"UserPrincipalName -eq 'info@contoso.com'\" | Disable-ADAccount",
        Shell.DIRECTORY,
    )
    synced = Step(
        "Run a sync cycle, on the server of Entra Connect.",
        "Start-ADSyncSyncCycle -PolicyType Delta",
        Shell.DIRECTORY,
    )
    assert build_account_remedy(ITEM, replace(OPEN, synced=True)) == (
        *(SAVED, SIGN_INS, ASKED),
        *(disabled, synced, ENDED),
        *(AROUND, SENT),
    )


def test_a_mailbox_without_a_plain_address_is_looked_for_by_its_id() -> None:
    box = replace(BOX, address="o'hara@contoso.com")
    *_, around, _ = build_account_remedy(replace(ITEM, mailbox=box), OPEN)
    assert around.command == "exo cases --about 'm1'"


def test_what_no_command_can_name_is_done_in_the_admin_center() -> None:
    nameless = replace(OPEN, id="a\nb", upn="a\nb", synced=True)
    _, looked, _, disabled, synced, ended, *_ = build_account_remedy(ITEM, nameless)
    for step, text in (
        (looked, SIGN_INS.text),
        (disabled, "Disable it in the directory on premises."),
        (ended, "End its sessions."),
    ):
        assert step == Step(f"{text} {NO_COMMAND}")
    assert synced.command == "Start-ADSyncSyncCycle -PolicyType Delta"


@pytest.mark.parametrize(
    ("synced", "set_by"),
    [
        (
            False,
            "Update-MgUser -UserId 'm1' -PasswordProfile @{ Password = (Read-Host -MaskInput "
            "'New password'); ForceChangePasswordNextSignIn = $true }",
        ),
        (
            True,
            "Get-ADUser -Filter \"UserPrincipalName -eq 'info@contoso.com'\" | "
            "Set-ADAccountPassword -Reset -NewPassword (Read-Host -AsSecureString)",
        ),
    ],
)
def test_who_was_given_the_mailbox_gets_a_new_password_before_the_account_is_enabled(
    synced: bool, set_by: str
) -> None:
    item = replace(ITEM, mailbox=replace(BOX, kind="UserMailbox"))
    assert build_enable_remedy(item, replace(OPEN, synced=synced)) == (
        Step(f"Ask whoever made the mailbox info@contoso.com a person's, {BY_TELEPHONE}."),
        Step("Set a new password, and tell it by telephone.", set_by, Shell.GRAPH),
        Step(
            "Enable the account.", "Update-MgUser -UserId 'm1' -AccountEnabled:$true", Shell.GRAPH
        ),
    )


def test_an_advice_gives_the_reason_and_the_choice() -> None:
    assert build_block_advice("Somebody signed in.") == (
        "Somebody signed in. If nobody signs in with it, block it; otherwise exempt it."
    )


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("RoomMailbox", "room mailbox info@contoso.com"),
        ("TeamMailbox", "mailbox info@contoso.com"),
    ],
)
def test_a_mailbox_is_named_with_its_kind(kind: str, named: str) -> None:
    assert format_mailbox_with_kind(replace(BOX, kind=kind)) == named


@pytest.mark.parametrize(
    ("account", "licences"),
    [
        (OPEN, "none"),
        (replace(OPEN, plans=None), "not known"),
        (replace(OPEN, plans=None, licensed=True), "assigned, plans unknown"),
        (replace(OPEN, plans=frozenset({"other"})), "assigned, none with a mailbox"),
        (replace(OPEN, plans=frozenset(MAILBOX_PLANS)), ", ".join(sorted(MAILBOX_PLANS.values()))),
    ],
)
def test_licences_are_told_by_the_plans_that_are_known(account: Account, licences: str) -> None:
    told = format_licences(account)
    assert ", ".join(sorted(told.split(", "))) == licences


def test_an_account_is_told_by_its_mailbox_its_name_and_its_licences() -> None:
    assert format_facts(list_account_facts(ITEM, OPEN)) == (
        "kind of mailbox: SharedMailbox",
        "sign-in name: info@contoso.com",
        "licences: none",
    )
    synced = replace(OPEN, synced=True, upn="")
    premises = "the account comes from the on-premises directory"
    assert format_facts(list_account_facts(ITEM, synced))[1:] == (
        "sign-in name: not known",
        "licences: none",
        premises,
    )
    assert format_facts(list_account_facts(ITEM, replace(synced, licensed=True)))[-1] == (
        f"{premises}; it is licensed, so it may be a person's: ask before disabling it"
    )


def test_foreign_names_are_cut_at_two_hundred_signs() -> None:
    item = replace(ITEM, mailbox=replace(BOX, kind="K" * 300))
    kind, name, _ = list_account_facts(item, replace(OPEN, upn="u" * 300))
    assert (kind.text, name.text) == (cut("K"), cut("u"))
    enabled = Enabling("m1", NOW, Actor("a1", "d" * 300))
    _, again = list_enabling_facts(replace(ITEM, blocked_at=NOW, enabling=enabled))
    assert again.text == f"by {cut('d')} on 2026-11-20 06:00 UTC"


def cut(sign: str) -> str:
    """What is shown of three hundred times the same sign."""
    return f"{sign * 200}… (300 characters)"


CREATED = NOW - timedelta(days=400)


@pytest.mark.parametrize(
    ("record", "seen", "changed", "told"),
    [
        (SignInRecord.READ, None, None, ("none on record", "not known")),
        (
            SignInRecord.READ,
            NOW - timedelta(days=40),
            CREATED,
            ("2026-10-11", "as old as the account: nobody set it"),
        ),
        (
            SignInRecord.UNREAD,
            None,
            NOW - timedelta(days=2),
            ("not readable (AuditLog.Read.All and Entra ID P1)", "set on 2026-11-18"),
        ),
        (
            SignInRecord.UNCLEAR,
            None,
            CREATED - timedelta(days=2),
            (
                "not known: there were attempts lately, and no success is on record",
                "not known",
            ),
        ),
    ],
)
def test_the_use_of_an_account_is_told_by_its_sign_ins_and_its_password(
    record: SignInRecord, seen: datetime | None, changed: datetime | None, told: tuple[str, str]
) -> None:
    item = replace(ITEM, sign_ins=record, last_sign_in=seen)
    account = replace(OPEN, created_at=CREATED, password_changed_at=changed)
    signed_in, password = told
    assert format_facts(list_use_facts(item, account, TERMS)) == (
        f"last successful sign-in: {signed_in}",
        f"password: {password}",
    )


def test_the_use_of_an_account_that_is_not_blocked_anyway_is_not_told() -> None:
    assert list_use_facts(ITEM, replace(OPEN, licensed=True), TERMS) == ()
    blocks = replace(TERMS, options=replace(GUARD.options, licensed_accounts="block"))
    assert len(list_use_facts(ITEM, replace(OPEN, licensed=True), blocks)) == 2
    room = replace(ITEM, mailbox=replace(BOX, kind="RoomMailbox"))
    assert list_use_facts(room, replace(OPEN, licensed=True), blocks) == ()


@pytest.mark.parametrize(
    ("actor", "by"),
    [
        (Actor("a1", "dana@contoso.com"), "dana@contoso.com"),
        (Actor("a1", "", is_app=True), "the app a1"),
        (Actor("", ""), "an unknown account"),
    ],
)
def test_who_enabled_an_account_again_is_told_by_name_or_by_id(actor: Actor, by: str) -> None:
    enabled = Enabling("m1", NOW, actor)
    item = replace(ITEM, blocked_at=NOW - timedelta(days=1), enabling=enabled)
    assert format_facts(list_enabling_facts(item)) == (
        "blocked by Exoguard: 2026-11-19 06:00 UTC",
        f"enabled again: by {by} on 2026-11-20 06:00 UTC",
    )
    assert format_facts(list_enabling_facts(replace(item, enabling=None)))[1:] == (
        "enabled again: the directory's audit log does not say by whom",
    )
    assert list_enabling_facts(ITEM) == ()


@pytest.mark.parametrize(
    ("item", "options"),
    [
        (ITEM, {"break_glass_accounts": ("m1",)}),
        (replace(ITEM, holds_role=True), {}),
        (replace(ITEM, account=replace(OPEN, is_management_restricted=True)), {}),
        (
            replace(
                ITEM,
                mailbox=replace(BOX, kind="RoomMailbox"),
                account=replace(OPEN, licensed=True),
            ),
            {},
        ),
        (replace(ITEM, account=replace(OPEN, licensed=True)), {"licensed_accounts": "ignore"}),
    ],
)
def test_what_is_left_as_it_is_has_no_steps(item: ResourceAccount, options: dict[str, Any]) -> None:
    (finding,) = judge(item, replace(TERMS, options=replace(GUARD.options, **options)))
    assert finding.steps == ()
    (other,) = judge(ITEM, TERMS)
    assert other.steps != ()
