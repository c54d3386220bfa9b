"""What this guard concludes."""

from collections.abc import Mapping
from enum import StrEnum


class ModuleAccessVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    REPAIR = "repair"


VERDICT_TEXTS: Mapping[str, str] = {
    ModuleAccessVerdict.REPAIR: "a protection is weaker than it should be",
}
