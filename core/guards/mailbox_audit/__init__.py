"""The guard mailbox_audit."""

from core.guards.mailbox_audit.guard import GUARD as GUARD
