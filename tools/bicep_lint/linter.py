"""The rules of Bicep's own linter that bicepconfig.json switches on and can be told without it.

Source: Azure/bicep, src/Bicep.Core/Analyzers/Linter/Rules; and its formatter for the layout. Where
the compiler itself is on PATH, it is asked in place of this (`tools.infra_compile`).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.bicep_lint.parser import parse_bicep_file
from tools.bicep_lint.shapes import iter_resources
from tools.bicep_lint.symbols import Problem
from tools.bicep_lint.tree import (
    BicepError,
    Declaration,
    Entry,
    File,
    If,
    Loop,
    Member,
    Name,
    Node,
    Object,
    walk_nodes,
)

WIDTH = 120
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'")
COMMENT = re.compile(r"(^|\s)//.*$")


def check_linter(folder: Path) -> Iterator[str]:
    """Everything these rules say of the Bicep files of a folder."""
    files: dict[str, File] = {}
    for path in sorted(folder.glob("*.bicep")):
        try:
            files[path.name] = parse_bicep_file(path)
        except BicepError:
            continue  # `symbols` and `syntax` say so.
    if not files:
        yield "linter: there are no Bicep files"
    for name, file in files.items():
        problems = (
            *find_module_names(file),
            *find_loose_types(file),
            *find_loose_resource_ids(file),
            *find_late_names(file, files),
            *check_layout(file.path.read_text(encoding="utf-8")),
        )
        yield from (f"linter: {name}:{line}: {text}" for line, text in problems)


def find_module_names(file: File) -> Iterator[Problem]:
    """no-module-name: Bicep names the deployment of a module itself."""
    for entry in file.get_declarations("module").values():
        if entry.body and "name" in entry.body.values:
            yield entry.line, f"module {entry.name} has a name (no-module-name)"


def find_loose_types(file: File) -> Iterator[Problem]:
    """use-user-defined-types: `object` and `array` say nothing of what is in them."""
    for entry in file.declarations:
        for name in entry.types:
            if name in ("object", "array"):
                yield entry.line, f"{entry.name} is a mere {name} (use-user-defined-types)"


def find_loose_resource_ids(file: File) -> Iterator[Problem]:
    """use-resource-id-functions: an id taken from the item of a loop is any text."""
    for entry in file.get_declarations("resource").values():
        loops = [node for node in walk_nodes(entry) if isinstance(node, Loop)]
        items = {name for loop in loops for name in loop.names}
        for node in walk_nodes(entry):
            if not isinstance(node, Entry) or not (node.key.plain or "").endswith("Id"):
                continue
            value = node.value
            if (
                isinstance(value, Member)
                and isinstance(value.target, Name)
                and value.target.name in items
            ):
                yield node.line, f"{node.key.plain} is a text (use-resource-id-functions)"


def find_late_names(file: File, files: Mapping[str, File]) -> Iterator[Problem]:
    """what-if-short-circuiting: names and conditions of resources are known beforehand."""
    modules = file.get_declarations("module")
    for entry in modules.values():
        module = files.get(entry.type)
        given = entry.body.values.get("params") if entry.body else None
        if module is None or not isinstance(given, Object):
            continue
        identifying = find_identifying_params(module)
        for name, value in given.values.items():
            if name in identifying and uses_outputs(value, modules):
                yield (
                    value.line,
                    f"{name} of {entry.type} is an output of a module, and a preview stops there "
                    "(what-if-short-circuiting)",
                )


def find_identifying_params(module: File) -> set[str]:
    """The parameters that names, conditions and loops of a module's resources depend on."""
    found = {
        name
        for entry in module.get_declarations("resource").values()
        for node in walk_nodes(entry)
        for name in names_in(get_identifying_part(node))
    }
    for resource in iter_resources(module):
        if resource.entry.body:
            found |= names_in(resource.entry.body.values.get("name"))
    variables = module.get_declarations("var")
    behind: set[str] = set()
    while found - behind:
        behind |= found
        for name in found & variables.keys():
            found = found | names_in(variables[name].value)
    return found & module.get_declarations("param").keys()


def get_identifying_part(node: Node) -> Node | None:
    """What a loop goes over, or what a condition asks."""
    match node:
        case Loop():
            return node.source
        case If():
            return node.condition
    return None


def names_in(node: Node | None) -> set[str]:
    """The names used in an expression; none where there is no expression."""
    if node is None:
        return set()
    return {part.name for part in walk_nodes(node) if isinstance(part, Name)}


def uses_outputs(node: Node, modules: Mapping[str, Declaration]) -> bool:
    """Whether an expression takes an output of a module."""
    return any(
        isinstance(part, Member)
        and part.name == "outputs"
        and isinstance(part.target, Name)
        and part.target.name in modules
        for part in walk_nodes(node)
    )


def check_layout(text: str) -> Iterator[Problem]:
    """What `bicep format` would write in another way, as far as a line shows it."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, problem) for problem in check_line(line))
    if "\n\n\n" in text:
        yield 1 + text[: text.index("\n\n\n")].count("\n"), "two empty lines in a row"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield 1 + text.count("\n"), "the file does not end with one new line"


def check_line(line: str) -> Iterator[str]:
    """What the formatter would change in a line."""
    code = COMMENT.sub("", QUOTED.sub("''", line)).rstrip()
    if re.search(r"\[for\b", code):
        yield "a loop begins on a line of its own"
    if re.search(r"^[^\[]*\}\s*\]", code):
        yield "a loop ends on a line of its own"
    if len(line) > WIDTH and re.search(r"[\[({?]", code):
        yield f"the line has {len(line)} columns and can be broken"
    if line != line.rstrip() or "\t" in line:
        yield "blanks at the end, or a tab"
    if (len(line) - len(line.lstrip(" "))) % 2:
        yield "is not indented by twos"
