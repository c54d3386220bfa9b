"""What is remembered of open cases that were folded into one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.keys import PREFIX_LENGTH
from core.model.findings import Finding, Severity
from core.model.folded import (
    MEMBER_LENGTH,
    TAIL_LENGTH,
    FoldedMember,
    format_members,
    hash_extent,
    hash_plan,
    parse_members,
)
from core.model.reach import Reach, Selection
from core.tenant.changes import ClearMailboxForward, DisableInboxRule

PREFIX = "p" * PREFIX_LENGTH
OPENED = datetime(2026, 11, 20, 6, 0, 5, tzinfo=UTC)
MEMBER = FoldedMember(
    key=PREFIX + "a" * TAIL_LENGTH,
    severity=Severity.HIGH,
    opened_at=OPENED,
    extent="e" * 16,
    plan="f" * 16,
)
FINDING = Finding(
    kind="forward",
    object_id="m1",
    subject="Ann",
    severity=Severity.HIGH,
    verdict="forwards",
    summary="",
    reaches=(Reach.of(["send"]), Reach.of(["keep"])),
    changes=(DisableInboxRule("m1", "r1"),),
)


@pytest.mark.parametrize(
    "member",
    [
        MEMBER,
        replace(MEMBER, held_since=OPENED),
        replace(MEMBER, baselined=True),
        replace(MEMBER, escalated=True),
        replace(MEMBER, baselined=True, escalated=True, severity=Severity.INFO),
        replace(MEMBER, opened_at=datetime(4147, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_member_is_read_as_it_was_written(member: FoldedMember) -> None:
    text = member.to_text()
    assert len(text) == MEMBER_LENGTH
    assert PREFIX not in text
    assert FoldedMember.from_text(PREFIX, text) == member


def test_members_are_written_in_one_order_and_broken_ones_are_left_out() -> None:
    other = replace(MEMBER, key=PREFIX + "b" * TAIL_LENGTH)
    text = format_members([other, MEMBER])
    assert text == format_members([MEMBER, other])
    assert parse_members(PREFIX, text) == (MEMBER, other)
    broken = "z" * MEMBER_LENGTH
    assert parse_members(PREFIX, MEMBER.to_text() + broken + other.to_text()) == (MEMBER, other)
    assert parse_members(PREFIX, text[:-1]) == (MEMBER,)
    assert parse_members(PREFIX, "") == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MEMBER.to_text()[:-1], "not a folded case"),
        (MEMBER.to_text() + "0", "not a folded case"),
        (
            f"{'a' * TAIL_LENGTH}30{'0' * 9}{'0' * 9}{'e' * 16}{'f' * 16}",
            "a folded case without a time",
        ),
        (f"{'a' * TAIL_LENGTH}30{'x' * 9}{'0' * 9}{'e' * 16}{'f' * 16}", "invalid literal"),
    ],
)
def test_what_is_no_member_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        FoldedMember.from_text(PREFIX, text)


def test_how_far_a_finding_goes_has_one_hash_whatever_its_order() -> None:
    extent = hash_extent(FINDING)
    assert len(extent) == 16
    assert hash_extent(replace(FINDING, reaches=FINDING.reaches[::-1])) == extent
    narrower = Reach.of(["send"], [Selection.of("from", ["shop"])])
    for other in (
        replace(FINDING, severity=Severity.MEDIUM),
        replace(FINDING, verdict="forwards-outside"),
        replace(FINDING, reaches=(narrower,)),
    ):
        assert hash_extent(other) != extent
    assert hash_extent(replace(FINDING, summary="another", changes=())) == extent


def test_a_plan_is_known_by_what_it_changes_and_in_what() -> None:
    plan = hash_plan(FINDING)
    assert len(plan) == 16
    assert hash_plan(replace(FINDING, summary="another")) == plan
    for changes in (
        (),
        (DisableInboxRule("m1", "r2"),),
        (ClearMailboxForward("m1"),),
        (DisableInboxRule("m1", "r1"), ClearMailboxForward("m1")),
    ):
        assert hash_plan(replace(FINDING, changes=changes)) != plan
