"""What the bench computes from what it measured, and that docs/performance.md says just that."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bench import report
from bench.costs import (
    AS_INSTALLED,
    AT_TICKS,
    HOURLY_TIMER,
    PLANS,
    SchedulePlan,
    compute_month,
    compute_month_cost,
    compute_script_month_cost,
    compute_strict_month_cost,
    count_tick_runs,
    list_remedies,
)
from bench.derived import (
    COLLECTION_GUARDS,
    build_contrary_lines,
    build_lines,
    build_listing_lines,
    build_size_lines,
    build_sweep_lines,
    compute_memory_growth,
    compute_request_overhead,
)
from bench.formatting import (
    HEADINGS,
    format_cells,
    format_contrary_cells,
    format_duration,
    format_listing_cells,
)
from bench.meter import Cost
from bench.prices import (
    EXECUTION,
    FREE_EXECUTIONS,
    FREE_GB_SECONDS,
    GB_SECOND,
    Job,
    compute_dollars,
    compute_interval,
    compute_monthly_runs,
    list_times,
)
from bench.results import (
    BARE_CLIENT,
    COMPARED_PROFILES,
    CONCURRENCY_LIMITED,
    FEED,
    FIRST_RUN,
    FORWARDING,
    FULL_READ,
    GUARDS,
    LISTING,
    LISTINGS,
    NO_CHANGE,
    NO_NEWS,
    RATE_LIMITED,
    SAMPLE_READ,
    SDK_GATHER,
    SDK_LOOP,
    SLICES_BY_NAME,
    SWEEP,
    SWEEPS,
    THREE_ACTS,
    Measurement,
    Results,
    load_results,
    name_compared,
    save_results,
)
from core.tenant.sources import FULL_ACCESS

# Prices -----------------------------------------------------------------------------------------


def test_a_schedule_every_quarter_of_an_hour_runs_four_times_an_hour() -> None:
    assert compute_interval("0 5/15 * * * *") == timedelta(minutes=15)
    assert compute_monthly_runs(timedelta(minutes=15)) == 730 * 4


def test_the_ticks_of_a_schedule_are_those_of_a_day() -> None:
    assert list_times("0 0 */6 * * *") == [timedelta(hours=6 * number) for number in range(4)]


def test_what_the_grant_covers_costs_nothing() -> None:
    assert compute_dollars(FREE_GB_SECONDS, FREE_EXECUTIONS) == 0


def test_a_run_is_billed_a_second_at_least_and_two_gigabytes() -> None:
    assert Job(0.1, 3).gb_seconds == Job(1.0, 3).gb_seconds == 6
    assert Job(2.5, 4).gb_seconds == Job(2.5, 4).used_gb_seconds == 20
    assert Job(0.1, 10).used_gb_seconds == pytest.approx(2)


def test_what_is_beyond_the_grant_is_billed() -> None:
    assert compute_dollars(2 * FREE_GB_SECONDS, 0) == pytest.approx(FREE_GB_SECONDS * GB_SECOND)
    dollars = compute_dollars(0, FREE_EXECUTIONS + 1_000_000)
    assert dollars == pytest.approx(1_000_000 * EXECUTION)


# Figures ----------------------------------------------------------------------------------------


def measurement(
    client: str,
    occasion: str,
    mailboxes: int,
    seconds: float,
    cpu: float,
    *,
    read: int = 0,
    peak: float = 50.0,
    inner: int = 0,
    lost: int = 0,
) -> Measurement:
    return Measurement(
        client=client,
        occasion=occasion,
        mailboxes=mailboxes,
        read=read or mailboxes,
        cost=Cost(0.0, seconds, cpu, peak, 20.0, 5.0),
        server_cpu_seconds=seconds / 10,
        requests={"graph": 10, "graph/inner": inner},
        tables={"requests": 3, "reads": 1, "writes": 2},
        lost=lost,
    )


RESULTS = Results(
    machine={
        "load": "0.1",
        "cores": "2",
        "processor": "a processor",
        "system": "Linux",
        "python": "3.13.0",
    },
    latency_ms=80.0,
    in_flight=16,
    rows=(
        *(
            measurement(guard, occasion, size, size / 500, size / 5_000, peak=60 + size / 1_000)
            for size in (1_000, 10_000)
            for guard in GUARDS
            for occasion in (FIRST_RUN, NO_CHANGE)
            if (guard, occasion, size) != (FORWARDING, NO_CHANGE, 1_000)
        ),
        measurement(FORWARDING, NO_CHANGE, 1_000, 2.0, 0.2, inner=1_000, peak=61),
        measurement(FORWARDING, RATE_LIMITED, 1_000, 9.0, 0.4, inner=1_250, lost=3),
        *(
            measurement(FEED, occasion, size, 2.0, 0.1)
            for size in (1_000, 10_000)
            for occasion in (NO_CHANGE, NO_NEWS, THREE_ACTS)
        ),
        *(
            measurement(name, SWEEP, 1_000, seconds, 0.2, inner=inner)
            for name, seconds, inner in zip(
                SWEEPS, (2.0, 6.0, 4.0, 2.0), (1_000, 3_000, 2_000, 1_000), strict=True
            )
        ),
        measurement(SDK_LOOP, SAMPLE_READ, 1_000, 10.0, 3.0, read=100),
        measurement(SDK_GATHER, FULL_READ, 1_000, 20.0, 15.0),
        *(
            measurement(BARE_CLIENT, FULL_READ, size, size / 1_000, size / 20_000)
            for size in (1_000, 10_000)
        ),
    ),
)


def test_a_sample_is_multiplied_and_says_so() -> None:
    (loop,) = (line for line in build_size_lines(RESULTS, 10_000) if line.row.client == SDK_LOOP)
    assert loop.seconds == pytest.approx(1_000)
    assert loop.cpu_seconds == pytest.approx(300)
    assert loop.sample == 100
    assert "extrapolated" in loop.remark
    assert format_cells(loop)[HEADINGS.index("time")].startswith("≈")


def test_what_was_measured_whole_is_not_multiplied() -> None:
    (gather,) = (line for line in build_size_lines(RESULTS, 1_000) if line.row.client == SDK_GATHER)
    assert (gather.seconds, gather.sample) == (20.0, 0)


def test_ratios_are_to_the_floor_in_the_same_tenant() -> None:
    (ours,) = (
        line
        for line in build_size_lines(RESULTS, 10_000)
        if (line.row.client, line.row.occasion) == (FORWARDING, NO_CHANGE)
    )
    assert ours.speed_ratio == pytest.approx(0.5)
    assert ours.cpu_ratio == pytest.approx(4)


def test_guards_that_read_something_else_have_no_ratio() -> None:
    for line in build_lines(RESULTS):
        if line.row.client in GUARDS and line.row.client != FORWARDING:
            assert line.speed_ratio is line.cpu_ratio is None


def test_waste_is_what_was_sent_for_what_an_ordinary_run_sends() -> None:
    row = RESULTS.find(FORWARDING, RATE_LIMITED, 1_000)
    assert row is not None
    assert compute_request_overhead(RESULTS, row) == pytest.approx(1.25)
    (line,) = (line for line in build_size_lines(RESULTS, 1_000) if line.row is row)
    assert "1.25x" in line.remark
    assert "3 lost" in line.remark


def test_ways_of_listing_are_compared_with_pages_in_the_same_tenant() -> None:
    rows = (
        measurement(LISTINGS[0], LISTING, 10_000, 2.0, 1.0, peak=100),
        measurement(SLICES_BY_NAME, LISTING, 10_000, 3.0, 1.5, peak=110, lost=7),
        measurement(LISTINGS[-1], LISTING, 10_000, 3.0, 1.5),
        measurement(SLICES_BY_NAME, LISTING, 1_000, 3.0, 1.5),
    )
    lines = build_listing_lines(replace(RESULTS, rows=(*RESULTS.rows, *rows)))
    assert [line.row for line in lines] == list(rows[:2])
    slices = lines[1]
    assert (slices.time_ratio, slices.cpu_ratio, slices.memory_ratio) == (1.5, 1.5, 1.1)
    assert "7 lost" in format_listing_cells(slices)


def test_a_contrary_tenant_is_compared_with_the_same_one_as_measured() -> None:
    occasions = [name_compared(NO_CHANGE, profile) for profile in COMPARED_PROFILES]
    rows = (
        replace(measurement(FORWARDING, occasions[0], 10_000, 2.0, 1.0), open_cases=5),
        replace(measurement(FORWARDING, occasions[1], 10_000, 6.0, 3.0, lost=2), open_cases=4),
        measurement(FORWARDING, name_compared(FIRST_RUN, COMPARED_PROFILES[1]), 10_000, 6.0, 3.0),
    )
    results = replace(RESULTS, rows=(*RESULTS.rows, *rows))
    assert (results.sizes, results.compared_sizes) == (RESULTS.sizes, [10_000])
    (line,) = build_contrary_lines(results)
    cells = format_contrary_cells(line)
    assert {"3.00", "5", "4", "2 lost"} <= {*cells}
    assert build_lines(results) == build_lines(RESULTS)


def test_sweeps_are_compared_with_that_of_full_access_in_the_same_tenant() -> None:
    full_access, first_day, folder_rights, _ = build_sweep_lines(RESULTS)
    assert (full_access.row.client, full_access.time_ratio) == (FULL_ACCESS, 1.0)
    assert (first_day.time_ratio, first_day.cpu_ratio) == (3.0, 1.0)
    assert [line.commands for line in (full_access, first_day, folder_rights)] == [1.0, 3.0, 2.0]


def test_looks_at_collections_are_told_by_guard_and_together() -> None:
    cells = report.list_collection_cells(RESULTS)
    assert [line[:2] for line in cells[:5]] == [
        *(("1,000", name) for name in COLLECTION_GUARDS),
        ("1,000", "together"),
    ]
    assert [line[2] for line in cells[:5]] == ["10", "10", "10", "10", "40"]
    assert cells[4][3] == "8.0 s"
    fewer = [row for row in RESULTS.rows if row.client != COLLECTION_GUARDS[0]]
    assert report.list_collection_cells(replace(RESULTS, rows=tuple(fewer))) == []


def test_ticks_and_sweeps_stand_in_tables_of_their_own() -> None:
    shown = {(line.row.client, line.row.occasion) for line in build_lines(RESULTS)}
    assert (FEED, NO_CHANGE) in shown
    assert not {NO_NEWS, THREE_ACTS, SWEEP} & {occasion for _, occasion in shown}


def test_a_table_of_nothing_says_that_it_was_not_measured() -> None:
    rows = tuple(row for row in RESULTS.rows if row.occasion not in (NO_NEWS, THREE_ACTS))
    sections = report.build_sections(replace(RESULTS, rows=rows))
    assert sections["ticks"] == sections["detection"] == "Not measured yet."
    assert "Not measured yet." not in report.build_sections(RESULTS)["ticks"]


def test_memory_is_compared_with_the_next_smaller_tenant() -> None:
    assert compute_memory_growth(RESULTS) == pytest.approx(70 / 61)
    smallest = replace(RESULTS, rows=tuple(row for row in RESULTS.rows if row.mailboxes == 1_000))
    assert compute_memory_growth(smallest) is None


def test_a_month_grows_with_the_tenant_and_a_script_that_never_ends_has_no_price() -> None:
    assert compute_month_cost(RESULTS, 10_000) > compute_month_cost(RESULTS, 1_000) > 0
    assert compute_script_month_cost(RESULTS, 1_000, SDK_LOOP) is not None
    assert compute_script_month_cost(RESULTS, 10_000, SDK_LOOP) is None


def test_a_month_counts_every_part_of_the_app_once() -> None:
    month = compute_month(RESULTS, 10_000)
    assert [share.name for share in month.shares] == [*GUARDS, FEED, AT_TICKS, HOURLY_TIMER]
    assert month.unmeasured == []
    assert month.total.gb_seconds == pytest.approx(sum(one.gb_seconds for one in month.shares))
    forwarding = next(one for one in month.shares if one.name == FORWARDING)
    assert forwarding.executions == 730 * 4
    assert forwarding.requests == pytest.approx(10 * 730 * 4)
    assert forwarding.table_operations == pytest.approx(3 * 730 * 4)
    at_ticks = next(one for one in month.shares if one.name == AT_TICKS)
    assert (at_ticks.executions, at_ticks.requests > 0) == (0, True)
    assert month.dollars == month.compute_dollars + month.table_dollars > month.compute_dollars


def test_what_was_not_measured_is_named_and_not_counted() -> None:
    rows = tuple(row for row in RESULTS.rows if row.client not in (FEED, GUARDS[-1]))
    month = compute_month(replace(RESULTS, rows=rows), 1_000)
    assert month.unmeasured == [GUARDS[-1], FEED]
    assert (
        f"Not measured at 1,000 mailboxes, and not counted: {GUARDS[-1]}"
        in report.format_months(replace(RESULTS, rows=rows))
    )


def test_forwarding_runs_at_the_ticks_between_its_own_runs() -> None:
    # Every five minutes, but for the four an hour that come right after its own.
    assert count_tick_runs(AS_INSTALLED, 0.0) == pytest.approx(730 * 8)
    assert count_tick_runs(replace(AS_INSTALLED, forwarding_at_ticks=False), 0.0) == 0
    assert count_tick_runs(AS_INSTALLED, 200.0) < 730 * 8
    hourly = SchedulePlan("hourly", timedelta(hours=1))
    assert 730 * 10 < count_tick_runs(hourly, 0.0) < 730 * 12


def test_a_large_tenant_has_shards_and_no_runs_at_ticks() -> None:
    rows = tuple(replace(row, mailboxes=100_000) for row in RESULTS.rows if row.mailboxes == 10_000)
    month = compute_month(replace(RESULTS, rows=rows), 100_000)
    assert AT_TICKS not in [share.name for share in month.shares]
    forwarding = next(one for one in month.shares if one.name == FORWARDING)
    assert forwarding.executions == 730 * 4 * (1 + 200)
    audit = next(one for one in month.shares if one.name == "mailbox-audit")
    assert audit.executions == 730 / 6


def test_every_other_schedule_takes_less_and_the_first_remedy_saves_most() -> None:
    months = [compute_month(RESULTS, 10_000, plan).total.gb_seconds for plan in PLANS]
    assert months == sorted(months, reverse=True)
    assert len({*months}) == len(PLANS)
    cost = compute_month(RESULTS, 10_000)
    remedies = list_remedies(RESULTS, cost)
    assert remedies[0][0] == "FORWARDING_EACH_TICK=off"
    assert "ACTIVITY_SCHEDULE half as often" in dict(remedies)
    # Where ticks run it too, its own schedule saves nothing.
    assert "MAILBOX_FORWARDING_SCHEDULE half as often" not in dict(remedies)
    assert all(one.total.gb_seconds < cost.total.gb_seconds for _, one in remedies)
    without = list_remedies(RESULTS, compute_month(RESULTS, 10_000, PLANS[1]))
    assert "MAILBOX_FORWARDING_SCHEDULE half as often" in dict(without)


def test_a_strict_limit_makes_a_month_dearer_until_no_run_ends_in_time() -> None:
    strict = replace(
        RESULTS,
        rows=(*RESULTS.rows, measurement(FORWARDING, CONCURRENCY_LIMITED, 1_000, 40.0, 1.0)),
    )
    dearer = compute_strict_month_cost(strict, 10_000)
    assert dearer is not None
    assert dearer > compute_month_cost(strict, 10_000)
    slower = replace(
        RESULTS,
        rows=(*RESULTS.rows, measurement(FORWARDING, CONCURRENCY_LIMITED, 1_000, 91.0, 1.0)),
    )
    assert compute_strict_month_cost(slower, 10_000) is None
    assert compute_strict_month_cost(RESULTS, 10_000) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.126, "0.13 s"), (1.26, "1.3 s"), (120, "2.0 min"), (10_800, "3.0 h")]
)
def test_durations_are_told_in_a_unit_that_can_be_pictured(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


# Documents --------------------------------------------------------------------------------------


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.json"
    save_results(RESULTS, path)
    assert load_results(path) == RESULTS


def test_every_table_has_a_place_in_the_document() -> None:
    text = report.DOCUMENT.read_text(encoding="utf-8")
    again = report.update_document(text, RESULTS)
    for content in report.build_sections(RESULTS).values():
        assert content in again
    with pytest.raises(LookupError, match="cost"):
        report.update_document(text.replace("<!-- cost -->", ""), RESULTS)


def test_the_document_says_what_the_reference_run_measured() -> None:
    text = report.DOCUMENT.read_text(encoding="utf-8")
    results = load_results(report.RESULTS)
    assert report.update_document(text, results) == text, "run: python -m bench --write"
    text = report.DEPLOYMENT.read_text(encoding="utf-8")
    assert report.update_deployment(text, results) == text, "run: python -m bench --write"
    with pytest.raises(LookupError, match="cost"):
        report.update_deployment("no table", results)
    assert not any(row.lost for row in results.rows)


def test_newer_measurements_take_the_places_of_those_of_the_same() -> None:
    newer = measurement(FORWARDING, NO_CHANGE, 1_000, 1.5, 0.1)
    other = measurement(FORWARDING, NO_CHANGE, 50, 1.0, 0.1)
    whole = RESULTS.replace_rows([other, newer])
    place = RESULTS.rows.index(RESULTS.find(FORWARDING, NO_CHANGE, 1_000) or other)
    assert whole.rows[place] is newer
    assert whole.rows == (*RESULTS.rows[:place], newer, *RESULTS.rows[place + 1 :], other)
