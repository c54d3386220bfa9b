"""Mail protocols of a fake tenant."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.tenant.mailboxes import MAX_POLICY_USERS, MailboxProtocols, ProtocolUse
from core.tenant.readings import Reading
from core.tenant.sources import POLICY_USERS, PROTOCOL_USE, PROTOCOLS
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeProtocolReader:
    """ProtocolReader of a fake tenant."""

    tenant: FakeTenantState

    async def list_mailbox_protocols(
        self, after: str = ""
    ) -> AsyncIterator[Reading[MailboxProtocols]]:
        seen = self.tenant.build_reading(
            PROTOCOLS, self.tenant.protocol_settings, lambda one: one.mailbox.id
        )
        for part in self.tenant.paginate(seen, lambda one: one.mailbox.id, after):
            yield part

    async def read_mailbox_protocols(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        found = [one for one in self.tenant.protocol_settings if one.mailbox.id in ids]
        seen = self.tenant.build_reading(PROTOCOLS, found, lambda one: one.mailbox.id, ids)
        return replace(seen, complete=True, population=len(ids))

    async def read_policy_users(self, policy: str) -> Reading[str]:
        """Whom the policy was given to, one more than the limit at most."""
        self.tenant.read_log.append((POLICY_USERS, (policy,)))
        whole = self.tenant.failures.get((POLICY_USERS, ""))
        names = [] if whole else sorted(self.tenant.policy_users.get(policy, ()))
        shown = tuple(names[: MAX_POLICY_USERS + 1])
        return Reading(shown, (whole,) if whole else (), frozenset({POLICY_USERS}), len(shown))

    async def read_protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        """A protocol that fails by itself was read in part; what was found is returned."""
        whole = self.tenant.failures.get((PROTOCOL_USE, ""))
        found = [use for use in self.tenant.observed_uses if use.last_used >= since and not whole]
        partly = [
            failure for (place, _), failure in self.tenant.failures.items() if place == PROTOCOL_USE
        ]
        unread = (whole,) if whole else tuple(replace(failure, optional=True) for failure in partly)
        self.tenant.read_log.append((PROTOCOL_USE, ()))
        return Reading(tuple(found), unread, frozenset({PROTOCOL_USE}), len(found))
