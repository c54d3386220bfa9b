"""What an operator may set for this guard."""

from dataclasses import dataclass

from core.model.guards import GuardPolicy
from core.model.options import Purpose, Setting, SettingReader, one_of
from core.model.shared_settings import RECENT_SIGN_IN_DAYS


@dataclass(frozen=True, slots=True)
class ProtocolOptions:
    """When a protocol counts as used, and what to do where that cannot be known."""

    recent_days: int
    """A protocol that somebody used within so many days is left to an operator."""
    without_sign_ins: str
    """Where sign-in logs cannot be read: "ask" an operator, or "enforce"."""


type Policy = GuardPolicy[ProtocolOptions]

WITHOUT_SIGN_INS = Setting(
    name="LEGACY_PROTOCOLS_WITHOUT_SIGN_INS",
    purpose=Purpose.JUDGEMENT,
    default="ask",
    help="legacy-protocols: where sign-in logs cannot be read, leave protocols on (ask) or switch "
    "them off (enforce)",
    parse=one_of("ask", "enforce"),
)


def read_options(reader: SettingReader) -> ProtocolOptions:
    """The guard's options from its settings."""
    return ProtocolOptions(reader.read(RECENT_SIGN_IN_DAYS), reader.read(WITHOUT_SIGN_INS))
