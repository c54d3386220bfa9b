"""The guard external_trust."""

from core.guards.external_trust.guard import COLLECTIONS as COLLECTIONS
from core.guards.external_trust.guard import GUARD as GUARD
