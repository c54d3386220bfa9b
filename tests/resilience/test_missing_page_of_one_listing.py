"""One listing of Graph alone ends too soon without a word: nothing is over because of it.

Where every listing is cut at once, the guard sees that the whole tenant got shorter. Where one is,
only its own length tells.
"""

import re

import pytest

from core.config.catalog import CATALOG
from core.model.guards import GuardConfig
from tests.resilience.generators.small_pages import attack, open_small_pages
from tests.resilience.test_missing_pages_of_guards import describe_cases, list_told

NOT_KNOWN = r"/v1\.0/(directory/deletedItems|auditLogs)|/beta/auditLogs"
"""Of logs and the recycle bin nobody knows how long they should be."""


@pytest.mark.parametrize("config", CATALOG, ids=lambda config: config.guard.name)
async def test_nothing_is_over_because_one_listing_is_cut(config: GuardConfig) -> None:
    async with open_small_pages(config) as (stage, box):
        box.is_cut_everywhere = True
        await stage.run_guard()
        attacked = stage.clock()
        attack(stage, config.guard.name, attacked)
        await stage.run_guard()
        known = await describe_cases(stage)
        paths = sorted(one for one in box.continued_paths if not re.search(NOT_KNOWN, one))
        for path in paths:
            fault = {
                "service": "graph",
                "match": rf"^GET {re.escape(path)}\?.*skiptoken",
                "kind": "wrongBody",
                "body": {"value": []},
            }
            assert list_told(await stage.run_guard(fault)) == [], path
            assert known.items() <= (await describe_cases(stage)).items(), path
            await stage.run_guard()
