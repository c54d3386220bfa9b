"""Auditing of a fake tenant."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import AUDIT_BYPASS, MAILBOX_AUDIT, ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG
from tests.support.fakes.mailboxes import strip_forwards
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeAuditingReader:
    """AuditingReader of a fake tenant."""

    tenant: FakeTenantState

    async def list_mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        listed = [replace(one, mailbox=strip_forwards(one.mailbox)) for one in self.tenant.audits]
        seen = self.tenant.build_reading(MAILBOX_AUDIT, listed, lambda audit: audit.mailbox.id)
        for part in self.tenant.paginate(seen, lambda audit: audit.mailbox.id, after):
            yield part

    async def read_organization_audit(self) -> Reading[OrganizationAudit]:
        values = {
            ORGANIZATION_AUDIT: self.tenant.organization.audit_disabled,
            UNIFIED_AUDIT_LOG: self.tenant.organization.unified_log,
        }
        untold = {
            place: self.tenant.failures.get((place, ""), ReadFailure(place, "it was not told"))
            for place, value in values.items()
            if value is None or (place, "") in self.tenant.failures
        }
        disabled, unified = (None if place in untold else values[place] for place in values)
        return Reading(
            (OrganizationAudit(disabled, unified),),
            tuple(untold.values()),
            frozenset(values),
            population=1,
        )

    async def read_audit_bypasses_of(self, guids: Sequence[str]) -> Reading[AuditBypass]:
        found = [one for one in self.tenant.bypasses if one.id in guids]
        seen = self.tenant.build_reading(AUDIT_BYPASS, found, lambda bypass: bypass.id, guids)
        bypassed = tuple(one for one in seen.items if one.bypassed)
        return replace(seen, items=bypassed, population=len(guids))

    async def read_audit_bypasses(self) -> Reading[AuditBypass]:
        seen = self.tenant.build_reading(
            AUDIT_BYPASS, self.tenant.bypasses, lambda bypass: bypass.id
        )
        return replace(seen, items=tuple(one for one in seen.items if one.bypassed))
