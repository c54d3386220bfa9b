"""The week's card: that Exoguard is alive, how each guard stands, what waits for a person. Pure.

It says what `core.status.overview` says, and nothing of its own: whoever hears nothing else for a
week knows from it that silence meant quiet and not that nobody looked.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from core.model.findings import Severity
from core.model.guards import Mode
from core.notifications.adaptive_card import (
    MAX_MESSAGE_BYTES,
    CardElement,
    build_app_url,
    count_json_bytes,
    format_card_link,
    make_card_header,
    make_fact_set,
    make_link_button,
    make_subtle_text,
    make_text_block,
    wrap_in_message,
)
from core.sanitize import escape_markdown
from core.status.change_texts import describe_change
from core.status.daily_history import EFFECTIVE_STATES
from core.status.guard_status import ExemptionView, Health, PendingDecision, ScanCoverage
from core.status.overview import GuardStatus, TenantStatus, pluralize

WEEK_DAYS = 7
MAX_REASONS = 10
# Bytes that reasons may take, so that there is room for what waits.
MAX_REASON_BYTES = 5_000
MAX_ROWS = 5
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
# A sign beside the colour, for whoever does not see the one from the other.
HEALTH_SIGNS = {Health.OFF: "○", Health.OK: "✓", Health.ATTENTION: "!", Health.FAILING: "✗"}
DIGEST_HEADLINES = {
    Health.OFF: "Nobody watches: every guard is off",
    Health.OK: "All is well: every guard looks, nothing waits",
    Health.ATTENTION: "Every guard looks, and somebody is needed",
    Health.FAILING: "Exoguard does not see everything, or cannot tell it",
}


def build_digest_card(status: TenantStatus, base_url: str = "") -> Mapping[str, object]:
    """The message of a week. `address` is where people reach the app, for links."""
    body = [
        render_digest_opening(status),
        *render_reasons(status),
        make_fact_set(summarize_week(status), separator=True, spacing="Medium"),
        *map(render_guard_row, sort_by_health(status.guards)),
    ]
    for rows in (
        render_decisions(status, base_url),
        render_ending_exemptions(status),
        render_recent_changes(status),
    ):
        block = list(rows)
        if count_json_bytes(body) + count_json_bytes(block) < MAX_MESSAGE_BYTES - 2_000:
            body += block
    body.append(
        make_subtle_text(
            f"as of {format_digest_time(status.at)} · told once a week · all of it: GET /api/status",
            separator=True,
        )
    )
    buttons = (
        *make_link_button("All guards", build_app_url(base_url, "status")),
        *make_link_button("Open cases", build_app_url(base_url, "cases", state="open")),
    )
    return wrap_in_message(body, f"Exoguard, the week: {DIGEST_HEADLINES[status.health]}", buttons)


def render_digest_opening(status: TenantStatus) -> CardElement:
    """How all of it stands."""
    on = sum(guard.config.mode is not Mode.OFF for guard in status.guards)
    enforcing = sum(guard.config.mode is Mode.ENFORCE for guard in status.guards)
    off = len(status.guards) - on
    line = f"{on} {pluralize('guard', on)} on, {enforcing} of them enforcing"
    line += f"; {off} off" if off else ""
    about = f"the week to {status.at:%Y-%m-%d}"
    return make_card_header(
        about, DIGEST_HEADLINES[status.health], line, HEALTH_STYLES[status.health]
    )


def render_reasons(status: TenantStatus) -> Iterator[CardElement]:
    """Why it is not well, the worst first."""
    left, room = list(status.reasons), MAX_REASON_BYTES
    while left and len(status.reasons) - len(left) < MAX_REASONS:
        reason = left[0]
        about = f"**{reason.guard}**: " if reason.guard else ""
        block = make_text_block(
            f"{HEALTH_SIGNS[reason.health]} {about}{escape_markdown(reason.text, 200)}",
            color=HEALTH_COLOURS[reason.health],
            spacing="Small",
        )
        room -= count_json_bytes(block)
        if room < 0:
            break
        yield block
        del left[0]
    if left:
        yield make_text_block(
            f"and {len(left)} more {pluralize('reason', len(left))}", spacing="Small"
        )


def summarize_week(status: TenantStatus) -> Iterator[tuple[str, str]]:
    """The week in numbers."""
    days = status.history[-WEEK_DAYS:]
    opened, closed = sum(day.opened_count for day in days), sum(day.closed_count for day in days)
    decisions = sum(not one.acknowledged for one in status.decisions)
    soon = sum(one.ends_soon for one in status.exemptions)
    yield "open cases", format_severity_counts(status.open_by_severity)
    yield "in this week", f"{opened:,} new, {closed:,} over"
    yield "changes made", f"{sum(day.change_count for day in days):,}"
    yield "waiting for a decision", f"{decisions:,}" if decisions else "none"
    yield "exemptions ending", str(soon) if soon else "none"
    yield "not told yet", format_alert_count(status.pending.total)


def format_alert_count(number: int) -> str:
    """So many alerts."""
    return f"{number:,} {pluralize('alert', number)}" if number else "none"


def format_severity_counts(counts: Mapping[Severity, int]) -> str:
    """Cases by severity, the gravest first."""
    return ", ".join(f"{number:,} {level.label}" for level, number in counts.items()) or "none"


def sort_by_health(guards: Iterable[GuardStatus]) -> list[GuardStatus]:
    """The guards that are not well first."""
    return sorted(guards, key=lambda guard: -guard.health.rank)


def render_guard_row(guard: GuardStatus) -> CardElement:
    """One guard in two lines: how it stands, when it looked and at how much; what is open."""
    details = [
        str(guard.config.mode),
        describe_last_scan(guard),
        *describe_scan_coverage(guard.coverage),
    ]
    if guard.config.mode is Mode.OFF:
        details = ["off: it does not look"]
    sign = make_text_block(
        HEALTH_SIGNS[guard.health], color=HEALTH_COLOURS[guard.health], weight="Bolder"
    )
    name = [
        make_text_block(escape_markdown(guard.title), weight="Bolder", spacing="None"),
        make_subtle_text(" · ".join(details), spacing="None"),
    ]
    count = make_text_block(
        format_severity_counts(guard.open_by_severity)
        if guard.open_by_severity
        else "nothing open",
        size="Small",
        horizontalAlignment="Right",
        isSubtle=not guard.open_by_severity,
    )
    columns = [
        {"type": "Column", "width": "auto", "items": [sign]},
        {"type": "Column", "width": "stretch", "items": name},
        {"type": "Column", "width": "auto", "items": [count]},
    ]
    return {"type": "ColumnSet", "columns": columns, "separator": True, "spacing": "Small"}


def describe_last_scan(guard: GuardStatus) -> str:
    """When a guard looked last, or plainly that it did not."""
    time = guard.timing
    if guard.read_error:
        return "nothing is known of it: its state cannot be read"
    if time.never_scanned:
        return "**has never looked**"
    if time.late_by:
        since = (
            f" since {format_digest_time(time.last_complete_at)}" if time.last_complete_at else ""
        )
        return f"**has not looked{since}**"
    if time.last_run and time.last_run.status == "failed":
        return f"**its last run failed** {format_digest_time(time.last_run.started_at)}"
    if time.last_complete_at:
        return f"looked {format_digest_time(time.last_complete_at)}"
    return "its look at the tenant goes on"


def describe_scan_coverage(coverage: ScanCoverage | None) -> Iterator[str]:
    """How much of the tenant it read."""
    if coverage is None:
        return
    yield f"{coverage.read_count:,} of {coverage.population:,} {coverage.noun} read"
    if coverage.unavailable_sources:
        yield f"**not seen at all: {escape_markdown(', '.join(coverage.unavailable_sources))}**"


def render_decisions(status: TenantStatus, base_url: str) -> Iterator[CardElement]:
    """What only a person can decide."""
    asked = [one for one in status.decisions if not one.acknowledged]
    if asked:
        lines = [format_decision(one, base_url) for one in asked[:MAX_ROWS]]
        yield from render_digest_section("Waits for a decision", lines, len(asked))


def format_decision(decision: PendingDecision, base_url: str) -> str:
    """One of them in a line."""
    page = (
        build_app_url(base_url, "cases", decision.guard, decision.case_key)
        if decision.case_key
        else ""
    )
    where = (
        f" · {format_card_link(f'case {decision.case_key[-8:]}', page)}"
        if decision.case_key
        else ""
    )
    return f"{escape_markdown(decision.summary, 160)} ({decision.severity.label}, since {decision.since:%Y-%m-%d}){where}"


def render_ending_exemptions(status: TenantStatus) -> Iterator[CardElement]:
    """Exemptions that end soon: what they cover comes up again then."""
    soon = [one for one in status.exemptions if one.ends_soon]
    if soon:
        lines = [format_ending_exemption(one) for one in soon[:MAX_ROWS]]
        yield from render_digest_section("Exemptions that end soon", lines, len(soon))


def format_ending_exemption(exemption: ExemptionView) -> str:
    """One of them in a line."""
    given = exemption.exemption
    named = escape_markdown(exemption.subject_name or given.subject, 80)
    return f"{named}: until {given.until:%Y-%m-%d}, by {escape_markdown(given.granted_by, 60)}"


def render_recent_changes(status: TenantStatus) -> Iterator[CardElement]:
    """What was changed in the week, by kind."""
    made = Counter(
        record.kind for _, record in status.recent_changes if record.state in EFFECTIVE_STATES
    )
    if made:
        lines = [
            f"{number} x {escape_markdown(describe_change(kind))}"
            for kind, number in made.most_common(MAX_ROWS)
        ]
        yield from render_digest_section("Changed in this week", lines, len(made))


def render_digest_section(title: str, lines: Sequence[str], total: int) -> Iterator[CardElement]:
    """A list under a title; what it leaves out is counted."""
    more = [f"and {total - len(lines)} more"] if total > len(lines) else []
    yield make_text_block(title, weight="Bolder", separator=True, spacing="Medium")
    yield make_text_block("\n".join(f"- {line}" for line in [*lines, *more]), spacing="Small")


def format_digest_time(at: datetime) -> str:
    """A time as people read it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
