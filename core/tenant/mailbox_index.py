"""A compact, stably ordered index of the tenant's mailboxes.

What is read per mailbox is read in key ranges of this index. A run that gets through all mailboxes
takes them in listing order. If it does not, or if several workers share the scan, the index is
ordered by hash prefix (`core.keys`): a range is then the same range of the index, of the state
table and of the progress, in whatever order Exchange listed the mailboxes.
"""

from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched

import msgspec

from core.keys import PREFIX_LENGTH, RANGE_END, RANGE_START, compute_hash_prefix
from core.tenant.mailboxes import Mailbox
from core.tenant.packed_ids import PackedIdPairs
from core.tenant.packed_rows import PackedRows
from core.tenant.readings import AllExcept, ReadFailure, Reading

RANGE_SIZE = 500
"""Mailboxes in a key range: what is in memory at a time, and the size of a shard."""

BETWEEN_CHECKS_LIMIT = 100
"""The most mailboxes of a range that are read for a periodic check that is not due."""


class IndexedMailbox(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What inspecting a mailbox needs, as messages hold it: a JSON array."""

    id: str
    guid: str
    address: str
    kind: str
    has_account: bool
    quota_bytes: int | None


class PackedMailbox(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The same without ids, as the index holds it: an array of MessagePack."""

    address: str
    kind_number: int
    has_account: bool
    quota_bytes: int | None


ENCODER, DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(IndexedMailbox)
PACKER, UNPACKER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(PackedMailbox)
NUMBER_BITS = 32
"""Of a place in the order of hash prefixes: below the prefix, the number of the mailbox's row."""


@dataclass(frozen=True, slots=True)
class MailboxPage:
    """A page of the listing of mailboxes to inspect one by one."""

    mailboxes: Reading[Mailbox]
    sources: frozenset[str]
    """Every data source that is read per mailbox."""
    excluded_kinds: tuple[str, ...] = ()
    """The kinds of mailboxes that are counted and not inspected."""
    shared_sources: frozenset[str] = frozenset()
    """Those of the sources that tell of the organization: a case of these alone is about no
    mailbox.
    """


@dataclass(frozen=True, slots=True)
class MailboxRange:
    """A key range of the index: every mailbox with a hash prefix from `low` up to, not including,
    `high`.

    Both are empty for mailboxes in listing order, which form no range.
    """

    low: str
    high: str
    mailboxes: tuple[Mailbox, ...]
    is_first: bool = False
    """Whether no mailboxes of the tenant come before these."""

    def halve(self) -> "Iterator[MailboxRange]":
        """The range as two, cut between hash prefixes."""
        middle = compute_hash_prefix(self.mailboxes[len(self.mailboxes) // 2].id)
        first = tuple(box for box in self.mailboxes if compute_hash_prefix(box.id) < middle)
        second = tuple(box for box in self.mailboxes if compute_hash_prefix(box.id) >= middle)
        yield MailboxRange(self.low, middle, first, self.is_first)
        yield MailboxRange(middle, self.high, second)


@dataclass(slots=True)
class MailboxIndex:
    """The mailboxes to inspect, about 75 bytes each."""

    open_case_ids: frozenset[str] = frozenset()
    """The objects with an open case."""
    sources: frozenset[str] = frozenset()
    """Every data source that is read per mailbox."""
    shared_sources: frozenset[str] = frozenset()
    """Those of them that tell of the organization."""
    rows: PackedRows = field(default_factory=PackedRows)
    """One row per mailbox, in listing order."""
    ids: PackedIdPairs = field(default_factory=PackedIdPairs)
    """The id and the guid of each row."""
    kinds: dict[str, int] = field(default_factory=dict)
    """The kinds of mailboxes, which rows know by number."""
    present_ids: set[str] = field(default_factory=set)
    """Those of `open_case_ids` to inspect: a case of any other object has ended."""
    failures: tuple[ReadFailure, ...] = ()
    """The failures of the listing."""
    population: int = 0
    """The number of listed mailboxes, those not to inspect included."""
    complete: bool = True
    """Whether the listing reached its end."""
    next_position: int = 0
    """The row to continue with in listing order."""

    def add_page(self, page: MailboxPage) -> None:
        """Take in a page of the listing."""
        listed = page.mailboxes
        self.shared_sources |= page.shared_sources
        self.population += listed.population
        self.complete = self.complete and listed.complete
        self.failures += listed.failures
        boxes = [box for box in listed.items if box.kind not in page.excluded_kinds]
        self.ids.extend([(box.id, box.guid) for box in boxes])
        self.present_ids |= self.open_case_ids.intersection(box.id for box in boxes)
        for box in boxes:
            kind_number = self.kinds.setdefault(box.kind, len(self.kinds))
            row = (box.address or box.name, kind_number, box.has_account, box.quota_bytes)
            self.rows.append(PACKER.encode(row))

    def take_listed_range(
        self, size: int = RANGE_SIZE, *, last: bool = False
    ) -> MailboxRange | None:
        """The next mailboxes in listing order; fewer than `size` only at the end."""
        start, end = self.next_position, min(self.next_position + size, len(self.rows))
        if start == end or (end - start < size and not last):
            return None
        self.next_position = end
        return MailboxRange("", "", self.unpack_rows(range(start, end)), is_first=start == 0)

    def build_listing_reading(self, other_ids: Iterable[str] = ()) -> Reading[Mailbox]:
        """What the listing itself shows: which mailboxes are gone, and which could not be
        listed.

        It says nothing of `other_ids`, which are no mailboxes'.
        """
        return Reading(
            failures=self.failures,
            sources=self.sources,
            population=max(self.population - len(self.rows), 0),
            complete=self.complete,
            scope=AllExcept(frozenset(self.present_ids).union(other_ids)),
        )

    def iter_ranges(
        self, after: str = RANGE_START, size: int = RANGE_SIZE, first_size: int = 0
    ) -> Iterator[MailboxRange]:
        """The index from a hash prefix on, in adjacent key ranges of about `size` mailboxes.

        With a `first_size` the first of them is cut into smaller ones, of which the first has about
        as many. Mailboxes with the same prefix stay together. An index without mailboxes is one
        empty range.
        """
        order = self.sort_rows(after)
        start, low, counts = 0, after, iter_range_sizes(size, first_size)
        while True:
            end = start + next(counts)
            while end < len(order) and get_prefix(order[end]) == get_prefix(order[end - 1]):
                end += 1
            high = get_prefix(order[end]) if end < len(order) else RANGE_END
            numbers = [place & ((1 << NUMBER_BITS) - 1) for place in order[start:end]]
            boxes = self.unpack_rows(numbers)
            yield MailboxRange(low, high, boxes, is_first=low == RANGE_START)
            if high == RANGE_END:
                return
            start, low = end, high

    def sort_rows(self, after: str) -> "array[int]":
        """The places of the mailboxes from a hash prefix on, in order: prefix, then number."""
        places = (
            (int(prefix, 16) << NUMBER_BITS) + number
            for numbers in batched(range(len(self.rows)), RANGE_SIZE, strict=False)
            for number, (mailbox_id, _) in zip(numbers, self.ids.read_each(numbers), strict=True)
            if (prefix := compute_hash_prefix(mailbox_id)) >= after
        )
        return array("Q", sorted(places))

    def unpack_rows(self, numbers: Sequence[int]) -> tuple[Mailbox, ...]:
        """The mailboxes of some rows, each once."""
        kinds, boxes = list(self.kinds), dict[str, Mailbox]()
        rows = map(UNPACKER.decode, self.rows.read_each(numbers))
        for (mailbox_id, guid), kept in zip(self.ids.read_each(numbers), rows, strict=True):
            boxes[mailbox_id] = Mailbox(
                mailbox_id,
                guid,
                kept.address,
                kind=kinds[kept.kind_number],
                has_account=kept.has_account,
                quota_bytes=kept.quota_bytes,
            )
        return tuple(boxes.values())


def get_prefix(place: int) -> str:
    """The hash prefix of a place in the order."""
    return f"{place >> NUMBER_BITS:0{PREFIX_LENGTH}x}"


def iter_range_sizes(size: int, first_size: int) -> Iterator[int]:
    """How many mailboxes each range has: in a first one that is cut up, ever more of them."""
    count, left = first_size or size, size
    while left > 0:
        yield min(count, left)
        left -= count
        count *= 2
    while True:
        yield size


def select_between_checks(
    owners: Iterable[Mailbox], open_case_ids: Container[str]
) -> list[Mailbox]:
    """The mailboxes of a range to read although the check is not due: those with an open case."""
    return [owner for owner in owners if owner.id in open_case_ids][:BETWEEN_CHECKS_LIMIT]


def mailbox_to_row(mailbox: Mailbox) -> str:
    """A mailbox as a row of a message: its hash prefix, then JSON of what inspecting it needs."""
    kept = IndexedMailbox(
        mailbox.id,
        mailbox.guid,
        mailbox.address or mailbox.name,
        mailbox.kind,
        mailbox.has_account,
        mailbox.quota_bytes,
    )
    return compute_hash_prefix(mailbox.id) + ENCODER.encode(kept).decode()


def parse_mailbox_rows(rows: Iterable[str]) -> tuple[Mailbox, ...]:
    """The mailboxes of some rows, each once. Raises ValueError for anything else."""
    try:
        kept = {row.id: row for row in (DECODER.decode(text[PREFIX_LENGTH:]) for text in rows)}
    except msgspec.DecodeError as error:
        raise ValueError("not a row of the mailbox index") from error
    return tuple(
        Mailbox(
            row.id,
            row.guid,
            row.address,
            kind=row.kind,
            has_account=row.has_account,
            quota_bytes=row.quota_bytes,
        )
        for row in kept.values()
    )
