"""What is said of a forward: its facts, its surfaces, and what a person can do. Pure.

Facts stay the same from run to run as long as the forward does. Foreign text in them is bounded.
"""

from collections.abc import Iterator, Mapping, Sequence

from core.guards.mailbox_forwarding.departure import Departure
from core.guards.mailbox_forwarding.forwards import (
    MAX_TEXT_LENGTH,
    ForwardRecipient,
    MailboxForward,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Fact, Verdict
from core.tenant.quoting import quote_text

MAX_SHOWN = 20
"""So many recipients, words or rules are shown of one finding; the others are counted."""

FORWARD_TEXTS: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "forwards mail to the outside",
    ForwardingVerdict.KEEP: "forwards mail to an allowed domain outside",
    ForwardingVerdict.DORMANT: "has a forward to the outside that is not in effect",
    ForwardingVerdict.UNRESOLVED: "forwards mail to somebody who cannot be identified",
    Verdict.COULD_NOT_TELL: "forwards mail to a group whose members are not all known",
}
TRANSPORT_RULE_TEXTS: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "sends mail of the organization to the outside",
    ForwardingVerdict.KEEP: "sends mail of the organization to an allowed domain outside",
    ForwardingVerdict.DORMANT: "would send mail of the organization to the outside, but is not in "
    "effect",
    ForwardingVerdict.UNRESOLVED: "sends mail of the organization to somebody who cannot be "
    "identified",
    Verdict.COULD_NOT_TELL: "sends mail of the organization to a group whose members are not all "
    "known",
}


def describe_after_clearing(item: MailboxForward) -> str:
    """Where mail lies once the forward of a mailbox is cleared."""
    if item.overruled_address:
        return "both forwards end, so an operator decides; mail stays in this mailbox"
    if item.mailbox.keeps_copy:
        return "mail stays in this mailbox, where a copy arrives already"
    return (
        "mail lies in this mailbox, which has received none so far: somebody has to open it, "
        "or it piles up unseen"
    )


def list_target_facts(label: str, targets: Sequence[ForwardTarget]) -> Iterator[Fact]:
    """Whom a forward of a mailbox sends to: one recipient, or the members of a group."""
    lines = sorted({format_forward_target(target) for target in targets})
    yield from (Fact(label, line) for line in lines[:MAX_SHOWN])
    if len(lines) > MAX_SHOWN:
        yield Fact("", f"and {len(lines) - MAX_SHOWN} more")


def list_recipient_facts(recipients: Sequence[ForwardRecipient]) -> Iterator[Fact]:
    """Whom it sends to, in an order that stays the same."""
    lines = sorted(
        {f"{sending.action} {format_forward_target(sending.target)}" for sending in recipients}
    )
    yield from (Fact("", line) for line in lines[:MAX_SHOWN])
    if len(lines) > MAX_SHOWN:
        yield Fact("", f"and {len(lines) - MAX_SHOWN} more")


def format_forward_target(target: ForwardTarget) -> str:
    """A recipient as a person reads it."""
    via = f" (through {quote_text(target.via, MAX_TEXT_LENGTH)})" if target.via else ""
    reason = f": {quote_text(target.reason, MAX_TEXT_LENGTH)}" if target.reason else ""
    if target.location is RecipientLocation.UNSEEN:
        return f"a group of which not every member is known{reason}"
    if target.location is RecipientLocation.UNRESOLVED:
        shown = target.address or target.raw
        return f"{quote_text(shown, MAX_TEXT_LENGTH)}, who cannot be identified{via}{reason}"
    return f"{quote_text(target.address, MAX_TEXT_LENGTH)}{via}"


LEAVING_VERDICTS = (ForwardingVerdict.EXTERNAL, ForwardingVerdict.KEEP)


def list_departure_facts(verdict: str, departure: Departure) -> Iterator[Fact]:
    """What becomes of the mail."""
    if verdict in LEAVING_VERDICTS:
        yield Fact("", departure.sentence)


def describe_departure(verdict: str, departure: Departure) -> str:
    """Whether the mail leaves, as the end of the sentence that says where it goes."""
    return departure.headline if verdict == ForwardingVerdict.EXTERNAL else ""


def format_word_list(words: Sequence[str]) -> str:
    """Some words, the others counted."""
    more = f" and {len(words) - MAX_SHOWN} more" if len(words) > MAX_SHOWN else ""
    return ", ".join(words[:MAX_SHOWN]) + more
