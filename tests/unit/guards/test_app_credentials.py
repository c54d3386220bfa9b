"""By what apps can be signed in to: secrets, certificates, other providers, owners."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.app_consent.grants import AppGrant, ConsentedApp, DelegatedGrantView, HeldRole
from core.guards.app_consent.guard import GUARD
from core.guards.app_consent.judge import judge
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.permission_rules import PermissionRisk
from core.microsoft365.permission_weights import EXCHANGE_API, GRAPH_API
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy
from core.tenant.apps import (
    App,
    AppCredential,
    AppOwner,
    AppPermission,
    AppRegistration,
    FederatedCredential,
)
from core.tenant.sources import ROLE_HOLDERS
from tests.support.guard_tenants import GRAPH, HOME_APP, MICROSOFT_SERVICES_TENANT, VERIFIED_APP
from tests.support.remedy_checks import tell_remedy

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
TERMS = GuardPolicy(NOW)
EXCHANGE = replace(GRAPH, id="exchange", app_id=EXCHANGE_API, name="Office 365 Exchange Online")
BACKUP = replace(HOME_APP, name="Backup job", app_id="a0000000-0000-4000-8000-00000000000b")
YEAR = AppCredential("k1", "secret", NOW + timedelta(days=365))
FOR_EVER = AppCredential("k1", "secret", datetime(2099, 12, 31, tzinfo=UTC))
CERTIFICATE = AppCredential("k1", "certificate", NOW + timedelta(days=700))
GITHUB = FederatedCredential(
    "f1", "gh", "https://token.actions.githubusercontent.com", "repo:someone/else:ref:main"
)
OWN = FederatedCredential(
    "f2", "mi", f"https://login.microsoftonline.com/{HOME_APP.owner_tenant_id}/v2.0", "mi"
)


def registered(
    app: App = BACKUP, *roles: str, scopes: tuple[str, ...] = (), **parts: object
) -> ConsentedApp:
    """An app that is registered here, with roles and delegated scopes for everyone at Graph."""
    registration = replace(AppRegistration("r1", app.app_id, app.name), **parts)  # type: ignore[arg-type]
    return ConsentedApp(
        app,
        (DelegatedGrantView(GRAPH, True, dict.fromkeys(scopes, 1)),) if scopes else (),
        tuple(
            AppGrant(GRAPH, AppPermission(f"x{one}", app.id, GRAPH.id, f"r-{one}", one))
            for one in roles
        ),
        registration=registration,
    )


def say(finding: Finding) -> str:
    return " | ".join(format_facts(finding.facts))


def about(item: ConsentedApp, kind: str) -> list[Finding]:
    return [finding for finding in judge(item, TERMS) if finding.kind == kind]


@pytest.mark.parametrize(
    ("roles", "secret", "severity"),
    [
        (("Mail.ReadWrite",), YEAR, Severity.HIGH),
        (("Files.Read.All",), CERTIFICATE, Severity.HIGH),
        (("RoleManagement.ReadWrite.Directory",), YEAR, Severity.HIGH),
        (("RoleManagement.ReadWrite.Directory",), FOR_EVER, Severity.CRITICAL),
        (("Mail.ReadWrite",), FOR_EVER, Severity.HIGH),
        (("Directory.Read.All",), YEAR, Severity.LOW),
        (("Directory.Read.All",), FOR_EVER, Severity.MEDIUM),
        (("User.Read.All",), FOR_EVER, Severity.LOW),
        ((), FOR_EVER, Severity.LOW),
    ],
)
def test_a_secret_is_as_grave_as_what_the_app_may_do_with_it(
    roles: tuple[str, ...], secret: AppCredential, severity: Severity
) -> None:
    (finding,) = about(registered(BACKUP, *roles, credentials=(secret,)), "registration-credential")
    assert (finding.severity, finding.verdict) == (severity, ConsentVerdict.GRANTED)
    assert secret.kind in finding.summary
    assert BACKUP.app_id in tell_remedy(finding)
    assert ("ten years" in say(finding)) is (secret is FOR_EVER)


@pytest.mark.parametrize(
    "item",
    [
        registered(BACKUP, credentials=(YEAR,)),
        registered(BACKUP, "User.Read.All", credentials=(YEAR, CERTIFICATE)),
        registered(BACKUP, scopes=("User.Read", "openid"), credentials=(YEAR,)),
        registered(BACKUP, "Sites.Selected", credentials=(YEAR,)),
        registered(BACKUP, "Mail.ReadWrite", credentials=(replace(YEAR, expires=NOW),)),
        registered(replace(BACKUP, enabled=False), "Mail.ReadWrite", credentials=(YEAR,)),
        registered(BACKUP, "Mail.ReadWrite"),
    ],
)
def test_an_ordinary_tool_with_a_secret_for_a_year_is_nothing_to_speak_of(
    item: ConsentedApp,
) -> None:
    assert about(item, "registration-credential") == []


@pytest.mark.parametrize(
    ("risk", "severity"),
    [
        (PermissionRisk.TENANT_WIDE, Severity.HIGH),
        (PermissionRisk.SENSITIVE, Severity.HIGH),
        (PermissionRisk.BROAD, Severity.LOW),
    ],
)
def test_a_role_without_any_consent_is_worth_a_secret_too(
    risk: PermissionRisk, severity: Severity
) -> None:
    item = registered(BACKUP, credentials=(YEAR,), owners=(AppOwner("o1", "ann@contoso.com"),))
    item = replace(item, held_role=HeldRole(risk, ROLE_HOLDERS))
    (finding,) = about(item, "registration-credential")
    assert finding.severity is severity
    assert ROLE_HOLDERS in finding.sources, "while roles are unread, it does not end"
    assert "by a role that it holds" in say(finding)
    assert bool(about(item, "app-owner")) is (severity is Severity.HIGH)
    by_consent = replace(registered(BACKUP, "Mail.ReadWrite", credentials=(YEAR,)))
    by_consent = replace(by_consent, held_role=HeldRole(PermissionRisk.BROAD, ROLE_HOLDERS))
    (finding,) = about(by_consent, "registration-credential")
    assert ROLE_HOLDERS not in finding.sources
    assert "by a role" not in say(finding)


def test_a_web_app_that_acts_for_everyone_is_told_quietly() -> None:
    item = registered(BACKUP, scopes=("Mail.Read",), credentials=(YEAR,))
    (finding,) = about(item, "registration-credential")
    assert finding.severity is Severity.LOW


def test_each_secret_is_a_case_of_its_own() -> None:
    item = registered(BACKUP, "Mail.Read", credentials=(YEAR, replace(YEAR, id="k2")))
    one, other = about(item, "registration-credential")
    assert one.compute_key(GUARD.name) != other.compute_key(GUARD.name)


@pytest.mark.parametrize(
    ("roles", "severity"),
    [(("Mail.ReadWrite",), Severity.HIGH), (("User.Read.All",), Severity.LOW), ((), Severity.LOW)],
)
def test_a_foreign_provider_is_told_whatever_the_app_may_do(
    roles: tuple[str, ...], severity: Severity
) -> None:
    item = registered(BACKUP, *roles, federated_credentials=(GITHUB,))
    (finding,) = about(item, "federated-credential")
    assert (finding.severity, finding.verdict) == (severity, ConsentVerdict.GRANTED)
    assert "GitHub Actions" in finding.summary
    assert "foreign issuer" in finding.summary
    assert "repo:someone/else" in say(finding)


def test_the_tenants_own_managed_identity_is_no_foreign_provider() -> None:
    item = registered(BACKUP, "Mail.ReadWrite", federated_credentials=(OWN,))
    assert about(item, "federated-credential") == []


def test_another_repository_under_the_same_name_is_a_new_case() -> None:
    def key(credential: FederatedCredential) -> str:
        item = registered(BACKUP, federated_credentials=(credential,))
        (finding,) = about(item, "federated-credential")
        return finding.compute_key(GUARD.name)

    assert key(GITHUB) == key(replace(GITHUB, name="renamed"))
    assert key(GITHUB) != key(replace(GITHUB, subject="repo:other/else:ref:main"))
    assert key(GITHUB) != key(replace(GITHUB, issuer="https://gitlab.com"))


def test_a_hostile_issuer_is_quoted_and_bounded() -> None:
    evil = replace(GITHUB, issuer="https://evil.example/\u202e" + "x" * 900, subject="'; rm")
    (finding,) = about(registered(BACKUP, federated_credentials=(evil,)), "federated-credential")
    assert "\u202e" not in say(finding)
    assert len(finding.summary) < 300


@pytest.mark.parametrize(
    ("roles", "guest", "severities"),
    [
        (("Mail.ReadWrite",), False, [Severity.LOW]),
        (("Mail.ReadWrite",), True, [Severity.MEDIUM]),
        (("User.Read.All",), True, []),
        ((), False, []),
    ],
)
def test_owners_of_powerful_apps_are_told(
    roles: tuple[str, ...], guest: bool, severities: list[Severity]
) -> None:
    owner = AppOwner("u1", "eve@contoso.com", is_guest=guest)
    found = about(registered(BACKUP, *roles, owners=(owner,)), "app-owner")
    assert [finding.severity for finding in found] == severities


# Exchange hybrid ---------------------------------------------------------------------------------


def test_the_certificate_of_exchange_hybrid_is_to_be_removed_and_not_exempted() -> None:
    shared = App("ex", EXCHANGE_API, "Office 365 Exchange Online", MICROSOFT_SERVICES_TENANT)
    (finding,) = judge(ConsentedApp(replace(shared, credentials=(CERTIFICATE,))), TERMS)
    assert finding.severity is Severity.HIGH
    assert "since October 2025" in tell_remedy(finding)
    assert "ResetFirstPartyServicePrincipalKeyCredentials" in tell_remedy(finding)
    assert "do not exempt" in tell_remedy(finding)
    graph = replace(shared, app_id=GRAPH_API)
    (other,) = judge(ConsentedApp(replace(graph, credentials=(CERTIFICATE,))), TERMS)
    assert "October 2025" not in tell_remedy(other)


def hybrid(app: App, *roles: str, **parts: object) -> ConsentedApp:
    item = registered(app, *roles, **parts)  # type: ignore[arg-type]
    return replace(item, app_grants=tuple(replace(one, api=EXCHANGE) for one in item.app_grants))


def test_the_dedicated_hybrid_app_is_recognised() -> None:
    app = replace(HOME_APP, name="ExchangeServerApp-5a4d0b0c")
    item = hybrid(app, "full_access_as_app", credentials=(CERTIFICATE,))
    (grant,) = about(item, "application-permission")
    assert grant.severity is Severity.MEDIUM
    assert "Exchange hybrid" in say(grant)
    (certificate,) = about(item, "registration-credential")
    assert certificate.severity is Severity.MEDIUM
    (secret,) = about(
        hybrid(app, "full_access_as_app", credentials=(YEAR,)), "registration-credential"
    )
    assert secret.severity is Severity.HIGH


@pytest.mark.parametrize(
    "item",
    [
        hybrid(replace(VERIFIED_APP, name="ExchangeServerApp-1"), "full_access_as_app"),
        hybrid(replace(HOME_APP, name="ExchangeServerApp-1"), "full_access_as_app", "Mail.Send"),
        hybrid(replace(HOME_APP, name="Hybrid"), "full_access_as_app"),
    ],
)
def test_what_only_calls_itself_so_is_as_grave_as_ever(item: ConsentedApp) -> None:
    assert about(item, "application-permission")[0].severity is Severity.CRITICAL


def test_a_secret_for_decades_on_a_service_principal_at_home_is_a_step_graver() -> None:
    (short,) = judge(ConsentedApp(replace(HOME_APP, credentials=(YEAR,))), TERMS)
    (long,) = judge(ConsentedApp(replace(HOME_APP, credentials=(FOR_EVER,))), TERMS)
    assert (short.severity, long.severity) == (Severity.MEDIUM, Severity.HIGH)
