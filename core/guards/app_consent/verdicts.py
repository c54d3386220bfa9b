"""The verdicts of the guard app-consent, with the sentence that explains each."""

from collections.abc import Mapping
from enum import StrEnum


class ConsentVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    GRANTED = "granted"
    IMPOSTOR = "impostor"
    DORMANT = "dormant"
    REPAIR = "repair"
    KEEP = "keep"


VERDICT_TEXTS: Mapping[str, str] = {
    ConsentVerdict.GRANTED: "an app was given access",
    ConsentVerdict.IMPOSTOR: "an app goes by a name that is not its own",
    ConsentVerdict.DORMANT: "it does nothing now and would if it were switched on",
    ConsentVerdict.REPAIR: "a protection is weaker than it should be",
    ConsentVerdict.KEEP: "it differs, and is kept as it is",
}
