"""The guard exchange_roles."""

from core.guards.exchange_roles.guard import COLLECTIONS as COLLECTIONS
from core.guards.exchange_roles.guard import GUARD as GUARD
