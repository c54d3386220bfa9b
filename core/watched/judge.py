"""Turns what is new about watched items into findings. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from core.model.findings import Fact, Finding, Severity
from core.model.guards import GuardPolicy
from core.model.reach import Reach
from core.watched.items import (
    Stock,
    StockPart,
    Trait,
    WatchedCollection,
    WatchedItem,
    WatchedNews,
    WatchedResult,
)
from core.watched.remedies import build_watched_remedy

MAX_NAMES = 12
MAX_LISTED_TRAITS = 12


class WatchedVerdict(StrEnum):
    """What is concluded about an item of a watched collection."""

    NEW = "new"
    WIDER = "wider"
    WEAKER = "weaker"
    GONE = "gone"
    GRAVE = "grave"
    STOCK = "stock"


WATCHED_VERDICT_TEXTS: Mapping[str, str] = {
    WatchedVerdict.NEW: "it was not there at the first look",
    WatchedVerdict.WIDER: "it was known, and opens more than it did",
    WatchedVerdict.WEAKER: "it was known, and keeps less closed than it did",
    WatchedVerdict.GONE: "it was known, and is no longer there",
    WatchedVerdict.GRAVE: "it is told whenever it came",
    WatchedVerdict.STOCK: "what was there at the first look, and is no news",
}


def judge(item: WatchedResult, policy: GuardPolicy) -> Iterator[Finding]:
    """What an item is told for, or what a collection contained at the first look."""
    match item:
        case Stock():
            yield from judge_stock(item)
        case WatchedNews(item=None):
            yield build_departure(item)
        case WatchedNews(item=WatchedItem() as found):
            yield build_news(item, found)


def judge_stock(stock: Stock) -> Iterator[Finding]:
    """All items of the first look, as one line, with the collections in its facts."""
    parts = [part for part in stock.parts if part.names]
    if not parts:
        return
    counts = [f"{len(one.names):,} {name_part(one)}" for one in parts]
    yield Finding(
        kind="stock",
        object_id=stock.guard,
        subject="the first look",
        severity=Severity.INFO,
        verdict=WatchedVerdict.STOCK,
        summary=f"Known from the first look: {', '.join(counts)}. What changes is told.",
        facts=tuple(Fact(one.collection.plural, shorten_names(one.names)) for one in parts),
        sources=tuple(one.collection.source for one in stock.parts),
        advice="Look through the list once: what was there before is no news.",
    )


def name_part(part: StockPart) -> str:
    """What one item is called, or several; the noun of some begins what follows a name."""
    if len(part.names) > 1:
        return part.collection.plural
    return part.collection.noun.removesuffix(" of")


def shorten_names(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def build_departure(news: WatchedNews) -> Finding:
    """An item is gone that something depended on."""
    collection = news.collection
    follows = f": {collection.departure_text}" if collection.departure_text else ""
    return Finding(
        kind=f"{collection.name}-gone",
        object_id=news.object_id,
        subject=news.name,
        severity=news.departure,
        verdict=WatchedVerdict.GONE,
        summary=f"{begin_sentence(collection, news.name)} is gone{follows}.",
        facts=(Fact("missing since", news.since[""]), *list_technique_facts(collection)),
        sources=(collection.source,),
        advice=collection.advice,
        steps=build_watched_remedy(news, collection.advice),
        is_one_off=True,
    )


def build_news(news: WatchedNews, item: WatchedItem) -> Finding:
    """One item with everything that is new, wider or weaker about it."""
    collection = news.collection
    every = sorted((*news.added, *news.lost), key=lambda one: -one.severity)
    # Several steps of one threshold say the same.
    told = list({one.text: one for one in reversed(every)}.values())[::-1]
    weights = [one.severity for one in told] + [item.arrival] * news.is_new
    return Finding(
        kind=collection.name,
        object_id=news.object_id,
        subject=news.name,
        severity=max(weights),
        verdict=choose_verdict(news),
        summary=build_summary(news, told),
        facts=(
            *list_trait_facts(told, news),
            *item.facts,
            *list_technique_facts(collection),
        ),
        sources=(collection.source,),
        advice=item.advice or collection.advice,
        steps=build_watched_remedy(news, item.advice or collection.advice),
        held_account=item.held_account,
        reaches=(Reach.of(("new" if news.is_new else "known", *(one.token for one in every))),),
    )


def choose_verdict(news: WatchedNews) -> str:
    """The one word that says what happened."""
    if news.is_new:
        return WatchedVerdict.NEW
    if news.lost and not news.added:
        return WatchedVerdict.WEAKER
    if news.item and all(one in news.item.on_sight for one in news.added):
        return WatchedVerdict.GRAVE
    return WatchedVerdict.WIDER


def begin_sentence(collection: WatchedCollection, name: str) -> str:
    """The item as the subject of a sentence."""
    return f"The {collection.noun} {name}"


def build_summary(news: WatchedNews, told: list[Trait]) -> str:
    """What happened to the item: the gravest parts, as one sentence."""
    subject = begin_sentence(news.collection, news.name)
    shown = [one.text for one in told[:3]]
    rest = [f"and {len(told) - 3} more"] if len(told) > 3 else []
    parts = "; ".join((*shown, *rest))
    if news.is_new and not (news.collection.may_be_old and parts):
        return f"{subject} is new: it {parts}." if parts else f"{subject} is new."
    return f"{subject} {parts}."


def list_trait_facts(told: Iterable[Trait], news: WatchedNews) -> Iterator[Fact]:
    """Each thing that is told, with when it was first seen."""
    parts = list(told)
    if news.is_new:
        yield Fact("first seen", news.since[""])
    for one in parts[:MAX_LISTED_TRAITS]:
        since = news.since.get(one.token, "")
        seen = f" (since {since})" if since and not news.is_new else ""
        yield Fact("", f"it {one.text}{seen}")
    if len(parts) > MAX_LISTED_TRAITS:
        yield Fact("", f"and {len(parts) - MAX_LISTED_TRAITS:,} more")


def list_technique_facts(collection: WatchedCollection) -> Iterator[Fact]:
    """The techniques of ATT&CK that the collection is watched for."""
    yield Fact("technique", ", ".join(collection.techniques))
