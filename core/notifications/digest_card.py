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
    LIMIT,
    Element,
    address_of,
    button,
    envelope,
    heading,
    link,
    size,
    small,
    table,
    text,
)
from core.sanitize import escaped
from core.status.change_texts import in_words
from core.status.daily_history import MADE
from core.status.guard_status import Coverage, Decision, Health, Pardon
from core.status.overview import GuardStatus, Status, plural

DAYS = 7
REASONS = 10
# Bytes that reasons may take, so that there is room for what waits.
ROOM = 5_000
ROWS = 5
STYLE = {
    Health.OFF: "warning",
    Health.OK: "good",
    Health.ATTENTION: "warning",
    Health.FAILING: "attention",
}
COLOUR = {
    Health.OFF: "Default",
    Health.OK: "Good",
    Health.ATTENTION: "Warning",
    Health.FAILING: "Attention",
}
# A sign beside the colour, for whoever does not see the one from the other.
SIGN = {Health.OFF: "○", Health.OK: "✓", Health.ATTENTION: "!", Health.FAILING: "✗"}
HEADLINE = {
    Health.OFF: "Nobody watches: every guard is off",
    Health.OK: "All is well: every guard looks, nothing waits",
    Health.ATTENTION: "Every guard looks, and somebody is needed",
    Health.FAILING: "Exoguard does not see everything, or cannot tell it",
}


def digest(status: Status, address: str = "") -> Mapping[str, object]:
    """The message of a week. `address` is where people reach the app, for links."""
    body = [
        opening(status),
        *reasons(status),
        table(week(status), separator=True, spacing="Medium"),
        *map(of_guard, by_health(status.guards)),
    ]
    for rows in (waiting(status, address), ending(status), changes(status)):
        block = list(rows)
        if size(body) + size(block) < LIMIT - 2_000:
            body += block
    body.append(
        small(
            f"as of {moment(status.at)} · told once a week · all of it: GET /api/status",
            separator=True,
        )
    )
    buttons = (
        *button("All guards", address_of(address, "status")),
        *button("Open cases", address_of(address, "cases", state="open")),
    )
    return envelope(body, f"Exoguard, the week: {HEADLINE[status.health]}", buttons)


def opening(status: Status) -> Element:
    """How all of it stands."""
    on = sum(guard.duty.mode is not Mode.OFF for guard in status.guards)
    enforcing = sum(guard.duty.mode is Mode.ENFORCE for guard in status.guards)
    off = len(status.guards) - on
    line = f"{on} {plural('guard', on)} on, {enforcing} of them enforcing"
    line += f"; {off} off" if off else ""
    about = f"the week to {status.at:%Y-%m-%d}"
    return heading(about, HEADLINE[status.health], line, STYLE[status.health])


def reasons(status: Status) -> Iterator[Element]:
    """Why it is not well, the worst first."""
    left, room = list(status.reasons), ROOM
    while left and len(status.reasons) - len(left) < REASONS:
        reason = left[0]
        about = f"**{reason.guard}**: " if reason.guard else ""
        block = text(
            f"{SIGN[reason.health]} {about}{escaped(reason.text, 200)}",
            color=COLOUR[reason.health],
            spacing="Small",
        )
        room -= size(block)
        if room < 0:
            break
        yield block
        del left[0]
    if left:
        yield text(f"and {len(left)} more {plural('reason', len(left))}", spacing="Small")


def week(status: Status) -> Iterator[tuple[str, str]]:
    """The week in numbers."""
    days = status.history[-DAYS:]
    opened, closed = sum(day.opened for day in days), sum(day.closed for day in days)
    decisions = sum(not one.acknowledged for one in status.decisions)
    soon = sum(one.soon for one in status.pardons)
    yield "open cases", levels(status.levels)
    yield "in this week", f"{opened:,} new, {closed:,} over"
    yield "changes made", f"{sum(day.changes for day in days):,}"
    yield "waiting for a decision", f"{decisions:,}" if decisions else "none"
    yield "exemptions ending", str(soon) if soon else "none"
    yield "not told yet", alerts(status.untold.number)


def alerts(number: int) -> str:
    """So many alerts."""
    return f"{number:,} {plural('alert', number)}" if number else "none"


def levels(found: Mapping[Severity, int]) -> str:
    """Cases by severity, the gravest first."""
    return ", ".join(f"{number:,} {level.label}" for level, number in found.items()) or "none"


def by_health(guards: Iterable[GuardStatus]) -> list[GuardStatus]:
    """The guards that are not well first."""
    return sorted(guards, key=lambda guard: -guard.health.rank)


def of_guard(guard: GuardStatus) -> Element:
    """One guard in two lines: how it stands, when it looked and at how much; what is open."""
    details = [str(guard.duty.mode), looked(guard), *covered(guard.coverage)]
    if guard.duty.mode is Mode.OFF:
        details = ["off: it does not look"]
    sign = text(SIGN[guard.health], color=COLOUR[guard.health], weight="Bolder")
    name = [
        text(escaped(guard.title), weight="Bolder", spacing="None"),
        small(" · ".join(details), spacing="None"),
    ]
    count = text(
        levels(guard.levels) if guard.levels else "nothing open",
        size="Small",
        horizontalAlignment="Right",
        isSubtle=not guard.levels,
    )
    columns = [
        {"type": "Column", "width": "auto", "items": [sign]},
        {"type": "Column", "width": "stretch", "items": name},
        {"type": "Column", "width": "auto", "items": [count]},
    ]
    return {"type": "ColumnSet", "columns": columns, "separator": True, "spacing": "Small"}


def looked(guard: GuardStatus) -> str:
    """When a guard looked last, or plainly that it did not."""
    time = guard.timing
    if guard.unreadable:
        return "nothing is known of it: its state cannot be read"
    if time.never:
        return "**has never looked**"
    if time.late:
        since = f" since {moment(time.looked)}" if time.looked else ""
        return f"**has not looked{since}**"
    if time.last and time.last.status == "failed":
        return f"**its last run failed** {moment(time.last.began)}"
    if time.looked:
        return f"looked {moment(time.looked)}"
    return "its look at the tenant goes on"


def covered(seen: Coverage | None) -> Iterator[str]:
    """How much of the tenant it read."""
    if seen is None:
        return
    yield f"{seen.seen:,} of {seen.population:,} {seen.noun} read"
    if seen.blind:
        yield f"**not seen at all: {escaped(', '.join(seen.blind))}**"


def waiting(status: Status, address: str) -> Iterator[Element]:
    """What only a person can decide."""
    asked = [one for one in status.decisions if not one.acknowledged]
    if asked:
        lines = [decision(one, address) for one in asked[:ROWS]]
        yield from section("Waits for a decision", lines, len(asked))


def decision(one: Decision, address: str) -> str:
    """One of them in a line."""
    page = address_of(address, "cases", one.guard, one.case) if one.case else ""
    where = f" · {link(f'case {one.case[-8:]}', page)}" if one.case else ""
    return f"{escaped(one.summary, 160)} ({one.severity.label}, since {one.since:%Y-%m-%d}){where}"


def ending(status: Status) -> Iterator[Element]:
    """Exemptions that end soon: what they cover comes up again then."""
    soon = [one for one in status.pardons if one.soon]
    if soon:
        lines = [pardon(one) for one in soon[:ROWS]]
        yield from section("Exemptions that end soon", lines, len(soon))


def pardon(one: Pardon) -> str:
    """One of them in a line."""
    given = one.exemption
    named = escaped(one.named or given.subject, 80)
    return f"{named}: until {given.until:%Y-%m-%d}, by {escaped(given.who, 60)}"


def changes(status: Status) -> Iterator[Element]:
    """What was changed in the week, by kind."""
    made = Counter(record.kind for _, record in status.lately if record.state in MADE)
    if made:
        lines = [f"{number} x {escaped(in_words(kind))}" for kind, number in made.most_common(ROWS)]
        yield from section("Changed in this week", lines, len(made))


def section(title: str, lines: Sequence[str], whole: int) -> Iterator[Element]:
    """A list under a title; what it leaves out is counted."""
    more = [f"and {whole - len(lines)} more"] if whole > len(lines) else []
    yield text(title, weight="Bolder", separator=True, spacing="Medium")
    yield text("\n".join(f"- {line}" for line in [*lines, *more]), spacing="Small")


def moment(at: datetime) -> str:
    """A time as people read it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
