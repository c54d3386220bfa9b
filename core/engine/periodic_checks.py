"""Decides which slow parts of a scan are due, and how far each has come. Pure."""

from datetime import datetime
from typing import Any

from core.model.guards import GuardConfig
from core.model.state import GuardState
from core.tenant.mailbox_index import MailboxRange
from core.tenant.readings import Reading


def find_due_checks(config: GuardConfig, state: GuardState, now: datetime) -> frozenset[str]:
    """The periodic checks that are due.

    One whose last end lies far in the future counts as due: it would otherwise never be due again.
    """
    return frozenset(
        sweep.name
        for sweep in config.guard.periodic_checks
        if sweep.name not in state.checks_finished_at
        or abs(now - state.checks_finished_at[sweep.name]) >= sweep.interval
    )


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
