"""mfa-registration: what is done about second factors, step by step and in its order."""

from core.guards.mfa_registration.remedies import (
    REMOVE,
    REQUIRE,
    build_added_remedy,
    build_factor_remedy,
    build_group_remedy,
)
from core.microsoft365.remedies import lock_out, name_evidence
from core.model.findings import Step

NAME, UPN = "Ann <ann@contoso.com>", "ann@contoso.com"
EVIDENCE = name_evidence("sign-in-methods", "u1")


def check_saved(step: Step) -> None:
    """What an account can sign in by is saved, under a name without foreign text."""
    assert step.text == f"Save the sign-in methods of {NAME}, before anything is changed."
    assert step.command == (
        "Invoke-MgGraphRequest -Method GET -Uri 'v1.0/users/u1/authentication/methods' "
        f"-OutputFilePath '{EVIDENCE}.json'"
    )


def test_who_lacks_a_factor_registers_one_on_the_line_and_it_is_required_from_then_on() -> None:
    saved, sign_ins, asked, required, around = build_factor_remedy("u1", NAME, UPN)
    check_saved(saved)
    assert "userId eq 'u1'" in sign_ins.command
    assert asked.text.startswith(f"Ask {NAME}, by telephone")
    assert asked.text.endswith("aka.ms/mysecurityinfo, while you are on the line.")
    assert required == Step(REQUIRE)
    assert around.text == f"Look at the other cases of {NAME}."
    assert around.command == f"exo cases --about '{UPN}'"


def test_a_method_nobody_knows_is_removed_before_the_account_is_locked_out() -> None:
    saved, asked, removed, *locked, around, sign_ins, log = build_added_remedy("u1", NAME, UPN)
    check_saved(saved)
    assert asked.text.startswith(f"Ask {NAME}, by telephone")
    assert asked.text.endswith("If they added it, acknowledge the case.")
    assert removed == Step(REMOVE)
    assert locked == list(lock_out("u1", "they added it"))
    assert around.text == f"Look at the other cases of {NAME}."
    assert around.command == f"exo cases --about '{UPN}'"
    assert "userId eq 'u1'" in sign_ins.command
    assert "InitiatedBy.User.Id -eq 'u1'" in log.command


def test_an_account_without_a_plain_name_is_looked_for_by_its_id() -> None:
    for build in (build_factor_remedy, build_added_remedy):
        commands = [one.command for one in build("u1", NAME, "ann o'hara")]
        assert "exo cases --about 'u1'" in commands


def test_many_accounts_are_saved_together_before_anything_is_done() -> None:
    saved, advised, around = build_group_remedy("Require it.")
    assert saved.text == "Save who has registered what."
    assert saved.command.endswith("-NoClobber -Path 'evidence-registration.xml'")
    assert advised == Step("Require it.")
    assert around.text == "Look at the other cases of second factors."
    assert around.command == "exo cases --about 'second-factor'"
