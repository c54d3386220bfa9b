"""RunReport -> the message a Teams channel shows: pure.

One message a run, an Adaptive Card 1.4 in the envelope that Workflows expects (Microsoft Learn:
Create incoming webhooks with Workflows). Teams takes about 28 KB; the card stays under 25 KB, the
gravest news first, no mailbox may crowd out another, and what does not fit is counted.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from core.model import Case, ChangeState, Mode, News, RunReport, Severity
from core.report import coverage
from core.text import escaped

LIMIT = 24_000
RESERVED = 2_000
FACTS = 8
PER_OBJECT = 3
STYLE = {
    Severity.INFO: "default",
    Severity.LOW: "default",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "attention",
    Severity.CRITICAL: "attention",
}
HEADLINE = {
    News.OPENED: "New",
    News.CHANGED: "Changed",
    News.REMINDER: "Still open",
    News.DONE: "Put right",
    News.CLOSED: "No longer there",
}

type Element = dict[str, object]


def text(value: str, **options: object) -> Element:
    """A TextBlock. `value` is our own words or escaped already."""
    return {"type": "TextBlock", "text": value, "wrap": True, **options}


def card(report: RunReport) -> dict[str, object]:
    """The message for a run that has news."""
    blocks = [heading(report), *notices(report)]
    room = LIMIT - RESERVED - size(blocks)
    shown: list[Element] = []
    left: list[Case] = []
    planned = {outcome.case for outcome in report.preview}
    for case in ordered(report.news):
        block = entry(case, case.key in planned)
        room -= size(block)
        (shown.append(block) if room > 0 else left.append(case))
    if left:
        shown.append(text(remainder(left), weight="Bolder"))
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": escaped(f"Exoguard: {report.title}, {len(report.news)} news"),
        "msteams": {"width": "Full"},
        "body": [*blocks, *shown, footer(report)],
    }
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": content,
            }
        ],
    }


def size(value: object) -> int:
    """Bytes on the wire."""
    return len(json.dumps(value).encode())


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


def heading(report: RunReport) -> Element:
    """What this is about, and how bad it is."""
    worst = max((case.severity for case in report.news), default=Severity.INFO)
    open_news = any(case.closed is None for case in report.news)
    return {
        "type": "Container",
        "style": STYLE[worst] if open_news else "good",
        "bleed": True,
        "items": [
            text(f"Exoguard: {report.title}", weight="Bolder", size="Large"),
            text(
                f"{summary(report)} · {report.mode} mode · {escaped(coverage(report))}",
                isSubtle=True,
                spacing="None",
            ),
        ],
    }


def summary(report: RunReport) -> str:
    """The news in numbers."""
    counts = Counter(HEADLINE[case.news].lower() for case in report.news)
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def notices(report: RunReport) -> Iterator[Element]:
    """What concerns the run as a whole."""
    if report.adopted:
        number = sum(case.adopted and case.news is News.OPENED for case in report.news)
        yield text(
            f"**First look.** {number} things exist already; they are the starting point and "
            "will not be told one by one. From now on only what is new, changed or gone is told."
        )
    if report.preview:
        kinds = Counter(outcome.kind for outcome in report.preview)
        planned = ", ".join(f"{number} x {kind}" for kind, number in kinds.most_common())
        yield text(f"**Nothing was changed yet. The next run will make:** {planned}.")
    failed = [outcome for outcome in report.outcomes if outcome.state is ChangeState.FAILED]
    if failed:
        yield text(f"**{len(failed)} changes did not succeed** and are tried again.")


def entry(case: Case, planned: bool = False) -> Element:
    """One case: what, since when, the evidence, what was done, what to do.

    `planned`: the next run does it, so nobody has to.
    """
    items = [
        text(
            f"**{HEADLINE[case.news]} · {case.severity.label} · {case.verdict}**",
            size="Small",
            spacing="None",
        ),
        text(escaped(case.summary, 400), weight="Bolder", spacing="None"),
    ]
    facts = [f"- {escaped(fact)}" for fact in case.facts[:FACTS]]
    if len(case.facts) > FACTS:
        facts.append(f"- and {len(case.facts) - FACTS} more facts")
    if facts:
        items.append(text("\n".join(facts), spacing="Small"))
    if case.closed:
        items.append(text(ending(case), spacing="Small"))
    elif case.note:
        items.append(text(f"Tried: {escaped(case.note)}", spacing="Small"))
    if planned:
        items.append(text("Next step: none for you; the next run puts it right.", spacing="Small"))
    elif case.advice and not case.closed:
        items.append(text(f"Next step: {escaped(case.advice, 600)}", spacing="Small"))
    items.append(
        text(
            f"case {case.short} · since {case.opened:%Y-%m-%d %H:%M} UTC",
            isSubtle=True,
            size="Small",
            spacing="Small",
        )
    )
    return {"type": "Container", "separator": True, "items": items}


def ending(case: Case) -> str:
    """How a case ended, in a sentence."""
    if case.event:
        return "It is over; what it did is still done."
    if case.closing != "done":
        return "It is no longer there."
    note = f" {escaped(case.note)}" if case.note else ""
    return f"Exoguard put it right and read it back.{note}"


def remainder(left: Iterable[Case]) -> str:
    """Everything that did not fit, counted by kind and severity."""
    counts = Counter((case.severity, case.kind) for case in left)
    parts = [
        f"{number} x {kind} ({severity.label})"
        for (severity, kind), number in sorted(counts.items(), reverse=True)
    ]
    return f"and {sum(counts.values())} more: {', '.join(parts)}"


def footer(report: RunReport) -> Element:
    """Where to look further."""
    parts = [f"run {escaped(report.run)}"]
    if report.exemptions:
        parts.append(f"{report.exemptions} exempt")
    if report.mode is Mode.ALERT:
        parts.append("this guard only tells, it changes nothing")
    parts.append(f"all of it: GET /api/runs/{report.guard}/{escaped(report.run)}")
    return text(" · ".join(parts), isSubtle=True, size="Small", separator=True)
