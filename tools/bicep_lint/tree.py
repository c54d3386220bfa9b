"""Bicep as a tree: what a file declares, with line numbers, and names told from texts.

`pycep` gives both as the same strings, and no lines; so the checks read Bicep themselves, with
`lexer` and `parser`, and let pycep be a second opinion on the syntax.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class BicepError(ValueError):
    """A file that cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Name:
    """A use of a symbol."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Value:
    """A number, true, false or null."""

    value: int | bool | None
    line: int


@dataclass(frozen=True, slots=True)
class Text:
    """A text: pieces of it as they are, and expressions between them."""

    parts: "tuple[str | Node, ...]"
    line: int

    @property
    def plain(self) -> str | None:
        """The text where nothing is interpolated."""
        pieces = [part for part in self.parts if isinstance(part, str)]
        return "".join(pieces) if len(pieces) == len(self.parts) else None


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`, or `of::name` when `nested`."""

    target: "Node"
    name: str
    line: int
    nested: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """`of[key]`."""

    target: "Node"
    key: "Node"
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`, or `of.name(arguments)`."""

    name: str
    arguments: "tuple[Node, ...]"
    line: int
    target: "Node | None" = None


@dataclass(frozen=True, slots=True)
class Entry:
    """`key: value` of an object."""

    key: Text
    value: "Node"
    line: int


@dataclass(frozen=True, slots=True)
class Object:
    """An object; in the body of a resource also the resources nested in it."""

    entries: tuple[Entry, ...]
    nested: "tuple[Declaration, ...]"
    line: int

    def __getitem__(self, key: str) -> "Node":
        return self.values[key]

    @property
    def values(self) -> "dict[str, Node]":
        """The values by key; interpolated keys are left out."""
        return {entry.key.plain: entry.value for entry in self.entries if entry.key.plain}


@dataclass(frozen=True, slots=True)
class Array:
    """An array written out."""

    items: "tuple[Node, ...]"
    line: int


@dataclass(frozen=True, slots=True)
class Loop:
    """`[for name in source: body]`; `names` holds the item, and the index if there is one."""

    names: tuple[str, ...]
    source: "Node"
    body: "Node"
    line: int


@dataclass(frozen=True, slots=True)
class If:
    """`if (condition) body`."""

    condition: "Node"
    body: "Node"
    line: int


@dataclass(frozen=True, slots=True)
class Lambda:
    """`name => body`."""

    names: tuple[str, ...]
    body: "Node"
    line: int


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and its operands; `?` has three."""

    sign: str
    operands: "tuple[Node, ...]"
    line: int


type Node = (
    Name | Value | Text | Member | Item | Call | Entry | Object | Array | Loop | If | Lambda
    | Operation | Declaration
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Declaration:
    """A statement: param, var, func, type, resource, module, output, extension, import and so on.

    `type` is a data type, a resource type with version, or the path of a module or of an imported
    file. `value` is None for a parameter without default. `names` are a function's parameters, or
    what is imported. `types` are the names of all data types in it.
    """

    kind: str
    name: str
    type: str
    value: Node | None
    line: int
    decorators: tuple[Call, ...] = ()
    existing: bool = False
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def secure(self) -> bool:
        """Whether a parameter is marked as a secret."""
        return any(entry.name == "secure" for entry in self.decorators)

    @property
    def exported(self) -> bool:
        """Whether other files may import it."""
        return any(entry.name == "export" for entry in self.decorators)

    @property
    def body(self) -> Object | None:
        """The object that is declared, whether in a loop or under a condition."""
        value = self.value
        while isinstance(value, Loop | If):
            value = value.body
        return value if isinstance(value, Object) else None


@dataclass(frozen=True, slots=True)
class File:
    """A Bicep file."""

    path: Path
    declarations: tuple[Declaration, ...]

    def get_declarations(self, *kinds: str) -> dict[str, Declaration]:
        """The declarations of some kinds by name."""
        return {entry.name: entry for entry in self.declarations if entry.kind in kinds}


def iter_children(node: Node) -> Iterator[Node]:
    """What a node is directly made of."""
    # Faster than `fields`, which sorts out anew at each call what is none.
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        for part in value if isinstance(value, tuple) else (value,):
            if hasattr(part, "__dataclass_fields__"):
                yield part


def walk_nodes(node: Node) -> Iterator[Node]:
    """A node and everything in it."""
    yield node
    for part in iter_children(node):
        yield from walk_nodes(part)
