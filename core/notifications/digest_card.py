"""The weekly digest card: the health of each guard and what waits for an operator. Pure.

The card shows what `core.status.overview` derived and adds nothing. It arrives in quiet weeks too,
so that a silent channel can be told from an app that does not run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from core.model.guards import Mode
from core.notifications.adaptive_card import (
    MAX_MESSAGE_BYTES,
    CardElement,
    build_app_url,
    count_json_bytes,
    escape_markdown,
    format_card_link,
    make_card_header,
    make_fact_set,
    make_link_button,
    make_subtle_text,
    make_text_block,
    take_fitting,
    wrap_in_message,
)
from core.status.change_texts import describe_change
from core.status.counts import is_change_made
from core.status.guard_status import ExemptionView, Health, PendingDecision, ScanCoverage
from core.status.health_reasons import format_severity_counts, pluralize
from core.status.tenant_status import GuardStatus, TenantStatus
from core.time_format import format_date, format_time

MAX_REASONS = 10
# Bytes that reasons may take, so that decisions still fit.
MAX_REASON_BYTES = 3_000
MAX_ROWS = 5
# Of a card, for its envelope and its last line; and of a section for its title.
RESERVED_BYTES, TITLE_BYTES = 2_000, 400
HEALTH_STYLES = {
    Health.OFF: "warning",
    Health.OK: "good",
    Health.ATTENTION: "warning",
    Health.FAILING: "attention",
}
HEALTH_COLOURS = {
    Health.OFF: "Default",
    Health.OK: "Good",
    Health.ATTENTION: "Warning",
    Health.FAILING: "Attention",
}
# A sign beside the colour, for readers who cannot tell the colours apart.
HEALTH_SIGNS = {Health.OFF: "○", Health.OK: "✓", Health.ATTENTION: "!", Health.FAILING: "✗"}
DIGEST_HEADLINES = {
    Health.OFF: "Not monitoring: every guard is off",
    Health.OK: "All is well: every guard that is on runs, and nothing waits",
    Health.ATTENTION: "An operator is needed; no guard is late or failing",
    Health.FAILING: "Degraded: Exoguard misses part of the tenant or cannot notify",
}


def build_digest_card(status: TenantStatus, base_url: str = "") -> Mapping[str, object]:
    """The digest message. `base_url` is the public address of the app, for links."""
    body = [
        render_digest_opening(status),
        *render_reasons(status),
        make_fact_set(summarize_week(status), separator=True, spacing="Medium"),
        *map(render_guard_row, sort_by_health(status.guards)),
    ]
    for title, lines, total in (
        ("Waiting for your decision", *list_decision_lines(status, base_url)),
        ("Exemptions that end soon", *list_exemption_lines(status)),
        ("Changes made in the last 7 days", *list_change_lines(status)),
    ):
        free_bytes = MAX_MESSAGE_BYTES - RESERVED_BYTES - count_json_bytes(body)
        body += render_digest_section(title, lines, total, free_bytes)
    body.append(
        make_subtle_text(
            f"as of {format_time(status.at)} · sent once a week · details: GET /api/status",
            separator=True,
        )
    )
    buttons = (
        *make_link_button("All guards", build_app_url(base_url, "status")),
        *make_link_button("Open cases", build_app_url(base_url, "cases", state="open")),
    )
    return wrap_in_message(
        body, f"Exoguard weekly digest: {DIGEST_HEADLINES[status.health]}", buttons
    )


def render_digest_opening(status: TenantStatus) -> CardElement:
    """The header: overall health and how many guards run."""
    on = sum(guard.config.mode is not Mode.OFF for guard in status.guards)
    enforcing = sum(guard.config.mode is Mode.ENFORCE for guard in status.guards)
    off = len(status.guards) - on
    line = f"{on} {pluralize('guard', on)} on, {enforcing} of them enforcing"
    line += f"; {off} off" if off else ""
    about = f"week to {format_date(status.at)}"
    return make_card_header(
        about, DIGEST_HEADLINES[status.health], line, HEALTH_STYLES[status.health]
    )


def render_reasons(status: TenantStatus) -> Iterator[CardElement]:
    """The reasons for the health shown, the worst first."""
    rest, free_bytes = list(status.reasons), MAX_REASON_BYTES
    while rest and len(status.reasons) - len(rest) < MAX_REASONS:
        reason = rest[0]
        about = f"**{reason.guard}**: " if reason.guard else ""
        block = make_text_block(
            f"{HEALTH_SIGNS[reason.health]} {about}{escape_markdown(reason.text, 200)}",
            color=HEALTH_COLOURS[reason.health],
            spacing="Small",
        )
        free_bytes -= count_json_bytes(block)
        if free_bytes < 0:
            break
        yield block
        del rest[0]
    if rest:
        yield make_text_block(
            f"and {len(rest)} more {pluralize('reason', len(rest))}", spacing="Small"
        )


def summarize_week(status: TenantStatus) -> Iterator[tuple[str, str]]:
    """The numbers of the last seven days."""
    counts = status.counts
    ending = sum(one.ends_soon for one in status.exemptions)
    yield "open cases", format_severity_counts(counts.open_by_severity)
    yield "last 7 days", f"{counts.opened:,} opened, {counts.closed:,} closed"
    yield "changes made", f"{counts.changes_made:,}"
    yield "waiting for a decision", f"{counts.decisions:,}" if counts.decisions else "none"
    yield "exemptions ending", str(ending) if ending else "none"
    for log in status.logs:
        if log.record_count:
            yield escape_markdown(log.title), log.describe_lag()
    yield "pending notifications", f"{counts.pending.total:,}" if counts.pending.total else "none"


def sort_by_health(guards: Iterable[GuardStatus]) -> list[GuardStatus]:
    """The guards with the worst health first."""
    return sorted(guards, key=lambda guard: -guard.health.rank)


def render_guard_row(guard: GuardStatus) -> CardElement:
    """One guard in two lines: health, last scan, coverage, and its open cases."""
    details = [
        str(guard.config.mode),
        describe_last_scan(guard),
        *describe_scan_coverage(guard.coverage),
    ]
    if guard.config.mode is Mode.OFF:
        details = ["off: it does not run"]
    sign = make_text_block(
        HEALTH_SIGNS[guard.health], color=HEALTH_COLOURS[guard.health], weight="Bolder"
    )
    name = [
        make_text_block(escape_markdown(guard.title), weight="Bolder", spacing="None"),
        make_subtle_text(" · ".join(details), spacing="None"),
    ]
    count = make_text_block(
        format_severity_counts(guard.counts.open_by_severity)
        if guard.counts.open_cases
        else "no open cases",
        size="Small",
        horizontalAlignment="Right",
        isSubtle=not guard.counts.open_cases,
    )
    columns = [
        {"type": "Column", "width": "auto", "items": [sign]},
        {"type": "Column", "width": "stretch", "items": name},
        {"type": "Column", "width": "auto", "items": [count]},
    ]
    return {"type": "ColumnSet", "columns": columns, "separator": True, "spacing": "Small"}


def describe_last_scan(guard: GuardStatus) -> str:
    """When a guard last scanned the tenant, or that it did not."""
    timing = guard.timing
    if guard.read_error:
        return "its state cannot be read"
    if timing.never_scanned:
        return "**has never scanned**"
    if timing.late_by:
        last = timing.last_complete_at
        return f"**has not scanned since {format_time(last)}**" if last else "**has not scanned**"
    if timing.last_run and timing.last_run.status == "failed":
        return f"**its last run failed** {format_time(timing.last_run.started_at)}"
    if timing.last_complete_at:
        return f"scanned {format_time(timing.last_complete_at)}"
    return "its scan is in progress"


def describe_scan_coverage(coverage: ScanCoverage | None) -> Iterator[str]:
    """How much of the tenant the guard read."""
    if coverage is None:
        return
    yield f"{coverage.read_count:,} of {coverage.population:,} {coverage.noun} read"
    if coverage.unavailable_sources:
        yield f"**not read at all: {escape_markdown(', '.join(coverage.unavailable_sources))}**"


def list_decision_lines(status: TenantStatus, base_url: str) -> tuple[list[str], int]:
    """The decisions that wait for an operator: the first in a line each, and how many there are."""
    waiting = [one for one in status.decisions if not one.acknowledged]
    return [format_decision(one, base_url) for one in waiting[:MAX_ROWS]], len(waiting)


def format_decision(decision: PendingDecision, base_url: str) -> str:
    """One decision in a line."""
    line = f"{escape_markdown(decision.summary, 160)} ({decision.severity.label}, "
    line += f"since {format_date(decision.since)})"
    if not decision.case_key:
        return line
    page = build_app_url(base_url, "cases", decision.guard, decision.case_key)
    return f"{line} · {format_card_link(f'case {decision.case_key[-8:]}', page)}"


def list_exemption_lines(status: TenantStatus) -> tuple[list[str], int]:
    """Exemptions that end soon: the guard reports what they cover from then on."""
    ending = [one for one in status.exemptions if one.ends_soon]
    return [format_ending_exemption(one) for one in ending[:MAX_ROWS]], len(ending)


def format_ending_exemption(exemption: ExemptionView) -> str:
    """One exemption in a line."""
    granted = exemption.exemption
    name = escape_markdown(exemption.subject_name or granted.subject, 80)
    return (
        f"{name}: until {format_date(granted.until)}, by {escape_markdown(granted.granted_by, 60)}"
    )


def list_change_lines(status: TenantStatus) -> tuple[list[str], int]:
    """The changes made in the last seven days, by kind."""
    kinds = Counter(record.kind for _, record in status.recent_changes if is_change_made(record))
    lines = [
        f"{number} x {escape_markdown(describe_change(kind))}"
        for kind, number in kinds.most_common(MAX_ROWS)
    ]
    return lines, len(kinds)


def render_digest_section(
    title: str, lines: Sequence[str], total: int, free_bytes: int
) -> Iterator[CardElement]:
    """A list under a title, as much of it as so many bytes hold, and how much it leaves out."""
    if not total:
        return
    shown = take_fitting(lines, free_bytes - TITLE_BYTES)
    more = [f"and {total - len(shown)} more" if shown else f"{total}: see the page"]
    every = [*shown, *(more if total > len(shown) else [])]
    yield make_text_block(title, weight="Bolder", separator=True, spacing="Medium")
    yield make_text_block("\n".join(f"- {line}" for line in every), spacing="Small")
