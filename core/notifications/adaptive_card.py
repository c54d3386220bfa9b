"""The elements of an Adaptive Card, and the message that carries one. Pure.

Version 1.4 in the envelope that Workflows expects (Microsoft Learn: Create incoming webhooks with
Workflows). Teams takes 28,672 bytes a message, after the flow has
added its own: a card of 24,453 bytes was measured as 28,897 there (MicrosoftDocs/msteams-docs
#11274), so a card stays at 22,000.

Untrusted text arrives escaped (`escape_markdown`), so that none of it acts as
markdown. Links consist of literal labels and addresses of the app.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode

from core.sanitize import SANITIZED_LIMIT, sanitize_text

RELIES_ON = ("teams-card-version",)

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
MAX_MESSAGE_BYTES = 22_000
"""The size limit of a whole message, in bytes."""
# Between two letters or digits an underscore is one (CommonMark 6.2), and stands in the names of
# guests: escaped, nobody could copy or search for the address. An ampersand is one, but where it
# begins the name of a character, which may be one that turns the direction of the text.
MARKDOWN_SIGNS = re.compile(
    r"([\\`*\[\](){}~#>|<]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#?[A-Za-z0-9]+;))"
)
LINK_TARGET = re.compile(r"(?<=\])\(\S+\)")
# A backslash makes signs plain, never digits: of "1. x" it is the point that gets one, and an
# address or a number that begins a text stays as it is (CommonMark 2.4, 5.2).
LEADING_MARKER = re.compile(r"^((?=[-+])|\d+(?=\.(?:\s|$)))(.)")


def escape_markdown(text: str, limit: int = SANITIZED_LIMIT) -> str:
    """Untrusted text for a TextBlock of an Adaptive Card, where nothing of it acts as markdown.

    A web address loses its scheme's colon, so that no client makes a link of it
    (Microsoft Learn: Format cards in Teams lists the markdown that cards understand).
    """
    # Four spaces at the beginning would make code of it, in which the escapes are shown.
    safe = sanitize_text(text, limit).lstrip().replace("://", "[:]//")
    return LEADING_MARKER.sub(r"\1\\\2", MARKDOWN_SIGNS.sub(r"\\\1", safe))


def make_text_block(value: str, **options: object) -> CardElement:
    """A TextBlock. `value` is literal text or escaped already."""
    return {"type": "TextBlock", "text": value, "wrap": True, **options}


def make_subtle_text(value: str, **options: object) -> CardElement:
    """A small, subdued TextBlock for secondary details."""
    return make_text_block(value, isSubtle=True, size="Small", **options)


def make_fact_set(rows: Iterable[tuple[str, str]], **options: object) -> CardElement:
    """A FactSet of names and values, both escaped already."""
    facts = [{"title": name, "value": value} for name, value in rows]
    return {"type": "FactSet", "facts": facts, **options}


def make_container(items: Sequence[CardElement], **options: object) -> CardElement:
    """A Container."""
    return {"type": "Container", "items": list(items), **options}


def make_card_header(about: str, headline: str, subtitle: str, style: str) -> CardElement:
    """The coloured header of a card: subject, headline and subtitle."""
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
    """The address of one of the app's pages; empty where the public address is not configured."""
    if not base_url:
        return ""
    query_string = f"?{urlencode(query)}" if query else ""
    route = "/".join(quote(part, safe="") for part in path)
    return f"{base_url.rstrip('/')}/api/{route}{query_string}"


def format_card_link(label: str, url: str) -> str:
    """A literal label as a link; the label alone where there is no address."""
    return f"[{label}]({url})" if url else label


def make_link_button(title: str, url: str) -> tuple[CardElement, ...]:
    """A button that opens an address; none without an address."""
    if not url:
        return ()
    return ({"type": "Action.OpenUrl", "title": title, "url": url},)


def wrap_in_message(
    body: Sequence[CardElement], fallback: str, actions: Sequence[CardElement] = ()
) -> Mapping[str, object]:
    """A message with one card of full width. `fallback` is escaped already."""
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
    """The size of a value as JSON, in bytes."""
    return len(json.dumps(value).encode())


def take_fitting[T](elements: Iterable[T], free_bytes: int) -> list[T]:
    """The first elements that take no more than so many bytes together, as JSON."""
    taken: list[T] = []
    for element in elements:
        free_bytes -= count_json_bytes([element])
        if free_bytes < 0:
            break
        taken.append(element)
    return taken


def count_words(elements: Iterable[CardElement]) -> int:
    """How many words a reader sees in elements; of a link its label alone."""
    return sum(len(LINK_TARGET.sub("", text).split()) for text in list_texts(list(elements)))


def list_texts(part: object) -> Iterator[str]:
    """All texts that are shown in a part of a card."""
    if isinstance(part, Mapping):
        for name in ("text", "title", "value"):
            if isinstance(found := part.get(name), str):
                yield found
        for inner in part.values():
            yield from list_texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from list_texts(inner)
