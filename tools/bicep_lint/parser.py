"""Bicep files as trees.

The part of the language this project uses (Microsoft Learn: Bicep file structure and syntax):
declarations with decorators, nested resources, loops, conditions, lambdas, interpolated texts,
operators, user-defined functions. Spread, imports and type declarations are refused.
"""

from dataclasses import dataclass, field
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
LEVELS = (
    ("??",),
    ("||",),
    ("&&",),
    ("==", "!=", "=~", "!~"),
    ("<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)
KEYWORDS = ("param", "var", "output", "resource", "module", "func", "targetScope", "extension")
END = Token("end", "the end of the file", 0)


@dataclass(slots=True)
class Parser:
    """Reads tokens as trees."""

    tokens: list[Token]
    at: int = 0
    found: list[Declaration] = field(default_factory=list)

    @property
    def next(self) -> Token:
        """The token to be read."""
        return self.tokens[self.at] if self.at < len(self.tokens) else END

    def take(self, *texts: str) -> Token:
        """The next token, which must be one of these signs or words."""
        token = self.next
        if token.kind == "text" or token.text not in texts:
            raise self.error(f"expected {' or '.join(texts)}")
        self.at += 1
        return token

    def word(self) -> str:
        """The next token, which must be a name."""
        token = self.next
        if token.kind != "name":
            raise self.error("expected a name")
        self.at += 1
        return token.text

    def error(self, why: str) -> BicepError:
        """What is wrong at the next token."""
        line = self.next.line or (self.tokens[-1].line if self.tokens else 0)
        return BicepError(f"line {line}: {why}, not {self.next.text!r}")

    def sees(self, *texts: str) -> bool:
        """Whether the next token is one of these signs or words."""
        return self.next.kind != "text" and self.next.text in texts

    def lines(self) -> None:
        """Skip the ends of lines."""
        while self.next.kind == "newline":
            self.at += 1

    def whole(self) -> Node:
        """One expression and nothing else."""
        node = self.expression()
        if self.next is not END:
            raise self.error("expected nothing more")
        return node

    def text(self, token: Token) -> Text:
        """A text with what is interpolated in it."""
        parts = (p if isinstance(p, str) else Parser(list(p)).whole() for p in token.parts)
        return Text(tuple(parts), token.line)

    def file(self) -> tuple[Declaration, ...]:
        """All declarations."""
        self.lines()
        while self.next is not END:
            self.found.append(self.declaration())
            if self.next is not END and self.next.kind != "newline":
                raise self.error("expected the end of the line")
            self.lines()
        return tuple(self.found)

    def decorators(self) -> tuple[Call, ...]:
        """The decorators of the statement that follows."""
        found = []
        while self.sees("@"):
            self.take("@")
            call = self.postfix()
            if not isinstance(call, Call):
                raise self.error("expected a decorator")
            found.append(call)
            self.lines()
        return tuple(found)

    def declaration(self) -> Declaration:
        """One statement with its decorators."""
        decorators = self.decorators()
        line = self.next.line
        kind = self.take(*KEYWORDS).text
        if kind == "targetScope":
            self.take("=")
            return Declaration(kind, kind, "", self.expression(), line)
        name = self.word()
        match kind:
            case "extension":
                return Declaration(kind, name, "", None, line)
            case "func":
                return self.function(name, line)
            case "param" | "output":
                return self.typed(kind, name, line, decorators)
        type_text = "" if kind == "var" else self.quoted()
        existing = self.sees("existing")
        if existing:
            self.take("existing")
        self.take("=")
        value = self.expression() if kind == "var" else self.body()
        return Declaration(kind, name, type_text, value, line, decorators, existing)

    def typed(self, kind: str, name: str, line: int, marks: tuple[Call, ...]) -> Declaration:
        """A parameter or an output."""
        type_text = self.data_type()
        value = None
        if self.sees("="):
            self.take("=")
            value = self.expression()
        if kind == "output" and value is None:
            raise self.error("expected the value of the output")
        return Declaration(kind, name, type_text, value, line, marks)

    def function(self, name: str, line: int) -> Declaration:
        """A user-defined function."""
        self.take("(")
        names = []
        while not self.sees(")"):
            names.append(self.word())
            self.data_type()
            if self.sees(","):
                self.take(",")
        self.take(")")
        type_text = self.data_type()
        self.take("=>")
        return Declaration("func", name, type_text, self.expression(), line, names=tuple(names))

    def data_type(self) -> str:
        """A data type: a name, perhaps with brackets or a question mark."""
        text = self.word()
        while self.sees("[", "]", "?"):
            text += self.take("[", "]", "?").text
        return text

    def quoted(self) -> str:
        """A text without interpolation."""
        token = self.next
        text = self.text(token).plain if token.kind == "text" else None
        if text is None:
            raise self.error("expected a text")
        self.at += 1
        return text

    def body(self) -> Node:
        """What a resource or module is: an object, under a condition, in a loop."""
        if not self.sees("if"):
            return self.expression()
        line = self.take("if").line
        self.take("(")
        condition = self.expression()
        self.take(")")
        return If(condition, self.expression(), line)

    def expression(self) -> Node:
        """Any expression."""
        if names := self.lambda_names():
            line = self.take("=>").line
            return Lambda(names, self.expression(), line)
        return self.choice()

    def lambda_names(self) -> tuple[str, ...]:
        """The parameters of a lambda, if one begins here."""
        ahead = [token.text for token in self.tokens[self.at : self.at + 8]]
        if ahead[1:2] == ["=>"] and self.next.kind == "name":
            return (self.word(),)
        if ahead[:1] == ["("] and ")" in ahead and ahead[ahead.index(")") + 1 :][:1] == ["=>"]:
            names = tuple(text for text in ahead[1 : ahead.index(")")] if text != ",")
            self.at += ahead.index(")") + 1
            return names
        return ()

    def choice(self) -> Node:
        """`condition ? yes : no`."""
        node = self.binary(0)
        if not self.sees("?"):
            return node
        line = self.take("?").line
        yes = self.expression()
        self.take(":")
        return Operation("?", (node, yes, self.expression()), line)

    def binary(self, level: int) -> Node:
        """Operators of a level and those that bind tighter."""
        if level == len(LEVELS):
            return self.unary()
        node = self.binary(level + 1)
        while self.sees(*LEVELS[level]):
            sign = self.take(*LEVELS[level])
            node = Operation(sign.text, (node, self.binary(level + 1)), sign.line)
        return node

    def unary(self) -> Node:
        """`!` and `-` before something."""
        if self.sees("!", "-"):
            sign = self.take("!", "-")
            return Operation(sign.text, (self.unary(),), sign.line)
        return self.postfix()

    def postfix(self) -> Node:
        """Something, and what is picked from it."""
        node = self.primary()
        while self.sees(".", ".?", "::", "[", "!"):
            sign = self.next
            if sign.text == "!":
                self.take("!")
            elif sign.text == "[":
                node = self.item(node)
            else:
                self.take(".", ".?", "::")
                name = self.word()
                if self.sees("("):
                    node = Call(name, self.arguments(), sign.line, node)
                else:
                    node = Member(node, name, sign.line, sign.text == "::")
        return node

    def item(self, node: Node) -> Node:
        """`[key]`, or `[?key]`."""
        line = self.take("[").line
        if self.sees("?"):
            self.take("?")
        key = self.expression()
        self.take("]")
        return Item(node, key, line)

    def arguments(self) -> tuple[Node, ...]:
        """What a function is called with."""
        self.take("(")
        found = []
        self.lines()
        while not self.sees(")"):
            found.append(self.expression())
            self.lines()
            if not self.sees(")"):
                self.take(",")
                self.lines()
        self.take(")")
        return tuple(found)

    def primary(self) -> Node:
        """A name, a value, a text, an object, an array, a call, or something in parentheses."""
        token = self.next
        if token.kind == "text":
            self.at += 1
            return self.text(token)
        if token.kind == "number":
            self.at += 1
            return Value(int(token.text), token.line)
        if token.text in ("true", "false", "null"):
            self.at += 1
            return Value({"true": True, "false": False}.get(token.text), token.line)
        if token.kind == "name":
            name = self.word()
            return (
                Call(name, self.arguments(), token.line)
                if self.sees("(")
                else Name(name, token.line)
            )
        match token.text:
            case "(":
                self.take("(")
                node = self.expression()
                self.take(")")
                return node
            case "{":
                return self.object()
            case "[":
                return self.array()
        raise self.error("expected an expression")

    def object(self) -> Object:
        """`{ key: value ... }`, with nested resources."""
        line = self.take("{").line
        entries: list[Entry] = []
        nested: list[Declaration] = []
        self.lines()
        while not self.sees("}"):
            after = self.tokens[self.at + 1].text if self.at + 1 < len(self.tokens) else ""
            if self.sees("@") or (self.sees("resource") and after != ":"):
                nested.append(self.declaration())
            else:
                entries.append(self.entry())
            self.separator("}")
        self.take("}")
        return Object(tuple(entries), tuple(nested), line)

    def entry(self) -> Entry:
        """`key: value`."""
        token = self.next
        if token.kind not in ("text", "name"):
            raise self.error("expected a key")
        self.at += 1
        key = self.text(token) if token.kind == "text" else Text((token.text,), token.line)
        self.take(":")
        return Entry(key, self.expression(), token.line)

    def array(self) -> Array | Loop:
        """`[item ...]`, or a loop."""
        line = self.take("[").line
        self.lines()
        if self.sees("for"):
            return self.loop(line)
        items = []
        while not self.sees("]"):
            items.append(self.expression())
            self.separator("]")
        self.take("]")
        return Array(tuple(items), line)

    def separator(self, closing: str) -> None:
        """Between two items: the end of a line, or a comma."""
        if self.sees(","):
            self.take(",")
        elif self.next.kind != "newline" and not self.sees(closing):
            raise self.error(f"expected {closing}, a comma or a new line")
        self.lines()

    def loop(self, line: int) -> Loop:
        """`for item in source: body]`, or `for (item, index) in ...`."""
        self.take("for")
        if self.sees("("):
            self.take("(")
            names: tuple[str, ...] = (self.word(),)
            self.take(",")
            names = (*names, self.word())
            self.take(")")
        else:
            names = (self.word(),)
        self.take("in")
        source = self.expression()
        self.take(":")
        body = self.body()
        self.lines()
        self.take("]")
        return Loop(names, source, body, line)


def read_text(text: str, path: Path = Path("text.bicep")) -> File:
    """A file from its text. Raises BicepError."""
    return File(path, Parser(list(Lexer(text).tokens())).file())


def read(path: Path) -> File:
    """A file. Raises BicepError."""
    try:
        return read_text(path.read_text(encoding="utf-8"), path)
    except BicepError as error:
        raise BicepError(f"{path.name}: {error}") from None
