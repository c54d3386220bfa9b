"""The API over a ledger in memory, and cases to ask it about."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from core.api.authentication import KEY_HOLDER, Caller
from core.api.request import HttpRequest, HttpResponse
from core.api.routes import ROUTES
from core.api.server import dispatch_request
from core.config.settings import Settings, list_settings
from core.keys import build_object_key, hash_parts
from core.model.cases import Case
from core.model.findings import Fact
from core.model.requests import OperatorRequest
from tests.support.cases import build_case
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import DAY, FakeLedger

GUARD = "mailbox-audit"
ROUTE = {route.name: route for route in ROUTES}
SAMPLES = {entry.name: entry.sample_text for entry in list_settings()}
PLAN = hash_parts("a plan")
WHO_AND_WHY = {"who": "Dana", "why": "because"}
JSON_HEADERS = {"content-type": "application/json"}
ANN = Caller("Ann (1234)", "Ann", is_operator=True)
"""An operator who signed in with a browser."""


def encode_form(fields: Iterable[tuple[str, str]], **headers: str) -> HttpRequest:
    """A form as a browser on a page of the app sends it."""
    named = {
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return HttpRequest(headers=named, body=urlencode(list(fields)).encode())


@dataclass
class ApiHarness:
    """The API over a ledger in memory, used with the function key."""

    clock: Clock = field(default_factory=Clock)
    environ: dict[str, str] = field(default_factory=dict)
    caller: Caller = field(default_factory=lambda: Caller(KEY_HOLDER))

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)

    async def post(
        self, name: str, body: Any = WHO_AND_WHY, guard: str = GUARD, **path: str
    ) -> HttpResponse:
        """One POST request with a JSON body."""
        request = HttpRequest(
            path_parameters={"guard": guard, **path},
            headers=JSON_HEADERS,
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        return await self.send(name, request)

    async def get(
        self, name: str, query: Mapping[str, str] | None = None, **path: str
    ) -> HttpResponse:
        """One GET request."""
        return await self.send(
            name, HttpRequest(path_parameters={"guard": GUARD, **path}, query=query or {})
        )

    async def send(self, name: str, request: HttpRequest) -> HttpResponse:
        settings = Settings.read({**SAMPLES, **self.environ})
        return await dispatch_request(
            ROUTE[name], request, settings, self.ledger, self.caller, self.clock()
        )

    async def list_requests(self, guard: str = GUARD) -> tuple[OperatorRequest, ...]:
        return (await self.ledger.load(guard)).operator_requests


def build_audit_case(number: int = 1, **changes: Any) -> Case:
    """A case of a mailbox."""
    case = build_case(
        number,
        key=build_object_key(f"m{number}", "audit"),
        kind="audit-off",
        subject=f"m{number}@contoso.com",
        guard_verdict="repair",
        verdict="repair",
        summary="Nothing is audited.",
        opened_at=START - DAY,
        notified_at=START - DAY,
        facts=(Fact("", "AuditEnabled is false"),),
    )
    return replace(case, **changes)


async def save_cases(api: ApiHarness, *cases: Case) -> None:
    """Put cases into the ledger."""
    async with api.ledger.claim(GUARD, "a run") as claim:
        assert claim
        await claim.save(*cases)
