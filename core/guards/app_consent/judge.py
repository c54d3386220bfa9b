"""Judges what apps may do, and what users may give to them. Pure."""

from collections.abc import Iterator, Mapping
from functools import partial

from core.guards.app_consent.grants import (
    GRANT_SOURCES,
    POLICY,
    AppGrant,
    ConsentedApp,
    ConsentItem,
    DelegatedGrantView,
)
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.app_permissions import (
    PermissionRisk,
    classify_permission_risk,
    impersonates_microsoft,
    is_microsoft_app,
    list_reply_hosts,
    list_unsafe_reply_hosts,
)
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardPolicy
from core.tenant.apps import App, AppCredential
from core.tenant.changes import SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.tenant.sources import APP_PERMISSIONS, APPS, DELEGATED_GRANTS

MAX_TEXT_LENGTH = 120
MAX_SHOWN = 12
GRANT_POLICIES = "permissionGrantPoliciesAssigned"
PROPERTY = f"defaultUserRolePermissions.{GRANT_POLICIES}"
SELF_CONSENT_PREFIX = "managepermissiongrantsforself."


def judge(item: ConsentItem, policy: GuardPolicy) -> Iterator[Finding]:
    """What one app was given, permission by permission; or what users may give away."""
    if isinstance(item, Configuration):
        yield from judge_consent_policy(item)
    elif not item.is_listed:
        yield from judge_unlisted_app(item)
    else:
        for delegated in item.delegated_grants:
            yield from judge_delegated_grant(item.app, delegated)
        for given in item.app_grants:
            yield judge_app_permission(item.app, given)
        for credential in item.app.credentials:
            yield from judge_app_credential(item.app, credential, policy)


def judge_delegated_grant(app: App, grant: DelegatedGrantView) -> Iterator[Finding]:
    """A finding a scope, so that one that is added is news and one that is taken away ends.

    What signing in needs is one finding of its own, and only where there is nothing else; so is
    all that an app has that needs no watching.
    """
    weights = {
        scope: classify_permission_risk(scope, grant.api) for scope in sorted(grant.scope_counts)
    }
    more = [scope for scope, worth in weights.items() if worth is not PermissionRisk.SIGN_IN]
    whom = "for everyone" if grant.all_principals else "for users who agreed"
    finding = partial(
        Finding,
        kind="delegated-everyone" if grant.all_principals else "delegated-users",
        object_id=app.id,
        subject=format_app_name(app),
        sources=(DELEGATED_GRANTS, APPS),
        advice=build_delegated_advice(app, grant),
    )
    at, scopes = (
        Fact("at", format_app_name(grant.api)),
        Fact("", f"all it may do there: {format_name_list(list(weights))}"),
    )
    if is_trusted_app(app) or not more:
        severity, verdict = rate_app_grant(app, PermissionRisk.SIGN_IN, Severity.INFO)
        does = (
            "is known here and was granted permissions"
            if is_trusted_app(app)
            else "signs people in"
        )
        yield finding(
            severity=severity,
            verdict=verdict,
            summary=f"{format_app_title(app)} {does}, {whom}.",
            facts=(*list_app_facts(app), at, scopes),
            fingerprint=f"{grant.api.id} sign-in",
        )
        return
    for scope in more:
        severity, verdict = rate_app_grant(
            app, weights[scope], rate_delegated_scope(app, weights[scope], grant.all_principals)
        )
        by = (
            ()
            if grant.all_principals
            else (Fact("granted by", describe_user_count(grant.scope_counts[scope])),)
        )
        yield finding(
            severity=severity,
            verdict=verdict,
            summary=f"{format_app_title(app)} may use {quote_text(scope, MAX_TEXT_LENGTH)} {whom}.",
            facts=(*list_app_facts(app), at, scopes, *by),
            fingerprint=f"{grant.api.id} {scope.casefold()}",
        )


def judge_app_permission(app: App, grant: AppGrant) -> Finding:
    """What an app may do in its own name, to everybody's mailboxes and files."""
    role = grant.permission
    worth = (
        classify_permission_risk(role.value, grant.api) if role.value else PermissionRisk.SENSITIVE
    )
    if worth >= PermissionRisk.SENSITIVE:
        usual = Severity.CRITICAL if worth is PermissionRisk.TENANT_WIDE else Severity.HIGH
    else:
        usual = Severity.LOW if app.is_home_tenant else Severity.MEDIUM
    severity, verdict = rate_app_grant(app, worth, usual)
    name = quote_text(role.value, MAX_TEXT_LENGTH) or f"an unknown permission ({role.role_id})"
    return Finding(
        kind="application-permission",
        object_id=app.id,
        subject=format_app_name(app),
        severity=severity,
        verdict=verdict,
        summary=f"{format_app_title(app)} may use {name} without anybody signed in.",
        facts=(*list_app_facts(app), Fact("at", format_app_name(grant.api))),
        sources=(APP_PERMISSIONS, APPS),
        fingerprint=f"{grant.api.id} {role.role_id}",
        advice=build_app_permission_advice(app, grant),
    )


def rate_delegated_scope(app: App, risk: PermissionRisk, all_principals: bool) -> Severity:
    """How grave a delegated scope is before it is known who made the app."""
    if risk < PermissionRisk.SENSITIVE:
        return Severity.INFO if app.is_home_tenant else Severity.LOW
    usual = Severity.HIGH if all_principals else Severity.MEDIUM
    return Severity(usual - 1) if app.is_home_tenant else usual


def is_trusted_app(app: App) -> bool:
    """True for this very app and for Microsoft's: what they hold is noted, and not told."""
    return app.is_self or is_microsoft_app(app)


def rate_app_grant(app: App, risk: PermissionRisk, base_severity: Severity) -> tuple[Severity, str]:
    """The severity and verdict of what an app holds, by whose app it is.

    An app whose owner Entra does not show is judged as another organization's, but its missing
    publisher does not raise the severity: many such apps are old ones of Microsoft's.
    """
    if is_trusted_app(app):
        return Severity.INFO, ConsentVerdict.KEEP
    if not app.enabled:
        return Severity.INFO, ConsentVerdict.DORMANT
    if app.is_home_tenant:
        return (
            base_severity,
            ConsentVerdict.GRANTED if base_severity > Severity.INFO else ConsentVerdict.KEEP,
        )
    steps = int(
        bool(risk >= PermissionRisk.SENSITIVE and app.owner_tenant_id and not app.publisher)
    )
    steps += int(bool(risk >= PermissionRisk.SENSITIVE and list_unsafe_reply_hosts(app)))
    steps += int(impersonates_microsoft(app))
    severity = Severity(min(base_severity + steps, Severity.CRITICAL))
    if impersonates_microsoft(app):
        return severity, ConsentVerdict.IMPOSTOR
    return severity, ConsentVerdict.GRANTED if severity > Severity.INFO else ConsentVerdict.KEEP


def judge_app_credential(
    app: App, credential: AppCredential, policy: GuardPolicy
) -> Iterator[Finding]:
    """A credential on the service principal instead of the registration, where few look.

    Managed identities have certificates there that cannot be exported; SAML signs with one.
    """
    if app.kind.casefold() == "managedidentity" or credential.saml_signing:
        return
    severity = Severity.MEDIUM if app.is_home_tenant and not app.is_self else Severity.HIGH
    over = credential.expires is not None and credential.expires <= policy.now
    ends = f"{credential.expires:%Y-%m-%d}" if credential.expires else "not told"
    yield Finding(
        kind="app-credential",
        object_id=app.id,
        subject=format_app_name(app),
        severity=Severity.INFO if over else severity,
        verdict=ConsentVerdict.DORMANT if over else ConsentVerdict.GRANTED,
        summary=f"{format_app_title(app)} can be signed in to with a {credential.kind} added in "
        "this tenant.",
        facts=(
            *list_app_facts(app),
            Fact(credential.kind, credential.id),
            Fact("ends", ends),
        ),
        sources=(APPS,),
        fingerprint=credential.id,
        advice=build_app_credential_advice(app, credential),
    )


def judge_unlisted_app(item: ConsentedApp) -> Iterator[Finding]:
    """Grants whose app is not there: deleted a moment ago, or hidden from us."""
    if item.delegated_grants or item.app_grants:
        yield Finding(
            kind="app-unlisted",
            object_id=item.app.id,
            subject=item.app.id,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"App {item.app.id} holds permissions, and Entra does not list it.",
            sources=GRANT_SOURCES,
            advice="Look for it among enterprise applications, deleted ones too.",
            confirmations_needed=2,
        )


def judge_consent_policy(policy: Configuration) -> Iterator[Finding]:
    """Whether users may give apps access to their mail by themselves."""
    permissions = policy.values.get("defaultUserRolePermissions")
    assigned = permissions.get(GRANT_POLICIES) if isinstance(permissions, Mapping) else None
    finding = partial(
        Finding,
        kind="user-consent",
        object_id=POLICY,
        subject="User consent to apps",
        sources=(get_configuration_source_name(POLICY),),
    )
    if not isinstance(assigned, list) or not all(isinstance(one, str) for one in assigned):
        yield finding(
            severity=Severity.MEDIUM,
            verdict=Verdict.COULD_NOT_TELL,
            summary="Whether users may consent to apps is not known.",
            advice="Look under Entra ID > Enterprise apps > Consent and permissions.",
        )
        return
    found = [one for one in assigned if one.casefold().startswith(SELF_CONSENT_PREFIX)]
    if found:
        anything = any(one.casefold().endswith("-legacy") for one in found)
        yield finding(
            severity=Severity.HIGH if anything else Severity.MEDIUM,
            verdict=ConsentVerdict.REPAIR,
            summary="Users may let apps into their mail and files by themselves.",
            facts=(Fact("by", format_name_list(sorted(found))),),
            changes=(
                SetConfiguration(
                    POLICY, "", PROPERTY, tuple(one for one in assigned if one not in found)
                ),
            ),
            advice="Entra ID > Enterprise apps > Consent and permissions > User consent settings: "
            "Do not allow user consent. Let users ask an admin instead: Admin consent settings.",
        )
    if policy.values.get("allowUserConsentForRiskyApps") is True:
        yield finding(
            kind="risky-app-consent",
            severity=Severity.HIGH,
            verdict=ConsentVerdict.GRANTED,
            summary="Users may consent even to apps that Microsoft holds to be risky.",
            advice="Update-MgPolicyAuthorizationPolicy -AllowUserConsentForRiskyApps:$false",
        )


def format_app_name(app: App) -> str:
    """The app as people know it."""
    return quote_text(app.name or app.app_id or app.id, MAX_TEXT_LENGTH)


def format_app_title(app: App) -> str:
    """The app at the beginning of a sentence."""
    if app.is_self:
        return f"This app itself ({format_app_name(app)})"
    whose = "Microsoft's app" if is_microsoft_app(app) else "App"
    return f"{whose} {format_app_name(app)}"


def list_app_facts(app: App) -> tuple[Fact, ...]:
    """Who made an app, and where it sends people."""
    if is_microsoft_app(app):
        owner = "Microsoft"
    elif app.is_home_tenant:
        owner = "this tenant"
    else:
        owner = f"another tenant ({app.owner_tenant_id})" if app.owner_tenant_id else "not told"
    facts = [
        Fact("application id", quote_text(app.app_id, MAX_TEXT_LENGTH) or "not told"),
        Fact("registered in", owner),
    ]
    if not (is_microsoft_app(app) or app.is_home_tenant):
        facts.append(
            Fact("publisher", quote_text(app.publisher, MAX_TEXT_LENGTH) or "not verified")
        )
    if impersonates_microsoft(app):
        facts.append(Fact("", "its name looks like one of Microsoft's, and it is not"))
    if not app.enabled:
        facts.append(Fact("", "sign-in to it is switched off"))
    if unsafe := list_unsafe_reply_hosts(app):
        facts.append(Fact("", f"sends sign-ins unprotected to: {format_name_list(list(unsafe))}"))
    elif hosts := list_reply_hosts(app):
        facts.append(Fact("sends sign-ins to", format_name_list(list(hosts))))
    return tuple(facts)


def format_name_list(names: list[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(quote_text(name, MAX_TEXT_LENGTH) for name in names[:MAX_SHOWN]) + more


def describe_user_count(count: int) -> str:
    """How many, in words that stay the same while users come and go."""
    for most, words in ((1, "one user"), (9, "a few users"), (99, "tens of users")):
        if count <= most:
            return words
    return "hundreds of users" if count <= 999 else "a thousand users or more"


def build_stop_app_command(app: App) -> str:
    """The command that stops an app at once."""
    return (
        f"Update-MgServicePrincipal -ServicePrincipalId {quote_literal(app.id)} "
        "-AccountEnabled:$false"
    )


def build_delegated_advice(app: App, grant: DelegatedGrantView) -> str:
    """How to take a delegated grant away, exactly and by hand."""
    if not can_be_quoted(app.id) or not can_be_quoted(grant.api.id):
        return ""
    consent = "AllPrincipals" if grant.all_principals else "Principal"
    return (
        f"If nobody can answer for it, stop the app: {build_stop_app_command(app)} ; then take "
        "the grant away: "
        "Get-MgServicePrincipalOauth2PermissionGrant -ServicePrincipalId "
        f"{quote_literal(app.id)} -All | "
        f"Where-Object {{ $_.ResourceId -eq {quote_literal(grant.api.id)} -and "
        f"$_.ConsentType -eq '{consent}' }} | "
        "ForEach-Object { Remove-MgOauth2PermissionGrant -OAuth2PermissionGrantId $_.Id }"
    )


def build_app_permission_advice(app: App, grant: AppGrant) -> str:
    """How to take an application permission away, exactly and by hand."""
    ids = (app.id, grant.api.id, grant.permission.id)
    if not all(can_be_quoted(one) for one in ids):
        return ""
    return (
        f"If nobody can answer for it, stop the app: {build_stop_app_command(app)} ; then take "
        "it away: "
        "Remove-MgServicePrincipalAppRoleAssignedTo -ServicePrincipalId "
        f"{quote_literal(grant.api.id)} "
        f"-AppRoleAssignmentId {quote_literal(grant.permission.id)}"
    )


def build_app_credential_advice(app: App, credential: AppCredential) -> str:
    """How to take a credential away by hand, and when it is right."""
    if not can_be_quoted(app.id) or not can_be_quoted(credential.id):
        return ""
    if credential.kind == "secret":
        command = (
            f"Remove-MgServicePrincipalPassword -ServicePrincipalId {quote_literal(app.id)} "
            f"-KeyId {quote_literal(credential.id)}"
        )
    else:
        command = (
            f"Update-MgServicePrincipal -ServicePrincipalId {quote_literal(app.id)} "
            "-KeyCredentials @() "
            "(takes all its certificates away)"
        )
    usual = (
        " Exchange hybrid puts its certificate on Microsoft's app." if is_microsoft_app(app) else ""
    )
    return f"Find out who added it and when.{usual} To take it away: {command}"
