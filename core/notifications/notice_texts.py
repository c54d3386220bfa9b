"""What a notice says, for channels that show text: one headline, lines, an address. Pure.

The sentence that matters is the summary, and after it what to do next; a channel that takes less
loses facts first, then the end of the next step, never the key of the case.
"""

import re
from collections import Counter
from collections.abc import Sequence

from core.model.outbox import ENDS, Notice, NoticeEvent, OutboxRow
from core.notifications.adaptive_card import build_app_url
from core.sanitize import sanitize_text
from core.time_format import format_time

EVENT_WORDS = {
    NoticeEvent.OPENED: "New",
    NoticeEvent.CHANGED: "Changed",
    NoticeEvent.REMINDER: "Still open",
    NoticeEvent.DONE: "Put right",
    NoticeEvent.CLOSED: "Ended",
    NoticeEvent.EXISTING: "There before",
    NoticeEvent.MORE: "And more",
    NoticeEvent.SETTINGS: "Settings changed",
    NoticeEvent.CONTAINED: "Containment",
    NoticeEvent.RELEASED: "Containment ended",
    NoticeEvent.TEST: "Test",
}
# What mail programs make a link of although it has no scheme.
BARE_HOST = re.compile(r"(?i)\b(www)\.")
PLAIN_SUMMARY = "The channel did not take the message with the details; its page has them."


def clean(text: str, limit: int) -> str:
    """Untrusted text on one line, in which no address can be followed by a click."""
    return BARE_HOST.sub(r"\1[.]", sanitize_text(text, limit).replace("://", "[:]//"))


def build_case_url(notice: Notice, base_url: str) -> str:
    """The page of the case or the containment, or of the status; empty if the address of the app is
    not known.
    """
    if notice.containment:
        return build_app_url(base_url, "containments", notice.containment)
    if notice.is_case:
        return build_app_url(base_url, "cases", notice.guard, notice.case_key)
    return build_app_url(base_url, "status")


def format_headline(notice: Notice, limit: int, *, is_plain: bool = False) -> str:
    """The severity, what happened, and the summary as far as it fits."""
    start = f"{notice.severity.label.capitalize()} · {EVENT_WORDS[notice.event]}: "
    if is_plain and notice.containment:
        return f"{start}{notice.containment}"[:limit]
    if is_plain and notice.is_case:
        return f"{start}case {notice.short_key} of {notice.guard}"[:limit]
    room = max(limit - len(start), 20)
    return start + shorten(clean(notice.summary, room), room)


def shorten(text: str, limit: int) -> str:
    """A text of at most `limit` characters, at the end of a word where there is one."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    return f"{head.rsplit(' ', 1)[0] if ' ' in head[limit // 2 :] else head}…"


def list_lines(notice: Notice, *, is_plain: bool = False) -> list[tuple[str, str]]:
    """What follows the headline, by label, what matters most first."""
    if is_plain:
        about = ("Containment", notice.containment) if notice.containment else name_case(notice)
        return [("", PLAIN_SUMMARY), about]
    lines = [("", clean(notice.summary, 1_000))]
    if notice.advice and notice.event not in ENDS:
        lines.append(("What to do", clean(notice.advice, 2_000)))
        lines += [
            (clean(step.text, 300).rstrip(".:"), clean(step.command, 2_000))
            for step in notice.steps
            # A command that had to be changed to be shown would do something else.
            if clean(step.command, 2_000) == step.command
        ]
    if notice.note:
        lines.append(("Done so far", clean(notice.note, 500)))
    if notice.is_case:
        lines.append(("About", clean(notice.subject, 256)))
    lines += [(clean(fact.label, 60), clean(fact.text, 400)) for fact in notice.facts]
    if notice.opened_at:
        lines.append(("First seen", format_time(notice.opened_at)))
    if notice.closed_at:
        lines.append(("Ended", format_time(notice.closed_at)))
    if notice.is_case:
        lines.append(name_case(notice))
    return lines


def name_case(notice: Notice) -> tuple[str, str]:
    """The line that names the case."""
    return "Case", f"{notice.guard} {notice.case_key}"


def format_lines(notice: Notice, limit: int, base_url: str = "", *, is_plain: bool = False) -> str:
    """The lines as text of at most `limit` characters; the case and its address are always kept."""
    lines = [
        f"{name}: {text}" if name else text for name, text in list_lines(notice, is_plain=is_plain)
    ]
    keep = [lines.pop()] if notice.is_case else []
    if url := build_case_url(notice, base_url):
        keep.append(url)
    room = limit - sum(len(line) + 1 for line in keep)
    shown: list[str] = []
    for line in lines:
        if room < 40:
            break
        shown.append(shorten(line, room))
        room -= len(shown[-1]) + 1
    return "\n".join((*shown, *keep))[:limit]


def format_batch_headline(rows: Sequence[OutboxRow], limit: int, *, is_plain: bool = False) -> str:
    """The headline of a message: of its case, or how many there are and the gravest of them."""
    notices = [row.notice for row in rows]
    gravest = max(notices, key=lambda notice: notice.severity)
    if len(notices) == 1:
        return format_headline(gravest, limit, is_plain=is_plain)
    counts = Counter(notice.severity for notice in notices)
    words = ", ".join(f"{counts[one]} {one.label}" for one in sorted(counts, reverse=True))
    start = f"{len(notices)} notifications ({words}): "
    return start + format_headline(gravest, limit - len(start), is_plain=is_plain)
