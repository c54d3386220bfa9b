"""What is assumed of services where one account is contained, and of the evidence about it."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

CONTAINMENT = Dependents(
    guards=(), settings=("CONTAINMENT_MODE", "CONTAINMENT_LIMIT", "CONTAINMENT_RULES")
)

BLOCK_TAKEN = Assumption(
    id="write-synced-block-taken",
    assumed="Graph lets an app block a synchronised account.",
    standing=Standing.MEASURED,
    source="CIPP-API (accountEnabled of a synchronised account succeeds)",
    dated="2026-08",
    otherwise="The step is refused and says so; the directory's command stands beside it.",
    depends=CONTAINMENT,
)
METHOD_DATES = Assumption(
    id="graph-method-dates",
    assumed="The list of a user's sign-in methods has createdDateTime for most kinds, and none for "
    "phones.",
    standing=Standing.CONTESTED,
    source="the metadata of Graph v1.0; CIPP-API (phones have none)",
    dated="2026-08",
    otherwise="A method is listed with an unknown date, between the recent and the old ones.",
    depends=CONTAINMENT,
)
MESSAGE_TRACE = Assumption(
    id="exchange-message-trace",
    assumed="Get-MessageTraceV2 answers an app with a reading role, in windows of ten days, "
    "without a link: the next page ends at the last row and begins at its recipient.",
    standing=Standing.MEASURED,
    source="rknightion/graph2otel (live, app-only, 2026-07)",
    dated="2026-07",
    otherwise="Whom the account wrote to is among what was not read, with the reason; Exchange may "
    "refuse with 401 for a day after the grant.",
    depends=CONTAINMENT,
)
AUDIT_ACTOR_FILTER = Assumption(
    id="graph-audit-actor-filter",
    assumed="A filter of directoryAudits by its actor answers with no rows, so a period is read "
    "and the actor matched here.",
    standing=Standing.CONTESTED,
    source="microsoftgraph/microsoft-graph-docs#3648",
    dated="2018",
    otherwise="More is read than is needed; in a large tenant the evidence says that more is "
    "there.",
    depends=CONTAINMENT,
)
CLIENT_WAYS = Assumption(
    id="write-client-ways",
    assumed="An empty EwsEnabled is left to the organization, and setting it to nothing leaves it "
    "so again.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Set-CASMailbox",
    dated="2026",
    otherwise="An undo does not show as before; its result says what it is now.",
    depends=CONTAINMENT,
)

DEVICE_OFF = Assumption(
    id="write-device-off",
    assumed="Device.EnableDisableAccount.All lets an app switch a device off, and Entra takes that "
    "for devices with Windows only.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Graph permissions reference (the role); "
    "microsoftgraph/microsoft-graph-docs#16641 (Windows only)",
    dated="2026-08",
    otherwise="The step fails and says so; its command stands beside it.",
    depends=CONTAINMENT,
)
HIDDEN_RULE = Assumption(
    id="write-hidden-rule",
    assumed="Disable-InboxRule switches a hidden rule off by its RuleIdentity, and asks nobody "
    "with AlwaysDeleteOutlookRulesBlob.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Disable-InboxRule",
    dated="2026",
    otherwise="The step fails and says so; its command stands beside it.",
    depends=CONTAINMENT,
)

ASSUMPTIONS = (
    BLOCK_TAKEN,
    METHOD_DATES,
    MESSAGE_TRACE,
    AUDIT_ACTOR_FILTER,
    CLIENT_WAYS,
    DEVICE_OFF,
    HIDDEN_RULE,
)
