"""Bicep files as trees.

The part of the language this project uses (Microsoft Learn: Bicep file structure and syntax):
declarations with decorators, nested resources, loops, conditions, lambdas, interpolated texts,
operators, user-defined functions and types, imports by name. Spread and unions of types are
refused.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tools.bicep_lint.lexer import Lexer, Token
from tools.bicep_lint.tree import (
    Array,
    BicepError,
    Call,
    Declaration,
    Entry,
    File,
    If,
    Item,
    Lambda,
    Loop,
    Member,
    Name,
    Node,
    Object,
    Operation,
    Text,
    Value,
)

# Binary operators, the loosest first.
OPERATOR_LEVELS = (
    ("??",),
    ("||",),
    ("&&",),
    ("==", "!=", "=~", "!~"),
    ("<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)
KEYWORDS = (
    *("param", "var", "output", "resource", "module", "func", "type"),
    *("targetScope", "extension", "import"),
)
END = Token("end", "the end of the file", 0)


@dataclass(slots=True)
class Parser:
    """Reads tokens as trees."""

    tokens: list[Token]
    position: int = 0
    declarations: list[Declaration] = field(default_factory=list)

    @property
    def next_token(self) -> Token:
        """The token to be read."""
        return self.tokens[self.position] if self.position < len(self.tokens) else END

    def expect(self, *texts: str) -> Token:
        """The next token, which must be one of these signs or words."""
        token = self.next_token
        if token.kind == "text" or token.text not in texts:
            raise self.build_error(f"expected {' or '.join(texts)}")
        self.position += 1
        return token

    def expect_name(self) -> str:
        """The next token, which must be a name."""
        token = self.next_token
        if token.kind != "name":
            raise self.build_error("expected a name")
        self.position += 1
        return token.text

    def build_error(self, why: str) -> BicepError:
        """What is wrong at the next token."""
        line = self.next_token.line or (self.tokens[-1].line if self.tokens else 0)
        return BicepError(f"line {line}: {why}, not {self.next_token.text!r}")

    def is_next(self, *texts: str) -> bool:
        """Whether the next token is one of these signs or words."""
        return self.next_token.kind != "text" and self.next_token.text in texts

    def is_next_across_lines(self, text: str) -> bool:
        """Whether this sign follows, perhaps in a later line."""
        ahead = (token for token in self.tokens[self.position :] if token.kind != "newline")
        token = next(ahead, END)
        return token.kind != "text" and token.text == text

    def skip_newlines(self) -> None:
        """Skip the ends of lines."""
        while self.next_token.kind == "newline":
            self.position += 1

    def parse_whole(self) -> Node:
        """One expression and nothing else."""
        node = self.parse_expression()
        if self.next_token is not END:
            raise self.build_error("expected nothing more")
        return node

    def parse_text(self, token: Token) -> Text:
        """A text with what is interpolated in it."""
        parts = (p if isinstance(p, str) else Parser(list(p)).parse_whole() for p in token.parts)
        return Text(tuple(parts), token.line)

    def parse_file(self) -> tuple[Declaration, ...]:
        """All declarations."""
        self.skip_newlines()
        while self.next_token is not END:
            self.declarations.append(self.parse_declaration())
            if self.next_token is not END and self.next_token.kind != "newline":
                raise self.build_error("expected the end of the line")
            self.skip_newlines()
        return tuple(self.declarations)

    def parse_decorators(self) -> tuple[Call, ...]:
        """The decorators of the statement that follows."""
        found = []
        while self.is_next("@"):
            self.expect("@")
            call = self.parse_postfix()
            if not isinstance(call, Call):
                raise self.build_error("expected a decorator")
            found.append(call)
            self.skip_newlines()
        return tuple(found)

    def parse_declaration(self) -> Declaration:
        """One statement with its decorators."""
        decorators = self.parse_decorators()
        line = self.next_token.line
        kind = self.expect(*KEYWORDS).text
        if kind == "targetScope":
            self.expect("=")
            return Declaration(kind, kind, "", self.parse_expression(), line)
        if kind == "import":
            return self.parse_import(line)
        name = self.expect_name()
        match kind:
            case "extension":
                return Declaration(kind, name, "", None, line)
            case "func":
                return self.parse_function(name, line, decorators)
            case "type":
                self.expect("=")
                types = self.parse_data_type()
                return Declaration(kind, name, " ".join(types), None, line, decorators, types=types)
            case "param" | "output":
                return self.parse_typed(kind, name, line, decorators)
        type_text = "" if kind == "var" else self.parse_plain_text()
        existing = self.is_next("existing")
        if existing:
            self.expect("existing")
        self.expect("=")
        value = self.parse_expression() if kind == "var" else self.parse_body()
        return Declaration(kind, name, type_text, value, line, decorators, existing)

    def parse_typed(self, kind: str, name: str, line: int, marks: tuple[Call, ...]) -> Declaration:
        """A parameter or an output."""
        types = self.parse_data_type()
        value = None
        if self.is_next("="):
            self.expect("=")
            value = self.parse_expression()
        if kind == "output" and value is None:
            raise self.build_error("expected the value of the output")
        return Declaration(kind, name, " ".join(types), value, line, marks, types=types)

    def parse_import(self, line: int) -> Declaration:
        """`import { name, ... } from 'path'`."""
        self.expect("{")
        names: list[str] = []
        self.skip_newlines()
        while not self.is_next("}"):
            names.append(self.expect_name())
            self.skip_separator("}")
        self.expect("}")
        self.expect("from")
        path = self.parse_plain_text()
        return Declaration("import", path, path, None, line, names=tuple(names))

    def parse_function(self, name: str, line: int, marks: tuple[Call, ...]) -> Declaration:
        """A user-defined function."""
        self.expect("(")
        names: list[str] = []
        types: list[str] = []
        while not self.is_next(")"):
            names.append(self.expect_name())
            types += self.parse_data_type()
            if self.is_next(","):
                self.expect(",")
        self.expect(")")
        returned = self.parse_data_type()
        self.expect("=>")
        self.skip_newlines()
        return Declaration(
            "func",
            name,
            " ".join(returned),
            self.parse_expression(),
            line,
            marks,
            names=tuple(names),
            types=(*types, *returned),
        )

    def parse_data_type(self) -> tuple[str, ...]:
        """The names in a data type: one, perhaps with brackets or a question mark, or an object."""
        names = self.parse_object_type() if self.is_next("{") else (self.expect_name(),)
        while self.is_next("[", "]", "?"):
            self.expect("[", "]", "?")
        return names

    def parse_object_type(self) -> tuple[str, ...]:
        """The names of the data types in `{ key: type ... }`; `*` stands for every other key."""
        self.expect("{")
        names: list[str] = []
        self.skip_newlines()
        while not self.is_next("}"):
            self.parse_decorators()
            if self.is_next("*"):
                self.expect("*")
            else:
                self.expect_name()
            self.expect(":")
            names += self.parse_data_type()
            self.skip_separator("}")
        self.expect("}")
        return tuple(dict.fromkeys(names))

    def parse_plain_text(self) -> str:
        """A text without interpolation."""
        token = self.next_token
        text = self.parse_text(token).plain if token.kind == "text" else None
        if text is None:
            raise self.build_error("expected a text")
        self.position += 1
        return text

    def parse_body(self) -> Node:
        """What a resource or module is: an object, under a condition, in a loop."""
        if not self.is_next("if"):
            return self.parse_expression()
        line = self.expect("if").line
        self.expect("(")
        condition = self.parse_expression()
        self.expect(")")
        return If(condition, self.parse_expression(), line)

    def parse_expression(self) -> Node:
        """Any expression."""
        if names := self.parse_lambda_names():
            line = self.expect("=>").line
            return Lambda(names, self.parse_expression(), line)
        return self.parse_choice()

    def parse_lambda_names(self) -> tuple[str, ...]:
        """The parameters of a lambda, if one begins here."""
        ahead = [token.text for token in self.tokens[self.position : self.position + 8]]
        if ahead[1:2] == ["=>"] and self.next_token.kind == "name":
            return (self.expect_name(),)
        if ahead[:1] == ["("] and ")" in ahead and ahead[ahead.index(")") + 1 :][:1] == ["=>"]:
            names = tuple(text for text in ahead[1 : ahead.index(")")] if text != ",")
            self.position += ahead.index(")") + 1
            return names
        return ()

    def parse_choice(self) -> Node:
        """`condition ? yes : no`."""
        node = self.parse_binary(0)
        if not self.is_next_across_lines("?"):
            return node
        self.skip_newlines()
        line = self.expect("?").line
        yes = self.parse_expression()
        self.skip_newlines()
        self.expect(":")
        return Operation("?", (node, yes, self.parse_expression()), line)

    def parse_binary(self, level: int) -> Node:
        """Operators of a level and those that bind tighter."""
        if level == len(OPERATOR_LEVELS):
            return self.parse_unary()
        node = self.parse_binary(level + 1)
        while self.is_next(*OPERATOR_LEVELS[level]):
            sign = self.expect(*OPERATOR_LEVELS[level])
            node = Operation(sign.text, (node, self.parse_binary(level + 1)), sign.line)
        return node

    def parse_unary(self) -> Node:
        """`!` and `-` before something."""
        if self.is_next("!", "-"):
            sign = self.expect("!", "-")
            return Operation(sign.text, (self.parse_unary(),), sign.line)
        return self.parse_postfix()

    def parse_postfix(self) -> Node:
        """Something, and what is picked from it."""
        node = self.parse_primary()
        while self.is_next(".", ".?", "::", "[", "!"):
            sign = self.next_token
            if sign.text == "!":
                self.expect("!")
            elif sign.text == "[":
                node = self.parse_item(node)
            else:
                self.expect(".", ".?", "::")
                name = self.expect_name()
                if self.is_next("("):
                    node = Call(name, self.parse_arguments(), sign.line, node)
                else:
                    node = Member(node, name, sign.line, sign.text == "::")
        return node

    def parse_item(self, node: Node) -> Node:
        """`[key]`, or `[?key]`."""
        line = self.expect("[").line
        if self.is_next("?"):
            self.expect("?")
        key = self.parse_expression()
        self.expect("]")
        return Item(node, key, line)

    def parse_arguments(self) -> tuple[Node, ...]:
        """What a function is called with."""
        self.expect("(")
        found = []
        self.skip_newlines()
        while not self.is_next(")"):
            found.append(self.parse_expression())
            self.skip_newlines()
            if not self.is_next(")"):
                self.expect(",")
                self.skip_newlines()
        self.expect(")")
        return tuple(found)

    def parse_primary(self) -> Node:
        """A name, a value, a text, an object, an array, a call, or something in parentheses."""
        token = self.next_token
        if token.kind == "text":
            self.position += 1
            return self.parse_text(token)
        if token.kind == "number":
            self.position += 1
            return Value(int(token.text), token.line)
        if token.text in ("true", "false", "null"):
            self.position += 1
            return Value({"true": True, "false": False}.get(token.text), token.line)
        if token.kind == "name":
            name = self.expect_name()
            return (
                Call(name, self.parse_arguments(), token.line)
                if self.is_next("(")
                else Name(name, token.line)
            )
        match token.text:
            case "(":
                self.expect("(")
                node = self.parse_expression()
                self.expect(")")
                return node
            case "{":
                return self.parse_object()
            case "[":
                return self.parse_array()
        raise self.build_error("expected an expression")

    def parse_object(self) -> Object:
        """`{ key: value ... }`, with nested resources."""
        line = self.expect("{").line
        entries: list[Entry] = []
        nested: list[Declaration] = []
        self.skip_newlines()
        while not self.is_next("}"):
            after = (
                self.tokens[self.position + 1].text if self.position + 1 < len(self.tokens) else ""
            )
            if self.is_next("@") or (self.is_next("resource") and after != ":"):
                nested.append(self.parse_declaration())
            else:
                entries.append(self.parse_entry())
            self.skip_separator("}")
        self.expect("}")
        return Object(tuple(entries), tuple(nested), line)

    def parse_entry(self) -> Entry:
        """`key: value`."""
        token = self.next_token
        if token.kind not in ("text", "name"):
            raise self.build_error("expected a key")
        self.position += 1
        key = self.parse_text(token) if token.kind == "text" else Text((token.text,), token.line)
        self.expect(":")
        return Entry(key, self.parse_expression(), token.line)

    def parse_array(self) -> Array | Loop:
        """`[item ...]`, or a loop."""
        line = self.expect("[").line
        self.skip_newlines()
        if self.is_next("for"):
            return self.parse_loop(line)
        items = []
        while not self.is_next("]"):
            items.append(self.parse_expression())
            self.skip_separator("]")
        self.expect("]")
        return Array(tuple(items), line)

    def skip_separator(self, closing: str) -> None:
        """Between two items: the end of a line, or a comma."""
        if self.is_next(","):
            self.expect(",")
        elif self.next_token.kind != "newline" and not self.is_next(closing):
            raise self.build_error(f"expected {closing}, a comma or a new line")
        self.skip_newlines()

    def parse_loop(self, line: int) -> Loop:
        """`for item in source: body]`, or `for (item, index) in ...`."""
        self.expect("for")
        if self.is_next("("):
            self.expect("(")
            names: tuple[str, ...] = (self.expect_name(),)
            self.expect(",")
            names = (*names, self.expect_name())
            self.expect(")")
        else:
            names = (self.expect_name(),)
        self.expect("in")
        source = self.parse_expression()
        self.expect(":")
        body = self.parse_body()
        self.skip_newlines()
        self.expect("]")
        return Loop(names, source, body, line)


def parse_bicep_text(text: str, path: Path = Path("text.bicep")) -> File:
    """A file from its text. Raises BicepError."""
    return File(path, parse_declarations(text))


@cache
def parse_declarations(text: str) -> tuple[Declaration, ...]:
    """What a text declares, read once however many checks ask. Raises BicepError."""
    return Parser(list(Lexer(text).tokenize())).parse_file()


def parse_bicep_file(path: Path) -> File:
    """A file. Raises BicepError."""
    try:
        return parse_bicep_text(path.read_text(encoding="utf-8"), path)
    except BicepError as error:
        raise BicepError(f"{path.name}: {error}") from None
