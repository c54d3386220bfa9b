"""What Graph tells about users, apps, groups, roles and sign-ins."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

GRANTS_COUNT = Assumption(
    id="graph-grants-count",
    assumed="Consent grants counted with ConsistencyLevel: eventual are all there; rows are "
    "compared with the count.",
    standing=Standing.CONTESTED,
    source="msgraph-sdk-powershell#2469 (839 grants, fewer with smaller pages), microsoft-graph-"
    "docs#17247, msgraph-metadata#116",
    dated="2025-01",
    otherwise="Fewer rows than the count are unread, and each client is asked for its own.",
    depends=Dependents(guards=("app-consent",), verdicts=("granted", "keep")),
    ways={"counted": "all in one listing that is counted", "per-client": "a request for each app"},
    probe="graph-grants",
)
COLLECTION_COUNT = Assumption(
    id="graph-collection-count",
    assumed="Users, groups, devices, units, apps and their registrations are counted with "
    "ConsistencyLevel: eventual; one that ends with a full page and has more was cut.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn: Advanced query capabilities on directory objects; that a link was "
    "ever missing after a full page is inferred",
    dated="2026",
    otherwise="A collection that ends with a full page is taken for whole.",
    depends=Dependents(guards=("app-consent", "privileged-change", "shared-mailbox-sign-in")),
    probe="graph-collection-count",
)
APP_ROLES_PAGE = Assumption(
    id="graph-app-roles-page",
    assumed="appRoleAssignedTo with $top=999 is whole within a page.",
    standing=Standing.CONTESTED,
    source="microsoft-graph-docs#12243, #5877, Microsoft365DSC#5824",
    dated="2025",
    otherwise="Beyond a page each app is asked for its own roles, which takes longer.",
    depends=Dependents(guards=("app-consent",), verdicts=("granted",)),
    probe="graph-app-roles",
)
EXPANDED_OWNERS = Assumption(
    id="graph-expanded-owners",
    assumed="$expand=owners returns the owners of an app, twenty at most and no link to more.",
    standing=Standing.MEASURED,
    source="Microsoft Graph known issues; microsoftgraph/microsoft-graph-docs-contrib",
    dated="2026",
    otherwise="Owners beyond those that are returned are not told.",
    depends=Dependents(guards=("app-consent",), verdicts=("granted",)),
)
FEDERATED_CREDENTIAL_READS = Assumption(
    id="graph-federated-credentials",
    assumed="Application.Read.All lists the federated credentials of every app registration.",
    standing=Standing.MEASURED,
    source="Microsoft Learn: List federatedIdentityCredentials; ScubaGear (live)",
    dated="2026-08",
    otherwise="The source federated-credentials is unread by name.",
    depends=Dependents(guards=("app-consent",), verdicts=("granted",)),
)
REGISTRATION_DISABLED = Assumption(
    id="graph-registration-disabled",
    assumed="The registration report leaves out disabled users.",
    standing=Standing.MEASURED,
    source="entra-docs PR#878",
    dated="2025",
    otherwise="A user who is in neither list is reported as not told.",
    depends=Dependents(guards=("mfa-registration",)),
)
REGISTRATION_PAGE = Assumption(
    id="graph-registration-page",
    assumed="The registration report takes $top=999.",
    standing=Standing.MEASURED,
    source="graph2otel, CIPP (live)",
    dated="2026-07",
    otherwise="It is asked without; five requests in ten seconds may outrun RUN_MINUTES.",
    depends=Dependents(guards=("mfa-registration",), settings=("RUN_MINUTES",)),
    ways={"top": "999 rows a page", "plain": "the service's own page"},
    probe="graph-registrations",
)
PIM_GROUPS = Assumption(
    id="graph-pim-groups",
    assumed="A group that is not onboarded answers a 200 without rows; a 404 is a principal that "
    "was deleted.",
    standing=Standing.MEASURED,
    source="ScubaGear#1305, PR#1310, #1306",
    dated="2024",
    otherwise="That group alone is unread.",
    depends=Dependents(guards=("exchange-module-access", "mfa-registration")),
)
ELIGIBILITY_ROLE = Assumption(
    id="graph-eligibility-role",
    assumed="RoleManagement.Read.Directory reads who may take a role; RoleManagement.Read.All may"
    " not.",
    standing=Standing.CONTESTED,
    source="microsoft-graph-docs#17653",
    dated="2022",
    otherwise="The roster is unread and no PowerShell is taken away; grant "
    "RoleManagement.Read.Directory.",
    depends=Dependents(
        guards=("exchange-module-access", "shared-mailbox-sign-in", "mfa-registration")
    ),
    probe="graph-role-eligibility",
)
PIM_ERRORS = Assumption(
    id="graph-error-code",
    assumed="The reason of a refusal stands in error.code, in JSON inside error.message, or in a "
    "bare errorCode.",
    standing=Standing.MEASURED,
    source="microsoft-graph-docs-contrib#17, EasyPIM#37, graph2otel",
    dated="2024",
    otherwise="A missing permission is shown as an unknown error.",
    depends=Dependents(guards=("exchange-module-access", "shared-mailbox-sign-in")),
)
PREMIUM_REFUSAL = Assumption(
    id="graph-premium-refusal",
    assumed="A 403 of NonPremiumTenantOrB2CTenant means that the tenant has no Entra licence.",
    standing=Standing.CONTESTED,
    source="for: microsoft-graph-docs-contrib#8777; against, now and then: microsoft-graph-"
    "docs#11986, contrib#3759",
    dated="2023",
    otherwise="It is called unread until several looks agree.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in", "legacy-protocols", "mfa-registration"),
        verdicts=("could-not-tell",),
    ),
)
DELETED_SELECT = Assumption(
    id="graph-deleted-select",
    assumed="deletedDateTime comes only by $select, and $top=999 is taken.",
    standing=Standing.UNSEEN,
    source="graph2otel (the first, live); the second unseen",
    dated="2026-07",
    otherwise="It is asked without $top, which takes longer; where no date comes, deletions are "
    "counted from the log.",
    depends=Dependents(guards=("mass-deletion",)),
    ways={"top": "999 rows a page", "plain": "the service's own page"},
    probe="graph-deleted-items",
)
DELETED_DAYS = Assumption(
    id="graph-deleted-days",
    assumed="Deleted users and groups can be restored for 30 days.",
    standing=Standing.CONTESTED,
    source="graph2otel saw rows of 44 days; Microsoft Learn: 30",
    dated="2026-07",
    otherwise="The card gives less time than there is.",
    depends=Dependents(guards=("mass-deletion",)),
)
GROUP_RESTORE = Assumption(
    id="graph-group-restore",
    assumed="Only the recycle bin tells whether a deleted group can be restored; the kind of "
    "group does not.",
    standing=Standing.CONTESTED,
    source="Microsoft Learn now: Microsoft 365 and cloud security groups; before: security "
    "groups at once",
    dated="2026",
    otherwise="The card says that it is not known.",
    depends=Dependents(guards=("mass-deletion",), verdicts=("mass-deletion",)),
    probe="graph-deleted-groups",
)
MESSAGE_RULES = Assumption(
    id="graph-message-rules",
    assumed="messageRules shows the actions of a visible rule, though not all conditions; mailbox"
    " forwarding is not there.",
    standing=Standing.MEASURED,
    source="microsoft-graph-docs-contrib#3336, #9830",
    dated="2023",
    otherwise="A rule that Graph does not show in full is read through Exchange.",
    depends=Dependents(guards=("mailbox-forwarding",)),
)
MAILBOX_REFUSAL = Assumption(
    id="graph-mailbox-refusal",
    assumed="ErrorAccessDenied for one mailbox is Exchange's refusal of that mailbox, not a "
    "missing consent.",
    standing=Standing.MEASURED,
    source="QuickMail#678",
    dated="2026",
    otherwise="The remedy on the card names the wrong permission.",
    depends=Dependents(guards=("mailbox-forwarding",)),
)
FOLDER_NAMES = Assumption(
    id="graph-mail-folders",
    assumed="Mail.ReadBasic.All lets an app read folders, and a rule's folder has the id of the "
    "folder listing.",
    standing=Standing.UNSEEN,
    source="microsoft-graph-docs#17167 (denied), #7884 (honoured)",
    dated="2022",
    otherwise="Where a rule moves mail is not told; the rule itself is.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("hides-mail",)),
    probe="graph-mail-folders",
)
FOLDERS_WITHOUT_MAIL = Assumption(
    id="graph-folders-without-mail",
    assumed="The calendar, the contacts, the tasks, the notes and the journal are served as "
    "folders by id, under the names that Outlook gives them, at the top of the mailbox.",
    standing=Standing.UNSEEN,
    source="elastic/detection-rules#5643 (rules move mail there); how Graph names them is inferred",
    dated="2026-11",
    otherwise="A rule that moves mail there is told as one whose folder cannot be found.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("hides-mail", "could-not-tell")),
)
SIGN_IN_LOG_KINDS = Assumption(
    id="graph-sign-in-log",
    assumed="v1.0 lists interactive sign-ins only; legacy sign-ins of Exchange are non-"
    "interactive and stand in beta.",
    standing=Standing.MEASURED,
    source="azure-docs PR#72253, PR#69377, msgraph-sdk-powershell#2901, graph2otel",
    dated="2026-07",
    otherwise="An empty log says nothing: no write follows from it.",
    depends=Dependents(
        guards=("legacy-protocols", "shared-mailbox-sign-in"),
        verdicts=("repair", "block"),
        settings=("LEGACY_PROTOCOLS_WITHOUT_SIGN_INS",),
    ),
    probe="graph-sign-in-log",
)
SIGN_IN_LOG_PAGES = Assumption(
    id="graph-sign-in-pages",
    assumed="A sign-in query over a narrow window ends; a 504 or an empty skip token is unread.",
    standing=Standing.CONTESTED,
    source="msgraph-sdk-powershell#2941, #3146, #1388",
    dated="2025",
    otherwise="The log is unread; no write follows.",
    depends=Dependents(
        guards=("legacy-protocols", "shared-mailbox-sign-in"), verdicts=("could-not-tell",)
    ),
    probe="graph-sign-in-pages",
)
SIGN_IN_LOG_DAYS = Assumption(
    id="graph-sign-in-days",
    assumed="Entra keeps the sign-in log for 30 days.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, Entra data retention",
    dated="2026",
    otherwise="Use that is older is not known.",
    depends=Dependents(guards=("legacy-protocols", "shared-mailbox-sign-in")),
)
SIGN_IN_ACTIVITY_LIMIT = Assumption(
    id="graph-sign-in-activity",
    assumed="signInActivity is read by listing users, since one user's is limited to ten a minute.",
    standing=Standing.MEASURED,
    source="microsoft-graph-docs-contrib#8653",
    dated="2023-10",
    otherwise="The dates of sign-ins are unread for most accounts.",
    depends=Dependents(guards=("shared-mailbox-sign-in",)),
    probe="graph-sign-in-activity",
)
USERS_ID_FILTER = Assumption(
    id="graph-users-id-filter",
    assumed="A listing of users with signInActivity takes a filter of up to fifteen ids.",
    standing=Standing.UNSEEN,
    source='Microsoft Learn, "in" operator; not with this property',
    dated="2026-08",
    otherwise="All users are listed instead; five requests in ten seconds make that longer.",
    depends=Dependents(guards=("shared-mailbox-sign-in",)),
    ways={
        "filtered": "up to 150 accounts by filters of fifteen ids",
        "listed": "all users, page by page",
    },
    probe="graph-sign-in-activity",
)
SIGN_IN_ACTIVITY_NULL = Assumption(
    id="graph-sign-in-null",
    assumed="A missing lastSuccessfulSignInDateTime beside another recent date is not known; it "
    "is kept since 12-2023 and may be a day late.",
    standing=Standing.CONTESTED,
    source="zerotrustassessment#593 (217 guests called inactive), microsoft-graph-docs#12358, "
    "entra-docs#441",
    dated="2025-11",
    otherwise="An operator is asked instead of the account being blocked.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in",),
        verdicts=("block", "ask"),
        settings=("RECENT_SIGN_IN_DAYS",),
    ),
)
PASSWORD_DATES = Assumption(
    id="graph-password-date",
    assumed="lastPasswordChangeDateTime is never null, and at the creation of the account where "
    "nobody set a password.",
    standing=Standing.UNSEEN,
    source="microsoft-graph-docs#14522 (never null); the second inferred",
    dated="2022",
    otherwise="An operator is asked instead of the account being blocked.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("block", "ask")),
    probe="graph-users",
)
RESTRICTED_UNITS = Assumption(
    id="graph-restricted-units",
    assumed="isManagementRestricted tells the members of restricted administrative units, which "
    "no Graph permission may change.",
    standing=Standing.MEASURED,
    source="entra-docs, admin-units-restricted-management",
    dated="2025",
    otherwise="A block is refused; the card names what may be the reason.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("never",)),
    probe="graph-users",
)
SYNC_FLAG = Assumption(
    id="graph-sync-flag",
    assumed="onPremisesSyncEnabled is true while an account is synchronised, false once it was, "
    "null if it never was.",
    standing=Standing.MEASURED,
    source="microsoft-graph-docs, user resource",
    dated="2021",
    otherwise="A block is undone by the next synchronisation.",
    depends=Dependents(guards=("shared-mailbox-sign-in",), verdicts=("on-premises",)),
)
PLAN_STATES = Assumption(
    id="graph-plan-states",
    assumed="A plan in state Suspended or LockedOut does not serve; Enabled and Warning do.",
    standing=Standing.MEASURED,
    source="microsoft-graph-docs#930, #16282",
    dated="2023",
    otherwise="A licence is taken for one, or not.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in", "shared-mailbox-health", "legacy-protocols"),
        settings=("LICENSED_MAILBOXES",),
    ),
)
LICENCE_PLANS = Assumption(
    id="graph-service-plans",
    assumed="The service plans of mailboxes and meeting rooms are those of the list in the code.",
    standing=Standing.CONTESTED,
    source="Microsoft Learn, product names and service plan identifiers",
    dated="2026",
    otherwise="A new plan counts as a licence of unknown use: an operator is asked.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in", "shared-mailbox-health"),
        verdicts=("ask",),
        settings=("LICENSED_MAILBOXES",),
    ),
    probe="graph-service-plans",
)
HOLDER_DELETED = Assumption(
    id="graph-stale-eligibility",
    assumed="Deleted principals stay eligible for hours and then answer a 404.",
    standing=Standing.MEASURED,
    source="ScubaGear#1305",
    dated="2024",
    otherwise="One holder is unread until then.",
    depends=Dependents(guards=("exchange-module-access",)),
)
NESTED_MEMBERS = Assumption(
    id="graph-nested-members",
    assumed="transitiveMembers lists members of nested groups, cycles included, and leaves out "
    "hidden memberships without a permission of its own.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, list group transitive members",
    dated="2026",
    otherwise="A holder of a role by a nested group is missing; hidden groups are unread.",
    depends=Dependents(guards=("exchange-module-access",), verdicts=("repair",)),
)
FEDERATION = Assumption(
    id="graph-federation-configuration",
    assumed="The federationConfiguration of a federated domain lists its providers with their "
    "issuers and certificates, Domain.Read.All may read it, and it is not found where a domain "
    "has none.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, list internalDomainFederations; no live report of an app",
    dated="2026",
    otherwise="The domains are unread, which the case says; grant Directory.Read.All as well.",
    depends=Dependents(guards=("privileged-change",)),
)
CONSISTENCY_HEADER = Assumption(
    id="graph-consistency-header",
    assumed="The pages of a counted listing need the ConsistencyLevel header again.",
    standing=Standing.UNSEEN,
    source="inferred",
    dated="2026",
    otherwise="The count and the rows disagree, and the listing is unread.",
    depends=Dependents(guards=("app-consent", "shared-mailbox-sign-in")),
)
DELEGATED_GRANT_ROLE = Assumption(
    id="graph-grant-role",
    assumed="Directory.Read.All lists consent grants; DelegatedPermissionGrant.Read.All may.",
    standing=Standing.UNSEEN,
    source="microsoft-graph-devx-content (in no path)",
    dated="2026-08",
    otherwise="Consent grants are unread; grant Directory.Read.All.",
    depends=Dependents(guards=("app-consent",)),
    probe="graph-grants",
)
APP_CREDENTIALS = Assumption(
    id="graph-app-credentials",
    assumed="Secrets and certificates of an app of this tenant hang on its application, those of "
    "others on nothing that can be read.",
    standing=Standing.MEASURED,
    source="prowler#12747, sigma#6278",
    dated="2025",
    otherwise="An app is called dormant or not by fewer signs.",
    depends=Dependents(guards=("app-consent",), verdicts=("dormant",)),
)
REPORT_BACKOFF = Assumption(
    id="graph-report-backoff",
    assumed="Reports and audit logs that are throttled without Retry-After recover in ten seconds.",
    standing=Standing.CONTESTED,
    source="graph2otel",
    dated="2026-07",
    otherwise="They stay unread until the next run.",
    depends=Dependents(
        guards=("mfa-registration", "legacy-protocols", "mass-deletion", "shared-mailbox-sign-in")
    ),
)
REQUEST_LIMIT = Assumption(
    id="graph-request-limit",
    assumed="An app may send 130,000 requests in ten seconds for all tenants; a tenant's own "
    "limits are lower and differ by service.",
    standing=Standing.MEASURED,
    source="microsoft-graph-docs, throttling limits",
    dated="2024-06",
    otherwise="Requests are throttled and slowed down; nothing is lost.",
    depends=Dependents(settings=("GRAPH_CONCURRENCY",)),
)
MAILBOX_LIMIT = Assumption(
    id="graph-mailbox-limit",
    assumed="What an app reads is counted within ten seconds, what it reads of one mailbox within "
    "ten minutes: what a few requests of a $batch are refused for longer is a matter of their "
    "mailboxes.",
    standing=Standing.UNSEEN,
    source="microsoft-graph-docs, service-specific throttling limits (Outlook, identity, reports)",
    dated="2025-01",
    otherwise="One more batch is refused before all wait.",
    depends=Dependents(settings=("GRAPH_CONCURRENCY",)),
)
BATCH_ORDER = Assumption(
    id="graph-batch-order",
    assumed="The answers of a $batch come in any order, each with its id, and are throttled one "
    "by one.",
    standing=Standing.MEASURED,
    source="graph2otel, Microsoft Learn JSON batching",
    dated="2026-07",
    otherwise="An answer without a known id is asked for again.",
)

ASSUMPTIONS = (
    GRANTS_COUNT,
    COLLECTION_COUNT,
    APP_ROLES_PAGE,
    EXPANDED_OWNERS,
    FEDERATED_CREDENTIAL_READS,
    REGISTRATION_DISABLED,
    REGISTRATION_PAGE,
    PIM_GROUPS,
    ELIGIBILITY_ROLE,
    PIM_ERRORS,
    PREMIUM_REFUSAL,
    DELETED_SELECT,
    DELETED_DAYS,
    GROUP_RESTORE,
    MESSAGE_RULES,
    MAILBOX_REFUSAL,
    FOLDER_NAMES,
    FOLDERS_WITHOUT_MAIL,
    SIGN_IN_LOG_KINDS,
    SIGN_IN_LOG_PAGES,
    SIGN_IN_LOG_DAYS,
    SIGN_IN_ACTIVITY_LIMIT,
    USERS_ID_FILTER,
    SIGN_IN_ACTIVITY_NULL,
    PASSWORD_DATES,
    RESTRICTED_UNITS,
    SYNC_FLAG,
    PLAN_STATES,
    LICENCE_PLANS,
    HOLDER_DELETED,
    NESTED_MEMBERS,
    FEDERATION,
    CONSISTENCY_HEADER,
    DELEGATED_GRANT_ROLE,
    APP_CREDENTIALS,
    REPORT_BACKOFF,
    REQUEST_LIMIT,
    MAILBOX_LIMIT,
    BATCH_ORDER,
)
