"""Figures derived from the measurements: ratios, extrapolations, overhead. Pure.

The slow scripts are measured on a sample. Their requests cost the same in any tenant, so time and
CPU are multiplied; memory is not, and stays that of the sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from bench.results import (
    BARE_CLIENT,
    BARE_FIRST_LOOK,
    COMPARED_PROFILES,
    CONCURRENCY_LIMITED,
    FEED,
    FIRST_CRITICAL,
    FIRST_RUN,
    FORWARDING,
    FULL_READ,
    GUARDS,
    LISTING,
    LISTINGS,
    NO_CHANGE,
    NO_NEWS,
    RATE_LIMITED,
    SDK_GATHER,
    SDK_LOOP,
    SLICES_BY_NAME,
    SWEEP,
    SWEEPS,
    THREE_ACTS,
    Measurement,
    Results,
    name_compared,
)
from core.tenant.sources import FULL_ACCESS

USUAL = (FIRST_RUN, NO_CHANGE)
# Have a table of their own.
APART = frozenset(
    {
        NO_NEWS,
        THREE_ACTS,
        *(name_compared(one, profile) for one in USUAL for profile in COMPARED_PROFILES),
    }
)
FIRST_LOOKS = (FIRST_RUN, FIRST_CRITICAL)


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of the table. Ratios are to the minimal client in the same tenant, or None if that
    reads other data. `sample` is the number of mailboxes read if not all were, else 0.
    """

    row: Measurement
    mailboxes: int
    seconds: float
    cpu_seconds: float
    sample: int = 0
    speed_ratio: float | None = None
    cpu_ratio: float | None = None
    remark: str = ""


def scale_measurement(row: Measurement, mailboxes: int) -> ReportLine:
    """Scales a slow script's measurement to a tenant of that size; returns others unchanged."""
    if row.client not in (SDK_LOOP, SDK_GATHER) or row.read == mailboxes:
        return ReportLine(row, mailboxes, row.cost.seconds, row.cost.cpu_seconds)
    factor = mailboxes / row.read
    cost = row.cost
    return ReportLine(row, mailboxes, cost.seconds * factor, cost.cpu_seconds * factor, row.read)


def build_lines(results: Results) -> list[ReportLine]:
    """Builds the whole table, tenant by tenant."""
    return [line for size in results.sizes for line in build_size_lines(results, size)]


def build_size_lines(results: Results, size: int) -> Iterator[ReportLine]:
    """Builds the lines of one tenant: the guards, the baselines, the rest."""
    floor = results.find(BARE_CLIENT, FULL_READ, size)
    first_floor = results.find(BARE_FIRST_LOOK, FULL_READ, size)
    rows = [
        row
        for row in results.rows
        if row.mailboxes == size and row.client in (*GUARDS, FEED) and row.occasion not in APART
    ]
    usual = [row for row in rows if row.occasion in USUAL]
    for row in (*usual, *(row for row in rows if row not in usual)):
        line = replace(scale_measurement(row, size), remark=build_remark(results, row))
        base = first_floor if row.occasion in FIRST_LOOKS and first_floor else floor
        yield add_ratios(line, base) if row.client == FORWARDING else line
    for client in (SDK_LOOP, SDK_GATHER, BARE_FIRST_LOOK, BARE_CLIENT):
        found = {BARE_CLIENT: floor, BARE_FIRST_LOOK: first_floor}.get(
            client, find_script(results, client)
        )
        if found:
            line = scale_measurement(found, size)
            guess = f"extrapolated, {line.sample:,} read" if line.sample else ""
            yield add_ratios(replace(line, remark=guess), floor)


def add_ratios(line: ReportLine, floor: Measurement | None) -> ReportLine:
    """Builds a line with its ratios to the minimal client."""
    if floor is None:
        return line
    speed, cpu = line.row.speed / floor.speed, line.row.cpu_ms / floor.cpu_ms
    return replace(line, speed_ratio=speed, cpu_ratio=cpu)


@dataclass(frozen=True, slots=True)
class ListingLine:
    """A way of listing all mailboxes, and what it costs of what pages cost in the same tenant."""

    row: Measurement
    time_ratio: float
    cpu_ratio: float
    memory_ratio: float


def build_listing_lines(results: Results) -> list[ListingLine]:
    """Builds the lines of the ways of listing, size by size, pages first."""
    lines = []
    for size in results.sizes:
        for client in (*LISTINGS, SLICES_BY_NAME):
            row = results.find(client, LISTING, size)
            pages = row and results.find(f"{row.listed_by[0]} by pages", LISTING, size)
            if pages and row:
                ours, theirs = row.cost, pages.cost
                lines.append(
                    ListingLine(
                        row,
                        ours.seconds / theirs.seconds,
                        ours.cpu_seconds / theirs.cpu_seconds,
                        ours.peak_mib / theirs.peak_mib,
                    )
                )
    return lines


@dataclass(frozen=True, slots=True)
class SweepLine:
    """A sweep over all mailboxes, and what it costs of what that of FullAccess costs."""

    row: Measurement
    time_ratio: float
    cpu_ratio: float

    @property
    def commands(self) -> float:
        """How many commands it takes a mailbox."""
        return self.row.inner / self.row.read


def build_sweep_lines(results: Results) -> list[SweepLine]:
    """Builds the lines of the sweeps, size by size, that of FullAccess first."""
    lines = []
    for size in results.sizes:
        least = results.find(FULL_ACCESS, SWEEP, size)
        for name in SWEEPS if least else ():
            row = results.find(name, SWEEP, size)
            if row and least:
                ours, theirs = row.cost, least.cost
                time_ratio = ours.seconds / theirs.seconds
                lines.append(SweepLine(row, time_ratio, ours.cpu_seconds / theirs.cpu_seconds))
    return lines


COLLECTION_GUARDS = ("external-trust", "exchange-roles", "mail-protection", "privileged-change")
"""The guards whose looks are listings of the tenant: the same requests whatever its size, but for
lists of all users, devices and mailboxes.
"""


def find_collection_rows(results: Results, occasion: str, size: int) -> list[Measurement]:
    """The runs of these guards on an occasion in a tenant of that size."""
    rows = (results.find(name, occasion, size) for name in COLLECTION_GUARDS)
    return [row for row in rows if row]


@dataclass(frozen=True, slots=True)
class ContraryLine:
    """A guard's run in a contrary tenant, and in the same tenant as measured."""

    occasion: str
    usual: Measurement
    contrary: Measurement


def build_contrary_lines(results: Results) -> list[ContraryLine]:
    """Builds the lines of every guard and occasion that was measured in both tenants."""
    lines = []
    for client, occasion, size in product(GUARDS, USUAL, results.compared_sizes):
        usual, contrary = (
            results.find(client, name_compared(occasion, profile), size)
            for profile in COMPARED_PROFILES
        )
        if usual and contrary:
            lines.append(ContraryLine(occasion, usual, contrary))
    return lines


def find_script(results: Results, client: str) -> Measurement | None:
    """Finds the measurement of a slow script in any tenant."""
    return next((row for row in results.rows if row.client == client), None)


def compute_request_overhead(results: Results, row: Measurement) -> float | None:
    """Requests sent per request needed, in a throttled run."""
    needed = results.find(row.client, NO_CHANGE, row.mailboxes)
    return row.inner / needed.inner if needed and needed.inner else None


def build_remark(results: Results, row: Measurement) -> str:
    """Builds the remark on a measurement."""
    said = []
    if (
        row.occasion in (RATE_LIMITED, CONCURRENCY_LIMITED)
        and (sent := compute_request_overhead(results, row)) is not None
    ):
        said.append(f"{sent:.2f}x requests")
    if row.occasion in (RATE_LIMITED, CONCURRENCY_LIMITED) or row.lost:
        said.append(f"{row.lost:,} lost")
    if row.card_seconds is not None:
        said.append(f"first card {row.card_seconds:.1f} s")
    if row.note:
        said.append(row.note)
    return ", ".join(said)


def compute_memory_growth(results: Results) -> float | None:
    """The forwarding guard's memory in the largest tenant, relative to the next smaller one."""
    ordinary = [row for size in results.sizes if (row := results.find(FORWARDING, NO_CHANGE, size))]
    if len(ordinary) < 2:
        return None
    return ordinary[-1].cost.peak_mib / ordinary[-2].cost.peak_mib
