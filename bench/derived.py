"""What follows from the measurements: ratios, extrapolations, waste, costs. Pure.

The slow scripts are measured on a sample. Each of their requests costs the same whatever the size
of the tenant, so their time and CPU are multiplied; their memory is not, and stays the sample's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from bench.prices import Job, dollars, interval, runs_a_month
from bench.results import (
    AT_ONCE,
    FIRST,
    FLOOR,
    FORWARDING,
    GATHER,
    GUARDS,
    LOOP,
    ORDINARY,
    RATE,
    WHOLE,
    Measurement,
    Results,
)
from core.config.catalog import CATALOG

SCHEDULES = {duty.guard.name: duty.schedule for duty in CATALOG}
SWEEP = min(
    (
        sweep.every
        for duty in CATALOG
        if duty.guard.name == FORWARDING
        for sweep in duty.guard.sweeps
    ),
    default=timedelta(days=1),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. Ratios are to the floor in the same tenant, None where that reads
    something else. `sample` is how many mailboxes were read when not all were, 0 otherwise."""

    row: Measurement
    mailboxes: int
    seconds: float
    cpu_seconds: float
    sample: int = 0
    speed_ratio: float | None = None
    cpu_ratio: float | None = None
    remark: str = ""


def scaled(row: Measurement, mailboxes: int) -> Line:
    """A measurement in a tenant of that size; a slow script's as it would be there."""
    if row.client not in (LOOP, GATHER) or row.read == mailboxes:
        return Line(row, mailboxes, row.cost.seconds, row.cost.cpu_seconds)
    factor = mailboxes / row.read
    cost = row.cost
    return Line(row, mailboxes, cost.seconds * factor, cost.cpu_seconds * factor, row.read)


def lines(results: Results) -> list[Line]:
    """The whole table, tenant by tenant."""
    return [line for size in results.sizes for line in of_size(results, size)]


def of_size(results: Results, size: int) -> Iterator[Line]:
    """All clients in a tenant of one size: the guards, what the app is compared with, the rest."""
    floor = results.find(FLOOR, WHOLE, size)
    rows = [row for row in results.rows if row.mailboxes == size and row.client in GUARDS]
    usual = [row for row in rows if row.occasion in (FIRST, ORDINARY)]
    for row in (*usual, *(row for row in rows if row not in usual)):
        line = replace(scaled(row, size), remark=remark(results, row))
        yield compared(line, floor) if row.client == FORWARDING else line
    for client in (LOOP, GATHER, FLOOR):
        found = floor if client == FLOOR else script(results, client)
        if found:
            line = scaled(found, size)
            guess = f"extrapolated, {line.sample:,} read" if line.sample else ""
            yield compared(replace(line, remark=guess), floor)


def compared(line: Line, floor: Measurement | None) -> Line:
    """A line with its ratios to the floor."""
    if floor is None:
        return line
    speed, cpu = line.row.speed / floor.speed, line.row.cpu_ms / floor.cpu_ms
    return replace(line, speed_ratio=speed, cpu_ratio=cpu)


def script(results: Results, client: str) -> Measurement | None:
    """The measurement of a slow script, in whatever tenant it was made."""
    return next((row for row in results.rows if row.client == client), None)


def waste(results: Results, row: Measurement) -> float | None:
    """The requests a throttled run sent for each that it needed."""
    needed = results.find(row.client, ORDINARY, row.mailboxes)
    return row.inner / needed.inner if needed and needed.inner else None


def remark(results: Results, row: Measurement) -> str:
    """What else a measurement shows."""
    said = []
    if row.occasion in (RATE, AT_ONCE) and (sent := waste(results, row)) is not None:
        said.append(f"{sent:.2f}x requests")
    if row.occasion in (RATE, AT_ONCE) or row.lost:
        said.append(f"{row.lost:,} lost")
    if row.card_seconds is not None:
        said.append(f"first card {row.card_seconds:.1f} s")
    if row.note:
        said.append(row.note)
    return ", ".join(said)


def memory_growth(results: Results) -> float | None:
    """The forwarding guard's memory in the largest tenant against the one before."""
    ordinary = [row for size in results.sizes if (row := results.find(FORWARDING, ORDINARY, size))]
    if len(ordinary) < 2:
        return None
    return ordinary[-1].cost.peak_mib / ordinary[-2].cost.peak_mib


# Cost -------------------------------------------------------------------------------------------


def jobs(results: Results, size: int, guard: str, more: float = 0.0) -> list[Job]:
    """A month of a guard at its default schedule, each run `more` seconds longer than measured.

    Once a day the forwarding guard also asks Exchange for hidden rules, as in its first run.
    """
    ordinary, first = (results.find(guard, what, size) for what in (ORDINARY, FIRST))
    if not ordinary or not first:
        return []
    runs = runs_a_month(interval(SCHEDULES[guard]))
    sweeps = runs_a_month(SWEEP) if guard == FORWARDING else 0.0
    return [
        Job(ordinary.cost.seconds + more, runs - sweeps),
        Job(first.cost.seconds + more, sweeps),
    ]


def month(results: Results, size: int) -> float:
    """US dollars a month for all guards."""
    return dollars(job for guard in GUARDS for job in jobs(results, size, guard))


def strict_month(results: Results, size: int) -> float | None:
    """The same where Graph takes four requests of the app at once, and forwarding is that slow.

    None where it would still be running when it is to start again.
    """
    slow = next((row for row in results.rows if row.occasion == AT_ONCE), None)
    usual = results.find(FORWARDING, ORDINARY, size)
    if slow is None or usual is None:
        return None
    seconds = size / slow.speed
    if seconds > interval(SCHEDULES[FORWARDING]).total_seconds():
        return None
    more = seconds - usual.cost.seconds
    return dollars(
        job
        for guard in GUARDS
        for job in jobs(results, size, guard, more if guard == FORWARDING else 0.0)
    )


def script_month(results: Results, size: int, client: str) -> float | None:
    """US dollars a month for a slow script at the forwarding guard's schedule.

    None where it would still be running when it is to start again.
    """
    row = script(results, client)
    every = interval(SCHEDULES[FORWARDING])
    if row is None or scaled(row, size).seconds > every.total_seconds():
        return None
    return dollars([Job(scaled(row, size).seconds, runs_a_month(every))])
