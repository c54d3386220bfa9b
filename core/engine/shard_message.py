"""The queue message of one shard."""

import base64
import json
import zlib
from dataclasses import dataclass

from core.model.guards import Mode
from core.tenant.mailbox_index import mailbox_to_row, parse_mailbox_rows
from core.tenant.mailboxes import Mailbox

MAX_DECOMPRESSED_SIZE = 1_000_000
# What comes of taking a message apart that nobody here has written.
MESSAGE_PARSE_ERRORS = (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error)


@dataclass(frozen=True, slots=True)
class ShardMessage:
    """One message on the queue: which mailboxes to look into, for which round."""

    guard: str
    pass_id: str
    number: int
    mode: Mode
    low: str
    high: str
    due_checks: tuple[str, ...]
    mailboxes: tuple[Mailbox, ...]

    def to_json(self) -> str:
        """The message. It begins with what a person may want to read of it."""
        rows = [mailbox_to_row(mailbox) for mailbox in self.mailboxes]
        squeezed = zlib.compress(json.dumps(rows, ensure_ascii=False).encode())
        return json.dumps(
            {
                "guard": self.guard,
                "round": self.pass_id,
                "shard": self.number,
                "mode": str(self.mode),
                "low": self.low,
                "high": self.high,
                "due": self.due_checks,
                "mailboxes": base64.b64encode(squeezed).decode(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "ShardMessage":
        """An order from its message. Raises ValueError for anything else."""
        try:
            wire = json.loads(text)
            inflater = zlib.decompressobj()
            raw = inflater.decompress(base64.b64decode(wire["mailboxes"]), MAX_DECOMPRESSED_SIZE)
            if inflater.unconsumed_tail:
                raise ValueError("too long")
            return cls(
                guard=str(wire["guard"]),
                pass_id=str(wire["round"]),
                number=int(wire["shard"]),
                mode=Mode(wire["mode"]),
                low=str(wire["low"]),
                high=str(wire["high"]),
                due_checks=tuple(map(str, wire["due"])),
                mailboxes=parse_mailbox_rows(json.loads(raw)),
            )
        except MESSAGE_PARSE_ERRORS as error:
            raise ValueError(f"not an order for a shard: {type(error).__name__}") from error
