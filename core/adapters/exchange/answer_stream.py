"""Parses the JSON of one long answer as it arrives, row by row. Pure.

An answer about 100,000 mailboxes has some 100 MB. Here it never takes more memory than its longest
row and the chunk that arrived last.
"""

import codecs
import json
from collections.abc import Mapping

from core.adapters.parsing import ResponseRow
from core.strict_json import (
    parse_finite_number,
    parse_member_by_member,
    reject_constant,
    surely_has_unique_names,
)

MAX_VALUE_SIZE = 8 * 1024 * 1024
"""Characters of one row, or of one property beside the rows."""
ROWS = "value"
BLANKS = " \t\r\n"


class AnswerParser:
    """An OData answer: an object with the list of rows in `value`, and what stands beside it."""

    def __init__(self) -> None:
        self.decode_text = codecs.getincrementaldecoder("utf-8")()
        self.decoder = json.JSONDecoder(
            parse_constant=reject_constant, parse_float=parse_finite_number
        )
        self.buffer = ""
        self.position = 0
        self.expected = "object"
        self.name = ""
        self.beside: dict[str, object] = {}
        self.names: set[str] = set()

    def feed(self, chunk: bytes) -> list[ResponseRow]:
        """Take in a chunk; the rows that are complete by now. Raises ValueError."""
        self.buffer = self.buffer[self.position :] + self.decode_text.decode(chunk)
        self.position = 0
        found: list[ResponseRow] = []
        while self.take_token(found):
            pass
        if len(self.buffer) - self.position > MAX_VALUE_SIZE:
            raise ValueError("a part of the answer is too long")
        return found

    def finish(self) -> Mapping[str, object]:
        """What stood beside the rows. Raises ValueError if the answer has not come to its end."""
        self.feed(self.decode_text.decode(b"", final=True).encode())
        if self.expected != "end" or ROWS not in self.names:
            raise ValueError("the answer breaks off")
        return self.beside

    def take_token(self, found: list[ResponseRow]) -> bool:
        """Take the next token; False when it has not arrived completely."""
        self.skip_blanks()
        if self.position >= len(self.buffer):
            return False
        match self.expected:
            case "object":
                self.take_mark("{")
                self.expected = "name or }"
            case "name" | "name or }":
                return self.take_name()
            case "value":
                return self.take_value()
            case "row" | "row or ]":
                return self.take_row(found)
            case ", or ]":
                self.expected = "row" if self.take_mark(",]") == "," else ", or }"
            case ", or }":
                self.expected = "name" if self.take_mark(",}") == "," else "end"
            case _:
                raise ValueError("the answer goes on after its end")
        return True

    def skip_blanks(self) -> None:
        while self.position < len(self.buffer) and self.buffer[self.position] in BLANKS:
            self.position += 1

    def take_mark(self, marks: str) -> str:
        """Take one of some marks. Raises ValueError for anything else."""
        mark = self.buffer[self.position]
        if mark not in marks:
            raise ValueError("the answer is not JSON")
        self.position += 1
        return mark

    def take_name(self) -> bool:
        """Take the name of a property and its colon, or the end of the object."""
        if self.expected == "name or }" and self.buffer[self.position] == "}":
            self.position += 1
            self.expected = "end"
            return True
        decoded = self.decode_value()
        if decoded is None:
            return False
        name, end = decoded
        while end < len(self.buffer) and self.buffer[end] in BLANKS:
            end += 1
        if end >= len(self.buffer):
            return False
        if not isinstance(name, str) or self.buffer[end] != ":" or name in self.names:
            raise ValueError("the answer is not JSON, or says something twice")
        self.names.add(name)
        self.name, self.position, self.expected = name, end + 1, "value"
        return True

    def take_value(self) -> bool:
        """Take the value of a property; that of `value` row by row."""
        if self.name == ROWS:
            self.take_mark("[")
            self.expected = "row or ]"
            return True
        decoded = self.decode_value()
        # A number may go on in the next chunk.
        if decoded is None or decoded[1] >= len(self.buffer):
            return False
        self.beside[self.name], self.position = decoded
        self.expected = ", or }"
        return True

    def take_row(self, found: list[ResponseRow]) -> bool:
        if self.expected == "row or ]" and self.buffer[self.position] == "]":
            self.position += 1
            self.expected = ", or }"
            return True
        if self.buffer[self.position] != "{":
            raise ValueError("the answer has no list of objects")
        decoded = self.decode_value()
        if decoded is None:
            return False
        row, self.position = decoded
        if isinstance(row, dict):
            found.append(row)
        self.expected = ", or ]"
        return True

    def decode_value(self) -> tuple[object, int] | None:
        """The value that begins here, and where it ends; None when it has not arrived yet."""
        try:
            value, end = self.decoder.raw_decode(self.buffer, self.position)
        except json.JSONDecodeError:
            # What is no JSON looks like what is not complete: it ends as too long or broken off.
            return None
        except RecursionError:
            raise ValueError("the answer is nested too deeply") from None
        text = self.buffer[self.position : end]
        return value if surely_has_unique_names(text, value) else parse_member_by_member(text), end
