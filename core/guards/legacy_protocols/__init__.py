"""The guard legacy_protocols."""

from core.guards.legacy_protocols.guard import GUARD as GUARD
