"""Timer triggers: due times, stored status, and no overlapping runs.

The rules are those of the timer extension (Azure/azure-webjobs-sdk-extensions, Timers): one run,
marked `past_due`, for all occurrences missed while the app was down; no run if the schedule changed
meanwhile. The next occurrence is computed when a run has ended, so a long run delays the next one
and never overlaps it. UTC only, as on Flex Consumption.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.ncrontab import CronError, CronSchedule
from sandbox.functions_host.worker import Function, HostError
from sandbox.functions_host.worker_messages import TypedData

# .NET's DateTime.MinValue, written if there is no time.
NEVER = "0001-01-01T00:00:00+00:00"
# The extension keeps no status for shorter intervals.
MIN_MONITORED_INTERVAL = timedelta(minutes=1)

type TimerHandler = Callable[[Function, TypedData], Awaitable[None]]


class TimerStatusStore:
    """The host's status of each timer, in memory or in one small JSON file.

    Azure keeps the same three times in a blob per function: the last run, the next due time and the
    time of the update.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.entries: dict[str, dict[str, str]] = {}
        if file and file.exists():
            self.entries = json.loads(file.read_text(encoding="utf-8"))

    def read(self, name: str) -> dict[str, str] | None:
        return self.entries.get(name)

    def write(self, name: str, schedule: CronSchedule, last: str, due: datetime) -> None:
        """Stores when the last run began, if there was one, and when the next one is due."""
        self.entries[name] = {
            "Schedule": schedule.text,
            "Last": last,
            "Next": due.isoformat(),
            "LastUpdated": datetime.now(UTC).isoformat(),
        }
        if self.file:
            self.file.write_text(json.dumps(self.entries, indent=2), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer-triggered function, its schedule and its status."""

    function: Function
    schedule: CronSchedule
    monitored: bool
    run_on_startup: bool
    status_store: TimerStatusStore

    @classmethod
    def from_function(cls, function: Function, status_store: TimerStatusStore) -> "Timer":
        """Reads the trigger. Raises HostError if the schedule is invalid."""
        try:
            schedule = CronSchedule.parse(function.trigger["schedule"])
            first = schedule.find_next(datetime.now(UTC))
            apart = schedule.find_next(first) - first
        except CronError as error:
            raise HostError(f"the '{function.name}' function is in error: {error}") from error
        return cls(
            function=function,
            schedule=schedule,
            monitored=function.trigger.get("useMonitor", True) and apart >= MIN_MONITORED_INTERVAL,
            run_on_startup=function.trigger.get("runOnStartup", False),
            status_store=status_store,
        )

    def build_tick(self, past_due: bool) -> TypedData:
        """The TimerRequest for the function."""
        status = self.status_store.read(self.function.name) if self.monitored else None
        body: dict[str, Any] = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status
            and {key: status[key] for key in ("Last", "Next", "LastUpdated")},
            "IsPastDue": past_due,
        }
        return TypedData(json=json.dumps(body))

    async def run(self, handler: TimerHandler) -> None:
        """Runs the function on its schedule until cancelled."""
        due = datetime.now(UTC)
        if self.check_missed(due):
            await self.run_at(due, handler, past_due=True)
        elif self.run_on_startup:
            await self.run_at(due, handler, past_due=False)
        while True:
            due = self.get_next_due(due)
            await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
            await self.run_at(due, handler, past_due=False)

    def get_next_due(self, due: datetime) -> datetime:
        """The next occurrence. A sleep may end slightly early; a served occurrence is not due
        again.
        """
        return self.schedule.find_next(max(due, datetime.now(UTC)))

    def check_missed(self, now: datetime) -> bool:
        """True if an occurrence was missed while the host was down. Creates a missing status."""
        if not self.monitored:
            return False
        status = self.status_store.read(self.function.name)
        if status is None or status["Schedule"] != self.schedule.text:
            self.status_store.write(
                self.function.name, self.schedule, NEVER, self.get_next_due(now)
            )
            return False
        return datetime.fromisoformat(status["Next"]) < now

    async def run_at(self, due: datetime, handler: TimerHandler, past_due: bool) -> None:
        began = datetime.now(UTC)
        await handler(self.function, self.build_tick(past_due))
        if self.monitored:
            self.status_store.write(
                self.function.name, self.schedule, began.isoformat(), self.get_next_due(due)
            )
