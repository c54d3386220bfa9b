"""The guard app_consent."""

from core.guards.app_consent.guard import COLLECTIONS as COLLECTIONS
from core.guards.app_consent.guard import GUARD as GUARD
