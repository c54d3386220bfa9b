"""Records are read back exactly as they were written, and nothing else is read at all."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.table_storage.codec import LONGEST, read, written
from core.model.cases import Case, Exemption, News
from core.model.changes import ChangeRecord
from core.model.findings import Severity, Verdict
from core.model.state import GuardState
from core.tenant.changes import CHANGES, ResetAuditSet, change_from_wire, change_to_wire
from tests.support.fakes.world import START

CASE = Case(
    key="k",
    kind="forward",
    object_id="o",
    subject="s",
    severity=Severity.HIGH,
    judged=Verdict.BLOCK,
    verdict=Verdict.BLOCK,
    summary="S.",
    opened=START,
)


@given(
    st.builds(
        replace,
        st.just(CASE),
        subject=st.text(max_size=50),
        facts=st.lists(st.text(max_size=20)).map(tuple),
        news=st.sampled_from(News),
        severity=st.sampled_from(Severity),
        closed=st.none() | st.just(START),
        failures=st.integers(0, 9),
        adopted=st.booleans(),
    )
)
def test_a_case_survives_its_row(case: Case) -> None:
    assert read(Case, written(case)) == case


def test_a_state_survives_its_row() -> None:
    state = GuardState(frozenset({"b", "a"}), None, {"slow": START})
    assert read(GuardState, written(state)) == state


def test_a_change_survives_its_row() -> None:
    change = ResetAuditSet("g", ("Owner",), (("Owner", ("Copy", "Move")),))
    assert change_from_wire("ResetAuditSet", change_to_wire(change)) == change
    assert set(CHANGES) >= {"BlockSignIn", "ResetAuditSet"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        "[" * 100_000,
        written(CASE).replace('"k"', "7", 1),
        written(CASE).replace("+00:00", ""),
        written(CASE).replace('"block"', '"explode"', 1),
        written(CASE).replace('"adopted":false', '"adopted":"no"'),
        written(CASE).replace('"kind"', '"unheard_of"', 1),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_not_a_case_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read(Case, text)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_no_text_does_anything_but_be_read_or_refused(value: object) -> None:
    import json

    for kind in (Case, ChangeRecord, Exemption, GuardState):
        with pytest.raises(ValueError, match=r".+"):
            read(kind, json.dumps({"unknown": value}))


def test_a_record_that_fits_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match="fits no row"):
        written(replace(CASE, summary="x" * LONGEST))


def test_times_keep_their_zone() -> None:
    assert read(Case, written(CASE)).opened.tzinfo is not None
    assert isinstance(read(Case, written(CASE)).opened, datetime)
