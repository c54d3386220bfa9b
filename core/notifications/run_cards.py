"""RunReport -> the messages for the Teams channel. Pure.

    initial scan of a guard        one card in 150 words about what exists, not about what ended
    cases with a notification      one card for each severity, the most severe first
    closed cases                   one card
    operator requests              one card

A card shows each case with its summary, remediation, evidence and next step, the most severe
first. Cases that are one story are one entry (`core.status.case_groups`), on the card of the
gravest of them; cases of one mailbox cannot crowd out others, and a card counts what does not fit.
A `ChannelMessage` lists what it covers, so that exactly this is marked as notified once the channel
accepted it, and it has a plain form for a channel that rejects the card.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from core.errors import MISTAKES, explain_error
from core.model.cases import Case
from core.model.changes import ChangeState
from core.model.findings import Severity
from core.model.guards import Mode
from core.model.requests import OperatorRequest
from core.model.run_document import format_run_coverage
from core.model.runs import REQUESTS_ONLY, TOLD_ONLY, RunReport
from core.notifications.adaptive_card import (
    MAX_MESSAGE_BYTES,
    CardElement,
    build_app_url,
    count_json_bytes,
    count_words,
    escape_markdown,
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
    CardContext,
    choose_state,
    format_amount,
    get_request_headline,
    is_preexisting,
    render_request_block,
)
from core.notifications.group_blocks import (
    GroupRenderer,
    count_kinds,
    render_closed_group,
    render_group,
    render_line_group,
    render_urgent_group,
)
from core.status.case_groups import CaseGroup, group_cases
from core.status.change_texts import describe_change
from core.status.kind_texts import describe_kind
from core.time_format import format_time

RELIES_ON = ("teams-card-size",)

RESERVED_BYTES = 2_000
MAX_MISFITS = 30
MAX_PLAIN_ROWS = 40
REJECTED = "The channel rejected the card with the details."
ODD = "A mistake of the app kept their details from the card."
# Who is hit is told by name, if only on a line: a third of a card is kept for that.
MIN_ENTRIES_FOR_LINES, MAX_LINES, LINES_SHARE = 3, 40, 3
MAX_INITIAL_ENTRIES = 5
INITIAL_KINDS = 3
MAX_INITIAL_WORDS, MAX_OPENING_WORDS, REMAINDER_WORDS = 150, 95, 7
"""What is read at once by whoever did not wait for it."""
PORTAL = (
    "https://entra.microsoft.com/#view/Microsoft_AAD_UsersAndTenants/UserProfileMenuBlade/~/"
    "overview/userId/"
)
ACCOUNT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
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
    """One message, and the cases and requests that count as notified once it was accepted."""

    payload: Mapping[str, object]
    cases: tuple[Case, ...] = ()
    operator_requests: tuple[OperatorRequest, ...] = ()
    fault: str = ""
    """The mistake of the app that left it without details."""

    def build_plain_payload(self, report: RunReport, why: str = REJECTED) -> Mapping[str, object]:
        """The message for a channel that rejected the card, or of what no card can be made of:
        small, without text from the tenant.
        """
        rows = [
            f"{case.severity.label} · {describe_kind(case.kind)} · case {case.short_key}"
            for case in self.cases
        ]
        rows += [
            f"{get_request_headline(request)} · {request.id}" for request in self.operator_requests
        ]
        more = [f"and {len(rows) - MAX_PLAIN_ROWS:,} more"] if len(rows) > MAX_PLAIN_ROWS else []
        body = [
            make_text_block(
                f"Exoguard · {report.title}: {format_amount(rows, 'notification')}",
                weight="Bolder",
            ),
            make_text_block(f"{why} They concern:"),
            *map(make_text_block, (*rows[:MAX_PLAIN_ROWS], *more)),
            make_subtle_text(
                f"GET /api/cases?guard={report.guard} · run {escape_markdown(report.run)}"
            ),
        ]
        return wrap_in_message(body, f"Exoguard: {format_amount(rows, 'notification')}")


def build_cards(
    report: RunReport, base_url: str = "", *, may_contain: bool = False
) -> list[ChannelMessage]:
    """The messages of a run in the order to send them; none when there is nothing to notify.

    With `base_url`, the public address of the app, cards link to the pages of their cases. Where
    accounts may be contained, the commands of a case about one begin with that. What no card can be
    made of is told by a plain one, and keeps back no other.
    """
    build = partial(build_detailed_cards, base_url=base_url, may_contain=may_contain)
    try:
        return build(report)
    except MISTAKES as error:
        fault = explain_error(error)
    rest, odd = split_odd_rows(report, build)
    return [*build(rest), replace(odd, payload=odd.build_plain_payload(report, ODD), fault=fault)]


def split_odd_rows(
    report: RunReport, build: Callable[[RunReport], Sequence[ChannelMessage]]
) -> tuple[RunReport, ChannelMessage]:
    """The report without what no card can be made of, and a message of that: of everything, where
    each by itself is as it should be.
    """
    cases = [one for one in report.notifications if is_odd(report, build, (one,), ())]
    requests = [one for one in report.operator_requests if is_odd(report, build, (), (one,))]
    if not cases and not requests:
        cases, requests = list(report.notifications), list(report.operator_requests)
    rest = replace(
        report,
        notifications=tuple(one for one in report.notifications if one not in cases),
        operator_requests=tuple(one for one in report.operator_requests if one not in requests),
    )
    untold = tuple(one for one in requests if not one.notified)
    return rest, ChannelMessage({}, tuple(cases), untold)


def is_odd(
    report: RunReport,
    build: Callable[[RunReport], Sequence[ChannelMessage]],
    cases: tuple[Case, ...],
    requests: tuple[OperatorRequest, ...],
) -> bool:
    """Whether no card can be made of these alone."""
    try:
        build(replace(report, notifications=cases, operator_requests=requests))
    except MISTAKES:
        return True
    return False


def build_detailed_cards(
    report: RunReport, base_url: str, *, may_contain: bool
) -> list[ChannelMessage]:
    """The same; raises a mistake about any of what it tells."""
    context = CardContext.from_report(report, base_url, may_contain=may_contain)
    requests = tuple(request for request in report.operator_requests if not request.notified)
    # What a run tells before its end is what must not wait for the summary of an initial scan.
    preexisting: list[Case] = []
    still_open: list[Case] = []
    closed: list[Case] = []
    for case in report.notifications:
        if case.notification in END_NOTIFICATIONS:
            closed.append(case)
        elif not report.is_early and (report.baselined or is_preexisting(case)):
            # Some are of an initial scan whose run ended before it could notify them.
            preexisting.append(case)
        else:
            still_open.append(case)
    groups: defaultdict[Severity, list[CaseGroup]] = defaultdict(list)
    for group in group_cases(still_open, report.guard):
        groups[group.severity].append(group)
    messages = [build_initial_message(context, tuple(preexisting))] if preexisting else []
    messages += [
        build_severity_message(context, severity, groups[severity])
        for severity in sorted(groups, reverse=True)
    ]
    if closed:
        messages.append(build_closed_message(context, closed))
    if requests:
        messages.append(build_requests_message(context, requests))
    return messages


# ----------------------------------------------------------------------------------------------
# The cards
# ----------------------------------------------------------------------------------------------


def build_initial_message(context: CardContext, cases: tuple[Case, ...]) -> ChannelMessage:
    """What already exists, in so few words that it is read: counted, and the gravest by name."""
    page = context.build_list_url(state="open")
    end = [*render_reason(context), render_card_footer(context)]
    top: list[CardElement] = []
    for most in range(INITIAL_KINDS, 0, -1):
        top = render_initial_opening(context, cases, most)
        if count_words([*top, *end]) <= MAX_OPENING_WORDS:
            break
    groups = group_cases(cases, context.report.guard)[:MAX_INITIAL_ENTRIES]
    room = MAX_INITIAL_WORDS - REMAINDER_WORDS - count_words([*top, *end])
    shown = render_initial_entries(context, groups, room)
    blocks = [block for _, block in shown]
    if rest := len(cases) - sum(len(group.cases) for group, _ in shown):
        more = f"and {rest:,} more" if blocks else f"{rest:,} cases"
        text = f"{more} · {format_card_link('all of them', page)}" if page else more
        blocks.append(make_text_block(text, weight="Bolder", separator=True))
    return ChannelMessage(wrap_card(context, [*top, *blocks, *end], page), cases)


def render_initial_entries(
    context: CardContext, groups: Sequence[CaseGroup], room: int
) -> list[tuple[CaseGroup, CardElement]]:
    """The entries that so many words have room for: what is critical by name, then its next steps,
    then the others.
    """
    urgent = [n for n, group in enumerate(groups) if group.severity is Severity.CRITICAL]
    others = [n for n in range(len(groups)) if n not in urgent]
    shown: dict[int, CardElement] = {}
    for render, numbers in (
        (render_line_group, urgent),
        (render_urgent_group, urgent),
        (render_line_group, others),
    ):
        for number in numbers:
            more = shown | {number: render(context, groups[number])}
            # A long name or step makes room for none of the others, which are as grave.
            if count_words(more.values()) <= room:
                shown = more
    return [(groups[number], shown[number]) for number in sorted(shown)]


def render_initial_opening(
    context: CardContext, cases: Sequence[Case], most: int
) -> list[CardElement]:
    """How many cases there are, by severity, of so many kinds each."""
    preexisting = [case for case in cases if is_preexisting(case)]
    severities = sorted({case.severity for case in cases}, reverse=True)
    early = context.report.early_count
    is_urgent = severities[0] is Severity.CRITICAL
    start = "What is critical cannot wait; the rest is" if is_urgent else "They are"
    before = f" {early:,} more {'were' if early > 1 else 'was'} told as found." if early else ""
    return [
        *render_card_opening(
            context,
            f"Initial scan: {format_amount(preexisting, 'pre-existing case')}",
            SEVERITY_STYLES[severities[0]],
        ),
        make_text_block(
            f"{start} the baseline: from now on only what is new, changed or closed is told."
            f"{before}"
        ),
        make_fact_set(
            (one.label, count_kinds((case for case in cases if case.severity is one), most))
            for one in severities
        ),
        *render_card_notices(context),
    ]


def build_severity_message(
    context: CardContext, severity: Severity, groups: Sequence[CaseGroup]
) -> ChannelMessage:
    """The cases of one severity, with those that belong to the same stories."""
    cases = [case for group in groups for case in group.cases]
    gravest = [case for case in cases if case.severity is severity]
    headline = f"{severity.label.capitalize()}: {count_by_headline(gravest)}"
    if len(cases) > len(gravest):
        headline += f", and {len(cases) - len(gravest):,} less severe with it"
    top = [
        *render_card_opening(context, headline, SEVERITY_STYLES[severity]),
        *render_card_notices(context, cases),
    ]
    page = context.build_list_url(severity=severity.label, state=choose_state(cases))
    return ChannelMessage(
        assemble_card(context, top, groups, page, render_group, render_reason(context)),
        tuple(cases),
    )


def build_closed_message(context: CardContext, cases: Sequence[Case]) -> ChannelMessage:
    """The closed cases: no action is needed."""
    top = [*render_card_opening(context, f"Resolved: {count_by_headline(cases)}", "good")]
    page = context.build_list_url(state="closed")
    groups = group_cases(cases, context.report.guard)
    return ChannelMessage(
        assemble_card(context, top, groups, page, render_closed_group), tuple(cases)
    )


def build_requests_message(
    context: CardContext, requests: tuple[OperatorRequest, ...]
) -> ChannelMessage:
    """What operators requested, and the results. The card counts what does not fit."""
    counts = Counter(get_request_headline(request).lower() for request in requests)
    numbers = ", ".join(f"{number} {name}" for name, number in counts.items())
    body = render_card_opening(context, f"Requested by operators: {numbers}", "emphasis")
    free_bytes, omitted = MAX_MESSAGE_BYTES - RESERVED_BYTES - count_json_bytes(body), 0
    for request in requests:
        block = render_request_block(context, request)
        if count_json_bytes(block) > free_bytes:
            omitted += 1
            continue
        body.append(block)
        free_bytes -= count_json_bytes(block)
    if omitted:
        body.append(make_text_block(f"and {omitted} more", weight="Bolder"))
    page = context.build_list_url(state="open")
    return ChannelMessage(
        wrap_card(context, [*body, render_card_footer(context)], page), (), requests
    )


def assemble_card(
    context: CardContext,
    opening_blocks: Sequence[CardElement],
    groups: Iterable[CaseGroup],
    list_url: str,
    renderer: GroupRenderer,
    closing_blocks: Sequence[CardElement] = (),
) -> Mapping[str, object]:
    """A card with as many entries as fit, the next on a line each, and a count of the other cases.

    `list_url` lists all.
    """
    free_bytes = MAX_MESSAGE_BYTES - RESERVED_BYTES
    free_bytes -= count_json_bytes([*opening_blocks, *closing_blocks])
    every = list(groups)
    lines = {at: render_line_group(context, every[at]) for at in find_short_entries(every)}
    reserved = min(sum(map(count_json_bytes, lines.values())), free_bytes // LINES_SHARE)
    free_bytes -= reserved
    found: dict[int, CardElement] = {}
    misfits = 0
    for at, group in enumerate(every):
        # After that many misfits the card is full: of ten thousand cases most are only counted.
        block = renderer(context, group) if misfits < MAX_MISFITS else None
        if block is None or count_json_bytes(block) > free_bytes:
            misfits += 1
            continue
        free_bytes -= count_json_bytes(block)
        found[at] = block
    free_bytes += reserved
    for at, group in enumerate(every[:MAX_LINES]):
        if at in found:
            continue
        # Whoever fills an entry with long names does not make a case a mere number.
        line = lines.get(at) or render_line_group(context, group)
        if count_json_bytes(line) <= free_bytes:
            free_bytes -= count_json_bytes(line)
            found[at] = line
    blocks = [found[at] for at in sorted(found)]
    shown = [case for at in sorted(found) for case in every[at].cases]
    omitted = [case for at, group in enumerate(every) if at not in found for case in group.cases]
    if omitted:
        rest = describe_remainder(omitted) + (
            f" · {format_card_link('all of them', list_url)}" if list_url else ""
        )
        blocks.append(make_text_block(rest, weight="Bolder", separator=True))
    body = [*opening_blocks, *blocks, *closing_blocks, render_card_footer(context)]
    return wrap_card(context, body, list_url, shown)


def find_short_entries(groups: Sequence[CaseGroup]) -> list[int]:
    """Where the open cases stand that may be told on a line each, if there are several entries."""
    if len(groups) < MIN_ENTRIES_FOR_LINES:
        return []
    return [
        at
        for at, group in enumerate(groups[:MAX_LINES])
        if len(group.cases) == 1 and group.lead.closed_at is None
    ]


def wrap_card(
    context: CardContext, body: Sequence[CardElement], list_url: str, shown: Sequence[Case] = ()
) -> Mapping[str, object]:
    """A card in its envelope, with buttons to the gravest case that it shows, to the account in
    Entra's portal, to its cases and to the status page.
    """
    title = context.report.title
    lead = next(iter(shown), None)
    which = "Open the case" if len(shown) == 1 else "Open the gravest case"
    buttons = (
        *(make_link_button(which, context.build_case_url(lead.key)) if lead else ()),
        *(make_link_button("The account in Entra", build_portal_url(lead)) if lead else ()),
        *make_link_button("These cases", list_url),
        *make_link_button("All guards", context.status_url),
    )
    return wrap_in_message(
        body,
        escape_markdown(
            f"Exoguard: {title}, {format_amount(context.report.notifications, 'notification')}"
        ),
        buttons,
    )


def build_portal_url(case: Case) -> str:
    """The page of Entra's portal about the account of a case; empty where there is none."""
    account = case.held_account
    return f"{PORTAL}{account}" if ACCOUNT_ID.fullmatch(account) and not case.closed_at else ""


def render_reason(context: CardContext) -> list[CardElement]:
    """Why what a card tells matters: last, for whoever asks."""
    reason = context.report.rationale
    if not reason:
        return []
    return [make_text_block(f"**Why it matters:** {escape_markdown(reason)}", separator=True)]


def render_card_opening(context: CardContext, headline: str, style: str) -> list[CardElement]:
    """The top of a card: guard, headline, mode, coverage."""
    report = context.report
    coverage = (
        f" · {escape_markdown(format_run_coverage(report))}"
        if report.population or report.unavailable_sources
        else ""
    )
    line = f"{report.mode} mode{coverage} · {format_time(report.started_at)}"
    return [make_card_header(escape_markdown(report.title), headline, line, style)]


def count_by_headline(cases: Iterable[Case]) -> str:
    """How many cases there are under each headline."""
    counts = Counter(CASE_HEADLINES[case.notification].lower() for case in cases)
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def render_card_notices(
    context: CardContext, cases: Sequence[Case] | None = None
) -> Iterator[CardElement]:
    """Notices about the changes of a card's cases, or of the run."""
    keys = {case.key for case in cases} if cases is not None else None
    preview = [one for one in context.report.preview if keys is None or one.case_key in keys]
    if preview:
        kinds = Counter(outcome.kind for outcome in preview)
        planned = ", ".join(
            f"{number} x {describe_change(kind)}" for kind, number in kinds.most_common()
        )
        yield make_text_block(f"**Not changed yet. The next run will make:** {planned}.")
    failed = [
        outcome
        for outcome in context.report.outcomes
        if outcome.state is ChangeState.FAILED and (keys is None or outcome.case_key in keys)
    ]
    if failed:
        verb = "change did" if len(failed) == 1 else "changes did"
        yield make_text_block(f"**{len(failed)} {verb} not succeed.** The next run tries again.")


def describe_remainder(omitted: Sequence[Case]) -> str:
    """The cases that did not fit, counted by kind."""
    return f"and {len(omitted):,} more: {count_kinds(omitted)}"


def render_card_footer(context: CardContext) -> CardElement:
    """Where to find the details."""
    report = context.report
    run = escape_markdown(report.run)
    # A run that only processes requests has no run document: its id is that of the request.
    requests_only = report.status == REQUESTS_ONLY
    place, label = ("requests", "request") if requests_only else ("runs", "run")
    page = build_app_url(context.base_url, place, report.guard, report.run)
    details = format_card_link(f"details of the {label}", page)
    parts = [details] if page and RUN_ID.fullmatch(report.run) else [f"{label} {run}"]
    if report.exemption_count:
        parts.append(f"{report.exemption_count} exempt")
    if report.mode is Mode.ALERT:
        parts.append("alert mode: this guard changes nothing")
    if report.status == TOLD_ONLY:
        parts[0] = "told without a run"
    elif not page:
        parts.append(f"details: GET /api/{place}/{report.guard}/{run}")
    return make_subtle_text(" · ".join(parts), separator=True)
