"""What a watched guard asks for, and what its readings say of what was not read or remembered."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.model.findings import Severity
from core.model.guards import GuardPolicy, ObserveContext, Permission, Service
from core.property_values import get_texts
from core.tenant.configuration import Configuration
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.watched.derived import WatchedPorts
from core.watched.guard import (
    MAX_TOKENS,
    build_watched_guard,
    compare_collection,
    list_permissions,
    make_observer,
)
from core.watched.items import (
    MAX_REASON_LENGTH,
    SourceRows,
    Stock,
    StockPart,
    Trait,
    WatchedCollection,
    WatchedItem,
    WatchedResult,
)
from core.watched.memory import MAX_ITEMS
from tests.support.fakes.clock import START as NOW
from tests.support.fakes.tenant import FakeTenant

DOMAINS, RULES, LINKS = "accepted-domain", "mail-flow-rule", "safe-links-policy"


def describe(rows: SourceRows) -> Iterable[WatchedItem]:
    """A door for each object, which opens what its property names."""
    for one in rows[RULES] or ():
        opens = [
            Trait(name, f"opens {name}", Severity.HIGH) for name in get_texts(one.values, "opens")
        ]
        yield WatchedItem(one.id, one.name, opens=tuple(opens))


DOORS = WatchedCollection(
    name="door",
    noun="door",
    plural="doors",
    needs=(RULES,),
    describe=describe,
    advice="Close it.",
    techniques=("T1098",),
    reference="none",
    harmless="nothing",
)
WINDOWS = replace(DOORS, name="window", plural="windows")


def door(identity: str, *opens: str) -> Configuration:
    return Configuration(RULES, identity, f"door {identity}", {"opens": opens})


def compare(
    reading: Reading[Configuration],
    known: Mapping[str, KnownTraits] | None = None,
    collection: WatchedCollection = DOORS,
    at: datetime = NOW,
    **more: Any,
) -> tuple[Reading[Any], StockPart | None]:
    """One collection compared with what is known, with the readings of other sources."""
    read = {RULES: reading, **more.pop("read", {})}
    context = ObserveContext(GuardPolicy(at), known_traits=known or {})
    return compare_collection(collection, read, context, **more)


def remember(reading: Reading[Any]) -> dict[str, KnownTraits]:
    return {one.key: one for one in reading.known_traits}


# What it asks for -------------------------------------------------------------------------------


def test_each_permission_is_asked_for_once_and_says_what_for() -> None:
    links = replace(DOORS, name="link", plural="links", needs=(RULES, LINKS), uses=(DOMAINS,))
    assert list(list_permissions([DOORS, WINDOWS, WINDOWS, links])) == [
        Permission(
            Service.EXCHANGE, "Get-TransportRule", "what changes about doors, windows, links"
        ),
        # What a tenant may not have, and what only adds names, may be missing.
        Permission(
            Service.EXCHANGE, "Get-SafeLinksPolicy", "what changes about links", optional=True
        ),
        Permission(
            Service.EXCHANGE, "Get-AcceptedDomain", "what changes about links", optional=True
        ),
    ]


def test_the_cmdlet_of_what_is_read_of_each_object_is_a_permission_and_a_relation_is_none() -> None:
    groups = replace(DOORS, needs=("role-group",))
    assert [one.name for one in list_permissions([groups])] == [
        "Get-RoleGroup",
        "Get-RoleGroupMember",
    ]
    policies = replace(DOORS, needs=("claims-mapping-policy",))
    assert [one.name for one in list_permissions([policies])] == ["Policy.Read.All"]


def test_what_follows_from_other_reads_needs_theirs_and_nothing_twice() -> None:
    holders = replace(DOORS, needs=(ROLE_HOLDER,))
    names = [one.name for one in list_permissions([holders])]
    assert "RoleManagement.Read.Directory" in names
    assert not any(one.optional for one in list_permissions([holders]))
    used = replace(DOORS, needs=("role-group",), uses=(ROLE_HOLDER,))
    both = list(list_permissions([used]))
    assert len({one.name for one in both}) == len(both)
    assert {one.name for one in both if one.optional} >= {"RoleManagement.Read.Directory"}


def test_a_guard_is_what_its_collections_read_and_changes_nothing() -> None:
    guard = build_watched_guard(
        "doors", "Doors", looks_for="open ones", rationale="They open.", collections=[DOORS]
    )
    assert (guard.name, guard.title, guard.noun) == ("doors", "Doors", "collections")
    assert (guard.looks_for, guard.rationale) == ("open ones", "They open.")
    assert guard.permissions == tuple(list_permissions([DOORS]))
    assert set(guard.verdicts) >= {"new", "gone"}
    with pytest.raises(ValueError, match=r"^door reads nowhere, which is no declared source$"):
        build_watched_guard(
            "doors",
            "Doors",
            looks_for="",
            rationale="",
            collections=[replace(DOORS, needs=("nowhere",))],
        )


# What its readings say --------------------------------------------------------------------------


def test_a_reading_has_what_is_new_and_the_names_of_what_was_there() -> None:
    first, stock = compare(Reading((door("d1", "a"), door("d2"))))
    assert (first.items, stock) == ((), StockPart(DOORS, ("door d1",)))
    assert first.sources == {DOORS.source}
    assert (first.population, first.scope) == (1, None)
    assert first.complete
    later = NOW + timedelta(hours=1)
    again, _ = compare(Reading((door("d1", "a", "b"),)), remember(first), at=later)
    assert [one.object_id for one in again.items] == ["d1"]
    # The other door may have been left out once.
    assert again.covers((DOORS.source,), "d1")
    assert not again.covers((DOORS.source,), "d2")


def test_of_what_is_unread_the_reading_does_not_speak() -> None:
    first, _ = compare(Reading((door("d1", "a"), door("d2"))))
    again, _ = compare(Reading((door("d2"),)), remember(first), unread=["d1"])
    assert not again.covers((DOORS.source,), "d1")
    assert again.covers((DOORS.source,), "d2")


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (Reading((), (ReadFailure(RULES, "HTTP 503"),)), "HTTP 503"),
        (Reading((), (ReadFailure(RULES, "HTTP 503", "d1"),), complete=False), "HTTP 503"),
        (
            Reading((), tuple(ReadFailure(RULES, "HTTP 503", f"d{at}") for at in range(6))),
            "HTTP 503",
        ),
        (
            Reading((), (ReadFailure(RULES, "no licence", optional=True),)),
            "it was read before and no longer is: no licence",
        ),
        (
            Reading((), (ReadFailure(RULES, "x" * 999, optional=True),)),
            f"it was read before and no longer is: {'x' * 999}"[:MAX_REASON_LENGTH],
        ),
        (Reading((), complete=False), "a list was not read to its end"),
    ],
)
def test_what_is_not_read_as_a_whole_is_compared_with_nothing(
    reading: Reading[Configuration], reason: str
) -> None:
    first, _ = compare(Reading((door("d1", "a"),)))
    unread, stock = compare(reading, remember(first))
    assert (unread.items, unread.known_traits, stock) == ((), (), None)
    assert unread.sources == {DOORS.source}
    assert not unread.complete
    gap = unread.failures[0]
    assert gap == ReadFailure(DOORS.source, reason)
    assert all(one.optional for one in unread.failures[1:])


def test_a_feature_that_the_tenant_never_had_is_no_gap() -> None:
    never = Reading[Configuration]((), (ReadFailure(RULES, "no licence", "d1", optional=True),))
    found, stock = compare(never)
    assert found == Reading(failures=never.failures)
    assert stock is None


def test_what_cannot_be_understood_is_unread_and_says_why() -> None:
    def refuse(rows: SourceRows) -> Iterable[WatchedItem]:
        raise ValueError("odd" * 999)

    found, stock = compare(Reading((door("d1"),)), collection=replace(DOORS, describe=refuse))
    assert found.failures == (ReadFailure(DOORS.source, ("odd" * 999)[:MAX_REASON_LENGTH]),)
    assert not found.complete
    assert stock is None


def test_a_mistake_in_what_describes_objects_is_told_by_its_place_and_not_by_its_text() -> None:
    def slip(rows: SourceRows) -> Iterable[WatchedItem]:
        raise KeyError("a name of the tenant")

    found, stock = compare(Reading((door("d1"),)), collection=replace(DOORS, describe=slip))
    (failure,) = found.failures
    assert failure.reason.startswith("a mistake of the app, KeyError at test_readings.py:")
    assert "tenant" not in failure.reason
    assert not found.complete
    assert stock is None


def test_one_odd_object_is_unread_by_name_and_the_others_are_compared() -> None:
    odd = replace(door("d2"), values={"opens": [7]})
    first, stock = compare(Reading((door("d1"), odd)))
    assert stock == StockPart(DOORS, ())
    known = remember(first)
    later = NOW + timedelta(days=1)
    found, _ = compare(Reading((door("d1", "a"), odd)), known, at=later)
    assert [one.object_id for one in found.items] == ["d1"]
    reason = "opens has an entry that is no text"
    assert found.failures == (ReadFailure(DOORS.source, reason, "d2", "door d2"),)
    assert (found.complete, found.population) == (True, 1)
    assert [found.covers((DOORS.source,), one) for one in ("d1", "d2")] == [True, False]
    # It was there at the first look.
    known |= remember(found)
    understood, _ = compare(Reading((door("d1", "a"), door("d2", "b"))), known, at=later)
    assert [one.object_id for one in understood.items] == ["d1"]


def test_one_object_that_could_not_be_read_keeps_no_other_from_being_compared() -> None:
    lost = ReadFailure(RULES, "it is hidden", "d2", "door d2", permission="Read.Hidden")
    read = Reading((door("d1"), door("d2"), door("d3")))
    known = remember(compare(read)[0])
    for day in (1, 2, 3):
        partly = Reading((door("d1", "a"),), (lost,))
        found, _ = compare(partly, known, at=NOW + timedelta(days=day))
        # Whether another one is gone is not known: it may be what was not read.
        assert [one.object_id for one in found.items] == ["d1"]
        (failure,) = found.failures
        assert (failure.source, failure.reason) == (DOORS.source, "it is hidden")
        assert (failure.object_id, failure.subject, failure.permission) == (
            f"{UNIDENTIFIED_PREFIX}d2",
            "door d2",
            "Read.Hidden",
        )
        assert not found.covers((DOORS.source,), "d3")
        known |= remember(found)
    # A row without an id may be any object.
    nameless = replace(lost, object_id=f"{UNIDENTIFIED_PREFIX}1")
    found, _ = compare(Reading((door("d1", "a"),), (nameless,)), known)
    assert found.failures[0].object_id == f"{UNIDENTIFIED_PREFIX}1"
    # The first look waits until all was read.
    assert compare(Reading((door("d1"),), (lost,)))[0].known_traits == ()


def test_without_a_row_by_which_others_are_judged_nothing_is_compared() -> None:
    judging = replace(DOORS, needs=(RULES, DOMAINS))
    known = remember(compare(Reading((door("d1"),)), collection=judging, read=NO_DOMAINS)[0])
    lost = {DOMAINS: Reading[Configuration]((), (ReadFailure(DOMAINS, "odd", "x.example"),))}
    found, _ = compare(Reading((door("d1", "a"),)), known, collection=judging, read=lost)
    assert found.failures == (ReadFailure(judging.source, "odd"),)
    adding = replace(judging, may_lack={DOMAINS: ()})
    found, _ = compare(Reading((door("d1", "a"),)), known, collection=adding, read=lost)
    assert found.complete


NO_DOMAINS = {DOMAINS: Reading[Configuration]()}


def test_no_first_look_is_taken_where_others_may_lack_something() -> None:
    odd = replace(door("d2"), values={"opens": [7]})
    unclear = replace(DOORS, name_items=lambda one: ())
    found, stock = compare(Reading((door("d1"), odd)), collection=unclear)
    reason = "door d2: opens has an entry that is no text"
    assert found.failures == (ReadFailure(DOORS.source, reason),)
    assert (found.complete, found.known_traits, stock) == (False, (), None)
    first, _ = compare(Reading((door("d1", "a"), door("d2"))), collection=unclear)
    known = remember(first)
    later, _ = compare(Reading((odd,)), known, collection=unclear, at=NOW + timedelta(days=1))
    assert (later.complete, later.items) == (True, ())
    assert later.failures[0].object_id == f"{UNIDENTIFIED_PREFIX}d2"
    assert not later.covers((DOORS.source,), "d1")


def test_names_that_cannot_be_read_are_a_detail() -> None:
    named = replace(DOORS, uses=(DOMAINS,))
    for failure in (ReadFailure(DOMAINS, "HTTP 503"), ReadFailure(DOMAINS, "none", optional=True)):
        read = {DOMAINS: Reading[Configuration]((), (failure,))}
        found, stock = compare(Reading((door("d1", "a"),)), collection=named, read=read)
        assert found.failures == (replace(failure, optional=True),)
        assert stock == StockPart(named, ("door d1",))


def test_a_list_with_a_gap_is_no_list_to_those_who_only_use_it() -> None:
    seen = list[object]()

    def look(rows: SourceRows) -> Iterable[WatchedItem]:
        seen.extend((rows[DOMAINS], rows.now))
        return ()

    named = replace(DOORS, uses=(DOMAINS,), describe=look)
    domain = Configuration(DOMAINS, "contoso.com", "contoso.com", {})
    for reading, expected in (
        (Reading((domain,)), (domain,)),
        (Reading((domain,), complete=False), None),
        (Reading((domain,), (ReadFailure(DOMAINS, "HTTP 503"),)), None),
    ):
        seen.clear()
        compare(Reading(()), collection=named, read={DOMAINS: reading})
        assert seen == [expected, NOW]
        assert isinstance(seen[1], datetime)


def test_an_item_with_more_than_is_remembered_is_named() -> None:
    names = [f"n{number:05}" for number in range(MAX_TOKENS + 1)]
    found, _ = compare(Reading((door("d1", *names[:-1]), door("d2", *names))))
    (failure,) = found.failures
    assert failure == ReadFailure(
        DOORS.source,
        "3,001 entries are more than the 3,000 that are remembered: which of them are new is not "
        "known",
        "d2",
        "door d2",
    )


def test_more_items_than_are_remembered_are_counted() -> None:
    many = tuple(door(f"d{number:05}") for number in range(MAX_ITEMS + 2))
    found, _ = compare(Reading(many))
    assert found.failures == (
        ReadFailure(
            DOORS.source,
            "2 of 2,002 doors are beyond the 2,000 that are remembered: whether they are new is "
            "not known",
            "door",
            "doors",
        ),
    )
    assert compare(Reading(many[:-2]))[0].failures == ()


# What a look reads ------------------------------------------------------------------------------


class Tenant:
    """Objects of configuration by their source; the sources that were asked for are kept."""

    def __init__(self, **rows: tuple[Configuration, ...]) -> None:
        self.rows = {name.replace("_", "-"): found for name, found in rows.items()}
        self.asked: list[str] = []

    @property
    def configuration(self) -> "Tenant":
        return self

    async def read_configuration(self, name: str) -> Reading[Configuration]:
        """All objects of a source."""
        self.asked.append(name)
        return Reading(self.rows.get(name, ()), sources=frozenset({name}))


async def look(
    tenant: Tenant,
    *collections: WatchedCollection,
    known: Mapping[str, KnownTraits] | None = None,
    at: datetime = NOW,
    skipped: Collection[str] = (),
) -> list[Reading[WatchedResult]]:
    """The readings of one look of a guard over some collections."""
    observe = make_observer("doors", collections)
    context = ObserveContext(GuardPolicy(at), known_traits=known or {})
    return [one async for one in observe(cast(WatchedPorts, tenant), context, skipped)]


NAMED = replace(DOORS, name="named", plural="named doors", uses=(DOMAINS,))


async def test_each_source_is_read_once_and_each_collection_has_its_reading_and_its_stock() -> None:
    tenant = Tenant(mail_flow_rule=(door("d1", "a"),))
    doors, windows, named, stock = await look(tenant, DOORS, WINDOWS, NAMED)
    assert tenant.asked == [RULES, DOMAINS]
    assert [one.sources for one in (doors, windows, named)] == [
        {one.source} for one in (DOORS, WINDOWS, NAMED)
    ]
    parts = tuple(StockPart(one, ("door d1",)) for one in (DOORS, WINDOWS, NAMED))
    assert stock.items == (Stock("doors", parts),)
    assert stock.scope == frozenset({"doors"})


async def test_what_reads_a_skipped_source_waits_for_another_look_and_so_does_the_stock() -> None:
    tenant = Tenant(mail_flow_rule=(door("d1", "a"),))
    (doors,) = await look(tenant, DOORS, NAMED, skipped=[DOMAINS])
    assert tenant.asked == [RULES]
    assert doors.sources == {DOORS.source}


async def test_a_domain_that_a_listing_lacks_once_still_is_one_by_which_others_are_judged() -> None:
    seen = list[set[str]]()

    def note(rows: SourceRows) -> Iterable[WatchedItem]:
        seen.append({one.id for one in rows[DOMAINS] or ()})
        return ()

    judging = replace(DOORS, needs=(RULES, DOMAINS), describe=note)
    watching = replace(DOORS, name="domain", needs=(DOMAINS,), describe=note)
    domains = tuple(Configuration(DOMAINS, one, one, {}) for one in ("a.example", "b.example"))
    first = await look(Tenant(accepted_domain=domains), judging, watching)
    assert seen == [{"a.example", "b.example"}] * 2
    memory = first[0]
    assert memory.known_traits
    assert memory.scope == frozenset()
    assert memory.items == ()
    known = {one.key: one for reading in first for one in reading.known_traits}
    seen.clear()
    cut = Tenant(accepted_domain=domains[:1])
    await look(cut, judging, watching, known=known, at=NOW + timedelta(minutes=5))
    # Who watches the domains themselves sees the list as it is.
    assert seen == [{"a.example", "b.example"}, {"a.example"}]
    # Where no other is judged by them, nothing of them is remembered.
    (alone, stock) = await look(cut, watching)
    assert alone.sources == {watching.source}
    assert stock.scope == frozenset({"doors"})


def test_a_gap_of_one_of_several_sources_is_a_gap_and_told_once() -> None:
    judging = replace(DOORS, needs=(RULES, DOMAINS))
    failures = (ReadFailure(DOMAINS, "HTTP 503"), ReadFailure(DOMAINS, "HTTP 500"))
    read = {DOMAINS: Reading[Configuration]((), failures)}
    found, _ = compare(Reading((door("d1"),)), collection=judging, read=read)
    assert found.failures == (ReadFailure(judging.source, "HTTP 503"),)
    refused = {DOMAINS: Reading[Configuration]((), (replace(failures[0], optional=True),))}
    never, _ = compare(Reading((door("d1"),)), collection=judging, read=refused)
    assert never == Reading(failures=refused[DOMAINS].failures)


async def test_a_mistake_in_comparing_one_collection_leaves_it_unread_and_the_others_compared() -> (
    None
):
    def describe_oddly(rows: SourceRows) -> Iterable[WatchedItem]:
        yield WatchedItem("d1", "of the tenant", opens=(cast(Trait, None),))

    broken = replace(WINDOWS, describe=describe_oddly)
    guard = build_watched_guard(
        "doors", "Doors", looks_for="", rationale="", collections=[broken, DOORS]
    )
    tenant = FakeTenant(configurations=[door("d1", "a")])
    context = ObserveContext(GuardPolicy(NOW))
    first, second, stock = [
        one async for one in guard.observe(tenant, context) if isinstance(one, Reading)
    ]
    (failure,) = first.failures
    assert (failure.source, first.complete) == (broken.source, False)
    assert failure.reason.startswith("a mistake of the app, AttributeError at ")
    assert not second.failures
    assert second.sources == {DOORS.source}
    assert stock.items == (Stock("doors", (StockPart(DOORS, ("door d1",)),)),)
