"""The guard mass_deletion."""

from core.guards.mass_deletion.guard import GUARD as GUARD
