"""Notices -> the JSON of channels that machines read: CloudEvents, PagerDuty, ServiceNow, Sentinel,
and Slack. Pure.

Sources: CloudEvents 1.0 (JSON format); PagerDuty, Events API v2; Slack, incoming webhooks and
formatting of messages; ServiceNow, Table API; Microsoft Learn, Logs Ingestion API.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from core.model.findings import Severity, format_facts
from core.model.outbox import ENDS, Notice, OutboxRow
from core.notifications.notice_texts import (
    EVENT_WORDS,
    build_case_url,
    format_headline,
    format_lines,
)
from core.sanitize import sanitize_text

EVENT_TYPE = "io.exoguard.case"
# The bounds of the services, or what is left of them for our text.
PAGERDUTY_SUMMARY, SLACK_TEXT, SERVICENOW_SHORT, SERVICENOW_TEXT = 1_024, 2_900, 160, 3_900
PAGERDUTY_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
    Severity.INFO: "info",
}
CODE_TAG = re.compile(r"(?i)\[\s*(/?\s*code)")
SERVICENOW_URGENCY = {Severity.CRITICAL: "1", Severity.HIGH: "2"}


def format_utc(at: datetime | None) -> str | None:
    """A time as machines read it (RFC 3339)."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def build_case_data(notice: Notice, base_url: str, *, is_plain: bool) -> dict[str, object]:
    """What a machine reads of a case. Text from the tenant is on one line and bounded."""
    data: dict[str, object] = {
        "guard": notice.guard,
        "case": notice.case_key,
        "event": notice.event.value,
        "severity": notice.severity.label,
        "kind": notice.kind,
        "verdict": notice.verdict,
        "count": notice.count,
        "opened": format_utc(notice.opened_at),
        "closed": format_utc(notice.closed_at),
        "url": build_case_url(notice, base_url),
    }
    if not is_plain:
        data |= {
            "subject": sanitize_text(notice.subject, 400),
            "object": sanitize_text(notice.object_id, 400),
            "summary": sanitize_text(notice.summary, 1_000),
            "advice": sanitize_text(notice.advice, 2_000),
            "commands": [sanitize_text(step.command, 2_000) for step in notice.steps],
            "note": sanitize_text(notice.note, 500),
            "facts": [sanitize_text(one, 460) for one in format_facts(notice.facts)],
        }
    return data


def build_cloud_event(
    row: OutboxRow, tenant: str, base_url: str, *, is_plain: bool = False
) -> Mapping[str, object]:
    """One case as a CloudEvent. The id is the same each time it is sent."""
    notice = row.notice
    return {
        "specversion": "1.0",
        "id": row.message_id,
        "source": f"urn:exoguard:{tenant}:{notice.guard}",
        "type": f"{EVENT_TYPE}.{notice.event.value}",
        "subject": notice.case_key,
        "time": format_utc(notice.at),
        "datacontenttype": "application/json",
        "data": build_case_data(notice, base_url, is_plain=is_plain),
    }


def build_pagerduty_event(
    row: OutboxRow, routing_key: str, base_url: str, *, is_plain: bool = False
) -> Mapping[str, object]:
    """One case as an event: it triggers an incident, and resolves it at its end."""
    notice = row.notice
    event: dict[str, object] = {
        "routing_key": routing_key,
        "event_action": "resolve" if notice.event in ENDS else "trigger",
        "dedup_key": f"exoguard-{notice.guard}-{notice.case_key}",
        "client": "Exoguard",
        "payload": {
            "summary": format_headline(notice, PAGERDUTY_SUMMARY, is_plain=is_plain),
            "source": f"exoguard/{notice.guard}",
            "severity": PAGERDUTY_SEVERITIES[notice.severity],
            "timestamp": format_utc(notice.at),
            "component": notice.guard,
            "class": notice.kind or notice.event.value,
            "custom_details": build_case_data(notice, base_url, is_plain=is_plain),
        },
    }
    if url := build_case_url(notice, base_url):
        event |= {"client_url": url, "links": [{"href": url, "text": "Open in Exoguard"}]}
    return event


def escape_slack(text: str) -> str:
    """A text in which nothing acts as a link, a mention or a tag (Slack: Formatting text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def build_slack_message(
    row: OutboxRow, base_url: str, *, is_plain: bool = False
) -> Mapping[str, object]:
    """One case as a message of two blocks, of plain text, since `mrkdwn` would read names."""
    notice = row.notice
    headline = format_headline(notice, 2_900, is_plain=is_plain)
    lines = format_lines(notice, SLACK_TEXT, base_url, is_plain=is_plain)
    blocks = [
        {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}
        for text in (headline, lines)
    ]
    return {"text": escape_slack(format_headline(notice, 400, is_plain=is_plain)), "blocks": blocks}


def escape_journal(text: str) -> str:
    """A text in which nothing acts as HTML: ServiceNow renders what stands between [code] and
    [/code] (ServiceNow: Format journal entries).
    """
    return CODE_TAG.sub(r"[ \1", text)


def build_incident(
    row: OutboxRow, base_url: str, *, is_plain: bool = False
) -> Mapping[str, object]:
    """A case as the fields of a new incident. `correlation_id` finds it again."""
    notice = row.notice
    urgency = SERVICENOW_URGENCY.get(notice.severity, "3")
    headline = format_headline(notice, SERVICENOW_SHORT - len("Exoguard: "), is_plain=is_plain)
    lines = format_lines(notice, SERVICENOW_TEXT, base_url, is_plain=is_plain)
    return {
        "short_description": escape_journal(f"Exoguard: {headline}"),
        "description": escape_journal(lines),
        "urgency": urgency,
        "impact": urgency,
        "correlation_id": build_correlation_id(row),
        "correlation_display": "Exoguard",
    }


def build_correlation_id(row: OutboxRow) -> str:
    """What identifies the incident of a case: of the guard and the key, within 100 characters."""
    return f"exoguard-{row.notice.guard}-{row.notice.case_key}"[:100]


def build_incident_note(
    row: OutboxRow, base_url: str, *, is_plain: bool = False
) -> Mapping[str, object]:
    """What is added to the incident of a case: people end incidents, Exoguard does not."""
    notice = row.notice
    word = EVENT_WORDS[notice.event]
    return {
        "work_notes": f"{word} ({row.revision[:8]})\n"
        + escape_journal(format_lines(notice, SERVICENOW_TEXT, base_url, is_plain=is_plain))
    }


def build_log_records(
    rows: Sequence[OutboxRow], tenant: str, base_url: str, *, is_plain: bool = False
) -> list[Mapping[str, object]]:
    """Cases as rows of the table Exoguard_CL."""
    return [
        {
            "TimeGenerated": format_utc(row.notice.at),
            "MessageId": row.message_id,
            "TenantGuid": tenant,
            **{
                name[0].upper() + name[1:]: value
                for name, value in build_case_data(row.notice, base_url, is_plain=is_plain).items()
            },
        }
        for row in rows
    ]
