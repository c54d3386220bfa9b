"""The contested facts of Azure and Teams, and those of the register that no switch plays."""

from collections.abc import Mapping

from sandbox.reality.fact import ContestedFact

PLATFORM_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="azure-new-credential",
        about="when a new federated credential is taken",
        sides={
            "at-once": "At once.",
            "late": "The first `times` (1) requests for a token are refused with AADSTS70021.",
        },
        options={"times": "how many requests are refused"},
    ),
    ContestedFact(
        id="teams-card-size",
        about="how large a card is when the flow posts it",
        sides={
            "as-sent": "As large as it was sent.",
            "grows": "18 % larger; the flow accepts it, and fails beyond its limit.",
        },
        worst="grows",
    ),
)

THE_SCENE = "the rows of a scene play it: "
THE_DEPLOYMENT = "it shows in a deployment only, and the sandbox deploys nothing"
THE_PEOPLE = "it is about people, who are the scene's edits between ticks"
PLAYED_WITHOUT_A_SWITCH: Mapping[str, str] = {
    "exchange-automatic-mode": "mail is not delivered, so nothing shows what the mode does",
    "exchange-audit-lists": THE_SCENE + "DefaultAuditSet and the lists of actions",
    "exchange-shared-quota": THE_SCENE + "ProhibitSendReceiveQuota",
    "graph-deleted-days": THE_SCENE + "deletedDateTime",
    "graph-group-restore": THE_SCENE + "deletedItems has the group, or not",
    "graph-service-plans": THE_SCENE + "assignedPlans",
    "write-first-look": THE_PEOPLE,
    "write-sign-in-first-look": THE_PEOPLE,
    "write-enabled-again": THE_PEOPLE,
    "write-ticket-forwards": THE_PEOPLE,
    "write-audit-off": THE_PEOPLE,
    "write-bypass": THE_PEOPLE,
    "write-bookings": "what a blocked account stops is not simulated",
    "graph-audit-actor-filter": "the app never filters by an actor",
    "write-revocation": "sessions are not simulated",
    "write-audit-enabled": "what the unified log records is not simulated",
    "azure-ftps-state": THE_DEPLOYMENT,
    "azure-environment": "the tests of the host start it with an empty environment",
    "azure-timers": THE_DEPLOYMENT,
    "azure-poison-queues": THE_DEPLOYMENT,
}
"""The contested assumptions that are no fact of a simulated tenant, each with what plays it."""
