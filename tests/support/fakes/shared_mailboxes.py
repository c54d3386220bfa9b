"""Shared mailboxes of a fake tenant."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import MAILBOX_SIZES, SHARED_MAILBOXES
from tests.support.fakes.state import FakeTenantState

DEFAULT_SIZE = 1_342_177_280
SHARED_KIND = "SharedMailbox"


def find_shared_mailboxes(tenant: FakeTenantState, boxes: Iterable[Mailbox]) -> list[SharedMailbox]:
    """The shared ones among some mailboxes, with defaults where no settings are given."""
    known = {one.mailbox.id: one for one in tenant.shared_settings}
    return [known.get(box.id, SharedMailbox(box)) for box in boxes if box.kind == SHARED_KIND]


def read_sizes(tenant: FakeTenantState, owners: Iterable[Mailbox]) -> Reading[MailboxSize]:
    """The sizes of some mailboxes; None: never used."""
    ids = [one.id for one in owners]
    there = {
        box.id: tenant.sizes.get(box.id, DEFAULT_SIZE) for box in tenant.boxes if box.id in ids
    }
    found = [MailboxSize(one, size) for one, size in there.items() if size is not None]
    unused = [
        ReadFailure(MAILBOX_SIZES, "nobody has used it yet", one, optional=True)
        for one, size in there.items()
        if size is None
    ]
    unopened = tenant.find_unknown_mailboxes(MAILBOX_SIZES, owners)
    return tenant.build_reading(MAILBOX_SIZES, found, lambda one: one.id, ids, (*unopened, *unused))


@dataclass(frozen=True, slots=True)
class FakeSharedMailboxReader:
    """SharedMailboxReader of a fake tenant."""

    tenant: FakeTenantState

    async def list_shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        seen = self.tenant.build_reading(
            SHARED_MAILBOXES,
            find_shared_mailboxes(self.tenant, self.tenant.boxes),
            lambda one: one.mailbox.id,
        )
        for part in self.tenant.paginate(seen, lambda one: one.mailbox.id, ""):
            yield part

    async def read_shared_mailboxes(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        ids = [box.id for box in owners]
        found = find_shared_mailboxes(
            self.tenant, (box for box in self.tenant.boxes if box.id in ids)
        )
        seen = self.tenant.build_reading(SHARED_MAILBOXES, found, lambda one: one.mailbox.id, ids)
        return replace(seen, complete=True)

    async def read_mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        return read_sizes(self.tenant, owners)
