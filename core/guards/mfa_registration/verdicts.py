"""What this guard concludes."""

from collections.abc import Mapping
from enum import StrEnum


class MfaVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    NO_SECOND_FACTOR = "no-second-factor"
    WEAK_FACTOR = "weak-factor"
    DECIDED_ELSEWHERE = "decided-elsewhere"
    METHOD_ADDED = "method-added"


VERDICT_TEXTS: Mapping[str, str] = {
    MfaVerdict.NO_SECOND_FACTOR: "a password alone opens the account",
    MfaVerdict.WEAK_FACTOR: "the second factor is a weak one",
    MfaVerdict.DECIDED_ELSEWHERE: "another provider decides about the second factor; it is not "
    "seen from here",
    MfaVerdict.METHOD_ADDED: "an administrator can sign in by a further method",
}
