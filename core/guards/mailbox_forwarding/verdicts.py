"""The verdicts of the guard mailbox-forwarding, with the sentence that explains each."""

from collections.abc import Mapping
from enum import StrEnum


class ForwardingVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    EXTERNAL = "external"
    UNRESOLVED = "unresolved"
    HIDES_MAIL = "hides-mail"
    DORMANT = "dormant"
    KEEP = "keep"


VERDICT_TEXTS: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "mail leaves the organization",
    ForwardingVerdict.UNRESOLVED: "where mail goes could not be found out",
    ForwardingVerdict.HIDES_MAIL: "mail is hidden from its owner",
    ForwardingVerdict.DORMANT: "it does nothing now and would if it were switched on",
    ForwardingVerdict.KEEP: "it differs, and is kept as it is",
}
