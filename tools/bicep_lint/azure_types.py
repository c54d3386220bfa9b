"""Microsoft's type data of resource types.

`azmcp bicepschema get` (npm @azure/mcp-linux-x64, in .tools) contains the data and prints it
offline; its output is cached in .tools/azure-types. shapes.json holds the few types it lacks, with
their source.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
AZMCP = ROOT / ".tools/infra/node_modules/@azure/mcp-linux-x64/dist/azmcp"
CACHE_FOLDER = ROOT / ".tools/infra/azure-types"
OWN_TYPES = Path(__file__).with_name("shapes.json")
TIMEOUT_SECONDS = 60


class UnknownType(ValueError):
    """There is no data about the resource type."""


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
    return convert_azmcp_type(type_name, export_type(type_name))


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


def export_type(type_name: str) -> list[dict[str, Any]]:
    """Exports a type from azmcp and caches it."""
    kept = CACHE_FOLDER / f"{type_name.replace('/', '_')}.json"
    if not kept.is_file():
        if not AZMCP.is_file():
            raise UnknownType(f"azmcp is missing, and {type_name} cannot be checked: make setup")
        run = subprocess.run(
            [AZMCP, "bicepschema", "get", "--resource-type", type_name],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            env={
                **os.environ,
                "AZURE_MCP_COLLECT_TELEMETRY": "false",
                "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1",
            },
        )
        if run.returncode:
            raise UnknownType(f"neither azmcp nor {OWN_TYPES.name} knows {type_name}")
        CACHE_FOLDER.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{os.getpid()}")
        partial.write_text(run.stdout, encoding="utf-8")
        partial.replace(kept)
    said = json.loads(kept.read_text(encoding="utf-8"))
    entries: list[dict[str, Any]] = said["results"]["BicepSchemaResult"]
    return entries


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
