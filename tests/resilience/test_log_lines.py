"""The log cannot be written by strangers, and holds no secret.

Foreign text never decides where a line ends, what a terminal does, or how a message is formatted;
and what a library tells at DEBUG comes out without what opens a door.
"""

import ast
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.api_errors import map_exchange_error, map_graph_error
from core.engine.run import run
from core.log_redaction import REDACTED, clean_log_record, extract_secrets, redact_secrets
from tests.resilience.canaries import CapturedOutput, capture_output
from tests.support.synthetic_guard import EngineHarness, SyntheticTenant

ROOT = Path(__file__).resolve().parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
EVIL = "a\r\nexoguard.run {}\x1b[2J\u2028\u202e%s {0} %(x)d\x00"
WEBHOOK = "https://default0a1b.4c.environment.api.powerplatform.com/workflows/0a1b/triggers?sig=hush-hush-hush"
KEY = "bm90IGEga2V5IGJ1dCBsb25nIGVub3VnaCB0byBiZSBvbmU="
TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJodHRwcyJ9.c2lnbmF0dXJl"


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in what is deployed."""
    for path in [ROOT / "function_app.py", *sorted((ROOT / "core").rglob("*.py"))]:
        text = path.read_text("utf-8")
        if not any(f".{level}" in text for level in LEVELS):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in LEVELS and ast.unparse(node.func.value) in ("log", "logging"):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_no_log_call_lets_anything_but_its_author_write_the_format() -> None:
    calls = list(log_calls())
    assert len(calls) > 20
    wrong = [
        where
        for where, call in calls
        if not isinstance(call.args[0], ast.Constant) or not isinstance(call.args[0].value, str)
    ]
    assert wrong == []


def test_every_logger_of_ours_is_known_to_that_test() -> None:
    """A logger under another name would be one whose calls nobody looks at."""
    names = {
        ast.unparse(node.targets[0])
        for path in (ROOT / "core").rglob("*.py")
        # To read all of them takes seconds.
        if "getLogger" in (text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "logging.getLogger"
    }
    assert names == {"log"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
def test_what_a_service_says_of_an_error_is_one_plain_line(status: int) -> None:
    body = {"error": {"code": EVIL, "message": EVIL}}
    for error in (
        map_graph_error(status, body, "GET /users"),
        map_exchange_error(status, body, "Get-Mailbox"),
    ):
        assert str(error).isprintable()


async def test_a_hostile_tenant_writes_no_line_of_its_own() -> None:
    spill = CapturedOutput()
    stage = EngineHarness(
        SyntheticTenant(
            mailbox_count=3,
            forwards={"m1": EVIL},
            unreadable={"m2"},
            format_address=lambda one: f"{one}{EVIL}",
        )
    )
    with capture_output(spill, {}, ()):
        await run(stage.config, stage.world)
    assert stage.get_open_subjects()
    assert spill.raw_logs
    ours = [text for name, text in spill.raw_logs if name.startswith(("core", "exoguard"))]
    assert ours
    assert all(text.isprintable() for text in ours)


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("azure.core", logging.DEBUG, "", 0, message, args, None)


@given(st.text())
def test_whatever_is_logged_is_one_line(text: str) -> None:
    for made in (record("%s", text), record("before %s after", text)):
        shown = clean_log_record(made, ()).getMessage()
        assert len(shown.splitlines()) <= 1
        assert "\x1b" not in shown


@pytest.mark.parametrize(
    "said",
    [
        f"'Authorization': 'Bearer {TOKEN}'",
        f"Authorization: SharedKey account:{KEY}",
        f"a token {TOKEN} by itself",
        f"x-functions-key={KEY}",
        f"GET /api/status?a=1&code={KEY}",
        f"client_secret={KEY}&grant_type=client_credentials",
        f'{{"access_token": "{KEY}", "expires_in": 1}}',
        f"AccountName=x;AccountKey={KEY};EndpointSuffix=y",
        f"POST {WEBHOOK}",
        "path /workflows/0a1b/triggers",
    ],
)
def test_what_opens_a_door_is_hidden_whoever_logs_it(said: str) -> None:
    shown = clean_log_record(record("%s", said), extract_secrets([WEBHOOK])).getMessage()
    assert REDACTED in shown
    for secret in (KEY, TOKEN, "hush-hush-hush", "0a1b"):
        assert secret not in shown


def test_a_line_without_a_secret_stays_as_it_is() -> None:
    line = 'exoguard.run {"guard": "mailbox-audit", "status": "done", "code": 200, "seen": 812}'
    assert clean_log_record(record(line), extract_secrets([WEBHOOK])).getMessage() == line
    assert json.loads(line.removeprefix("exoguard.run "))["seen"] == 812


def test_the_traceback_of_an_error_is_cleaned_as_well() -> None:
    try:
        raise ValueError(f"no connection to {WEBHOOK}")
    except ValueError:
        made = logging.LogRecord("asyncio", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    shown = logging.Formatter().format(clean_log_record(made, extract_secrets([WEBHOOK])))
    assert "ValueError" in shown
    assert "hush-hush-hush" not in shown


def test_arguments_that_do_not_fit_are_left_to_logging() -> None:
    made = record("%d", "not a number")
    assert clean_log_record(made, ()) is made


@pytest.mark.parametrize("short", ["", "x", "1234567"])
def test_what_is_too_short_to_be_a_secret_hides_nothing(short: str) -> None:
    assert redact_secrets("x and 1234567", extract_secrets([short])) == "x and 1234567"
