"""The brake under somebody who works against it: one mailbox, many small plans, moving plans."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.brake import build_brake_finding, describe_excess
from core.engine.outcomes import mark_notified
from core.model.cases import Notification
from core.model.changes import ChangeRecord, ChangeState, compute_plan_hash
from core.model.findings import Fact, Finding, Severity
from core.model.guards import Mode
from core.model.requests import RunOptions
from core.model.state import GuardSnapshot
from core.tenant.changes import (
    Change,
    DisableInboxRule,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    RaiseAuditAge,
)
from tests.support.decisions import (
    CONFIG,
    DAY,
    STATE,
    RunDecision,
    apply_plan,
    build_finding,
    build_scene,
    make_plan,
)
from tests.support.fakes.clock import START
from tests.support.remedy_checks import tell_remedy

HOUR = timedelta(hours=1)


def build_rules(
    name: str, numbers: Iterable[int], severity: Severity = Severity.HIGH
) -> list[Finding]:
    """Findings about several rules of one mailbox."""
    return [
        build_finding(
            name,
            kind="rule",
            fingerprint=str(number),
            severity=severity,
            changes=(DisableInboxRule(name, str(number)),),
        )
        for number in numbers
    ]


def list_subjects(plan: RunDecision) -> list[str]:
    return sorted(row.subject for row in plan.changes_to_apply)


def follow(plan: RunDecision, memory: GuardSnapshot, *, at: timedelta) -> GuardSnapshot:
    """What the next run knows, once the cards were accepted and the changes made."""
    after = apply_plan(plan, memory, deliver=False)
    pending = [case for case in after.cases.values() if case.notification]
    told = {case.key: case for case in mark_notified(pending, START + at)}
    return replace(after, cases={**after.cases, **told}, state=plan.state)


def test_the_rules_of_one_mailbox_do_not_hold_the_change_of_another() -> None:
    plan = make_plan(build_scene(), [*build_rules("a", range(21)), build_finding("b")])
    assert list_subjects(plan) == ["a@example.com"] * 5 + ["b@example.com"]
    assert plan.block_reason == (
        "a@example.com: 16 changes beyond the 5 that are made of one object in a day"
    )
    (brake,) = (case for case in plan.cases if case.kind == "brake")
    assert brake.summary.endswith("None of these changes was made.")


def test_the_gravest_rules_of_a_mailbox_come_first() -> None:
    rules = [*build_rules("a", range(10)), *build_rules("a", range(10, 12), Severity.CRITICAL)]
    made = {row.arguments["rule_id"] for row in make_plan(build_scene(), rules).changes_to_apply}
    assert {"10", "11"} < made
    assert len(made) == 5


def test_one_mailbox_has_five_changes_a_day_and_not_five_a_run() -> None:
    memory = GuardSnapshot(state=STATE)
    first = make_plan(build_scene(memory), build_rules("a", range(5)))
    memory = follow(first, memory, at=timedelta())
    more = build_rules("a", range(5, 8))
    assert make_plan(build_scene(memory, now=START + HOUR), more).changes_to_apply == ()
    later = make_plan(build_scene(memory, now=START + DAY), more)
    assert len(later.changes_to_apply) == 3


def test_what_is_one_command_counts_once_for_its_mailbox() -> None:
    kinds: list[tuple[str, Change]] = [("off", EnableMailboxAudit("a"))]
    kinds += [(str(days), RaiseAuditAge("a", days)) for days in range(90, 100)]
    found = [build_finding("a", kind=kind, changes=(change,)) for kind, change in kinds]
    assert len(make_plan(build_scene(), found).changes_to_apply) == 11


def test_many_small_plans_in_one_day_are_held() -> None:
    memory, made = GuardSnapshot(state=STATE), 0
    reason = ""
    for number in range(8):
        at = number * HOUR
        found = [build_finding(f"{number}-{one}") for one in "xy"]
        plan = make_plan(build_scene(memory, now=START + at), found)
        made += len(plan.changes_to_apply)
        reason = plan.block_reason
        memory = follow(plan, memory, at=at)
    assert made == 6
    assert reason == ("8 objects would be changed within a day and 6 may be without a release")
    plan = make_plan(build_scene(memory, now=START + DAY), [build_finding("z")])
    assert list_subjects(plan) == ["z@example.com"]


def test_released_changes_do_not_use_up_the_budget_of_a_day() -> None:
    many = [build_finding(name) for name in "abcdefgh"]
    memory = GuardSnapshot(state=STATE)
    held = make_plan(build_scene(memory), many)
    memory = follow(held, memory, at=timedelta())
    release = RunOptions(plan=held.hash, at=START + HOUR)
    released = make_plan(build_scene(memory, now=START + HOUR, run_options=release), many)
    assert len(released.changes_to_apply) == 8
    memory = follow(released, memory, at=HOUR)
    plan = make_plan(build_scene(memory, now=START + 2 * HOUR), [build_finding("z")])
    assert list_subjects(plan) == ["z@example.com"]


def test_a_plan_that_changes_from_run_to_run_is_one_case_with_one_card() -> None:
    memory, cards, hashes = GuardSnapshot(state=STATE), 0, set()
    for number in range(6):
        at = number * timedelta(minutes=15)
        many = [build_finding(name) for name in "abcd"]
        many += [build_finding(f"moving-{number}")]
        plan = make_plan(build_scene(memory, now=START + at), many)
        brakes = [case for case in plan.cases if case.kind == "brake"]
        cards += sum(case.notification is not Notification.NONE for case in brakes)
        hashes.add(plan.hash)
        memory = follow(plan, memory, at=at)
    assert sum(case.kind == "brake" for case in memory.cases.values()) == 1
    assert (cards, len(hashes)) == (1, 6)


def test_an_operator_who_read_an_older_plan_wins_the_race() -> None:
    memory, shown = GuardSnapshot(state=STATE), ""
    for number in range(3):
        at = number * timedelta(minutes=15)
        many = [build_finding(name) for name in "abcd"] + [build_finding(f"new-{number}")]
        plan = make_plan(build_scene(memory, now=START + at), many)
        shown = shown or plan.hash
        memory = follow(plan, memory, at=at)
    at = timedelta(minutes=45)
    scene = build_scene(memory, now=START + at, run_options=RunOptions(plan=shown, at=START + at))
    plan = make_plan(scene, [build_finding(name) for name in "abcdefg"])
    assert list_subjects(plan) == [f"{name}@example.com" for name in "abcd"]


def test_twice_as_much_that_waits_is_told_again() -> None:
    memory, told = GuardSnapshot(state=STATE), []
    for number, count in enumerate((4, 5, 7, 8, 9, 15, 16)):
        at = number * timedelta(minutes=15)
        many = [build_finding(str(one)) for one in range(count)]
        plan = make_plan(build_scene(memory, now=START + at), many)
        told += [
            count
            for case in plan.cases
            if case.kind == "brake" and case.notification is not Notification.NONE
        ]
        memory = follow(plan, memory, at=at)
    assert told == [4, 8, 16]


def test_a_change_that_is_planned_otherwise_by_now_is_not_what_was_released() -> None:
    memory = GuardSnapshot(state=STATE)
    held = make_plan(build_scene(memory), [build_finding(name) for name in "abc"])
    memory = follow(held, memory, at=timedelta())
    changed = build_finding("a", changes=(EnableMailboxAudit("a"),))
    release = RunOptions(plan=held.hash, at=START + HOUR)
    plan = make_plan(
        build_scene(memory, now=START + HOUR, run_options=release),
        [changed, build_finding("b"), build_finding("c"), build_finding("d"), build_finding("e")],
    )
    assert list_subjects(plan) == ["b@example.com", "c@example.com"]


def test_a_short_listing_is_believed_once_released_in_alert_mode_too() -> None:
    memory = GuardSnapshot(state=STATE)
    scene, reading = build_scene(memory, mode=Mode.ALERT)
    shorter = replace(reading, population=10)
    held = make_plan((scene, shorter), [])
    assert held.block_reason == "the listing fell from 20 to 10 mailboxes"
    memory = follow(held, memory, at=timedelta())
    release = RunOptions(plan=held.hash, at=START + HOUR)
    scene, _ = build_scene(memory, now=START + HOUR, run_options=release, mode=Mode.ALERT)
    plan = make_plan((scene, shorter), [])
    assert (plan.block_reason, plan.released, plan.state.population) == ("", True, 10)
    much_shorter = make_plan((scene, replace(reading, population=5)), [])
    assert much_shorter.block_reason == "the listing fell from 20 to 5 mailboxes"


def test_a_release_for_its_changes_does_not_make_a_cut_listing_true() -> None:
    memory = GuardSnapshot(state=STATE)
    many = [build_finding(name) for name in "abc"]
    held = make_plan(build_scene(memory), many)
    memory = follow(held, memory, at=timedelta())
    release = RunOptions(plan=held.hash, at=START + HOUR)
    scene, reading = build_scene(memory, now=START + HOUR, run_options=release)
    plan = make_plan((scene, replace(reading, population=4)), many[:1])
    assert list_subjects(plan) == ["a@example.com"]
    assert plan.block_reason == "the listing fell from 20 to 4 mailboxes"
    assert not [case for case in plan.cases if case.closed_at]


# -- exactly what is said and counted ----------------------------------------------------------


def build_planned(*names: str) -> list[tuple[str, str, Change]]:
    """One change for each name, under a case key of its own."""
    return [
        (build_finding(name).compute_key("toy"), f"{name}@example.com", DisableInboxRule(name, "1"))
        for name in names
    ]


def test_the_finding_of_the_brake_names_the_plan_and_what_it_would_change() -> None:
    held = build_planned("b", "a")
    found = build_brake_finding(CONFIG, "3 objects would be changed", held, None)
    plan = compute_plan_hash("toy", ((key, change) for key, _, change in held), None)
    assert f'exo release toy {plan} --why "' in tell_remedy(found)
    assert replace(found, steps=()) == Finding(
        kind="brake",
        object_id="toy",
        subject="toy",
        severity=Severity.HIGH,
        verdict="ask",
        summary="The brake holds: 3 objects would be changed. Nothing was changed.",
        facts=(
            Fact("", f"plan {plan}"),
            Fact("", "would change a@example.com"),
            Fact("", "would change b@example.com"),
        ),
        plan_hash=plan,
        advice="Review the list; release what it names, within an hour, if all of it is meant.",
    )


def test_a_plan_lists_twenty_objects_and_counts_the_rest() -> None:
    names = [f"n{number:02}" for number in range(23)]
    facts = build_brake_finding(CONFIG, "many", build_planned(*names), None).facts
    assert [fact.text for fact in facts[-2:]] == ["would change n19@example.com", "and 3 more"]
    assert len(facts) == 22
    facts = build_brake_finding(CONFIG, "many", build_planned(*names[:21]), None).facts
    assert facts[-2:] == (Fact("", "would change n19@example.com"), Fact("", "and 1 more"))
    whole = build_brake_finding(CONFIG, "many", build_planned(*names[:20]), None).facts
    assert whole[-1].text == "would change n19@example.com"
    assert len(whole) == 21


def test_the_hash_of_a_plan_depends_on_the_guard_the_changes_and_a_short_listing() -> None:
    held = build_planned("a")
    other = replace(CONFIG, guard=replace(CONFIG.guard, name="other"))
    hashes = {
        build_brake_finding(CONFIG, "why", held, None).plan_hash,
        build_brake_finding(CONFIG, "why", held, 4).plan_hash,
        build_brake_finding(CONFIG, "why", held, 5).plan_hash,
        build_brake_finding(CONFIG, "why", build_planned("b"), None).plan_hash,
        build_brake_finding(other, "why", held, None).plan_hash,
    }
    assert len(hashes) == 5
    assert build_brake_finding(CONFIG, "else", held, None).plan_hash in hashes


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("", ""),
        ("a", "a@example.com"),
        ("cab", "a@example.com, b@example.com, c@example.com"),
        ("dcba", "a@example.com, b@example.com, c@example.com and 1 more"),
        ("edcba", "a@example.com, b@example.com, c@example.com and 2 more"),
    ],
)
def test_objects_that_want_too_much_are_named(names: str, said: str) -> None:
    planned = build_planned(*names, "z")
    excess = frozenset(key for key, subject, _ in planned if subject != "z@example.com")
    reason = describe_excess(CONFIG, excess, planned)
    beyond = f": {len(names)} changes beyond the 5 that are made of one object in a day"
    assert reason == (f"{said}{beyond}" if names else "")


def build_made(
    name: str, fingerprints: Iterable[int], *, hours: int = 1, **values: Any
) -> tuple[ChangeRecord, ...]:
    """Records of rules of one mailbox that were disabled so many hours ago."""
    return tuple(
        replace(
            ChangeRecord(
                id=f"{name}{number}",
                case_key=finding.compute_key("toy"),
                subject=finding.subject,
                kind="DisableInboxRule",
                arguments={"mailbox_id": name, "rule_id": str(number)},
                state=ChangeState.APPLIED,
                at=START - hours * HOUR,
                run="earlier",
            ),
            **values,
        )
        for number, finding in zip(fingerprints, build_rules(name, fingerprints), strict=True)
    )


@pytest.mark.parametrize(
    ("values", "room"),
    [
        ({}, 2),
        ({"state": ChangeState.INFERRED}, 2),
        ({"state": ChangeState.FAILED}, 5),
        ({"state": ChangeState.REFUSED}, 5),
        ({"undo_of": "c0"}, 5),
        ({"released_plan": "0" * 32}, 5),
        ({"at": START - DAY}, 5),
        ({"at": START - DAY + timedelta(seconds=1)}, 2),
    ],
    ids=["made", "inferred", "failed", "refused", "undo", "released", "a day ago", "just less"],
)
def test_what_was_made_within_a_day_uses_up_the_room_of_its_object(
    values: dict[str, Any], room: int
) -> None:
    memory = GuardSnapshot(state=STATE, changes=build_made("a", range(10, 13), **values))
    plan = make_plan(build_scene(memory), build_rules("a", range(8)))
    assert len(plan.changes_to_apply) == room


def test_a_change_that_is_made_again_does_not_count_twice() -> None:
    memory = GuardSnapshot(state=STATE, changes=build_made("a", range(3)))
    plan = make_plan(build_scene(memory), build_rules("a", range(6)))
    assert len([row for row in plan.changes_to_apply if row.state is ChangeState.INTENDED]) == 5


def test_an_object_without_any_room_left_changes_nothing_more() -> None:
    memory = GuardSnapshot(state=STATE, changes=build_made("a", range(10, 18)))
    plan = make_plan(build_scene(memory), [*build_rules("a", range(3)), build_finding("b")])
    assert list_subjects(plan) == ["b@example.com"]


def test_among_equally_grave_cases_the_oldest_come_first() -> None:
    memory = GuardSnapshot(state=STATE)
    old = build_rules("a", range(5))
    memory = follow(make_plan(build_scene(memory, mode=Mode.ALERT), old), memory, at=timedelta())
    plan = make_plan(build_scene(memory, now=START + HOUR), [*build_rules("a", range(5, 9)), *old])
    assert {row.arguments["rule_id"] for row in plan.changes_to_apply} == set("01234")


def test_standalone_changes_have_a_limit_of_their_own() -> None:
    config = replace(
        CONFIG,
        guard=replace(CONFIG.guard, standalone_changes=frozenset({"EnableOrganizationAudit"})),
    )
    switches = [
        build_finding(f"s{number}", changes=(EnableOrganizationAudit(),)) for number in range(3)
    ]
    plan = make_plan(build_scene(config=config), [*switches, build_finding("a")])
    assert list_subjects(plan) == ["a@example.com"]
    assert plan.block_reason == (
        "3 changes of the organization and of accounts are wanted and a run may make 2"
    )
    two = make_plan(build_scene(config=config), [*switches[:2], build_finding("a")])
    assert (len(two.changes_to_apply), two.block_reason) == (3, "")
    memory = GuardSnapshot(state=STATE, unreadable_rows=1)
    unread = make_plan(build_scene(memory, config=config), switches[:1])
    assert unread.block_reason == "1 rows of the state table cannot be decoded"
    assert unread.changes_to_apply == ()


def test_two_reasons_to_hold_are_both_said() -> None:
    rules = [finding for name in "abc" for finding in build_rules(name, range(6))]
    plan = make_plan(build_scene(), rules)
    assert plan.changes_to_apply == ()
    assert plan.block_reason == (
        "3 objects would be changed and a run may change 2; "
        "a@example.com, b@example.com, c@example.com: "
        "3 changes beyond the 5 that are made of one object in a day"
    )


def test_an_object_that_waits_for_itself_does_not_count_among_those_of_a_run() -> None:
    memory = GuardSnapshot(state=STATE, changes=build_made("a", range(10, 15)))
    found = [*build_rules("a", range(1)), build_finding("b"), build_finding("c")]
    plan = make_plan(build_scene(memory), found)
    assert list_subjects(plan) == ["b@example.com", "c@example.com"]
    assert plan.block_reason == (
        "a@example.com: 1 changes beyond the 5 that are made of one object in a day"
    )


def test_what_is_one_command_takes_the_room_of_one_change() -> None:
    together = [
        build_finding("a", kind="off", changes=(EnableMailboxAudit("a"),)),
        build_finding("a", kind="age", changes=(RaiseAuditAge("a", 90),)),
    ]
    plan = make_plan(build_scene(), [*together, *build_rules("a", range(8))])
    assert sorted(row.kind for row in plan.changes_to_apply) == [
        *["DisableInboxRule"] * 4,
        "EnableMailboxAudit",
        "RaiseAuditAge",
    ]


def test_standalone_changes_that_wait_are_listed_in_the_plan_and_wait_from_now_on() -> None:
    config = replace(
        CONFIG,
        guard=replace(CONFIG.guard, standalone_changes=frozenset({"EnableOrganizationAudit"})),
    )
    switches = [build_finding(name, changes=(EnableOrganizationAudit(),)) for name in "xyz"]
    plan = make_plan(build_scene(config=config), [*switches, build_finding("a")])
    (brake,) = (case for case in plan.cases if case.kind == "brake")
    assert [fact.text for fact in brake.facts[1:]] == [
        f"would change {name}@example.com" for name in "xyz"
    ]
    waiting = {case.object_id for case in plan.cases if case.held_since == START}
    assert waiting == {"x", "y", "z"}


@pytest.mark.parametrize(("count", "made"), [(11, 11), (12, 0)])
def test_the_share_of_a_tenant_is_a_percentage_rounded_up(count: int, made: int) -> None:
    found = [build_finding(f"n{number:02}") for number in range(count)]
    scene = build_scene()
    plan = make_plan((scene[0], replace(scene[1], population=101)), found)
    assert len(plan.changes_to_apply) == made
