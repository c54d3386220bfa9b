"""What somebody does in the neglected tenant who got hold of a password, as edits of the scene.

Each step is one thing an intruder is known to do, and one guard is there to see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.graph.apps import principal
from sandbox.http_types import Row
from sandbox.scenes.default_roles import GLOBAL_ADMINISTRATOR
from sandbox.scenes.neglected import days_ago
from sandbox.scenes.neglected_settings import (
    WITHOUT_FACTOR,
    WORKERS,
    cas_row,
    grant,
    opens,
    role,
    sends,
    sid_of,
    sign_in,
)
from sandbox.scenes.people import Cast
from sandbox.scenes.row_templates import CONTOSO, made_id, remote_domain

VICTIM = f"dana@{CONTOSO}"
ATTACKER = "collector@evil.example"
ADDRESS = "203.0.113.66"
# The account the intruder makes an administrator, to go on with.
PROMOTED = "derya"
GUEST = "payments@evil.example"
APP = made_id("app", "backup")
# A quarter of an hour ago, and as long as one deletion takes; in days.
LATELY, SECONDS = 0.01, 0.0005

type Scene = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the intruder does: the guard that is to see it, in words, and in the scene."""

    guard: str
    said: str
    edits: tuple[Row, ...]


def added(path: str, *rows: Row) -> tuple[Row, ...]:
    """Edits that append rows to a collection."""
    return tuple({"op": "add", "path": f"{path}/-", "value": row} for row in rows)


def put(path: str, value: Any) -> Row:
    """The edit that sets one property."""
    return {"op": "set", "path": path, "value": value}


def mailbox_of(scene: Scene, alias: str) -> Row:
    """The mailbox of that name. Raises StopIteration where there is none."""
    boxes: Sequence[Row] = scene["exchange"]["Get-Mailbox"]
    return next(row for row in boxes if row["Alias"] == alias)


def rule(scene: Scene) -> Step:
    """Redirects and deletes whatever is about money."""
    owner = mailbox_of(scene, VICTIM.partition("@")[0])["ExternalDirectoryObjectId"]
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
    return Step(
        "mailbox-forwarding",
        f'A rule named "." appears for {VICTIM}: it redirects every mail about an invoice to '
        f"{ATTACKER} and deletes it.",
        added(f"/graph/messageRules/{owner}", row),
    )


def shared_mailbox(scene: Scene) -> Step:
    """A way back in that nobody watches."""
    box = mailbox_of(scene, "archive-2019")
    return Step(
        "shared-mailbox-sign-in",
        "The account of the shared mailbox archive-2019 is enabled: a way back in.",
        (
            put(f"/graph/users/{box['ExternalDirectoryObjectId']}/accountEnabled", True),
            put(f"/exchange/Get-Mailbox/{box['Guid']}/AccountDisabled", False),
        ),
    )


def bypass(scene: Scene) -> Step:
    """From now on, nothing this account does is recorded."""
    guid = mailbox_of(scene, PROMOTED)["Guid"]
    where = f"/exchange/Get-MailboxAuditBypassAssociation/{guid}/AuditBypassEnabled"
    return Step(
        "mailbox-audit",
        f"Mailbox auditing is told to bypass {PROMOTED}.",
        (put(where, True),),
    )


def delegation() -> Step:
    """A guest who opens the accountant's mailbox, and answers in her name."""
    stage = Cast()
    upn = stage.guest(GUEST)
    sid = sid_of(GUEST)
    return Step(
        "mailbox-delegation",
        f"The guest {GUEST} is invited, and may open edda's mailbox and send in her name.",
        (
            *added("/graph/users", *stage.users),
            *added("/exchange/Get-Recipient", *stage.recipients),
            *added("/exchange/Get-MailboxPermission", opens("edda", upn, sid)),
            *added("/exchange/Get-RecipientPermission", sends("edda", upn, sid)),
        ),
    )


def drift() -> Step:
    """Lets mail leave for one domain, whatever is decided about all others."""
    row = remote_domain(forwards=True) | {
        "Guid": made_id("remote domain", "evil"),
        "Identity": "Billing",
        "Name": "Billing",
        "DomainName": "evil.example",
    }
    return Step(
        "tenant-baseline",
        "A remote domain for evil.example appears that lets mail be forwarded by itself.",
        added("/exchange/Get-RemoteDomain", row),
    )


def consent() -> Step:
    """Keeps reading after the password is changed."""
    row = principal(APP, made_id("app id", "backup"), "Micros0ft Mail Backup", made_id("elsewhere"))
    scopes = "openid offline_access Mail.ReadWrite MailboxSettings.ReadWrite"
    return Step(
        "app-consent",
        f'{VICTIM} consents to "Micros0ft Mail Backup": a publisher nobody verified, all mail.',
        (
            *added("/graph/servicePrincipals", row),
            *added("/graph/oauth2PermissionGrants", grant(APP, scopes, VICTIM.partition("@")[0])),
        ),
    )


def promotion(scene: Scene) -> Step:
    """A Global Administrator whose password is all there is."""
    holder = mailbox_of(scene, PROMOTED)["ExternalDirectoryObjectId"]
    details = f"/graph/userRegistrationDetails/{holder}"
    lacks = WITHOUT_FACTOR | {"isAdmin": True}
    return Step(
        "mfa-registration",
        f"{PROMOTED} becomes Global Administrator and loses the second factor.",
        (
            *added("/graph/roleAssignments", role(PROMOTED, GLOBAL_ADMINISTRATOR)),
            *(put(f"{details}/{name}", value) for name, value in lacks.items()),
        ),
    )


def deleted(scene: Scene) -> Step:
    """The warehouse is gone, to keep everybody busy."""
    actor = mailbox_of(scene, PROMOTED)
    by = {
        "user": {
            "id": actor["ExternalDirectoryObjectId"],
            "userPrincipalName": actor["UserPrincipalName"],
            "displayName": None,
            "ipAddress": ADDRESS,
        },
        "app": None,
    }
    users: Sequence[Row] = scene["graph"]["users"]
    gone = [row for row in users if row["id"] in {made_id("user", alias) for alias in WORKERS}]
    edits: list[Row] = []
    for number, user in enumerate(gone):
        at = days_ago(LATELY - number * SECONDS)
        edits += [
            {"op": "remove", "path": f"/graph/users/{user['id']}"},
            {"op": "remove", "path": f"/graph/userRegistrationDetails/{user['id']}"},
            *added("/graph/directoryAudits", deletion(user, by, at)),
            *added("/graph/deletedItems", in_the_bin(user, at)),
        ]
    return Step(
        "mass-deletion",
        f"{PROMOTED} deletes {len(gone)} users, the whole warehouse.",
        tuple(edits),
    )


def mangled(user: Row) -> str:
    """The principal name of a deleted user: Entra puts the id before it."""
    return f"{user['id'].replace('-', '')}{user['userPrincipalName']}"


def deletion(user: Row, by: Row, at: Row) -> Row:
    """A record of the directory's audit log."""
    return {
        "id": f"Directory_{user['id']}",
        "category": "UserManagement",
        "result": "success",
        "resultReason": "",
        "activityDisplayName": "Delete user",
        "activityDateTime": at,
        "loggedByService": "Core Directory",
        "operationType": "Delete",
        "initiatedBy": by,
        "targetResources": [
            {
                "id": user["id"],
                "displayName": None,
                "type": "User",
                "userPrincipalName": mangled(user),
            }
        ],
    }


def in_the_bin(user: Row, at: Row) -> Row:
    """A deleted user, to be had back for thirty days."""
    return {
        "@odata.type": "#microsoft.graph.user",
        "id": user["id"],
        "displayName": user["displayName"],
        "userPrincipalName": mangled(user),
        "deletedDateTime": at,
    }


def command_line(scene: Scene) -> Step:
    """A script instead of a browser."""
    where = f"/exchange/Get-User/{mailbox_of(scene, 'dana')['Guid']}"
    return Step(
        "exchange-module-access",
        f"{VICTIM} is given Exchange PowerShell.",
        (put(f"{where}/EXOModuleEnabled", True), put(f"{where}/RemotePowerShellEnabled", True)),
    )


def bare_password(scene: Scene) -> Step:
    """Mail can be sent with a name and a password, past every policy; and has been."""
    row = cas_row(mailbox_of(scene, "fiona"), SmtpClientAuthenticationDisabled=False)
    return Step(
        "legacy-protocols",
        "SMTP AUTH is allowed for fiona's mailbox, and used.",
        (
            *added("/exchange/Get-CASMailbox", row),
            *added("/graph/signIns", sign_in("fiona", "Authenticated SMTP", LATELY, ADDRESS)),
        ),
    )


def hold(scene: Scene) -> Step:
    """What those do who notice: keep the evidence, in a mailbox that cannot keep it unlicensed."""
    box = mailbox_of(scene, "info")
    return Step(
        "shared-mailbox-health",
        "Somebody notices and puts info, a shared mailbox, on litigation hold without a licence.",
        (put(f"/exchange/Get-Mailbox/{box['Guid']}/LitigationHoldEnabled", True),),
    )


def aftermath(scene: Scene) -> tuple[Step, ...]:
    """All that follows the rule, in the order of the catalog."""
    return (
        shared_mailbox(scene),
        bypass(scene),
        delegation(),
        drift(),
        consent(),
        promotion(scene),
        deleted(scene),
        command_line(scene),
        bare_password(scene),
        hold(scene),
    )
