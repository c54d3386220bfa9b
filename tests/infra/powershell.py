"""PowerShell as a syntax tree: what a script calls, with what, and which variables it uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tree_sitter
import tree_sitter_powershell
from tree_sitter import Language, Parser

PARSER = Parser(Language(tree_sitter_powershell.language()))

# Variables that PowerShell itself provides (about_Automatic_Variables, about_Preference_Variables).
AUTOMATIC_VARIABLES = frozenset(
    {"_", "true", "false", "null", "pscmdlet", "whatifpreference", "erroractionpreference"}
    | {"psnativecommanduseerroractionpreference", "env", "psversiontable"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node of a script's tree, with all below it: the library makes a node anew each time it is
    asked for, and a script that is run asks for the same ones a million times.
    """

    type: str
    text: str
    line: int
    source: bytes
    start_byte: int
    end_byte: int
    is_named: bool
    is_wrong: bool
    children: "tuple[Node, ...]"
    named_children: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class CommandCall:
    """A command as it is written: its name, its named parameters, how many values have no name."""

    name: str
    parameters: tuple[str, ...]
    line: int


@cache
def parse_script(source: str) -> Node:
    """The tree of a script, mistakes included."""
    return copy_node(PARSER.parse(source.encode()).root_node)


def copy_node(node: tree_sitter.Node) -> Node:
    """A node of the library, with all below it, as ours."""
    children = tuple(map(copy_node, node.children))
    source = node.text or b""
    return Node(
        node.type,
        source.decode(),
        node.start_point.row + 1,
        source,
        node.start_byte,
        node.end_byte,
        node.is_named,
        node.is_error or node.is_missing,
        children,
        tuple(one for one in children if one.is_named),
    )


def read_script(path: Path) -> Node:
    """The tree of a file. Raises SyntaxError."""
    source = path.read_text(encoding="utf-8")
    if found := find_syntax_errors(source):
        raise SyntaxError(f"{path.name}: {'; '.join(found)}")
    return parse_script(source)


def iter_nodes(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in node.children:
        yield from iter_nodes(child)


def find_nodes(node: Node, kind: str) -> Iterator[Node]:
    """Every node of a kind at or below this one."""
    return iter(list_nodes(node, kind))


@cache
def list_nodes(node: Node, kind: str) -> tuple[Node, ...]:
    """The same as a tuple, which is made once: a loop asks for the same nodes again and again."""
    return tuple(one for one in iter_nodes(node) if one.type == kind)


def read_text(node: Node | None) -> str:
    """The source of a node; "" for none."""
    return node.text if node else ""


@cache
def find_child(node: Node, kind: str) -> Node | None:
    """The first child of a kind."""
    for one in node.children:
        if one.type == kind:
            return one
    return None


def find_syntax_errors(source: str) -> list[str]:
    """Where a script is not PowerShell."""
    return [
        f"line {node.line}: {read_text(node)[:60]!r}"
        for node in iter_nodes(parse_script(source))
        if node.is_wrong
    ]


def find_calls(tree: Node) -> list[CommandCall]:
    """Every command with a fixed name."""
    return [
        CommandCall(
            read_text(name),
            tuple(read_text(one).lstrip("-") for one in elements.children if is_parameter(one))
            if (elements := find_child(node, "command_elements"))
            else (),
            node.line,
        )
        for node in find_nodes(tree, "command")
        if (name := find_child(node, "command_name"))
    ]


def is_parameter(node: Node) -> bool:
    """True for -Name."""
    return node.type == "command_parameter"


def find_functions(tree: Node) -> dict[str, frozenset[str]]:
    """Each function with the names of its parameters."""
    return {
        read_text(find_child(node, "function_name")): frozenset(
            normalize_variable(read_text(find_child(parameter, "variable")))
            for parameter in find_nodes(node, "script_parameter")
        )
        for node in find_nodes(tree, "function_statement")
    }


@cache
def normalize_variable(variable: str) -> str:
    """The name in $name, ${name}, $script:name and @name, in small letters."""
    return variable.lstrip("$@").strip("{}").lower().rpartition("script:")[2].partition(":")[0]


def find_used_variables(tree: Node) -> set[str]:
    """The variables a script reads or sets."""
    return {normalize_variable(read_text(node)) for node in find_nodes(tree, "variable")} - {""}


def find_bound_variables(tree: Node) -> set[str]:
    """The variables a script sets, declares as parameters, or loops with."""
    places = [
        *find_nodes(tree, "left_assignment_expression"),
        *find_nodes(tree, "script_parameter"),
    ]
    names = {
        normalize_variable(read_text(next(find_nodes(place, "variable"), None))) for place in places
    }
    loops = (find_child(node, "variable") for node in find_nodes(tree, "foreach_statement"))
    return names | {normalize_variable(read_text(variable)) for variable in loops}
