"""Notices what goes further than was told or accepted, and what an exemption covers of it. Pure.

told_reaches      everything that was told of a case, while it is open
accepted_reaches  what an operator accepted with an exemption; the case keeps it when it closes
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from core.model.cases import Case, Exemption, Notification
from core.model.findings import Fact, Finding
from core.model.reach import add_reaches, goes_further, limit_reaches
from core.tenant.quoting import quote_text
from core.time_format import format_time

# The row of a closed case is deleted after 90 days, and with it what was accepted.
REFRESH_AFTER = timedelta(days=60)
BEYOND_EXEMPTION_FACT = Fact(
    "", "an operator exempted it as it was; it goes further now, which nobody accepted"
)
ACCEPTED_FACT = Fact(
    "",
    "an operator accepted it once, or its object: an operator decides; in enforce mode the guard "
    "changes it only if it ends and comes back",
)
MAX_REASON_LENGTH = 200


def note_widening(case: Case, finding: Finding, now: datetime) -> Case:
    """The case with all that was told of it; `widened_at` is now if the finding goes further."""
    reaches = limit_reaches(finding.reaches)
    if not goes_further(reaches, case.told_reaches):
        return case
    return replace(case, told_reaches=add_reaches(case.told_reaches, reaches), widened_at=now)


def list_widening_facts(case: Case) -> Iterator[Fact]:
    """That and when a case began to go further."""
    if case.widened_at:
        yield Fact("", f"it goes further than was told before {case.widened_at:%Y-%m-%d %H:%M} UTC")


def add_exemption_fact(finding: Finding, is_beyond: bool) -> Finding:
    """The finding, saying so if it goes beyond an exemption."""
    if not is_beyond:
        return finding
    return replace(finding, facts=(BEYOND_EXEMPTION_FACT, *finding.facts))


def was_accepted(case: Case | None, exemption: Exemption | None) -> bool:
    """Whether an operator accepted a finding once: it is a question again when that ends, or when
    it goes further. An open case says so.
    """
    if case and case.closed_at is None:
        return case.accepted_reaches is not None
    return exemption is not None


def mark_accepted(case: Case) -> Case:
    """The case of what an operator accepted until a date that has passed. It is no old stock: it is
    told like any other.
    """
    return case if case.accepted_reaches is not None else replace(case, accepted_reaches=())


def add_ended_exemption(finding: Finding, exemption: Exemption | None, now: datetime) -> Finding:
    """The finding, saying who accepted it and why, where that has ended."""
    if exemption is None or exemption.until > now:
        return finding
    who, why = (
        quote_text(one, MAX_REASON_LENGTH) for one in (exemption.granted_by, exemption.reason)
    )
    ended = Fact("exempt before", f"until {format_time(exemption.until)}, by {who}: {why}")
    return replace(finding, facts=(ended, *finding.facts))


def exceeds_exemption(case: Case | None, finding: Finding) -> bool:
    """Whether the finding goes further than what an exemption that covers it accepted.

    Where the exemption is older than any look at it, what is there at the first look is accepted.
    """
    if case is None or not finding.reaches:
        return False
    accepted = case.told_reaches if case.accepted_reaches is None else case.accepted_reaches
    return bool(accepted) and goes_further(limit_reaches(finding.reaches), accepted)


def mark_beyond_exemption(case: Case, old: Case) -> Case:
    """The case of a finding beyond its exemption: what was accepted stays what it was.

    It is news, although what was accepted may be older than the guard's first look.
    """
    accepted = old.told_reaches if old.accepted_reaches is None else old.accepted_reaches
    return replace(case, accepted_reaches=accepted, baselined=False)


def end_as_exempt(case: Case, now: datetime) -> Case:
    """An open case, ended because an operator accepts it as far as it was told."""
    return replace(
        case,
        closed_at=now,
        resolution="exempt",
        notification=Notification.NONE,
        accepted_reaches=case.told_reaches or None,
    )


def close_as_exempt(now: datetime, key: str, finding: Finding, old: Case | None) -> Case | None:
    """The case of an exempt finding, ended without a notification; None if nothing changes.

    A finding that says how far it goes leaves a row behind even if it was never open: the next look
    compares with it. The row is renewed before it would be deleted.
    """
    if old and old.closed_at is None:
        ended = end_as_exempt(old, now)
        return ended if old.accepted_reaches is None else mark_beyond_exemption(ended, old)
    if not finding.reaches:
        return None
    reaches = limit_reaches(finding.reaches)
    if old is None:
        return Case(
            key=key,
            kind=finding.kind,
            object_id=finding.object_id,
            subject=finding.subject,
            severity=finding.severity,
            guard_verdict=finding.verdict,
            verdict=finding.verdict,
            summary=finding.summary,
            opened_at=now,
            facts=finding.facts,
            sources=finding.sources,
            closed_at=now,
            resolution="exempt",
            told_reaches=reaches,
            accepted_reaches=reaches,
        )
    if old.accepted_reaches is None:
        return replace(old, accepted_reaches=old.told_reaches or reaches, closed_at=now)
    if old.closed_at and abs(now - old.closed_at) >= REFRESH_AFTER:
        return replace(old, closed_at=now)
    return None
