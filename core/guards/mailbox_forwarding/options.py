"""What an operator may set for this guard."""

from dataclasses import dataclass

from core.model.guards import GuardPolicy
from core.model.options import SettingReader
from core.model.shared_settings import ALLOWED_FORWARD_DOMAINS


@dataclass(frozen=True, slots=True)
class ForwardingOptions:
    """Where mail may be sent."""

    allowed_domains: frozenset[str]
    """Domains outside the tenant to which mail may be forwarded, in lower case."""


type Policy = GuardPolicy[ForwardingOptions]


def read_options(reader: SettingReader) -> ForwardingOptions:
    """The guard's options from its settings."""
    return ForwardingOptions(frozenset(reader.read(ALLOWED_FORWARD_DOMAINS)))
