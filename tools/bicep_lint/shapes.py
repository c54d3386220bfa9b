"""Resources against the type data: unknown, missing and read-only properties, wrong values.

azmcp knows one version of each type, which is not always one that Bicep's linter still takes for
recent. api_versions.json names the version that is deployed of those; that every property which is
used exists there was compared with Azure/bicep-types-az, generated/, when it was put there.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.bicep_lint.azure_types import (
    Property,
    ResourceType,
    Shape,
    UnknownType,
    cache_types,
    load_resource_type,
)
from tools.bicep_lint.parser import parse_bicep_file
from tools.bicep_lint.tree import (
    Array,
    BicepError,
    Declaration,
    File,
    If,
    Loop,
    Name,
    Node,
    Object,
    Operation,
    Text,
    Value,
)

# Bicep accepts an unknown property in the line after this one.
UNKNOWN_PROPERTY_ACCEPTED = "#disable-next-line BCP187"
API_VERSIONS: Mapping[str, str] = json.loads(
    Path(__file__).with_name("api_versions.json").read_text(encoding="utf-8")
)
# What Bicep itself adds to every resource.
BICEP_PROPERTIES = frozenset({"dependsOn", "parent", "scope"})
TEXT, NUMBER, FLAG = "string", "int", "bool"


@dataclass(frozen=True, slots=True)
class TypedResource:
    """A resource with its whole type: one that is nested has its parents' in front."""

    entry: Declaration
    type: str
    version: str


def check_shapes(folder: Path) -> Iterator[str]:
    """Everything wrong with the resources of the Bicep files of a folder."""
    found: list[tuple[File, TypedResource]] = []
    for path in sorted(folder.glob("*.bicep")):
        try:
            file = parse_bicep_file(path)
        except BicepError:
            continue  # `symbols` and `syntax` say so.
        found += [(file, typed) for typed in iter_resources(file)]
    cache_types({typed.type for _, typed in found})
    for file, typed in found:
        for line, text in check_resource(file, typed):
            yield f"shapes: {file.path.name}:{line}: {typed.entry.name}{text}"


def find_resource_type(type_name: str) -> ResourceType | str:
    """The data about a type, or why there is none."""
    try:
        return load_resource_type(type_name)
    except UnknownType as error:
        return str(error)


def iter_resources(file: File) -> Iterator[TypedResource]:
    """All resources of a file, nested ones too."""
    for entry in file.get_declarations("resource").values():
        type_name, _, version = entry.type.partition("@")
        yield from iter_nested(TypedResource(entry, type_name, version))


def iter_nested(resource: TypedResource) -> Iterator[TypedResource]:
    """A resource and those nested in it, which have its version unless they say another."""
    yield resource
    for inner in resource.entry.body.nested if resource.entry.body else ():
        name, _, version = inner.type.partition("@")
        yield from iter_nested(
            TypedResource(inner, f"{resource.type}/{name}", version or resource.version)
        )


def check_resource(file: File, resource: TypedResource) -> Iterator[tuple[int, str]]:
    """What is wrong with one resource."""
    body, line = resource.entry.body, resource.entry.line
    facts = find_resource_type(resource.type)
    if isinstance(facts, str):
        yield line, f": {facts}"
        return
    if body is None:
        yield line, ": a resource is an object"
        return
    wanted = get_deployed_version(resource.type, facts)
    if resource.version != wanted:
        yield line, f": version {resource.version} is not {wanted}, whose types are known"
    if resource.entry.existing:
        return
    chosen = choose_body(facts, body)
    if chosen is None:
        yield line, f": the type has no resource of this name: {get_plain_name(body)}"
        return
    names = {entry.name: entry.value for entry in file.declarations if entry.kind == "var"}
    accepted = find_suppressed_lines(file)
    for number, text in ShapeChecker(facts, names).check_object("", body, chosen, BICEP_PROPERTIES):
        if number not in accepted:
            yield number, text


def get_deployed_version(type_name: str, facts: ResourceType) -> str:
    """The version a type is deployed in: its own, that of the type it is nested in, or azmcp's."""
    parts = type_name.split("/")
    names = ("/".join(parts[:length]) for length in range(len(parts), 1, -1))
    return next((API_VERSIONS[name] for name in names if name in API_VERSIONS), facts.version)


def find_suppressed_lines(file: File) -> frozenset[int]:
    """The lines whose unknown property Bicep is told to accept: Azure takes more than its types."""
    lines = file.path.read_text(encoding="utf-8").splitlines()
    return frozenset(
        number + 2 for number, line in enumerate(lines) if line.strip() == UNKNOWN_PROPERTY_ACCEPTED
    )


def choose_body(resource_type: ResourceType, body: Object) -> Shape | None:
    """The body of a type that has one for each name."""
    if len(resource_type.bodies) == 1:
        return resource_type.bodies[0]
    wanted = get_plain_name(body)
    return next(
        (each for each in resource_type.bodies if each.properties["name"].type == wanted), None
    )


def get_plain_name(body: Object) -> str | None:
    """The name of a resource where it is a plain text."""
    name = body.values.get("name")
    return name.plain if isinstance(name, Text) else None


@dataclass(frozen=True, slots=True)
class ShapeChecker:
    """Compares trees with shapes. `names` are the variables of the file."""

    resource_type: ResourceType
    names: Mapping[str, Node | None]

    def check_object(
        self, path: str, node: Object, shape: Shape, extra_properties: frozenset[str] = frozenset()
    ) -> Iterator[tuple[int, str]]:
        """An object and everything in it."""
        for entry in node.entries:
            key = entry.key.plain
            if key is None or key in extra_properties:
                continue
            item = shape.properties.get(key)
            if item is None:
                if not shape.open and not (extra_properties and key == "name"):
                    yield entry.line, f"{path}.{key}: there is no such property"
            elif item.read_only:
                yield entry.line, f"{path}.{key}: is read-only"
            else:
                yield from self.check_value(f"{path}.{key}", entry.value, item)
        for key, item in shape.properties.items():
            if item.required and not item.read_only and key not in node.values:
                yield node.line, f"{path}.{key}: is required"

    def check_value(
        self, path: str, node: Node | None, item: Property
    ) -> Iterator[tuple[int, str]]:
        """The value of a property, as far as it is written out."""
        match node:
            case Name(name) if name in self.names:
                yield from self.check_value(path, self.names[name], item)
            case Operation("?", (_, yes, no)):
                yield from self.check_value(path, yes, item)
                yield from self.check_value(path, no, item)
            case If(_, body):
                yield from self.check_value(path, body, item)
            case Array() | Loop():
                yield from self.check_items(path, node, item)
            case Object():
                yield from self.check_inner_object(path, node, item.type)
            case Text() | Value():
                wrong = self.check_literal(node, item.type)
                yield from ((node.line, f"{path}: {text}") for text in wrong)
            case _:
                return

    def check_inner_object(
        self, path: str, node: Object, type_name: str
    ) -> Iterator[tuple[int, str]]:
        """An object as the value of a property."""
        form = self.resource_type.shapes.get(type_name)
        if form:
            yield from self.check_object(path, node, form)
        elif type_name in (TEXT, NUMBER, FLAG) or type_name.endswith("[]"):
            yield node.line, f"{path}: is {type_name}, not an object"

    def check_items(
        self, path: str, node: Array | Loop, item: Property
    ) -> Iterator[tuple[int, str]]:
        """The items of an array, or of a loop that makes one."""
        if not item.type.endswith("[]"):
            if item.type in self.resource_type.shapes or item.type in (TEXT, NUMBER, FLAG):
                yield node.line, f"{path}: is not an array"
            return
        inner = Property(item.type.removesuffix("[]").strip("()"))
        for part in node.items if isinstance(node, Array) else (node.body,):
            yield from self.check_value(f"{path}[]", part, inner)

    def check_literal(self, node: Text | Value, type_name: str) -> Iterator[str]:
        """What is wrong with a text, number or flag, if anything is."""
        if isinstance(node, Value) and node.value is None:
            return
        plain = node.plain if isinstance(node, Text) else None
        if type_name in self.resource_type.shapes or type_name.endswith("[]"):
            yield f"is {'an array' if type_name.endswith(']') else 'an object'}"
        elif type_name in (TEXT, NUMBER, FLAG):
            if get_literal_kind(node) != type_name:
                yield f"is {type_name}, not {get_literal_kind(node)}"
        elif " | " in type_name and plain is not None:
            # The data leaves lists of texts open (`A | B | string`), for what later versions add.
            allowed = {text.strip() for text in type_name.split(" | ")}
            if plain not in allowed:
                yield f"{plain!r} is none of {', '.join(sorted(allowed - {TEXT}))}"


def get_literal_kind(node: Text | Value) -> str:
    """The data type of a literal."""
    if isinstance(node, Text):
        return TEXT
    return FLAG if isinstance(node.value, bool) else NUMBER
