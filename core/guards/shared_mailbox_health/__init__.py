"""The guard shared_mailbox_health."""

from core.guards.shared_mailbox_health.guard import GUARD as GUARD
