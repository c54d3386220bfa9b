"""An entry that stands for several cases: what they share, the gravest, all by name, a command."""

import json
import re
from typing import Any

import pytest

from core.model.cases import Case, Notification
from core.model.findings import Correlation, Severity, Verdict
from core.model.guards import Mode
from core.model.runs import RunReport
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.notifications.case_blocks import CardContext
from core.notifications.group_blocks import render_line_group
from core.notifications.run_cards import build_cards
from core.status.case_groups import CaseGroup
from tests.support.adaptive_cards import (
    DISABLE_RULE_CHANGE_JSON,
    HOSTILE_CASE,
    HOSTILE_TEXT,
    PUBLIC_URL,
    build_closed_case,
    build_planned_outcome,
    build_report,
    build_rule_case,
    collect_texts,
    get_card_content,
    validate_card,
)
from tests.support.fakes.clock import START

THIEF = Correlation.of("x@evil.example", "mail to x@evil.example")
CLEAR_CHANGE_JSON = '["ClearMailboxForward", {"mailbox_guid": "%s"}]'


def build_forward(number: int, **changes: Any) -> Case:
    """One of many mailboxes that forward to the thief."""
    return build_rule_case(
        number,
        **{
            "subject": f"user{number}@contoso.com",
            "summary": f"Mailbox user{number}@contoso.com forwards mail to the outside.",
            "kind": "mailbox-forward",
            "correlations": (THIEF,),
            "planned_changes": (CLEAR_CHANGE_JSON % f"guid-{number}",),
            **changes,
        },
    )


def lines(report: RunReport, address: str = PUBLIC_URL) -> list[str]:
    """What the only card of a run says, after it was checked."""
    (message,) = build_cards(report, address)
    validate_card(message.payload)
    assert len(json.dumps(message.payload).encode()) <= MAX_MESSAGE_BYTES
    assert sorted(one.key for one in message.cases) == sorted(
        one.key for one in report.notifications
    )
    return collect_texts(message.payload)


def test_forty_mailboxes_that_forward_to_one_address_are_one_entry() -> None:
    forty = [build_forward(number) for number in range(40)]
    forty[7] = build_forward(7, severity=Severity.CRITICAL)
    told = lines(build_report(*forty))
    assert told[1] == "Critical: 1 new, and 39 less severe with it"
    assert "**40 new** · 1 critical, 39 high" in told
    assert "Mail to x@evil.example in 40 places: 40 mailboxes that forward mail" in told
    assert "The gravest: Mailbox user7@contoso.com forwards mail to the outside." in told
    named = [line for line in told if line.startswith("[case ")]
    assert len(named) == 9
    assert named[0].endswith(" · critical · user7@contoso.com")
    (more,) = [line for line in told if line.startswith("and ")]
    assert more.startswith("and 31 more: user")
    page = f"{PUBLIC_URL}/api/cases?guard=mailbox-forwarding&about={THIEF.key}&state=open"
    assert more.endswith(f"[all 40 of them]({page})")
    assert sum(line.startswith("**Next step:**") for line in told) == 1
    (command,) = [line for line in told if line.startswith("**For all 40:**")]
    assert all(f"'guid-{number}'" in command for number in range(40))
    assert "Set-Mailbox -Identity" in command


def test_twenty_one_rules_of_one_mailbox_are_one_entry_with_what_each_does() -> None:
    rules = [
        build_rule_case(number, object_id="m1", summary=f"Rule {number} of joe hides mail.")
        for number in range(21)
    ]
    told = lines(build_report(*rules))
    assert told[1] == "High: 21 new"
    assert "21 cases of joe@contoso.com: 21 inbox rules that send mail on" in told
    assert sum(line.startswith("[case ") and "hides mail." in line for line in told) == 9
    (more,) = [line for line in told if line.startswith("and ")]
    assert more.startswith("and 12 more · [all 21 of them](")


def test_what_differs_between_the_cases_of_an_entry_is_said() -> None:
    cases = (
        build_forward(1, verdict=Verdict.CONTESTED, deferred_at=START, planned_changes=()),
        build_forward(2, notification=Notification.REMINDER, advice="Ask user2."),
        build_forward(3, kind="transport-rule", severity=Severity.MEDIUM),
    )
    told = lines(build_report(*cases))
    assert "**2 new, 1 still open** · 2 high, 1 medium" in told
    assert (
        "Mail to x@evil.example in 3 places: 2 mailboxes that forward mail, 1 mail-flow rule that "
        "shows mail to others"
    ) in told
    assert any(line.startswith("2 of them: **Nothing was changed.** In enforce") for line in told)
    assert any(line.startswith("1 of them: **Left to an operator:**") for line in told)
    assert "**Next step:** (the gravest) Ask joe; then disable the rule." in told


def test_of_two_cases_each_has_its_next_step() -> None:
    one, two = build_forward(1), build_forward(2, advice="Ask user2.")
    told = lines(build_report(one, two))
    assert [line for line in told if line.startswith("**Next step:**")] == [
        f"**Next step:** (case {one.short_key}) Ask joe; then disable the rule.",
        f"**Next step:** (case {two.short_key}) Ask user2.",
    ]


@pytest.mark.parametrize(
    ("mode", "changes", "run", "said"),
    [
        (Mode.ALERT, {}, {}, "**For all 3:** "),
        (Mode.ENFORCE, {}, {}, ""),
        (Mode.ENFORCE, {"deferred_at": START, "verdict": Verdict.FAILED}, {}, "**For all 3:** "),
        (
            Mode.ENFORCE,
            {},
            {"block_reason": "too many", "plan": "0" * 32},
            f"**To release all that the brake holds:** exo release mailbox-forwarding {'0' * 32}",
        ),
        (Mode.ALERT, {"planned_changes": ()}, {}, ""),
    ],
    ids=["alert", "about to be made", "left to an operator", "held", "nothing planned"],
)
def test_a_command_for_all_is_shown_where_an_operator_has_to_act(
    mode: Mode, changes: dict[str, Any], run: dict[str, Any], said: str
) -> None:
    cases = [build_forward(number, **changes) for number in range(3)]
    told = lines(build_report(*cases, mode=mode, **run))
    commands = [line for line in told if line.startswith(("**For all", "**To release"))]
    assert len(commands) == bool(said)
    assert all(line.startswith(said) for line in commands)


def test_what_the_next_run_does_by_itself_needs_no_command() -> None:
    cases = [build_forward(number) for number in range(3)]
    preview = tuple(build_planned_outcome(case, "ClearMailboxForward") for case in cases)
    told = lines(build_report(*cases, mode=Mode.ENFORCE, preview=preview))
    assert not [line for line in told if line.startswith("**For all")]
    assert (
        "**Next step:** none for you; the next run will clear the mailbox's forwarding address."
        in (told)
    )


def test_an_initial_scan_names_a_story_once_in_a_few_lines() -> None:
    forty = [build_forward(number, baselined=True) for number in range(40)]
    told = lines(build_report(*forty, baselined=True))
    (line,) = [line for line in told if line.startswith("**high**")]
    assert "Mail to x@evil.example in 40 places: 40 mailboxes that forward mail" in line
    assert "[all 40 of them](" in line


def test_cases_that_ended_together_are_one_entry() -> None:
    ended = [
        build_closed_case(number, subject=f"user{number}@contoso.com", correlations=(THIEF,))
        for number in range(12)
    ]
    told = lines(build_report(*ended, mode=Mode.ENFORCE))
    assert told[1] == "Resolved: 12 remediated"
    assert "**12 remediated** · high" in told
    assert "Was: An inbox rule of joe@contoso.com redirects to x@evil.example." in told
    (more,) = [line for line in told if line.startswith("and ")]
    assert "state=closed" in more


def test_without_a_public_address_the_entry_has_no_link() -> None:
    told = lines(build_report(*(build_forward(number) for number in range(12))), "")
    assert not [line for line in told if "](" in line]
    assert [line for line in told if line.startswith("and 3 more")] == [
        "and 3 more: user7@contoso.com, user8@contoso.com, user9@contoso.com · all 12 of them"
    ]


@pytest.mark.parametrize("same", ["object", "target"])
def test_hostile_texts_stay_bounded_and_do_nothing(same: str) -> None:
    shared = Correlation("0" * 16, HOSTILE_TEXT)
    hostile = [
        build_rule_case(
            number,
            object_id="m1" if same == "object" else f"m{number}",
            subject=HOSTILE_TEXT,
            summary=HOSTILE_TEXT,
            facts=HOSTILE_CASE.facts,
            advice=HOSTILE_TEXT,
            note=f"{number} {HOSTILE_TEXT}",
            verdict=HOSTILE_TEXT[:60],
            correlations=(shared,),
            planned_changes=(CLEAR_CHANGE_JSON % "'; Remove-Mailbox x; '",),
        )
        for number in range(300)
    ]
    quiet = build_rule_case(999, summary="The quiet one.")
    for message in build_cards(build_report(*hostile, quiet), PUBLIC_URL):
        raw = json.dumps(message.payload, ensure_ascii=False)
        assert len(json.dumps(message.payload).encode()) <= MAX_MESSAGE_BYTES
        assert "https://evil" not in raw
        assert "[click](" not in raw
        assert "\u202e" not in raw
        assert "Remove-Mailbox" not in raw
        assert "The quiet one." in raw
        assert len(get_card_content(message.payload)["body"]) >= 4


def test_one_change_for_two_cases_is_no_command_for_all() -> None:
    cases = [
        build_forward(number, planned_changes=(DISABLE_RULE_CHANGE_JSON,)) for number in (1, 2)
    ]
    # The same change twice is one, and one is no command for all.
    assert not [line for line in lines(build_report(*cases)) if line.startswith("**For")]


@pytest.mark.parametrize(("ended", "state"), [(2, "closed"), (1, "all"), (0, "open")])
def test_every_link_of_a_story_leads_to_a_list_that_holds_it(ended: int, state: str) -> None:
    """Events are over when they are told: no list of open cases has them."""
    cases = [
        build_forward(
            number, is_one_off=number < ended, closed_at=START if number < ended else None
        )
        for number in range(2)
    ]
    (message,) = build_cards(build_report(*cases), PUBLIC_URL)
    card = json.dumps(message.payload)
    assert set(re.findall(r"state=(\w+)", card)) == {state}
    context = CardContext.from_report(build_report(*cases), PUBLIC_URL)
    line = render_line_group(context, CaseGroup(tuple(cases), THIEF))
    assert f"state={state})" in "\n".join(collect_texts(line))
