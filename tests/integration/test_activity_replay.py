"""Published audit records, with their publishers' labels: where each leads, and who acted.

`tests/data/audit_records.jsonl` holds facts of public samples in the form of the feed or of Graph:
panther-labs/panther-analysis (Apache-2.0), the training lab of Azure/Azure-Sentinel (MIT), samples
of the Digital Defense Institute (MIT) and OTRF/Security-Datasets (MIT). Beside each record stands
the guard that its label speaks of, or none, and who acted, when and from where.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from core.activity.hints import (
    Resolved,
    build_act,
    build_looks,
    list_concerns,
    list_mailbox_names,
    list_news,
)
from core.adapters.m365.activity.directory import parse_directory_audit
from core.adapters.m365.activity.read import PARSERS
from core.tenant.activity import ActivityLog, ActivityRecord
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY

SAMPLES = Path(__file__).parents[1] / "data" / "audit_records.jsonl"
ROWS: tuple[dict[str, Any], ...] = tuple(
    json.loads(line) for line in SAMPLES.read_text(encoding="utf-8").splitlines()
)
ATTACKS = tuple(row for row in ROWS if row["guard"])
NOISE = tuple(row for row in ROWS if not row["guard"])


def parse(row: dict[str, Any]) -> ActivityRecord:
    log = ActivityLog(row["log"])
    record = PARSERS.get(log, parse_directory_audit)(row["record"], frozenset())
    assert record is not None
    return record


def name(row: dict[str, Any]) -> str:
    return f"{row['source'].split('/')[-1]}-{row['key']}".replace(" ", "-")


@pytest.mark.parametrize("row", ATTACKS, ids=name)
def test_an_attack_leads_to_its_guard_with_who_did_it(row: dict[str, Any]) -> None:
    record = parse(row)
    assert row["guard"] in {concern.watch.guard for concern in list_concerns(record)}
    act = build_act(record, list_concerns(record), Resolved({}), START)
    assert (act.actor.name, act.address) == (row["actor"], row["address"])
    assert f"{act.at:%Y-%m-%dT%H:%M:%S}" == row["at"]


@pytest.mark.parametrize("row", ATTACKS, ids=name)
def test_an_attack_makes_its_guard_look_and_no_other(row: dict[str, Any]) -> None:
    record = parse(row)
    before = {record.log: record.at - DAY}
    looks = build_looks([record], Resolved({}), {}, before, START)
    assert set(looks) == {row["guard"]}


@pytest.mark.parametrize("row", [row for row in ATTACKS if row["log"] == "exchange"], ids=name)
def test_an_act_on_a_mailbox_names_it(row: dict[str, Any]) -> None:
    names = list_mailbox_names([parse(row)])
    assert len(names) == 1
    assert all(next(iter(names.values())))


def test_noise_leads_nowhere() -> None:
    assert len(NOISE) >= 4
    assert list_news(map(parse, NOISE), ()) == []


def test_a_record_read_twice_is_news_once() -> None:
    records = [parse(row) for row in ATTACKS if row["source"].startswith(("OTRF", "Azure"))]
    news = list_news([*records, *records], ())
    # The publisher has one of them twice.
    assert len(news) == len({(one.log, one.id) for one in records}) == len(records) - 1
    acts = [build_act(one, list_concerns(one), Resolved({}), START) for one in news]
    assert list_news(records, acts) == []
