"""Apps and consent: what is done about an app and what it holds, step by step and in its order."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.guards.app_consent.grants import AppGrant, DelegatedGrantView, ExchangeAppRole
from core.guards.app_consent.remedies import (
    build_app_permission_remedy,
    build_app_remedy,
    build_consent_remedy,
    build_credential_remedy,
    build_delegated_remedy,
    build_exchange_role_remedy,
    build_federated_remedy,
    build_owner_remedy,
    build_registration_remedy,
    build_role_group_remedy,
)
from core.microsoft365.known_apps import MICROSOFT_TENANTS
from core.microsoft365.remedies import NO_COMMAND
from core.model.findings import Shell, Step
from core.tenant.apps import App, AppCredential, AppOwner, AppPermission, FederatedCredential

MICROSOFT = min(MICROSOFT_TENANTS)
APP = App("c1", "a-c1", "Contoso Notes", "0e15e000-0000-4000-8000-000000000001")
GRAPH = App("graph", "00000003-0000-0000-c000-000000000000", "Microsoft Graph", MICROSOFT)
AZURE_CLI = App("c1", "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Azure CLI", MICROSOFT)
SECRET, CERTIFICATE = AppCredential("k1", "secret"), AppCredential("k2", "certificate")
FEDERATED = FederatedCredential("f1", "main", "https://issuer.example", "repo:x/y")
OWNER = AppOwner("o1", "ann@contoso.com")
UNSAFE = "a\nb"
"""What no command can hold."""

BY_TELEPHONE = "by telephone, not by mail: whoever holds a mailbox reads the question too"
UNLESS = "Unless somebody answers for it"
HASH = "bc56b594"
"""What stands for the app in the names of files."""


def save(what: str, kind: str, path: str) -> Step:
    """What Graph shows is saved under a name without foreign text."""
    command = (
        f"Invoke-MgGraphRequest -Method GET -Uri 'v1.0/{path}' "
        f"-OutputFilePath 'evidence-{kind}.json'"
    )
    return Step(f"Save {what}, before anything is changed.", command, Shell.GRAPH)


def find(what: str, operations: str) -> Step:
    """Who did it is looked for in the audit log of Exchange."""
    return Step(
        f"Find out who {what}: the audit log has it, half an hour or more later.",
        "Search-UnifiedAuditLog -StartDate (Get-Date).AddDays(-90) -EndDate (Get-Date) -Operations "
        f"{operations} -ResultSize 5000",
        Shell.EXCHANGE,
    )


def ask(whom: str, what: str = "") -> Step:
    return Step(f"Ask {whom}, {BY_TELEPHONE}.{what}")


SAVED = save("the app Contoso Notes", f"app-{HASH}", "servicePrincipals/c1")
SAVED_GRANTS = save(
    "what the app Contoso Notes was given",
    f"app-oauth2permissiongrants-{HASH}",
    "servicePrincipals/c1/oauth2PermissionGrants",
)
SAVED_REGISTRATION = Step(
    "Save the registration of Contoso Notes, before anything is changed.",
    "Get-MgApplicationByAppId -AppId 'a-c1' | Export-Clixml -Depth 6 -NoClobber -Path "
    f"'evidence-app-registration-{HASH}.xml'",
    Shell.GRAPH,
)
STOPPED = Step(
    "Unless somebody answers for it: stop the app. It stays there, with all it was given; tokens "
    "it has last up to an hour or, in places, a day.",
    "Update-MgServicePrincipal -ServicePrincipalId 'c1' -AccountEnabled:$false",
    Shell.GRAPH,
)
AROUND = Step(
    "Look at the other cases of the app Contoso Notes.", "exo cases --about 'a-c1'", Shell.EXO
)
SIGN_INS = Step(
    "Look at who signed in to it in the last month, and save it.",
    "Get-MgAuditLogSignIn -All -Filter \"appId eq 'a-c1'\" | Export-Clixml -Depth 6 -NoClobber "
    f"-Path 'evidence-app-sign-ins-{HASH}.xml'",
    Shell.GRAPH,
)
ADDED = find(
    "added it",
    "'Add service principal credentials.',"
    "'Update application \u2013 Certificates and secrets management '",
)


def take_grant(consent: str) -> Step:
    return Step(
        "Take the grant away, by its ids.",
        "Get-MgServicePrincipalOauth2PermissionGrant -ServicePrincipalId 'c1' -All | "
        "Where-Object { $_.ResourceId -eq 'graph' -and $_.ConsentType -eq "
        f"'{consent}' }} | ForEach-Object {{ Remove-MgOauth2PermissionGrant "
        "-OAuth2PermissionGrantId $_.Id }",
        Shell.GRAPH,
    )


@pytest.mark.parametrize(
    ("everyone", "consent", "whom"),
    [
        (False, "Principal", "those who agreed"),
        (True, "AllPrincipals", "whoever agreed to it for everybody"),
    ],
)
def test_an_app_is_stopped_before_what_it_was_granted_is_taken_away(
    everyone: bool, consent: str, whom: str
) -> None:
    agreed = find("agreed to it", "'Consent to application.','Add delegated permission grant.'")
    assert build_delegated_remedy(APP, DelegatedGrantView(GRAPH, everyone, {})) == (
        *(SAVED_GRANTS, agreed, ask(whom)),
        *(STOPPED, take_grant(consent)),
        *(AROUND, SIGN_INS),
    )


def test_a_tool_of_microsofts_is_not_stopped_for_what_it_was_granted() -> None:
    steps = build_delegated_remedy(AZURE_CLI, DelegatedGrantView(GRAPH, True, {}))
    assert take_grant("AllPrincipals") in steps
    assert len(steps) == 6
    assert not [one for one in steps if "stop the app" in one.text]


@pytest.mark.parametrize(("app", "api"), [(UNSAFE, "graph"), ("c1", UNSAFE)])
def test_a_grant_that_no_command_can_name_is_taken_away_in_the_admin_center(
    app: str, api: str
) -> None:
    view = DelegatedGrantView(replace(GRAPH, id=api), True, {})
    steps = build_delegated_remedy(replace(APP, id=app), view)
    assert Step(f"Take the grant away, by its ids. {NO_COMMAND}") in steps


def test_a_permission_is_taken_away_by_its_id_behind_the_app() -> None:
    given = AppGrant(GRAPH, AppPermission("x1", "c1", "graph", "r1", "Mail.Read"))
    assert build_app_permission_remedy(APP, given) == (
        save(
            "what the app Contoso Notes was given",
            f"app-approleassignments-{HASH}",
            "servicePrincipals/c1/appRoleAssignments",
        ),
        find(
            "gave it",
            "'Add app role assignment to service principal.','Consent to application.'",
        ),
        ask("whoever gave it"),
        STOPPED,
        Step(
            "Take the permission away, by its id.",
            "Remove-MgServicePrincipalAppRoleAssignedTo -ServicePrincipalId 'graph' "
            "-AppRoleAssignmentId 'x1'",
            Shell.GRAPH,
        ),
        AROUND,
    )


def test_an_app_that_nobody_knows_is_stopped_after_its_people_were_asked() -> None:
    assert build_app_remedy(APP) == (
        *(SAVED, SAVED_GRANTS),
        ask("those who agreed to it", " Whoever does not know it may be taken over."),
        replace(
            STOPPED,
            text=STOPPED.text.replace("somebody answers for it", "everybody knows it"),
        ),
        *(AROUND, SIGN_INS),
    )


@pytest.mark.parametrize(
    ("credential", "which", "command"),
    [
        (SECRET, "it", "Remove-MgServicePrincipalPassword -ServicePrincipalId 'c1' -KeyId 'k1'"),
        (
            CERTIFICATE,
            "all its certificates",
            "Update-MgServicePrincipal -ServicePrincipalId 'c1' -KeyCredentials @()",
        ),
    ],
)
def test_a_secret_goes_by_its_id_and_certificates_go_together(
    credential: AppCredential, which: str, command: str
) -> None:
    assert build_credential_remedy(APP, credential) == (
        *(SAVED, ADDED, ask("whoever added it")),
        Step(f"{UNLESS}: take {which} away.", command, Shell.GRAPH),
        *(AROUND, SIGN_INS),
    )


@pytest.mark.parametrize(
    ("credential", "which", "action"),
    [
        (SECRET, "it", "Remove-MgApplicationPassword -ApplicationId $_.Id -KeyId 'k1'"),
        (
            CERTIFICATE,
            "all its certificates",
            "Update-MgApplication -ApplicationId $_.Id -KeyCredentials @()",
        ),
    ],
)
def test_a_credential_of_a_registration_is_taken_away_there(
    credential: AppCredential, which: str, action: str
) -> None:
    assert build_registration_remedy(APP, credential) == (
        *(SAVED_REGISTRATION, ADDED, ask("whoever added it, and where it is kept")),
        Step(
            f"{UNLESS}: take {which} away.",
            f"Get-MgApplicationByAppId -AppId 'a-c1' | ForEach-Object {{ {action} }}",
            Shell.GRAPH,
        ),
        *(AROUND, SIGN_INS),
    )


def test_a_provider_is_taken_away_by_the_id_of_its_credential() -> None:
    assert build_federated_remedy(APP, FEDERATED) == (
        SAVED_REGISTRATION,
        ADDED,
        ask("whoever added it, and whose that repository or account is"),
        Step(
            f"{UNLESS}: take it away, by its id.",
            "Get-MgApplicationByAppId -AppId 'a-c1' | ForEach-Object { "
            "Remove-MgApplicationFederatedIdentityCredential -ApplicationId $_.Id "
            "-FederatedIdentityCredentialId 'f1' }",
            Shell.GRAPH,
        ),
        *(AROUND, SIGN_INS),
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda: build_registration_remedy(APP, replace(SECRET, id=UNSAFE)),
        lambda: build_registration_remedy(replace(APP, app_id=UNSAFE), SECRET),
        lambda: build_federated_remedy(APP, replace(FEDERATED, id=UNSAFE)),
        lambda: build_federated_remedy(replace(APP, app_id=UNSAFE), FEDERATED),
        lambda: build_credential_remedy(APP, replace(SECRET, id=UNSAFE)),
    ],
)
def test_a_credential_that_no_command_can_name_is_taken_away_in_the_admin_center(
    build: Callable[[], tuple[Step, ...]],
) -> None:
    (taken,) = [one for one in build() if one.text.startswith(UNLESS)]
    assert taken.text.endswith(NO_COMMAND)
    assert taken.command == ""


def test_an_app_without_a_plain_client_id_is_looked_for_by_its_own() -> None:
    app = replace(APP, app_id="a b")
    *_, around, sign_ins = build_app_remedy(app)
    assert around.command == "exo cases --about 'c1'"
    assert sign_ins == Step(f"{SIGN_INS.text} {NO_COMMAND}")


def test_an_owner_is_taken_from_the_registration_by_its_id() -> None:
    assert build_owner_remedy(APP, "r1", OWNER, "Ann") == (
        SAVED_REGISTRATION,
        find("made Ann an owner", "'Add owner to application.'"),
        ask("whoever made Ann an owner", " Look at the secrets the app got since."),
        Step(
            f"{UNLESS}: take Ann from its owners.",
            "Invoke-MgGraphRequest -Method DELETE -Uri 'v1.0/applications/r1/owners/o1/$ref'",
            Shell.GRAPH,
        ),
        Step("Look at the other cases of Ann.", "exo cases --about 'ann@contoso.com'", Shell.EXO),
        AROUND,
    )
    *_, person, _ = build_owner_remedy(APP, "r1", replace(OWNER, name="Ann B"), "Ann")
    assert person.command == "exo cases --about 'o1'"


def test_a_role_of_exchange_is_taken_away_by_its_assignment() -> None:
    role = ExchangeAppRole(APP, "Application Mail.Read", "A-1")
    assert build_exchange_role_remedy(role) == (
        Step(
            "Save the role assignment, before anything is changed.",
            "Get-ManagementRoleAssignment -Identity 'A-1' | Export-Clixml -Depth 4 -NoClobber "
            "-Path 'evidence-exchange-role-549bdeb3.xml'",
            Shell.EXCHANGE,
        ),
        find("gave it", "'New-ManagementRoleAssignment'"),
        ask("whoever gave it", " An app that needs some mailboxes gets the role with a scope."),
        Step(
            f"{UNLESS}: take the role away.",
            "Remove-ManagementRoleAssignment -Identity 'A-1' -Confirm:$false",
            Shell.EXCHANGE,
        ),
        AROUND,
    )


def test_an_app_is_taken_out_of_a_role_group_or_of_the_group_that_has_it() -> None:
    assert build_role_group_remedy(APP, "Bots") == (
        Step(
            "Save who is in the group, before anything is changed.",
            "Get-RoleGroupMember -Identity 'Bots' | Export-Clixml -Depth 4 -NoClobber "
            "-Path 'evidence-exchange-role-group-2e07ec90.xml'",
            Shell.EXCHANGE,
        ),
        find("put it in", "'Add-RoleGroupMember','Update-RoleGroupMember'"),
        ask("whoever put it in"),
        Step(
            f"{UNLESS}: take the app out of the group. Where that does not find it, a group that "
            "is a member has it: take it out of that.",
            "Remove-RoleGroupMember -Identity 'Bots' -Member 'c1' -Confirm:$false",
            Shell.EXCHANGE,
        ),
        AROUND,
    )


@pytest.mark.parametrize(
    ("command", "done"),
    [
        ("", Step("Switch it off.")),
        ("Update-X", Step("Switch it off.", "Update-X", Shell.GRAPH)),
    ],
)
def test_the_policy_about_consent_is_saved_before_it_is_changed(command: str, done: Step) -> None:
    assert build_consent_remedy("Switch it off.", command) == (
        save(
            "the policy about consent",
            "authorization-policy-21831481",
            "policies/authorizationPolicy",
        ),
        find("changed it", "'Update authorization policy.'"),
        ask("whoever changed it"),
        done,
        Step(
            "Look at the other cases of what users may agree to.",
            "exo cases --about 'authorization-policy'",
            Shell.EXO,
        ),
    )
