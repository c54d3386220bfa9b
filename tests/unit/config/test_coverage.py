"""What is told of the things intruders do, as the list, the catalog and the techniques have it."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.config.catalog import CATALOG
from core.config.coverage import (
    COLLECTIONS,
    CONFIGS,
    build_rows,
    list_techniques,
    list_verdicts_without_techniques,
    measure_delay,
)
from core.microsoft365.attack_techniques import VERDICT_TECHNIQUES
from core.microsoft365.behaviours import TECHNIQUE, Share, load_behaviours
from core.status.coverage import (
    CoverageRow,
    GuardSight,
    build_layer,
    count_shares,
    mark_blind,
    summarize,
)

GUARDS = Path(__file__).resolve().parents[3] / "core" / "guards"


def list_kinds(guard: str) -> set[str]:
    """The kinds of findings that a guard's modules name."""
    folder = GUARDS / guard.replace("-", "_")
    text = "".join(path.read_text("utf-8") for path in sorted(folder.glob("*.py")))
    return set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text))


def test_every_verdict_names_its_techniques_and_no_other_does() -> None:
    assert [*list_verdicts_without_techniques()] == []
    for guard, named in VERDICT_TECHNIQUES.items():
        assert named.keys() <= CONFIGS[guard].guard.verdicts.keys()
    assert VERDICT_TECHNIQUES.keys() == CONFIGS.keys()


def test_every_technique_is_written_as_one() -> None:
    named = [one for verdicts in VERDICT_TECHNIQUES.values() for one in verdicts.values()]
    named += [one.techniques for group in COLLECTIONS.values() for one in group.values()]
    named += [one.techniques for one in load_behaviours()]
    assert [one for group in named for one in group if not TECHNIQUE.fullmatch(one)] == []


def test_what_tells_of_a_behaviour_is_a_verdict_or_a_kind_of_its_guard() -> None:
    for behaviour in load_behaviours():
        for one in behaviour.seen_by:
            guard = CONFIGS[one.guard].guard
            known = guard.verdicts.keys() | COLLECTIONS.get(one.guard, {}).keys()
            assert one.target in known | list_kinds(one.guard), f"{behaviour.id}: {one}"


def test_the_list_is_that_of_the_public_rules() -> None:
    ids = [one.id for one in load_behaviours()]
    assert len(ids) == len(set(ids)) == 118
    assert sum(count_shares(build_rows(), leaves_state=True).values()) == 86
    assert "Of 86 behaviours that leave state" in summarize(build_rows())


def test_a_technique_includes_its_parts() -> None:
    wide, narrow = build_rows("T1098"), build_rows("T1098.002")
    assert len(wide) > len(narrow) > 0
    assert build_rows("T9999") == ()


@pytest.mark.parametrize(
    ("schedule", "hours"), [("0 */15 * * * *", 0.25), ("0 25 */6 * * *", 6), ("0 0 0 * * *", 24)]
)
def test_a_look_is_late_by_the_longest_gap_of_its_schedule(schedule: str, hours: float) -> None:
    assert measure_delay(schedule) == timedelta(hours=hours)


def build_sights(**changes: GuardSight) -> dict[str, GuardSight]:
    """Every guard at work."""
    whole = {
        one.guard.name: GuardSight(one.guard.name, is_on=True, unread=frozenset(), missing=())
        for one in CATALOG
    }
    return whole | {name.replace("_", "-"): one for name, one in changes.items()}


def find_row(rows: tuple[CoverageRow, ...], name: str) -> CoverageRow:
    return next(one for one in rows if one.behaviour.id == name)


def test_what_is_off_or_unread_here_is_blind_and_nothing_else() -> None:
    rows = build_rows()
    assert not any(one.blind for one in mark_blind(rows, build_sights()))
    sight = build_sights()["privileged-change"]
    off = mark_blind(rows, build_sights(privileged_change=replace(sight, is_on=False)))
    assert find_row(off, "T10").blind == ("privileged-change is off",)
    assert not find_row(off, "B01").blind
    unread = replace(sight, unread=frozenset({"watched-device"}))
    seen = mark_blind(rows, build_sights(privileged_change=unread))
    assert find_row(seen, "T10").blind == ("privileged-change could not read watched-device",)
    assert not find_row(seen, "P25").blind


def test_the_layer_is_one_that_navigator_opens() -> None:
    layer = build_layer(build_rows())
    assert layer["domain"] == "enterprise-attack"
    assert layer["versions"] == {"attack": "17", "navigator": "5.1.0", "layer": "4.5"}
    techniques = layer["techniques"]
    assert isinstance(techniques, list)
    assert all(0 <= one["score"] <= 100 for one in techniques)
    by_id = {one["techniqueID"]: one for one in techniques}
    assert by_id["T1562.008"]["score"] == 100
    assert "B09" in by_id["T1562.008"]["comment"]


def test_a_finding_has_the_techniques_of_its_collection_or_of_its_verdict() -> None:
    assert list_techniques("privileged-change", "device", "new") == ("T1098.005",)
    assert list_techniques("mail-protection", "preset-rule-gone", "gone")
    assert list_techniques("mailbox-audit", "audit-bypass", "repair") == ("T1562.008",)
    assert list_techniques("mailbox-audit", "x", "of-another-version") == ()


def test_a_share_is_one_of_three() -> None:
    assert {one.share for one in load_behaviours()} == set(Share)
