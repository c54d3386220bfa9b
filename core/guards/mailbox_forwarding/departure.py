"""Whether forwarded mail leaves: the answer, and whose mail it is about. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from core.microsoft365.addresses import normalize_address
from core.microsoft365.recipients import KnownRecipients, find_membership
from core.tenant.quoting import quote_text

MAX_NAME_LENGTH = 80
MAX_REASON_LENGTH = 160


class ForwardingPolicyResult(StrEnum):
    """What becomes of mail that is forwarded to the outside."""

    ALLOWED = "leaves"
    UNKNOWN = "unknown"
    AUTOMATIC = "not-pinned"
    BLOCKED = "blocked"


class ForwardMethod(StrEnum):
    """How mail is forwarded, which decides by what it is recognized as a forward."""

    MAILBOX = "mailbox"
    """By a setting of the mailbox."""
    RULE = "rule"
    """By an inbox rule that forwards."""
    REDIRECT = "redirect"
    """By an inbox rule that redirects: the message keeps its sender."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Whether forwarded mail leaves, and by what it is stopped or why that is not known."""

    result: ForwardingPolicyResult = ForwardingPolicyResult.UNKNOWN
    reason: str = "the settings that decide it were not read"

    @property
    def sentence(self) -> str:
        """The answer as a fact."""
        match self.result:
            case ForwardingPolicyResult.ALLOWED:
                return "nothing stops this mail: it leaves the organization"
            case ForwardingPolicyResult.BLOCKED:
                return f"this mail is stopped before it leaves, by {self.reason}"
            case ForwardingPolicyResult.AUTOMATIC:
                return f"{self.reason} is set to Automatic: blocked today, but not pinned"
            case _:
                return f"whether this mail leaves is not known: {self.reason}"

    @property
    def headline(self) -> str:
        """The answer as the end of a sentence that says where mail is forwarded."""
        match self.result:
            case ForwardingPolicyResult.ALLOWED:
                return ", and it leaves"
            case ForwardingPolicyResult.BLOCKED:
                return f", but {self.reason} stops it"
            case ForwardingPolicyResult.AUTOMATIC:
                return f", and {self.reason} stops it for now"
            case _:
                return ", and whether it leaves is not known"


LEAVES = Departure(ForwardingPolicyResult.ALLOWED, "")


@dataclass(frozen=True, slots=True)
class Sender:
    """The mailbox that forwards, as conditions know it."""

    address: str
    id: str = ""
    """Its id in Entra, or the Exchange Guid."""
    known: KnownRecipients = field(default_factory=KnownRecipients)
    """Groups that conditions name, with their members."""

    @property
    def keys(self) -> frozenset[str]:
        """What it is known by among the members of a group."""
        return frozenset({normalize_address(self.address), self.id.casefold()}) - {""}

    def is_member(self, groups: Iterable[str]) -> bool | None:
        """Whether it is a member of one of some groups; None when it is not known."""
        return any_of(find_membership(group, self.keys, self.known)[0] for group in groups)

    def explain_groups(self, groups: Iterable[str]) -> str:
        """Why it is not known whether it is a member, as a clause; empty where it is known."""
        for group in groups:
            answer, reason = find_membership(group, self.keys, self.known)
            if answer is None:
                shown = quote_text(group, MAX_NAME_LENGTH)
                why = quote_text(reason, MAX_REASON_LENGTH)
                return f"it names the group {shown}, and who is in it is not known ({why})"
        return ""


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether all are met: one that is not decides, then one that is not known."""
    found = set(answers)
    return False if False in found else None if None in found else True


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Whether one is met: one that is decides, then one that is not known."""
    found = set(answers)
    return True if True in found else None if None in found else False


def is_same_or_below(domain: str, parent: str) -> bool:
    """True for a domain and for every name below it."""
    return bool(parent) and (domain == parent or domain.endswith(f".{parent}"))


def negate(answer: bool | None) -> bool | None:
    """The contrary of an answer; what is not known stays so."""
    return None if answer is None else not answer
