"""Every guard says which recommendations of the benchmark it speaks of, and by which findings."""

import re
from collections.abc import Iterator
from pathlib import Path

from core.config.catalog import CATALOG
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS
from core.microsoft365.cis_benchmark import (
    BENCHMARK,
    BENCHMARK_URL,
    CONTROLS,
    NO_CONTROL_REASONS,
    find_controls,
)

GUARDS_DIRECTORY = Path(__file__).resolve().parent.parent.parent.parent / "core" / "guards"
GUARDS = tuple(duty.guard.name for duty in CATALOG)
CIS = "CIS Microsoft 365: "
EVERY = [(guard, control) for guard, controls in CONTROLS.items() for control in controls]


def ids_of(guard: str, kind: str, verdict: str, object_id: str = "m1") -> list[str]:
    return [control.id for control in find_controls(guard, kind, verdict, object_id)]


def source_of(guard: str) -> str:
    """The text of a guard, with the rows of the baseline where these are its kinds."""
    name = guard.replace("-", "_")
    modules = sorted(GUARDS_DIRECTORY.glob(f"{name}.py")) or sorted(
        (GUARDS_DIRECTORY / name).glob("*.py")
    )
    text = "".join(path.read_text(encoding="utf-8") for path in modules)
    return text + "".join(f'"{row.id}"' for row in SHIPPED_ROWS)


def test_every_guard_has_its_recommendations_or_a_reason_for_having_none() -> None:
    assert tuple(CONTROLS) == GUARDS
    assert set(NO_CONTROL_REASONS) == {
        guard for guard, controls in CONTROLS.items() if not controls
    }
    assert all(NO_CONTROL_REASONS.values())


def test_a_recommendation_is_named_as_the_benchmark_does() -> None:
    for _, control in EVERY:
        assert re.fullmatch(r"[1-9](\.\d{1,2}){2,3}", control.id)
        assert control.title.startswith("Ensure ")
        assert (control.benchmark, control.url) == (BENCHMARK, BENCHMARK_URL)
        assert re.search(r" v\d+\.\d+\.\d+$", control.benchmark)
        assert control.scopes, f"a recommendation that no finding is about: {control.id}"


def test_an_id_has_one_title_wherever_it_stands() -> None:
    titles = {(control.id, control.title) for _, control in EVERY}
    assert len(titles) == len({control.id for _, control in EVERY})


def test_every_kind_of_finding_is_one_the_guard_has() -> None:
    for guard, controls in CONTROLS.items():
        text = source_of(guard)
        kinds = {scope.kind for control in controls for scope in control.scopes}
        assert [kind for kind in kinds if f'"{kind}"' not in text] == [], guard


def referred() -> Iterator[tuple[str, str]]:
    """Of the baseline's rows: which recommendation each names as its reference."""
    for row in SHIPPED_ROWS:
        if row.reference.startswith(CIS):
            yield row.id, row.reference.removeprefix(CIS)


def test_a_row_of_the_baseline_refers_to_the_recommendation_it_is_about() -> None:
    told = {
        (scope.kind, control.title)
        for control in CONTROLS["tenant-baseline"]
        for scope in control.scopes
    }
    assert told == set(referred())


def test_a_finding_is_about_what_its_kind_is_about_and_nothing_else() -> None:
    audit = "mailbox-audit"
    assert ids_of(audit, "unified-audit-log-off", "repair") == ["3.1.1"]
    assert ids_of(audit, "audit-bypass", "repair") == ["6.1.3"]
    assert ids_of(audit, "audit-age-too-short", "repair") == []
    assert ids_of("mailbox-forwarding", "inbox-rule-hides", "hides-mail") == []
    assert ids_of("nobody", "audit-bypass", "repair") == []


def test_a_weak_factor_is_a_second_factor_and_a_guest_is_no_member() -> None:
    guard = "mfa-registration"
    lacking, weak = "no-second-factor", "weak-factor"
    assert ids_of(guard, "administrator-second-factor", lacking) == ["5.2.3.4"]
    assert ids_of(guard, "administrator-second-factor", weak) == []
    assert ids_of(guard, "without-second-factor", lacking, "members") == ["5.2.3.4"]
    assert ids_of(guard, "without-second-factor", lacking, "guests") == []
