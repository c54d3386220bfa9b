"""All mailboxes of a tenant in as little memory as they need, in an order that does not change.

What has to be asked mailbox by mailbox is asked in slices of this roll: as they are listed, while a
run gets through with all of them. Where it does not, or where several share the work, the roll is
ordered by place (`core.keys`), so that a slice is the same stretch of the roll, of the state table
and of the progress made, whatever order Exchange listed the mailboxes in.
"""

import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from core.keys import PREFIX_LENGTH, RANGE_END, RANGE_START, compute_hash_prefix
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import AllExcept, ReadFailure, Reading

RANGE_SIZE = 500
"""Mailboxes in a slice: what is in memory at a time, and what a shard is."""

BETWEEN_CHECKS_LIMIT = 100
"""So many mailboxes of a slice are asked between sweeps about what is swept."""


@dataclass(frozen=True, slots=True)
class MailboxPage:
    """A page of the listing of mailboxes that are to be looked into one by one.

    `surfaces` are all that is ever read of a mailbox; kinds that are `left_out` only count.
    """

    mailboxes: Reading[Mailbox]
    sources: frozenset[str]
    excluded_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MailboxRange:
    """A stretch of the roll: every mailbox whose place is `low` or above, and below `high`.

    Both are empty for mailboxes as they were listed, which are no stretch of anything.
    """

    low: str
    high: str
    mailboxes: tuple[Mailbox, ...]


@dataclass(slots=True)
class MailboxIndex:
    """The mailboxes to look into, about 200 bytes each.

    `population` counts all that were listed, also those nobody needs to look into; `unread` and
    `complete` say what became of the listing; `present` are those to look into among `watched`: a
    case of any other, also of one that is left out, is over.
    `surfaces` are all that is ever read of a mailbox.
    """

    open_case_ids: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    rows: list[str] = field(default_factory=list)
    present_ids: set[str] = field(default_factory=set)
    failures: tuple[ReadFailure, ...] = ()
    population: int = 0
    complete: bool = True
    next_position: int = 0

    def add_page(self, page: MailboxPage) -> None:
        """Take a page of the listing."""
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
        """The next mailboxes as they were listed; fewer than `size` only when there are no more."""
        rows = self.rows[self.next_position : self.next_position + size]
        if not rows or (len(rows) < size and not last):
            return None
        self.next_position += len(rows)
        return MailboxRange("", "", parse_mailbox_rows(rows))

    def build_listing_reading(self) -> Reading[Mailbox]:
        """What the listing itself tells: who is no longer there, and what could not be listed."""
        return Reading(
            failures=self.failures,
            sources=self.sources,
            population=max(self.population - len(self.rows), 0),
            complete=self.complete,
            scope=AllExcept(frozenset(self.present_ids)),
        )

    def iter_ranges(
        self, after: str = RANGE_START, size: int = RANGE_SIZE
    ) -> Iterator[MailboxRange]:
        """The roll from a place on, cut in slices of about `size`, together without a gap.

        Mailboxes of one place stay together. A roll without mailboxes is one empty slice.
        """
        self.rows.sort()
        rows = [entry for entry in self.rows if entry >= after] if after else self.rows
        start, low = 0, after
        while True:
            end = start + size
            while (
                0 < end < len(rows) and rows[end][:PREFIX_LENGTH] == rows[end - 1][:PREFIX_LENGTH]
            ):
                end += 1
            high = rows[end][:PREFIX_LENGTH] if end < len(rows) else RANGE_END
            yield MailboxRange(low, high, parse_mailbox_rows(rows[start:end]))
            if high == RANGE_END:
                return
            start, low = end, high


def select_between_checks(
    owners: Iterable[Mailbox], open_case_ids: Container[str]
) -> list[Mailbox]:
    """Those of a slice that are asked although no sweep is due: they have an open case."""
    return [owner for owner in owners if owner.id in open_case_ids][:BETWEEN_CHECKS_LIMIT]


def mailbox_to_row(mailbox: Mailbox) -> str:
    """A mailbox as the roll keeps it: its place, then JSON of what looking into it takes."""
    kept = [
        mailbox.id,
        mailbox.guid,
        mailbox.address or mailbox.name,
        mailbox.kind,
        int(mailbox.has_account),
    ]
    return compute_hash_prefix(mailbox.id) + json.dumps(
        kept, separators=(",", ":"), ensure_ascii=False
    )


def parse_mailbox_rows(rows: Iterable[str]) -> tuple[Mailbox, ...]:
    """The mailboxes of some rows, each once. Raises ValueError for what is no row."""
    found: dict[str, Mailbox] = {}
    for entry in rows:
        object_id, guid, address, kind, has_account = json.loads(entry[PREFIX_LENGTH:])
        if not all(isinstance(part, str) for part in (object_id, guid, address, kind)):
            raise ValueError("not a row of the roll")
        found[object_id] = Mailbox(
            object_id, guid, address, kind=kind, has_account=bool(has_account)
        )
    return tuple(found.values())
