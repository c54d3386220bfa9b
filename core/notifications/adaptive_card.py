"""An Adaptive Card, piece by piece: pure, and the same for everything that is told.

Version 1.4 in the envelope that Workflows expects (Microsoft Learn: Create incoming webhooks with
Workflows). Teams takes about 28 KB a message; a card stays below 25 KB.

Foreign text comes in escaped (`core.sanitize.escaped`), so that nothing of it acts as markdown. A
link is made of our own words and an address of the app alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode

type CardElement = dict[str, object]

HEADLINE_COLOUR = {
    "default": "Default",
    "emphasis": "Default",
    "accent": "Accent",
    "good": "Good",
    "warning": "Warning",
    "attention": "Attention",
}
"""The colour of a headline by the style of its container."""
MAX_MESSAGE_BYTES = 24_000
"""Bytes a whole message may have."""


def make_text_block(value: str, **options: object) -> CardElement:
    """A TextBlock. `value` is our own words or escaped already."""
    return {"type": "TextBlock", "text": value, "wrap": True, **options}


def make_subtle_text(value: str, **options: object) -> CardElement:
    """A TextBlock for what only completes the picture."""
    return make_text_block(value, isSubtle=True, size="Small", **options)


def make_fact_set(rows: Iterable[tuple[str, str]], **options: object) -> CardElement:
    """A FactSet: names at the left, what they are at the right, both escaped already."""
    facts = [{"title": name, "value": value} for name, value in rows]
    return {"type": "FactSet", "facts": facts, **options}


def make_container(items: Sequence[CardElement], **options: object) -> CardElement:
    """A Container."""
    return {"type": "Container", "items": list(items), **options}


def make_card_header(about: str, headline: str, subtitle: str, style: str) -> CardElement:
    """The coloured top of a card: what it is about, what there is to know, and of when."""
    return make_container(
        [
            make_text_block(f"Exoguard · {about}", weight="Bolder", spacing="None"),
            make_text_block(
                headline,
                size="Large",
                weight="Bolder",
                spacing="None",
                color=HEADLINE_COLOUR[style],
            ),
            make_subtle_text(subtitle, spacing="Small"),
        ],
        style=style,
        bleed=True,
    )


def build_app_url(base_url: str, *path: str, **query: str) -> str:
    """An address of the app's own pages; empty when nobody said where the app is."""
    if not base_url:
        return ""
    asked = f"?{urlencode(query)}" if query else ""
    return f"{base_url.rstrip('/')}/api/{'/'.join(quote(part, safe='') for part in path)}{asked}"


def format_card_link(label: str, url: str) -> str:
    """Our own words as a link, or as they are where there is no address."""
    return f"[{label}]({url})" if url else label


def make_link_button(title: str, url: str) -> tuple[CardElement, ...]:
    """A button that opens an address; nothing where there is none."""
    if not url:
        return ()
    return ({"type": "Action.OpenUrl", "title": title, "url": url},)


def wrap_in_message(
    body: Sequence[CardElement], fallback: str, actions: Sequence[CardElement] = ()
) -> Mapping[str, object]:
    """The message: one card with the full width of the channel. `fallback` is escaped already."""
    content: CardElement = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": fallback,
        "msteams": {"width": "Full"},
        "body": list(body),
    }
    if actions:
        content["actions"] = list(actions)
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def count_json_bytes(value: object) -> int:
    """Bytes on the wire."""
    return len(json.dumps(value).encode())
