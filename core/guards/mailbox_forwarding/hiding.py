"""Whether an inbox rule keeps mail from the eyes of the mailbox's owner, and how grave that is.

Whoever has taken over a mailbox makes a rule that takes replies and warnings out of sight: into a
folder nobody opens, away altogether, or read before the owner sees it (MITRE ATT&CK T1564.008,
Email Hiding Rules). A rule is judged by what it does and to what mail. It is harmless when it only
sorts: mail that says nothing to a thief, into a folder in sight.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from core.guards.mailbox_forwarding.conditions import (
    MEETING_KINDS,
    RECIPIENT_KINDS,
    Owner,
    is_met_by_every_message,
    list_senders,
    list_words,
    takes_every_message,
)
from core.guards.mailbox_forwarding.folders import FOLDER_TEXTS, Sight, judge_sight
from core.guards.mailbox_forwarding.names import is_unreadable_name
from core.guards.mailbox_forwarding.senders import (
    Senders,
    has_warning_sender,
    may_warn,
    weigh_senders,
)
from core.guards.mailbox_forwarding.words import is_telling
from core.microsoft365.addresses import normalize_address, parse_recipient_string
from core.model.findings import Severity
from core.tenant.mail_flow import InboxRule, RuleCondition

RELIES_ON = ("exchange-hidden-rules", "exchange-own-rules")

UNDELIVERED = "isNonDeliveryReport"
NOBODY = Owner("", lambda domain: False)
DELETE, PERMANENT, READ = "delete", "permanent", "read"
PLACE_TEXTS = {
    DELETE: "deletes the mail",
    PERMANENT: "deletes the mail for good",
    READ: "marks the mail as read",
} | {folder: f"moves the mail to {text}" for folder, text in FOLDER_TEXTS.items()}

# Rules Exchange keeps for itself, hidden: junk mail and the three kinds of automatic replies.
JUNK_RULE = "junk e-mail rule"
OUT_OF_OFFICE_RULES = frozenset(
    f"microsoft.exchange.oof.{senders}.global"
    for senders in ("internalsenders", "knownexternalsenders", "allexternalsenders")
)


# What filters write into a header of a message that they hold to be spam, and into no other.
SPAM_STAMP = re.compile(r"x-[\w-]*spam[\w-]*\s*[:=]\s*(?:yes|spam|[*]{3,}).*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hiding:
    """What a rule does to keep mail from its reader, and why it is as grave as it is."""

    place: str
    """Where the mail goes: a name of PLACE_TEXTS."""
    severity: Severity
    is_certain: bool = True
    """False: it depends on a folder that nobody can find."""
    takes_everything: bool = False
    words: tuple[str, ...] = ()
    """The texts it looks for that a thief would look for."""
    senders: Senders = field(default_factory=Senders)
    folder_name: str = ""
    """What the folder is called where it moves mail to; empty where nobody looked."""


def is_exchanges_own_rule(rule: InboxRule, folder: str) -> bool:
    """True for a rule that has the name and exactly the shape of one Exchange keeps for itself.

    Whoever asks knows that Outlook does not show it: a name alone excuses nothing. Exchange has
    spelled the junk rule with a small and with a capital m.
    """
    acts = rule.forward_to or rule.forward_as_attachment_to or rule.redirect_to or rule.delete
    if acts or rule.mark_as_read or rule.conditions or rule.exceptions:
        return False
    name = rule.name.casefold()
    if name in OUT_OF_OFFICE_RULES:
        return not rule.move_to and not rule.readable
    return name == JUNK_RULE and (not rule.move_to or folder == "junkemail")


def keeps_mail(rule: InboxRule) -> bool:
    """True for a rule that does something, and neither sends, moves nor deletes mail."""
    sends = rule.forward_to or rule.forward_as_attachment_to or rule.redirect_to
    return rule.readable and not (sends or rule.delete or rule.move_to)


def only_marks(rule: InboxRule) -> bool:
    """True for a rule that keeps mail and does not mark it as read either."""
    return keeps_mail(rule) and not rule.mark_as_read


def is_meeting_rule(rule: InboxRule) -> bool:
    """True for a rule that takes nothing but meeting messages, as those for delegates do."""
    return any(one.kind in MEETING_KINDS for one in rule.conditions)


def list_telling_texts(rule: InboxRule) -> tuple[str, ...]:
    """What the rule looks for that a thief would look for."""
    return tuple(sorted(set(filter(is_telling, list_words(rule.conditions)))))


def takes_reports(rule: InboxRule) -> bool:
    """True for a rule about mail that could not be delivered: how a fraud is noticed."""
    return any(one.kind == UNDELIVERED for one in rule.conditions)


def files_spam(rule: InboxRule, folder: str) -> bool:
    """True for a rule that moves what a filter stamped as spam to Junk Email, and nothing else."""
    if folder != "junkemail" or rule.delete or rule.mark_as_read:
        return False
    stamps = [one.values for one in rule.conditions if one.kind == "headerContains"]
    return any(all(map(SPAM_STAMP.fullmatch, map(str.strip, values))) for values in stamps)


def takes_own_mail(rule: InboxRule, owner: Owner) -> bool:
    """True for a rule that takes only what its owner sent, as other programs and devices do."""
    home = normalize_address(owner.address)
    senders = [one.values for one in rule.conditions if one.kind == "fromAddresses"]
    return bool(home) and any(
        all(normalize_address(parse_recipient_string(one)[1]) == home for one in values)
        for values in senders
    )


def judge_hiding(rule: InboxRule, folder: str, is_hidden: bool, owner: Owner) -> Hiding | None:
    """How an enabled rule hides mail; None for a rule that is known to be harmless.

    `folder` is where it moves mail to, as a name of FOLDER_TEXTS; "" where nobody looked.
    """
    if folder == "sentitems" and takes_own_mail(rule, owner):
        folder = "ordinary"
    place = rule.delete or ((folder or "unread") if rule.move_to else "")
    if not place:
        return judge_reading(rule, is_hidden, owner) if rule.mark_as_read else None
    if files_spam(rule, folder) and not is_hidden:
        return None
    sight = judge_sight(folder)
    is_sorting = not rule.delete and sight in (Sight.OPEN, Sight.UNKNOWN)
    words = list_telling_texts(rule)
    senders = weigh_senders(list_senders(rule.conditions), owner.is_own_domain)
    everything = takes_every_message(rule, owner, ignores_own_recipients=not is_sorting)
    is_unreadable = is_unreadable_name(rule.name)
    is_telling_mail = everything or bool(words) or takes_reports(rule)
    if is_sorting:
        severity = rate_sorting(
            rule, everything, is_telling_mail, bool(senders.warning), is_unreadable
        )
    else:
        severity = rate_removal(
            rule, place, is_telling_mail or bool(senders.warning) or is_unreadable, senders
        )
    if is_hidden:
        severity = Severity.HIGH
    if severity is None and sight is not Sight.UNKNOWN:
        return None
    return Hiding(
        place,
        severity or Severity.LOW,
        severity is not None,
        everything,
        words,
        senders,
    )


def judge_reading(rule: InboxRule, is_hidden: bool, owner: Owner) -> Hiding | None:
    """The same of a rule that marks mail as read and leaves it where it is, as many do."""
    words = list_telling_texts(rule)
    everything = takes_every_message(rule, owner, ignores_own_recipients=False)
    named = list_senders(rule.conditions)
    severity = rate_reading(
        everything or bool(words) or takes_reports(rule),
        has_warning_sender(named, owner.is_own_domain),
        is_unreadable_name(rule.name),
        is_hidden,
    )
    if severity is None:
        return None
    senders = weigh_senders(named, owner.is_own_domain)
    return Hiding(READ, severity, True, everything, words, senders)


def is_plain_reading(name: str, conditions: Sequence[RuleCondition]) -> bool:
    """True for a visible rule that marks mail as read and of which `judge_reading` says nothing,
    whoever's mailbox it is in and whatever their domains are.
    """
    leaves_mail_alone = False
    for one in conditions:
        if one.kind in RECIPIENT_KINDS or one.kind == UNDELIVERED:
            return False
        leaves_mail_alone = leaves_mail_alone or not is_met_by_every_message(one, NOBODY, False)
    return leaves_mail_alone and not (
        is_unreadable_name(name)
        or any(map(is_telling, list_words(conditions)))
        or may_warn(list_senders(conditions))
    )


def rate_removal(rule: InboxRule, place: str, is_telling: bool, senders: Senders) -> Severity:
    """How grave it is that mail is deleted, or moved to where nobody comes across it."""
    sight = judge_sight(place)
    if is_telling or sight is Sight.UNSEEN:
        return Severity.HIGH
    if sight is Sight.FORGOTTEN:
        # Nobody reads there, so nobody but a thief has a reason to mark it as read.
        return Severity.HIGH if rule.mark_as_read else Severity.MEDIUM
    if rule.mark_as_read:
        return Severity.MEDIUM
    return Severity.MEDIUM if senders.own and place != "archive" else Severity.LOW


def rate_sorting(
    rule: InboxRule, everything: bool, is_telling: bool, is_warning: bool, is_unreadable: bool
) -> Severity | None:
    """How grave it is that mail is moved to a folder in sight; None if the rule only sorts."""
    if everything:
        return Severity.HIGH if rule.mark_as_read or is_unreadable else Severity.MEDIUM
    if not rule.mark_as_read:
        return None
    if is_telling:
        return Severity.HIGH if is_unreadable else Severity.MEDIUM
    if is_unreadable:
        return Severity.MEDIUM
    return Severity.LOW if is_warning else None


def rate_reading(
    is_telling: bool, is_warning: bool, is_unreadable: bool, is_hidden: bool
) -> Severity | None:
    """How grave it is that mail is marked as read and stays where it is."""
    if is_hidden or (is_telling and is_unreadable):
        return Severity.MEDIUM
    return Severity.LOW if is_telling or is_warning or is_unreadable else None
