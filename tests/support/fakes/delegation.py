"""Rights over the mailboxes of a fake tenant."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from core.tenant.mailboxes import Delegation, FolderRight, Mailbox, OwnAddIn
from core.tenant.readings import ListedCount, Reading
from core.tenant.sources import FOLDER_RIGHTS, FULL_ACCESS, OWN_ADD_INS, SEND_AS, SEND_ON_BEHALF
from tests.support.fakes.state import FakeTenantState


def is_over_mailbox(delegation: Delegation) -> bool:
    """True for rights that are read mailbox by mailbox."""
    return delegation.right not in ("SendAs", "SendOnBehalf")


def get_delegation_owner(delegation: Delegation) -> str:
    """The id or name of the mailbox a right is over."""
    return delegation.mailbox.id if delegation.mailbox else delegation.mailbox_name


def stream_delegations(tenant: FakeTenantState, source: str) -> Iterator[Reading[Delegation]]:
    """The pages of a listing, then a last page that covers every mailbox."""
    right = "SendAs" if source == SEND_AS else "SendOnBehalf"
    found = [one for one in tenant.delegations if one.right == right]
    seen = tenant.build_reading(source, found, get_delegation_owner)
    for at in range(0, len(seen.items), tenant.page_size):
        page = seen.items[at : at + tenant.page_size]
        yield Reading(items=page, sources=seen.sources, scope=frozenset())
    count = {source: ListedCount(len(seen.items), seen.sources, min_missing=2)}
    yield Reading(failures=seen.failures, sources=seen.sources, listed_counts=count)


@dataclass(frozen=True, slots=True)
class FakeDelegationReader:
    """DelegationReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        ids = dict.fromkeys(box.id for box in owners)
        found = [
            one
            for one in self.tenant.delegations
            if is_over_mailbox(one) and get_delegation_owner(one) in ids
        ]
        unopened = self.tenant.find_unknown_mailboxes(FULL_ACCESS, owners)
        return self.tenant.build_reading(FULL_ACCESS, found, get_delegation_owner, ids, unopened)

    async def read_folder_rights(self, owners: Sequence[Mailbox]) -> Reading[FolderRight]:
        ids = dict.fromkeys(box.id for box in owners)
        found = [one for one in self.tenant.folder_rights if one.mailbox.id in ids]
        unopened = self.tenant.find_unknown_mailboxes(FOLDER_RIGHTS, owners)
        return self.tenant.build_reading(
            FOLDER_RIGHTS, found, lambda one: one.mailbox.id, ids, unopened
        )

    async def read_own_add_ins(self, owners: Sequence[Mailbox]) -> Reading[OwnAddIn]:
        ids = dict.fromkeys(box.id for box in owners)
        found = [one for one in self.tenant.own_add_ins if one.mailbox.id in ids]
        return self.tenant.build_reading(OWN_ADD_INS, found, lambda one: one.mailbox.id, ids)

    async def read_send_as_of(self, ids: Sequence[str]) -> Reading[Delegation]:
        return self.read_rights_of(SEND_AS, "SendAs", ids)

    async def read_send_on_behalf_of(self, ids: Sequence[str]) -> Reading[Delegation]:
        return self.read_rights_of(SEND_ON_BEHALF, "SendOnBehalf", ids)

    def read_rights_of(self, source: str, right: str, ids: Sequence[str]) -> Reading[Delegation]:
        found = [
            one
            for one in self.tenant.delegations
            if one.right == right and self.find_owner_names(one) & set(ids)
        ]
        return self.tenant.build_reading(source, found, get_delegation_owner, ids)

    def find_owner_names(self, delegation: Delegation) -> set[str]:
        """What a right over a recipient is found by."""
        if delegation.mailbox:
            return {delegation.mailbox.id}
        name = delegation.mailbox_name
        known = {one.id for one in self.tenant.known_recipients if one.name == name and one.found}
        return {name, name.casefold(), *known}

    async def list_send_as(self) -> AsyncIterator[Reading[Delegation]]:
        for part in stream_delegations(self.tenant, SEND_AS):
            yield part

    async def list_send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        for part in stream_delegations(self.tenant, SEND_ON_BEHALF):
            yield part
