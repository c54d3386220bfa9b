"""Delegations of the tenant in memory, as the port tells them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.tenant.mailboxes import Delegation
from core.tenant.readings import Reading
from core.tenant.surfaces import SEND_AS

if TYPE_CHECKING:
    from tests.support.fakes.tenant import FakeTenant


def is_over_mailbox(one: Delegation) -> bool:
    """True for the rights that are asked for mailbox by mailbox."""
    return one.right not in ("SendAs", "SendOnBehalf")


def owner_of(one: Delegation) -> str:
    """What a right is over."""
    return one.mailbox.id if one.mailbox else one.of


def streamed(tenant: "FakeTenant", surface: str) -> Iterator[Reading[Delegation]]:
    """A listing of the whole organization: its pages, then a part that speaks of everybody."""
    right = "SendAs" if surface == SEND_AS else "SendOnBehalf"
    found = [one for one in tenant.delegations if one.right == right]
    seen = tenant.reading(surface, found, owner_of)
    for at in range(0, len(seen.items), tenant.page):
        page = seen.items[at : at + tenant.page]
        yield Reading(items=page, surfaces=seen.surfaces, scope=frozenset())
    yield Reading(unread=seen.unread, surfaces=seen.surfaces)
