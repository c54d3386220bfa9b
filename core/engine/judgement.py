"""Judges what was read, so that one object nobody foresaw keeps back no other.

    batch ─► judge ─► reconcile                                  all of its items at once
          └─► a mistake: item by item ─► reconcile the others    that item counts as unread
    mailboxes ─► inspect ─► a mistake: half by half              that mailbox counts as unread

An item that says of which object it is keeps the cases of this object open. Any other may be about
any object of its batch, so then no case ends by that batch.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from core.engine.assess import assess_finding, merge_findings
from core.engine.decision_context import DecisionContext
from core.engine.reconcile import BatchResult, reconcile_batch
from core.errors import MISTAKES, explain_error
from core.model.findings import Finding
from core.model.guards import Guard, GuardPolicy, ObserveContext, SingleLook
from core.tenant.mailboxes import Mailbox, format_mailbox_name
from core.tenant.merging import join_readings
from core.tenant.port import Tenant
from core.tenant.quoting import quote_text
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.tenant.sources import JUDGEMENT

log = logging.getLogger("exoguard.run")

# So many mistakes of a batch are logged with their places in the code; all are in the report.
MAX_TRACES = 3
# After so many mailboxes of a range that cannot be inspected, no more are looked for one by one:
# then it is none of them that is odd.
MAX_UNINSPECTED = 5
MAX_NAME_LENGTH = 80
# The item itself, what it holds, and what that holds.
MAX_DEPTH = 2
NAMES = ("name", "address", "subject", "title")


def judge_and_reconcile(
    context: DecisionContext,
    batch: Reading[Any],
    *,
    seen_keys: Collection[str] = (),
    unconfirmed_sources: frozenset[str] = frozenset(),
    trusted: bool = True,
) -> tuple[BatchResult, Reading[Any]]:
    """What the guard concludes of a batch, and the batch with what it could not judge as unread.

    Raises a mistake that no single item explains. The options are those of `reconcile_batch`.
    """
    guard = context.config.guard
    judge, policy = guard.judge, GuardPolicy(context.now, guard.options)

    def reconcile(judged: Reading[Any], findings: list[Finding]) -> BatchResult:
        return reconcile_batch(
            context,
            judged,
            findings,
            seen_keys=seen_keys,
            unconfirmed_sources=unconfirmed_sources,
            trusted=trusted,
        )

    try:
        found = [finding for item in batch.items for finding in judge(item, policy)]
        return reconcile(batch, found), batch
    except MISTAKES as error:
        log.warning("%s: a batch is judged item by item: %s", guard.name, explain_error(error))
    found, batch = judge_each(context, batch, policy)
    return reconcile(batch, found), batch


def judge_each(
    context: DecisionContext, batch: Reading[Any], policy: GuardPolicy[Any]
) -> tuple[list[Finding], Reading[Any]]:
    """The findings of the items that can be judged, and the batch with the others as unread.

    What is remembered of these stays as it was: whoever mends the mistake finds the same news.
    """
    guard, findings = context.config.guard, list[Finding]()
    failures, ids = list[ReadFailure](), set[str]()
    for item in batch.items:
        try:
            found = list(guard.judge(item, policy))
            for key, finding in merge_findings(context, found).items():
                assess_finding(context, key, finding)
        except MISTAKES as error:
            trace = error if len(failures) < MAX_TRACES else None
            failures.append(build_item_failure(item, error))
            ids |= {failures[-1].object_id, *list_ids(item)}
            log.error(
                "%s: an object could not be judged: %s",
                guard.name,
                explain_error(error),
                exc_info=trace,
            )
        else:
            findings += found
    return findings, replace(
        batch,
        failures=tuple(dict.fromkeys((*batch.failures, *failures))),
        known_traits=tuple(one for one in batch.known_traits if one.object_id not in ids),
        forgotten_traits=tuple(one for one in batch.forgotten_traits if one.object_id not in ids),
    )


def build_item_failure(item: object, error: Exception) -> ReadFailure:
    """What could not be judged, by the object that it says it is of."""
    mailbox = next((one for one in iter_parts(item) if isinstance(one, Mailbox)), None)
    if mailbox:
        return build_mailbox_failure(mailbox, explain_error(error))
    ids, kind = list_ids(item), type(item).__name__
    names = (read_field(one, name) for one in iter_parts(item) for name in NAMES)
    own, other = read_field(item, "object_id"), next(iter(ids), "")
    subject = next(filter(None, names), "") or own or other
    return ReadFailure(
        JUDGEMENT,
        explain_error(error),
        own or f"{UNIDENTIFIED_PREFIX}{other or kind}",
        quote_text(subject, MAX_NAME_LENGTH) if subject else f"{kind} without a name",
    )


def build_mailbox_failure(mailbox: Mailbox, reason: str) -> ReadFailure:
    """A mailbox that could not be judged."""
    return ReadFailure(JUDGEMENT, reason, mailbox.id, format_mailbox_name(mailbox))


def list_ids(item: object) -> list[str]:
    """Every id in an item, its own first."""
    return [
        text
        for part in iter_parts(item)
        for name in list_fields(part)
        if name == "id" or name.endswith("_id")
        if (text := read_field(part, name))
    ]


def iter_parts(item: object) -> Iterator[object]:
    """The item, what it holds by name, and what that holds."""
    level = [item]
    for _ in range(MAX_DEPTH + 1):
        yield from level
        level = [getattr(part, name) for part in level for name in list_fields(part)]


def list_fields(part: object) -> Sequence[str]:
    """The names of what a part of an item consists of."""
    kind = type(part)
    return (*getattr(kind, "__dataclass_fields__", ()), *getattr(kind, "__struct_fields__", ()))


def read_field(part: object, name: str) -> str:
    """A text of a part of an item; empty where it has none."""
    value = getattr(part, name, "")
    return value if isinstance(value, str) else ""


async def inspect_mailboxes(
    guard: Guard[Any], tenant: Tenant, context: ObserveContext[Any], mailboxes: Sequence[Mailbox]
) -> Reading[Any]:
    """Some mailboxes, as the guard inspects them: all at once, and after a mistake half by half,
    down to those that cannot be inspected.

    These count as read in vain, so that periodic checks go on behind them.
    """
    if guard.inspect is None:
        raise TypeError(f"{guard.name} lists mailboxes but has no inspect function")
    read, failures = list[tuple[Sequence[Mailbox], Reading[Any]]](), list[ReadFailure]()
    waiting = [mailboxes]
    while waiting:
        some = waiting.pop()
        is_first = context.is_first_range and not read
        try:
            part = await guard.inspect(tenant, replace(context, is_first_range=is_first), some)
        except MISTAKES as error:
            if not some:
                raise
            log.exception("%s: %d mailboxes could not be inspected", guard.name, len(some))
            middle = len(some) // 2
            if middle and len(failures) < MAX_UNINSPECTED:
                waiting += (some[middle:], some[:middle])
            else:
                failures += (build_mailbox_failure(one, explain_error(error)) for one in some)
        else:
            read.append((some, part))
    if len(read) == 1 and not failures:
        ((_, whole),) = read
        return replace(whole, sources=whole.sources | {JUDGEMENT})
    joined = join_readings([(frozenset(box.id for box in some), part) for some, part in read])
    return replace(
        joined,
        failures=(*joined.failures, *failures),
        sources=(joined.sources or context.due_checks) | {JUDGEMENT},
        population=joined.population + len(failures),
        scope=frozenset(one.id for one in mailboxes),
    )


async def look_at_mailboxes(
    guard: Guard[Any], tenant: Tenant, context: ObserveContext[Any], mailboxes: Sequence[Mailbox]
) -> list[Reading[Any]]:
    """What the guard reads of single mailboxes: of all at once, and after a mistake of each alone.

    One that a mistake keeps from being looked at is unread.
    """
    if guard.look_at is None:
        raise TypeError(f"{guard.name} cannot look at single objects")
    try:
        return [batch async for batch in guard.look_at(tenant, context, mailboxes)]
    except MISTAKES as error:
        log.exception("%s: %d mailboxes could not be looked at", guard.name, len(mailboxes))
        if len(mailboxes) == 1:
            (one,) = mailboxes
            return [build_unread(build_mailbox_failure(one, explain_error(error)), {JUDGEMENT})]
    return [
        batch
        for one in mailboxes
        for batch in await look_at_mailboxes(guard, tenant, context, (one,))
    ]


async def look_alone(
    look: SingleLook[Any], tenant: Tenant, context: ObserveContext[Any], ids: Sequence[str]
) -> Reading[Any]:
    """What a guard reads of objects that a listing lacks: after a mistake, of each by itself."""
    try:
        return await look.read(tenant, context, ids)
    except MISTAKES as error:
        log.exception("%s: %d objects could not be looked at alone", look.listing, len(ids))
        reason = explain_error(error)
    if len(ids) == 1:
        name = quote_text(ids[0], MAX_NAME_LENGTH)
        return build_unread(ReadFailure(JUDGEMENT, reason, ids[0], name), look.sources)
    parts = [(frozenset({one}), await look_alone(look, tenant, context, (one,))) for one in ids]
    known = (one for own, part in parts for one in own if part.scope is None or one in part.scope)
    return replace(join_readings(parts), scope=frozenset(known))


def build_unread(failure: ReadFailure, sources: Collection[str]) -> Reading[Any]:
    """The reading of one object that could not be looked at."""
    return Reading(failures=(failure,), sources=frozenset(sources), scope=frozenset[str]())
