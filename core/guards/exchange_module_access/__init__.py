"""The guard exchange_module_access."""

from core.guards.exchange_module_access.guard import GUARD as GUARD
