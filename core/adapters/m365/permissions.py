"""Which permissions the app holds: the roles in its token, the cmdlets Exchange lets it run."""

from dataclasses import dataclass

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.read_errors import build_read_failure
from core.errors import Forbidden, TenantError
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import CREDENTIAL, GRANTS


def build_credential_failure(error: TenantError) -> ReadFailure:
    """The app got no token. The operator has to resolve a refusal; anything else is transient."""
    permission = "a credential the tenant accepts" if isinstance(error, Forbidden) else ""
    return ReadFailure(CREDENTIAL, str(error)[:300], permission=permission)


@dataclass(frozen=True, slots=True)
class M365PermissionReader:
    """Implements PermissionReader."""

    graph: GraphClient
    exchange: ExchangeClient

    async def read_granted_permissions(self) -> Reading[GrantedPermissions]:
        sources = frozenset({GRANTS, CREDENTIAL})
        try:
            roles = await self.graph.read_token_roles()
        except TenantError as error:
            return Reading(failures=(build_credential_failure(error),), sources=sources)
        try:
            cmdlets = await self.exchange.read_allowed_cmdlets()
        except Forbidden as error:
            if not error.permission:
                return Reading(failures=(build_credential_failure(error),), sources=sources)
            return Reading((GrantedPermissions(roles, frozenset()),), sources=sources, population=1)
        except TenantError as error:
            failure = build_read_failure(GRANTS, error, optional=True)
            return Reading((GrantedPermissions(roles),), (failure,), sources, population=1)
        return Reading((GrantedPermissions(roles, cmdlets),), sources=sources, population=1)
