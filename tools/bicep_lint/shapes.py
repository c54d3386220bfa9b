"""Resources against the type data: unknown, missing and read-only properties, wrong values."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.bicep_lint.azure_types import Property, Resource, Shape, UnknownType, resource
from tools.bicep_lint.parser import read
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

# What Bicep itself adds to every resource.
OF_BICEP = frozenset({"dependsOn", "parent", "scope"})
TEXT, NUMBER, FLAG = "string", "int", "bool"


@dataclass(frozen=True, slots=True)
class Typed:
    """A resource with its whole type: one that is nested has its parents' in front."""

    entry: Declaration
    type: str
    version: str


def check(folder: Path) -> Iterator[str]:
    """Everything wrong with the resources of the Bicep files of a folder."""
    found: list[tuple[File, Typed]] = []
    for path in sorted(folder.glob("*.bicep")):
        try:
            file = read(path)
        except BicepError:
            continue  # `symbols` and `syntax` say so.
        found += [(file, typed) for typed in resources(file)]
    # The first time, every type costs a second: two are asked at once.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(known, {typed.type for _, typed in found}))
    for file, typed in found:
        for line, text in problems(file, typed):
            yield f"shapes: {file.path.name}:{line}: {typed.entry.name}{text}"


def known(type_name: str) -> Resource | str:
    """The data about a type, or why there is none."""
    try:
        return resource(type_name)
    except UnknownType as error:
        return str(error)


def resources(file: File) -> Iterator[Typed]:
    """All resources of a file, nested ones too."""
    for entry in file.of("resource").values():
        type_name, _, version = entry.type.partition("@")
        yield from with_nested(Typed(entry, type_name, version))


def with_nested(typed: Typed) -> Iterator[Typed]:
    """A resource and those nested in it, which have its version unless they say another."""
    yield typed
    for inner in typed.entry.body.nested if typed.entry.body else ():
        name, _, version = inner.type.partition("@")
        yield from with_nested(Typed(inner, f"{typed.type}/{name}", version or typed.version))


def problems(file: File, typed: Typed) -> Iterator[tuple[int, str]]:
    """What is wrong with one resource."""
    body, line = typed.entry.body, typed.entry.line
    facts = known(typed.type)
    if isinstance(facts, str):
        yield line, f": {facts}"
        return
    if body is None:
        yield line, ": a resource is an object"
        return
    if typed.version != facts.version:
        yield line, f": version {typed.version} is not {facts.version}, whose types are known"
    if typed.entry.existing:
        return
    chosen = chosen_body(facts, body)
    if chosen is None:
        yield line, f": the type has no resource of this name: {name_of(body)}"
        return
    names = {entry.name: entry.value for entry in file.declarations if entry.kind == "var"}
    yield from Reader(facts, names).object("", body, chosen, OF_BICEP)


def chosen_body(facts: Resource, body: Object) -> Shape | None:
    """The body of a type that has one for each name."""
    if len(facts.bodies) == 1:
        return facts.bodies[0]
    wanted = name_of(body)
    return next((each for each in facts.bodies if each.properties["name"].type == wanted), None)


def name_of(body: Object) -> str | None:
    """The name of a resource where it is a plain text."""
    name = body.values.get("name")
    return name.plain if isinstance(name, Text) else None


@dataclass(frozen=True, slots=True)
class Reader:
    """Compares trees with shapes. `names` are the variables of the file."""

    facts: Resource
    names: Mapping[str, Node | None]

    def object(
        self, path: str, node: Object, form: Shape, more: frozenset[str] = frozenset()
    ) -> Iterator[tuple[int, str]]:
        """An object and everything in it."""
        for entry in node.entries:
            key = entry.key.plain
            if key is None or key in more:
                continue
            item = form.properties.get(key)
            if item is None:
                if not form.open and not (more and key == "name"):
                    yield entry.line, f"{path}.{key}: there is no such property"
            elif item.read_only:
                yield entry.line, f"{path}.{key}: is read-only"
            else:
                yield from self.value(f"{path}.{key}", entry.value, item)
        for key, item in form.properties.items():
            if item.required and not item.read_only and key not in node.values:
                yield node.line, f"{path}.{key}: is required"

    def value(self, path: str, node: Node | None, item: Property) -> Iterator[tuple[int, str]]:
        """The value of a property, as far as it is written out."""
        match node:
            case Name(name) if name in self.names:
                yield from self.value(path, self.names[name], item)
            case Operation("?", (_, yes, no)):
                yield from self.value(path, yes, item)
                yield from self.value(path, no, item)
            case If(_, body):
                yield from self.value(path, body, item)
            case Array() | Loop():
                yield from self.items(path, node, item)
            case Object():
                yield from self.inner(path, node, item.type)
            case Text() | Value():
                wrong = self.literal(node, item.type)
                yield from ((node.line, f"{path}: {text}") for text in wrong)
            case _:
                return

    def inner(self, path: str, node: Object, type_name: str) -> Iterator[tuple[int, str]]:
        """An object as the value of a property."""
        form = self.facts.shapes.get(type_name)
        if form:
            yield from self.object(path, node, form)
        elif type_name in (TEXT, NUMBER, FLAG) or type_name.endswith("[]"):
            yield node.line, f"{path}: is {type_name}, not an object"

    def items(self, path: str, node: Array | Loop, item: Property) -> Iterator[tuple[int, str]]:
        """The items of an array, or of a loop that makes one."""
        if not item.type.endswith("[]"):
            if item.type in self.facts.shapes or item.type in (TEXT, NUMBER, FLAG):
                yield node.line, f"{path}: is not an array"
            return
        inner = Property(item.type.removesuffix("[]").strip("()"))
        for part in node.items if isinstance(node, Array) else (node.body,):
            yield from self.value(f"{path}[]", part, inner)

    def literal(self, node: Text | Value, type_name: str) -> Iterator[str]:
        """What is wrong with a text, number or flag, if anything is."""
        if isinstance(node, Value) and node.value is None:
            return
        plain = node.plain if isinstance(node, Text) else None
        if type_name in self.facts.shapes or type_name.endswith("[]"):
            yield f"is {'an array' if type_name.endswith(']') else 'an object'}"
        elif type_name in (TEXT, NUMBER, FLAG):
            if kind_of(node) != type_name:
                yield f"is {type_name}, not {kind_of(node)}"
        elif " | " in type_name and plain is not None:
            # The data leaves lists of texts open (`A | B | string`), for what later versions add.
            allowed = {text.strip() for text in type_name.split(" | ")}
            if plain not in allowed:
                yield f"{plain!r} is none of {', '.join(sorted(allowed - {TEXT}))}"


def kind_of(node: Text | Value) -> str:
    """The data type of a literal."""
    if isinstance(node, Text):
        return TEXT
    return FLAG if isinstance(node.value, bool) else NUMBER
