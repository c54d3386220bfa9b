"""Plays a PowerShell script without PowerShell: the part of the language `infra/*.ps1` keeps to.

It follows about_Language in what the scripts rely on: streams that unroll, one value or an array
by count, dynamic scope, case-insensitive names. What it does not know it refuses, so a script that
plays here says nothing new to it; that PowerShell itself would do the same is not proven by it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

from tree_sitter import Node

from tests.infra.powershell import bare, child, parse, text, within

# A cmdlet: what came through the pipeline, values without a name, values by parameter name.
type Cmdlet = Callable[[list[Any], list[Any], dict[str, Any]], list[Any]]


class Thrown(Exception):
    """`throw`, or a cmdlet that failed."""


class Unknown(Exception):
    """The script uses what this player does not know."""


class Returned(Exception):
    """`return`."""


class Continued(Exception):
    """`continue`."""


class Broken(Exception):
    """`break`."""


class Thing(dict[str, Any]):
    """An object or hashtable: its properties whatever their case, None for one it lacks."""

    def __init__(self, **values: Any) -> None:
        super().__init__((name.lower(), value) for name, value in values.items())


def unrolled(value: Any) -> list[Any]:
    """What a value is in a stream: arrays lose themselves, null is one null."""
    return list(value) if isinstance(value, list) else [value]


def gathered(stream: list[Any]) -> Any:
    """What a variable is given: nothing, the one value, or an array."""
    return stream[0] if len(stream) == 1 else (stream or None)


def truth(value: Any) -> bool:
    """PowerShell's idea of true."""
    return truth(value[0]) if isinstance(value, list) and len(value) == 1 else bool(value)


def shown(value: Any) -> str:
    """A value inside a text."""
    if isinstance(value, list):
        return " ".join(map(shown, value))
    return "" if value is None else str(value)


def same(left: Any, right: Any) -> bool:
    """-eq between two values."""
    if isinstance(left, str) or isinstance(right, str):
        return shown(left).lower() == shown(right).lower() and None not in (left, right)
    return bool(left == right)


def member(value: Any, name: str) -> Any:
    """A property; of an array the property of each element, but for its Count."""
    name = name.lower()
    if name == "count" and not (isinstance(value, Thing) and "count" in value):
        return 0 if value is None else len(value) if isinstance(value, list | Thing) else 1
    if isinstance(value, list):
        return gathered([found for one in value if (found := member(one, name)) is not None])
    if isinstance(value, Thing):
        return value.get(name)
    if value is None or isinstance(value, str):
        return None
    raise Unknown(f".{name} of {type(value).__name__}")


def from_json(value: Any) -> Any:
    """JSON as ConvertFrom-Json gives it."""
    if isinstance(value, dict):
        return Thing(**{name: from_json(one) for name, one in value.items()})
    return [from_json(one) for one in value] if isinstance(value, list) else value


def contains(many: Any, one: Any) -> bool:
    """-contains, and -in the other way round."""
    return any(same(each, one) for each in unrolled(many))


COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "-eq": same,
    "-ne": lambda left, right: not same(left, right),
    "-ge": lambda left, right: left >= right,
    "-gt": lambda left, right: left > right,
    "-in": lambda left, right: contains(right, left),
    "-notin": lambda left, right: not contains(right, left),
    "-contains": contains,
    "-like": lambda left, right: fnmatchcase(shown(left).lower(), shown(right).lower()),
    "-cmatch": lambda left, right: re.search(right, shown(left)) is not None,
    "-split": lambda left, right: gathered(re.split(right, shown(left))),
    "-join": lambda left, right: right.join(map(shown, unrolled(left))),
}


class Scope:
    """Variables of a script, function or block; what is not here is looked for in the caller's."""

    def __init__(self, caller: "Scope | None" = None, **values: Any) -> None:
        self.values: dict[str, Any] = dict(values)
        self.caller = caller

    def get(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if self.caller is None:
            raise Thrown(f"The variable '${name}' cannot be retrieved because it has not been set.")
        return self.caller.get(name)

    @property
    def root(self) -> "Scope":
        return self.caller.root if self.caller else self


class Player:
    """Plays one script against the cmdlets it is given. `asked` is what ShouldProcess asked."""

    def __init__(self, source: str, cmdlets: Mapping[str, Cmdlet]) -> None:
        self.tree = parse(source)
        self.cmdlets = dict(cmdlets)
        self.functions = {
            text(child(node, "function_name")): node
            for node in within(self.tree, "function_statement")
        }
        self.asked: list[tuple[str, str]] = []

    def play(self, *, what_if: bool = False, **arguments: Any) -> None:
        """Run the script. Raises Thrown."""
        scope = Scope(
            true=True, false=False, null=None, whatifpreference=what_if, pscmdlet="PSCmdlet"
        )
        self.asked = []
        block = child(self.tree, "param_block")
        scope.values |= self.bound(block, [], {k.lower(): v for k, v in arguments.items()}, scope)
        self.block(child(self.tree, "statement_list"), scope, [])

    # Functions and commands --------------------------------------------------------------------

    def bound(
        self, block: Node | None, values: list[Any], named: dict[str, Any], scope: Scope
    ) -> dict[str, Any]:
        """Parameters with their values. Raises Thrown for one that is not declared."""
        found: dict[str, Any] = {}
        for parameter in within(block, "script_parameter") if block else ():
            name = bare(text(child(parameter, "variable")))
            default = child(parameter, "script_parameter_default")
            if name in named:
                value = named.pop(name)
            elif values:
                value = values.pop(0)
            else:
                value = self.value(default.children[-1], scope) if default else None
            array = "[]]" in text(child(parameter, "attribute_list"))
            found[name] = unrolled(value) if array and value is not None else value
        if named or values:
            raise Thrown(f"A parameter cannot be found that matches {named or values}.")
        return found

    def call(self, name: str, values: list[Any], named: dict[str, Any], scope: Scope) -> list[Any]:
        """Run a function of the script."""
        body = next(within(self.functions[name], "script_block"))
        bound = self.bound(child(body, "param_block"), values, dict(named), scope)
        return self.run(body, Scope(scope, **bound))

    def run(self, body: Node, scope: Scope) -> list[Any]:
        """The stream of a function or script block."""
        out: list[Any] = []
        statements = child(body, "script_block_body")
        with suppress(Returned):
            self.block(child(statements, "statement_list") if statements else None, scope, out)
        return out

    def command(self, node: Node, stream: list[Any], scope: Scope) -> list[Any]:
        """One command of a pipeline."""
        if called := child(node, "command_name_expr"):
            action = self.value(next(within(called, "variable")), scope)
            return self.run(action, Scope(scope))
        name = text(child(node, "command_name"))
        values, named = self.arguments(child(node, "command_elements"), scope)
        if name in ("Where-Object", "ForEach-Object"):
            return self.each(name, values[0], stream, scope)
        if name in self.functions:
            return self.call(name, values, named, scope)
        if name not in self.cmdlets:
            raise Unknown(f"the command {name}")
        return self.cmdlets[name](stream, values, named)

    def each(self, name: str, action: Node, stream: list[Any], scope: Scope) -> list[Any]:
        """Where-Object and ForEach-Object."""
        out: list[Any] = []
        for one in stream:
            found = self.run(action, Scope(scope, _=one))
            out += found if name == "ForEach-Object" else [one] if truth(gathered(found)) else []
        return out

    def arguments(self, node: Node | None, scope: Scope) -> tuple[list[Any], dict[str, Any]]:
        """Values and named values of a command; a switch is true; @name brings a hashtable."""
        values: list[Any] = []
        named: dict[str, Any] = {}
        pending = ""
        for one in node.children if node else ():
            if one.type == "command_argument_sep":
                continue
            if one.type == "command_parameter":
                pending = text(one).lstrip("-").lower()
                named[pending] = True
                continue
            if text(one).startswith("@") and text(one)[1:].isidentifier():
                named |= scope.get(bare(text(one)))
                continue
            value = text(one) if one.type == "generic_token" else self.value(one, scope)
            if pending:
                named[pending], pending = value, ""
            else:
                values.append(value)
        return values, named

    # Statements --------------------------------------------------------------------------------

    def block(self, node: Node | None, scope: Scope, out: list[Any]) -> None:
        """Statements one after the other; what they leave goes to `out`."""
        for statement in node.named_children if node else ():
            if statement.type not in ("comment", "function_statement", "empty_statement"):
                self.statement(statement, scope, out)

    def inner(self, node: Node, scope: Scope, out: list[Any]) -> None:
        """The statements of a statement's { }."""
        block = node if node.type == "statement_block" else child(node, "statement_block")
        self.block(child(block, "statement_list") if block else None, scope, out)

    def statement(self, node: Node, scope: Scope, out: list[Any]) -> None:
        match node.type:
            case "pipeline":
                out += self.pipeline(node, scope)
            case "if_statement":
                self.choose(node, scope, out)
            case "foreach_statement":
                stream = self.pipeline(self.only(node, "pipeline"), scope)
                name = bare(text(child(node, "variable")))
                self.loop(((name, one) for one in stream if one is not None), node, scope, out)
            case "for_statement":
                self.count(node, scope, out)
            case "try_statement":
                self.attempt(node, scope, out)
            case "flow_control_statement":
                self.leave(node, scope, out)
            case _:
                raise Unknown(node.type)

    def only(self, node: Node, kind: str) -> Node:
        found = child(node, kind)
        if found is None:
            raise Unknown(f"{node.type} without {kind}")
        return found

    def choose(self, node: Node, scope: Scope, out: list[Any]) -> None:
        if truth(gathered(self.pipeline(self.only(node, "pipeline"), scope))):
            self.inner(node, scope, out)
        elif otherwise := child(node, "else_clause"):
            self.inner(otherwise, scope, out)

    def loop(
        self, items: Iterable[tuple[str, Any]], node: Node, scope: Scope, out: list[Any]
    ) -> None:
        for name, one in items:
            scope.values[name] = one
            try:
                self.inner(node, scope, out)
            except Continued:
                continue
            except Broken:
                return

    def count(self, node: Node, scope: Scope, out: list[Any]) -> None:
        """for (;;)"""
        self.pipeline(self.only(self.only(node, "for_initializer"), "pipeline"), scope)
        test = self.only(self.only(node, "for_condition"), "pipeline")
        while truth(gathered(self.pipeline(test, scope))):
            try:
                self.inner(node, scope, out)
            except Broken:
                return
            self.pipeline(self.only(self.only(node, "for_iterator"), "pipeline"), scope)

    def attempt(self, node: Node, scope: Scope, out: list[Any]) -> None:
        try:
            self.inner(node, scope, out)
        except Thrown as error:
            clause = self.only(self.only(node, "catch_clauses"), "catch_clause")
            self.inner(clause, Scope(scope, _=str(error), error=error), out)

    def leave(self, node: Node, scope: Scope, out: list[Any]) -> None:
        """return, throw, continue, break."""
        value = child(node, "pipeline")
        match node.children[0].type:
            case "return":
                out += self.pipeline(value, scope) if value else []
                raise Returned
            case "continue":
                raise Continued
            case "break":
                raise Broken
            case _ if value:
                raise Thrown(shown(gathered(self.pipeline(value, scope))))
            case _:
                raise scope.get("error")

    # Pipelines and expressions -----------------------------------------------------------------

    def pipeline(self, node: Node, scope: Scope) -> list[Any]:
        """The stream a pipeline leaves; an assignment and ++ leave nothing."""
        if assignment := child(node, "assignment_expression"):
            self.assign(assignment, scope)
            return []
        if next(within(node, "post_increment_expression"), None) is not None and "++" in text(node):
            variable = next(within(node, "variable"))
            holder = scope.root if "script:" in text(variable) else scope
            holder.values[bare(text(variable))] = scope.get(bare(text(variable))) + 1
            return []
        stream: list[Any] = []
        for part in self.only(node, "pipeline_chain").named_children:
            if part.type == "command":
                stream = self.command(part, stream, scope)
            else:
                stream = unrolled(self.value(part, scope))
        return stream

    def assign(self, node: Node, scope: Scope) -> None:
        target, operator, source = node.named_children
        out: list[Any] = []
        self.statement(source, scope, out)
        place = next(one for one in within(target, "left_assignment_expression"))
        while place.type.endswith("_expression") and place.child_count == 1:
            place = place.children[0]
        value = gathered(out)
        # What is an array by its writing stays one: @( ) and a list with commas.
        if isinstance(kept := self.array(source, scope, out), list):
            value = kept
        if place.type == "variable":
            name = bare(text(place))
            if text(operator) == "+=":
                value = [*unrolled(scope.get(name)), *unrolled(value)]
            scope.values[name] = value
        else:
            holder, key = self.place(place, scope)
            holder[key] = value

    def array(self, source: Node, scope: Scope, out: list[Any]) -> Any:
        """The stream as an array where the source is one as it is written, or a property is."""
        node = source
        while node.child_count == 1:
            node = node.children[0]
        is_list = node.type == "array_expression" or (
            node.type == "array_literal_expression" and node.child_count > 1
        )
        is_held = node.type == "member_access" and isinstance(self.value(node, scope), list)
        return out if is_list or is_held else None

    def place(self, node: Node, scope: Scope) -> tuple[Thing, str]:
        """The hashtable or object, and the key, an assignment goes to."""
        holder = self.value(node.children[0], scope)
        if node.type == "member_access":
            return holder, text(child(node, "member_name")).lower()
        return holder, shown(self.value(node.children[2], scope)).lower()

    def value(self, node: Node, scope: Scope) -> Any:
        """An expression's value."""
        kind = node.type
        if node.child_count == 1 and kind.endswith("_expression"):
            return self.value(node.children[0], scope)
        method = getattr(self, f"on_{kind}", None)
        if method is None:
            raise Unknown(f"{kind}: {text(node)[:60]}")
        return method(node, scope)

    def on_variable(self, node: Node, scope: Scope) -> Any:
        return scope.get(bare(text(node)))

    def on_string_literal(self, node: Node, scope: Scope) -> str:
        inner = node.children[0]
        if inner.type == "verbatim_here_string_characters":
            return text(inner).partition("\n")[2].rpartition("\n")[0]
        if inner.type == "verbatim_string_characters":
            return text(inner)[1:-1].replace("''", "'")
        return self.expanded(inner, scope)

    def expanded(self, node: Node, scope: Scope) -> str:
        """A text in double quotes with its variables and expressions."""
        source, start, parts = node.text or b"", node.start_byte, []
        at = 1
        for one in node.named_children:
            parts.append(source[at : one.start_byte - start].decode())
            parts.append(shown(self.value(one, scope)))
            at = one.end_byte - start
        parts.append(source[at:-1].decode())
        return "".join(parts).replace("`n", "\n")

    def on_sub_expression(self, node: Node, scope: Scope) -> Any:
        out: list[Any] = []
        self.block(child(node, "statement_list"), scope, out)
        return gathered(out)

    def on_integer_literal(self, node: Node, scope: Scope) -> int:
        return int(text(node))

    def on_real_literal(self, node: Node, scope: Scope) -> float:
        return float(text(node))

    def on_array_expression(self, node: Node, scope: Scope) -> list[Any]:
        out: list[Any] = []
        self.block(child(node, "statement_list"), scope, out)
        return out

    def on_array_literal_expression(self, node: Node, scope: Scope) -> list[Any]:
        return [self.value(one, scope) for one in node.named_children]

    def on_parenthesized_expression(self, node: Node, scope: Scope) -> Any:
        return gathered(self.pipeline(self.only(node, "pipeline"), scope))

    def on_script_block_expression(self, node: Node, scope: Scope) -> Node:
        return self.only(node, "script_block")

    def on_hash_literal_expression(self, node: Node, scope: Scope) -> Thing:
        found = Thing()
        body = child(node, "hash_literal_body")
        for entry in body.named_children if body else ():
            out: list[Any] = []
            source = entry.named_children[1]
            self.statement(source, scope, out)
            kept = self.array(source, scope, out)
            key = text(entry.named_children[0]).lower()
            found[key] = kept if isinstance(kept, list) else gathered(out)
        return found

    def on_cast_expression(self, node: Node, scope: Scope) -> Any:
        if text(node.children[0]).lower() != "[pscustomobject]":
            raise Unknown(text(node.children[0]))
        return self.value(node.children[1], scope)

    def on_member_access(self, node: Node, scope: Scope) -> Any:
        holder, name = self.value(node.children[0], scope), self.only(node, "member_name")
        dynamic = child(name, "variable")
        return member(holder, shown(self.value(dynamic, scope)) if dynamic else text(name))

    def on_element_access(self, node: Node, scope: Scope) -> Any:
        holder, key = self.value(node.children[0], scope), self.value(node.children[2], scope)
        if isinstance(holder, Thing) and isinstance(key, str):
            return holder.get(key.lower())
        return unrolled(holder)[key]

    def on_invokation_expression(self, node: Node, scope: Scope) -> Any:
        """A method: Trim of a text, ShouldProcess."""
        name = text(child(node, "member_name"))
        if name == "Trim":
            return shown(self.value(node.children[0], scope)).strip()
        if name != "ShouldProcess":
            raise Unknown(f".{name}()")
        given = [self.value(one, scope) for one in within(node, "argument_expression")]
        self.asked.append((shown(given[0]), shown(given[1])))
        return not scope.get("whatifpreference")

    def on_argument_expression(self, node: Node, scope: Scope) -> Any:
        return self.value(node.children[0], scope)

    def on_expression_with_unary_operator(self, node: Node, scope: Scope) -> Any:
        if node.child_count == 1:
            return self.value(node.children[0], scope)
        if text(node.children[0]) != "-not":
            raise Unknown(text(node.children[0]))
        return not truth(self.value(node.children[1], scope))

    def on_logical_expression(self, node: Node, scope: Scope) -> bool:
        left, operator, right = node.children
        first = truth(self.value(left, scope))
        if first is (text(operator) == "-or"):
            return first
        return truth(self.value(right, scope))

    def on_comparison_expression(self, node: Node, scope: Scope) -> Any:
        left, operator, right = node.children
        compare = COMPARED.get(text(operator).lower())
        if compare is None:
            raise Unknown(text(operator))
        return compare(self.value(left, scope), self.value(right, scope))

    def on_additive_expression(self, node: Node, scope: Scope) -> Any:
        left, _, right = (self.value(one, scope) if one.is_named else one for one in node.children)
        if isinstance(left, str):
            return left + shown(right)
        return [*unrolled(left), *unrolled(right)]


def convert_from_json(stream: list[Any], values: list[Any], named: dict[str, Any]) -> list[Any]:
    """ConvertFrom-Json."""
    return unrolled(from_json(json.loads("\n".join(stream))))
