"""Storage queue triggers and outputs against a real queue service (Azurite, or Azure itself).

As the Storage queue extension does it: a message is hidden while it is worked on, deleted when the
function succeeded, shown again when it failed, and moved to `<queue>-poison` once it has been tried
`maxDequeueCount` times. Bodies travel as base64 unless host.json says otherwise. A batch is
finished before the next one is fetched.
"""

import asyncio
import base64
import binascii
import json
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.host_json import HostJson
from sandbox.standin import ParameterBinding, TypedData
from sandbox.worker import Binding, Function, HostError, Result

LOG = logging.getLogger(__name__)

# Messages the app itself puts wake the listeners at once; polling is for all others.
POLL = timedelta(milliseconds=250)
# The service hides a message for seven days at most; half an hour is the host's default time-out.
LONGEST_HIDING = timedelta(days=7)

type Fire = Callable[[Function, TypedData, dict[str, TypedData]], Awaitable[bool]]


def connection_string(setting: str) -> str:
    """The connection string a binding names: the host tries the name with its own prefix first."""
    for name in (f"AzureWebJobs{setting}", setting):
        if value := os.environ.get(name):
            return value
    raise HostError(f"the storage connection setting {setting!r} has no value")


def text_of(content: str) -> str:
    """A message's body. Plain text that other programs put in is taken as it is."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return content


@dataclass(slots=True)
class Queues:
    """All queues of one app: one client for each queue, opened when first needed."""

    host_json: HostJson
    stack: AsyncExitStack
    clients: dict[tuple[str, str], QueueClient]
    news: asyncio.Event

    @classmethod
    def new(cls, host_json: HostJson) -> "Queues":
        return cls(host_json, AsyncExitStack(), {}, asyncio.Event())

    async def bound(self, binding: Binding, suffix: str = "") -> QueueClient:
        """The client of a binding's queue; the queue is created when missing, as the host does."""
        setting = binding.get("connection") or "AzureWebJobsStorage"
        queue = binding["queueName"] + suffix
        key = (setting, queue)
        if key not in self.clients:
            opened = QueueClient.from_connection_string(connection_string(setting), queue)
            self.clients[key] = await self.stack.enter_async_context(opened)
            await create(opened)
        return self.clients[key]

    async def close(self) -> None:
        await self.stack.aclose()

    # ------------------------------------------------------------------------------------------
    # Outputs
    # ------------------------------------------------------------------------------------------

    async def put(self, function: Function, result: Result) -> None:
        """Sends what an invocation put out through its queue bindings."""
        values = {output.name: output.data for output in result.outputs}
        if result.returned is not None:
            values.setdefault("$return", result.returned)
        for binding in function.outputs:
            if binding["type"] == "queue" and binding["name"] in values:
                queue = await self.bound(binding)
                for body in bodies(ParameterBinding(binding["name"], values[binding["name"]])):
                    await queue.send_message(self.encoded(body))
                self.news.set()

    def encoded(self, body: bytes) -> str:
        return base64.b64encode(body).decode() if self.host_json.queue_base64 else body.decode()

    # ------------------------------------------------------------------------------------------
    # Triggers
    # ------------------------------------------------------------------------------------------

    async def listen(self, function: Function, fire: Fire) -> None:
        """Serves one queue until cancelled. A storage that stumbles is asked again."""
        queue = await self.bound(function.trigger)
        while True:
            self.news.clear()
            worked = False
            try:
                worked = await self.work_batch(queue, function, fire)
            except* AzureError as errors:
                LOG.warning("queue %s: %.500s", queue.queue_name, errors.exceptions[0])
            if not worked:
                await self.wait_for_news()

    async def wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(POLL.total_seconds()):
                await self.news.wait()
        except TimeoutError:
            return

    async def work_batch(self, queue: QueueClient, function: Function, fire: Fire) -> bool:
        """Takes up to a batch of messages and works on them side by side; False when none."""
        hiding = min(self.host_json.function_timeout, LONGEST_HIDING)
        messages = [
            message
            async for message in queue.receive_messages(
                max_messages=self.host_json.queue_batch,
                visibility_timeout=int(hiding.total_seconds()),
            )
        ]
        async with asyncio.TaskGroup() as group:
            for message in messages:
                group.create_task(self.work(queue, message, function, fire))
        return bool(messages)

    async def work(
        self, queue: QueueClient, message: QueueMessage, function: Function, fire: Fire
    ) -> None:
        """One message: run, then delete it, show it again or put it aside as poison."""
        tries = message.dequeue_count or 1
        # More tries than allowed means that the host died while working on it.
        ok = tries <= self.host_json.queue_attempts and await fire(
            function, TypedData(string=text_of(message.content)), trigger_metadata(message)
        )
        if not ok and tries < self.host_json.queue_attempts:
            await queue.update_message(
                message,
                visibility_timeout=int(self.host_json.queue_retry_after.total_seconds()),
            )
            return
        if not ok:
            LOG.warning("queue %s: message moved to the poison queue", queue.queue_name)
            poison = await self.bound(function.trigger, "-poison")
            await poison.send_message(message.content, time_to_live=-1)
        await queue.delete_message(message)

    async def waiting(self, function: Function) -> int:
        """How many messages a triggering queue holds, those being worked on included."""
        properties = await (await self.bound(function.trigger)).get_queue_properties()
        return int(properties.approximate_message_count or 0)


async def create(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        return


def bodies(output: ParameterBinding) -> list[bytes]:
    """The messages of one output: text, bytes, or JSON for QueueMessage objects and lists."""
    match output.data.kind:
        case "bytes":
            return [output.data.value]
        case "json":
            document = json.loads(output.data.value)
            items = document if isinstance(document, list) else [document]
            return [(item["body"] if isinstance(item, dict) else item).encode() for item in items]
        case _:
            return [str(output.data.value).encode()]


def trigger_metadata(message: QueueMessage) -> dict[str, TypedData]:
    """What a function can read off its QueueMessage beside the body."""
    times = {
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return {
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
        **{
            name: TypedData(json=json.dumps(moment.astimezone(UTC).isoformat()))
            for name, moment in times.items()
            if isinstance(moment, datetime)
        },
    }
