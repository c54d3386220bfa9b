"""Makes and undoes changes to the tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.auditing.joint import apply_audit_changes_jointly
from core.adapters.m365.changes import apply_change
from core.adapters.m365.roles.write import RoleHoldersReader
from core.adapters.m365.undo import undo_change
from core.adapters.m365.verified_write import Sleep
from core.errors import TenantError
from core.tenant.changes import AppliedChange, Change, get_joint_target


@dataclass(frozen=True, slots=True)
class M365TenantWriter:
    """Implements TenantWriter. `sleep` waits between the reads that confirm a change."""

    graph: GraphClient
    exchange: ExchangeClient
    sleep: Sleep
    read_role_holders: RoleHoldersReader

    async def apply(self, change: Change) -> AppliedChange:
        return await apply_change(
            self.graph, self.exchange, change, self.sleep, self.read_role_holders
        )

    async def apply_jointly(
        self, changes: Sequence[Change]
    ) -> Sequence[AppliedChange | TenantError]:
        return await apply_audit_changes_jointly(
            self.exchange, get_joint_target(changes[0]), changes, self.apply
        )

    async def undo(self, change: Change, before: Mapping[str, object]) -> AppliedChange:
        return await undo_change(self.graph, self.exchange, change, before, self.sleep)
