"""The guard tenant_baseline."""

from core.guards.tenant_baseline.guard import GUARD as GUARD
