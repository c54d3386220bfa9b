"""The messages that the Functions host and its Python worker exchange, without gRPC.

The worker library takes the namespace of its message classes from whoever drives it and only ever
builds them by keyword and reads them by attribute. So plain objects do, save for the few messages
whose class carries constants or that are a choice of one of several fields. Names are those of
FunctionRpc.proto (github.com/Azure/azure-functions-language-worker-protobuf).
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar


class TypedData:
    """A value that crosses the border as exactly one of string, json, bytes, int, double, http."""

    def __init__(self, **one_of: Any) -> None:
        [(self.kind, self.value)] = one_of.items()

    def WhichOneof(self, group: str) -> str:
        """protobuf's own spelling; there is one group, so its name tells nothing."""
        return self.kind

    def __getattr__(self, name: str) -> Any:
        if name == self.__dict__.get("kind"):
            return self.value
        raise AttributeError(name)


@dataclass(frozen=True, slots=True)
class ParameterBinding:
    """The value of one parameter of a function, going in or coming out."""

    name: str
    data: TypedData

    def WhichOneof(self, group: str) -> str:
        """Shared memory is the other choice; it is never offered here."""
        return "data"


@dataclass(frozen=True, slots=True)
class StatusResult:
    """How a request to the worker ended."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1

    status: int
    exception: Any = None


@dataclass(frozen=True, slots=True)
class BindingInfo:
    """A binding's type and direction, as the worker checks them against the signature."""

    undefined: ClassVar[int] = 0
    inout: ClassVar[int] = 2

    type: str
    data_type: Any = None
    direction: Any = None


# `in` is a keyword, so it and its sisters cannot be written in the class body's own words.
for direction, number in (("in", 0), ("out", 1)):
    setattr(BindingInfo, direction, number)


class RpcHttpCookie:
    """A cookie of an HTTP response."""

    SameSite: ClassVar[SimpleNamespace] = SimpleNamespace(
        **{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3}
    )

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


PLAIN_MESSAGES = (
    "FunctionEnvironmentReloadResponse",
    "FunctionLoadResponse",
    "FunctionMetadataResponse",
    "InvocationResponse",
    "NullableBool",
    "NullableDouble",
    "NullableString",
    "NullableTimestamp",
    "RpcException",
    "RpcFunctionMetadata",
    "RpcHttp",
    "RpcRetryOptions",
    "Timestamp",
    "WorkerInitResponse",
    "WorkerMetadata",
)

MESSAGES = SimpleNamespace(
    TypedData=TypedData,
    ParameterBinding=ParameterBinding,
    StatusResult=StatusResult,
    BindingInfo=BindingInfo,
    RpcHttpCookie=RpcHttpCookie,
    **dict.fromkeys(PLAIN_MESSAGES, SimpleNamespace),
)


def wrap_request(**request: Any) -> SimpleNamespace:
    """A request as the worker's entry points expect it, with the message classes to answer in."""
    return SimpleNamespace(
        request=SimpleNamespace(**request),
        properties={"host": "127.0.0.1", "protos": MESSAGES},
    )
