"""What a source of configuration is declared as."""

from collections.abc import Mapping

import pytest

from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.directory_sources import is_shielding_unit
from core.microsoft365.source_shapes import (
    ALL_RESULTS,
    MAILBOX_NAMES,
    ConfigurationSource,
    NameList,
    build_filter,
    define_exchange_source,
    define_mailbox_listing,
    define_mailbox_source,
)
from core.model.guards import Service


def is_held(row: Mapping[str, object]) -> bool:
    return row.get("LitigationHoldEnabled") is True


def is_old(row: Mapping[str, object]) -> bool:
    return row.get("Age") == "old"


def test_a_source_of_exchange_is_read_and_written_by_cmdlets_that_are_their_own_permissions() -> (
    None
):
    source = define_exchange_source(
        *("Get-Thing", "Guid", "Set-Thing", "Enabled", "Mode"),
        risk="find every thing",
        parameters=ALL_RESULTS,
        may_be_none=True,
        relation="members",
        optional_because="it takes a licence",
        selected=("Guid", "Mode"),
        keeps=is_held,
        filtered=is_old,
        shows_single=False,
    )
    assert source == ConfigurationSource(
        Service.EXCHANGE,
        read="Get-Thing",
        permission="Get-Thing",
        identity_property="Guid",
        write="Set-Thing",
        write_permission="Set-Thing",
        writable_properties=frozenset({"Enabled", "Mode"}),
        may_be_none=True,
        read_risk="find every thing",
        read_parameters=ALL_RESULTS,
        relation="members",
        optional_because="it takes a licence",
        selected=("Guid", "Mode"),
        keeps=is_held,
        filtered=is_old,
        shows_single=False,
    )


def test_a_lone_object_that_is_only_read_needs_no_more_than_its_cmdlet() -> None:
    source = define_exchange_source("Get-Thing", risk="see it")
    assert source == ConfigurationSource(
        Service.EXCHANGE, "Get-Thing", "Get-Thing", read_risk="see it"
    )
    assert not source.has_single_objects


def test_mailboxes_are_filtered_by_exchange_or_dropped_page_by_page() -> None:
    names = (*MAILBOX_NAMES, "LitigationHoldEnabled")
    filtered = define_mailbox_source(
        "LitigationHoldEnabled -eq $true",
        "LitigationHoldEnabled",
        filtered=is_held,
        IncludeInactiveMailbox=True,
    )
    listed = define_mailbox_listing(is_held, "LitigationHoldEnabled")
    for source in (filtered, listed):
        assert (source.read, source.identity_property) == ("Get-Mailbox", "Guid")
        assert source.read_risk == "find every mailbox, its owner and its settings"
        assert (source.may_be_none, source.selected) == (True, names)
    assert filtered.read_parameters == {
        **ALL_RESULTS,
        "Filter": "LitigationHoldEnabled -eq $true",
        "IncludeInactiveMailbox": True,
    }
    assert (filtered.keeps, filtered.filtered) == (None, is_held)
    assert listed.read_parameters == ALL_RESULTS
    assert (listed.keeps, listed.filtered) == (is_held, None)


@pytest.mark.parametrize(
    ("identity", "shows_single", "names", "expected"),
    [
        ("id", True, None, True),
        ("", True, None, False),
        ("id", False, None, False),
        ("id", True, NameList("names", "isMarked"), False),
    ],
)
def test_an_object_is_asked_for_alone_where_it_has_an_id_that_the_service_answers_to(
    identity: str, shows_single: bool, names: NameList | None, expected: bool
) -> None:
    source = ConfigurationSource(
        Service.GRAPH,
        "/things",
        "Thing.Read.All",
        identity,
        shows_single=shows_single,
        name_list=names,
    )
    assert source.has_single_objects is expected


def test_an_object_that_was_asked_for_alone_has_to_pass_every_test_of_the_listing() -> None:
    held: dict[str, object] = {"LitigationHoldEnabled": True}
    old: dict[str, object] = {"Age": "old"}
    both = define_exchange_source("Get-Thing", "Guid", risk="x", keeps=is_held, filtered=is_old)
    assert both.lists(held | old)
    assert not both.lists(held)
    assert not both.lists(old)
    assert define_exchange_source("Get-Thing", "Guid", risk="x", filtered=is_old).lists(old)
    assert define_exchange_source("Get-Thing", "Guid", risk="x").lists({})


def test_a_row_that_a_rule_does_not_understand_is_kept() -> None:
    keeps = build_filter(is_shielding_unit)
    assert keeps({"isMemberManagementRestricted": True})
    assert not keeps({"isMemberManagementRestricted": False})
    assert keeps({"isMemberManagementRestricted": [False]})


def test_no_source_fails_by_a_row_of_which_nothing_can_be_understood() -> None:
    for source in CONFIGURATION_SOURCES.values():
        tests = filter(None, (source.keeps, source.filtered, source.relates))
        assert {type(build_filter(test)({"id": 7, "Guid": [7]})) for test in tests} <= {bool}
