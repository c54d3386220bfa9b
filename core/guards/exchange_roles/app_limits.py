"""Application access policies: what keeps apps with mail permissions to some mailboxes. Pure."""

from collections.abc import Iterator

from core.guards.exchange_roles.groups import MAX_NAME_LENGTH
from core.model.findings import Fact, Severity
from core.property_values import get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    bound_text,
    build_token,
    build_value_token,
)

ACCESS_POLICY, LIMITS = "application-access-policy", "limits"
# The rights of such policies (Microsoft Learn: New-ApplicationAccessPolicy): both keep an app out.
RESTRICTS, DENIES = "restrictaccess", "denyaccess"
LIMITING_RIGHTS = frozenset({RESTRICTS, DENIES})
DENIED, EVERYWHERE_ELSE = "denied", "everywhere else"


def describe_access_policy(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each app that policies limit: one that is let into several groups reaches all of them.

    A policy cannot be changed, so a limit is widened by another policy beside or in place of it.
    """
    policies = [(app, one) for one in rows[ACCESS_POLICY] or () for app in list_apps(one)]
    restricted = {app for app, one in policies if get_right(one) == RESTRICTS}
    for app, one in policies:
        values, right = one.values, get_text(one.values, "AccessRight")
        scope = get_text(values, "ScopeName") or get_text(values, "ScopeIdentity") or one.id
        about = get_text(values, "Description") or scope
        keeps = {LIMITS} if get_right(one) in LIMITING_RIGHTS else set()
        if get_right(one) == DENIES:
            keeps.add(build_token(DENIED, scope))
        yield WatchedItem(
            id=app,
            name=f"{quote_text(about, MAX_NAME_LENGTH)} (app {quote_text(app, 60)})",
            opens=tuple(list_openings(right, scope, is_restricted=app in restricted)),
            keeps=frozenset(keeps),
            on_sight=() if keeps else (explain_unknown_right(right),),
            facts=(Fact("right", quote_text(right, 60)),),
            is_object=False,
        )


def explain_unknown_right(right: str) -> Trait:
    """A policy whose right nobody knows: whether it limits the app cannot be told."""
    text = f"has a right that nobody knows ({quote_text(right, 60)})"
    return Trait(build_value_token("unknown right", right), text, Severity.LOW)


def list_apps(policy: Configuration) -> tuple[str, ...]:
    """The apps that a policy is about; the policy itself where it names none."""
    named = (bound_text(one.casefold(), 64) for one in get_texts(policy.values, "AppId"))
    return tuple(named) or (policy.id,)


def get_right(policy: Configuration) -> str:
    """What a policy does, in lower case."""
    return get_text(policy.values, "AccessRight").casefold()


def list_openings(right: str, scope: str, *, is_restricted: bool) -> Iterator[Trait]:
    """What a policy leaves open to its app, which another one may restrict besides."""
    if right.casefold() == RESTRICTS:
        text = f"lets the app into the mailboxes of {quote_text(scope, MAX_NAME_LENGTH)}"
        token = build_value_token("scope", scope)
        yield Trait(token, text, Severity.MEDIUM, within=(EVERYWHERE_ELSE,))
    elif right.casefold() == DENIES and not is_restricted:
        text = "keeps the app out of some mailboxes only, and in all others lets it in"
        yield Trait(EVERYWHERE_ELSE, text, Severity.MEDIUM)


def explain_limit_loss(token: str) -> Trait:
    """What it means that the policies of an app limit it less."""
    kind, _, scope = token.partition(" ")
    if kind == DENIED:
        text = f"no longer keeps the app out of the mailboxes of {quote_text(scope, 80)}"
        return Trait(token, text, Severity.MEDIUM)
    return Trait(token, "no longer keeps the app out of any mailbox", Severity.MEDIUM)


ACCESS_POLICIES = WatchedCollection(
    name="application-access-policy",
    noun="application access policy",
    plural="application access policies",
    needs=(ACCESS_POLICY,),
    describe=describe_access_policy,
    name_items=list_apps,
    explain_loss=explain_limit_loss,
    advice="Look at the app's permissions: while it still has one for mail, it reaches every "
    "mailbox. Take the permission away, or limit the app to a group of mailboxes again.",
    techniques=("T1098.002",),
    reference="Microsoft Learn: Get-ApplicationAccessPolicy",
    harmless="an app that is limited for the first time or to fewer mailboxes, and policies that "
    "were there at the first look",
    departure=Severity.MEDIUM,
    departure_text="it no longer keeps the app out of any mailbox",
    departs_with=LIMITS,
    only_protects=True,
)
