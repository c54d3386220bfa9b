"""The threat: an app that a user consented to keeps reading mail and files without a password.

A consent outlives a new password and a second factor. Phishers ask for one instead of a password,
with an app named like one of Microsoft's; intruders who hold an admin's account give an app of
theirs the run of every mailbox, or hang a secret of theirs on an app that has it already.
"""

from core.guards.app_consent.judge import judge
from core.guards.app_consent.observe import COLLECTIONS, observe
from core.guards.app_consent.verdicts import VERDICT_TEXTS
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.model.guards import Guard, Permission, Service
from core.watched.derived import list_derived_permissions
from core.watched.guard import list_permissions
from core.watched.judge import WATCHED_VERDICT_TEXTS

GRAPH, EXCHANGE = Service.GRAPH, Service.EXCHANGE
GUARD = Guard(
    name="app-consent",
    title="Apps and consent",
    looks_for="apps with access to mail, files or the directory; secrets, owners and reply "
    "addresses added to apps; users who may consent by themselves; new add-ins of Outlook",
    rationale="An app somebody agreed to keeps reading mail and files after the password was "
    "changed.",
    verdicts={**WATCHED_VERDICT_TEXTS, **VERDICT_TEXTS},
    permissions=(
        Permission(
            GRAPH,
            "Application.Read.All",
            "which apps there are, what they may do, and who can sign in as them",
        ),
        Permission(GRAPH, "Directory.Read.All", "which delegated permissions were granted"),
        Permission(GRAPH, "Policy.Read.All", "whether users may consent to apps"),
        Permission(
            EXCHANGE,
            "Get-ManagementRoleAssignment",
            "which apps Exchange lets into mailboxes without a consent in Entra",
            optional=True,
        ),
        Permission(EXCHANGE, "Get-ServicePrincipal", "whose such a role is", optional=True),
        Permission(
            EXCHANGE,
            "Get-ApplicationAccessPolicy",
            "to which mailboxes an app is limited",
            optional=True,
        ),
        *list_derived_permissions({ROLE_HOLDER}, ()),
        Permission(
            GRAPH,
            "Domain.Read.All",
            "which reply addresses are of this tenant's domains",
            optional=True,
        ),
        Permission(
            GRAPH,
            "Policy.ReadWrite.Authorization",
            "to stop users from consenting",
            writes=True,
        ),
        *list_permissions(COLLECTIONS),
    ),
    observe=observe,
    judge=judge,
    noun="apps",
)
