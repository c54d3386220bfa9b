"""Cases and exemptions: what belongs together, and which decisions are none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import SettingsError
from core.keys import PREFIX_LENGTH
from core.model.activity import Cause, build_actor_key, build_session_key
from core.model.cases import Case, Exemption, parse_planned_changes
from core.model.findings import Correlation, Severity
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from core.tenant.changes import DisableInboxRule

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
CASE = Case(
    key="0123456789abcdef" * 2,
    kind="forward",
    object_id="m1",
    subject="Ann",
    severity=Severity.HIGH,
    guard_verdict="forwards",
    verdict="forwards",
    summary="",
    opened_at=NOW,
)


def test_a_case_is_called_by_the_end_of_its_key() -> None:
    assert CASE.short_key == "89abcdef"


def test_a_case_is_about_its_object_and_what_it_shares_with_others() -> None:
    shared = Correlation.of("x@evil.example", "mail to x@evil.example")
    case = replace(CASE, correlations=(shared,))
    assert case.is_about(case.key[:PREFIX_LENGTH])
    assert case.is_about(shared.key)
    assert not CASE.is_about(shared.key)
    assert not case.is_about(case.key[1 : PREFIX_LENGTH + 1])


def test_a_case_is_about_the_session_and_the_actor_of_its_cause() -> None:
    actor = ActivityActor(ActorKind.PERSON, "ann@contoso.com", id="a1")
    cause = Cause("New-InboxRule", NOW, actor, ActivityLog.EXCHANGE, session="s1")
    case = replace(CASE, cause=cause)
    assert case.is_about(build_session_key(cause))
    assert case.is_about(build_actor_key(cause))
    assert case.is_about(case.key[:PREFIX_LENGTH])
    assert not case.is_about(build_session_key(replace(cause, session="s2")))
    assert not CASE.is_about(build_session_key(cause))


def test_what_a_case_says_was_first_seen_when_it_last_began_to_go_further() -> None:
    assert CASE.seen_since == NOW
    assert replace(CASE, widened_at=LATER).seen_since == LATER
    assert replace(CASE, opened_at=LATER, widened_at=NOW).seen_since == LATER
    assert replace(CASE, widened_at=LATER, found_at=NOW).seen_since == NOW


def test_what_another_version_planned_is_no_change() -> None:
    planned = replace(
        CASE, planned_changes=('["DisableInboxRule", {"mailbox_id": "m1", "rule_id": "r1"}]',)
    )
    assert parse_planned_changes(planned) == (DisableInboxRule("m1", "r1"),)
    strange = replace(planned, planned_changes=(*planned.planned_changes, '["Of tomorrow", {}]'))
    assert parse_planned_changes(strange) == ()
    assert parse_planned_changes(replace(CASE, planned_changes=("{",))) == ()


def test_an_exemption_is_kept_without_spaces_and_within_its_bounds() -> None:
    granted = Exemption.grant(" m1 ", f" {'a' * 300} ", f" {'r' * 900} ", LATER, NOW)
    assert granted == Exemption("m1", "a" * 200, "r" * 500, LATER)
    assert Exemption.grant("MAX", "ann", "known", LATER, NOW).subject == "MAX"
    year = NOW + timedelta(days=366)
    assert Exemption.grant("m1", "ann", "known", year, NOW).until == year


@pytest.mark.parametrize(
    ("subject", "by", "reason", "until", "error"),
    [
        *((subject, "ann", "known", LATER, "never a pattern") for subject in ("", " ", "m*", "m?")),
        ("m%", "ann", "known", LATER, "never a pattern"),
        ("m1", " ", "known", LATER, "who decided it and why"),
        ("m1", "ann", " ", LATER, "who decided it and why"),
        ("m1", "ann", "known", NOW, "within a year"),
        ("m1", "ann", "known", NOW + timedelta(days=366, seconds=1), "within a year"),
    ],
)
def test_an_exemption_names_one_thing_a_person_a_reason_and_an_end(
    subject: str, by: str, reason: str, until: datetime, error: str
) -> None:
    with pytest.raises(SettingsError, match=f"^an exemption .*{error}$"):
        Exemption.grant(subject, by, reason, until, NOW)
