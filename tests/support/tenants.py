"""One tenant, opened twice: in memory, and through the real adapters on the sandbox.

Both are made from the same scene in wire form. What goes wrong with them goes wrong in one way for
a test, `Opened`, and in two ways behind it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import Forbidden
from core.tenant.changes import (
    CHANGE_TYPES,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readers import GrantedPermissions
from core.tenant.sources import (
    ACCOUNTS,
    ACTIVITY_FEED,
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    AUDIT_BYPASS,
    AUDIT_QUERIES,
    CHANGED_ACCOUNTS,
    DELEGATED_GRANTS,
    DELETED_GROUPS,
    DELETED_USERS,
    DELETIONS,
    DIRECTORY_AUDITS,
    DOMAINS,
    FEDERATED_CREDENTIALS,
    FEDERATED_DOMAINS,
    FOLDER_RIGHTS,
    FULL_ACCESS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_AUDIT,
    MAILBOX_FORWARDS,
    MAILBOX_SIZES,
    MAILBOX_SURROUNDINGS,
    MAILBOXES,
    MODULE_USERS,
    ORGANIZATION_AUDIT,
    OUTBOUND_POLICIES,
    OWN_ADD_INS,
    PROTOCOL_USE,
    PROTOCOLS,
    RECIPIENTS,
    ROLE_HOLDERS,
    RULE_FOLDERS,
    SEND_AS,
    SEND_ON_BEHALF,
    SHARED_MAILBOXES,
    SIGN_IN_METHODS,
    SIGN_INS,
    TRANSPORT_RULES,
    UNIFIED_AUDIT_LOG,
    USER_COUNT,
)
from sandbox.exchange.api import CMDLETS
from sandbox.graph.api import ALL_ROLES
from sandbox.graph.apps import (
    EXCHANGE_APP,
    GRAPH_APP,
    SHAREPOINT_APP,
    build_app_assignment,
    build_principal,
    derive_api_id,
)
from sandbox.scenes.default_roles import DEFAULT_USERS
from tests.support.fakes.changes import SESSIONS_TARGET
from tests.support.fakes.tenant import FakeTenant
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    Connection,
    build_module_user_row,
    build_rule_row,
    build_scene,
    connect_directly,
    connect_sandbox,
)
from tests.support.http_recorder import build_mailbox_row as mailbox_row
from tests.support.in_memory_services import build_fake_tenant

EXCHANGE_SOURCE, GRAPH_SOURCE = "exchange", "graph"

# The roles and cmdlets without which a surface, one source of it, or a change is out of reach. The
# first is the one the app asks for; the others would do as well.
WRITE_USERS = ("User.ReadWrite.All", "Directory.ReadWrite.All")
READ_USERS = ("User.Read.All", "Directory.Read.All", *WRITE_USERS)
READ_DOMAINS = ("Domain.Read.All", "Domain.ReadWrite.All", "Directory.Read.All")
WRITE_GRANTS = "DelegatedPermissionGrant.ReadWrite.All"
READ_APPS = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
)
NEEDED_PERMISSIONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    (MAILBOXES, ""): ("Get-Mailbox",),
    (MAILBOX_FORWARDS, ""): ("Get-Mailbox",),
    (MAILBOX_AUDIT, ""): ("Get-Mailbox",),
    (ACCOUNTS, ""): READ_USERS,
    (SIGN_INS, ""): ("AuditLog.Read.All",),
    (INBOX_RULES, ""): ("MailboxSettings.Read", "MailboxSettings.ReadWrite"),
    (HIDDEN_RULES, ""): ("Get-InboxRule",),
    (RULE_FOLDERS, ""): ("Mail.ReadBasic.All", "Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"),
    (RECIPIENTS, ""): ("Get-Recipient",),
    (DOMAINS, EXCHANGE_SOURCE): ("Get-AcceptedDomain",),
    (DOMAINS, GRAPH_SOURCE): READ_DOMAINS,
    (DOMAINS, ""): ("Get-AcceptedDomain", *READ_DOMAINS),
    (OUTBOUND_POLICIES, ""): ("Get-RemoteDomain", "Get-HostedOutboundSpamFilterPolicy"),
    (TRANSPORT_RULES, ""): ("Get-TransportRule",),
    (ORGANIZATION_AUDIT, ""): ("Get-OrganizationConfig",),
    (UNIFIED_AUDIT_LOG, ""): ("Get-AdminAuditLogConfig",),
    (AUDIT_BYPASS, ""): ("Get-MailboxAuditBypassAssociation",),
    (FULL_ACCESS, ""): ("Get-MailboxPermission",),
    (FOLDER_RIGHTS, ""): ("Get-MailboxFolderPermission",),
    (MAILBOX_SURROUNDINGS, ""): ("Get-SweepRule",),
    (OWN_ADD_INS, ""): ("Get-App",),
    (SEND_AS, ""): ("Get-RecipientPermission",),
    (SEND_ON_BEHALF, ""): ("Get-Mailbox",),
    (APPS, ""): READ_APPS,
    (APP_PERMISSIONS, ""): READ_APPS,
    (APP_REGISTRATIONS, ""): READ_APPS,
    (FEDERATED_CREDENTIALS, ""): READ_APPS,
    (DELEGATED_GRANTS, ""): ("Directory.Read.All", "Directory.ReadWrite.All", WRITE_GRANTS),
    (SIGN_IN_METHODS, ""): ("AuditLog.Read.All",),
    (FEDERATED_DOMAINS, ""): READ_DOMAINS,
    (DELETIONS, ""): ("AuditLog.Read.All", "Directory.Read.All"),
    (DELETED_USERS, ""): READ_USERS,
    (DELETED_GROUPS, ""): ("Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All"),
    (USER_COUNT, ""): READ_USERS,
    (SESSIONS_TARGET, ""): ("User.RevokeSessions.All", *WRITE_USERS),
    ("BlockSignIn", ""): ("User.EnableDisableAccount.All", *WRITE_USERS),
    ("DisableInboxRule", ""): ("MailboxSettings.ReadWrite",),
    ("EnableOrganizationAudit", ""): ("Set-OrganizationConfig",),
    ("EnableUnifiedAuditLog", ""): ("Set-AdminAuditLogConfig",),
    ("ClearAuditBypass", ""): ("Set-MailboxAuditBypassAssociation",),
    ("EnableMailboxAudit", ""): ("Set-Mailbox",),
    ("ResetAuditSet", ""): ("Set-Mailbox",),
    ("RaiseAuditAge", ""): ("Set-Mailbox",),
    ("ClearMailboxForward", ""): ("Set-Mailbox",),
    ("SetConfiguration", ""): ("Set-RemoteDomain",),
    (ROLE_HOLDERS, ""): (
        "RoleManagement.Read.Directory",
        "RoleManagement.Read.All",
        "RoleManagement.ReadWrite.Directory",
    ),
    (MODULE_USERS, ""): ("Get-User",),
    ("DisableExchangeModule", ""): ("Set-User",),
    (PROTOCOLS, ""): ("Get-CASMailbox",),
    (PROTOCOL_USE, ""): ("AuditLog.Read.All",),
    (SHARED_MAILBOXES, ""): ("Get-Mailbox",),
    (MAILBOX_SIZES, ""): ("Get-MailboxStatistics",),
    ("DisableMailboxProtocols", ""): ("Set-CASMailbox",),
}

# Requests for one object, or for a whole listing, as faults of the sandbox name them.
REQUEST_PATTERNS: Mapping[str, str] = {
    MAILBOXES: "^Get-Mailbox$",
    MAILBOX_AUDIT: "^Get-Mailbox$",
    TRANSPORT_RULES: "^Get-TransportRule$",
    AUDIT_BYPASS: "^Get-MailboxAuditBypassAssociation$",
    MODULE_USERS: "^Get-User$",
    ROLE_HOLDERS: "roleAssignments",
    ACCOUNTS: "/users/{id}[?].*accountEnabled",
    SIGN_INS: "/users[?].*signInActivity",
    INBOX_RULES: "/users/{id}/mailFolders/inbox/messageRules",
    HIDDEN_RULES: "^Get-InboxRule {guid}",
    RULE_FOLDERS: "/users/{id}/mailFolders/(?!inbox/)",
    RECIPIENTS: "^Get-Recipient {id}$",
    FULL_ACCESS: "^Get-MailboxPermission {guid}",
    FOLDER_RIGHTS: "^Get-MailboxFolderPermission {guid}",
    SEND_AS: "^Get-RecipientPermission$",
    SEND_ON_BEHALF: "^Get-Mailbox$",
    APPS: "/servicePrincipals(/{id})?[?]",
    APP_PERMISSIONS: "/appRoleAssignedTo",
    APP_REGISTRATIONS: "/applications[?]",
    FEDERATED_CREDENTIALS: "/federatedIdentityCredentials",
    DELEGATED_GRANTS: "/oauth2PermissionGrants",
    SIGN_IN_METHODS: "/userRegistrationDetails",
    FEDERATED_DOMAINS: "/domains",
    DELETIONS: "/auditLogs/directoryAudits",
    DIRECTORY_AUDITS: "/auditLogs/directoryAudits",
    ACTIVITY_FEED: "/activity/feed/",
    AUDIT_QUERIES: "/security/auditLog/queries",
    CHANGED_ACCOUNTS: "/users/delta",
    PROTOCOLS: "^Get-CASMailbox( {id})?$",
    PROTOCOL_USE: "/auditLogs/signIns",
    SHARED_MAILBOXES: "^Get-Mailbox( {guid})?$",
    MAILBOX_SIZES: "^Get-MailboxStatistics {guid}$",
}
WRITE_PATTERN = "^(Set-|PATCH )"
READABLE_SOURCES = frozenset(what for what, _ in NEEDED_PERMISSIONS) - {
    *CHANGE_TYPES,
    SESSIONS_TARGET,
}


OWNERS = (
    Mailbox(PERSON, PERSON_GUID, "ann@contoso.example"),
    Mailbox(ROOM, ROOM_GUID, "room@contoso.example", kind="RoomMailbox"),
)
BLOCK_CHANGE = BlockSignIn(ROOM, ROOM_GUID, ("RoomMailbox",), ends_sessions=True)
RESET_CHANGE = ResetAuditSet(PERSON_GUID, ("Delegate", "Owner"), (("Owner", ("MailboxLogin",)),))

DOMAIN_GUID = "44444444-0000-4000-8000-000000000001"

# A tenant in which each change has something to do.
MISCONFIGURED_SCENE: Mapping[str, Any] = {
    "graph": {"messageRules": {PERSON: [build_rule_row("R1")]}},
    "exchange": {
        "Get-Mailbox": [
            mailbox_row(
                PERSON,
                PERSON_GUID,
                "ann",
                ForwardingSmtpAddress="smtp:x@evil.example",
                DeliverToMailboxAndForward=True,
                AuditEnabled=False,
                DefaultAuditSet=["Admin"],
                AuditOwner=["MailboxLogin"],
            ),
            mailbox_row(ROOM, ROOM_GUID, "room", RecipientTypeDetails="RoomMailbox"),
        ],
        "Get-CASMailbox": [
            {
                "ExternalDirectoryObjectId": PERSON,
                "Guid": PERSON_GUID,
                "PrimarySmtpAddress": "ann@contoso.example",
                "ImapEnabled": True,
                "PopEnabled": False,
                "SmtpClientAuthenticationDisabled": False,
            }
        ],
        "Get-OrganizationConfig": [{"AuditDisabled": True}],
        "Get-RemoteDomain": [
            {"Guid": DOMAIN_GUID, "Name": "Partner", "DomainName": "b.example"}
            | {"AutoForwardEnabled": True}
        ],
        "Get-AdminAuditLogConfig": [{"UnifiedAuditLogIngestionEnabled": False}],
        "Get-MailboxAuditBypassAssociation": [
            {"Guid": "g1", "Name": "n", "AuditBypassEnabled": True}
        ],
        "Get-User": [*DEFAULT_USERS, build_module_user_row(PERSON, PERSON_GUID, "ann")],
    },
}
EVERY_CHANGE: tuple[Change, ...] = (
    BLOCK_CHANGE,
    EnableOrganizationAudit(),
    EnableUnifiedAuditLog(),
    EnableMailboxAudit(PERSON_GUID),
    ResetAuditSet(PERSON_GUID, ("Delegate",), expects=(("Delegate", ("MailItemsAccessed",)),)),
    RESET_CHANGE,
    RaiseAuditAge(PERSON_GUID, 180),
    ClearAuditBypass("g1"),
    DisableInboxRule(PERSON, "R1"),
    ClearMailboxForward(PERSON_GUID),
    SetConfiguration("remote-domain", DOMAIN_GUID, "AutoForwardEnabled", False),
    DisableExchangeModule(PERSON, PERSON_GUID),
    DisableMailboxProtocols(PERSON_GUID, ("imap", "pop", "smtp")),
)


class TenantUnderTest(Protocol):
    """A tenant under test, and what a test does to it from outside."""

    @property
    def tenant(self) -> Tenant: ...

    @property
    def write_count(self) -> int:
        """How many single writes took effect, but for sessions that were ended."""
        ...

    @property
    def signed_out(self) -> list[str]:
        """The accounts whose sessions were ended, in order."""
        ...

    def withhold_permission(self, target: str, source: str = "") -> None:
        """Withhold the permission for a source, SESSIONS_TARGET or a class of changes first.

        `source` is one of the two places that domains are read from.
        """
        ...

    def fail_read(self, source: str, object_id: str = "") -> None:
        """Refuse one object that is read by itself; without an id, fail a whole listing."""
        ...

    def interrupt_listing(self, source: str) -> None:
        """Make a paged listing fail after its first page, or a later one."""
        ...

    def limit_writes(self, writes: int) -> None:
        """Let so many single writes take effect; the response to the last of them is lost."""
        ...

    def clear_faults(self) -> None:
        """Undo `fail_read`, `interrupt_listing` and `limit_writes`."""
        ...


type OpenTenant = Callable[[Mapping[str, object]], AbstractAsyncContextManager[TenantUnderTest]]


# The real adapters ------------------------------------------------------------------------------


@dataclass(slots=True)
class SandboxTenant:
    """The real adapters, and the sandbox they talk to."""

    connection: Connection

    @property
    def tenant(self) -> Tenant:
        return self.connection.tenant

    @property
    def write_count(self) -> int:
        return len(self.connection.sandbox.writes) - len(self.signed_out)

    @property
    def signed_out(self) -> list[str]:
        paths = (str(one["target"]).split("/") for one in self.connection.sandbox.writes)
        return [path[2] for path in paths if path[-1] == "revokeSignInSessions"]

    def withhold_permission(self, target: str, source: str = "") -> None:
        needed = {name.casefold() for name in NEEDED_PERMISSIONS[target, source]}
        scene = self.connection.sandbox.tenant.scene
        known = scene.get("grants", {"graph": sorted(ALL_ROLES), "exchange": sorted(CMDLETS)})
        scene["grants"] = {
            half: [name for name in names if name.casefold() not in needed]
            for half, names in known.items()
        }

    def fail_read(self, source: str, object_id: str = "") -> None:
        guids = {
            str(row.get("ExternalDirectoryObjectId")): str(row.get("Guid"))
            for row in self.connection.sandbox.tenant.exchange["Get-Mailbox"]
        }
        match = REQUEST_PATTERNS[source].replace("{id}", object_id)
        match = match.replace("{guid}", guids.get(object_id, object_id))
        if object_id:
            self.add_fault({"match": match, "inner": True, "kind": "error", "status": 403})
        else:
            self.add_fault({"match": match, "kind": "error", "status": 503})

    def interrupt_listing(self, source: str) -> None:
        match = REQUEST_PATTERNS[source].replace("$", r" [$]skiptoken=")
        self.add_fault({"match": match, "kind": "error", "status": 503})

    def limit_writes(self, writes: int) -> None:
        skip, late = max(writes - 1, 0), writes > 0
        self.add_fault(
            {"match": WRITE_PATTERN, "kind": "error", "status": 503, "skip": skip, "late": late}
        )

    def add_fault(self, fault: Mapping[str, object]) -> None:
        """Put one more fault in force."""
        known = self.connection.sandbox.tenant.scene.get("faults", [])
        self.connection.sandbox.tenant.set_faults([*known, fault])

    def clear_faults(self) -> None:
        self.connection.sandbox.tenant.set_faults([])


@asynccontextmanager
async def open_sandbox(scene: Mapping[str, object]) -> AsyncIterator[TenantUnderTest]:
    """A scene on the sandbox, which answers without connections, as it does over HTTP. Nothing is
    tried twice: what is to fail once has failed.
    """
    async with connect_directly(scene, attempts=1) as to:
        yield SandboxTenant(to)


@asynccontextmanager
async def open_sandbox_over_http(scene: Mapping[str, object]) -> AsyncIterator[TenantUnderTest]:
    """The same over HTTP."""
    async with connect_sandbox(scene, attempts=1) as to:
        yield SandboxTenant(to)


# In memory --------------------------------------------------------------------------------------


@dataclass(slots=True)
class InMemoryTenant:
    """The fake tenant."""

    fake: FakeTenant

    @property
    def tenant(self) -> Tenant:
        return self.fake

    @property
    def write_count(self) -> int:
        return self.fake.write_count

    @property
    def signed_out(self) -> list[str]:
        return self.fake.signed_out

    def withhold_permission(self, target: str, source: str = "") -> None:
        permission, *_ = needed = NEEDED_PERMISSIONS[target, source]
        granted = self.fake.granted
        self.fake.granted = GrantedPermissions(
            (granted.app_roles or frozenset()) - {*needed},
            (granted.cmdlets or frozenset()) - {*needed},
        )
        if target in READABLE_SOURCES:
            self.fake.fail_read(target, source.replace(EXCHANGE_SOURCE, ""), "HTTP 403", permission)
        else:
            self.fake.fail_change(target, Forbidden("HTTP 403", permission))

    def fail_read(self, source: str, object_id: str = "") -> None:
        self.fake.fail_read(source, object_id)

    def interrupt_listing(self, source: str) -> None:
        self.fake.interrupted_sources.add(source)

    def limit_writes(self, writes: int) -> None:
        self.fake.limit_writes(writes)

    def clear_faults(self) -> None:
        self.fake.clear_faults()


@asynccontextmanager
async def open_fake(scene: Mapping[str, object]) -> AsyncIterator[TenantUnderTest]:
    """A scene in memory."""
    yield InMemoryTenant(build_fake_tenant(scene))


OPENERS: Mapping[str, OpenTenant] = {"fake": open_fake, "m365": open_sandbox}
OPENERS_OVER_HTTP: Mapping[str, OpenTenant] = {**OPENERS, "m365": open_sandbox_over_http}


OTHER_TENANT_ID = "0e15e000-0000-4000-8000-000000000001"
NOTES, HELPER = (f"c0000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
APP_CREDENTIAL_ID = "fe000000-0000-4000-8000-000000000001"
FEDERATED_ID = "fe000000-0000-4000-8000-000000000002"
OWNER_ID = "fe000000-0000-4000-8000-000000000003"
HELPER_APP_ID = "a0000000-0000-4000-8000-000000000002"
HELPER_REGISTRATION = "ab000000-0000-4000-8000-000000000002"


def build_grant_row(
    number: int, client: str, scope: str | None, user: str | None, **more: object
) -> Any:
    return {
        "id": f"G{number}",
        "clientId": client,
        "consentType": "Principal" if user else "AllPrincipals",
        "principalId": user,
        "resourceId": derive_api_id(GRAPH_APP),
        "scope": scope,
        **more,
    }


def build_registration_row(**more: object) -> Any:
    """A row of /applications, with an app and a guest as owners."""
    return {
        "id": HELPER_REGISTRATION,
        "appId": HELPER_APP_ID,
        "displayName": "Helper",
        "keyCredentials": [],
        "passwordCredentials": [
            {"keyId": APP_CREDENTIAL_ID, "endDateTime": "2027-01-01T00:00:00Z"}
        ],
        "owners": [
            NOTES,
            {
                "@odata.type": "#microsoft.graph.user",
                "id": OWNER_ID,
                "userPrincipalName": "eve_other.example#EXT#@contoso.com",
            },
        ],
        "federatedIdentityCredentials": [
            {
                "id": FEDERATED_ID,
                "name": "gh",
                "issuer": "https://issuer.example",
                "subject": "repo:x",
                "audiences": ["api://AzureADTokenExchange"],
            }
        ],
        **more,
    }


def build_app_scene(**graph: object) -> dict[str, Any]:
    parts: dict[str, object] = {
        "servicePrincipals": [
            build_principal(
                NOTES.upper(),
                "a0000000-0000-4000-8000-000000000001",
                "Notes",
                OTHER_TENANT_ID,
                replyUrls=["https://notes.example/b", "https://notes.example/a"],
                passwordCredentials=[
                    {"keyId": APP_CREDENTIAL_ID, "endDateTime": "2027-01-01T00:00:00Z"}
                ],
            ),
            build_principal(HELPER, HELPER_APP_ID, "Helper", None),
        ],
        "applications": [build_registration_row()],
        "oauth2PermissionGrants": [
            build_grant_row(1, NOTES, " Mail.Read  offline_access ", "u1"),
            build_grant_row(2, NOTES.upper(), "Mail.Read", "u2"),
            build_grant_row(3, HELPER, None, None),
        ],
        "appRoleAssignments": [
            build_app_assignment(HELPER, GRAPH_APP, "Mail.Read"),
            build_app_assignment(HELPER, SHAREPOINT_APP, "Sites.FullControl.All"),
            build_app_assignment("u1", GRAPH_APP, "Mail.Send", principalType="User"),
            build_app_assignment(
                NOTES, EXCHANGE_APP, "", appRoleId="00000000-0000-0000-0000-000000000000"
            ),
            build_app_assignment(NOTES, EXCHANGE_APP, "Nobody.Knows"),
        ],
        "authorizationPolicy": {
            "id": "authorizationPolicy",
            "defaultUserRolePermissions": {
                "allowedToCreateApps": True,
                "permissionGrantPoliciesAssigned": ["A", "B"],
            },
        },
    }
    return build_scene(graph=parts | graph)


def build_granted_apps(grants_per_app: int, **reality: object) -> dict[str, Any]:
    """A tenant of 500 apps, each with so many grants."""
    apps = [
        build_principal(f"p{number}", f"a{number}", "x", OTHER_TENANT_ID) for number in range(500)
    ]
    grants = [
        build_grant_row(number, f"p{number % 500}", "Mail.Read", f"u{number}")
        for number in range(500 * grants_per_app)
    ]
    scene = build_app_scene(servicePrincipals=apps, oauth2PermissionGrants=grants)
    return {**scene, "reality": reality}
