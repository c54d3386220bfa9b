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
from core.model.requests import OperatorRequest
from core.model.run_document import format_run_coverage
from core.model.runs import REQUESTS_ONLY, RunReport
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
from core.notifications.case_blocks import (
    CASE_HEADLINES,
    END_NOTIFICATIONS,
    BlockRenderer,
    CardContext,
    fit_case_block,
    format_amount,
    format_card_time,
    get_request_headline,
    is_preexisting,
    render_case_block,
    render_closed_block,
    render_compact_block,
    render_request_block,
)
from core.sanitize import escape_markdown
from core.status.change_texts import describe_change

RESERVED_BYTES = 2_000
MAX_PER_OBJECT = 3
MAX_MISFITS = 30
MAX_PLAIN_ROWS = 40
MAX_INITIAL_CASES = 12
RUN_ID = re.compile(r"\d{14}-[0-9a-f]{8}")
SEVERITY_STYLES = {
    Severity.INFO: "accent",
    Severity.LOW: "accent",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "attention",
    Severity.CRITICAL: "attention",
}


@dataclass(frozen=True, slots=True)
class ChannelMessage:
    """One message and what it tells: exactly this is told once the channel took it."""

    payload: Mapping[str, object]
    cases: tuple[Case, ...] = ()
    operator_requests: tuple[OperatorRequest, ...] = ()

    def build_plain_payload(self, report: RunReport) -> Mapping[str, object]:
        """The same news for a channel that refused the card: small, and without foreign text."""
        rows = [
            f"{case.severity.label} · {case.kind} · case {case.short_key}" for case in self.cases
        ]
        rows += [
            f"{get_request_headline(action)} · {action.id}" for action in self.operator_requests
        ]
        more = [f"and {len(rows) - MAX_PLAIN_ROWS:,} more"] if len(rows) > MAX_PLAIN_ROWS else []
        body = [
            make_text_block(
                f"Exoguard · {report.title}: {format_amount(rows, 'thing')} to tell",
                weight="Bolder",
            ),
            make_text_block("The channel refused the card that shows them. Look at:"),
            *map(make_text_block, (*rows[:MAX_PLAIN_ROWS], *more)),
            make_subtle_text(
                f"GET /api/cases?guard={report.guard} · run {escape_markdown(report.run)}"
            ),
        ]
        return wrap_in_message(body, f"Exoguard: {format_amount(rows, 'thing')} to tell")


def build_cards(report: RunReport, base_url: str = "") -> list[ChannelMessage]:
    """The messages of a run, in the order they are to be sent; none when there is nothing to tell.

    `address` is where people reach the app: with it cards link to the pages of their cases.
    """
    frame = CardContext.from_report(report, base_url)
    asked = tuple(action for action in report.operator_requests if not action.notified)
    if report.baselined and report.notifications:
        return [build_initial_message(frame, report.notifications, asked)]
    # What an earlier run took as its starting point and could not tell any more.
    there = tuple(filter(is_preexisting, report.notifications))
    groups: defaultdict[Severity, list[Case]] = defaultdict(list)
    ended: list[Case] = []
    for case in report.notifications:
        if not is_preexisting(case):
            (ended if case.notification in END_NOTIFICATIONS else groups[case.severity]).append(
                case
            )
    messages = [build_initial_message(frame, there)] if there else []
    messages += [
        build_severity_message(frame, grave, groups[grave])
        for grave in sorted(groups, reverse=True)
    ]
    if ended:
        messages.append(build_closed_message(frame, ended))
    if asked:
        messages.append(build_requests_message(frame, asked))
    return messages


# ----------------------------------------------------------------------------------------------
# The cards
# ----------------------------------------------------------------------------------------------


def build_initial_message(
    context: CardContext, cases: tuple[Case, ...], requests: tuple[OperatorRequest, ...] = ()
) -> ChannelMessage:
    """All that exists already, by number and gravity, and the gravest of it in detail."""
    there = [case for case in cases if is_preexisting(case)]
    worst = max(case.severity for case in cases)
    counts = Counter(
        (case.severity, case.kind) for case in cases if case.notification not in END_NOTIFICATIONS
    )
    by_gravity: defaultdict[Severity, list[str]] = defaultdict(list)
    for (severity, kind), number in sorted(counts.items(), key=lambda row: (-row[0][0], -row[1])):
        by_gravity[severity].append(f"{number} x {escape_markdown(kind, 60)}")
    rows = [(severity.label, ", ".join(kinds)) for severity, kinds in by_gravity.items()]
    top = [
        *render_card_opening(
            context,
            f"First look: {format_amount(there, 'thing')} already there",
            SEVERITY_STYLES[worst],
        ),
        make_text_block(
            "What is already there is the starting point and will not be told one by one. From "
            "now on only what is new, changed or gone is told."
        ),
        *([make_fact_set(rows)] if rows else ()),
        *render_card_notices(context),
        *(render_request_block(context, action) for action in requests),
    ]
    page = context.build_list_url(state="open")
    return ChannelMessage(
        assemble_card(context, top, cases, page, render_compact_block, MAX_INITIAL_CASES),
        cases,
        requests,
    )


def build_severity_message(
    context: CardContext, severity: Severity, cases: Sequence[Case]
) -> ChannelMessage:
    """The cases of one gravity."""
    headline = f"{severity.label.capitalize()}: {count_by_headline(cases)}"
    top = [
        *render_card_opening(context, headline, SEVERITY_STYLES[severity]),
        *render_card_notices(context, cases),
    ]
    page = context.build_list_url(severity=severity.label, state="open")
    return ChannelMessage(assemble_card(context, top, cases, page, render_case_block), tuple(cases))


def build_closed_message(context: CardContext, cases: Sequence[Case]) -> ChannelMessage:
    """The cases that are over: nobody has to do anything."""
    top = [
        *render_card_opening(
            context, f"Over: {count_by_headline(cases)}", "good", with_reason=False
        )
    ]
    page = context.build_list_url(state="closed")
    return ChannelMessage(
        assemble_card(context, top, cases, page, render_closed_block), tuple(cases)
    )


def build_requests_message(
    context: CardContext, requests: tuple[OperatorRequest, ...]
) -> ChannelMessage:
    """What people asked of the guard, and what came of it. What does not fit is counted."""
    counts = Counter(get_request_headline(action).lower() for action in requests)
    numbers = ", ".join(f"{number} {name}" for name, number in counts.items())
    body = render_card_opening(
        context, f"Asked for by people: {numbers}", "emphasis", with_reason=False
    )
    room, left = MAX_MESSAGE_BYTES - RESERVED_BYTES - count_json_bytes(body), 0
    for action in requests:
        block = render_request_block(context, action)
        if count_json_bytes(block) > room:
            left += 1
            continue
        body.append(block)
        room -= count_json_bytes(block)
    if left:
        body.append(make_text_block(f"and {left} more", weight="Bolder"))
    page = context.build_list_url(state="open")
    return ChannelMessage(
        wrap_card(context, [*body, render_card_footer(context)], page), (), requests
    )


def assemble_card(
    context: CardContext,
    opening_blocks: Sequence[CardElement],
    cases: Iterable[Case],
    list_url: str,
    renderer: BlockRenderer,
    max_cases: int = 1_000,
) -> Mapping[str, object]:
    """A card with as many entries as fit, and the rest counted. `page` lists all of them."""
    room = MAX_MESSAGE_BYTES - RESERVED_BYTES - count_json_bytes(opening_blocks)
    shown: list[CardElement] = []
    left: list[Case] = []
    misfits = 0
    for case in rank_for_card(cases):
        # What did not fit so often will not: of ten thousand, most are only counted.
        block = (
            fit_case_block(context, case, renderer)
            if len(shown) < max_cases and misfits < MAX_MISFITS
            else None
        )
        if block is None or count_json_bytes(block) > room:
            misfits += 1
            left.append(case)
            continue
        room -= count_json_bytes(block)
        shown.append(block)
    if left:
        rest = describe_remainder(left) + (
            f" · {format_card_link('all of them', list_url)}" if list_url else ""
        )
        shown.append(make_text_block(rest, weight="Bolder", separator=True))
    return wrap_card(context, [*opening_blocks, *shown, render_card_footer(context)], list_url)


def wrap_card(
    context: CardContext, body: Sequence[CardElement], list_url: str
) -> Mapping[str, object]:
    """A card in its envelope, with the way to its cases and to the page of all guards."""
    title = context.report.title
    buttons = (
        *make_link_button("These cases", list_url),
        *make_link_button("All guards", context.status_url),
    )
    return wrap_in_message(
        body,
        escape_markdown(f"Exoguard: {title}, {len(context.report.notifications)} news"),
        buttons,
    )


def render_card_opening(
    context: CardContext, headline: str, style: str, with_reason: bool = True
) -> list[CardElement]:
    """What a card begins with: what it is about, how it was seen, and why it matters."""
    report = context.report
    seen = (
        f" · {escape_markdown(format_run_coverage(report))}"
        if report.population or report.unavailable_sources
        else ""
    )
    line = f"{report.mode} mode{seen} · {format_card_time(report.started_at)}"
    body = [make_card_header(escape_markdown(report.title), headline, line, style)]
    if with_reason and report.rationale:
        body.append(make_text_block(f"**Why it matters:** {escape_markdown(report.rationale)}"))
    return body


def rank_for_card(cases: Iterable[Case]) -> list[Case]:
    """The gravest first; of one object only a few before everybody else has had a turn."""
    ranked = sorted(
        cases, key=lambda case: (-case.severity, case.opened_at, case.subject, case.key)
    )
    turns: Counter[str] = Counter()
    first: list[Case] = []
    later: list[Case] = []
    for case in ranked:
        turns[case.object_id] += 1
        (first if turns[case.object_id] <= MAX_PER_OBJECT else later).append(case)
    return first + later


def count_by_headline(cases: Iterable[Case]) -> str:
    """The news in numbers."""
    counts = Counter(CASE_HEADLINES[case.notification].lower() for case in cases)
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def render_card_notices(
    context: CardContext, cases: Sequence[Case] | None = None
) -> Iterator[CardElement]:
    """What concerns all cases of a card, or of the run."""
    keys = {case.key for case in cases} if cases is not None else None
    preview = [one for one in context.report.preview if keys is None or one.case_key in keys]
    if preview:
        kinds = Counter(outcome.kind for outcome in preview)
        planned = ", ".join(
            f"{number} x {describe_change(kind)}" for kind, number in kinds.most_common()
        )
        yield make_text_block(f"**Nothing was changed yet. The next run will make:** {planned}.")
    failed = [
        outcome
        for outcome in context.report.outcomes
        if outcome.state is ChangeState.FAILED and (keys is None or outcome.case_key in keys)
    ]
    if failed:
        verb = "change did" if len(failed) == 1 else "changes did"
        yield make_text_block(f"**{len(failed)} {verb} not succeed** and will be tried again.")


def describe_remainder(omitted: Iterable[Case]) -> str:
    """Everything that did not fit, counted by kind and severity."""
    counts = Counter((case.severity, case.kind) for case in omitted)
    parts = [
        f"{number} x {escape_markdown(kind, 60)} ({severity.label})"
        for (severity, kind), number in sorted(counts.items(), reverse=True)
    ]
    return f"and {sum(counts.values())} more: {', '.join(parts)}"


def render_card_footer(context: CardContext) -> CardElement:
    """Where to look further."""
    report = context.report
    run = escape_markdown(report.run)
    # Who is only called to do what was asked for makes no run: its id is that of the action.
    asked = report.status == REQUESTS_ONLY
    place, label = ("actions", "action") if asked else ("runs", "run")
    page = build_app_url(context.base_url, place, report.guard, report.run)
    whole = format_card_link(f"the whole {label}", page)
    parts = [whole] if page and RUN_ID.fullmatch(report.run) else [f"{label} {run}"]
    if report.exemption_count:
        parts.append(f"{report.exemption_count} exempt")
    if report.mode is Mode.ALERT:
        parts.append("this guard only tells, it changes nothing")
    if not page:
        parts.append(f"all of it: GET /api/{place}/{report.guard}/{run}")
    return make_subtle_text(" · ".join(parts), separator=True)
