"""Records are read back exactly as they were written, and nothing else is read at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.table_storage.codec import (
    MAX_RECORD_LENGTH,
    StoredRecord,
    decode_stored_record,
    encode_stored_record,
)
from core.model.cases import Case, Exemption, Notification
from core.model.changes import ChangeRecord
from core.model.findings import Fact, Severity
from core.model.state import GuardState, ScanPass, ScanTotals
from core.tenant.changes import CHANGE_TYPES, ResetAuditSet, build_change, change_to_arguments
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import ReadFailure
from tests.support.cases import build_case
from tests.support.fakes.clock import START

CASE = build_case(key="k")


@given(
    st.builds(
        replace,
        st.just(CASE),
        subject=st.text(max_size=50),
        facts=st.lists(st.builds(Fact, st.text(max_size=9), st.text(max_size=20))).map(tuple),
        notification=st.sampled_from(Notification),
        severity=st.sampled_from(Severity),
        closed_at=st.none() | st.just(START),
        failure_count=st.integers(0, 9),
        baselined=st.booleans(),
    )
)
def test_a_case_survives_its_row(case: Case) -> None:
    assert decode_stored_record(Case, encode_stored_record(case)) == case


def test_a_state_survives_its_row() -> None:
    state = GuardState(frozenset({"b", "a"}), None, {"slow": START})
    assert decode_stored_record(GuardState, encode_stored_record(state)) == state


def test_a_change_survives_its_row() -> None:
    change = ResetAuditSet("g", ("Owner",), (("Owner", ("Copy", "Move")),))
    assert build_change("ResetAuditSet", change_to_arguments(change)) == change
    assert set(CHANGE_TYPES) >= {"BlockSignIn", "ResetAuditSet"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        "[" * 100_000,
        encode_stored_record(CASE).replace('"k"', "7", 1),
        encode_stored_record(CASE).replace('Z"', '"'),
        encode_stored_record(CASE).replace('"severity":3', '"severity":9'),
        encode_stored_record(CASE).replace('"baselined":false', '"baselined":"no"'),
        encode_stored_record(CASE).replace('"kind"', '"unheard_of"', 1),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_not_a_case_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_stored_record(Case, text)


def encode_with(record: StoredRecord, was: str, becomes: str) -> str:
    """The text of a record in which something else is written."""
    text = encode_stored_record(record)
    assert was in text
    return text.replace(was, becomes)


PASS = ScanPass("r1", START, ScanTotals(source_failures=(ReadFailure("mailboxes", "refused"),)))
STATE = GuardState(checks_finished_at={"deep": START}, scan_pass=PASS)


@pytest.mark.parametrize(
    ("record", "was", "becomes"),
    [
        (CASE, '"key":"k"', '"key":"k","key":"k"'),
        (CASE, '"key":"k"', '"key":"k","unknown":1'),
        (CASE, '"key":"k",', ""),
        (CASE, '"seen_count":1', '"seen_count":1.0'),
        (CASE, '"seen_count":1', '"seen_count":true'),
        (CASE, '"seen_count":1', '"seen_count":1e999'),
        (CASE, '"seen_count":1', '"seen_count":NaN'),
        (CASE, '"2026-', '"1969-'),
        (CASE, '"2026-', '"3000-'),
        (CASE, '"2026-11', '"2026-13'),
        (STATE, '{"deep":"2026-11-20T06:00:00Z"}', '{"deep":"2026-11-20T06:00:00"}'),
        (STATE, '{"deep":"2026-', '{"deep":"9999-'),
        (STATE, '"started_at":"2026-', '"started_at":"0001-'),
        (STATE, '"reason":"refused"', '"reason":"refused","unknown":1'),
        (STATE, '"reason":"refused"', '"reason":"refused","reason":"refused"'),
    ],
)
def test_a_record_with_a_wrong_field_is_not_read(
    record: StoredRecord, was: str, becomes: str
) -> None:
    with pytest.raises(ValueError, match=f"not a valid {type(record).__name__}"):
        decode_stored_record(type(record), encode_with(record, was, becomes))


def test_a_record_is_read_without_fields_that_have_a_default_and_with_spaces() -> None:
    text = encode_with(CASE, '"seen_count":1,', "").replace(",", ", ")
    assert decode_stored_record(Case, text) == CASE


def test_times_of_another_zone_are_read_in_utc() -> None:
    case = decode_stored_record(Case, encode_with(CASE, '06:00:00Z"', '08:00:00+02:00"'))
    assert (case, case.opened_at.tzinfo) == (CASE, UTC)


def test_a_lone_surrogate_is_replaced_and_the_record_still_read() -> None:
    case = replace(CASE, subject="a\ud800b", object_id="caf\u00e9")
    assert decode_stored_record(Case, encode_stored_record(case)) == replace(case, subject="a?b")


def test_a_verdict_of_another_version_is_read_as_it_stands() -> None:
    text = encode_stored_record(CASE).replace('"external"', '"of-another-version"')
    assert decode_stored_record(Case, text).verdict == "of-another-version"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_no_text_does_anything_but_be_read_or_refused(value: object) -> None:
    import json

    for kind in (Case, ChangeRecord, Exemption, GuardState):
        with pytest.raises(ValueError, match=r".+"):
            decode_stored_record(kind, json.dumps({"unknown": value}))


def test_a_record_that_fits_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit into a row"):
        encode_stored_record(replace(CASE, summary="x" * MAX_RECORD_LENGTH))


def test_times_keep_their_zone() -> None:
    assert decode_stored_record(Case, encode_stored_record(CASE)).opened_at.tzinfo is not None
    assert isinstance(decode_stored_record(Case, encode_stored_record(CASE)).opened_at, datetime)


def test_equal_times_that_follow_each_other_are_kept_once() -> None:
    later = START + timedelta(hours=1)
    traits = {"a": START, "b": START, "c": later, "d": later, "e": START}
    known = KnownTraits("k", "o", "method", START, START, traits)
    found = decode_stored_record(KnownTraits, encode_stored_record(known))
    assert found == known
    assert found.traits["a"] is found.traits["b"]
    assert found.traits["c"] is found.traits["d"]
