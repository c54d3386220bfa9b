"""The words that the command line repeats are those of the app."""

from core.api.write_handlers import MODE_PARAMETER
from core.cli import words
from core.config.catalog import CATALOG
from core.evidence.file_format import ExportFormat
from core.model.findings import Severity
from core.model.guards import Mode
from core.ports import CONTAINMENT_PARTITION
from core.status import case_query
from core.status.case_document import DOCUMENT_VERSION
from core.status.counts import EFFECTIVE_STATES


def test_the_guards_are_those_of_the_catalog() -> None:
    assert set(words.GUARD_NAMES) == {config.guard.name for config in CATALOG}
    assert list(words.GUARD_NAMES) == sorted(words.GUARD_NAMES)


def test_every_repeated_word_is_the_one_of_the_app() -> None:
    graver_first = sorted(set(Severity) - {Severity.INFO}, reverse=True)
    assert tuple(level.label for level in graver_first) == words.SEVERITY_LABELS
    assert case_query.CASE_STATES == words.CASE_STATES
    assert tuple(filter(None, case_query.CASE_ANSWERS)) == words.CASE_ANSWERS
    assert case_query.CASE_ORDERS == words.CASE_ORDERS
    assert tuple(ExportFormat) == words.EXPORT_FORMS
    assert set(words.EFFECTIVE_OUTCOMES) == {str(state) for state in EFFECTIVE_STATES}
    assert words.DOCUMENT_VERSION == DOCUMENT_VERSION
    assert words.CONTAINMENT == CONTAINMENT_PARTITION


def test_a_run_may_be_asked_for_in_a_stricter_mode_than_enforce() -> None:
    stricter = [mode for mode in Mode if mode not in (Mode.ENFORCE, Mode.OFF)]
    assert tuple(map(str, stricter)) == words.MODES
    assert set(words.MODES) <= set(MODE_PARAMETER.pattern.split("|"))
