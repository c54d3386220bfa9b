"""Foreign text made safe to show: bounded, without deceiving characters, escaped."""

import re
import unicodedata

# Cc control, Cf format (bidi, zero-width, soft hyphen), Cs surrogate, Co private, Zl and Zp line
# separators: none of them is what a reader believes to see.
DECEPTIVE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\](){}~#>|<])")
LEADING_MARKER = re.compile(r"^(\s*)([-+]|\d+[.)])")
SANITIZED_LIMIT = 256


def sanitize_text(text: str, limit: int = SANITIZED_LIMIT) -> str:
    """One line of at most `limit` characters in which every character is what it seems to be."""
    length = len(text)
    text = unicodedata.normalize("NFC", text[: limit + 1])
    shown = "".join(
        f"\\u{ord(sign):04x}" if unicodedata.category(sign) in DECEPTIVE_CATEGORIES else sign
        for sign in text
    )
    if length > limit:
        return f"{shown[:limit]}… ({length:,} characters)"
    return shown


def escape_markdown(text: str, limit: int = SANITIZED_LIMIT) -> str:
    """Foreign text for a TextBlock of an Adaptive Card, where nothing of it acts as markdown.

    A web address loses its scheme's colon, so that no client makes a link of it
    (Microsoft Learn: Format cards in Teams lists the markdown that cards understand).
    """
    safe = sanitize_text(text, limit).replace("://", "[:]//")
    return LEADING_MARKER.sub(r"\1\\\2", MARKDOWN_SIGNS.sub(r"\\\1", safe))
