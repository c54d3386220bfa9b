"""The rows of the baseline: those that come with the app, and a customer's own."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.config.settings import Settings
from core.errors import SettingsError
from core.guards.tenant_baseline.baseline import BaselineRow, ExpectedValue
from core.guards.tenant_baseline.rule_file import (
    ROOT,
    SHIPPED_ROWS,
    build_baseline,
    build_full_baseline,
    is_writable_row,
    read_baseline_rows,
)
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.model.guards import Mode
from tests.support.builders import MINIMAL_SETTINGS

TODAY = date(2026, 11, 20)
NEW: Mapping[str, object] = {
    "id": "send-from-alias",
    "source": "organization-config",
    "property": "SendFromAliasEnabled",
    "wanted": {"is": True},
    "severity": "low",
    "why": "People notice in time that mail goes outside.",
    "reference": "ours",
    "remedy": "Set-OrganizationConfig -SendFromAliasEnabled $true",
}


def read(**parts: object) -> dict[str, BaselineRow]:
    """The rows in force with a customer's file of these parts."""
    rows = read_baseline_rows(json.dumps(parts), SHIPPED_ROWS, "BASELINE_FILE", TODAY)
    return {row.id: row for row in rows}


# The rows that come with the app ----------------------------------------------------------------


def test_each_shipped_row_is_one_line_of_the_table() -> None:
    lines = (
        (ROOT / "core" / "guards" / "tenant_baseline" / "baseline.json")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == [
        row.id for row in SHIPPED_ROWS
    ]


def test_a_shipped_row_says_where_it_comes_from_and_how_it_is_set() -> None:
    known = ("CIS Microsoft 365: ", "CIS Microsoft 365 v7: ", "Microsoft Learn: ")
    for row in SHIPPED_ROWS:
        assert row.reference.startswith(known), row.id
        source = CONFIGURATION_SOURCES[row.source]
        assert ("<identity>" in row.remedy) is (source.identity_property == "Guid"), row.id
        if is_writable_row(row):
            assert row.property_name.rpartition(".")[2].lower() in row.remedy.lower(), row.id
            assert row.expected.matches(row.expected.target_value), row.id


def test_what_can_be_written_is_what_some_row_writes_or_another_guard() -> None:
    """A property that is writable and that no row and no guard writes is a risk for nothing."""
    written = {(row.source, row.property_name) for row in SHIPPED_ROWS if is_writable_row(row)}
    spare = {
        (name, prop)
        for name, source in CONFIGURATION_SOURCES.items()
        for prop in source.writable_properties
    } - written
    assert {pair for pair in spare if pair[0] in {row.source for row in SHIPPED_ROWS}} <= {
        ("sharing-policy", "Domains"),
        ("authorization-policy", "defaultUserRolePermissions.permissionGrantPoliciesAssigned"),
    }


# A customer's file ------------------------------------------------------------------------------


def test_no_file_is_the_shipped_rows_and_nothing_enforced() -> None:
    baseline = build_baseline("", (), TODAY)
    assert baseline.rows == SHIPPED_ROWS
    assert baseline.enforced == frozenset()


def test_a_file_adds_changes_and_switches_off() -> None:
    rows = read(
        rows=[NEW],
        change={"device-password-length": {"wanted": {"at_least": 8}, "why": "our policy"}},
        off={"owa-offline": {"who": "IT", "why": "kiosks", "until": "2027-01-31"}},
    )
    assert rows["send-from-alias"].expected == ExpectedValue("is", (True,))
    changed = rows["device-password-length"]
    assert (changed.expected.target_value, changed.rationale, changed.severity) == (
        8,
        "our policy",
        "low",
    )
    off = rows["owa-offline"].waiver
    assert off
    assert (off.granted_by, off.until) == ("IT", date(2027, 1, 31))
    assert [rows[row.id] for row in SHIPPED_ROWS if row.id not in ("device-password-length",)] == [
        row if row.id != "owa-offline" else rows["owa-offline"]
        for row in SHIPPED_ROWS
        if row.id != "device-password-length"
    ]


def test_a_file_may_change_and_switch_off_the_rows_it_adds() -> None:
    off = {"send-from-alias": {"who": "IT", "why": "later", "until": "2027-01-31"}}
    assert read(rows=[NEW], off=off)["send-from-alias"].waiver


def test_a_day_that_has_passed_is_no_mistake() -> None:
    off = {"owa-offline": {"who": "IT", "why": "kiosks", "until": "2020-01-31"}}
    assert read(off=off)["owa-offline"].waiver


@pytest.mark.parametrize(
    ("wanted", "value", "fits"),
    [
        ({"is": ["a", "b"]}, ["B", "a"], True),
        ({"is": ["a", "b"]}, ["a"], False),
        ({"is": []}, None, True),
        ({"is": None}, None, True),
        ({"is": None}, "x", False),
        ({"is": 6}, "6", True),
        ({"is": 6}, "Unlimited", False),
        ({"one_of": [False, None]}, "True", False),
        ({"one_of": ["a", "b"]}, 1, None),
        ({"at_least": 6}, True, None),
        ({"at_most": 10}, "Unlimited", False),
        ({"at_most": 10}, "-1", True),
        ({"present": True}, [], False),
        ({"present": True}, ["x"], True),
        ({"present": True}, False, True),
        ({"present": True}, {"a": 1}, None),
        ({"within": ["a", "b"]}, ["B"], True),
        ({"within": ["a", "b"]}, ["a", "c"], False),
        ({"shares_at_most": ["Anonymous:CalendarSharingFreeBusySimple"]}, ["*:New"], False),
        (
            {"shares_at_most": ["*:CalendarSharingFreeBusyReviewer"]},
            ["Anonymous:CalendarSharingFreeBusySimple"],
            False,
        ),
        (
            {"shares_at_most": ["*:CalendarSharingFreeBusySimple", "a:ContactsSharing"]},
            ["a:CalendarSharingFreeBusySimple"],
            False,
        ),
        (
            {"shares_at_most": ["a:CalendarSharingFreeBusyReviewer, ContactsSharing"]},
            ["A: ContactsSharing,CalendarSharingFreeBusyDetail"],
            True,
        ),
    ],
    ids=str,
)
def test_each_test_holds_for_what_it_says(
    wanted: dict[str, object], value: object, fits: bool | None
) -> None:
    row = read(rows=[{**NEW, "wanted": wanted}])["send-from-alias"]
    assert row.expected.matches(value) is fits


WRONG_ROWS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"id": "Mail Tips"}, "id must be"),
    ({"id": "guest-access"}, "row of this id"),
    ({"source": "no-such"}, "take one of accepted-domain, admin-consent-policy"),
    ({"property": "a b"}, "property must be"),
    ({"property": "x" * 100}, "property must be"),
    ({"severity": "urgent"}, "take one of critical"),
    ({"why": " "}, "why must be"),
    ({"why": 1}, "why must be"),
    ({"remedy": "x" * 501}, "remedy must be"),
    ({"wanted": True}, "wanted must name one test"),
    ({"wanted": {}}, "wanted must name one test"),
    ({"wanted": {"is": True, "one_of": [1]}}, "wanted must name one test"),
    ({"wanted": {"equals": True}}, "no test; take one of is"),
    ({"wanted": {"is": {"a": 1}}}, "a value must be"),
    ({"wanted": {"is": 1.5}}, "a value must be"),
    ({"wanted": {"is": [1]}}, "list of texts"),
    ({"wanted": {"one_of": []}}, "one_of cannot be compared"),
    ({"wanted": {"at_least": "6"}}, "at_least cannot be compared"),
    ({"wanted": {"at_least": True}}, "at_least cannot be compared"),
    ({"wanted": {"present": False}}, "present cannot be compared"),
    ({"wanted": {"within": "a"}}, "list of texts"),
    ({"where": ["Enabled"]}, "where must name properties"),
    ({"where": {"Enabled": [1]}}, "a value must be"),
    ({"unknown": "Automatic"}, "unknown must be a list of texts"),
    ({"wnated": {"is": True}}, "wnated is not known here"),
)


@pytest.mark.parametrize(("slip", "told"), WRONG_ROWS, ids=str)
def test_a_mistake_in_a_row_names_the_row_and_the_remedy(slip: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(rows=[{**NEW, **slip}])
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"BASELINE_FILE: row 1 ({slip.get('id', 'send-from-alias')}): ")
    assert told in line


def test_a_missing_part_of_a_row_is_named() -> None:
    short = {name: value for name, value in NEW.items() if name not in ("why", "wanted")}
    with pytest.raises(SettingsError, match=r"row 1 \(send-from-alias\): wanted, why is missing"):
        read(rows=[short])


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"row": []}, "row is not known here"),
        ({"rows": {}}, "rows: must be a list"),
        ({"change": []}, "change: must be an object"),
        ({"rows": ["x"]}, "row 1: must be an object"),
        ({"change": {"nothing": {"why": "x"}}}, "change nothing: there is no such row"),
        ({"change": {"owa-rules": {"severity": "low"}}}, "change owa-rules: why must be"),
        ({"change": {"owa-rules": {"why": "x", "source": "y"}}}, "source is not known here"),
        ({"off": {"owa-rules": {"why": "x", "until": "2027-01-01"}}}, "off owa-rules: who must be"),
        ({"off": {"owa-rules": {"who": "x", "until": "2027-01-01"}}}, "off owa-rules: why must be"),
        ({"off": {"owa-rules": {"who": "x", "why": "y"}}}, "off owa-rules: until must be"),
        ({"off": {"owa-rules": {"who": "x", "why": "y", "until": "soon"}}}, "until must be a day"),
        ({"off": {"*": {"who": "x", "why": "y", "until": "2027-01-01"}}}, "there is no such row"),
    ],
    ids=str,
)
def test_a_mistake_in_the_file_is_named_with_its_place(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**parts)
    assert told in str(caught.value)


def test_nobody_does_without_a_row_for_ever() -> None:
    for days, fine in ((366, True), (367, False)):
        until = (TODAY + timedelta(days=days)).isoformat()
        off = {"owa-rules": {"who": "x", "why": "y", "until": until}}
        if fine:
            assert read(off=off)["owa-rules"].waiver
        else:
            with pytest.raises(SettingsError, match="within a year"):
                read(off=off)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read(rows=[{**NEW, "id": "A"}, {**NEW, "severity": "x"}], change={"no": {}}, off={"no": {}})
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"rows": NaN}', "[" * 100_000])
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="BASELINE_FILE"):
        read_baseline_rows(text, SHIPPED_ROWS, "BASELINE_FILE", TODAY)


# Where the file lies ----------------------------------------------------------------------------


def test_a_file_is_read_from_the_package_and_from_nowhere_else(tmp_path: Path) -> None:
    root = tmp_path / "app"
    root.mkdir()
    (root / "mine.json").write_text(json.dumps({"rows": [NEW]}), encoding="utf-8")
    (tmp_path / "outside.json").write_text("{}", encoding="utf-8")
    assert len(build_baseline("mine.json", (), TODAY, root).rows) == len(SHIPPED_ROWS) + 1
    for name in ("../outside.json", str(tmp_path / "outside.json")):
        with pytest.raises(SettingsError, match="deployed package"):
            build_baseline(name, (), TODAY, root)
    with pytest.raises(SettingsError, match=r"beside host\.json"):
        build_baseline("none.json", (), TODAY, root)
    (root / "large.json").write_text(" " * 300_000, encoding="utf-8")
    with pytest.raises(SettingsError, match="fewer rows"):
        build_baseline("large.json", (), TODAY, root)
    (root / "broken.json").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        build_baseline("broken.json", (), TODAY, root)


def test_the_sample_is_a_file_that_works() -> None:
    sample = (ROOT / "docs" / "baseline.sample.json").read_text(encoding="utf-8")
    rows = {row.id: row for row in read_baseline_rows(sample, SHIPPED_ROWS, "sample", TODAY)}
    assert rows["send-from-alias"].source == "organization-config"
    assert rows["owa-rules"].severity == "low"
    assert rows["device-encryption"].waiver


# Settings ---------------------------------------------------------------------------------------


def test_only_rows_that_can_be_written_may_be_enforced() -> None:
    able = build_full_baseline().enforced
    assert build_baseline("", sorted(able), TODAY).enforced == able
    with pytest.raises(SettingsError) as caught:
        build_baseline("", ("privacy-contact", "nothing", "modern-authentication"), TODAY)
    told = str(caught.value).splitlines()
    assert len(told) == 2
    assert "row privacy-contact can only alert" in told[0]
    assert "no row 'nothing'" in told[1]


def test_settings_bring_the_baseline_and_the_permissions_that_follow_from_it() -> None:
    settings = Settings.read(
        {
            **MINIMAL_SETTINGS,
            "TENANT_BASELINE_MODE": "enforce",
            "BASELINE_ENFORCE": "device-password",
            "ALLOWED_FORWARD_DOMAINS": "Partner.example",
        }
    )
    config = settings.find_guard_config("tenant-baseline")
    assert config
    assert config.guard.options.rows == SHIPPED_ROWS
    assert config.guard.options.enforced == {"device-password"}
    assert config.guard.options.allowed_forward_domains == {"partner.example"}
    duty = settings.find_guard_config("tenant-baseline")
    assert duty
    assert duty.mode is Mode.ENFORCE
    writes = [one for one in duty.guard.permissions if one.writes]
    assert [(one.name, one.parameters) for one in writes] == [
        ("Set-MobileDeviceMailboxPolicy", ("Identity", "PasswordEnabled"))
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASELINE_FILE", "no-such-file.json"),
        ("BASELINE_FILE", "../host.json"),
        ("BASELINE_FILE", "host.json"),
        ("BASELINE_ENFORCE", "no-such-row"),
        ("BASELINE_ENFORCE", "*"),
    ],
)
def test_a_wrong_baseline_is_named_with_all_other_mistakes(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.read({**MINIMAL_SETTINGS, name: value, "RUN_MINUTES": "nan"})
    assert "RUN_MINUTES" in str(caught.value)
