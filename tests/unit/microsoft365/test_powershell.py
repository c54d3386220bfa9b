"""Commands for a person to paste: foreign text in them stays text."""

import pytest

from core.microsoft365.powershell import (
    build_ad_attributes_command,
    build_assign_licence_command,
    build_audit_age_command,
    build_block_account_command,
    build_disable_account_command,
    build_disable_rule_command,
    build_enable_account_command,
    build_enable_on_premises_command,
    build_list_rules_command,
    build_remote_shared_command,
    build_remove_licences_command,
    build_revoke_sessions_command,
    quote_literal,
)


def test_an_ordinary_name_gives_the_ordinary_command() -> None:
    assert build_disable_account_command("info@contoso.com") == (
        "Get-ADUser -Filter \"UserPrincipalName -eq 'info@contoso.com'\" | Disable-ADAccount"
    )
    assert build_enable_on_premises_command("X@contoso.com") == (
        "Get-ADUser -Filter \"UserPrincipalName -eq 'X@contoso.com'\" | Enable-ADAccount"
    )


def test_an_account_is_blocked_and_allowed_again_by_its_id() -> None:
    assert (
        build_block_account_command("u'1") == "Update-MgUser -UserId 'u''1' -AccountEnabled:$false"
    )
    assert (
        build_enable_account_command("u'1") == "Update-MgUser -UserId 'u''1' -AccountEnabled:$true"
    )
    assert build_revoke_sessions_command("u'1") == "Revoke-MgUserSignInSession -UserId 'u''1'"


@pytest.mark.parametrize("rule", ["r", "r" * 200])
def test_the_shortest_and_the_longest_name_that_can_be_written_are_written(rule: str) -> None:
    written = f"Disable-InboxRule -Mailbox 'm' -Identity '{rule}'"
    assert build_disable_rule_command("m", rule) == written


@pytest.mark.parametrize(
    ("upn", "written"),
    [
        ("o'hara@contoso.com", "'o''hara@contoso.com'"),
        ("$(calc)@contoso.com", "'`$(calc)@contoso.com'"),
        ('a"; calc; "@contoso.com', "'a`\"; calc; `\"@contoso.com'"),
        ("a`n@contoso.com", "'a``n@contoso.com'"),
    ],
)
def test_nothing_in_a_name_is_run(upn: str, written: str) -> None:
    assert build_disable_account_command(upn) == (
        f'Get-ADUser -Filter "UserPrincipalName -eq {written}" | Disable-ADAccount'
    )


@pytest.mark.parametrize(
    "upn",
    [
        *("", "a\nb@contoso.com", "a\u202eb@contoso.com", "a" * 201),
        *("o\u2019hara@contoso.com", "a\u201d@contoso.com", "\u201a", "\u201e; calc"),
    ],
)
def test_a_name_that_cannot_be_written_gives_no_command(upn: str) -> None:
    assert build_disable_account_command(upn) == ""
    assert build_enable_on_premises_command(upn) == ""
    assert build_block_account_command(upn) == ""
    assert build_enable_account_command(upn) == ""
    assert build_revoke_sessions_command(upn) == ""
    assert build_disable_rule_command("m", upn) == ""
    assert build_disable_rule_command(upn, "r") == ""
    assert build_list_rules_command(upn) == ""
    assert build_audit_age_command(upn, "90.00:00:00") == ""
    assert build_audit_age_command("m", upn) == ""


def test_all_rules_of_one_mailbox_are_shown() -> None:
    written = "Get-InboxRule -Mailbox 'g1' -IncludeHidden | Format-List"
    assert build_list_rules_command("g1") == written


def test_an_age_limit_is_set_of_one_mailbox() -> None:
    written = "Set-Mailbox -Identity 'g1' -AuditLogAgeLimit '90.00:00:00'"
    assert build_audit_age_command("g1", "90.00:00:00") == written


def test_a_literal_is_closed_by_its_own_quotes_only() -> None:
    assert quote_literal("it's; calc") == "'it''s; calc'"
    assert quote_literal("it\u2019s; calc") == "'it\u2019\u2019s; calc'", "doubled all the same"
    assert build_disable_rule_command("g1", ".' ; calc") == (
        "Disable-InboxRule -Mailbox 'g1' -Identity '.'' ; calc'"
    )


def test_licences_are_given_and_taken_by_id() -> None:
    assert build_assign_licence_command("u'1", "EXCHANGEENTERPRISE") == (
        "Set-MgUserLicense -UserId 'u''1' -AddLicenses @(@{SkuId = (Get-MgSubscribedSku -All | "
        "Where-Object SkuPartNumber -eq 'EXCHANGEENTERPRISE').SkuId}) -RemoveLicenses @()"
    )
    assert build_remove_licences_command("u'1", ("p1", "p2")) == (
        "Set-MgUserLicense -UserId 'u''1' -AddLicenses @() -RemoveLicenses "
        "@((Get-MgUserLicenseDetail -UserId 'u''1' | Where-Object "
        "{ $_.ServicePlans.ServicePlanId -match 'p1|p2' }).SkuId)"
    )


def test_attributes_on_premises_are_written_to_the_account_with_that_name() -> None:
    assert build_ad_attributes_command("o'hara@contoso.com", {"one": 1, "two": 2}) == (
        "Get-ADUser -Filter \"UserPrincipalName -eq 'o''hara@contoso.com'\" | "
        "Set-ADUser -Replace @{one=1; two=2}"
    )
    assert (
        build_remote_shared_command("o'hara")
        == "Set-RemoteMailbox -Identity 'o''hara' -Type Shared"
    )


@pytest.mark.parametrize("name", ["", "a\nb", "a" * 201])
def test_what_cannot_be_written_gives_no_command_at_all(name: str) -> None:
    assert build_assign_licence_command(name, "X") == ""
    assert build_remove_licences_command(name, ("p1",)) == ""
    assert build_remove_licences_command("u1", ()) == ""
    assert build_remote_shared_command(name) == ""
    assert build_ad_attributes_command(name, {"one": 1}) == ""
