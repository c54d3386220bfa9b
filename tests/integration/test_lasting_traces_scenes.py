"""What an intruder leaves behind, and what only looks like it, through the whole app."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from core.config.catalog import CATALOG
from tests.support.run_scene import dump_cards, list_declared_permissions, run_scene

GUARDS = (
    "privileged-change",
    "mail-protection",
    "exchange-roles",
    "external-trust",
    "app-consent",
    "risky-accounts",
)
MODES = {duty.guard.name: "off" for duty in CATALOG if duty.guard.name not in GUARDS}
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
GRAPH_API = "00000003-0000-0000-c000-000000000000"
GIVE_ROLES = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"
NOW = datetime.now(UTC)

type Row = dict[str, Any]


def derive(kind: int, number: int) -> str:
    return f"{kind}{kind}{kind}{kind}{kind}{kind}{kind}{kind}-0000-4000-8000-{number:012}"


PEOPLE = ("chief", "backup", "eve", "leaver")
PERSON = {name: derive(1, number) for number, name in enumerate(PEOPLE)}
PARTNER = derive(2, 1)


def build_mailbox(name: str, **more: Any) -> Row:
    number = PEOPLE.index(name)
    return {
        "Identity": name,
        "Name": name,
        "ExternalDirectoryObjectId": derive(1, number),
        "Guid": derive(3, number),
        "PrimarySmtpAddress": f"{name}@contoso.com",
        "EmailAddresses": [f"SMTP:{name}@contoso.com"],
        "RecipientTypeDetails": "UserMailbox",
        "AccountDisabled": name == "leaver",
        "HiddenFromAddressListsEnabled": False,
        **more,
    }


def build_contact(alias: str, number: int, *addresses: str) -> Row:
    return {
        "Identity": alias,
        "Name": alias,
        "Guid": derive(4, number),
        "RecipientTypeDetails": "MailContact",
        "PrimarySmtpAddress": addresses[0],
        "ExternalEmailAddress": f"SMTP:{addresses[0]}",
        "EmailAddresses": [f"SMTP:{addresses[0]}", *(f"smtp:{one}" for one in addresses[1:])],
    }


def build_assignment(name: str, kind: str, ends: datetime | None) -> Row:
    return {
        "id": f"{name}-{kind}",
        "principalId": PERSON[name],
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "directoryScopeId": "/",
        "assignmentType": kind,
        "endDateTime": ends and ends.isoformat(),
    }


def build_record(number: int, operation: str, actor: str, *targets: str, **more: Any) -> Row:
    return {
        "id": f"Directory_{number}",
        "result": "success",
        "activityDisplayName": operation,
        "activityDateTime": (NOW - timedelta(minutes=30 - number)).isoformat(),
        "initiatedBy": {
            "user": {
                "id": PERSON[actor],
                "userPrincipalName": f"{actor}@contoso.com",
                "ipAddress": "203.0.113.7",
            }
        },
        "targetResources": [
            {"id": PERSON.get(one, one), "userPrincipalName": f"{one}@contoso.com", "type": "User"}
            for one in targets
        ],
        **more,
    }


def build_sign_in(number: int, name: str, protocol: str, error: int = 0) -> Row:
    return {
        "id": f"s{number}",
        "createdDateTime": f"{NOW - timedelta(minutes=20 - number):%Y-%m-%dT%H:%M:%SZ}",
        "userId": PERSON[name],
        "userPrincipalName": f"{name}@contoso.com",
        "appId": "29d9ed98-a469-4536-ade2-f981bc1d605e",
        "appDisplayName": "Microsoft Authentication Broker",
        "clientAppUsed": "Mobile Apps and Desktop clients",
        "ipAddress": "203.0.113.7",
        "authenticationProtocol": protocol,
        "status": {"errorCode": error, "additionalDetails": ""},
    }


def build_scene(*ticks: Row) -> Row:
    """A tenant with two administrators, one of whom activates the role where it is needed."""
    role = {
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "directoryScopeId": "/",
        "principal": {"@odata.type": "#microsoft.graph.user"},
    }
    return {
        "grants": list_declared_permissions(),
        "graph": {
            "users": [
                {"id": one, "userPrincipalName": f"{name}@contoso.com", "accountEnabled": True}
                for name, one in PERSON.items()
            ],
            "domains": [
                {"id": one, "isVerified": True, "isDefault": one == "contoso.com"}
                for one in ("contoso.com", "contoso.onmicrosoft.com")
            ],
            "roleAssignments": [
                {**role, "id": "r1", "principalId": PERSON["chief"]},
                {**role, "id": "r2", "principalId": PERSON["backup"]},
            ],
            "roleEligibilityScheduleInstances": [
                {**role, "id": "e1", "principalId": PERSON["backup"]}
            ],
            "roleAssignmentScheduleInstances": [
                build_assignment("backup", "Activated", NOW + timedelta(hours=8))
            ],
            "deviceRegistrationPolicy": {
                "id": "deviceRegistrationPolicy",
                "userDeviceQuota": 50,
                "multiFactorAuthConfiguration": "required",
            },
            "crossTenantAccessPolicyPartners": [
                {"tenantId": PARTNER, "inboundTrust": None, "m365Capabilities": []}
            ],
            "applications": [
                {"id": derive(5, 1), "appId": derive(6, 1), "displayName": "Payroll sync"}
            ],
            "directoryAudits": [],
            "signIns": [],
        },
        "exchange": {
            "Get-Mailbox": [build_mailbox(one) for one in PEOPLE],
            "Get-Recipient": [build_contact("customer", 1, "kim@harbour.example")],
        },
        "ticks": list(ticks),
    }


async def play(*ticks: Row) -> Row:
    played = await run_scene(build_scene(*ticks), ticks=len(ticks), modes=MODES)
    found: Row = json.loads(json.dumps(played))
    return found


def list_news(played: Row, tick: int) -> set[tuple[str, str, str]]:
    """Kind, subject and severity of what is new or told in a tick, notes left out."""
    return {
        (row["kind"], row["subject"], row["severity"])
        for run in played["runs"]
        if run["tick"] == tick
        for row in run["findings"]
        if row["severity"] != "info"
    }


PARTNER_GROUP = {
    "Name": "Partner admins",
    "Guid": derive(7, 1),
    "Roles": ["Mail Recipients"],
    "LinkedPartnerOrganizationId": "partner-1",
}


async def test_what_an_intruder_leaves_is_told_by_kind_and_by_name() -> None:
    asks = {"resourceAppId": GRAPH_API, "resourceAccess": [{"id": GIVE_ROLES, "type": "Role"}]}
    migrates = {
        "@odata.type": "#microsoft.graph.crossTenantMigration",
        "inboundAccess": {"isAllowed": True},
    }
    played = await play(
        {},
        {
            "graph": {
                "roleAssignmentScheduleInstances": [build_assignment("backup", "Assigned", None)],
                "deviceRegistrationPolicy": {"multiFactorAuthConfiguration": "notRequired"},
                "crossTenantAccessPolicyPartners": [
                    {"tenantId": PARTNER, "inboundTrust": None, "m365Capabilities": [migrates]}
                ],
                "applications": [
                    {
                        "id": derive(5, 1),
                        "appId": derive(6, 1),
                        "displayName": "Payroll sync",
                        "requiredResourceAccess": [asks],
                    }
                ],
                "directoryAudits": [
                    build_record(1, "Reset user password", "eve", "chief"),
                    build_record(2, "Add user", "eve", "svc"),
                    build_record(3, "Delete user", "eve", "svc"),
                ],
                "signIns": [
                    build_sign_in(1, "eve", "deviceCode"),
                    *(build_sign_in(2 + one, "chief", "none", 500121) for one in range(5)),
                ],
            },
            "exchange": {
                "Get-Mailbox": [
                    build_mailbox(one, HiddenFromAddressListsEnabled=one == "eve") for one in PEOPLE
                ],
                "Get-Recipient": [
                    build_contact("customer", 1, "kim@harbour.example"),
                    build_contact("sales", 2, "x@drop.example", "sales@contoso.com"),
                ],
            },
            "edit": [
                {"op": "add", "path": "/exchange/Get-RoleGroup/-", "value": PARTNER_GROUP},
            ],
        },
    )
    assert list_news(played, 1) == set()
    found = list_news(played, 2)
    assert found >= {
        ("standing-role", "Global Administrator of backup@contoso.com", "high"),
        ("device-registration", "of the tenant", "high"),
        ("partner-capability", PARTNER, "high"),
        ("requested-permission", "Payroll sync", "medium"),
        ("administrator-password-reset", "chief@contoso.com", "high"),
        ("short-lived-account", "eve@contoso.com", "medium"),
        ("device-code-sign-in", "eve@contoso.com", "medium"),
        ("prompt-flood", "chief@contoso.com", "medium"),
        ("hidden-mailbox", "eve@contoso.com", "low"),
        ("leading-recipient", "sales", "medium"),
        ("partner-role-group", "Partner admins", "high"),
    }
    cards = dump_cards(played["cards"])
    for name in ("chief@contoso.com", "Payroll sync", "sales@contoso.com", PARTNER):
        assert name in cards


async def test_what_only_looks_like_it_is_quiet() -> None:
    reads = {
        "resourceAppId": GRAPH_API,
        "resourceAccess": [
            # User.Read.All of an app, and a scope that a user gives.
            {"id": "df021288-bdef-4463-88db-98f22de89214", "type": "Role"},
            {"id": "024d486e-b451-40bb-833d-3e66d98c5c73", "type": "Scope"},
        ],
    }
    played = await play(
        {},
        {
            "graph": {
                # The activation ends, and is made again.
                "roleAssignmentScheduleInstances": [],
                "deviceRegistrationPolicy": {
                    "multiFactorAuthConfiguration": "required",
                    "userDeviceQuota": 20,
                },
                "applications": [
                    {
                        "id": derive(5, 1),
                        "appId": derive(6, 1),
                        "displayName": "Payroll sync",
                        "requiredResourceAccess": [reads],
                    }
                ],
                "directoryAudits": [
                    build_record(1, "Reset user password", "chief", "eve"),
                    build_record(2, "Reset user password", "chief", "chief"),
                    build_record(3, "Invite external user", "chief", "kim"),
                    build_record(4, "Add application", "chief", "app-1"),
                    build_record(5, "Add user", "chief", "starter"),
                ],
                "signIns": [
                    build_sign_in(1, "eve", "none"),
                    build_sign_in(2, "chief", "none", 500121),
                    build_sign_in(3, "chief", "deviceCode", 50199),
                ],
            },
            "exchange": {
                "Get-Mailbox": [
                    build_mailbox(one, HiddenFromAddressListsEnabled=one == "leaver")
                    for one in PEOPLE
                ],
                "Get-Recipient": [
                    build_contact("customer", 1, "kim@harbour.example"),
                    build_contact("supplier", 2, "x@drop.example"),
                    build_contact("branch", 3, "leo@contoso.com"),
                ],
            },
        },
        {
            "graph": {
                "roleAssignmentScheduleInstances": [
                    build_assignment("backup", "Activated", NOW + timedelta(hours=8))
                ]
            }
        },
    )
    for tick in (1, 2, 3):
        assert list_news(played, tick) == set(), tick
    assert all(run["unread"] == 0 for run in played["runs"])


GROUP = derive(8, 1)
POLICY_ID = derive(9, 1)
SERVED_BY = {"State": "Enabled", "Mode": "Enforce", "SetSCL": "-1", "RuleErrorAction": "Ignore"}


def build_policy(**more: Any) -> Row:
    """A Conditional Access policy of a group, with exceptions through another one."""
    conditions = {
        "clientAppTypes": ["all"],
        "signInRiskLevels": ["high"],
        "users": {"includeUsers": [], "includeGroups": ["staff"], "excludeGroups": [GROUP]},
        "applications": {"includeApplications": ["All"]},
    }
    return {
        "id": POLICY_ID,
        "displayName": "Second factor",
        "state": "enabled",
        "conditions": conditions | more.pop("conditions", {}),
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
        **more,
    }


def ask_again(hours: int) -> Row:
    """A session control: sign in again after so many hours."""
    return {"signInFrequency": {"isEnabled": True, "type": "hours", "value": hours}}


def build_methods(reports: str, *certified: str) -> Row:
    """The policy of methods, with the issuers whose certificates are both factors."""
    rules = [
        {"identifier": one, "x509CertificateAuthenticationMode": "x509CertificateMultiFactor"}
        for one in certified
    ]
    certificates = {
        "id": "X509Certificate",
        "state": "enabled",
        "authenticationModeConfiguration": {"rules": rules},
    }
    return {
        "id": "authenticationMethodsPolicy",
        "reportSuspiciousActivitySettings": {"state": reports},
        "authenticationMethodConfigurations": [certificates],
    }


def build_rule(name: str, number: int, **more: Any) -> Row:
    """A mail-flow rule that lets mail skip the filter."""
    return {"Name": name, "Identity": name, "Guid": derive(9, 10 + number), **SERVED_BY, **more}


def build_surroundings(owners: list[str], policy: Row, methods: Row, tag: str, *rules: Row) -> Row:
    """What protects sign-ins and mail, as a tick sets it."""
    return {
        "graph": {
            "groups": [
                {"id": GROUP, "displayName": "Exempt", "members": [], "owners": owners},
            ],
            "conditionalAccessPolicies": [policy],
            "authenticationMethodsPolicy": methods,
        },
        "exchange": {
            "Get-AcceptedDomain": [
                {"Identity": one, "Name": one, "DomainName": one, "DomainType": "Authoritative"}
                for one in ("contoso.com", "contoso.onmicrosoft.com")
            ],
            "Get-MalwareFilterPolicy": [
                {
                    "Identity": "Default",
                    "Guid": derive(9, 2),
                    "Name": "Default",
                    "QuarantineTag": tag,
                }
            ],
            "Get-TransportRule": [*rules],
        },
    }


async def test_what_weakens_sign_ins_and_filters_without_a_switch_is_told() -> None:
    chief, eve = PERSON["chief"], PERSON["eve"]
    override = {"Name": "_Exe:SecOpsOverrid:1", "Guid": derive(9, 3), "Mode": "Enforce"}
    before = build_surroundings(
        [chief],
        build_policy(sessionControls=ask_again(4)),
        build_methods("enabled"),
        "AdminOnlyAccessPolicy",
    )
    after = build_surroundings(
        [chief, eve],
        build_policy(sessionControls={"continuousAccessEvaluation": {"mode": "disabled"}}),
        build_methods("disabled", "CN=Quarry Lane"),
        "DefaultFullAccessPolicy",
        build_rule("Board mail", 1, SenderDomainIs=["contoso.com"]),
    )
    after["exchange"] |= {
        "Get-ExoSecOpsOverrideRule": [override | {"SentTo": ["chief@contoso.com"]}],
        "Get-ArcConfig": [{"Identity": "Default", "ArcTrustedSealers": ["drop.example"]}],
    }
    played = await play(before, after)
    assert list_news(played, 1) == set()
    assert list_news(played, 2) >= {
        ("excluded-group", "Exempt", "high"),
        ("conditional-access-policy", "Second factor", "high"),
        ("authentication-method", "X509Certificate", "high"),
        ("authentication-method", "policy of the tenant", "medium"),
        ("malware-filter-policy", "Default", "medium"),
        ("mail-flow-skip", "Board mail", "high"),
        ("unfiltered-mailbox-rule", "_Exe:SecOpsOverrid:1", "high"),
        ("arc-config", "of the tenant", "medium"),
    }
    cards = dump_cards(played["cards"])
    for words in ("as its owner", "continuous access evaluation", "Quarry Lane", "drop.example"):
        assert words in cards


async def test_what_protects_more_or_nothing_yet_is_quiet() -> None:
    chief = PERSON["chief"]
    before = build_surroundings(
        [chief],
        build_policy(sessionControls=ask_again(4)),
        build_methods("default", "CN=Contoso"),
        "DefaultFullAccessPolicy",
    )
    wider = {
        "users": {"includeGroups": ["staff", "partners"], "excludeGroups": [GROUP]},
        "signInRiskLevels": ["high", "medium"],
    }
    after = build_surroundings(
        [],
        build_policy(sessionControls=ask_again(1), conditions=wider),
        build_methods("enabled"),
        "AdminOnlyAccessPolicy",
        build_rule("Trial", 1, Mode="Audit"),
        build_rule("Last year", 2, ExpiryDate="2020-01-01T00:00:00Z"),
    )
    played = await play(before, after, {})
    for tick in (1, 2, 3):
        assert list_news(played, tick) == set(), tick
    assert all(run["unread"] == 0 for run in played["runs"])
