"""Untrusted text made safe to show: bounded, and without characters that deceive.

Text comes in through `core.tenant.quoting`, where a name is put into a sentence, and leaves through
the output function of each surface: page, card, terminal, evidence, log. An import contract holds
that nothing else sanitizes.
"""

import unicodedata

# Cc control, Cf format (bidi, zero-width, soft hyphen), Cs surrogate, Co private, Zl and Zp line
# separators: none of them is what a reader believes to see.
DECEPTIVE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
SANITIZED_LIMIT = 256


def sanitize_text(text: str, limit: int = SANITIZED_LIMIT) -> str:
    """One line of at most `limit` characters in which every character is what it seems to be."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    length = len(text)
    text = unicodedata.normalize("NFC", text[: limit + 1])
    shown = "".join(
        f"\\u{ord(sign):04x}" if unicodedata.category(sign) in DECEPTIVE_CATEGORIES else sign
        for sign in text
    )
    if length > limit:
        return f"{shown[:limit]}… ({length:,} characters)"
    return shown
