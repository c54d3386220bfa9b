"""User accounts of a fake tenant."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.tenant.directory import Account, Enabling, MfaRegistration, SignIn, SignInEvent
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import (
    ACCOUNTS,
    ENABLINGS,
    FEDERATED_DOMAINS,
    SIGN_IN_EVENTS,
    SIGN_IN_LOG,
    SIGN_IN_METHODS,
    SIGN_INS,
    USER_COUNT,
)
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeAccountReader:
    """AccountReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_accounts(self, owners: Sequence[Mailbox]) -> Reading[Account]:
        ids = [box.id for box in owners if box.has_account]
        found = [user for user in self.tenant.users if user.id in ids]
        seen = self.tenant.build_reading(ACCOUNTS, found, lambda user: user.id, ids)
        return seen if seen.find_source_failure(ACCOUNTS) else replace(seen, population=len(owners))

    async def read_users(self, keys: Sequence[str]) -> Reading[Account]:
        wanted = {key.lower(): key for key in keys}
        found = [
            replace(user, plans=frozenset(), licensed=False, synced=False)
            for user in self.tenant.users
            if user.id in wanted or user.upn.lower() in wanted
        ]

        def asked_by(user: Account) -> str:
            return wanted.get(user.id) or wanted[user.upn.lower()]

        seen = self.tenant.build_reading(ACCOUNTS, found, asked_by, keys)
        return seen if seen.find_source_failure(ACCOUNTS) else replace(seen, population=len(keys))

    async def read_last_sign_ins(self, ids: Sequence[str]) -> Reading[SignIn]:
        found = [entry for entry in self.tenant.sign_ins if entry.id in ids]
        return self.tenant.build_reading(SIGN_INS, found, lambda entry: entry.id, ids)

    async def read_successful_sign_ins(
        self, ids: Sequence[str], since: datetime
    ) -> Reading[SignIn]:
        """The successes of the scene's log that are not older than `since`."""
        known = {entry.id: entry.last_success for entry in self.tenant.sign_ins}
        known |= {entry.id: entry.last_success for entry in self.tenant.logged_sign_ins}
        found = [SignIn(one, at if (at := known.get(one)) and at >= since else None) for one in ids]
        return self.tenant.build_reading(SIGN_IN_LOG, found, lambda entry: entry.id, ids)

    async def read_sign_in_events(self, since: datetime) -> Reading[SignInEvent]:
        found = [one for one in self.tenant.sign_in_events if one.at >= since]
        seen = self.tenant.build_reading(SIGN_IN_EVENTS, found, lambda one: one.account_id)
        unread = tuple(replace(failure, optional=True) for failure in seen.failures)
        return replace(seen, failures=unread)

    async def read_enablings(self, ids: Sequence[str], since: datetime) -> Reading[Enabling]:
        found = [entry for entry in self.tenant.enablings if entry.id in ids and entry.at >= since]
        return self.tenant.build_reading(ENABLINGS, found, lambda entry: entry.id, ids)

    async def read_federated_domains(self) -> Reading[str]:
        found = self.tenant.build_reading(
            FEDERATED_DOMAINS, self.tenant.federated_domains, lambda one: one
        )
        unread = tuple(replace(failure, optional=True) for failure in found.failures)
        return replace(found, failures=unread, population=0)

    async def list_mfa_registrations(self) -> AsyncIterator[Reading[MfaRegistration]]:
        seen = self.tenant.build_reading(
            SIGN_IN_METHODS, self.tenant.mfa_registrations, lambda one: one.id
        )
        for part in self.tenant.paginate(seen, lambda one: one.id, ""):
            yield replace(part, continuation="")

    async def read_user_count(self) -> Reading[int]:
        number = (
            len(self.tenant.users)
            if self.tenant.reported_user_count is None
            else self.tenant.reported_user_count
        )
        seen = self.tenant.build_reading(USER_COUNT, (number,), str)
        return replace(seen, population=len(seen.items))
