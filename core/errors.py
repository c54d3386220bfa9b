"""Every error that Exoguard raises on purpose.

    ExoguardError
    ├── SettingsError         settings are missing or wrong; the message names each of them
    ├── TenantError           Microsoft 365 did not do what was requested
    │   ├── Unavailable       a temporary failure: the next run tries again
    │   ├── Forbidden         a permission is missing; an administrator must grant it
    │   ├── Rejected          this one object cannot be changed by the app
    │   │   └── NoLicence         the tenant has no licence for the feature
    │   ├── NotFound          the object does not exist
    │   └── Superseded        the object has changed since it was judged; nothing was written
    ├── LedgerError           the state could not be read or written
    │   └── ClaimLost         another run holds the guard now; this one must stop
    └── NotificationError     the notification channel did not accept the message
        ├── CardRejected          it rejects this card; it may accept another
        └── ChannelForbidden      the app may not send by it, or not yet

Adapters map the errors of libraries to these and chain them as their cause; nothing else is caught
outside the adapters. A bug fails the function, and the host reports it. It is caught only where it
would stop more than what it is in (`MISTAKES`): one object that a guard cannot judge must not keep
it from the others (`core.engine.judgement`), nor a guard other guards from looking or accounts from
being contained.
"""

import traceback
from collections.abc import Mapping
from pathlib import PurePath


class ExoguardError(Exception):
    """The root of all errors that Exoguard raises on purpose."""


class SettingsError(ExoguardError):
    """Settings are missing or malformed; the message names all of them and what is valid."""


class TenantError(ExoguardError):
    """Microsoft 365 did not do what was requested."""


class Unavailable(TenantError):
    """Throttled, failing, unreachable or implausible: temporary, so the next run tries again.

    `before` is set when a change was started and may be partially applied: the values before its
    first write. Such a change has to be completed as it was intended, whatever the tenant shows by
    then.
    """

    def __init__(self, message: str, before: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.before = before


class Forbidden(TenantError):
    """A permission is missing. `permission` names it as the Microsoft documentation does."""

    def __init__(self, message: str, permission: str = "") -> None:
        super().__init__(message)
        self.permission = permission


class Rejected(TenantError):
    """The app cannot change this one object. `verdict` is the reason as a verdict."""

    def __init__(self, message: str, verdict: str = "refused") -> None:
        super().__init__(message)
        self.verdict = verdict


class NoLicence(Rejected):
    """The tenant has no licence for the feature, so it has none of its objects."""


class NotFound(TenantError):
    """The object does not exist."""


class Superseded(TenantError):
    """The object has changed since it was judged, so the change was not made."""


class LedgerError(ExoguardError):
    """The state could not be read or written. Without it, no run changes or notifies anything."""


class ClaimLost(LedgerError):
    """Another run holds the guard now. This run must not write anything more."""


class NotificationError(ExoguardError):
    """The channel did not accept the message. It stays pending for the next run."""


class CardRejected(NotificationError):
    """The channel rejects this card, and would reject it again."""


class ChannelForbidden(NotificationError):
    """The app may not send by this channel. Right after it was set up, that may need time."""


# What code with a mistake in it raises: a value of another form than it was written for, a name or
# a place that is not there, an impossible sum, and any of them inside tasks that were begun
# together. Errors of the machine (OSError, MemoryError) are not among them, nor is being cancelled.
MISTAKES: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ExceptionGroup,
    LookupError,
    NameError,
    RecursionError,
    TypeError,
    ValueError,
)
# Whatever a guard's run can end with, on purpose or by a mistake.
FAILURES: tuple[type[Exception], ...] = (ExoguardError, *MISTAKES)


def explain_error(error: Exception) -> str:
    """Why something failed. A mistake is told by its kind and place: its text may quote anything
    that the tenant holds.
    """
    if isinstance(error, ExoguardError):
        return str(error)
    kind, frames = type(error).__name__, traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"a mistake of the app, {kind}{place}"
