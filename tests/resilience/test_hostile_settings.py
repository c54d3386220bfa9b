"""Operators type settings, but the texts they match may be long on purpose: no pattern takes more
than linear time, and no setting contains a pattern of its own.
"""

import re

import pytest

from core.api.routes import ROUTES
from core.config.settings import Settings, list_settings
from core.errors import SettingsError
from core.model.cases import Exemption
from core.tenant.domain_names import rank_domain_pattern
from tests.support.builders import MINIMAL_SETTINGS
from tests.support.fakes.clock import START
from tests.support.fakes.ledger import DAY

# The settings whose parser compares names with a pattern.
PATTERNED = (
    "ALLOWED_FORWARD_DOMAINS",
    "BASELINE_ENFORCE",
    "RESOURCE_MAILBOX_KINDS",
    "STATE_TABLE",
    "PUBLIC_ADDRESS",
    "WEBHOOK_ANSWERS",
)
LONG = ("a" * 50_000, "a-" * 25_000, "a." * 25_000, "a.a-" * 12_500, "-" * 50_000)


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:4])
@pytest.mark.parametrize("name", PATTERNED)
def test_no_pattern_of_a_setting_backtracks(name: str, text: str) -> None:
    # A pattern that tried every way to cut fifty thousand signs would not end within the timeout.
    setting = next(one for one in list_settings() if one.name == name)
    for value in (f"https://{text}!", f"{text}!"):
        with pytest.raises(ValueError, match=r"\w"):
            setting.parse(value)


def test_no_field_of_a_request_backtracks() -> None:
    for route in ROUTES:
        for entry in route.parameters:
            for text in LONG:
                assert not re.fullmatch(entry.pattern, f"{text[: entry.max_length]}\x00")


@pytest.mark.parametrize("value", ["(a+)+$", "*", ".*", "*.com", "a" * 300 + ".com!", "x\ny.com"])
def test_a_setting_takes_names_and_never_a_pattern(value: str) -> None:
    with pytest.raises(SettingsError, match="ALLOWED_FORWARD_DOMAINS"):
        Settings.read({**MINIMAL_SETTINGS, "ALLOWED_FORWARD_DOMAINS": value})


@pytest.mark.parametrize("subject", ["*", "(a+)+$%", "user?", "%"])
def test_an_exemption_is_of_one_thing_and_never_of_a_pattern(subject: str) -> None:
    with pytest.raises(SettingsError, match="never a pattern"):
        Exemption.grant(subject, "Dana", "why", START + DAY, START)


def test_a_domain_of_the_tenant_is_compared_and_never_run() -> None:
    assert rank_domain_pattern("(a+)+$", "a" * 5_000) is None
    assert rank_domain_pattern("*." + "a." * 5_000, "a" * 5_000) is None
