"""What a permission of Microsoft's APIs opens to an app, told from its name.

The names say what permissions are for: `Mail.ReadWrite`, `UserAuthMethod-TAP.ReadWrite.All`.
`python -m tools.permission_weights` applies these rules to every permission that Microsoft
publishes and writes `permission_weights.csv`, where a reviewer sees what a change of a rule does. A
name that is not published yet is judged by the same rules, and one that sounds broad is never taken
for harmless.

The weights were compared with those of CISA (ScubaGear, `schemas/RiskyAppPermissions.json`,
2026-08-20, CC0): what CISA rates high is grave here too, apart from reading the directory, its
users, policies, roles and logs, with which nothing can be changed and no mail or file be read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class PermissionRisk(IntEnum):
    """What an attacker could do with a permission."""

    SIGN_IN = 0
    """Sign somebody in, and read their own profile."""
    ORDINARY = 1
    """Read or change what nobody is robbed of."""
    BROAD = 2
    """Change much, or read much about everybody."""
    SENSITIVE = 3
    """Read or send mail, read files and chats, change security or devices."""
    TENANT_WIDE = 4
    """Take over accounts, roles or apps, or all mailboxes or sites."""


class PermissionKind(StrEnum):
    """Whether an app has a permission in its own name or in that of a user."""

    ROLE = "role"
    """An app role: the app acts without anybody signed in."""
    SCOPE = "scope"
    """A delegated scope: the app does what the user may do."""


@dataclass(frozen=True, slots=True)
class PermissionRule:
    """What the permissions whose names match allow; the first rule that matches counts."""

    pattern: re.Pattern[str]
    risk: PermissionRisk
    concerns: str
    """What it opens to an app, in a few words."""
    kind: PermissionKind | None = None
    """None: as an app role and as a delegated scope alike."""


def define_rule(
    risk: PermissionRisk, concerns: str, *patterns: str, kind: PermissionKind | None = None
) -> PermissionRule:
    """A rule for the names, in lower case, that one of some patterns matches in full."""
    return PermissionRule(
        re.compile("|".join(f"(?:{one})" for one in patterns), re.DOTALL), risk, concerns, kind
    )


ROLE, SCOPE = PermissionKind.ROLE, PermissionKind.SCOPE
SIGN_IN, ORDINARY, BROAD, SENSITIVE, TENANT_WIDE = PermissionRisk
CHANGES = r"(?:readwrite|readupdate|write|manage|fullcontrol|delete|remove)"

TENANT_ADMIN_NAMES = (r"application_access", r"tenant\.readwrite\.all")

PERMISSION_RULES: tuple[PermissionRule, ...] = (
    define_rule(
        SIGN_IN, "signing in", r"openid|profile|email|offline_access|user\.read", kind=SCOPE
    ),
    define_rule(
        ORDINARY,
        "only what an administrator names besides",
        r".*\.selected|.*\.appfolder|.*\.createdbyapp",
    ),
    # Accounts, roles and apps ---------------------------------------------------------------------
    define_rule(
        SENSITIVE,
        "the user's own second factors",
        r"userauth(?:method-\w+|enticationmethod)\.(?:readwrite|delete)",
        kind=SCOPE,
    ),
    define_rule(
        TENANT_WIDE,
        "passwords, second factors and sign-in names of accounts",
        rf"userauth(?:method-\w+|enticationmethod)\.{CHANGES}\b.*",
        rf"user-passwordprofile\.{CHANGES}\b.*|signinidentifier\.{CHANGES}\b.*",
        r"user\.(?:readwrite\.(?:all|crosscloud)|manageidentities\.all)",
        rf"(?:user|group)-onpremisessyncbehavior\.{CHANGES}\b.*",
        rf"(?:publickeyinfrastructure|mutualtlsoauthconfiguration)\.{CHANGES}\b.*",
    ),
    define_rule(
        SENSITIVE,
        "accounts: blocking, deletion, contact data, licences",
        r"user\.(?:enabledisableaccount|deleterestore|revokesessions|export|invite)\.all",
        rf"user-(?:phone|mail|identifiers|lifecycleinfo|converttointernal)\.{CHANGES}\b.*",
        rf"licenseassignment\.{CHANGES}\b.*|securityidentities\w*\.{CHANGES}\b.*",
    ),
    define_rule(
        SENSITIVE,
        "the end of roles, and the alerts about them",
        r"(?:role|privileged)(?:assignment|eligibility)schedule\.remove\b.*",
        rf"rolemanagementalert\.{CHANGES}\b.*|rolemanagement\.readwrite\.cloudpc",
        rf"privilegedaccess-customext\.{CHANGES}\b.*",
    ),
    define_rule(
        TENANT_WIDE,
        "roles, and the groups that give access",
        rf"rolemanagement(?:policy)?\.{CHANGES}\b.*",
        rf"role(?:assignment|eligibility)schedule\.{CHANGES}\b.*",
        rf"privileged(?:access|assignmentschedule|eligibilityschedule)\.{CHANGES}\b.*",
        rf"(?:entitlementmanagement|delegatedadminrelationship)\.{CHANGES}\b.*",
        r"(?:group|groupmember)\.readwrite\.all",
    ),
    define_rule(
        TENANT_WIDE,
        "apps and their permissions",
        r"application\.(?:readwrite|readupdate)\.all|approleassignment\.readwrite\b.*",
        rf"(?:delegated)?permissiongrant\.{CHANGES}\b.*|consentrequest\.readapprove\b.*",
        r"applicationauthorization\.assignaccessadministrator",
    ),
    define_rule(
        TENANT_WIDE,
        "the directory, its domains and its policies",
        r"directory\.(?:readwrite\.all|accessasuser\.all)|directory\.write\b.*",
        rf"(?:domain(?:-internalfederation)?|organization|policy)\.{CHANGES}\b.*",
        rf"(?:onpremdirectorysynchronization|trustframeworkkeyset)\.{CHANGES}\b.*",
        r"entrabackup\.readwrite\.recovery",
        rf"(?:identityprovider|identityuserflow|customauthenticationextension)\.{CHANGES}\b.*",
    ),
    define_rule(
        SENSITIVE,
        "units, synchronization, apps of its own and other ways in",
        r"application\.readwrite\.ownedby|application-remotedesktopconfig\.readwrite\b.*",
        rf"(?:serviceprincipalendpoint|consentrequest|administrativeunit\w*)\.{CHANGES}\b.*",
        rf"(?:accessreview|multitenantorganization|crosstenant\w*)\.{CHANGES}\b.*",
        rf"agent(?:identity|application|iduser|instance|registration)[\w-]*\.(?:{CHANGES}|create)\b.*",
        r"synchronization(?:data-user)?\.(?:readwrite|upload)\b.*",
        r"lifecycleworkflows.*\.(?:readwrite|activate)\b.*",
        rf"(?:tenantgovernance-\w+|onpremisespublishingprofiles|apiconnectors)\.{CHANGES}\b.*",
        rf"(?:appcerttrustconfiguration|authenticationcontext)\.{CHANGES}\b.*",
        rf"(?:eventlistener|spiffetrustdomain|customsecattribute\w*)\.{CHANGES}\b.*",
        r"customsecattributeassignment\..*|customauthenticationextension\..*",
        r"approvalrequest\.readwrite\b.*|ms-(?:crosstenantroleassignment|dap)\..*",
    ),
    # Mail -----------------------------------------------------------------------------------------
    define_rule(
        TENANT_WIDE,
        "all mailboxes, or the administration of Exchange",
        r"full_?access_as_app|exchange\.(?:manageasapp\w*|adminapi\w*)",
        kind=ROLE,
    ),
    define_rule(
        SENSITIVE,
        "mail and mailbox settings",
        r"mail[.-].*|mailbox(?:folder|item|settings|configitem)\..*|mailbox\.migration",
        r"(?:ews|eas|imap|pop|smtp|group-conversation)\..*|full_?access.*|exchange\..*",
    ),
    # Files and what people write ------------------------------------------------------------------
    define_rule(
        TENANT_WIDE,
        "every site, file or protected document",
        r"sites\.fullcontrol\.all|allsites\.fullcontrol|content\.superuser",
        r"projectwebapp\.fullcontrol|purview\.applicationaccess",
    ),
    define_rule(TENANT_WIDE, "the administration of Teams or Power BI", *TENANT_ADMIN_NAMES),
    define_rule(
        SENSITIVE,
        "files, notes and sites",
        r"(?:files|sites|allsites|myfiles|migration|content|ediscovery)\..*",
        rf"(?:filestorage\w*|sharepoint\w*|backuprestore-\w+|recordsmanagement)\.{CHANGES}\b.*",
        r"(?:short)?notes\.(?:.*\.all|read|readwrite)|externalitem\.read(?:write)?\.all",
        r"externalitem\.readwrite\b.*|forms(?:body|response)\.read\.all",
        r"sitesmetadataadmin\.readwrite\b.*",
        r"informationprotectioncontent\..*",
    ),
    define_rule(
        SENSITIVE,
        "reports, flows and business data",
        r"(?:item|gateway|storageaccount|connection|userstate|dataset)\.readwrite\.all",
        r"(?:report|dashboard|dataflow|pipeline|workspace|capacity)\.readwrite\.all",
        r"pipeline\.deploy|(?:flows|approvals)\.manage\.all|tenant\.read\.all",
        r"financials\.readwrite\.all",
    ),
    define_rule(
        SENSITIVE,
        "chats, calls and meetings",
        r"(?:chat|chatmessage|channelmessage|aienterpriseinteraction)\..*|teamwork\.migrate\.all",
        r"(?:engagement(?:meeting)?conversation|storyline)\.read\.all|realtimeactivityfeed\.read\.all",
        r"calls\.(?:accessmedia|joingroupcall)\w*\.\w+|call(?:recordings|transcripts|aiinsights)\..*",
        r"(?:online|channel)meeting(?:recording|transcript|aiinsight|artifact)\..*",
    ),
    define_rule(
        SENSITIVE,
        "calendars, contacts, tasks and meetings of everybody",
        r"(?:contacts|calendars|tasks|notes|onlinemeetings)\.readwrite(?:\.all)?",
        kind=ROLE,
    ),
    define_rule(
        SENSITIVE,
        "teams, bookings, approvals and what is offered to everybody",
        rf"team(?:member|settings|sappinstallation|stab|workdevice)\.{CHANGES}\w*\.all",
        rf"(?:agreement|approvalsolution|appcatalog|channelmember)\.{CHANGES}\.all",
        r"bookings\w*\.(?:readwrite|manage)\.all",
    ),
    # Security and devices -------------------------------------------------------------------------
    define_rule(
        SENSITIVE,
        "security: alerts, incidents, risks and rules",
        r"securityincident\..*|(?:threathunting|threatintelligence)\..*|activityfeed\.readdlp",
        rf"security[\w-]+\.{CHANGES}\b.*",
        rf"(?:identityrisky\w+|threat\w+|customdetections?|networkaccess\w*|privateaccess)\.{CHANGES}\b.*",
        rf"(?:attacksimulation|cloudapp[\w-]*)\.{CHANGES}\b.*|advanced(?:query|hunting)\..*",
        r"(?:incident|alert|ti|integrationconfiguration)\.readwrite\b.*",
        r"(?:settings|investigation|discovery)\.manage|secop",
    ),
    define_rule(
        SENSITIVE,
        "devices, and the passwords and keys on them",
        rf"device(?:management|mgmt)\w*(?:\.\w+)?\.(?:{CHANGES}|privilegedoperations)\b.*|cloudpc\.{CHANGES}\b.*",
        r"bitlockerkey\.read\..*|devicelocalcredential\..*|device\.(?:readwrite\.all|command\b.*)",
        r"machine\.(?:readwrite\b.*|collectforensics|isolate|liveresponse|offboard)",
        r"machine\.(?:restrictexecution|stopandquarantine)|library\.manage|file\.read\.all",
        r"pfx_cert_provider|scep_challenge_provider|manage_partner_compliance_policy",
        r"update_device_(?:attributes|health)",
    ),
    # What is broad --------------------------------------------------------------------------------
    define_rule(SENSITIVE, "whatever the user may do there", r"user_impersonation", kind=SCOPE),
    define_rule(
        BROAD,
        "accounts of devices, apps in teams with what they ask for, calls in the tenant's name",
        r"device\.(?:en|dis)\w*account\.all|teamsappinstallation\.\w*andconsent\w*(?:\.all)?",
        r"calls\.initiate\w*\.all|entrabackup\..*|group\.manageprotection\.all",
    ),
    define_rule(
        BROAD,
        "the directory, its policies, roles and logs",
        r"(?:directory|policy|auditlog|rolemanagement)\.read\.all|member\.read\.hidden",
        r"auditlogsquery\S*\.read\.all|activityfeed\.read",
    ),
    define_rule(
        BROAD,
        "what people plan, write and know",
        r"(?:contacts|calendars|tasks|people)\.read(?:\.all)?|group\.read\.all",
        r"(?:bookings|onlinemeetings|callrecords|exchangemessagetrace|messagetrace)\.read\.all",
        r"reportingwebservice\.read\.all|unifiedpolicy\.tenant\.read",
        kind=ROLE,
    ),
    define_rule(
        BROAD,
        "settings or data of the whole tenant",
        rf".*\b(?:{CHANGES}\w*|create|upload|send|ingest|import\w*|export\w*|migrat\w+)\b.*",
        r".*\b(?:start|activate|resume|edit|provision|\w+remove)\b.*",
        kind=ROLE,
    ),
    define_rule(
        BROAD,
        "more than the user's own data",
        rf".*\b{CHANGES}\w*\.(?:all|shared|global|directory|tenant)\b.*|contacts\.readwrite",
        r"(?:calendars|contacts|tasks)\.read\.all|(?:exchange)?messagetrace\.read\.all",
        r"(?:report|dataset|dashboard|item|dataflow|workspace)\.read\.all|application\.migrate\.all",
        kind=SCOPE,
    ),
    define_rule(ORDINARY, "less than mail, files and security", r".*"),
)

# A name that is not published and sounds like one of these is broad, whatever it is for.
BROAD_SOUND = re.compile(
    r".*(?:readwrite|write|manage|fullcontrol|full_?access|privileged|impersonat|\.all(?:\.|$)|asapp|as_app).*",
    re.DOTALL,
)


def match_rule(name: str, kind: PermissionKind) -> PermissionRule:
    """The rule for a permission of one of Microsoft's APIs; the last one matches every name."""
    known = name.casefold()
    return next(rule for rule in list_rules(kind) if rule.pattern.fullmatch(known))


def list_rules(kind: PermissionKind) -> Iterator[PermissionRule]:
    """The rules for app roles or for delegated scopes, in their order."""
    return (rule for rule in PERMISSION_RULES if rule.kind in (None, kind))


def sounds_broad(name: str) -> bool:
    """True for a name that promises to write, to manage or to reach everything."""
    return BROAD_SOUND.fullmatch(name.casefold()) is not None
