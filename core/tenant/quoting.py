"""Text from the tenant, put into sentences of Exoguard: the one place where it comes in.

An attacker can make a name as long and as deceptive as the API allows. Quoted, it stays on one
line, shows every character as what it is, and never pushes the rest of the sentence out of sight.
"""

from core.sanitize import sanitize_text

MAX_QUOTED_LENGTH = 256


def quote_text(text: str, limit: int = MAX_QUOTED_LENGTH) -> str:
    """Untrusted text for a sentence: one line of at most `limit` characters, none of them hidden.

    Longer text ends with its length in characters.
    """
    return sanitize_text(text, limit)
