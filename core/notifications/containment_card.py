"""The card of a contained account: what was done, what failed, what stays for a person. Pure."""

from collections import Counter
from collections.abc import Mapping

from core.model.containment import Containment, StepState
from core.notifications.adaptive_card import (
    CardElement,
    build_app_url,
    escape_markdown,
    make_card_header,
    make_fact_set,
    make_link_button,
    make_subtle_text,
    make_text_block,
    wrap_in_message,
)
from core.status.containment_texts import STEP_STATE_TEXTS, describe_news

MAX_LISTED = 12
ENABLED_NOTE = (
    "Somebody, or a synchronisation, enabled the account after it was blocked. It was blocked once "
    "more: disable it in the directory on premises as well."
)


def build_containment_card(
    containment: Containment, summary: str, public_url: str
) -> Mapping[str, object]:
    """The card about one containment."""
    headline = describe_news(containment)
    is_bad = containment.untold == "enabled" or any(
        step.state in (StepState.FAILED, StepState.REFUSED) for step in containment.steps
    )
    style = "attention" if is_bad else "good" if containment.untold == "undone" else "warning"
    name = escape_markdown(containment.account_name or containment.account_id, 200)
    body: list[CardElement] = [make_card_header("containment", headline, name, style)]
    by = containment.ordered_by or containment.requested_by
    by = containment.undone_by if containment.untold == "undone" else by
    body.append(
        make_text_block(
            f"By {escape_markdown(by, 200)}: {escape_markdown(containment.reason, 500)}"
        )
    )
    body.append(make_text_block(escape_markdown(summary, 600)))
    if containment.untold == "enabled":
        body.append(make_text_block(ENABLED_NOTE))
    body += list_step_rows(containment)
    page = build_app_url(public_url, "containments", containment.id)
    return wrap_in_message(
        body, f"Exoguard: {headline}: {name}", make_link_button("Open the containment", page)
    )


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


def list_step_rows(containment: Containment) -> list[CardElement]:
    """The steps that Exoguard made, and the first of those that stay for a person."""
    made = [step for step in containment.steps if step.change]
    persons = [step for step in containment.steps if not step.change]
    rows: list[CardElement] = [
        make_fact_set(
            (
                STEP_STATE_TEXTS[step.state],
                f"{escape_markdown(step.title, 200)}"
                + (f" ({escape_markdown(step.result, 200)})" if step.result else ""),
            )
            for step in made[:MAX_LISTED]
        )
    ]
    if persons:
        rows.append(make_text_block("What stays for you:", weight="Bolder"))
    for step in persons[:MAX_LISTED]:
        rows.append(make_text_block(f"- {escape_markdown(step.title, 200)}", spacing="Small"))
        if step.command:
            rows.append(make_subtle_text(escape_markdown(step.command, 400), fontType="Monospace"))
    more = max(0, len(persons) - MAX_LISTED) + max(0, len(made) - MAX_LISTED)
    if more:
        rows.append(make_subtle_text(f"and {more} more steps"))
    return rows
