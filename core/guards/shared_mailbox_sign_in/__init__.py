"""The guard shared_mailbox_sign_in."""

from core.guards.shared_mailbox_sign_in.guard import GUARD as GUARD
