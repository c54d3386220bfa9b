"""What this guard concludes."""

from collections.abc import Mapping
from enum import StrEnum


class ModuleAccessVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    REPAIR = "repair"
    NEW_ADMINISTRATOR = "new-administrator"


VERDICT_TEXTS: Mapping[str, str] = {
    ModuleAccessVerdict.REPAIR: "a protection is weaker than it should be",
    ModuleAccessVerdict.NEW_ADMINISTRATOR: "somebody newly holds a role that opens the tenant",
}
