"""Accounts of resource mailboxes: what is known of their use, and what speaks against a block."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.guards.shared_mailbox_sign_in.options import Policy
from core.tenant.directory import Account, Enabling
from core.tenant.mailboxes import Mailbox

KIND_NAMES = {
    "SharedMailbox": "shared mailbox",
    "RoomMailbox": "room mailbox",
    "EquipmentMailbox": "equipment mailbox",
    "SchedulingMailbox": "scheduling mailbox",
}
DEVICE_KINDS = frozenset({"RoomMailbox", "EquipmentMailbox"})
"""Mailboxes whose account a panel, a phone or a hub may sign in with. A workspace is a room."""
QUIET_PERIOD = timedelta(days=7)
"""How long a block stands before sessions are ended too: an undo until then brings all back."""
PASSWORD_TOLERANCE = timedelta(minutes=5)
"""A password dated so close to its account's creation came with the account."""


class SignInRecord(StrEnum):
    """What Entra's records say about the use of an account."""

    UNREAD = "unread"
    """They cannot be read, for want of a permission or a licence."""
    UNCLEAR = "unclear"
    """There were attempts lately, and whether one succeeded is not known."""
    READ = "read"
    """They hold every success of both kinds, interactive or not, within the days that count."""


class PasswordAge(StrEnum):
    """Whether anybody ever set the password of an account."""

    UNTOUCHED = "untouched"
    """It is as old as the account: Exchange made it, and nobody knows it."""
    SET = "set"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ResourceAccount:
    """A mailbox nobody should sign in to, its account, and what is known of the account's use."""

    mailbox: Mailbox
    account: Account | None
    """None: Entra knows no account of the mailbox."""
    last_sign_in: datetime | None = None
    """The last success of either kind; None: none on record."""
    sign_ins: SignInRecord = SignInRecord.UNREAD
    """How far `last_sign_in` can be relied on."""
    holds_role: bool | None = False
    """Whether it holds an administrative role or may activate one; None: not known."""
    blocked_at: datetime | None = None
    """When Exoguard blocked the account, unless an operator undid that."""
    sessions_ended: bool = False
    """Whether Exoguard ended its sessions with that block or since then."""
    enabling: Enabling | None = None
    """Who enabled it since then, if the directory's audit log says so."""


def is_device(mailbox: Mailbox, account: Account) -> bool:
    """True for the account of a room or equipment that a device may sign in with.

    Panels, phones and hubs hold many different licences, so any licence of a room counts. A shared
    mailbox has no device, whatever it is licensed for.
    """
    return mailbox.kind in DEVICE_KINDS and is_licensed(account)


def is_licensed(account: Account) -> bool:
    """True when a licence of any kind is assigned: somebody wants the account for something.

    Licences without a mailbox count too: Teams, Power Automate, Dynamics, Microsoft 365 Apps.
    """
    return account.licensed or bool(account.plans) or bool(account.licence_ids)


def is_known_unlicensed(account: Account) -> bool:
    """True when Graph said that no licence is assigned."""
    return not is_licensed(account) and account.plans is not None


def is_break_glass(account: Account, policy: Policy) -> bool:
    """True for an account that the operator named as one for emergencies."""
    return not {account.id.lower(), account.upn.strip().lower()}.isdisjoint(
        policy.options.break_glass_accounts
    )


def is_changeable(mailbox: Mailbox, account: Account, policy: Policy) -> bool:
    """True when this guard may change the account at all, as far as the account itself tells."""
    return (
        account.enabled is True
        and not account.synced
        and not account.is_management_restricted
        and not is_device(mailbox, account)
        and not is_break_glass(account, policy)
    )


def needs_sign_ins(mailbox: Mailbox, account: Account, policy: Policy) -> bool:
    """True when only the account's use could still speak against a block."""
    return is_changeable(mailbox, account, policy) and (
        is_known_unlicensed(account)
        or (is_licensed(account) and policy.options.licensed_accounts == "block")
    )


def is_recent(moment: datetime | None, policy: Policy) -> bool:
    """True for a time within the days that count; a date to come is a clock that is off."""
    return moment is not None and policy.now - moment <= timedelta(days=policy.options.recent_days)


def get_password_age(account: Account) -> PasswordAge:
    """Whether anybody set the password after the account was made.

    An account that Exchange makes for a mailbox gets a random password at once, and Entra dates it
    like any other (Microsoft Learn: user resource type, lastPasswordChangeDateTime).
    """
    if account.created_at is None or account.password_changed_at is None:
        return PasswordAge.UNKNOWN
    age = account.password_changed_at - account.created_at
    if abs(age) <= PASSWORD_TOLERANCE:
        return PasswordAge.UNTOUCHED
    return PasswordAge.SET if age > timedelta(0) else PasswordAge.UNKNOWN


def has_new_password(account: Account, policy: Policy) -> bool:
    """True when somebody set the password lately, as who takes an account over does first."""
    return get_password_age(account) is PasswordAge.SET and is_recent(
        account.password_changed_at, policy
    )


def is_proven_unused(item: ResourceAccount, account: Account) -> bool:
    """True when nobody uses the account: either no success is on record, or nobody could sign in.

    The account of a room serves a device, which may stand still for months, so a password that
    somebody set and a success however old speak for one.
    """
    password = get_password_age(account)
    if password is PasswordAge.UNTOUCHED:
        return True
    if item.sign_ins is not SignInRecord.READ:
        return False
    if item.mailbox.kind not in DEVICE_KINDS:
        return True
    return password is not PasswordAge.SET and item.last_sign_in is None
