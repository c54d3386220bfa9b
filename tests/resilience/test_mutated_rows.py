"""One property of one row says something odd: a guard says so, or tells what it told before.

Of every guard a few such properties are tried, each time the same; `EXOGUARD_MUTATIONS` is how
many, and `EXOGUARD_MUTATION_SEED` chooses others. Whatever the guard, a person expects the same:
its run ends; what was told of an object is still told, or the object counts as unread; of other
objects nothing is lost; no change is planned that was not.
"""

import json
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import pytest

from core.adapters.exchange.way_memory import WayMemory
from core.config.catalog import CATALOG
from core.model.cases import Case
from core.model.findings import Verdict
from core.model.guards import GuardConfig
from sandbox.faults.throttling import ThrottleLimit
from tests.resilience.generators.mutated_rows import MutatingService, Mutation, list_mutations
from tests.resilience.generators.small_pages import attack
from tests.resilience.generators.staged import (
    AdapterHarness,
    build_neglected_scene,
    get_object_cases,
    open_harness,
)
from tests.support.fakes.ledger import FakeLedger

type Cases = Mapping[str, Case]

COUNT = int(os.environ.get("EXOGUARD_MUTATIONS", "2"))
SEED = int(os.environ.get("EXOGUARD_MUTATION_SEED", "1"))
ANY = frozenset[str]()
"""Whatever is odd about it."""
HARMLESS: Mapping[tuple[str, str], frozenset[str]] = {
    # No policy lets users consent.
    ("authorizationPolicy", "permissionGrantPoliciesAssigned"): frozenset({"an empty list"}),
    # The mailbox does as the organization does.
    ("Get-CASMailbox", "SmtpClientAuthenticationDisabled"): frozenset({"null", "empty"}),
    # A licence of which nothing is known is not known to be needless, nor is one that a setting may
    # need that is not known.
    ("/users/{id}", "assignedPlans"): ANY,
    ("Get-Mailbox", "InPlaceHolds"): ANY,
    ("Get-Mailbox", "ArchiveGuid"): ANY,
    ("Get-Mailbox", "ArchiveStatus"): ANY,
}
"""What makes a thing harmless in plain sight: the end of a command, a property, and the ways."""
REPAIRED = frozenset(("AuditAdmin", "AuditDelegate", "AuditOwner", "DefaultAuditSet"))
"""What is not what Microsoft sets, whatever it is, and is set back to that."""


@dataclass
class Stage:
    """A guard on a tenant that it knows, in which something is wrong."""

    harness: AdapterHarness
    services: tuple[MutatingService, ...]
    known: Cases
    memory: Mapping[str, Any]
    began_at: datetime

    def list_mutations(self) -> list[tuple[MutatingService, Mutation]]:
        """Every mutation of a row, of those alike that of a row that a case is about."""
        words = {
            word.casefold()
            for case in self.known.values()
            for word in (case.object_id, case.subject)
            if len(word) > 3
        }
        chosen: dict[tuple[str, tuple[str, ...], str], tuple[int, MutatingService, Mutation]] = {}
        for service in self.services:
            for (command, identity), row in service.seen.items():
                text = json.dumps(row, default=str).casefold()
                weight = sum(word in text for word in words)
                for one in list_mutations(command, identity, row):
                    key = (command, one.path, one.kind)
                    if key not in chosen or chosen[key][0] < weight:
                        chosen[key] = (weight, service, one)
        return [(service, one) for _, service, one in chosen.values()]

    async def try_mutation(self, service: MutatingService, mutation: Mutation) -> Iterator[str]:
        """What goes wrong when the guard looks twice at a tenant that prints this."""
        ledger = self.harness.ledger
        assert isinstance(ledger, FakeLedger)
        for name, kept in self.memory.items():
            setattr(ledger, name, deepcopy(kept))
        self.harness.clock.current = self.began_at
        self.harness.way_memory = WayMemory(now=self.harness.clock)
        service.mutation, service.strike_count = mutation, 0
        try:
            for _ in range(2):
                report = await self.harness.run_guard()
        finally:
            service.mutation = None
        assert service.strike_count, f"nobody was shown {mutation}"
        assert report.status == "done", mutation
        now = await self.harness.get_open_cases()
        return self.list_faults(mutation, now)

    def list_faults(self, mutation: Mutation, now: Cases) -> Iterator[str]:
        """What a person would not expect of the cases that are open now."""
        yield from (
            f"a mistake: {case.subject}: {case.facts}"
            for case in now.values()
            if "a mistake of the app" in f"{case.facts} {case.summary} {case.note}"
        )
        if not is_listed(HARMLESS, mutation):
            yield from (
                f"lost: {case.kind} of {case.subject}"
                for key, case in self.known.items()
                if key not in now and not self.is_told_otherwise(case, now)
            )
        if REPAIRED.isdisjoint(mutation.path):
            yield from (f"planned: {one}" for one in list_new_changes(self.known, now))

    def is_told_otherwise(self, case: Case, now: Cases) -> bool:
        """Whether a finding is told of its object with another extent, is told not to be known, or
        is told of what the object is called now.
        """
        return any(
            other.verdict == Verdict.COULD_NOT_TELL or other.kind == case.kind
            for key, other in now.items()
            if other.object_id == case.object_id or key not in self.known
        )


def is_listed(names: Mapping[tuple[str, str], frozenset[str]], mutation: Mutation) -> bool:
    """Whether a list names a property and what is odd about it."""
    kinds = [
        kinds
        for (command, name), kinds in names.items()
        if mutation.command.endswith(command) and name in mutation.path
    ]
    return any(not one or mutation.kind in one for one in kinds)


def list_new_changes(known: Cases, now: Cases) -> Iterator[tuple[str, str]]:
    """The changes that are planned of an object of which none of the kind was, by either name."""
    before = {
        (name, kind)
        for case in known.values()
        for kind in list_kinds(case)
        for name in (case.object_id, case.subject)
    }
    for case in now.values():
        for kind in list_kinds(case):
            if before.isdisjoint({(case.object_id, kind), (case.subject, kind)}):
                yield case.subject, kind


def list_kinds(case: Case) -> Iterator[str]:
    """The kinds of the changes that are planned of a case."""
    return (str(json.loads(one)[0]) for one in case.planned_changes)


@asynccontextmanager
async def open_stage(config: GuardConfig) -> AsyncIterator[Stage]:
    """A guard that knows a neglected tenant, and what an intruder did there since."""
    async with open_harness(deepcopy(build_neglected_scene()), config) as harness:
        harness.hours_apart = 0.25
        box = harness.sandbox
        # Time stands still between the requests of all these runs.
        box.graph.audit_limit = ThrottleLimit(window=10.0, max_requests=10_000)
        graph, exchange = MutatingService(box.graph), MutatingService(box.services["adminapi"])
        box.services |= {"v1.0": graph, "beta": graph, "adminapi": exchange}
        await harness.run_guard()
        attack(harness, config.guard.name, harness.clock())
        await harness.run_guard()
        ledger = harness.ledger
        assert isinstance(ledger, FakeLedger)
        memory = {
            one.name: deepcopy(getattr(ledger, one.name))
            for one in fields(ledger)
            if one.name not in ("clock", "crash_injector", "journal")
        }
        began_at = harness.clock()
        for service in (graph, exchange):
            service.seen.clear()
        await harness.run_guard()
        known = await get_object_cases(harness)
        assert known
        yield Stage(harness, (graph, exchange), known, memory, began_at)


@pytest.mark.parametrize("config", CATALOG, ids=lambda config: config.guard.name)
async def test_what_is_odd_about_one_row_is_told_or_changes_nothing(config: GuardConfig) -> None:
    async with open_stage(config) as stage:
        mutations = stage.list_mutations()
        random.Random(SEED).shuffle(mutations)
        faults = [
            f"{mutation} => {fault}"
            for service, mutation in mutations[:COUNT]
            for fault in await stage.try_mutation(service, mutation)
        ]
        assert not faults, "\n".join(faults)
