"""The threat: the account behind a shared, room or equipment mailbox can sign in by itself.

Nobody watches such an account: it has no owner, seldom a second factor, and often a password from
before the mailbox was converted. Whoever guesses or buys that password reads and sends the mail of
a whole team and has a foothold in the tenant that nobody misses.
"""

from core.guards.shared_mailbox_sign_in.judge import judge
from core.guards.shared_mailbox_sign_in.observe import look_at, look_up_mailboxes, observe
from core.guards.shared_mailbox_sign_in.options import SETTINGS, read_options
from core.guards.shared_mailbox_sign_in.verdicts import VERDICT_TEXTS
from core.model.guards import Guard, Permission, Service, SingleLook
from core.model.options import SettingReader
from core.tenant.changes import BlockSignIn
from core.tenant.sources import MAILBOXES

ROLE_REASON = "without it no account is blocked unattended"

GUARD = Guard(
    name="shared-mailbox-sign-in",
    title="Sign-in of shared mailboxes",
    looks_for="shared, room, equipment and scheduling mailboxes whose account can sign in",
    rationale="An account that belongs to no person and can sign in is a way in that nobody "
    "watches.",
    verdicts=VERDICT_TEXTS,
    followed_changes=frozenset({BlockSignIn.__name__}),
    permissions=(
        Permission(Service.EXCHANGE, "Get-Mailbox", "which mailboxes are shared, rooms, equipment"),
        Permission(Service.GRAPH, "User.Read.All", "whether an account is enabled and licensed"),
        Permission(
            Service.GRAPH,
            "AuditLog.Read.All",
            "when an account last signed in, which needs Entra ID P1; who enabled it again",
            optional=True,
        ),
        *(
            Permission(service, name, f"{reason}; {ROLE_REASON}", optional=True)
            for service, name, reason in (
                (
                    Service.GRAPH,
                    "RoleManagement.Read.Directory",
                    "who holds a role or may activate one",
                ),
                (Service.GRAPH, "GroupMember.Read.All", "who holds a role through a group"),
                (
                    Service.GRAPH,
                    "PrivilegedEligibilitySchedule.Read.AzureADGroup",
                    "who may let themselves into such a group",
                ),
                (Service.EXCHANGE, "Get-RoleGroup", "which role groups there are"),
                (Service.EXCHANGE, "Get-RoleGroupMember", "who administers Exchange"),
            )
        ),
        Permission(Service.GRAPH, "User.EnableDisableAccount.All", "to block sign-in", writes=True),
        Permission(
            Service.GRAPH,
            "User.RevokeSessions.All",
            "to end sessions of a blocked account",
            writes=True,
            optional=True,
        ),
    ),
    observe=observe,
    look_at=look_at,
    single_looks=(SingleLook(MAILBOXES, frozenset({MAILBOXES}), look_up_mailboxes),),
    judge=judge,
    settings=SETTINGS,
    read_options=read_options,
    options=read_options(SettingReader()),
    noun="resource mailboxes",
)
