"""The guard mailbox_forwarding."""

from core.guards.mailbox_forwarding.guard import GUARD as GUARD
