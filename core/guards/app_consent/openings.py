"""What newly opens a powerful app to others: where it sends sign-ins, whom it lets in, who owns it.

An app that may read all mail is worth more than a mailbox. Whoever got in for an hour adds an
address of theirs to it, opens it to every tenant, or makes themselves the owner of its service
principal: none of these is a grant, and each outlives them (MITRE ATT&CK T1528, T1098.001,
T1098.003). What was there at the first look is no news.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from core.guards.app_consent.grants import ConsentedApp
from core.guards.app_consent.rating import is_trusted_app, measure_reach
from core.guards.app_consent.texts import MAX_TEXT_LENGTH
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.microsoft365.permission_rules import PermissionRisk
from core.microsoft365.remedies import stop_app
from core.microsoft365.reply_addresses import is_loopback, list_reply_hosts, split_reply_url
from core.model.findings import Severity, Step
from core.property_values import find_property, get_flag, get_text, get_texts
from core.tenant.apps import App
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.watched.items import SourceRows, Trait, WatchedCollection, WatchedItem, build_token

POWERFUL, PRINCIPAL, DOMAIN = "powerful-app", "app-principal", "domain"
SHOWN_OWNERS = 20
"""So many come with a service principal at most (Microsoft Graph: known issues, `$expand`)."""
# Microsoft Graph v1.0: application, signInAudience. What is not named here lets in others too.
OWN_AUDIENCE = "azureadmyorg"


def is_powerful(item: ConsentedApp) -> bool:
    """Whether an app holds what is worth a detour, in its own name or in everybody's. One that is
    disabled is compared too: it would come back with whatever was opened meanwhile.
    """
    reach = measure_reach(item)
    is_wide = max(reach.by_itself, reach.for_everyone) >= PermissionRisk.SENSITIVE
    return is_wide and not is_trusted_app(item.app)


def build_powerful_row(item: ConsentedApp) -> Configuration:
    """A powerful app as a row of its own source."""
    app = item.app
    values: Mapping[str, object] = {
        "hosts": [*list_reply_hosts(app)],
        "isHome": app.is_home_tenant,
        "publisher": app.publisher,
    }
    return Configuration(POWERFUL, app.id, app.name or app.app_id, values)


def read_powerful_apps(
    items: Iterable[ConsentedApp], failures: tuple[ReadFailure, ...], *, complete: bool
) -> Reading[Configuration]:
    """The powerful apps that were found, as a source. From what it lacks nothing is concluded while
    grants of nobody knows which app were not read; with any other gap, nothing is compared.
    """
    rows = tuple(map(build_powerful_row, items))
    return Reading(rows, failures, frozenset({POWERFUL}), len(rows), complete=complete)


def describe_openings(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each powerful app, with all that lets others in."""
    administrators = {one.id for one in rows[ROLE_HOLDER] or ()}
    own = {one.id.casefold() for one in rows[DOMAIN] or ()}
    principals = {one.id: one for one in rows[PRINCIPAL] or ()}
    for one in rows[POWERFUL] or ():
        principal = principals.get(one.id)
        is_home = get_flag(one.values, "isHome", default=False)
        traits = [*list_reply_traits(one, own)]
        if principal:
            traits += list_owner_traits(principal, administrators)
        if principal and is_home:
            traits += list_audience_traits(principal)
            traits += list_name_traits(principal, own)
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_TEXT_LENGTH),
            opens=tuple(traits),
            on_sight=tuple(list_cut_owners(principal)) if principal else (),
            stop=(
                stop_app(one.id, "somebody answers for it"),
                Step(
                    "Set back what was changed, and look at the secrets the app got since: Entra "
                    "admin center > App registrations > the app > Authentication, Owners, "
                    "Certificates & secrets."
                ),
            ),
            advice="Ask whoever changed it, by telephone. Unless somebody answers for it, set it "
            "back: Entra admin center > App registrations > the app > Authentication or Owners, "
            "and look at the secrets the app got since.",
        )


def list_reply_traits(app: Configuration, own: set[str]) -> Iterator[Trait]:
    """Every host of another organization that sign-ins to an app are sent to.

    Where a verified publisher hosts its app is its own affair.
    """
    if get_text(app.values, "publisher") and not get_flag(app.values, "isHome", default=False):
        return
    for host in get_texts(app.values, "hosts"):
        if is_own_host(host, own):
            continue
        text = f"sends sign-ins to {quote_text(host, MAX_TEXT_LENGTH)}, no domain of this tenant"
        yield Trait(build_token("reply", host), text, Severity.MEDIUM)


def list_owner_traits(principal: Configuration, administrators: set[str]) -> Iterator[Trait]:
    """Owners of the service principal that hold no role: they may give it new secrets."""
    found = find_property(principal.values, "owners")[1]
    for one in found if isinstance(found, list) else ():
        if not isinstance(one, Mapping):
            continue
        owner = get_text(one, "id").casefold()
        if owner and owner not in administrators:
            name = get_text(one, "userPrincipalName") or get_text(one, "displayName") or owner
            text = f"is owned by {quote_text(name, MAX_TEXT_LENGTH)}, who holds no role"
            yield Trait(build_token("owner", owner), text, Severity.HIGH)


def list_cut_owners(principal: Configuration) -> Iterator[Trait]:
    """That a service principal has more owners than Graph shows beside it: who else may give it new
    secrets is not known.
    """
    found = find_property(principal.values, "owners")[1]
    if isinstance(found, list) and len(found) >= SHOWN_OWNERS:
        text = f"has {SHOWN_OWNERS} owners or more, and Graph shows no others beside it"
        yield Trait("more owners", text, Severity.LOW)


def list_audience_traits(principal: Configuration) -> Iterator[Trait]:
    """Whether an app of this tenant lets in people of every other one."""
    audience = get_text(principal.values, "signInAudience")
    if audience and audience.casefold() != OWN_AUDIENCE:
        text = f"lets in people of every organization ({quote_text(audience, MAX_TEXT_LENGTH)})"
        yield Trait("audience", text, Severity.MEDIUM)


def list_name_traits(principal: Configuration, own: set[str]) -> Iterator[Trait]:
    """Names that tokens for an app are asked by, and where it sends people who sign out."""
    app_id = get_text(principal.values, "appId").casefold()
    for name in get_texts(principal.values, "servicePrincipalNames"):
        if app_id not in name.casefold() and not is_own_host(split_reply_url(name)[1], own):
            text = f"answers to the name {quote_text(name, MAX_TEXT_LENGTH)}"
            yield Trait(build_token("name", name), text, Severity.MEDIUM)
    host = split_reply_url(get_text(principal.values, "logoutUrl"))[1]
    if host and not is_own_host(host, own):
        text = f"sends people who sign out to {quote_text(host, MAX_TEXT_LENGTH)}"
        yield Trait(build_token("logout", host), text, Severity.MEDIUM)


def mark_home_hosts(app: App, own: frozenset[str]) -> App:
    """An app with the hosts that are this tenant's own: they are no news to anybody."""
    hosts = frozenset(host for host in list_reply_hosts(app) if is_own_host(host, own))
    return replace(app, home_hosts=hosts) if hosts else app


def is_own_host(host: str, own: Collection[str]) -> bool:
    """Whether a host is the device itself, or below a domain of this tenant."""
    is_named = any(host == one or host.endswith(f".{one}") for one in own)
    return is_named or (bool(host) and is_loopback(host))


OPENINGS = WatchedCollection(
    name=POWERFUL,
    noun="app",
    plural="apps that may read mail or files",
    needs=(POWERFUL, PRINCIPAL, ROLE_HOLDER, DOMAIN),
    items_of=(POWERFUL, PRINCIPAL),
    describe=describe_openings,
    advice="Ask whoever changed it.",
    techniques=("T1528", "T1098.001", "T1098.003"),
    reference="Microsoft Graph v1.0: servicePrincipal (replyUrls, owners, signInAudience, "
    "servicePrincipalNames, logoutUrl)",
    harmless="addresses of this tenant's own domains, of the device itself and of an app's scheme, "
    "where a verified publisher hosts its app, owners who administer, and whatever an app had when "
    "it was first seen",
    only_protects=True,
)
