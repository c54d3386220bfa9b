"""How far a guard may go, what it needs under its options, and how it looks at one object."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from core.model.guards import (
    ComparedSetting,
    Guard,
    Mode,
    ObserveContext,
    Permission,
    Service,
    SingleLook,
)
from core.tenant.port import Tenant
from core.tenant.readings import Reading

READS = Permission(Service.GRAPH, "User.Read.All", "who there is")
WRITES = Permission(Service.GRAPH, "User.ReadWrite.All", "block it", writes=True)


async def observe(tenant: Tenant, context: ObserveContext) -> AsyncIterator[Reading[str]]:
    yield Reading()


async def read(tenant: Tenant, context: ObserveContext, ids: Sequence[str]) -> Reading[str]:
    return Reading()


RULES = SingleLook("rules", frozenset({"rules", "forwards"}), read)
BOXES = SingleLook("mailboxes", frozenset({"mailboxes", "forwards"}), read)
TOY: Guard[str] = Guard(
    name="toy",
    title="Toy",
    looks_for="",
    rationale="",
    noun="things",
    permissions=(READS, WRITES),
    observe=observe,
    judge=lambda item, policy: (),
    single_looks=(RULES, BOXES),
)


@pytest.mark.parametrize("mode", Mode)
def test_a_request_may_only_restrict_what_a_guard_does(mode: Mode) -> None:
    assert mode.restrict_to(None) is mode
    assert mode.restrict_to(Mode.ENFORCE) is mode
    assert mode.restrict_to(Mode.OFF) is Mode.OFF
    assert Mode.ALERT.restrict_to(mode) is (Mode.OFF if mode is Mode.OFF else Mode.ALERT)


def test_options_decide_what_a_guard_needs_and_compares_where_it_says_so() -> None:
    strict = replace(
        TOY,
        permissions_for=lambda options: TOY.permissions[:options],
        compared_settings_for=lambda options: (ComparedSetting(f"s{options}", "a book"),),
    )
    chosen = strict.with_options(1)
    assert (chosen.options, chosen.permissions) == (1, (READS,))
    assert chosen.list_compared_settings() == (ComparedSetting("s1", "a book"),)
    plain = TOY.with_options(1)
    assert (plain.options, plain.permissions) == (1, (READS, WRITES))
    assert plain.list_compared_settings() == ()


def test_the_first_look_that_fits_a_case_is_taken_and_else_its_listing_is_believed() -> None:
    assert TOY.find_single_look(["forwards"]) is RULES
    assert TOY.find_single_look(["other", "mailboxes"]) is BOXES
    assert TOY.find_single_look(["other"]) is None
