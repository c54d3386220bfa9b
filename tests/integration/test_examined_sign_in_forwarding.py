"""Small adversarial tenants, as real exports look, through the whole app: one verdict for each.

The tables say what is to be found; a mailbox that is said nothing of is to be left alone.
"""

import re
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.integration.export_samples.accounts import ACCOUNTS
from tests.integration.export_samples.export import (
    ExportedMailbox,
    Row,
    build_export_scene,
    build_guid,
)
from tests.integration.export_samples.forwards import (
    FLOW_KINDS,
    FLOW_RULES,
    NAMED_FORWARDS,
    OUTSIDE_FORWARDS,
)
from tests.integration.export_samples.rules import DEEP_RULES, HIDING_RULES, SENDING_RULES
from tests.support.run_scene import (
    FORWARDING,
    MAX_CARD_BYTES,
    SIGN_IN,
    TICK_COUNT,
    defer_forwards,
    dump_cards,
    run_scene,
    set_alone,
)

FIRST, SECOND = ACCOUNTS[::2], ACCOUNTS[1::2]
SCENES: dict[str, tuple[tuple[ExportedMailbox, ...], str]] = {
    "accounts": (FIRST, SIGN_IN),
    "more accounts": (SECOND, SIGN_IN),
    "outside forwards": (OUTSIDE_FORWARDS, FORWARDING),
    "named forwards": (NAMED_FORWARDS, FORWARDING),
    "sending rules": (SENDING_RULES, FORWARDING),
    "deep rules": (DEEP_RULES, FORWARDING),
    "hiding rules": (HIDING_RULES, FORWARDING),
}


@dataclass(frozen=True)
class Played:
    """A table of cases and what came of them in three ticks, everything enforced."""

    cases: tuple[ExportedMailbox, ...]
    guard: str
    result: Row

    def run(self, tick: int) -> Row:
        (only,) = (
            run for run in self.result["runs"] if (run["tick"], run["guard"]) == (tick, self.guard)
        )
        found: Row = only
        return found

    def said(self, tick: int) -> dict[str, list[tuple[str, str]]]:
        """Kind and verdict of every finding, by the mailbox's alias or the mail-flow rule."""
        names = {}
        for case in self.cases:
            row = case.build_mailbox_row()
            for key in ("ExternalDirectoryObjectId", "Guid"):
                names[str(row.get(key)).lower()] = case.alias
        table: dict[str, list[tuple[str, str]]] = {}
        for row in self.run(tick)["findings"]:
            name = names.get(row["object"], row["subject"])
            table.setdefault(name, []).append((row["kind"], row["verdict"]))
        return {name: sorted(said) for name, said in table.items()}

    def targets(self) -> list[str]:
        """Every id and identity that was written to."""
        return [
            part for write in self.result["writes"] for part in re.split("[ /]", write["target"])
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=SCENES)
async def played(request: pytest.FixtureRequest) -> Played:
    cases, guard = SCENES[request.param]
    modes = set_alone(guard, "enforce")
    flows = [row for _, row in FLOW_RULES] if request.param == "hiding rules" else []
    return Played(
        cases,
        guard,
        await run_scene(build_export_scene(cases, flows), ticks=TICK_COUNT, modes=modes),
    )


def expected(played: Played) -> dict[str, list[tuple[str, str]]]:
    table = {case.alias: sorted(case.expected) for case in played.cases if case.expected}
    if played.cases is HIDING_RULES:
        table |= {
            row["Name"]: [(FLOW_KINDS.get(row["Name"], "transport-rule"), verdict)]
            for verdict, row in FLOW_RULES
            if verdict
        }
        # Some of those that nothing is said of show mail to colleagues: that is stock.
        table["the first look"] = [("stock", "stock")]
    return table


def test_every_case_is_judged_as_the_table_says(played: Played) -> None:
    assert played.said(1) == expected(played)
    run = played.run(1)
    assert (run["unread"], run["blind"], run["changes"]) == (0, [], [])


def changeable(played: Played) -> set[str]:
    """What enforcing may touch: plain accounts, forwards to the outside, rules Graph can change."""
    if played.cases is DEEP_RULES:
        return {"hidden-twin"}
    verdicts = {
        ("sign-in-enabled", "block"),
        ("mailbox-forward", "external"),
        ("inbox-rule-forward", "external"),
    }
    touched = {case.alias for case in played.cases if case.expected & verdicts}
    # Clearing ends both forwards of a mailbox, so an operator decides.
    return touched - {"admin", "both-outside"}


def test_enforcing_touches_what_it_may_and_nothing_else(played: Played) -> None:
    names = {
        known.lower(): case.alias
        for case in played.cases
        for known in (build_guid("user", case.alias), build_guid("mailbox", case.alias))
    }
    touched = {names[part.lower()] for part in played.targets() if part.lower() in names}
    # Forwards that were there at the first look are asked about.
    assert touched == (set() if played.guard == FORWARDING else changeable(played))
    assert played.run(2)["held"] == ""
    assert {row["outcome"] for row in played.run(2)["changes"]} <= {"applied", "refused"}


@pytest.mark.parametrize("name", ["outside forwards", "named forwards", "sending rules"])
async def test_enforcing_ends_forwards_that_appear_later(name: str) -> None:
    cases, guard = SCENES[name]
    modes = set_alone(FORWARDING, "enforce")
    scene = defer_forwards(build_export_scene(cases, []))
    played = Played(cases, guard, await run_scene(scene, ticks=TICK_COUNT, modes=modes))
    names = {
        known.lower(): case.alias
        for case in cases
        for known in (build_guid("user", case.alias), build_guid("mailbox", case.alias))
    }
    touched = {names[part.lower()] for part in played.targets() if part.lower() in names}
    assert touched == changeable(played)


def test_the_third_tick_writes_nothing_and_says_nothing(played: Played) -> None:
    run = played.run(3)
    assert (run["changes"], run["preview"], run["news"], run["told"]) == ([], [], 0, None)


def test_every_card_is_small_and_no_foreign_name_acts_in_it(played: Played) -> None:
    assert played.result["cards"]
    for card in played.result["cards"]:
        shown = dump_cards([card])
        assert len(shown.encode()) <= MAX_CARD_BYTES
        assert not re.search(r"(?<!\\)\]\(https://evil", shown)
        assert "<at>" not in shown
