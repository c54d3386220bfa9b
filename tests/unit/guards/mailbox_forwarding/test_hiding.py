"""How an inbox rule hides mail, and how grave that is."""

from dataclasses import replace

import pytest

from core.guards.mailbox_forwarding.hiding import (
    classify_folder_path,
    classify_graph_folder,
    find_hiding_place,
    find_suspicious_words,
    is_built_in_rule,
    is_nameless,
    rate_hiding_rule,
)
from core.model.findings import Severity
from core.tenant.mail_flow import InboxRule

NARROW = InboxRule(
    "r1",
    "m1",
    "Newsletters",
    "graph",
    delete="delete",
    conditions='{"subjectContains":["newsletter"]}',
    keywords=("newsletter",),
)


def test_a_narrow_rule_that_deletes_is_the_least_of_it() -> None:
    assert rate_hiding_rule(NARROW, "delete") is Severity.LOW
    assert rate_hiding_rule(NARROW, "archive") is Severity.LOW


@pytest.mark.parametrize("place", ["rssfeeds", "conversationhistory", "syncissues", "conflicts"])
def test_a_folder_nobody_opens_is_worse(place: str) -> None:
    assert rate_hiding_rule(NARROW, place) is Severity.MEDIUM


def test_marking_as_read_is_worse() -> None:
    assert rate_hiding_rule(replace(NARROW, mark_as_read=True), "delete") is Severity.MEDIUM


@pytest.mark.parametrize("name", ["", " ", ".", "..", "'", "---", "\u200b", "_ _"])
def test_a_name_made_to_be_overlooked_is_worst(name: str) -> None:
    assert is_nameless(name)
    assert rate_hiding_rule(replace(NARROW, name=name), "delete") is Severity.HIGH


@pytest.mark.parametrize("name", ["a", "規則", "1", "Ünlü"])
def test_a_name_in_any_script_is_a_name(name: str) -> None:
    assert not is_nameless(name)


@pytest.mark.parametrize("conditions", ["{}", "", " {} "])
def test_a_rule_that_takes_everything_is_worst(conditions: str) -> None:
    assert rate_hiding_rule(replace(NARROW, conditions=conditions), "archive") is Severity.HIGH


@pytest.mark.parametrize(
    "word",
    [
        "Invoice",
        "PAYMENT due",
        "bank details",
        "wire",
        "Password",
        "hacked",
        "phishing",
        "spam",
        "security alert",
        "HelpDesk",
        "Undeliverable",
        "MFA",
        "Überweisung",
        "RECHNUNG",
        "contraseña",
        "sécurité",
        "lösenord",
        "fattura",
        "factuur",
    ],
)
def test_words_a_thief_looks_for_are_worst(word: str) -> None:
    rule = replace(NARROW, keywords=("newsletter", word))
    assert find_suspicious_words(rule) == (word,)
    assert rate_hiding_rule(rule, "delete") is Severity.HIGH


@pytest.mark.parametrize("word", ["wireless", "newsletter", "embankment", "swiftly", "dismfa"])
def test_words_that_only_contain_such_a_word_do_not_count(word: str) -> None:
    assert find_suspicious_words(replace(NARROW, keywords=(word,))) == ()


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("Deleted Items", "deleteditems"),
        ("Gelöschte Elemente", "deleteditems"),
        ("alice:\\RSS Feeds", "rssfeeds"),
        ("RSS-Feeds", "rssfeeds"),
        ("Flux RSS", "rssfeeds"),
        ("Fuentes RSS", "rssfeeds"),
        ("alice:\\Inbox\\RSS Subscriptions", "rssfeeds"),
        ("alice:\\Conversation History", "conversationhistory"),
        ("Sync Issues/Conflicts", "conflicts"),
        ("Archive", "archive"),
        ("Crossroads", ""),
        ("Projects", ""),
        ("", ""),
    ],
)
def test_folders_are_known_as_exchange_prints_them(path: str, folder: str) -> None:
    assert classify_folder_path(path) == folder


@pytest.mark.parametrize(
    ("well_known", "name", "folder"),
    [
        ("deleteditems", "Slettet post", "deleteditems"),
        ("recoverableitemsdeletions", "", "recoverableitemsdeletions"),
        ("recoverableitemspurges", "", "recoverableitemsdeletions"),
        ("", "RSS-abonnementer", "rssfeeds"),
        ("", "Deleted Items", ""),
        ("", "Archive", ""),
        ("inbox", "RSS", ""),
        ("drafts", "", ""),
    ],
)
def test_graphs_folders_are_known_by_id_and_not_by_their_name(
    well_known: str, name: str, folder: str
) -> None:
    assert classify_graph_folder(well_known, name) == folder


def test_deleting_is_where_the_mail_goes_whatever_else_the_rule_does() -> None:
    assert find_hiding_place(NARROW, "rssfeeds") == "delete"
    assert find_hiding_place(replace(NARROW, delete="permanent"), "") == "permanent"
    assert find_hiding_place(replace(NARROW, delete=""), "rssfeeds") == "rssfeeds"
    assert find_hiding_place(replace(NARROW, delete=""), "") == ""


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("Junk E-Mail Rule", True),
        ("Microsoft.Exchange.OOF.InternalSenders.Global", True),
        ("Junk E-mail Rule", True),
        ("Junk E-mail Rule ", False),
        ("My Junk E-Mail Rule", False),
        ("Microsoft.Exchange.OOFER", False),
    ],
)
def test_exchanges_own_rules_are_known_by_their_exact_name(name: str, own: bool) -> None:
    assert is_built_in_rule(replace(NARROW, name=name)) is own
