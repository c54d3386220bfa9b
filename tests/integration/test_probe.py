"""The probe on a sandbox tenant: only reads, within its limits, and a report without names."""

import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.m365.probe.prober import QUESTIONS
from core.adapters.m365.roles.read import MODULE_APP_ID
from core.config.catalog import CATALOG
from core.microsoft365.assumptions.register import ASSUMPTIONS
from core.model.state import ProbeReport
from core.status.assumptions import build_bug_report
from core.tenant.probing import AnswerStatus, ProbeOutcome
from sandbox.graph.apps import GRAPH_APP, derive_api_id
from sandbox.reality.profile import FACTS
from tests.support.fakes.clock import START
from tests.support.http_recorder import connect_directly
from tests.support.run_scene import run_scene

SCENES = Path("sandbox/scenes")
PROBED = {one.id for one in ASSUMPTIONS if one.is_probed}
HOLDS, FAILS, UNKNOWN = AnswerStatus.HOLDS, AnswerStatus.DOES_NOT_HOLD, AnswerStatus.UNKNOWN


def load_scene(name: str, **changes: object) -> dict[str, Any]:
    """A scene of the sandbox, with changes."""
    return {**json.loads((SCENES / f"{name}.json").read_text()), **changes}


async def probe(
    scene: Mapping[str, object], max_requests: int = 100
) -> tuple[ProbeOutcome, list[str]]:
    """The answers of a tenant, and its requests as lines."""
    async with connect_directly(scene) as connection:
        outcome = await connection.tenant.prober.probe_assumptions(max_requests, 120)
        lines = [f"{one.method} {one.path}" for one in connection.sandbox.requests]
        return outcome, lines


def statuses(outcome: ProbeOutcome) -> dict[str, AnswerStatus]:
    """Each answer's status."""
    return {answer.assumption: answer.status for answer in outcome.answers}


def list_secrets(value: object) -> Iterator[str]:
    """Every text of a scene that could name something: addresses, ids, names."""
    match value:
        case str():
            if "@" in value or re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", value) or "." in value:
                yield value
        case Mapping():
            for key, part in value.items():
                if key in ("displayName", "DisplayName", "Name", "userPrincipalName"):
                    yield str(part)
                yield from list_secrets(part)
        case list():
            for part in value:
                yield from list_secrets(part)


async def test_every_probed_assumption_is_answered_once_within_the_limits() -> None:
    outcome, lines = await probe(load_scene("healthy"))
    assert sorted(one.assumption for one in outcome.answers) == sorted(PROBED)
    assert 0 < outcome.request_count <= 100
    assert len(lines) <= 110


async def test_a_contrary_tenant_is_asked_what_listings_hang_on_within_the_limits() -> None:
    outcome, _ = await probe(load_scene("attack", reality="contrary"))
    found = statuses(outcome)
    assert outcome.request_count <= 100
    assert found["exchange-paging"] is FAILS
    assert "limits" not in " ".join(one.saw for one in outcome.answers)


async def test_a_slow_tenant_is_left_when_the_time_is_over() -> None:
    faults = [
        {"service": service, "kind": "slow", "match": ".", "seconds": 0.3}
        for service in ("graph", "exchange")
    ]
    async with connect_directly(load_scene("healthy", faults=faults)) as connection:
        begun = time.monotonic()
        outcome = await connection.tenant.prober.probe_assumptions(100, 2)
        assert 1.5 < time.monotonic() - begun < 4
        assert HOLDS in statuses(outcome).values()
        assert "not asked: the limits were reached" in {one.saw for one in outcome.answers}


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_what_a_tenant_says_of_its_errors_is_not_in_the_report(status: int) -> None:
    secret = "Mia Stone mia@contoso.example 4f1e2d3c-0000-4000-8000-000000000001 fabrikam"
    faults = [
        {"service": "graph", "kind": "error", "status": status, "message": secret, "match": "."},
        {
            "service": "exchange",
            "kind": "wrongBody",
            "status": status,
            "match": ".",
            "skip": 1,
            "body": {
                "error": {"code": secret, "message": secret, "details": [{"message": secret}]}
            },
        },
    ]
    outcome, _ = await probe(load_scene("attack", faults=faults))
    report = ProbeReport(START, outcome.answers, outcome.request_count, outcome.seconds, "abc")
    text = build_bug_report(report, "1.0").casefold()
    for part in ("mia", "stone", "contoso", "4f1e2d3c", "fabrikam"):
        assert part not in text


async def test_names_that_try_to_get_into_the_report_do_not() -> None:
    scene = load_scene("attack")
    faults = [
        {"service": one, "kind": "names", "match": ".", "text": "fabrikam@x.example"}
        for one in ("graph", "exchange")
    ]
    outcome, _ = await probe({**scene, "faults": faults})
    report = ProbeReport(START, outcome.answers, outcome.request_count, outcome.seconds, "abc")
    assert "fabrikam" not in build_bug_report(report, "1.0")


async def test_a_probe_only_reads() -> None:
    async with connect_directly(load_scene("healthy")) as connection:
        tenant = connection.sandbox.tenant
        before = json.dumps([tenant.graph, tenant.exchange])
        await connection.tenant.prober.probe_assumptions(100, 120)
        # What a scene leaves out is filled in as it is read.
        graph, exchange = (
            {key: now[key] for key in was}
            for was, now in zip(json.loads(before), (tenant.graph, tenant.exchange), strict=True)
        )
        assert json.dumps([graph, exchange]) == before


@pytest.mark.parametrize("limit", [0, 1, 7])
async def test_the_budget_of_requests_is_kept(limit: int) -> None:
    outcome, _ = await probe(load_scene("healthy"), limit)
    assert outcome.request_count <= limit
    assert sorted(one.assumption for one in outcome.answers) == sorted(PROBED)
    assert UNKNOWN in statuses(outcome).values()


async def test_a_tenant_that_throttles_everything_ends_within_the_budget() -> None:
    faults = [
        {"service": service, "match": ".", "status": 429, "retryAfter": 1}
        for service in ("graph", "exchange")
    ]
    outcome, lines = await probe(load_scene("healthy", faults=faults))
    assert outcome.request_count <= 100
    assert len(lines) <= 105
    assert HOLDS not in statuses(outcome).values()


async def test_an_app_without_an_exchange_role_asks_exchange_once() -> None:
    scene = load_scene("healthy", grants={"graph": "*", "exchange": []})
    outcome, lines = await probe(scene)
    found = statuses(outcome)
    assert found["exchange-role-group"] is FAILS
    assert found["exchange-bypass-rows"] is UNKNOWN
    assert found["graph-sign-in-log"] is HOLDS
    assert sum("/adminapi/" in line for line in lines) <= 2


async def test_what_could_not_be_told_names_the_permission_that_is_missing() -> None:
    outcome, _ = await probe(load_scene("missing-permissions"))
    saw = {one.assumption: one.saw for one in outcome.answers}
    assert (
        "for want of Exchange role with Get-MailboxPermission" in saw["exchange-permission-rights"]
    )
    assert "for want of Directory.Read.All" in saw["graph-grants-count"]
    assert "for want of Application.Read.All" in saw["graph-app-roles-page"]


async def test_the_limits_of_the_services_are_put_back() -> None:
    async with connect_directly(load_scene("healthy")) as connection:
        services = (connection.graph.service, connection.exchange.service)
        before = [(one.max_requests, one.deadline) for one in services]
        await connection.tenant.prober.probe_assumptions(3, 120)
        assert [(one.max_requests, one.deadline) for one in services] == before
        assert (await connection.tenant.permissions.read_granted_permissions()).items


@pytest.mark.parametrize("scene", ["healthy", "attack", "neglected", "missing-permissions"])
async def test_the_report_holds_no_name_address_or_id_of_the_tenant(scene: str) -> None:
    definition = load_scene(scene)
    outcome, _ = await probe(definition)
    report = ProbeReport(START, outcome.answers, outcome.request_count, outcome.seconds, "abc")
    text = build_bug_report(report, "1.0").casefold()
    own_words = build_bug_report(replace(report, answers=()), "1.0").casefold()
    names = {one.casefold() for one in list_secrets(definition) if len(one) > 4}
    # "Director" is a person of the scene, and "Directory.Read.All" a permission.
    told = {name for name in names if re.search(rf"\b{re.escape(name)}\b", text)}
    assert {name for name in told if name not in own_words} == set()
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|@[\w.]", text)


@pytest.mark.parametrize(
    ("side", "status", "way"),
    [
        ("followed", HOLDS, "post-app-plain-front"),
        ("refused", FAILS, "none"),
        ("back-end", FAILS, "post-app-cookies-front"),
        ("anchored", FAILS, "post-oauth-plain-front"),
        ("get", FAILS, "get-app-plain-front"),
        ("no-link", FAILS, "none"),
        ("no-rows", FAILS, "none"),
    ],
)
async def test_the_first_form_of_paging_that_works_is_the_way(
    side: str, status: AnswerStatus, way: str
) -> None:
    scene = load_scene("healthy", reality={"exchange-paging": side})
    domain = {"DomainName": "contoso.onmicrosoft.com", "InitialDomain": True}
    scene["exchange"]["Get-AcceptedDomain"].append(domain)
    outcome, _ = await probe(scene)
    (answer,) = [one for one in outcome.answers if one.assumption == "exchange-paging"]
    assert (answer.status, answer.way) == (status, way)
    assert outcome.request_count <= 100


def build_telling_tenant(reality: Mapping[str, object]) -> dict[str, Any]:
    """A tenant in which everything that is asked has something to show."""
    scene = load_scene("attack", reality=reality)
    exchange, graph = scene["exchange"], scene["graph"]
    exchange["Get-Mailbox"][0]["AuditEnabled"] = False
    today = datetime.now(UTC)
    app = {"app": {"appId": "a1", "servicePrincipalId": "p1", "displayName": "x"}}
    graph["directoryAudits"] = [{"id": "1", "initiatedBy": app}]
    graph["deletedItems"] = [
        {"@odata.type": f"#microsoft.graph.{kind}", "id": f"{kind}-1", "groupTypes": []}
        | {"deletedDateTime": today.isoformat()}
        for kind in ("user", "group")
    ]
    graph["signIns"] = [
        {
            "id": f"s{number}",
            "userId": graph["users"][0]["id"],
            "createdDateTime": f"{today - timedelta(hours=number + 1):%Y-%m-%dT%H:%M:%SZ}",
            "clientAppUsed": "Authenticated SMTP",
            **({"signInEventTypes": ["nonInteractiveUser"]} if number else {}),
        }
        for number in range(4)
    ]
    graph["users"][0]["signInActivity"] = {"lastSuccessfulSignInDateTime": today.isoformat()}
    module = {"id": "sp-1", "appId": MODULE_APP_ID}
    graph["servicePrincipals"] = [
        *graph.get("servicePrincipals", []),
        {**module, "displayName": "Microsoft Exchange REST API Based Powershell"},
    ]
    graph["oauth2PermissionGrants"] = [
        {"id": f"g{number}", "clientId": "sp-1", "consentType": "AllPrincipals", "scope": "x"}
        for number in range(1_100)
    ]
    graph["appRoleAssignments"] = [
        {
            "id": f"a{number}",
            "principalId": f"p{number}",
            "resourceId": derive_api_id(GRAPH_APP),
            "appRoleId": "r1",
        }
        for number in range(3)
    ]
    graph["devices"] = [{"id": "d1", "displayName": "PC", "registeredOwners": []}]
    partner = {"tenantId": "22222222-0000-4000-8000-000000000001"}
    graph["crossTenantAccessPolicyPartners"] = [
        partner | {"m365Capabilities": [{"name": "x", "inboundAccess": {"isAllowed": False}}]}
    ]
    graph["roleAssignmentScheduleInstances"] = [{"id": "r1", "assignmentType": "Assigned"}]
    return scene


TURNED_ROUND = (
    ("exchange-role-group", "refused", FAILS),
    ("exchange-anchor-form", "principal-name", HOLDS),
    ("exchange-anchor-form", "strict", FAILS),
    ("exchange-permission-rights", "joined", HOLDS),
    ("exchange-folder-identity", "by-path", FAILS),
    ("exchange-recipient-kinds", "refused", HOLDS),
    ("exchange-batch-routing", "refused", FAILS),
    ("exchange-recipient-names", "with-legacy-dn", FAILS),
    ("exchange-legacy-control", "everyone", FAILS),
    ("exchange-inbox-rule-role", "refused", FAILS),
    ("exchange-empty-403", "message", FAILS),
    ("exchange-entity-endpoints", "refused", FAILS),
    ("exchange-entity-endpoints", "bare", HOLDS),
    ("exchange-slice-filters", "refused", FAILS),
    ("exchange-name-order", "refused", FAILS),
    ("exchange-name-order", "ignored", FAILS),
    ("exchange-forward-filter", "refused", FAILS),
    ("exchange-each-identity", "ignored", FAILS),
    ("exchange-single-objects", "guid", FAILS),
    ("exchange-single-settings", "name", FAILS),
    ("exchange-audit-enabled", "always-true", FAILS),
    ("exchange-match-subdomains", "unprinted", FAILS),
    ("exchange-powershell-filter", "refused", FAILS),
    ("exchange-powershell-filter", "empty", FAILS),
    ("exchange-regional-hosts", "foreign", FAILS),
    ("exchange-regional-hosts", "regional", HOLDS),
    ("graph-grants-count", "uncounted", FAILS),
    ("graph-collection-count", "refused", FAILS),
    ("graph-collection-count", "high", HOLDS),
    ("graph-collection-count", "ended", HOLDS),
    ("graph-collection-count", "skipped", HOLDS),
    ("graph-grants-count", "lossy", FAILS),
    ("graph-app-roles-page", "lossy", HOLDS),
    ("graph-sign-in-log", "interactive", FAILS),
    ("graph-sign-in-pages", "empty-token", FAILS),
    ("graph-sign-in-pages", "times-out", FAILS),
    ("graph-registration-page", "refused", FAILS),
    ("graph-users-id-filter", "refused", FAILS),
    ("graph-eligibility-role", "includes", HOLDS),
    ("graph-audit-app-id", "told", FAILS),
    ("graph-deleted-select", "refused", FAILS),
    ("graph-password-date", "null", FAILS),
    ("graph-mail-folders", "denied", FAILS),
    # The app of this tenant holds every permission for searches.
    ("graph-audit-query-scope", "wider", HOLDS),
    ("graph-audit-query-version", "both", HOLDS),
    ("graph-audit-query-version", "v1-only", FAILS),
    ("graph-outside-federation", "denied", FAILS),
)


@pytest.mark.parametrize(("fact", "side", "status"), TURNED_ROUND)
async def test_a_fact_that_is_turned_round_is_found_out(
    fact: str, side: str, status: AnswerStatus
) -> None:
    outcome, _ = await probe(build_telling_tenant({fact: side}))
    assert statuses(outcome)[fact] is status


async def test_what_holds_in_a_tenant_with_something_to_tell_is_told() -> None:
    """Nothing that the probe asks is without an answer but where the tenant has none to give."""
    outcome, _ = await probe(build_telling_tenant({}))
    found = statuses(outcome)
    assert {one for one, status in found.items() if status is FAILS} == set()
    assert {one for one, status in found.items() if status is UNKNOWN} == {
        # An unknown kind is a list without rows, a made-up anchor is taken like any other, and no
        # partner administers Exchange.
        "exchange-recipient-kinds",
        "exchange-mbx-guid",
        "exchange-partner-groups",
    }


def test_every_side_of_a_fact_that_is_probed_is_turned_round() -> None:
    turned = {(fact, side) for fact, side, _ in TURNED_ROUND}
    sides = {
        (fact.id, side)
        for fact in FACTS.values()
        if fact.id in PROBED - {"exchange-paging"}
        for side in fact.sides
        if side != fact.default
    }
    assert sides == turned


COMBINATIONS = 12
ALONE: dict[str, AnswerStatus] = {}


async def probe_telling_tenant() -> Mapping[str, AnswerStatus]:
    """The answers of the tenant in which nothing is turned round; asked once."""
    if not ALONE:
        ALONE.update(statuses((await probe(build_telling_tenant({})))[0]))
    return ALONE


def choose_combination(seed: int) -> tuple[tuple[str, str, AnswerStatus], ...]:
    """Two or three facts that are turned round at once, none of them twice."""
    chance = random.Random(seed)
    facts = chance.sample(sorted({fact for fact, _, _ in TURNED_ROUND}), chance.choice((2, 3)))
    return tuple(chance.choice([one for one in TURNED_ROUND if one[0] == fact]) for fact in facts)


@pytest.mark.parametrize("seed", range(COMBINATIONS))
async def test_facts_that_are_turned_round_together_are_found_out_each(seed: int) -> None:
    chosen = choose_combination(seed)
    alone = await probe_telling_tenant()
    together = {fact: side for fact, side, _ in chosen}
    outcome, lines = await probe(build_telling_tenant(together))
    found = statuses(outcome)
    assert sorted(found) == sorted(PROBED)
    assert outcome.request_count <= 100
    assert len(lines) <= 110
    hides_exchange = "exchange-role-group" in together
    for fact, _, status in chosen:
        is_hidden = (
            hides_exchange and fact.startswith("exchange-") and fact != "exchange-role-group"
        )
        assert found[fact] is (UNKNOWN if is_hidden else status), fact
    for fact, status in found.items():
        if fact not in together:
            # What was not turned round is told as before, or could not be told; never the opposite.
            assert status in (alone[fact], UNKNOWN) or is_sibling(fact, together), fact


def is_sibling(fact: str, together: Mapping[str, str]) -> bool:
    """True for an answer of the question that one of the facts changes the answer to."""
    probes = {one.id: one.probe for one in ASSUMPTIONS}
    return probes[fact] in {probes[one] for one in together}


@pytest.mark.parametrize("probes", [True, False])
async def test_a_scene_is_probed_before_its_first_run_as_a_deployment_is(probes: bool) -> None:
    modes = {config.guard.name: "off" for config in CATALOG} | {"mfa-registration": "alert"}
    result = await run_scene(load_scene("healthy"), ticks=1, modes=modes, probes=probes)
    assert [run["status"] for run in result["runs"]].count("done") == 1
    assert ("probe" in result) is probes
    if probes:
        assert {one["assumption"] for one in result["probe"]["answers"]} == PROBED


def test_every_probe_of_the_register_has_a_question() -> None:
    assert {one.probe for one in ASSUMPTIONS if one.is_probed} == QUESTIONS.keys()
