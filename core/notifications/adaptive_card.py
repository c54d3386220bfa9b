"""An Adaptive Card, piece by piece: pure, and the same for everything that is told.

Version 1.4 in the envelope that Workflows expects (Microsoft Learn: Create incoming webhooks with
Workflows). Teams takes about 28 KB a message; a card stays below 25 KB.

Foreign text comes in escaped (`core.sanitize.escaped`), so that nothing of it acts as markdown. A
link is made of our own words and an address of the app alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode

type Element = dict[str, object]

COLOUR = {
    "default": "Default",
    "emphasis": "Default",
    "accent": "Accent",
    "good": "Good",
    "warning": "Warning",
    "attention": "Attention",
}
"""The colour of a headline by the style of its container."""
LIMIT = 24_000
"""Bytes a whole message may have."""


def text(value: str, **options: object) -> Element:
    """A TextBlock. `value` is our own words or escaped already."""
    return {"type": "TextBlock", "text": value, "wrap": True, **options}


def small(value: str, **options: object) -> Element:
    """A TextBlock for what only completes the picture."""
    return text(value, isSubtle=True, size="Small", **options)


def table(rows: Iterable[tuple[str, str]], **options: object) -> Element:
    """A FactSet: names at the left, what they are at the right, both escaped already."""
    facts = [{"title": name, "value": value} for name, value in rows]
    return {"type": "FactSet", "facts": facts, **options}


def box(items: Sequence[Element], **options: object) -> Element:
    """A Container."""
    return {"type": "Container", "items": list(items), **options}


def heading(about: str, headline: str, line: str, style: str) -> Element:
    """The coloured top of a card: what it is about, what there is to know, and of when."""
    return box(
        [
            text(f"Exoguard · {about}", weight="Bolder", spacing="None"),
            text(headline, size="Large", weight="Bolder", spacing="None", color=COLOUR[style]),
            small(line, spacing="Small"),
        ],
        style=style,
        bleed=True,
    )


def address_of(base: str, *path: str, **query: str) -> str:
    """An address of the app's own pages; empty when nobody said where the app is."""
    if not base:
        return ""
    asked = f"?{urlencode(query)}" if query else ""
    return f"{base.rstrip('/')}/api/{'/'.join(quote(part, safe='') for part in path)}{asked}"


def link(label: str, address: str) -> str:
    """Our own words as a link, or as they are where there is no address."""
    return f"[{label}]({address})" if address else label


def button(title: str, address: str) -> tuple[Element, ...]:
    """A button that opens an address; nothing where there is none."""
    if not address:
        return ()
    return ({"type": "Action.OpenUrl", "title": title, "url": address},)


def envelope(
    body: Sequence[Element], fallback: str, actions: Sequence[Element] = ()
) -> Mapping[str, object]:
    """The message: one card with the full width of the channel. `fallback` is escaped already."""
    content: Element = {
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


def size(value: object) -> int:
    """Bytes on the wire."""
    return len(json.dumps(value).encode())
