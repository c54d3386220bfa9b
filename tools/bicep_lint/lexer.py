"""Bicep cut into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.bicep_lint.tree import BicepError

TOKEN = re.compile(
    r"(?P<space>[ \t\r]+|//[^\n]*|#disable-next-line[^\n]*|/\*.*?\*/)"
    r"|(?P<newline>\n)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>\d+)"
    r"|(?P<sign>=>|==|!=|=~|!~|<=|>=|&&|\|\||\?\?|::|\.\?|[-+*/%<>=!?:.,()\[\]{}@])",
    re.DOTALL,
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", "$": "$"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the language: its kind, its text, its line.

    A text in quotes has parts: pieces as they are, and the tokens of what is interpolated.
    """

    kind: str
    text: str
    line: int
    parts: "tuple[str | tuple[Token, ...], ...]" = ()


@dataclass(slots=True)
class Lexer:
    """Cuts a text into tokens."""

    text: str
    position: int = 0
    line: int = 1

    def tokenize(self, closing: str = "") -> Iterator[Token]:
        """The tokens up to the end, or up to the brace that closes an interpolation."""
        depth = 0
        while self.position < len(self.text):
            if self.text[self.position] == "'":
                yield self.read_quoted()
                continue
            match = TOKEN.match(self.text, self.position)
            if not match:
                raise BicepError(f"line {self.line}: unexpected {self.text[self.position]!r}")
            depth += (match[0] == "{") - (match[0] == "}")
            self.position = match.end()
            if closing and depth < 0:
                return
            if match.lastgroup != "space":
                yield Token(str(match.lastgroup), match[0], self.line)
            self.line += match[0].count("\n")
        if closing:
            raise BicepError(f"line {self.line}: an interpolation is not closed")

    def read_quoted(self) -> Token:
        """A text in quotes."""
        start = self.line
        if self.text.startswith("'''", self.position):
            end = self.text.find("'''", self.position + 3)
            if end < 0:
                raise BicepError(f"line {start}: a text is not closed")
            content = self.text[self.position + 3 : end].removeprefix("\n")
            self.line += self.text.count("\n", self.position, end)
            self.position = end + 3
            return Token("text", content, start, (content,))
        self.position += 1
        parts: list[str | tuple[Token, ...]] = [""]
        while True:
            letter = self.text[self.position : self.position + 1]
            if letter in ("", "\n"):
                raise BicepError(f"line {start}: a text is not closed")
            self.position += 1
            if letter == "'":
                return Token("text", "", start, tuple(part for part in parts if part != ""))
            if letter == "$" and self.text.startswith("{", self.position):
                self.position += 1
                parts += [tuple(self.tokenize("}")), ""]
                continue
            if letter == "\\":
                letter = self.read_escape()
            parts[-1] = f"{parts[-1]}{letter}"

    def read_escape(self) -> str:
        """What stands for the letter after a backslash."""
        letter = self.text[self.position : self.position + 1]
        if letter not in ESCAPES:
            raise BicepError(f"line {self.line}: unknown escape \\{letter}")
        self.position += 1
        return ESCAPES[letter]
