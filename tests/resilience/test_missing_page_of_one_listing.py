"""One listing of Graph alone ends too soon without a word: nothing is over because of it.

Where every listing is cut at once, the guard sees that the whole tenant got shorter. Where one is,
only its own length tells.
"""

import re
from typing import Any

import pytest

from core.config.catalog import CATALOG
from core.model.guards import GuardConfig
from sandbox.graph.apps import GRAPH_APP, build_app_assignment, build_principal, derive_api_id
from sandbox.state.tenant import TENANT_ID
from tests.resilience.generators.small_pages import (
    attack,
    describe_cases,
    list_told,
    open_small_pages,
)
from tests.resilience.generators.staged import open_harness
from tests.support.builders import CONFIGS_BY_NAME
from tests.support.http_recorder import build_scene

NOT_KNOWN = r"/v1\.0/(directory/deletedItems|auditLogs)|/beta/auditLogs"
"""Of logs and the recycle bin nobody knows how long they should be."""


@pytest.mark.parametrize("config", CATALOG, ids=lambda config: config.guard.name)
async def test_nothing_is_over_because_one_listing_is_cut(config: GuardConfig) -> None:
    async with open_small_pages(config) as (stage, box):
        box.is_cut_everywhere = True
        await stage.run_guard()
        attacked = stage.clock()
        attack(stage, config.guard.name, attacked)
        await stage.run_guard()
        known = await describe_cases(stage)
        paths = sorted(one for one in box.continued_paths if not re.search(NOT_KNOWN, one))
        for path in paths:
            fault = {
                "service": "graph",
                "match": rf"^GET {re.escape(path)}\?.*skiptoken",
                "kind": "wrongBody",
                "body": {"value": []},
            }
            assert list_told(await stage.run_guard(fault)) == [], path
            assert known.items() <= (await describe_cases(stage)).items(), path
            await stage.run_guard()


CONSENT_CONFIG = CONFIGS_BY_NAME["app-consent"]
APPS = 6


def build_apps_scene() -> dict[str, Any]:
    """A tenant with apps of its own that may read all mail, each with a secret."""
    ids = [
        (
            f"0000000{number}-0000-4000-8000-000000000001",
            f"0000000{number}-0000-4000-8000-000000000002",
        )
        for number in range(APPS)
    ]
    secret = {"keyId": "k1", "endDateTime": "2099-12-31T00:00:00Z", "displayName": "s"}
    return build_scene(
        graph={
            "servicePrincipals": [
                build_principal(one, app_id, f"Job {one[7]}", TENANT_ID) for one, app_id in ids
            ],
            "appRoleAssignments": [
                build_app_assignment(one, GRAPH_APP, "Mail.Read") for one, _ in ids
            ],
            "applications": [
                {
                    "id": f"{one[:-1]}3",
                    "appId": app_id,
                    "displayName": f"Job {one[7]}",
                    "passwordCredentials": [secret],
                    "keyCredentials": [],
                }
                for one, app_id in ids
            ],
            "oauth2PermissionGrants": [
                {
                    "id": f"grant-{one[7]}",
                    "clientId": one,
                    "resourceId": derive_api_id(GRAPH_APP),
                    "consentType": "AllPrincipals",
                    "scope": "Mail.ReadWrite",
                }
                for one, _ in ids
            ],
        }
    )


@pytest.mark.parametrize("list_name", ["applications", "appRoleAssignments"])
async def test_an_app_keeps_its_cases_when_a_list_about_it_is_cut_once(list_name: str) -> None:
    async with open_harness(build_apps_scene(), CONSENT_CONFIG) as stage:
        await stage.run_guard()
        await stage.run_guard()
        known = await describe_cases(stage)
        graph = stage.sandbox.tenant.graph
        whole = list(graph[list_name])
        for rows in (whole[:3], whole, whole[:3]):
            graph[list_name] = rows
            told = list_told(await stage.run_guard())
            # What an app may do no longer shows: how grave its secret is follows from that.
            assert told == [] or list_name == "appRoleAssignments"
            assert known.keys() <= (await describe_cases(stage)).keys()
        # What is gone for good is believed one look later.
        await stage.run_guard()
        assert len(known.keys() - (await describe_cases(stage)).keys()) >= 3
