"""Apps and consent: how apps are named, and what is said of who made them and what they do."""

from dataclasses import replace

import pytest

from core.guards.app_consent.texts import (
    MAX_SHOWN,
    format_app_name,
    format_app_title,
    format_name_list,
    list_app_facts,
)
from core.microsoft365.app_names import NameClaim
from core.microsoft365.known_apps import MICROSOFT_TENANTS
from core.model.findings import format_facts
from core.tenant.apps import App

OTHERS = App("c1", "a-c1", "Contoso Notes", "0e15e000-0000-4000-8000-000000000001")
AT_HOME = replace(OTHERS, owner_tenant_id="here", is_home_tenant=True)
MICROSOFTS = replace(OTHERS, owner_tenant_id=min(MICROSOFT_TENANTS))
CUT = "n" * 120 + "… (300 characters)"
LONG = "n" * 300


def test_an_app_is_called_by_its_name_or_else_by_its_ids() -> None:
    assert format_app_name(OTHERS) == "Contoso Notes"
    assert format_app_name(replace(OTHERS, name="")) == "a-c1"
    assert format_app_name(replace(OTHERS, name="", app_id="")) == "c1"
    assert format_app_name(replace(OTHERS, name=LONG)) == CUT


@pytest.mark.parametrize(
    ("app", "title"),
    [
        (OTHERS, "App Contoso Notes"),
        (AT_HOME, "App Contoso Notes"),
        (MICROSOFTS, "Microsoft's app Contoso Notes"),
        (replace(AT_HOME, is_self=True), "This app itself (Contoso Notes)"),
    ],
)
def test_a_sentence_begins_with_whose_app_it_is(app: App, title: str) -> None:
    assert format_app_title(app) == title


@pytest.mark.parametrize(
    ("app", "facts"),
    [
        (
            OTHERS,
            (
                "registered in: another tenant (0e15e000-0000-4000-8000-000000000001)",
                "publisher: not verified",
            ),
        ),
        (
            replace(OTHERS, owner_tenant_id="", publisher="Contoso Ltd"),
            ("registered in: not told", "publisher: Contoso Ltd"),
        ),
        (replace(AT_HOME, publisher="Contoso Ltd"), ("registered in: this tenant",)),
        (replace(MICROSOFTS, publisher="Contoso Ltd"), ("registered in: Microsoft",)),
    ],
)
def test_who_made_an_app_is_told(app: App, facts: tuple[str, ...]) -> None:
    assert format_facts(list_app_facts(app)) == ("application id: a-c1", *facts)


def test_foreign_names_are_cut_and_an_app_without_an_id_says_so() -> None:
    named = replace(OTHERS, app_id=LONG, publisher=LONG)
    told = format_facts(list_app_facts(named))
    assert (told[0], told[2]) == (f"application id: {CUT}", f"publisher: {CUT}")
    assert format_facts(list_app_facts(replace(OTHERS, app_id="")))[0] == "application id: not told"


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        (NameClaim.MICROSOFT, "its name looks like one of Microsoft's, and it is not"),
        (
            NameClaim.BRAND,
            "its name is that of a known product, and nobody verified who made it",
        ),
        (NameClaim.UNREADABLE, "its name has no letter or digit that could be read"),
    ],
)
def test_what_misleads_about_a_name_is_told(claim: NameClaim, told: str) -> None:
    assert format_facts(list_app_facts(AT_HOME, claim))[2:] == (told,)


def test_that_an_app_is_off_is_told_by_whose_doing_it_is() -> None:
    off = replace(AT_HOME, enabled=False, microsoft_status="DisabledDueToViolation")
    assert format_facts(list_app_facts(off))[2:] == (
        "sign-in to it is switched off",
        "Microsoft has disabled it",
    )


def list_told(*urls: str, home: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What is said of where sign-ins are sent."""
    app = replace(AT_HOME, reply_urls=urls, home_hosts=home)
    return format_facts(list_app_facts(app))[2:]


def test_where_sign_ins_go_is_told_but_for_this_tenant_and_the_device_itself() -> None:
    urls = (
        "https://b.example/x",
        "https://a.example",
        "https://app.contoso.com",
        "http://localhost:8080",
    )
    assert list_told(*urls, home=frozenset({"app.contoso.com"})) == (
        "sends sign-ins to: a.example, b.example",
    )
    assert list_told("http://localhost:8080") == ()


def test_addresses_that_others_can_take_are_told_in_place_of_the_hosts() -> None:
    assert list_told("http://a.example", "https://*.b.example", "https://c.example") == (
        "sign-ins to it are sent to an address with a wildcard: *.b.example",
        "sign-ins to it are sent without encryption: a.example",
    )
    many = [f"http://h{number:02}.example" for number in range(MAX_SHOWN + 1)]
    assert len(list_told(*many)) == MAX_SHOWN
    (long,) = list_told(f"http://{LONG}.example")
    assert long.startswith(f"sign-ins to it are sent without encryption: {CUT[:120]}… (308 ")


def test_of_many_names_some_are_told_and_how_many_more_there_are() -> None:
    names = [f"n{number:02}" for number in range(MAX_SHOWN)]
    assert format_name_list(names) == ", ".join(names)
    assert format_name_list([*names, "x", "y"]) == f"{', '.join(names)} and 2 more"
    assert format_name_list([LONG]) == CUT
