"""What a finding is known by, and what it becomes when an operator is to decide."""

from dataclasses import replace

import pytest

from core.keys import compute_hash_prefix
from core.model.findings import PREEXISTING_FACT, Fact, Finding, Severity, Verdict, format_facts
from core.tenant.changes import ClearMailboxForward

FORWARD = Finding(
    kind="forward",
    object_id="m1",
    subject="Ann",
    severity=Severity.HIGH,
    verdict="external",
    summary="Ann forwards.",
    facts=(Fact("to", "x@evil.example"),),
    fingerprint="x@evil.example",
    changes=(ClearMailboxForward("m1"),),
)


@pytest.mark.parametrize(
    "same",
    [
        replace(FORWARD, subject="Ann B."),
        replace(FORWARD, severity=Severity.LOW, summary="", facts=(), changes=()),
    ],
)
def test_a_finding_is_the_same_whatever_its_object_is_called(same: Finding) -> None:
    assert same.compute_key("g") == FORWARD.compute_key("g")


@pytest.mark.parametrize(
    "other",
    [
        replace(FORWARD, object_id="m2"),
        replace(FORWARD, kind="rule"),
        replace(FORWARD, fingerprint="y@evil.example"),
    ],
)
def test_another_object_kind_or_target_is_another_finding(other: Finding) -> None:
    assert other.compute_key("g") != FORWARD.compute_key("g")


def test_a_finding_of_another_guard_is_another_and_lies_beside_it() -> None:
    keys = {FORWARD.compute_key(guard) for guard in ("g", "h")}
    assert len(keys) == 2
    assert {key[:8] for key in keys} == {compute_hash_prefix("m1")}


def test_what_was_so_before_is_a_question_that_changes_nothing() -> None:
    assert FORWARD.as_question() == replace(
        FORWARD,
        verdict=Verdict.ASK,
        facts=(*FORWARD.facts, PREEXISTING_FACT),
        changes=(),
    )
    own = replace(FORWARD, preexisting_verdict="known")
    assert own.as_question().verdict == "known"
    # Where nothing would be changed there is nothing to ask.
    told = replace(FORWARD, changes=())
    assert told.as_question() == told


def test_a_fact_is_written_with_its_label_if_it_has_one() -> None:
    facts = (Fact("rule", "Parcel notes"), Fact("", "it is off"))
    assert format_facts(facts) == ("rule: Parcel notes", "it is off")
