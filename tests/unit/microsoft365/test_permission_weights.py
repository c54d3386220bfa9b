"""What permissions are worth: published ones by the file, new ones by their names."""

import csv
import re
from itertools import product
from pathlib import Path

import pytest

from core.microsoft365.permission_rules import PermissionKind, PermissionRisk, match_rule
from core.microsoft365.permission_weights import (
    EXCHANGE_API,
    GRAPH_API,
    MICROSOFT_APIS,
    SHAREPOINT_API,
    WEIGHTS_FILE,
    find_role_name,
    read_published_permissions,
    weigh_microsoft_permission,
    weigh_permission,
    weigh_unnamed_role,
)
from core.tenant.apps import App
from tests.support.guard_tenants import GRAPH
from tools.permission_weights import format_weights, main

ROLE, SCOPE = PermissionKind.ROLE, PermissionKind.SCOPE
OWN_API = App("api", "a1", "Payroll API", is_home_tenant=True)
OTHERS_API = App("o1", "o1", "Orders API", "0e15e000-0000-4000-8000-000000000009")
NEW_API = App("n1", "n1", "A new API", "f8cdef31-a31e-4b4a-93e4-5f571e91255a")
GRAPH_OF_NOBODY = App("g1", GRAPH_API, "Microsoft Graph")
AAD_GRAPH, DEFENDER = (
    "00000002-0000-0000-c000-000000000000",
    "fc780465-2017-40d4-a0c5-307022471b92",
)
INTUNE, RIGHTS = (
    "c161e42e-d4df-4a3d-9b42-e7a3c31f59d4",
    "00000012-0000-0000-c000-000000000000",
)


def weigh(name: str, kind: PermissionKind, api: str = GRAPH_API) -> PermissionRisk:
    return weigh_microsoft_permission(api, name, kind).risk


def test_the_file_is_what_the_rules_say() -> None:
    assert WEIGHTS_FILE.read_text(encoding="utf-8") == format_weights(read_published_permissions())


def test_every_api_of_the_file_is_one_whose_roles_are_read() -> None:
    found = list(read_published_permissions())
    assert {one.api for one in found} == set(MICROSOFT_APIS)
    assert len({one.name for one in found if one.api == GRAPH_API}) > 1_200
    assert len({(one.api, one.kind, one.id, one.name) for one in found}) == len(found)


def test_a_new_list_of_graph_adds_what_is_new(tmp_path: Path) -> None:
    kept = tmp_path / "weights.csv"
    kept.write_text(WEIGHTS_FILE.read_text(encoding="utf-8"), encoding="utf-8")
    more = tmp_path / "graph.csv"
    more.write_text("name,kind,id\nMail-Next.ReadWrite.All,role,AB-1\n", encoding="utf-8")
    main([str(more)], kept)
    with kept.open(encoding="utf-8", newline="") as lines:
        (row,) = (one for one in csv.DictReader(lines) if one["id"] == "ab-1")
    assert (row["name"], row["risk"]) == ("Mail-Next.ReadWrite.All", "sensitive")


@pytest.mark.parametrize(
    ("name", "worth"),
    [
        ("Mail.ReadBasic", PermissionRisk.SENSITIVE),
        ("mail.send", PermissionRisk.SENSITIVE),
        ("MailboxSettings.ReadWrite", PermissionRisk.SENSITIVE),
        ("Files.Read.All", PermissionRisk.SENSITIVE),
        ("EWS.AccessAsUser.All", PermissionRisk.SENSITIVE),
        ("IMAP.AccessAsUser.All", PermissionRisk.SENSITIVE),
        ("Sites.ReadWrite.All", PermissionRisk.SENSITIVE),
        ("Sites.FullControl.All", PermissionRisk.TENANT_WIDE),
        ("Directory.ReadWrite.All", PermissionRisk.TENANT_WIDE),
        ("Application.ReadWrite.All", PermissionRisk.TENANT_WIDE),
        ("AppRoleAssignment.ReadWrite.All", PermissionRisk.TENANT_WIDE),
        ("Notes.Read", PermissionRisk.SENSITIVE),
        ("Notes.Create", PermissionRisk.ORDINARY),
        ("ShortNotes.Read", PermissionRisk.SENSITIVE),
        ("ConsentRequest.ReadApprove.All", PermissionRisk.TENANT_WIDE),
        ("EntraBackup.ReadWrite.Recovery", PermissionRisk.TENANT_WIDE),
        ("TeamsAppInstallation.ReadWriteAndConsentForTeam", PermissionRisk.BROAD),
        ("Device.DisableAccount.All", PermissionRisk.BROAD),
        ("Sites.Selected", PermissionRisk.ORDINARY),
        ("Files.ReadWrite.AppFolder", PermissionRisk.ORDINARY),
        ("Calendars.Read", PermissionRisk.ORDINARY),
        ("Calendars.ReadWrite.Shared", PermissionRisk.BROAD),
        ("User.Read.All", PermissionRisk.ORDINARY),
        ("User.Read", PermissionRisk.SIGN_IN),
        ("UserAuthenticationMethod.ReadWrite", PermissionRisk.SENSITIVE),
        ("UserAuthMethod-Passkey.ReadWrite.All", PermissionRisk.TENANT_WIDE),
    ],
)
def test_each_delegated_scope_has_its_weight(name: str, worth: PermissionRisk) -> None:
    assert weigh(name, SCOPE) is worth


@pytest.mark.parametrize(
    ("api", "name", "worth"),
    [
        (GRAPH_API, "Calendars.Read", PermissionRisk.BROAD),
        (GRAPH_API, "Contacts.ReadWrite", PermissionRisk.SENSITIVE),
        (GRAPH_API, "Directory.Read.All", PermissionRisk.BROAD),
        (GRAPH_API, "Group.ReadWriteBasic.All", PermissionRisk.BROAD),
        (GRAPH_API, "Calls.Initiate.All", PermissionRisk.BROAD),
        (GRAPH_API, "CallRecords.Read.All", PermissionRisk.BROAD),
        (GRAPH_API, "EngagementConversation.Read.All", PermissionRisk.SENSITIVE),
        (GRAPH_API, "ExternalItem.Read.All", PermissionRisk.SENSITIVE),
        (GRAPH_API, "ExternalItem.Read.OwnedBy", PermissionRisk.ORDINARY),
        (GRAPH_API, "FormsResponse.Read.All", PermissionRisk.SENSITIVE),
        (GRAPH_API, "Reports.Read.All", PermissionRisk.ORDINARY),
        (GRAPH_API, "Place.Read.All", PermissionRisk.ORDINARY),
        (EXCHANGE_API, "full_access_as_app", PermissionRisk.TENANT_WIDE),
        (EXCHANGE_API, "Exchange.ManageAsAppV2", PermissionRisk.TENANT_WIDE),
        (EXCHANGE_API, "IMAP.AccessAsApp", PermissionRisk.SENSITIVE),
        (EXCHANGE_API, "Mailbox.Migration", PermissionRisk.SENSITIVE),
        (SHAREPOINT_API, "Sites.FullControl.All", PermissionRisk.TENANT_WIDE),
        (SHAREPOINT_API, "User.ReadWrite.All", PermissionRisk.TENANT_WIDE),
        (AAD_GRAPH, "Directory.ReadWrite.All", PermissionRisk.TENANT_WIDE),
        (DEFENDER, "Machine.LiveResponse", PermissionRisk.SENSITIVE),
        (DEFENDER, "Score.Read.All", PermissionRisk.ORDINARY),
        (INTUNE, "pfx_cert_provider", PermissionRisk.SENSITIVE),
        (RIGHTS, "Content.SuperUser", PermissionRisk.TENANT_WIDE),
    ],
)
def test_each_app_role_has_its_weight(api: str, name: str, worth: PermissionRisk) -> None:
    assert weigh(name, ROLE, api) is worth


# Permissions that other tools rate high.
@pytest.mark.parametrize(
    "name",
    [
        "AdministrativeUnit.ReadWrite.All",
        "EntitlementManagement.ReadWrite.All",
        "User.EnableDisableAccount.All",
        "User.DeleteRestore.All",
        "CustomSecAttributeAssignment.ReadWrite.All",
        "CustomSecAttributeAssignment.Read.All",
        "DeviceManagementConfiguration.ReadWrite.All",
        "DeviceManagementRBAC.ReadWrite.All",
        "SecurityIncident.ReadWrite.All",
        "SecurityIncident.Read.All",
        "IdentityRiskyUser.ReadWrite.All",
        "Calls.AccessMedia.All",
        "SharePointTenantSettings.ReadWrite.All",
        "Contacts.ReadWrite",
        "DeviceManagementScripts.ReadWrite.All",
        "BitlockerKey.Read.All",
        "eDiscovery.Read.All",
        "ThreatHunting.Read.All",
        "Synchronization.ReadWrite.All",
        "Device.ReadWrite.All",
        "CallRecordings.Read.All",
        "AiEnterpriseInteraction.Read.All",
        "Bookings.Manage.All",
        "LifecycleWorkflows.ReadWrite.All",
        "NetworkAccess.ReadWrite.All",
        "ConsentRequest.ReadWrite.All",
    ],
)
def test_what_peers_rate_high_is_grave_in_an_apps_own_name(name: str) -> None:
    assert weigh(name, ROLE) >= PermissionRisk.SENSITIVE


@pytest.mark.parametrize(
    "name",
    [
        "UserAuthMethod-TAP.ReadWrite.All",
        "UserAuthMethod-Password.ReadWrite.All",
        "UserAuthMethod-QR.ReadWrite.All",
        "User-PasswordProfile.ReadWrite.All",
        "User.ManageIdentities.All",
        "RoleManagementPolicy.ReadWrite.AzureADGroup",
        "RoleManagement.ReadWrite.Exchange",
        "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
        "DelegatedAdminRelationship.ReadWrite.All",
        "Policy.ReadWrite.ConditionalAccess",
        "PublicKeyInfrastructure.ReadWrite.All",
        "Domain.ReadWrite.All",
        "Domain-InternalFederation.ReadWrite.All",
        "SignInIdentifier.ReadWrite.All",
    ],
)
def test_what_takes_over_accounts_or_roles_is_the_gravest(name: str) -> None:
    assert weigh(name, ROLE) is PermissionRisk.TENANT_WIDE


@pytest.mark.parametrize(
    "name",
    [
        "Anything.ReadWrite.All",
        "Novelty-Thing.ReadWrite.Owned",
        "Novelty.Read.All",
        "full_access",
        "full_access_to_everything",
        "Orders.Manage.All",
        "AccessAsApp",
        "Orders.Write",
    ],
)
def test_a_new_name_that_sounds_broad_is_never_below_that(name: str) -> None:
    apis = (GRAPH_API, EXCHANGE_API, "an-api-that-is-not-listed")
    for api, kind in product(apis, (ROLE, SCOPE)):
        weight = weigh_microsoft_permission(api, name, kind)
        assert weight.risk >= PermissionRisk.BROAD, (api, kind)
        assert not weight.is_published, (api, kind)


def test_a_new_name_is_weighed_by_what_it_is_about() -> None:
    assert weigh("UserAuthMethod-Novelty.ReadWrite.All", ROLE) is PermissionRisk.TENANT_WIDE
    assert weigh("Mail-Novelty.Read", SCOPE) is PermissionRisk.SENSITIVE
    assert weigh("Mailman.Read", SCOPE) is PermissionRisk.ORDINARY


def test_names_are_compared_without_case_and_by_api() -> None:
    assert weigh("mail.READ", SCOPE) is PermissionRisk.SENSITIVE
    assert weigh_microsoft_permission(GRAPH_API, "MAIL.Read", SCOPE).is_published
    assert not weigh_microsoft_permission(INTUNE, "Mail.Read", SCOPE).is_published


def test_anybodys_own_api_may_have_a_scope_that_is_called_like_one_of_microsofts() -> None:
    assert weigh_permission("Mail.Read", SCOPE, OWN_API).risk is PermissionRisk.ORDINARY
    assert weigh_permission("openid", SCOPE, OWN_API).risk is PermissionRisk.ORDINARY
    assert weigh_permission("openid", SCOPE, OWN_API).concerns == "an API of this tenant's own"
    assert weigh_permission("x", SCOPE, OTHERS_API).concerns == "an API that is not Microsoft's"
    assert weigh_permission("Mail.Read", SCOPE, GRAPH).risk is PermissionRisk.SENSITIVE


@pytest.mark.parametrize(
    ("api", "name", "worth"),
    [
        (OTHERS_API, "Orders.ReadWrite.All", PermissionRisk.BROAD),
        (OTHERS_API, "full_access", PermissionRisk.BROAD),
        (OTHERS_API, "Orders.Read", PermissionRisk.ORDINARY),
        (OTHERS_API, "", PermissionRisk.BROAD),
        (OWN_API, "Orders.ReadWrite.All", PermissionRisk.ORDINARY),
        (OWN_API, "", PermissionRisk.ORDINARY),
        (NEW_API, "Novelty.ReadWrite.All", PermissionRisk.BROAD),
        (NEW_API, "Mail.ReadWrite", PermissionRisk.SENSITIVE),
        (NEW_API, "", PermissionRisk.SENSITIVE),
        (GRAPH_OF_NOBODY, "Mail.ReadWrite", PermissionRisk.SENSITIVE),
        (GRAPH_OF_NOBODY, "", PermissionRisk.SENSITIVE),
    ],
)
def test_a_role_of_an_api_that_no_list_has_is_weighed_by_whose_it_is(
    api: App, name: str, worth: PermissionRisk
) -> None:
    weight = weigh_permission(name, ROLE, api) if name else weigh_unnamed_role(api)
    assert weight.risk is worth


def test_a_role_is_named_by_its_published_id() -> None:
    assert find_role_name(GRAPH_API, "e2a3a72e-5f79-4c64-b1b1-878b674786c9") == "Mail.ReadWrite"
    assert find_role_name(GRAPH_API, "r1") == ""
    assert find_role_name(GRAPH_API, "") == "", "there are roles of which no id is published"
    assert find_role_name(GRAPH_API, "570282fd-fa5c-430d-a7fd-fc8dc98a9dca") == "", "a scope"
    assert find_role_name(INTUNE, "e2a3a72e-5f79-4c64-b1b1-878b674786c9") == ""


def test_the_last_rule_matches_whatever_is_left() -> None:
    for name in ("", "x", "ünïcode.Read", "a.b" * 500, "a\nb"):
        assert match_rule(name, SCOPE).risk is PermissionRisk.ORDINARY


def test_no_published_role_that_changes_what_is_everybodys_is_ordinary() -> None:
    verb = re.compile(r"(?i)(?:readwrite|readupdate|manage|enable|disable|delete|remove)\w*")
    narrow = ("AppFolder", "CreatedByApp", "Selected")
    ordinary = [
        one.name
        for one in read_published_permissions()
        if one.kind is ROLE and one.weight.risk <= PermissionRisk.ORDINARY
    ]
    assert len(ordinary) > 100
    changing = [one for one in ordinary if any(map(verb.fullmatch, one.split(".")[1:]))]
    assert [one for one in changing if not one.endswith(narrow)] == []
