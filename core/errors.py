"""Every error Exoguard raises on purpose.

    ExoguardError
    ├── SettingsError         settings are missing or wrong; every one is named
    ├── TenantError           Microsoft 365 did not do what it was asked
    │   ├── Unavailable       passing trouble: the next run tries again
    │   ├── Forbidden         a permission is missing; a person must grant it
    │   ├── Refused           this one object cannot be changed from here
    │   │   └── NoLicence         the tenant has no licence for what was asked
    │   ├── Gone              the object is not there
    │   └── Moot              the object is no longer as it was judged; nothing was changed
    ├── LedgerError           the state could not be read or written
    │   └── ClaimLost         another run holds the guard now; this one must stop
    └── AlertError            the webhook did not take the card
        └── Unfit                 it refuses this very card: another may be taken

Errors of libraries are mapped to these inside `core/adapters` and chained as their cause; outside
the adapters nothing else is caught. A bug is not caught anywhere: it fails the function, and the
host reports it.
"""

from collections.abc import Mapping


class ExoguardError(Exception):
    """The root: something Exoguard knows how to speak of."""


class SettingsError(ExoguardError):
    """Settings are missing or malformed; the message names all of them and what they should be."""


class TenantError(ExoguardError):
    """Microsoft 365 did not do what it was asked."""


class Unavailable(TenantError):
    """Throttled, broken, out of reach or unbelievable: passing, so the next run tries again.

    `before` is set when a change was begun and may be half made: what was there before its first
    step. Such a change has to be finished as it was intended, whatever the tenant shows by then.
    """

    def __init__(self, message: str, before: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.before = before


class Forbidden(TenantError):
    """A permission is missing. `permission` names it as the documentation does."""

    def __init__(self, message: str, permission: str = "") -> None:
        super().__init__(message)
        self.permission = permission


class Rejected(TenantError):
    """This one object cannot be changed from here. `verdict` says why in one word."""

    def __init__(self, message: str, verdict: str = "refused") -> None:
        super().__init__(message)
        self.verdict = verdict


class NoLicence(Rejected):
    """The tenant has no licence for what was asked, so there is nothing of it."""


class NotFound(TenantError):
    """The object is not there."""


class Superseded(TenantError):
    """The object is no longer as it was judged, so the change was not made."""


class LedgerError(ExoguardError):
    """The state could not be read or written. Without it nothing is changed and nothing is told."""


class ClaimLost(LedgerError):
    """Another run holds the guard now. This run must not write anything more."""


class NotificationError(ExoguardError):
    """The webhook did not take the card. The news stays untold and goes out with the next run."""


class CardRejected(NotificationError):
    """The webhook answers, and refuses this very card: sent again, it would be refused again."""
