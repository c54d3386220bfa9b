"""Runs the app on the local Functions host in a process of its own, for tests over HTTP."""

import contextlib
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from tests.support.programs import Program, start_program

ROOT = Path(__file__).resolve().parents[2]
HOST = "sandbox.functions_host.host:main"


@dataclass(frozen=True)
class HostedApp:
    """The address and the keys of a running app."""

    base_url: str
    function_key: str
    master_key: str


@asynccontextmanager
async def start_hosted_app(
    settings: Mapping[str, str], folder: Path, *options: str
) -> AsyncIterator[HostedApp]:
    """Start the app with these settings and without timers. `folder` holds its settings file."""
    file = folder / "settings.json"
    file.write_text(json.dumps(dict(settings)), encoding="utf-8")
    async with start_host(file, "--no-schedules", *options) as program:
        ready = json.loads(await program.stdout.readline())
        yield HostedApp(ready["base"], ready["keys"]["function"], ready["keys"]["master"])
        program.send_signal(signal.SIGTERM)
        await program.wait()


@asynccontextmanager
async def start_host(settings: Path, *options: str) -> AsyncIterator[Program]:
    """Start an instance of the app; its first line of output says where it is."""
    app = ("--app", str(ROOT), "--settings", str(settings))
    async with start_program(HOST, *app, *options) as program:
        yield program


SHARED_MAILBOX_ID = "11111111-0000-4000-8000-000000000001"
HOST_SCENE = {
    "graph": {
        "users": [
            {
                "id": SHARED_MAILBOX_ID,
                "userPrincipalName": "info@contoso.com",
                "displayName": "Info",
                "accountEnabled": True,
                "assignedPlans": [],
                "assignedLicenses": [],
                "onPremisesSyncEnabled": None,
                "userType": "Member",
            }
        ],
        "domains": [{"id": "contoso.com", "isVerified": True, "isDefault": True}],
    },
    "exchange": {
        "Get-Mailbox": [
            {
                "ExternalDirectoryObjectId": SHARED_MAILBOX_ID,
                "Guid": "22222222-0000-4000-8000-000000000001",
                "UserPrincipalName": "info@contoso.com",
                "PrimarySmtpAddress": "info@contoso.com",
                "RecipientTypeDetails": "SharedMailbox",
                "AuditEnabled": True,
                "DefaultAuditSet": ["Admin", "Delegate", "Owner"],
                "AuditLogAgeLimit": "180.00:00:00",
            }
        ],
        "Get-RemoteDomain": [{"Name": "Default", "DomainName": "*", "AutoForwardEnabled": False}],
        "Get-HostedOutboundSpamFilterPolicy": [
            {"Name": "Default", "IsDefault": True, "AutoForwardingMode": "Off"}
        ],
    },
}


async def expire_lease(table: TableClient, guard: str) -> None:
    """Move the lease of a dead process into the past, as a minute would."""
    with contextlib.suppress(ResourceNotFoundError):
        lease = await table.get_entity(guard, "lease")
        lease["until"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        await table.update_entity(lease, mode=UpdateMode.REPLACE)


HOSTED_GUARD = "mailbox-forwarding"


def build_account_id(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-{number:012d}"


def build_mailbox_row(number: int) -> dict[str, Any]:
    return {
        "ExternalDirectoryObjectId": build_account_id(number),
        "Guid": f"{number:08d}-1111-4000-8000-{number:012d}",
        "PrimarySmtpAddress": f"user{number}@contoso.com",
        "UserPrincipalName": f"user{number}@contoso.com",
        "RecipientTypeDetails": "UserMailbox",
    }


@dataclass(frozen=True)
class HostProcess:
    """A host in a process of its own."""

    process: Program
    base: str
    key: str

    async def start_timer(self, guard: str = HOSTED_GUARD) -> None:
        """Starts the guard's timer now."""
        async with ClientSession() as session:
            address = f"{self.base}/admin/functions/{guard}"
            headers = {"x-functions-key": self.key}
            async with session.post(address, json={"input": ""}, headers=headers) as answer:
                assert answer.status == 202


@asynccontextmanager
async def start_host_process(settings: Path) -> AsyncIterator[HostProcess]:
    async with start_host(settings, "--no-schedules", "--visibility", "6") as program:
        ready = json.loads(await program.stdout.readline())
        yield HostProcess(program, ready["base"], ready["keys"]["master"])
        program.send_signal(signal.SIGTERM)
        await program.wait()
