"""Operators use the API: each request is processed once, recorded with who and why, and notified.

Only the tenant is simulated; the host, the queue and the state are real. One story is played, and
each test checks a part of it.
"""

import asyncio
import base64
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from core.bootstrap import open_ledger
from core.config.catalog import CATALOG
from core.config.settings import Settings
from core.keys import hash_parts
from core.ports import Ledger
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.support.hosted_app import HostedApp, start_hosted_app

SIGN_IN, AUDIT = "shared-mailbox-sign-in", "mailbox-audit"
SIZE = 4
WHO_AND_WHY = {"who": "Dana", "why": "a test"}
AGAIN = "again"
FORGED = base64.b64encode(
    json.dumps(
        {"claims": [{"typ": "oid", "val": "mallory"}, {"typ": "roles", "val": "Exoguard.Operator"}]}
    ).encode()
).decode()


def build_user(number: int) -> dict[str, Any]:
    """The account of a shared mailbox, which can sign in."""
    return {
        "id": f"11111111-0000-4000-8000-00000000000{number}",
        "userPrincipalName": f"shared{number}@contoso.com",
        "displayName": f"Shared {number}",
        "accountEnabled": True,
        "assignedPlans": [],
        "assignedLicenses": [],
        "onPremisesSyncEnabled": None,
        "userType": "Member",
    }


def build_mailbox(number: int) -> dict[str, Any]:
    """A shared mailbox; number 0 has no mailbox auditing."""
    return {
        "ExternalDirectoryObjectId": f"11111111-0000-4000-8000-00000000000{number}",
        "Guid": f"22222222-0000-4000-8000-00000000000{number}",
        "UserPrincipalName": f"shared{number}@contoso.com",
        "PrimarySmtpAddress": f"shared{number}@contoso.com",
        "RecipientTypeDetails": "SharedMailbox",
        "AuditEnabled": number > 0,
        "DefaultAuditSet": ["Admin", "Delegate", "Owner"],
        "AuditLogAgeLimit": "180.00:00:00",
    }


def build_scene() -> dict[str, Any]:
    """A tenant with more shared mailboxes that can sign in than one run may block."""
    return {
        "graph": {"users": [build_user(number) for number in range(SIZE)]},
        "exchange": {"Get-Mailbox": [build_mailbox(number) for number in range(SIZE)]},
    }


@dataclass
class Operator:
    """An operator with the function key. Keeps the responses and the results by name."""

    session: aiohttp.ClientSession
    responses: dict[str, tuple[int, Any]] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def post(
        self, name: str, path: str, fields: Any = WHO_AND_WHY, headers: dict[str, str] | None = None
    ) -> Any:
        """Send one POST and return its response."""
        kept = {"Content-Type": "application/json", **(headers or {})}
        async with self.session.post(path, data=json.dumps(fields), headers=kept) as answer:
            text = await answer.text()
            accepted = json.loads(text) if text else None
            self.responses[name] = (answer.status, accepted)
            return accepted

    async def get(self, path: str) -> Any:
        async with self.session.get(path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def submit(self, name: str, path: str, **fields: str) -> dict[str, Any]:
        """Send one POST and return its result once it is final."""
        accepted = await self.post(name, path, {**WHO_AND_WHY, **fields})
        assert self.responses[name][0] == 202, accepted
        return await self.wait_for_result(name, accepted)

    async def wait_for_result(self, name: str, accepted: dict[str, Any]) -> dict[str, Any]:
        """Poll until the result is final. The timeout of the test ends an endless wait."""
        while True:
            known: dict[str, Any] = await self.get(accepted["address"])
            if known["status"] not in ("requested", "queued", "running"):
                guard = known["guard"]
                operator_request = await self.get(f"/api/requests/{guard}/{accepted['request']}")
                if operator_request["status"] != "requested":
                    self.results[name] = operator_request
                    return known
            await asyncio.sleep(0.2)

    async def request_run(self, guard: str, name: str = "run", **fields: str) -> dict[str, Any]:
        """Request a run and return its report."""
        return await self.submit(name, f"/api/guards/{guard}/run", **fields)


@dataclass
class Story:
    """What happened, as the tests check it."""

    operator: Operator
    writes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    cards: list[Any] = field(default_factory=list)

    def record_writes(self, box: Sandbox, name: str) -> None:
        """Keep the writes to the tenant since the last call under a name."""
        before = sum(len(rows) for rows in self.writes.values())
        self.writes[name] = [dict(row) for row in box.writes[before:]]

    def get_result(self, name: str) -> tuple[str, str]:
        found = self.operator.results[name]
        return found["status"], found["note"]

    def list_writes(self, name: str) -> list[tuple[str, Any]]:
        """The writes of a part of the story, as pairs of a target and a body."""
        return [(row["target"], row["body"]) for row in self.writes[name]]


async def send_refused_requests(operator: Operator, app: HostedApp, change: str) -> None:
    """Send requests that must be refused."""
    undo = f"/api/changes/{AUDIT}/{change}/undo"
    forged = {"X-MS-CLIENT-PRINCIPAL": FORGED, "X-MS-CLIENT-PRINCIPAL-NAME": "mallory"}
    async with aiohttp.ClientSession(app.base_url) as session:
        stranger = Operator(session, operator.responses)
        await stranger.post("no key", undo)
        await stranger.post("wrong key", undo, headers={"x-functions-key": "guess"})
        await stranger.post("forged", undo, headers=forged)
        await stranger.post("key in the address", f"{undo}?code={app.function_key}")
    await operator.post("a form", undo, headers={"Content-Type": "text/plain"})
    await operator.post("another site", undo, headers={"Sec-Fetch-Site": "cross-site"})
    await operator.post("no reason", undo, {"who": "Dana"})
    await operator.post("a reason that is too long", undo, {**WHO_AND_WHY, "why": "x" * 501})


async def play(operator: Operator, app: HostedApp, box: Sandbox, settings: Settings) -> Story:
    story = Story(operator)
    await operator.request_run(AUDIT)
    await operator.request_run(AUDIT)
    story.record_writes(box, "auditing is remediated")
    [change] = (await operator.get("/api/status.json"))["changes"]
    await send_refused_requests(operator, app, change["change"])
    await undo_change(story, box, settings, change["change"])
    await release_plan(story, box)
    await decide_cases(story)
    story.record_writes(box, "nothing more")
    story.seen["status"] = await operator.get("/api/status.json")
    async with open_ledger(settings) as ledger, hold_guard(ledger):
        # A run sends its notifications before it releases the guard.
        story.cards = list(box.cards)
    named = sorted(set(re.findall(r"/api/(?:runs|requests)/[a-z0-9/-]+", json.dumps(story.cards))))
    for address in named:
        async with operator.session.get(address) as answer:
            story.seen.setdefault("addresses", []).append((address, answer.status))
    return story


@asynccontextmanager
async def hold_guard(ledger: Ledger) -> AsyncIterator[None]:
    """Hold the guard, as soon as the run that processed the last request has released it."""
    while True:
        async with ledger.claim(AUDIT, "somebody") as held:
            if held:
                yield
                return
        await asyncio.sleep(0.05)


async def undo_change(story: Story, box: Sandbox, settings: Settings, change: str) -> None:
    """Undo a change: while a run holds the guard, twice at once, and once more."""
    operator, undo = story.operator, f"/api/changes/{AUDIT}/{change}/undo"
    await operator.submit("undo by the wrong guard", f"/api/changes/{SIGN_IN}/{change}/undo")
    await operator.submit("undo of nothing", f"/api/changes/{AUDIT}/{hash_parts('nothing')}/undo")
    story.record_writes(box, "nothing is undone")
    async with open_ledger(settings) as ledger, hold_guard(ledger):
        first, second = await asyncio.gather(
            operator.post("undo", undo, headers={"X-MS-CLIENT-PRINCIPAL": FORGED}),
            operator.post("undo at the same time", undo),
        )
        await asyncio.sleep(0.5)
        story.seen["while held"] = await operator.get(first["address"])
    await operator.wait_for_result("undo", first)
    await operator.wait_for_result("undo at the same time", second)
    story.record_writes(box, "undo")
    await operator.submit(f"undo {AGAIN}", undo)
    await operator.request_run(AUDIT, "run after the undo")
    story.record_writes(box, "after the undo")


async def release_plan(story: Story, box: Sandbox) -> None:
    """Let the brake hold back a plan that shrinks, and release it."""
    operator = story.operator
    await operator.request_run(SIGN_IN)
    old = await operator.request_run(SIGN_IN)
    blocked = {"op": "set", "path": "/graph/users/1/accountEnabled", "value": False}
    box.tenant.apply_patch({"edit": [blocked]})
    await operator.request_run(SIGN_IN, "release of no plan", plan="0" * 32)
    plan = (await operator.request_run(SIGN_IN))["plan"]
    story.seen |= {"old plan": old["plan"], "plan": plan, "held": old["held"]}
    story.record_writes(box, "the brake holds")
    story.seen["released"] = await operator.request_run(SIGN_IN, "release", plan=old["plan"])
    story.record_writes(box, "release")
    await operator.request_run(SIGN_IN, f"release {AGAIN}", plan=plan)
    story.record_writes(box, "released twice")


async def decide_cases(story: Story) -> None:
    """Acknowledge and exempt a case, twice each, and end the exemption twice."""
    operator = story.operator
    cases = (await operator.get("/api/cases.json?state=all"))["cases"]
    case = cases[0]
    guard, key = case["guard"], case["case"]
    story.seen["case"] = case
    acknowledge = f"/api/cases/{guard}/{key}/acknowledge"
    exemptions = f"/api/guards/{guard}/exemptions"
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    await operator.submit("acknowledge", acknowledge)
    await operator.submit(f"acknowledge {AGAIN}", acknowledge)
    await operator.submit("exempt", exemptions, subject=key, until=until)
    await operator.submit(f"exempt {AGAIN}", exemptions, subject=key, until=until)
    story.seen["exempt"] = await operator.get(f"/api/cases/{guard}/{key}.json")
    await operator.submit("end", f"{exemptions}/end", subject=key)
    await operator.submit(f"end {AGAIN}", f"{exemptions}/end", subject=key)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    modes = {config.guard.name: "off" for config in CATALOG} | {
        SIGN_IN: "enforce",
        AUDIT: "enforce",
    }
    async with Sandbox(build_scene()) as box:
        environ = build_app_settings(box, azurite, modes) | {
            "STATE_TABLE": "operations",
            "SHARED_MAILBOX_SIGN_IN_LIMIT": "1",
            "SHARED_MAILBOX_SIGN_IN_LIMIT_PERCENT": "0",
        }
        os.environ.update(
            {name: environ[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        )
        folder: Path = tmp_path_factory.mktemp("operations")
        async with (
            start_hosted_app(environ, folder) as app,
            aiohttp.ClientSession(
                app.base_url, headers={"x-functions-key": app.function_key}
            ) as session,
        ):
            yield await play(Operator(session), app, box, Settings.read(environ))


@pytest.mark.parametrize(
    ("name", "status", "note"),
    [
        ("undo", "done", "restored as it was, and exempt until"),
        (f"undo {AGAIN}", "refused", "taken back"),
        ("undo by the wrong guard", "refused", "no change has that id"),
        ("undo of nothing", "refused", "no change has that id"),
        ("release of no plan", "refused", "it is not the plan that waits"),
        ("release", "done", "the plan was carried out"),
        (f"release {AGAIN}", "refused", "no plan waits"),
        ("acknowledge", "done", "not brought up again"),
        (f"acknowledge {AGAIN}", "done", "acknowledged by Dana already"),
        ("exempt", "done", "1 open cases ended"),
        (f"exempt {AGAIN}", "done", "0 open cases ended"),
        ("end", "done", "over"),
        (f"end {AGAIN}", "refused", "no exemption is in force"),
    ],
)
def test_each_request_is_processed_once_and_answered(
    story: Story, name: str, status: str, note: str
) -> None:
    found = story.get_result(name)
    assert found[0] == status
    assert note in found[1]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("no key", 401),
        ("wrong key", 401),
        ("forged", 401),
        ("key in the address", 400),
        ("a form", 415),
        ("another site", 403),
        ("no reason", 400),
        ("a reason that is too long", 400),
    ],
)
def test_an_invalid_request_is_refused(story: Story, name: str, status: int) -> None:
    assert story.operator.responses[name][0] == status


def test_a_refused_request_leaves_no_row(story: Story) -> None:
    rows = {row["request"] for row in story.seen["status"]["requests"] if row["kind"] == "undo"}
    accepted = {row["request"] for name, row in story.operator.results.items() if "undo" in name}
    accepted.discard(story.operator.results["run after the undo"]["request"])
    assert rows == accepted


def test_an_undo_restores_the_earlier_values_once(story: Story) -> None:
    [(target, changed)] = story.list_writes("auditing is remediated")
    [(again, restored)] = story.list_writes("undo")
    parameters = {name: rows["CmdletInput"]["Parameters"] for name, rows in
                  (("changed", changed), ("restored", restored))}  # fmt: skip
    assert again == target
    assert parameters["changed"] == {**parameters["restored"], "AuditEnabled": True}
    assert parameters["restored"]["AuditEnabled"] is False
    assert story.list_writes("nothing is undone") == []


def test_of_two_simultaneous_requests_one_is_done(story: Story) -> None:
    first, second = (story.operator.results[name] for name in ("undo", "undo at the same time"))
    if first["request"] != second["request"]:
        assert {first["status"], second["status"]} == {"done", "refused"}


def test_a_request_to_a_busy_guard_waits(story: Story) -> None:
    assert story.seen["while held"]["status"] == "requested"
    assert story.get_result("undo")[0] == "done"


def test_the_guard_leaves_an_undone_change_alone(story: Story) -> None:
    assert story.get_result("run after the undo") == ("done", "the run has ended")
    assert story.list_writes("after the undo") == []


def test_a_plan_that_never_waited_is_not_released_and_the_current_one_is_named(
    story: Story,
) -> None:
    assert story.seen["plan"] != story.seen["old plan"]
    assert story.seen["plan"] in story.get_result("release of no plan")[1]
    assert story.list_writes("the brake holds") == []


def test_what_is_still_wanted_of_the_released_plan_is_applied_once(story: Story) -> None:
    blocked = [
        target
        for target, body in story.list_writes("release")
        if body.get("accountEnabled") is False
    ]
    assert blocked == [f"/users/{build_user(number)['id']}" for number in (0, 2, 3)]
    assert story.list_writes("released twice") == []
    assert story.list_writes("nothing more") == []


def test_every_request_is_recorded_with_who_why_and_the_sign_in(
    story: Story,
) -> None:
    assert {
        (found["who"], found["why"], found["signed_in"])
        for found in story.operator.results.values()
    } == {("Dana", "a test", "function key")}
    assert "mallory" not in json.dumps(story.seen)


def test_an_exempted_case_is_closed_and_names_the_operator(story: Story) -> None:
    case = story.seen["exempt"]
    assert (case["state"], case["resolution"]) == ("closed", "exempt")
    assert (case["acknowledged_by"], case["exemption"]["who"]) == ("Dana", "Dana")


def test_every_request_is_notified(story: Story) -> None:
    told = json.dumps(story.cards)
    for name, operator_request in story.operator.results.items():
        if operator_request["kind"] != "run":
            assert operator_request["note"].partition(":")[0] in told, name
    assert "Dana (function key)" in told


def test_every_address_on_a_card_exists(story: Story) -> None:
    assert story.seen["addresses"]
    assert {status for _, status in story.seen["addresses"]} == {200}, story.seen["addresses"]
