"""Users, roles and deletions of the directory, Entra ID."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Account:
    """A user of Entra ID."""

    id: str
    upn: str = ""
    """User principal name."""
    enabled: bool | None = None
    """accountEnabled; None: Graph did not report it."""
    synced: bool = False
    """True: the on-premises directory is its source."""
    plans: frozenset[str] | None = frozenset()
    """Ids of assigned service plans, deleted ones left out; None: licensed, plans unknown."""
    idle_plans: frozenset[str] = frozenset()
    """Those of `plans` that do not serve: suspended, locked out, or in a state nobody knows."""
    switched_off_plans: frozenset[str] = frozenset()
    """Ids of plans that the assigned licences include and an administrator switched off for this
    account.
    """
    licensed: bool = False
    """True: at least one licence is assigned."""
    licence_ids: frozenset[str] | None = None
    """SKU ids of all assigned licences, of any product; None: Graph did not list them."""
    created_at: datetime | None = None
    """None: Graph did not report it."""
    password_changed_at: datetime | None = None
    """When a password was last set, the first one included; None: Graph did not report it."""
    is_management_restricted: bool = False
    """True: a member of a restricted management administrative unit."""

    @property
    def serving_plans(self) -> frozenset[str] | None:
        """Ids of the assigned plans that work now; None: plans unknown."""
        return None if self.plans is None else self.plans - self.idle_plans


@dataclass(frozen=True, slots=True)
class SignIn:
    """When an account last signed in."""

    id: str
    last_success: datetime | None
    """None: no success on record. Entra records this date since December 2023 only."""
    last_attempt: datetime | None = None
    """The last attempt of either kind, interactive or not. Failures count: anybody causes them."""


class SignInKind(StrEnum):
    """Why a single sign-in is worth a look."""

    DEVICE_CODE = "device-code"
    """Somebody typed a code that signed in another device."""
    ROPC = "ropc"
    """An app sent the bare password (resource owner password credentials)."""
    PROMPT_DENIED = "prompt-denied"
    """A second factor was asked for, and was denied or not answered."""


@dataclass(frozen=True, slots=True)
class SignInEvent:
    """One sign-in of the log. Texts are bounded, and of whoever signed in."""

    account_id: str
    kind: SignInKind
    at: datetime
    name: str = ""
    """Principal name of the account."""
    app_id: str = ""
    app_name: str = ""
    address: str = ""
    detail: str = ""
    """What the log says besides, such as that somebody reported fraud."""


@dataclass(frozen=True, slots=True)
class MfaRegistration:
    """An account's authentication methods, from Entra's registration report, up to a day old."""

    id: str
    upn: str = ""
    is_guest: bool = False
    is_admin: bool | None = False
    """None: the report does not say."""
    mfa_registered: bool = False
    """The account has a method that is a second factor."""
    mfa_capable: bool = False
    """It has one that policy allows as well."""
    passwordless_capable: bool = False
    """It has a passwordless method that policy allows."""
    methods: frozenset[str] = frozenset()
    """Names of the registered methods in lower case."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The user or app that did something in the directory; an empty `id`: unknown."""

    id: str = ""
    """Object id."""
    name: str = ""
    is_app: bool = False
    ip: str = ""
    """The user's IP address; empty for an app."""
    is_this_app: bool = False
    """Whether it is Exoguard itself."""


@dataclass(frozen=True, slots=True)
class Enabling:
    """An account that was enabled, as the directory's audit log tells."""

    id: str
    """Object id of the account."""
    at: datetime
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion in the directory's audit log, or an act that locks somebody out."""

    id: str
    """Object id of what was deleted or locked out."""
    kind: str
    """What was deleted (user, group, device, contact, application, service-principal, policy), or
    what was done to an account (disabled, reset, method: a sign-in method was removed).
    """
    at: datetime
    name: str = ""
    permanent: bool = False
    """True: nothing can be restored."""
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True)
class DeletedObject:
    """A user or group in the recycle bin."""

    id: str
    kind: str
    at: datetime
    """Deleted at; can be restored for 30 days from then."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """A principal that administers the tenant, or can take a role that does."""

    id: str
    """Entra object id, or the Exchange Guid of one that has none."""
    assigned_via: str
    """Either "entra" (active), "eligible" (to be activated), "exchange" (role group) or "owner"
    (of a group that holds a role).
    """
    roles: frozenset[str] = frozenset()
    """The definition ids of its roles of Entra, those that it can activate or has through groups
    included.
    """
    name: str = ""
    """Its principal name or display name, where it is known."""
    is_group: bool = False
    """Whether it is a group, whose members are holders themselves."""
    role_groups: frozenset[str] = frozenset()
    """The names of the role groups of Exchange that it is in, directly or through groups."""
    owned_roles: frozenset[str] = frozenset()
    """The definition ids of the roles of groups that it owns: it may put itself into them."""


@dataclass(frozen=True, slots=True)
class ModuleUser:
    """An account that Exchange lists as allowed to use Exchange PowerShell."""

    id: str
    """Entra object id, or the Exchange Guid where there is none."""
    guid: str
    name: str = ""
    kind: str = "UserMailbox"
    """RecipientTypeDetails."""
    has_account: bool = True
    """False: no Entra account belongs to it, and `id` is the Exchange Guid."""
    enabled: bool = True
    """False: not allowed after all, whatever the listing was filtered by."""
