"""Answers in which all rules plainly leave mail where it is, told while they are decoded.

Most mailboxes have no other rules, and making objects of all that stands in them takes more CPU
than everything else that is done about them. Here msgspec checks in C that an answer consists of
nothing but what Graph prints of such rules. Whatever it does not take, an unknown property or
action or a name that occurs twice among them, says nothing about the rules: they are parsed.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from core.adapters.m365.inbox_rules.conditions import parse_graph_conditions
from core.adapters.parsing import EMPTY_GUID, ID_LIMIT, LIST_LIMIT, parse_text
from core.strict_json import DECODER, ENCODER, surely_has_unique_names
from core.tenant.mail_readers import ReadingTest

RELIES_ON = ("graph-message-rules",)

BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")
CACHED_LENGTH = 1_000
"""The longest name and conditions that are remembered."""

type Texts = Annotated[list[str], msgspec.Meta(max_length=LIST_LIMIT)] | UnsetType | None
type Text = str | UnsetType | None
type Flag = bool | UnsetType | None


class PlainAddress(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """An emailAddress of Graph."""

    name: Text = UNSET
    address: Text = UNSET


class PlainRecipient(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A recipient of Graph."""

    email_address: PlainAddress


type Recipients = (
    Annotated[list[PlainRecipient], msgspec.Meta(max_length=LIST_LIMIT)] | UnsetType | None
)


class PlainSizeRange(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A sizeRange of Graph, in kilobytes."""

    minimum_size: int | UnsetType | None = UNSET
    maximum_size: int | UnsetType | None = UNSET


class PlainPredicates(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Conditions or exceptions (Microsoft Learn: messageRulePredicates)."""

    body_contains: Texts = UNSET
    body_or_subject_contains: Texts = UNSET
    categories: Texts = UNSET
    from_addresses: Recipients = UNSET
    has_attachments: Flag = UNSET
    header_contains: Texts = UNSET
    importance: Text = UNSET
    is_approval_request: Flag = UNSET
    is_automatic_forward: Flag = UNSET
    is_automatic_reply: Flag = UNSET
    is_encrypted: Flag = UNSET
    is_meeting_request: Flag = UNSET
    is_meeting_response: Flag = UNSET
    is_non_delivery_report: Flag = UNSET
    is_permission_controlled: Flag = UNSET
    is_read_receipt: Flag = UNSET
    is_signed: Flag = UNSET
    is_voicemail: Flag = UNSET
    message_action_flag: Text = UNSET
    not_sent_to_me: Flag = UNSET
    recipient_contains: Texts = UNSET
    sender_contains: Texts = UNSET
    sensitivity: Text = UNSET
    sent_cc_me: Flag = UNSET
    sent_only_to_me: Flag = UNSET
    sent_to_addresses: Recipients = UNSET
    sent_to_me: Flag = UNSET
    sent_to_or_cc_me: Flag = UNSET
    subject_contains: Texts = UNSET
    within_size_range: PlainSizeRange | UnsetType | None = UNSET


class PlainActions(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The actions that leave mail where it is (Microsoft Learn: messageRuleActions)."""

    assign_categories: Texts = UNSET
    mark_as_read: Flag = UNSET
    mark_importance: Text = UNSET
    stop_processing_rules: Flag = UNSET

    @property
    def acts(self) -> bool:
        """Whether it does anything that can be seen. What does nothing may do what is not shown."""
        return bool(
            self.assign_categories
            or self.mark_as_read
            or self.stop_processing_rules
            or (self.mark_importance and self.mark_importance != "False")
        )


class PlainRule(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A rule of such actions, in the order in which Graph prints one."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LIMIT)]
    display_name: Text = UNSET
    sequence: int | UnsetType | None = UNSET
    is_enabled: bool
    has_error: Flag = UNSET
    is_read_only: Flag = UNSET
    conditions: PlainPredicates | UnsetType | None = UNSET
    actions: PlainActions
    exceptions: PlainPredicates | UnsetType | None = UNSET


class PlainAnswer(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """The one page of a mailbox's rules."""

    context: str | UnsetType = msgspec.field(name="@odata.context", default=UNSET)
    value: list[PlainRule]


ANSWER_DECODER = msgspec.json.Decoder(PlainAnswer)


def has_plain_rules_only(text: bytes, is_plain_reading: ReadingTest | None) -> bool:
    """True for the answer about a mailbox of which `is_harmless_rule` says so of every rule.

    False means only that it cannot be told in this way.
    """
    return list_plain_rule_names(text, is_plain_reading) is not None


def list_plain_rule_names(text: bytes, is_plain_reading: ReadingTest | None) -> list[str] | None:
    """The names of the rules in such an answer; None for any other."""
    try:
        answer = ANSWER_DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if not have_usual_ids(answer.value):
        return None
    for rule in answer.value:
        actions = rule.actions
        if (
            not actions.acts
            or rule.has_error
            or rule.is_read_only
            or (actions.mark_as_read and not is_plain_marking(rule, is_plain_reading))
        ):
            return None
    if not surely_has_unique_names(text, answer):
        return None
    return [rule.display_name or "" for rule in answer.value]


def have_usual_ids(rules: Sequence[PlainRule]) -> bool:
    """Whether all rules have ids as Graph prints them, in Base64: to see that of all together takes
    less than of each.
    """
    joined = "".join([rule.id for rule in rules])
    return not joined or (bool(BASE64.fullmatch(joined)) and EMPTY_GUID not in joined)


def is_plain_marking(rule: PlainRule, is_plain_reading: ReadingTest | None) -> bool:
    """True for a rule that only marks mail as read, and that nobody needs."""
    if is_plain_reading is None or rule.exceptions:
        return False
    name, conditions = rule.display_name or "", ENCODER.encode(rule.conditions or None)
    if len(name) + len(conditions) > CACHED_LENGTH:
        return is_plain_reading(
            parse_text(name), parse_graph_conditions(DECODER.decode(conditions))
        )
    return is_usual_plain_marking(name, conditions, is_plain_reading)


@lru_cache(4_096)
def is_usual_plain_marking(name: str, conditions: bytes, is_plain_reading: ReadingTest) -> bool:
    """The same of a short one: many mailboxes have rules for the same few newsletters."""
    return is_plain_reading(parse_text(name), parse_graph_conditions(DECODER.decode(conditions)))
