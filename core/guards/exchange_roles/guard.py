"""The threat: somebody becomes an administrator of Exchange, or an app loses what limited it.

A role of Exchange opens mailboxes, exports them or gives away more roles, and needs no role in
Entra: a name added to Organization Management, a role given to one person directly, a scope taken
off an assignment, a policy removed that kept an app to some mailboxes.

What was there at the first look is stock. From then on what is new or wider is told.
"""

from core.guards.exchange_roles.app_limits import ACCESS_POLICIES
from core.guards.exchange_roles.assignments import (
    OWN_MANAGEMENT_ROLES,
    ROLE_ASSIGNMENTS,
    ROLE_POLICIES,
)
from core.guards.exchange_roles.exclusive_scopes import EXCLUSIVE_SCOPES
from core.guards.exchange_roles.groups import PARTNER_ROLE_GROUPS, ROLE_GROUPS
from core.watched.guard import build_watched_guard

COLLECTIONS = (
    ROLE_GROUPS,
    PARTNER_ROLE_GROUPS,
    ROLE_ASSIGNMENTS,
    OWN_MANAGEMENT_ROLES,
    ROLE_POLICIES,
    ACCESS_POLICIES,
    EXCLUSIVE_SCOPES,
)

GUARD = build_watched_guard(
    "exchange-roles",
    "Roles of Exchange",
    looks_for="new members of role groups, roles given directly or without a scope, own roles, "
    "what users may do for themselves, limits of mail apps that are gone",
    rationale="Whoever holds a role of Exchange opens every mailbox, without any role in Entra.",
    collections=COLLECTIONS,
)
