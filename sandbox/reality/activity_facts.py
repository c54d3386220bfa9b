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
        id="graph-delta-token",
        about="whether a token of /users/delta lasts",
        sides={"lasts": "It does.", "dies": "The first `times` (1) uses are answered with 410."},
        worst="dies",
        options={"times": "how many uses are refused"},
    ),
)
