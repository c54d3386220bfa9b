"""The threat: an app that somebody agreed to goes on reading mail and files without a password.

A consent outlives a new password and a second factor. Phishers ask for one instead of a password,
with an app named like one of Microsoft's; intruders who hold an admin's account give an app of
theirs the run of every mailbox, or hang a secret of theirs on an app that has it already.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from functools import partial

from core.guards.app_consent.grants import (
    HELD,
    Consents,
    Delegated,
    Given,
    Holdings,
    joined,
    strays,
    users_of,
)
from core.microsoft365.app_permissions import (
    Weight,
    hosts_of,
    microsofts,
    pretends,
    unsafe_replies,
    weight,
)
from core.microsoft365.configuration_sources import surface_of
from core.microsoft365.powershell import literal, writable
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Terms
from core.sanitize import plain
from core.tenant.apps import App, AppCredential
from core.tenant.changes import SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.merging import Listed, missed
from core.tenant.port import Tenant
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import APP_PERMISSIONS, APPS, DELEGATED_GRANTS

CUT = 120
SHOWN = 12
POLICY = "authorization-policy"
ASSIGNED = "permissionGrantPoliciesAssigned"
PROPERTY = f"defaultUserRolePermissions.{ASSIGNED}"
FOR_SELF = "managepermissiongrantsforself."


type Item = Consents | Configuration


# ----------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Item]]:
    """Whether users may consent; then every app of the tenant with what it holds, page by page."""
    policy = await tenant.configuration(POLICY)
    yield Reading(policy.items, policy.unread, policy.surfaces)
    holdings = Holdings()
    async for grants in tenant.delegated_grants():
        holdings.unread += missed((grants,))
        for grant in grants.items:
            holdings.grant(grant)
    async for given in tenant.app_permissions():
        holdings.unread += missed((given,))
        for permission in given.items:
            holdings.give(permission)
    apis = await named_apis(tenant, holdings)
    listed = Listed(look.watched)
    unseen = holdings.owners()
    async for page in tenant.apps():
        listed.note(page)
        unseen -= {one for one in unseen if page.scope is not None and one in page.scope}
        yield joined(page, holdings, apis)
    rest = frozenset(unseen) if listed.complete else frozenset[str]()
    yield strays(rest, holdings, apis)
    listed.present |= rest
    for absent in listed.rest((APPS, *holdings.whole())):
        yield absent


async def named_apis(tenant: Tenant, holdings: Holdings) -> Mapping[str, App]:
    """The APIs by id; what is for one that could not be read counts as unread, app by app."""
    wanted = holdings.apis()
    found = await tenant.apps_by_id(wanted) if wanted else Reading[App]()
    apis = {api.id: api for api in found.items}
    if whole := found.blind_to(APPS):
        holdings.unread += [replace(whole, surface=surface) for surface in HELD]
        return apis
    reasons = {miss.object_id: miss.reason for miss in found.unread}
    for surface, client, resource in users_of(holdings):
        if resource in reasons:
            reason = f"its API could not be read: {reasons[resource]}"
            holdings.unread.append(Unread(surface, reason, client))
    # What an API gave that is not there any more opens nothing that is known.
    return {one: App(one) for one in wanted - reasons.keys()} | apis


# ----------------------------------------------------------------------------------------------
# Judging
# ----------------------------------------------------------------------------------------------


def judge(item: Item, terms: Terms) -> Iterator[Finding]:
    """What one app was given, permission by permission; or what users may give away."""
    if isinstance(item, Configuration):
        yield from judge_policy(item)
    elif not item.listed:
        yield from unlisted(item)
    else:
        for delegated in item.delegated:
            yield from judge_delegated(item.app, delegated)
        for given in item.given:
            yield judge_given(item.app, given)
        for credential in item.app.credentials:
            yield from judge_credential(item.app, credential, terms)


def judge_delegated(app: App, held: Delegated) -> Iterator[Finding]:
    """A finding a scope, so that one that is added is news and one that is taken away ends.

    What signing in needs is one finding of its own, and only where there is nothing else; so is
    all that an app has that needs no watching.
    """
    weights = {scope: weight(scope, held.api) for scope in sorted(held.scopes)}
    more = [scope for scope, worth in weights.items() if worth is not Weight.SIGN_IN]
    whom = "for everyone" if held.everyone else "for users who agreed"
    finding = partial(
        Finding,
        kind="delegated-everyone" if held.everyone else "delegated-users",
        object_id=app.id,
        subject=named(app),
        surfaces=(DELEGATED_GRANTS, APPS),
        advice=delegated_advice(app, held),
    )
    at, scopes = f"at: {named(held.api)}", f"all it may do there: {several(list(weights))}"
    if trusted(app) or not more:
        severity, verdict = rated(app, Weight.SIGN_IN, Severity.INFO)
        does = "is known here and was granted permissions" if trusted(app) else "signs people in"
        yield finding(
            severity=severity,
            verdict=verdict,
            summary=f"{titled(app)} {does}, {whom}.",
            facts=(*app_facts(app), at, scopes),
            dangerous=f"{held.api.id} sign-in",
        )
        return
    for scope in more:
        severity, verdict = rated(app, weights[scope], base(app, weights[scope], held.everyone))
        by = () if held.everyone else (f"granted by: {roughly(held.scopes[scope])}",)
        yield finding(
            severity=severity,
            verdict=verdict,
            summary=f"{titled(app)} may use {plain(scope, CUT)} {whom}.",
            facts=(*app_facts(app), at, scopes, *by),
            dangerous=f"{held.api.id} {scope.casefold()}",
        )


def judge_given(app: App, held: Given) -> Finding:
    """What an app may do in its own name, to everybody's mailboxes and files."""
    role = held.permission
    worth = weight(role.value, held.api) if role.value else Weight.GRAVE
    if worth >= Weight.GRAVE:
        usual = Severity.CRITICAL if worth is Weight.TOTAL else Severity.HIGH
    else:
        usual = Severity.LOW if app.home else Severity.MEDIUM
    severity, verdict = rated(app, worth, usual)
    name = plain(role.value, CUT) or f"an unknown permission ({role.role_id})"
    return Finding(
        kind="application-permission",
        object_id=app.id,
        subject=named(app),
        severity=severity,
        verdict=verdict,
        summary=f"{titled(app)} may use {name} without anybody signed in.",
        facts=(*app_facts(app), f"at: {named(held.api)}"),
        surfaces=(APP_PERMISSIONS, APPS),
        dangerous=f"{held.api.id} {role.role_id}",
        advice=given_advice(app, held),
    )


def base(app: App, worth: Weight, everyone: bool) -> Severity:
    """How grave a delegated scope is before it is known who made the app."""
    if worth < Weight.GRAVE:
        return Severity.INFO if app.home else Severity.LOW
    usual = Severity.HIGH if everyone else Severity.MEDIUM
    return Severity(usual - 1) if app.home else usual


def trusted(app: App) -> bool:
    """True for this very app and for Microsoft's: what they hold is noted, and not told."""
    return app.itself or microsofts(app)


def rated(app: App, worth: Weight, usual: Severity) -> tuple[Severity, Verdict]:
    """The severity and verdict of what an app holds, by whose app it is.

    An app whose owner Entra does not tell is judged as another organization's, but nothing is made
    of the missing publisher: many of those are old ones of Microsoft's.
    """
    if trusted(app):
        return Severity.INFO, Verdict.KEEP
    if not app.enabled:
        return Severity.INFO, Verdict.DORMANT
    if app.home:
        return usual, Verdict.GRANTED if usual > Severity.INFO else Verdict.KEEP
    steps = int(bool(worth >= Weight.GRAVE and app.owner and not app.publisher))
    steps += int(bool(worth >= Weight.GRAVE and unsafe_replies(app)))
    steps += int(pretends(app))
    severity = Severity(min(usual + steps, Severity.CRITICAL))
    if pretends(app):
        return severity, Verdict.IMPOSTOR
    return severity, Verdict.GRANTED if severity > Severity.INFO else Verdict.KEEP


def judge_credential(app: App, credential: AppCredential, terms: Terms) -> Iterator[Finding]:
    """A secret that stands where nobody looks: on the service principal, not its registration.

    Managed identities have certificates there that nobody can take out; SAML signs with one.
    """
    if app.kind.casefold() == "managedidentity" or credential.signs:
        return
    severity = Severity.MEDIUM if app.home and not app.itself else Severity.HIGH
    over = credential.ends is not None and credential.ends <= terms.now
    ends = f"{credential.ends:%Y-%m-%d}" if credential.ends else "not told"
    yield Finding(
        kind="app-credential",
        object_id=app.id,
        subject=named(app),
        severity=Severity.INFO if over else severity,
        verdict=Verdict.DORMANT if over else Verdict.GRANTED,
        summary=f"{titled(app)} can be signed in to with a {credential.kind} added in this tenant.",
        facts=(*app_facts(app), f"{credential.kind}: {credential.id}", f"ends: {ends}"),
        surfaces=(APPS,),
        dangerous=credential.id,
        advice=credential_advice(app, credential),
    )


def unlisted(item: Consents) -> Iterator[Finding]:
    """Grants whose app is not there: deleted a moment ago, or hidden from us."""
    if item.delegated or item.given:
        yield Finding(
            kind="app-unlisted",
            object_id=item.app.id,
            subject=item.app.id,
            severity=Severity.LOW,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"App {item.app.id} holds permissions, and Entra does not list it.",
            surfaces=HELD,
            advice="Look for it among enterprise applications, deleted ones too.",
            patience=2,
        )


def judge_policy(policy: Configuration) -> Iterator[Finding]:
    """Whether users may give apps access to their mail by themselves."""
    permissions = policy.values.get("defaultUserRolePermissions")
    assigned = permissions.get(ASSIGNED) if isinstance(permissions, Mapping) else None
    finding = partial(
        Finding,
        kind="user-consent",
        object_id=POLICY,
        subject="User consent to apps",
        surfaces=(surface_of(POLICY),),
    )
    if not isinstance(assigned, list) or not all(isinstance(one, str) for one in assigned):
        yield finding(
            severity=Severity.MEDIUM,
            verdict=Verdict.COULD_NOT_TELL,
            summary="Whether users may consent to apps is not known.",
            advice="Look under Entra ID > Enterprise apps > Consent and permissions.",
        )
        return
    found = [one for one in assigned if one.casefold().startswith(FOR_SELF)]
    if found:
        anything = any(one.casefold().endswith("-legacy") for one in found)
        yield finding(
            severity=Severity.HIGH if anything else Severity.MEDIUM,
            verdict=Verdict.REPAIR,
            summary="Users may let apps into their mail and files by themselves.",
            facts=(f"by: {several(sorted(found))}",),
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
            verdict=Verdict.GRANTED,
            summary="Users may consent even to apps that Microsoft holds to be risky.",
            advice="Update-MgPolicyAuthorizationPolicy -AllowUserConsentForRiskyApps:$false",
        )


# ----------------------------------------------------------------------------------------------
# Words
# ----------------------------------------------------------------------------------------------


def named(app: App) -> str:
    """The app as people know it."""
    return plain(app.name or app.app_id or app.id, CUT)


def titled(app: App) -> str:
    """The app at the beginning of a sentence."""
    if app.itself:
        return f"This app itself ({named(app)})"
    whose = "Microsoft's app" if microsofts(app) else "App"
    return f"{whose} {named(app)}"


def app_facts(app: App) -> tuple[str, ...]:
    """Who made an app, and where it sends people."""
    if microsofts(app):
        owner = "Microsoft"
    elif app.home:
        owner = "this tenant"
    else:
        owner = f"another tenant ({app.owner})" if app.owner else "not told"
    facts = [f"application id: {plain(app.app_id, CUT) or 'not told'}", f"registered in: {owner}"]
    if not (microsofts(app) or app.home):
        facts.append(f"publisher: {plain(app.publisher, CUT) or 'not verified'}")
    if pretends(app):
        facts.append("its name looks like one of Microsoft's, and it is not")
    if not app.enabled:
        facts.append("sign-in to it is switched off")
    if unsafe := unsafe_replies(app):
        facts.append(f"sends sign-ins unprotected to: {several(list(unsafe))}")
    elif hosts := hosts_of(app):
        facts.append(f"sends sign-ins to: {several(list(hosts))}")
    return tuple(facts)


def several(names: list[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(plain(name, CUT) for name in names[:SHOWN]) + more


def roughly(count: int) -> str:
    """How many, in words that stay the same while users come and go."""
    for most, words in ((1, "one user"), (9, "a few users"), (99, "tens of users")):
        if count <= most:
            return words
    return "hundreds of users" if count <= 999 else "a thousand users or more"


def switch_off(app: App) -> str:
    """The command that stops an app at once."""
    return f"Update-MgServicePrincipal -ServicePrincipalId {literal(app.id)} -AccountEnabled:$false"


def delegated_advice(app: App, held: Delegated) -> str:
    """How to take a delegated grant away, exactly and by hand."""
    if not writable(app.id) or not writable(held.api.id):
        return ""
    consent = "AllPrincipals" if held.everyone else "Principal"
    return (
        f"If nobody can answer for it, stop the app: {switch_off(app)} ; then take the grant away: "
        f"Get-MgServicePrincipalOauth2PermissionGrant -ServicePrincipalId {literal(app.id)} -All | "
        f"Where-Object {{ $_.ResourceId -eq {literal(held.api.id)} -and "
        f"$_.ConsentType -eq '{consent}' }} | "
        "ForEach-Object { Remove-MgOauth2PermissionGrant -OAuth2PermissionGrantId $_.Id }"
    )


def given_advice(app: App, held: Given) -> str:
    """How to take an application permission away, exactly and by hand."""
    ids = (app.id, held.api.id, held.permission.id)
    if not all(writable(one) for one in ids):
        return ""
    return (
        f"If nobody can answer for it, stop the app: {switch_off(app)} ; then take it away: "
        f"Remove-MgServicePrincipalAppRoleAssignedTo -ServicePrincipalId {literal(held.api.id)} "
        f"-AppRoleAssignmentId {literal(held.permission.id)}"
    )


def credential_advice(app: App, credential: AppCredential) -> str:
    """How to take a credential away by hand, and when it is right."""
    if not writable(app.id) or not writable(credential.id):
        return ""
    if credential.kind == "secret":
        command = (
            f"Remove-MgServicePrincipalPassword -ServicePrincipalId {literal(app.id)} "
            f"-KeyId {literal(credential.id)}"
        )
    else:
        command = (
            f"Update-MgServicePrincipal -ServicePrincipalId {literal(app.id)} -KeyCredentials @() "
            "(takes all its certificates away)"
        )
    usual = " Exchange hybrid puts its certificate on Microsoft's app." if microsofts(app) else ""
    return f"Find out who added it and when.{usual} To take it away: {command}"


GRAPH = Service.GRAPH
GUARD = Guard(
    name="app-consent",
    title="Apps and consent",
    why="An app somebody agreed to keeps reading mail and files after the password was changed.",
    permissions=(
        Permission(GRAPH, "Application.Read.All", "which apps there are and what they may do"),
        Permission(GRAPH, "Directory.Read.All", "which delegated permissions were granted"),
        Permission(GRAPH, "Policy.Read.All", "whether users may consent to apps"),
        Permission(
            GRAPH,
            "Policy.ReadWrite.Authorization",
            "to stop users from consenting",
            writes=True,
        ),
    ),
    observe=observe,
    judge=judge,
    noun="apps",
)
