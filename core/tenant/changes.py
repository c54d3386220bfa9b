"""Every change Exoguard can make to a tenant: a closed union of frozen dataclasses.

Nothing else is ever written. Each class says exactly what it sets; the adapter that makes a change
checks the object again first.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class BlockSignIn:
    """Set accountEnabled to false, while the mailbox is one of `kinds`.

    A blocked account gets no new tokens. With `ends_sessions` its sessions are revoked as well,
    which undoing the block does not take back.
    """

    account_id: str
    mailbox_guid: str
    kinds: tuple[str, ...]
    ends_sessions: bool = False


@dataclass(frozen=True, slots=True)
class EndSessions:
    """Revoke the sessions of an account that is blocked. Nothing brings them back."""

    account_id: str


@dataclass(frozen=True, slots=True)
class EnableOrganizationAudit:
    """Set the organization's AuditDisabled to false."""


@dataclass(frozen=True, slots=True)
class EnableUnifiedAuditLog:
    """Set UnifiedAuditLogIngestionEnabled to true. Takes up to an hour to become visible."""


@dataclass(frozen=True, slots=True)
class EnableMailboxAudit:
    """Set a mailbox's AuditEnabled to true."""

    mailbox_guid: str


@dataclass(frozen=True, slots=True)
class ResetAuditSet:
    """Return logon types to Microsoft's default set, then add `extras` (by logon type) again.

    `expects` are the actions, by logon type, that the mailbox has to audit afterwards: all that the
    finding complained of.
    """

    mailbox_guid: str
    logon_types: tuple[str, ...]
    extras: tuple[tuple[str, tuple[str, ...]], ...] = ()
    expects: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class RaiseAuditAge:
    """Raise AuditLogAgeLimit to `days`. Never lowers it: a lower value would purge records."""

    mailbox_guid: str
    days: int


@dataclass(frozen=True, slots=True)
class ClearAuditBypass:
    """Set an account's AuditBypassEnabled to false."""

    account_guid: str


@dataclass(frozen=True, slots=True)
class DisableInboxRule:
    """Set one inbox rule's isEnabled to false, through Graph (client-side rules stay untouched)."""

    mailbox_id: str
    rule_id: str


@dataclass(frozen=True, slots=True)
class ClearMailboxForward:
    """Remove ForwardingAddress and ForwardingSmtpAddress of a mailbox."""

    mailbox_guid: str


@dataclass(frozen=True, slots=True)
class SetConfiguration:
    """Set one property of one configuration object, if its source allows the property."""

    source: str
    identity: str
    name: str
    value: bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DisableExchangeModule:
    """Set EXOModuleEnabled of one user to false. Never of a user who holds or may take a role."""

    user_id: str
    user_guid: str


@dataclass(frozen=True, slots=True)
class DisableMailboxProtocols:
    """Switch protocols of one mailbox off: any of "imap", "pop" and "smtp". Never on."""

    mailbox_guid: str
    protocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlockAccount:
    """Set accountEnabled to false for one account that an operator wants contained.

    Never for a holder of a role. A synchronised account is blocked as well, until a synchronisation
    brings back what the directory on premises says.
    """

    account_id: str


@dataclass(frozen=True, slots=True)
class RevokeSessions:
    """Tell the sessions of one account to end, whether or not it is blocked."""

    account_id: str


@dataclass(frozen=True, slots=True)
class DisableClientProtocols:
    """Switch ways of mail clients into one mailbox off: any of `CLIENT_PROTOCOLS`. Never on."""

    mailbox_guid: str
    protocols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DisableDevice:
    """Set accountEnabled of one device to false. Entra lets an app do so with Windows only."""

    device_id: str
    """Its object id, not the id that the device has of itself."""


@dataclass(frozen=True, slots=True)
class DisableHiddenRule:
    """Switch off one inbox rule that Graph does not show, through Exchange.

    Exchange may remove rules of Outlook on the desktop along with it, which nothing brings back.
    """

    mailbox_guid: str
    rule_id: str


CLIENT_PROTOCOLS: Mapping[str, str] = {
    "outlook-web": "OWAEnabled",
    "mapi": "MAPIEnabled",
    "ews": "EwsEnabled",
    "activesync": "ActiveSyncEnabled",
    "outlook-mobile": "OutlookMobileEnabled",
    "imap": "ImapEnabled",
    "pop": "PopEnabled",
}
"""The ways of mail clients into a mailbox, and the property of Get-CASMailbox that opens each
(Microsoft Learn: Set-CASMailbox).
"""


type GuardChange = (
    BlockSignIn
    | EndSessions
    | EnableOrganizationAudit
    | EnableUnifiedAuditLog
    | EnableMailboxAudit
    | ResetAuditSet
    | RaiseAuditAge
    | ClearAuditBypass
    | DisableInboxRule
    | ClearMailboxForward
    | SetConfiguration
    | DisableExchangeModule
    | DisableMailboxProtocols
)
"""The changes that guards make."""
type ContainmentChange = (
    BlockAccount | RevokeSessions | DisableClientProtocols | DisableDevice | DisableHiddenRule
)
"""The changes that only containing an account makes."""
type Change = GuardChange | ContainmentChange

CHANGE_TYPES: Mapping[str, Callable[..., Change]] = {
    kind.__name__: kind
    for kind in (*GuardChange.__value__.__args__, *ContainmentChange.__value__.__args__)
}


MULTI_STEP_CHANGES = frozenset({"BlockSignIn", "EndSessions", "ResetAuditSet", "RevokeSessions"})
"""Changes of which the object does not show whether one that started was finished.
Any other change is either in effect or not, and the object shows which."""


def get_joint_target(change: Change) -> str:
    """The mailbox whose changes are made together; empty for a change that is made by itself."""
    match change:
        case EnableMailboxAudit() | ResetAuditSet() | RaiseAuditAge():
            return change.mailbox_guid
        case _:
            return ""


def to_tuples(value: object) -> object:
    """Lists as tuples at any depth: JSON has no tuples, and frozen changes hold nothing else."""
    return tuple(to_tuples(part) for part in value) if isinstance(value, list | tuple) else value


def matches_type(value: object, hint: Any) -> bool:
    """True for a value of exactly the type an annotation names; a bool is no int."""
    arguments = get_args(hint)
    if get_origin(hint) is not tuple:
        return (
            any(matches_type(value, one) for one in arguments) if arguments else type(value) is hint
        )
    if not isinstance(value, tuple):
        return False
    if arguments[1:] == (...,):
        return all(matches_type(part, arguments[0]) for part in value)
    return len(value) == len(arguments) and all(map(matches_type, value, arguments))


@cache
def get_argument_types(kind: str) -> Mapping[str, Any]:
    """The types of a change's arguments by name. Raises KeyError for no kind of change."""
    return get_type_hints(CHANGE_TYPES[kind])


def build_change(kind: object, arguments: object) -> Change:
    """A stored change. Raises ValueError for anything but one of `CHANGE_TYPES`."""
    try:
        made = CHANGE_TYPES[str(kind)]
        if not isinstance(arguments, Mapping):
            raise TypeError("its arguments have no names")
        values = {name: to_tuples(value) for name, value in arguments.items()}
        hints = get_argument_types(str(kind))
        if not all(matches_type(value, hints[name]) for name, value in values.items()):
            raise TypeError("an argument is not of its type")
        return made(**values)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a change: {type(error).__name__}") from error


def parse_change(text: str) -> Change:
    """A change from the JSON text that a case stores. Raises ValueError for anything else."""
    try:
        kind, arguments = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not a change: {type(error).__name__}") from error
    return build_change(kind, arguments)


def change_to_arguments(change: Change) -> dict[str, object]:
    """A change's arguments as JSON values; its kind is the name of its class."""
    return {entry.name: getattr(change, entry.name) for entry in fields(change)}


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """A change that is in effect, as read back."""

    before: Mapping[str, object] = field(default_factory=dict)
    """The values before the change; undoing it restores them."""
    unchanged: bool = False
    """True: it was in effect already, and nothing was written."""
    note: str = ""
    """What else the operator should know, such as "sessions were not revoked: ..."."""
