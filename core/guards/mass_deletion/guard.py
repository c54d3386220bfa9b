"""The threat: much of the directory is deleted at once.

A filter of Entra Connect that was changed by mistake deletes every user it no longer covers; so
does an intruder with an administrator's role, or a script with a wrong list. Users and Microsoft
365 groups can be restored for 30 days, unless somebody deletes them for good as well. Whoever
hears of it in the first hour restores them; whoever hears of it after a month does not. An intruder
who wants to be alone disables accounts, resets passwords, and deletes apps and Conditional Access
policies instead.
"""

from core.guards.mass_deletion.judge import judge
from core.guards.mass_deletion.observe import observe
from core.guards.mass_deletion.options import COUNT, HOURS, PERCENT, read_options
from core.guards.mass_deletion.verdicts import VERDICT_TEXTS
from core.model.guards import Guard, Permission, Service
from core.model.options import SettingReader

RELIES_ON = (
    "graph-deleted-days",
    "graph-group-restore",
)

GUARD = Guard(
    name="mass-deletion",
    title="Mass deletion",
    looks_for="bursts of deleted objects, apps or policies and of accounts locked out: who did it, "
    "what can be restored",
    rationale="What was deleted can be restored for 30 days, if somebody notices.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(
            Service.GRAPH, "AuditLog.Read.All", "what was deleted or locked out, when and by whom"
        ),
        Permission(
            Service.GRAPH, "User.Read.All", "how many users there are, and which can be restored"
        ),
        Permission(Service.GRAPH, "Group.Read.All", "which groups can be restored", optional=True),
    ),
    observe=observe,
    judge=judge,
    settings=(COUNT, PERCENT, HOURS),
    read_options=read_options,
    options=read_options(SettingReader()),
    noun="sources",
)
