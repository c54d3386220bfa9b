"""What Exchange cmdlets print about recipients, rights and settings."""

from core.microsoft365.assumptions.assumption import Assumption, Dependents, Standing

APP_ASSIGNMENTS = Assumption(
    id="exchange-app-assignments",
    assumed="Get-ManagementRoleAssignment prints the assignee of an app's role as App or "
    "RoleAssignee, its type as ServicePrincipal, and what limits the role in one of five scopes; "
    "Get-RoleGroupMember prints an app by its id in Entra, or by the Guid of Get-ServicePrincipal.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn: Role Based Access Control for Applications; maester365/maester#971",
    dated="2026",
    otherwise="A type that is none of people or groups counts as an app; a scope that is printed "
    "elsewhere is not seen, and the role is told as one for every mailbox. An app in a role group "
    "is only told as a new member of it.",
    depends=Dependents(guards=("app-consent",), verdicts=("granted",)),
)
RECIPIENT_NAMES = Assumption(
    id="exchange-recipient-names",
    assumed="Get-Recipient prints no LegacyExchangeDN; the row that a look-up by this name brings"
    " is confirmed by its X500 address or by the mailbox, mail user or contact of its "
    "Guid.",
    standing=Standing.MEASURED,
    source="go-exoscc $metadata (type Recipient), graph2otel (live)",
    dated="2026-07",
    otherwise="Every forward to a colleague would end as unresolved; report what the probe saw.",
    depends=Dependents(
        guards=("mailbox-forwarding", "mailbox-delegation"), verdicts=("unresolved", "external")
    ),
    probe="exchange-recipient",
)
RECIPIENT_BY_DN = Assumption(
    id="exchange-recipient-by-dn",
    assumed="Get-Recipient finds an object by its LegacyExchangeDN.",
    standing=Standing.MEASURED,
    source="graph2otel, public code of three projects",
    dated="2026-07",
    otherwise="The inside target of a rule is unread instead of confirmed.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("unresolved",)),
    probe="exchange-recipient",
)
LEGACY_CONTROL = Assumption(
    id="exchange-legacy-control",
    assumed="Get-Recipient answers a LegacyExchangeDN that nobody has with not found, so that its "
    "row for another one is the object of that name.",
    standing=Standing.UNSEEN,
    source="inferred; some cmdlets list everyone for an identity they do not understand",
    dated="2026",
    otherwise="The inside target of a rule is unread where no cmdlet prints its names.",
    depends=Dependents(guards=("mailbox-forwarding",), verdicts=("unresolved",)),
    probe="exchange-control",
)
RECIPIENT_KINDS = Assumption(
    id="exchange-recipient-kinds",
    assumed="The kinds of mailboxes that are asked for all exist; an unknown RecipientTypeDetails "
    "may bring a 200 without rows.",
    standing=Standing.CONTESTED,
    source="graph2otel (live)",
    dated="2026-07",
    otherwise="Mailboxes of that kind are not listed, and nothing tells; report the kind.",
    depends=Dependents(
        guards=("shared-mailbox-sign-in", "shared-mailbox-health"),
        settings=("RESOURCE_MAILBOX_KINDS",),
    ),
    probe="exchange-kinds",
)
DISCOVERY_ID = Assumption(
    id="exchange-empty-object-id",
    assumed="ExternalDirectoryObjectId is empty on the discovery mailbox and system mailboxes "
    "only.",
    standing=Standing.MEASURED,
    source="graph2otel (live)",
    dated="2026-07",
    otherwise="A mailbox without an account is shown by its Guid and not compared with Entra.",
    depends=Dependents(guards=("shared-mailbox-sign-in", "mailbox-audit")),
)
SINGLE_OBJECTS = Assumption(
    id="exchange-single-objects",
    assumed="Get-Mailbox, Get-CASMailbox and Get-User take the object id of Entra or the Guid as "
    "Identity, and answer one that nobody has with not found.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, -Identity of the three (any value that identifies it; it "
    "names the Guid and not the object id); inferred",
    dated="2026",
    otherwise="Nobody is taken for gone because of such an answer: what a listing no longer shows "
    "keeps its case until an operator closes it.",
    depends=Dependents(
        guards=(
            "mailbox-forwarding",
            "mailbox-delegation",
            "mailbox-audit",
            "legacy-protocols",
            "shared-mailbox-sign-in",
            "shared-mailbox-health",
            "exchange-module-access",
        )
    ),
    ways={
        "believed": "who is not found by an id is gone",
        "doubted": "who is not found by an id is unread",
    },
    probe="exchange-single-objects",
)
SINGLE_SETTINGS = Assumption(
    id="exchange-single-settings",
    assumed="Get-TransportRule, Get-RemoteDomain and the other cmdlets that read objects of the "
    "organization take the Guid, or the Identity that they print, as Identity, and answer one "
    "that nothing has with not found.",
    standing=Standing.UNSEEN,
    source="office-docs-powershell, -Identity of each (any value that identifies it, the GUID among"
    " them for most); inferred",
    dated="2026",
    otherwise="No such object is taken for gone because of such an answer: what a listing no longer"
    " shows keeps its case until an operator closes it.",
    depends=Dependents(
        guards=(
            "mailbox-forwarding",
            "tenant-baseline",
            "legacy-protocols",
            "mail-protection",
            "exchange-roles",
            "external-trust",
            "app-consent",
            "privileged-change",
        )
    ),
    ways={
        "believed": "what is not found by its identity is gone",
        "doubted": "what is not found by its identity is unread",
    },
    probe="exchange-single-settings",
)
PERMISSION_RIGHTS = Assumption(
    id="exchange-permission-rights",
    assumed="Get-MailboxPermission prints rights joined by commas, SELF twice, and SendAs for "
    "SELF.",
    standing=Standing.CONTESTED,
    source="Microsoft365DSC#3942, #4576",
    dated="2025",
    otherwise="An unknown right leaves its mailbox unread, by name.",
    depends=Dependents(guards=("mailbox-delegation",), verdicts=("delegated",)),
    probe="exchange-permissions",
)
SEND_AS_TENANT_WIDE = Assumption(
    id="exchange-send-as-listing",
    assumed="Get-RecipientPermission without an Identity lists the rights of the whole "
    "organization.",
    standing=Standing.MEASURED,
    source="Export-RecipientPermissions",
    dated="2025-04",
    otherwise="Send-as rights are unread.",
    depends=Dependents(guards=("mailbox-delegation",)),
    probe="exchange-send-as",
)
MAILBOX_PERMISSION_IDENTITY = Assumption(
    id="exchange-permission-identity",
    assumed="Get-MailboxPermission wants an Identity: one request per mailbox.",
    standing=Standing.MEASURED,
    source="go-exoscc, Export-RecipientPermissions",
    dated="2025-04",
    otherwise="Nothing; a listing in one request would be faster.",
    depends=Dependents(guards=("mailbox-delegation",)),
)
FOLDER_IDENTITY = Assumption(
    id="exchange-folder-identity",
    assumed="Get-MailboxFolderPermission takes the id of a folder behind the mailbox and a colon, "
    "in every language of the mailbox, and the Inbox keeps its id.",
    standing=Standing.MEASURED,
    source="KelvinTegelaar/CIPP-API",
    dated="2026-08",
    otherwise="The Inbox is asked for by its own name, which costs two more commands a mailbox; "
    "one whose id leads to no folder, or to one of another name, is looked up at once.",
    depends=Dependents(guards=("mailbox-delegation",)),
    probe="exchange-folders",
)
FOLDER_ROWS = Assumption(
    id="exchange-folder-rows",
    assumed="Get-MailboxFolderStatistics prints Inbox as the FolderType of the Inbox in every "
    "language, and each folder has a right of Default, whatever it allows.",
    standing=Standing.UNSEEN,
    source="public code of several projects; Microsoft Learn: Get-MailboxFolderPermission",
    dated="2026",
    otherwise="The mailbox counts as unread, by name.",
    depends=Dependents(guards=("mailbox-delegation",)),
    probe="exchange-folders",
)
MAILBOX_FILTERS = Assumption(
    id="exchange-mailbox-filters",
    assumed="Get-Mailbox filters by ModerationEnabled, RejectMessagesFrom, AcceptMessagesOnlyFrom "
    "and LitigationHoldEnabled (inactive mailboxes too).",
    standing=Standing.UNSEEN,
    source="Microsoft Learn: Filterable properties for the -Filter parameter; no public record of "
    "these filters sent by an app",
    dated="2026",
    otherwise="What changes about moderated, refusing or held mailboxes is unread, by name.",
    depends=Dependents(guards=("mail-protection",)),
    probe="exchange-mailbox-filters",
)
MAILBOX_EXTRAS = Assumption(
    id="exchange-mailbox-extras",
    assumed="Sweep rules, junk lists, automatic replies, phones, add-ins and calendars are printed "
    "with the properties of their cmdlets' references, each of the mailbox that was named.",
    standing=Standing.UNSEEN,
    source="Microsoft365DSC (names of properties); Microsoft Learn",
    dated="2026",
    otherwise="A case lacks facts about what else stands in its mailbox; no case depends on them.",
    depends=Dependents(guards=("mailbox-forwarding",)),
)
BYPASS_ROWS = Assumption(
    id="exchange-bypass-rows",
    assumed="The bypass list holds system objects besides mailboxes, names repeat in it, and the "
    "Guid is the mailbox's.",
    standing=Standing.MEASURED,
    source="graph2otel (live: 242 rows in a tenant of 3 mailboxes), mql#5731",
    dated="2026-07",
    otherwise="A bypass is reported of the wrong object or of none.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("repair",)),
    probe="exchange-bypass",
)
AUDIT_ENABLED_PRINTED = Assumption(
    id="exchange-audit-enabled",
    assumed="AuditEnabled prints whether the records of a mailbox reach the unified log.",
    standing=Standing.CONTESTED,
    source="against: office365itpros 2020 and 2023, zolderio/microsoft#1 (only a filter on the "
    "server tells)",
    dated="2023-09",
    otherwise="A mailbox is taken for recorded that is not; those that print True and are filtered "
    "as False are counted, and an operator is asked.",
    depends=Dependents(guards=("mailbox-audit",), verdicts=("repair", "ask")),
    ways={
        "printed": "what each mailbox prints",
        "filtered": "besides, the mailboxes that a filter on the server finds as False",
    },
    probe="exchange-audit-enabled",
)
AUDIT_AGE_DEFAULT = Assumption(
    id="exchange-audit-age",
    assumed="AuditLogAgeLimit is 90 days where it was never set.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, Set-Mailbox",
    dated="2026-08",
    otherwise="Mailboxes would be reported as tampered with; set AUDIT_LOG_AGE_DAYS to what the "
    "probe saw.",
    depends=Dependents(
        guards=("mailbox-audit",), verdicts=("repair",), settings=("AUDIT_LOG_AGE_DAYS",)
    ),
    probe="exchange-mailboxes",
)
AUDIT_DEFAULT_LISTS = Assumption(
    id="exchange-audit-lists",
    assumed="The default list of audited actions is what a mailbox prints whose logon type "
    "Microsoft manages; MailItemsAccessed is in it at E3 too.",
    standing=Standing.CONTESTED,
    source="office365itpros 2023 and 2024, CIPP#4891; Microsoft Learn of 2023 says E5 only",
    dated="2024-05",
    otherwise="Actions are asked for that the licence does not allow; MAIL_ITEMS_ACCESSED turns it "
    "off.",
    depends=Dependents(
        guards=("mailbox-audit",), verdicts=("repair",), settings=("MAIL_ITEMS_ACCESSED",)
    ),
    probe="exchange-mailboxes",
)
AUDIT_LICENCE = Assumption(
    id="exchange-audit-licence",
    assumed="PersistedCapabilities holds M365Auditing where a mailbox may record more.",
    standing=Standing.UNSEEN,
    source="a public capture of 2024; not documented",
    dated="2024-05",
    otherwise="The refusal of an action is recorded and it is not asked for again.",
    depends=Dependents(guards=("mailbox-audit",), settings=("MAIL_ITEMS_ACCESSED",)),
    probe="exchange-mailboxes",
)
AUDITED_KINDS = Assumption(
    id="exchange-audited-kinds",
    assumed="Microsoft audits user and shared mailboxes by default; rooms, equipment and public "
    "folders are not, groups cannot be changed.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, manage mailbox auditing",
    dated="2023",
    otherwise="The audit state of another kind is not looked at.",
    depends=Dependents(guards=("mailbox-audit",)),
)
POLICY_USERS = Assumption(
    id="exchange-policy-users",
    assumed="Get-User filters by AuthenticationPolicy, which holds the distinguished name of the "
    "policy.",
    standing=Standing.UNSEEN,
    source="Microsoft Learn, filterable properties for the -Filter parameter",
    dated="2026-08",
    otherwise="The card does not name whom an authentication policy is for; it is a question "
    "either way.",
    depends=Dependents(guards=("legacy-protocols",), verdicts=("ask",)),
    probe="exchange-policy-users",
)
SMTP_AUTH_NULL = Assumption(
    id="exchange-smtp-auth-null",
    assumed="SmtpClientAuthenticationDisabled that is null follows the organization; a mailbox "
    "value beats the organization's.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, Set-CASMailbox",
    dated="2026-08",
    otherwise="SMTP AUTH is taken for open or closed wrongly.",
    depends=Dependents(
        guards=("legacy-protocols", "tenant-baseline"), verdicts=("repair", "drift")
    ),
    probe="exchange-cas-mailbox",
)
SMTP_AUTH_REPORT = Assumption(
    id="exchange-smtp-auth-report",
    assumed="The SMTP AUTH clients report of the Exchange admin center is served to its own page "
    "alone: no cmdlet and no API that admits apps gives it.",
    standing=Standing.UNSEEN,
    source="CIPP#4665 (only the portal's own address was found)",
    dated="2025-09",
    otherwise="Who sends by SMTP AUTH is told by Entra's sign-in log of both kinds; the card names "
    "the report for an operator to look at.",
    depends=Dependents(guards=("legacy-protocols",), verdicts=("repair", "ask")),
)
POWERSHELL_FILTER = Assumption(
    id="exchange-powershell-filter",
    assumed="Get-User filters by RemotePowerShellEnabled -eq 'True', and this is the same value "
    "as EXOModuleEnabled.",
    standing=Standing.UNSEEN,
    source="the official module turns $true into 'True'; CIPP sends 'False'",
    dated="2026",
    otherwise="An empty list is unread, never taken for nobody.",
    depends=Dependents(guards=("exchange-module-access",), verdicts=("repair",)),
    probe="exchange-powershell-users",
)
POWERSHELL_APP_ID = Assumption(
    id="exchange-powershell-app-id",
    assumed="Sign-ins to Exchange PowerShell name the app fb78d390-0c51-40cd-8e17-fdbfab77341b.",
    standing=Standing.MEASURED,
    source="Microsoft Learn, application ids of commonly used Microsoft applications",
    dated="2026",
    otherwise="Accounts of scripts are not recognized, and a change could take PowerShell from "
    "one; the undo gives it back.",
    depends=Dependents(guards=("exchange-module-access",), verdicts=("repair", "ask")),
    probe="graph-powershell-app",
)
ROLE_GROUP_KIND = Assumption(
    id="exchange-role-group-kind",
    assumed="Role groups print RecipientTypeDetails RoleGroup, and their members with the id of "
    "their account.",
    standing=Standing.MEASURED,
    source="go-exoscc (live)",
    dated="2026-07",
    otherwise="A holder of an Exchange role is not recognized, and could lose PowerShell.",
    depends=Dependents(guards=("exchange-module-access",), verdicts=("repair",)),
    probe="exchange-role-groups",
)
SHARED_QUOTA = Assumption(
    id="exchange-shared-quota",
    assumed="ProhibitSendReceiveQuota tells how large a shared mailbox may grow; an old one may "
    "keep 100 GB without a licence.",
    standing=Standing.CONTESTED,
    source="techcommunity ba-p/607991",
    dated="2023",
    otherwise="The card names the wrong limit; the mailbox's own quota is read.",
    depends=Dependents(guards=("shared-mailbox-health",)),
    probe="exchange-mailboxes",
)
REMOTE_TYPE = Assumption(
    id="exchange-remote-type",
    assumed="RemoteRecipientType prints its flags as names joined by commas.",
    standing=Standing.MEASURED,
    source="office-docs-powershell, filterable properties",
    dated="2026-08",
    otherwise="The conversion of a synchronised mailbox is not recognized.",
    depends=Dependents(guards=("shared-mailbox-health",)),
)
STATISTICS = Assumption(
    id="exchange-statistics",
    assumed="Get-MailboxStatistics answers nothing, with a warning, for a mailbox that was never "
    "used.",
    standing=Standing.UNSEEN,
    source="public code in one place",
    dated="2024",
    otherwise="The size is unread, by name.",
    depends=Dependents(guards=("shared-mailbox-health",)),
)
NULL_CONFIGURATION = Assumption(
    id="exchange-null-property",
    assumed="A property of the organization that is null was not set and follows Microsoft's "
    "default.",
    standing=Standing.MEASURED,
    source="go-exoscc, Microsoft365DSC",
    dated="2026-07",
    otherwise="A setting is reported as changed, or not.",
    depends=Dependents(guards=("tenant-baseline",), verdicts=("drift",)),
)
DEHYDRATED = Assumption(
    id="exchange-dehydrated",
    assumed="A dehydrated organization says so in IsDehydrated and refuses some writes until "
    "Enable-OrganizationCustomization ran.",
    standing=Standing.MEASURED,
    source="CIPP-API, MS-102 PR#171",
    dated="2026",
    otherwise="A write is refused; run Enable-OrganizationCustomization once.",
    depends=Dependents(guards=("mailbox-audit", "tenant-baseline"), verdicts=("refused",)),
    probe="exchange-dehydrated",
)

ASSUMPTIONS = (
    APP_ASSIGNMENTS,
    RECIPIENT_NAMES,
    RECIPIENT_BY_DN,
    LEGACY_CONTROL,
    RECIPIENT_KINDS,
    DISCOVERY_ID,
    SINGLE_OBJECTS,
    SINGLE_SETTINGS,
    PERMISSION_RIGHTS,
    SEND_AS_TENANT_WIDE,
    MAILBOX_PERMISSION_IDENTITY,
    FOLDER_IDENTITY,
    FOLDER_ROWS,
    MAILBOX_FILTERS,
    MAILBOX_EXTRAS,
    BYPASS_ROWS,
    AUDIT_ENABLED_PRINTED,
    AUDIT_AGE_DEFAULT,
    AUDIT_DEFAULT_LISTS,
    AUDIT_LICENCE,
    AUDITED_KINDS,
    POLICY_USERS,
    SMTP_AUTH_NULL,
    SMTP_AUTH_REPORT,
    POWERSHELL_FILTER,
    POWERSHELL_APP_ID,
    ROLE_GROUP_KIND,
    SHARED_QUOTA,
    REMOTE_TYPE,
    STATISTICS,
    NULL_CONFIGURATION,
    DEHYDRATED,
)
