"""The production Python worker of Azure Functions, driven as its host drives it.

Microsoft's own library (PyPI azure-functions-runtime) imports function_app.py, checks names,
annotations and bindings, and calls the functions. This module adds the host's start-up work:
`%SETTING%` references, function names, disabled functions, retry policies.
"""

import asyncio
import json
import logging
import os
import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from sandbox.functions_host.worker_messages import (
    ParameterBinding,
    StatusResult,
    TypedData,
    wrap_request,
)

type Binding = Mapping[str, Any]

# Azure/azure-functions-host, src/WebJobs.Script/Utility.cs: letters, digits, `_` and `-`, and the
# name "host" is taken.
FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
SETTING_REFERENCE = re.compile(r"%([^%]+)%")


class HostError(Exception):
    """The app cannot be hosted. The message is that of the real host."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A function's own retry policy: at most `max_retries` further runs, -1 for no limit."""

    max_retries: int
    first_delay: timedelta
    max_delay: timedelta

    def get_delay(self, attempt: int) -> timedelta:
        """The delay before attempt 1, 2, …, doubling from the first to the longest."""
        # After 30 doublings any interval a policy can hold has reached its maximum.
        return min(self.max_delay, self.first_delay * (1 << min(attempt - 1, 30)))


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app, as the worker indexed it, with its settings resolved."""

    name: str
    function_id: str
    trigger: Binding
    outputs: tuple[Binding, ...]
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The result of an invocation: return value and outputs, or the error with its traceback."""

    returned: TypedData | None = None
    outputs: tuple[ParameterBinding, ...] = ()
    error: str = ""
    traceback: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


async def index_functions(app_dir: Path) -> tuple[Function, ...]:
    """Imports and indexes function_app.py. Raises HostError. Works once per process: Python keeps
    modules.
    """
    # The worker logs the index as one long line of JSON, which would fill the console.
    logging.getLogger("azure.functions").setLevel(logging.WARNING)
    sys.path.insert(0, str(app_dir))
    runtime.start_threadpool_executor()
    started = await runtime.worker_init_request(
        wrap_request(
            worker_init_request=SimpleNamespace(
                capabilities={}, function_app_directory=str(app_dir)
            )
        )
    )
    if started.result.status != StatusResult.Success:
        raise HostError(f"the app failed to index: {started.result.exception.message}")
    answer = await runtime.functions_metadata_request(
        wrap_request(
            functions_metadata_request=SimpleNamespace(function_app_directory=str(app_dir))
        )
    )
    if not answer.function_metadata_results:
        raise HostError(f"No job functions found in {app_dir}")
    return tuple([await load_function(metadata) for metadata in answer.function_metadata_results])


async def load_function(metadata: Any) -> Function:
    """Validates one function as the host does and loads it in the worker."""
    if not FUNCTION_NAME.fullmatch(metadata.name) or metadata.name.casefold() == "host":
        raise HostError(f"{metadata.name!r} is not a valid function name")
    answer = await runtime.function_load_request(
        wrap_request(
            function_load_request=SimpleNamespace(
                function_id=metadata.function_id, metadata=metadata
            )
        )
    )
    if answer.result.status != StatusResult.Success:
        raise HostError(f"{metadata.name}: {answer.result.exception.message}")
    bindings = [resolve_settings(json.loads(raw), metadata.name) for raw in metadata.raw_bindings]
    return Function(
        name=metadata.name,
        function_id=metadata.function_id,
        trigger=next(item for item in bindings if item["type"].casefold().endswith("trigger")),
        outputs=tuple(item for item in bindings if item["direction"].casefold() == "out"),
        retry=parse_retry_policy(metadata.retry_options),
    )


def resolve_settings(binding: Binding, function: str) -> Binding:
    """Replaces every `%SETTING%` in a binding with the app's setting."""

    def value(match: re.Match[str]) -> str:
        setting = os.environ.get(match[1])
        if setting is None:
            raise HostError(
                f"the '{function}' function is in error: '%{match[1]}%' does not resolve to a value"
            )
        return setting

    return {
        key: SETTING_REFERENCE.sub(value, text) if isinstance(text, str) else text
        for key, text in binding.items()
    }


def parse_retry_policy(options: Any) -> RetryPolicy | None:
    """Parses the worker's retry options for both strategies: a fixed delay never grows."""
    if options is None:
        return None
    if options.retry_strategy == "fixed_delay":
        return RetryPolicy(options.max_retry_count, options.delay_interval, options.delay_interval)
    return RetryPolicy(options.max_retry_count, options.minimum_interval, options.maximum_interval)


def is_disabled(function: Function) -> bool:
    """True if the setting AzureWebJobs.<name>.Disabled disables the function."""
    return os.environ.get(f"AzureWebJobs.{function.name}.Disabled", "").casefold() in ("true", "1")


async def invoke_function(
    function: Function,
    data: TypedData,
    metadata: Mapping[str, TypedData],
    attempt: int,
    time_limit: timedelta,
) -> InvocationResult:
    """Runs a function once. Its exceptions are returned in the result, never raised."""
    request = SimpleNamespace(
        invocation_id=str(uuid.uuid4()),
        function_id=function.function_id,
        input_data=[ParameterBinding(function.trigger["name"], data)],
        trigger_metadata=metadata,
        trace_context=SimpleNamespace(
            trace_parent=f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
            trace_state="",
            attributes={},
        ),
        retry_context=SimpleNamespace(
            retry_count=attempt,
            max_retry_count=function.retry.max_retries if function.retry else 0,
            exception=None,
        ),
    )
    seconds = None if time_limit == timedelta.max else time_limit.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            answer = await runtime.invocation_request(wrap_request(invocation_request=request))
    except TimeoutError:
        return InvocationResult(
            error=f"FunctionTimeoutException: the limit of {time_limit} was exceeded"
        )
    if answer.result.status != StatusResult.Success:
        failure = answer.result.exception
        return InvocationResult(error=failure.message, traceback=failure.stack_trace)
    return InvocationResult(returned=answer.return_value, outputs=tuple(answer.output_data))


def stop_threads() -> None:
    """Stops the threads of synchronous functions after their current work."""
    runtime.stop_threadpool_executor()
