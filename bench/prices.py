"""The monthly cost of runs on the Flex Consumption plan of Azure Functions.

Prices are the pay-as-you-go list prices in US dollars (Azure Functions pricing page). The plan
bills an instance's memory while it executes, at least a second, and each execution. Both have a
monthly grant shared by all functions of a subscription. What is done on Table Storage is billed by
the operation (Azure Storage pricing page, tables, locally redundant).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.ncrontab import CronSchedule

GB_SECOND = 0.000026
FREE_GB_SECONDS = 100_000
EXECUTION = 0.40 / 1_000_000
FREE_EXECUTIONS = 250_000
INSTANCE_GB = 2
MIN_BILLED_SECONDS = 1.0
TABLE_OPERATION = 0.00036 / 10_000
MONTH = timedelta(hours=730)
DAY = timedelta(days=1)
# The schedules' intervals are constant, so any start time will do.
REFERENCE_DAY = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """A job with its number of runs per month and its seconds per run."""

    seconds: float
    runs: float

    @property
    def gb_seconds(self) -> float:
        """The billed memory time, in GB-seconds."""
        return max(self.seconds, MIN_BILLED_SECONDS) * INSTANCE_GB * self.runs

    @property
    def used_gb_seconds(self) -> float:
        """The memory time of runs inside of executions that are billed anyway."""
        return self.seconds * INSTANCE_GB * self.runs


def compute_interval(schedule: str) -> timedelta:
    """The time between two ticks of a schedule."""
    cron = CronSchedule.parse(schedule)
    first = cron.find_next(REFERENCE_DAY)
    return cron.find_next(first) - first


def list_times(schedule: str) -> list[timedelta]:
    """The ticks of a schedule within a day."""
    cron, found = CronSchedule.parse(schedule), list[timedelta]()
    at = cron.find_next(REFERENCE_DAY - timedelta(seconds=1))
    while at - REFERENCE_DAY < DAY:
        found.append(at - REFERENCE_DAY)
        at = cron.find_next(at)
    return found


def compute_monthly_runs(run_interval: timedelta) -> float:
    return MONTH / run_interval


def compute_dollars(gb_seconds: float, executions: float) -> float:
    """The monthly bill for memory time and executions, beyond the grant."""
    billed = max(gb_seconds - FREE_GB_SECONDS, 0.0)
    return billed * GB_SECOND + max(executions - FREE_EXECUTIONS, 0.0) * EXECUTION
