"""Formats figures and names of clients and occasions for readers. Pure."""

from collections.abc import Sequence

from bench.derived import ContraryLine, ListingLine, ReportLine, SweepLine
from bench.detection import Detection, count_requests
from bench.results import (
    BARE_CLIENT,
    BARE_FIRST_LOOK,
    CONCURRENCY_LIMITED,
    FEED,
    FIRST_CRITICAL,
    FIRST_RUN,
    FOLDER_RULES,
    FULL_READ,
    GUARDS,
    NEW_FORWARD,
    NO_CHANGE,
    NO_NEWS,
    RATE_LIMITED,
    SAMPLE_READ,
    SDK_GATHER,
    SDK_LOOP,
    THREE_ACTS,
    Measurement,
    Results,
)
from sandbox.reality.profile import DEFAULT_PROFILE

HEADINGS = (
    "mailboxes",
    "what",
    "time",
    "a second",
    "CPU ms",
    "MiB",
    "lag ms",
    "x speed",
    "x CPU",
    "requests",
    "state",
    "tenant",
    "also",
)
LISTING_HEADINGS = (
    "mailboxes",
    "cmdlet",
    "way",
    "time",
    "x time",
    "CPU",
    "x CPU",
    "MiB",
    "x MiB",
    "requests",
    "tenant",
    "also",
)
CONTRARY_HEADINGS = (
    "mailboxes",
    "what",
    "time",
    "contrary",
    "x time",
    "x CPU",
    "x MiB",
    "requests",
    "contrary",
    "cases",
    "contrary",
    "also",
)
SWEEP_HEADINGS = (
    "mailboxes",
    "sweep",
    "commands a mailbox",
    "requests",
    "time",
    "x time",
    "CPU ms a mailbox",
    "x CPU",
    "MiB",
    "also",
)
COLLECTION_HEADINGS = (
    "mailboxes",
    "guard",
    "requests, first run",
    "time",
    "requests, nothing new",
    "time",
)
TICK_HEADINGS = ("mailboxes", "what", "time", "CPU ms", "requests", "new cases", "of")
DETECTION_HEADINGS = (
    "mailboxes",
    "what",
    "by full looks: mean",
    "at worst",
    "by ticks: mean",
    "at worst",
    "gained",
)
CLIENT_NAMES = {
    **{name: name.removeprefix("shared-").removeprefix("mailbox-") for name in GUARDS},
    SDK_LOOP: "typed SDK, loop",
    SDK_GATHER: "typed SDK, gather",
    BARE_CLIENT: "floor",
    BARE_FIRST_LOOK: BARE_FIRST_LOOK,
    FEED: FEED,
}
OCCASION_NAMES = {
    FIRST_RUN: "first run",
    NO_CHANGE: "nothing new",
    NEW_FORWARD: "a new forward",
    FOLDER_RULES: "rules into folders",
    FIRST_CRITICAL: "hidden forwards at a first look",
    RATE_LIMITED: "throttled, by rate",
    CONCURRENCY_LIMITED: "throttled, 4 at once",
    NO_NEWS: "a tick without news",
    THREE_ACTS: "a tick with the records of three acts",
    SAMPLE_READ: "",
    FULL_READ: "",
}


def format_duration(seconds: float) -> str:
    """Formats seconds, minutes or hours, whichever is easiest to read."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def format_ratio(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def format_money(value: float | None) -> str:
    """Formats US dollars per month; a dash if there is no value."""
    return "-" if value is None else f"{value:.2f}"


def describe_line(line: ReportLine) -> str:
    """Describes the client and occasion of a line."""
    occasion = OCCASION_NAMES[line.row.occasion]
    return (
        f"{CLIENT_NAMES[line.row.client]}, {occasion}"
        if occasion
        else CLIENT_NAMES[line.row.client]
    )


def format_line_duration(line: ReportLine, value: float) -> str:
    """Formats a line's duration; an extrapolated one as approximate."""
    return ("≈ " if line.sample else "") + format_duration(value)


def format_cells(line: ReportLine) -> tuple[str, ...]:
    """Formats a line in the order of the table's header."""
    row = line.row
    requests = format_request_count(row)
    state = f"{row.tables.get('reads', 0)} / {row.tables.get('writes', 0)}" if row.tables else ""
    return (
        f"{line.mailboxes:,}",
        describe_line(line),
        format_line_duration(line, line.seconds),
        f"{row.speed:,.0f}" if row.speed >= 10 else f"{row.speed:.1f}",
        f"{row.cpu_ms:.3f}" if row.cpu_ms < 1 else f"{row.cpu_ms:.1f}",
        f"{row.cost.peak_mib:.0f}",
        f"{row.cost.lag_max_ms:.0f} ({row.cost.lag_p99_ms:.0f})",
        format_ratio(line.speed_ratio),
        format_ratio(line.cpu_ratio),
        "" if line.sample else requests,
        state,
        f"{row.server_share:.0%}",
        line.remark,
    )


def format_listing_cells(line: ListingLine) -> tuple[str, ...]:
    """Formats a line of the ways of listing in the order of its table's header."""
    row = line.row
    lost = f"{row.lost:,} lost" if row.lost else ""
    return (
        f"{row.mailboxes:,}",
        *row.listed_by,
        format_duration(row.cost.seconds),
        format_ratio(line.time_ratio),
        format_duration(row.cost.cpu_seconds),
        format_ratio(line.cpu_ratio),
        f"{row.cost.peak_mib:.0f}",
        format_ratio(line.memory_ratio),
        f"{row.posts:,}",
        f"{row.server_share:.0%}",
        ", ".join(filter(None, (lost, row.note))),
    )


def format_contrary_cells(line: ContraryLine) -> tuple[str, ...]:
    """Formats a line of the comparison with a contrary tenant in the order of its header."""
    ours, theirs = line.contrary, line.usual
    lost = f"{ours.lost:,} lost" if ours.lost else ""
    return (
        f"{ours.mailboxes:,}",
        f"{CLIENT_NAMES[ours.client]}, {OCCASION_NAMES[line.occasion]}",
        format_duration(theirs.cost.seconds),
        format_duration(ours.cost.seconds),
        format_ratio(ours.cost.seconds / theirs.cost.seconds),
        format_ratio(ours.cost.cpu_seconds / theirs.cost.cpu_seconds),
        format_ratio(ours.cost.peak_mib / theirs.cost.peak_mib),
        f"{theirs.posts:,} ({theirs.inner:,})",
        f"{ours.posts:,} ({ours.inner:,})",
        f"{theirs.open_cases:,}",
        f"{ours.open_cases:,}",
        ", ".join(filter(None, (lost, ours.note))),
    )


def format_request_count(row: Measurement) -> str:
    """Formats the requests of a measurement, with those inside of batches in brackets."""
    return f"{row.posts:,}" + (f" ({row.inner:,})" if row.inner else "")


def format_sweep_cells(line: SweepLine) -> tuple[str, ...]:
    """Formats a line of the sweeps in the order of its table's header."""
    row = line.row
    return (
        f"{row.mailboxes:,}",
        row.client,
        f"{line.commands:.1f}",
        format_request_count(row),
        format_duration(row.cost.seconds),
        format_ratio(line.time_ratio),
        f"{row.cpu_ms:.3f}",
        format_ratio(line.cpu_ratio),
        f"{row.cost.peak_mib:.0f}",
        f"{row.lost:,} lost" if row.lost else "",
    )


def format_collection_cells(
    size: int, name: str, first: Sequence[Measurement], usual: Sequence[Measurement]
) -> tuple[str, ...]:
    """Formats what runs over collections take, of one guard or of several together."""
    return (
        f"{size:,}",
        name,
        *(
            cell
            for rows in (first, usual)
            for cell in (
                f"{sum(row.posts for row in rows):,}",
                format_duration(sum(row.cost.seconds for row in rows)),
            )
        ),
    )


def format_tick_cells(row: Measurement) -> tuple[str, ...]:
    """Formats a tick in the order of its table's header."""
    return (
        f"{row.mailboxes:,}",
        OCCASION_NAMES[row.occasion],
        format_duration(row.cost.seconds),
        f"{1000 * row.cost.cpu_seconds:.0f}",
        f"{count_requests(row):,}",
        f"{row.open_cases:,}",
        row.note,
    )


def format_detection_cells(one: Detection) -> tuple[str, ...]:
    """Formats how late an act is seen, in the order of its table's header."""
    delays = (one.by_look.mean, one.by_look.worst, one.by_tick.mean, one.by_tick.worst, one.gained)
    shown = (format_duration(delay.total_seconds()) for delay in delays)
    return f"{one.mailboxes:,}", one.act.name, *shown


def describe_setup(results: Results) -> str:
    """Describes the machine and set-up of the measurement in one sentence."""
    on = results.machine
    profile = on.get("profile", DEFAULT_PROFILE)
    return (
        f"{on['cores']} cores of {on['processor']}, {on['system']}, Python {on['python']}; "
        f"load {on['load']} before; {results.latency_ms:g} ms a request,"
        f" {results.in_flight} batches in flight"
        + ("." if profile == DEFAULT_PROFILE else f"; profile {profile}.")
    )
