"""The part of host.json that the local host supports, with the defaults of the real host.

Source: Microsoft Learn, "host.json reference for Azure Functions 2.x and later" and the host.json
sections of the HTTP and Storage queue bindings.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class HostJson:
    """The settings of host.json that affect a function app."""

    route_prefix: str = "api"
    function_timeout: timedelta = timedelta(minutes=30)
    queue_batch: int = 16
    queue_threshold: int = 8
    queue_attempts: int = 5
    queue_retry_after: timedelta = timedelta(0)
    queue_base64: bool = True

    @classmethod
    def read(cls, path: Path) -> "HostJson":
        """Reads the file. Raises ValueError if it is not a host.json of version 2.0."""
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document.get("version") != "2.0":
            raise ValueError(f"{path}: version must be 2.0")
        extensions = document.get("extensions", {})
        queues = extensions.get("queues", {})
        batch = queues.get("batchSize", 16)
        return cls(
            route_prefix=extensions.get("http", {}).get("routePrefix", "api"),
            function_timeout=parse_time_span(document.get("functionTimeout", "00:30:00")),
            queue_batch=batch,
            queue_threshold=queues.get("newBatchThreshold", batch // 2),
            queue_attempts=queues.get("maxDequeueCount", 5),
            queue_retry_after=parse_time_span(queues.get("visibilityTimeout", "00:00:00")),
            queue_base64=queues.get("messageEncoding", "base64").lower() == "base64",
        )


def parse_time_span(text: str) -> timedelta:
    """Parses a .NET TimeSpan of the form `[d.]hh:mm:ss`; `-1` means no limit."""
    if text == "-1":
        return timedelta.max
    hours, minutes, seconds = text.split(":")
    days, dot, hours_of_day = hours.rpartition(".")
    return timedelta(
        days=int(days) if dot else 0,
        hours=int(hours_of_day),
        minutes=int(minutes),
        seconds=float(seconds),
    )
