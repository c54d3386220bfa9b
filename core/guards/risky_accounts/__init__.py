"""The guard risky_accounts."""

from core.guards.risky_accounts.guard import GUARD as GUARD
