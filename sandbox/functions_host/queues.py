"""Storage queue triggers and outputs against a real queue service (Azurite, or Azure itself).

As the Storage queue extension does it: a message is hidden while it is worked on, and hidden anew
for as long as that takes; it is deleted when the function succeeded, shown again when it failed,
and moved to `<queue>-poison` once it has been tried `maxDequeueCount` times. So the message of an
instance that died comes back by itself. Bodies travel as base64 unless host.json says otherwise.
The next batch is fetched when no more than `newBatchThreshold` messages are being worked on.
"""

import asyncio
import base64
import binascii
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from sandbox.functions_host.host_json import HostJson
from sandbox.functions_host.worker import Binding, Function, HostError, InvocationResult
from sandbox.functions_host.worker_messages import ParameterBinding, TypedData

LOG = logging.getLogger(__name__)

# Messages the app itself puts wake the listeners at once; polling is for all others.
POLL_INTERVAL = timedelta(milliseconds=250)
# How long the extension hides a message at a time (Azure/azure-sdk-for-net, the storage queue
# extension of WebJobs); it does so again when half of it is over.
VISIBILITY_TIMEOUT = timedelta(minutes=10)
# What one request can fetch.
MAX_FETCH = 32

type QueueHandler = Callable[[Function, TypedData, dict[str, TypedData]], Awaitable[bool]]


def get_connection_string(setting: str) -> str:
    """The connection string a binding names: the host tries the name with its own prefix first."""
    for name in (f"AzureWebJobs{setting}", setting):
        if value := os.environ.get(name):
            return value
    raise HostError(f"the storage connection setting {setting!r} has no value")


def decode_message(content: str) -> str:
    """A message's body. Plain text that other programs put in is taken as it is."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return content


@dataclass(slots=True)
class MessageHold:
    """A message kept from all other instances while this one works on it.

    `message` is as the last renewal left it: each has a receipt of its own, and without the newest
    the message can be neither deleted nor shown.
    """

    queue: QueueClient
    message: QueueMessage
    visibility_timeout: timedelta
    renew_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def renew(self) -> None:
        """Hides the message anew, again and again until cancelled."""
        while True:
            await asyncio.sleep(self.visibility_timeout.total_seconds() / 2)
            async with self.renew_lock:
                try:
                    self.message = await self.queue.update_message(
                        self.message,
                        visibility_timeout=int(self.visibility_timeout.total_seconds()),
                    )
                except AzureError as error:
                    LOG.warning("queue %s: not hidden anew: %.500s", self.queue.queue_name, error)


@asynccontextmanager
async def hold_message(
    queue: QueueClient, message: QueueMessage, visibility_timeout: timedelta
) -> AsyncIterator[MessageHold]:
    """Keeps a message hidden for the time of a block."""
    hold = MessageHold(queue, message, visibility_timeout)
    renewing = asyncio.create_task(hold.renew())
    try:
        yield hold
        # A renewal under way is waited for: only its answer tells the receipt that is good now.
        await hold.renew_lock.acquire()
    finally:
        renewing.cancel()


@dataclass(slots=True)
class QueueTriggers:
    """All queues of one app: one client for each queue, opened when first needed.

    `hiding` is for how long a message is hidden at a time: at least a second.
    """

    host_json: HostJson
    visibility_timeout: timedelta
    stack: AsyncExitStack
    clients: dict[tuple[str, str], QueueClient]
    message_sent: asyncio.Event

    @classmethod
    def create(
        cls, host_json: HostJson, visibility_timeout: timedelta = VISIBILITY_TIMEOUT
    ) -> "QueueTriggers":
        return cls(host_json, visibility_timeout, AsyncExitStack(), {}, asyncio.Event())

    async def open_queue(self, binding: Binding, suffix: str = "") -> QueueClient:
        """The client of a binding's queue; the queue is created when missing, as the host does."""
        setting = binding.get("connection") or "AzureWebJobsStorage"
        queue = binding["queueName"] + suffix
        key = (setting, queue)
        if key not in self.clients:
            opened = QueueClient.from_connection_string(get_connection_string(setting), queue)
            self.clients[key] = await self.stack.enter_async_context(opened)
            await create_queue(opened)
        return self.clients[key]

    async def close(self) -> None:
        await self.stack.aclose()

    # ------------------------------------------------------------------------------------------
    # Outputs
    # ------------------------------------------------------------------------------------------

    async def send_outputs(self, function: Function, result: InvocationResult) -> None:
        """Sends what an invocation put out through its queue bindings."""
        values = {output.name: output.data for output in result.outputs}
        if result.returned is not None:
            values.setdefault("$return", result.returned)
        for binding in function.outputs:
            if binding["type"] == "queue" and binding["name"] in values:
                queue = await self.open_queue(binding)
                for body in list_bodies(ParameterBinding(binding["name"], values[binding["name"]])):
                    await queue.send_message(self.encode_body(body))
                self.message_sent.set()

    def encode_body(self, body: bytes) -> str:
        return base64.b64encode(body).decode() if self.host_json.queue_base64 else body.decode()

    # ------------------------------------------------------------------------------------------
    # Triggers
    # ------------------------------------------------------------------------------------------

    async def serve_queue(self, function: Function, handler: QueueHandler) -> None:
        """Serves one queue until cancelled. A storage that stumbles is asked again."""
        queue = await self.open_queue(function.trigger)
        at_work: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                while len(at_work) > self.host_json.queue_threshold:
                    _, at_work = await asyncio.wait(at_work, return_when="FIRST_COMPLETED")
                self.message_sent.clear()
                messages = await self.fetch_messages(queue)
                for message in messages:
                    at_work.add(
                        group.create_task(self.process_message(queue, message, function, handler))
                    )
                if not messages:
                    await self.wait_for_message()

    async def wait_for_message(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL.total_seconds()):
                await self.message_sent.wait()
        except TimeoutError:
            return

    async def fetch_messages(self, queue: QueueClient) -> list[QueueMessage]:
        """Up to a batch of messages, hidden from others now; none when the storage stumbles."""
        messages = []
        try:
            async for message in queue.receive_messages(
                messages_per_page=min(self.host_json.queue_batch, MAX_FETCH),
                max_messages=self.host_json.queue_batch,
                visibility_timeout=int(self.visibility_timeout.total_seconds()),
            ):
                messages.append(message)
        except AzureError as error:
            LOG.warning("queue %s: %.500s", queue.queue_name, error)
        return messages

    async def process_message(
        self, queue: QueueClient, message: QueueMessage, function: Function, handler: QueueHandler
    ) -> None:
        """One message: run, then settle it. What cannot be settled comes back by itself."""
        tries = message.dequeue_count or 1
        body, metadata = (
            TypedData(string=decode_message(message.content)),
            build_trigger_metadata(message),
        )
        async with hold_message(queue, message, self.visibility_timeout) as hold:
            # More tries than allowed means that the host died while working on it.
            ok = tries <= self.host_json.queue_attempts and await handler(function, body, metadata)
        try:
            await self.settle_message(queue, hold.message, function, ok)
        except AzureError as error:
            LOG.warning("queue %s: %.500s", queue.queue_name, error)

    async def settle_message(
        self, queue: QueueClient, message: QueueMessage, function: Function, ok: bool
    ) -> None:
        """Deletes a message, shows it again or puts it aside as poison."""
        if not ok and (message.dequeue_count or 1) < self.host_json.queue_attempts:
            await queue.update_message(
                message,
                visibility_timeout=int(self.host_json.queue_retry_after.total_seconds()),
            )
            return
        if not ok:
            LOG.warning("queue %s: message moved to the poison queue", queue.queue_name)
            poison = await self.open_queue(function.trigger, "-poison")
            await poison.send_message(message.content, time_to_live=-1)
        await queue.delete_message(message)

    async def count_messages(self, function: Function) -> int:
        """How many messages a triggering queue holds, those being worked on included."""
        properties = await (await self.open_queue(function.trigger)).get_queue_properties()
        return int(properties.approximate_message_count or 0)


async def create_queue(queue: QueueClient) -> None:
    try:
        await queue.create_queue()
    except ResourceExistsError:
        return


def list_bodies(output: ParameterBinding) -> list[bytes]:
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


def build_trigger_metadata(message: QueueMessage) -> dict[str, TypedData]:
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
