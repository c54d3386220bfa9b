"""Outlook add-ins of the organization: what is told, and how grave it is."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.guards.app_consent.add_ins import ADD_IN, ADD_INS, describe_add_ins
from core.model.findings import Severity, Shell, Step, format_facts
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, Trait, WatchedItem
from tests.support.watched_looks import NOW, Looks

STORE = {
    "DisplayName": "Call notes",
    "ProviderName": "Notes Ltd",
    "Type": "MarketPlace",
    "Requirements": "ReadItem",
    "Enabled": True,
    "ProvidedTo": "Everyone",
    "UserList": [],
    "DefaultStateForUser": "Enabled",
}
FILE = {"Type": "Private"}


async def tell(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """What is said of one add-in between two looks, as severity and summary."""
    looks = Looks(ADD_INS)
    await looks.look([] if before is None else [Configuration(ADD_IN, "a1", "x", before)])
    found = await looks.look([Configuration(ADD_IN, "a1", "x", after)])
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "low"),
        ({"Requirements": "ReadWriteMailbox"}, "medium"),
        ({"Requirements": "SomethingNew"}, "medium"),
        (FILE, "medium"),
        ({**FILE, "Requirements": "ReadWriteMailbox"}, "high"),
        ({"Type": "SomethingNew", "Requirements": "ReadWriteMailbox"}, "high"),
        ({"Type": "Default", "ProviderName": "Microsoft"}, ""),
        # Whoever calls itself Microsoft came from a file all the same.
        ({**FILE, "ProviderName": "Microsoft"}, "medium"),
        ({**FILE, "Enabled": "False"}, ""),
    ],
)
async def test_a_new_add_in_is_as_grave_as_its_origin_and_its_rights(
    values: Mapping[str, Any], expected: str
) -> None:
    assert (await tell(None, {**STORE, **values})).partition(":")[0] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"Requirements": "ReadWriteMailbox"}, "reads and changes the whole mailbox"),
        ({"DefaultStateForUser": "AlwaysEnabled"}, "cannot be switched off"),
        ({"Type": "Private"}, "comes from a file"),
    ],
)
async def test_a_known_add_in_that_may_more_is_told(
    values: Mapping[str, Any], expected: str
) -> None:
    assert expected in await tell(STORE, {**STORE, **values})


@pytest.mark.parametrize(
    "values",
    [
        {"AppVersion": "2.0.0.0"},
        {"Enabled": False},
        {"Requirements": "Restricted"},
        {"ProvidedTo": "SpecificUsers", "UserList": ["ann@contoso.com"]},
    ],
)
async def test_a_new_version_and_what_may_less_are_no_news(values: Mapping[str, Any]) -> None:
    assert await tell(STORE, {**STORE, **values}) == ""


async def test_one_more_person_and_who_made_it_are_told() -> None:
    some = {**STORE, **FILE, "ProvidedTo": "SpecificUsers", "UserList": ["ann@contoso.com"]}
    more = {**some, "UserList": ["ann@contoso.com", "director@contoso.com"]}
    assert "is given to director@contoso.com" in await tell(some, more)
    looks = Looks(ADD_INS)
    await looks.look([])
    (found,) = await looks.look([Configuration(ADD_IN, "a1", "x", some)])
    assert "calls itself made by: Notes Ltd" in format_facts(found.facts)
    assert "comes from: a file or an address, not the store" in format_facts(found.facts)


def describe(**values: object) -> WatchedItem:
    """What is known of one add-in."""
    (item,) = describe_add_ins(
        SourceRows({ADD_IN: (Configuration(ADD_IN, "a1", "x", values),)}, NOW)
    )
    return item


LONG = "n" * 300
CUT, SHORT = f"{LONG[:120]}… (300 characters)", f"{LONG[:60]}… (300 characters)"


def test_an_add_in_is_known_by_what_it_is_called_and_taken_away_by_its_id() -> None:
    item = describe(**STORE)
    assert (item.id, item.name) == ("a1", "Call notes")
    assert format_facts(item.facts) == (
        "calls itself made by: Notes Ltd",
        "comes from: the store",
        "asks for: ReadItem",
    )
    assert item.stop == (
        Step(
            "Unless somebody answers for it: take it from everybody. One that was given in the "
            "Microsoft 365 admin center is taken away there, under Integrated apps.",
            "Remove-App -Identity 'a1' -OrganizationApp -Confirm:$false",
            Shell.EXCHANGE,
        ),
    )


def test_of_an_add_in_that_tells_nothing_the_worst_is_thought() -> None:
    item = describe()
    assert item.name == "x"
    assert format_facts(item.facts) == (
        "calls itself made by: nobody",
        "comes from: a file or an address, not the store",
        "asks for: not told",
    )
    assert item.opens == (
        Trait("file", "comes from a file or an address, and from no store", Severity.HIGH),
        Trait("asks ", "asks for what is not told", Severity.HIGH),
        Trait("everyone", "is on for everybody", Severity.HIGH),
    )


def test_names_of_others_are_cut() -> None:
    item = describe(
        DisplayName=LONG, ProviderName=LONG, Requirements=LONG, Type="Default", UserList=[LONG]
    )
    assert item.name == CUT
    assert format_facts(item.facts) == (
        f"calls itself made by: {CUT}",
        "comes from: Microsoft, with Outlook",
        f"asks for: {SHORT}",
    )
    asked, everyone, given = item.opens
    assert asked.text == f"asks for {SHORT}"
    assert everyone.token == "everyone"
    assert given.text == f"is given to {CUT}"


@pytest.mark.parametrize(
    ("right", "steps", "text"),
    [
        ("Restricted", (), ""),
        ("ReadItem", ("may readitem",), "reads the message that is open"),
        (
            "ReadWriteItem",
            ("may readitem", "may readwriteitem"),
            "reads and changes the message that is open",
        ),
        (
            "ReadWriteMailbox",
            ("may readitem", "may readwriteitem", "may readwritemailbox"),
            "reads and changes the whole mailbox, and sends mail from it",
        ),
    ],
)
def test_a_right_includes_the_lesser_ones(right: str, steps: tuple[str, ...], text: str) -> None:
    traits = describe(**{**STORE, "Requirements": right}).opens[:-1]
    assert tuple(one.token for one in traits) == steps
    assert {one.text for one in traits} <= {text}


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        ({}, ["everyone"]),
        ({"ProvidedTo": ""}, ["everyone"]),
        ({"ProvidedTo": "SpecificUsers"}, []),
        ({"DefaultStateForUser": "Disabled"}, []),
        ({"DefaultStateForUser": "AlwaysEnabled"}, ["everyone", "always"]),
        ({"UserList": ["Ann"]}, ["everyone", "for ann"]),
        ({"Enabled": None}, ["everyone"]),
    ],
)
def test_who_has_an_add_in_is_known_by_what_exchange_prints(
    values: Mapping[str, Any], tokens: list[str]
) -> None:
    traits = describe(**{**STORE, "Requirements": "Restricted", **values}).opens
    assert [one.token for one in traits] == tokens


def test_who_was_given_what_everybody_has_already_is_no_wider() -> None:
    values = {"Requirements": "Restricted", "UserList": ["Ann"]}
    item = describe(**{**STORE, **values, "DefaultStateForUser": "AlwaysEnabled"})
    assert item.opens == (
        Trait("everyone", "is on for everybody", Severity.LOW),
        Trait("for ann", "is given to Ann", Severity.LOW, within=("everyone",)),
        Trait("always", "cannot be switched off by its users", Severity.LOW),
    )
