"""The guard app_consent."""

from core.guards.app_consent.guard import GUARD as GUARD
from core.guards.app_consent.observe import COLLECTIONS as COLLECTIONS
