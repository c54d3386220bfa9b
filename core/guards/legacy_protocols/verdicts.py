"""The verdicts of the guard legacy-protocols, with the sentence that explains each."""

from collections.abc import Mapping
from enum import StrEnum


class ProtocolVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    REPAIR = "repair"


VERDICT_TEXTS: Mapping[str, str] = {
    ProtocolVerdict.REPAIR: "a protection is weaker than it should be",
}
