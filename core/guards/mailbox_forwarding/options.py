"""What an operator may set for this guard."""

from dataclasses import dataclass

from core.model.guards import GuardPolicy
from core.model.options import Purpose, Setting, SettingReader, names


@dataclass(frozen=True, slots=True)
class ForwardingOptions:
    """Where mail may be sent."""

    allowed_domains: frozenset[str]
    """Domains outside the tenant to which mail may be forwarded, in lower case."""


type Policy = GuardPolicy[ForwardingOptions]

ALLOWED_FORWARD_DOMAINS = Setting(
    name="ALLOWED_FORWARD_DOMAINS",
    purpose=Purpose.JUDGEMENT,
    help="mailbox-forwarding: outside domains to which mail may be forwarded, separated by commas",
    parse=names(
        r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+",
        "domain names such as partner.example, without wildcards",
        fold_case=True,
    ),
)


def read_options(reader: SettingReader) -> ForwardingOptions:
    """The guard's options from its settings."""
    return ForwardingOptions(frozenset(reader.read(ALLOWED_FORWARD_DOMAINS)))
