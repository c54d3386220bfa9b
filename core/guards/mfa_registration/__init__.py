"""The guard mfa_registration."""

from core.guards.mfa_registration.guard import GUARD as GUARD
