"""Notices -> one mail, as Graph's sendMail takes it. Pure.

Microsoft Learn: user: sendMail. Every text is escaped; the mail holds no picture and no link but
those to the app, so that it asks for nothing when it is opened.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from core.model.outbox import Notice, OutboxRow
from core.notifications.notice_texts import (
    build_case_url,
    format_batch_headline,
    format_headline,
    list_lines,
)

# Outlook shows about this much of a subject in its list.
MAX_SUBJECT = 200
MAX_HEADLINE = 1_000


def render_notice(notice: Notice, base_url: str, *, is_plain: bool) -> Iterator[str]:
    """One case of the mail as HTML."""
    yield f"<h3>{escape(format_headline(notice, MAX_HEADLINE, is_plain=is_plain))}</h3>"
    for name, text in list_lines(notice, is_plain=is_plain)[1:]:
        yield f"<p><b>{escape(name)}:</b> {escape(text)}</p>" if name else f"<p>{escape(text)}</p>"
    if url := build_case_url(notice, base_url):
        label = "Open the case" if notice.is_case else "Open the status page"
        label = "Open the containment" if notice.containment else label
        yield f'<p><a href="{escape(url)}">{label}</a></p>'


def build_mail(
    rows: Sequence[OutboxRow], recipients: Sequence[str], base_url: str, *, is_plain: bool = False
) -> Mapping[str, object]:
    """The body of a sendMail request. Critical mail is marked important."""
    parts = [
        part for row in rows for part in render_notice(row.notice, base_url, is_plain=is_plain)
    ]
    is_grave = any(row.notice.severity.label == "critical" for row in rows)
    return {
        "message": {
            "subject": "[Exoguard] " + format_batch_headline(rows, MAX_SUBJECT, is_plain=is_plain),
            "importance": "high" if is_grave else "normal",
            "body": {"contentType": "HTML", "content": "\n".join(parts)},
            "toRecipients": [{"emailAddress": {"address": one}} for one in recipients],
            "internetMessageHeaders": [
                {"name": "x-exoguard-id", "value": rows[0].message_id},
                {"name": "x-auto-response-suppress", "value": "All"},
            ],
        },
        "saveToSentItems": False,
    }
