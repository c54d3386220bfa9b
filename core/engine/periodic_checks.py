"""Decides which slow parts of a scan are due, and how far each has come. Pure."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from core.model.guards import GuardConfig
from core.model.state import MAX_TIME_AHEAD, GuardState
from core.tenant.mailbox_index import MailboxRange
from core.tenant.readings import Reading

# The earliest that a check is due again, as a share of its interval.
EARLIEST_SHARE = 0.7


def find_due_checks(config: GuardConfig, state: GuardState, now: datetime) -> frozenset[str]:
    """The periodic checks that are due.

    One whose last end lies in the future counts as due: whoever wrote that could otherwise put the
    check off.
    """
    return frozenset(
        sweep.name
        for sweep in config.guard.periodic_checks
        if is_check_due(sweep.name, sweep.interval, state, now)
    )


def is_check_due(name: str, interval: timedelta, state: GuardState, now: datetime) -> bool:
    """Whether a check is due again."""
    last = state.checks_finished_at.get(name)
    if last is None or last - now > MAX_TIME_AHEAD:
        return True
    return now - last >= interval * draw_interval_share(state.check_seed, name, last)


def draw_interval_share(seed: str, name: str, last: datetime) -> float:
    """After which share of its interval a check is due: between EARLIEST_SHARE and 1.

    Only who knows the seed knows the share, so nobody can hide something just while the check
    reads. Without a seed it is 1.
    """
    if not seed:
        return 1.0
    digest = hashlib.sha256(f"{seed} {name} {last.isoformat()}".encode()).digest()
    return EARLIEST_SHARE + (1 - EARLIEST_SHARE) * int.from_bytes(digest[:4]) / 2**32


def is_check_due_at(position: str, mailbox_range: MailboxRange) -> bool:
    """Whether a check has come up to a key range, and not past it."""
    return mailbox_range.low <= position < mailbox_range.high


def is_check_complete(batch: Reading[Any], name: str) -> bool:
    """Whether a batch read all of the data source of a check."""
    return (
        name in batch.sources
        and name not in batch.partial_scopes
        and not batch.find_source_failure(name)
    )
