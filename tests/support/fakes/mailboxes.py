"""Mailboxes of a fake tenant."""

from collections.abc import AsyncIterator, Collection, Sequence
from copy import replace
from dataclasses import dataclass

from core.tenant.mailboxes import FoundMailbox, Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import MAILBOX_FORWARDS, MAILBOXES
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeMailboxReader:
    """MailboxReader of a fake tenant."""

    tenant: FakeTenantState

    async def list_mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        found = [box for box in self.tenant.boxes if not kinds or box.kind in kinds]
        others = {box.id for box in self.tenant.boxes} - {box.id for box in found}
        seen = self.tenant.build_reading(MAILBOXES, map(strip_forwards, found), lambda box: box.id)
        unread = tuple(failure for failure in seen.failures if failure.object_id not in others)
        for part in self.tenant.paginate(replace(seen, failures=unread), lambda box: box.id, after):
            yield part

    async def read_mailboxes(self, ids: Sequence[str]) -> Reading[Mailbox]:
        found = [strip_forwards(box) for box in self.find_boxes(ids)]
        seen = self.tenant.build_reading(
            MAILBOXES, found, lambda box: box.guid if box.guid in ids else box.id, ids
        )
        return replace(seen, complete=True, population=len(ids))

    async def read_forwards_of(self, ids: Sequence[str]) -> Reading[Mailbox]:
        found = self.find_boxes(ids)
        seen = self.tenant.build_reading(MAILBOX_FORWARDS, found, lambda box: box.id, ids)
        return replace(seen, complete=True, population=len(ids))

    def find_boxes(self, ids: Sequence[str]) -> list[Mailbox]:
        return [box for box in self.tenant.boxes if box.id in ids or box.guid in ids]

    async def find_mailboxes(self, names: Sequence[str]) -> Reading[FoundMailbox]:
        named = {name: [box for box in self.tenant.boxes if is_named(box, name)] for name in names}
        found = [
            FoundMailbox(name, strip_forwards(boxes[0]))
            for name, boxes in named.items()
            if len(boxes) == 1
        ]
        seen = self.tenant.build_reading(MAILBOXES, found, lambda one: one.name, names)
        several = tuple(
            ReadFailure(MAILBOXES, "the name of several", name)
            for name, boxes in named.items()
            if len(boxes) > 1
        )
        failures = (*seen.failures, *several)
        return replace(seen, complete=True, population=len(names), failures=failures)

    async def read_forwarding_mailboxes(self) -> Reading[Mailbox]:
        found = [
            box
            for box in self.tenant.boxes
            if box.forwarding_address or box.forwarding_smtp_address
        ]
        seen = self.tenant.build_reading(MAILBOX_FORWARDS, found, lambda box: box.id)
        return replace(seen, complete=True)


def is_named(box: Mailbox, name: str) -> bool:
    """Whether a name means a mailbox; the end of a canonical name is an alias."""
    last = name.rpartition("/")[2].casefold()
    alias = box.address.partition("@")[0]
    return last in {one.casefold() for one in (box.id, box.guid, box.address, box.name, alias)}


def strip_forwards(box: Mailbox) -> Mailbox:
    """A mailbox as a listing of all of them tells of it."""
    if not (box.forwarding_address or box.forwarding_smtp_address or box.keeps_copy):
        return box
    return replace(box, forwarding_address="", forwarding_smtp_address="", keeps_copy=False)
