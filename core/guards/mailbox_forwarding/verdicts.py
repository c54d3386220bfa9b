"""The verdicts of the guard mailbox-forwarding, with the sentence that explains each."""

from collections.abc import Mapping
from enum import StrEnum


class ForwardingVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    EXTERNAL = "external"
    UNRESOLVED = "unresolved"
    HIDES_MAIL = "hides-mail"
    ROUTED = "routed"
    TRUSTED = "trusted"
    UNFILTERED = "unfiltered"
    NEW_DOMAIN = "new-domain"
    BAIT = "bait"
    PUBLISHED = "published"
    DORMANT = "dormant"
    KEEP = "keep"


VERDICT_TEXTS: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "mail leaves the organization",
    ForwardingVerdict.UNRESOLVED: "where mail goes could not be found out",
    ForwardingVerdict.HIDES_MAIL: "mail is kept from its reader",
    ForwardingVerdict.ROUTED: "mail is led through a server of others",
    ForwardingVerdict.TRUSTED: "mail of others is taken for the organization's own",
    ForwardingVerdict.UNFILTERED: "mail passes a filter that would look into it",
    ForwardingVerdict.NEW_DOMAIN: "a domain became the organization's own, or stopped being it",
    ForwardingVerdict.BAIT: "people who write here are answered with what an intruder wants",
    ForwardingVerdict.PUBLISHED: "anybody outside can see a calendar",
    ForwardingVerdict.DORMANT: "it does nothing now and would if it were switched on",
    ForwardingVerdict.KEEP: "it differs, and is kept as it is",
}
