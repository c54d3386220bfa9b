"""The API does what its document says: asked over HTTP, by a program that knows only the document.

schemathesis makes requests from docs/openapi.json, right and wrong ones, and holds every answer
against it: its status, its headers, its media type and its schema, with and without the key.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from openapi_spec_validator import validate

from core.api import ROUTES, described
from core.desk import Route
from core.openapi import ANSWERS, PREFIX
from core.openapi_answers import SCHEMAS
from core.settings import all_settings
from sandbox.azurite import Azurite
from tests.journeys.hosted import ROOT, Hosted, hosted

CONFIG = ROOT / "tests" / "data" / "schemathesis.toml"
DOCUMENT = ROOT / "docs" / "openapi.json"
FEWEST = 300
SECONDS = 110


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosted]:
    """The app without a tenant: what is asked for waits, and is not worked on."""
    settings = {entry.name: entry.sample for entry in all_settings()} | {
        "AzureWebJobsStorage": azurite.connection_string,
        "STATE_CONNECTION_STRING": azurite.connection_string,
        "STATE_TABLE": "described",
        "AzureWebJobs.run-requested.Disabled": "true",
    }
    async with hosted(settings, tmp_path_factory.mktemp("described")) as found:
        yield found


def test_the_document_is_valid_openapi() -> None:
    validate(described())


def test_every_route_has_an_answer_and_every_schema_is_used() -> None:
    assert {route.name for route in ROUTES} == ANSWERS.keys()
    text = str(described())
    assert [name for name in SCHEMAS if f"#/components/schemas/{name}'" not in text] == []


@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.asyncio(loop_scope="session")
async def test_the_app_answers_as_its_document_says(app: Hosted, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
        *("run", str(DOCUMENT), "--url", app.base, "--header", f"x-functions-key: {app.key}"),
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
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
async def test_nobody_is_served_without_the_key(app: Hosted, route: Route, key: str) -> None:
    path = PREFIX + re.sub(r"\{\w+\}", "x", route.path)
    headers = {"x-functions-key": key} if key else {}
    async with (
        aiohttp.ClientSession(app.base, headers=headers) as session,
        session.request(route.method, path, json={} if route.acts else None) as answer,
    ):
        assert (answer.status, await answer.text()) == (401, "")
