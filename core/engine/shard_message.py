"""The queue message of one shard: which mailboxes to inspect, for which scan pass."""

import base64
import hmac
import json
import zlib
from dataclasses import dataclass, replace

import msgspec

from core.model.guards import Mode
from core.strict_json import parse_strict_json
from core.tenant.mailbox_index import mailbox_to_row, parse_mailbox_rows
from core.tenant.mailboxes import Mailbox

MAX_DECOMPRESSED_SIZE = 1_000_000
# What decoding a message from an untrusted source can raise.
MESSAGE_PARSE_ERRORS = (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error)


class EncodedShardMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shard message as JSON: what an operator may want to read first, then the mailboxes."""

    guard: str
    pass_id: str = msgspec.field(name="round")
    number: int = msgspec.field(name="shard")
    mode: Mode
    low: str
    high: str
    due_checks: tuple[str, ...] = msgspec.field(name="due")
    mailboxes: str
    """The mailbox rows as JSON, compressed with zlib, in base64."""
    seal: str


@dataclass(frozen=True, slots=True)
class ShardMessage:
    """One message of the shard queue."""

    guard: str
    """The name of the guard."""
    pass_id: str
    """The id of the scan pass."""
    number: int
    """The number of the shard, from 0."""
    mode: Mode
    """The mode of the run that planned the pass."""
    low: str
    """The lowest hash prefix of the shard's key range."""
    high: str
    """The hash prefix at which the range ends, not included."""
    due_checks: tuple[str, ...]
    """The names of the periodic checks this shard takes part in."""
    mailboxes: tuple[Mailbox, ...]
    """The mailboxes to inspect."""
    seal: str = ""
    """Proves that the run which planned the pass wrote the message: an HMAC of all else."""

    def seal_with(self, secret: str) -> "ShardMessage":
        """The message with its seal."""
        return replace(self, seal=self.compute_seal(secret))

    def is_sealed_with(self, secret: str) -> bool:
        """Whether the run that planned the pass wrote the message as it is."""
        return bool(secret) and hmac.compare_digest(self.seal, self.compute_seal(secret))

    def compute_seal(self, secret: str) -> str:
        """HMAC-SHA-256 (RFC 2104) of the message without its seal, as 64 hex digits."""
        mailboxes = [mailbox_to_row(mailbox) for mailbox in self.mailboxes]
        parts = [self.guard, self.pass_id, self.number, self.mode, self.low, self.high]
        text = json.dumps([*parts, self.due_checks, mailboxes])
        return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()

    def to_json(self) -> str:
        """The message. It begins with what an operator may want to read of it."""
        rows = [mailbox_to_row(mailbox) for mailbox in self.mailboxes]
        compressed = zlib.compress(json.dumps(rows, ensure_ascii=False).encode())
        encoded = EncodedShardMessage(
            guard=self.guard,
            pass_id=self.pass_id,
            number=self.number,
            mode=self.mode,
            low=self.low,
            high=self.high,
            due_checks=self.due_checks,
            mailboxes=base64.b64encode(compressed).decode(),
            seal=self.seal,
        )
        return msgspec.json.encode(encoded).decode()

    @classmethod
    def from_json(cls, text: str) -> "ShardMessage":
        """Decode a message. Raises ValueError for anything else."""
        try:
            encoded = msgspec.convert(parse_strict_json(text), EncodedShardMessage)
            inflater = zlib.decompressobj()
            raw = inflater.decompress(base64.b64decode(encoded.mailboxes), MAX_DECOMPRESSED_SIZE)
            if inflater.unconsumed_tail:
                raise ValueError("too long")
            return cls(
                guard=encoded.guard,
                pass_id=encoded.pass_id,
                number=encoded.number,
                mode=encoded.mode,
                low=encoded.low,
                high=encoded.high,
                due_checks=encoded.due_checks,
                mailboxes=parse_mailbox_rows(json.loads(raw)),
                seal=encoded.seal,
            )
        except MESSAGE_PARSE_ERRORS as error:
            raise ValueError(f"not a shard message: {type(error).__name__}") from error
