"""What a customer is told of a mistake in the file of the baseline, word for word and bounded."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError
from core.guards.tenant_baseline.baseline import TESTS, BaselineRow
from core.guards.tenant_baseline.rule_file import (
    CHANGEABLE_FIELDS,
    MAX_ENTRIES,
    MAX_FILE_SIZE,
    MAX_TEXT_LENGTH,
    SHIPPED_ROWS,
    build_baseline,
    build_full_baseline,
    is_writable_row,
    read_baseline_rows,
)

TODAY = date(2026, 11, 20)
NEW: Mapping[str, Any] = {
    "id": "send-from-alias",
    "source": "organization-config",
    "property": "SendFromAliasEnabled",
    "wanted": {"is": True},
    "severity": "low",
    "why": "People notice.",
    "reference": "ours",
    "remedy": "Set-OrganizationConfig",
}
ABLE = ", ".join(sorted(row.id for row in SHIPPED_ROWS if is_writable_row(row)))


def read(**parts: object) -> dict[str, BaselineRow]:
    """The rows in force with a customer's file of these parts."""
    rows = read_baseline_rows(json.dumps(parts), SHIPPED_ROWS, "mine.json", TODAY)
    return {row.id: row for row in rows}


def list_mistakes(**parts: object) -> list[str]:
    """What is told of a file of these parts."""
    with pytest.raises(SettingsError) as caught:
        read(**parts)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        (
            {"wanted": {"is": 1.5}},
            "a value must be true, false, a whole number, a text or null; write one of these",
        ),
        (
            {"wanted": {"is": [1]}},
            "a list must be a list of texts; put each in quotes, all in brackets",
        ),
        (
            {"wanted": True},
            f'wanted must name one test, such as {{"is": true}}: {", ".join(TESTS)}',
        ),
        (
            {"wanted": {"x" * 99: 1}},
            f"{'x' * 60!r} is no test; take one of {', '.join(TESTS)}",
        ),
        (
            {"wanted": {"one_of": "ab"}},
            "one_of cannot be compared with that; see docs/guards.md for what it takes",
        ),
        ({"where": ["x"]}, 'where must name properties, such as {"Enabled": true}'),
        ({"where": {"a b": 1}}, 'where must name properties, such as {"Enabled": true}'),
        (
            {"property": "a b"},
            "property must be a name as the cmdlet prints it, with dots into an object",
        ),
        (
            {"unknown": "x"},
            "unknown must be a list of texts; put each in quotes, all in brackets",
        ),
    ],
    ids=str,
)
def test_a_mistake_in_a_row_is_told_with_its_remedy(slip: dict[str, Any], told: str) -> None:
    assert list_mistakes(rows=[{**NEW, **slip}]) == [f"mine.json: row 1 (send-from-alias): {told}"]


@pytest.mark.parametrize("identity", ["A b", "a" * 61])
def test_an_id_is_made_of_words_and_no_longer_than_it_is_shown(identity: str) -> None:
    assert list_mistakes(rows=[{**NEW, "id": identity}]) == [
        f"mine.json: row 1 ({identity[:60]}): id must be words of small letters and digits with "
        "dashes between; rename it"
    ]
    assert "a" * 60 in read(rows=[{**NEW, "id": "a" * 60}])


def test_a_text_has_a_length_and_a_choice_is_shown_up_to_one() -> None:
    longest = "w" * MAX_TEXT_LENGTH
    assert read(rows=[{**NEW, "why": longest}])["send-from-alias"].rationale == longest
    (line,) = list_mistakes(rows=[{**NEW, "severity": "s" * 99}])
    assert f"severity {'s' * 60!r} is not known; take one of critical, high, info" in line


def test_what_is_not_known_is_named_in_order_and_bounded() -> None:
    (line,) = list_mistakes(change={"owa-rules": {"why": "x", "b" * 99: 1, "a": 2}})
    known = ", ".join(sorted(CHANGEABLE_FIELDS))
    assert line == (
        f"mine.json: change owa-rules: a, {'b' * 60} is not known here; take of {known}"
    )
    ids = ", ".join(sorted(row.id for row in SHIPPED_ROWS))
    assert list_mistakes(off={"x" * 99: {}}) == [
        f"mine.json: off {'x' * 60}: there is no such row; take one of {ids}"
    ]


def test_a_row_of_an_id_that_there_is_may_be_changed_and_not_added() -> None:
    assert list_mistakes(rows=[NEW, NEW]) == [
        "mine.json: row 2 (send-from-alias): there is a row of this id; name it under change, or "
        "take another id"
    ]


def test_a_waiver_ends_on_a_day_within_a_year() -> None:
    for until, told in (
        ("soon", "until must be a day such as 2027-03-31; write one"),
        ("2028-01-01", "until must be a day within a year; decide again then"),
    ):
        off = {"owa-rules": {"who": "IT", "why": "later", "until": until}}
        assert list_mistakes(off=off) == [f"mine.json: off owa-rules: {told}"]


def test_a_part_of_another_form_is_told_and_the_other_parts_are_read_all_the_same() -> None:
    form = f"of at most {MAX_ENTRIES} entries; see docs/guards.md"
    lines = list_mistakes(change=[], off={"nothing": {}})
    assert lines[0] == f"mine.json: change: must be an object {form}"
    assert lines[1].startswith("mine.json: off nothing: there is no such row")
    many = [{**NEW, "id": f"row-{number}"} for number in range(MAX_ENTRIES + 1)]
    assert list_mistakes(rows=many) == [f"mine.json: rows: must be a list {form}"]
    assert len(read(rows=many[:-1])) == len(SHIPPED_ROWS) + MAX_ENTRIES


def test_what_is_no_json_is_quoted_in_short_and_another_object_has_no_parts() -> None:
    with pytest.raises(SettingsError, match=r"^mine\.json: rows: is no JSON \(.*\); correct it$"):
        read_baseline_rows("{", (), "mine.json", TODAY)
    assert list_mistakes(row=[]) == [
        "mine.json: rows: the file row is not known here; take of change, off, rows"
    ]


def test_a_change_may_limit_a_row_and_name_values_that_decide_nothing() -> None:
    entry = {"why": "ours", "where": {"Enabled": True}, "unknown": ["Automatic"]}
    row = read(change={"owa-rules": entry})["owa-rules"]
    assert row.where == (("Enabled", True),)
    assert row.undecided_values == ("Automatic",)
    wrong = {"why": "ours", "unknown": "Automatic"}
    (line,) = list_mistakes(change={"owa-rules": wrong})
    assert line.startswith("mine.json: change owa-rules: unknown must be a list of texts")


def test_a_file_lies_in_the_package_has_a_size_and_is_named_in_short(tmp_path: Path) -> None:
    largest = tmp_path / "largest.json"
    largest.write_text(" " * (MAX_FILE_SIZE - 2) + "{}", encoding="utf-8")
    assert build_baseline("largest.json", (), TODAY, tmp_path).rows == SHIPPED_ROWS
    for name, told in (
        ("../" + "x" * 300, f"^BASELINE_FILE must lie in the deployed package: ../{'x' * 197}$"),
        ("x" * 240, rf"^BASELINE_FILE cannot be read \(FileNotFoundError\): {'x' * 200}; deploy"),
    ):
        with pytest.raises(SettingsError, match=told):
            build_baseline(name, (), TODAY, tmp_path)
    (tmp_path / "wrong.json").write_text('{"rows": {}}', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"^BASELINE_FILE: rows: must be a list"):
        build_baseline("wrong.json", (), TODAY, tmp_path)


def test_rows_that_cannot_be_enforced_are_each_told_with_those_that_can() -> None:
    with pytest.raises(SettingsError) as caught:
        build_baseline("", ("x" * 99, "privacy-contact"), TODAY)
    first, second = str(caught.value).splitlines()
    assert first == f"BASELINE_ENFORCE: there is no row {'x' * 60!r}; take of {ABLE}"
    assert second.startswith("BASELINE_ENFORCE: row privacy-contact can only alert, since nothing")
    assert second.endswith(f"to a definite value; take of {ABLE}")


def test_the_most_that_can_be_enforced_is_what_can_be_written() -> None:
    assert sorted(build_full_baseline().enforced) == ABLE.split(", ")
