"""Rules that Graph and Exchange both show: which of them nobody has to look at."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adapters.m365.inbox_rules.both_views import BothViews, leave_out_twins
from core.adapters.m365.inbox_rules.parse import (
    is_plain_exchange_rule,
    parse_exchange_rule,
    parse_graph_rule,
)
from core.adapters.parsing import parse_each_row
from core.errors import Forbidden
from core.guards.mailbox_forwarding.assemble import assemble_forwards
from core.guards.mailbox_forwarding.forwards import ForwardingInputs
from core.guards.mailbox_forwarding.hiding import is_plain_reading
from core.microsoft365.addresses import OwnDomains
from core.tenant.mail_flow import InboxRule
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading

MIA = Mailbox("m", "g", "mia@contoso.com")
OWN = OwnDomains(frozenset({"contoso.com"}))

type Row = dict[str, Any]


def show(name: str, actions: Row | None = None, **more: Any) -> Row:
    """A rule as Graph shows it."""
    shown = {"id": f"AQ-{name.strip()[:9]}", "displayName": name, "isEnabled": True}
    return shown | {"actions": actions or {"assignCategories": ["Blue"]}} | more


def list_row(name: str, **more: Any) -> Row:
    """A rule as Exchange shows it."""
    return {"RuleIdentity": 7, "Name": name, "Enabled": True, "ApplyCategory": ["Blue"]} | more


def encode(rules: Sequence[Row]) -> bytes:
    return json.dumps({"value": rules}).encode()


def view(graph: Sequence[Row], exchange: list[Row], *, exchange_first: bool = False) -> BothViews:
    """Both views of one mailbox, in one order or the other."""
    views = BothViews({"m"}, is_plain_reading)
    if exchange_first:
        views.take_exchange_rows("m", list(exchange))
        assert views.waiting_rows
    is_plain = views.take_plain_text("m", encode(graph))
    views.take_graph_rows("m", [] if is_plain else list(graph))
    if not exchange_first:
        views.take_exchange_rows("m", list(exchange))
    # Nothing is held any longer.
    assert not views.waiting_rows
    assert views.graph_answers == {"m": None}
    return views


def get_names(views: BothViews) -> tuple[list[str], list[str]]:
    """The names of the rules that are left to look at, as Graph and as Exchange shows them."""
    return [one.name for one in views.graph_rules], [one.name for one in views.exchange_rules]


@pytest.mark.parametrize("exchange_first", [False, True])
def test_plain_rules_that_both_show_are_left_out_and_hidden_ones_are_not(
    exchange_first: bool,
) -> None:
    graph = [show("Survey"), show("News", {"markImportance": "high"})]
    exchange = [list_row("News"), list_row("Junk E-mail Rule"), list_row("Survey")]
    assert get_names(view(graph, exchange[:1] + exchange[2:])) == ([], [])
    views = view(graph, exchange, exchange_first=exchange_first)
    assert get_names(views) == ([], ["Junk E-mail Rule"])
    assert not views.graph_failures
    assert not views.exchange_failures


@pytest.mark.parametrize("exchange_first", [False, True])
@pytest.mark.parametrize(
    ("graph", "exchange"),
    [
        # A twin that is missing, is there twice, does more, or bears its name in another way.
        ([show("a"), show("b")], [list_row("a")]),
        ([show("a")], [list_row("a"), list_row("a")]),
        ([show("a")], [list_row("a"), list_row(" A")]),
        ([show("a")], [list_row(" A"), list_row("a")]),
        ([show("a"), show("A")], [list_row("A"), list_row("A")]),
        ([show("a")], [list_row("A")]),
        ([show("a")], [list_row("a", ForwardTo=["x@evil.example"])]),
        ([show("a")], [list_row("a", MoveToFolder="Archive")]),
        ([show("a")], [list_row("a", DeleteMessage=True)]),
        ([show("a")], [list_row("a", SoftDeleteMessage="True")]),
        ([show("")], [list_row("")]),
        ([show("x" * 2_001)], [list_row("x" * 2_001)]),
        # A rule that has to be looked at stands beside it.
        ([show("a"), show("b", {"moveToFolder": "F"})], [list_row("a"), list_row("b")]),
    ],
)
def test_where_twins_are_not_plain_both_views_are_whole(
    graph: list[Row], exchange: list[Row], exchange_first: bool
) -> None:
    views = view(graph, exchange, exchange_first=exchange_first)
    assert [len(names) for names in get_names(views)] == [len(graph), len(exchange)]


def test_what_one_service_alone_shows_is_looked_at() -> None:
    views = BothViews({"m", "n"}, is_plain_reading)
    refused = Forbidden("no", "role")
    views.take_exchange_rows("m", [list_row("a")])
    views.take_graph_rows("m", refused)
    # Nobody asks Graph about a mailbox without an account.
    views.take_exchange_rows("rootless", [list_row("b")])
    # Exchange says nothing about this one.
    assert views.take_plain_text("n", encode([show("c")]))
    views.take_graph_rows("n", [])
    assert get_names(views) == ([], ["a", "b"])
    assert views.graph_failures == {"m": refused}


def test_further_pages_are_read_whatever_stands_on_them() -> None:
    views = BothViews({"m"}, is_plain_reading)
    moving = show("b", {"moveToFolder": "F"})
    assert not views.take_plain_text("m", encode([moving]))
    assert not views.take_plain_text("m", encode([show("a")]))
    views.take_exchange_rows("m", [list_row("a"), list_row("b")])
    views.take_graph_rows("m", [moving, show("a")])
    assert get_names(views) == (["b", "a"], ["a", "b"])


def test_a_row_that_cannot_be_read_leaves_its_mailbox_unread_and_the_others_seen() -> None:
    broken = {"Name": "c", "ForwardTo": [{}], "RuleIdentity": 8}
    views = view([show("a")], [list_row("a"), broken, list_row("hidden")])
    assert get_names(views) == ([], ["hidden"])
    assert views.exchange_failures == {"m": "a rule with a recipient that cannot be read"}


# What is left out changes nothing ----------------------------------------------------------------

NAMES = st.sampled_from(["a", "A", " a", "b", "Invoice", ".", "", "Junk E-mail Rule", "ß", "SS"])
ACTIONS: list[tuple[Row, Row]] = [
    ({"assignCategories": ["Blue"]}, {"ApplyCategory": ["Blue"]}),
    ({"markImportance": "high"}, {"MarkImportance": "High"}),
    ({"markAsRead": True}, {"MarkAsRead": True}),
    ({"stopProcessingRules": True}, {"StopProcessingRules": True}),
    ({"moveToFolder": "F1"}, {"MoveToFolder": "Projects"}),
    ({"delete": True}, {"DeleteMessage": True}),
    (
        {"forwardTo": [{"emailAddress": {"address": "x@evil.example"}}]},
        {"ForwardTo": ["x@evil.example"]},
    ),
    ({}, {}),
]
CONDITIONS: list[tuple[Row, Row]] = [
    ({}, {}),
    ({"subjectContains": ["news"]}, {"SubjectContainsWords": ["news"]}),
    ({"subjectContains": ["invoice"]}, {"SubjectContainsWords": ["invoice"]}),
    ({"senderContains": ["offers@"]}, {"FromAddressContainsWords": ["offers@"]}),
    (
        {"fromAddresses": [{"emailAddress": {"address": "no-reply@microsoft.com"}}]},
        {"From": ['"x" [SMTP:no-reply@microsoft.com]']},
    ),
]
ODDITIES: list[Row] = [
    {},
    {"Enabled": "True"},
    {"Enabled": False},
    {"MarkAsRead": True},
    {"MarkAsRead": "perhaps"},
    {"MoveToFolder": ""},
    {"MoveToFolder": "Archive"},
    {"ForwardTo": []},
    {"ForwardTo": {}},
    {"RedirectTo": ["y@evil.example"]},
    {"SoftDeleteMessage": True},
    {"RuleIdentity": None},
    {"SubjectContainsWords": ["x"] * 1_001},
    {"HeaderContainsWords": [{"a": 1}]},
    {"Name": None},
]


@st.composite
def build_pairs(draw: st.DrawFn) -> tuple[Row | None, Row | None]:
    """A rule as both services show it, or as one of them does."""
    name, enabled = draw(NAMES), draw(st.booleans())
    actions, done = draw(st.sampled_from(ACTIONS))
    conditions, asked = draw(st.sampled_from(CONDITIONS))
    shown = {"id": f"AQ{draw(st.integers(0, 99))}", "displayName": name, "isEnabled": enabled}
    row = {"RuleIdentity": draw(st.integers(1, 99)), "Name": name, "Enabled": enabled}
    odd = draw(st.sampled_from(ODDITIES)) if draw(st.integers(0, 3)) == 0 else {}
    graph = shown | {"conditions": conditions, "actions": actions}
    exchange = row | done | asked | odd
    shown_by = draw(st.sampled_from(["both", "both", "both", "graph", "exchange"]))
    return (
        None if shown_by == "exchange" else graph,
        None if shown_by == "graph" else exchange,
    )


def conclude(graph: Sequence[InboxRule], exchange: Sequence[InboxRule]) -> object:
    """What the guard makes of the rules of one mailbox."""
    return assemble_forwards(
        ForwardingInputs(
            mailboxes=[MIA],
            own_domains=OWN,
            graph_rules=Reading(items=tuple(graph)),
            exchange_rules=Reading(items=tuple(exchange)),
        )
    )


@settings(max_examples=400)
@given(
    st.lists(build_pairs(), max_size=5),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_nothing_that_is_left_out_would_have_been_told(
    pairs: list[tuple[Row | None, Row | None]], random: Any, exchange_first: bool
) -> None:
    graph = [one for one, _ in pairs if one is not None]
    exchange = [one for _, one in pairs if one is not None]
    random.shuffle(exchange)
    views = view(graph, exchange, exchange_first=exchange_first)
    every_graph, no_graph = parse_each_row(graph, lambda row: parse_graph_rule("m", row))
    every_exchange, broken = parse_each_row(exchange, lambda row: parse_exchange_rule("m", row))
    assert conclude(views.graph_rules, views.exchange_rules) == conclude(
        every_graph, every_exchange
    )
    assert list(views.graph_failures.values()) == [reason for _, reason in no_graph[:1]]
    assert list(views.exchange_failures.values()) == [reason for _, reason in broken[:1]]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", "True", "x", "a@b.example"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
PROPERTIES = st.sampled_from(
    [
        "RuleIdentity",
        "Name",
        "Enabled",
        "InError",
        "MarkAsRead",
        "DeleteMessage",
        "SoftDeleteMessage",
        "MoveToFolder",
        "ForwardTo",
        "RedirectTo",
        "ForwardAsAttachmentTo",
        "From",
        "SubjectContainsWords",
        "WithinSizeRangeMinimum",
        "MessageTypeMatches",
        "ExceptIfSentTo",
        "HasAttachment",
        "Unknown",
    ]
)


@settings(max_examples=400)
@given(st.dictionaries(PROPERTIES, VALUES, max_size=4))
def test_a_plain_row_of_exchange_can_be_read_and_does_nothing_to_mail(row: Row) -> None:
    row = {"RuleIdentity": 7} | row
    if not is_plain_exchange_rule(row):
        return
    rule = parse_exchange_rule("m", row)
    assert rule.forward_to == rule.forward_as_attachment_to == rule.redirect_to == ()
    assert rule.delete == rule.move_to == ""


def test_rows_of_ordinary_rules_are_plain() -> None:
    nothing = dict.fromkeys(("ForwardTo", "RedirectTo", "MoveToFolder", "From", "DeleteMessage"))
    assert is_plain_exchange_rule(list_row("a", **nothing))
    assert is_plain_exchange_rule(list_row("a", ForwardTo=[], MoveToFolder="", MarkAsRead=True))
    assert leave_out_twins(["a"], [list_row("a"), list_row("b")]) == [list_row("b")]
    assert leave_out_twins([], [list_row("b")]) == [list_row("b")]
