"""The program of test_containment_journey: accounts contained through the app on the local host.

Over HTTP and on the command line, on a tenant under attack; prints JSON. One process hosts one app,
so it runs on its own.
"""

import asyncio
import copy
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.functions_host.host import Host
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.integration.cli_app import Terminal
from tests.integration.form_browser import FormBrowser
from tests.integration.host_app import HostClient, build_request_body
from tests.support.shared_azurite import take_account

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = "block-sign-in,end-sessions,devices,forwards,rules,hidden-rules,protocols"
NAMED = ("forward", "rule-1", "hidden-rule-1", "device-1")
COLLECTIONS = ("users", "messageRules", "registeredDevices")
CMDLETS = ("Get-Mailbox", "Get-InboxRule", "Get-CASMailbox")
# Graph notes when sessions were told to end, which nothing takes back.
FORGOTTEN = "signInSessionsValidFromDateTime"


def build_account(number: int) -> str:
    """The object id of an account."""
    return f"{number:08d}-0000-4000-8000-{number:012d}"


def build_guid(number: int) -> str:
    """The Exchange id of its mailbox."""
    return f"{number:08d}-1111-4000-8000-{number:012d}"


def build_scene(kinds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A tenant in which one account of each kind was taken: forwards, rules, a device."""
    late = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    users, boxes, ways, rules, hidden, devices = [], [], [], {}, {}, []
    for number, (kind, more) in enumerate(kinds.items(), 1):
        account, guid, name = build_account(number), build_guid(number), f"user{number}"
        users.append(
            {
                "id": account,
                "userPrincipalName": f"{name}@contoso.com",
                "displayName": kind,
                "accountEnabled": True,
                "assignedPlans": [],
                "assignedLicenses": [],
                "userType": "Member",
                **more.get("user", {}),
            }
        )
        if more.get("has_mailbox", True):
            boxes.append(
                {
                    "ExternalDirectoryObjectId": account,
                    "Guid": guid,
                    "Name": name,
                    "UserPrincipalName": f"{name}@contoso.com",
                    "PrimarySmtpAddress": f"{name}@contoso.com",
                    "RecipientTypeDetails": more.get("box", "UserMailbox"),
                    "ForwardingAddress": None,
                    "ForwardingSmtpAddress": "smtp:x@evil.example",
                    "DeliverToMailboxAndForward": True,
                }
            )
            ways.append(
                {
                    "ExternalDirectoryObjectId": account,
                    "Guid": guid,
                    "PrimarySmtpAddress": f"{name}@contoso.com",
                    "OWAEnabled": True,
                    "MAPIEnabled": True,
                    "EwsEnabled": None,
                    "ActiveSyncEnabled": True,
                    "OutlookMobileEnabled": True,
                    "ImapEnabled": False,
                    "PopEnabled": True,
                }
            )
            rules[account] = [
                {
                    "id": f"R{number}",
                    "displayName": ".",
                    "sequence": 1,
                    "isEnabled": True,
                    "hasError": False,
                    "isReadOnly": False,
                    "actions": {
                        "redirectTo": [{"emailAddress": {"name": "x", "address": "x@evil.example"}}]
                    },
                }
            ]
            hidden[guid] = [
                {
                    "Identity": f"{name}\\77",
                    "RuleIdentity": "77",
                    "Name": "..",
                    "Enabled": True,
                    "RedirectTo": ["y@evil.example"],
                    "@sandbox.hidden": True,
                }
            ]
        devices.append(
            {
                "@sandbox.user": account,
                "id": f"{number:08d}-2222-4000-8000-{number:012d}",
                "displayName": "DESKTOP-EVIL",
                "operatingSystem": "Windows",
                "accountEnabled": True,
                "registrationDateTime": late,
            }
        )
    return {
        "graph": {
            "users": users,
            "messageRules": rules,
            "registeredDevices": devices,
            "domains": [{"id": "contoso.com", "isVerified": True, "isDefault": True}],
        },
        "exchange": {
            "Get-Mailbox": boxes,
            "Get-CASMailbox": ways,
            "Get-InboxRule": hidden,
            "Get-AcceptedDomain": [{"DomainName": "contoso.com", "Name": "contoso.com"}],
        },
    }


KINDS: Mapping[str, Mapping[str, Any]] = {
    "licensed": {"user": {"assignedLicenses": [{"skuId": build_account(99)}]}},
    "hybrid": {"user": {"onPremisesSyncEnabled": True}},
    "guest": {"user": {"userType": "Guest"}, "has_mailbox": False},
    "shared": {"box": "SharedMailbox"},
    "admin": {},
    "deleted": {},
    "by command line": {},
    "from the page": {},
}
PLAYED_APART = ("by command line", "from the page")
WHO, WHY = ("who", "Dana"), ("why", "the journey")


def build_attacked_scene() -> dict[str, Any]:
    """The scene, in which one account administers and one is in the recycle bin."""
    scene = build_scene(KINDS)
    names = list(KINDS)
    admin = build_account(names.index("admin") + 1)
    role = "62e90394-69f5-4237-9190-012177145e10"
    scene["graph"]["roleAssignments"] = [
        {"id": "a1", "principalId": admin, "roleDefinitionId": role, "directoryScopeId": "/"}
    ]
    gone = names.index("deleted")
    deleted = scene["graph"]["users"].pop(gone)
    scene["graph"]["deletedItems"] = [{"@odata.type": "#microsoft.graph.user", **deleted}]
    return scene


def take_picture(box: Sandbox, account: str, guid: str) -> Any:
    """All of the tenant about one account that containing it can touch."""
    tenant = box.tenant

    def is_own(row: Any) -> bool:
        return account in json.dumps(row) or guid in json.dumps(row)

    found: dict[str, Any] = {}
    for place, names in ((tenant.graph, COLLECTIONS), (tenant.exchange, CMDLETS)):
        for name in names:
            rows = place.get(name) or []
            if isinstance(rows, Mapping):
                found[name] = {key: rows[key] for key in rows if key in (account, guid)}
            else:
                found[name] = [row for row in rows if is_own(row)]
    for user in found["users"]:
        user = dict(user)
    picture = copy.deepcopy(found)
    for user in picture["users"]:
        user.pop(FORGOTTEN, None)
    return picture


async def ask(
    host: Host, caller: HostClient, account: str, action: str, **body: str
) -> Mapping[str, Any]:
    """Ask for something about an account, let it be processed, and read its result."""
    name = f"{account} {action} {len(caller.answers)}"
    path = f"/api/accounts/{account}/{action}"
    accepted = await caller.send_request(name, "POST", path, build_request_body(**body))
    if caller.answers[name][0] != 202:
        return {"status": caller.answers[name][0], "note": str(accepted)}
    await host.drain()
    result: Mapping[str, Any] = await caller.send_request(
        f"{name} result", "GET", accepted["address"]
    )
    return result


async def find_latest(caller: HostClient) -> Mapping[str, Any]:
    """The latest containment."""
    listed = await caller.send_request("list", "GET", "/api/containments.json")
    found: Mapping[str, Any] = listed["containments"][0]
    return found


async def play_account(box: Sandbox, host: Host, caller: HostClient, number: int) -> Any:
    """One account: plan, forged and crossed orders, contained, blocked, brought back."""
    account, guid = build_account(number), build_guid(number)
    before = take_picture(box, account, guid)
    planned = await ask(host, caller, account, "contain", steps=EVERYTHING)
    plan = await find_latest(caller)
    forged = await ask(host, caller, account, "contain", plan="0" * 32)
    told = {"planned": planned, "forged": forged, "plan": plan}
    if plan["plan"] is None:
        return {**told, "is_untouched": take_picture(box, account, guid) == before}
    crossed = await ask(host, caller, build_account(98), "contain", plan=plan["plan"])
    order = await ask(host, caller, account, "contain", plan=plan["plan"])
    again = await ask(host, caller, account, "contain", plan=plan["plan"])
    done = await find_latest(caller)
    blocked = take_picture(box, account, guid)["users"][0]["accountEnabled"]
    known = {step["step"] for step in done["steps"] if step["by_exoguard"]}
    named = ",".join(name for name in NAMED if name in known)
    back = await ask(host, caller, account, "uncontain", steps=named)
    return {
        **told,
        "crossed": crossed,
        "order": order,
        "again": again,
        "seconds": done["seconds_to_block"],
        "enabled_then": blocked,
        "back": back,
        "is_untouched": take_picture(box, account, guid) == before,
        "steps": {step["step"]: step["state"] for step in done["steps"] if step["by_exoguard"]},
    }


async def play_command_line(box: Sandbox, host: Host, terminal: Terminal, number: int) -> Any:
    """The same on the command line."""
    account, guid = build_account(number), build_guid(number)
    before = take_picture(box, account, guid)
    why = ("--who", "Dana", "--why", "the journey")

    async def run(name: str, *words: str) -> str:
        running = asyncio.create_task(terminal.run_command(name, *words))
        while not running.done():
            await host.drain()
            await asyncio.sleep(0.05)
        return running.result()

    shown = await run("plan", "contain", account, "--steps", EVERYTHING, "--json", *why)
    plan = json.loads(shown)["plan"]
    await run("contain", "contain", account, "--plan", plan, "--yes", *why)
    blocked = take_picture(box, account, guid)["users"][0]["accountEnabled"]
    await run("again", "contain", account, "--plan", plan, "--yes", *why)
    await run("bundle", "evidence-bundle", account, "--id", json.loads(shown)["containment"])
    await run("uncontain", "uncontain", account, "--steps", ",".join(NAMED), "--yes", *why)
    return {
        "results": terminal.results,
        "enabled_then": blocked,
        "is_untouched": take_picture(box, account, guid) == before,
    }


async def play_pages(box: Sandbox, host: Host, browser: FormBrowser, number: int) -> Any:
    """The same from pages alone: steps, plan, confirmation, result, and back; forged forms too."""
    account, guid = build_account(number), build_guid(number)
    before = take_picture(box, account, guid)
    pages: dict[str, str] = {}

    async def follow(name: str, path: str) -> None:
        pages[f"{name}, waiting"] = await browser.open(path)
        await host.drain()
        pages[name] = await browser.open(path)

    pages["form"] = await browser.open(f"act?kind=contain&subject={account}")
    more = (("steps", "hidden-rules"), ("steps", "protocols"), WHO, WHY)
    await follow("plan", await browser.submit("act", *more))
    plan, cookie = browser.page, browser.cookie
    statuses = []
    for headers in ({"sec_fetch_site": "cross-site"}, {"cookie": ""}, {"cookie": f"{cookie}x"}):
        await browser.submit("act", WHO, WHY, **headers)
        statuses.append(browser.status)
        browser.page, browser.cookie = plan, cookie
    await host.drain()
    forged = take_picture(box, account, guid) == before
    order = await browser.submit("act", WHO, WHY)
    browser.page = plan
    await browser.submit("act", WHO, WHY)
    statuses.append(browser.status)
    await follow("order", order)
    blocked = take_picture(box, account, guid)["users"][0]["accountEnabled"]
    browser.page, browser.cookie = plan, cookie
    await follow("again", await browser.submit("act", WHO, WHY))
    pages["release"] = await browser.open(f"act?kind=uncontain&subject={account}")
    named = [("steps", name) for name in NAMED]
    await follow("back", await browser.submit("act", *named, WHO, WHY))
    return {
        "pages": pages,
        "statuses": statuses,
        "is_untouched_by_forgers": forged,
        "enabled_then": blocked,
        "is_untouched": take_picture(box, account, guid) == before,
    }


async def run_journey() -> dict[str, Any]:
    """Every kind of account, one after another."""
    async with Sandbox(build_attacked_scene()) as box:
        environ = build_app_settings(box, take_account(), {})
        environ |= {"CONTAINMENT_MODE": "enforce", "CONTAINMENT_LIMIT": "50"}
        async with (
            Host(ROOT, environ, timers_enabled=False) as host,
            aiohttp.ClientSession() as session,
        ):
            caller = HostClient(host, session)
            found = {
                kind: await play_account(box, host, caller, number)
                for number, kind in enumerate(KINDS, 1)
                if kind not in PLAYED_APART
            }
            plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            key = host.keys.function
            terminal = Terminal({**plain, "EXOGUARD_APP": host.base, "EXOGUARD_KEY": key})
            by_line, from_page = (list(KINDS).index(name) + 1 for name in PLAYED_APART)
            found["by command line"] = await play_command_line(box, host, terminal, by_line)
            browser = FormBrowser(host, session)
            found["from the page"] = await play_pages(box, host, browser, from_page)
            return found


def main() -> None:
    """The journey; prints what was seen."""
    sys.stdout.write(json.dumps(asyncio.run(run_journey())) + "\n")
