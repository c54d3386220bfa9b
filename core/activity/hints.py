"""From records to acts, and from acts to what each guard is to look at. Pure.

A record says *look here*, never *this is so*. What nobody needs to look at is left out: acts of
Microsoft's own service, our own writes, and operations that set nothing a guard judges.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.activity.operations import SPELLED_NAMES, About, Watch, find_watches
from core.errors import MISTAKES
from core.keys import format_act_hour, hash_parts
from core.model.activity import MAX_COUNTED, MAX_LOOKED_AT, Act, ActTarget, PendingLook
from core.model.runs import LOOKED, RunReport
from core.tenant.activity import ActivityLog, ActivityRecord, ActorKind
from core.tenant.mailboxes import Mailbox

MAX_ACTS_PER_OBJECT = 20
"""Within an hour; more of one actor about one object become one row that counts them."""
MAX_ATTEMPTS = 12
"""How often a look is tried before it becomes a full run."""
MAX_DETAIL = 300
MAX_NAMES = 4
SHOWN_PARAMETERS = frozenset(
    {
        *("ForwardingSmtpAddress", "ForwardingAddress", "DeliverToMailboxAndForward", "ForwardTo"),
        *("RedirectTo", "ForwardAsAttachmentTo", "MoveToFolder", "DeleteMessage", "Name"),
        *("User", "Trustee", "AccessRights", "AuditEnabled", "AuditBypassEnabled", "AuditDisabled"),
        *("UnifiedAuditLogIngestionEnabled", "BlindCopyTo", "RedirectMessageTo", "RuleName"),
        *("EXOModuleEnabled", "AutoForwardEnabled", "AutoForwardingMode", "Role.DisplayName"),
        *("ConsentContext.IsAdminConsent", "DelegatedPermissionGrant.Scope", "AppRole.Value"),
        *("SmtpClientAuthenticationDisabled", "ImapEnabled", "PopEnabled", "AccountEnabled"),
    }
)


@dataclass(frozen=True, slots=True)
class Concern:
    """What a record means to one guard."""

    record: ActivityRecord
    watch: Watch


def list_concerns(record: ActivityRecord) -> tuple[Concern, ...]:
    """The guards that a record concerns; none for noise."""
    return tuple(
        Concern(record, watch)
        for watch in find_watches(record.operation)
        if not is_routine(record, watch) and sets_any(record, watch.parameters)
    )


def is_routine(record: ActivityRecord, watch: Watch) -> bool:
    """Whether Microsoft's own service did it; or the copy of a directory on premises set a
    password, which it does whenever somebody changed theirs there.
    """
    if watch.about is About.PERSON and record.actor.kind is ActorKind.SYNC:
        return True
    return record.actor.kind is ActorKind.MICROSOFT and not watch.by_service


def sets_any(record: ActivityRecord, wanted: frozenset[str]) -> bool:
    """Whether a record sets one of some parameters; without a body it may set any."""
    if not wanted or not record.parameters:
        return True
    starts = tuple(name.removesuffix("*").casefold() for name in wanted if name.endswith("*"))
    exact = {name.casefold() for name in wanted if not name.endswith("*")}
    return any(
        name.casefold() in exact or name.casefold().startswith(starts or ("\0",))
        for name in record.parameters
    )


def list_mailbox_names(records: Iterable[ActivityRecord]) -> dict[str, tuple[str, ...]]:
    """The names by which mailboxes are to be looked up, of each record the surest first."""
    found: dict[str, tuple[str, ...]] = {}
    for record in records:
        abouts = {concern.watch.about for concern in list_concerns(record)}
        if abouts & {About.MAILBOX, About.ACCOUNT} and record.names:
            found.setdefault(join_names(record), record.names)
    return found


def join_names(record: ActivityRecord) -> str:
    """All names of a record: two that share their surest name may differ in the others."""
    return "\n".join(record.names).casefold()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The mailboxes that records speak of by their names, and the names that told of none since
    they could not be looked up, or stand for several. Both by `join_names`.
    """

    by_name: Mapping[str, Mailbox]
    unread: frozenset[str] = frozenset()

    def find(self, record: ActivityRecord) -> Mailbox | None:
        """The mailbox of a record."""
        return self.by_name.get(join_names(record))


def is_understood(record: ActivityRecord, now: datetime) -> bool:
    """Whether a record can be kept and looked up; one that nobody foresaw cannot."""
    try:
        build_act(record, list_concerns(record), Resolved({}), now)
        list_mailbox_names((record,))
    except MISTAKES:
        return False
    return True


def build_target(concern: Concern, mailbox: Mailbox | None) -> ActTarget:
    """What an act may have led to, for one guard."""
    names = [name.casefold()[:120] for name in concern.record.names[:MAX_NAMES]]
    found = mailbox.id if mailbox and concern.watch.about is not About.WHOLE else ""
    if not found and concern.watch.about is About.ACCOUNT and names:
        found = names[0]
    if mailbox:
        known = (mailbox.guid, mailbox.id, mailbox.address)
        names = [*(name.casefold() for name in known if name), *names]
    return ActTarget(concern.watch.guard, found, tuple(dict.fromkeys(names)), concern.watch.kinds)


def build_act(
    record: ActivityRecord, concerns: Sequence[Concern], resolved: Resolved, now: datetime
) -> Act:
    """A record as it is kept."""
    mailbox = resolved.find(record)
    identity = (
        hash_record(record)
        if record.has_body
        else hash_parts("alike", record.operation, record.actor.name, record.names)
    )
    shown = [
        f"{name} {value}" if value else f"{name} (cleared)"
        for name, value in record.parameters.items()
        if name in SHOWN_PARAMETERS
    ]
    return Act(
        key=f"{format_act_hour(record.at)}{identity[:22]}",
        at=record.at,
        seen_at=now,
        log=record.log,
        operation=SPELLED_NAMES.get(record.operation, record.operation),
        actor=record.actor,
        targets=tuple(build_target(concern, mailbox) for concern in concerns),
        address=record.address,
        client=record.client,
        session=record.session,
        detail="; ".join(shown)[:MAX_DETAIL],
        counted=(hash_record(record)[:8],),
    )


def hash_record(record: ActivityRecord) -> str:
    """A record by its id in its log; an act remembers the beginning of it."""
    return hash_parts(record.log, record.id)[:22]


def merge_new_acts(acts: Iterable[Act], known: Iterable[Act]) -> tuple[Act, ...]:
    """The acts to save: those not known, alike ones as one row that counts them.

    Alike are those under one key; and, once an actor did more than MAX_ACTS_PER_OBJECT things to
    one object within an hour, all further ones.
    """
    rows = {act.key: act for act in known}
    counts: defaultdict[str, int] = defaultdict(int)
    for act in rows.values():
        counts[get_crowd(act)] += 1
    changed: dict[str, Act] = {}
    for act in acts:
        before = rows.get(act.key)
        crowd = get_crowd(act)
        if before is None and counts[crowd] >= MAX_ACTS_PER_OBJECT:
            act = replace(act, key=f"{act.key[:10]}{hash_parts('crowd', crowd)[:22]}")
            before = rows.get(act.key)
        if before is None:
            counts[crowd] += 1
            rows[act.key] = changed[act.key] = act
        else:
            newer = act if act.at > before.at else before
            counted = tuple(dict.fromkeys((*before.counted, *act.counted)))[:MAX_COUNTED]
            rows[act.key] = changed[act.key] = replace(
                newer,
                count=len(counted),
                counted=counted,
                seen_at=before.seen_at,
                first_at=min(before.began_at, act.began_at),
            )
    return tuple(changed.values())


def get_crowd(act: Act) -> str:
    """Who did something to what in which hour."""
    about = sorted((target.guard, target.object_id, target.names[:1]) for target in act.targets)
    return hash_parts(act.key[:10], act.actor.id, act.actor.name, act.actor.app_id, about)


def list_news(records: Iterable[ActivityRecord], known: Iterable[Act]) -> list[ActivityRecord]:
    """The records that concern a guard and are not known, each once."""
    seen = {mark for act in known for mark in (act.key[10:], *act.counted)}
    found: dict[str, ActivityRecord] = {}
    for record in sorted(records, key=lambda one: one.at):
        identity = hash_record(record)
        if seen.isdisjoint((identity, identity[:8])) and list_concerns(record):
            found.setdefault(identity, record)
    return list(found.values())


# What to look at ----------------------------------------------------------------------------------


def build_looks(
    records: Iterable[ActivityRecord],
    resolved: Resolved,
    known: Mapping[str, PendingLook],
    started_at: Mapping[ActivityLog, datetime],
    now: datetime,
) -> dict[str, PendingLook]:
    """What each guard is to look at, with what waits already.

    Our own writes need no look. What happened before a log was first read needs none either: the
    guard's own first run sees it. `started_at` is by log.
    """
    looks = dict(known)
    for record in records:
        if record.actor.is_this_app or record.at < started_at.get(record.log, now):
            continue
        for concern in list_concerns(record):
            if concern.watch.about is About.PERSON:
                continue
            look = find_open_look(looks, concern.watch.guard, now)
            looks[look.guard] = add_concern(look, concern, resolved, now)
    return looks


def find_open_look(looks: Mapping[str, PendingLook], guard: str, now: datetime) -> PendingLook:
    """What waits for a guard; a new look where nothing does, or what did was taken."""
    look = looks.get(guard)
    return look if look and is_look_open(look) else PendingLook(guard, now)


def is_look_open(look: PendingLook) -> bool:
    """Whether anything is to be looked at. The row of a look that was taken stays, empty."""
    return look.is_whole or bool(look.guids)


def add_concern(
    look: PendingLook, concern: Concern, resolved: Resolved, now: datetime
) -> PendingLook:
    """The look with the object of one more record."""
    about, record = concern.watch.about, concern.record
    if about is About.WHOLE:
        return widen_look(look, now)
    mailbox = resolved.find(record)
    if mailbox:
        return add_mailboxes(look, (mailbox,), now)
    is_unread = join_names(record) in resolved.unread
    return widen_look(look, now) if about is About.MAILBOX or is_unread else look


def widen_look(look: PendingLook, now: datetime) -> PendingLook:
    """The look as a full run, which no run before now can stand for."""
    return replace(look, is_whole=True, since=now)


def add_mailboxes(look: PendingLook, mailboxes: Iterable[Mailbox], now: datetime) -> PendingLook:
    """The look with more mailboxes, which no run before now has seen; too many are a full run."""
    added = [box.guid for box in mailboxes]
    if not added:
        return look
    kept = dict.fromkeys((*look.guids, *added))
    if len(kept) > MAX_LOOKED_AT:
        return widen_look(replace(look, guids=()), now)
    return replace(look, guids=tuple(kept), since=now)


def iter_due_looks(looks: Mapping[str, PendingLook]) -> Iterator[PendingLook]:
    """The looks to take, those at single objects first: they are the quickest."""
    due = [look for look in looks.values() if is_look_open(look)]
    yield from sorted(due, key=lambda look: (look.is_whole, look.since, look.guard))


def is_look_over(report: RunReport) -> bool:
    """Whether nothing remains of a look after its run. What could not be read is looked at again;
    what a full run could not read, the next full run sees.
    """
    if report.status == LOOKED:
        return not report.unread_count and not report.unavailable_sources
    return report.status in ("settled", "done", "in-progress")


def note_attempt(look: PendingLook) -> PendingLook:
    """The look after one more vain attempt; after many, it is a full run."""
    attempts = look.attempts + 1
    return replace(look, attempts=attempts, is_whole=look.is_whole or attempts >= MAX_ATTEMPTS)


def is_look_settled(look: PendingLook, scanned_at: datetime | None, now: datetime) -> bool:
    """Whether a full run that began after the records came has seen what they speak of. One that
    began in time to come was by a wrong clock.
    """
    return look.is_whole and scanned_at is not None and look.since < scanned_at <= now
