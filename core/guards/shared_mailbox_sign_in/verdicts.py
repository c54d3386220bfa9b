"""What this guard concludes, besides the engine's own verdicts."""

from collections.abc import Mapping
from enum import StrEnum


class SignInVerdict(StrEnum):
    """The guard's own verdicts."""

    BLOCK = "block"
    END_SESSIONS = "end-sessions"
    KEEP = "keep"
    NEVER = "never"


VERDICT_TEXTS: Mapping[str, str] = {
    SignInVerdict.BLOCK: "an account that should not be able to sign in can, and nobody uses it",
    SignInVerdict.END_SESSIONS: "sessions from before a block would last beyond it",
    SignInVerdict.KEEP: "it differs, and is kept as it is",
    SignInVerdict.NEVER: "it is never changed, only shown",
}
