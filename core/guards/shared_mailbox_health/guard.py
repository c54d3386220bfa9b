"""The threat: a shared mailbox that stops being one, or that its licence does not fit.

Over 50 GB, on hold or with an archive it needs a licence; without one it takes no more mail, or
what has to be kept is not. One that needs none and has one costs money and is a person's mailbox in
all but name: a team's mail behind a sign-in that nobody owns. And one that was converted in the
cloud only becomes a user's again at the next synchronisation, and is lost when it has no licence.
"""

from datetime import timedelta

from core.guards.shared_mailbox_health.items import SETTINGS
from core.guards.shared_mailbox_health.judge import judge
from core.guards.shared_mailbox_health.observe import inspect, look_up_mailboxes, observe
from core.model.guards import Guard, PeriodicCheck, Permission, Service, SingleLook
from core.tenant.sources import MAILBOX_SIZES, SHARED_MAILBOXES

GUARD = Guard(
    name="shared-mailbox-health",
    title="Health of shared mailboxes",
    looks_for="shared mailboxes over 50 GB, on hold or archived without the licence; licensed "
    "without need; turned back into a user mailbox by the next synchronisation",
    rationale="One with the wrong licence, or that is a user's again tomorrow, loses mail or "
    "hides one.",
    permissions=(
        Permission(
            Service.EXCHANGE, "Get-Mailbox", "shared mailboxes, their holds, their type on premises"
        ),
        Permission(Service.EXCHANGE, "Get-MailboxStatistics", "how large they are"),
        Permission(Service.GRAPH, "User.Read.All", "which licences their accounts hold"),
    ),
    observe=observe,
    judge=judge,
    inspect=inspect,
    single_looks=(
        SingleLook(SHARED_MAILBOXES, frozenset({SETTINGS, SHARED_MAILBOXES}), look_up_mailboxes),
    ),
    noun="shared mailboxes",
    periodic_checks=(PeriodicCheck(MAILBOX_SIZES, timedelta(days=1)),),
)
