"""Emulates PowerShell for the part of the language that `infra/*.ps1` uses.

It follows about_Language where the scripts rely on it: streams that unroll, one value or an array
by count, dynamic scope, case-insensitive names. It refuses what it does not support, so a script
that runs here uses nothing else. That PowerShell itself does the same is not proven by it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from tests.infra.powershell import (
    Node,
    find_child,
    find_nodes,
    normalize_variable,
    parse_script,
    read_text,
)

# A cmdlet: what came through the pipeline, values without a name, values by parameter name.
type Cmdlet = Callable[[list[Any], list[Any], dict[str, Any]], list[Any]]


class TerminatingError(Exception):
    """`throw`, or a cmdlet that failed."""


class ScriptExit(Exception):
    """`exit`; `code` is what the script ends with."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit {code}")
        self.code = code


class UnsupportedSyntax(Exception):
    """The script uses syntax that the emulator does not support."""


class ReturnSignal(Exception):
    """`return`."""


class ContinueSignal(Exception):
    """`continue`."""


class BreakSignal(Exception):
    """`break`."""


class PsObject(dict[str, Any]):
    """An object or hashtable: its properties whatever their case, None for one it lacks."""

    def __init__(self, **values: Any) -> None:
        super().__init__((name.lower(), value) for name, value in values.items())


class PsVersion(tuple[int, ...]):
    """A version, which compares number by number."""

    @classmethod
    def parse(cls, text: str) -> "PsVersion":
        """The version in a text."""
        return cls(int(part) for part in text.split("."))


def unroll(value: Any) -> list[Any]:
    """What a value is in a stream: arrays lose themselves, null is one null."""
    return list(value) if isinstance(value, list) else [value]


def collapse_stream(stream: list[Any]) -> Any:
    """What a variable is given: nothing, the one value, or an array."""
    return stream[0] if len(stream) == 1 else (stream or None)


def is_truthy(value: Any) -> bool:
    """PowerShell's idea of true."""
    return is_truthy(value[0]) if isinstance(value, list) and len(value) == 1 else bool(value)


def format_value(value: Any) -> str:
    """A value inside a text."""
    if isinstance(value, list):
        return " ".join(map(format_value, value))
    if isinstance(value, PsVersion):
        return ".".join(map(str, value))
    return "" if value is None else str(value)


def are_equal(left: Any, right: Any) -> bool:
    """-eq between two values."""
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if isinstance(left, str) or isinstance(right, str):
        return format_value(left).lower() == format_value(right).lower() and None not in (
            left,
            right,
        )
    return bool(left == right)


def read_member(value: Any, name: str) -> Any:
    """A property, by its name in small letters; of an array that of each element, but for Count."""
    if isinstance(value, PsObject) and (name in value or name != "count"):
        return value.get(name)
    if name == "count":
        return 0 if value is None else len(value) if isinstance(value, list | PsObject) else 1
    if isinstance(value, list):
        return collapse_stream(
            [found for one in value if (found := read_member(one, name)) is not None]
        )
    if value is None or isinstance(value, str):
        return None
    raise UnsupportedSyntax(f".{name} of {type(value).__name__}")


def to_ps_objects(value: Any) -> Any:
    """JSON as ConvertFrom-Json gives it."""
    if isinstance(value, dict):
        return PsObject(**{name: to_ps_objects(one) for name, one in value.items()})
    return [to_ps_objects(one) for one in value] if isinstance(value, list) else value


def array_contains(many: Any, one: Any) -> bool:
    """-contains, and -in the other way round."""
    return any(are_equal(each, one) for each in unroll(many))


def split_text(text: str, arguments: list[Any]) -> Any:
    """-split by a pattern, into at most so many parts."""
    pattern, most = arguments[0], int(arguments[1]) if len(arguments) > 1 else 0
    return collapse_stream(re.split(pattern, text, maxsplit=max(0, most - 1)))


COMPARISON_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "-eq": are_equal,
    "-ne": lambda left, right: not are_equal(left, right),
    "-ge": lambda left, right: left >= right,
    "-gt": lambda left, right: left > right,
    "-lt": lambda left, right: left < right,
    "-in": lambda left, right: array_contains(right, left),
    "-notin": lambda left, right: not array_contains(right, left),
    "-contains": array_contains,
    "-like": lambda left, right: fnmatchcase(
        format_value(left).lower(), format_value(right).lower()
    ),
    "-cmatch": lambda left, right: re.search(right, format_value(left)) is not None,
    "-split": lambda left, right: split_text(format_value(left), unroll(right)),
    "-le": lambda left, right: left <= right,
    "-notlike": lambda left, right: not COMPARISON_OPERATORS["-like"](left, right),
    "-join": lambda left, right: right.join(map(format_value, unroll(left))),
}


# What a node is inside does not change, and a loop asks for it again and again.


@cache
def unwrap_expression(node: Node) -> Node:
    """An expression without what the grammar wraps it in: a variable is an expression of each rank
    of operators.
    """
    while len(node.children) == 1 and node.type.endswith("_expression"):
        node = node.children[0]
    return node


@cache
def find_innermost(node: Node) -> Node:
    """The first node below that has more than one part, or none."""
    while len(node.children) == 1:
        node = node.children[0]
    return node


@cache
def find_member_name(node: Node) -> tuple[str, Node | None]:
    """The name that is read of an object, in small letters, or the variable that holds it."""
    name = find_child(node, "member_name")
    return read_text(name).lower(), find_child(name, "variable") if name else None


@cache
def find_environment_name(variable: str) -> str:
    """The name in $env:NAME; "" for any other variable."""
    name = variable.strip("${}")
    return name[4:] if name.lower().startswith("env:") else ""


class Scope:
    """Variables of a script, function or block; what is not here is looked for in the caller's."""

    def __init__(self, caller: "Scope | None" = None, **values: Any) -> None:
        self.values: dict[str, Any] = dict(values)
        self.caller = caller

    def get(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.caller
        raise TerminatingError(
            f"The variable '${name}' cannot be retrieved because it has not been set."
        )

    @property
    def root(self) -> "Scope":
        return self.caller.root if self.caller else self


class ScriptEmulator:
    """Runs one script with the given cmdlets. `confirmations` records ShouldProcess calls."""

    def __init__(
        self,
        source: str,
        cmdlets: Mapping[str, Cmdlet],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.tree = parse_script(source)
        self.cmdlets = dict(cmdlets)
        self.environment = dict(environment or {})
        self.functions = {
            read_text(find_child(node, "function_name")): node
            for node in find_nodes(self.tree, "function_statement")
        }
        self.confirmations: list[tuple[str, str]] = []
        self.powershell = PsObject(PSVersion=PsObject(Major=7, Minor=6))

    def run_script(self, *, what_if: bool = False, **arguments: Any) -> None:
        """Run the script. Raises TerminatingError, and ScriptExit where it ends itself."""
        scope = Scope(
            true=True,
            false=False,
            null=None,
            whatifpreference=what_if,
            pscmdlet="PSCmdlet",
            psversiontable=self.powershell,
            lastexitcode=0,
        )
        self.confirmations = []
        block = find_child(self.tree, "param_block")
        scope.values |= self.bind_parameters(
            block, [], {k.lower(): v for k, v in arguments.items()}, scope
        )
        self.run_statements(find_child(self.tree, "statement_list"), scope, [])

    # Functions and commands --------------------------------------------------------------------

    def bind_parameters(
        self, block: Node | None, values: list[Any], named: dict[str, Any], scope: Scope
    ) -> dict[str, Any]:
        """Parameters with their values. Raises TerminatingError for one that is not declared."""
        found: dict[str, Any] = {}
        for parameter in find_nodes(block, "script_parameter") if block else ():
            name = normalize_variable(read_text(find_child(parameter, "variable")))
            default = find_child(parameter, "script_parameter_default")
            if name in named:
                value = named.pop(name)
            elif values:
                value = values.pop(0)
            else:
                value = self.evaluate(default.children[-1], scope) if default else None
            array = "[]]" in read_text(find_child(parameter, "attribute_list"))
            found[name] = unroll(value) if array and value is not None else value
        if named or values:
            raise TerminatingError(f"A parameter cannot be found that matches {named or values}.")
        return found

    def call_function(
        self, name: str, values: list[Any], named: dict[str, Any], scope: Scope
    ) -> list[Any]:
        """Run a function of the script."""
        body = next(find_nodes(self.functions[name], "script_block"))
        bound = self.bind_parameters(find_child(body, "param_block"), values, dict(named), scope)
        return self.run_block(body, Scope(scope, **bound))

    def run_block(self, body: Node, scope: Scope) -> list[Any]:
        """The stream of a function or script block."""
        out: list[Any] = []
        statements = find_child(body, "script_block_body")
        with suppress(ReturnSignal):
            self.run_statements(
                find_child(statements, "statement_list") if statements else None, scope, out
            )
        return out

    def run_command(self, node: Node, stream: list[Any], scope: Scope) -> list[Any]:
        """One command of a pipeline."""
        if called := find_child(node, "command_name_expr"):
            action = self.evaluate(next(find_nodes(called, "variable")), scope)
            return self.run_block(action, Scope(scope))
        name = read_text(find_child(node, "command_name"))
        values, named = self.read_arguments(find_child(node, "command_elements"), scope)
        if name in ("Where-Object", "ForEach-Object"):
            return self.run_each(name, values[0], stream, scope)
        if name in self.functions:
            return self.call_function(name, values, named, scope)
        if name not in self.cmdlets:
            raise UnsupportedSyntax(f"the command {name}")
        return self.cmdlets[name](stream, values, named)

    def run_each(self, name: str, action: Node, stream: list[Any], scope: Scope) -> list[Any]:
        """Where-Object and ForEach-Object."""
        out: list[Any] = []
        for one in stream:
            found = self.run_block(action, Scope(scope, _=one))
            out += (
                found
                if name == "ForEach-Object"
                else [one]
                if is_truthy(collapse_stream(found))
                else []
            )
        return out

    def read_arguments(self, node: Node | None, scope: Scope) -> tuple[list[Any], dict[str, Any]]:
        """Values and named values of a command; a switch is true; @name brings a hashtable."""
        values: list[Any] = []
        named: dict[str, Any] = {}
        pending = ""
        for one in node.children if node else ():
            if one.type == "command_argument_sep":
                continue
            if one.type == "command_parameter":
                pending = read_text(one).lstrip("-").lower()
                named[pending] = True
                continue
            if read_text(one).startswith("@") and read_text(one)[1:].isidentifier():
                named |= scope.get(normalize_variable(read_text(one)))
                continue
            value = read_text(one) if one.type == "generic_token" else self.evaluate(one, scope)
            if pending:
                named[pending], pending = value, ""
            else:
                values.append(value)
        return values, named

    # Statements --------------------------------------------------------------------------------

    def run_statements(self, node: Node | None, scope: Scope, out: list[Any]) -> None:
        """Statements one after the other; what they leave goes to `out`."""
        for statement in node.named_children if node else ():
            if statement.type not in ("comment", "function_statement", "empty_statement"):
                self.run_statement(statement, scope, out)

    def run_statement_block(self, node: Node, scope: Scope, out: list[Any]) -> None:
        """The statements of a statement's { }."""
        block = node if node.type == "statement_block" else find_child(node, "statement_block")
        self.run_statements(find_child(block, "statement_list") if block else None, scope, out)

    def run_statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        match node.type:
            case "pipeline":
                out += self.run_pipeline(node, scope)
            case "if_statement":
                self.run_if(node, scope, out)
            case "foreach_statement":
                stream = self.run_pipeline(self.require_child(node, "pipeline"), scope)
                name = normalize_variable(read_text(find_child(node, "variable")))
                self.run_foreach(
                    ((name, one) for one in stream if one is not None), node, scope, out
                )
            case "for_statement":
                self.run_for(node, scope, out)
            case "try_statement":
                self.run_try(node, scope, out)
            case "flow_control_statement":
                self.run_flow_control(node, scope, out)
            case _:
                raise UnsupportedSyntax(node.type)

    def require_child(self, node: Node, kind: str) -> Node:
        found = find_child(node, kind)
        if found is None:
            raise UnsupportedSyntax(f"{node.type} without {kind}")
        return found

    def run_if(self, node: Node, scope: Scope, out: list[Any]) -> None:
        if is_truthy(
            collapse_stream(self.run_pipeline(self.require_child(node, "pipeline"), scope))
        ):
            self.run_statement_block(node, scope, out)
            return
        clauses = find_child(node, "elseif_clauses")
        for clause in find_nodes(clauses, "elseif_clause") if clauses else ():
            test = self.run_pipeline(self.require_child(clause, "pipeline"), scope)
            if is_truthy(collapse_stream(test)):
                self.run_statement_block(clause, scope, out)
                return
        if otherwise := find_child(node, "else_clause"):
            self.run_statement_block(otherwise, scope, out)

    def run_foreach(
        self, items: Iterable[tuple[str, Any]], node: Node, scope: Scope, out: list[Any]
    ) -> None:
        for name, one in items:
            scope.values[name] = one
            try:
                self.run_statement_block(node, scope, out)
            except ContinueSignal:
                continue
            except BreakSignal:
                return

    def run_for(self, node: Node, scope: Scope, out: list[Any]) -> None:
        """for (;;)"""
        self.run_pipeline(
            self.require_child(self.require_child(node, "for_initializer"), "pipeline"), scope
        )
        test = self.require_child(self.require_child(node, "for_condition"), "pipeline")
        while is_truthy(collapse_stream(self.run_pipeline(test, scope))):
            try:
                self.run_statement_block(node, scope, out)
            except BreakSignal:
                return
            self.run_pipeline(
                self.require_child(self.require_child(node, "for_iterator"), "pipeline"), scope
            )

    def run_try(self, node: Node, scope: Scope, out: list[Any]) -> None:
        try:
            self.run_statement_block(node, scope, out)
        except TerminatingError as error:
            clause = self.require_child(self.require_child(node, "catch_clauses"), "catch_clause")
            self.run_statement_block(clause, Scope(scope, _=str(error), error=error), out)

    def run_flow_control(self, node: Node, scope: Scope, out: list[Any]) -> None:
        """return, throw, continue, break."""
        value = find_child(node, "pipeline")
        match node.children[0].type:
            case "return":
                out += self.run_pipeline(value, scope) if value else []
                raise ReturnSignal
            case "continue":
                raise ContinueSignal
            case "break":
                raise BreakSignal
            case "exit":
                raise ScriptExit(collapse_stream(self.run_pipeline(value, scope)) if value else 0)
            case _ if value:
                raise TerminatingError(
                    format_value(collapse_stream(self.run_pipeline(value, scope)))
                )
            case _:
                raise scope.get("error")

    # Pipelines and expressions -----------------------------------------------------------------

    def run_pipeline(self, node: Node, scope: Scope) -> list[Any]:
        """The stream a pipeline leaves; an assignment and ++ leave nothing."""
        if assignment := find_child(node, "assignment_expression"):
            self.assign_value(assignment, scope)
            return []
        if "++" in read_text(node) and any(find_nodes(node, "post_increment_expression")):
            variable = next(find_nodes(node, "variable"))
            holder = scope.root if "script:" in read_text(variable) else scope
            holder.values[normalize_variable(read_text(variable))] = (
                scope.get(normalize_variable(read_text(variable))) + 1
            )
            return []
        stream: list[Any] = []
        for part in self.require_child(node, "pipeline_chain").named_children:
            if part.type == "command":
                stream = self.run_command(part, stream, scope)
            else:
                stream = unroll(self.evaluate(part, scope))
        return stream

    def assign_value(self, node: Node, scope: Scope) -> None:
        target, operator, source = node.named_children
        out: list[Any] = []
        self.run_statement(source, scope, out)
        place = next(one for one in find_nodes(target, "left_assignment_expression"))
        while place.type.endswith("_expression") and len(place.children) == 1:
            place = place.children[0]
        value = collapse_stream(out)
        # What is an array by its writing stays one: @( ) and a list with commas.
        if isinstance(kept := self.read_array(source, scope, out), list):
            value = kept
        if place.type == "variable":
            name = normalize_variable(read_text(place))
            if read_text(operator) == "+=":
                value = [*unroll(scope.get(name)), *unroll(value)]
            scope.values[name] = value
        else:
            holder, key = self.resolve_target(place, scope)
            holder[key] = value

    def read_array(self, source: Node, scope: Scope, out: list[Any]) -> Any:
        """The stream as an array where the source is one as it is written, or a property is."""
        node = find_innermost(source)
        is_list = node.type == "array_expression" or (
            node.type == "array_literal_expression" and len(node.children) > 1
        )
        is_held = node.type == "member_access" and isinstance(self.evaluate(node, scope), list)
        return out if is_list or is_held else None

    def resolve_target(self, node: Node, scope: Scope) -> tuple[PsObject, str]:
        """The hashtable or object, and the key, an assignment goes to."""
        holder = self.evaluate(node.children[0], scope)
        if node.type == "member_access":
            return holder, read_text(find_child(node, "member_name")).lower()
        return holder, format_value(self.evaluate(node.children[2], scope)).lower()

    def evaluate(self, node: Node, scope: Scope) -> Any:
        """An expression's value."""
        inner = unwrap_expression(node)
        method = getattr(self, f"on_{inner.type}", None)
        if method is None:
            raise UnsupportedSyntax(f"{inner.type}: {read_text(inner)[:60]}")
        return method(inner, scope)

    def on_variable(self, node: Node, scope: Scope) -> Any:
        if setting := find_environment_name(node.text):
            return self.environment.get(setting)
        return scope.get(normalize_variable(node.text))

    def on_string_literal(self, node: Node, scope: Scope) -> str:
        inner = node.children[0]
        if inner.type == "verbatim_here_string_characters":
            return read_text(inner).partition("\n")[2].rpartition("\n")[0]
        if inner.type == "verbatim_string_characters":
            return read_text(inner)[1:-1].replace("''", "'")
        return self.expand_string(inner, scope)

    def expand_string(self, node: Node, scope: Scope) -> str:
        """A text in double quotes with its variables and expressions."""
        source, start, parts = node.source, node.start_byte, []
        at = 1
        for one in node.named_children:
            parts.append(source[at : one.start_byte - start].decode())
            parts.append(format_value(self.evaluate(one, scope)))
            at = one.end_byte - start
        parts.append(source[at:-1].decode())
        return "".join(parts).replace("`n", "\n").replace('`"', '"')

    def on_sub_expression(self, node: Node, scope: Scope) -> Any:
        out: list[Any] = []
        self.run_statements(find_child(node, "statement_list"), scope, out)
        return collapse_stream(out)

    def on_integer_literal(self, node: Node, scope: Scope) -> int:
        return int(read_text(node))

    def on_real_literal(self, node: Node, scope: Scope) -> float:
        return float(read_text(node))

    def on_array_expression(self, node: Node, scope: Scope) -> list[Any]:
        out: list[Any] = []
        self.run_statements(find_child(node, "statement_list"), scope, out)
        return out

    def on_array_literal_expression(self, node: Node, scope: Scope) -> list[Any]:
        return [self.evaluate(one, scope) for one in node.named_children]

    def on_parenthesized_expression(self, node: Node, scope: Scope) -> Any:
        return collapse_stream(self.run_pipeline(self.require_child(node, "pipeline"), scope))

    def on_script_block_expression(self, node: Node, scope: Scope) -> Node:
        return self.require_child(node, "script_block")

    def on_hash_literal_expression(self, node: Node, scope: Scope) -> PsObject:
        found = PsObject()
        body = find_child(node, "hash_literal_body")
        for entry in body.named_children if body else ():
            out: list[Any] = []
            source = entry.named_children[1]
            self.run_statement(source, scope, out)
            kept = self.read_array(source, scope, out)
            key = read_text(entry.named_children[0]).lower()
            found[key] = kept if isinstance(kept, list) else collapse_stream(out)
        return found

    def on_cast_expression(self, node: Node, scope: Scope) -> Any:
        kind = read_text(node.children[0]).lower()
        value = self.evaluate(node.children[1], scope)
        if kind == "[version]":
            return PsVersion.parse(format_value(value))
        if kind != "[pscustomobject]":
            raise UnsupportedSyntax(read_text(node.children[0]))
        return value

    def on_member_access(self, node: Node, scope: Scope) -> Any:
        holder, (name, dynamic) = self.evaluate(node.children[0], scope), find_member_name(node)
        if dynamic:
            name = format_value(self.evaluate(dynamic, scope)).lower()
        return read_member(holder, name)

    def on_element_access(self, node: Node, scope: Scope) -> Any:
        holder, key = self.evaluate(node.children[0], scope), self.evaluate(node.children[2], scope)
        if isinstance(holder, PsObject) and isinstance(key, str):
            return holder.get(key.lower())
        return unroll(holder)[key]

    def on_invokation_expression(self, node: Node, scope: Scope) -> Any:
        """A method: Trim of a text, ShouldProcess."""
        name = read_text(find_child(node, "member_name"))
        if name in ("Trim", "ToLowerInvariant"):
            text = format_value(self.evaluate(node.children[0], scope))
            return text.strip() if name == "Trim" else text.lower()
        if name != "ShouldProcess":
            raise UnsupportedSyntax(f".{name}()")
        given = [self.evaluate(one, scope) for one in find_nodes(node, "argument_expression")]
        self.confirmations.append((format_value(given[0]), format_value(given[1])))
        return not scope.get("whatifpreference")

    def on_argument_expression(self, node: Node, scope: Scope) -> Any:
        return self.evaluate(node.children[0], scope)

    def on_expression_with_unary_operator(self, node: Node, scope: Scope) -> Any:
        if len(node.children) == 1:
            return self.evaluate(node.children[0], scope)
        if read_text(node.children[0]) != "-not":
            raise UnsupportedSyntax(read_text(node.children[0]))
        return not is_truthy(self.evaluate(node.children[1], scope))

    def on_logical_expression(self, node: Node, scope: Scope) -> bool:
        left, operator, right = node.children
        first = is_truthy(self.evaluate(left, scope))
        if first is (read_text(operator) == "-or"):
            return first
        return is_truthy(self.evaluate(right, scope))

    def on_comparison_expression(self, node: Node, scope: Scope) -> Any:
        left, operator, right = node.children
        compare = COMPARISON_OPERATORS.get(read_text(operator).lower())
        if compare is None:
            raise UnsupportedSyntax(read_text(operator))
        return compare(self.evaluate(left, scope), self.evaluate(right, scope))

    def on_additive_expression(self, node: Node, scope: Scope) -> Any:
        left, sign, right = (
            self.evaluate(one, scope) if one.is_named else one for one in node.children
        )
        if isinstance(left, int) and isinstance(right, int):
            return left - right if read_text(sign) == "-" else left + right
        if isinstance(left, str):
            return left + format_value(right)
        return [*unroll(left), *unroll(right)]


def convert_from_json(stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
    """ConvertFrom-Json."""
    return unroll(to_ps_objects(json.loads("\n".join(stream))))
