"""Judges by what an app can be signed in to: secrets, certificates, providers. Pure."""

from collections.abc import Iterator
from datetime import timedelta

from core.guards.app_consent.rating import AppReach
from core.guards.app_consent.remedies import (
    build_credential_remedy,
    build_federated_remedy,
    build_registration_remedy,
)
from core.guards.app_consent.texts import (
    MAX_TEXT_LENGTH,
    format_app_name,
    format_app_title,
    list_app_facts,
)
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.federated_issuers import describe_issuer, is_own_issuer
from core.microsoft365.known_apps import is_hybrid_app, is_microsoft_app
from core.microsoft365.permission_rules import PermissionRisk
from core.microsoft365.permission_weights import EXCHANGE_API
from core.model.findings import Fact, Finding, Severity
from core.model.guards import GuardPolicy
from core.tenant.apps import App, AppCredential, FederatedCredential
from core.tenant.quoting import quote_text
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    DELEGATED_GRANTS,
    FEDERATED_CREDENTIALS,
)

# Entra's portal offers two years for a secret, and certificates of servers last five.
LONG_LIFE = timedelta(days=3650)
REACH_SOURCES = (APPS, APP_PERMISSIONS, DELEGATED_GRANTS)


def list_reach_sources(reach: AppReach) -> tuple[str, ...]:
    """What must be read before an app may be said to do less."""
    return (*REACH_SOURCES, *((reach.role_source,) if reach.role_source else ()))


def judge_app_credential(
    app: App, credential: AppCredential, policy: GuardPolicy
) -> Iterator[Finding]:
    """A credential on the service principal instead of the registration, where few look.

    Managed identities have certificates there that cannot be exported; SAML signs with one.
    """
    if app.kind.casefold() == "managedidentity" or credential.saml_signing:
        return
    severity = Severity.MEDIUM if app.is_home_tenant and not app.is_self else Severity.HIGH
    lasts_long = has_long_life(credential, policy)
    if lasts_long:
        severity = max(severity, Severity.HIGH)
    over = credential.expires is not None and credential.expires <= policy.now
    yield Finding(
        kind="app-credential",
        object_id=app.id,
        subject=format_app_name(app),
        severity=Severity.INFO if over else severity,
        verdict=ConsentVerdict.DORMANT if over else ConsentVerdict.GRANTED,
        summary=f"{format_app_title(app)} can be signed in to with a {credential.kind} added in "
        "this tenant.",
        facts=(*list_app_facts(app), *describe_credential(credential, lasts_long=lasts_long)),
        sources=(APPS,),
        fingerprint=credential.id,
        advice=build_app_credential_advice(app, credential),
        steps=build_credential_remedy(app, credential),
    )


def judge_registration_credential(
    app: App, credential: AppCredential, reach: AppReach, policy: GuardPolicy
) -> Iterator[Finding]:
    """A secret or certificate of an app that is registered here.

    Every app that works by itself has one. It is told where the app may do much, because whoever
    adds one acts as the app from then on; and where it lasts for decades.
    """
    if credential.expires is not None and credential.expires <= policy.now:
        return
    lasts_long = has_long_life(credential, policy)
    severity = rate_way_in(app, reach)
    if is_hybrid_app(app) and credential.kind == "certificate":
        severity = min(severity, Severity.MEDIUM)
    if lasts_long and (severity < Severity.HIGH or reach.by_itself is PermissionRisk.TENANT_WIDE):
        severity = Severity(min(severity + 1, Severity.CRITICAL))
    if severity is Severity.INFO:
        return
    yield Finding(
        kind="registration-credential",
        object_id=app.id,
        subject=format_app_name(app),
        severity=severity,
        verdict=ConsentVerdict.GRANTED if app.enabled else ConsentVerdict.DORMANT,
        summary=f"Whoever holds a {credential.kind} of {lower_title(app)} acts as the app.",
        facts=(
            *list_app_facts(app),
            *describe_reach(reach),
            *describe_credential(credential, lasts_long=lasts_long),
        ),
        sources=(APP_REGISTRATIONS, *list_reach_sources(reach)),
        fingerprint=credential.id,
        advice="Find out who added it, when, and where it is kept. Take it away unless somebody "
        "answers for it.",
        steps=build_registration_remedy(app, credential),
    )


def judge_federated_credential(
    app: App, credential: FederatedCredential, reach: AppReach
) -> Iterator[Finding]:
    """Another provider whose word is as good as a secret of the app."""
    if is_own_issuer(credential.issuer, app.owner_tenant_id):
        return
    severity = max(rate_way_in(app, reach), Severity.LOW)
    issuer = quote_text(credential.issuer, MAX_TEXT_LENGTH)
    yield Finding(
        kind="federated-credential",
        object_id=app.id,
        subject=format_app_name(app),
        severity=severity,
        verdict=ConsentVerdict.GRANTED if app.enabled else ConsentVerdict.DORMANT,
        summary=f"Whoever {describe_issuer(credential.issuer)} vouches for acts as "
        f"{lower_title(app)}: a federated credential of a foreign issuer.",
        facts=(
            *list_app_facts(app),
            *describe_reach(reach),
            Fact("issuer", issuer or "not told"),
            Fact("vouches for", quote_text(credential.subject, MAX_TEXT_LENGTH) or "not told"),
            Fact("federated credential", quote_text(credential.name, MAX_TEXT_LENGTH)),
        ),
        sources=(FEDERATED_CREDENTIALS, APP_REGISTRATIONS, *list_reach_sources(reach)),
        fingerprint=f"{credential.issuer} {credential.subject}",
        advice="Find out who added it, when, and whose that repository or account is. Take it away "
        "unless somebody answers for it.",
        steps=build_federated_remedy(app, credential),
    )


def rate_way_in(app: App, reach: AppReach) -> Severity:
    """How grave a way to act as an app is, by what the app may do then."""
    if not app.enabled:
        return Severity.INFO
    if app.is_self or reach.by_itself >= PermissionRisk.SENSITIVE:
        return Severity.HIGH
    if max(reach.by_itself, reach.for_everyone) >= PermissionRisk.BROAD:
        return Severity.LOW
    return Severity.INFO


def has_long_life(credential: AppCredential, policy: GuardPolicy) -> bool:
    """Whether a credential stays good for ten years or more."""
    return credential.expires is not None and credential.expires - policy.now >= LONG_LIFE


def describe_credential(credential: AppCredential, *, lasts_long: bool) -> tuple[Fact, ...]:
    """Which credential it is, and until when it is good."""
    ends = f"{credential.expires:%Y-%m-%d}" if credential.expires else "not told"
    return (
        Fact(credential.kind, credential.id),
        Fact("ends", ends),
        *((Fact("", "it stays good for ten years or more"),) if lasts_long else ()),
    )


def describe_reach(reach: AppReach) -> tuple[Fact, ...]:
    """The worst that the app may do, so that it is clear what a way in is worth."""
    words = {
        PermissionRisk.TENANT_WIDE: "take over accounts, apps, mailboxes or sites",
        PermissionRisk.SENSITIVE: "reach mail, files, chats, devices or security",
        PermissionRisk.BROAD: "change or read much of the tenant",
    }.get(reach.by_itself)
    if words is None:
        return ()
    by_role = (Fact("", "by a role that it holds, and not by a consent"),)
    return (
        Fact("without anybody signed in it may", words),
        *(by_role if reach.role_source else ()),
    )


def lower_title(app: App) -> str:
    """The app in the middle of a sentence."""
    title = format_app_title(app)
    return title if is_microsoft_app(app) else title[0].lower() + title[1:]


def build_app_credential_advice(app: App, credential: AppCredential) -> str:
    """What to do about a credential, and when it is right."""
    if app.app_id == EXCHANGE_API and credential.kind == "certificate":
        return (
            "Exchange hybrid put its certificate here, and since October 2025 Exchange Online no "
            "longer accepts it: remove it, do not exempt it. Hybrid servers need the dedicated "
            "app, which the script ConfigureExchangeHybridApplication.ps1 makes; run it first with "
            "its switch FullyConfigureExchangeHybridApplication, then with "
            "ResetFirstPartyServicePrincipalKeyCredentials. If this tenant never had Exchange "
            "hybrid, find out who added it and when."
        )
    return "Find out who added it and when, and take it away unless somebody answers for it."
