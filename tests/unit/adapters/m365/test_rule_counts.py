"""Disabling an inbox rule says when other rules of the mailbox went with it."""

import pytest

from core.adapters.m365.changes import compare_rule_counts
from core.tenant.changes import DisableInboxRule
from tests.support.http_recorder import PERSON, build_rule_row, build_scene
from tests.support.tenants import open_sandbox


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (3, 3, ""),
        (3, 4, ""),
        (None, 3, ""),
        (3, None, ""),
        (3, 2, "had 3 inbox rules"),
        (1, 0, "0"),
    ],
)
def test_only_a_smaller_number_of_rules_is_said(
    before: int | None, after: int | None, said: str
) -> None:
    note = compare_rule_counts(before, after)
    assert said in note
    assert bool(note) is bool(said)


async def test_a_rule_that_is_disabled_alone_is_made_without_a_note() -> None:
    rules = {PERSON: [build_rule_row("R1"), build_rule_row("R2")]}
    async with open_sandbox(build_scene(graph={"messageRules": rules})) as to:
        done = await to.tenant.writer.apply(DisableInboxRule(PERSON, "R1"))
        assert (done.note, to.write_count) == ("", 1)
