"""What is said of a watched item: every sentence, fact and severity of each thing that happened."""

from dataclasses import replace

import pytest

from core.model.findings import Fact, Finding, Severity
from core.model.guards import GuardPolicy
from core.model.reach import Reach
from core.watched.items import (
    SourceRows,
    Stock,
    StockPart,
    Trait,
    WatchedCollection,
    WatchedItem,
    WatchedNews,
    WatchedResult,
)
from core.watched.judge import MAX_LISTED_TRAITS, MAX_NAMES, WatchedVerdict, judge, shorten_names
from core.watched.remedies import build_watched_remedy
from tests.support.fakes.clock import START

POLICY = GuardPolicy(START, None)
SINCE = "2026-11-20 06:00 UTC"


def describe_nothing(rows: SourceRows) -> list[WatchedItem]:
    return []


DOORS = WatchedCollection(
    name="open-door",
    noun="door",
    plural="doors",
    needs=("accepted-domain",),
    describe=describe_nothing,
    advice="Close it.",
    techniques=("T1", "T2.003"),
    reference="a book",
    harmless="nothing",
    departure=Severity.MEDIUM,
)
WIDE = Trait("wide", "is wide open", Severity.HIGH)
AJAR = Trait("ajar", "is ajar", Severity.LOW)
LOCKED = Trait("lock", "has no lock any more", Severity.MEDIUM)
FRONT = WatchedItem("d1", "Front")


def build_news(
    *added: Trait, lost: tuple[Trait, ...] = (), is_new: bool = False, item: WatchedItem = FRONT
) -> WatchedNews:
    since = {one.token: SINCE for one in (*added, *lost)} | {"": SINCE}
    return WatchedNews(DOORS, item.id, item.name, item, is_new, added, lost, since)


def only(item: WatchedResult) -> Finding:
    (finding,) = judge(item, POLICY)
    return finding


# What happened --------------------------------------------------------------------------------


def test_a_known_item_that_opens_more_is_wider() -> None:
    finding = only(build_news(AJAR, WIDE))
    assert replace(finding, steps=()) == Finding(
        kind="open-door",
        object_id="d1",
        subject="Front",
        severity=Severity.HIGH,
        verdict=WatchedVerdict.WIDER,
        summary="The door Front is wide open; is ajar.",
        facts=(
            Fact("", f"it is wide open (since {SINCE})"),
            Fact("", f"it is ajar (since {SINCE})"),
            Fact("technique", "T1, T2.003"),
        ),
        sources=("watched-open-door",),
        advice="Close it.",
        reaches=(Reach.of(("known", "ajar", "wide")),),
    )


def test_a_known_item_that_keeps_less_is_weaker() -> None:
    finding = only(build_news(lost=(LOCKED,)))
    assert (finding.verdict, finding.severity) == (WatchedVerdict.WEAKER, Severity.MEDIUM)
    assert finding.summary == "The door Front has no lock any more."
    assert finding.reaches == (Reach.of(("known", "lock")),)


def test_an_item_that_does_both_is_wider_and_says_the_gravest_first() -> None:
    finding = only(build_news(AJAR, lost=(LOCKED,)))
    assert (finding.verdict, finding.severity) == (WatchedVerdict.WIDER, Severity.MEDIUM)
    assert finding.summary == "The door Front has no lock any more; is ajar."


def test_an_item_that_is_new_says_so_once_and_when() -> None:
    item = replace(FRONT, arrival=Severity.MEDIUM)
    finding = only(build_news(AJAR, is_new=True, item=item))
    assert (finding.verdict, finding.severity) == (WatchedVerdict.NEW, Severity.MEDIUM)
    assert finding.summary == "The door Front is new: it is ajar."
    assert finding.facts == (
        Fact("first seen", SINCE),
        Fact("", "it is ajar"),
        Fact("technique", "T1, T2.003"),
    )
    assert finding.reaches == (Reach.of(("new", "ajar")),)


def test_an_item_that_is_new_and_opens_nothing_is_as_grave_as_its_arrival() -> None:
    finding = only(build_news(is_new=True, item=replace(FRONT, arrival=Severity.LOW)))
    assert (finding.severity, finding.summary) == (Severity.LOW, "The door Front is new.")
    assert finding.facts == (Fact("first seen", SINCE), Fact("technique", "T1, T2.003"))


def test_how_grave_an_arrival_is_says_nothing_of_a_known_item() -> None:
    item = replace(FRONT, arrival=Severity.CRITICAL)
    assert only(build_news(AJAR, item=item)).severity is Severity.LOW


@pytest.mark.parametrize(
    ("added", "lost", "verdict"),
    [
        ((WIDE,), (), WatchedVerdict.GRAVE),
        ((WIDE, AJAR), (), WatchedVerdict.WIDER),
        ((WIDE,), (LOCKED,), WatchedVerdict.GRAVE),
        ((AJAR,), (LOCKED,), WatchedVerdict.WIDER),
        ((), (LOCKED,), WatchedVerdict.WEAKER),
    ],
)
def test_what_is_told_on_sight_alone_is_grave(
    added: tuple[Trait, ...], lost: tuple[Trait, ...], verdict: str
) -> None:
    item = replace(FRONT, on_sight=(WIDE,))
    assert only(build_news(*added, lost=lost, item=item)).verdict == verdict


def test_a_new_item_is_new_also_where_it_is_grave_on_sight() -> None:
    item = replace(FRONT, on_sight=(WIDE,))
    assert only(build_news(WIDE, is_new=True, item=item)).verdict == WatchedVerdict.NEW


# How it is said -------------------------------------------------------------------------------


def build_traits(count: int) -> list[Trait]:
    return [Trait(f"t{number}", f"says {number}", Severity.LOW) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "says 0"),
        (3, "says 0; says 1; says 2"),
        (4, "says 0; says 1; says 2; and 1 more"),
        (9, "says 0; says 1; says 2; and 6 more"),
    ],
)
def test_a_sentence_names_three_and_counts_the_rest(count: int, said: str) -> None:
    assert only(build_news(*build_traits(count))).summary == f"The door Front {said}."
    new = only(build_news(*build_traits(count), is_new=True))
    assert new.summary == f"The door Front is new: it {said}."


def test_facts_name_a_dozen_and_count_the_rest() -> None:
    whole = only(build_news(*build_traits(MAX_LISTED_TRAITS)))
    assert len(whole.facts) == MAX_LISTED_TRAITS + 1
    more = only(build_news(*build_traits(MAX_LISTED_TRAITS + 1_002)))
    assert len(more.facts) == MAX_LISTED_TRAITS + 2
    assert more.facts[-2] == Fact("", "and 1,002 more")
    assert more.facts[-3] == Fact("", f"it says {MAX_LISTED_TRAITS - 1} (since {SINCE})")


def test_steps_that_say_the_same_are_said_once_by_the_gravest_and_all_are_reached() -> None:
    low, high = Trait("s1", "is open", Severity.LOW), Trait("s2", "is open", Severity.HIGH)
    finding = only(build_news(low, high))
    assert (finding.summary, finding.severity) == ("The door Front is open.", Severity.HIGH)
    assert len(finding.facts) == 2
    assert finding.reaches == (Reach.of(("known", "s1", "s2")),)


def test_a_trait_of_which_nobody_knows_since_when_is_said_without() -> None:
    news = replace(build_news(AJAR), since={})
    assert only(news).facts[0] == Fact("", "it is ajar")


def test_an_item_has_facts_and_advice_of_its_own() -> None:
    item = replace(FRONT, facts=(Fact("colour", "red"),), advice="Paint it.")
    finding = only(build_news(AJAR, item=item))
    assert finding.facts[1:] == (Fact("colour", "red"), Fact("technique", "T1, T2.003"))
    assert finding.advice == "Paint it."


# What is gone, and what was there ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "end"), [("", ""), ("anybody may walk in", ": anybody may walk in")]
)
def test_an_item_that_is_gone_is_told_with_what_follows(text: str, end: str) -> None:
    collection = replace(DOORS, departure_text=text)
    news = WatchedNews(
        collection, "d1", "Front", None, since={"": SINCE}, departure=Severity.MEDIUM
    )
    assert replace(only(news), steps=()) == Finding(
        kind="open-door-gone",
        object_id="d1",
        subject="Front",
        severity=Severity.MEDIUM,
        verdict=WatchedVerdict.GONE,
        summary=f"The door Front is gone{end}.",
        facts=(Fact("missing since", SINCE), Fact("technique", "T1, T2.003")),
        sources=("watched-open-door",),
        advice="Close it.",
        is_one_off=True,
    )


def test_the_first_look_is_one_line_with_the_names() -> None:
    windows = replace(DOORS, name="window", noun="window", plural="windows")
    walls = replace(DOORS, name="wall", noun="wall", plural="walls")
    names = tuple(f"w{number}" for number in range(1_200))
    parts = (StockPart(DOORS, ("Front",)), StockPart(windows, names), StockPart(walls, ()))
    assert only(Stock("a-guard", parts)) == Finding(
        kind="stock",
        object_id="a-guard",
        subject="the first look",
        severity=Severity.INFO,
        verdict=WatchedVerdict.STOCK,
        summary="Known from the first look: 1 door, 1,200 windows. What changes is told.",
        facts=(
            Fact("doors", "Front"),
            Fact("windows", f"{', '.join(names[:MAX_NAMES])} and 1,188 more"),
        ),
        sources=("watched-open-door", "watched-window", "watched-wall"),
        advice="Look through the list once: what was there before is no news.",
    )


def test_one_item_whose_name_follows_its_noun_is_counted_without_it() -> None:
    holds = replace(DOORS, name="hold", noun="litigation hold of", plural="mailboxes on hold")
    one, two = (StockPart(holds, ("ann", "ben")[:count]) for count in (1, 2))
    assert only(Stock("a-guard", (one, two))).summary == (
        "Known from the first look: 1 litigation hold, 2 mailboxes on hold. What changes is told."
    )


def test_a_first_look_at_nothing_is_nothing_to_speak_of() -> None:
    assert list(judge(Stock("a-guard", (StockPart(DOORS, ()),)), POLICY)) == []
    assert list(judge(Stock("a-guard", ()), POLICY)) == []


def test_a_dozen_names_are_all_shown() -> None:
    names = [str(number) for number in range(MAX_NAMES)]
    assert shorten_names(names) == ", ".join(names)
    assert shorten_names([*names, "x"]) == f"{', '.join(names)} and 1 more"


# What is to be done, and about whom -------------------------------------------------------------


def test_the_steps_are_those_of_the_news_with_the_nearest_advice() -> None:
    news = build_news(AJAR)
    assert only(news).steps == build_watched_remedy(news, "Close it.")
    own = build_news(AJAR, item=replace(FRONT, advice="Paint it.", held_account="a1"))
    assert only(own).steps == build_watched_remedy(own, "Paint it.")
    assert (only(news).held_account, only(own).held_account) == ("", "a1")
    gone = WatchedNews(DOORS, "d1", "Front", None, since={"": SINCE}, departure=Severity.LOW)
    assert only(gone).steps == build_watched_remedy(gone, "Close it.")


def test_what_may_be_older_than_its_item_is_not_called_new_beside_what_it_opens() -> None:
    item = replace(FRONT, arrival=Severity.LOW)
    news = replace(
        build_news(AJAR, is_new=True, item=item), collection=replace(DOORS, may_be_old=True)
    )
    assert only(news).summary == "The door Front is ajar."
    bare = replace(news, added=())
    assert only(bare).summary == "The door Front is new."


def test_the_time_of_an_item_is_not_that_of_what_it_opens() -> None:
    news = replace(build_news(AJAR), since={"": SINCE})
    assert only(news).facts[0] == Fact("", "it is ajar")
