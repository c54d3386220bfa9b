"""A tenant too large to be kept whole is scanned by two workers; its answers are the usual ones."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.environment import BenchError
from bench.large_tenant import LISTED_PROPERTIES, LargeTenant
from bench.meter import Cost
from bench.million import (
    NOT_RUN,
    MillionResults,
    Phase,
    format_million,
    load_million,
    measure_million,
    save_million,
)
from bench.tenant_generator import TenantSpec, write_scene
from sandbox.state.tenant import SimulatedTenant

SPEC = TenantSpec(60, 3, external_forwards=100, internal_forwards=100, hidden_forwards=100)
COST = Cost(0.0, 90.0, 30.0, 120.0, 80.0, 20.0)
RESULTS = MillionResults(
    machine={"cores": "2", "processor": "a processor", "python": "3.13.0", "load": "2.1"},
    mailboxes=1_000_000,
    latency_ms=20.0,
    seconds=900.0,
    population=999_990,
    open_cases=5_000,
    cards=3,
    requests={"graph": 50_000, "exchange": 1_000, "graph/inner": 990_000, "exchange/inner": 10_000},
    tables={"requests": 20_000, "reads": 15_000, "writes": 9_000},
    phases=(Phase("plan", COST, 2_000), Phase("worker 1", COST, 1_000)),
)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> SimulatedTenant:
    """The same tenant, kept whole."""
    path: Path = tmp_path_factory.mktemp("scene") / "scene.json"
    write_scene(SPEC, path)
    return SimulatedTenant(path.read_bytes())


def test_what_lies_in_a_mailbox_is_made_as_it_would_have_been_kept(usual: SimulatedTenant) -> None:
    large = LargeTenant(SPEC)
    rows = {row["Guid"]: row for row in usual.list_rows("Get-Mailbox")}
    listed = large.list_rows("Get-Mailbox")
    assert [row["Guid"] for row in listed] == list(rows)
    seen = set()
    for row in listed:
        assert row == {name: rows[row["Guid"]].get(name) for name in LISTED_PROPERTIES}
        for name in ("ExternalDirectoryObjectId", "Guid", "PrimarySmtpAddress", "Name"):
            owner, kept = large.find_outlook_owner(row[name]), usual.find_owners(row[name])[0]
            assert owner
            made = json.loads(json.dumps([owner.user, owner.rules, owner.exchange_rules]))
            assert made[:2] == [kept.user, kept.rules]
            # A scene leaves out nulls.
            assert [
                {name: value for name, value in rule.items() if value not in (None, False)}
                for rule in made[2]
            ] == kept.exchange_rules
            seen |= {len(made[1]), len(made[2])}
    assert seen == {3, 4}


@pytest.mark.parametrize("key", ["", "nobody", "anna-000000@else.example.org-1", "x-000061", "-1"])
def test_nobody_else_is_found(key: str) -> None:
    assert LargeTenant(SPEC).find_owners(key) == ()


def test_an_alias_counts_only_as_a_whole() -> None:
    large = LargeTenant(SPEC)
    alias = SPEC.build_alias(7)
    wrong = f"{alias.partition('-')[0]}x-000007"
    assert large.find_owners(alias)
    assert not large.find_owners(wrong)


async def test_two_workers_scan_a_tenant_in_shards() -> None:
    results = await measure_million(1_100, 0.0, shard_above=1_000)
    assert (results.population, results.mailboxes) == (1_100, 1_100)
    plan, *workers = results.phases
    assert plan.shards == sum(worker.shards for worker in workers) == 3
    assert not any(phase.failed for phase in results.phases)
    assert results.requests["graph/inner"] >= 1_100
    assert results.open_cases > 0
    assert results.cards > 0
    with pytest.raises(BenchError, match="without shards"):
        await measure_million(1_100, 0.0)


def test_the_table_says_what_was_run_or_that_nothing_was(tmp_path: Path) -> None:
    path = tmp_path / "million.json"
    assert load_million(path) is None
    assert format_million(None) == NOT_RUN
    save_million(RESULTS, path)
    assert load_million(path) == RESULTS
    text = format_million(RESULTS)
    assert "| worker 1 | 1,000 | 90.0 s | 30.0 s | 120 | 80 (20) |" in text
    assert "1,000,000 mailboxes in 15.0 min, of which 10 were not read" in text
    assert "51,000 requests (1,000,000 inside of batches)" in text
    assert "0 were not read" in format_million(replace(RESULTS, population=1_000_000))
