"""Sends what a run has to tell to the notification channel, and marks each row after delivery.

    cases and requests with a pending notification ─► render ─► send ─► mark notified ─► save

A row is marked after its message was accepted: a run that dies between the two sends the message
again, so an operator may see it twice and never misses it.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.outcomes import mark_notified
from core.engine.run_report import build_run_report
from core.engine.scan_progress import Scan
from core.errors import CardRejected, NotificationError
from core.model.cases import Case, Notification
from core.model.requests import OperatorRequest
from core.model.runs import REQUESTS_ONLY, RunReport
from core.ports import Claim, RenderedMessage, World

log = logging.getLogger("exoguard.run")

# A scan that takes longer sends what it has found before it ends, and then again now and then.
FIRST_CARD_AFTER = timedelta(seconds=3)
NEXT_CARD_AFTER = timedelta(seconds=30)


def get_waiting_time(row: Case | OperatorRequest, now: datetime) -> timedelta:
    """How long news have waited, as far as their times tell."""
    if isinstance(row, OperatorRequest):
        return max(now - (row.ended_at or row.at), timedelta())
    since = {
        Notification.OPENED: row.opened_at,
        Notification.DONE: row.closed_at,
        Notification.CLOSED: row.closed_at,
    }
    return max(now - (since.get(row.notification) or now), timedelta())


async def send_notifications(world: World, claim: Claim, report: RunReport) -> RunReport:
    """Send the cards one after another; what each tells is marked told once it was taken.

    A channel that does not answer leaves the rest untold, for the next run. One that refuses a
    card, in whatever words, is still told the others.
    """
    messages = world.render(report, world.public_url)
    if not messages:
        return report
    untold: list[RenderedMessage] = []
    error = ""
    for number, message in enumerate(messages):
        try:
            rows = await send_message(world, claim, message, report)
        except CardRejected as refused:
            untold.append(message)
            error = str(refused)
            continue
        except NotificationError as failed:
            untold += messages[number:]
            error = str(failed)
            break
        all_told = message is messages[-1] and not untold
        report = replace(
            report,
            card_count=report.card_count + 1,
            delivered=True if all_told else report.delivered,
        )
        await claim.save(*rows, *(get_report_rows(report) if all_told else ()))
    if untold:
        left = [row for message in untold for row in get_message_rows(message)]
        log.error("%s: %d news stay untold: %s", report.guard, len(left), error)
        report = replace(
            report,
            delivered=False,
            error=f"the alert was not taken: {error}",
            oldest_pending_age=max(get_waiting_time(row, world.now()) for row in left),
        )
        await claim.save(*get_report_rows(report))
    return report


def get_report_rows(report: RunReport) -> tuple[RunReport, ...]:
    """The report, to be remembered: unless nothing was looked at, which is no run."""
    return () if report.status == REQUESTS_ONLY else (report,)


def get_message_rows(message: RenderedMessage) -> tuple[Case | OperatorRequest, ...]:
    """Everything a message tells."""
    return (*message.cases, *message.operator_requests)


async def send_message(
    world: World, claim: Claim, message: RenderedMessage, report: RunReport
) -> tuple[Case | OperatorRequest, ...]:
    """The rows of a message that was taken, to be written as told. Raises AlertError.

    A card that is refused, too large perhaps, is followed by a plain one.
    """
    await claim.ensure_held()
    try:
        await world.notification_channel.send(message.payload)
    except CardRejected as error:
        log.warning("%s: a card was refused, so a plain one goes out: %s", report.guard, error)
        await world.notification_channel.send(message.build_plain_payload(report))
    actions = (replace(action, notified=True) for action in message.operator_requests)
    return (*mark_notified(message.cases, world.now()), *actions)


async def send_early_notifications(scan: Scan) -> None:
    """Cards while the look goes on, so that nobody waits for the end of a large tenant.

    What is found at the first look is told at its end, as one summary.
    """
    now = scan.world.now()
    since = scan.scan_pass.notified_at or scan.report.started_at
    patience = NEXT_CARD_AFTER if scan.scan_pass.notified_at else FIRST_CARD_AFTER
    news = [case for case in scan.cases.values() if case.notification and scan.owns_case(case)]
    asked = any(not action.notified for action in scan.report.operator_requests)
    if not (news or asked) or now - since < patience or any(case.baselined for case in news):
        return
    report = replace(build_run_report(scan), notifications=tuple(news), status="in-progress")
    scan.scan_pass = replace(scan.scan_pass, notified_at=now)
    for message in scan.world.render(report, scan.world.public_url):
        try:
            rows = await send_message(scan.world, scan.claim, message, report)
        except NotificationError as error:
            log.warning("%s: news wait for the end of the run: %s", report.guard, error)
            return
        await scan.claim.save(*rows, state=scan.build_state())
        scan.apply_saved_rows((row for row in rows if isinstance(row, Case)), ())
        known = {row.id: row for row in rows if isinstance(row, OperatorRequest)}
        actions = tuple(known.get(action.id, action) for action in scan.report.operator_requests)
        scan.report = replace(
            scan.report, card_count=scan.report.card_count + 1, operator_requests=actions
        )
