"""The messages between the Functions host and its Python worker, without gRPC.

The worker library uses the message classes that its driver supplies, builds them by keyword and
reads them by attribute. So plain objects suffice, except for the few messages whose class has
constants or that hold exactly one of several fields. Names are those of FunctionRpc.proto
(github.com/Azure/azure-functions-language-worker-protobuf).
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar


class TypedData:
    """A value that is exactly one of string, json, bytes, int, double, http."""

    def __init__(self, **one_of: Any) -> None:
        [(self.kind, self.value)] = one_of.items()

    def WhichOneof(self, group: str) -> str:
        """Named as in protobuf. There is only one group, so its name is ignored."""
        return self.kind

    def __getattr__(self, name: str) -> Any:
        if name == self.__dict__.get("kind"):
            return self.value
        raise AttributeError(name)


@dataclass(frozen=True, slots=True)
class ParameterBinding:
    """The value of one parameter of a function, input or output."""

    name: str
    data: TypedData

    def WhichOneof(self, group: str) -> str:
        """Always data: the host does not offer shared memory, the alternative."""
        return "data"


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The result of a request to the worker."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1

    status: int
    exception: Any = None


@dataclass(frozen=True, slots=True)
class BindingInfo:
    """A binding's type and direction, which the worker checks against the signature."""

    undefined: ClassVar[int] = 0
    inout: ClassVar[int] = 2

    type: str
    data_type: Any = None
    direction: Any = None


# `in` is a keyword, so the class body cannot define it.
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
    """Wraps a request for the worker's entry points, with the message classes for the response."""
    return SimpleNamespace(
        request=SimpleNamespace(**request),
        properties={"host": "127.0.0.1", "protos": MESSAGES},
    )
