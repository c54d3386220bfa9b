"""The guard mail_protection."""

from core.guards.mail_protection.guard import COLLECTIONS as COLLECTIONS
from core.guards.mail_protection.guard import GUARD as GUARD
