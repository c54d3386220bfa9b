"""The nouns of a watched collection: its items, and what each opens or keeps closed. Pure.

An item is described by tokens, never by its raw properties: what it *opens* (a partner's second
factor is trusted, a sender passes the filter) and what it *keeps* closed (mailboxes an app is held
to, people whom a policy covers). More of the first is wider, less of the second is weaker, and
everything else about an item may change without a word.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.keys import hash_parts
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES, DERIVED_SOURCES
from core.model.findings import Fact, Severity, Step
from core.tenant.configuration import Configuration
from core.tenant.known_traits import MAX_TRAIT_LENGTH
from core.tenant.quoting import quote_text

MAX_REASON_LENGTH, MAX_NAME_LENGTH = 300, 100
KEEPS_PREFIX = "keeps "
"""Stands before the tokens of what is kept closed, where an item is remembered."""
MAX_TOKEN_LENGTH = MAX_TRAIT_LENGTH - len(KEEPS_PREFIX)
HASH_LENGTH = 24
VALUE_MARK = "="
"""Begins the token of a value that replaces another one: the old value is no news when it is back.
"""

ANY = ""
"""Stands among the beginnings of tokens for all of an item."""
DEPARTED = "departed"
"""Stands among the tokens of a change for the whole item, which is gone."""


@dataclass(frozen=True, slots=True)
class SourceRows:
    """What a collection reads, and when."""

    by_source: Mapping[str, tuple[Configuration, ...] | None]
    """The objects of each source; None where one that only adds detail is unread."""
    now: datetime
    odd_names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By source, what the objects are called, in lower case, that were left out since nobody
    understands them.
    """

    def __getitem__(self, source: str) -> tuple[Configuration, ...] | None:
        """The objects of one source."""
        return self.by_source[source]

    def check_reference(self, source: str, name: str) -> None:
        """Raise ValueError if what is referred to by a name was left out: whatever it says counts
        for who refers to it.
        """
        if name.casefold() in self.odd_names.get(source, ()):
            raise ValueError(f"it depends on the {source} {quote_text(name, MAX_NAME_LENGTH)}")


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing that an item opens, or the loss of one that it kept closed."""

    token: str
    """What it is recognised by at the next look: at most 64 characters, the same for as long as
    the thing is the same.
    """
    text: str
    """What it means, as the end of a sentence that begins with the item."""
    severity: Severity
    within: tuple[str, ...] = ()
    """Tokens of what includes this: where the item opened one of them before, it is narrower now,
    and no news.
    """
    after_kept: str = ""
    """A token that the item must have kept before: who may approve is news only where approval was
    asked already.
    """


@dataclass(frozen=True, slots=True)
class WatchedItem:
    """One object of a collection, as far as it counts."""

    id: str
    name: str
    """What people know it by; quoted already."""
    opens: tuple[Trait, ...] = ()
    keeps: frozenset[str] = frozenset()
    """Tokens of what it keeps closed; its collection explains the loss of each."""
    arrival: Severity = Severity.INFO
    """How grave it is that such an item is new, whatever it opens."""
    on_sight: tuple[Trait, ...] = ()
    """What is told whenever it came, at the first look too."""
    made_at: datetime | None = None
    """When the object itself was made, where what it opens from its making on is no news."""
    is_object: bool = True
    """Whether its id is that of one object of the collection's first source."""
    keeps_all_of: tuple[str, ...] = ()
    """Beginnings of tokens of which it now keeps whatever it may have kept before: what counts for
    everybody counts for each person that it named.
    """
    facts: tuple[Fact, ...] = ()
    advice: str = ""
    """What to do about this item; empty: what its collection says."""
    stop: tuple[Step, ...] = ()
    """What takes away what it opens, unless somebody answers for it: by ids, with commands."""
    held_account: str = ""
    """The account that an intruder may hold, where it is news about one."""


def build_token(kind: str, entry: str) -> str:
    """A token for an entry of a list, of any length."""
    kind, short = bound_text(kind, MAX_TOKEN_LENGTH // 2), entry.casefold()
    return f"{kind} {bound_text(short, MAX_TOKEN_LENGTH - len(f'{VALUE_MARK}{kind} '))}"


def bound_text(text: str, limit: int) -> str:
    """A text of at most so many characters: a long one keeps its beginning and what tells it from
    any other.
    """
    if len(text) <= limit:
        return text
    digest = hash_parts(text)[:HASH_LENGTH]
    return f"{text[: limit - len(digest)]}{digest}"


def build_value_token(kind: str, value: str) -> str:
    """A token for one of the values that a property may have, of any length."""
    return f"{VALUE_MARK}{build_token(kind, value)}"


def explain_no_loss(token: str) -> Trait:
    """The loss of what a collection does not say more about."""
    return Trait(token, f"lacks what it kept before: {token}", Severity.LOW)


def read_entry(token: str) -> str:
    """The entry of a list that a token stands for; empty where the token has only a part of it."""
    entry = token.partition(" ")[2]
    return entry if len(token) < MAX_TOKEN_LENGTH - len(VALUE_MARK) else ""


def restore_nothing(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """No command sets back what an item of a collection lost or opens: a person does, by hand."""
    return ()


def name_by_id(item: Configuration) -> tuple[str, ...]:
    """The one item that an object makes up: that of its own id."""
    return (item.id,) if item.id else ()


@dataclass(frozen=True, slots=True)
class WatchedCollection:
    """One declaration: what is read, what an item opens and keeps, and how grave a change is."""

    name: str
    """The kind of its findings, such as `partner-organization`."""
    noun: str
    """What one item is called at the beginning of a sentence, such as `partner organization`."""
    plural: str
    needs: tuple[str, ...]
    """The configuration sources without which nothing can be said."""
    describe: Callable[[SourceRows], Iterable[WatchedItem]]
    """Turns the objects read into items. Pure; raises ValueError for what it cannot understand."""
    advice: str
    techniques: tuple[str, ...]
    """ATT&CK techniques, such as T1484.002."""
    reference: str
    """The public source of what its properties mean."""
    harmless: str
    """What is not told, as a sentence for the documents."""
    uses: tuple[str, ...] = ()
    """Sources that only add detail, such as names."""
    items_of: tuple[str, ...] | None = None
    """The sources of which each item is one object, by its id; None: the first that it needs. An
    item that their listings lack is asked for alone.
    """
    name_object: Callable[[str], str] | None = None
    """The key by which the objects of an item are asked for, which is a part of its id; None: the
    id itself.
    """
    name_items: Callable[[Configuration], Iterable[str]] = name_by_id
    """The ids of the items that an object of these sources makes up; none where it may be any.
    Raises ValueError where the object does not say.
    """
    may_lack: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By source, the beginnings of the tokens that items of other objects may lack, as they are
    remembered, while an object of it is not understood; `ANY`: all of an item. Without
    an object of a source that is not named here nor in `items_of`, nothing can be compared.
    """
    explain_loss: Callable[[str], Trait] = explain_no_loss
    """What it means that a known item no longer keeps something; INFO is not told."""
    restore: Callable[[str, Sequence[str]], Iterable[Step]] = restore_nothing
    """What sets back a known item, with commands: its id, and the tokens of what it newly opens or
    lost, or DEPARTED where it is gone. Nothing where only a person knows how it was meant.
    """
    departure: Severity = Severity.INFO
    """How grave it is that an item is gone; INFO is not told."""
    departure_text: str = ""
    """What follows from that, as a clause after "is gone"."""
    departs_with: str = ""
    """What an item must have kept for its absence to matter; empty: nothing in particular."""
    rate_departure: Callable[[str, Collection[str], Collection[str]], Severity] | None = None
    """How grave the absence of one item is where others count too: its id, the ids of all that went
    within the same hour, and of those that are left. `departure` is the gravest it can be.
    """
    may_be_old: bool = False
    """Whether what an item stands for may be older than what makes it an item: an account that can
    be signed in to in another way is not new.
    """
    only_protects: bool = False
    """Whether a new item is not told, since it can only protect more than there was before; one
    whose arrival is grave is.
    """

    @property
    def source(self) -> str:
        """The collection as a data source of readings and findings."""
        return f"watched-{self.name}"

    @property
    def object_sources(self) -> tuple[str, ...]:
        """The sources of which each item is one object."""
        return self.needs[:1] if self.items_of is None else self.items_of

    @property
    def sources(self) -> tuple[str, ...]:
        """All configuration sources that it reads."""
        return (*self.needs, *self.uses)


@dataclass(frozen=True, slots=True)
class StockPart:
    """The items of one collection that were there at the first look and still are."""

    collection: WatchedCollection
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stock:
    """All that a guard's collections contained at the first look: it stands in reports."""

    guard: str
    parts: tuple[StockPart, ...]


@dataclass(frozen=True, slots=True)
class WatchedNews:
    """An item, with what is new, wider, weaker or gone about it since the first look."""

    collection: WatchedCollection
    object_id: str
    name: str
    item: WatchedItem | None
    """None: it is gone."""
    is_new: bool = False
    """Whether it came after the first look at its collection."""
    added: tuple[Trait, ...] = ()
    lost: tuple[Trait, ...] = ()
    since: Mapping[str, str] = field(default_factory=dict)
    """When each of these was first seen, as text, by its token; that of the item by ``."""
    departure: Severity = Severity.INFO
    """How grave it is that it is gone."""


type WatchedResult = Stock | WatchedNews


def check_sources(collection: WatchedCollection) -> None:
    """Raise ValueError if a collection reads a source that is not declared."""
    if unknown := set(collection.sources) - CONFIGURATION_SOURCES.keys() - DERIVED_SOURCES:
        raise ValueError(f"{collection.name} reads {min(unknown)}, which is no declared source")
