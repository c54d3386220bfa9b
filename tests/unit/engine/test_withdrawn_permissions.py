"""A permission that was held and is missing was withdrawn: that is told, and told again."""

from dataclasses import replace
from datetime import timedelta

from core.model.cases import Case, Notification
from core.model.findings import Severity
from core.model.guards import GuardConfig, Permission, Service
from core.tenant.readers import GrantedPermissions
from tests.support.synthetic_guard import ALERT_CONFIG, GUARD, EngineHarness, SyntheticTenant

HELD = GrantedPermissions(frozenset({"Mail.ReadBasic.All"}), frozenset({"Get-Mailbox"}))
NONE = GrantedPermissions(frozenset(), frozenset({"Get-Mailbox"}))
UNREAD = GrantedPermissions()
OPTIONAL = Permission(Service.GRAPH, "Mail.ReadBasic.All", "names of folders", optional=True)
CONFIG = replace(ALERT_CONFIG, guard=replace(GUARD, permissions=(OPTIONAL,)))

NEEDING = replace(
    ALERT_CONFIG, guard=replace(GUARD, permissions=(replace(OPTIONAL, optional=False),))
)


async def run(
    *looks: GrantedPermissions, config: GuardConfig = CONFIG
) -> tuple[EngineHarness, list[int]]:
    """A guard over several looks, six hours apart; after which of them a card was sent."""
    stage = EngineHarness(SyntheticTenant(3), config, interval=timedelta(hours=6))
    told = []
    for number, granted in enumerate(looks):
        stage.tenant.granted = granted
        before = len(stage.notification_channel.sent)
        await stage.run_timer()
        if len(stage.notification_channel.sent) > before:
            told.append(number)
    return stage, told


def find_case(stage: EngineHarness) -> Case:
    (case,) = (
        one for one in stage.ledger.list_cases("toy").values() if one.kind == "permission-missing"
    )
    return case


async def test_an_optional_permission_that_was_never_held_is_told_once() -> None:
    stage, told = await run(*[NONE] * 34)
    assert find_case(stage).severity is Severity.LOW
    assert told == [0]


async def test_a_permission_the_guard_needs_and_never_had_is_told_once_too() -> None:
    stage, told = await run(*[NONE] * 66, config=NEEDING)
    case = find_case(stage)
    assert (case.severity, case.closed_at) == (Severity.CRITICAL, None)
    assert told == [0]


async def test_a_permission_the_guard_needs_that_is_withdrawn_is_brought_up_again() -> None:
    stage, told = await run(HELD, *[NONE] * 65, config=NEEDING)
    assert find_case(stage).severity is Severity.CRITICAL
    assert told[0] == 1
    assert len(told) == 3


async def test_an_optional_permission_that_is_withdrawn_is_told_and_brought_up_within_8_days() -> (
    None
):
    stage, told = await run(HELD, *[NONE] * 33)
    case = find_case(stage)
    assert case.severity is Severity.MEDIUM
    assert told[0] == 1
    assert len(told) == 2
    assert told[1] * 6 <= 8 * 24
    assert case.notification is Notification.NONE


async def test_a_permission_that_comes_back_ends_its_case() -> None:
    stage, told = await run(HELD, NONE, HELD, HELD)
    assert find_case(stage).closed_at
    assert told == [1, 2]


async def test_a_list_that_cannot_be_read_between_is_no_withdrawal_and_forgets_nothing() -> None:
    stage, told = await run(HELD, UNREAD, NONE)
    assert find_case(stage).severity is Severity.MEDIUM
    assert told == [2]
