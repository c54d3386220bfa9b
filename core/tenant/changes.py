"""core.tenant.changes."""

import json
from collections.abc import (
    Callable,
    Mapping,
)
from dataclasses import dataclass, field, fields
from typing import Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class BlockSignIn:
    """Set accountEnabled to false, revoke sessions. Only while the mailbox is one of `kinds`."""

    account_id: str
    mailbox_guid: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnableOrganizationAudit:
    """Set the organization's AuditDisabled to false."""


@dataclass(frozen=True, slots=True)
class EnableUnifiedAuditLog:
    """Set UnifiedAuditLogIngestionEnabled to true. Takes up to an hour to show."""


@dataclass(frozen=True, slots=True)
class EnableMailboxAudit:
    """Set a mailbox's AuditEnabled to true."""

    mailbox_guid: str


@dataclass(frozen=True, slots=True)
class ResetAuditSet:
    """Give logon types back to Microsoft's default set, then add `extras` (by logon type) again.

    `expects` are actions the default set should bring to each of the logon types.
    """

    mailbox_guid: str
    logon_types: tuple[str, ...]
    extras: tuple[tuple[str, tuple[str, ...]], ...] = ()
    expects: tuple[str, ...] = ()


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
    """Set one property of one object of the configuration, one that its source lets be changed."""

    source: str
    identity: str
    name: str
    value: bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DisableExchangeModule:
    """Set EXOModuleEnabled of one user to false. Never of one who holds, or may hold, any role."""

    user_id: str
    user_guid: str


@dataclass(frozen=True, slots=True)
class DisableMailboxProtocols:
    """Switch protocols of one mailbox off: any of "imap", "pop" and "smtp". Never on."""

    mailbox_guid: str
    protocols: tuple[str, ...]


type Change = (
    BlockSignIn
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

CHANGE_TYPES: Mapping[str, Callable[..., Change]] = {
    kind.__name__: kind for kind in Change.__value__.__args__
}


MULTI_STEP_CHANGES = frozenset({"BlockSignIn", "ResetAuditSet"})
"""Changes of more than one write: of one that was begun nobody can tell from the object whether it
was finished. What another was to put right is wrong until it is made, and right from then on."""


def to_tuples(value: object) -> object:
    """Lists as tuples, all the way down: JSON knows no tuples, frozen changes nothing else."""
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


def build_change(kind: object, arguments: object) -> Change:
    """A change as it was stored. Raises ValueError for anything but a change known here."""
    try:
        made = CHANGE_TYPES[str(kind)]
        if not isinstance(arguments, Mapping):
            raise TypeError("its arguments have no names")
        values = {name: to_tuples(value) for name, value in arguments.items()}
        hints = get_type_hints(made)
        if not all(matches_type(value, hints[name]) for name, value in values.items()):
            raise TypeError("an argument is not of its type")
        return made(**values)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a change: {type(error).__name__}") from error


def parse_change(text: str) -> Change:
    """A change as a case remembers that it wants it. Raises ValueError for anything else."""
    try:
        kind, arguments = json.loads(text)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a change: {type(error).__name__}") from error
    return build_change(kind, arguments)


def change_to_arguments(change: Change) -> dict[str, object]:
    """A change's arguments as JSON can hold them; its kind is the name of its class."""
    return {entry.name: getattr(change, entry.name) for entry in fields(change)}


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """A change that is in effect, read back. `before` restores it; `already`: nothing was written.

    `note` says what else a person should know ("sessions were not revoked: ...").
    """

    before: Mapping[str, object] = field(default_factory=dict)
    unchanged: bool = False
    note: str = ""
