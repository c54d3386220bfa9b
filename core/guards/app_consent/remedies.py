"""What an operator does about apps, step by step. Pure."""

from core.guards.app_consent.grants import AppGrant, DelegatedGrantView, ExchangeAppRole
from core.guards.app_consent.texts import format_app_name
from core.microsoft365.known_apps import is_public_client
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.remedies import (
    PLAIN_WORD,
    ask,
    build_command,
    build_graph_request,
    find_actor,
    look_around,
    make_exchange_step,
    make_graph_step,
    name_evidence,
    save_from_exchange,
    save_from_graph,
    stop_app,
)
from core.model.findings import Step
from core.tenant.apps import App, AppCredential, AppOwner, FederatedCredential

UNLESS = "somebody answers for it"


def save_app(app: App, *relation: str) -> Step:
    """Save an app, or one relation of it."""
    what = f"the app {format_app_name(app)}"
    if relation:
        what = f"what {what} was given"
    kind = "-".join(("app", *relation)).lower()
    return save_from_graph(what, kind, app.id, "servicePrincipals", app.id, *relation)


def look_around_app(app: App) -> Step:
    """The other cases about an app."""
    return look_around(f"the app {format_app_name(app)}", app.app_id, app.id)


def read_app_sign_ins(app: App) -> Step:
    """Who signed in to an app, and from where."""
    return make_graph_step(
        "Look at who signed in to it in the last month, and save it.",
        f'Get-MgAuditLogSignIn -All -Filter "appId eq {quote_literal(app.app_id)}" | '
        f"Export-Clixml -Depth 6 -NoClobber -Path '{name_evidence('app-sign-ins', app.id)}.xml'"
        if PLAIN_WORD.fullmatch(app.app_id)
        else "",
    )


def build_delegated_remedy(app: App, grant: DelegatedGrantView) -> tuple[Step, ...]:
    """The steps about what an app may do in the name of people."""
    consent = "AllPrincipals" if grant.all_principals else "Principal"
    can_quote = can_be_quoted(app.id) and can_be_quoted(grant.api.id)
    take_away = make_graph_step(
        "Take the grant away, by its ids.",
        "Get-MgServicePrincipalOauth2PermissionGrant -ServicePrincipalId "
        f"{quote_literal(app.id)} -All | "
        f"Where-Object {{ $_.ResourceId -eq {quote_literal(grant.api.id)} -and "
        f"$_.ConsentType -eq '{consent}' }} | "
        "ForEach-Object { Remove-MgOauth2PermissionGrant -OAuth2PermissionGrantId $_.Id }"
        if can_quote
        else "",
    )
    whom = "whoever agreed to it for everybody" if grant.all_principals else "those who agreed"
    start = (
        save_app(app, "oauth2PermissionGrants"),
        find_actor("agreed to it", "Consent to application.", "Add delegated permission grant."),
        ask(whom),
    )
    if is_public_client(app):
        # The tool is Microsoft's: without the grant, whoever needs it agrees for themselves.
        return (*start, take_away, look_around_app(app), read_app_sign_ins(app))
    return (
        *start,
        stop_app(app.id, UNLESS),
        take_away,
        look_around_app(app),
        read_app_sign_ins(app),
    )


def build_app_permission_remedy(app: App, given: AppGrant) -> tuple[Step, ...]:
    """The steps about what an app may do without anybody signed in."""
    return (
        save_app(app, "appRoleAssignments"),
        find_actor(
            "gave it", "Add app role assignment to service principal.", "Consent to application."
        ),
        ask("whoever gave it"),
        stop_app(app.id, UNLESS),
        make_graph_step(
            "Take the permission away, by its id.",
            build_command(
                "Remove-MgServicePrincipalAppRoleAssignedTo",
                ServicePrincipalId=given.api.id,
                AppRoleAssignmentId=given.permission.id,
            ),
        ),
        look_around_app(app),
    )


def build_app_remedy(app: App) -> tuple[Step, ...]:
    """The steps about an app as a whole."""
    return (
        save_app(app),
        save_app(app, "oauth2PermissionGrants"),
        ask("those who agreed to it", "Whoever does not know it may be taken over."),
        stop_app(app.id, "everybody knows it"),
        look_around_app(app),
        read_app_sign_ins(app),
    )


def build_credential_remedy(app: App, credential: AppCredential) -> tuple[Step, ...]:
    """The steps about a credential on the service principal."""
    remove = (
        build_command(
            "Remove-MgServicePrincipalPassword", ServicePrincipalId=app.id, KeyId=credential.id
        )
        if credential.kind == "secret"
        else build_command(
            "Update-MgServicePrincipal", "-KeyCredentials @()", ServicePrincipalId=app.id
        )
    )
    which = "it" if credential.kind == "secret" else "all its certificates"
    return (
        save_app(app),
        find_actor("added it", *CREDENTIAL_ACTS),
        ask("whoever added it"),
        make_graph_step(f"Unless {UNLESS}: take {which} away.", remove),
        look_around_app(app),
        read_app_sign_ins(app),
    )


CREDENTIAL_ACTS = (
    "Add service principal credentials.",
    "Update application \u2013 Certificates and secrets management ",
)


def save_registration(app: App) -> Step:
    """Save the registration of an app with its credentials, whose secrets nobody can read."""
    return make_graph_step(
        f"Save the registration of {format_app_name(app)}, before anything is changed.",
        build_command(
            "Get-MgApplicationByAppId",
            "| Export-Clixml -Depth 6 -NoClobber -Path "
            f"'{name_evidence('app-registration', app.id)}.xml'",
            AppId=app.app_id,
        ),
    )


def build_registration_step(app: App, text: str, action: str, *foreign: str) -> Step:
    """Do something to the registration of an app, which is found by the app's id."""
    can_quote = all(map(can_be_quoted, (app.app_id, *foreign)))
    found = f"Get-MgApplicationByAppId -AppId {quote_literal(app.app_id)}"
    return make_graph_step(text, f"{found} | ForEach-Object {{ {action} }}" if can_quote else "")


def build_registration_remedy(app: App, credential: AppCredential) -> tuple[Step, ...]:
    """The steps about a credential of a registration."""
    is_secret = credential.kind == "secret"
    action = (
        f"Remove-MgApplicationPassword -ApplicationId $_.Id -KeyId {quote_literal(credential.id)}"
        if is_secret
        else "Update-MgApplication -ApplicationId $_.Id -KeyCredentials @()"
    )
    which = "it" if is_secret else "all its certificates"
    return (
        save_registration(app),
        find_actor("added it", *CREDENTIAL_ACTS),
        ask("whoever added it, and where it is kept"),
        build_registration_step(app, f"Unless {UNLESS}: take {which} away.", action, credential.id),
        look_around_app(app),
        read_app_sign_ins(app),
    )


def build_federated_remedy(app: App, credential: FederatedCredential) -> tuple[Step, ...]:
    """The steps about a provider whose word counts for an app."""
    return (
        save_registration(app),
        find_actor("added it", *CREDENTIAL_ACTS),
        ask("whoever added it, and whose that repository or account is"),
        build_registration_step(
            app,
            f"Unless {UNLESS}: take it away, by its id.",
            "Remove-MgApplicationFederatedIdentityCredential -ApplicationId $_.Id "
            f"-FederatedIdentityCredentialId {quote_literal(credential.id)}",
            credential.id,
        ),
        look_around_app(app),
        read_app_sign_ins(app),
    )


def build_owner_remedy(
    app: App, application_id: str, owner: AppOwner, name: str
) -> tuple[Step, ...]:
    """The steps about an owner of a powerful app. `name` is quoted."""
    return (
        save_registration(app),
        find_actor(f"made {name} an owner", "Add owner to application."),
        ask(f"whoever made {name} an owner", "Look at the secrets the app got since."),
        make_graph_step(
            f"Unless {UNLESS}: take {name} from its owners.",
            build_graph_request(
                "DELETE", "", "applications", application_id, "owners", owner.id, "$ref"
            ),
        ),
        look_around(name, owner.name, owner.id),
        look_around_app(app),
    )


def build_exchange_role_remedy(item: ExchangeAppRole) -> tuple[Step, ...]:
    """The steps about a role that Exchange gives an app."""
    return (
        save_from_exchange(
            "the role assignment",
            "exchange-role",
            item.assignment,
            build_command("Get-ManagementRoleAssignment", Identity=item.assignment),
        ),
        find_actor("gave it", "New-ManagementRoleAssignment"),
        ask("whoever gave it", "An app that needs some mailboxes gets the role with a scope."),
        make_exchange_step(
            f"Unless {UNLESS}: take the role away.",
            build_command(
                "Remove-ManagementRoleAssignment", "-Confirm:$false", Identity=item.assignment
            ),
        ),
        look_around_app(item.app),
    )


def build_role_group_remedy(app: App, group: str) -> tuple[Step, ...]:
    """The steps about an app in a role group of Exchange."""
    return (
        save_from_exchange(
            "who is in the group",
            "exchange-role-group",
            group,
            build_command("Get-RoleGroupMember", Identity=group),
        ),
        find_actor("put it in", "Add-RoleGroupMember", "Update-RoleGroupMember"),
        ask("whoever put it in"),
        make_exchange_step(
            f"Unless {UNLESS}: take the app out of the group. Where that does not find it, a group "
            "that is a member has it: take it out of that.",
            build_command(
                "Remove-RoleGroupMember", "-Confirm:$false", Identity=group, Member=app.id
            ),
        ),
        look_around_app(app),
    )


def build_consent_remedy(text: str, command: str = "") -> tuple[Step, ...]:
    """The steps about what users may let apps into."""
    return (
        save_from_graph(
            "the policy about consent",
            "authorization-policy",
            "authorization-policy",
            *("policies", "authorizationPolicy"),
        ),
        find_actor("changed it", "Update authorization policy."),
        ask("whoever changed it"),
        make_graph_step(text, command) if command else Step(text),
        look_around("what users may agree to", "authorization-policy"),
    )
