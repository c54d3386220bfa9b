"""What opens a powerful app to others, trait by trait, and which apps are powerful."""

from copy import replace
from typing import Any

import pytest

from core.guards.app_consent.grants import AppGrant, ConsentedApp, DelegatedGrantView
from core.guards.app_consent.openings import (
    DOMAIN,
    POWERFUL,
    PRINCIPAL,
    build_powerful_row,
    describe_openings,
    is_own_host,
    is_powerful,
    mark_home_hosts,
    read_powerful_apps,
)
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.model.findings import Severity, Shell
from core.tenant.apps import App, AppPermission
from core.tenant.configuration import Configuration
from core.tenant.readings import ReadFailure, Reading
from core.watched.items import SourceRows, Trait, WatchedItem
from tests.support.guard_tenants import GRAPH, HOME_APP, UNVERIFIED_APP, VERIFIED_APP
from tests.support.watched_looks import NOW

LONG = "n" * 300
CUT = f"{LONG[:120]}… (300 characters)"
READS_MAIL = (AppGrant(GRAPH, AppPermission("x1", "c1", "graph", "r1", "Mail.Read")),)


def for_people(scope: str, *, everyone: bool) -> ConsentedApp:
    return ConsentedApp(HOME_APP, (DelegatedGrantView(GRAPH, everyone, {scope: 1}),))


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        (ConsentedApp(HOME_APP, app_grants=READS_MAIL), True),
        # It would come back with what was opened meanwhile.
        (ConsentedApp(replace(HOME_APP, enabled=False), app_grants=READS_MAIL), True),
        (ConsentedApp(replace(HOME_APP, is_self=True), app_grants=READS_MAIL), False),
        (for_people("Mail.Read", everyone=True), True),
        (for_people("Mail.Read", everyone=False), False),
        (for_people("User.Read.All", everyone=True), False),
        (ConsentedApp(HOME_APP), False),
    ],
)
def test_an_app_is_powerful_that_reaches_mail_by_itself_or_for_everybody(
    item: ConsentedApp, wanted: bool
) -> None:
    assert is_powerful(item) is wanted


def test_powerful_apps_are_a_source_of_their_own() -> None:
    app = replace(VERIFIED_APP, reply_urls=("https://b.example/x", "https://a.example"))
    row = Configuration(
        POWERFUL,
        "c1",
        "Contoso Notes",
        {"hosts": ["a.example", "b.example"], "isHome": False, "publisher": "Contoso Ltd"},
    )
    gap = ReadFailure("app-permissions", "HTTP 503")
    assert read_powerful_apps([ConsentedApp(app)], (gap,), complete=False) == Reading(
        (row,), (gap,), frozenset({POWERFUL}), 1, complete=False
    )
    assert build_powerful_row(ConsentedApp(replace(app, name=""))).name == "a-c1"


def describe(
    app: App = HOME_APP, own: tuple[str, ...] = ("Contoso.com",), **principal: Any
) -> WatchedItem:
    """What is open about a powerful app of this name and that principal."""
    rows = SourceRows(
        {
            POWERFUL: (build_powerful_row(ConsentedApp(app)),),
            PRINCIPAL: (
                Configuration(PRINCIPAL, app.id, app.name, {"appId": "a-c1", **principal}),
            ),
            ROLE_HOLDER: (Configuration(ROLE_HOLDER, "admin", "Admin", {}),),
            DOMAIN: tuple(Configuration(DOMAIN, one, one, {}) for one in own),
        },
        NOW,
    )
    (item,) = describe_openings(rows)
    return item


def test_a_closed_app_opens_nothing_and_is_stopped_by_its_id() -> None:
    item = describe()
    assert (item.id, item.name, item.opens) == ("c1", "Contoso Notes", ())
    stopped, put_back = item.stop
    assert stopped.text.startswith("Unless somebody answers for it: stop the app.")
    assert stopped.command.startswith("Update-MgServicePrincipal -ServicePrincipalId 'c1'")
    assert stopped.shell is Shell.GRAPH
    assert put_back.text.endswith("> Authentication, Owners, Certificates & secrets.")
    assert item.advice == (
        "Ask whoever changed it, by telephone. Unless somebody answers for it, set it back: Entra "
        "admin center > App registrations > the app > Authentication or Owners, and look at the "
        "secrets the app got since."
    )
    assert describe(replace(HOME_APP, name="", app_id="")).name == "c1"
    assert describe(replace(HOME_APP, name=LONG)).name == CUT


@pytest.mark.parametrize(("count", "is_cut"), [(19, False), (20, True), (21, True)])
def test_owners_that_graph_may_not_show_are_told_as_such(count: int, is_cut: bool) -> None:
    item = describe(owners=[{"id": f"o{number}"} for number in range(count)])
    assert len(item.opens) == count
    assert [one.token for one in item.on_sight] == ["more owners"] * is_cut


def test_sign_ins_of_others_than_a_verified_publisher_go_to_own_hosts() -> None:
    urls = (
        "https://app.contoso.com/x",
        "https://contoso.com",
        "http://localhost:1",
        "https://evilcontoso.com",
    )
    told = (
        Trait(
            "reply evilcontoso.com",
            "sends sign-ins to evilcontoso.com, no domain of this tenant",
            Severity.MEDIUM,
        ),
    )
    assert describe(replace(HOME_APP, reply_urls=urls)).opens == told
    assert describe(replace(HOME_APP, publisher="Contoso Ltd", reply_urls=urls)).opens == told
    assert describe(replace(UNVERIFIED_APP, reply_urls=urls)).opens == told
    assert describe(replace(VERIFIED_APP, reply_urls=urls)).opens == ()
    (long,) = describe(replace(HOME_APP, reply_urls=(f"https://{LONG}",))).opens
    assert long.text == f"sends sign-ins to {CUT}, no domain of this tenant"


def test_an_owner_of_the_principal_holds_a_role_or_is_told() -> None:
    owners = [
        "no object",
        {"id": "ADMIN", "userPrincipalName": "admin@contoso.com"},
        {"id": "Eve", "userPrincipalName": "eve@contoso.com", "displayName": "Eve E."},
        {"id": "u2", "displayName": LONG},
        {"id": "u3"},
        {"displayName": "Nobody"},
    ]
    assert describe(UNVERIFIED_APP, owners=owners).opens == tuple(
        Trait(f"owner {one}", f"is owned by {name}, who holds no role", Severity.HIGH)
        for one, name in (("eve", "eve@contoso.com"), ("u2", CUT), ("u3", "u3"))
    )
    assert describe(owners="admin").opens == ()


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ("AzureADMyOrg", ()),
        ("", ()),
        ("AzureADMultipleOrgs", ("AzureADMultipleOrgs",)),
        (LONG, (CUT,)),
    ],
)
def test_an_app_of_this_tenant_lets_in_its_own_people(audience: str, told: tuple[str, ...]) -> None:
    assert describe(signInAudience=audience).opens == tuple(
        Trait("audience", f"lets in people of every organization ({one})", Severity.MEDIUM)
        for one in told
    )
    assert describe(UNVERIFIED_APP, signInAudience=audience).opens == ()


def test_an_app_of_this_tenant_answers_to_its_id_and_to_names_below_its_domains() -> None:
    names = ["A-C1", "api://a-c1/x", "https://api.contoso.com/x", "https://Else.example/x", LONG]
    item = describe(servicePrincipalNames=names, logoutUrl="https://out.example/x")
    assert [(one.token, one.text) for one in item.opens[:1]] == [
        ("name https://else.example/x", "answers to the name https://Else.example/x")
    ]
    assert item.opens[1].text == f"answers to the name {CUT}"
    assert item.opens[2] == Trait(
        "logout out.example", "sends people who sign out to out.example", Severity.MEDIUM
    )
    assert {one.severity for one in item.opens} == {Severity.MEDIUM}
    for url in ("", "https://out.contoso.com/x", "http://localhost/x"):
        assert describe(logoutUrl=url).opens == ()
    (long,) = describe(logoutUrl=f"https://{LONG}").opens
    assert long.text == f"sends people who sign out to {CUT}"
    foreign = describe(UNVERIFIED_APP, servicePrincipalNames=names, logoutUrl="https://x.example")
    assert foreign.opens == ()


def test_what_was_not_read_opens_nothing() -> None:
    unread = dict.fromkeys((PRINCIPAL, ROLE_HOLDER, DOMAIN))
    assert list(describe_openings(SourceRows({**unread, POWERFUL: None}, NOW))) == []
    app = build_powerful_row(ConsentedApp(HOME_APP))
    (item,) = describe_openings(SourceRows({**unread, POWERFUL: (app,)}, NOW))
    assert item.opens == ()


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("contoso.com", True),
        ("a.contoso.com", True),
        ("acontoso.com", False),
        ("localhost", True),
        ("127.0.0.1", True),
        ("", False),
    ],
)
def test_a_host_is_ones_own_below_a_domain_or_on_the_device(host: str, is_own: bool) -> None:
    assert is_own_host(host, {"contoso.com"}) is is_own


def test_hosts_of_ones_own_are_noted_at_the_app() -> None:
    app = replace(HOME_APP, reply_urls=("https://a.contoso.com", "https://b.example"))
    assert mark_home_hosts(app, frozenset({"contoso.com"})).home_hosts == {"a.contoso.com"}
    assert mark_home_hosts(app, frozenset({"x.example"})) is app
