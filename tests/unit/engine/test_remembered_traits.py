"""What a guard remembers is saved behind what it led to: no news is lost when a run dies."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import pytest

from core.errors import LedgerError
from core.model.findings import Finding, Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.known_traits import build_traits_key, note_traits
from core.tenant.port import Tenant
from core.tenant.readings import ReadFailure, Reading
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.synthetic_guard import ALERT_CONFIG, GUARD, EngineHarness, SyntheticTenant

KIND, SOURCE = "method", "methods"


@dataclass(frozen=True)
class NewTrait:
    """A trait that appeared between two looks."""

    object_id: str
    name: str
    seen_at: str


async def observe(tenant: Tenant, context: ObserveContext) -> AsyncIterator[Reading[NewTrait]]:
    """The traits of a toy: what its mailboxes forward to."""
    toy, now = cast(SyntheticTenant, tenant), context.policy.now
    if toy.unavailable:
        yield Reading(
            failures=(ReadFailure(SOURCE, "HTTP 503"),), sources=frozenset({SOURCE}), complete=False
        )
        return
    noted = [
        note_traits(context.known_traits, name, KIND, targets.split(), now)
        for name, targets in sorted(toy.forwards.items())
    ]
    yield Reading(
        items=tuple(
            NewTrait(known.object_id, name, seen_at.isoformat())
            for known in noted
            for name, seen_at in known.list_new_traits(now)
        ),
        sources=frozenset({SOURCE}),
        population=len(noted),
        known_traits=tuple(noted),
    )


def judge(item: NewTrait, policy: GuardPolicy) -> Iterator[Finding]:
    yield Finding(
        "trait-added",
        item.object_id,
        item.object_id,
        Severity.MEDIUM,
        "method-added",
        f"{item.object_id} has {item.name}.",
        sources=(SOURCE,),
        fingerprint=f"{item.name} {item.seen_at}",
        is_one_off=True,
        is_said_once=True,
    )


TOY = replace(
    GUARD, observe=observe, judge=judge, inspect=None, periodic_checks=(), correlation=None
)
CONFIG = replace(ALERT_CONFIG, guard=TOY)


def build_stage() -> EngineHarness:
    return EngineHarness(
        SyntheticTenant(forwards={"ann": "key"}), CONFIG, interval=timedelta(hours=6)
    )


def list_told(stage: EngineHarness) -> list[str]:
    """The names told so far, once for every card."""
    texts = [str(payload) for payload in stage.notification_channel.sent]
    return [name for text in texts for name in ("phone", "pass") if f"ann has {name}." in text]


async def test_the_first_look_is_no_news_and_what_appears_later_is_told_once() -> None:
    stage = build_stage()
    for targets in ("key", "key", "key phone", "key phone", "key phone pass", *["key phone"] * 40):
        stage.tenant.forwards["ann"] = targets
        await stage.run_timer()
    assert list_told(stage) == ["phone", "pass"]


async def test_an_object_of_a_later_look_has_no_news_at_its_first() -> None:
    stage = build_stage()
    await stage.run_timer()
    stage.tenant.forwards["bob"] = "key phone"
    await stage.run_timer()
    await stage.run_timer()
    assert stage.notification_channel.sent == []


async def test_what_need_not_be_remembered_any_longer_is_deleted() -> None:
    stage, counts = build_stage(), list[int]()
    await stage.run_timer()

    async def forget(tenant: Tenant, context: ObserveContext) -> AsyncIterator[Reading[NewTrait]]:
        counts.append(len(context.known_traits))
        yield Reading(
            sources=frozenset({SOURCE}), forgotten_traits=tuple(context.known_traits.values())
        )
        yield Reading(sources=frozenset({SOURCE}), scope=frozenset())

    stage.config = replace(CONFIG, guard=replace(TOY, observe=forget))
    await stage.run_timer()
    await stage.run_timer()
    assert counts == [1, 0]
    assert (await stage.ledger.load("toy")).known_traits == {}


async def test_a_look_that_failed_forgets_nothing() -> None:
    stage = build_stage()
    await stage.run_timer()
    stage.tenant.unavailable = True
    await stage.run_timer()
    stage.tenant.unavailable = False
    stage.tenant.forwards["ann"] = "key phone"
    await stage.run_timer()
    assert list_told(stage) == ["phone"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 9))
async def test_news_is_told_whenever_the_run_that_saw_it_dies(number: int, after: bool) -> None:
    stage = build_stage()
    await stage.run_timer()
    stage.tenant.forwards["ann"] = "key phone"
    with stage.inject_crashes(CrashInjector(number, after)):
        try:
            await stage.run_timer()
        except (SimulatedCrash, LedgerError):
            stage.clock.current += stage.interval
    for _ in range(3):
        await stage.run_timer()
    assert set(list_told(stage)) == {"phone"}
    known = (await stage.ledger.load("toy")).known_traits
    assert set(known[build_traits_key("ann", KIND)].traits) == {"key", "phone"}
