"""The contested facts of audit logs. The first side is the default."""

from sandbox.reality.fact import ContestedFact

ACTIVITY_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="activity-content-uri",
        about="where the contentUri of a blob leads",
        sides={"own": "To this API.", "elsewhere": "To localhost and another tenant."},
        worst="elsewhere",
    ),
    ContestedFact(
        id="activity-next-page",
        about="how the next page of a listing of content is named",
        sides={
            "plain": "By the header NextPageUri, with the path of the listing.",
            "elsewhere": "By the header Nextpageuri, with another version in the path.",
        },
        worst="elsewhere",
    ),
    ContestedFact(
        id="activity-record-form",
        about="how records print their numbers",
        sides={"numbers": "As numbers.", "text": "As text."},
        worst="text",
    ),
    ContestedFact(
        id="activity-session",
        about="whether records of Exchange have a session",
        sides={
            "context": "In AppAccessContext.AADSessionId.",
            "property": "In SessionId.",
            "none": "They have none.",
        },
        worst="property",
    ),
    ContestedFact(
        id="graph-audit-query-version",
        about="which version of Graph searches the audit log",
        sides={
            "beta-only": "Only /beta; v1.0 answers 404.",
            "both": "Both.",
            "v1-only": "Only v1.0; /beta answers 404.",
        },
    ),
    ContestedFact(
        id="graph-audit-query-scope",
        about="whether the role for Exchange alone is enough for a search",
        sides={"exchange": "It is.", "wider": "Only AuditLogsQuery.Read.All is."},
    ),
    ContestedFact(
        id="graph-audit-query-limit",
        about="whether a search is begun at once",
        sides={
            "ten": "Ten run at a time.",
            "refused": "The first `times` (1) are refused with 429.",
        },
        worst="refused",
        options={"times": "how many are refused"},
    ),
    ContestedFact(
        id="graph-audit-query-pages",
        about="whether one reading of a finished search has every record",
        sides={"whole": "It has.", "partial": "Each leaves out half, and the next the other half."},
        worst="partial",
    ),
    ContestedFact(
        id="graph-delta-token",
        about="whether a token of /users/delta lasts",
        sides={"lasts": "It does.", "dies": "The first `times` (1) uses are answered with 410."},
        worst="dies",
        options={"times": "how many uses are refused"},
    ),
)
