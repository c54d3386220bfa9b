"""The threat: a password alone opens an account.

Passwords are guessed, phished and bought by the million. An account without a second factor is one
such password away from an intruder, and the first one who signs in with it may register a second
factor of their own. An administrator's account then opens the tenant.
"""

from core.guards.mfa_registration.judge import judge
from core.guards.mfa_registration.observe import observe
from core.guards.mfa_registration.verdicts import VERDICT_TEXTS
from core.model.guards import Guard, Permission, Service

RELIES_ON = ("graph-external-method", "graph-method-names", "graph-registration-disabled")

GUARD = Guard(
    name="mfa-registration",
    title="Second factors",
    looks_for="administrators without a second factor, with a weak one or with a new one; how many "
    "other users have none",
    rationale="Where a password alone is enough, one that was guessed or phished opens the "
    "account.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(
            Service.GRAPH,
            "AuditLog.Read.All",
            "who has registered which sign-in methods; needs Entra ID P1",
        ),
        Permission(
            Service.GRAPH,
            "Domain.Read.All",
            "whose sign-in another provider decides",
            optional=True,
        ),
        Permission(
            Service.GRAPH,
            "User.Read.All",
            "to leave out accounts that were disabled since the report was made",
            optional=True,
        ),
    ),
    observe=observe,
    judge=judge,
    noun="accounts",
)
