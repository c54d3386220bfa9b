"""NCRONTAB, the schedule syntax of Azure Functions timers.

Six fields, seconds first: `second minute hour day month day-of-week`. It differs from Unix cron:
it has seconds, Sunday is 0 and never 7, and a time must satisfy the day of the month
*and* the day of the week (Unix takes either). Sources: Microsoft Learn, "Timer trigger for Azure
Functions", and the NCrontab library the host parses with.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

# The longest gap between two 29 Februaries that fall on one given weekday is 40 years, across a
# century that is not a leap year (2088 to 2128 for a Sunday). A schedule silent for longer never
# comes due.
SEARCH_HORIZON = timedelta(days=366 * 41)


class CronError(ValueError):
    """A schedule that the Functions host rejects; the message names the field."""


@dataclass(frozen=True, slots=True)
class CronField:
    """One field of an expression: its name, its inclusive bounds, and its names for values."""

    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        """All values the field allows. Raises CronError."""
        allowed: set[int] = set()
        for part in text.split(","):
            allowed.update(self.parse_item(part, text))
        return frozenset(allowed)

    def parse_item(self, part: str, text: str) -> range:
        """One item of the comma list: `*`, `5`, `1-5`, each with an optional `/step`."""
        span, slash, step_text = part.partition("/")
        step = self.parse_step(step_text, text) if slash else 1
        if span == "*":
            return range(self.lowest, self.highest + 1, step)
        first_text, dash, last_text = span.partition("-")
        first = self.parse_number(first_text, text)
        if dash:
            # NCrontab accepts a reversed range as the same range.
            first, last = sorted((first, self.parse_number(last_text, text)))
        else:
            last = self.highest if slash else first
        return range(first, last + 1, step)

    def parse_number(self, token: str, text: str) -> int:
        """A number within the bounds, or a name: any prefix of the name of a month or day."""
        number = int(token) if token.isascii() and token.isdigit() else self.parse_name(token)
        if not self.lowest <= number <= self.highest:
            raise CronError(
                f"{self.name} field {text!r}: {token!r} is not "
                f"between {self.lowest} and {self.highest}"
            )
        return number

    def parse_name(self, token: str) -> int:
        """The number of a name, or one below the bounds if there is no such name."""
        for number, word in enumerate(self.names, start=self.lowest):
            if token and word.startswith(token.casefold()):
                return number
        return self.lowest - 1

    def parse_step(self, token: str, text: str) -> int:
        """The number after the slash, at least 1."""
        if not (token.isascii() and token.isdigit() and int(token)):
            raise CronError(f"{self.name} field {text!r}: the step {token!r} is not above zero")
        return int(token)


CRON_FIELDS = (
    CronField("second", 0, 59),
    CronField("minute", 0, 59),
    CronField("hour", 0, 23),
    CronField("day", 1, 31),
    CronField("month", 1, 12, MONTHS),
    CronField("day-of-week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A parsed schedule: the text it came from and the values each field allows."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    @lru_cache(maxsize=64)
    def parse(cls, text: str) -> "CronSchedule":
        """Parse an expression; with five fields, second 0 is added, as the host does.

        Each request and each run reads the schedules of all guards: an expression is parsed once.
        """
        parts = text.split()
        if len(parts) == len(CRON_FIELDS) - 1:
            parts = ["0", *parts]
        if len(parts) != len(CRON_FIELDS):
            names = " ".join(field.name for field in CRON_FIELDS)
            raise CronError(f"{text!r} has {len(parts)} fields; a schedule is {names!r}")
        second, minute, hour, day, month, weekday = (
            field.parse(part) for field, part in zip(CRON_FIELDS, parts, strict=True)
        )
        return cls(
            text=text,
            seconds=tuple(sorted(second)),
            minutes=tuple(sorted(minute)),
            hours=tuple(sorted(hour)),
            days=day,
            months=month,
            weekdays=weekday,
        )

    def find_next(self, after: datetime) -> datetime:
        """The first time strictly later than `after`, in its time zone. Raises CronError."""
        start = after.replace(microsecond=0) + timedelta(seconds=1)
        midnight = start.replace(hour=0, minute=0, second=0)
        day = midnight
        while day - midnight <= SEARCH_HORIZON:
            if self.allows_day(day):
                moment = self.find_time_in_day(day, start if day == midnight else day)
                if moment:
                    return moment
            day += timedelta(days=1)
        raise CronError(f"{self.text!r} never comes due")

    def allows_day(self, day: datetime) -> bool:
        """Whether all three calendar fields match."""
        return (
            day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )

    def find_time_in_day(self, day: datetime, start: datetime) -> datetime | None:
        """The first allowed time of a day that is not before `start`."""
        for hour in self.hours:
            if hour < start.hour:
                continue
            for minute in self.minutes:
                if (hour, minute) < (start.hour, start.minute):
                    continue
                for second in self.seconds:
                    if (hour, minute, second) >= (start.hour, start.minute, start.second):
                        return day.replace(hour=hour, minute=minute, second=second)
        return None

    def describe_schedule(self) -> str:
        """The schedule in words if it has a short form, otherwise as written. UTC."""
        calendar = (self.days, self.months, self.weekdays)
        if self.seconds != (0,) or [len(values) for values in calendar] != [31, 12, 7]:
            return f"{self.text} (UTC)"
        minutes, hours = measure_spacing(self.minutes, 60), measure_spacing(self.hours, 24)
        if hours == 1 and minutes == 1:
            return "every minute"
        if hours == 1 and minutes == 60:
            return f"every hour, at minute {self.minutes[0]}"
        if hours == 1 and minutes:
            start = f", from minute {self.minutes[0]}" if self.minutes[0] else ""
            return f"every {minutes} minutes{start}"
        at = f"{self.hours[0]:02}:{self.minutes[0]:02} UTC"
        if minutes == 60 and hours:
            return f"every day at {at}" if hours == 24 else f"every {hours} hours, from {at}"
        return f"{self.text} (UTC)"


def measure_spacing(values: tuple[int, ...], cycle: int) -> int:
    """The distance of evenly spaced values around a cycle, 0 if they are not evenly spaced."""
    step = cycle // len(values)
    return step if values == tuple(range(values[0], cycle, step)) and values[0] < step else 0
