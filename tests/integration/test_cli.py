"""The command line in use: against the app over HTTP, on the table, and in a browser."""

import json
from typing import Any

import pytest
import pytest_asyncio

from tests.support.hosted_app import HOST_SCENE, SHARED_MAILBOX_ID
from tests.support.programs import run_to_its_end

USER = f"/users/{SHARED_MAILBOX_ID}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def journey() -> dict[str, Any]:
    """One process, one app, one journey."""
    printed = await run_to_its_end("tests.integration.cli_app:start", text=json.dumps(HOST_SCENE))
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("status", 1, "mailbox-audit           failing"),
        ("cases", 0, "audit-bypass"),
        ("changes", 0, "before: accountEnabled = true"),
        ("requests", 0, "None."),
        ("case", 0, "Get-MailboxAuditBypassAssociation listed nobody at all"),
        ("no such case", 2, "no case ends with ffffffff"),
        ("strange severity", 64, "not valid for --severity; use critical, high, medium, low"),
        ("export", 0, "SHA-256"),
        ("export again", 64, "use --force to replace it"),
        ("verify", 0, "intact: unchanged"),
        ("verify a changed one", 1, "NOT INTACT"),
        ("unasked", 64, "use --yes to skip it"),
        ("undo", 0, "restored as it was"),
        ("undo again", 3, "it was taken back on"),
        ("release", 3, "it is not the plan that waits"),
        ("exempt", 0, "0 open cases ended"),
        ("too long", 3, "refused: an exemption ends in the future, within a year"),
        ("unexempt", 0, "the next run judges what it covered again"),
        ("run", 0, "mode          alert"),
        ("wrong key", 2, "401: the key is missing or wrong"),
        ("no key", 2, "set EXOGUARD_KEY or use --key-file"),
        ("local run", 0, "1 of 1 resource mailboxes read"),
        ("left", 0, "The guard's next run processes it."),
        ("page", 0, "opens once"),
    ],
)
def test_a_command_line_says_what_came_of_it(
    journey: dict[str, Any], name: str, code: int, words: str
) -> None:
    found, out, err = journey["result"][name]
    assert (found, words in out + err) == (code, True), out + err


def test_what_was_undone_is_undone_in_the_tenant(journey: dict[str, Any]) -> None:
    switched = [row["body"] for row in journey["writes"] if row["target"] == USER]
    assert switched == [{"accountEnabled": False}, {"accountEnabled": True}]


def test_json_is_the_answer_of_the_api(journey: dict[str, Any]) -> None:
    over_http = json.loads(journey["result"]["status --json"][1])
    on_the_table = json.loads(journey["result"]["local status"][1])
    assert over_http.keys() == on_the_table.keys()
    assert {row["guard"] for row in over_http["guards"]} == {
        row["guard"] for row in on_the_table["guards"]
    }


def test_the_key_is_shown_nowhere(journey: dict[str, Any]) -> None:
    assert len(journey["key"]) > 20
    assert journey["key"] not in json.dumps(journey["result"])


def test_a_browser_sees_the_app_through_the_viewer_once_it_was_let_in(
    journey: dict[str, Any],
) -> None:
    assert journey["view"] == {
        "early": 403,
        "opened": 200,
        "seen": [200, "failing"],
        "missing": 404,
        "elsewhere": 404,
    }
