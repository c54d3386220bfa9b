"""Accounts contained through the whole app: HTTP and command line, worker, table and tenant."""

import json
from typing import Any

import pytest
import pytest_asyncio

from tests.support.programs import run_to_its_end

# Each with how many steps Exoguard makes.
CONTAINED = {"licensed": 7, "hybrid": 7, "guest": 2, "shared": 7}
REFUSED = {"admin": "protected administrator", "deleted": "the account is deleted"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def journey() -> dict[str, Any]:
    """One process with one app plays the whole journey."""
    printed = await run_to_its_end("tests.integration.contain_app:main")
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", CONTAINED)
def test_an_account_is_blocked_and_brought_back_exactly_as_it_was(
    journey: dict[str, Any], kind: str
) -> None:
    found = journey[kind]
    count = CONTAINED[kind]
    assert found["order"]["note"].startswith(f"{count} of {count} steps are made"), found["order"]
    assert set(found["steps"].values()) == {"done"}
    assert found["enabled_then"] is False
    assert 0 <= found["seconds"] < 60
    assert "not taken back" not in found["back"]["note"]
    assert found["is_untouched"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", REFUSED)
def test_an_account_that_no_app_contains_is_refused_and_left_alone(
    journey: dict[str, Any], kind: str
) -> None:
    found = journey[kind]
    assert found["planned"]["status"] == "refused"
    assert REFUSED[kind] in found["planned"]["note"]
    assert found["is_untouched"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", CONTAINED)
def test_forged_crossed_and_repeated_orders_are_refused(journey: dict[str, Any], kind: str) -> None:
    found = journey[kind]
    assert "no plan of this account" in found["forged"]["note"]
    assert "no plan of this account" in found["crossed"]["note"]
    assert "carried out already" in found["again"]["note"]
    for name in ("forged", "crossed", "again"):
        assert found[name]["status"] == "refused"


@pytest.mark.timeout(300)
def test_a_synchronised_account_has_its_own_command(journey: dict[str, Any]) -> None:
    (block, *_) = journey["hybrid"]["plan"]["steps"]
    assert "Disable-ADAccount" in block["command"]


@pytest.mark.timeout(300)
def test_the_command_line_does_the_same(journey: dict[str, Any]) -> None:
    found = journey["by command line"]
    codes = {name: code for name, (code, _, _) in found["results"].items()}
    assert codes == {"plan": 0, "contain": 0, "again": 3, "bundle": 0, "uncontain": 0}, found
    assert "7 of 7 steps are made" in found["results"]["contain"][1]
    assert json.loads(found["results"]["bundle"][1])["kind"] == "evidence"
    assert found["enabled_then"] is False
    assert found["is_untouched"]


@pytest.mark.timeout(300)
def test_pages_alone_do_the_same(journey: dict[str, Any]) -> None:
    found = journey["from the page"]
    pages = found["pages"]
    assert "Which steps" in pages["form"]
    assert "It is being processed" in pages["plan, waiting"]
    assert "Carry this plan out?" in pages["plan"]
    assert "What stays for you" in pages["plan"]
    assert "It is contained." in pages["order"]
    assert pages["order"].count("<b>Done</b>") == 7
    assert "The plan was carried out already" in pages["again"]
    assert "And, where you name it" in pages["release"]
    assert "Its containment was taken back." in pages["back"]
    assert found["enabled_then"] is False
    assert found["is_untouched"]


@pytest.mark.timeout(300)
def test_forged_and_repeated_forms_do_nothing(journey: dict[str, Any]) -> None:
    found = journey["from the page"]
    assert found["statuses"] == [403, 403, 403, 403]
    assert found["is_untouched_by_forgers"]
