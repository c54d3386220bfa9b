"""A tenant over HTTP in which an account was taken, a ledger in memory, and what operators ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from core.config.catalog import CATALOG
from core.containment.options import ContainmentOptions
from core.jobs.containment import process_account_requests
from core.keys import format_descending_time
from core.model.containment import Containment
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind
from core.notifications.run_cards import build_cards
from core.ports import CONTAINMENT_PARTITION, World
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.http_recorder import PERSON, Connection

NOW = datetime.now(UTC)
ENFORCE = ContainmentOptions(mode=Mode.ENFORCE)


def ago(**period: float) -> str:
    """A time before now, as Graph prints it."""
    return f"{NOW - timedelta(**period):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Stage:
    """A tenant over HTTP, a ledger in memory, and what operators ask."""

    connection: Connection
    options: ContainmentOptions = ENFORCE
    clock: Clock = field(default_factory=lambda: Clock(NOW))
    count: int = 0
    searches: bool = False

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.channel = FakeNotificationChannel()

    async def ask(self, kind: RequestKind = RequestKind.CONTAIN, **more: Any) -> OperatorRequest:
        """Somebody asks for something about Ann, and it is processed."""
        self.count += 1
        number = f"{format_descending_time(self.clock())}-{self.count:08x}"
        fields = {"subject": PERSON, "requested_by": "Bob", "reason": "she clicked", **more}
        request = OperatorRequest(number, kind, at=self.clock(), **fields)
        await self.ledger.add_request(CONTAINMENT_PARTITION, request)
        world = World(
            self.connection.tenant,
            self.ledger,
            self.channel,
            self.clock,
            build_cards,
            sleep=self.connection.clock.sleep,
            searches_audit_log=self.searches,
        )
        await process_account_requests(world, self.options, CATALOG, number)
        done = await self.ledger.get_request(CONTAINMENT_PARTITION, number)
        assert done
        return done

    async def get_latest(self) -> Containment:
        return (await self.ledger.load_containments()).containments[0]

    @property
    def user(self) -> Mapping[str, Any]:
        user: Mapping[str, Any] = self.connection.sandbox.tenant.graph["users"][0]
        return dict(user)

    @property
    def box(self) -> Mapping[str, Any]:
        box: Mapping[str, Any] = self.connection.sandbox.tenant.exchange["Get-Mailbox"][0]
        return dict(box)

    @property
    def rules(self) -> dict[str, bool]:
        rows = self.connection.sandbox.tenant.graph["messageRules"][PERSON]
        return {row["id"]: row["isEnabled"] for row in rows}
