"""Generates the tables of docs/performance.md from docs/performance.json, between their marks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.app_start import format_starts, load_starts
from bench.costs import (
    PLANS,
    MonthCost,
    compute_month,
    compute_month_cost,
    compute_script_month_cost,
    compute_strict_month_cost,
    list_remedies,
)
from bench.derived import (
    COLLECTION_GUARDS,
    ReportLine,
    build_contrary_lines,
    build_lines,
    build_listing_lines,
    build_sweep_lines,
    compute_memory_growth,
    find_collection_rows,
    find_script,
    scale_measurement,
)
from bench.detection import compare_detection, list_tick_rows
from bench.environment import ROOT
from bench.formatting import (
    CLIENT_NAMES,
    COLLECTION_HEADINGS,
    CONTRARY_HEADINGS,
    DETECTION_HEADINGS,
    HEADINGS,
    LISTING_HEADINGS,
    SWEEP_HEADINGS,
    TICK_HEADINGS,
    describe_setup,
    format_cells,
    format_collection_cells,
    format_contrary_cells,
    format_detection_cells,
    format_line_duration,
    format_listing_cells,
    format_money,
    format_sweep_cells,
    format_tick_cells,
)
from bench.million import format_million, load_million
from bench.prices import (
    DAY,
    EXECUTION,
    FREE_EXECUTIONS,
    FREE_GB_SECONDS,
    GB_SECOND,
    INSTANCE_GB,
    MIN_BILLED_SECONDS,
    MONTH,
    TABLE_OPERATION,
)
from bench.remembered import format_figures, load_figures
from bench.results import (
    BARE_CLIENT,
    FIRST_RUN,
    FORWARDING,
    FULL_READ,
    NO_CHANGE,
    SDK_GATHER,
    SDK_LOOP,
    Measurement,
    Results,
)

DOCUMENT = ROOT / "docs" / "performance.md"
DEPLOYMENT = ROOT / "docs" / "deploy.md"
RESULTS = ROOT / "docs" / "performance.json"
PICTURE = ROOT / "docs" / "performance.png"


def format_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Formats a table in Markdown."""
    texts = [headings, ("---",) * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in texts
    )


def format_measured(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Formats a table, or says that its rows were not measured."""
    return format_table(headings, rows) if rows else "Not measured yet."


def format_measurements(results: Results) -> str:
    """Formats every line that `make bench` prints."""
    return format_table(HEADINGS, [format_cells(line) for line in build_lines(results)])


def format_listings(results: Results) -> str:
    """Formats what each way of listing costs."""
    lines = build_listing_lines(results)
    return format_table(LISTING_HEADINGS, [format_listing_cells(line) for line in lines])


def format_contrary(results: Results) -> str:
    """Formats what each guard costs in a contrary tenant."""
    lines = build_contrary_lines(results)
    return format_table(CONTRARY_HEADINGS, [format_contrary_cells(line) for line in lines])


def list_collection_cells(results: Results) -> list[tuple[str, ...]]:
    """What looks at collections take, guard by guard and together, size by size."""
    cells = []
    for size in results.sizes:
        first, usual = (
            find_collection_rows(results, occasion, size) for occasion in (FIRST_RUN, NO_CHANGE)
        )
        if len(first) == len(usual) == len(COLLECTION_GUARDS):
            cells += [
                format_collection_cells(size, one.client, [one], [other])
                for one, other in zip(first, usual, strict=True)
            ]
            cells.append(format_collection_cells(size, "together", first, usual))
    return cells


def list_sweep_cells(results: Results) -> list[tuple[str, ...]]:
    """What each sweep over mailboxes takes."""
    return [format_sweep_cells(line) for line in build_sweep_lines(results)]


def list_tick_cells(results: Results) -> list[tuple[str, ...]]:
    """What a tick of the audit logs takes."""
    return [format_tick_cells(row) for row in list_tick_rows(results)]


def list_detection_cells(results: Results) -> list[tuple[str, ...]]:
    """How late acts are seen."""
    return [format_detection_cells(one) for one in compare_detection(results)]


def collect_growth(results: Results) -> list[tuple[str, list[ReportLine]]]:
    """The cost of reading all inbox rules at each size, by client."""

    def found(client: str, size: int) -> Measurement | None:
        if client in (SDK_LOOP, SDK_GATHER):
            return find_script(results, client)
        return results.find(client, FULL_READ if client == BARE_CLIENT else NO_CHANGE, size)

    return [
        (
            client,
            [
                scale_measurement(row, size)
                for size in results.sizes
                if (row := found(client, size))
            ],
        )
        for client in (FORWARDING, BARE_CLIENT, SDK_GATHER, SDK_LOOP)
    ]


def format_growth(results: Results) -> str:
    """Formats time, CPU and memory by size."""
    rows = [
        (
            f"{line.mailboxes:,}",
            CLIENT_NAMES[client],
            format_line_duration(line, line.seconds),
            format_line_duration(line, line.cpu_seconds),
            f"{line.row.cost.peak_mib:.0f}" + (" (of the sample)" if line.sample else ""),
        )
        for client, of_client in collect_growth(results)
        for line in of_client
    ]
    rows.sort(key=lambda row: int(row[0].replace(",", "")))
    text = format_table(("mailboxes", "client", "time", "CPU", "peak MiB"), rows)
    factor = compute_memory_growth(results)
    if factor is not None:
        few, many = results.sizes[-2:]
        text += (
            f"\n\nPeak memory of the guard at {many:,} mailboxes, to that at {few:,}: {factor:.2f}."
        )
    return text


def format_costs(results: Results) -> str:
    """Formats US dollars per month by size."""
    rows = [
        (
            f"{size:,}",
            format_money(compute_month_cost(results, size)),
            format_money(compute_strict_month_cost(results, size)),
            format_money(compute_script_month_cost(results, size, SDK_GATHER)),
            format_money(compute_script_month_cost(results, size, SDK_LOOP)),
        )
        for size in results.sizes
    ]
    ours = ("all guards", "all guards, Graph takes 4 at once")
    text = format_table(
        ("mailboxes", *ours, CLIENT_NAMES[SDK_GATHER], CLIENT_NAMES[SDK_LOOP]), rows
    )
    return f"{text}\n\n{describe_assumptions()}"


def format_deployment_costs(results: Results) -> str:
    """Formats what the app costs who deploys it, by size."""
    rows = [
        (
            f"{size:,}",
            format_money(compute_month_cost(results, size)),
            format_money(compute_strict_month_cost(results, size)),
        )
        for size in results.sizes
    ]
    text = format_table(("mailboxes", "all guards", "all guards, Graph takes 4 at once"), rows)
    return f"{text}\n\n{describe_bill()}"


def format_month(cost: MonthCost, remedy: str) -> tuple[str, ...]:
    """Formats what a month takes in one tenant with one schedule."""
    total, days = cost.total, MONTH / DAY
    return (
        f"{cost.size:,}",
        cost.plan.name,
        f"{total.requests / days:,.0f} ({total.inner_requests / days:,.0f})",
        f"{total.executions / days:,.0f}",
        f"{total.gb_seconds:,.0f}",
        f"{total.table_operations / days:,.0f}",
        format_money(cost.compute_dollars),
        format_money(cost.table_dollars),
        format_money(cost.dollars),
        remedy,
    )


def format_months(results: Results) -> str:
    """Formats what everything takes by size and by schedule, and what to change first."""
    rows = []
    for size in results.sizes:
        for plan in PLANS:
            cost = compute_month(results, size, plan)
            name, cheaper = list_remedies(results, cost)[0]
            saved = (cost.total.gb_seconds - cheaper.total.gb_seconds) / cost.total.gb_seconds
            less = cost.dollars - cheaper.dollars
            said = f"{name}: {saved:.0%} less time" + (
                f", {less:.2f} less" if less >= 0.005 else ""
            )
            rows.append(format_month(cost, said))
    headings = (
        "mailboxes",
        "schedules",
        "requests a day",
        "executions a day",
        "GB-seconds a month",
        "table operations a day",
        "app",
        "tables",
        "together",
        "to change first",
    )
    return f"{format_table(headings, rows)}\n\n{describe_months(results)}"


def format_shares(results: Results) -> str:
    """Formats which part of the app takes how much of a month, as it is installed."""
    months = [compute_month(results, size) for size in results.sizes]
    names = dict.fromkeys(share.name for month in months for share in month.shares)

    def format_share(month: MonthCost, name: str) -> str:
        found = [one.gb_seconds for one in month.shares if one.name == name]
        return f"{sum(found):,.0f} ({sum(found) / month.total.gb_seconds:.0%})" if found else "-"

    rows = [(name, *(format_share(month, name) for month in months)) for name in names]
    return format_table(("GB-seconds a month", *(f"{one.size:,}" for one in months)), rows)


def describe_months(results: Results) -> str:
    """Describes what is counted, and what is not because it was not measured."""
    said = (
        "Requests are those to Microsoft 365 over HTTP, in brackets those inside of batches, which"
        " Microsoft counts one by one. Dollars are US dollars a month; a million table operations"
        f" cost {TABLE_OPERATION * 1e6:.3f}. `to change first` is the one setting that saves most"
        " of the time that is billed, whether or not the monthly grant covers it."
    )
    for size in results.sizes:
        missing = compute_month(results, size).unmeasured
        if missing:
            said += f" Not measured at {size:,} mailboxes, and not counted: {', '.join(missing)}."
    return said


def describe_bill() -> str:
    """Describes what is counted, and at what price."""
    return (
        f"US dollars a month on Flex Consumption, pay as you go: {GB_SECOND * 1e6:g} for a million"
        f" GB-seconds beyond {FREE_GB_SECONDS:,}, {EXECUTION * 1e6:.2f} for a million executions"
        f" beyond {FREE_EXECUTIONS:,}, an instance of {INSTANCE_GB} GB, at least"
        f" {MIN_BILLED_SECONDS:g} s a run. Everything runs as it is installed, for the time that"
        " was measured: every guard at its schedule, and as long as in its first run whenever one"
        " of its periodic checks is due; the audit logs at each tick; forwarding at the ticks"
        " between its own runs, in tenants of at most `SHARD_ABOVE` mailboxes. A dash means that a"
        " run would not have ended when the next is due. Storage and monitoring"
        " are not in it."
    )


def describe_assumptions() -> str:
    """Describes the assumptions behind the bills, those of the scripts included."""
    return f"{describe_bill()} A script would run as often as the forwarding guard."


def build_sections(results: Results) -> dict[str, str]:
    """Builds the generated sections by the name in their marks."""
    return {
        "ground": f"Measured on {describe_setup(results)}",
        "measured": format_measurements(results),
        "listings": format_listings(results),
        "sweeps": format_measured(SWEEP_HEADINGS, list_sweep_cells(results)),
        "collections": format_measured(COLLECTION_HEADINGS, list_collection_cells(results)),
        "ticks": format_measured(TICK_HEADINGS, list_tick_cells(results)),
        "detection": format_measured(DETECTION_HEADINGS, list_detection_cells(results)),
        "contrary": format_contrary(results),
        "growth": format_growth(results),
        "cost": format_costs(results),
        "months": format_months(results),
        "shares": format_shares(results),
        "remembered": format_figures(load_figures()),
        "start": format_starts(load_starts()),
        "million": format_million(load_million()),
    }


def update_document(text: str, results: Results) -> str:
    """Replaces the document's tables. Raises LookupError if a mark is missing."""
    return replace_sections(text, build_sections(results))


def update_deployment(text: str, results: Results) -> str:
    """Replaces the table of deploy.md. Raises LookupError if its mark is missing."""
    return replace_sections(text, {"cost": format_deployment_costs(results)})


def replace_sections(text: str, sections: Mapping[str, str]) -> str:
    """Replaces what is between marks. Raises LookupError if a mark is missing."""
    for name, content in sections.items():
        before, mark, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not mark or not end:
            raise LookupError(f"no place for <!-- {name} --> ... <!-- end -->")
        text = f"{before}{mark}{content}\n{end}{after}"
    return text


def write_document(results: Results, path: Path = DOCUMENT) -> None:
    """Updates the document."""
    path.write_text(update_document(path.read_text(encoding="utf-8"), results), encoding="utf-8")


def write_deployment(results: Results, path: Path = DEPLOYMENT) -> None:
    """Updates what a deployment costs."""
    path.write_text(update_deployment(path.read_text(encoding="utf-8"), results), encoding="utf-8")
