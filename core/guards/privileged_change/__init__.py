"""The guard privileged_change."""

from core.guards.privileged_change.guard import COLLECTIONS as COLLECTIONS
from core.guards.privileged_change.guard import GUARD as GUARD
