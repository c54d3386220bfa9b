"""What the guard of apps and consent says of one app and another."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.guards.app_consent.grants import (
    ACCESS_POLICIES,
    ASSIGNMENTS,
    EXCHANGE_PRINCIPALS,
    AccessPolicy,
    AppGrant,
    ConsentedApp,
    ConsentItem,
    DelegatedGrantView,
    ExchangeAppRole,
    GroupRole,
    RoleGroupMembership,
)
from core.guards.app_consent.guard import GUARD
from core.guards.app_consent.judge import judge
from core.microsoft365.known_apps import PUBLIC_CLIENTS, load_abused_apps
from core.microsoft365.permission_weights import EXCHANGE_API
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.apps import (
    App,
    AppCredential,
    AppOwner,
    AppPermission,
    AppRegistration,
    FederatedCredential,
)
from core.tenant.configuration import Configuration
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    FOR_SELF,
    GRAPH,
    HOME_APP,
    MICROSOFT_SERVICES_TENANT,
    UNVERIFIED_APP,
    VERIFIED_APP,
    build_consent_policy,
    build_delegated_grant,
)
from tests.support.sentences import NOW, check_looks, check_sentences

TERMS = GuardPolicy(NOW)
EXCHANGE = replace(GRAPH, id="exchange", app_id=EXCHANGE_API, name="Office 365 Exchange Online")
BACKUP = replace(HOME_APP, name="Backup job", app_id="a0000000-0000-4000-8000-00000000000b")
MICROSOFTS = replace(VERIFIED_APP, owner_tenant_id=MICROSOFT_SERVICES_TENANT, publisher="")
TOOL = replace(MICROSOFTS, app_id=min(PUBLIC_CLIENTS), name="A tool")
UNTOLD = replace(VERIFIED_APP, owner_tenant_id="", publisher="")
ITSELF = replace(HOME_APP, is_self=True)
PAYROLL = App("api", "a1", "Payroll API", is_home_tenant=True)
ABUSED = {one.is_product: app_id for app_id, one in sorted(load_abused_apps().items())}
SECRET = AppCredential("k1", "secret", NOW + timedelta(days=365))
FOR_EVER = AppCredential("k1", "secret", datetime(2099, 12, 31, tzinfo=UTC))
CERTIFICATE = AppCredential("k1", "certificate", NOW + timedelta(days=700))
GITHUB = FederatedCredential(
    "f1", "gh", "https://token.actions.githubusercontent.com", "repo:someone/else:ref:main"
)


def say(item: ConsentItem) -> list[Finding]:
    return list(judge(item, TERMS))


def scopes(
    app: App, *names: str, everyone: bool = False, count: int = 1, api: App = GRAPH, **more: Any
) -> list[Finding]:
    """What is said of an app that may do something in the name of people."""
    view = DelegatedGrantView(api, everyone, dict.fromkeys(names, count))
    return say(ConsentedApp(app, (view,), **more))


def roles(app: App, *names: str, api: App = GRAPH, **more: Any) -> list[Finding]:
    """What is said of an app that may do something by itself."""
    return say(ConsentedApp(app, (), hold(app, *names, api=api), **more))


def hold(app: App, *names: str, api: App = GRAPH) -> tuple[AppGrant, ...]:
    return tuple(
        AppGrant(api, AppPermission(f"x-{name}", app.id, api.id, f"r-{name}", name))
        for name in names
    )


def own(app: App = BACKUP, *names: str, **parts: Any) -> list[Finding]:
    """What is said of the registration of an app that may do something by itself."""
    registration = replace(AppRegistration("r1", app.app_id, app.name), **parts)
    findings = say(ConsentedApp(app, (), hold(app, *names), registration=registration))
    return [one for one in findings if one.kind != "application-permission"]


def test_sentences_about_permissions() -> None:
    limits = (AccessPolicy("RestrictAccess", "Sales"), AccessPolicy("DenyAccess", "Board"))
    many = tuple(AccessPolicy("Other", f"Group {number}") for number in range(13))
    hybrid = replace(HOME_APP, name="ExchangeServerApp-1")
    named: dict[str, Any] = {"name": "rnicrosoft Outlook"}
    check_sentences(
        "app_consent_permissions",
        {
            "Signing in": scopes(UNVERIFIED_APP, "openid", "profile"),
            "Signing in, for everyone": scopes(VERIFIED_APP, "openid", everyone=True),
            "Mail of one user, to an unverified app": scopes(UNVERIFIED_APP, "Mail.Read", "openid"),
            "Mail of a few, to a verified app": scopes(VERIFIED_APP, "Mail.Read", count=9),
            "Mail of tens": scopes(VERIFIED_APP, "Mail.Read", count=10),
            "Mail of hundreds": scopes(VERIFIED_APP, "Mail.Read", count=100),
            "Mail of thousands": scopes(VERIFIED_APP, "Mail.Read", count=1000),
            "Mail of everyone": scopes(VERIFIED_APP, "Mail.Read", everyone=True),
            "Everything, in everybody's name": scopes(
                UNVERIFIED_APP, "Directory.AccessAsUser.All", everyone=True
            ),
            "Reading users": scopes(VERIFIED_APP, "User.Read.All"),
            "A permission nobody knows": scopes(VERIFIED_APP, "Brand.New.ReadWrite.All"),
            "A harmless permission, at home": scopes(HOME_APP, "User.Read.Something"),
            "A harmless permission, at home where anybody may register": scopes(
                HOME_APP, "User.Read.Something", users_may_register=True
            ),
            "Mail, to an app of Microsoft's": scopes(MICROSOFTS, "Mail.Read", everyone=True),
            "Mail, to Exoguard itself": scopes(ITSELF, "Mail.Read"),
            "Mail, to a tool of Microsoft's for everyone": scopes(
                TOOL, "Mail.Read", "User.Read", everyone=True
            ),
            "Mail, to a tool of Microsoft's for some": scopes(TOOL, "Mail.Read"),
            "Reading, to a tool of Microsoft's": scopes(TOOL, "User.Read.All", everyone=True),
            "Mail, to an app of nobody knows whom": scopes(UNTOLD, "Mail.Read"),
            "Mail, to an app that is off": scopes(
                replace(UNVERIFIED_APP, enabled=False), "Mail.Read"
            ),
            "Mail, to an impostor": scopes(replace(UNVERIFIED_APP, **named), "Mail.Read"),
            "Mail, to one with a product's name": scopes(
                replace(UNVERIFIED_APP, name="Outlook Helper"), "Mail.Read"
            ),
            "Mail, to one with a brand's name": scopes(
                replace(UNVERIFIED_APP, name="DocuSign Viewer"), "Mail.Read"
            ),
            "Mail, to one without letters": scopes(
                replace(UNVERIFIED_APP, name="..."), "Mail.Read"
            ),
            "Mail of users, to one with a product's name at home": scopes(
                replace(HOME_APP, name="Outlook Helper"), "Mail.Read"
            ),
            "Mail, to one that sends sign-ins anywhere": scopes(
                replace(UNVERIFIED_APP, reply_urls=("https://*.example", "https://a.example")),
                "Mail.Read",
            ),
            "Mail, to one with many hosts": scopes(
                replace(
                    UNVERIFIED_APP,
                    reply_urls=tuple(f"https://h{number:02}.example" for number in range(14)),
                ),
                "Mail.Read",
            ),
            "Mail, and no command can name the app": scopes(
                replace(UNVERIFIED_APP, id="a\nb", app_id="", name=""), "Mail.Read"
            ),
            "Many scopes": scopes(VERIFIED_APP, *(f"Custom{number:02}" for number in range(14))),
            "All mail, by itself": roles(UNVERIFIED_APP, "Mail.ReadWrite"),
            "All mail, by itself, of some mailboxes": roles(
                UNVERIFIED_APP, "Mail.Read", access_policies=limits
            ),
            "All mail, by itself, of no group": roles(
                VERIFIED_APP, "Mail.Send", access_policies=()
            ),
            "All mail, by itself, of many groups": roles(
                VERIFIED_APP, "Mail.Send", access_policies=many
            ),
            "All calendars, by itself": roles(VERIFIED_APP, "Calendars.Read", access_policies=()),
            "Reading the directory, by itself": roles(
                VERIFIED_APP, "Directory.Read.All", access_policies=()
            ),
            "Roles, by itself": roles(VERIFIED_APP, "RoleManagement.ReadWrite.Directory"),
            "Something harmless, by itself": roles(VERIFIED_APP, "Custom"),
            "Something harmless at home, by itself": roles(HOME_APP, "Custom"),
            "A role without a name": roles(VERIFIED_APP, ""),
            "A role at one's own API": roles(HOME_APP, "Salaries.Read", api=PAYROLL),
            "Full access, to the app of Exchange hybrid": roles(
                hybrid, "full_access_as_app", api=EXCHANGE
            ),
            "Full access and more, to an app with that name": roles(
                hybrid, "full_access_as_app", "Mail.Read", api=EXCHANGE
            ),
            "A role, and no command can name it": roles(
                replace(VERIFIED_APP, id="a\nb"), "Mail.Read"
            ),
            "All mail, by itself, to one with a product's name": roles(
                replace(UNVERIFIED_APP, name="Outlook Helper"), "Mail.Read", "User.Read.All"
            ),
            "Users, to one with a product's name": scopes(
                replace(UNVERIFIED_APP, name="Outlook Helper"), "User.Read.All"
            ),
            "Mail, to a verified one with a product's name": scopes(
                replace(VERIFIED_APP, name="Outlook Helper"), "Mail.Read"
            ),
            "Mail, to a verified one with a brand's name": scopes(
                replace(VERIFIED_APP, name="DocuSign Viewer"), "Mail.Read"
            ),
            "Mail, to an own one with a product's name for everyone": scopes(
                replace(HOME_APP, name="Outlook Helper"), "Mail.Read", everyone=True
            ),
            "The directory, for some": scopes(VERIFIED_APP, "Directory.Read.All"),
            "The directory, for everyone": scopes(
                VERIFIED_APP, "Directory.Read.All", everyone=True
            ),
            "Users, to one that sends sign-ins anywhere": scopes(
                replace(UNVERIFIED_APP, reply_urls=("https://*.example",)), "User.Read.All"
            ),
            "Mail, to an own one that sends sign-ins anywhere": scopes(
                replace(HOME_APP, reply_urls=("https://*.example",)), "Mail.Read"
            ),
            "Signing in, to one with a product's name": scopes(
                replace(UNVERIFIED_APP, name="Outlook Helper"), "openid"
            ),
            "Full access, to the app of Exchange hybrid that people use": say(
                ConsentedApp(
                    hybrid,
                    (DelegatedGrantView(GRAPH, False, {"openid": 1}),),
                    hold(hybrid, "full_access_as_app", api=EXCHANGE),
                )
            ),
            "Names are long": [
                *roles(
                    VERIFIED_APP,
                    "mail.read" + "x" * 300,
                    access_policies=(AccessPolicy("r" * 300, "g" * 300),),
                ),
                *roles(
                    VERIFIED_APP,
                    "Mail.Read",
                    access_policies=(AccessPolicy("r" * 300, "g" * 300),),
                ),
                *scopes(VERIFIED_APP, "s" * 300, count=999),
            ],
            "No command can name the API": scopes(
                VERIFIED_APP, "Mail.Read", api=replace(GRAPH, id="a\nb")
            ),
            "Grants of an app that is not there": say(
                ConsentedApp(App("c9"), (), hold(App("c9"), "Mail.Read"), is_listed=False)
            ),
            "Nothing, of an app that is not there": say(ConsentedApp(App("c9"), is_listed=False)),
        },
    )


def test_sentences_about_ways_in() -> None:
    mail, wide = "Mail.ReadWrite", "RoleManagement.ReadWrite.Directory"
    guest = AppOwner("o1", "max@partner.example", is_guest=True)
    colleague = AppOwner("o2", "")
    off, odd = replace(BACKUP, enabled=False), replace(BACKUP, app_id="a\nb")
    ended = replace(SECRET, expires=NOW)
    hybrid = replace(BACKUP, name="ExchangeServerApp-1")

    def at(*credentials: AppCredential, app: App = VERIFIED_APP) -> list[Finding]:
        return say(ConsentedApp(replace(app, credentials=credentials)))

    def owned(*owners: AppOwner, app: App = BACKUP, **more: Any) -> list[Finding]:
        registration = AppRegistration("r1", app.app_id, app.name, owners=owners)
        item = ConsentedApp(app, (), hold(app, mail), registration=registration, **more)
        return [one for one in say(item) if one.kind.startswith("app-owner")]

    check_sentences(
        "app_consent_ways_in",
        {
            "A secret on another's app": at(SECRET),
            "A certificate on another's app": at(CERTIFICATE),
            "A secret for ever on an own app": at(FOR_EVER, app=HOME_APP),
            "A secret on an own app": at(SECRET, app=HOME_APP),
            "A secret on Exoguard itself": at(SECRET, app=ITSELF),
            "A secret that has ended": at(ended),
            "A secret without an end": at(replace(SECRET, expires=None)),
            "A certificate on Exchange Online": at(CERTIFICATE, app=EXCHANGE),
            "A secret on Exchange Online": at(SECRET, app=EXCHANGE),
            "A certificate that signs SAML": at(replace(CERTIFICATE, saml_signing=True)),
            "A certificate of a managed identity": at(
                CERTIFICATE, app=replace(HOME_APP, kind="ManagedIdentity")
            ),
            "A secret that no command can name": at(replace(SECRET, id="k\n1")),
            "A secret of a powerful registration": own(BACKUP, mail, credentials=(SECRET,)),
            "A certificate of a powerful registration": own(
                BACKUP, mail, credentials=(CERTIFICATE,)
            ),
            "A secret for ever of a powerful registration": own(
                BACKUP, mail, credentials=(FOR_EVER,)
            ),
            "A secret for ever of one that may do anything": own(
                BACKUP, wide, credentials=(FOR_EVER,)
            ),
            "A secret of one that reads the directory": own(
                BACKUP, "Directory.Read.All", credentials=(SECRET,)
            ),
            "A secret of one that may do nothing": own(BACKUP, credentials=(SECRET,)),
            "A secret for ever of one that may do nothing": own(BACKUP, credentials=(FOR_EVER,)),
            "A secret of one that is off": own(off, mail, credentials=(SECRET,)),
            "A secret for ever of one that is off": own(off, mail, credentials=(FOR_EVER,)),
            "A secret of a registration that has ended": own(BACKUP, mail, credentials=(ended,)),
            "A secret of a registration that no command can name": own(
                BACKUP, mail, credentials=(replace(SECRET, id="k\n1"),)
            ),
            "A certificate of the app of Exchange hybrid": own(
                hybrid, mail, credentials=(CERTIFICATE,)
            ),
            "A secret of the app of Exchange hybrid": own(hybrid, mail, credentials=(SECRET,)),
            "A certificate for ever of the app of Exchange hybrid": own(
                hybrid, mail, credentials=(replace(FOR_EVER, kind="certificate"),)
            ),
            "A secret of exactly ten years": own(
                BACKUP, credentials=(replace(SECRET, expires=NOW + timedelta(days=3650)),)
            ),
            "A secret of an app that no command can name": at(
                SECRET, app=replace(VERIFIED_APP, id="a\nb")
            ),
            "A secret of a registration of an app that no command can name": own(
                odd, mail, credentials=(SECRET,)
            ),
            "A repository vouches for an app that no command can name": own(
                odd, mail, federated_credentials=(GITHUB,)
            ),
            "A provider with long names vouches": own(
                BACKUP,
                federated_credentials=(
                    replace(GITHUB, issuer=f"https://{'i' * 300}.example", subject="s" * 300),
                ),
            ),
            "A secret of Exoguard itself": own(ITSELF, credentials=(SECRET,)),
            "A repository vouches": own(BACKUP, mail, federated_credentials=(GITHUB,)),
            "A repository vouches for one that may do nothing": own(
                BACKUP, federated_credentials=(GITHUB,)
            ),
            "A repository vouches for one that is off": own(
                off, mail, federated_credentials=(GITHUB,)
            ),
            "Another tenant vouches": own(
                BACKUP,
                federated_credentials=(
                    replace(GITHUB, issuer="https://login.microsoftonline.com/other/v2.0"),
                ),
            ),
            "Nobody knows who vouches": own(
                BACKUP,
                federated_credentials=(FederatedCredential("f\n1", "n" * 300, "", ""),),
            ),
            "A colleague owns it": owned(colleague),
            "A guest owns it": owned(guest),
            "A guest became its owner": owned(guest, new_owners={"o1": NOW}),
            "An owner that no command can name": owned(replace(colleague, id="o\n2")),
            "A guest owns one that is off": owned(guest, app=off),
            "A guest owns Exoguard itself": owned(guest, app=ITSELF),
            "Somebody with a long name owns it": owned(replace(guest, name="o" * 300)),
            "A guest owns an app that no command can name": owned(guest, app=odd),
        },
    )


def test_sentences_about_apps_and_consent() -> None:
    given = ConsentedApp(VERIFIED_APP, (), hold(VERIFIED_APP, "User.Read.All"))
    free = ("https://tool.azurewebsites.net/cb",)

    def about(app: App, *kinds: str, **more: Any) -> list[Finding]:
        item = replace(given, app=app, **more)
        return [one for one in say(item) if one.kind in kinds]

    def replies(*urls: str, **app: Any) -> list[Finding]:
        return about(replace(UNVERIFIED_APP, reply_urls=urls, **app), "reply-address")

    def consent(**values: Any) -> list[Finding]:
        return say(Configuration("authorization-policy", "", "x", values))

    role = ExchangeAppRole(VERIFIED_APP, "Application Mail.Read", "Assignment 1")
    bots = RoleGroupMembership(
        "Bots", (GroupRole("Role Management"), GroupRole("Message Tracking", "Invoices"))
    )
    mirror = RoleGroupMembership("Organization Management", ())
    mail = hold(UNVERIFIED_APP, "Mail.Read")
    stopped: dict[str, Any] = {"microsoft_status": "DisabledDueToViolationOfServicesAgreement"}
    check_sentences(
        "app_consent_apps",
        {
            "An app in a role group of Exchange": about(
                UNVERIFIED_APP, "exchange-role-group", role_groups=(bots,)
            ),
            "An app in a role group without roles": about(
                HOME_APP, "exchange-role-group", role_groups=(mirror,)
            ),
            "An app made for theft": about(
                replace(UNVERIFIED_APP, app_id=ABUSED[False]), "abused-app"
            ),
            "A product that thieves use": about(
                replace(UNVERIFIED_APP, app_id=ABUSED[True]), "abused-app"
            ),
            "An app made for theft that is off": about(
                replace(UNVERIFIED_APP, app_id=ABUSED[False], enabled=False), "abused-app"
            ),
            "An app made for theft that was given nothing": about(
                replace(UNVERIFIED_APP, app_id=ABUSED[False]), "abused-app", app_grants=()
            ),
            "An app made for theft that no command can name": about(
                replace(UNVERIFIED_APP, app_id=ABUSED[False], id="a\nb"), "abused-app"
            ),
            "Microsoft has disabled it": about(
                replace(UNVERIFIED_APP, **stopped), "disabled-by-microsoft"
            ),
            "Microsoft has disabled it, and it was given nothing": about(
                replace(UNVERIFIED_APP, **stopped), "disabled-by-microsoft", app_grants=()
            ),
            "Microsoft has disabled its own": about(
                replace(MICROSOFTS, **stopped), "disabled-by-microsoft"
            ),
            "Sign-ins go anywhere": replies("https://*.example"),
            "Sign-ins go to a bare address": replies("https://192.0.2.1/cb"),
            "Sign-ins go without encryption": replies("http://a.example"),
            "Sign-ins go to a host that is free to take": replies(*free),
            "Sign-ins to a verified app go there": replies(*free, publisher="Contoso Ltd"),
            "Sign-ins to an own app go there": replies(*free, is_home_tenant=True),
            "Sign-ins to an app that is off go there": replies(*free, enabled=False),
            "Sign-ins to a powerful app go anywhere": about(
                replace(UNVERIFIED_APP, reply_urls=("https://*.example",)),
                "reply-address",
                app_grants=mail,
            ),
            "Sign-ins to a powerful app go to a free host": about(
                replace(UNVERIFIED_APP, reply_urls=free), "reply-address", app_grants=mail
            ),
            "Sign-ins to an app that was given nothing go there": about(
                replace(UNVERIFIED_APP, reply_urls=free), "reply-address", app_grants=()
            ),
            "Sign-ins go anywhere, and no command can name the app": replies(
                "https://*.example", id="a\nb"
            ),
            "Exchange lets it read all mail": say(role),
            "Exchange lets it read the mail of some": say(replace(role, scope="Sales")),
            "Exchange lets it do anything": say(replace(role, role="Role Management")),
            "Exchange lets it look": say(replace(role, role="View-Only Recipients", scope="Sales")),
            "Exchange let it read mail": say(replace(role, is_enabled=False)),
            "Exchange lets one of Microsoft's read mail": say(
                replace(role, app=MICROSOFTS, is_enabled=False)
            ),
            "Exchange lets somebody read mail": say(
                replace(role, app=App("x", name="Nobody"), assignment="a\nb")
            ),
            "Exchange lets it do what has long names": say(
                replace(role, role="r" * 300, scope="s" * 300, assignment="a" * 300)
            ),
            "Users may consent to anything": say(build_consent_policy(FOR_SELF, "other")),
            "Users may consent to little": say(
                build_consent_policy(FOR_SELF.replace("legacy", "low"))
            ),
            "Users may not consent": say(build_consent_policy("other")),
            "Users may consent to risky apps": say(
                build_consent_policy(allowUserConsentForRiskyApps=True)
            ),
            "What users may consent to is not told": consent(),
            "What users may consent to is odd": consent(
                defaultUserRolePermissions={"permissionGrantPoliciesAssigned": [1]}
            ),
        },
    )


def build_consenting_tenant() -> FakeTenant:
    """A tenant with apps of all kinds, in pages of two."""
    apps = [
        GRAPH,
        UNVERIFIED_APP,
        replace(BACKUP, id="c2"),
        replace(VERIFIED_APP, id="c3", credentials=(SECRET,)),
        replace(MICROSOFTS, id="c4"),
    ]
    registration = AppRegistration(
        "r1",
        BACKUP.app_id,
        BACKUP.name,
        (SECRET,),
        (GITHUB,),
        (AppOwner("o1", "max@partner.example", is_guest=True),),
    )

    def row(source: str, name: str, **values: object) -> Configuration:
        return Configuration(source, name, name, values)

    rows = [
        build_consent_policy(FOR_SELF),
        row(
            ACCESS_POLICIES,
            "p1",
            AppId=BACKUP.app_id.upper(),
            AccessRight="RestrictAccess",
            ScopeName="Sales",
        ),
        row(
            ASSIGNMENTS,
            "m1",
            Name="Assignment 1",
            Role="Application Mail.Read",
            RoleAssigneeType="ServicePrincipal",
            RoleAssigneeName="Backup",
            CustomResourceScope="Sales",
        ),
        row(ASSIGNMENTS, "m2", Role="Application Mail.Send", RoleAssignee="Ghost", Enabled=False),
        row(ASSIGNMENTS, "m3", Role="Mail Recipients", App="c3"),
        row(ASSIGNMENTS, "m4", Role="Mail Recipients", RoleAssigneeType="RoleGroup"),
        row(ASSIGNMENTS, "m5", Role="Mail Recipients", RoleAssigneeName="Somebody"),
        row(EXCHANGE_PRINCIPALS, "e1", ObjectId="C2", DisplayName="Backup", AppId=BACKUP.app_id),
    ]
    return FakeTenant(
        service_principals=apps,
        app_registrations=[registration],
        oauth_grants=[
            build_delegated_grant("c1", "Mail.Read openid", everyone=True),
            build_delegated_grant("c3", "User.Read"),
            build_delegated_grant("c4", "Mail.Read"),
            build_delegated_grant("c9", "Mail.Read"),
            build_delegated_grant("c1", "Custom", api="lost"),
        ],
        app_role_assignments=[
            AppPermission("x1", "c2", "graph", "r1", "Mail.ReadWrite"),
            AppPermission("x2", "c3", "graph", "r2", ""),
        ],
        configurations=rows,
        page_size=2,
    )


async def test_sentences_about_a_tenant_with_apps_of_all_kinds() -> None:
    await check_looks("app_consent_apps_looks", GUARD, build_consenting_tenant)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("app_consent_looks", GUARD)
