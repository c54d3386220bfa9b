"""What a month of the whole app costs, by the size of the tenant and by its schedules. Pure.

Everything runs for the time that was measured: each guard at its schedule, its periodic checks as
long as its first run, the reading of the audit logs at each tick, and mailbox-forwarding at the
ticks between its own runs, in tenants that are not too large for that.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bench.derived import find_script, scale_measurement
from bench.prices import (
    DAY,
    MONTH,
    TABLE_OPERATION,
    Job,
    compute_dollars,
    compute_interval,
    compute_monthly_runs,
    list_times,
)
from bench.results import (
    CONCURRENCY_LIMITED,
    FEED,
    FIRST_RUN,
    FORWARDING,
    GUARDS,
    NO_CHANGE,
    Measurement,
    Results,
)
from core.config.app_settings import ACTIVITY_SCHEDULE, SHARD_ABOVE
from core.config.catalog import CATALOG
from core.config.settings import get_setting_prefix
from core.jobs.activity_looks import FORWARDING_PAUSE
from core.tenant.mailbox_index import RANGE_SIZE

SCHEDULES = {duty.guard.name: duty.schedule for duty in CATALOG}
CHECK_INTERVALS = {
    duty.guard.name: min(check.interval for check in duty.guard.periodic_checks)
    for duty in CATALOG
    if duty.guard.periodic_checks
}
TICKS = str(ACTIVITY_SCHEDULE.default)
LARGE_TENANT = int(str(SHARD_ABOVE.default))
HOURLY_TIMER = "hourly timer"
AT_TICKS = f"{FORWARDING} at ticks"
DAYS_A_MONTH = MONTH / DAY


@dataclass(frozen=True, slots=True)
class SchedulePlan:
    """How often everything runs: as it is installed, but for what is named here."""

    name: str
    at_least: timedelta = timedelta()
    """No guard runs more often than this."""
    forwarding_at_ticks: bool = True
    halved: frozenset[str] = frozenset()
    """What runs half as often: guards, or the reading of the audit logs."""

    def get_interval(self, name: str) -> timedelta:
        """The time between two runs."""
        usual = compute_interval(SCHEDULES.get(name, TICKS))
        least = self.at_least if name in SCHEDULES else timedelta()
        return max(usual, least) * (2 if name in self.halved else 1)

    def is_as_installed(self, name: str) -> bool:
        """Whether something runs as often as it is installed to."""
        return self.get_interval(name) == compute_interval(SCHEDULES.get(name, TICKS))


AS_INSTALLED = SchedulePlan("as installed")
PLANS = (
    AS_INSTALLED,
    SchedulePlan("FORWARDING_EACH_TICK=off", forwarding_at_ticks=False),
    SchedulePlan("the same, guards hourly at most", timedelta(hours=1), forwarding_at_ticks=False),
    SchedulePlan("the same, guards every 6 hours", timedelta(hours=6), forwarding_at_ticks=False),
)


@dataclass(frozen=True, slots=True)
class Share:
    """What one part of the app takes in a month."""

    name: str
    gb_seconds: float = 0.0
    executions: float = 0.0
    requests: float = 0.0
    """To Microsoft 365, over HTTP."""
    inner_requests: float = 0.0
    """Those inside of batches, which Microsoft counts one by one."""
    table_operations: float = 0.0

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.name,
            self.gb_seconds + other.gb_seconds,
            self.executions + other.executions,
            self.requests + other.requests,
            self.inner_requests + other.inner_requests,
            self.table_operations + other.table_operations,
        )


@dataclass(frozen=True, slots=True)
class MonthCost:
    """What a month takes in all."""

    size: int
    plan: SchedulePlan
    shares: Sequence[Share]
    unmeasured: Sequence[str]
    """The parts of which nothing was measured in a tenant of that size."""

    @property
    def total(self) -> Share:
        return sum(self.shares, Share("total"))

    @property
    def compute_dollars(self) -> float:
        """The bill for the function app."""
        return compute_dollars(self.total.gb_seconds, self.total.executions)

    @property
    def table_dollars(self) -> float:
        """The bill for the operations on the state tables."""
        return self.total.table_operations * TABLE_OPERATION

    @property
    def dollars(self) -> float:
        return self.compute_dollars + self.table_dollars


def build_share(
    name: str, row: Measurement, runs: float, *, extra_seconds: float = 0.0, executions: float = 1.0
) -> Share:
    """What so many runs take that cost as much as the measured one, `extra_seconds` longer each.

    `executions` a run: 0 for what runs inside of another execution, which is billed anyway.
    """
    seconds = row.cost.seconds + extra_seconds
    billed = Job(seconds, runs).gb_seconds if executions else Job(seconds, runs).used_gb_seconds
    return Share(
        name,
        billed,
        executions * runs,
        row.posts * runs,
        row.inner * runs,
        (row.tables.get("reads", 0) + row.tables.get("writes", 0)) * runs,
    )


def count_tick_runs(plan: SchedulePlan, run_seconds: float) -> float:
    """How often a month mailbox-forwarding runs at a tick: not where it ran a moment before, nor
    while it runs.
    """
    if not plan.forwarding_at_ticks:
        return 0.0
    own = (
        list_times(SCHEDULES[FORWARDING])
        if plan.is_as_installed(FORWARDING)
        else [DAY * number for number in range(int(DAY / plan.get_interval(FORWARDING)))]
    )
    ticks = list_times(TICKS)[:: 2 if FEED in plan.halved else 1]
    events = sorted([(at, False) for at in own] + [(at, True) for at in ticks])
    ended, count = timedelta(days=-1), 0
    for at, is_tick in events:
        if is_tick and at - ended < FORWARDING_PAUSE:
            continue
        ended, count = max(at, ended) + timedelta(seconds=run_seconds), count + is_tick
    return count * DAYS_A_MONTH


def iter_guard_shares(
    results: Results, size: int, plan: SchedulePlan, guard: str, extra_seconds: float
) -> Iterator[Share]:
    """What a guard takes, with its periodic checks; nothing if it was not measured."""
    usual, first = (results.find(guard, what, size) for what in (NO_CHANGE, FIRST_RUN))
    if not usual or not first:
        return
    runs = compute_monthly_runs(plan.get_interval(guard))
    checks = (
        min(runs, compute_monthly_runs(CHECK_INTERVALS[guard])) if guard in CHECK_INTERVALS else 0.0
    )
    shards = 1.0 + (math.ceil(size / RANGE_SIZE) if is_sharded(guard, size) else 0)
    for row, count in ((usual, runs - checks), (first, checks)):
        if count:
            yield build_share(guard, row, count, extra_seconds=extra_seconds, executions=shards)


def is_sharded(guard: str, size: int) -> bool:
    """Whether a run of the guard is divided into messages of the shard queue."""
    inspects = next(duty.guard.inspect for duty in CATALOG if duty.guard.name == guard)
    return inspects is not None and size > LARGE_TENANT


def compute_month(
    results: Results, size: int, plan: SchedulePlan = AS_INSTALLED, extra_seconds: float = 0.0
) -> MonthCost:
    """A month of everything. Each run of mailbox-forwarding takes `extra_seconds` longer."""
    shares, unmeasured = [], []
    for guard in GUARDS:
        more = extra_seconds if guard == FORWARDING else 0.0
        found = list(iter_guard_shares(results, size, plan, guard, more))
        if found:
            shares.append(sum(found[1:], found[0]))
        else:
            unmeasured.append(guard)
    tick = results.find(FEED, NO_CHANGE, size)
    if tick:
        shares.append(build_share(FEED, tick, compute_monthly_runs(plan.get_interval(FEED))))
    else:
        unmeasured.append(FEED)
    usual = results.find(FORWARDING, NO_CHANGE, size)
    if usual and size <= LARGE_TENANT:
        runs = count_tick_runs(plan, usual.cost.seconds + extra_seconds)
        shares.append(build_share(AT_TICKS, usual, runs, extra_seconds=extra_seconds, executions=0))
    hours = compute_monthly_runs(timedelta(hours=1))
    shares.append(Share(HOURLY_TIMER, Job(0.0, hours).gb_seconds, hours))
    return MonthCost(size, plan, shares, unmeasured)


def list_remedies(results: Results, cost: MonthCost) -> list[tuple[str, MonthCost]]:
    """The settings that make a month cheaper, each alone, with that month; the cheapest first.

    A guard that runs at ticks as well gains little by a schedule of its own.
    """
    plan, found = cost.plan, list[tuple[str, SchedulePlan]]()
    if any(share.name == AT_TICKS and share.gb_seconds for share in cost.shares):
        found.append(("FORWARDING_EACH_TICK=off", replace(plan, forwarding_at_ticks=False)))
    for share in cost.shares:
        if share.name in SCHEDULES or share.name == FEED:
            prefix = "ACTIVITY" if share.name == FEED else get_setting_prefix(share.name)
            halved = replace(plan, halved=plan.halved | {share.name})
            found.append((f"{prefix}_SCHEDULE half as often", halved))
    months = [(name, compute_month(results, cost.size, one)) for name, one in found]
    cheaper = [pair for pair in months if pair[1].total.gb_seconds < cost.total.gb_seconds]
    return sorted(cheaper, key=lambda pair: pair[1].total.gb_seconds)


def compute_month_cost(results: Results, size: int) -> float:
    """US dollars per month for the function app as it is installed."""
    return compute_month(results, size).compute_dollars


def compute_strict_month_cost(results: Results, size: int) -> float | None:
    """The same if Graph accepts four concurrent requests of the app, at the forwarding guard's
    speed then.

    None if a run would not end before the next one starts.
    """
    slow = next((row for row in results.rows if row.occasion == CONCURRENCY_LIMITED), None)
    usual = results.find(FORWARDING, NO_CHANGE, size)
    if slow is None or usual is None:
        return None
    seconds = size / slow.speed
    if seconds > compute_interval(SCHEDULES[FORWARDING]).total_seconds():
        return None
    more = seconds - usual.cost.seconds
    return compute_month(results, size, AS_INSTALLED, more).compute_dollars


def compute_script_month_cost(results: Results, size: int, client: str) -> float | None:
    """US dollars per month for a slow script on the forwarding guard's schedule.

    None if a run would not end before the next one starts.
    """
    row = find_script(results, client)
    every = compute_interval(SCHEDULES[FORWARDING])
    if row is None or scale_measurement(row, size).seconds > every.total_seconds():
        return None
    job = Job(scale_measurement(row, size).seconds, compute_monthly_runs(every))
    return compute_dollars(job.gb_seconds, job.runs)
