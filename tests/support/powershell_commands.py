"""Commands as PowerShell splits them: quoting, script blocks, tables, pipelines.

Microsoft Learn: about_Parsing, about_Quoting_Rules. It knows as much of the language as commands
for an operator use, and raises ValueError for the rest, so that nothing passes unseen.
"""

import re
from dataclasses import dataclass, field

NAME = re.compile(r"[A-Za-z]+-[A-Za-z0-9]+")
PARAMETER = re.compile(r"-([A-Za-z][A-Za-z0-9]*)(:?)")
VARIABLE = re.compile(r"\$(true|false|null|_)((?:\.[A-Za-z]+)|(?:\[\d+\]))*", re.IGNORECASE)
OPERATOR = re.compile(r"-(eq|ne|and|or|match|like)(?![A-Za-z])")
BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:\\]*")
KEY = re.compile(r"[A-Za-z]+(?=\s*=)")
MEMBER = re.compile(r"\.[A-Za-z]+")
TYPOGRAPHIC = "\u2018\u2019\u201a\u201b\u201c\u201d\u201e"
JOINING = re.compile(r"[=,]")
NEGATIVE = re.compile(r"-(?=\d)")
OPENER = re.compile(r"@?([({])")
CLOSERS = {"(": ")", "{": "}"}


@dataclass(slots=True)
class ParsedCommand:
    """One call of a cmdlet, wherever it stands in the text."""

    name: str
    parameters: list[str] = field(default_factory=list)
    literals: list[str] = field(default_factory=list)
    """What stands in quotes, as PowerShell takes it."""
    bare_words: list[str] = field(default_factory=list)


class Reader:
    """Reads a text from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.found: list[ParsedCommand] = []

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What a pattern matches here, if it does."""
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def skip_blanks(self) -> None:
        """Go to the next sign."""
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1

    def read_block(self, closer: str) -> None:
        """Statements up to the closing sign, or the end of the text."""
        command: ParsedCommand | None = None
        while True:
            self.skip_blanks()
            sign = self.text[self.at : self.at + 1]
            if sign == closer:
                self.at += len(sign)
                return
            if sign in ("", ")", "}"):
                raise ValueError(f"{closer!r} is missing at {self.at} of {self.text}")
            if sign in "|;":
                self.at += 1
                command = None
            elif command is None and (match := self.take(NAME)):
                command = ParsedCommand(match[0])
                self.found.append(command)
            else:
                self.read_part(command)

    def read_part(self, command: ParsedCommand | None) -> None:
        """One argument, parameter or part of an expression."""
        sign = self.text[self.at]
        if self.skip_syntax():
            return
        if sign in "'\"":
            self.keep(command, self.read_literal() if sign == "'" else self.read_expandable())
        elif match := self.take(OPENER):
            self.read_block(CLOSERS[match[1]])
        elif match := self.take(PARAMETER):
            if command is None:
                raise ValueError(f"{match[0]} belongs to no command: {self.text}")
            command.parameters.append(match[1])
        elif match := self.take(BARE):
            if command:
                command.bare_words.append(match[0])
        else:
            raise ValueError(f"{sign!r} at {self.at} means nothing here: {self.text}")

    def skip_syntax(self) -> bool:
        """Pass what only joins others: signs, operators, keys, members, variables."""
        return any(self.take(one) for one in (JOINING, OPERATOR, KEY, MEMBER, VARIABLE, NEGATIVE))

    def keep(self, command: ParsedCommand | None, text: str) -> None:
        """Note a literal."""
        (command or self.found[-1] if self.found else ParsedCommand("")).literals.append(text)

    def read_literal(self) -> str:
        """A string in single quotes, in which nothing but a quote is doubled."""
        end = self.at + 1
        while True:
            end = self.text.index("'", end)
            if self.text[end + 1 : end + 2] != "'":
                break
            end += 2
        body, self.at = self.text[self.at + 1 : end], end + 1
        if any(sign in body for sign in TYPOGRAPHIC):
            raise ValueError(f"a typographic quote ends a string as well: {self.text}")
        return body.replace("''", "'")

    def read_expandable(self) -> str:
        """A string in double quotes, in which nothing is expanded."""
        signs: list[str] = []
        at = self.at + 1
        while (sign := self.text[at]) != '"':
            if sign == "`":
                at += 1
                sign = self.text[at]
            elif sign == "$" or sign in TYPOGRAPHIC:
                raise ValueError(f"{sign!r} is expanded in {self.text}")
            signs.append(sign)
            at += 1
        self.at = at + 1
        return "".join(signs)


def parse_commands(text: str) -> list[ParsedCommand]:
    """The calls in a text. Raises ValueError for what is no complete command."""
    reader = Reader(text)
    try:
        reader.read_block("")
    except (IndexError, ValueError) as error:
        raise ValueError(str(error)) from error
    if not reader.found:
        raise ValueError(f"no command: {text}")
    return reader.found
