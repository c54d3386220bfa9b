"""What this guard concludes."""

from collections.abc import Mapping
from enum import StrEnum


class DeletionVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    MASS_DELETION = "mass-deletion"
    DELETED_FOR_GOOD = "deleted-for-good"
    MASS_LOCKOUT = "mass-lockout"


VERDICT_TEXTS: Mapping[str, str] = {
    DeletionVerdict.MASS_DELETION: "much was deleted at once",
    DeletionVerdict.DELETED_FOR_GOOD: "of what was deleted, users or groups cannot be restored",
    DeletionVerdict.MASS_LOCKOUT: "many were locked out at once",
}
