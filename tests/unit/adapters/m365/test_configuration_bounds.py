"""What is too long of a configuration is cut, and still shows when it changes."""

from typing import cast

import pytest

from core.adapters.graph.client import GraphClient
from core.adapters.m365.configuration import M365ConfigurationReader
from core.adapters.m365.configuration_rows import (
    LIST_LIMIT,
    MAX_DEPTH,
    TEXT_LIMIT,
    clip_configuration_value,
    holds_properties,
    parse_configuration,
)
from core.adapters.parsing import ResponseRow
from core.errors import NotFound
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from tests.support.fakes.exchange import ScriptedExchange


@pytest.mark.parametrize("depth", [1, 3])
def test_entries_beyond_the_limit_change_the_last_one(depth: int) -> None:
    kept = [f"{number}@partner.example" for number in range(LIST_LIMIT)]
    assert clip_configuration_value(kept, depth) == kept
    longer = clip_configuration_value([*kept, "a@x.example", "b@x.example"], depth)
    turned = clip_configuration_value([*kept, "b@x.example", "a@x.example"], depth)
    other = clip_configuration_value([*kept, "a@x.example", "thief@x.example"], depth)
    assert isinstance(longer, list)
    assert isinstance(other, list)
    assert longer[:-1] == kept
    assert longer[-1].startswith("2 more, ")
    assert longer == turned
    assert longer != other


def test_what_a_text_says_beyond_the_limit_changes_its_end() -> None:
    text = "x" * TEXT_LIMIT
    assert clip_configuration_value(text) == text
    first, second = (clip_configuration_value(f"{text}{end}") for end in ("allow", "block"))
    assert first != second
    assert isinstance(first, str)
    assert len(first) < TEXT_LIMIT + 60


@pytest.mark.parametrize(
    ("row", "is_object"),
    [
        ({}, False),
        ({"value": None}, False),
        ({"@odata.context": "x", "value": []}, False),
        ({"@odata.context": "x", "id": None, "userDeviceQuota": None}, False),
        ({"userDeviceQuota": 0}, True),
        (
            {"@odata.context": "x", "allowInvitesFrom": "everyone", "blockMsolPowerShell": None},
            True,
        ),
    ],
)
def test_an_answer_without_properties_is_no_object(row: dict[str, object], is_object: bool) -> None:
    assert holds_properties(row) is is_object


async def test_a_role_group_that_was_deleted_leaves_the_others_read() -> None:
    """A listing shows it for a while longer."""
    groups: list[ResponseRow] = [
        {"Guid": f"0000000{number}-3333-4000-8000-000000000001", "Name": f"Group {number}"}
        for number in (1, 2)
    ]
    exchange = ScriptedExchange([groups], [[{"Name": "ann"}], NotFound("no such group")])
    reader = M365ConfigurationReader(cast(GraphClient, None), exchange)
    read = await reader.read_configuration("role-group")
    assert read.failures == ()
    assert [(one.name, one.values["Get-RoleGroupMember"]) for one in read.items] == [
        ("Group 1", [{"Name": "ann"}])
    ]


def nest(inner: object, depth: int) -> object:
    """A value inside of so many objects."""
    for _ in range(depth):
        inner = {"part": inner}
    return inner


@pytest.mark.parametrize(("inner", "other"), [(["a"], ["b"]), ({"a": 1}, {"a": 2}), ([], ["b"])])
def test_what_lies_too_deep_to_be_kept_still_shows_when_it_changes(
    inner: object, other: object
) -> None:
    kept, changed = (clip_configuration_value(nest(one, MAX_DEPTH)) for one in (inner, other))
    assert kept != changed


def test_a_value_without_an_end_to_its_depth_is_no_object() -> None:
    with pytest.raises(ValueError, match="deep"):
        clip_configuration_value(nest([1], 200_000))


def test_who_approves_a_role_is_kept_however_deep_it_lies_in_the_rules_of_the_role() -> None:
    source = CONFIGURATION_SOURCES["role-activation-policy"]
    stages = [{"primaryApprovers": [{"userId": "u1"}]}]
    rule = {"setting": {"isApprovalRequired": True, "approvalStages": stages}}
    row: ResponseRow = {source.identity_property: "r1", "policy": {"rules": [rule]}}
    kept = parse_configuration("role-activation-policy", source, row)
    assert kept.values["policy"] == {"rules": [rule]}
