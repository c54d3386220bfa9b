"""Every assumption, by its id."""

from collections.abc import Mapping

from core.microsoft365.assumptions import exchange_api
from core.microsoft365.assumptions.assumption import Assumption

ASSUMPTIONS: tuple[Assumption, ...] = (*exchange_api.ASSUMPTIONS,)

ASSUMPTIONS_BY_ID: Mapping[str, Assumption] = {one.id: one for one in ASSUMPTIONS}
