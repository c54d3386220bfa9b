"""PowerShell as a syntax tree: what a script calls, with what, and which variables it uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

PARSER = Parser(Language(tree_sitter_powershell.language()))

# Variables that PowerShell itself provides (about_Automatic_Variables, about_Preference_Variables).
PROVIDED = frozenset(
    {"_", "true", "false", "null", "pscmdlet", "whatifpreference", "erroractionpreference"}
    | {"psnativecommanduseerroractionpreference", "env"}
)


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it is written: its name, its named parameters, how many values have no name."""

    name: str
    parameters: tuple[str, ...]
    line: int


def parse(source: str) -> Node:
    """The tree of a script, mistakes included."""
    return PARSER.parse(source.encode()).root_node


def script(path: Path) -> Node:
    """The tree of a file. Raises SyntaxError."""
    source = path.read_text(encoding="utf-8")
    if found := mistakes(source):
        raise SyntaxError(f"{path.name}: {'; '.join(found)}")
    return parse(source)


def descend(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for child in node.children:
        yield from descend(child)


def within(node: Node, kind: str) -> Iterator[Node]:
    """Every node of a kind at or below this one."""
    return (one for one in descend(node) if one.type == kind)


def text(node: Node | None) -> str:
    """The source of a node; "" for none."""
    return (node.text or b"").decode() if node else ""


def child(node: Node, kind: str) -> Node | None:
    """The first child of a kind."""
    return next((one for one in node.children if one.type == kind), None)


def mistakes(source: str) -> list[str]:
    """Where a script is not PowerShell."""
    return [
        f"line {node.start_point.row + 1}: {text(node)[:60]!r}"
        for node in descend(parse(source))
        if node.is_error or node.is_missing
    ]


def calls(tree: Node) -> list[Call]:
    """Every command with a fixed name."""
    return [
        Call(
            text(name),
            tuple(text(one).lstrip("-") for one in elements.children if is_parameter(one))
            if (elements := child(node, "command_elements"))
            else (),
            node.start_point.row + 1,
        )
        for node in within(tree, "command")
        if (name := child(node, "command_name"))
    ]


def is_parameter(node: Node) -> bool:
    """True for -Name."""
    return node.type == "command_parameter"


def functions(tree: Node) -> dict[str, frozenset[str]]:
    """Each function with the names of its parameters."""
    return {
        text(child(node, "function_name")): frozenset(
            bare(text(child(parameter, "variable")))
            for parameter in within(node, "script_parameter")
        )
        for node in within(tree, "function_statement")
    }


def bare(variable: str) -> str:
    """The name in $name, ${name}, $script:name and @name, in small letters."""
    return variable.lstrip("$@").strip("{}").lower().rpartition("script:")[2].partition(":")[0]


def used(tree: Node) -> set[str]:
    """The variables a script reads or sets."""
    return {bare(text(node)) for node in within(tree, "variable")} - {""}


def bound(tree: Node) -> set[str]:
    """The variables a script sets, declares as parameters, or loops with."""
    places = [
        *within(tree, "left_assignment_expression"),
        *within(tree, "script_parameter"),
    ]
    names = {bare(text(next(within(place, "variable"), None))) for place in places}
    loops = (child(node, "variable") for node in within(tree, "foreach_statement"))
    return names | {bare(text(variable)) for variable in loops}
