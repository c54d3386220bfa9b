"""Objects with an open case, by how much it weighs."""

from datetime import UTC, datetime

from core.model.cases import list_open_ids
from core.model.findings import Severity
from tests.support.cases import build_case

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


def test_open_cases_name_their_objects_and_closed_ones_do_not() -> None:
    cases = [
        build_case(1, object_id="a", severity=Severity.LOW),
        build_case(2, object_id="b", severity=Severity.MEDIUM),
        build_case(3, object_id="b", severity=Severity.INFO),
        build_case(4, object_id="c", severity=Severity.CRITICAL),
        build_case(5, object_id="d", severity=Severity.CRITICAL, closed_at=NOW),
    ]
    assert list_open_ids(cases) == {"a", "b", "c"}
    assert list_open_ids(cases, Severity.MEDIUM) == {"b", "c"}
