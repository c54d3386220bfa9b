"""The queues of the local Functions host, on Azurite."""

import asyncio

import pytest
from azure.storage.queue.aio import QueueClient

from sandbox.functions_host.azurite import Azurite
from sandbox.functions_host.host_json import HostJson
from sandbox.functions_host.queues import QueueTriggers


async def test_who_opens_a_queue_that_another_creates_waits_until_it_is_there(
    azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", azurite.connection_string)
    queues = QueueTriggers.create(HostJson())
    creating: asyncio.Task[QueueClient] = asyncio.create_task(
        queues.open_queue({"queueName": "opened-twice"})
    )
    await asyncio.sleep(0)
    opened = await queues.open_queue({"queueName": "opened-twice"})
    assert creating.done()
    assert creating.result() is opened
    await queues.close()
