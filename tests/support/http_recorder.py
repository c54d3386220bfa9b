"""The real adapters on a tenant of their own, with a clock that only moves when somebody waits."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from core.adapters.clouds import Cloud, resolve_cloud
from core.adapters.credentials import Credential, build_credential
from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.tenant import M365Tenant, connect_tenant
from core.adapters.management.client import ManagementClient
from core.adapters.retry import ThrottledService
from core.errors import TenantError
from sandbox.app_identity import CLIENT_ID
from sandbox.server import Sandbox
from tests.support.direct_session import build_direct_credential, open_direct_session
from tests.support.fakes.clock import SleepClock

PERSON = "11111111-0000-4000-8000-000000000001"
ROOM = "11111111-0000-4000-8000-000000000002"
PERSON_GUID = "33333333-0000-4000-8000-000000000001"
ROOM_GUID = "33333333-0000-4000-8000-000000000002"


def build_service(clock: SleepClock, name: str = "service", **options: Any) -> ThrottledService:
    """A service without chance, whose waits take no time."""
    return ThrottledService(name, clock=clock, sleep=clock.sleep, jitter=lambda: 0.0, **options)


@dataclass(slots=True)
class Connection:
    """A tenant and everything that is connected to it."""

    sandbox: Sandbox
    cloud: Cloud
    clock: SleepClock
    credential: Credential
    graph: GraphClient
    exchange: ExchangeClient
    tenant: M365Tenant


def expect_rows[T](outcome: list[T] | TenantError) -> list[T]:
    """The rows of an outcome that must not be an error."""
    assert not isinstance(outcome, TenantError), outcome
    return outcome


def build_user_row(object_id: str, name: str, **more: object) -> dict[str, object]:
    """A user of Graph."""
    return {
        "id": object_id,
        "userPrincipalName": f"{name}@contoso.example",
        "accountEnabled": True,
        "onPremisesSyncEnabled": None,
        "assignedPlans": [],
        "assignedLicenses": [],
        **more,
    }


def build_mailbox_row(object_id: str, guid: str, name: str, **more: object) -> dict[str, object]:
    """A row of Get-Mailbox."""
    return {
        "ExternalDirectoryObjectId": object_id,
        "Guid": guid,
        "Identity": name,
        "Name": name,
        "DisplayName": name.title(),
        "Alias": name,
        "PrimarySmtpAddress": f"{name}@contoso.example",
        "EmailAddresses": [f"SMTP:{name}@contoso.example"],
        "RecipientTypeDetails": "UserMailbox",
        "ForwardingAddress": None,
        "ForwardingSmtpAddress": None,
        "DeliverToMailboxAndForward": False,
        "AuditEnabled": True,
        "DefaultAuditSet": ["Admin", "Delegate", "Owner"],
        "AuditAdmin": ["Update"],
        "AuditDelegate": ["Update"],
        "AuditOwner": ["Update"],
        "AuditLogAgeLimit": "90.00:00:00",
        **more,
    }


def build_module_user_row(
    object_id: str, guid: str, name: str, *, enabled: bool = True, **more: object
) -> dict[str, object]:
    """A row of Get-User."""
    return {
        "ExternalDirectoryObjectId": object_id,
        "Guid": guid,
        "Identity": name,
        "UserPrincipalName": f"{name}@contoso.example",
        "RecipientTypeDetails": "UserMailbox",
        "EXOModuleEnabled": enabled,
        "RemotePowerShellEnabled": enabled,
        **more,
    }


def build_rule_row(rule_id: str, name: str = ".", **more: object) -> dict[str, object]:
    """An inbox rule of Graph that sends mail on."""
    return {
        "id": rule_id,
        "displayName": name,
        "sequence": 1,
        "isEnabled": True,
        "hasError": False,
        "isReadOnly": False,
        "actions": {"redirectTo": [{"emailAddress": {"name": "x", "address": "x@evil.example"}}]},
        **more,
    }


def build_scene(**parts: Any) -> dict[str, Any]:
    """A tenant of one person and one room. `graph` and `exchange` add to it or replace in it."""
    base: dict[str, Any] = {
        "graph": {
            "users": [build_user_row(PERSON, "ann"), build_user_row(ROOM, "room")],
            "domains": [{"id": "contoso.example", "isVerified": True, "isDefault": True}],
        },
        "exchange": {
            "Get-Mailbox": [
                build_mailbox_row(PERSON, PERSON_GUID, "ann"),
                build_mailbox_row(ROOM, ROOM_GUID, "room", RecipientTypeDetails="RoomMailbox"),
            ],
        },
    }
    for half in ("graph", "exchange"):
        base[half] |= parts.pop(half, {})
    return base | parts


def person(number: int) -> str:
    """The id of a user of `build_users`."""
    return f"99999999-0000-4000-8000-{number:012}"


def build_users(count: int, **more: Any) -> dict[str, Any]:
    """A tenant of so many users who all signed in."""
    success = {"lastSuccessfulSignInDateTime": "2026-11-20T08:00:00Z"}
    users = [build_user_row(person(n), f"u{n}", signInActivity=success) for n in range(count)]
    return build_scene(graph={"users": users}, **more)


@asynccontextmanager
async def connect_sandbox(
    scene: Mapping[str, object], *, over_http: bool = True, **options: Any
) -> AsyncIterator[Connection]:
    """Graph and Exchange on a sandbox of their own, signed in with its client secret."""
    async with Sandbox(scene) as sandbox:
        cloud = resolve_cloud(
            "global",
            login=sandbox.authority,
            graph=sandbox.base,
            exchange=sandbox.base,
            management=sandbox.base,
        )
        clock = SleepClock()
        credential = (
            build_credential(
                sandbox.tenant.tenant_id,
                CLIENT_ID,
                cloud,
                secret=sandbox.entra.secret,
                ca_path=sandbox.ca_path,
            )
            if over_http
            else build_direct_credential(sandbox)
        )
        graph = GraphClient(cloud, credential, build_service(clock, "Graph", **options))
        exchange = ExchangeClient(
            cloud, sandbox.tenant.tenant_id, credential, build_service(clock, "Exchange", **options)
        )
        management = ManagementClient(
            cloud,
            sandbox.tenant.tenant_id,
            credential,
            build_service(clock, "activity feed", **options),
        )
        if not over_http:
            for adapter in (graph.transport, exchange.http_client, management.http_client):
                adapter.session = open_direct_session(sandbox)
        try:
            yield Connection(
                sandbox,
                cloud,
                clock,
                credential,
                graph,
                exchange,
                connect_tenant(graph, exchange, management, sleep=clock.sleep),
            )
        finally:
            await graph.close()
            await exchange.close()
            await management.close()
            await credential.close()


def connect_directly(
    scene: Mapping[str, object], **options: Any
) -> AbstractAsyncContextManager[Connection]:
    """The same, without a connection between them: for what is not about HTTP."""
    return connect_sandbox(scene, over_http=False, **options)


async def collect_batch_answers(
    ask: Callable[..., Awaitable[None]], paths: Mapping[str, str], permission: str = ""
) -> dict[str, Any]:
    """All that a batch answers, each of it exactly once."""
    found: dict[str, Any] = {}

    def take(key: str, answer: object) -> None:
        assert key not in found
        found[key] = answer

    await ask(paths, permission, take)
    assert found.keys() == paths.keys()
    return found
