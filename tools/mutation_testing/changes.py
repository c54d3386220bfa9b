"""The small changes that are made to a judge's functions, each one that a person could have typed.

A comparison is turned round or moved by one, a condition is inverted or left out, `and` becomes
`or`, an argument is left out, a number is one more, a text is another, `any` becomes `all`, a
severity the next one. The changes are those that tools of this kind commonly make (Mutmut, Cosmic
Ray, the mutation operators of Offutt et al. 1996); a literal part of an f-string, an annotation, a
docstring and the default of a parameter stay as they are.
"""

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import cast

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
NAMES = {"any": "all", "all": "any", "min": "max", "max": "min"}
METHODS = {
    "startswith": "endswith",
    "endswith": "startswith",
    "partition": "rpartition",
    "rpartition": "partition",
    "removeprefix": "removesuffix",
    "removesuffix": "removeprefix",
    "lstrip": "rstrip",
    "rstrip": "lstrip",
    "lower": "upper",
    "casefold": "upper",
    "issubset": "issuperset",
    "union": "intersection",
    "intersection": "union",
}
SEVERITIES = {"LOW": "MEDIUM", "MEDIUM": "LOW", "HIGH": "MEDIUM", "CRITICAL": "HIGH"}
type Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Shorter than this, a changed expression is shown with what stands around it.
SHOWN_LENGTH = 24
# Annotations, and what is no part of what a function does.
UNTOUCHED_FIELDS = frozenset(
    {"annotation", "returns", "type_params", "decorator_list", "format_spec"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node hangs in the tree, so that another can take its place for a while."""

    owner: ast.AST
    field: str
    index: int | None
    function: str
    """The qualified name of the function it is in."""
    lines: range
    """The lines of the statement, or of the head of a compound one, that it is part of."""
    around: ast.AST | None
    """The expression or statement that is shown to a person; None: it says enough itself."""

    def get(self) -> ast.AST:
        """The node that hangs there."""
        found: object = getattr(self.owner, self.field)
        if isinstance(found, list):
            found = found[self.index or 0]
        return cast(ast.AST, found)

    def put(self, node: ast.AST) -> None:
        """Hang another node there."""
        if self.index is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.index] = node


@dataclass(frozen=True, slots=True)
class Change:
    """One change that can be made to the tree of a module."""

    place: Place
    node: ast.AST
    """What stands there instead."""

    @contextmanager
    def made(self) -> Iterator[None]:
        """The tree is changed for as long as this is open."""
        was = self.place.get()
        self.place.put(self.node)
        try:
            yield
        finally:
            self.place.put(was)

    def describe(self) -> tuple[str, str]:
        """What it changes, and into what, each on one line."""
        was = show_node(self.place.around or self.place.get())
        with self.made():
            return was, show_node(self.place.around or self.node)


def show_node(node: ast.AST) -> str:
    """A node as it is written; of a compound statement only its head."""
    if isinstance(node, (ast.stmt, ast.match_case)) and hasattr(node, "body"):
        return ast.unparse(node).splitlines()[0]
    if isinstance(node, (ast.Match, ast.Try)):
        return ast.unparse(node).splitlines()[0]
    return " ".join(ast.unparse(node).split())


def list_functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """The functions and methods of a module with their qualified names, without nested ones."""
    waiting: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    while waiting:
        prefix, scope = waiting.pop(0)
        for node in scope.body:
            if isinstance(node, FUNCTIONS):
                yield f"{prefix}{node.name}", node
            elif isinstance(node, ast.ClassDef):
                waiting.append((f"{prefix}{node.name}.", node))


def list_changes(tree: ast.Module) -> Iterator[Change]:
    """Every change of every function of a module, in the order of the text."""
    for name, function in list_functions(tree):
        yield from list_function_changes(name, function)


def list_function_changes(name: str, function: Function) -> Iterator[Change]:
    """Every change of a function with this qualified name, in the order of the text."""
    for index in range(len(function.body)):
        yield from list_changes_below(Place(function, "body", index, name, range(0), None), ())


def list_changes_below(place: Place, parents: tuple[tuple[ast.AST, bool], ...]) -> Iterator[Change]:
    """The changes of a node and of all below it; `parents` from the nearest statement down, with
    whether each is long enough to be told from others.
    """
    node = place.get()
    if isinstance(node, ast.stmt | ast.match_case | ast.excepthandler):
        parents = ()
        place = replace(place, lines=get_head_lines(node))
    is_long = len(show_node(node)) >= SHOWN_LENGTH
    around = None
    if parents and not is_long:
        long = (one for one, was_long in reversed(parents) if was_long)
        around = next(long, parents[0][0])
    place = replace(place, around=around)
    for other in list_replacements(node):
        copied = ast.copy_location(copy(other), node)
        yield Change(place, ast.fix_missing_locations(copied))
    for field, value in ast.iter_fields(node):
        if field in UNTOUCHED_FIELDS:
            continue
        rows = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in rows:
            if isinstance(child, ast.AST) and not is_left_alone(node, child):
                below = replace(place, owner=node, field=field, index=index)
                yield from list_changes_below(below, (*parents, (node, is_long)))


def is_left_alone(parent: ast.AST, child: ast.AST) -> bool:
    """True for texts that say nothing to a program, and for the parameters of inner functions."""
    if isinstance(child, ast.Constant):
        return isinstance(parent, ast.Expr | ast.JoinedStr)
    return isinstance(child, ast.arguments)


def get_head_lines(node: ast.stmt | ast.match_case | ast.excepthandler) -> range:
    """The lines of a statement, without those of the statements inside it."""
    if isinstance(node, ast.match_case):
        return range(node.pattern.lineno, ((node.guard or node.pattern).end_lineno or 0) + 1)
    inside = getattr(node, "body", None) or getattr(node, "cases", None)
    if isinstance(inside, list):
        first = inside[0].pattern if isinstance(inside[0], ast.match_case) else inside[0]
        return range(node.lineno, max(node.lineno + 1, first.lineno))
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def list_replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in the place of a node."""
    if isinstance(node, ast.stmt):
        yield from list_statements(node)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.expr):
        yield from list_expressions(node)
    if isinstance(node, ast.If | ast.IfExp | ast.While) and is_plain(node.test):
        yield copy_with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.comprehension):
        for rest in leave_out_each(node.ifs):
            yield copy_with(node, ifs=rest)


def list_statements(node: ast.stmt) -> Iterator[ast.AST]:
    """What could stand in the place of a statement."""
    match node:
        case ast.AugAssign(target, op, value) if type(op) in OPERATORS:
            yield ast.AugAssign(target, OPERATORS[type(op)](), value)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.Return(value) | ast.Assign(value=value) | ast.AnnAssign(value=value):
            yield from leave_out_value(node, value)
        case ast.Match(cases=cases) if len(cases) > 1:
            for rest in leave_out_each(cases):
                yield copy_with(node, cases=rest)
        case ast.Expr(ast.Call() | ast.Yield() | ast.YieldFrom() | ast.Await()):
            yield ast.Pass()


def list_expressions(node: ast.expr) -> Iterator[ast.AST]:
    """What could stand in the place of an expression."""
    match node:
        case ast.Compare():
            yield from list_comparisons(node)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for rest in leave_out_each(values):
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.Constant(value):
            yield from list_constants(value)
        case ast.Call():
            yield from list_calls(node)
        case ast.Attribute(ast.Name("Severity") as kind, name) if name in SEVERITIES:
            yield ast.Attribute(kind, SEVERITIES[name])


def leave_out_value(node: ast.stmt, value: ast.expr | None) -> Iterator[ast.AST]:
    """A statement with nothing instead of what it computes."""
    if value and not isinstance(value, ast.Constant):
        yield copy_with(node, value=ast.Constant(None))


def leave_out_each[T](values: Sequence[T]) -> Iterator[list[T]]:
    """Some values without the first, without the second, and so on."""
    for index in range(len(values)):
        yield [*values[:index], *values[index + 1 :]]


def is_plain(test: ast.expr) -> bool:
    """True for a condition that nothing else inverts: comparisons and `not` are changed anyway."""
    return not isinstance(test, ast.Compare | ast.UnaryOp | ast.BoolOp)


def copy_with(node: ast.AST, **fields: object) -> ast.AST:
    """A node like another, with some fields changed."""
    return type(node)(**dict(ast.iter_fields(node)) | fields)


def list_comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    """A comparison turned round, or its bound moved by one."""
    for index, op in enumerate(node.ops):
        for other in COMPARISONS[type(op)]:
            ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def list_constants(value: object) -> Iterator[ast.AST]:
    """Another value of the same kind."""
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str):
        yield ast.Constant(f"XX{value}XX")


def list_calls(node: ast.Call) -> Iterator[ast.AST]:
    """A call of the opposite function, or one without an argument."""
    match node.func:
        case ast.Name(name) if name in NAMES:
            yield copy_with(node, func=ast.Name(NAMES[name]))
        case ast.Attribute(value, name) if name in METHODS:
            yield copy_with(node, func=ast.Attribute(value, METHODS[name]))
    if len(node.args) + len(node.keywords) > 1:
        for args in leave_out_each(node.args):
            yield copy_with(node, args=args)
    for keywords in leave_out_each(node.keywords):
        yield copy_with(node, keywords=keywords)
