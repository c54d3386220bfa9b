"""One entry of a card that stands for several cases: what they share, the gravest, all by name.

    what they share, how many, how severe
    the gravest case: summary, evidence
    the next step, and a command for all, or the first commands about the gravest
    evidence, and what Exoguard does, of all where it is the same
    the cases by name, as many as fit, and how many more

Untrusted text is escaped and bounded, as in the entry of a single case.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from core.microsoft365.bulk_commands import build_bulk_commands
from core.model.cases import Case, Notification, parse_planned_changes
from core.model.guards import Mode
from core.notifications.adaptive_card import (
    CardElement,
    count_json_bytes,
    escape_markdown,
    format_card_link,
    make_container,
    make_subtle_text,
    make_text_block,
)
from core.notifications.case_blocks import (
    CardContext,
    choose_state,
    describe_next_step,
    describe_remediation,
    fit_case_block,
    get_case_headline,
    make_evidence_table,
    render_case_block,
    render_closed_block,
    render_commands,
    render_line_block,
    render_reminder_block,
)
from core.status.case_groups import CaseGroup
from core.status.kind_texts import count_kind, describe_kind

MAX_GROUP_BYTES = 6_500
MAX_NAMED = 9
# How many facts of the gravest case, and how many cases by name, from the most to the fewest.
GROUP_SIZES = ((8, MAX_NAMED), (3, MAX_NAMED), (0, MAX_NAMED), (0, 4))
MAX_LISTED_TEXTS = 3
# How long a next step may be, and of how many cases each has its own.
STEPS, SHORT_STEPS = (600, 2), (200, 1)
MAX_COMMAND_LENGTH = 3_000

type GroupRenderer = Callable[[CardContext, CaseGroup], CardElement]
type BlockRenderer = Callable[[CardContext, CaseGroup, int, int], CardElement]


def render_group(context: CardContext, group: CaseGroup) -> CardElement:
    """An entry of open cases: in full for one, in one for several, a line for what is repeated."""
    if len(group.cases) > 1:
        return fit_group_block(context, group, render_group_block)
    if group.lead.notification is Notification.REMINDER:
        return render_reminder_block(context, group.lead)
    return fit_case_block(context, group.lead, render_case_block)


def render_line_group(context: CardContext, group: CaseGroup) -> CardElement:
    """An entry on one line, for the card of an initial scan, or for want of room."""
    if len(group.cases) == 1:
        return render_line_block(context, group.lead)
    page = format_card_link(
        f"all {len(group.cases):,} of them",
        context.build_list_url(about=group.story, state=choose_state(group.cases)),
    )
    text = f"**{count_severities(group.cases)}** · {describe_story(group)} · {page}"
    return make_container([make_text_block(text, spacing="None")], separator=True)


def render_urgent_group(context: CardContext, group: CaseGroup) -> CardElement:
    """An entry on one line with its next step, where it cannot wait."""
    steps = list_next_steps(context, group, *SHORT_STEPS)
    texts = [make_text_block(f"**Next step:** {step}", spacing="None") for step in steps]
    return make_container([render_line_group(context, group), *texts])


def render_closed_group(context: CardContext, group: CaseGroup) -> CardElement:
    """An entry of cases that ended."""
    if len(group.cases) == 1:
        return fit_case_block(context, group.lead, render_closed_block)
    return fit_group_block(context, group, render_closed_group_block)


def fit_group_block(
    context: CardContext,
    group: CaseGroup,
    renderer: BlockRenderer,
) -> CardElement:
    """An entry with as many facts and names as fit in MAX_GROUP_BYTES."""
    block = make_container([])
    for max_facts, max_named in GROUP_SIZES:
        block = renderer(context, group, max_facts, max_named)
        if count_json_bytes(block) <= MAX_GROUP_BYTES:
            break
    return block


def render_group_block(
    context: CardContext, group: CaseGroup, max_facts: int, max_named: int
) -> CardElement:
    """Open cases that are one story."""
    lead = group.lead
    commands = list_group_commands(context, group.cases)
    items = [
        *render_group_heading(group),
        make_text_block(
            f"The gravest: {escape_markdown(lead.summary, 400 if max_facts else 120)}",
            spacing="Small",
        ),
        *(
            make_text_block(f"**Next step:** {step}", spacing="Small")
            for step in list_next_steps(context, group, *(STEPS if max_facts else SHORT_STEPS))
        ),
        *(
            make_text_block(
                f"**{title}:** {escape_markdown(command, MAX_COMMAND_LENGTH)}", spacing="Small"
            )
            for title, command in commands
        ),
        *(() if commands else render_commands(context, lead)),
        make_evidence_table(lead, max_facts),
        *(
            make_text_block(text, spacing="Small")
            for text in count_texts(describe_remediation(context, case) for case in group.cases)
        ),
        *render_names(context, group, max_named),
    ]
    return make_container(items, separator=True, spacing="Medium")


def render_closed_group_block(
    context: CardContext, group: CaseGroup, max_facts: int, max_named: int
) -> CardElement:
    """Cases that were one story and ended."""
    items = [
        *render_group_heading(group),
        make_text_block(
            f"Was: {escape_markdown(group.lead.summary, 400 if max_facts else 120)}", spacing="None"
        ),
        *(
            make_text_block(text, spacing="None")
            for text in count_texts(describe_remediation(context, case) for case in group.cases)
        ),
        *render_names(context, group, max_named),
    ]
    return make_container(items, separator=True)


def render_group_heading(group: CaseGroup) -> list[CardElement]:
    """What is new about the cases, how severe they are, and what makes one story of them."""
    return [
        make_text_block(
            f"**{count_headlines(group.cases)}** · {count_severities(group.cases)}",
            size="Small",
            spacing="None",
        ),
        make_text_block(describe_story(group), weight="Bolder", spacing="None"),
    ]


def describe_story(group: CaseGroup) -> str:
    """How many cases there are, and what they share."""
    kinds = count_kinds(group.cases)
    if group.shared is None:
        subject = escape_markdown(group.lead.subject, 120)
        return f"{len(group.cases):,} cases of {subject}: {kinds}"
    shared = escape_markdown(group.shared.text[:1].upper() + group.shared.text[1:], 120)
    return f"{shared} in {len(group.object_ids):,} places: {kinds}"


def count_headlines(cases: Iterable[Case]) -> str:
    """How many of the cases are new, changed, still open, or over."""
    counts = Counter(get_case_headline(case).lower() for case in cases)
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())


def count_severities(cases: Iterable[Case]) -> str:
    """The severity of all, or how many have which, the gravest first."""
    counts = Counter(case.severity for case in cases)
    if len(counts) == 1:
        return next(iter(counts)).label
    return ", ".join(f"{counts[one]:,} {one.label}" for one in sorted(counts, reverse=True))


def count_kinds(cases: Iterable[Case], most: int = MAX_LISTED_TEXTS) -> str:
    """How many cases there are of which kind, in plain words; the rest is counted."""
    counts = Counter(case.kind for case in cases)
    shown = counts.most_common(most)
    others = sum(counts.values()) - sum(number for _, number in shown)
    parts = [escape_markdown(count_kind(kind, number), 120) for kind, number in shown]
    return ", ".join(
        [*parts, *([f"{others:,} {'others' if others > 1 else 'other'}"] if others else [])]
    )


def count_texts(texts: Iterable[str]) -> list[str]:
    """A text that holds for all cases once; several with how many cases each holds for."""
    counts = Counter(texts)
    if len(counts) == 1:
        return list(counts)
    shown = counts.most_common(MAX_LISTED_TEXTS)
    others = sum(counts.values()) - sum(number for _, number in shown)
    lines = [f"{number:,} of them: {text}" for text, number in shown]
    return [*lines, *([f"{others:,} others: see their pages."] if others else [])]


def list_next_steps(context: CardContext, group: CaseGroup, limit: int, most: int) -> list[str]:
    """What an operator has to do: of all where it is the same or they are few, else the gravest.

    Of two cases, whoever is told one step takes it for all there is to do.
    """
    steps = [(case, describe_next_step(context, case, limit)) for case in group.cases]
    first = steps[0][1]
    if all(step == first for _, step in steps):
        return [first] if first else []
    if len(steps) <= most:
        return [f"(case {case.short_key}) {step}" for case, step in steps if step]
    return [f"(the gravest) {first}"] if first else []


def list_group_commands(context: CardContext, cases: Sequence[Case]) -> list[tuple[str, str]]:
    """What carries out all that is planned for the cases, as far as it waits for an operator."""
    waiting = [
        case for case in cases if not case.closed_at and case.key not in context.planned_cases
    ]
    report = context.report
    if report.mode is Mode.ENFORCE:
        held = [case for case in waiting if not case.deferred_at and case.planned_changes]
        if held and report.block_reason and report.plan:
            release = f"exo release {report.guard} {report.plan}"
            return [("To release all that the brake holds", release)]
        waiting = [case for case in waiting if case.deferred_at]
    changes = [change for case in waiting for change in parse_planned_changes(case)]
    return [
        (
            f"For all {command.covered:,}"
            if command.covered == command.wanted
            else f"For {command.covered:,} of {command.wanted:,}",
            command.text,
        )
        for command in build_bulk_commands(changes, MAX_COMMAND_LENGTH)
        if command.covered > 1
    ]


def render_names(context: CardContext, group: CaseGroup, max_named: int) -> list[CardElement]:
    """The cases by name, as many as are shown, and a link to all."""
    shown, rest = group.cases[:max_named], group.cases[max_named:]
    items = [make_subtle_text(name_case(context, group, case), spacing="None") for case in shown]
    items[0]["spacing"] = "Small"
    page = format_card_link(
        f"all {len(group.cases):,} of them",
        context.build_list_url(about=group.story, state=choose_state(group.cases)),
    )
    if rest:
        subjects = list(dict.fromkeys(case.subject for case in rest)) if group.shared else []
        names = ", ".join(escape_markdown(one, 60) for one in subjects[:max_named])
        more = " …" if len(subjects) > max_named else ""
        about = f": {names}{more}" if names else ""
        items.append(make_text_block(f"and {len(rest):,} more{about} · {page}", spacing="None"))
    elif context.base_url:
        items.append(make_subtle_text(page, spacing="None"))
    return items


def name_case(context: CardContext, group: CaseGroup, case: Case) -> str:
    """One case of several in a line: of what the heading says of all, nothing again."""
    parts = [format_card_link(f"case {case.short_key}", context.build_case_url(case.key))]
    if len({one.severity for one in group.cases}) > 1:
        parts.append(case.severity.label)
    parts.append(escape_markdown(case.subject if group.shared else case.summary, 100))
    if group.shared and len({one.kind for one in group.cases}) > 1:
        parts.append(escape_markdown(describe_kind(case.kind), 120))
    return " · ".join(parts)
