"""Storage queue triggers and outputs on a real queue service (Azurite or Azure).

As in the Storage queue extension, a message is hidden while it is processed, and hidden again as
long as that takes. It is deleted if the function succeeds, made visible again if it fails, and
moved to `<queue>-poison` after `maxDequeueCount` attempts. So the message of an instance that died
becomes visible again by itself. Bodies are base64 unless host.json says otherwise. The next batch
is fetched when at most `newBatchThreshold` messages are being processed.
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

# The app's own messages wake the listeners at once; polling finds all others. As in the extension,
# a queue that stays empty is asked less often.
POLL_INTERVAL = timedelta(milliseconds=250)
LONGEST_POLL_INTERVAL = timedelta(seconds=1)
# The visibility timeout of the extension (Azure/azure-sdk-for-net, the storage queue extension of
# WebJobs), which renews it at half time.
VISIBILITY_TIMEOUT = timedelta(minutes=10)
# The most messages one request can fetch.
MAX_FETCH = 32

type QueueHandler = Callable[[Function, TypedData, dict[str, TypedData]], Awaitable[bool]]


def get_connection_string(setting: str) -> str:
    """The connection string a binding names. As in the host, the prefixed name is tried first."""
    for name in (f"AzureWebJobs{setting}", setting):
        if value := os.environ.get(name):
            return value
    raise HostError(f"the storage connection setting {setting!r} has no value")


def decode_message(content: str) -> str:
    """Decodes a message's body. Plain text from other programs is kept as it is."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return content


@dataclass(slots=True)
class MessageHold:
    """A message hidden from all other instances while this one processes it.

    `message` is as the last renewal left it. Each renewal has a new receipt, which is needed to
    delete the message or to make it visible.
    """

    queue: QueueClient
    message: QueueMessage
    visibility_timeout: timedelta
    renew_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def renew(self) -> None:
        """Renews the hiding until cancelled."""
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
    """Keeps a message hidden for the duration of a block."""
    hold = MessageHold(queue, message, visibility_timeout)
    renewing = asyncio.create_task(hold.renew())
    try:
        yield hold
        # Waits for a renewal in progress, because its response holds the valid receipt.
        await hold.renew_lock.acquire()
    finally:
        renewing.cancel()


@dataclass(slots=True)
class QueueTriggers:
    """All queues of one app. A queue's client is opened at its first use.

    `visibility_timeout` hides a message that is being processed; it is at least a second.
    """

    host_json: HostJson
    visibility_timeout: timedelta
    stack: AsyncExitStack
    clients: dict[tuple[str, str], QueueClient]
    opening: asyncio.Lock
    """Held while a queue is created: nobody writes to one that is not there yet."""
    message_sent: asyncio.Event

    @classmethod
    def create(
        cls, host_json: HostJson, visibility_timeout: timedelta = VISIBILITY_TIMEOUT
    ) -> "QueueTriggers":
        return cls(
            host_json, visibility_timeout, AsyncExitStack(), {}, asyncio.Lock(), asyncio.Event()
        )

    async def open_queue(self, binding: Binding, suffix: str = "") -> QueueClient:
        """Opens the client of a binding's queue and creates a missing queue, as the host does."""
        setting = binding.get("connection") or "AzureWebJobsStorage"
        queue = binding["queueName"] + suffix
        key = (setting, queue)
        async with self.opening:
            if key not in self.clients:
                opened = QueueClient.from_connection_string(get_connection_string(setting), queue)
                await create_queue(await self.stack.enter_async_context(opened))
                self.clients[key] = opened
        return self.clients[key]

    async def close(self) -> None:
        await self.stack.aclose()

    # ------------------------------------------------------------------------------------------
    # Outputs
    # ------------------------------------------------------------------------------------------

    async def send_outputs(self, function: Function, result: InvocationResult) -> None:
        """Sends the queue outputs of an invocation."""
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
        """Serves one queue until cancelled. Retries if the storage fails."""
        queue = await self.open_queue(function.trigger)
        at_work: set[asyncio.Task[None]] = set()
        interval = POLL_INTERVAL
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
                if messages or await self.wait_for_message(interval):
                    interval = POLL_INTERVAL
                else:
                    interval = min(2 * interval, LONGEST_POLL_INTERVAL)

    async def wait_for_message(self, interval: timedelta) -> bool:
        """Waits for one of the app's own messages; returns whether there was one in time."""
        try:
            async with asyncio.timeout(interval.total_seconds()):
                return await self.message_sent.wait()
        except TimeoutError:
            return False

    async def fetch_messages(self, queue: QueueClient) -> list[QueueMessage]:
        """Fetches up to a batch of messages and hides them; none if the storage fails."""
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
        """Runs the function for one message and settles it. A message that cannot be settled
        becomes visible again.
        """
        tries = message.dequeue_count or 1
        body, metadata = (
            TypedData(string=decode_message(message.content)),
            build_trigger_metadata(message),
        )
        async with hold_message(queue, message, self.visibility_timeout) as hold:
            # More attempts than allowed: the host died while processing it.
            ok = tries <= self.host_json.queue_attempts and await handler(function, body, metadata)
        try:
            await self.settle_message(queue, hold.message, function, ok)
        except AzureError as error:
            LOG.warning("queue %s: %.500s", queue.queue_name, error)

    async def settle_message(
        self, queue: QueueClient, message: QueueMessage, function: Function, ok: bool
    ) -> None:
        """Deletes a message, makes it visible again or moves it to the poison queue."""
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
        """Counts the messages of a trigger queue, including those being processed."""
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
    """The properties of a QueueMessage besides its body."""
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
