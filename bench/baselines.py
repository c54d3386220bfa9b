"""The baselines: two ways a script would read inbox rules, and the minimum of requests.

None of them evaluates the rules. All get their token and account ids beforehand.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import batched
from typing import Any

import aiohttp

BATCH_SIZE = 20
COMMANDS_SIZE = 10


class StaticTokenCredential:
    """A credential with azure-identity's interface and one fixed token."""

    def __init__(self, token: str) -> None:
        self.token = token

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(self.token, int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "StaticTokenCredential":
        return self

    async def __aexit__(self, *args: object) -> None: ...


# The typed SDK ----------------------------------------------------------------------------------


@asynccontextmanager
async def open_typed_client(base: str, token: str) -> AsyncIterator[Any]:
    """Opens `GraphServiceClient` as documented, except for the service's address."""
    from kiota_authentication_azure.azure_identity_authentication_provider import (
        AzureIdentityAuthenticationProvider,
    )
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from msgraph.graph_service_client import GraphServiceClient

    scope = "https://graph.microsoft.com/.default"
    adapter = GraphRequestAdapter(
        AzureIdentityAuthenticationProvider(StaticTokenCredential(token), scopes=[scope])
    )
    adapter.base_url = f"{base}/v1.0"
    yield GraphServiceClient(request_adapter=adapter)


async def count_typed_rules(client: Any, user_id: str) -> int:
    """Reads one mailbox's inbox rules as SDK models and counts them."""
    folder = client.users.by_user_id(user_id).mail_folders.by_mail_folder_id("inbox")
    page = await folder.message_rules.get()
    return len(page.value)


async def read_with_sdk(client: Any, ids: Iterable[str], concurrency: int) -> int:
    """Reads the rules of mailboxes with the SDK, a number of them concurrently. Returns how many
    were read.
    """
    gate = asyncio.Semaphore(concurrency)

    async def one(user_id: str) -> int:
        async with gate:
            return await count_typed_rules(client, user_id)

    if concurrency == 1:
        return len([await count_typed_rules(client, user_id) for user_id in ids])
    return len(await asyncio.gather(*map(one, ids)))


# The floor --------------------------------------------------------------------------------------


def build_batch_body(ids: Iterable[str]) -> bytes:
    """Builds the body of a `$batch` for the inbox rules of up to twenty mailboxes."""
    requests = [
        {"id": str(number), "method": "GET", "url": f"/users/{one}/mailFolders/inbox/messageRules"}
        for number, one in enumerate(ids)
    ]
    return json.dumps({"requests": requests}).encode()


async def read_with_batches(base: str, token: str, ids: Iterable[str], concurrency: int) -> int:
    """Sends `$batch` requests, parses and discards the responses. Returns the number of replies."""
    bodies = map(build_batch_body, batched(ids, BATCH_SIZE, strict=False))
    return await post_batches(f"{base}/v1.0/$batch", token, bodies, concurrency)


def build_commands_body(base: str, tenant_id: str, token: str, ids: Iterable[str]) -> bytes:
    """Builds the body of a batch of commands that list all rules of up to ten mailboxes."""
    url = f"{base}/adminapi/beta/{tenant_id}/InvokeCommand"
    requests = [
        {
            "id": str(number),
            "method": "POST",
            "url": url,
            "headers": {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "X-CmdletName": "Get-InboxRule",
            },
            "body": {
                "CmdletInput": {
                    "CmdletName": "Get-InboxRule",
                    "Parameters": {"Mailbox": one, "IncludeHidden": True},
                }
            },
        }
        for number, one in enumerate(ids)
    ]
    return json.dumps({"requests": requests}).encode()


async def read_with_commands(
    base: str, tenant_id: str, token: str, ids: Iterable[str], concurrency: int
) -> int:
    """Lists the rules of mailboxes in Exchange, hidden ones too. Returns the number of replies."""
    bodies = (
        build_commands_body(base, tenant_id, token, part)
        for part in batched(ids, COMMANDS_SIZE, strict=False)
    )
    url = f"{base}/adminapi/beta/{tenant_id}/$batch"
    return await post_batches(url, token, bodies, concurrency)


async def post_batches(url: str, token: str, bodies: Iterator[bytes], concurrency: int) -> int:
    """Posts bodies and counts the replies that are successes.

    A fixed number of requests is in progress; each starts when another ends.
    """
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answered = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        for body in bodies:
            async with session.post(url, data=body) as response:
                replies = json.loads(await response.read())["responses"]
                answered += sum(reply["status"] == 200 for reply in replies)

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(concurrency):
            group.create_task(worker(session))
    return answered
