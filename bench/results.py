"""Measurements: one per client, tenant and occasion, all of one benchmark run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.meter import Cost
from core.config.catalog import CATALOG
from core.guards.mailbox_audit import guard as mailbox_audit
from core.guards.mailbox_forwarding import guard as mailbox_forwarding
from core.microsoft365.exchange_listings import find_cmdlet_listing
from core.tenant.sources import FOLDER_RIGHTS, FULL_ACCESS, OWN_ADD_INS
from sandbox.reality.profile import CONTRARY, DEFAULT_PROFILE

# The occasions of a guard's run.
FIRST_RUN = "first run"
NO_CHANGE = "no change"
NEW_FORWARD = "a new forward"
FOLDER_RULES = "folders"
FIRST_CRITICAL = "hidden forwards at a first look"
RATE_LIMITED = "a limit a second"
CONCURRENCY_LIMITED = "a limit at once"
# The occasions of a reading of the audit logs, besides a first one and an ordinary one.
NO_NEWS, THREE_ACTS = "no news", "records of three acts"
# The occasion of a sweep over all mailboxes, and what each of them reads. On its first day nobody
# knows yet which folders are Inboxes; on another day one mailbox in thirty is asked.
SWEEP = "sweep"
SWEEPS: Mapping[str, str] = {
    FULL_ACCESS: FULL_ACCESS,
    f"{FOLDER_RIGHTS}, first day": FOLDER_RIGHTS,
    FOLDER_RIGHTS: FOLDER_RIGHTS,
    OWN_ADD_INS: OWN_ADD_INS,
}
# The profiles of the sandbox whose tenants are compared: what an occasion ends in, if in anything.
COMPARED_PROFILES = (DEFAULT_PROFILE, CONTRARY)
# How much a baseline reads.
SAMPLE_READ = "sample"
FULL_READ = "all"

# What a way of listing reads.
LISTING = "listing"
# The baselines; guards go by their names.
GUARDS = tuple(duty.guard.name for duty in CATALOG)
FORWARDING = mailbox_forwarding.GUARD.name
# Those whose cost grows with every mailbox, and is compared with that of the bare clients.
SCANS = (FORWARDING, mailbox_audit.GUARD.name)
# A way of listing goes by the name of its cmdlet and its own; that of one command per object is
# measured where it is used.
LISTINGS = tuple(
    f"{cmdlet} by {way}"
    for cmdlet in ("Get-Mailbox", "Get-RecipientPermission")
    for way in find_cmdlet_listing(cmdlet).ways
)
# Slices where no date tells mailboxes apart, in a tenant of their own.
SLICES_BY_NAME = "Get-Mailbox by slices of names"
SDK_LOOP, SDK_GATHER, BARE_CLIENT = "loop", "gather", "floor"
# A bare client that asks what a first look asks.
BARE_FIRST_LOOK = "floor of a first look"
# One reading of the audit logs, without mailbox-forwarding.
FEED = "audit logs"


def name_compared(occasion: str, profile: str) -> str:
    """The name of an occasion in a tenant of one of the compared profiles."""
    return f"{occasion}, {profile}"


def is_compared(occasion: str) -> bool:
    """True for the name of an occasion in a tenant of one of the compared profiles."""
    return occasion.rpartition(", ")[2] in COMPARED_PROFILES


@dataclass(frozen=True, slots=True)
class Measurement:
    """One client's work, measured in a process of its own.

    `client` is a guard's name, a way of listing, what a sweep reads, or a baseline. `read`
    mailboxes were read in a tenant of `mailboxes`. `requests` are the tenant's, by service, with
    "/inner" for those inside a `$batch`. `tables` are the storage's: requests, rows read by key or
    query, rows written.
    `card_seconds` is when the first card arrived, `lost` the number of mailboxes that stayed
    unread, `open_cases` that of the guard's cases after its run.
    """

    client: str
    occasion: str
    mailboxes: int
    read: int
    cost: Cost
    server_cpu_seconds: float
    requests: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)
    card_seconds: float | None = None
    lost: int = 0
    note: str = ""
    open_cases: int = 0

    @property
    def listed_by(self) -> tuple[str, str]:
        """The cmdlet and the way of a measured listing."""
        cmdlet, _, way = self.client.partition(" by ")
        return cmdlet, way

    @property
    def subject(self) -> tuple[str, str, int]:
        """What was measured: a client, on an occasion, in a tenant of some size."""
        return self.client, self.occasion, self.mailboxes

    @property
    def speed(self) -> float:
        """Mailboxes per second."""
        return self.read / self.cost.seconds

    @property
    def cpu_ms(self) -> float:
        """The client's CPU milliseconds per mailbox."""
        return 1000 * self.cost.cpu_seconds / self.read

    @property
    def server_share(self) -> float:
        """The simulated tenant's share of one core. Near 1, the tenant was the bottleneck."""
        return self.server_cpu_seconds / self.cost.seconds

    @property
    def posts(self) -> int:
        """The HTTP requests to Graph, Exchange and the Management Activity API."""
        return sum(self.requests.get(name, 0) for name in ("graph", "exchange", "activity"))

    @property
    def inner(self) -> int:
        """The requests inside batches, each of which counts against Microsoft's limits."""
        return self.requests.get("graph/inner", 0) + self.requests.get("exchange/inner", 0)


@dataclass(frozen=True, slots=True)
class Results:
    """All measurements of a benchmark run and its set-up."""

    machine: Mapping[str, str]
    latency_ms: float
    in_flight: int
    rows: tuple[Measurement, ...]

    def find(self, client: str, occasion: str, mailboxes: int) -> Measurement | None:
        """Finds the measurement of a client on an occasion in a tenant of that size."""
        for row in self.rows:
            if row.subject == (client, occasion, mailboxes):
                return row
        return None

    def replace_rows(self, newer: Sequence[Measurement]) -> "Results":
        """The results with newer measurements in the places of those of the same; the others come
        last.
        """
        fresh = {row.subject: row for row in newer}
        kept = [fresh.pop(row.subject, row) for row in self.rows]
        return replace(self, rows=(*kept, *fresh.values()))

    @property
    def sizes(self) -> list[int]:
        """The sizes of tenants, smallest first, but for those where only profiles are compared."""
        return sorted({row.mailboxes for row in self.rows if not is_compared(row.occasion)})

    @property
    def compared_sizes(self) -> list[int]:
        """The sizes of tenants in which profiles are compared, smallest first."""
        return sorted({row.mailboxes for row in self.rows if is_compared(row.occasion)})


def save_results(results: Results, path: Path) -> None:
    """Writes results as readable JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def load_results(path: Path) -> Results:
    """Reads what `save_results` wrote."""
    wire: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(Measurement(**{**row, "cost": Cost(**row["cost"])}) for row in wire.pop("rows"))
    return Results(**wire, rows=rows)
