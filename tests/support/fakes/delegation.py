"""Delegations of the tenant in memory, as the port tells them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.tenant.mailboxes import Delegation
from core.tenant.readings import Reading
from core.tenant.surfaces import SEND_AS

if TYPE_CHECKING:
    from tests.support.fakes.tenant import FakeTenant


def is_over_mailbox(delegation: Delegation) -> bool:
    """True for the rights that are asked for mailbox by mailbox."""
    return delegation.right not in ("SendAs", "SendOnBehalf")


def get_delegation_owner(delegation: Delegation) -> str:
    """What a right is over."""
    return delegation.mailbox.id if delegation.mailbox else delegation.mailbox_name


def stream_delegations(tenant: "FakeTenant", source: str) -> Iterator[Reading[Delegation]]:
    """A listing of the whole organization: its pages, then a part that speaks of everybody."""
    right = "SendAs" if source == SEND_AS else "SendOnBehalf"
    found = [one for one in tenant.delegations if one.right == right]
    seen = tenant.build_reading(source, found, get_delegation_owner)
    for at in range(0, len(seen.items), tenant.page_size):
        page = seen.items[at : at + tenant.page_size]
        yield Reading(items=page, sources=seen.sources, scope=frozenset())
    yield Reading(failures=seen.failures, sources=seen.sources)
