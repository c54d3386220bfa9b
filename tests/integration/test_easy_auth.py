"""SIGN_IN=entra over HTTP: a stand-in for App Service Authentication in front of the local host."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from core.config.settings import list_settings
from core.keys import hash_parts
from sandbox.functions_host.azurite import Azurite
from sandbox.functions_host.easy_auth import (
    CALLBACK,
    COOKIE,
    LOGIN,
    LOGOUT,
    RETURN_PARAMETER,
    EasyAuthProxy,
    EasyAuthUser,
    to_local_path,
)
from tests.support.hosted_app import HostedApp, start_hosted_app

GUARD = "mailbox-audit"
STATUS = "/api/status.json"
EXEMPTIONS = f"/api/guards/{GUARD}/exemptions/end"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
JSON = {"Content-Type": "application/json"}
END_BODY = json.dumps({"subject": "an-id", "why": "a test"})


@dataclass(frozen=True)
class Site:
    """App Service Authentication, the app behind it, and the accounts that can sign in."""

    proxy: EasyAuthProxy
    app: HostedApp

    @property
    def reader(self) -> EasyAuthUser:
        return self.proxy.users[0]

    @property
    def operator(self) -> EasyAuthUser:
        return self.proxy.users[1]

    @property
    def guest(self) -> EasyAuthUser:
        return self.proxy.users[2]

    async def send(
        self,
        method: str,
        path: str,
        person: EasyAuthUser | None = None,
        headers: Mapping[str, str] | None = None,
        body: str = "",
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Send one request, with an account's token if there is one."""
        sent = dict(headers or {})
        if person:
            sent["Authorization"] = f"Bearer {person.token}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, self.proxy.base + path, headers=sent, data=body, allow_redirects=False
            ) as answer,
        ):
            text = await answer.text()
            said = json.loads(text) if answer.content_type == "application/json" else text
            return answer.status, said, answer.headers


def settings_of(azurite: Azurite) -> dict[str, str]:
    return {entry.name: entry.sample_text for entry in list_settings()} | {
        "AzureWebJobsStorage": azurite.connection_string,
        "STATE_CONNECTION_STRING": azurite.connection_string,
        "STATE_TABLE": "easyauth",
        "SIGN_IN": "entra",
        # No worker processes requests here: the tests are about who may submit them.
        "AzureWebJobs.run-requested.Disabled": "true",
        "WEBSITE_AUTH_ENABLED": "True",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("front-proxy")
    async with (
        start_hosted_app(settings_of(azurite), folder, "--sign-in") as app,
        EasyAuthProxy(app.base_url) as proxy,
    ):
        yield Site(proxy, app)


session = pytest.mark.asyncio(loop_scope="session")


@session
async def test_a_browser_without_a_session_is_redirected_to_sign_in(site: Site) -> None:
    status, _, headers = await site.send("GET", f"{STATUS}?a=b", headers=BROWSER)
    assert status == 302
    assert headers["Location"] == f"{LOGIN}?{RETURN_PARAMETER}=%2Fapi%2Fstatus.json%3Fa%3Db"


@session
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer guess"},
        {"Cookie": f"{COOKIE}=guess"},
        {"X-MS-CLIENT-PRINCIPAL": "forged"},
        {"x-ms-client-principal-name": "olive@contoso.com"},
    ],
)
async def test_other_callers_are_denied(site: Site, headers: dict[str, str]) -> None:
    assert (await site.send("GET", STATUS, headers=headers))[0] == 401
    assert (await site.send("POST", EXEMPTIONS, headers=JSON | headers, body=END_BODY))[0] == 401
    forged = {**headers, "X-MS-CLIENT-PRINCIPAL": site.operator.encode_principal()}
    assert (await site.send("POST", EXEMPTIONS, headers=JSON | forged, body=END_BODY))[0] == 401


@session
async def test_a_function_key_grants_nothing_when_sign_in_is_required(site: Site) -> None:
    headers = {"x-functions-key": site.app.function_key}
    assert (await site.send("GET", STATUS, headers=headers))[0] == 401


@session
async def test_a_reader_may_read_and_not_write(site: Site) -> None:
    assert (await site.send("GET", STATUS, site.reader))[0] == 200
    status, said, _ = await site.send("POST", EXEMPTIONS, site.reader, JSON, END_BODY)
    assert status == 403
    assert "Exoguard.Operator" in said["error"]


@session
@pytest.mark.parametrize("name", ["X-MS-CLIENT-PRINCIPAL", "x-ms-client-principal"])
async def test_a_reader_who_claims_to_be_an_operator_stays_a_reader(site: Site, name: str) -> None:
    forged = {**JSON, name: site.operator.encode_principal(), "X_MS_CLIENT_PRINCIPAL": "x"}
    assert (await site.send("POST", EXEMPTIONS, site.reader, forged, END_BODY))[0] == 403


@session
async def test_an_account_without_a_role_may_not_read(site: Site) -> None:
    status, said, _ = await site.send("GET", STATUS, site.guest)
    assert status == 403
    assert "Exoguard.Reader" in said["error"]


@session
@pytest.mark.parametrize("who", [None, "the boss"])
async def test_a_request_records_the_operator_by_name(site: Site, who: str | None) -> None:
    wish = {"subject": hash_parts(who), "why": "a test"} | ({"who": who} if who else {})
    body = json.dumps(wish)
    status, said, headers = await site.send("POST", EXEMPTIONS, site.operator, JSON, body)
    assert (status, headers["Location"]) == (202, said["address"])
    _, operator_request, _ = await site.send("GET", said["address"], site.reader)
    assert operator_request["who"] == (who or "olive@contoso.com")
    assert operator_request["signed_in"] == f"olive@contoso.com ({site.operator.object_id})"


@session
async def test_a_browser_signs_in_reads_and_signs_out(site: Site) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(site.proxy.base, cookie_jar=jar) as browser:
        async with browser.get(STATUS, headers=BROWSER) as page:
            assert "rita@contoso.com" in await page.text()
        form = {"as": "rita@contoso.com", RETURN_PARAMETER: STATUS}
        async with browser.post(CALLBACK, data=form, headers=BROWSER) as answer:
            assert answer.status == 200
            assert str(answer.url.relative()) == STATUS
        stolen = {cookie.key: cookie.value for cookie in jar}
        assert next(iter(jar))["httponly"]
        async with browser.get(LOGOUT, headers=BROWSER, allow_redirects=False) as answer:
            assert answer.status == 302
    headers = {"Cookie": f"{COOKIE}={stolen[COOKIE]}"}
    assert (await site.send("GET", STATUS, headers=headers))[0] == 401


@session
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**JSON, "Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_another_site_cannot_write_with_a_browser_session(
    site: Site, headers: dict[str, str], status: int
) -> None:
    assert (await site.send("POST", EXEMPTIONS, site.operator, headers, END_BODY))[0] == status


@session
async def test_the_app_ignores_the_principal_header_without_platform_sign_in(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with (
        start_hosted_app(settings_of(azurite), tmp_path) as app,
        aiohttp.ClientSession(
            app.base_url, headers={"x-functions-key": app.function_key}
        ) as client,
    ):
        person = EasyAuthProxy(app.base_url).users[1]
        async with client.get(STATUS, headers=person.build_headers()) as answer:
            assert answer.status == 503
            assert "is off for this app" in (await answer.json())["error"]


@pytest.mark.parametrize(
    "place", ["https://evil.example", "//evil.example", "/\\evil.example", "api", "/a\nb", ""]
)
def test_sign_in_never_redirects_to_another_site(place: str) -> None:
    assert to_local_path(place) == "/"
    assert to_local_path(STATUS) == STATUS
