"""Conditions and exceptions of inbox rules, as Graph and as Exchange print them. Pure.

Both become the same `RuleCondition`, named as Graph names it, so that two views of a rule compare.
"""

import hashlib
import re
from collections.abc import Sequence
from itertools import islice

from core.adapters.parsing import (
    LIST_LIMIT,
    WORD_LIMIT,
    ResponseRow,
    is_set,
    parse_optional_bool,
    parse_recipient_text,
    parse_text,
    parse_value_list,
    parse_whole_number,
    split_recipients,
    to_canonical_json,
)
from core.tenant.mail_flow import RuleCondition

RELIES_ON = ("exchange-rule-fields", "graph-message-rules")

# Exchange's parameters of Get-InboxRule by Graph's names (Microsoft Learn: New-InboxRule and
# messageRulePredicates).
EXCHANGE_NAMES = {
    "BodyContainsWords": "bodyContains",
    "FlaggedForAction": "messageActionFlag",
    "From": "fromAddresses",
    "FromAddressContainsWords": "senderContains",
    "FromSubscription": "fromSubscription",
    "HasAttachment": "hasAttachments",
    "HasClassification": "messageClassification",
    "HeaderContainsWords": "headerContains",
    "MyNameInCcBox": "sentCcMe",
    "MyNameInToBox": "sentToMe",
    "MyNameInToOrCcBox": "sentToOrCcMe",
    "MyNameNotInToBox": "notSentToMe",
    "ReceivedAfterDate": "receivedAfter",
    "ReceivedBeforeDate": "receivedBefore",
    "RecipientAddressContainsWords": "recipientContains",
    "SentOnlyToMe": "sentOnlyToMe",
    "SentTo": "sentToAddresses",
    "SubjectContainsWords": "subjectContains",
    "SubjectOrBodyContainsWords": "bodyOrSubjectContains",
    "WithImportance": "importance",
    "WithSensitivity": "sensitivity",
}
EXCEPTION_PREFIX = "ExceptIf"
EXCHANGE_EXCEPTION_NAMES = {
    f"{EXCEPTION_PREFIX}{name}": kind for name, kind in EXCHANGE_NAMES.items()
}
# Kinds of messages: the values of MessageTypeMatches, and switches that stand beside it.
EXCHANGE_MESSAGE_TYPES = {
    "approvalrequest": "isApprovalRequest",
    "automaticforward": "isAutomaticForward",
    "automaticreply": "isAutomaticReply",
    "calendaring": "isMeetingRequest",
    "calendaringresponse": "isMeetingResponse",
    "encrypted": "isEncrypted",
    "meetingrequest": "isMeetingRequest",
    "meetingresponse": "isMeetingResponse",
    "nondeliveryreport": "isNonDeliveryReport",
    "permissioncontrolled": "isPermissionControlled",
    "readreceipt": "isReadReceipt",
    "signed": "isSigned",
    "voicemail": "isVoicemail",
}
EXCHANGE_SWITCHES = {"MeetingMessage": "isMeetingRequest", "MeetingResponse": "isMeetingResponse"}
EXCHANGE_PROPERTIES = frozenset(
    (
        *EXCHANGE_NAMES,
        *EXCHANGE_SWITCHES,
        "MessageTypeMatches",
        "WithinSizeRangeMaximum",
        "WithinSizeRangeMinimum",
    )
)
EXCHANGE_EXCEPTIONS = frozenset(f"{EXCEPTION_PREFIX}{name}" for name in EXCHANGE_PROPERTIES)
RECIPIENT_KINDS = frozenset({"fromAddresses", "sentToAddresses"})
UNITS = {"B": 1 / 1024, "KB": 1, "MB": 1024, "GB": 1024**2}
SIZE = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{1,6})?)\s*(B|KB|MB|GB)\b", re.IGNORECASE)


def parse_graph_conditions(value: object) -> tuple[RuleCondition, ...]:
    """The predicates of a Graph rule. Raises ValueError for what is no object."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise ValueError("an inbox rule whose conditions are not an object")
    return build_conditions(
        [
            (name, parse_condition_values(name, part))
            for name, part in islice(value.items(), LIST_LIMIT)
            if is_set(part)
        ]
    )


def parse_exchange_conditions(row: ResponseRow, prefix: str = "") -> tuple[RuleCondition, ...]:
    """The conditions in a row of Get-InboxRule, or with a prefix its exceptions."""
    if (EXCHANGE_EXCEPTIONS if prefix else EXCHANGE_PROPERTIES).isdisjoint(row):
        return ()
    return build_conditions(list_exchange_parts(row, prefix))


def list_exchange_parts(row: ResponseRow, prefix: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each condition or exception that a row sets, by Graph's name, with what it asks for."""
    kinds = EXCHANGE_EXCEPTION_NAMES if prefix else EXCHANGE_NAMES
    parts = [
        (kinds[name], parse_condition_values(kinds[name], part))
        for name, part in row.items()
        if name in kinds and is_set(part)
    ]
    for name, kind in EXCHANGE_SWITCHES.items():
        if parse_optional_bool(row.get(prefix + name)):
            parts.append((kind, ("true",)))
    for entry in parse_value_list(row.get(prefix + "MessageTypeMatches")):
        text = parse_text(entry, WORD_LIMIT)
        known = EXCHANGE_MESSAGE_TYPES.get(text.casefold())
        parts.append((known, ("true",)) if known else ("messageType", (text,)))
    low = row.get(prefix + "WithinSizeRangeMinimum")
    high = row.get(prefix + "WithinSizeRangeMaximum")
    if is_set(low) or is_set(high) or low == 0:
        parts.append(("withinSizeRange", (f"{parse_kilobytes(low)}-{parse_kilobytes(high)}",)))
    return parts


def build_conditions(
    parts: Sequence[tuple[str, tuple[str, ...]]],
) -> tuple[RuleCondition, ...]:
    """Conditions in an order of their own, those of one kind together."""
    found: dict[str, tuple[str, ...]] = {}
    for kind, values in parts:
        if kind in found or len(values) > 1:
            values = tuple(dict.fromkeys((*found.get(kind, ()), *values)))
        found[kind] = values
    return tuple(
        [
            RuleCondition(parse_text(kind, WORD_LIMIT), values)
            for kind, values in sorted(found.items())
            if values
        ]
    )


def parse_condition_values(kind: str, value: object) -> tuple[str, ...]:
    """What a condition asks for, as texts. One that is understood in no way is one text of it."""
    if kind in RECIPIENT_KINDS:
        return tuple(map(parse_condition_recipient, split_recipients(value)))
    if not isinstance(value, list):
        if kind == "withinSizeRange" and isinstance(value, dict):
            low, high = value.get("minimumSize"), value.get("maximumSize")
            return (f"{format_number(low)}-{format_number(high)}",)
        if parse_optional_bool(value):
            return ("true",)
    return tuple(map(parse_condition_text, parse_value_list(value)))


def parse_condition_recipient(entry: object) -> str:
    """A sender or recipient of a condition: its address, else its name, else all of it."""
    holder = entry.get("emailAddress") if isinstance(entry, dict) else None
    if isinstance(holder, dict):
        shown = holder.get("address") or holder.get("name")
        if isinstance(shown, str) and shown.strip():
            return parse_recipient_text(shown.strip())
    if isinstance(entry, str) and entry.strip():
        return parse_recipient_text(entry.strip())
    return parse_condition_text(entry)


def parse_condition_text(entry: object) -> str:
    """One text of a condition: JSON for what is no text, cut and marked where it is long."""
    text = entry if isinstance(entry, str) else to_canonical_json(entry)
    if len(text) <= WORD_LIMIT:
        return parse_text(text)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{parse_text(text, WORD_LIMIT - 16)}… {digest}"


def parse_kilobytes(value: object) -> str:
    """A size of Exchange in kilobytes: 1024, "1 KB (1,024 bytes)"; "" for none or for no size."""
    if isinstance(value, str) and (found := SIZE.search(value)):
        return str(round(float(found[1].replace(",", ".")) * UNITS[found[2].upper()]))
    count = parse_whole_number(value)
    # Whole numbers: a number in JSON may be too large for a float.
    return "" if count is None else str((count + 512) // 1024)


def format_number(value: object) -> str:
    """A whole number as text; "" for what is none."""
    count = parse_whole_number(value)
    return "" if count is None else str(count)
