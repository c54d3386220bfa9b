"""Figures as people read them, and the names of clients and occasions. Pure."""

from bench.derived import Line
from bench.results import (
    AT_ONCE,
    FIRST,
    FLOOR,
    GATHER,
    GUARDS,
    LOOP,
    MOVERS,
    NEWS,
    ORDINARY,
    RATE,
    SAMPLE,
    WHOLE,
    Results,
)

HEAD = (
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
CLIENTS = {
    **{name: name.removeprefix("shared-").removeprefix("mailbox-") for name in GUARDS},
    LOOP: "typed SDK, loop",
    GATHER: "typed SDK, gather",
    FLOOR: "floor",
}
OCCASIONS = {
    FIRST: "first run",
    ORDINARY: "nothing new",
    NEWS: "a new forward",
    MOVERS: "rules into folders",
    RATE: "throttled, by rate",
    AT_ONCE: "throttled, 4 at once",
    SAMPLE: "",
    WHOLE: "",
}


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever can be pictured."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def ratio(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def money(value: float | None) -> str:
    """US dollars a month; a dash for what cannot be had."""
    return "-" if value is None else f"{value:.2f}"


def what(line: Line) -> str:
    """Who did what."""
    occasion = OCCASIONS[line.row.occasion]
    return f"{CLIENTS[line.row.client]}, {occasion}" if occasion else CLIENTS[line.row.client]


def about(line: Line, value: float) -> str:
    """A duration of a line; of one that was not measured whole, about so much."""
    return ("≈ " if line.sample else "") + duration(value)


def cells(line: Line) -> tuple[str, ...]:
    """A line of the table, as its head says."""
    row = line.row
    requests = f"{row.posts:,}" + (f" ({row.inner:,})" if row.inner else "")
    state = f"{row.tables.get('reads', 0)} / {row.tables.get('writes', 0)}" if row.tables else ""
    return (
        f"{line.mailboxes:,}",
        what(line),
        about(line, line.seconds),
        f"{row.speed:,.0f}" if row.speed >= 10 else f"{row.speed:.1f}",
        f"{row.cpu_ms:.3f}" if row.cpu_ms < 1 else f"{row.cpu_ms:.1f}",
        f"{row.cost.peak_mib:.0f}",
        f"{row.cost.lag_max_ms:.0f} ({row.cost.lag_p99_ms:.0f})",
        ratio(line.speed_ratio),
        ratio(line.cpu_ratio),
        "" if line.sample else requests,
        state,
        f"{row.server_share:.0%}",
        line.remark,
    )


def ground(results: Results) -> str:
    """What the figures were measured on, in one sentence."""
    on = results.machine
    return (
        f"{on['cores']} cores of {on['processor']}, {on['system']}, Python {on['python']}; "
        f"load {on['load']} before; {results.latency_ms:g} ms a request,"
        f" {results.in_flight} batches in flight."
    )
