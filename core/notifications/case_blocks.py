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

from core.model.cases import Case, Notification
from core.model.findings import Verdict
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.runs import RunReport
from core.notifications.adaptive_card import (
    CardElement,
    build_app_url,
    count_json_bytes,
    format_card_link,
    make_container,
    make_fact_set,
    make_subtle_text,
    make_text_block,
)
from core.sanitize import escape_markdown
from core.status.change_texts import describe_changes, list_planned_kinds

# An entry that would be larger is shown with fewer facts, so that none can take a card for itself.
MAX_BLOCK_BYTES = 4_000
FACT_COUNTS = (8, 3, 0)
COMPACT_FACT_COUNT = 4
CASE_KEY = re.compile(r"[0-9a-f]{32}")
CASE_HEADLINES = {
    Notification.OPENED: "New",
    Notification.CHANGED: "Changed",
    Notification.REMINDER: "Still open",
    Notification.DONE: "Put right",
    Notification.CLOSED: "No longer there",
}
REQUEST_HEADLINES = {
    RequestKind.RUN: "Run by hand",
    RequestKind.RELEASE: "Plan released",
    RequestKind.EXEMPT: "Exempted",
    RequestKind.END_EXEMPTION: "Exemption ended",
    RequestKind.UNDO: "Undone",
    RequestKind.ACKNOWLEDGE: "Acknowledged",
}
CASE_REQUEST_KINDS = (RequestKind.EXEMPT, RequestKind.END_EXEMPTION, RequestKind.ACKNOWLEDGE)
DEFERRED_REASONS = {
    Verdict.CONTESTED: "was changed back twice, so it is no longer changed",
    Verdict.REFUSED: "was refused by the tenant",
    Verdict.FAILED: "failed three times",
}
END_NOTIFICATIONS = (Notification.DONE, Notification.CLOSED)


@dataclass(frozen=True, slots=True)
class CardContext:
    """What the cards of one run have in common, and what its entries need to know of it."""

    report: RunReport
    base_url: str
    planned_cases: frozenset[str]

    @classmethod
    def from_report(cls, report: RunReport, base_url: str) -> "CardContext":
        """The frame of a run. `address` is where people reach the app; empty: not known."""
        return cls(report, base_url, frozenset(outcome.case_key for outcome in report.preview))

    def build_case_url(self, key: str) -> str:
        """The page of a case."""
        return (
            build_app_url(self.base_url, "cases", self.report.guard, key)
            if CASE_KEY.fullmatch(key)
            else ""
        )

    @property
    def status_url(self) -> str:
        """The page of all guards."""
        return build_app_url(self.base_url, "status")

    def build_list_url(self, **query: str) -> str:
        """The page that lists the guard's cases."""
        return build_app_url(self.base_url, "cases", guard=self.report.guard, **query)


type BlockRenderer = Callable[[CardContext, Case, int], CardElement]


def fit_case_block(context: CardContext, case: Case, renderer: BlockRenderer) -> CardElement:
    """One case, with as many facts as leave room for others."""
    block = make_container([])
    for most in FACT_COUNTS:
        block = renderer(context, case, most)
        if count_json_bytes(block) <= MAX_BLOCK_BYTES:
            break
    return block


def render_case_block(context: CardContext, case: Case, max_facts: int) -> CardElement:
    """What was found, the evidence, what was done, what to do, since when."""
    short = max_facts == 0
    items = [
        make_text_block(
            f"**{get_case_headline(case)}** · {case.severity.label} · {case.verdict}",
            size="Small",
            spacing="None",
        ),
        make_text_block(
            escape_markdown(case.summary, 120 if short else 400), weight="Bolder", spacing="None"
        ),
        make_evidence_table(case, max_facts),
        make_text_block(describe_remediation(context, case), spacing="Small"),
    ]
    if step := describe_next_step(context, case, 200 if short else 600):
        items.append(make_text_block(f"**Next step:** {step}", spacing="Small"))
    page = format_card_link(f"case {case.short_key}", context.build_case_url(case.key))
    over = f" · over {format_card_time(case.closed_at)}" if case.closed_at else ""
    items.append(
        make_subtle_text(
            f"{page} · since {format_card_time(case.opened_at)}{over}", spacing="Small"
        )
    )
    return make_container(items, separator=True, spacing="Medium")


def render_compact_block(context: CardContext, case: Case, max_facts: int) -> CardElement:
    """A case in a few lines, where there are many and most of them can wait."""
    short = max_facts == 0
    facts = [
        escape_markdown(str(fact)) for fact in case.facts[: min(max_facts, COMPACT_FACT_COUNT)]
    ]
    items = [
        make_text_block(
            f"**{case.severity.label}** · {escape_markdown(case.summary, 120 if short else 400)}",
            spacing="None",
        ),
        *([make_subtle_text(" · ".join(facts), spacing="None")] if facts else []),
    ]
    if case.deferred_at:
        items.append(make_text_block(describe_remediation(context, case), spacing="None"))
    if step := describe_next_step(context, case, 200 if short else 600):
        items.append(make_text_block(f"**Next step:** {step}", spacing="None"))
    page = format_card_link(f"case {case.short_key}", context.build_case_url(case.key))
    items.append(
        make_subtle_text(
            f"{page} · {get_case_headline(case).lower()} · {case.verdict}", spacing="None"
        )
    )
    return make_container(items, separator=True)


def render_closed_block(context: CardContext, case: Case, max_facts: int) -> CardElement:
    """A case that is over: what it was, and how it ended."""
    page = format_card_link(f"case {case.short_key}", context.build_case_url(case.key))
    over = f" · over {format_card_time(case.closed_at)}" if case.closed_at else ""
    items = [
        make_text_block(
            f"**{get_case_headline(case)}** · {escape_markdown(case.subject, 120)}", spacing="None"
        ),
        make_text_block(
            f"It was: {escape_markdown(case.summary, 400 if max_facts else 120)}", spacing="None"
        ),
        make_text_block(describe_end_on_card(case), spacing="None"),
        make_subtle_text(
            f"{page} · {case.severity.label} · since {format_card_time(case.opened_at)}{over}",
            spacing="None",
        ),
    ]
    return make_container(items, separator=True)


def make_evidence_table(case: Case, max_facts: int) -> CardElement:
    """The object, then the facts: those with a name under it, then the others."""
    rows = [("about", case.subject if max_facts else case.subject[:80])]
    others: list[str] = []
    for fact in case.facts[:max_facts]:
        if fact.label:
            rows.append((fact.label, fact.text))
        else:
            others.append(fact.text)
    if len(case.facts) > max_facts:
        others.append(f"and {format_amount(case.facts[max_facts:], 'more fact')}")
    rows += zip(chain(["also"], repeat("")), others, strict=False)
    return make_fact_set(
        [(escape_markdown(name), escape_markdown(value)) for name, value in rows], spacing="Small"
    )


def describe_remediation(context: CardContext, case: Case) -> str:
    """What was done about a case, would be done, or why nothing was."""
    note = f" {escape_markdown(case.note)}" if case.note else ""
    does = describe_changes(list_planned_kinds(case))
    if case.closed_at:
        return f"**What happened:** {describe_end_on_card(case)}"
    if case.key in context.planned_cases:
        return "**Nothing was changed yet:** the next run puts it right."
    if case.deferred_at:
        reason = DEFERRED_REASONS.get(case.verdict, f"cannot be put right here ({case.verdict})")
        return f"**Left to a person:** it {reason}{f':{note}' if note else '.'}"
    if case.note:
        return f"**Tried, without success:**{note}"
    if does and context.report.mode is Mode.ALERT:
        return f"**Nothing was changed.** In enforce mode this guard would {does}."
    if does and context.report.block_reason:
        return f"**Held by the brake:** once released, this guard will {does}."
    if does:
        return f"**Not changed yet:** this guard is going to {does}."
    return "**Nothing was changed:** it takes a person to decide."


def describe_next_step(context: CardContext, case: Case, limit: int) -> str:
    """What somebody has to do about it; nothing where nobody has to."""
    if case.key in context.planned_cases:
        return f"none for you; the next run will {describe_changes(list_planned_kinds(case)) or 'put it right'}."
    if case.closed_at and not case.is_one_off:
        return ""
    return escape_markdown(case.advice, limit)


def describe_end_on_card(case: Case) -> str:
    """How a case ended, in a sentence."""
    if case.is_one_off:
        return "It is over; what it did is still done."
    if case.resolution != "done":
        return "It is no longer there."
    note = f" {escape_markdown(case.note)}" if case.note else ""
    does = describe_changes(list_planned_kinds(case))
    return f"Exoguard put it right and read it back{f': {does}' if does else ''}.{note}"


def get_case_headline(case: Case) -> str:
    """What is new about a case."""
    return "Already there" if is_preexisting(case) else CASE_HEADLINES[case.notification]


def is_preexisting(case: Case) -> bool:
    """True for what existed when its surface was seen for the first time, and is untold."""
    return case.baselined and case.notification is Notification.OPENED


def get_request_headline(request: OperatorRequest) -> str:
    """What was asked for and whether it was done."""
    name = REQUEST_HEADLINES[request.kind]
    if request.state is RequestState.DONE:
        return name
    return f"{'Refused' if request.state is RequestState.REFUSED else 'Waiting'}: {name.lower()}"


def render_request_block(context: CardContext, request: OperatorRequest) -> CardElement:
    """Who asked for what, why, and what came of it."""
    about = escape_markdown(context.report.subject_names.get(request.subject, request.subject))
    if request.kind in CASE_REQUEST_KINDS and CASE_KEY.fullmatch(request.subject):
        page = format_card_link(
            f"case {request.subject[-8:]}", context.build_case_url(request.subject)
        )
        about = f"{about} · {page}" if request.subject in context.report.subject_names else page
    way = f" ({escape_markdown(request.authenticated_as)})" if request.authenticated_as else ""
    rows = [
        ("who", f"{escape_markdown(request.requested_by)}{way}"),
        ("why", escape_markdown(request.reason, 500)),
        ("about", about),
        ("until", format_card_time(request.until) if request.until else ""),
    ]
    items = [
        make_text_block(f"**{get_request_headline(request)}**", spacing="None"),
        make_fact_set([row for row in rows if row[1]], spacing="Small"),
    ]
    if request.note:
        items.append(
            make_text_block(
                f"**What came of it:** {escape_markdown(request.note, 400)}", spacing="Small"
            )
        )
    ended = f" · answered {format_card_time(request.ended_at)}" if request.ended_at else ""
    items.append(make_subtle_text(f"asked {format_card_time(request.at)}{ended}", spacing="Small"))
    return make_container(items, separator=True, spacing="Medium")


def format_card_time(at: datetime) -> str:
    """A time as people read it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def format_amount(things: Sequence[object], noun: str) -> str:
    """So many things."""
    return f"{len(things):,} {noun}{'' if len(things) == 1 else 's'}"
