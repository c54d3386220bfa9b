"""The API conforms to its OpenAPI document.

schemathesis generates valid and invalid requests from docs/openapi.json and checks the status,
headers, media type and schema of every response, with and without the function key.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from jsonschema_rs import Draft202012Validator

from core.api.openapi.document import ALL_SCHEMAS, PREFIX, SCHEMA_BY_ROUTE
from core.api.request import Route
from core.api.routes import ROUTES, build_api_document
from core.bootstrap import open_ledger
from core.config.settings import Settings
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import (
    BETWEEN_TICKS,
    SceneApp,
    SteppingClock,
    build_app_settings,
    end_throttling,
)
from sandbox.scenes.build import SCENES_FOLDER, resolve_dates
from sandbox.server import Sandbox
from tests.support.hosted_app import ROOT, HostedApp, start_hosted_app

GUARDS = ("shared-mailbox-sign-in", "mailbox-forwarding", "mailbox-audit", "app-consent")
CONFIG = ROOT / "tests" / "data" / "schemathesis.toml"
DOCUMENT = ROOT / "docs" / "openapi.json"
FEWEST = 300
# Half a minute on an idle machine.
SECONDS = 280


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(
    azurite: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[HostedApp]:
    """The app after two scans of a neglected tenant, without a worker for new requests."""
    clock = SteppingClock(-BETWEEN_TICKS)
    scene = resolve_dates(
        json.loads((SCENES_FOLDER / "neglected.json").read_text("utf-8")), clock()
    )
    async with Sandbox(scene) as box:
        environ = build_app_settings(box, azurite, {}) | {"STATE_TABLE": "described"}
        os.environ.update(
            {name: environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        )
        settings = Settings.read(environ)
        scans = SceneApp(settings, clock, open_ledger)
        for _ in range(2):
            for guard in GUARDS:
                duty = settings.find_guard_config(guard)
                assert duty
                await scans.run_with_retries(duty)
            clock.offset += BETWEEN_TICKS
            end_throttling(box)
        environ["AzureWebJobs.run-requested.Disabled"] = "true"
        async with start_hosted_app(environ, tmp_path_factory.mktemp("described")) as found:
            yield found


def test_the_document_is_valid_openapi() -> None:
    # Imported here: each process that collects the tests would take a sixth of a second for it.
    from openapi_spec_validator import validate

    validate(build_api_document())


def test_every_route_has_a_response_and_every_schema_is_used() -> None:
    assert {route.name for route in ROUTES} == SCHEMA_BY_ROUTE.keys()
    text = str(build_api_document())
    assert [name for name in ALL_SCHEMAS if f"#/components/schemas/{name}'" not in text] == []


@pytest.mark.timeout(SECONDS + 20)
@pytest.mark.asyncio(loop_scope="session")
async def test_the_app_conforms_to_its_document(app: HostedApp, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
        *(
            "run",
            str(DOCUMENT),
            "--url",
            app.base_url,
            "--header",
            f"x-functions-key: {app.function_key}",
        ),
        cwd=tmp_path,
        # Which characters there are is worked out once, not in each new folder.
        env={
            **os.environ,
            "NO_COLOR": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis"),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await asyncio.wait_for(process.communicate(), SECONDS))[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said[-6000:]
    asked = re.search(r"(\d+) generated, \1 passed|(\d+) generated", said)
    assert asked, said[-2000:]
    assert int(asked[1] or asked[2]) >= FEWEST
    assert f"Tested: {len(ROUTES)}" in said


@pytest.mark.parametrize("key", ["", "not the key"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.asyncio(loop_scope="session")
async def test_no_route_answers_without_the_key(app: HostedApp, route: Route, key: str) -> None:
    path = PREFIX + re.sub(r"\{\w+\}", "x", route.path)
    headers = {"x-functions-key": key} if key else {}
    async with (
        aiohttp.ClientSession(app.base_url, headers=headers) as session,
        session.request(route.method, path, json={} if route.is_write else None) as answer,
    ):
        assert (answer.status, await answer.text()) == (401, "")


class Reader:
    """Reads from the API and validates each response, formats included."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.document = build_api_document()
        self.validators: dict[str, Draft202012Validator] = {}

    async def read(self, path: str, schema: str) -> Any:
        """A response that is valid for its schema."""
        async with self.session.get(path) as answer:
            assert answer.status == 200, await answer.text()
            found = await answer.json()
        if schema not in self.validators:
            whole = {**self.document, "$ref": f"#/components/schemas/{schema}"}
            self.validators[schema] = Draft202012Validator(whole, validate_formats=True)
        self.validators[schema].validate(found)
        return found


@pytest.mark.asyncio(loop_scope="session")
async def test_the_documents_of_a_neglected_tenant_are_valid(app: HostedApp) -> None:
    headers = {"x-functions-key": app.function_key}
    async with aiohttp.ClientSession(app.base_url, headers=headers) as session:
        reader = Reader(session)
        status = await reader.read("/api/status.json", "Status")
        cases = await reader.read("/api/cases.json?state=all", "CasePage")
        for row in cases["cases"]:
            await reader.read(f"/api/cases/{row['guard']}/{row['case']}.json", "Case")
        for row in status["guards"]:
            if row["guard"] in GUARDS:
                await reader.read(f"/api/runs/{row['guard']}/{row['last_run']['run']}", "Report")
        assert status["changes"]
        assert status["decisions"]
        assert {row["severity"] for row in cases["cases"]} >= {"critical", "high"}
        since, until = (datetime.now(UTC).date() + timedelta(days=days) for days in (-2, 1))
        async with session.get(f"/api/export?from={since}&to={until}") as answer:
            paths: Any = build_api_document()["paths"]
            kinds = paths["/api/export"]["get"]["responses"]["200"]["content"]
            assert answer.headers["Content-Type"] in kinds
            lines = (await answer.text()).splitlines()
        assert len([json.loads(line) for line in lines]) > len(cases["cases"])
