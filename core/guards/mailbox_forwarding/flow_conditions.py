"""What mail a mail-flow rule takes: which of its conditions say something, and what. Pure."""

import re
from collections.abc import Sequence

from core.guards.mailbox_forwarding.names import measure_name
from core.guards.mailbox_forwarding.words import is_telling, split_names
from core.microsoft365.mail_flow_rules import TEXT_CONDITIONS, is_technical_condition
from core.tenant.mail_flow import TransportRule

SMALLEST_MESSAGE = 4_096
"""Bytes. The headers that Exchange itself writes are longer."""
PRINTED_BYTES = re.compile(r"\(([\d,. ]{1,20}) bytes\)")
MAX_DIGITS = 15
# A digit is asked for where a message must have a number, which most have not.
DIGIT = re.compile(r"\\d|\[0-9\]")
# Classes of signs and repetitions, as patterns of mail-flow rules write them: beside them, what a
# pattern asks for is what is left.
PATTERN_SIGNS = re.compile(r"\\[wWsSDbB]|\[[^\]]{0,40}\]|\{\d{0,4},?\d{0,4}\}|[.*+?^$|()]")
# Headers that people see, or that a message is addressed by; others are for programs, and filters
# look for words like "spam" in them.
READ_HEADERS = split_names("cc from reply-to return-path sender subject thread-topic to")
# By these a filter of headers names the header, and asks for something in it.
HEADER_NAMES = {
    "HeaderContainsWords": "HeaderContainsMessageHeader",
    "HeaderMatchesPatterns": "HeaderMatchesMessageHeader",
}


def list_telling_texts(rule: TransportRule) -> list[str]:
    """The texts the rule looks for that an intruder would look for."""
    texts = {text for name in TEXT_CONDITIONS for text in rule.conditions.get(name, ())}
    for words, header in HEADER_NAMES.items():
        if names_read_header(rule, header):
            texts |= set(rule.conditions.get(words, ()))
    return sorted(filter(is_telling, texts))


def names_read_header(rule: TransportRule, condition: str) -> bool:
    """True where a condition names a header that people see."""
    named = {one.strip().casefold().rstrip(":") for one in rule.conditions.get(condition, ())}
    return bool(named & READ_HEADERS)


def has_technical_condition(rule: TransportRule) -> bool:
    """True for a rule on the form of mail, as filters have: what a header says that people see is
    none of it, nor what every message meets.
    """
    return any(
        is_technical_condition(name)
        and not is_met_by_every_message(name, values)
        and not names_read_header(rule, HEADER_NAMES.get(name, ""))
        for name, values in rule.conditions.items()
    )


def takes_every_message(rule: TransportRule) -> bool:
    """True when no condition leaves a message alone, whatever conditions there are."""
    return all(is_met_by_every_message(*one) for one in rule.conditions.items())


def is_met_by_every_message(name: str, values: Sequence[str]) -> bool:
    """True for a condition that says nothing. Any one of its values is enough for a message."""
    if name in HEADER_NAMES.values() or name == "HasNoClassification":
        # Which header is meant, where what is asked of it is another condition; and what nearly
        # all mail lacks.
        return True
    return any(is_met_anyway(name, value) for value in values)


def is_met_anyway(name: str, value: str) -> bool:
    """True for a value of a condition that every message meets. Most mail has no attachment."""
    text = value.strip()
    if name == "MessageSizeOver":
        return 0 <= parse_bytes(text) <= SMALLEST_MESSAGE
    if name in ("SCLOver", "WithImportance"):
        return text.casefold() in ("-1", "0", "normal")
    if name.startswith("Attachment"):
        return False
    if name.endswith("MatchesPatterns"):
        text = PATTERN_SIGNS.sub("", DIGIT.sub("00", text))
    elif not name.endswith("ContainsWords"):
        return False
    return measure_name(text) <= 1


def parse_bytes(text: str) -> int:
    """A size as Exchange prints it, `1 KB (1,024 bytes)`, or a number of bytes; -1 for neither."""
    found = PRINTED_BYTES.search(text)
    digits = re.sub(r"\D", "", found[1]) if found else text
    return int(digits) if digits.isdecimal() and len(digits) <= MAX_DIGITS else -1
