"""The threat: what protects the tenant's sign-ins and roles is changed by whoever got in.

An exception in a policy, a trusted address, a role of one's own that resets credentials, a role
that is activated without a second factor, a unit that keeps administrators out, a certificate
authority: none of these shows in a mailbox, and all of them outlive a new password.

What was there at the first look is stock. From then on what is new, wider or weaker is told.
"""

from core.guards.privileged_change.access import LOCATIONS, POLICIES
from core.guards.privileged_change.certificates import CERTIFICATE_AUTHORITIES, EDISCOVERY_CASES
from core.guards.privileged_change.roles import ACTIVATIONS, OWN_ROLES, UNITS
from core.watched.guard import build_watched_guard

COLLECTIONS = (
    POLICIES,
    LOCATIONS,
    OWN_ROLES,
    ACTIVATIONS,
    UNITS,
    CERTIFICATE_AUTHORITIES,
    EDISCOVERY_CASES,
)

GUARD = build_watched_guard(
    "privileged-change",
    "Changes of what protects",
    looks_for="Conditional Access that asks less or leaves out more, own roles, roles activated "
    "without a second factor, units that shield accounts, certificate authorities",
    rationale="Who gets in first changes what would keep them out.",
    collections=COLLECTIONS,
)
