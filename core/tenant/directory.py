"""core.tenant.directory."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Account:
    """An Entra user. `enabled` is None when Graph did not say.

    `plans` are the ids of service plans assigned and not deleted; None when Graph did not say while
    licences are assigned (`licensed`), so that the plans are unknown.
    """

    id: str
    upn: str = ""
    enabled: bool | None = None
    synced: bool = False
    plans: frozenset[str] | None = frozenset()
    licensed: bool = False


@dataclass(frozen=True, slots=True)
class SignIn:
    """When an account last signed in with success; None when it never did as far as is known."""

    id: str
    last_success: datetime | None


@dataclass(frozen=True, slots=True)
class MfaRegistration:
    """By what an account can prove who it is, as Entra's registration report has it.

    The report is up to a day old. `registered`: it has a method that is a second factor; `capable`:
    it has one that policy allows as well; `passwordless` likewise. `methods` are the names of
    registered methods in lower case. `admin` None: the report does not say.
    """

    id: str
    upn: str = ""
    is_guest: bool = False
    is_admin: bool | None = False
    mfa_registered: bool = False
    mfa_capable: bool = False
    passwordless_capable: bool = False
    methods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something in the directory: a user or an app, by object id; "" is nobody known."""

    id: str = ""
    name: str = ""
    is_app: bool = False
    ip: str = ""


@dataclass(frozen=True, slots=True)
class Deletion:
    """That an object was deleted, as the directory's audit log tells.

    `id` is the object's, `kind` one of user, group, device, contact. `final`: it was deleted for
    good, so that nothing of it can be restored.
    """

    id: str
    kind: str
    at: datetime
    name: str = ""
    permanent: bool = False
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class DeletedObject:
    """A user or group that can still be restored: for 30 days after `at`."""

    id: str
    kind: str
    at: datetime
    name: str = ""


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """Somebody who administers the tenant, or may make themselves do so.

    `id` is an Entra object id, or the Exchange Guid of one that has none. `through` is "entra" (an
    active role), "eligible" (one that can be activated) or "exchange" (a role group).
    """

    id: str
    assigned_via: str


@dataclass(frozen=True, slots=True)
class ModuleUser:
    """An account that Exchange lists as one that may use its PowerShell.

    `id` is the Entra object id, or the Exchange Guid where there is none (`has_account` False).
    `kind` is RecipientTypeDetails. `enabled` False: it may not, whatever the list was filtered by.
    """

    id: str
    guid: str
    name: str = ""
    kind: str = "UserMailbox"
    has_account: bool = True
    enabled: bool = True
