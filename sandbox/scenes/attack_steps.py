"""The attacker's steps in the neglected tenant after a password theft, as edits of the scene.

Each step is a known technique, and one guard detects it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.graph.apps import build_principal
from sandbox.http_types import Row
from sandbox.scenes.default_roles import GLOBAL_ADMINISTRATOR
from sandbox.scenes.neglected import build_days_ago
from sandbox.scenes.neglected_settings import (
    NO_FACTORS,
    WORKERS,
    build_cas_row,
    build_grant,
    build_mailbox_permission,
    build_recipient_permission,
    build_role_assignment,
    build_sign_in,
    derive_sid,
)
from sandbox.scenes.people import TenantBuilder
from sandbox.scenes.row_templates import CONTOSO, build_remote_domain, derive_id

VICTIM = f"dana@{CONTOSO}"
ATTACKER = "collector@evil.example"
ATTACKER_IP = "203.0.113.66"
# The account that the attacker makes an administrator.
PROMOTED_ALIAS = "derya"
GUEST = "payments@evil.example"
MALICIOUS_APP_ID = derive_id("app", "backup")
# A quarter of an hour ago, and the duration of one deletion; in days.
ATTACK_DAYS_AGO, DELETION_GAP_DAYS = 0.01, 0.0005

type Scene = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttackStep:
    """One step of the attacker, and what becomes of it."""

    guard: str
    """The guard that detects it."""
    description: str
    edits: tuple[Row, ...]
    """What it changes in the tenant."""
    finds: tuple[tuple[str, str, str], ...]
    """The new findings of the guard in its next run: subject, severity and verdict."""


def build_add_edits(path: str, *rows: Row) -> tuple[Row, ...]:
    """Builds edits that append rows to a collection."""
    return tuple({"op": "add", "path": f"{path}/-", "value": row} for row in rows)


def build_set_edit(path: str, value: Any) -> Row:
    """Builds the edit that sets one property."""
    return {"op": "set", "path": path, "value": value}


def find_mailbox(scene: Scene, alias: str) -> Row:
    """Finds a mailbox by name. Raises StopIteration if there is none."""
    boxes: Sequence[Row] = scene["exchange"]["Get-Mailbox"]
    return next(row for row in boxes if row["Alias"] == alias)


def build_rule_step(scene: Scene) -> AttackStep:
    """A rule that redirects and deletes mail about money."""
    owner = find_mailbox(scene, VICTIM.partition("@")[0])["ExternalDirectoryObjectId"]
    row = {
        "id": "AQAAAP8evil=",
        "displayName": ".",
        "sequence": 1,
        "isEnabled": True,
        "hasError": False,
        "isReadOnly": False,
        "conditions": {"subjectContains": ["invoice", "payment"]},
        "actions": {
            "redirectTo": [{"emailAddress": {"name": ATTACKER, "address": ATTACKER}}],
            "delete": True,
            "stopProcessingRules": True,
        },
    }
    return AttackStep(
        "mailbox-forwarding",
        f'A rule named "." appears for {VICTIM}: it redirects every mail about an invoice to '
        f"{ATTACKER} and deletes it.",
        build_add_edits(f"/graph/messageRules/{owner}", row),
        finds=(
            ("dana@contoso.com", "high", "external"),
            ("dana@contoso.com", "high", "hides-mail"),
        ),
    )


def build_shared_mailbox_step(scene: Scene) -> AttackStep:
    """An enabled shared mailbox account: a way back in that is not monitored."""
    box = find_mailbox(scene, "archive-2019")
    return AttackStep(
        "shared-mailbox-sign-in",
        "The account of the shared mailbox archive-2019 is enabled: a way back in.",
        (
            build_set_edit(f"/graph/users/{box['ExternalDirectoryObjectId']}/accountEnabled", True),
            build_set_edit(f"/exchange/Get-Mailbox/{box['Guid']}/AccountDisabled", False),
        ),
        finds=(("archive-2019@contoso.com", "high", "block"),),
    )


def build_bypass_step(scene: Scene) -> AttackStep:
    """An audit bypass: nothing this account does is recorded from now on."""
    guid = find_mailbox(scene, PROMOTED_ALIAS)["Guid"]
    where = f"/exchange/Get-MailboxAuditBypassAssociation/{guid}/AuditBypassEnabled"
    return AttackStep(
        "mailbox-audit",
        f"Mailbox auditing is told to bypass {PROMOTED_ALIAS}.",
        (build_set_edit(where, True),),
        finds=(("derya", "critical", "repair"),),
    )


def build_delegation_step() -> AttackStep:
    """A guest with access to the accountant's mailbox, who also sends as her."""
    stage = TenantBuilder()
    upn = stage.add_guest(GUEST)
    sid = derive_sid(GUEST)
    return AttackStep(
        "mailbox-delegation",
        f"The guest {GUEST} is invited, and may open edda's mailbox and send in her name.",
        (
            *build_add_edits("/graph/users", *stage.users),
            *build_add_edits("/exchange/Get-Recipient", *stage.recipients),
            *build_add_edits(
                "/exchange/Get-MailboxPermission", build_mailbox_permission("edda", upn, sid)
            ),
            *build_add_edits(
                "/exchange/Get-RecipientPermission", build_recipient_permission("edda", upn, sid)
            ),
        ),
        finds=(("edda@contoso.com", "critical", "external"),),
    )


def build_remote_domain_step() -> AttackStep:
    """A remote domain that allows forwarding, whatever the default decides."""
    row = build_remote_domain(forwards=True) | {
        "Guid": derive_id("remote domain", "evil"),
        "Identity": "Billing",
        "Name": "Billing",
        "DomainName": "evil.example",
    }
    return AttackStep(
        "tenant-baseline",
        "A remote domain for evil.example appears that lets mail be forwarded by itself.",
        build_add_edits("/exchange/Get-RemoteDomain", row),
        finds=(("remote domain Billing", "high", "drift"),),
    )


def build_consent_step() -> AttackStep:
    """An app that keeps reading mail after the password is changed."""
    row = build_principal(
        MALICIOUS_APP_ID,
        derive_id("app id", "backup"),
        "Micros0ft Mail Backup",
        derive_id("elsewhere"),
    )
    scopes = "openid offline_access Mail.ReadWrite MailboxSettings.ReadWrite"
    return AttackStep(
        "app-consent",
        f'{VICTIM} consents to "Micros0ft Mail Backup": a publisher nobody verified, all mail.',
        (
            *build_add_edits("/graph/servicePrincipals", row),
            *build_add_edits(
                "/graph/oauth2PermissionGrants",
                build_grant(MALICIOUS_APP_ID, scopes, VICTIM.partition("@")[0]),
            ),
        ),
        finds=(("Micros0ft Mail Backup", "critical", "impostor"),),
    )


def build_promotion_step(scene: Scene) -> AttackStep:
    """A Global Administrator protected by a password only."""
    holder = find_mailbox(scene, PROMOTED_ALIAS)["ExternalDirectoryObjectId"]
    details = f"/graph/userRegistrationDetails/{holder}"
    lacks = NO_FACTORS | {"isAdmin": True}
    return AttackStep(
        "mfa-registration",
        f"{PROMOTED_ALIAS} becomes Global Administrator and loses the second factor.",
        (
            *build_add_edits(
                "/graph/roleAssignments",
                build_role_assignment(PROMOTED_ALIAS, GLOBAL_ADMINISTRATOR),
            ),
            *(build_set_edit(f"{details}/{name}", value) for name, value in lacks.items()),
        ),
        finds=(
            ("derya@contoso.com", "critical", "no-second-factor"),
            # The 14 deleted users leave its listing a fifth shorter: listing-shrank.
            ("mfa-registration", "medium", "could-not-tell"),
        ),
    )


def build_deletion_step(scene: Scene) -> AttackStep:
    """The deletion of the warehouse's accounts, as a distraction."""
    actor = find_mailbox(scene, PROMOTED_ALIAS)
    by = {
        "user": {
            "id": actor["ExternalDirectoryObjectId"],
            "userPrincipalName": actor["UserPrincipalName"],
            "displayName": None,
            "ipAddress": ATTACKER_IP,
        },
        "app": None,
    }
    users: Sequence[Row] = scene["graph"]["users"]
    gone = [row for row in users if row["id"] in {derive_id("user", alias) for alias in WORKERS}]
    edits: list[Row] = []
    for number, user in enumerate(gone):
        at = build_days_ago(ATTACK_DAYS_AGO - number * DELETION_GAP_DAYS)
        edits += [
            {"op": "remove", "path": f"/graph/users/{user['id']}"},
            {"op": "remove", "path": f"/graph/userRegistrationDetails/{user['id']}"},
            *build_add_edits("/graph/directoryAudits", build_deletion_record(user, by, at)),
            *build_add_edits("/graph/deletedItems", build_deleted_user(user, at)),
        ]
    return AttackStep(
        "mass-deletion",
        f"{PROMOTED_ALIAS} deletes {len(gone)} users, the whole warehouse.",
        tuple(edits),
        finds=(("derya@contoso.com", "high", "mass-deletion"),),
    )


def build_deleted_upn(user: Row) -> str:
    """The principal name of a deleted user: Entra puts the id before it."""
    return f"{user['id'].replace('-', '')}{user['userPrincipalName']}"


def build_deletion_record(user: Row, initiator: Row, deleted_at: Row) -> Row:
    """A record of the directory's audit log."""
    return {
        "id": f"Directory_{user['id']}",
        "category": "UserManagement",
        "result": "success",
        "resultReason": "",
        "activityDisplayName": "Delete user",
        "activityDateTime": deleted_at,
        "loggedByService": "Core Directory",
        "operationType": "Delete",
        "initiatedBy": initiator,
        "targetResources": [
            {
                "id": user["id"],
                "displayName": None,
                "type": "User",
                "userPrincipalName": build_deleted_upn(user),
            }
        ],
    }


def build_deleted_user(user: Row, deleted_at: Row) -> Row:
    """A deleted user, recoverable for thirty days."""
    return {
        "@odata.type": "#microsoft.graph.user",
        "id": user["id"],
        "displayName": user["displayName"],
        "userPrincipalName": build_deleted_upn(user),
        "deletedDateTime": deleted_at,
    }


def build_powershell_step(scene: Scene) -> AttackStep:
    """Exchange PowerShell for the account: a script instead of a browser."""
    where = f"/exchange/Get-User/{find_mailbox(scene, 'dana')['Guid']}"
    return AttackStep(
        "exchange-module-access",
        f"{VICTIM} is given Exchange PowerShell.",
        (
            build_set_edit(f"{where}/EXOModuleEnabled", True),
            build_set_edit(f"{where}/RemotePowerShellEnabled", True),
        ),
        finds=(("dana@contoso.com", "low", "repair"),),
    )


def build_smtp_auth_step(scene: Scene) -> AttackStep:
    """SMTP AUTH for the account: mail is sent with a password, past every policy."""
    row = build_cas_row(find_mailbox(scene, "fiona"), SmtpClientAuthenticationDisabled=False)
    return AttackStep(
        "legacy-protocols",
        "SMTP AUTH is allowed for fiona's mailbox, and used.",
        (
            *build_add_edits("/exchange/Get-CASMailbox", row),
            *build_add_edits(
                "/graph/signIns",
                build_sign_in("fiona", "Authenticated SMTP", ATTACK_DAYS_AGO, ATTACKER_IP),
            ),
        ),
        finds=(("fiona@contoso.com", "medium", "ask"),),
    )


def build_partner_step() -> AttackStep:
    """A tenant of the attacker's, whose users come in by synchronisation: a way back for many."""
    tenant = derive_id("tenant", "quarry-lane.example")
    row = {
        "tenantId": tenant,
        "isServiceProvider": None,
        "isInMultiTenantOrganization": False,
        "inboundTrust": None,
        "automaticUserConsentSettings": {"inboundAllowed": True, "outboundAllowed": None},
        "identitySynchronization": {
            "tenantId": tenant,
            "displayName": "Quarry Lane Services",
            "userSyncInbound": {"isSyncAllowed": True},
        },
    }
    return AttackStep(
        "external-trust",
        "A foreign tenant may put its users into this one, and nobody is asked.",
        build_add_edits("/graph/crossTenantAccessPolicyPartners", row),
        finds=((tenant, "critical", "new"),),
    )


def build_exchange_role_step() -> AttackStep:
    """A role that exports mailboxes, given to the account directly."""
    row = {
        "Identity": "Mailbox Import Export-dana",
        "Name": "Mailbox Import Export-dana",
        "Guid": derive_id("role assignment", "dana"),
        "Role": "Mailbox Import Export",
        "RoleAssignee": "dana",
        "RoleAssigneeName": "dana",
        "RoleAssigneeType": "User",
        "RoleAssignmentDelegationType": "Regular",
        "RecipientWriteScope": "Organization",
        "CustomRecipientWriteScope": None,
        "Enabled": True,
    }
    return AttackStep(
        "exchange-roles",
        f"{VICTIM} may export every mailbox, by a role of Exchange.",
        build_add_edits("/exchange/Get-ManagementRoleAssignment", row),
        finds=(("Mailbox Import Export for dana", "high", "new"),),
    )


def build_filter_step() -> AttackStep:
    """The filter is told to let the attacker's next mail pass."""
    row = {
        "ListType": "Sender",
        "Identity": "RgAAAAattack",
        "Value": "evil.example",
        "Action": "Allow",
        "Notes": "",
        "ExpirationDate": None,
        "RemoveAfter": None,
    }
    return AttackStep(
        "mail-protection",
        "Mail of evil.example passes the filters, without an end.",
        build_add_edits("/exchange/Get-TenantAllowBlockListItems", row),
        finds=(("evil.example", "medium", "new"),),
    )


def build_shield_step() -> AttackStep:
    """A unit that keeps every administrator away from the account."""
    row = {
        "id": derive_id("administrative unit", "field"),
        "displayName": "Field staff",
        "isMemberManagementRestricted": True,
        "visibility": None,
        "membershipRule": None,
        "members": [],
    }
    return AttackStep(
        "privileged-change",
        "An administrative unit is made whose members no other administrator can change.",
        build_add_edits("/graph/administrativeUnits", row),
        finds=(
            ("Field staff", "high", "new"),
            # Who was promoted in an earlier step.
            ("derya@contoso.com", "critical", "new-administrator"),
        ),
    )


def build_risk_step(scene: Scene) -> AttackStep:
    """Microsoft notices the stolen token, and says so in a list."""
    victim = find_mailbox(scene, "dana")["ExternalDirectoryObjectId"]
    at = build_days_ago(ATTACK_DAYS_AGO)
    user = {
        "id": victim,
        "isDeleted": False,
        "isProcessing": False,
        "riskLevel": "high",
        "riskState": "atRisk",
        "riskDetail": "none",
        "riskLastUpdatedDateTime": at,
        "userDisplayName": "Dana Fischer",
        "userPrincipalName": VICTIM,
    }
    detection = {
        "id": derive_id("risk detection", "dana"),
        "activity": "signin",
        "detectedDateTime": at,
        "detectionTimingType": "offline",
        "ipAddress": ATTACKER_IP,
        "lastUpdatedDateTime": at,
        "riskDetail": "none",
        "riskEventType": "anomalousToken",
        "riskLevel": "high",
        "riskState": "atRisk",
        "source": "IdentityProtection",
        "userId": victim,
        "userPrincipalName": VICTIM,
    }
    return AttackStep(
        "risky-accounts",
        f"Microsoft notices that the token of {VICTIM} is used elsewhere.",
        (
            build_set_edit("/graph/riskyUsers", [user]),
            build_set_edit("/graph/riskDetections", [detection]),
        ),
        finds=((VICTIM, "high", "at-risk"),),
    )


def build_hold_step(scene: Scene) -> AttackStep:
    """The defender's mistake: a hold on a mailbox that has no licence for it."""
    box = find_mailbox(scene, "info")
    return AttackStep(
        "shared-mailbox-health",
        "Somebody notices and puts info, a shared mailbox, on litigation hold without a licence.",
        (build_set_edit(f"/exchange/Get-Mailbox/{box['Guid']}/LitigationHoldEnabled", True),),
        finds=(("info@contoso.com", "medium", "ask"),),
    )


def build_aftermath(scene: Scene) -> tuple[AttackStep, ...]:
    """Builds all steps after the rule, in the order of the catalog."""
    return (
        build_shared_mailbox_step(scene),
        build_bypass_step(scene),
        build_delegation_step(),
        build_remote_domain_step(),
        build_consent_step(),
        build_promotion_step(scene),
        build_deletion_step(scene),
        build_powershell_step(scene),
        build_smtp_auth_step(scene),
        build_partner_step(),
        build_exchange_role_step(),
        build_filter_step(),
        build_shield_step(),
        build_risk_step(scene),
        build_hold_step(scene),
    )
