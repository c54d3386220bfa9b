"""What the app may do, for a fake tenant."""

from dataclasses import dataclass

from core.tenant.readers import GrantedPermissions
from core.tenant.readings import Reading
from core.tenant.sources import CREDENTIAL, GRANTS
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakePermissionReader:
    """PermissionReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_granted_permissions(self) -> Reading[GrantedPermissions]:
        self.tenant.read_log.append((GRANTS, ()))
        names = frozenset({GRANTS, CREDENTIAL})
        if shut_out := self.tenant.failures.get((CREDENTIAL, "")):
            return Reading(failures=(shut_out,), sources=names)
        if untold := self.tenant.failures.get((GRANTS, "")):
            return Reading((GrantedPermissions(),), (untold,), names, population=1)
        return Reading((self.tenant.granted,), sources=names, population=1)
