"""RunReport -> the messages a Teams channel shows: pure.

    what a guard sees for the first time      one card that sums it up
    cases with news                           a card for each severity, the gravest first
    cases that ended                          a card of their own
    what people asked for                     a card of its own

A card names its cases with what was found, what was done about it, the evidence and the next step.
On each, the gravest come first, no mailbox may crowd out another, and what does not fit is counted.
A `Message` knows what it tells, so that exactly this is marked as told once the channel took it,
and how to say so in plain words where the channel refuses the card.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.model.cases import Case
from core.model.changes import ChangeState
from core.model.findings import Severity
from core.model.guards import Mode
from core.model.requests import Action
from core.model.run_document import coverage
from core.model.runs import ATTENDED, RunReport
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
from core.notifications.case_blocks import (
    ENDED,
    HEADLINE,
    Frame,
    Shape,
    action_entry,
    amount,
    brief,
    drawn,
    entry,
    finale,
    headline_of,
    is_there,
    moment,
)
from core.sanitize import escaped
from core.status.change_texts import in_words

RESERVED = 2_000
PER_OBJECT = 3
MISFITS = 30
PLAIN = 40
FIRST_LOOK = 12
RUN = re.compile(r"\d{14}-[0-9a-f]{8}")
STYLE = {
    Severity.INFO: "accent",
    Severity.LOW: "accent",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "attention",
    Severity.CRITICAL: "attention",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message and what it tells: exactly this is told once the channel took it."""

    payload: Mapping[str, object]
    cases: tuple[Case, ...] = ()
    actions: tuple[Action, ...] = ()

    def plain(self, report: RunReport) -> Mapping[str, object]:
        """The same news for a channel that refused the card: small, and without foreign text."""
        rows = [f"{case.severity.label} · {case.kind} · case {case.short}" for case in self.cases]
        rows += [f"{headline_of(action)} · {action.id}" for action in self.actions]
        more = [f"and {len(rows) - PLAIN:,} more"] if len(rows) > PLAIN else []
        body = [
            text(f"Exoguard · {report.title}: {amount(rows, 'thing')} to tell", weight="Bolder"),
            text("The channel refused the card that shows them. Look at:"),
            *map(text, (*rows[:PLAIN], *more)),
            small(f"GET /api/cases?guard={report.guard} · run {escaped(report.run)}"),
        ]
        return envelope(body, f"Exoguard: {amount(rows, 'thing')} to tell")


def cards(report: RunReport, address: str = "") -> list[Message]:
    """The messages of a run, in the order they are to be sent; none when there is nothing to tell.

    `address` is where people reach the app: with it cards link to the pages of their cases.
    """
    frame = Frame.of(report, address)
    asked = tuple(action for action in report.actions if not action.told)
    if report.adopted and report.news:
        return [first_look(frame, report.news, asked)]
    # What an earlier run took as its starting point and could not tell any more.
    there = tuple(filter(is_there, report.news))
    groups: defaultdict[Severity, list[Case]] = defaultdict(list)
    ended: list[Case] = []
    for case in report.news:
        if not is_there(case):
            (ended if case.news in ENDED else groups[case.severity]).append(case)
    messages = [first_look(frame, there)] if there else []
    messages += [of_severity(frame, grave, groups[grave]) for grave in sorted(groups, reverse=True)]
    if ended:
        messages.append(of_endings(frame, ended))
    if asked:
        messages.append(of_actions(frame, asked))
    return messages


# ----------------------------------------------------------------------------------------------
# The cards
# ----------------------------------------------------------------------------------------------


def first_look(frame: Frame, news: tuple[Case, ...], asked: tuple[Action, ...] = ()) -> Message:
    """All that exists already, by number and gravity, and the gravest of it in detail."""
    there = [case for case in news if is_there(case)]
    worst = max(case.severity for case in news)
    counts = Counter((case.severity, case.kind) for case in news if case.news not in ENDED)
    by_gravity: defaultdict[Severity, list[str]] = defaultdict(list)
    for (severity, kind), number in sorted(counts.items(), key=lambda row: (-row[0][0], -row[1])):
        by_gravity[severity].append(f"{number} x {escaped(kind, 60)}")
    rows = [(severity.label, ", ".join(kinds)) for severity, kinds in by_gravity.items()]
    top = [
        *opening(frame, f"First look: {amount(there, 'thing')} already there", STYLE[worst]),
        text(
            "What is already there is the starting point and will not be told one by one. From "
            "now on only what is new, changed or gone is told."
        ),
        *([table(rows)] if rows else ()),
        *notices(frame),
        *(action_entry(frame, action) for action in asked),
    ]
    page = frame.list_address(state="open")
    return Message(finished(frame, top, news, page, brief, FIRST_LOOK), news, asked)


def of_severity(frame: Frame, severity: Severity, news: Sequence[Case]) -> Message:
    """The cases of one gravity."""
    headline = f"{severity.label.capitalize()}: {in_numbers(news)}"
    top = [*opening(frame, headline, STYLE[severity]), *notices(frame, news)]
    page = frame.list_address(severity=severity.label, state="open")
    return Message(finished(frame, top, news, page, drawn), tuple(news))


def of_endings(frame: Frame, news: Sequence[Case]) -> Message:
    """The cases that are over: nobody has to do anything."""
    top = [*opening(frame, f"Over: {in_numbers(news)}", "good", why=False)]
    page = frame.list_address(state="closed")
    return Message(finished(frame, top, news, page, finale), tuple(news))


def of_actions(frame: Frame, asked: tuple[Action, ...]) -> Message:
    """What people asked of the guard, and what came of it. What does not fit is counted."""
    counts = Counter(headline_of(action).lower() for action in asked)
    numbers = ", ".join(f"{number} {name}" for name, number in counts.items())
    body = opening(frame, f"Asked for by people: {numbers}", "emphasis", why=False)
    room, left = LIMIT - RESERVED - size(body), 0
    for action in asked:
        block = action_entry(frame, action)
        if size(block) > room:
            left += 1
            continue
        body.append(block)
        room -= size(block)
    if left:
        body.append(text(f"and {left} more", weight="Bolder"))
    page = frame.list_address(state="open")
    return Message(framed(frame, [*body, footer(frame)], page), (), asked)


def finished(
    frame: Frame,
    top: Sequence[Element],
    news: Iterable[Case],
    page: str,
    shape: Shape,
    most: int = 1_000,
) -> Mapping[str, object]:
    """A card with as many entries as fit, and the rest counted. `page` lists all of them."""
    room = LIMIT - RESERVED - size(top)
    shown: list[Element] = []
    left: list[Case] = []
    misfits = 0
    for case in ordered(news):
        # What did not fit so often will not: of ten thousand, most are only counted.
        block = entry(frame, case, shape) if len(shown) < most and misfits < MISFITS else None
        if block is None or size(block) > room:
            misfits += 1
            left.append(case)
            continue
        room -= size(block)
        shown.append(block)
    if left:
        rest = remainder(left) + (f" · {link('all of them', page)}" if page else "")
        shown.append(text(rest, weight="Bolder", separator=True))
    return framed(frame, [*top, *shown, footer(frame)], page)


def framed(frame: Frame, body: Sequence[Element], page: str) -> Mapping[str, object]:
    """A card in its envelope, with the way to its cases and to the page of all guards."""
    title = frame.report.title
    buttons = (*button("These cases", page), *button("All guards", frame.status_address))
    return envelope(body, escaped(f"Exoguard: {title}, {len(frame.report.news)} news"), buttons)


def opening(frame: Frame, headline: str, style: str, why: bool = True) -> list[Element]:
    """What a card begins with: what it is about, how it was seen, and why it matters."""
    report = frame.report
    seen = f" · {escaped(coverage(report))}" if report.population or report.blind else ""
    line = f"{report.mode} mode{seen} · {moment(report.started)}"
    body = [heading(escaped(report.title), headline, line, style)]
    if why and report.why:
        body.append(text(f"**Why it matters:** {escaped(report.why)}"))
    return body


def ordered(news: Iterable[Case]) -> list[Case]:
    """The gravest first; of one object only a few before everybody else has had a turn."""
    ranked = sorted(news, key=lambda case: (-case.severity, case.opened, case.subject, case.key))
    turns: Counter[str] = Counter()
    first: list[Case] = []
    later: list[Case] = []
    for case in ranked:
        turns[case.object_id] += 1
        (first if turns[case.object_id] <= PER_OBJECT else later).append(case)
    return first + later


def in_numbers(news: Iterable[Case]) -> str:
    """The news in numbers."""
    counts = Counter(HEADLINE[case.news].lower() for case in news)
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def notices(frame: Frame, news: Sequence[Case] | None = None) -> Iterator[Element]:
    """What concerns all cases of a card, or of the run."""
    keys = {case.key for case in news} if news is not None else None
    preview = [one for one in frame.report.preview if keys is None or one.case in keys]
    if preview:
        kinds = Counter(outcome.kind for outcome in preview)
        planned = ", ".join(f"{number} x {in_words(kind)}" for kind, number in kinds.most_common())
        yield text(f"**Nothing was changed yet. The next run will make:** {planned}.")
    failed = [
        outcome
        for outcome in frame.report.outcomes
        if outcome.state is ChangeState.FAILED and (keys is None or outcome.case in keys)
    ]
    if failed:
        verb = "change did" if len(failed) == 1 else "changes did"
        yield text(f"**{len(failed)} {verb} not succeed** and will be tried again.")


def remainder(left: Iterable[Case]) -> str:
    """Everything that did not fit, counted by kind and severity."""
    counts = Counter((case.severity, case.kind) for case in left)
    parts = [
        f"{number} x {escaped(kind, 60)} ({severity.label})"
        for (severity, kind), number in sorted(counts.items(), reverse=True)
    ]
    return f"and {sum(counts.values())} more: {', '.join(parts)}"


def footer(frame: Frame) -> Element:
    """Where to look further."""
    report = frame.report
    run = escaped(report.run)
    # Who is only called to do what was asked for makes no run: its id is that of the action.
    asked = report.status == ATTENDED
    place, label = ("actions", "action") if asked else ("runs", "run")
    page = address_of(frame.address, place, report.guard, report.run)
    whole = link(f"the whole {label}", page)
    parts = [whole] if page and RUN.fullmatch(report.run) else [f"{label} {run}"]
    if report.exemptions:
        parts.append(f"{report.exemptions} exempt")
    if report.mode is Mode.ALERT:
        parts.append("this guard only tells, it changes nothing")
    if not page:
        parts.append(f"all of it: GET /api/{place}/{report.guard}/{run}")
    return small(" · ".join(parts), separator=True)
