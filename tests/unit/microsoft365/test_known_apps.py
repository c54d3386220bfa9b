"""Apps known by their ids: Microsoft's tools, and those of intruders."""

import re
from dataclasses import replace

import pytest

from core.microsoft365.federated_issuers import describe_issuer, is_own_issuer
from core.microsoft365.known_apps import (
    PUBLIC_CLIENTS,
    is_hybrid_app,
    is_microsoft_app,
    is_public_client,
    load_abused_apps,
)
from core.tenant.apps import App
from tests.support.guard_tenants import HOME_APP, MICROSOFT_SERVICES_TENANT, VERIFIED_APP

MICROSOFTS = App("m1", "a-m1", "A service", MICROSOFT_SERVICES_TENANT)
TENANT = "5a4d0b0c-7e1a-4a6f-9c55-0d7e5a11ce00"


def test_the_file_of_abused_apps_has_ids_sources_and_dates() -> None:
    for app_id, known in load_abused_apps().items():
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", app_id)
        assert known.name
        assert known.seen_doing
        assert known.source
        assert re.fullmatch(r"20\d\d(-[01]\d)?", known.dated)
    assert len({known.is_product for known in load_abused_apps().values()}) == 2


@pytest.mark.parametrize("app_id", PUBLIC_CLIENTS)
def test_a_tool_of_microsofts_is_a_public_client_and_one_of_that_id_elsewhere_is_not(
    app_id: str,
) -> None:
    assert is_public_client(replace(MICROSOFTS, app_id=app_id))
    assert not is_public_client(replace(VERIFIED_APP, app_id=app_id))


def test_an_app_of_microsofts_that_answers_to_a_device_is_one_too() -> None:
    native = "https://login.microsoftonline.com/common/oauth2/nativeclient"
    assert is_public_client(replace(MICROSOFTS, reply_urls=(native,)))
    assert is_public_client(replace(MICROSOFTS, reply_urls=("http://localhost:8400",)))
    assert not is_public_client(replace(MICROSOFTS, reply_urls=("https://portal.example",)))


def test_the_hybrid_app_is_one_of_this_tenant() -> None:
    assert is_hybrid_app(replace(HOME_APP, name="ExchangeServerApp-1234"))
    assert not is_hybrid_app(replace(VERIFIED_APP, name="ExchangeServerApp-1234"))
    assert not is_hybrid_app(replace(HOME_APP, name="Exchange server"))


@pytest.mark.parametrize(
    "issuer",
    [
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        f"https://sts.windows.net/{TENANT}/",
        f"https://LOGIN.microsoftonline.com/{TENANT.upper()}/v2.0",
    ],
)
def test_the_tenant_itself_vouches_for_its_managed_identities(issuer: str) -> None:
    assert is_own_issuer(issuer, TENANT)


@pytest.mark.parametrize(
    ("issuer", "words"),
    [
        ("https://login.microsoftonline.com/0e15e000-0000-4000-8000-000000000001/v2.0", "tenant"),
        ("https://token.actions.githubusercontent.com", "GitHub Actions"),
        ("https://gitlab.com", "GitLab"),
        (f"https://login.microsoftonline.com.evil.example/{TENANT}/v2.0", "another provider"),
        (f"https://login.microsoftonline.com@evil.example/{TENANT}/v2.0", "an unknown provider"),
        (f"http://login.microsoftonline.com/{TENANT}/v2.0", "an unknown provider"),
        (f"https://evil.example/{TENANT}", "another provider"),
        ("https://[broken", "an unknown provider"),
    ],
)
def test_any_other_issuer_is_foreign(issuer: str, words: str) -> None:
    assert not is_own_issuer(issuer, TENANT)
    assert words in describe_issuer(issuer)


def test_without_a_tenant_id_no_issuer_is_ones_own() -> None:
    assert not is_own_issuer("https://login.microsoftonline.com//v2.0", "")


def test_one_reply_to_a_device_among_others_is_enough_and_only_by_its_ending() -> None:
    other = "https://portal.example"
    for reply in ("urn:ietf:wg:oauth:2.0:oob", "http://localhost:8400"):
        assert is_public_client(replace(MICROSOFTS, reply_urls=(other, reply)))
    assert not is_public_client(replace(MICROSOFTS, reply_urls=("https://x/?to=http://localhost",)))


def test_a_managed_identity_is_of_this_tenant_though_microsoft_registers_it() -> None:
    assert is_microsoft_app(MICROSOFTS)
    assert not is_microsoft_app(replace(MICROSOFTS, is_home_tenant=True))


def test_some_abused_apps_are_products_that_honest_people_use() -> None:
    apps = {one.name: one for one in load_abused_apps().values()}
    assert not apps["PerfectData Software"].is_product
    assert any(one.is_product for one in apps.values())
