"""Whatever operation a process dies at, before it or when it has taken effect, nothing is lost.

For every guard of the catalog, with all it may change; for what people ask for; for a tenant in
shards; for the week's card. What must hold is stated in `tests.faults.witness`.
"""

import pytest

from core.catalog import CATALOG
from core.model import Duty
from tests.fakes import Wrote
from tests.faults.harness import Story, edit, prove, stage_of, tick
from tests.faults.scenes import SCENES


@pytest.mark.parametrize("duty", CATALOG, ids=lambda duty: duty.guard.name)
async def test_a_guard_may_die_at_any_operation(duty: Duty) -> None:
    scene = SCENES[duty.guard.name]
    story = Story(
        lambda: stage_of(duty, scene),
        (tick, edit(scene.later), tick, edit(scene.mended), tick),
    )
    peaceful = await prove(story)
    assert any(isinstance(event, Wrote) for event in peaceful.journal) is scene.writes
    assert len(peaceful.alerts.sent) >= 2
