"""The cards: valid, small enough, gravest first, each case on one, and nothing foreign acts."""

import json
import re
from typing import Any

import pytest

from core.model.cases import News
from core.model.changes import ChangeState, Outcome
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.requests import ActionState, Deed
from core.model.runs import RunReport
from core.notifications.adaptive_card import LIMIT
from core.notifications.case_blocks import DEEDS, SHARE, Frame, drawn, entry
from core.notifications.run_cards import Message, cards
from core.status.change_texts import WORDS
from core.tenant.changes import CHANGES
from tests.support.adaptive_cards import (
    ADDRESS,
    BLOCK,
    DISABLE,
    action,
    case,
    content,
    over,
    planned,
    report,
    texts,
    validate,
)
from tests.support.fakes.world import START

HOSTILE = "**x** [click](https://evil.example) <at>All</at> \u202e\n# y " + "\u00e9" * 5000


def only(run: RunReport, address: str = "") -> Message:
    (message,) = cards(run, address)
    return message


def shown(run: RunReport, address: str = "") -> str:
    return "\n".join(texts(only(run, address).payload))


def headline(message: Message) -> str:
    """The large line of a card."""
    return str(content(message.payload)["body"][0]["items"][1]["text"])


bad = case(
    summary=HOSTILE,
    subject=HOSTILE,
    facts=(f"rule: {HOSTILE}", HOSTILE) * 20,
    advice=HOSTILE,
    note=HOSTILE,
)
FIRST = case(adopted=True, wanted=(BLOCK,))
VARIANTS = {
    "every gravity": report(*(case(number, severity=number) for number in Severity if number)),
    "every news": report(
        *(case(number, news=news, note="tried") for number, news in enumerate(News) if news),
        over(10),
        over(11, News.CLOSED),
    ),
    "first look": report(FIRST, adopted=True, mode=Mode.ENFORCE, preview=(planned(FIRST),)),
    "failed": report(case(), outcomes=(Outcome("k", "a", "BlockSignIn", ChangeState.FAILED),)),
    "exempt": report(case(), exemptions=2, blind=("inbox-rules",)),
    "held": report(case(wanted=(BLOCK,)), mode=Mode.ENFORCE, held="too many", plan="0" * 32),
    "an event": report(case(event=True, closed=START, closing="gone")),
    "asked for": report(
        *(), actions=tuple(action(number, deed) for number, deed in enumerate(Deed))
    ),
    "asked for at the first look": report(FIRST, adopted=True, actions=(action(),)),
    "hostile": report(bad, actions=(action(subject=HOSTILE, who=HOSTILE, why=HOSTILE),)),
    "overfull": report(*(case(number) for number in range(500))),
    "overfull of deeds": report(actions=tuple(action(number) for number in range(500))),
}


@pytest.mark.parametrize("address", ["", ADDRESS])
@pytest.mark.parametrize("name", VARIANTS)
def test_every_card_is_a_valid_adaptive_card_in_the_envelope_of_workflows(
    name: str, address: str
) -> None:
    messages = cards(VARIANTS[name], address)
    assert messages
    for message in messages:
        assert message.payload["type"] == "message"
        assert content(message.payload)["version"] == "1.4"
        assert len(json.dumps(message.payload).encode()) <= LIMIT
        validate(message.payload)


@pytest.mark.parametrize("name", VARIANTS)
def test_each_case_and_each_action_is_told_by_exactly_one_card(name: str) -> None:
    run = VARIANTS[name]
    messages = cards(run)
    told = [one.key for message in messages for one in message.cases]
    asked = [one.id for message in messages for one in message.actions]
    assert sorted(told) == sorted(one.key for one in run.news)
    assert sorted(asked) == sorted(one.id for one in run.actions)


def test_there_is_one_card_for_each_gravity_then_one_for_what_is_over_then_one_for_people() -> None:
    run = report(
        case(1, severity=Severity.LOW),
        over(2, severity=Severity.CRITICAL),
        case(3, severity=Severity.CRITICAL),
        case(4, severity=Severity.LOW),
        actions=(action(),),
    )
    messages = cards(run)
    assert [headline(message) for message in messages] == [
        "Critical: 1 new",
        "Low: 2 new",
        "Over: 1 put right",
        "Asked for by people: 1 acknowledged",
    ]
    assert [content(message.payload)["body"][0]["style"] for message in messages] == [
        "attention",
        "accent",
        "good",
        "emphasis",
    ]


def test_a_first_look_is_one_card_that_counts_everything_and_shows_the_gravest() -> None:
    many = [case(number, adopted=True) for number in range(1, 40)]
    grave = case(99, severity=Severity.CRITICAL, kind="audit-off", summary="Nothing is recorded.")
    run = report(*many, grave, adopted=True, actions=(action(),))
    told = shown(run)
    assert headline(only(run)) == "First look: 39 things already there"
    assert "critical\n1 x audit-off\nhigh\n39 x inbox-rule-forward" in told
    assert told.index("Nothing is recorded.") < told.index("redirects to")
    assert "and 28 more: 28 x inbox-rule-forward (high)" in told
    assert "Acknowledged" in told


def test_what_a_dead_run_found_at_its_first_look_is_still_summed_up_on_one_card() -> None:
    there = [case(number, adopted=True, severity=grave) for number, grave in enumerate(Severity)]
    summary, fresh = cards(report(*there, case(99)))
    assert headline(summary) == "First look: 5 things already there"
    assert (len(summary.cases), fresh.cases) == (5, (case(99),))


def test_a_run_without_news_has_no_card() -> None:
    assert cards(report()) == []
    assert cards(report(adopted=True)) == []
    assert cards(report(actions=(action(told=True),))) == []


def test_a_card_says_what_was_found_why_it_matters_the_evidence_and_the_next_step() -> None:
    told = shown(report(case(wanted=(DISABLE,))))
    assert "Exoguard · Mailbox forwarding" in told
    assert "alert mode · 812 of 815 mailboxes read; 3 unreadable · 2026-11-20 06:00 UTC" in told
    assert "**Why it matters:** A forward keeps an intruder reading" in told
    assert "redirects to x@evil.example" in told
    assert "about\njoe@contoso.com\nrule\nParcel notes\ntarget\nx@evil.example" in told
    assert "also\nmarks it as read" in told
    assert "In enforce mode this guard would disable the inbox rule." in told
    assert "**Next step:** Ask joe; then disable the rule." in told
    assert "case 00000001 · since 2026-11-20 06:00 UTC" in told


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        ("rule: Parcel notes", "rule"),
        ("AuditDisabled: true", "AuditDisabled"),
        ("between 2026-11-20 06:00 and 2026-11-20 07:00", ""),
        ("last successful sign-in: 2025-10-17", "last successful sign-in"),
        ("nothing stops this mail: it leaves the organization", ""),
        ("UnifiedAuditLogIngestionEnabled: false", ""),
        ("a sentence that is longer than any name, and then: this", ""),
        ("https://x.example: y", ""),
        (": nothing", ""),
    ],
)
def test_a_fact_with_a_name_is_a_row_of_the_table(fact: str, name: str) -> None:
    message = only(report(case(facts=(fact,))))
    (table,) = [
        item
        for block in content(message.payload)["body"]
        for item in block.get("items", [])
        if item["type"] == "FactSet"
    ]
    assert [row["title"] for row in table["facts"]][1:] == [name or "also"]


def test_what_the_next_run_will_do_is_nobody_elses_next_step() -> None:
    told = shown(report(FIRST, preview=(planned(FIRST),), mode=Mode.ENFORCE, adopted=True))
    assert "none for you; the next run will block sign-in and revoke the sessions." in told
    assert "Ask joe" not in told


@pytest.mark.parametrize(
    ("changes", "run", "said"),
    [
        ({}, {}, "**Nothing was changed:** it takes a person to decide."),
        ({"wanted": (DISABLE,)}, {}, "In enforce mode this guard would disable the inbox rule."),
        (
            {"wanted": (BLOCK,)},
            {"mode": Mode.ENFORCE, "held": "too many changes"},
            "**Held by the brake:** once released, this guard will block sign-in",
        ),
        (
            {"wanted": (BLOCK,)},
            {"mode": Mode.ENFORCE, "status": "going on"},
            "**Not changed yet:** this guard is going to block sign-in",
        ),
        (
            {"verdict": Verdict.CONTESTED, "set_aside": START, "wanted": (BLOCK,)},
            {"mode": Mode.ENFORCE},
            "**Left to a person:** it was changed back twice",
        ),
        (
            {"verdict": Verdict.PROTECTED, "set_aside": START, "note": "an administrator"},
            {"mode": Mode.ENFORCE},
            "it cannot be put right here (protected): an administrator",
        ),
        ({"note": "HTTP 503"}, {"mode": Mode.ENFORCE}, "**Tried, without success:** HTTP 503"),
        ({"wanted": ("{}",)}, {}, "**Nothing was changed:** it takes a person to decide."),
        (
            {"wanted": ('["FromTomorrow", {}]',)},
            {},
            "In enforce mode this guard would FromTomorrow.",
        ),
    ],
)
def test_a_card_says_what_was_done_about_a_case(
    changes: dict[str, Any], run: dict[str, Any], said: str
) -> None:
    assert said in shown(report(case(**changes), **run))


def test_every_change_there_is_has_words() -> None:
    assert WORDS.keys() == CHANGES.keys()


def test_what_was_done_is_said_and_asks_for_nothing() -> None:
    ended = over(note="It took two tries.", wanted=(BLOCK,))
    told = shown(report(ended, mode=Mode.ENFORCE), ADDRESS)
    assert (
        "Exoguard put it right and read it back: block sign-in and revoke the sessions. "
        "It took two tries."
    ) in told
    assert "Next step" not in told
    assert "over 2026-11-20 06:00 UTC" in told


def test_an_event_that_was_over_before_it_was_told_still_asks_for_something() -> None:
    told = shown(report(case(event=True, closed=START, closing="gone")))
    assert "High: 1 new" in told
    assert "what it did is still done" in told
    assert "Next step" in told


# Links ------------------------------------------------------------------------------------------


def links(run: RunReport, address: str = ADDRESS) -> list[str]:
    """Everything on the cards of a run that can be followed."""
    raw = [message.payload for message in cards(run, address)]
    found = re.findall(r"(?<!\\)\]\(([^)]*)\)", "\n".join(texts(raw)))
    return found + [row["url"] for one in raw for row in content(one).get("actions", [])]


def test_a_case_links_to_its_page_and_the_card_to_the_list() -> None:
    assert links(report(case())) == [
        f"{ADDRESS}/api/cases/mailbox-forwarding/{1:032x}",
        f"{ADDRESS}/api/runs/mailbox-forwarding/30000000000000-0000abcd",
        f"{ADDRESS}/api/cases?guard=mailbox-forwarding&severity=high&state=open",
        f"{ADDRESS}/api/status",
    ]


def test_what_did_not_fit_is_one_link_away() -> None:
    run = report(*(case(number) for number in range(500)))
    page = f"{ADDRESS}/api/cases?guard=mailbox-forwarding&severity=high&state=open"
    assert f"[all of them]({page})" in shown(run, ADDRESS)


def test_where_nobody_said_where_the_app_is_there_are_no_links() -> None:
    assert [links(run, "") for run in VARIANTS.values()] == [[]] * len(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
def test_no_link_leads_anywhere_but_to_the_app_and_none_holds_a_key(name: str) -> None:
    for address in links(VARIANTS[name]):
        assert address.startswith(f"{ADDRESS}/api/")
        assert "code=" not in address


def test_a_case_whose_key_is_none_has_no_link() -> None:
    assert not [one for one in links(report(case(key="../../x"))) if "/x" in one]


# Fairness ---------------------------------------------------------------------------------------


def test_five_hundred_cases_fit_one_card_and_the_rest_is_counted() -> None:
    lines = texts(only(report(*(case(number) for number in range(500)))).payload)
    listed = sum("redirects to" in line for line in lines)
    assert listed > 12
    (more,) = [line for line in lines if line.startswith("and ")]
    assert more == f"and {500 - listed} more: {500 - listed} x inbox-rule-forward (high)"


def test_one_mailbox_cannot_crowd_out_another() -> None:
    loud = [case(number, object_id="loud") for number in range(400)]
    quiet = case(999, summary="The quiet one.")
    assert "The quiet one." in shown(report(*loud, quiet))


def test_an_entry_that_is_too_large_is_shown_shorter_and_crowds_out_nobody() -> None:
    huge = [
        case(number, facts=(f"fact: {HOSTILE}",) * 20, advice=HOSTILE, summary=HOSTILE)
        for number in range(20)
    ]
    quiet = case(999, summary="The quiet one.", opened=START)
    told = shown(report(*huge, quiet))
    assert len(json.dumps(entry(Frame.of(report(), ""), huge[0], drawn))) <= SHARE + 2_000
    assert told.count("more fact") >= 3
    assert "The quiet one." in told


def test_the_gravest_comes_first_and_the_oldest_of_those() -> None:
    old = case(2, summary="Old.", opened=START.replace(year=2020))
    told = shown(report(case(1, summary="New."), old))
    assert told.index("Old.") < told.index("New.")


# What is hostile --------------------------------------------------------------------------------


def test_hostile_names_act_as_nothing_and_are_bounded() -> None:
    for message in cards(VARIANTS["hostile"], ADDRESS):
        raw = json.dumps(message.payload, ensure_ascii=False)
        assert "https://evil" not in raw
        assert "[click](" not in raw
        assert "\u202e" not in raw
        assert not [line for line in texts(message.payload) if "\n# y" in line]
        assert "entities" not in raw


# What people asked for --------------------------------------------------------------------------


def test_what_somebody_asked_for_is_told_with_who_why_and_what_came_of_it() -> None:
    told = shown(report(actions=(action(deed=Deed.EXEMPT, until=START),)), ADDRESS)
    assert "**Exempted**" in told
    assert "who\nAda (function key)" in told
    assert "asked 2026-11-20 06:00 UTC · answered 2026-11-20 06:00 UTC" in told
    assert "why\nI talk to Joe this afternoon." in told
    assert "until\n2026-11-20 06:00 UTC" in told
    assert f"[case 00000001]({ADDRESS}/api/cases/mailbox-forwarding/{1:032x})" in told
    assert "**What came of it:** It is not brought up again" in told


@pytest.mark.parametrize(
    ("state", "said"), [(ActionState.REFUSED, "Refused: "), (ActionState.ASKED, "Waiting: ")]
)
def test_what_was_not_done_does_not_read_as_done(state: ActionState, said: str) -> None:
    told = shown(report(actions=(action(deed=Deed.UNDO, state=state),)))
    assert f"**{said}undone**" in told
    assert f"1 {said.lower()}undone" in told


def test_every_deed_has_words() -> None:
    assert set(DEEDS) == set(Deed)


def test_what_an_action_is_about_is_told_by_its_name_where_that_is_known() -> None:
    undone = action(deed=Deed.UNDO)
    told = shown(report(actions=(undone,), names={undone.subject: "BlockSignIn of info@contoso"}))
    assert "about\nBlockSignIn of info@contoso" in told


def test_more_actions_than_fit_are_counted() -> None:
    told = shown(VARIANTS["overfull of deeds"])
    listed = told.count("**Acknowledged**")
    assert f"and {500 - listed} more" in told
