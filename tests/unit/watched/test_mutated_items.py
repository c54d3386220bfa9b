"""An item that opens more, and one property of which says something odd: it is told, or unread."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.findings import Finding
from core.tenant.configuration import Configuration
from tests.resilience.generators.mutated_rows import Path, list_properties, list_values
from tests.support.watched_examples import EXAMPLES, WatchedExample
from tests.support.watched_looks import COLLECTIONS, Looks, print_oddly

UNSET = frozenset({"left out", "null", "empty", "an empty list", "a list of nulls"})
OTHER_WORDS = frozenset({"an unknown word", "a number", "a long list"})
HARMLESS: Mapping[str, str] = {
    "leading-recipient": "EmailAddresses",
    "requested-permission": "resourceAppId",
    "role-activation": "roleDefinitionId",
    "standing-role": "roleDefinitionId principalId",
    "outside-member": "userPrincipalName",
    "device": "id",
    "mail-flow-skip": "SetSCL",
    "allow-entry": "RemoveAfter",
}
"""The properties of which another word means another thing: an address outside, the API or the role
of others, an account of one's own, a level that skips nothing, an end within a week.
"""
KNOWN = "id-known"
WIDER = [name for name, example in EXAMPLES.items() if example.wider]


def list_oddities(row: Configuration) -> list[tuple[Path, str, object]]:
    """Everything odd that may be said of a row."""
    return [
        (path, kind, other)
        for path, value in list_properties(dict(row.values))
        for kind, other in list_values(value)
        # Of a text that long no command can be made, and no id is.
        if kind not in UNSET and kind not in ("an object", "a huge text")
    ]


async def look_twice(
    name: str, example: WatchedExample, row: Configuration
) -> tuple[list[Finding], Looks]:
    """What is told of a known item that reads like this at the second look."""
    looks = Looks(COLLECTIONS[name])
    await looks.look([*example.others, example.build(KNOWN)])
    return await looks.look([*example.others, row]), looks


@pytest.mark.parametrize("name", WIDER)
@settings(max_examples=6)
@given(data=st.data())
def test_an_item_that_opens_more_is_told_or_unread_whatever_is_odd_about_it(
    name: str, data: st.DataObject
) -> None:
    example = EXAMPLES[name]
    row = example.build(KNOWN, example.wider)
    path, kind, value = data.draw(st.sampled_from(list_oddities(row)))
    found, looks = asyncio.run(look_twice(name, example, print_oddly(row, path, value)))
    assert not [one for one in looks.failures if "a mistake of the app" in one.reason]
    if kind not in OTHER_WORDS or path[-1] not in HARMLESS.get(name, "").split():
        assert found or looks.failures, f"{'.'.join(path)}: {kind}"
