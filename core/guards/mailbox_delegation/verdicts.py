"""What the guard mailbox-delegation concludes."""

from collections.abc import Mapping
from enum import StrEnum


class DelegationVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    DELEGATED = "delegated"
    EVERYONE = "everyone"
    EXTERNAL = "external"
    UNRESOLVED = "unresolved"
    ADD_IN = "add-in"


VERDICT_TEXTS: Mapping[str, str] = {
    DelegationVerdict.DELEGATED: "somebody else has rights over a mailbox",
    DelegationVerdict.EVERYONE: "everybody has rights over a mailbox",
    DelegationVerdict.EXTERNAL: "somebody outside the organization has rights over a mailbox",
    DelegationVerdict.ADD_IN: "an add-in from a file runs in a mailbox",
    DelegationVerdict.UNRESOLVED: "who has rights over a mailbox could not be found out",
}
