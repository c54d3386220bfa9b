"""What a cold start takes, measured in processes of their own."""

from itertools import pairwise
from pathlib import Path

import pytest

from bench.app_start import (
    STAGES,
    StartResults,
    format_starts,
    list_import_shares,
    load_starts,
    measure_stage,
    run_python,
    save_starts,
)

IMPORT_TIMES = """
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   core.guards.one
import time:       200 |        300 | core.guards
import time:       500 |        500 | azure.functions.http
import time:       900 |        900 | known
import time:       200 |        200 | werkzeug.http
"""


def test_each_stage_takes_more_than_the_one_before(tmp_path: Path) -> None:
    figures = [measure_stage(name, 1) for name in list(STAGES)[:2]]
    for before, after in pairwise(figures):
        assert after.modules > before.modules
        assert after.cpu_seconds > before.cpu_seconds
    results = StartResults(tuple(figures), (("core.guards", 0.3),))
    save_starts(results, tmp_path / "start.json")
    assert load_starts(tmp_path / "start.json") == results
    text = format_starts(results)
    assert all(f"| {one.stage} |" in text for one in figures)
    assert "| core.guards | 30% |" in text


def test_packages_are_counted_by_what_their_own_modules_take() -> None:
    found = list_import_shares(IMPORT_TIMES, frozenset({"known"}))
    assert found == [("azure.functions", 0.5), ("core.guards", 0.3), ("werkzeug", 0.2)]


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(OSError, match="no such thing"):
        run_python("raise ImportError('no such thing')", {})
    assert "Not measured" in format_starts(None)
