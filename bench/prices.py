"""What a month of runs costs on Azure Functions' Flex Consumption plan, from measured seconds.

Prices are those of the pay-as-you-go list in US dollars (Azure Functions pricing page). The plan
bills the memory of an instance for as long as it executes, a second at the least, and each
execution; both have a monthly grant that all functions of a subscription share.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.ncrontab import CronSchedule

GB_SECOND = 0.000026
FREE_GB_SECONDS = 100_000
EXECUTION = 0.40 / 1_000_000
FREE_EXECUTIONS = 250_000
INSTANCE_GB = 2
MIN_BILLED_SECONDS = 1.0
MONTH = timedelta(hours=730)
# Any moment will do to measure the interval of a schedule that is the same at all times.
REFERENCE_DAY = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """Something that runs so many times a month, each time for so many seconds."""

    seconds: float
    runs: float

    @property
    def gb_seconds(self) -> float:
        """What is billed for its time and memory."""
        return max(self.seconds, MIN_BILLED_SECONDS) * INSTANCE_GB * self.runs


def compute_interval(schedule: str) -> timedelta:
    """The time between two ticks of a schedule."""
    cron = CronSchedule.parse(schedule)
    first = cron.find_next(REFERENCE_DAY)
    return cron.find_next(first) - first


def compute_monthly_runs(run_interval: timedelta) -> float:
    return MONTH / run_interval


def compute_dollars(jobs: Iterable[Job]) -> float:
    """The bill of a month for all jobs together."""
    listed = list(jobs)
    billed = max(sum(job.gb_seconds for job in listed) - FREE_GB_SECONDS, 0.0)
    executions = max(sum(job.runs for job in listed) - FREE_EXECUTIONS, 0.0)
    return billed * GB_SECOND + executions * EXECUTION
