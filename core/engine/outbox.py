"""Decides what each channel besides Teams has to be told, as rows of its own. Pure.

    cases with a pending notification ─► one row a case and channel ─► saved before the card

A row says by its revision what it tells, so that the same is told once however often the card is
tried; a newer state of the case takes the place of one that the channel has not taken yet. What a
channel was told too often of one case waits some hours, unless it is graver than all it was told.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.errors import MISTAKES, explain_error
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.cases import Case, Notification
from core.model.findings import Fact, Severity
from core.model.outbox import ENDS, CopyState, Notice, NoticeEvent, OutboxRow
from core.model.runs import RunReport
from core.ports import MessageChannel
from core.status.remedy import list_short_steps, list_steps

TOLD_PER_CASE, TOLD_PAUSE = 4, timedelta(hours=8)
MAX_ACCEPTED_TIMES = 8
# What the first look found is counted in one message, and the gravest are told one by one.
MAX_EXISTING = 20
# Rows that a channel has not taken yet, for one guard: of more, only their number is kept.
MAX_PENDING = 500
KEEP_ACCEPTED = timedelta(days=8)
REFUSED_PAUSE = timedelta(hours=6)
MAX_SENT_PER_RUN = 200
MANY_FAILURES = 3

MAX_SUMMARY, MAX_ADVICE, MAX_NOTE, MAX_FACT, MAX_FACTS = 1_000, 2_000, 500, 400, 12
# Keys of notices that count cases: they sort before those of every object.
EXISTING_KEY, MORE_KEY = "0" * PREFIX_LENGTH + "-existing", "0" * PREFIX_LENGTH + "-more"


@dataclass(frozen=True, slots=True)
class Outbox:
    """The rows of a guard that a run holds, by key."""

    rows: dict[str, OutboxRow]

    def put(self, rows: Iterable[OutboxRow]) -> None:
        """Hold rows as they were just saved."""
        self.rows.update({row.key: row for row in rows})


def cut(text: str, limit: int) -> str:
    """The beginning of a text, at the end of a word where there is one, marked as cut."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    return f"{head.rsplit(' ', 1)[0] if ' ' in head[limit // 2 :] else head}…"


def compute_revision(case: Case) -> str:
    """What there is to tell of a case now, as a hash: the same while its card is only tried again.

    A card that was accepted changes `notified_at`, so what comes after it is something new.
    """
    return hash_parts(
        case.notification,
        case.severity,
        case.verdict,
        case.resolution,
        case.plan_hash,
        case.note if case.notification is Notification.DONE else "",
        *(
            at.isoformat() if at else ""
            for at in (
                case.opened_at,
                case.notified_at,
                case.closed_at,
                case.widened_at,
                case.deferred_at,
            )
        ),
    )


def build_notice(case: Case, report: RunReport, was_told: bool) -> Notice:
    """The copy of a case that a channel is told: of one that a mistake keeps from being copied,
    what needs no details.
    """
    try:
        return copy_case(case, report, was_told)
    except MISTAKES as error:
        return Notice(
            guard=report.guard,
            guard_title=report.title,
            case_key=case.key,
            event=NoticeEvent(case.notification),
            severity=case.severity,
            summary=f"{report.title} has a case whose details could not be put into a message.",
            at=case.closed_at or report.finished_at or report.started_at,
            kind=case.kind,
            note=explain_error(error),
        )


def copy_case(case: Case, report: RunReport, was_told: bool) -> Notice:
    """The copy of a case with its details."""
    event = NoticeEvent(case.notification)
    if event is NoticeEvent.OPENED and was_told:
        # The card about its beginning is still to be accepted; this channel knows of it.
        event = NoticeEvent.CHANGED
    return Notice(
        guard=report.guard,
        guard_title=report.title,
        case_key=case.key,
        event=event,
        severity=case.severity,
        summary=cut(case.summary, MAX_SUMMARY),
        at=case.closed_at or report.finished_at or report.started_at,
        kind=case.kind,
        verdict=case.verdict,
        subject=cut(case.subject, MAX_FACT),
        object_id=cut(case.object_id, MAX_FACT),
        advice=cut(case.advice, MAX_ADVICE),
        steps=list_short_steps(list_steps(case, may_contain=False)),
        note=cut(case.note, MAX_NOTE),
        facts=tuple(Fact(one.label, cut(one.text, MAX_FACT)) for one in case.facts[:MAX_FACTS]),
        opened_at=case.opened_at,
        closed_at=case.closed_at,
    )


def accepts_case(channel: MessageChannel, case: Case, guard: str, row: OutboxRow | None) -> bool:
    """Whether a channel is told of a case: a critical one always, as the end of what it knows."""
    if case.severity is Severity.CRITICAL:
        return True
    if row and row.accepted_times and case.notification.value in ENDS:
        return True
    is_chosen = not channel.guards or guard in channel.guards
    return is_chosen and case.severity >= channel.least_severity


def queue_notices(
    report: RunReport,
    channels: Sequence[MessageChannel],
    rows: Mapping[str, OutboxRow],
    now: datetime,
) -> tuple[OutboxRow, ...]:
    """The rows to save before the card about these cases is sent."""
    return tuple(row for one in channels for row in queue_for_channel(report, one, rows, now))


def queue_for_channel(
    report: RunReport, channel: MessageChannel, rows: Mapping[str, OutboxRow], now: datetime
) -> Iterator[OutboxRow]:
    """The rows of one channel that are new or changed."""
    cases = [
        case
        for case in report.notifications
        if accepts_case(channel, case, report.guard, rows.get(f"{case.key}|{channel.name}"))
    ]
    existing = [one for one in cases if one.baselined and one.notification is Notification.OPENED]
    if existing:
        gravest = sorted(existing, key=lambda case: case.severity, reverse=True)[:MAX_EXISTING]
        one_by_one = {case.key for case in gravest if case.severity is Severity.CRITICAL}
        notice = count_existing(existing, report, now)
        row = put_notice(channel.name, notice, name_cases(existing), rows, now)
        # What leaves before the end of the first look is not yet all it found.
        if row and not report.is_early:
            yield row
        named = one_by_one | ({one.key for one in cases} - {one.key for one in existing})
        cases = [case for case in cases if case.key in named]
    room = MAX_PENDING - sum(
        row.channel == channel.name and row.state is not CopyState.ACCEPTED for row in rows.values()
    )
    untold: list[Case] = []
    for case in sorted(cases, key=lambda case: case.severity, reverse=True):
        old = rows.get(f"{case.key}|{channel.name}")
        is_told = bool(old and old.accepted_times and old.notice.event not in ENDS)
        row = put_notice(
            channel.name, build_notice(case, report, is_told), compute_revision(case), rows, now
        )
        if row is None:
            continue
        if old is None or old.state is CopyState.ACCEPTED:
            room -= 1
            if room < 0:
                untold.append(case)
                continue
        yield row
    counted = rows.get(f"{MORE_KEY}|{channel.name}")
    # While Teams takes no card either, the same cases are in each report.
    new = [case for case in untold if not counted or find_event_time(case) > counted.notice.at]
    if new:
        yield count_more(channel.name, new, report, rows, now)


def find_event_time(case: Case) -> datetime:
    """When what there is to tell of a case happened, as far as its times say."""
    times = (case.opened_at, case.closed_at, case.widened_at, case.deferred_at)
    return max(at for at in times if at)


def put_notice(
    channel: str, notice: Notice, revision: str, rows: Mapping[str, OutboxRow], now: datetime
) -> OutboxRow | None:
    """The row that tells a notice, in place of what the channel was told; None if it tells it."""
    old = rows.get(f"{notice.case_key}|{channel}")
    if old is None:
        return OutboxRow(channel, revision, notice, now)
    if old.revision == revision:
        return None
    lately = [at for at in old.accepted_times if abs(now - at) < TOLD_PAUSE]
    is_graver = notice.severity >= Severity.HIGH and notice.severity > old.accepted_severity
    is_held = len(lately) >= TOLD_PER_CASE and not is_graver
    return replace(
        old,
        revision=revision,
        notice=notice,
        queued_at=now if old.state is CopyState.ACCEPTED else old.queued_at,
        state=CopyState.PENDING,
        not_before=max(lately) + TOLD_PAUSE if is_held else None,
    )


def name_cases(cases: Iterable[Case]) -> str:
    """The identity of a set of cases."""
    return hash_parts(*sorted(case.key for case in cases))


def count_by_severity(cases: Iterable[Case]) -> str:
    """How many cases there are of each severity, in words."""
    counts = Counter(case.severity for case in cases)
    return ", ".join(f"{counts[one]:,} {one.label}" for one in sorted(counts, reverse=True))


def count_existing(cases: Sequence[Case], report: RunReport, now: datetime) -> Notice:
    """What the first look found, as a number."""
    return Notice(
        guard=report.guard,
        guard_title=report.title,
        case_key=EXISTING_KEY,
        event=NoticeEvent.EXISTING,
        severity=max(case.severity for case in cases),
        summary=f"{report.title}: the first look found what was there before"
        f" ({count_by_severity(cases)}).",
        at=now,
        advice="The status page lists them. From now on, only what is new, goes further or ends is"
        " told.",
        count=len(cases),
    )


def count_more(
    channel: str,
    cases: Sequence[Case],
    report: RunReport,
    rows: Mapping[str, OutboxRow],
    now: datetime,
) -> OutboxRow:
    """The row that counts what is too much to be told one by one."""
    old = rows.get(f"{MORE_KEY}|{channel}")
    is_waiting = old is not None and old.state is not CopyState.ACCEPTED
    count = len(cases) + (old.notice.count if old and is_waiting else 0)
    severity = max(
        *(case.severity for case in cases),
        old.notice.severity if old and is_waiting else Severity.INFO,
    )
    notice = Notice(
        guard=report.guard,
        guard_title=report.title,
        case_key=MORE_KEY,
        event=NoticeEvent.MORE,
        severity=severity,
        summary=f"{report.title}: {count:,} more notifications than this channel could be told one"
        f" by one, the gravest of them {severity.label}.",
        at=now,
        advice="The status page lists the cases.",
        count=count,
    )
    revision = hash_parts(name_cases(cases), count, now.isoformat())
    if old is None:
        return OutboxRow(channel, revision, notice, now)
    return replace(
        old,
        revision=revision,
        notice=notice,
        state=CopyState.PENDING,
        queued_at=old.queued_at if is_waiting else now,
    )


def select_rows_to_send(
    rows: Iterable[OutboxRow], channel: str, now: datetime
) -> tuple[OutboxRow, ...]:
    """What a channel is to be told now, the gravest and oldest first.

    What failed several times in a row comes last: it may be what the channel fails at.
    """
    due = [
        row
        for row in rows
        if row.channel == channel
        and row.state is not CopyState.ACCEPTED
        and (row.not_before is None or row.not_before <= now)
    ]
    due.sort(
        key=lambda row: (
            row.failure_count >= MANY_FAILURES,
            -row.notice.severity,
            row.queued_at,
            row.key,
        )
    )
    return tuple(due[:MAX_SENT_PER_RUN])


def mark_accepted(rows: Iterable[OutboxRow], now: datetime) -> tuple[OutboxRow, ...]:
    """The rows after the channel took them."""
    return tuple(
        replace(
            row,
            state=CopyState.ACCEPTED,
            tried_at=now,
            failure_count=0,
            error="",
            not_before=None,
            accepted_times=(*row.accepted_times, now)[-MAX_ACCEPTED_TIMES:],
            accepted_severity=max(row.notice.severity, row.accepted_severity),
        )
        for row in rows
    )


def mark_failed(
    rows: Iterable[OutboxRow], error: str, now: datetime, *, is_refused: bool = False
) -> tuple[OutboxRow, ...]:
    """The rows after the channel did not take them. What it refuses is tried again hours later."""
    return tuple(
        replace(
            row,
            state=CopyState.REFUSED if is_refused else CopyState.PENDING,
            tried_at=now,
            failure_count=row.failure_count + 1,
            error=cut(error, MAX_NOTE),
            not_before=now + REFUSED_PAUSE if is_refused else None,
        )
        for row in rows
    )


def list_silent_ends(
    rows: Iterable[OutboxRow], cases: Mapping[str, Case], folded: Collection[str], now: datetime
) -> tuple[OutboxRow, ...]:
    """The rows that tell channels of the end of cases that ended without a notification.

    An operator accepted them, another case tells of them, or they ended in a case that held them;
    `folded` are those that one still holds. A card of their own would be one too many; what other
    channels opened for each of them would never be closed.
    """
    ends = []
    for row in rows:
        case = cases.get(row.notice.case_key)
        if not row.accepted_times or not row.notice.is_case or row.notice.event in ENDS:
            continue
        if case is None and row.notice.case_key not in folded:
            notice = replace(row.notice, note="it is over", at=now, closed_at=now)
            ends.append(queue_end(row, notice, hash_parts(row.revision, "over"), now))
        elif case and case.closed_at and case.is_one_off and row.state is CopyState.ACCEPTED:
            # An event has no end; that nothing more is to come of it is noted.
            ends.append(replace(row, notice=replace(row.notice, event=NoticeEvent.CLOSED)))
        elif case and has_ended_silently(row, case):
            is_exempt = case.resolution == "exempt"
            notice = replace(
                row.notice,
                summary=cut(case.summary, MAX_SUMMARY),
                note="an operator exempted it" if is_exempt else cut(case.note, MAX_NOTE),
                at=case.closed_at or now,
                closed_at=case.closed_at,
            )
            ends.append(queue_end(row, notice, compute_revision(case), now))
    return tuple(ends)


def queue_end(row: OutboxRow, notice: Notice, revision: str, now: datetime) -> OutboxRow:
    """The row with the end of its case, still to be told."""
    ended = replace(notice, event=NoticeEvent.CLOSED)
    return put_notice(row.channel, ended, revision, {row.key: row}, now) or row


def has_ended_silently(row: OutboxRow, case: Case) -> bool:
    """Whether a case that a row tells of ended, and nobody will be told so. An event has no end."""
    return (
        case.closed_at is not None
        and not case.notification
        and not case.is_one_off
        and row.notice.event not in ENDS
    )


def list_rows_to_forget(
    rows: Iterable[OutboxRow], channels: Iterable[str], cases: Mapping[str, Case], now: datetime
) -> tuple[OutboxRow, ...]:
    """What was told long ago, what was to be told by channels that are switched off, and what
    ended without a notification before its channel took anything.
    """
    names = set(channels)
    return tuple(
        row
        for row in rows
        if row.channel not in names
        or (
            not row.accepted_times
            and (case := cases.get(row.notice.case_key)) is not None
            and has_ended_silently(row, case)
        )
        or (row.state is CopyState.ACCEPTED and now - row.accepted_times[-1] >= KEEP_ACCEPTED)
    )
