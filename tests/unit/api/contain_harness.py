"""The API of an app that may contain accounts, and the worker that processes its requests."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.config.settings import Settings
from core.containment.story import process_containments
from core.jobs.containment_news import tell_containments
from core.notifications.run_cards import build_cards
from core.ports import World
from tests.support.containment_stage import MIA, build_tenant, judge
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.tenant import FakeTenant
from tests.unit.api.harness import SAMPLES, WHO_AND_WHY, ApiHarness


@dataclass
class ContainApi(ApiHarness):
    """The API of an app that may contain accounts."""

    environ: dict[str, str] = field(default_factory=lambda: {"CONTAINMENT_MODE": "enforce"})
    tenant: FakeTenant = field(default_factory=build_tenant)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.channel = FakeNotificationChannel()

    async def process(self) -> None:
        """The worker takes what waits."""
        settings = Settings.read({**SAMPLES, **self.environ})

        async def sleep(seconds: float) -> None:
            self.clock.advance(seconds=seconds)

        world = World(self.tenant, self.ledger, self.channel, self.clock, build_cards, sleep=sleep)
        await process_containments(world, settings.containment, judge, "run-1", tell_containments)
        self.clock.advance(seconds=5)

    async def ask(self, action: str, account: str = MIA, **body: str) -> tuple[int, Any]:
        """Ask for something about an account: the status, and what was accepted."""
        fields = {**WHO_AND_WHY, **body}
        answer = await self.post(f"request-{action}", fields, account=account)
        return answer.status, json.loads(answer.body)

    async def result(self, action: str, account: str = MIA, **body: str) -> Mapping[str, Any]:
        """Ask, let it be processed, and read the result."""
        status, accepted = await self.ask(action, account, **body)
        assert status == 202, accepted
        self.clock.advance(seconds=1)
        await self.process()
        answer = await self.get("account-request-report", request=accepted["request"])
        found: Mapping[str, Any] = json.loads(answer.body)
        return found

    async def latest(self) -> Mapping[str, Any]:
        """The latest containment."""
        answer = await self.get("containments-json")
        found: Mapping[str, Any] = json.loads(answer.body)["containments"][0]
        return found

    async def plan(self, account: str = MIA, steps: str = "") -> Mapping[str, Any]:
        """A plan as the API shows it."""
        await self.result("containment", account, **({"steps": steps} if steps else {}))
        return await self.latest()

    def picture(self) -> Any:
        """All of the tenant that containing an account can touch, but for sessions."""
        tenant = self.tenant
        return copy.deepcopy(
            (
                [(user.id, user.enabled) for user in tenant.users],
                tenant.boxes,
                tenant.rules,
                tenant.exchange_rules,
                tenant.devices,
                tenant.client_switches,
            )
        )
