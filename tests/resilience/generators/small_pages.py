"""A tenant that lists everything in small pages, and the ways in which a page may be missing.

What is wrong in it was there at the first look, or came with an attacker's steps after that.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from core.engine.self_findings import SELF_CHECK_KINDS
from core.model.guards import GuardConfig
from core.model.runs import RunReport
from sandbox.faults.throttling import ThrottleLimit
from sandbox.graph.api import Graph
from sandbox.http_types import HttpRequest, HttpResponse
from sandbox.scenes.attack_steps import build_aftermath, build_rule_step
from sandbox.scenes.build import resolve_dates
from sandbox.server import SimulatedService
from tests.resilience.generators.large_tenants import REFUSED_IN_EVERY_WAY
from tests.resilience.generators.staged import (
    AdapterHarness,
    RecordingSandbox,
    build_neglected_scene,
    get_object_cases,
    open_harness,
)
from tests.support.fakes.clock import SleepClock

type Known = Mapping[str, tuple[str, str, str]]

EXCHANGE_ROWS, GRAPH_ROWS = 12, 5
"""So few rows that most listings of the tenant have several pages."""
REFUSED_EVERYWHERE: Mapping[str, Any] = {
    **REFUSED_IN_EVERY_WAY,
    "exchange-one-answer": {"side": "cut", "size": 1},
    "exchange-slice-filters": "refused",
}
"""Exchange goes on with no listing of two objects or more, whatever it is asked for."""
NEXT_PAGE = {"service": "graph", "match": r"skiptoken|\$skip="}
GRAPH_REFUSALS: Mapping[str, Mapping[str, Any]] = {
    "refused": {**NEXT_PAGE, "kind": "error", "status": 400},
    "refused after a page": {**NEXT_PAGE, "kind": "error", "status": 400, "skip": 1},
    "a link for ever": {**NEXT_PAGE, "kind": "loop"},
    "timed out": {**NEXT_PAGE, "kind": "error", "status": 504},
}
"""What Graph may answer to each request for a next page."""
CUT_WITHOUT_A_WORD: Mapping[str, Any] = {
    **NEXT_PAGE,
    "match": r"^GET /v1.0/(?!directory/deletedItems|auditLogs).*skiptoken",
    "kind": "wrongBody",
    "body": {"value": []},
}
"""Nothing shows that a page is missing but the length of the listing. Of logs and the recycle bin
nobody knows how long they should be: what they no longer show is over.
"""


class SmallPageSandbox(RecordingSandbox):
    """A tenant whose Graph serves pages of five rows where it would serve a hundred or more.

    `continuations` counts the next pages that each service was asked for, and `continued_paths` are
    those of Graph. With `is_cut_everywhere` it serves single rows, also where no size was asked
    for. Its audit log takes any number of requests, since time stands still between them.
    """

    def __init__(self, scene: Mapping[str, object], timer: SleepClock) -> None:
        super().__init__(scene, timer)
        self.continuations = Counter[str]()
        self.continued_paths: set[str] = set()
        self.is_cut_everywhere = False

    async def serve_request(self, service: SimulatedService, call: HttpRequest) -> HttpResponse:
        if isinstance(service, Graph):
            service.audit_limit = ThrottleLimit(window=10.0, max_requests=1_000)
        if service.name == "graph" and "$top" in call.query:
            rows = 1 if self.is_cut_everywhere else GRAPH_ROWS
            call = replace(call, query={**call.query, "$top": str(rows)})
        elif self.is_cut_everywhere and isinstance(service, Graph) and call.method == "GET":
            call = replace(call, query={**call.query, "$top": "1"})
        is_next = "$skiptoken" in call.query or "$skip" in call.query
        self.continuations[service.name] += is_next
        if is_next and isinstance(service, Graph):
            self.continued_paths.add(call.path)
        return await super().serve_request(service, call)


def attack(stage: AdapterHarness, guard: str, now: datetime) -> None:
    """Make the attacker's steps that a guard detects, dated from a time."""
    tenant = stage.sandbox.tenant
    for step in (build_rule_step(tenant.scene), *build_aftermath(tenant.scene)):
        if step.guard == guard:
            edits = [resolve_dates(edit, now) for edit in step.edits]
            tenant.apply_patch({"edit": edits})


@asynccontextmanager
async def open_small_pages(
    config: GuardConfig,
) -> AsyncIterator[tuple[AdapterHarness, SmallPageSandbox]]:
    """A guard on the neglected tenant, which lists everything in small pages. Its runs follow each
    other so closely that nothing in it is over for its age.
    """
    neglected = build_neglected_scene()
    async with open_harness(neglected, config, sandbox_type=SmallPageSandbox) as stage:
        assert isinstance(stage.sandbox, SmallPageSandbox)
        stage.page_size, stage.hours_apart = EXCHANGE_ROWS, 0.25
        yield stage, stage.sandbox


async def describe_cases(stage: AdapterHarness) -> Known:
    """What is open about objects, in words."""
    return {
        key: (case.summary, case.verdict, case.severity.name)
        for key, case in (await get_object_cases(stage)).items()
    }


def list_told(report: RunReport) -> list[str]:
    """What a run tells of objects: what came, and what is over."""
    return [
        case.summary
        for case in report.notifications
        if case.kind not in SELF_CHECK_KINDS and case.kind != "unreadable"
    ]
