"""What is assumed of searches of the audit log by Graph, and of records about mail."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

SEARCHED = Dependents(guards=(), settings=("AUDIT_QUERIES",))

QUERY_VERSION = Assumption(
    id="graph-audit-query-version",
    assumed="Graph searches the audit log under /beta, whether or not under v1.0.",
    standing=Standing.CONTESTED,
    source="MC1052169 (v1.0 withdrawn in 2025-04); Microsoft-Extractor-Suite#189 (back); "
    "graph2otel (v1.0 404, beta 201)",
    dated="2026-07",
    otherwise="No search is begun, which each case that waits for one says.",
    depends=SEARCHED,
    ways={
        "beta": "where /beta lists searches",
        "v1.0": "where only v1.0 does",
    },
    probe="graph-audit-queries",
)
QUERY_SCOPE = Assumption(
    id="graph-audit-query-scope",
    assumed="AuditLogsQuery-Exchange.Read.All alone is enough for a search by operations and "
    "people; without it Graph answers 403, or that the app does not have any permissions.",
    standing=Standing.UNSEEN,
    source="microsoft-graph-docs-contrib, post auditLogQueries (a permission for each service); "
    "coe-starter-kit#9163 (the refusal)",
    dated="2024-10",
    otherwise="The search is refused or finds nothing; AuditLogsQuery.Read.All in its place reads "
    "every service's records.",
    depends=SEARCHED,
    probe="graph-audit-queries",
)
QUERY_LIMIT = Assumption(
    id="graph-audit-query-limit",
    assumed="About ten searches of a tenant run at a time, and one more is refused with 429; each "
    "takes minutes to hours.",
    standing=Standing.MEASURED,
    source="CIPP-API; graph2otel (more than ten minutes)",
    dated="2026-08",
    otherwise="Searches wait for the next tick; one without an answer within six hours is given up "
    "and said to be.",
    depends=SEARCHED,
)
QUERY_PAGES = Assumption(
    id="graph-audit-query-pages",
    assumed="One reading of a finished search may leave records out, so it is read twice, in two "
    "ticks.",
    standing=Standing.MEASURED,
    source="langwatch#7137 (two readings within ten minutes differ)",
    dated="2026-08",
    otherwise="A record that both readings left out is found by the search two days later, or not.",
    depends=SEARCHED,
)
QUERY_ROWS = Assumption(
    id="graph-audit-query-rows",
    assumed="auditData of a row is the record itself; the row's own userId and clientIp are wrong "
    "or empty.",
    standing=Standing.MEASURED,
    source="graph2otel (500 of 500 rows)",
    dated="2026-07",
    otherwise="A record that cannot be read is counted, and explains nothing.",
    depends=SEARCHED,
)
MAIL_FORM = Assumption(
    id="activity-mail-records",
    assumed="MailItemsAccessed tells Bind from Sync in MailAccessType and lost records in "
    "IsThrottled; Send has recipientList.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, Use MailItemsAccessed; office-365-management-api, schema",
    dated="2026-06",
    otherwise="Mail is said to have been accessed in a way that is not known.",
    depends=SEARCHED,
)
ATTACHMENT_FORM = Assumption(
    id="activity-attachment-records",
    assumed="AttachmentAccess names its messages as MailItemsAccessed does, with attachments as "
    "objects or as text.",
    standing=Standing.UNSEEN,
    source="inferred; no public record of AttachmentAccess (record type 50, 2025)",
    dated="2026",
    otherwise="That attachments were fetched is said, and not which.",
    depends=SEARCHED,
)

ASSUMPTIONS = (
    QUERY_VERSION,
    QUERY_SCOPE,
    QUERY_LIMIT,
    QUERY_PAGES,
    QUERY_ROWS,
    MAIL_FORM,
    ATTACHMENT_FORM,
)
