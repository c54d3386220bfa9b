"""An attacker who knows the product acts before every look: few cards, few rows, nothing lost.

Each scene has its right number written down: how many cards a day, and how many rows at the end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from core.engine.attention import CARDS_PER_GUARD
from core.model.findings import Finding, Severity
from core.model.guards import GuardConfig, GuardPolicy
from core.model.reach import Reach, Selection
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    GUARD,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    judge,
)

TICKS_A_DAY = 96
HOURS_A_DAY = 24
PEOPLE = 5


@dataclass
class Scene:
    """A tenant whose attacker acts before each look, and what came of it."""

    size: int = PEOPLE
    shape: Callable[["Scene", Finding], Finding] = lambda scene, finding: finding
    """What the guard finds, as the attacker had it at this look."""
    look: int = 0
    cards: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        guard = replace(GUARD, judge=self.judge, periodic_checks=(), correlation=None)
        config: GuardConfig = replace(ALERT_CONFIG, guard=guard)
        self.stage = EngineHarness(SyntheticTenant(self.size), config)

    @property
    def tenant(self) -> SyntheticTenant:
        return self.stage.tenant

    def judge(self, item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
        for finding in judge(item, policy):
            yield self.shape(self, finding)

    async def play(self, days: int, act: Callable[[int], None]) -> None:
        """A quiet look, then so many days."""
        await self.stage.run_timer()
        for _ in range(days):
            before = len(self.stage.notification_channel.sent)
            for _ in range(TICKS_A_DAY):
                act(self.look)
                await self.stage.run_timer()
                self.look += 1
            self.cards.append(len(self.stage.notification_channel.sent) - before)

    def count_rows(self) -> int:
        return len(self.stage.ledger.list_cases("toy"))


async def test_three_targets_by_turns_are_one_story() -> None:
    scene = Scene()

    def act(look: int) -> None:
        scene.tenant.forwards["m1"] = f"target-{look % 3}"

    await scene.play(2, act)
    # Two that nobody knew, that it changes its form, and the end of the first.
    assert scene.cards == [4, 1]
    assert scene.count_rows() == 3


async def test_a_mailbox_that_is_made_anew_before_each_look_is_one_story() -> None:
    def name_alike(scene: Scene, finding: Finding) -> Finding:
        return replace(finding, subject="boss@x")

    scene = Scene(size=PEOPLE + 2 * TICKS_A_DAY + 1, shape=name_alike)
    everyone = set(scene.tenant.mailbox_ids)
    people = {f"m{number}" for number in range(PEOPLE)}
    scene.tenant.deleted = everyone - people

    def act(look: int) -> None:
        name = f"m{PEOPLE + look}"
        scene.tenant.deleted = everyone - people - {name}
        scene.tenant.forwards = {name: "target"}

    await scene.play(2, act)
    assert scene.cards[0] <= 5
    assert scene.cards[1] == 1
    assert scene.count_rows() <= PEOPLE
    still_open = [c for c in scene.stage.ledger.list_cases("toy").values() if not c.closed_at]
    assert [case.object_id for case in still_open] == [f"m{PEOPLE + scene.look - 1}"]
    assert still_open[0].turn_count > TICKS_A_DAY


async def test_other_words_at_each_look_are_one_story() -> None:
    def vary_words(scene: Scene, finding: Finding) -> Finding:
        words = Selection.of("subject", [f"word {scene.look}"])
        return replace(finding, reaches=(Reach.of(["forwards"], [words]),))

    scene = Scene(shape=vary_words)

    def act(look: int) -> None:
        scene.tenant.forwards["m1"] = "target"

    await scene.play(2, act)
    # It is there; it takes other mail; it does so again and again.
    assert scene.cards[0] == 3
    assert scene.cards[1] <= 1
    assert scene.count_rows() == 1


async def test_who_owns_many_mailboxes_has_the_ceiling_of_a_guard() -> None:
    scene = Scene(size=TICKS_A_DAY + 1)

    def act(look: int) -> None:
        scene.tenant.forwards[f"m{look}"] = f"target-{look}"

    await scene.play(1, act)
    assert scene.cards[0] <= CARDS_PER_GUARD + HOURS_A_DAY
    scene.stage.clock.advance(hours=1)
    await scene.stage.run_timer()
    told = [case.notified_at for case in scene.stage.ledger.list_cases("toy").values()]
    assert len(told) == TICKS_A_DAY
    assert all(told)


async def test_what_is_critical_of_a_victim_passes_every_ceiling_at_once() -> None:
    def weigh(scene: Scene, finding: Finding) -> Finding:
        is_grave = finding.object_id == "m90"
        return replace(finding, severity=Severity.CRITICAL if is_grave else Severity.HIGH)

    scene = Scene(size=TICKS_A_DAY + 1, shape=weigh)

    def act(look: int) -> None:
        if look >= 60 and scene.tenant.forwards.get("m90") is None:
            scene.tenant.forwards["m90"] = "loot"
        if look == 61:
            assert scene.stage.count_notifications("m90") == 1
        scene.tenant.forwards[f"m{look % 80}"] = f"target-{look}"

    await scene.play(1, act)
    assert scene.stage.count_notifications("m90") == 1
