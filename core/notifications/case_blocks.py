"""One entry of a card: a case, or something a person asked for, with all there is to know of it.

    drawn     a case somebody has to look at: evidence, what was done, the next step
    brief     the same in a few lines, for the card that sums up a first look
    finale    a case that is over

Pure. Foreign text is escaped and bounded; an entry that would be too large is shown with fewer
facts, so that none can take a card for itself.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat

from core.model.cases import Case, News
from core.model.findings import Verdict
from core.model.guards import Mode
from core.model.requests import Action, ActionState, Deed
from core.model.runs import RunReport
from core.notifications.adaptive_card import (
    Element,
    address_of,
    box,
    link,
    size,
    small,
    table,
    text,
)
from core.sanitize import escaped
from core.status.change_texts import kinds_of, together

# An entry that would be larger is shown with fewer facts, so that none can take a card for itself.
SHARE = 4_000
FACTS = (8, 3, 0)
BRIEF = 4
# A fact that begins with up to three short words and a colon has a name.
LABEL = re.compile(r"(?=.{2,24}: )([^\W\d][^\s:.,]{0,17}(?: [^\s:.,]{1,17}){0,2}): (.+)", re.DOTALL)
KEY = re.compile(r"[0-9a-f]{32}")
HEADLINE = {
    News.OPENED: "New",
    News.CHANGED: "Changed",
    News.REMINDER: "Still open",
    News.DONE: "Put right",
    News.CLOSED: "No longer there",
}
DEEDS = {
    Deed.RUN: "Run by hand",
    Deed.RELEASE: "Plan released",
    Deed.EXEMPT: "Exempted",
    Deed.END_EXEMPTION: "Exemption ended",
    Deed.UNDO: "Undone",
    Deed.ACKNOWLEDGE: "Acknowledged",
}
ABOUT_CASES = (Deed.EXEMPT, Deed.END_EXEMPTION, Deed.ACKNOWLEDGE)
LEFT_TO_A_PERSON = {
    Verdict.CONTESTED: "was changed back twice, so it is no longer changed",
    Verdict.REFUSED: "was refused by the tenant",
    Verdict.FAILED: "failed three times",
}
ENDED = (News.DONE, News.CLOSED)


@dataclass(frozen=True, slots=True)
class Frame:
    """What the cards of one run have in common, and what its entries need to know of it."""

    report: RunReport
    address: str
    planned: frozenset[str]

    @classmethod
    def of(cls, report: RunReport, address: str) -> "Frame":
        """The frame of a run. `address` is where people reach the app; empty: not known."""
        return cls(report, address, frozenset(outcome.case for outcome in report.preview))

    def case_address(self, key: str) -> str:
        """The page of a case."""
        return (
            address_of(self.address, "cases", self.report.guard, key) if KEY.fullmatch(key) else ""
        )

    @property
    def status_address(self) -> str:
        """The page of all guards."""
        return address_of(self.address, "status")

    def list_address(self, **query: str) -> str:
        """The page that lists the guard's cases."""
        return address_of(self.address, "cases", guard=self.report.guard, **query)


type Shape = Callable[[Frame, Case, int], Element]


def entry(frame: Frame, case: Case, shape: Shape) -> Element:
    """One case, with as many facts as leave room for others."""
    block = box([])
    for most in FACTS:
        block = shape(frame, case, most)
        if size(block) <= SHARE:
            break
    return block


def drawn(frame: Frame, case: Case, most: int) -> Element:
    """What was found, the evidence, what was done, what to do, since when."""
    short = most == 0
    items = [
        text(
            f"**{headline(case)}** · {case.severity.label} · {case.verdict}",
            size="Small",
            spacing="None",
        ),
        text(escaped(case.summary, 120 if short else 400), weight="Bolder", spacing="None"),
        evidence(case, most),
        text(done(frame, case), spacing="Small"),
    ]
    if step := next_step(frame, case, 200 if short else 600):
        items.append(text(f"**Next step:** {step}", spacing="Small"))
    page = link(f"case {case.short}", frame.case_address(case.key))
    over = f" · over {moment(case.closed)}" if case.closed else ""
    items.append(small(f"{page} · since {moment(case.opened)}{over}", spacing="Small"))
    return box(items, separator=True, spacing="Medium")


def brief(frame: Frame, case: Case, most: int) -> Element:
    """A case in a few lines, where there are many and most of them can wait."""
    short = most == 0
    facts = [escaped(fact) for fact in case.facts[: min(most, BRIEF)]]
    items = [
        text(
            f"**{case.severity.label}** · {escaped(case.summary, 120 if short else 400)}",
            spacing="None",
        ),
        *([small(" · ".join(facts), spacing="None")] if facts else []),
    ]
    if case.set_aside:
        items.append(text(done(frame, case), spacing="None"))
    if step := next_step(frame, case, 200 if short else 600):
        items.append(text(f"**Next step:** {step}", spacing="None"))
    page = link(f"case {case.short}", frame.case_address(case.key))
    items.append(small(f"{page} · {headline(case).lower()} · {case.verdict}", spacing="None"))
    return box(items, separator=True)


def finale(frame: Frame, case: Case, most: int) -> Element:
    """A case that is over: what it was, and how it ended."""
    page = link(f"case {case.short}", frame.case_address(case.key))
    over = f" · over {moment(case.closed)}" if case.closed else ""
    items = [
        text(f"**{headline(case)}** · {escaped(case.subject, 120)}", spacing="None"),
        text(f"It was: {escaped(case.summary, 400 if most else 120)}", spacing="None"),
        text(ending(case), spacing="None"),
        small(
            f"{page} · {case.severity.label} · since {moment(case.opened)}{over}", spacing="None"
        ),
    ]
    return box(items, separator=True)


def evidence(case: Case, most: int) -> Element:
    """The object, then the facts: those with a name under it, then the others."""
    rows = [("about", case.subject if most else case.subject[:80])]
    others: list[str] = []
    for fact in case.facts[:most]:
        found = LABEL.fullmatch(fact)
        if found:
            rows.append((found[1], found[2]))
        else:
            others.append(fact)
    if len(case.facts) > most:
        others.append(f"and {amount(case.facts[most:], 'more fact')}")
    rows += zip(chain(["also"], repeat("")), others, strict=False)
    return table([(escaped(name), escaped(value)) for name, value in rows], spacing="Small")


def done(frame: Frame, case: Case) -> str:
    """What was done about a case, would be done, or why nothing was."""
    note = f" {escaped(case.note)}" if case.note else ""
    does = together(kinds_of(case))
    if case.closed:
        return f"**What happened:** {ending(case)}"
    if case.key in frame.planned:
        return "**Nothing was changed yet:** the next run puts it right."
    if case.set_aside:
        reason = LEFT_TO_A_PERSON.get(case.verdict, f"cannot be put right here ({case.verdict})")
        return f"**Left to a person:** it {reason}{f':{note}' if note else '.'}"
    if case.note:
        return f"**Tried, without success:**{note}"
    if does and frame.report.mode is Mode.ALERT:
        return f"**Nothing was changed.** In enforce mode this guard would {does}."
    if does and frame.report.held:
        return f"**Held by the brake:** once released, this guard will {does}."
    if does:
        return f"**Not changed yet:** this guard is going to {does}."
    return "**Nothing was changed:** it takes a person to decide."


def next_step(frame: Frame, case: Case, limit: int) -> str:
    """What somebody has to do about it; nothing where nobody has to."""
    if case.key in frame.planned:
        return f"none for you; the next run will {together(kinds_of(case)) or 'put it right'}."
    if case.closed and not case.event:
        return ""
    return escaped(case.advice, limit)


def ending(case: Case) -> str:
    """How a case ended, in a sentence."""
    if case.event:
        return "It is over; what it did is still done."
    if case.closing != "done":
        return "It is no longer there."
    note = f" {escaped(case.note)}" if case.note else ""
    does = together(kinds_of(case))
    return f"Exoguard put it right and read it back{f': {does}' if does else ''}.{note}"


def headline(case: Case) -> str:
    """What is new about a case."""
    return "Already there" if is_there(case) else HEADLINE[case.news]


def is_there(case: Case) -> bool:
    """True for what existed when its surface was seen for the first time, and is untold."""
    return case.adopted and case.news is News.OPENED


def headline_of(action: Action) -> str:
    """What was asked for and whether it was done."""
    name = DEEDS[action.deed]
    if action.state is ActionState.DONE:
        return name
    return f"{'Refused' if action.state is ActionState.REFUSED else 'Waiting'}: {name.lower()}"


def action_entry(frame: Frame, action: Action) -> Element:
    """Who asked for what, why, and what came of it."""
    about = escaped(frame.report.names.get(action.subject, action.subject))
    if action.deed in ABOUT_CASES and KEY.fullmatch(action.subject):
        page = link(f"case {action.subject[-8:]}", frame.case_address(action.subject))
        about = f"{about} · {page}" if action.subject in frame.report.names else page
    way = f" ({escaped(action.signed_in)})" if action.signed_in else ""
    rows = [
        ("who", f"{escaped(action.who)}{way}"),
        ("why", escaped(action.why, 500)),
        ("about", about),
        ("until", moment(action.until) if action.until else ""),
    ]
    items = [
        text(f"**{headline_of(action)}**", spacing="None"),
        table([row for row in rows if row[1]], spacing="Small"),
    ]
    if action.note:
        items.append(text(f"**What came of it:** {escaped(action.note, 400)}", spacing="Small"))
    ended = f" · answered {moment(action.ended)}" if action.ended else ""
    items.append(small(f"asked {moment(action.at)}{ended}", spacing="Small"))
    return box(items, separator=True, spacing="Medium")


def moment(at: datetime) -> str:
    """A time as people read it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def amount(things: Sequence[object], noun: str) -> str:
    """So many things."""
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"
