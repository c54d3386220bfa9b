"""The cards: valid, small enough, gravest first, each case on one, and nothing foreign acts."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.model.cases import Notification
from core.model.findings import Fact, Severity, Shell, Step, Verdict
from core.model.guards import Mode
from core.model.requests import RequestKind, RequestState
from core.model.runs import RunReport
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES, escape_markdown
from core.notifications.case_blocks import (
    MAX_BLOCK_BYTES,
    REQUEST_HEADLINES,
    CardContext,
    fit_case_block,
    render_case_block,
)
from core.notifications.run_cards import ChannelMessage, build_cards
from core.status.change_texts import CHANGE_TEXTS
from core.status.kind_texts import load_kind_texts
from core.tenant.changes import CHANGE_TYPES
from tests.support.adaptive_cards import (
    BASELINED_CASE,
    BLOCK_CHANGE_JSON,
    DISABLE_RULE_CHANGE_JSON,
    HOSTILE_CASE,
    HOSTILE_TEXT,
    PUBLIC_URL,
    REPORT_VARIANTS,
    build_closed_case,
    build_planned_outcome,
    build_report,
    build_request,
    build_rule_case,
    collect_texts,
    get_card_content,
    validate_card,
)
from tests.support.fakes.clock import START


def only(run: RunReport, address: str = "") -> ChannelMessage:
    (message,) = build_cards(run, address)
    return message


def shown(run: RunReport, address: str = "") -> str:
    return "\n".join(collect_texts(only(run, address).payload))


def headline(message: ChannelMessage) -> str:
    """The large line of a card."""
    return str(get_card_content(message.payload)["body"][0]["items"][1]["text"])


@pytest.mark.parametrize("address", ["", PUBLIC_URL])
@pytest.mark.parametrize("name", REPORT_VARIANTS)
def test_every_card_is_a_valid_adaptive_card_in_the_envelope_of_workflows(
    name: str, address: str
) -> None:
    messages = build_cards(REPORT_VARIANTS[name], address)
    assert messages
    for message in messages:
        assert message.payload["type"] == "message"
        assert get_card_content(message.payload)["version"] == "1.4"
        assert len(json.dumps(message.payload).encode()) <= MAX_MESSAGE_BYTES
        validate_card(message.payload)


@pytest.mark.parametrize("name", REPORT_VARIANTS)
def test_each_case_and_each_request_is_on_exactly_one_card(name: str) -> None:
    run = REPORT_VARIANTS[name]
    messages = build_cards(run)
    told = [one.key for message in messages for one in message.cases]
    asked = [one.id for message in messages for one in message.operator_requests]
    assert sorted(told) == sorted(one.key for one in run.notifications)
    assert sorted(asked) == sorted(one.id for one in run.operator_requests)


def test_there_is_a_card_for_each_severity_then_for_closed_cases_then_for_requests() -> None:
    run = build_report(
        build_rule_case(1, severity=Severity.LOW),
        build_closed_case(2, severity=Severity.CRITICAL),
        build_rule_case(3, severity=Severity.CRITICAL),
        build_rule_case(4, severity=Severity.LOW),
        operator_requests=(build_request(),),
    )
    messages = build_cards(run)
    assert [headline(message) for message in messages] == [
        "Critical: 1 new",
        "Low: 2 new",
        "Resolved: 1 remediated",
        "Requested by operators: 1 acknowledged",
    ]
    assert [get_card_content(message.payload)["body"][0]["style"] for message in messages] == [
        "attention",
        "accent",
        "good",
        "emphasis",
    ]


def test_an_initial_scan_is_one_card_that_counts_all_cases_and_shows_the_most_severe() -> None:
    many = [build_rule_case(number, baselined=True) for number in range(1, 40)]
    grave = build_rule_case(
        99, severity=Severity.CRITICAL, kind="audit-off", summary="Nothing is recorded."
    )
    run = build_report(*many, grave, baselined=True, operator_requests=(build_request(),))
    summary, asked = build_cards(run)
    told = "\n".join(collect_texts(summary.payload))
    assert headline(summary) == "Initial scan: 39 pre-existing cases"
    assert "critical\n1 x audit off\nhigh\n39 inbox rules that send mail on" in told
    assert told.index("Nothing is recorded.") < told.index("redirects to")
    # What is critical has its next step, and leaves room for fewer of the others.
    assert "What is critical cannot wait; the rest is the baseline" in told
    assert told.count("**Next step:**") == 1
    assert told.index("Nothing is recorded.") < told.index("**Next step:**")
    assert "and 36 more" in told
    assert len(summary.cases) == 40
    assert "Acknowledged" in "\n".join(collect_texts(asked.payload))


def test_what_is_critical_is_named_in_an_initial_scan_before_any_next_step_takes_the_room() -> None:
    long = build_rule_case(1, baselined=True, severity=Severity.CRITICAL, advice="Ask. " * 60)
    other = replace(build_rule_case(2, baselined=True, severity=Severity.CRITICAL), summary="B.")
    many = [build_rule_case(number, baselined=True) for number in range(3, 9)]
    (summary,) = build_cards(build_report(long, other, *many, baselined=True))
    told = "\n".join(collect_texts(summary.payload))
    assert "case 00000001 · **critical** · An inbox rule" in told
    assert "case 00000002 · **critical** · joe@contoso.com: B." in told


def test_where_nothing_is_critical_an_initial_scan_has_no_next_steps() -> None:
    many = [build_rule_case(number, baselined=True) for number in range(1, 9)]
    (summary,) = build_cards(build_report(*many, baselined=True))
    told = "\n".join(collect_texts(summary.payload))
    assert "They are the baseline: from now on" in told
    assert "Next step" not in told


def test_what_ended_meanwhile_is_named_beside_the_summary_of_an_initial_scan() -> None:
    """Records may lead to a case before the first look, and it ends at that look."""
    there = [build_rule_case(number, baselined=True) for number in range(1, 6)]
    gone = build_rule_case(9, notification=Notification.CLOSED, closed_at=START)
    run = build_report(*there, gone, baselined=True, operator_requests=(build_request(),))
    summary, ended, asked = build_cards(run)
    assert headline(summary) == "Initial scan: 5 pre-existing cases"
    assert (len(summary.cases), len(asked.operator_requests)) == (5, 1)
    assert headline(ended) == "Resolved: 1 no longer present"
    assert (ended.cases, ended.operator_requests) == ((gone,), ())
    assert gone.short_key in str(ended.payload)
    alone, asked = build_cards(
        build_report(gone, baselined=True, operator_requests=(build_request(),))
    )
    assert (alone.cases, len(asked.operator_requests)) == ((gone,), 1)


def test_an_initial_scan_whose_run_crashed_is_still_summarized_on_one_card() -> None:
    there = [
        build_rule_case(number, baselined=True, severity=grave)
        for number, grave in enumerate(Severity)
    ]
    summary, fresh = build_cards(build_report(*there, build_rule_case(99)))
    assert headline(summary) == "Initial scan: 5 pre-existing cases"
    assert (len(summary.cases), fresh.cases) == (5, (build_rule_case(99),))


def test_a_run_without_notifications_has_no_card() -> None:
    assert build_cards(build_report()) == []
    assert build_cards(build_report(baselined=True)) == []
    assert build_cards(build_report(operator_requests=(build_request(notified=True),))) == []


def test_what_no_card_can_be_made_of_is_told_plainly_and_keeps_back_no_other() -> None:
    good, odd = build_rule_case(1), replace(build_rule_case(2), summary=None)  # type: ignore[arg-type]
    request = build_request()
    first, requests, plain = build_cards(build_report(odd, good, operator_requests=(request,)))
    assert (first.cases, requests.operator_requests) == ((good,), (request,))
    assert (plain.cases, plain.operator_requests) == ((odd,), ())
    assert plain.fault.startswith("a mistake of the app, ")
    assert (first.fault, requests.fault) == ("", "")
    text = "\n".join(collect_texts(plain.payload))
    assert "A mistake of the app kept their details from the card." in text
    assert odd.short_key in text
    odd_request = replace(request, requested_by=None)  # type: ignore[arg-type]
    first, plain = build_cards(build_report(good, operator_requests=(odd_request,)))
    assert (first.cases, plain.operator_requests) == ((good,), (odd_request,))


def test_where_only_all_of_it_together_is_a_mistake_everything_is_told_plainly() -> None:
    rows = (build_rule_case(1), build_rule_case(2))
    (plain,) = build_cards(build_report(*rows, rationale=7))
    assert set(plain.cases) == set(rows)


def test_a_card_shows_the_finding_the_rationale_the_evidence_and_the_next_step() -> None:
    told = shown(build_report(build_rule_case(planned_changes=(DISABLE_RULE_CHANGE_JSON,))))
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
        (Fact("rule", "Parcel notes"), "rule"),
        (Fact("AuditDisabled", "true"), "AuditDisabled"),
        (Fact("", "between 2026-11-20 06:00 and 2026-11-20 07:00"), ""),
        (Fact("last successful sign-in", "2025-10-17"), "last successful sign-in"),
        (Fact("", "nothing stops this mail: it leaves the organization"), ""),
        (Fact("", "https://x.example: y"), ""),
        (Fact("", "rule: Parcel notes"), ""),
    ],
)
def test_a_fact_with_a_label_is_a_row_of_the_table(fact: Fact, name: str) -> None:
    message = only(build_report(build_rule_case(facts=(fact,))))
    (table,) = [
        item
        for block in get_card_content(message.payload)["body"]
        for item in block.get("items", [])
        if item["type"] == "FactSet"
    ]
    assert [row["title"] for row in table["facts"]][1:] == [name or "also"]


def test_a_planned_change_leaves_no_next_step_to_an_operator() -> None:
    told = shown(
        build_report(
            replace(BASELINED_CASE, baselined=False),
            preview=(build_planned_outcome(BASELINED_CASE),),
            mode=Mode.ENFORCE,
        )
    )
    assert "none for you; the next run will block sign-in." in told
    assert "Ask joe" not in told


@pytest.mark.parametrize(
    ("changes", "run", "said"),
    [
        ({}, {}, "**Nothing was changed:** an operator has to decide."),
        (
            {"planned_changes": (DISABLE_RULE_CHANGE_JSON,)},
            {},
            "In enforce mode this guard would disable the inbox rule.",
        ),
        (
            {"planned_changes": (BLOCK_CHANGE_JSON,)},
            {"mode": Mode.ENFORCE, "block_reason": "too many changes"},
            "**Held by the brake:** once released, this guard will block sign-in",
        ),
        (
            {"planned_changes": (BLOCK_CHANGE_JSON,)},
            {"mode": Mode.ENFORCE, "status": "in-progress"},
            "**Not changed yet:** this guard is going to block sign-in",
        ),
        (
            {
                "verdict": Verdict.CONTESTED,
                "deferred_at": START,
                "planned_changes": (BLOCK_CHANGE_JSON,),
            },
            {"mode": Mode.ENFORCE},
            "**Left to an operator:** the setting was reverted twice",
        ),
        (
            {"verdict": Verdict.PROTECTED, "deferred_at": START, "note": "an administrator"},
            {"mode": Mode.ENFORCE},
            "Exoguard cannot remediate it (protected): an administrator",
        ),
        ({"note": "HTTP 503"}, {"mode": Mode.ENFORCE}, "**Attempted without success:** HTTP 503"),
        ({"planned_changes": ("{}",)}, {}, "**Nothing was changed:** an operator has to decide."),
        (
            {"planned_changes": ('["FromTomorrow", {}]',)},
            {},
            "In enforce mode this guard would FromTomorrow.",
        ),
    ],
)
def test_a_card_shows_the_remediation_of_a_case(
    changes: dict[str, Any], run: dict[str, Any], said: str
) -> None:
    assert said in shown(build_report(build_rule_case(**changes), **run))


def test_every_kind_of_change_has_a_text() -> None:
    assert CHANGE_TEXTS.keys() == CHANGE_TYPES.keys()


def test_a_remediated_case_shows_the_change_and_no_next_step() -> None:
    ended = build_closed_case(note="It took two tries.", planned_changes=(BLOCK_CHANGE_JSON,))
    told = shown(build_report(ended, mode=Mode.ENFORCE), PUBLIC_URL)
    assert (
        "Exoguard remediated it and verified the result: block sign-in. It took two tries."
    ) in told
    assert "Next step" not in told
    assert "closed 2026-11-20 06:00 UTC" in told


def test_a_closed_event_still_has_a_next_step() -> None:
    told = shown(build_report(build_rule_case(is_one_off=True, closed_at=START, resolution="gone")))
    assert "High: 1 new" in told
    assert "its effects remain" in told
    assert "Next step" in told


# Links ------------------------------------------------------------------------------------------


def links(run: RunReport, address: str = PUBLIC_URL) -> list[str]:
    """Everything on the cards of a run that can be followed."""
    raw = [message.payload for message in build_cards(run, address)]
    found = re.findall(r"(?<!\\)\]\(([^)]*)\)", "\n".join(collect_texts(raw)))
    return found + [row["url"] for one in raw for row in get_card_content(one).get("actions", [])]


def test_a_case_links_to_its_page_and_the_card_to_the_list() -> None:
    assert links(build_report(build_rule_case())) == [
        f"{PUBLIC_URL}/api/cases/mailbox-forwarding/{1:032x}",
        f"{PUBLIC_URL}/api/runs/mailbox-forwarding/30000000000000-0000abcd",
        f"{PUBLIC_URL}/api/cases/mailbox-forwarding/{1:032x}",
        f"{PUBLIC_URL}/api/cases?guard=mailbox-forwarding&severity=high&state=open",
        f"{PUBLIC_URL}/api/status",
    ]


def test_a_card_links_to_the_cases_that_did_not_fit() -> None:
    run = build_report(*(build_rule_case(number) for number in range(500)))
    page = f"{PUBLIC_URL}/api/cases?guard=mailbox-forwarding&severity=high&state=open"
    assert f"[all of them]({page})" in shown(run, PUBLIC_URL)


def test_without_a_public_address_there_are_no_links() -> None:
    assert [links(run, "") for run in REPORT_VARIANTS.values()] == [[]] * len(REPORT_VARIANTS)


@pytest.mark.parametrize("name", REPORT_VARIANTS)
def test_links_lead_only_to_the_app_and_hold_no_key(name: str) -> None:
    for address in links(REPORT_VARIANTS[name]):
        assert address.startswith(f"{PUBLIC_URL}/api/")
        assert "code=" not in address


def test_a_case_with_an_invalid_key_has_no_link() -> None:
    assert not [one for one in links(build_report(build_rule_case(key="../../x"))) if "/x" in one]


# Fairness ---------------------------------------------------------------------------------------


def test_a_card_of_five_hundred_cases_fits_and_counts_the_others() -> None:
    lines = collect_texts(
        only(build_report(*(build_rule_case(number) for number in range(500)))).payload
    )
    listed = sum("redirects to" in line for line in lines)
    assert listed > 12
    (more,) = [line for line in lines if line.startswith("and ")]
    assert more == f"and {500 - listed} more: {500 - listed} inbox rules that send mail on"


def test_one_mailbox_cannot_crowd_out_another() -> None:
    loud = [build_rule_case(number, object_id="loud") for number in range(400)]
    quiet = build_rule_case(999, summary="The quiet one.")
    assert "The quiet one." in shown(build_report(*loud, quiet))


def test_an_oversized_block_is_shortened_and_crowds_out_no_case() -> None:
    huge = [
        build_rule_case(
            number,
            facts=(Fact("fact", HOSTILE_TEXT),) * 20,
            advice=HOSTILE_TEXT,
            summary=HOSTILE_TEXT,
        )
        for number in range(20)
    ]
    quiet = build_rule_case(999, summary="The quiet one.", opened_at=START)
    told = shown(build_report(*huge, quiet))
    assert (
        len(
            json.dumps(
                fit_case_block(
                    CardContext.from_report(build_report(), ""), huge[0], render_case_block
                )
            )
        )
        <= MAX_BLOCK_BYTES + 2_000
    )
    assert told.count("more fact") >= 3
    assert "The quiet one." in told


def test_the_most_severe_case_comes_first_then_the_oldest() -> None:
    old = build_rule_case(2, summary="Old.", opened_at=START.replace(year=2020))
    told = shown(build_report(build_rule_case(1, summary="New."), old))
    assert told.index("Old.") < told.index("New.")


# What is hostile --------------------------------------------------------------------------------


def test_hostile_names_are_escaped_and_bounded() -> None:
    for message in build_cards(REPORT_VARIANTS["hostile"], PUBLIC_URL):
        raw = json.dumps(message.payload, ensure_ascii=False)
        assert "https://evil" not in raw
        assert "[click](" not in raw
        assert "\u202e" not in raw
        assert not [line for line in collect_texts(message.payload) if "\n# y" in line]
        assert "entities" not in raw


# What people asked for --------------------------------------------------------------------------


def test_a_request_shows_who_made_it_why_and_the_result() -> None:
    told = shown(
        build_report(operator_requests=(build_request(kind=RequestKind.EXEMPT, until=START),)),
        PUBLIC_URL,
    )
    assert "**Exempted**" in told
    assert "who\nAda (function key)" in told
    assert "requested 2026-11-20 06:00 UTC · completed 2026-11-20 06:00 UTC" in told
    assert "why\nI talk to Joe this afternoon." in told
    assert "until\n2026-11-20 06:00 UTC" in told
    assert f"[case 00000001]({PUBLIC_URL}/api/cases/mailbox-forwarding/{1:032x})" in told
    assert "**Result:** It is not brought up again" in told


@pytest.mark.parametrize(
    ("state", "said"), [(RequestState.REFUSED, "Refused: "), (RequestState.REQUESTED, "Waiting: ")]
)
def test_a_request_that_was_not_done_does_not_read_as_done(state: RequestState, said: str) -> None:
    told = shown(
        build_report(operator_requests=(build_request(kind=RequestKind.UNDO, state=state),))
    )
    assert f"**{said}undone**" in told
    assert f"1 {said.lower()}undone" in told


def test_every_kind_of_request_has_a_headline() -> None:
    assert set(REQUEST_HEADLINES) == set(RequestKind)


def test_a_request_names_its_subject_where_the_name_is_known() -> None:
    undone = build_request(kind=RequestKind.UNDO)
    told = shown(
        build_report(
            operator_requests=(undone,),
            subject_names={undone.subject: "BlockSignIn of info@contoso"},
        )
    )
    assert "about\nBlockSignIn of info@contoso" in told


def test_requests_that_do_not_fit_are_counted() -> None:
    told = shown(REPORT_VARIANTS["overfull of deeds"])
    listed = told.count("**Acknowledged**")
    assert f"and {500 - listed} more" in told


# What to do -------------------------------------------------------------------------------------

ACCOUNT = "0b0e2d5a-7a53-4d0f-9d55-4f27a0a3f0aa"
STEPS = (
    Step("Save the rules.", "Get-InboxRule -Mailbox 'm'", Shell.EXCHANGE),
    Step("Ask joe, by telephone."),
    Step("Disable it.", "Disable-InboxRule -Mailbox 'm' -Identity 'r_1*'", Shell.EXCHANGE),
    Step("Look around.", "exo cases --about 'joe@contoso.com'", Shell.EXO),
)


def list_commands(message: ChannelMessage) -> list[str]:
    """What stands on a card in the letters of a terminal, as a reader sees it."""
    found = [
        item
        for block in get_card_content(message.payload)["body"]
        for item in block.get("items", [])
        if item.get("fontType") == "Monospace"
    ]
    return [re.sub(r"\\(.)", r"\1", item["text"]) for item in found]


def test_a_card_has_the_first_commands_and_leads_to_all_steps() -> None:
    case = build_rule_case(steps=STEPS)
    message = only(build_report(case), PUBLIC_URL)
    assert list_commands(message) == [
        "Get-InboxRule -Mailbox 'm'",
        "Disable-InboxRule -Mailbox 'm' -Identity 'r_1*'",
    ]
    assert f"[All 4 steps]({PUBLIC_URL}/api/cases/mailbox-forwarding/{1:032x})" in shown(
        build_report(case), PUBLIC_URL
    )
    planned = build_report(case, preview=(build_planned_outcome(case),), mode=Mode.ENFORCE)
    assert list_commands(only(planned)) == [], "the next run does it"


@pytest.mark.parametrize("may_contain", [False, True])
def test_where_accounts_may_be_contained_that_is_the_first_command(may_contain: bool) -> None:
    case = build_rule_case(steps=STEPS, held_account=ACCOUNT)
    (message,) = build_cards(build_report(case), PUBLIC_URL, may_contain=may_contain)
    first = list_commands(message)[0]
    assert first.startswith(f"exo contain '{ACCOUNT}'") is may_contain


def test_the_buttons_lead_to_the_case_and_to_the_account() -> None:
    one = only(build_report(build_rule_case(held_account=ACCOUNT)), PUBLIC_URL)
    buttons = {row["title"]: row["url"] for row in get_card_content(one.payload)["actions"]}
    assert list(buttons)[:2] == ["Open the case", "The account in Entra"]
    assert buttons["Open the case"].endswith(f"/api/cases/mailbox-forwarding/{1:032x}")
    assert buttons["The account in Entra"].endswith(f"/userId/{ACCOUNT}")
    several = only(build_report(build_rule_case(1), build_rule_case(2)), PUBLIC_URL)
    assert get_card_content(several.payload)["actions"][0]["title"] == "Open the gravest case"
    odd = only(build_report(build_rule_case(held_account="../x")), PUBLIC_URL)
    assert "Entra" not in str(get_card_content(odd.payload)["actions"])


def test_what_is_repeated_is_one_line() -> None:
    case = build_rule_case(notification=Notification.REMINDER, steps=STEPS)
    message = only(build_report(case), PUBLIC_URL)
    (block,) = [
        one for one in get_card_content(message.payload)["body"] if "Still open" in str(one)
    ][-1:]
    assert len(block["items"]) == 1
    assert "since 2026-11-20 06:00 UTC" in block["items"][0]["text"]
    assert list_commands(message) == []


def test_why_it_matters_comes_last() -> None:
    for run in REPORT_VARIANTS.values():
        for message in build_cards(run, PUBLIC_URL):
            texts = collect_texts(message.payload)
            reasons = [at for at, text in enumerate(texts) if text.startswith("**Why it matters")]
            assert reasons in ([], [len(texts) - 2]), "only where the details are follows"


# Built by the test that asks for one: the last has a thousand cases.
FIRST_LOOKS: dict[str, Callable[[], RunReport]] = {
    "one": lambda: build_report(BASELINED_CASE, baselined=True),
    "of all kinds": lambda: build_report(
        *(
            build_rule_case(
                number, baselined=True, kind=kind, severity=Severity(1 + number % 4), steps=STEPS
            )
            for number, kind in enumerate(load_kind_texts())
        ),
        baselined=True,
    ),
    "hostile": lambda: build_report(
        *(replace(HOSTILE_CASE, key=f"{number:032x}", baselined=True) for number in range(50)),
        baselined=True,
    ),
    "with changes": lambda: build_report(
        *(build_rule_case(number, baselined=True) for number in range(500)),
        baselined=True,
        mode=Mode.ENFORCE,
        preview=tuple(build_planned_outcome(build_rule_case(number)) for number in range(500)),
    ),
}


@pytest.mark.parametrize("name", FIRST_LOOKS)
def test_a_first_look_is_told_in_a_hundred_and_fifty_words(name: str) -> None:
    run = FIRST_LOOKS[name]()
    (message,) = build_cards(run, PUBLIC_URL)
    validate_card(message.payload)
    seen = [re.sub(r"(?<=\])\(\S+\)", "", text) for text in collect_texts(message.payload)]
    assert sum(len(text.split()) for text in seen) <= 150
    assert len(message.cases) == len(run.notifications)
    assert list_commands(message) == []


def test_no_card_calls_cases_by_the_word_of_a_program() -> None:
    for kind in load_kind_texts():
        if "-" in kind:
            cases = [build_rule_case(number, object_id="m", kind=kind) for number in range(2)]
            assert not re.search(rf"(?<![\w/-]){kind}(?![\w-])", shown(build_report(*cases)))


@pytest.mark.parametrize("sign", ["*", "\u6f22", "\U0001f600", "\u202e"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_case_is_told_however_much_room_its_names_take(sign: str, count: int) -> None:
    text = sign * 4_000
    cases = [
        build_rule_case(
            number,
            summary=f"Summary {number} {text}",
            subject=text,
            advice=text,
            note=text[:500],
            severity=Severity.CRITICAL,
            facts=(Fact(text[:60], text[:400]),) * 12,
            steps=(Step(text[:900], text[:600], Shell.EXCHANGE),) * 3,
        )
        for number in range(count)
    ]
    (message,) = build_cards(build_report(*cases), PUBLIC_URL)
    assert len(json.dumps(message.payload).encode()) <= MAX_MESSAGE_BYTES
    shown = "\n".join(collect_texts(message.payload))
    assert all(f"Summary {number} " in shown for number in range(count))


def test_the_name_of_a_character_is_not_read_as_that_character() -> None:
    assert escape_markdown("a&rlm;b &#8238; R&D & co; AT&T") == r"a\&rlm;b \&\#8238; R&D & co; AT&T"
