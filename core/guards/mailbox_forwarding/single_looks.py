"""Looks at single objects whose finding a listing no longer shows, before their cases end."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from core.guards.mailbox_forwarding.connector_findings import ConnectorItem, JournalItem
from core.guards.mailbox_forwarding.connectors import (
    INBOUND_CONNECTOR,
    JOURNAL_RULE,
    OUTBOUND_CONNECTOR,
)
from core.guards.mailbox_forwarding.forwards import MailboxForward, TransportRuleForward
from core.guards.mailbox_forwarding.judge import ForwardingItem
from core.guards.mailbox_forwarding.mail_paths import SingleIds
from core.guards.mailbox_forwarding.observe import (
    EXCLUDED_KINDS,
    INSPECTED_SOURCES,
    ForwardingPorts,
    read_listed_forwards,
    read_mailboxes,
)
from core.guards.mailbox_forwarding.options import ForwardingOptions
from core.guards.mailbox_forwarding.standing_copies import OUTBOUND_POLICY, StandingCopyItem
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.guards import ObserveContext, SingleLook
from core.tenant.merging import select_answered
from core.tenant.readings import AllExcept, Reading
from core.tenant.sources import (
    MAILBOX_FORWARDS,
    MAILBOX_SURROUNDINGS,
    MAILBOXES,
    TRANSPORT_RULES,
)

type LookUp = Callable[
    [ForwardingPorts, ObserveContext[ForwardingOptions], Sequence[str]],
    Awaitable[Reading[ForwardingItem]],
]

LISTED_ITEMS: Mapping[str, type[ForwardingItem]] = {
    MAILBOX_FORWARDS: MailboxForward,
    TRANSPORT_RULES: TransportRuleForward,
    OUTBOUND_CONNECTOR: ConnectorItem,
    INBOUND_CONNECTOR: ConnectorItem,
    JOURNAL_RULE: JournalItem,
    OUTBOUND_POLICY: StandingCopyItem,
}
"""What an object of each source is, as the guard judges it."""


async def look_up_mailboxes(
    tenant: ForwardingPorts, context: ObserveContext[ForwardingOptions], ids: Sequence[str]
) -> Reading[ForwardingItem]:
    """The mailboxes that the listing no longer shows, each looked for and looked into alone."""
    found = await tenant.mailboxes.read_mailboxes(ids)
    boxes = [box for box in found.items if box.kind not in EXCLUDED_KINDS]
    read = await read_mailboxes(tenant, context, boxes, everything=True)
    told = read.partial_scopes[MAILBOX_SURROUNDINGS]
    silent = frozenset(box.id for box in boxes if box.id not in told)
    return replace(
        read,
        failures=(*found.failures, *read.failures),
        scope=select_answered(ids, found),
        partial_scopes={MAILBOX_SURROUNDINGS: AllExcept(silent)},
    )


def make_look_up(source: str) -> LookUp:
    """Makes the look at objects of a source that the listing no longer shows, each asked alone."""

    async def look_up(
        tenant: ForwardingPorts, context: ObserveContext[ForwardingOptions], ids: Sequence[str]
    ) -> Reading[ForwardingItem]:
        read, *_ = await read_listed_forwards(tenant, context, SingleIds(source, ids))
        return replace(
            read,
            items=tuple(one for one in read.items if isinstance(one, LISTED_ITEMS[source])),
            # Whoever has a case has to be read, also where its source only adds detail to others.
            failures=tuple(
                replace(one, optional=one.optional and one.object_id not in ids)
                for one in read.failures
            ),
            scope=frozenset(ids),
            known_traits=(),
        )

    return look_up


def build_listed_look(source: str) -> SingleLook[ForwardingItem, ForwardingOptions]:
    """The look at single objects of a source that is read as a whole."""
    is_configuration = source not in (MAILBOX_FORWARDS, TRANSPORT_RULES)
    listing = get_configuration_source_name(source) if is_configuration else source
    return SingleLook(listing, frozenset({listing}), make_look_up(source))


SINGLE_LOOKS = (
    *map(build_listed_look, LISTED_ITEMS),
    SingleLook(MAILBOXES, INSPECTED_SOURCES, look_up_mailboxes),
)
