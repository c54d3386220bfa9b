"""People operate the app over HTTP: what they do is done once, recorded with who and why, and told.

Everything is real but the tenant: the local host, the queue, the state, and what is written to
the tenant by it. One story is played, and each test looks at a part of it.
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
SAID = {"who": "Dana", "why": "a journey"}
AGAIN = "again"
FORGED = base64.b64encode(
    json.dumps(
        {"claims": [{"typ": "oid", "val": "mallory"}, {"typ": "roles", "val": "Exoguard.Operator"}]}
    ).encode()
).decode()


def user(number: int) -> dict[str, Any]:
    """The account of a shared mailbox, which may sign in."""
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


def mailbox(number: int) -> dict[str, Any]:
    """A shared mailbox; that of number 0 keeps no audit log."""
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


def scene() -> dict[str, Any]:
    """A tenant with more shared mailboxes that may sign in than one run may block."""
    return {
        "graph": {"users": [user(number) for number in range(SIZE)]},
        "exchange": {"Get-Mailbox": [mailbox(number) for number in range(SIZE)]},
    }


@dataclass
class Person:
    """Somebody with the key. What they were answered, and what became of it, is kept by name."""

    session: aiohttp.ClientSession
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    became: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def post(
        self, name: str, path: str, wish: Any = SAID, headers: dict[str, str] | None = None
    ) -> Any:
        """One POST, answered at once."""
        kept = {"Content-Type": "application/json", **(headers or {})}
        async with self.session.post(path, data=json.dumps(wish), headers=kept) as answer:
            text = await answer.text()
            said = json.loads(text) if text else None
            self.answers[name] = (answer.status, said)
            return said

    async def get(self, path: str) -> Any:
        async with self.session.get(path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def do(self, name: str, path: str, **wish: str) -> dict[str, Any]:
        """One POST, and what became of it once it is over."""
        said = await self.post(name, path, {**SAID, **wish})
        assert self.answers[name][0] == 202, said
        return await self.over(name, said)

    async def over(self, name: str, said: dict[str, Any]) -> dict[str, Any]:
        """Waits; what never ends is ended by the time-out of every test."""
        while True:
            known: dict[str, Any] = await self.get(said["address"])
            if known["status"] not in ("asked", "queued", "running"):
                guard = known["guard"]
                action = await self.get(f"/api/actions/{guard}/{said['action']}")
                if action["status"] != "asked":
                    self.became[name] = action
                    return known
            await asyncio.sleep(0.05)

    async def run(self, guard: str, name: str = "run", **wish: str) -> dict[str, Any]:
        """A run, and its report."""
        return await self.do(name, f"/api/guards/{guard}/run", **wish)


@dataclass
class Story:
    """What the tests look at."""

    person: Person
    writes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    cards: list[Any] = field(default_factory=list)

    def note(self, box: Sandbox, name: str) -> None:
        """The writes of the tenant since the last note."""
        before = sum(len(rows) for rows in self.writes.values())
        self.writes[name] = [dict(row) for row in box.writes[before:]]

    def action(self, name: str) -> tuple[str, str]:
        found = self.person.became[name]
        return found["status"], found["note"]

    def written(self, name: str) -> list[tuple[str, Any]]:
        """The writes of a part of the story: what was written to, and what."""
        return [(row["target"], row["body"]) for row in self.writes[name]]


async def strangers(person: Person, app: HostedApp, change: str) -> None:
    """What nobody may do."""
    undo = f"/api/changes/{AUDIT}/{change}/undo"
    forged = {"X-MS-CLIENT-PRINCIPAL": FORGED, "X-MS-CLIENT-PRINCIPAL-NAME": "mallory"}
    async with aiohttp.ClientSession(app.base_url) as session:
        stranger = Person(session, person.answers)
        await stranger.post("no key", undo)
        await stranger.post("wrong key", undo, headers={"x-functions-key": "guess"})
        await stranger.post("forged", undo, headers=forged)
        await stranger.post("key in the address", f"{undo}?code={app.function_key}")
    await person.post("a form", undo, headers={"Content-Type": "text/plain"})
    await person.post("another site", undo, headers={"Sec-Fetch-Site": "cross-site"})
    await person.post("no reason", undo, {"who": "Dana"})
    await person.post("a longer story", undo, {**SAID, "why": "x" * 501})


async def play(person: Person, app: HostedApp, box: Sandbox, settings: Settings) -> Story:
    story = Story(person)
    await person.run(AUDIT)
    await person.run(AUDIT)
    story.note(box, "audit is put right")
    [change] = (await person.get("/api/status.json"))["changes"]
    await strangers(person, app, change["change"])
    await undoing(story, box, settings, change["change"])
    await braking(story, box)
    await deciding(story)
    story.note(box, "nothing more")
    story.seen["status"] = await person.get("/api/status.json")
    async with open_ledger(settings) as ledger, held_by_somebody(ledger):
        # What was done last is told before the guard is let go.
        story.cards = list(box.cards)
    named = sorted(set(re.findall(r"/api/(?:runs|actions)/[a-z0-9/-]+", json.dumps(story.cards))))
    for address in named:
        async with person.session.get(address) as answer:
            story.seen.setdefault("addresses", []).append((address, answer.status))
    return story


@asynccontextmanager
async def held_by_somebody(ledger: Ledger) -> AsyncIterator[None]:
    """The guard, held; whoever did what was asked last may still be telling of it."""
    while True:
        async with ledger.claim(AUDIT, "somebody") as held:
            if held:
                yield
                return
        await asyncio.sleep(0.05)


async def undoing(story: Story, box: Sandbox, settings: Settings, change: str) -> None:
    """A change is taken back, while a run holds the guard, twice at once, and again."""
    person, undo = story.person, f"/api/changes/{AUDIT}/{change}/undo"
    await person.do("undo by the wrong guard", f"/api/changes/{SIGN_IN}/{change}/undo")
    await person.do("undo of nothing", f"/api/changes/{AUDIT}/{hash_parts('nothing')}/undo")
    story.note(box, "nothing is undone")
    async with open_ledger(settings) as ledger, held_by_somebody(ledger):
        first, second = await asyncio.gather(
            person.post("undo", undo, headers={"X-MS-CLIENT-PRINCIPAL": FORGED}),
            person.post("undo at the same time", undo),
        )
        await asyncio.sleep(0.5)
        story.seen["while held"] = await person.get(first["address"])
    await person.over("undo", first)
    await person.over("undo at the same time", second)
    story.note(box, "undo")
    await person.do(f"undo {AGAIN}", undo)
    await person.run(AUDIT, "run after the undo")
    story.note(box, "after the undo")


async def braking(story: Story, box: Sandbox) -> None:
    """More changes than the brake allows wait, until exactly they are released."""
    person = story.person
    await person.run(SIGN_IN)
    old = await person.run(SIGN_IN)
    blocked = {"op": "set", "path": "/graph/users/1/accountEnabled", "value": False}
    box.tenant.apply_patch({"edit": [blocked]})
    await person.run(SIGN_IN, "release of yesterday", plan=old["plan"])
    plan = (await person.run(SIGN_IN))["plan"]
    story.seen |= {"old plan": old["plan"], "plan": plan, "held": old["held"]}
    story.note(box, "the brake holds")
    story.seen["released"] = await person.run(SIGN_IN, "release", plan=plan)
    story.note(box, "release")
    await person.run(SIGN_IN, f"release {AGAIN}", plan=plan)
    story.note(box, "released twice")


async def deciding(story: Story) -> None:
    """Cases are acknowledged and exempted, twice each, and exemptions end."""
    person = story.person
    cases = (await person.get("/api/cases.json?state=all"))["cases"]
    case = cases[0]
    guard, key = case["guard"], case["case"]
    story.seen["case"] = case
    acknowledge = f"/api/cases/{guard}/{key}/acknowledge"
    exemptions = f"/api/guards/{guard}/exemptions"
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    await person.do("acknowledge", acknowledge)
    await person.do(f"acknowledge {AGAIN}", acknowledge)
    await person.do("exempt", exemptions, subject=key, until=until)
    await person.do(f"exempt {AGAIN}", exemptions, subject=key, until=until)
    story.seen["exempt"] = await person.get(f"/api/cases/{guard}/{key}.json")
    await person.do("end", f"{exemptions}/end", subject=key)
    await person.do(f"end {AGAIN}", f"{exemptions}/end", subject=key)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    modes = {duty.guard.name: "off" for duty in CATALOG} | {SIGN_IN: "enforce", AUDIT: "enforce"}
    async with Sandbox(scene()) as box:
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
            yield await play(Person(session), app, box, Settings.read(environ))


@pytest.mark.parametrize(
    ("name", "status", "note"),
    [
        ("undo", "done", "restored as it was, and exempt until"),
        (f"undo {AGAIN}", "refused", "taken back"),
        ("undo by the wrong guard", "refused", "no change has that id"),
        ("undo of nothing", "refused", "no change has that id"),
        ("release of yesterday", "refused", "it is not the plan that waits"),
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
def test_what_is_asked_for_is_done_once_and_answered(
    story: Story, name: str, status: str, note: str
) -> None:
    found = story.action(name)
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
        ("a longer story", 400),
    ],
)
def test_who_may_not_is_refused(story: Story, name: str, status: int) -> None:
    assert story.person.answers[name][0] == status


def test_what_was_refused_at_the_door_left_no_row(story: Story) -> None:
    rows = {row["action"] for row in story.seen["status"]["actions"] if row["kind"] == "undo"}
    accepted = {row["action"] for name, row in story.person.became.items() if "undo" in name}
    accepted.discard(story.person.became["run after the undo"]["action"])
    assert rows == accepted


def test_a_change_is_taken_back_exactly_as_it_was_and_only_once(story: Story) -> None:
    [(target, changed)] = story.written("audit is put right")
    [(again, restored)] = story.written("undo")
    parameters = {name: rows["CmdletInput"]["Parameters"] for name, rows in
                  (("changed", changed), ("restored", restored))}  # fmt: skip
    assert again == target
    assert parameters["changed"] == {**parameters["restored"], "AuditEnabled": True}
    assert parameters["restored"]["AuditEnabled"] is False
    assert story.written("nothing is undone") == []


def test_of_two_at_the_same_time_one_is_done(story: Story) -> None:
    first, second = (story.person.became[name] for name in ("undo", "undo at the same time"))
    if first["action"] != second["action"]:
        assert {first["status"], second["status"]} == {"done", "refused"}


def test_what_is_asked_of_a_guard_that_is_busy_waits_for_its_turn(story: Story) -> None:
    assert story.seen["while held"]["status"] == "asked"
    assert story.action("undo")[0] == "done"


def test_the_guard_leaves_alone_what_a_person_took_back(story: Story) -> None:
    assert story.action("run after the undo") == ("done", "the run has ended")
    assert story.written("after the undo") == []


def test_a_plan_that_has_changed_is_not_released_and_what_waits_is_named(
    story: Story,
) -> None:
    assert story.seen["plan"] != story.seen["old plan"]
    assert story.seen["plan"] in story.action("release of yesterday")[1]
    assert story.written("the brake holds") == []


def test_exactly_the_released_plan_is_carried_out_once(story: Story) -> None:
    blocked = [
        target for target, body in story.written("release") if body.get("accountEnabled") is False
    ]
    assert blocked == [f"/users/{user(number)['id']}" for number in (0, 2, 3)]
    assert story.written("released twice") == []
    assert story.written("nothing more") == []


def test_everything_is_recorded_with_who_and_why_and_how_they_were_let_in(
    story: Story,
) -> None:
    assert {
        (found["who"], found["why"], found["signed_in"]) for found in story.person.became.values()
    } == {("Dana", "a journey", "function key")}
    assert "mallory" not in json.dumps(story.seen)


def test_an_exempted_case_is_closed_as_such_and_shows_who_decided(story: Story) -> None:
    case = story.seen["exempt"]
    assert (case["state"], case["closing"]) == ("closed", "exempt")
    assert (case["acknowledged_by"], case["exemption"]["who"]) == ("Dana", "Dana")


def test_the_channel_is_told_of_everything_that_people_did(story: Story) -> None:
    told = json.dumps(story.cards)
    for name, action in story.person.became.items():
        if action["kind"] != "run":
            assert action["note"].partition(":")[0] in told, name
    assert "Dana (function key)" in told


def test_every_address_that_a_card_names_leads_somewhere(story: Story) -> None:
    assert story.seen["addresses"]
    assert {status for _, status in story.seen["addresses"]} == {200}, story.seen["addresses"]
