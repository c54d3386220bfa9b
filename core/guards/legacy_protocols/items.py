"""What the guard judges: settings of the organization, and mailboxes that allow a protocol."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.guards.legacy_protocols.sign_in_evidence import NO_EVIDENCE, ProtocolEvidence
from core.tenant.configuration import Configuration
from core.tenant.mailboxes import MailboxProtocols

MAX_TEXT_LENGTH = 200
ORGANIZATION = "organization"
TRANSPORT, PLANS = "transport-config", "cas-mailbox-plan"
POLICIES, SETTINGS = "authentication-policy", "organization-config"
PROTOCOL_PROPERTIES: Mapping[str, str] = {"imap": "ImapEnabled", "pop": "PopEnabled"}


@dataclass(frozen=True, slots=True)
class SmtpAuthSetting:
    """SMTP AUTH of the organization."""

    disabled: bool | None
    """None: not told."""
    evidence: ProtocolEvidence = NO_EVIDENCE
    own_setting_count: int = 0
    """How many users' mailboxes decide for themselves."""
    default_policy_text: str = ""
    """What the default authentication policy says about bare passwords."""


@dataclass(frozen=True, slots=True)
class NewMailboxPlan:
    """What new mailboxes get."""

    plan: Configuration


@dataclass(frozen=True, slots=True)
class AuthenticationPolicy:
    """An authentication policy."""

    policy: Configuration
    is_default: bool = False
    """Whether accounts without a policy of their own fall under it."""
    evidence: ProtocolEvidence = NO_EVIDENCE
    users: tuple[str, ...] | None = None
    """The names of the first users it was given to; None: not read."""


@dataclass(frozen=True, slots=True)
class LegacyProtocolMailbox:
    """A mailbox that allows a protocol by itself, or does not tell, and who uses it."""

    protocols: MailboxProtocols
    evidence: ProtocolEvidence = NO_EVIDENCE


type ProtocolItem = SmtpAuthSetting | NewMailboxPlan | AuthenticationPolicy | LegacyProtocolMailbox


def parse_protocol_switch(value: object) -> bool | None:
    """A switch of the configuration, also as a word; None when it is neither."""
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def allows_basic_smtp_auth(policy: Configuration) -> bool | None:
    """Whether a policy takes basic authentication for SMTP, the one protocol that still has it."""
    return parse_protocol_switch(policy.values.get("AllowBasicAuthSmtp"))
