"""What this guard concludes, besides what it concludes about watched collections."""

from collections.abc import Mapping
from enum import StrEnum


class PrivilegedVerdict(StrEnum):
    """What is concluded about people and acts."""

    NEW_ADMINISTRATOR = "new-administrator"
    METHOD_ADDED = "method-added"
    EMERGENCY_SIGN_IN = "emergency-sign-in"
    ELEVATED = "elevated"
    SECRETS_READ = "secrets-read"
    BLOCKED_SENDER = "blocked-sender"
    LOCKED_OUT = "locked-out"
    REVIVED = "revived"
    REFUSED = "refused-role"
    INVITED = "invited"
    APPS_CHANGED = "apps-changed"
    UNUSED = "unused"


VERDICT_TEXTS: Mapping[str, str] = {
    PrivilegedVerdict.NEW_ADMINISTRATOR: "somebody newly holds a role that opens the tenant",
    PrivilegedVerdict.METHOD_ADDED: "how an administrator signs in was made wider or weaker",
    PrivilegedVerdict.EMERGENCY_SIGN_IN: "somebody signed in with an account for emergencies",
    PrivilegedVerdict.ELEVATED: "an administrator took the right to give roles in all of Azure",
    PrivilegedVerdict.SECRETS_READ: "somebody read the recovery secrets of many devices",
    PrivilegedVerdict.BLOCKED_SENDER: "Microsoft keeps an account from sending, since it sent spam",
    PrivilegedVerdict.LOCKED_OUT: "somebody took from an administrator what they sign in with",
    PrivilegedVerdict.REVIVED: "an account was enabled with a new password, or was there for a day",
    PrivilegedVerdict.REFUSED: "somebody asked for a role and was refused",
    PrivilegedVerdict.INVITED: "guests come in numbers, from a look-alike, or from other domains",
    PrivilegedVerdict.APPS_CHANGED: "one account made many apps, or removed some",
    PrivilegedVerdict.UNUSED: "accounts administer that nobody uses, or more than anybody watches",
}
