"""The list of what intruders do: what a row says, and which rows make no sense."""

import pytest

from core.microsoft365.behaviours import Share, Sight, load_behaviours, parse_behaviour

ROW = {
    "id": "X01",
    "behaviour": "adds a consent",
    "techniques": "T1098.002 T1528",
    "trace": "state",
    "rules": "3",
    "share": "part",
    "seen_by": "app-consent:granted mail-protection:wider:more",
    "sweep_hours": "",
    "remark": "not all",
}


def test_a_row_says_what_is_told_and_by_whom() -> None:
    found = parse_behaviour(ROW)
    assert (found.id, found.name, found.remark) == ("X01", "adds a consent", "not all")
    assert found.techniques == ("T1098.002", "T1528")
    assert (found.leaves_state, found.rules, found.sweep_hours) == (True, 3, 0)
    assert found.share is Share.PART
    assert found.seen_by == (
        Sight("app-consent", "granted"),
        Sight("mail-protection", "wider:more"),
    )
    assert not parse_behaviour(ROW | {"trace": "record"}).leaves_state
    assert parse_behaviour(ROW | {"sweep_hours": "24"}).sweep_hours == 24


@pytest.mark.parametrize(
    ("technique", "has"),
    [("T1098", True), ("t1098.002", True), ("T1098.001", False), ("T109", False), ("T1528", True)],
)
def test_a_technique_includes_its_parts(technique: str, has: bool) -> None:
    assert parse_behaviour(ROW).has_technique(technique) is has


NOBODY = {"share": "none", "seen_by": ""}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"share": "none"}, "X01: what is told names a guard, and nothing else does"),
        ({"seen_by": ""}, "X01: what is told names a guard"),
        ({"share": "full", "seen_by": "", "remark": ""}, "names a guard"),
        ({"remark": ""}, "X01: what is not told in full has a reason"),
        ({**NOBODY, "remark": ""}, "has a reason"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(change: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_behaviour(ROW | change)


def test_what_is_told_in_full_or_by_nobody_makes_sense() -> None:
    assert parse_behaviour(ROW | {"share": "full", "remark": ""}).share is Share.FULL
    assert parse_behaviour(ROW | NOBODY).seen_by == ()


def test_the_file_is_read_in_its_order() -> None:
    ids = [one.id for one in load_behaviours()]
    assert len(ids) == len(set(ids))
    assert load_behaviours()[0].name
