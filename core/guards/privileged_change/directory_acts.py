"""Acts in the directory that leave nothing a later look could compare, or leave it unsigned.

A password set for an administrator, an account that was made and deleted within the hour, guests
invited in numbers, a role that somebody asked for and was refused: Entra's audit log alone tells
(Microsoft Learn: Microsoft Entra audit log categories and activities). What one actor does in a day
is one event. Pure.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.guards.privileged_change.bursts import Records, find_burst, get_target
from core.guards.privileged_change.directory_operations import (
    ADDED,
    DELETED,
    DENIED,
    ENABLED,
    INVITES,
    NEW_APPS,
    PASSES,
    POLICIES,
    REMOVED_APPS,
    REMOVED_METHODS,
    RESETS,
    SESSIONS,
)
from core.guards.privileged_change.verdicts import PrivilegedVerdict
from core.microsoft365.assumptions.graph_logs import DIRECTORY_ACTS
from core.model.findings import Severity
from core.tenant.activity import ActivityRecord, ActorKind
from core.tenant.quoting import quote_text

RELIES_ON = (DIRECTORY_ACTS,)

DIRECTORY_LOG = "directory-log"
"""The source of what is told: what acts on administrators are read from is a source of its own."""
MAX_NAME_LENGTH, MAX_NAMED = 120, 8
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEW_STARTER = timedelta(days=14)
"""How long after an account was made a pass for it is how somebody begins to work."""
MANY_PASSES, MANY_APPS, MANY_GUESTS = 5, 5, 20
"""How many by one actor within a day are told; of apps, within an hour."""
EXTERNAL_MARK, INVITED_MARK = "#ext#", "b2bmanagementpolicy"


# Who may copy a directory on premises (Microsoft Learn: Microsoft Entra built-in roles).
SYNC_ROLE = "d29b2b05-8046-44ba-8758-1e26182fcf32"


def resemble_nothing(domain: str) -> str:
    """What a domain looks like where the own ones are unread: nothing."""
    return ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What acts are judged by besides themselves."""

    administrators: Mapping[str, str]
    """The names of those who hold a role, by id."""
    copiers: frozenset[str] | None = None
    """The ids of those who may copy a directory in; None: who holds a role was not read."""
    made_at: Mapping[str, datetime] = field(default_factory=dict)
    """When accounts were made, by id, as far as that is known."""
    looks_like_own: Callable[[str], str] = resemble_nothing
    """The own domain that a domain is made to look like; empty for none."""


@dataclass(frozen=True, slots=True)
class DirectoryAct:
    """One thing that is told of the directory's log."""

    kind: str
    verdict: PrivilegedVerdict
    severity: Severity
    object_id: str
    """The account it was done to; of what is counted by actor, who did it."""
    subject: str
    summary: str
    advice: str
    technique: str
    record: ActivityRecord
    """The latest of the records."""
    names: tuple[str, ...] = ()
    """What it was done to, where that is not the subject."""

    @property
    def held(self) -> str:
        """The account that an intruder may hold: who did it, or for whom a role was wanted."""
        if self.kind == "activation-denied":
            return self.object_id
        return self.record.actor.id.casefold()


def find_directory_acts(records: Iterable[ActivityRecord], of: Surroundings) -> list[DirectoryAct]:
    """What of these records is worth telling, whoever was meant."""
    ordered = sorted(
        (one for one in records if not is_routine(one, of)),
        key=lambda one: (one.at, one.id),
    )
    return [
        *find_refusals(ordered),
        *find_lockouts(ordered, of),
        *find_revived(ordered, of),
        *find_short_lived(ordered),
        *find_passes(ordered, of),
        *find_invitations(ordered, of),
        *find_changed_invitations(ordered),
        *find_new_apps(ordered),
        *find_removed_apps(ordered),
    ]


def is_routine(record: ActivityRecord, of: Surroundings) -> bool:
    """Whether Microsoft's service, the copy of a directory on premises or this app did it, as they
    do all day. Anybody may be named like a copy: what counts is its role, where that is known.
    """
    actor = record.actor
    if actor.kind is ActorKind.SYNC:
        return of.copiers is None or actor.id.casefold() in of.copiers
    return actor.kind is ActorKind.MICROSOFT or actor.is_this_app


# Who, whom -------------------------------------------------------------------------------------


def get_actor(record: ActivityRecord) -> str:
    """Who acted, as one is recognised."""
    return (record.actor.id or record.actor.name or "unknown").casefold()


def show_actor(record: ActivityRecord) -> str:
    """Who acted, as people know them."""
    return quote_text(record.actor.name or record.actor.id or "somebody unknown", MAX_NAME_LENGTH)


def show_target(record: ActivityRecord) -> str:
    """What was acted on, as people know it."""
    mail = next((one for one in record.names if "@" in one), "")
    found = mail or record.shown or next(iter(record.names), "")
    return quote_text(found or "an object without a name", MAX_NAME_LENGTH)


def is_own_act(record: ActivityRecord) -> bool:
    """Whether somebody acted on their own account."""
    who = {record.actor.id.casefold(), record.actor.name.casefold()} - {""}
    return not who.isdisjoint(map(str.casefold, record.names))


def group_by_actor(records: Iterable[ActivityRecord]) -> Iterator[Records]:
    """The records of each actor, those of a day together."""
    found: defaultdict[tuple[str, str], list[ActivityRecord]] = defaultdict(list)
    for one in records:
        found[get_actor(one), f"{one.at:%Y-%m-%d}"].append(one)
    yield from found.values()


def select(
    records: Iterable[ActivityRecord], operations: frozenset[str]
) -> Iterator[ActivityRecord]:
    """The records of some operations."""
    return (one for one in records if one.operation in operations)


# What is told ----------------------------------------------------------------------------------


def find_refusals(records: Records) -> Iterator[DirectoryAct]:
    """A role that somebody wanted to activate, and was refused."""
    for one in select(records, DENIED):
        whom = show_target(one)
        yield DirectoryAct(
            "activation-denied",
            PrivilegedVerdict.REFUSED,
            Severity.MEDIUM,
            get_target(one) or get_actor(one),
            whom,
            f"{show_actor(one)} refused {whom} the activation of a role.",
            f"Ask {whom}, by telephone, whether they asked for it. If not, somebody else holds the "
            "account.",
            "T1078.004",
            one,
        )


LOCKOUTS: Mapping[frozenset[str], tuple[str, str, Severity, str]] = {
    RESETS: ("administrator-password-reset", "set the password of", Severity.HIGH, "T1098"),
    SESSIONS: ("administrator-sessions-ended", "ended the sessions of", Severity.LOW, "T1550"),
    REMOVED_METHODS: (
        "administrator-method-removed",
        "removed a sign-in method of",
        Severity.MEDIUM,
        "T1556.006",
    ),
}


def find_lockouts(records: Records, of: Surroundings) -> Iterator[DirectoryAct]:
    """What somebody else took from an administrator, or set for one."""
    for operations, (kind, text, severity, technique) in LOCKOUTS.items():
        for one in select(records, operations):
            target = next(
                (name.casefold() for name in one.names if name.casefold() in of.administrators), ""
            )
            if target and not is_own_act(one):
                name = quote_text(of.administrators[target], MAX_NAME_LENGTH)
                yield DirectoryAct(
                    kind,
                    PrivilegedVerdict.LOCKED_OUT,
                    severity,
                    target,
                    name,
                    f"{show_actor(one)} {text} the administrator {name}.",
                    f"Ask {name}, in person or by telephone, whether they asked for it. If not, "
                    f"block the account of {show_actor(one)}, and give {name} a new password.",
                    technique,
                    one,
                )


def find_revived(records: Records, of: Surroundings) -> Iterator[DirectoryAct]:
    """An account that somebody enabled and gave a new password within a day: a leaver's, say."""
    enabled = {(get_actor(one), get_target(one)): one for one in select(records, ENABLED)}
    for one in select(records, RESETS):
        before = enabled.get((get_actor(one), get_target(one)))
        is_known = get_target(one) in of.administrators
        if before and abs(one.at - before.at) <= DAY and not is_known:
            whom = show_target(one)
            yield DirectoryAct(
                "account-revived",
                PrivilegedVerdict.REVIVED,
                Severity.MEDIUM,
                get_target(one),
                whom,
                f"{show_actor(one)} enabled the account {whom} and set its password.",
                f"Ask {show_actor(one)}, by telephone, who needs the account. Unless somebody "
                "answers for it, block it again and look at what it did.",
                "T1098",
                one,
            )


def find_short_lived(records: Records) -> Iterator[DirectoryAct]:
    """Accounts that one actor made and deleted within a day."""
    made = {(get_actor(one), get_target(one)): one for one in select(records, ADDED)}
    gone: list[ActivityRecord] = []
    for one in select(records, DELETED):
        before = made.get((get_actor(one), get_target(one)))
        if before and timedelta() <= one.at - before.at <= DAY:
            gone.append(before)
    for group in group_by_actor(gone):
        who = show_actor(group[-1])
        count = len({get_target(one) for one in group})
        accounts = f"{count:,} accounts" if count > 1 else f"the account {show_target(group[0])}"
        yield DirectoryAct(
            "short-lived-account",
            PrivilegedVerdict.REVIVED,
            Severity.MEDIUM,
            get_actor(group[-1]),
            who,
            f"{who} made {accounts} and deleted {'them' if count > 1 else 'it'} within a day.",
            f"Ask {who}, by telephone, what it was for, and look at what the account did meanwhile "
            "(Entra admin center > Monitoring > Audit logs and Sign-in logs). It can be restored "
            "for 30 days.",
            "T1136.003",
            group[-1],
            list_names(group),
        )


def find_passes(records: Records, of: Surroundings) -> Iterator[DirectoryAct]:
    """Temporary access passes for people who work here for longer, and many by one actor.

    One for an administrator is told as a method that was added.
    """
    given = [
        one
        for one in select(records, PASSES)
        if of.administrators.keys().isdisjoint(map(str.casefold, one.names))
        and not is_new_starter(one, of)
    ]
    for group in group_by_actor(given):
        who, count = show_actor(group[-1]), len({get_target(one) for one in group})
        several = count >= MANY_PASSES
        whom = f"{count:,} accounts" if count > 1 else show_target(group[0])
        yield DirectoryAct(
            "pass-issued",
            PrivilegedVerdict.METHOD_ADDED,
            Severity.MEDIUM if several else Severity.LOW,
            get_actor(group[-1]),
            who,
            f"{who} made a temporary access pass for {whom}.",
            f"Ask {who} who asked for it. A pass opens an account past its password and its second "
            "factor: unless somebody answers for it, remove it (Entra admin center > Users > "
            "Authentication methods) and end the sessions.",
            "T1098.005",
            group[-1],
            list_names(group),
        )


def is_new_starter(record: ActivityRecord, of: Surroundings) -> bool:
    """Whether the account was made a few days before."""
    made = next((at for name in record.names if (at := of.made_at.get(name.casefold()))), None)
    return made is not None and record.at - made <= NEW_STARTER


def find_invitations(records: Records, of: Surroundings) -> Iterator[DirectoryAct]:
    """Guests from a domain that looks like an own one, invited by a guest, or in numbers."""
    for group in group_by_actor(select(records, INVITES)):
        who, latest = show_actor(group[-1]), group[-1]
        posing = [one for one in group if any(map(of.looks_like_own, list_domains(one)))]
        by_guest = EXTERNAL_MARK in latest.actor.name.casefold()
        count = len({get_target(one) for one in group})
        if posing:
            like = next(filter(None, map(of.looks_like_own, list_domains(posing[-1]))))
            text = f"{who} invited {show_target(posing[-1])}, whose domain looks like {like}."
            severity = Severity.HIGH
        elif by_guest:
            text = f"The guest {who} invited {count:,} other guests."
            severity = Severity.MEDIUM
        elif count >= MANY_GUESTS:
            text = f"{who} invited {count:,} guests within a day."
            severity = Severity.MEDIUM
        else:
            continue
        yield DirectoryAct(
            "guests-invited",
            PrivilegedVerdict.INVITED,
            severity,
            get_actor(latest),
            who,
            text,
            f"Ask {who}, by telephone, who these guests are. Unless somebody answers for them, "
            "delete them: Entra admin center > Users, filter User type Guest.",
            "T1136.003",
            latest,
            list_names(posing or group),
        )


def list_domains(record: ActivityRecord) -> Iterator[str]:
    """The domains of whom a record names; of a guest the one it belongs to."""
    for name in record.names:
        local, at, domain = name.casefold().rpartition("@")
        if at and local.endswith(EXTERNAL_MARK):
            yield local.removesuffix(EXTERNAL_MARK).rpartition("_")[2]
        elif at:
            yield domain


def find_changed_invitations(records: Records) -> Iterator[DirectoryAct]:
    """A change of the domains that guests may, or may not, be invited from."""
    for one in select(records, POLICIES):
        detail = next(
            (text for text in one.parameters.values() if INVITED_MARK in text.casefold()), ""
        )
        if not detail:
            continue
        who = show_actor(one)
        yield DirectoryAct(
            "invitation-domains",
            PrivilegedVerdict.INVITED,
            Severity.MEDIUM,
            "b2b-management-policy",
            "who may be invited",
            f"{who} changed from which domains guests may be invited.",
            f"Ask {who}. Unless somebody answers for it, set the list back: Entra admin center > "
            "External Identities > External collaboration settings.",
            "T1136.003",
            one,
            (detail,),
        )


def find_new_apps(records: Records) -> Iterator[DirectoryAct]:
    """Many apps that one person made within an hour. Microsoft's service adds its own all day."""
    made = (one for one in select(records, NEW_APPS) if one.actor.kind is ActorKind.PERSON)
    for group in group_by_actor(made):
        burst = find_burst(group, HOUR, MANY_APPS)
        if burst:
            who = show_actor(burst[-1])
            yield DirectoryAct(
                "apps-made",
                PrivilegedVerdict.APPS_CHANGED,
                Severity.MEDIUM,
                get_actor(burst[-1]),
                who,
                f"{who} made {len(burst):,} apps within an hour.",
                f"Ask {who}, by telephone, what they are for. Unless somebody answers for them, "
                "delete them: Entra admin center > App registrations, Enterprise applications.",
                "T1136.003",
                burst[-1],
                list_names(burst),
            )


def find_removed_apps(records: Records) -> Iterator[DirectoryAct]:
    """Apps and owners of apps that one actor removed. A burst is told by mass-deletion too."""
    removed = (one for one in select(records, REMOVED_APPS) if one.actor.kind is ActorKind.PERSON)
    for group in group_by_actor(removed):
        who = show_actor(group[-1])
        owners = sum("owner" in one.operation for one in group)
        parts = [f"{owners:,} owners of apps" if owners > 1 else "an owner of an app"] * bool(
            owners
        )
        if apps := len(group) - owners:
            parts.append(f"{apps:,} apps" if apps > 1 else f"the app {show_target(group[-1])}")
        yield DirectoryAct(
            "apps-removed",
            PrivilegedVerdict.APPS_CHANGED,
            Severity.LOW,
            get_actor(group[-1]),
            who,
            f"{who} removed {' and '.join(parts)}.",
            f"Ask {who} whether they meant to. A registration and an enterprise app can be "
            "restored for 30 days: Entra admin center > App registrations > Deleted applications.",
            "T1489",
            group[-1],
            list_names(group),
        )


def list_names(records: Records) -> tuple[str, ...]:
    """What was acted on, each once."""
    return tuple(dict.fromkeys(map(show_target, records)))
