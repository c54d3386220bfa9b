"""What an operator may set for this guard."""

from dataclasses import dataclass

from core.model.guards import GuardPolicy
from core.model.options import Purpose, Setting, SettingReader, one_of
from core.model.shared_settings import (
    BREAK_GLASS_ACCOUNTS,
    RECENT_SIGN_IN_DAYS,
    RESOURCE_MAILBOX_KINDS,
)


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """Which accounts the guard blocks, and which it leaves to an operator."""

    resource_kinds: tuple[str, ...]
    """RecipientTypeDetails whose accounts should not sign in."""
    licensed_accounts: str
    """What to do about a licensed account: "alert" (leave it to an operator), "block", "ignore"."""
    recent_days: int
    """An account that signed in within so many days is left to an operator."""
    break_glass_accounts: tuple[str, ...] = ()
    """Object ids and principal names, in lower case, of accounts that are never blocked."""
    at_first_look: str = "block"
    """What to do about accounts found when the guard first reads the tenant: "block" or "ask"."""


type Policy = GuardPolicy[SignInOptions]

LICENSED_MAILBOXES = Setting(
    name="LICENSED_MAILBOXES",
    purpose=Purpose.JUDGEMENT,
    default="alert",
    help="shared-mailbox-sign-in: what to do about licensed accounts of shared mailboxes that "
    "nobody uses: alert, block or ignore; those of rooms and equipment are never blocked",
    parse=one_of("alert", "block", "ignore"),
)
SIGN_IN_AT_FIRST_LOOK = Setting(
    name="SIGN_IN_AT_FIRST_LOOK",
    purpose=Purpose.JUDGEMENT,
    default="block",
    help="shared-mailbox-sign-in: what to do about unused accounts that could sign in when the "
    "guard first read the tenant: block them after a preview, or ask",
    parse=one_of("block", "ask"),
)
SETTINGS = (
    RESOURCE_MAILBOX_KINDS,
    LICENSED_MAILBOXES,
    RECENT_SIGN_IN_DAYS,
    BREAK_GLASS_ACCOUNTS,
    SIGN_IN_AT_FIRST_LOOK,
)


def read_options(reader: SettingReader) -> SignInOptions:
    """The guard's options from its settings."""
    return SignInOptions(
        resource_kinds=reader.read(RESOURCE_MAILBOX_KINDS),
        licensed_accounts=reader.read(LICENSED_MAILBOXES),
        recent_days=reader.read(RECENT_SIGN_IN_DAYS),
        break_glass_accounts=reader.read(BREAK_GLASS_ACCOUNTS),
        at_first_look=reader.read(SIGN_IN_AT_FIRST_LOOK),
    )
