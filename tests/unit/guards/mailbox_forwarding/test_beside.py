"""What is said of what stands beside a case, word for word, and of which cases it is said."""

from copy import replace

import pytest

from core.guards.mailbox_forwarding.beside import add_beside, describe_sweep_rule, list_beside_facts
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.mailboxes import MailboxSurroundings, SweepRule
from core.tenant.quoting import quote_text

LONG = "n" * 300
SHORT = quote_text(LONG, 120)
CASE = Finding(
    kind="mailbox-forward",
    object_id="m1",
    subject="ann@contoso.com",
    severity=Severity.MEDIUM,
    verdict=Verdict.COULD_NOT_TELL,
    summary="A forward.",
    facts=(Fact("first", "said before"),),
    sources=(),
)
BESIDE = MailboxSurroundings("m1", trusts_only_lists=True)
JUNKED = Fact("", "all mail of senders who are not on its safe list goes to junk mail")


@pytest.mark.parametrize(
    ("severity", "is_told"),
    [
        (Severity.INFO, False),
        (Severity.LOW, False),
        (Severity.MEDIUM, True),
        (Severity.HIGH, True),
    ],
)
def test_a_remark_is_not_weighty_enough_for_what_stands_beside_it(
    severity: Severity, is_told: bool
) -> None:
    case = replace(CASE, severity=severity)
    assert add_beside(case, BESIDE) == (*CASE.facts, *([JUNKED] if is_told else ()))
    assert add_beside(case, None) == CASE.facts


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            SweepRule("tidy", "it@contoso.com", "Deleted Items", 10),
            "tidy: moves mail of it@contoso.com to Deleted Items after 10 days",
        ),
        (SweepRule("tidy", "", "", 0), "tidy: moves mail of everybody to another folder"),
        (SweepRule(LONG, LONG, LONG), f"{SHORT}: moves mail of {SHORT} to {SHORT}"),
    ],
)
def test_a_sweep_rule_says_whose_mail_it_moves_where_and_when(rule: SweepRule, text: str) -> None:
    assert describe_sweep_rule(rule) == text


def test_of_many_things_some_are_named_and_the_rest_is_counted() -> None:
    names = tuple(f"s{number}" for number in range(7))
    for count, text in (
        (1, "s0"),
        (5, "s0, s1, s2, s3, s4"),
        (6, "s0, s1, s2, s3, s4 and 1 more"),
        (7, "s0, s1, s2, s3, s4 and 2 more"),
    ):
        told = list_beside_facts(MailboxSurroundings("m1", blocked_senders=names[:count]))
        assert list(told) == [Fact("blocked senders", text)]
    rules = tuple(SweepRule(name, "", "") for name in names)
    assert len([*list_beside_facts(MailboxSurroundings("m1", sweep_rules=rules))]) == 5


def test_all_that_stands_beside_a_case_is_said_and_long_texts_are_cut() -> None:
    beside = MailboxSurroundings(
        "m1",
        automatic_reply=LONG,
        phones=(LONG,),
        published_calendar=LONG,
        own_add_ins=("Helper",),
        unread=("Get-SweepRule", "Get-App"),
    )
    assert list(list_beside_facts(beside)) == [
        Fact("answers people outside", SHORT),
        Fact("phones", SHORT),
        Fact("calendar", f"published to anybody ({SHORT})"),
        Fact("add-ins of its own", "Helper"),
        Fact("could not be read beside it", "Get-SweepRule, Get-App"),
    ]
    assert not [*list_beside_facts(MailboxSurroundings("m1"))]
