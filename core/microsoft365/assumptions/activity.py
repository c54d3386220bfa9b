"""What the audit logs of Entra and Exchange tell, and how the services that serve them answer."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

HINTED = Dependents(
    guards=(
        "mailbox-forwarding",
        "mailbox-delegation",
        "mailbox-audit",
        "shared-mailbox-sign-in",
        "app-consent",
    ),
    settings=("ACTIVITY_FEED",),
)

AUDIT_LATE = Assumption(
    id="activity-late-records",
    assumed="Rows of directoryAudits appear within an hour of the act; a day and a week later "
    "nearly all are there.",
    standing=Standing.MEASURED,
    source="wazuh#24323; coe-starter-kit#9190 (95 % in a day, all in seven)",
    dated="2024",
    otherwise="A later record is found by the daily look back over a week, and only as a cause.",
    depends=HINTED,
)
AUDIT_FILTER = Assumption(
    id="activity-audit-filter",
    assumed="directoryAudits take one filter of a time and forty names of activities.",
    standing=Standing.UNSEEN,
    source="inferred from Microsoft Learn, List directoryAudits",
    dated="2026",
    otherwise="The read of Entra's records fails, which the status page says; full scans go on.",
    depends=HINTED,
)
FEED_START = Assumption(
    id="activity-feed-start",
    assumed="A content type is subscribed to once; AF20024 says that it is on already. First "
    "content comes within minutes, or up to 12 hours later.",
    standing=Standing.MEASURED,
    source="graph2otel (2 minutes); ddbnl/office365-audit-log-collector#19 (nothing at first)",
    dated="2026-07",
    otherwise="No records of Exchange are read, which the status page says.",
    depends=HINTED,
)
CONTENT_URI = Assumption(
    id="activity-content-uri",
    assumed="contentUri may name another host or tenant; the content is at our own address, under "
    "its contentId.",
    standing=Standing.CONTESTED,
    source="elastic/integrations sdh-beats#7627 (localhost and another tenant); others follow it",
    dated="2025",
    otherwise="Each such content is a gap of its own, which the status page counts.",
    depends=HINTED,
)
NEXT_PAGE = Assumption(
    id="activity-next-page",
    assumed="The header NextPageUri, in any case, names the next page; only its nextPage is used.",
    standing=Standing.CONTESTED,
    source="office-365-management-api (NextPageUri, NextPageUrl, /v1/); field: Nextpageuri",
    dated="2026-06",
    otherwise="Only the first page of a listing is read.",
    depends=HINTED,
)
RECORD_FORM = Assumption(
    id="activity-record-form",
    assumed="RecordType and UserType are numbers or the same numbers as text; CreationTime has no "
    "zone and means UTC.",
    standing=Standing.CONTESTED,
    source="elastic/integrations fixtures (text); Microsoft's schema (numbers)",
    dated="2025-09",
    otherwise="A record that cannot be read is counted on the status page and gives no hint.",
    depends=HINTED,
)
FEED_THROTTLE = Assumption(
    id="activity-feed-throttle",
    assumed="A 403 with the code AF429 means throttling, not a missing permission.",
    standing=Standing.MEASURED,
    source="office-365-management-api, troubleshooting",
    dated="2026-06",
    otherwise="The tick ends and the next one goes on from the same place.",
    depends=HINTED,
)
OWN_WRITES = Assumption(
    id="activity-own-writes",
    assumed="Records of our own writes have the app's id in AppId, ClientAppId or "
    "AppAccessContext, or its service principal in initiatedBy.",
    standing=Standing.UNSEEN,
    source="inferred; no public record of an app's own cmdlet",
    dated="2026",
    otherwise="An own write leads to one more look at its object, and may be shown as an act of an "
    "app of that name.",
    depends=HINTED,
)
APP_ACTS = Assumption(
    id="activity-app-acts",
    assumed="In records of what an app does in a mailbox, UserId is the mailbox's owner; "
    "UserType 5 or 6 and the app's id tell the app.",
    standing=Standing.MEASURED,
    source="elastic/integrations, o365 fixtures",
    dated="2025-09",
    otherwise="The app is shown as an unknown actor with its id.",
    depends=HINTED,
)
SERVICE_NAMES = Assumption(
    id="activity-service-names",
    assumed="Acts of Exchange itself have UserType 3, or a UserId that begins with NT AUTHORITY or "
    "NT SERVICE and has the service in brackets.",
    standing=Standing.MEASURED,
    source="public audit records of 2021 and 2025-26",
    dated="2026",
    otherwise="They lead to looks at objects where nothing is wrong.",
    depends=HINTED,
)
SESSION = Assumption(
    id="activity-session",
    assumed="The session of an act is in AppAccessContext.AADSessionId or SessionId.",
    standing=Standing.CONTESTED,
    source="graph2otel (live, since 07-2025); office365itpros (differs by workload)",
    dated="2026-07",
    otherwise="Acts are joined by actor and address, and the page says so.",
    depends=HINTED,
)
DELTA_TOKEN = Assumption(
    id="graph-delta-token",
    assumed="/users/delta with $select=accountEnabled names every account that was enabled, until "
    "its token dies with 410 or syncStateNotFound.",
    standing=Standing.CONTESTED,
    source="microsoft-graph-docs#2255, #4738; contrib#6555 (restored users are left out)",
    dated="2023",
    otherwise="The account is seen by the next full scan; a dead token leads to one at once.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), settings=("ACTIVITY_ACCOUNTS",)),
)

ASSUMPTIONS = (
    AUDIT_LATE,
    AUDIT_FILTER,
    FEED_START,
    CONTENT_URI,
    NEXT_PAGE,
    RECORD_FORM,
    FEED_THROTTLE,
    OWN_WRITES,
    APP_ACTS,
    SERVICE_NAMES,
    SESSION,
    DELTA_TOKEN,
)
