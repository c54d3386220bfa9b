"""The single steps of a remedy: what is pasted, and what stands there where nothing is safe to."""

import re
from collections.abc import Callable, Iterator

import pytest

from core.microsoft365.remedies import (
    BY_TELEPHONE,
    MAX_STOPPED,
    NO_COMMAND,
    ask,
    block_sign_in,
    build_command,
    build_each_command,
    build_graph_request,
    build_password_command,
    contain,
    find_actor,
    lock_out,
    look_around,
    make_graph_step,
    name_evidence,
    read_directory_log,
    read_sign_ins,
    save_from_exchange,
    save_from_graph,
    stop_app,
    stop_each,
    trace_received,
    trace_sent,
)
from core.model.findings import Shell, Step

UNSAFE = "a\u2019b"


def test_a_command_has_its_values_as_literals_and_none_with_one_that_is_unsafe() -> None:
    assert build_command("Get-X") == "Get-X"
    assert build_command("Get-X", "-Confirm:$false") == "Get-X -Confirm:$false"
    assert build_command("Set-X", "-Force", Identity="o'h", Mode="b c") == (
        "Set-X -Identity 'o''h' -Mode 'b c' -Force"
    )
    assert build_command("Set-X", Identity="safe", Mode=UNSAFE) == ""


def test_a_step_without_a_command_says_why() -> None:
    assert make_graph_step("Do it.", "Get-X") == Step("Do it.", "Get-X", Shell.GRAPH)
    assert make_graph_step("Do it.", "") == Step(f"Do it. {NO_COMMAND}")


def test_evidence_is_saved_under_a_name_of_ones_own_and_never_over_another() -> None:
    name = name_evidence("rule", UNSAFE)
    assert re.fullmatch(r"evidence-rule-[0-9a-f]{8}", name)
    assert name != name_evidence("rule", "b")
    saved = save_from_exchange("the rule", "rule", UNSAFE, "Get-InboxRule")
    assert saved == Step(
        "Save the rule, before anything is changed.",
        f"Get-InboxRule | Export-Clixml -Depth 4 -NoClobber -Path '{name}.xml'",
        Shell.EXCHANGE,
    )
    assert save_from_exchange("the rule", "rule", "r1", "").command == ""
    path = ("users", "a/b c")
    assert save_from_graph("the user", "rule", UNSAFE, *path) == Step(
        "Save the user, before anything is changed.",
        "Invoke-MgGraphRequest -Method GET -Uri 'v1.0/users/a%2Fb%20c' "
        f"-OutputFilePath '{name}.json'",
        Shell.GRAPH,
    )
    assert save_from_graph("the user", "rule", "u1", "users", "").command == ""


def test_people_are_asked_by_telephone() -> None:
    assert ask("the owner") == Step(f"Ask the owner, {BY_TELEPHONE}.")
    assert ask("the owner", "Who made it?") == Step(f"Ask the owner, {BY_TELEPHONE}. Who made it?")


def test_a_new_password_is_typed_in_where_the_account_is_kept() -> None:
    assert build_password_command("u'1", "", synced=False) == (
        "Update-MgUser -UserId 'u''1' -PasswordProfile @{ Password = (Read-Host -MaskInput "
        "'New password'); ForceChangePasswordNextSignIn = $true }"
    )
    assert build_password_command("", "ann@contoso.com", synced=True) == (
        "Get-ADUser -Filter \"UserPrincipalName -eq 'ann@contoso.com'\" | "
        "Set-ADAccountPassword -Reset -NewPassword (Read-Host -AsSecureString)"
    )
    assert build_password_command(UNSAFE, "ann@contoso.com", synced=False) == ""
    assert build_password_command("u1", UNSAFE, synced=True) == ""


@pytest.mark.parametrize(
    ("close", "unless", "start"),
    [
        (lock_out, "", "Set a new password"),
        (lock_out, "they did", "Unless they did: set a new password"),
        (block_sign_in, "", "Block its sign-in"),
        (block_sign_in, "they did", "Unless they did: block its sign-in"),
    ],
)
def test_sessions_are_ended_after_the_way_in_is_closed(
    close: Callable[[str, str], Iterator[Step]], unless: str, start: str
) -> None:
    closed, ended = close("u1", unless)
    assert closed.text.startswith(start)
    assert closed.command.startswith("Update-MgUser -UserId 'u1' ")
    assert ended.text.startswith("End its sessions")
    assert ended.command == "Revoke-MgUserSignInSession -UserId 'u1'"
    assert (closed.shell, ended.shell) == (Shell.GRAPH, Shell.GRAPH)


def test_an_account_is_contained_by_a_plain_id_alone() -> None:
    step = contain("u-1")
    assert (step.command.startswith("exo contain 'u-1' --why "), step.shell) == (True, Shell.EXO)
    assert step.text.startswith("Contain the account: this shows the plan")
    assert step.text.endswith("The answer has the command that carries it out.")
    assert contain("u 1").command == ""
    assert contain("-u1").command == ""


def test_an_app_is_stopped_and_not_deleted() -> None:
    step = stop_app("p1", "they need it")
    assert step.text.startswith("Unless they need it: stop the app.")
    assert stop_app("p1").text.startswith("Stop the app.")
    assert step.command == (
        "Update-MgServicePrincipal -ServicePrincipalId 'p1' -AccountEnabled:$false"
    )


def test_a_request_to_graph_has_each_part_of_its_path_encoded() -> None:
    assert build_graph_request("DELETE", "", "users", "a/b", "$ref") == (
        "Invoke-MgGraphRequest -Method DELETE -Uri 'v1.0/users/a%2Fb/$ref'"
    )
    assert build_graph_request("PATCH", "{ a = $null }", "x") == (
        "Invoke-MgGraphRequest -Method PATCH -Uri 'v1.0/x' "
        "-Body (@{ a = $null } | ConvertTo-Json -Depth 5)"
    )
    assert build_graph_request("DELETE", "", "users", "") == ""


def test_one_pipeline_does_the_same_to_each_plain_id() -> None:
    assert build_each_command(iter(["a", "b"]), "Stop-X $_") == (
        "@('a', 'b') | ForEach-Object { Stop-X $_ }"
    )
    assert build_each_command([], "Stop-X $_") == ""
    assert build_each_command(["a", "b c"], "Stop-X $_") == ""


def test_other_cases_are_looked_at_by_the_first_plain_name() -> None:
    assert look_around("the app", "b c", "d", "e") == Step(
        "Look at the other cases of the app.", "exo cases --about 'd'", Shell.EXO
    )
    assert look_around("the app", "b c") == Step(
        "Look at the other cases of the app. The page of the case links to all that is known of it."
    )


def test_the_logs_are_asked_about_one_account_and_what_they_show_is_saved() -> None:
    directory, sign_ins = read_directory_log("it", "u1"), read_sign_ins("it", "u1")
    assert "$_.InitiatedBy.User.Id -eq 'u1' }" in directory.command
    assert f"-Path '{name_evidence('directory-log', 'u1')}.xml'" in directory.command
    assert "-Filter \"userId eq 'u1'\"" in sign_ins.command
    assert f"-Path '{name_evidence('sign-ins', 'u1')}.xml'" in sign_ins.command
    for read in (read_directory_log, read_sign_ins):
        assert read("it", "u1").text.startswith("Look at wh")
        assert read("it", "u1").shell is Shell.GRAPH
        assert read("it", "u' or 1 eq 1").command == ""


def test_who_did_it_and_what_was_sent_is_searched_as_far_back_as_one_search_goes() -> None:
    found = find_actor("made it", "New-InboxRule", "Set-InboxRule")
    assert found.text.startswith("Find out who made it: ")
    assert found.shell is Shell.EXCHANGE
    assert found.command == (
        "Search-UnifiedAuditLog -StartDate (Get-Date).AddDays(-90) -EndDate (Get-Date) "
        "-Operations 'New-InboxRule','Set-InboxRule' -ResultSize 5000"
    )
    period = "-StartDate (Get-Date).AddDays(-10) -EndDate (Get-Date) -ResultSize 5000"
    sent, received = trace_sent("a@x"), trace_received("a@x")
    assert sent.command == f"Get-MessageTraceV2 -SenderAddress 'a@x' {period}"
    assert received.command == f"Get-MessageTraceV2 -RecipientAddress 'a@x' {period}"
    assert "what it sent in the last 10 days" in sent.text
    assert "what went there in the last 10 days" in received.text


@pytest.mark.parametrize(("more", "ends"), [(-1, ()), (0, ()), (1, ("And 1 more rules",))])
def test_as_many_steps_as_a_person_can_work_through_are_shown(
    more: int, ends: tuple[str, ...]
) -> None:
    steps = [Step(f"Stop {number}.") for number in range(MAX_STOPPED + more)]
    found = list(stop_each(iter(steps), "rules"))
    assert found[:MAX_STOPPED] == steps[:MAX_STOPPED]
    assert tuple(one.text.partition(":")[0] for one in found[MAX_STOPPED:]) == ends
