"""What a listing keeps of its rows."""

from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.directory_sources import is_shielding_unit
from core.microsoft365.source_shapes import build_filter


def test_a_row_that_the_rule_does_not_understand_is_kept() -> None:
    keeps = build_filter(is_shielding_unit)
    assert keeps({"isMemberManagementRestricted": True})
    assert not keeps({"isMemberManagementRestricted": False})
    assert keeps({"isMemberManagementRestricted": [False]})


def test_every_source_keeps_a_row_of_which_nothing_can_be_understood() -> None:
    for source in CONFIGURATION_SOURCES.values():
        for test in filter(None, (source.keeps, source.filtered, source.relates)):
            assert isinstance(build_filter(test)({"id": 7, "Guid": [7]}), bool)
