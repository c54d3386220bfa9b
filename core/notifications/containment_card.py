"""The card of a contained account: what was done, what failed, what stays for a person. Pure."""

from collections import Counter
from collections.abc import Mapping

from core.model.containment import STALLED, Containment, ContainmentStep, StepState
from core.notifications.adaptive_card import (
    MAX_MESSAGE_BYTES,
    CardElement,
    build_app_url,
    count_json_bytes,
    escape_markdown,
    make_card_header,
    make_fact_set,
    make_link_button,
    make_subtle_text,
    make_text_block,
    take_fitting,
    wrap_in_message,
)
from core.status.containment_texts import (
    MAX_UNREADABLE,
    STEP_STATE_TEXTS,
    UNREADABLE_ADVICE,
    UNREADABLE_HEADLINE,
    describe_news,
    explain_stall,
    get_actor,
    has_succeeded,
    is_partly_undone,
)

MAX_LISTED = 12
MAX_NAME, MAX_REASON, MAX_STEP, MAX_COMMAND = 120, 300, 200, 600
REMAINDER_BYTES = 800
"""Room for the names of fields, and for the line that says how many steps are not shown."""
ENABLED_NOTE = (
    "Somebody, or a synchronisation, enabled the account after it was blocked. It was blocked once "
    "more: disable it in the directory on premises as well."
)


def build_containment_card(
    containment: Containment, summary: str, public_url: str
) -> Mapping[str, object]:
    """The card about one containment. It counts the steps that do not fit."""
    headline = describe_news(containment)
    is_over = containment.untold == "undone"
    is_bad = (
        containment.untold in ("enabled", STALLED)
        or (is_over and is_partly_undone(containment))
        or any(step.state in (StepState.FAILED, StepState.REFUSED) for step in containment.steps)
    )
    style = "attention" if is_bad else "good" if is_over else "warning"
    name = escape_markdown(containment.account_name or containment.account_id, MAX_NAME)
    body: list[CardElement] = [make_card_header("containment", headline, name, style)]
    by = escape_markdown(get_actor(containment), MAX_NAME)
    reason = escape_markdown(containment.reason, MAX_REASON)
    body.append(make_text_block(f"By {by}: {reason}"))
    body.append(make_text_block(escape_markdown(summary, 400)))
    if containment.untold == "enabled":
        body.append(make_text_block(ENABLED_NOTE))
    if containment.untold == STALLED:
        why, advice = explain_stall(containment)
        body.append(make_text_block(escape_markdown(why, MAX_REASON + 100)))
        body.append(make_text_block(advice))
    page = build_app_url(public_url, "containments", containment.id)
    fallback = f"Exoguard: {headline}: {name}"
    buttons = make_link_button("Open the containment", page)
    free_bytes = MAX_MESSAGE_BYTES - count_json_bytes(wrap_in_message(body, fallback, buttons))
    body += list_step_rows(containment, free_bytes - REMAINDER_BYTES)
    return wrap_in_message(body, fallback, buttons)


def build_unreadable_card(told: Mapping[str, str]) -> Mapping[str, object]:
    """The card about containments whose rows cannot be decoded: each by its id, with what is known
    of it otherwise.
    """
    count = f"{len(told):,} of them" if len(told) > 1 else "one of them"
    body: list[CardElement] = [
        make_card_header("containment", UNREADABLE_HEADLINE, count, "attention"),
        make_text_block(UNREADABLE_ADVICE),
        make_fact_set(
            [
                (escape_markdown(name, MAX_NAME), escape_markdown(known, MAX_REASON))
                for name, known in list(told.items())[:MAX_UNREADABLE]
            ]
        ),
    ]
    return wrap_in_message(body, f"Exoguard: {UNREADABLE_HEADLINE}")


def build_plain_containment_card(containment: Containment, public_url: str) -> Mapping[str, object]:
    """The card for a channel that rejected the one with the details: small, without text from the
    tenant.
    """
    headline = describe_news(containment)
    counts = Counter(STEP_STATE_TEXTS[step.state] for step in containment.steps)
    steps = ", ".join(f"{count} {text}" for text, count in sorted(counts.items()))
    body: list[CardElement] = [
        make_text_block(f"Exoguard: {headline}", weight="Bolder"),
        make_text_block("The channel rejected the card with the details."),
        make_text_block(f"Account {escape_markdown(containment.account_id, 64)}. Steps: {steps}."),
        make_subtle_text(f"GET /api/containments/{escape_markdown(containment.id, 64)}.json"),
    ]
    page = build_app_url(public_url, "containments", containment.id)
    return wrap_in_message(
        body, f"Exoguard: {headline}", make_link_button("Open the containment", page)
    )


def list_step_rows(containment: Containment, free_bytes: int) -> list[CardElement]:
    """The steps that Exoguard made, what failed first, then those that stay for a person: as many
    as so many bytes hold, and how many more there are.
    """
    made = [step for step in containment.steps if step.change]
    made.sort(key=lambda step: has_succeeded(containment, step))
    persons = [step for step in containment.steps if not step.change]
    told = take_fitting(map(describe_made_step, made[:MAX_LISTED]), free_bytes)
    rows: list[CardElement] = [make_fact_set(told)]
    free_bytes -= count_json_bytes(rows)
    named = take_fitting(map(render_own_step, persons[:MAX_LISTED]), free_bytes)
    if named:
        rows.append(make_text_block("What stays for you:", weight="Bolder"))
    rows += (element for elements in named for element in elements)
    if more := len(made) - len(told) + len(persons) - len(named):
        rows.append(make_subtle_text(f"and {more} more steps"))
    return rows


def describe_made_step(step: ContainmentStep) -> tuple[str, str]:
    """What came of a step, and which it is."""
    result = f" ({escape_markdown(step.result, MAX_STEP)})" if step.result else ""
    return STEP_STATE_TEXTS[step.state], f"{escape_markdown(step.title, MAX_STEP)}{result}"


def render_own_step(step: ContainmentStep) -> list[CardElement]:
    """A step that stays for a person, with its command. One that had to be changed to be shown
    would do something else, and is on the page alone.
    """
    rows = [make_text_block(f"- {escape_markdown(step.title, MAX_STEP)}", spacing="Small")]
    if step.command and len(step.command) <= MAX_COMMAND and "://" not in step.command:
        command = escape_markdown(step.command, MAX_COMMAND)
        rows.append(make_subtle_text(command, fontType="Monospace"))
    return rows
