"""What newly opens a powerful app to others, and what belongs to it."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from core.guards.app_consent import GUARD
from core.model.findings import Finding
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import RoleHolder
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import Reading
from sandbox.graph.apps import GRAPH_APP, build_app_assignment, build_principal
from sandbox.state.tenant import TENANT_ID
from tests.support.http_recorder import build_scene
from tests.support.in_memory_services import build_fake_tenant
from tests.support.watched_looks import NOW

APP, APP_ID, OWNER, ADMIN = (f"0000000{number}-0000-4000-8000-000000000001" for number in range(4))


def build_powerful_scene(**changes: Any) -> dict[str, Any]:
    """A tenant with one app that may read all mail, and two people."""
    scene = build_scene()
    graph = scene["graph"]
    app = build_principal(APP, APP_ID, "Backup job", TENANT_ID)
    graph["servicePrincipals"] = [{**app, "signInAudience": "AzureADMyOrg", **changes}]
    graph["appRoleAssignments"] = [build_app_assignment(APP, GRAPH_APP, "Mail.Read")]
    graph["users"] = [
        *graph.get("users", ()),
        *({"id": one, "userPrincipalName": f"{one[7]}@contoso.com"} for one in (OWNER, ADMIN)),
    ]
    graph["domains"] = [{"id": "contoso.com", "authenticationType": "Managed", "isVerified": True}]
    return scene


async def look(
    scene: dict[str, Any],
    known: dict[str, KnownTraits],
    number: int,
    *,
    unread: str = "",
    unread_of_app: str = "",
) -> list[Finding]:
    """What is told of openings at one look. `unread_of_app` is unread of the app alone."""
    tenant = build_fake_tenant(deepcopy(scene))
    tenant.holders = [RoleHolder(ADMIN, "entra", frozenset({"x"}))]
    if unread:
        tenant.fail_read(unread, "", "not now")
    if unread_of_app:
        tenant.fail_read(unread_of_app, APP, "not now")
    is_compared, is_spoken_of = False, False
    policy = GuardPolicy(NOW + timedelta(hours=number))
    found: list[Finding] = []
    async for reading in GUARD.observe(tenant, ObserveContext(policy, known_traits=dict(known))):
        assert isinstance(reading, Reading)
        assert not (unread and reading.covers(("watched-powerful-app",), APP))
        is_compared = is_compared or "watched-powerful-app" in reading.sources
        is_spoken_of = is_spoken_of or reading.covers(("watched-powerful-app",), APP)
        known |= {one.key: one for one in reading.known_traits}
        for item in reading.items:
            found += GUARD.judge(item, policy)
    told = [one for one in found if one.kind == "powerful-app"]
    # What a reading speaks of and does not tell is over.
    assert told or not (unread_of_app and is_spoken_of)
    assert is_compared is not bool(unread)
    return told


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"replyUrls": ["https://job.harbour.example/cb"]}, "medium"),
        ({"replyUrls": ["https://a.contoso.com/cb", "http://localhost:1", "msal1://auth"]}, ""),
        ({"signInAudience": "AzureADMultipleOrgs"}, "medium"),
        ({"owners": [OWNER]}, "high"),
        ({"owners": [ADMIN]}, ""),
        ({"displayName": "Another name"}, ""),
        ({"servicePrincipalNames": [APP_ID, f"api://{APP_ID}", "https://x.contoso.com"]}, ""),
        ({"servicePrincipalNames": [APP_ID, "https://harbour.example/api"]}, "medium"),
        ({"logoutUrl": "https://harbour.example/out"}, "medium"),
    ],
)
async def test_a_powerful_app_that_opens_to_others_is_told(
    change: dict[str, Any], expected: str
) -> None:
    known: dict[str, KnownTraits] = {}
    assert await look(build_powerful_scene(), known, 0) == []
    for number in (1, 2):
        found = await look(build_powerful_scene(**change), known, number)
        assert [one.severity.label for one in found] == [*filter(None, [expected])]
    assert await look(build_powerful_scene(), known, 3) == []


async def test_what_an_app_had_at_the_first_look_is_no_news() -> None:
    scene = build_powerful_scene(owners=[OWNER], signInAudience="AzureADMultipleOrgs")
    known: dict[str, KnownTraits] = {}
    for number in range(3):
        assert await look(scene, known, number) == []


@pytest.mark.parametrize("unread", ["role-holders", "app-permissions", "delegated-grants"])
async def test_while_powerful_apps_or_administrators_are_unknown_nothing_is_compared_or_over(
    unread: str,
) -> None:
    known: dict[str, KnownTraits] = {}
    await look(build_powerful_scene(owners=[ADMIN]), known, 0)
    before = dict(known)
    assert await look(build_powerful_scene(owners=[OWNER]), known, 1, unread=unread) == []
    assert {key: known[key] for key in before} == before
    assert [
        one.severity.label for one in await look(build_powerful_scene(owners=[OWNER]), known, 2)
    ] == ["high"]


@pytest.mark.parametrize(
    "source", ["app-registrations", "federated-credentials", "delegated-grants", "apps"]
)
async def test_an_opening_is_neither_over_nor_forgotten_while_something_of_its_app_is_unread(
    source: str,
) -> None:
    known: dict[str, KnownTraits] = {}
    await look(build_powerful_scene(), known, 0)
    opened = build_powerful_scene(owners=[OWNER])
    assert await look(opened, known, 1)
    for number in range(2, 5):
        await look(opened, known, number, unread_of_app=source)
    assert [one.severity.label for one in await look(opened, known, 5)] == ["high"]


async def test_an_opening_that_is_closed_or_an_app_that_goes_and_is_back_is_no_news() -> None:
    known: dict[str, KnownTraits] = {}
    two = build_powerful_scene(replyUrls=["https://a.harbour.example/", "https://b.drop.example/"])
    one = build_powerful_scene(replyUrls=["https://a.harbour.example/"])
    gone = build_powerful_scene()
    gone["graph"]["servicePrincipals"] = []
    gone["graph"]["appRoleAssignments"] = []
    for number, scene in enumerate((two, one, gone, gone, one)):
        assert await look(scene, known, number) == []


async def test_an_app_that_is_new_is_told_by_what_it_was_granted() -> None:
    known: dict[str, KnownTraits] = {}
    none = build_powerful_scene()
    none["graph"]["servicePrincipals"] = []
    none["graph"]["appRoleAssignments"] = []
    assert await look(none, known, 0) == []
    opened = build_powerful_scene(replyUrls=["https://a.harbour.example/"])
    assert await look(opened, known, 1) == []


async def test_names_that_deceive_are_shown_as_what_they_are() -> None:
    known: dict[str, KnownTraits] = {}
    hostile = "a\u202eb" + "x" * 900
    assert await look(build_powerful_scene(displayName=hostile), known, 0) == []
    opened = build_powerful_scene(
        displayName=hostile, logoutUrl="https://harbour.example/" + hostile
    )
    (found,) = await look(opened, known, 1)
    assert "\u202e" not in found.summary
    assert len(found.summary) < 900


async def test_only_hosts_of_others_are_told_as_where_sign_ins_go() -> None:
    replies = ["https://a.contoso.com/cb", "http://localhost:1/", "https://job.harbour.example/cb"]
    tenant = build_fake_tenant(build_powerful_scene(replyUrls=replies))
    policy = GuardPolicy(NOW)
    facts = {
        fact.text
        async for reading in GUARD.observe(tenant, ObserveContext(policy))
        if isinstance(reading, Reading)
        for item in reading.items
        for one in GUARD.judge(item, policy)
        for fact in one.facts
        if fact.label == "sends sign-ins to"
    }
    assert facts == {"job.harbour.example"}


async def test_a_domain_that_a_listing_lacks_once_is_not_somebody_elses() -> None:
    scene = build_powerful_scene(replyUrls=["https://a.contoso.com/cb"])
    own = scene["graph"]["domains"]
    other = [{**own[0], "id": "branch.example"}]
    scene["graph"]["domains"] = [*own, *other]
    known: dict[str, KnownTraits] = {}
    assert await look(scene, known, 0) == []
    for number in (1, 3):
        scene["graph"]["domains"] = other
        assert await look(scene, known, number) == []
        scene["graph"]["domains"] = [*own, *other]
        assert await look(scene, known, number + 1) == []
    scene["graph"]["domains"] = other
    assert await look(scene, known, 5) == []
    (found,) = await look(scene, known, 7)
    assert "a.contoso.com" in found.summary
