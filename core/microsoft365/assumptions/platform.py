"""How Azure runs the app and how Teams takes its cards."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

FTPS_STATE = Assumption(
    id="azure-ftps-state",
    assumed="A Flex Consumption site may refuse siteConfig.ftpsState, so it is not set.",
    standing=Standing.CONTESTED,
    source="azure-cli#31414, azure-pipelines-tasks#21032, pulumi-azure-native#4168, #22254",
    dated="2026-06",
    otherwise="The deployment stops; FTP is closed by the publishing policy.",
)
PUBLISHING_LOCATION = Assumption(
    id="azure-publishing-location",
    assumed="basicPublishingCredentialsPolicies take a location.",
    standing=Standing.UNSEEN,
    source="bicep-types-az#1317, #1504, #1526 (missing: refused, to 2023)",
    dated="2023",
    otherwise="The deployment stops at what-if.",
)
ENVIRONMENT = Assumption(
    id="azure-environment",
    assumed="The settings are in the environment when the app is imported.",
    standing=Standing.CONTESTED,
    source="azure-functions-python-worker#1732, #1770, #1785 (fixed)",
    dated="2025-09",
    otherwise="The start fails by name; restart the app.",
)
PREBUILT_PACKAGE = Assumption(
    id="azure-prebuilt-package",
    assumed="A package with its dependencies for glibc 2.28 runs as it is, without a build.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Python developer reference (local build); instead of remote builds, "
    "which took Python 3.11: azure-dev#8538, Oryx#2833, functions-action#390",
    dated="2026-08",
    otherwise="The app has no functions; read the list of functions after a deployment.",
)
KEY_VAULT = Assumption(
    id="azure-key-vault",
    assumed="A Key Vault reference resolves at the start, or its literal text stays in the "
    "setting.",
    standing=Standing.MEASURED,
    source="azure-docs#33480, PR#126435, PR#86434",
    dated="2025",
    otherwise="The literal is named with its remedy.",
)
TIMERS = Assumption(
    id="azure-timers",
    assumed="Timers go on after a deployment.",
    standing=Standing.CONTESTED,
    source="azure-functions-host#11828, #12007, #11692, #10936",
    dated="2026-09",
    otherwise="The alert app-silent tells; deploy again, then make a new app.",
)
POISON_QUEUES = Assumption(
    id="azure-poison-queues",
    assumed="A missing poison queue can hold scaling, so both are created.",
    standing=Standing.CONTESTED,
    source="keda#6005 (Flex has its own controller)",
    dated="2025",
    otherwise="Shards of a large tenant wait.",
)
TABLE_LIMITS = Assumption(
    id="azure-table-limits",
    assumed="A transaction of the state table takes 100 rows, a property 32,768 characters, and "
    "its tags change with every write.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, Table service data model",
    dated="2026",
    otherwise="The state is not saved, and the run changes and reports nothing.",
)
DRAINED_INSTANCES = Assumption(
    id="azure-drained-instances",
    assumed="A run on an instance that drains may die within seconds; another continues from its "
    "state.",
    standing=Standing.MEASURED,
    source="azure-functions-host#12007",
    dated="2026-09",
    otherwise="The run is repeated at the next time.",
)
NEW_CREDENTIAL = Assumption(
    id="azure-new-credential",
    assumed="A federated credential or an app role is refused for some minutes after it was made.",
    standing=Standing.MEASURED,
    source="azure-workload-identity#273, #576, msgraph-bicep-types#193",
    dated="2026-05",
    otherwise="Wait fifteen minutes, then look again.",
)
CARD_SIZE = Assumption(
    id="teams-card-size",
    assumed="A card grows by 18 % in the flow, whose limit is 28,672 bytes.",
    standing=Standing.CONTESTED,
    source="msteams-docs#11274 (24,453 became 28,897)",
    dated="2024-07",
    otherwise="The card is accepted and does not appear; cards are kept below 22,000 bytes.",
)
ACCEPTED = Assumption(
    id="teams-accepted",
    assumed="A 202 means that the card is queued; nothing tells that it was shown.",
    standing=Standing.UNSEEN,
    source="inferred",
    dated="2026",
    otherwise="A card is lost; the page shows every case all the same.",
    depends=Dependents(settings=("WEBHOOK_ANSWERS",)),
)
WEBHOOK_HOSTS = Assumption(
    id="teams-hosts",
    assumed="Workflows answer at *.api.powerplatform.com; the old hosts are gone.",
    standing=Standing.MEASURED,
    source="send2teams#723, PostHog PR#41202, streampipes#4684",
    dated="2026-07",
    otherwise="The address is refused at the start; name your own host in WEBHOOK_HOSTS.",
    depends=Dependents(settings=("WEBHOOK_HOSTS", "TEAMS_WEBHOOK_URL")),
)
CARD_VERSION = Assumption(
    id="teams-card-version",
    assumed="Teams shows cards of version 1.4 and refuses later ones.",
    standing=Standing.MEASURED,
    source="notify-microsoft-teams#107",
    dated="2025",
    otherwise="The card is rejected; a plain one is sent.",
)
MAIL_SEND = Assumption(
    id="exchange-mail-send-rbac",
    assumed="The Exchange role Application Mail.Send with a scope lets the app send as one "
    "mailbox, without the app role Mail.Send; it works 30 minutes to two hours after it was given.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, RBAC for Applications; maester365#961, smtp-oauth-relay#106",
    dated="2026-06",
    otherwise="Mail is refused with 403, waits, and is named on the status page; the other "
    "channels are told.",
    depends=Dependents(settings=("MAIL_SENDER",)),
)
CHANNEL_RECEIVERS = Assumption(
    id="channel-receivers",
    assumed="PagerDuty answers 202, Slack 200 ok, ServiceNow 2xx and Sentinel 204 when they take a "
    "message; nothing tells that a person saw it.",
    standing=Standing.UNSEEN,
    source="documents of these services; inferred",
    dated="2026",
    otherwise="A message counts as not taken and is sent again, or is lost; the other channels are "
    "told.",
    depends=Dependents(
        settings=(
            "EVENT_WEBHOOK_URL",
            "PAGERDUTY_ROUTING_KEY",
            "SLACK_WEBHOOK_URL",
            "SERVICENOW_INSTANCE",
            "SENTINEL_ENDPOINT",
        )
    ),
)
SIGN_IN_HEADERS = Assumption(
    id="azure-sign-in-headers",
    assumed="The platform sets the headers of a signed-in caller and removes those a caller sends.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, App Service authentication",
    dated="2026",
    otherwise="A caller could name somebody else; writes are recorded with how they were "
    "authenticated.",
    depends=Dependents(settings=("SIGN_IN",)),
)

ASSUMPTIONS = (
    FTPS_STATE,
    PUBLISHING_LOCATION,
    ENVIRONMENT,
    PREBUILT_PACKAGE,
    KEY_VAULT,
    TIMERS,
    POISON_QUEUES,
    TABLE_LIMITS,
    DRAINED_INSTANCES,
    NEW_CREDENTIAL,
    CARD_SIZE,
    ACCEPTED,
    WEBHOOK_HOSTS,
    CARD_VERSION,
    MAIL_SEND,
    CHANNEL_RECEIVERS,
    SIGN_IN_HEADERS,
)
