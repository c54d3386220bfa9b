"""mailbox-delegation: an add-in from a file, what is said of it and what is done about it."""

from copy import replace

import pytest

from core.guards.mailbox_delegation.add_ins import RIGHT_TEXTS, RIGHTS, judge_add_in
from core.guards.mailbox_delegation.items import MAX_TEXT_LENGTH
from core.microsoft365.remedies import lock_out
from core.model.findings import Finding, Severity, format_facts
from core.tenant.mailboxes import Mailbox, OwnAddIn
from core.tenant.sources import MAILBOXES, OWN_ADD_INS

BOX = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
HELPER = OwnAddIn(BOX, "A1", "Helper", "Support", "ReadItem")
LONG = "n" * 300
CUT = "n" * MAX_TEXT_LENGTH + "…"


def judge(item: OwnAddIn) -> Finding:
    (finding,) = judge_add_in(item)
    return finding


@pytest.mark.parametrize(
    ("right", "does", "severity"),
    [
        *((right, RIGHT_TEXTS[right], Severity.MEDIUM) for right in RIGHTS[:3]),
        ("ReadWriteMailbox", RIGHT_TEXTS["readwritemailbox"], Severity.HIGH),
        ("Novelty", "asks for rights that are not known", Severity.HIGH),
        ("", "asks for rights that are not known", Severity.HIGH),
    ],
)
def test_an_add_in_is_as_grave_as_what_it_asks_for(
    right: str, does: str, severity: Severity
) -> None:
    finding = judge(replace(HELPER, requirements=right))
    assert finding.severity is severity
    assert finding.summary == f"The Outlook add-in Helper from a file {does} in ann@contoso.com."


def test_each_right_goes_further_than_those_below_it_and_an_unknown_one_furthest() -> None:
    reaches = [judge(replace(HELPER, requirements=one)).reaches[0] for one in (*RIGHTS, "Novelty")]
    for place, reach in enumerate(reaches):
        assert all(reach.covers(other) for other in reaches[: place + 1])
        assert not any(reach.covers(other) for other in reaches[place + 1 :])
    assert reaches[0].does


def test_it_is_said_who_it_says_made_it_and_what_is_not_told() -> None:
    assert format_facts(judge(HELPER).facts) == (
        "calls itself made by: Support",
        "asks for: ReadItem",
        "id: A1",
    )
    bare = judge(OwnAddIn(BOX, "A1", ""))
    assert format_facts(bare.facts)[:2] == ("calls itself made by: nobody", "asks for: not told")
    assert "The Outlook add-in A1 from a file" in bare.summary


def test_long_texts_of_an_add_in_are_cut() -> None:
    finding = judge(replace(HELPER, app_id=LONG, name=LONG, provider=LONG, requirements=LONG))
    assert f"add-in {CUT}" in finding.summary
    assert [one.text.startswith(CUT) for one in finding.facts] == [True, True, True]


def test_an_add_in_is_one_in_any_case_of_its_id_and_known_by_what_was_read() -> None:
    finding = judge(HELPER)
    assert judge(replace(HELPER, app_id="a1")).compute_key("g") == finding.compute_key("g")
    assert judge(replace(HELPER, app_id="a2")).compute_key("g") != finding.compute_key("g")
    assert (finding.kind, finding.sources) == ("own-add-in", (OWN_ADD_INS, MAILBOXES))
    assert finding.advice.startswith("Ask the owner whether they installed it; ")
    assert finding.advice.endswith("take the account for stolen and the add-in out.")


def test_the_add_in_is_saved_and_the_account_locked_out_before_it_is_taken_out() -> None:
    finding = judge(HELPER)
    saved, asked, *locked, out, around, sent = finding.steps
    assert finding.held_account == "m1"
    assert saved.text == "Save the add-ins of ann@contoso.com, before anything is changed."
    assert saved.command.startswith("Get-App -Mailbox 'g1' | Export-Clixml ")
    assert "-Path 'evidence-own-add-in-" in saved.command
    assert asked.text.startswith("Ask the owner of ann@contoso.com, by telephone")
    assert asked.text.endswith("If they installed it, exempt the case.")
    assert locked == list(lock_out("m1", "they installed it"))
    assert out.text == "Take the add-in Helper out."
    assert out.command == "Remove-App -Mailbox 'g1' -Identity 'A1' -Confirm:$false"
    assert around.text == "Look at the other cases of ann@contoso.com."
    assert around.command == "exo cases --about 'ann@contoso.com'"
    assert "-SenderAddress 'ann@contoso.com'" in sent.command


def test_a_mailbox_without_an_account_has_nobody_to_lock_out() -> None:
    finding = judge(replace(HELPER, mailbox=replace(BOX, has_account=False, guid="")))
    assert finding.held_account == ""
    assert len(finding.steps) == 5
    assert finding.steps[0].command.startswith("Get-App -Mailbox 'ann@contoso.com' ")
    nameless = judge(replace(HELPER, mailbox=replace(BOX, address="a b")))
    assert nameless.steps[-2].command == "exo cases --about 'm1'"
