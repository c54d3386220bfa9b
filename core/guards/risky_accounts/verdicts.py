"""What this guard concludes, with the sentence that explains each."""

from collections.abc import Mapping
from enum import StrEnum


class RiskVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    AT_RISK = "at-risk"
    COMPROMISED = "compromised"
    NEW_WAY = "new-way"
    PROMPTED = "prompted"
    NOT_LICENSED = "not-licensed"


VERDICT_TEXTS: Mapping[str, str] = {
    RiskVerdict.AT_RISK: "Microsoft rates the account as probably in other hands",
    RiskVerdict.COMPROMISED: "an administrator, or Microsoft, holds the account for taken over",
    RiskVerdict.NEW_WAY: "an account signed in by a code or a bare password, for the first time",
    RiskVerdict.PROMPTED: "somebody was asked for a second factor again and again, or said fraud",
    RiskVerdict.NOT_LICENSED: "nobody rates the risk of accounts here",
}
