"""Judges what apps may do, and what users may give to them. Pure."""

import re
from collections.abc import Iterator, Sequence
from functools import partial

from core.guards.app_consent.credentials import (
    judge_app_credential,
    judge_federated_credential,
    judge_registration_credential,
)
from core.guards.app_consent.exchange_roles import judge_exchange_role, judge_role_group
from core.guards.app_consent.grants import (
    GRANT_SOURCES,
    AppGrant,
    ConsentedApp,
    ConsentItem,
    DelegatedGrantView,
    ExchangeAppRole,
)
from core.guards.app_consent.owners import judge_owner
from core.guards.app_consent.rating import (
    AppReach,
    find_misleading_name,
    is_trusted_app,
    measure_reach,
    name_app_role,
    rate_app_grant,
    rate_public_client_scope,
    rate_role,
    rate_scope,
    weigh_app_role,
)
from core.guards.app_consent.remedies import (
    build_app_permission_remedy,
    build_delegated_remedy,
)
from core.guards.app_consent.suspicion import (
    judge_abused_app,
    judge_microsoft_status,
    judge_reply_addresses,
)
from core.guards.app_consent.texts import (
    MAX_SHOWN,
    MAX_TEXT_LENGTH,
    format_app_name,
    format_app_title,
    format_name_list,
    list_app_facts,
)
from core.guards.app_consent.user_consent import judge_consent_policy
from core.microsoft365.known_apps import is_hybrid_app, is_public_client
from core.microsoft365.permission_rules import PermissionKind, PermissionRisk
from core.microsoft365.permission_weights import PermissionWeight, weigh_permission
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardPolicy
from core.tenant.apps import App, AppRegistration
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.tenant.sources import APP_PERMISSIONS, APPS, DELEGATED_GRANTS
from core.watched.items import Stock, WatchedNews
from core.watched.judge import judge as judge_watched

# The roles that application access policies limit, at Graph and at Exchange (Microsoft Learn:
# Limiting application permissions to specific Exchange Online mailboxes).
LIMITED_ROLES = re.compile(
    r"mail\.(?:read\w*|send)(?:\.all)?|mailboxsettings\.\w+|full_access_as_app"
    r"|(?:calendars|contacts)\.(?:read|readwrite)(?:\.all)?"
)
LIMIT_WORDS = {
    "restrictaccess": "only mailboxes of",
    "denyaccess": "every mailbox but those of",
}
HYBRID_ROLES = frozenset({"full_access_as_app"})
HYBRID_FACT = Fact(
    "", "by its name the dedicated app of Exchange hybrid, which holds this and nothing else"
)


def judge(item: ConsentItem, policy: GuardPolicy) -> Iterator[Finding]:
    """What one app was given, permission by permission; or what users may give away."""
    if isinstance(item, Configuration):
        yield from judge_consent_policy(item)
    elif isinstance(item, ExchangeAppRole):
        yield from judge_exchange_role(item)
    elif isinstance(item, Stock | WatchedNews):
        yield from judge_watched(item, policy)
    elif not item.is_listed:
        yield from judge_unlisted_app(item)
    else:
        yield from judge_app(item, policy)


def judge_app(item: ConsentedApp, policy: GuardPolicy) -> Iterator[Finding]:
    """Everything about an app that Entra lists."""
    for delegated in item.delegated_grants:
        yield from judge_delegated_grant(item, delegated)
    for given in item.app_grants:
        yield judge_app_permission(item, given)
    reach = measure_reach(item)
    for credential in item.app.credentials:
        yield from judge_app_credential(item.app, credential, policy)
    if item.registration:
        yield from judge_registration(item, item.registration, reach, policy)
    for membership in item.role_groups:
        yield judge_role_group(item.app, membership)
    yield from judge_abused_app(item.app, reach)
    yield from judge_microsoft_status(item.app, reach)
    yield from judge_reply_addresses(item.app, reach)


def judge_registration(
    item: ConsentedApp, registration: AppRegistration, reach: AppReach, policy: GuardPolicy
) -> Iterator[Finding]:
    """What the registration of an app lets others sign in with, and who owns it."""
    for credential in registration.credentials:
        yield from judge_registration_credential(item.app, credential, reach, policy)
    for federated in registration.federated_credentials:
        yield from judge_federated_credential(item.app, federated, reach)
    for owner in registration.owners:
        yield from judge_owner(item, owner, reach)


def judge_delegated_grant(item: ConsentedApp, grant: DelegatedGrantView) -> Iterator[Finding]:
    """A finding a scope, so that one that is added is news and one that is taken away ends.

    What signing in needs is one finding of its own, and only where there is nothing else; so is
    all that an app has that needs no watching.
    """
    app = item.app
    weights = {
        scope: weigh_permission(scope, PermissionKind.SCOPE, grant.api)
        for scope in sorted(grant.scope_counts)
    }
    more = [scope for scope, one in weights.items() if one.risk is not PermissionRisk.SIGN_IN]
    if is_public_client(app) and not app.is_self:
        more = [
            scope
            for scope in more
            if rate_public_client_scope(weights[scope], for_everyone=grant.all_principals)
        ]
        is_noted = not more
    else:
        is_noted = is_trusted_app(app) or not more
    whom = "for everyone" if grant.all_principals else "for users who agreed"
    finding = partial(
        Finding,
        kind="delegated-everyone" if grant.all_principals else "delegated-users",
        object_id=app.id,
        subject=format_app_name(app),
        sources=(DELEGATED_GRANTS, APPS),
        advice=build_delegated_advice(app),
        steps=build_delegated_remedy(app, grant),
    )
    at, scopes = (
        Fact("at", format_app_name(grant.api)),
        Fact("", f"all it may do there: {format_name_list(list(weights))}"),
    )
    by_users = not grant.all_principals
    if is_noted:
        severity, verdict = rate_app_grant(
            app, PermissionRisk.SIGN_IN, Severity.INFO, by_users=by_users
        )
        does = (
            "is known here and was granted permissions"
            if is_trusted_app(app)
            else "signs people in"
        )
        claim = find_misleading_name(app, PermissionRisk.SIGN_IN, by_users=by_users)
        yield finding(
            severity=severity,
            verdict=verdict,
            summary=f"{format_app_title(app)} {does}, {whom}.",
            facts=(*list_app_facts(app, claim), at, scopes),
            fingerprint=f"{grant.api.id} sign-in",
        )
        return
    for scope in more:
        weight = weights[scope]
        severity, verdict = rate_app_grant(
            app, weight.risk, rate_granted_scope(item, weight, grant), by_users=by_users
        )
        people = grant.agreed.get(scope, ())
        by = () if not by_users else (count_users_fact(grant.scope_counts[scope], people),)
        claim = find_misleading_name(app, weight.risk, by_users=by_users)
        yield finding(
            severity=severity,
            verdict=verdict,
            summary=f"{format_app_title(app)} may use {quote_text(scope, MAX_TEXT_LENGTH)} "
            f"{name_whom(people) or whom}.",
            facts=(*list_app_facts(app, claim), *describe_weight(weight), at, scopes, *by),
            fingerprint=f"{grant.api.id} {scope.casefold()}",
        )


def rate_granted_scope(
    item: ConsentedApp, weight: PermissionWeight, grant: DelegatedGrantView
) -> Severity:
    """How grave a scope is, by whether it is one of Microsoft's own tools that has it."""
    if is_public_client(item.app):
        return rate_public_client_scope(weight, for_everyone=grant.all_principals)
    return rate_scope(
        item.app,
        weight,
        for_everyone=grant.all_principals,
        may_register=item.users_may_register,
    )


def judge_app_permission(item: ConsentedApp, given: AppGrant) -> Finding:
    """What an app may do in its own name, to everybody's mailboxes and files."""
    app, role = item.app, given.permission
    weight = weigh_app_role(given)
    base = rate_role(app, weight, given.api)
    is_hybrid = is_dedicated_hybrid_app(item)
    if is_hybrid:
        base = min(base, Severity.MEDIUM)
    severity, verdict = rate_app_grant(app, weight.risk, base)
    name = quote_text(name_app_role(given), MAX_TEXT_LENGTH)
    name = name or f"an unknown permission ({role.role_id})"
    claim = find_misleading_name(app, weight.risk, by_users=False)
    return Finding(
        kind="application-permission",
        object_id=app.id,
        subject=format_app_name(app),
        severity=severity,
        verdict=verdict,
        summary=f"{format_app_title(app)} may use {name} without anybody signed in.",
        facts=(
            *list_app_facts(app, claim),
            *describe_weight(weight),
            Fact("at", format_app_name(given.api)),
            *((HYBRID_FACT,) if is_hybrid else ()),
            *describe_mail_limit(item, name_app_role(given)),
        ),
        sources=(APP_PERMISSIONS, APPS),
        fingerprint=f"{given.api.id} {role.role_id}",
        advice="If nobody can answer for it, stop the app, then take the permission away.",
        steps=build_app_permission_remedy(app, given),
    )


def is_dedicated_hybrid_app(item: ConsentedApp) -> bool:
    """True for an app of this tenant with the name and the role that the hybrid setup gives."""
    roles = {name_app_role(given) for given in item.app_grants}
    return is_hybrid_app(item.app) and roles == HYBRID_ROLES and not item.delegated_grants


def describe_mail_limit(item: ConsentedApp, role: str) -> tuple[Fact, ...]:
    """Which mailboxes an app may open with a role that application access policies limit."""
    if item.access_policies is None or not LIMITED_ROLES.fullmatch(role.casefold()):
        return ()
    limits = [
        f"{LIMIT_WORDS.get(one.right.casefold(), quote_text(one.right, MAX_TEXT_LENGTH))} "
        f"{quote_text(one.group, MAX_TEXT_LENGTH)}"
        for one in item.access_policies
    ]
    return (Fact("application access policy", "; ".join(limits[:MAX_SHOWN]) or "none"),)


def describe_weight(weight: PermissionWeight) -> tuple[Fact, ...]:
    """What a permission opens, and whether that is only told from its name."""
    guess = (
        () if weight.is_published else (Fact("", "Microsoft's list of permissions has no such"),)
    )
    return (Fact("opens", weight.concerns), *guess)


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


def name_whom(people: Sequence[str]) -> str:
    """For whom an app may do something, where one person alone agreed whose name is known."""
    if len(people) != 1 or "@" not in people[0]:
        return ""
    return f"for {quote_text(people[0], MAX_TEXT_LENGTH)}, who agreed"


def count_users_fact(count: int, people: Sequence[str] = ()) -> Fact:
    """How many users granted a scope, and who, if they are few."""
    names = ", ".join(quote_text(one, MAX_TEXT_LENGTH) for one in people)
    return Fact("granted by", names or describe_user_count(count))


def describe_user_count(count: int) -> str:
    """How many, in words that stay the same while users come and go."""
    for most, words in ((1, "one user"), (9, "a few users"), (99, "tens of users")):
        if count <= most:
            return words
    return "hundreds of users" if count <= 999 else "a thousand users or more"


def build_delegated_advice(app: App) -> str:
    """What to do about a delegated grant."""
    if is_public_client(app):
        return (
            "The tool is Microsoft's, and what it may do without asking is this tenant's decision. "
            "Take the consent away, and let those who need it consent for themselves."
        )
    return "If nobody can answer for it, stop the app, then take the grant away."
