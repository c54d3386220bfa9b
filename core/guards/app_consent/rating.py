"""How grave what an app holds is: by what it opens, for whom, and whose app it is. Pure."""

from dataclasses import dataclass

from core.guards.app_consent.grants import AppGrant, ConsentedApp
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.app_names import NameClaim, find_name_claim
from core.microsoft365.known_apps import is_microsoft_app, is_public_client
from core.microsoft365.permission_rules import PermissionKind, PermissionRisk
from core.microsoft365.permission_weights import (
    PermissionWeight,
    find_role_name,
    weigh_permission,
    weigh_unnamed_role,
)
from core.microsoft365.reply_addresses import list_unsafe_reply_hosts
from core.model.findings import Severity
from core.tenant.apps import App


@dataclass(frozen=True, slots=True)
class AppReach:
    """The worst that an app may do."""

    by_itself: PermissionRisk = PermissionRisk.SIGN_IN
    """In its own name."""
    for_everyone: PermissionRisk = PermissionRisk.SIGN_IN
    """In the name of whoever signs in."""
    for_users: PermissionRisk = PermissionRisk.SIGN_IN
    """In the name of users who agreed."""
    is_empty: bool = True
    """True: it was given nothing at all."""
    role_source: str = ""
    """The listing that shows the role by which it may do the worst in its own name; empty where it
    may do that by a consent.
    """

    @property
    def worst(self) -> PermissionRisk:
        """The worst of all."""
        return max(self.by_itself, self.for_everyone, self.for_users)


def measure_reach(item: ConsentedApp) -> AppReach:
    """The worst that an app may do with what it was given."""
    nothing = PermissionRisk.SIGN_IN
    scopes = {True: nothing, False: nothing}
    for grant in item.delegated_grants:
        for scope in grant.scope_counts:
            risk = weigh_permission(scope, PermissionKind.SCOPE, grant.api).risk
            scopes[grant.all_principals] = max(scopes[grant.all_principals], risk)
    granted = max((weigh_app_role(given).risk for given in item.app_grants), default=nothing)
    role = item.held_role
    return AppReach(
        max(granted, role.risk) if role else granted,
        scopes[True],
        scopes[False],
        not (item.delegated_grants or item.app_grants or role),
        role.source if role and role.risk > granted else "",
    )


def name_app_role(given: AppGrant) -> str:
    """The name of an app role, from the API or else from Microsoft's list; empty for neither."""
    role = given.permission
    return role.value or find_role_name(given.api.app_id, role.role_id)


def weigh_app_role(given: AppGrant) -> PermissionWeight:
    """What an app role is worth. One without a name may be anything."""
    name = name_app_role(given)
    if not name:
        return weigh_unnamed_role(given.api)
    return weigh_permission(name, PermissionKind.ROLE, given.api)


def is_trusted_app(app: App) -> bool:
    """True for this very app and for Microsoft's."""
    return app.is_self or is_microsoft_app(app)


def find_misleading_name(app: App, risk: PermissionRisk, *, by_users: bool) -> NameClaim | None:
    """What an app's name claims without right, considering whose app it is.

    Entra knows the owner of every app of another tenant, so one without an owner may be an old one
    of Microsoft's with a name of theirs. At home, where people name tools after what they are for,
    a product's name misleads only users who are asked to give away mail or files; letters that only
    look alike, and names that nobody can read, always mislead.
    """
    if is_trusted_app(app):
        return None
    claim = find_name_claim(app.name)
    if claim in (NameClaim.LOOK_ALIKE, NameClaim.MISSPELT, NameClaim.UNREADABLE, None):
        return claim
    if not (app.is_home_tenant or app.owner_tenant_id):
        return None
    if app.is_home_tenant:
        return claim if by_users and risk >= PermissionRisk.SENSITIVE else None
    return None if claim is NameClaim.BRAND and app.publisher else claim


def is_impostor_claim(app: App, claim: NameClaim | None) -> bool:
    """True for a name that is somebody else's. Makers of known products often are not verified."""
    return claim is not None and (claim is not NameClaim.BRAND or app.is_home_tenant)


def rate_scope(
    app: App, weight: PermissionWeight, *, for_everyone: bool, may_register: bool
) -> Severity:
    """How grave a delegated scope is before it is known who made the app.

    An app that is registered here is nobody's in particular where every user may register one.
    """
    if weight.risk is PermissionRisk.TENANT_WIDE:
        usual = Severity.HIGH
    elif weight.risk is PermissionRisk.SENSITIVE:
        usual = Severity.HIGH if for_everyone else Severity.MEDIUM
    elif weight.risk is PermissionRisk.BROAD:
        usual = Severity.MEDIUM if for_everyone else Severity.LOW
    else:
        usual = Severity.INFO if app.is_home_tenant and not may_register else Severity.LOW
    return max(usual, rate_unpublished(weight))


def rate_role(app: App, weight: PermissionWeight, api: App) -> Severity:
    """How grave an app role is before it is known who made the app.

    What one app registered here may do at another one is between the two.
    """
    if app.is_home_tenant and api.is_home_tenant:
        return Severity.INFO
    usual = {
        PermissionRisk.TENANT_WIDE: Severity.CRITICAL,
        PermissionRisk.SENSITIVE: Severity.HIGH,
        PermissionRisk.BROAD: Severity.MEDIUM,
    }.get(weight.risk, Severity.LOW if app.is_home_tenant else Severity.MEDIUM)
    return max(usual, rate_unpublished(weight))


def rate_unpublished(weight: PermissionWeight) -> Severity:
    """The least that a permission is worth which Microsoft's list does not have."""
    if weight.is_published:
        return Severity.INFO
    return Severity.MEDIUM if weight.risk >= PermissionRisk.BROAD else Severity.LOW


def rate_public_client_scope(weight: PermissionWeight, *, for_everyone: bool) -> Severity:
    """How grave it is that a tool of Microsoft's may do something without asking again.

    Whoever takes over an account signs in with such a tool too. Administrators who consented for
    themselves alone are users of it.
    """
    if weight.risk < PermissionRisk.SENSITIVE:
        is_strange = weight.risk is PermissionRisk.BROAD and not weight.is_published
        return Severity.MEDIUM if is_strange and for_everyone else Severity.INFO
    if not for_everyone:
        return Severity.LOW
    return Severity.HIGH if weight.risk is PermissionRisk.TENANT_WIDE else Severity.MEDIUM


def rate_app_grant(
    app: App, risk: PermissionRisk, base_severity: Severity, *, by_users: bool = False
) -> tuple[Severity, str]:
    """The severity and verdict of what an app holds, by whose app it is.

    An app whose owner Entra does not show is judged as another organization's, but its missing
    publisher does not raise the severity: many such apps are old ones of Microsoft's.
    """
    if app.is_self or (is_microsoft_app(app) and not is_public_client(app)):
        return Severity.INFO, ConsentVerdict.KEEP
    if not app.enabled:
        return Severity.INFO, ConsentVerdict.DORMANT
    claim = find_misleading_name(app, risk, by_users=by_users)
    is_grave = risk >= PermissionRisk.SENSITIVE
    is_foreign = not (app.is_home_tenant or is_microsoft_app(app))
    steps = int(is_grave and is_foreign and bool(app.owner_tenant_id) and not app.publisher)
    steps += int(is_grave and is_foreign and bool(list_unsafe_reply_hosts(app)))
    steps += int(is_impostor_claim(app, claim))
    severity = Severity(min(base_severity + steps, Severity.CRITICAL))
    if is_impostor_claim(app, claim):
        return severity, ConsentVerdict.IMPOSTOR
    if claim:
        severity = max(severity, Severity.LOW)
    return severity, ConsentVerdict.GRANTED if severity > Severity.INFO else ConsentVerdict.KEEP
