"""Many acts within a short time, and the gravest of more acts than are told. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from core.model.findings import Severity
from core.tenant.activity import ActivityRecord

type Records = Sequence[ActivityRecord]


def get_target(record: ActivityRecord) -> str:
    """What was acted on, by its surest name."""
    return next(iter(record.names), "").casefold()


def find_burst(records: Records, span: timedelta, least: int) -> Records:
    """The most records within a time, the latest of each object; none if they are too few.

    The records are in the order of their times.
    """
    counts = Counter[str]()
    first, best, window = 0, 0, slice(0)
    for last, one in enumerate(records):
        counts[get_target(one)] += 1
        while one.at - records[first].at > span:
            gone = get_target(records[first])
            counts[gone] -= 1
            if not counts[gone]:
                del counts[gone]
            first += 1
        if len(counts) > best:
            best, window = len(counts), slice(first, last + 1)
    if best < least:
        return ()
    return list({get_target(one): one for one in records[window]}.values())


def select_gravest[A](
    acts: Iterable[A],
    most: int,
    rate: Callable[[A], tuple[Severity, datetime]],
    name_event: Callable[[A], object],
) -> tuple[A, ...]:
    """The acts, if they are no more than a number of them; else the gravest and latest events.

    Whoever does one thing over and over must not hide another.
    """
    every = tuple(acts)
    if len(every) <= most:
        return every
    events = {name_event(one): one for one in sorted(every, key=lambda one: rate(one)[1])}
    return tuple(sorted(events.values(), key=rate, reverse=True)[:most])
