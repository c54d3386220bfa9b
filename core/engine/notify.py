"""Sends what a run has to tell to the notification channel, and marks each row after delivery.

    cases and requests with a pending notification ─► render ─► send ─► mark notified ─► save
                              └─► a row for each further channel, saved first ─► core.engine.deliver

A row is marked after its message was accepted: a run that dies between the two sends the message
again, so an operator may see it twice and never misses it.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.attention import select_due_notifications
from core.engine.deliver import (
    queue_for_channels,
    run_together,
    send_to_answering_channels,
    send_to_channels,
)
from core.engine.outbox import Outbox
from core.engine.outcomes import mark_notified
from core.engine.run_report import build_run_report
from core.engine.scan_progress import Scan
from core.errors import CardRejected, NotificationError
from core.model.cases import Case, Notification
from core.model.findings import Severity
from core.model.requests import OperatorRequest
from core.model.runs import REQUESTS_ONLY, TOLD_ONLY, RunReport
from core.ports import Claim, RenderedMessage, World

log = logging.getLogger("exoguard.run")

# A scan that takes longer sends what it has found before it ends, and then again now and then.
FIRST_CARD_AFTER = timedelta(seconds=3)
NEXT_CARD_AFTER = timedelta(seconds=30)
# So many cards of a first scan do not wait for its summary.
MAX_FIRST_CARDS = 3


def get_waiting_time(row: Case | OperatorRequest, now: datetime) -> timedelta:
    """How long a notification has been pending, as far as the times of the row say."""
    if isinstance(row, OperatorRequest):
        return max(now - (row.ended_at or row.at), timedelta())
    since = {
        Notification.OPENED: row.opened_at,
        Notification.DONE: row.closed_at,
        Notification.CLOSED: row.closed_at,
    }
    return max(now - (since.get(row.notification) or now), timedelta())


async def send_notifications(
    world: World, claim: Claim, report: RunReport, outbox: Outbox
) -> RunReport:
    """Tell every channel what it has to be told, all at the same time. Returns the report with
    what became of the cards.
    """
    await queue_for_channels(world, claim, report, outbox)
    reports: list[RunReport] = []

    async def send_to_teams() -> None:
        reports.append(await send_cards(world, claim, report))

    await run_together(send_to_teams(), send_to_channels(world, claim, outbox))
    return reports[0]


async def send_cards(world: World, claim: Claim, report: RunReport) -> RunReport:
    """Send the messages one after another and mark the rows of each after delivery.

    If the channel does not respond, the rest stays pending for the next run. If it rejects one
    message, the others are still sent.
    """
    messages = world.render(report, world.public_url)
    if not messages:
        return report
    undelivered: list[RenderedMessage] = []
    error = ""
    for number, message in enumerate(messages):
        try:
            rows = await send_message(world, claim, message, report)
        except CardRejected as rejection:
            undelivered.append(message)
            error = str(rejection)
            continue
        except NotificationError as unavailable:
            undelivered += messages[number:]
            error = str(unavailable)
            break
        all_delivered = message is messages[-1] and not undelivered
        report = replace(
            report,
            card_count=report.card_count + 1,
            delivered=True if all_delivered else report.delivered,
        )
        await claim.save(*rows, *(get_report_rows(report) if all_delivered else ()))
    if undelivered:
        pending_rows = [row for message in undelivered for row in get_message_rows(message)]
        log.error("%s: %d notifications stay pending: %s", report.guard, len(pending_rows), error)
        report = replace(
            report,
            delivered=False,
            error=f"the notification was not accepted: {error}",
            oldest_pending_age=max(get_waiting_time(row, world.now()) for row in pending_rows),
        )
        await claim.save(*get_report_rows(report))
    return report


def get_report_rows(report: RunReport) -> tuple[RunReport, ...]:
    """The report as a row to save; one of no scan is none."""
    return () if report.status in (REQUESTS_ONLY, TOLD_ONLY) else (report,)


def get_message_rows(message: RenderedMessage) -> tuple[Case | OperatorRequest, ...]:
    """Every row that a message reports."""
    return (*message.cases, *message.operator_requests)


async def send_message(
    world: World, claim: Claim, message: RenderedMessage, report: RunReport
) -> tuple[Case | OperatorRequest, ...]:
    """Send one message; returns its rows, marked as notified. Raises NotificationError.

    A card that the channel rejects, for its size perhaps, is followed by a plain one.
    """
    await claim.ensure_held()
    if message.fault:
        log.error("%s: a card without its details is sent: %s", report.guard, message.fault)
    try:
        await world.notification_channel.send(message.payload)
    except CardRejected as error:
        log.warning(
            "%s: the channel rejected a card; a plain one is sent instead: %s", report.guard, error
        )
        await world.notification_channel.send(message.build_plain_payload(report))
    operator_requests = (
        replace(operator_request, notified=True) for operator_request in message.operator_requests
    )
    return (*mark_notified(message.cases, world.now()), *operator_requests)


async def send_early_notifications(scan: Scan) -> None:
    """Send cards during the scan, so that operators need not wait for the end of a large tenant.

    What exists at the initial scan is reported at its end, as one summary; what is critical of it
    leaves as it is found, on a few cards.
    """
    now = scan.world.now()
    since = scan.scan_pass.notified_at or scan.report.started_at
    interval = NEXT_CARD_AFTER if scan.scan_pass.notified_at else FIRST_CARD_AFTER
    if abs(now - since) < interval:
        return
    due = select_due_notifications(scan.cases.values(), now)
    may_tell_first = scan.report.card_count < MAX_FIRST_CARDS
    cases = [
        case
        for case in due
        if scan.owns_case(case)
        and (not case.baselined or (may_tell_first and case.severity is Severity.CRITICAL))
    ]
    has_requests = any(
        not operator_request.notified for operator_request in scan.report.operator_requests
    )
    if not (cases or has_requests):
        return
    report = replace(
        build_run_report(scan),
        notifications=tuple(cases),
        status="in-progress",
        is_early=True,
    )
    scan.scan_pass = replace(scan.scan_pass, notified_at=now)
    await queue_for_channels(scan.world, scan.claim, report, scan.outbox)
    await run_together(
        send_early_cards(scan, report),
        send_to_answering_channels(scan.world, scan.claim, scan.outbox),
    )


async def send_early_cards(scan: Scan, report: RunReport) -> None:
    """Send the cards of an unfinished scan until one is not accepted."""
    for message in scan.world.render(report, scan.world.public_url):
        try:
            rows = await send_message(scan.world, scan.claim, message, report)
        except NotificationError as error:
            log.warning("%s: notifications wait for the end of the run: %s", report.guard, error)
            return
        await scan.claim.save(*rows, state=scan.build_state())
        scan.apply_saved_rows((row for row in rows if isinstance(row, Case)), ())
        known = {row.id: row for row in rows if isinstance(row, OperatorRequest)}
        operator_requests = tuple(
            known.get(operator_request.id, operator_request)
            for operator_request in scan.report.operator_requests
        )
        scan.report = replace(
            scan.report,
            card_count=scan.report.card_count + 1,
            early_count=scan.report.early_count + len(message.cases),
            delivered=True,
            operator_requests=operator_requests,
        )
