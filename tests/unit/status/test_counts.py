"""Page, card, documents, command line and evidence show the same numbers for the same state."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from io import StringIO

import pytest
from rich.console import Console

from core.cli.render import TerminalRenderer
from core.evidence.daily_coverage import CoveragePeriod
from core.evidence.records import ExportHeader, list_guard_records
from core.json_document import to_json
from core.model.cases import Notification
from core.model.changes import ChangeState
from core.model.findings import Severity
from core.model.requests import RequestState
from core.notifications.digest_card import build_digest_card
from core.status.case_query import CaseFilter, select_case_page
from core.status.counts import StatusCounts, is_change_made
from core.status.document import build_status_document
from core.status.guard_status import GuardData
from core.status.overview import build_status
from core.status.tenant_status import TenantStatus
from core.web.pages import render_cases_page, render_status_page
from tests.support.adaptive_cards import collect_texts
from tests.support.status_samples import (
    AUDIT,
    FORWARDING,
    NOW,
    SIGN_IN,
    build_busy_tenant,
    build_healthy_tenant,
    build_sample_change,
    time_ago,
)


def build_eventful_tenant() -> list[GuardData]:
    """A busy tenant with changes of every outcome, pending notifications and a new case."""
    return [add_events(data) for data in build_busy_tenant()]


def add_events(data: GuardData) -> GuardData:
    snapshot = data.snapshot
    if data.config.guard.name == AUDIT:
        case = next(iter(snapshot.cases.values()))
        attempts = (
            build_sample_change(case, 90, "ResetAuditSet", time_ago(hours=9)),
            build_sample_change(
                case, 91, "ResetAuditSet", time_ago(hours=8), state=ChangeState.REFUSED
            ),
            build_sample_change(
                case, 92, "ResetAuditSet", time_ago(hours=7), state=ChangeState.FAILED
            ),
            build_sample_change(
                case, 93, "ResetAuditSet", time_ago(hours=6), undone_at=time_ago(hours=5)
            ),
            build_sample_change(case, 94, "ResetAuditSet", time_ago(hours=5), undo_of="9" * 32),
            build_sample_change(
                case, 95, "ResetAuditSet", time_ago(hours=4), state=ChangeState.INFERRED
            ),
        )
        snapshot = replace(snapshot, changes=(*attempts, *snapshot.changes))
    elif data.config.guard.name == FORWARDING:
        cases = {
            key: replace(case, notification=Notification.OPENED, severity=Severity.LOW)
            if number == 0
            else case
            for number, (key, case) in enumerate(snapshot.cases.items())
        }
        snapshot = replace(snapshot, cases=cases)
    elif data.config.guard.name == SIGN_IN:
        request = replace(
            snapshot.operator_requests[0], id="9", state=RequestState.DONE, notified=False
        )
        snapshot = replace(snapshot, operator_requests=(request, *snapshot.operator_requests))
    return replace(data, snapshot=snapshot)


STATES = {"quiet": build_healthy_tenant(), "eventful": build_eventful_tenant()}


def collect_numbers(text: str) -> dict[str, int]:
    """Numbers with a severity behind them: `2 high` and the like."""
    levels = "|".join(one.label for one in Severity)
    return {name: int(number) for number, name in re.findall(rf"(\d+) ({levels})\b", text)}


def render_terminal(status: TenantStatus) -> str:
    paper = StringIO()
    console = Console(file=paper, width=200, markup=False, highlight=False)
    TerminalRenderer(console, NOW).print_status(to_json(build_status_document(status)), "app")
    return paper.getvalue()


def read_figure(page: str, heading: str) -> int:
    """The number beside a heading of the status page."""
    found = re.search(rf'<h2 id="{heading}">[^<]+<span class="soft small">([\d,]+) ', page)
    assert found, heading
    return int(found[1].replace(",", ""))


def iter_guard_texts(status: TenantStatus) -> Iterator[tuple[str, int]]:
    """What each surface says of one guard's open cases, and how many there are."""
    page = render_status_page(status)
    for guard in status.guards:
        number = guard.counts.open_cases
        row = page.partition(f'role="row" id="{guard.name}"')[2].partition("</tr>")[0]
        found = re.search(r">([\d,]+)</a>", row)
        yield f"page {guard.name}", number - (int(found[1]) if found else 0)
        cell = row.partition('data-label="Open cases"')[2].partition('class="tags"')[2]
        words = " ".join(re.sub(r"<[^>]+>", " ", cell).split())
        yield f"severities {guard.name}", number - sum(collect_numbers(unescape(words)).values())
        for reason in guard.reasons:
            said = re.match(r"(\d+) open cases?: (.*)", reason.text)
            if said:
                yield f"reason {guard.name}", number - int(said[1])
                yield f"reason {guard.name}", number - sum(collect_numbers(said[2]).values())


@pytest.mark.parametrize("name", STATES)
def test_all_surfaces_show_the_same_number_of_open_cases(name: str) -> None:
    data = STATES[name]
    status = build_status(data, NOW)
    expected = sum(case.closed_at is None for one in data for case in one.snapshot.cases.values())
    levels = {severity.label: n for severity, n in status.counts.open_by_severity.items()}
    document = to_json(build_status_document(status))
    assert read_figure(render_status_page(status), "guards") == expected
    assert select_case_page(data, CaseFilter()).total == expected
    page = select_case_page(data, CaseFilter())
    text = render_cases_page(page, [one.config for one in data], NOW)
    assert f"of {expected} cases" in text or not expected
    card = "\n".join(collect_texts(build_digest_card(status)))
    said = re.search(r"open cases\n(.*)\n", card)
    assert said
    assert collect_numbers(said[1]) == levels
    assert document["open"] == {"all": expected} | {
        one.label: levels.get(one.label, 0)
        for one in reversed(Severity)
        if one is not Severity.INFO
    }
    assert status.history[-1].open_count == expected
    assert [where for where, difference in iter_guard_texts(status) if difference] == []
    table = render_terminal(status).partition("\nGuards\n")[2].partition("\n\n")[0]
    assert sum(int(n) for n in re.findall(r"(\d+) (?:critical|high|medium|low)", table)) == expected
    evidence = [
        record
        for one in data
        for record in list_guard_records(
            ExportHeader("t", NOW - timedelta(days=90), NOW + timedelta(days=1), NOW, "1"),
            one.config,
            one.snapshot,
            CoveragePeriod(NOW - timedelta(days=90), NOW),
        )
    ]
    assert sum(bool(record.get("open_at_end")) for record in evidence) == expected


def test_all_surfaces_count_changes_made_and_neither_refused_nor_undone_ones() -> None:
    status = build_status(STATES["eventful"], NOW)
    # Two of the six attempts that were added, the three resets and the block of the busy tenant.
    assert status.counts.changes_made == 6
    assert read_figure(render_status_page(status), "changed") == 6
    card = "\n".join(collect_texts(build_digest_card(status)))
    assert "changes made\n6\n" in card
    section = card.partition("Changes made in the last 7 days")[2]
    assert sum(int(number) for number in re.findall(r"^- (\d+) x", section, re.MULTILINE)) == 6
    guards = to_json(build_status_document(status))["guards"]
    assert isinstance(guards, list)
    assert sum(guard["recent_changes"] for guard in guards) == 6
    assert sum(day.change_count for day in status.history[-8:]) == 6


def test_all_surfaces_show_the_same_decisions_and_pending_notifications() -> None:
    status = build_status(STATES["eventful"], NOW)
    waiting = [one for one in status.decisions if not one.acknowledged]
    assert len(waiting) < len(status.decisions)
    page, card = render_status_page(status), "\n".join(collect_texts(build_digest_card(status)))
    document, terminal = to_json(build_status_document(status)), render_terminal(status)
    assert read_figure(page, "decisions") == len(waiting)
    assert f"waiting for a decision\n{len(waiting)}\n" in card
    known = len(status.decisions) - len(waiting)
    acknowledged = f", and {known} that somebody acknowledged" if known else ""
    assert f"Waiting for your decision: {len(waiting)}{acknowledged}\n" in terminal
    guards = document["guards"]
    assert isinstance(guards, list)
    assert sum(guard["decisions"] for guard in guards) == len(waiting)
    assert "2 notifications not sent to the channel yet" in page
    assert "pending notifications\n2\n" in card
    assert "Pending notifications: 2," in terminal
    assert document["pending_notifications"] == {
        "cases": 1,
        "requests": 1,
        "oldest": time_ago(days=8).isoformat(),
    }


@pytest.mark.parametrize("state", ChangeState)
def test_a_change_is_made_once_it_took_effect_and_until_it_is_undone(state: ChangeState) -> None:
    case = next(iter(build_busy_tenant()[0].snapshot.cases.values()))
    record = build_sample_change(case, 1, "BlockSignIn", NOW, state=state)
    made = state in (ChangeState.APPLIED, ChangeState.INFERRED)
    assert is_change_made(record) is made
    assert not is_change_made(replace(record, undone_at=NOW))
    assert not is_change_made(replace(record, undo_of="0" * 32))


def test_the_numbers_of_all_guards_are_the_sums_of_the_guards() -> None:
    status = build_status(STATES["eventful"], NOW)
    for name in ("open_cases", "opened", "closed", "changes_made", "decisions", "exemptions"):
        assert getattr(status.counts, name) == sum(
            getattr(guard.counts, name) for guard in status.guards
        )
    assert StatusCounts().plus(status.counts) == status.counts
