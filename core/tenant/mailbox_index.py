"""A compact, stably ordered index of the tenant's mailboxes.

What is read per mailbox is read in key ranges of this index. A run that gets through all mailboxes
takes them in listing order. If it does not, or if several workers share the scan, the index is
ordered by hash prefix (`core.keys`): a range is then the same range of the index, of the state
table and of the progress, in whatever order Exchange listed the mailboxes.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from core.keys import PREFIX_LENGTH, RANGE_END, RANGE_START, compute_hash_prefix
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import AllExcept, ReadFailure, Reading

RANGE_SIZE = 500
"""Mailboxes in a key range: what is in memory at a time, and the size of a shard."""

BETWEEN_CHECKS_LIMIT = 100
"""The most mailboxes of a range that are read for a periodic check that is not due."""


class IndexedMailbox(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """What the index keeps of a mailbox: a JSON array."""

    id: str
    guid: str
    address: str
    kind: str
    has_account: bool
    quota_bytes: int | None


ENCODER, DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(IndexedMailbox)


@dataclass(frozen=True, slots=True)
class MailboxPage:
    """A page of the listing of mailboxes to inspect one by one."""

    mailboxes: Reading[Mailbox]
    sources: frozenset[str]
    """Every data source that is read per mailbox."""
    excluded_kinds: tuple[str, ...] = ()
    """The kinds of mailboxes that are counted and not inspected."""


@dataclass(frozen=True, slots=True)
class MailboxRange:
    """A key range of the index: every mailbox with a hash prefix from `low` up to, not including,
    `high`.

    Both are empty for mailboxes in listing order, which form no range.
    """

    low: str
    high: str
    mailboxes: tuple[Mailbox, ...]

    def halve(self) -> "Iterator[MailboxRange]":
        """The range as two, cut between hash prefixes."""
        middle = compute_hash_prefix(self.mailboxes[len(self.mailboxes) // 2].id)
        first = tuple(box for box in self.mailboxes if compute_hash_prefix(box.id) < middle)
        second = tuple(box for box in self.mailboxes if compute_hash_prefix(box.id) >= middle)
        yield MailboxRange(self.low, middle, first)
        yield MailboxRange(middle, self.high, second)


@dataclass(slots=True)
class MailboxIndex:
    """The mailboxes to inspect, about 200 bytes each."""

    open_case_ids: frozenset[str] = frozenset()
    """The objects with an open case."""
    sources: frozenset[str] = frozenset()
    """Every data source that is read per mailbox."""
    rows: list[str] = field(default_factory=list)
    """One row per mailbox: its hash prefix, then JSON."""
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
        self.population += listed.population
        self.complete = self.complete and listed.complete
        self.failures += listed.failures
        for mailbox in listed.items:
            if mailbox.kind in page.excluded_kinds:
                continue
            if mailbox.id in self.open_case_ids:
                self.present_ids.add(mailbox.id)
            self.rows.append(mailbox_to_row(mailbox))

    def take_listed_range(
        self, size: int = RANGE_SIZE, *, last: bool = False
    ) -> MailboxRange | None:
        """The next mailboxes in listing order; fewer than `size` only at the end."""
        rows = self.rows[self.next_position : self.next_position + size]
        if not rows or (len(rows) < size and not last):
            return None
        self.next_position += len(rows)
        return MailboxRange("", "", parse_mailbox_rows(rows))

    def build_listing_reading(self) -> Reading[Mailbox]:
        """What the listing itself shows: which mailboxes are gone, and which could not be
        listed.
        """
        return Reading(
            failures=self.failures,
            sources=self.sources,
            population=max(self.population - len(self.rows), 0),
            complete=self.complete,
            scope=AllExcept(frozenset(self.present_ids)),
        )

    def iter_ranges(
        self, after: str = RANGE_START, size: int = RANGE_SIZE, first_size: int = 0
    ) -> Iterator[MailboxRange]:
        """The index from a hash prefix on, in adjacent key ranges of about `size` mailboxes.

        With a `first_size` the first of them is cut into smaller ones, of which the first has about
        as many. Mailboxes with the same prefix stay together. An index without mailboxes is one
        empty range.
        """
        self.rows.sort()
        rows = [entry for entry in self.rows if entry >= after] if after else self.rows
        start, low, counts = 0, after, iter_range_sizes(size, first_size)
        while True:
            end = start + next(counts)
            while (
                0 < end < len(rows) and rows[end][:PREFIX_LENGTH] == rows[end - 1][:PREFIX_LENGTH]
            ):
                end += 1
            high = rows[end][:PREFIX_LENGTH] if end < len(rows) else RANGE_END
            yield MailboxRange(low, high, parse_mailbox_rows(rows[start:end]))
            if high == RANGE_END:
                return
            start, low = end, high


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
    """A mailbox as a row of the index: its hash prefix, then JSON of what inspecting it needs."""
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
