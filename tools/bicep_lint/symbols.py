"""What Bicep's own linker would say: symbols, modules, and secrets that leave their place."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.bicep_lint.parser import parse_bicep_file
from tools.bicep_lint.tree import (
    BicepError,
    Call,
    Declaration,
    Entry,
    File,
    Item,
    Lambda,
    Loop,
    Member,
    Name,
    Node,
    Object,
    Text,
    iter_children,
    walk_nodes,
)

# The functions of the language that may be called here (Microsoft Learn: Bicep functions).
FUNCTIONS = frozenset({
    "any", "array", "base64", "base64ToString", "bool", "concat", "contains", "createArray",
    "createObject", "dateTimeAdd", "deployer", "deployment", "empty", "endsWith", "environment",
    "extensionResourceId", "fail", "filter", "first", "flatten", "format", "getSecret", "groupBy",
    "guid", "indexOf", "int", "intersection", "items", "join", "json", "last", "lastIndexOf",
    "length", "loadFileAsBase64", "loadJsonContent", "loadTextContent", "loadYamlContent",
    "managementGroup", "map", "mapValues", "max", "min", "newGuid", "objectKeys", "padLeft",
    "parseCidr", "pickZones", "providers", "range", "reduce", "reference", "replace",
    "resourceGroup", "resourceId", "shallowMerge", "skip", "sort", "split", "startsWith", "string",
    "subscription", "subscriptionResourceId", "substring", "take", "tenant", "tenantResourceId",
    "toLower", "toObject", "toUpper", "trim", "union", "uniqueString", "uri", "uriComponent",
    "utcNow",
})  # fmt: skip
DECORATORS = frozenset({
    "allowed", "description", "export", "maxLength", "maxValue", "metadata", "minLength",
    "minValue", "secure",
})  # fmt: skip
GLOBALS = frozenset({"az", "sys"})
MUST_BE_USED = ("param", "var", "func", "type")
PRIMITIVE_TYPES = frozenset({"any", "array", "bool", "int", "object", "string"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What can be named at one place of a file."""

    file: File
    names: Mapping[str, Declaration | None]

    def with_names(self, names: Iterable[str]) -> "Scope":
        """The same place within a loop, a lambda or a function."""
        return Scope(self.file, {**self.names, **dict.fromkeys(names)})

    def with_nested(self, body: Object) -> "Scope":
        """The same place within the body of a resource."""
        nested = {entry.name: entry for entry in body.nested}
        return Scope(self.file, {**self.names, **nested})


def check_symbols(folder: Path) -> Iterator[str]:
    """Everything wrong with the symbols of the Bicep files of a folder."""
    files: dict[str, File] = {}
    for path in sorted(folder.glob("*.bicep")):
        try:
            files[path.name] = parse_bicep_file(path)
        except BicepError as error:
            yield f"symbols: {error}"
    for name, file in files.items():
        problems = [
            *find_duplicates(file),
            *find_undeclared(file),
            *find_unused(file),
            *check_imports(file, files),
            *check_modules(file, files),
            *find_missing_files(file, folder),
            *(found for entry in file.declarations for found in check_loops(entry, 0)),
            *find_exposed_secrets(file),
        ]
        yield from (f"symbols: {name}:{line}: {text}" for line, text in problems)
    used = {
        entry.type
        for file in files.values()
        for entry in file.get_declarations("module", "import").values()
    }
    for name in files.keys() - used - {"main.bicep"}:
        yield f"symbols: {name}: no other file uses this module"


type Problem = tuple[int, str]


def find_duplicates(file: File) -> Iterator[Problem]:
    """Names that are declared twice; an output may be called like something else."""
    seen: set[tuple[bool, str]] = set()
    for entry in file.declarations:
        key = (entry.kind == "output", entry.name)
        if key in seen:
            yield entry.line, f"{entry.name} is declared twice"
        seen.add(key)


def find_undeclared(file: File) -> Iterator[Problem]:
    """Names, functions, keys, outputs and nested resources that do not exist."""
    names = {
        entry.name: entry
        for entry in file.declarations
        if entry.kind not in ("output", "targetScope", "extension", "import")
    }
    imported = {
        name: Declaration("func", name, "", None, entry.line)
        for entry in file.get_declarations("import").values()
        for name in entry.names
    }
    scope = Scope(file, names | imported)
    for entry in file.declarations:
        for mark in entry.decorators:
            if mark.name not in DECORATORS:
                yield mark.line, f"there is no decorator {mark.name}"
        for part in iter_children(entry):
            if part not in entry.decorators:
                yield from check_node(part, enter_declaration(entry, scope))


def check_node(node: Node, scope: Scope) -> Iterator[Problem]:
    """A node and everything in it, with what can be named there."""
    match node:
        case Name(name, line):
            if name not in scope.names and name not in GLOBALS:
                yield line, f"{name} is not declared"
        case Call(name, _, line, None):
            known = scope.names.get(name)
            if name not in FUNCTIONS and not (known and known.kind == "func"):
                yield line, f"there is no function {name}"
        case Member() | Item():
            yield from check_access(node, scope)
        case _:
            pass
    for part, inner in iter_scoped_children(node, scope):
        yield from check_node(part, inner)


def iter_scoped_children(node: Node, scope: Scope) -> Iterator[tuple[Node, Scope]]:
    """The parts of a node, each with what can be named in it."""
    match node:
        case Loop(names, source, body, _):
            yield source, scope
            yield body, scope.with_names(names)
        case Lambda(names, body, _):
            yield body, scope.with_names(names)
        case Declaration():
            yield from ((part, enter_declaration(node, scope)) for part in iter_children(node))
        case _:
            yield from ((part, scope) for part in iter_children(node))


def enter_declaration(entry: Declaration, scope: Scope) -> Scope:
    """What can be named within a declaration."""
    scope = scope.with_names(entry.names if entry.kind == "func" else ())
    return scope.with_nested(entry.body) if entry.body else scope


def check_access(node: Member | Item, scope: Scope) -> Iterator[Problem]:
    """A key of a variable's object, or a nested resource, that does not exist."""
    target = resolve_declaration(node.target, scope)
    if isinstance(node, Item):
        name = node.key.plain if isinstance(node.key, Text) else None
    else:
        name = node.name
    if not target or name is None:
        return
    if isinstance(node, Member) and node.nested:
        if name not in get_nested(target):
            yield node.line, f"{target.name} has no nested resource {name}"
    elif target.kind == "var":
        yield from check_key(node, target, name)


def check_key(node: Member | Item, target: Declaration, name: str) -> Iterator[Problem]:
    """A key that the object of a variable does not have."""
    if isinstance(target.value, Object) and name not in target.value.values:
        yield node.line, f"{target.name} has no {name}"


def resolve_declaration(node: Node, scope: Scope) -> Declaration | None:
    """What a name, or a chain of nested resources, stands for."""
    if isinstance(node, Name):
        return scope.names.get(node.name)
    if isinstance(node, Member) and node.nested:
        outer = resolve_declaration(node.target, scope)
        return get_nested(outer).get(node.name) if outer else None
    return None


def get_nested(entry: Declaration) -> dict[str, Declaration]:
    """The resources nested in a resource."""
    return {inner.name: inner for inner in entry.body.nested} if entry.body else {}


def find_unused(file: File) -> Iterator[Problem]:
    """Parameters, variables, functions and existing resources that nothing uses."""
    used = {
        found.name
        for entry in file.declarations
        for found in walk_nodes(entry)
        if isinstance(found, Name | Call)
    }
    used |= {name for entry in file.declarations for name in entry.types}
    for entry in file.declarations:
        must = (entry.kind in MUST_BE_USED or entry.existing) and not entry.exported
        if must and entry.name not in used:
            yield entry.line, f"{entry.kind} {entry.name} is not used"
        if entry.kind == "import":
            for name in entry.names:
                if name not in used:
                    yield entry.line, f"{name} is imported and not used"


def check_imports(file: File, files: Mapping[str, File]) -> Iterator[Problem]:
    """Imports of what there is not, and data types that nobody declared."""
    known = set(PRIMITIVE_TYPES) | file.get_declarations("type").keys()
    for entry in file.get_declarations("import").values():
        source = files.get(entry.type)
        if source is None:
            yield entry.line, f"there is no file {entry.type} to import from"
            continue
        for name in entry.names:
            found = source.get_declarations("type", "func", "var").get(name)
            if found is None or not found.exported:
                yield entry.line, f"{entry.type} exports no {name}"
            known.add(name)
    for entry in file.declarations:
        for name in entry.types:
            if name not in known:
                yield entry.line, f"there is no data type {name}"


def check_modules(file: File, files: Mapping[str, File]) -> Iterator[Problem]:
    """Modules: that they exist, what they are given, which outputs are taken."""
    declared_modules = file.get_declarations("module")
    for entry in declared_modules.values():
        module = files.get(entry.type)
        if not module:
            yield entry.line, f"there is no module file {entry.type}"
        else:
            yield from check_module_params(entry, module, file)
    for node in (found for entry in file.declarations for found in walk_nodes(entry)):
        if not isinstance(node, Member) or not isinstance(node.target, Member):
            continue
        inner = node.target
        if inner.name != "outputs" or not isinstance(inner.target, Name):
            continue
        user = declared_modules.get(inner.target.name)
        module = files.get(user.type) if user else None
        if module and node.name not in module.get_declarations("output"):
            yield node.line, f"module {module.path.name} has no output {node.name}"


def check_module_params(entry: Declaration, module: File, file: File) -> Iterator[Problem]:
    """The parameters one use of a module gives it."""
    params = module.get_declarations("param")
    body = entry.body
    given_params = body.values.get("params") if body else None
    values = given_params.values if isinstance(given_params, Object) else {}
    for name in values.keys() - params.keys():
        yield values[name].line, f"module {entry.type} has no parameter {name}"
    for name, param in params.items():
        if name not in values and param.value is None:
            yield entry.line, f"module {entry.type} is not given {name}"
    secrets = get_secure_params(file)
    for name in values.keys() & params.keys():
        if collect_names(values[name]) & secrets and not params[name].secure:
            yield values[name].line, f"{name} of {entry.type} takes a secret and is not @secure()"


def check_loops(node: Node, depth: int) -> Iterator[Problem]:
    """Loops where the compiler takes none: in operators, calls and lists, and three deep.

    A loop is the value of a declaration or of a property; one of a property may stand in one of a
    declaration, but not in another property's (Microsoft Learn: BCP138, BCP142).
    """
    for part in iter_children(node):
        if isinstance(part, Loop):
            within = depth + (1 if isinstance(node, Declaration) else 2)
            if not isinstance(node, Declaration | Entry):
                yield part.line, "a loop is the value of a declaration or a property only"
            elif depth >= 2:
                yield part.line, "a loop over properties cannot stand in another"
            yield from check_loops(part, within)
        else:
            yield from check_loops(part, depth)


def find_missing_files(file: File, folder: Path) -> Iterator[Problem]:
    """Files that are loaded and do not exist."""
    for node in (found for entry in file.declarations for found in walk_nodes(entry)):
        if isinstance(node, Call) and node.name.startswith("load"):
            path = node.arguments[0]
            name = path.plain if isinstance(path, Text) else None
            if not name or not (folder / name).is_file():
                yield node.line, f"there is no file {name}"


def find_exposed_secrets(file: File) -> Iterator[Problem]:
    """Secrets with a default, and secrets in outputs, which deployments keep in the clear."""
    secrets = get_secure_params(file)
    for name, param in file.get_declarations("param").items():
        default = param.value
        if name in secrets and default and not (isinstance(default, Text) and default.plain == ""):
            yield param.line, f"{name} is a secret with a default"
    for entry in file.get_declarations("output").values():
        keys = {node.name for node in walk_nodes(entry) if isinstance(node, Call)}
        if collect_names(entry) & secrets or any(name.startswith("list") for name in keys):
            yield entry.line, f"output {entry.name} gives a secret away"


def get_secure_params(file: File) -> set[str]:
    """The parameters that are secrets."""
    return {name for name, param in file.get_declarations("param").items() if param.secure}


def collect_names(node: Node) -> set[str]:
    """The names used as a value: asking whether a secret is empty does not hand it on."""
    if isinstance(node, Call) and node.name == "empty":
        return set()
    if isinstance(node, Name):
        return {node.name}
    parts = [node.value] if isinstance(node, Entry) else iter_children(node)
    return {name for part in parts for name in collect_names(part)}
