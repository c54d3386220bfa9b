"""Outlook add-ins of the organization: what is told, and how grave it is."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.guards.app_consent.add_ins import ADD_IN, ADD_INS
from core.model.findings import format_facts
from core.tenant.configuration import Configuration
from tests.support.watched_looks import Looks

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
