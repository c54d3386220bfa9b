"""All that a plan for one account is made of. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.tenant.changes import Change
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
from core.tenant.directory import RoleHolder
from core.tenant.mailboxes import Mailbox


@dataclass(frozen=True, slots=True)
class JudgedChange:
    """A forward or rule that a guard judges dangerous, and the change that switches it off."""

    title: str
    change: Change
    prior: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HiddenRule:
    """A dangerous rule that Graph does not show, so that only a person can switch it off."""

    title: str
    identity: str


@dataclass(frozen=True, slots=True)
class AccountPicture:
    """All that was read of one account for its plan."""

    account: TargetAccount | None
    role_holders: tuple[RoleHolder, ...] | None = ()
    """Who holds a role; None: not read to its end."""
    mailbox: Mailbox | None = None
    judged: tuple[JudgedChange, ...] = ()
    hidden_rules: tuple[HiddenRule, ...] = ()
    details: Mapping[DetailKind, tuple[AccountDetail, ...]] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    since: datetime | None = None
    """What was registered from then on is named first."""
    may_switch_devices: bool = True
    """Whether the app may switch devices off, as far as is known."""
    is_mailbox_unread: bool = False
    """Whether nobody knows if a mailbox belongs to it."""
