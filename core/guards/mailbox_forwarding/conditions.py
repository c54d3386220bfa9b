"""What mail an inbox rule takes: which of its conditions leave any message alone. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.guards.mailbox_forwarding.names import measure_name
from core.guards.mailbox_forwarding.senders import DomainTest, get_sender_domain
from core.guards.mailbox_forwarding.words import CACHE_SIZE, split_names
from core.look_alikes import fold_accents
from core.microsoft365.addresses import normalize_address, parse_recipient_string
from core.tenant.mail_flow import InboxRule, RuleCondition

WORD_KINDS = frozenset(
    {"bodyContains", "bodyOrSubjectContains", "headerContains", "subjectContains"}
)
SENDER_KINDS = frozenset({"fromAddresses", "senderContains"})
RECIPIENT_KINDS = frozenset({"recipientContains", "sentToAddresses"})
PEOPLE_KINDS = SENDER_KINDS | RECIPIENT_KINDS
MEETING_KINDS = frozenset({"isMeetingRequest", "isMeetingResponse"})
# What is delivered to a mailbox is sent to its owner, in one of these ways.
TO_THE_OWNER = frozenset({"sentOnlyToMe", "sentToMe", "sentToOrCcMe"})
# Dates let a rule take every message for a time.
DATES = frozenset({"receivedAfter", "receivedBefore"})
# What stands in the headers of every message that Exchange Online delivers (RFC 5322, and what its
# servers write): a text that is part of it leaves no message alone.
HEADERS_OF_ALL_MAIL = """
    received: from eurprd01.prod.outlook.com by eurprd01.prod.outlook.com with https;
    received: from mail.protection.outlook.com with microsoft smtp server (version=tls1_2,
    cipher=tls_ecdhe_rsa_with_aes_256_gcm_sha384) id 15.20. via frontend transport;
    authentication-results: spf= dkim= dmarc= action= header.from= smtp.mailfrom=
    from: to: subject: date: message-id: <@ return-path: mime-version: 1.0
    content-type: text/ multipart/ charset= boundary= +0000
    x-ms-exchange-organization-authas: x-ms-exchange-organization-authsource:
    x-ms-exchange-organization-network-message-id: x-ms-exchange-organization-scl:
    x-ms-exchange-organization-messagedirectionality: originating incoming
    x-ms-exchange-crosstenant-originalarrivaltime: x-ms-exchange-crosstenant-id:
    x-ms-exchange-transport-endtoendlatency: x-ms-exchange-processed-by-bccfoldering:
    x-ms-publictraffictype: email x-ms-traffictypediagnostic: x-microsoft-antispam:
"""
# Words that are in every text of some length, in the languages of mailboxes. A rule looks for a
# text anywhere, so two letters are in nearly all of them.
EVERYDAY_WORDS = split_names(
    """and are com for from have http https that the this with www you your
    das dem den der die ein eine ich ist mit nicht sie und von wir
    avec dans est les nous par pas pour que sur une vous
    con del las los para por una che della non per sono
    als dat deze een het met niet van voor zijn att det den ett och som til
    como mais nao não uma nie się jest что это для"""
)
SHORTEST_WORD = 3
ALL_HEADERS = " ".join(HEADERS_OF_ALL_MAIL.split())
# Domains by their end alone take nearly everything.
EVERY_SENDER = re.compile(r"\.?(?:com|net|org|\w\w|co\.uk)")
SIZE_RANGE = re.compile(r"(-?[0-9]+)?-(-?[0-9]+)?")
SMALL_MESSAGE_KB, LARGE_MESSAGE_KB = 4, 10 * 1024
"""The headers that Exchange writes are longer than the first, and nearly no message is larger than
the second: what falls between leaves next to none alone.
"""

CONDITION_TEXTS = {
    "hasAttachments": "with an attachment",
    "isApprovalRequest": "requests for approval",
    "isAutomaticForward": "forwarded automatically",
    "isAutomaticReply": "automatic replies",
    "isEncrypted": "encrypted",
    "isMeetingRequest": "meeting requests",
    "isMeetingResponse": "answers to meeting requests",
    "isNonDeliveryReport": "reports of mail that was not delivered",
    "isPermissionControlled": "protected by rights",
    "isReadReceipt": "read receipts",
    "isSigned": "signed",
    "isVoicemail": "voice mail",
    "notSentToMe": "not sent to the owner",
    "sentCcMe": "sent to the owner as a copy",
    "sentOnlyToMe": "sent to the owner alone",
    "sentToMe": "sent to the owner",
    "sentToOrCcMe": "sent to the owner, or as a copy",
}
VALUE_TEXTS = {
    "categories": "of the categories",
    "fromAddresses": "from",
    "fromSubscription": "through the subscription",
    "importance": "of the importance",
    "messageActionFlag": "flagged as",
    "messageClassification": "classified as",
    "receivedAfter": "received after",
    "receivedBefore": "received before",
    "recipientContains": "to addresses with",
    "senderContains": "from addresses with",
    "sensitivity": "of the sensitivity",
    "sentToAddresses": "to",
    "withinSizeRange": "of a size in kilobytes of",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose mailbox it is, as far as conditions ask for it."""

    address: str
    is_own_domain: DomainTest


def list_words(conditions: Iterable[RuleCondition]) -> tuple[str, ...]:
    """The texts that conditions look for in a message."""
    return tuple(filter(None, list_values(conditions, WORD_KINDS)))


def list_senders(conditions: Iterable[RuleCondition]) -> tuple[str, ...]:
    """The senders, or parts of their addresses, that conditions name."""
    return list_values(conditions, SENDER_KINDS)


def list_values(conditions: Iterable[RuleCondition], kinds: frozenset[str]) -> tuple[str, ...]:
    """All values of the conditions of some kinds."""
    found: tuple[str, ...] = ()
    for one in conditions:
        if one.kind in kinds:
            found += one.values
    return found


def needs_own_domains(rule: InboxRule) -> bool:
    """True for a rule that takes mail away by its sender or recipient: one's own are apart."""
    return bool(rule.delete or rule.move_to) and any(
        one.kind in PEOPLE_KINDS for one in rule.conditions
    )


def takes_every_message(rule: InboxRule, owner: Owner, ignores_own_recipients: bool) -> bool:
    """True when no condition leaves a message alone that arrives in this mailbox.

    An address of one's own domain as the recipient may be a list that somebody files by, and may be
    everything: `ignores_own_recipients` says which of the two to assume.
    """
    return all(
        is_met_by_every_message(one, owner, ignores_own_recipients) for one in rule.conditions
    )


def is_met_by_every_message(
    condition: RuleCondition, owner: Owner, ignores_own_recipients: bool
) -> bool:
    """True for a condition that says nothing. Any one of its values is enough for a message."""
    kind, values = condition.kind, condition.values
    if kind in TO_THE_OWNER or kind in DATES:
        return True
    if kind in ("importance", "sensitivity"):
        return any(value.casefold() == "normal" for value in values)
    if kind == "withinSizeRange":
        return any(map(is_every_size, values))
    if kind in WORD_KINDS:
        return any(is_in_every_message(value, kind) for value in values)
    if kind in SENDER_KINDS:
        return any(map(is_every_sender, values))
    if kind in RECIPIENT_KINDS:
        return any(
            is_every_sender(value)
            or is_own_recipient(value, owner, ignores_own_recipients)
            or (kind == "recipientContains" and is_part_of_own_address(value, owner))
            for value in values
        )
    return False


def is_every_size(value: str) -> bool:
    """True for a range of sizes into which every message falls, and for what is no range.

    Its ends are what somebody wrote into a rule, and may be below zero.
    """
    if not (found := SIZE_RANGE.fullmatch(value)):
        return True
    low, high = found.groups()
    return (not low or int(low) <= SMALL_MESSAGE_KB) and (not high or int(high) >= LARGE_MESSAGE_KB)


def is_in_every_message(word: str, kind: str) -> bool:
    """True for a text that is in every message: a sign, a NUL, one letter, an everyday word, a
    header of all mail. A text that a subject has to contain may be two letters.
    """
    folded = " ".join(fold_accents(word).split())
    if measure_name(word) <= 1:
        return True
    match kind:
        case "headerContains":
            return folded in ALL_HEADERS
        case "bodyContains":
            return folded in EVERYDAY_WORDS or (len(folded) < SHORTEST_WORD and folded.isascii())
        case "bodyOrSubjectContains":
            return folded in EVERYDAY_WORDS
    return False


@lru_cache(CACHE_SIZE)
def is_every_sender(text: str) -> bool:
    """True for a part that is in every address, or nearly: "@", ".", ".com"."""
    return measure_name(text) <= 1 or EVERY_SENDER.fullmatch(text.strip().casefold()) is not None


def is_own_recipient(text: str, owner: Owner, ignores_own_recipients: bool) -> bool:
    """True for the owner as recipient, for their domain, or for others in it if they count."""
    shown = parse_recipient_string(text)[1]
    address = normalize_address(shown)
    if address and address == normalize_address(owner.address):
        return True
    domain = get_sender_domain(shown)
    local = address.rpartition("@")[0]
    is_own = bool(domain) and owner.is_own_domain(domain)
    return is_own and (not local or ignores_own_recipients)


def is_part_of_own_address(text: str, owner: Owner) -> bool:
    """True for a part of the owner's own address, which is among the recipients of all their mail.

    Mail to a list that the owner is in has the list's address in its place, and is little of it.
    """
    return fold_accents(text).strip() in normalize_address(owner.address)


def describe_conditions(
    conditions: Sequence[RuleCondition],
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each condition as a person reads it: a label and what it names, both untrusted text."""
    for one in conditions:
        if one.kind in WORD_KINDS:
            yield "with the words", one.values
        elif one.kind in CONDITION_TEXTS:
            yield CONDITION_TEXTS[one.kind], ()
        else:
            yield VALUE_TEXTS.get(one.kind, one.kind), one.values
