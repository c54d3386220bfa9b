"""Reads what stands beside a case of a mailbox: what else an intruder sets up there.

Sweep rules and the list of blocked senders take mail from its reader as a rule does, and no view of
rules shows them; a phone, an add-in or a published calendar keeps reading after a new password.
None of these is wrong by itself, so none is a case: they are facts of a case that is open.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from core.guards.mailbox_forwarding.forwards import MailboxForward, MailboxRules
from core.guards.mailbox_forwarding.judge import ForwardingItem, judge
from core.guards.mailbox_forwarding.options import ForwardingOptions
from core.model.findings import Severity
from core.model.guards import ObserveContext
from core.tenant.mailboxes import Mailbox, MailboxSurroundings
from core.tenant.port import HasInboxRules
from core.tenant.readings import ReadFailure, Reading

MAX_MAILBOXES = 20
"""Mailboxes of one reading with a case that are looked into, seven commands each."""


async def add_surroundings(
    tenant: HasInboxRules,
    context: ObserveContext[ForwardingOptions],
    items: Sequence[ForwardingItem],
    known: Mapping[str, MailboxSurroundings] | None = None,
) -> tuple[tuple[ForwardingItem, ...], tuple[ReadFailure, ...]]:
    """The items, those of mailboxes with an open case of weight with what stands beside it.

    `known` is what was read already.
    """
    beside = dict(known or {})
    weighty = list(list_weighty_owners(context, items))[:MAX_MAILBOXES]
    if not weighty:
        return tuple(items), ()
    owners = [one for one in weighty if one.id not in beside]
    read = await tenant.inbox_rules.read_surroundings(owners) if owners else Reading()
    beside |= {one.mailbox_id: one for one in read.items}
    shown = {one.id for one in weighty}
    placed = (
        replace(one, beside=beside.get(one.mailbox.id))
        if isinstance(one, MailboxForward | MailboxRules) and one.mailbox.id in shown
        else one
        for one in items
    )
    return tuple(placed), read.failures


def list_weighty_owners(
    context: ObserveContext[ForwardingOptions], items: Iterable[ForwardingItem]
) -> Iterator[Mailbox]:
    """The mailboxes with an open case, of which there is more to tell than a remark: it was so when
    the case was last seen, or is now.
    """
    seen = set[str]()
    for one in items:
        if not isinstance(one, MailboxForward | MailboxRules) or one.mailbox.id in seen:
            continue
        is_open = one.mailbox.id in context.open_case_ids
        if one.mailbox.id in context.weighty_case_ids or (is_open and is_weighty(one, context)):
            seen.add(one.mailbox.id)
            yield one.mailbox


def is_weighty(item: ForwardingItem, context: ObserveContext[ForwardingOptions]) -> bool:
    """Whether a forward or a rule is more than a remark now."""
    return any(found.severity >= Severity.MEDIUM for found in judge(item, context.policy))
