"""Microsoft's type data of resource types.

`azmcp bicepschema get` (npm @azure/mcp-linux-x64, in .tools) contains the data and prints it
offline; its output is cached in .tools/azure-types. shapes.json holds the few types it lacks, with
their source.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from threading import Timer
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parent.parent.parent
AZMCP = ROOT / ".tools/infra/node_modules/@azure/mcp-linux-x64/dist/azmcp"
CACHE_FOLDER = ROOT / ".tools/infra/azure-types"
OWN_TYPES = Path(__file__).with_name("shapes.json")
# For all types together, on a machine that does much else.
TIMEOUT_SECONDS = 240
GREETING = {
    "protocolVersion": "2025-03-26",
    "capabilities": {},
    "clientInfo": {"name": "bicep-lint", "version": "1"},
}


class UnknownType(ValueError):
    """There is no data about the resource type."""


class TypeServerError(RuntimeError):
    """azmcp is here and does not answer."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property: the name of its type, or a list of allowed texts, as the data spells it."""

    type: str
    required: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """An object's properties; `open` ones take any others too."""

    properties: Mapping[str, Property]
    open: bool = False


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type in one version: its possible bodies, and the shapes these refer to."""

    version: str
    bodies: tuple[Shape, ...]
    shapes: Mapping[str, Shape]


@cache
def load_resource_type(type_name: str) -> ResourceType:
    """Loads a resource type. Raises UnknownType."""
    own = json.loads(OWN_TYPES.read_text(encoding="utf-8")).get(type_name)
    if own:
        shapes: dict[str, Shape] = {}
        body = convert_own_type(own["body"], type_name, shapes)
        return ResourceType(own["version"], (shapes[body],), shapes)
    return convert_azmcp_type(type_name, read_cached_type(type_name))


def convert_own_type(spec: Any, path: str, shapes: dict[str, Shape]) -> str:
    """A type of shapes.json: a text, [items], or {properties}, where `name!` is required."""
    if isinstance(spec, str):
        return spec
    if isinstance(spec, list):
        return convert_own_type(spec[0], path, shapes) + "[]"
    properties = {
        name.removesuffix("!"): Property(
            convert_own_type(inner, f"{path}.{name.removesuffix('!')}", shapes), name.endswith("!")
        )
        for name, inner in spec.items()
    }
    shapes[path] = Shape(properties, open=not spec)
    return path


def find_cached_type(type_name: str) -> Path:
    """The file that holds what azmcp said of a type, once it was asked."""
    return CACHE_FOLDER / f"{type_name.replace('/', '_')}.json"


def read_cached_type(type_name: str) -> list[dict[str, Any]]:
    """The entries of a type. Raises UnknownType."""
    kept = find_cached_type(type_name)
    if kept.is_file():
        entries: list[dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8"))
        return entries
    if not AZMCP.is_file():
        raise UnknownType(f"azmcp is missing, and {type_name} cannot be checked: make setup")
    raise UnknownType(f"neither azmcp nor {OWN_TYPES.name} knows {type_name}")


def cache_types(type_names: Iterable[str]) -> None:
    """Asks azmcp, if it is here, for the types that no file holds. Raises TypeServerError."""
    own = json.loads(OWN_TYPES.read_text(encoding="utf-8"))
    missing = [name for name in type_names if name not in own]
    missing = [name for name in missing if not find_cached_type(name).is_file()]
    if not missing or not AZMCP.is_file():
        return
    CACHE_FOLDER.mkdir(parents=True, exist_ok=True)
    with start_type_server() as server:
        for name in missing:
            if entries := server.ask_for_type(name):
                kept = find_cached_type(name)
                partial = kept.with_suffix(f".{os.getpid()}")
                partial.write_text(json.dumps(entries), encoding="utf-8")
                partial.replace(kept)


@dataclass(slots=True)
class TypeServer:
    """azmcp as a child process, one message a line.

    https://modelcontextprotocol.io/specification/2025-03-26/basic/transports
    """

    questions: IO[str]
    answers: IO[str]
    last_id: int = 0

    def send(self, message: Mapping[str, Any]) -> None:
        """Writes one message. Raises TypeServerError."""
        try:
            self.questions.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            self.questions.flush()
        except BrokenPipeError as error:
            raise TypeServerError("azmcp ended before it was asked") from error

    def request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The result of a request. Raises TypeServerError."""
        self.last_id += 1
        self.send({"id": self.last_id, "method": method, "params": params})
        for line in self.answers:
            said = json.loads(line)
            if said.get("id") == self.last_id:
                result: dict[str, Any] = said.get("result", {})
                return result
        raise TypeServerError(f"azmcp ended, or took too long, before it answered {method}")

    def ask_for_type(self, type_name: str) -> list[dict[str, Any]]:
        """The entries of a type; none if azmcp does not know it. Raises TypeServerError."""
        result = self.request(
            "tools/call", {"name": "bicepschema_get", "arguments": {"resource-type": type_name}}
        )
        said = json.loads(result["content"][0]["text"])
        entries: list[dict[str, Any]] = said["results"].get("BicepSchemaResult", [])
        return entries if said["status"] == HTTPStatus.OK else []


@contextmanager
def start_type_server() -> Iterator[TypeServer]:
    """A server that is ready for requests. Raises TypeServerError."""
    process = subprocess.Popen(
        [AZMCP, "server", "start", "--mode", "all", "--namespace", "bicepschema"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={
            **os.environ,
            "AZURE_MCP_COLLECT_TELEMETRY": "false",
            "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
        },
    )
    watchdog = Timer(TIMEOUT_SECONDS, process.kill)
    watchdog.start()
    with process:
        try:
            server = TypeServer(cast(IO[str], process.stdin), cast(IO[str], process.stdout))
            server.request("initialize", GREETING)
            server.send({"method": "notifications/initialized"})
            yield server
        finally:
            watchdog.cancel()
            process.kill()


def convert_azmcp_type(type_name: str, entries: list[dict[str, Any]]) -> ResourceType:
    """The same data in the form used here."""
    prefix = f"{type_name}@".casefold()
    found = next(
        entry
        for entry in entries
        if entry["$type"] == "Resource" and entry["name"].casefold().startswith(prefix)
    )
    body = found["bodyType"]
    bodies = tuple(convert_object(entry) for entry in body.get("elements", [body]))
    shapes = {
        entry["name"]: merge_variants(entry)
        for entry in entries
        if entry["$type"] in ("Object", "DiscriminatedObject") and entry.get("name")
    }
    return ResourceType(found["name"].partition("@")[2], bodies, shapes)


def convert_object(entry: Mapping[str, Any]) -> Shape:
    """An object of the data."""
    properties = {
        item["name"]: Property(
            item["type"],
            "Required" in (item.get("flags") or ""),
            "ReadOnly" in (item.get("flags") or ""),
        )
        for item in entry.get("properties", ())
    }
    extra = bool(entry.get("additionalPropertiesType")) or not properties
    return Shape(properties, extra)


def merge_variants(entry: Mapping[str, Any]) -> Shape:
    """An object, or all variants of one as a single shape that requires nothing of them."""
    if entry["$type"] == "Object":
        return convert_object(entry)
    variants = [convert_object({"properties": entry.get("baseProperties", ())})]
    variants += [convert_object(element) for element in entry.get("elements", ())]
    properties = {
        name: Property(item.type, read_only=item.read_only)
        for variant in variants
        for name, item in variant.properties.items()
    }
    return Shape(properties)
