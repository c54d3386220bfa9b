"""Who did what in the tenant, as its audit logs tell: one form for the records of every log.

A record says where to look and who was there. It never says how things are: that is what the
readers of the resources are for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

BROKEN_PREFIX = "record-"
"""What the id of a record that could not be understood begins with, in failures of a reading."""


class ActivityLog(StrEnum):
    """A log that records come from."""

    DIRECTORY = "directory"
    """Graph's directoryAudits."""
    EXCHANGE = "exchange"
    """Audit.Exchange of the Office 365 Management Activity API."""
    ENTRA_FEED = "entra"
    """Audit.AzureActiveDirectory of the same API: the directory's records with their sessions."""


class ActorKind(StrEnum):
    """What acted."""

    PERSON = "person"
    APP = "app"
    MICROSOFT = "microsoft"
    """Microsoft's own service, which maintains the tenant."""
    PARTNER = "partner"
    """Somebody from outside who administers the tenant: a partner, or Microsoft's staff."""
    SYNC = "synchronization"
    """The account by which the directory on premises is copied."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ActivityActor:
    """Who acted, as far as a record tells it by more than a name."""

    kind: ActorKind
    name: str = ""
    """The principal name or display name in the record, for people to read. Never a key."""
    id: str = ""
    """The object id of the account or service principal."""
    app_id: str = ""
    """The application id of the client, or of the app that acted."""
    is_this_app: bool = False
    """Whether it is Exoguard itself."""


@dataclass(frozen=True, slots=True)
class ActivityRecord:
    """One act."""

    id: str
    """The id that the log gave it, or a hash where it gave none."""
    log: ActivityLog
    operation: str
    """What was done, in the normal form of `core.microsoft365.activity_operations`."""
    at: datetime
    """When it was done, in UTC."""
    actor: ActivityActor
    names: tuple[str, ...] = ()
    """What it was done to, by every name the record has, the surest first. Untrusted."""
    shown: str = ""
    """What people call what it was done to, where the log says so. Untrusted, and never a key."""
    address: str = ""
    """The address that the log saw, without a port. It may be one of Microsoft's."""
    client: str = ""
    """The client, as the log names it."""
    session: str = ""
    """The session of Entra that it belongs to, where the log says so."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What was set, by name; bounded, and without what may be a credential."""
    has_body: bool = True
    """False: the record says that something changed, and not what."""


@dataclass(frozen=True, slots=True)
class ActivityContent:
    """A piece of a log that is fetched as a whole."""

    id: str
    created_at: datetime
    """When the service made it; it may hold older acts."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ChangedAccounts:
    """Which accounts changed since a link was given, and the link from which to go on."""

    link: str
    ids: tuple[str, ...] = ()
    has_restarted: bool = False
    """Whether the old link was no good any more: any account may have changed."""
