"""One block of a card: a case, or an operator's request. Pure.

    case block      an open case: next step, first commands, evidence, remediation
    line block      one line, for the card of an initial scan
    reminder block  one line about what is still open
    closed block    a case that ended

Untrusted text is escaped and bounded. A block that would be too large shows fewer facts, so that
no case takes the whole card.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    escape_markdown,
    format_card_link,
    make_container,
    make_fact_set,
    make_subtle_text,
    make_text_block,
)
from core.status.case_texts import describe_case_end
from core.status.cause_texts import list_cause_lines, list_method_lines
from core.status.change_texts import describe_changes, list_planned_kinds
from core.status.remedy import list_short_steps, list_steps
from core.time_format import format_time

# A block that would be larger shows fewer facts.
MAX_BLOCK_BYTES = 4_000
FACT_COUNTS = (8, 3, 0)
MAX_COMMAND, MAX_COMMAND_BYTES = 600, 1_500
"""A longer step or command is on the page alone: in characters, and as JSON, where one takes twelve
bytes.
"""
MAX_LINE = 160
CASE_KEY = re.compile(r"[0-9a-f]{32}")
CASE_HEADLINES = {
    Notification.OPENED: "New",
    Notification.CHANGED: "Changed",
    Notification.REMINDER: "Still open",
    Notification.DONE: "Remediated",
    Notification.CLOSED: "No longer present",
}
REQUEST_HEADLINES = {
    RequestKind.RUN: "Manual run",
    RequestKind.RELEASE: "Plan released",
    RequestKind.EXEMPT: "Exempted",
    RequestKind.END_EXEMPTION: "Exemption ended",
    RequestKind.UNDO: "Undone",
    RequestKind.ACKNOWLEDGE: "Acknowledged",
    RequestKind.CONTAIN: "Account contained",
    RequestKind.UNCONTAIN: "Containment taken back",
    RequestKind.EVIDENCE: "Evidence of an account",
    RequestKind.IMPACT: "Impact of an account",
    RequestKind.TEST_CHANNELS: "Channels tested",
}
CASE_REQUEST_KINDS = (RequestKind.EXEMPT, RequestKind.END_EXEMPTION, RequestKind.ACKNOWLEDGE)
DEFERRED_REASONS: Mapping[str, str] = {
    Verdict.CONTESTED: "the setting was reverted twice, so Exoguard no longer changes it",
    Verdict.REFUSED: "the tenant refused the change",
    Verdict.FAILED: "the change failed",
}
END_NOTIFICATIONS = (Notification.DONE, Notification.CLOSED)


@dataclass(frozen=True, slots=True)
class CardContext:
    """What all cards of one run share."""

    report: RunReport
    base_url: str
    """The public address of the app; empty where it is not configured."""
    planned_cases: frozenset[str]
    """The keys of the cases that the next run will remediate."""
    may_contain: bool = False
    """Whether accounts may be contained."""

    @classmethod
    def from_report(
        cls, report: RunReport, base_url: str, *, may_contain: bool = False
    ) -> "CardContext":
        """The context of a run's cards."""
        planned = frozenset(outcome.case_key for outcome in report.preview)
        return cls(report, base_url, planned, may_contain)

    def build_case_url(self, key: str) -> str:
        """The address of a case's page."""
        return (
            build_app_url(self.base_url, "cases", self.report.guard, key)
            if CASE_KEY.fullmatch(key)
            else ""
        )

    @property
    def status_url(self) -> str:
        """The address of the status page."""
        return build_app_url(self.base_url, "status")

    def build_list_url(self, **query: str) -> str:
        """The address of the list of the guard's cases."""
        return build_app_url(self.base_url, "cases", guard=self.report.guard, **query)


type BlockRenderer = Callable[[CardContext, Case, int], CardElement]


def fit_case_block(context: CardContext, case: Case, renderer: BlockRenderer) -> CardElement:
    """One case with as many facts as fit in MAX_BLOCK_BYTES."""
    block = make_container([])
    for max_facts in FACT_COUNTS:
        block = renderer(context, case, max_facts)
        if count_json_bytes(block) <= MAX_BLOCK_BYTES:
            break
    return block


def render_case_block(context: CardContext, case: Case, max_facts: int) -> CardElement:
    """An open case: summary, next step with its first commands, evidence, remediation, dates."""
    short = max_facts == 0
    items = [
        make_text_block(
            f"**{get_case_headline(case)}** · {case.severity.label}", size="Small", spacing="None"
        ),
        make_text_block(
            escape_markdown(case.summary, 120 if short else 400), weight="Bolder", spacing="None"
        ),
    ]
    if step := describe_next_step(context, case, 200 if short else 600):
        items.append(make_text_block(f"**Next step:** {step}", spacing="Small"))
    items += [
        *render_commands(context, case),
        make_evidence_table(case, max_facts),
        make_text_block(describe_remediation(context, case), spacing="Small"),
    ]
    page = format_card_link(f"case {case.short_key}", context.build_case_url(case.key))
    closed = f" · closed {format_time(case.closed_at)}" if case.closed_at else ""
    items.append(
        make_subtle_text(f"{page} · since {format_time(case.opened_at)}{closed}", spacing="Small")
    )
    return make_container(items, separator=True, spacing="Medium")


def render_commands(context: CardContext, case: Case) -> list[CardElement]:
    """The first commands of what to do, and where all steps are. What the next run does by itself
    needs none.
    """
    steps = list_steps(case, may_contain=context.may_contain)
    short = list_short_steps(steps)
    if not short or case.key in context.planned_cases:
        return []
    # A command that had to be changed to be shown would do something else.
    shown = [
        one
        for one in short
        if len(one.command) <= MAX_COMMAND and "://" not in one.command
        if count_json_bytes([one.text[:300], one.command]) <= MAX_COMMAND_BYTES
    ]
    items: list[CardElement] = []
    for step in shown:
        items.append(make_text_block(escape_markdown(step.text, 300), spacing="Small"))
        command = escape_markdown(step.command, 2 * MAX_COMMAND)
        items.append(make_subtle_text(command, fontType="Monospace", spacing="None"))
    page = format_card_link(f"All {len(steps)} steps", context.build_case_url(case.key))
    items.append(make_text_block(f"{page}, in their order, are on the page of the case."))
    return items


def render_line_block(context: CardContext, case: Case) -> CardElement:
    """A case on one line: of a first look, or of a reminder."""
    page = format_card_link(f"case {case.short_key}", context.build_case_url(case.key))
    summary = format_line_summary(case)
    return make_container(
        [make_text_block(f"{page} · **{case.severity.label}** · {summary}", spacing="None")],
        separator=True,
    )


def format_line_summary(case: Case) -> str:
    """What a case says on one line, with its subject where the summary does not name it."""
    text = case.summary if case.subject in case.summary else f"{case.subject}: {case.summary}"
    return escape_markdown(text, MAX_LINE)


def render_reminder_block(context: CardContext, case: Case) -> CardElement:
    """A case that was told before and is still as it was: one line, and since when."""
    page = format_card_link(f"case {case.short_key}", context.build_case_url(case.key))
    summary = format_line_summary(case)
    since = format_time(case.opened_at)
    return make_container(
        [
            make_text_block(
                f"{page} · **{get_case_headline(case)}** · {case.severity.label} · {summary} · "
                f"since {since}",
                spacing="None",
            )
        ],
        separator=True,
    )


def render_closed_block(context: CardContext, case: Case, max_facts: int) -> CardElement:
    """A closed case: what it was, and how it ended."""
    page = format_card_link(f"case {case.short_key}", context.build_case_url(case.key))
    closed = f" · closed {format_time(case.closed_at)}" if case.closed_at else ""
    items = [
        make_text_block(
            f"**{get_case_headline(case)}** · {escape_markdown(case.subject, 120)}", spacing="None"
        ),
        make_text_block(
            f"Was: {escape_markdown(case.summary, 400 if max_facts else 120)}", spacing="None"
        ),
        make_text_block(describe_closed_case(case), spacing="None"),
        make_subtle_text(
            f"{page} · {case.severity.label} · since {format_time(case.opened_at)}{closed}",
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
    lines = list(list_cause_lines(case))[:2] if case.cause else []
    lines += list_method_lines(case)
    rows += lines if max_facts else [(name, text[:160]) for name, text in lines[:1]]
    if len(case.facts) > max_facts:
        others.append(f"and {format_amount(case.facts[max_facts:], 'more fact')}")
    rows += zip(chain(["also"], repeat("")), others, strict=False)
    return make_fact_set(
        [(escape_markdown(name), escape_markdown(value)) for name, value in rows], spacing="Small"
    )


def describe_remediation(context: CardContext, case: Case) -> str:
    """What was changed for a case, what would be changed, or why nothing is."""
    note = f" {escape_markdown(case.note)}" if case.note else ""
    changes = describe_changes(list_planned_kinds(case))
    if case.closed_at:
        return f"**Result:** {describe_closed_case(case)}"
    if case.key in context.planned_cases:
        return "**Not changed yet:** the next run remediates it."
    if case.deferred_at:
        reason = DEFERRED_REASONS.get(
            case.verdict, f"Exoguard cannot remediate it ({case.verdict})"
        )
        return f"**Left to an operator:** {reason}{f':{note}' if note else '.'}"
    if case.note:
        return f"**Attempted without success:**{note}"
    if changes and context.report.mode is Mode.ALERT:
        return f"**Nothing was changed.** In enforce mode this guard would {changes}."
    if changes and context.report.block_reason:
        return f"**Held by the brake:** once released, this guard will {changes}."
    if changes:
        return f"**Not changed yet:** this guard is going to {changes}."
    return "**Nothing was changed:** an operator has to decide."


def describe_next_step(context: CardContext, case: Case, limit: int) -> str:
    """What an operator has to do about a case; empty where there is nothing to do."""
    if case.key in context.planned_cases:
        changes = describe_changes(list_planned_kinds(case)) or "remediate it"
        return f"none for you; the next run will {changes}."
    if case.closed_at and not case.is_one_off:
        return ""
    return escape_markdown(case.advice, limit)


def describe_closed_case(case: Case) -> str:
    """How a case ended, with the note of its remediation."""
    is_told = case.note and case.resolution in ("done", "noted")
    note = f" {escape_markdown(case.note)}" if is_told else ""
    return f"{describe_case_end(case)}{note}"


def get_case_headline(case: Case) -> str:
    """What is new about a case."""
    if case.resolution == "noted":
        return "No longer a finding"
    return "Pre-existing" if is_preexisting(case) else CASE_HEADLINES[case.notification]


def is_preexisting(case: Case) -> bool:
    """Whether a case existed at the initial scan and was not notified yet."""
    return case.baselined and case.notification is Notification.OPENED


def choose_state(cases: Iterable[Case]) -> str:
    """The state by which a list holds these cases. An event is over when it is told."""
    ended = {case.closed_at is not None for case in cases}
    return "all" if len(ended) > 1 else "closed" if ended == {True} else "open"


def get_request_headline(request: OperatorRequest) -> str:
    """What an operator requested, and whether it was done."""
    name = REQUEST_HEADLINES[request.kind]
    if request.state is RequestState.DONE:
        return name
    return f"{'Refused' if request.state is RequestState.REFUSED else 'Waiting'}: {name.lower()}"


def render_request_block(context: CardContext, request: OperatorRequest) -> CardElement:
    """What an operator requested, by whom, why, and the result."""
    about = escape_markdown(context.report.subject_names.get(request.subject, request.subject))
    if request.kind in CASE_REQUEST_KINDS and CASE_KEY.fullmatch(request.subject):
        page = format_card_link(
            f"case {request.subject[-8:]}", context.build_case_url(request.subject)
        )
        about = f"{about} · {page}" if request.subject in context.report.subject_names else page
    account = f" ({escape_markdown(request.authenticated_as)})" if request.authenticated_as else ""
    rows = [
        ("who", f"{escape_markdown(request.requested_by)}{account}"),
        ("why", escape_markdown(request.reason, 500)),
        ("about", about),
        ("until", format_time(request.until) if request.until else ""),
    ]
    items = [
        make_text_block(f"**{get_request_headline(request)}**", spacing="None"),
        make_fact_set([row for row in rows if row[1]], spacing="Small"),
    ]
    if request.note:
        items.append(
            make_text_block(f"**Result:** {escape_markdown(request.note, 400)}", spacing="Small")
        )
    ended = f" · completed {format_time(request.ended_at)}" if request.ended_at else ""
    items.append(make_subtle_text(f"requested {format_time(request.at)}{ended}", spacing="Small"))
    return make_container(items, separator=True, spacing="Medium")


def format_amount(items: Sequence[object], noun: str) -> str:
    """The number of items with their noun: 1 case, 2 cases."""
    return f"{len(items):,} {noun}{'' if len(items) == 1 else 's'}"
