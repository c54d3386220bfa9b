"""Values out of the Bicep files, as far as tests ask for them.

`plain` takes what is written out; `evaluate` also works out what chooses permissions.
"""

import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tools.bicep_lint.parser import parse_bicep_file
from tools.bicep_lint.tree import (
    Array,
    Call,
    File,
    Item,
    Lambda,
    Member,
    Name,
    Node,
    Object,
    Operation,
    Text,
    Value,
)

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"

type BicepValue = str | int | bool | list[BicepValue] | dict[str, BicepValue] | None


@cache
def read_bicep(name: str) -> File:
    """A file of infra/, parsed once for all tests of a process: none changes it."""
    return parse_bicep_file(INFRA / f"{name}.bicep")


def get_object_variable(file: File, name: str) -> Object:
    """An object that is a variable."""
    value = file.get_declarations("var")[name].value
    assert isinstance(value, Object)
    return value


def read_literal(node: Node) -> BicepValue:
    """A value that is written out, or the fallback of `chosen(settings, name, fallback)`."""
    match node:
        case Text():
            assert node.plain is not None
            return node.plain
        case Value():
            return node.value
        case Array():
            return [read_literal(item) for item in node.items]
        case Object():
            return {key: read_literal(value) for key, value in node.values.items()}
        case Call("toLower", (inner,)):
            return str(read_literal(inner)).lower()
        case Call("chosen", (_, _, fallback)):
            return read_literal(fallback)
    raise AssertionError(f"line {node.line}: not written out")


def read_literal_object(node: Node) -> dict[str, BicepValue]:
    """An object that is written out."""
    value = read_literal(node)
    assert isinstance(value, dict)
    return value


def find_chosen_settings(node: Node) -> Iterator[tuple[str, str]]:
    """The names of settings that are looked up in an expression, with their fallbacks."""
    match node:
        case Call("chosen", (_, Text() as name, Text() as fallback)):
            yield name.plain or "", fallback.plain or ""
        case Call(_, arguments):
            for argument in arguments:
                yield from find_chosen_settings(argument)
        case Object():
            for value in node.values.values():
                yield from find_chosen_settings(value)
        case _:
            return


def evaluate(node: Node, names: Mapping[str, Any]) -> Any:
    """The value of an expression, given that of every name in it."""
    match node:
        case Name(name):
            return names[name]
        case Member(of, name):
            return evaluate(of, names)[name]
        case Item(of, key):
            return evaluate(of, names)[evaluate(key, names)]
        case Operation("==" | "!=" as sign, (left, right)):
            return (evaluate(left, names) == evaluate(right, names)) is (sign == "==")
        case Operation("?", (condition, yes, no)):
            return evaluate(yes if evaluate(condition, names) else no, names)
        case Array() | Object() | Text():
            return evaluate_parts(node, names)
        case Call():
            return evaluate_call(node, names)
    return read_literal(node)


def evaluate_parts(node: Array | Object | Text, names: Mapping[str, Any]) -> Any:
    """The value of what is written out in parts."""
    match node:
        case Array(items):
            return [evaluate(item, names) for item in items]
        case Object():
            return {key: evaluate(value, names) for key, value in node.values.items()}
        case Text(parts):
            return "".join(
                part if isinstance(part, str) else str(evaluate(part, names)) for part in parts
            )


def evaluate_call(node: Call, names: Mapping[str, Any]) -> Any:
    """What a function of the language returns (Microsoft Learn: Bicep functions)."""
    if known := {
        "guid": evaluate_identity,
        "tenant": evaluate_identity,
        "chosen": evaluate_choice,
    }.get(node.name):
        return known(node, names)
    first = evaluate(node.arguments[0], names)
    match node.name, node.arguments[1:]:
        case "items", ():
            return [{"key": key, "value": first[key]} for key in sorted(first)]
        case "flatten", ():
            return [item for inner in first for item in inner]
        case "empty", ():
            return not first
        case "union", (second,):
            return list(dict.fromkeys([*first, *evaluate(second, names)]))
        case "filter", (Lambda((name,), body),):
            return [item for item in first if evaluate(body, {**names, name: item})]
        case "map", (Lambda((name,), body),):
            return [evaluate(body, {**names, name: item}) for item in first]
    raise AssertionError(f"line {node.line}: {node.name} is not known here")


def evaluate_choice(node: Call, names: Mapping[str, Any]) -> Any:
    """chosen(): a setting as the deployer has it, or its default (`infra/types.bicep`)."""
    given, name, fallback = (evaluate(part, names) for part in node.arguments)
    return given.get(name) or fallback


def evaluate_identity(node: Call, names: Mapping[str, Any]) -> Any:
    """tenant(), whose id is named by a test; guid(), which is the same for the same texts."""
    if node.name == "tenant":
        return {"tenantId": names["tenant()"]}
    parts = [str(evaluate(part, names)) for part in node.arguments]
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(parts)))


def evaluate_variables(file: File, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every variable of a file, in the order they are declared, given its parameters."""
    names = dict(given)
    for name, entry in file.get_declarations("var").items():
        assert entry.value
        names[name] = evaluate(entry.value, names)
    return names
