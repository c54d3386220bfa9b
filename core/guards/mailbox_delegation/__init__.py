"""The guard mailbox_delegation."""

from core.guards.mailbox_delegation.guard import GUARD as GUARD
