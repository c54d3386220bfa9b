"""How the Exchange admin API answers: roles, pages, hosts, errors and limits."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing
from core.microsoft365.exchange_listings import PAGE_FORMS, PageAnchor, PageForm

ANCHOR_TEXTS = {
    PageAnchor.SYSTEM: "the system mailbox and the tenant's id",
    PageAnchor.TENANT: "the tenant's id",
    PageAnchor.OAUTH_USER: "the app user of the initial domain",
}


def describe_page_form(form: PageForm) -> str:
    """A form of asking for the next page, in words."""
    method = "POST of the same body" if form.method == "POST" else "GET of the link"
    cookies = "with" if form.keeps_cookies else "without"
    host = "the host that the link names" if form.uses_link_host else "the front door"
    return f"{method}, anchored to {ANCHOR_TEXTS[form.anchor]}, {cookies} cookies, on {host}"


ROLE_GROUP = Assumption(
    id="exchange-role-group",
    assumed="An app that is a member of an Exchange role group needs no Entra role to run its "
    "cmdlets.",
    standing=Standing.CONTESTED,
    source="for: Microsoft Learn app-only authentication, Maester, go-exoscc, ScubaGear#2375; "
    'against: Microsoft365DSC#6253, #4530, #5759, office-docs-powershell#11332, ScubaGear#460 ("'
    "The role assigned to application ... isn't supported in this scenario\")",
    dated="2026",
    otherwise="No guard can read Exchange. A grant may take two hours. Where the refusal stays, "
    "give the app the Entra role Global Reader for reads; docs/deploy.md says what it widens.",
    probe="exchange-roles",
)
PAGING = Assumption(
    id="exchange-paging",
    assumed="The next page of a listing is the answer to the same body, sent to the path of its "
    "link.",
    standing=Standing.CONTESTED,
    source="for: CIPP-API, M365Permissions, the Admin API v2.0 page; against, as an app: "
    "graph2otel (live, 2026-07), office-docs-powershell#10907; leads: go-exoscc follows by GET, "
    "Microsoft Q&A 1023619 names the .onmicrosoft.com domain",
    dated="2026-07",
    otherwise="A listing of more than one page is read in another way (entity endpoints, one "
    "answer, slices); it takes longer and stays complete.",
    ways={form.name: describe_page_form(form) for form in PAGE_FORMS}
    | {"none": "no continuation works: entity endpoints, one answer or slices"},
    probe="exchange-paging",
)
PAGE_SIZE = Assumption(
    id="exchange-page-size",
    assumed="Prefer: odata.maxpagesize is honoured, and a cut answer carries a next link and a "
    "warning.",
    standing=Standing.MEASURED,
    source="graph2otel (live)",
    dated="2026-07",
    otherwise="A cut listing would look complete. The number that Exchange gives decides then; "
    "report it.",
    probe="exchange-paging",
)
RESULT_SIZE = Assumption(
    id="exchange-result-size",
    assumed='A listing without ResultSize ends at 1,000 objects, and with "Unlimited" it does not.',
    standing=Standing.MEASURED,
    source="office-docs-powershell, Get-Mailbox",
    dated="2026-08",
    otherwise="A large tenant would look smaller; a tenant that shrank by a tenth is a case.",
)
ONE_ANSWER = Assumption(
    id="exchange-one-answer",
    assumed="Without a page size, one answer may hold a whole listing.",
    standing=Standing.UNSEEN,
    source="graph2otel (a small tenant only)",
    dated="2026-07",
    otherwise="The listing is sliced by recipient type and filter instead.",
)
ENTITY_ENDPOINTS = Assumption(
    id="exchange-entity-endpoints",
    assumed="The entity endpoints of the Get-EXO* cmdlets answer apps and page at any size.",
    standing=Standing.MEASURED,
    source="office-docs-powershell#10907, EWS-Office365-Contact-Sync#81, go-exoscc $metadata",
    dated="2026-07",
    otherwise="Listings are sliced instead when their continuation is refused.",
    probe="exchange-entities",
)
SLICE_FILTERS = Assumption(
    id="exchange-slice-filters",
    assumed="Get-Mailbox, Get-CASMailbox and Get-User filter by creation date in ISO form, by the "
    "start of a name, by RecipientTypeDetails where kinds are asked for, and by -not of each.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, filter properties (the properties); -not and ISO dates over "
    "REST inferred",
    dated="2026-08",
    otherwise="A listing whose continuation is refused stays unread, by name, beyond one answer.",
    probe="exchange-slices",
)
NAME_ORDER = Assumption(
    id="exchange-name-order",
    assumed="Get-Mailbox, Get-CASMailbox and Get-User compare names by their order (-ge), whatever "
    "order that is.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, filter properties (Name) and recipient filters (-ge); an app's "
    "public code cuts Get-MailContact so by DisplayName over REST",
    dated="2026-08",
    otherwise="Objects that no date tells apart are cut by how their names start: it takes longer, "
    "and a run that ends there begins that span anew.",
    ways={
        "order": "names are cut at the names of objects that were seen",
        "start": "names are cut by how those start that were seen",
    },
    probe="exchange-slices",
)
EACH_IDENTITY = Assumption(
    id="exchange-each-identity",
    assumed="Get-RecipientPermission and Get-MailboxAuditBypassAssociation take the Guid of a "
    "mailbox or account and answer with its rows alone.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, -Identity of both (any value that identifies it)",
    dated="2026-08",
    otherwise="Where neither pages nor one answer work, send-as rights and the bypass list are "
    "unread, by name.",
    depends=Dependents(guards=("mailbox-delegation", "mailbox-audit")),
    probe="exchange-each",
)
REGIONAL_HOSTS = Assumption(
    id="exchange-regional-hosts",
    assumed="Redirects and links stay on Exchange's own hosts, DoD regions and port 446 included.",
    standing=Standing.CONTESTED,
    source="ScubaGear (DoD regions), go-exoscc (:446), Connect-ExchangeOnline (China)",
    dated="2026-08",
    otherwise="A link to another host is refused and the listing is unread. In China, name the "
    "host in EXCHANGE_ENDPOINT.",
    depends=Dependents(settings=("CLOUD", "EXCHANGE_ENDPOINT")),
    probe="exchange-paging",
)
BATCH_ROUTING = Assumption(
    id="exchange-batch-routing",
    assumed="A batch runs as a whole on the server of its own anchor; reads of mailboxes "
    "elsewhere in it succeed or name the reason.",
    standing=Standing.CONTESTED,
    source="CIPP (reads in a system-anchored batch work, writes do not; other geos: not found in "
    "the local forest)",
    dated="2026-08",
    otherwise="Each command is sent alone, with the anchor of its mailbox; it takes longer.",
    ways={
        "batch": "ten commands in a request; one that it misroutes is sent again alone",
        "single": "each command in a request of its own",
    },
    probe="exchange-batch",
)
CMDLET_LIST = Assumption(
    id="exchange-cmdlet-list",
    assumed="EXOModuleFile lists exactly the cmdlets that the app's roles let it run.",
    standing=Standing.MEASURED,
    source="CIPP-API -AvailableCmdlets",
    dated="2026-08",
    otherwise="The comparison of permissions says unknown; each refused cmdlet names itself.",
    probe="exchange-roles",
)
EMPTY_FORBIDDEN = Assumption(
    id="exchange-empty-403",
    assumed="A 403 of NUL bytes means that the roles lack this cmdlet, or that there is none of "
    "this name; a missing app role is a 401.",
    standing=Standing.MEASURED,
    source="graph2otel (live), cnspec#4010",
    dated="2026-09",
    otherwise="The remedy on the card names the wrong permission; the doctor's list is right.",
    probe="exchange-unknown-cmdlet",
)
TRIMMED_PARAMETER = Assumption(
    id="exchange-trimmed-parameter",
    assumed="A parameter that the role leaves out is refused as CmdletAccessDeniedException, "
    "named in the first of the error's details.",
    standing=Standing.MEASURED,
    source="DLConversionV2#101, Microsoft365DSC#6753",
    dated="2025-12",
    otherwise="The refusal is shown as one of Exchange, without the parameter to grant.",
)
ERRORS_IN_SUCCESS = Assumption(
    id="exchange-errors-in-success",
    assumed="A 200 with @adminapi.errors has failed, and one without them is whole.",
    standing=Standing.UNSEEN,
    source="the official module's generated script",
    dated="2026",
    otherwise="Part of a listing would be missing; the number that Exchange gives tells.",
)
TRANSIENT_TYPES = Assumption(
    id="exchange-transient-types",
    assumed="A 400 of type CmdletProxyNotAvailable, ServerBusyException, TransientException or "
    "BackendCommunicationException passes when it is sent again.",
    standing=Standing.MEASURED,
    source="M365Permissions and others",
    dated="2026-04",
    otherwise="The object stays unread until the next run.",
)
AMBIGUOUS_NAME = Assumption(
    id="exchange-ambiguous-name",
    assumed="A name that several objects answer to is ManagementObjectAmbiguousException.",
    standing=Standing.MEASURED,
    source="CIPP-API#1568, CrowdStrike/CRT#39",
    dated="2025-07",
    otherwise="The recipient is unread, never taken for missing.",
    depends=Dependents(("mailbox-forwarding",), ("ask",)),
)
MISLABELLED_BODIES = Assumption(
    id="exchange-mislabelled-bodies",
    assumed="The body of an error may be labelled gzip and not be it; it is read as it is.",
    standing=Standing.UNSEEN,
    source="go-exoscc",
    dated="2026-07",
    otherwise="An error of Exchange is shown as a lost connection and sent again.",
)
TIME_LIMIT = Assumption(
    id="exchange-time-limit",
    assumed="Exchange cuts a cmdlet at 15 minutes.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, exchange-online-powershell-v2; the official module waits 16",
    dated="2026-08",
    otherwise="A long listing is cut and read in slices.",
    depends=Dependents(settings=("RUN_MINUTES",)),
)
CONCURRENCY = Assumption(
    id="exchange-concurrency",
    assumed="Two or three commands at a time are accepted without throttling, and the limit is "
    "found by raising it.",
    standing=Standing.CONTESTED,
    source="Export-RecipientPermissions (10 to 3), CRT#41, CRT#28; no published limits",
    dated="2025-04",
    otherwise="Runs take longer; lower EXCHANGE_CONCURRENCY.",
    depends=Dependents(settings=("EXCHANGE_CONCURRENCY",)),
)
RATE_HEADERS = Assumption(
    id="exchange-retry-after",
    assumed="A 429 may come without Retry-After; two seconds, doubled, are enough then.",
    standing=Standing.CONTESTED,
    source="the official module (2 s doubled, five times); graph2otel never saw Rate-Limit-*",
    dated="2026-07",
    otherwise="What is throttled stays unread until the next run.",
)
EMPTY_IDENTITY = Assumption(
    id="exchange-empty-identity",
    assumed="A cmdlet with an empty Identity applies to every object, so none is ever sent.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, cautions of Get-Mailbox and Get-InboxRule",
    dated="2026-08",
    otherwise="Nothing: the command is refused before it is sent.",
)
WIRE_FORMS = Assumption(
    id="exchange-wire-forms",
    assumed="A property may come as its type or as text, a list as one value, a name in any case.",
    standing=Standing.UNSEEN,
    source="public captures of 2024 and 2026 agree with each other; entity endpoints differ",
    dated="2026-07",
    otherwise="A row that cannot be parsed is unread, by its id.",
)

ASSUMPTIONS = (
    ROLE_GROUP,
    PAGING,
    PAGE_SIZE,
    RESULT_SIZE,
    ONE_ANSWER,
    ENTITY_ENDPOINTS,
    SLICE_FILTERS,
    NAME_ORDER,
    EACH_IDENTITY,
    REGIONAL_HOSTS,
    BATCH_ROUTING,
    CMDLET_LIST,
    EMPTY_FORBIDDEN,
    TRIMMED_PARAMETER,
    ERRORS_IN_SUCCESS,
    TRANSIENT_TYPES,
    AMBIGUOUS_NAME,
    MISLABELLED_BODIES,
    TIME_LIMIT,
    CONCURRENCY,
    RATE_HEADERS,
    EMPTY_IDENTITY,
    WIRE_FORMS,
)
