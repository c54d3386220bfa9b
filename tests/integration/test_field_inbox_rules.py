"""Inbox rules from the field through the whole app: attacks are told, what people sort is not.

`field_data/inbox_rules.json` has the parameters, their sources and what a person expects: the least
severity of forward and hiding; a rule with neither is nobody's business.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from core.config.catalog import CATALOG
from core.model.findings import Severity
from tests.integration.export_samples.export import ExportedMailbox, build_export_scene, build_guid
from tests.support.field_data import build_exchange_rule, build_folders, build_graph_rule
from tests.support.run_scene import FORWARDING, run_scene

FIELD_DATA = Path(__file__).with_name("field_data")
DOCUMENT = json.loads((FIELD_DATA / "inbox_rules.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = DOCUMENT["rules"]
SORTING: list[dict[str, Any]] = json.loads(
    (FIELD_DATA / "sorting_rules.json").read_text(encoding="utf-8")
)["rules"]
KINDS = {"forward": "inbox-rule-forward", "hides": "inbox-rule-hides"}

type Table = Mapping[str, Mapping[str, Severity]]


def build_cases(rules: list[dict[str, Any]], is_hidden: bool) -> list[ExportedMailbox]:
    """A mailbox for each rule, which Graph shows too unless it is hidden."""
    return [
        ExportedMailbox(
            f"box{number}",
            rules=() if is_hidden else (build_graph_rule(number, rule["set"]),),
            exchange_rules=(build_exchange_rule(number, rule["set"]),),
        )
        for number, rule in enumerate(rules)
    ]


async def play(rules: list[dict[str, Any]], *, is_hidden: bool = False) -> Table:
    """What is told of each mailbox: the worst severity by kind."""
    cases = build_cases(rules, is_hidden)
    scene = build_export_scene(cases)
    folders = build_folders([rule["set"] for rule in rules])
    scene["graph"]["mailFolders"] = {build_guid("user", case.alias): folders for case in cases}
    modes = {config.guard.name: "off" for config in CATALOG} | {FORWARDING: "alert"}
    result = await run_scene(scene, modes=modes)
    (run,) = (one for one in result["runs"] if one["guard"] == FORWARDING)
    assert (run["unread"], run["blind"]) == (0, [])
    names = {build_guid("user", case.alias): case.alias for case in cases}
    table: defaultdict[str, dict[str, Severity]] = defaultdict(dict)
    for finding in run["findings"]:
        told = table[names.get(finding["object"], finding["object"])]
        severity = Severity[finding["severity"].upper()]
        told[finding["kind"]] = max(severity, told.get(finding["kind"], severity))
    return table


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def visible() -> Table:
    return await play(RULES)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hidden() -> Table:
    return await play(RULES, is_hidden=True)


def test_every_rule_names_a_source_that_is_described() -> None:
    assert {rule["from"] for rule in RULES} == DOCUMENT["sources"].keys()


@pytest.mark.parametrize("number", range(len(RULES)), ids=lambda number: str(number))
def test_a_rule_from_the_field_is_told_as_a_person_expects(visible: Table, number: int) -> None:
    rule, told = RULES[number], visible.get(f"box{number}", {})
    assert told.keys() == {KINDS[name] for name in KINDS.keys() & rule.keys()}, rule
    for name in KINDS.keys() & rule.keys():
        assert told[KINDS[name]] >= Severity[rule[name].upper()], rule


@pytest.mark.parametrize("number", range(len(RULES)), ids=lambda number: str(number))
def test_what_is_told_of_a_visible_rule_is_told_of_the_same_hidden_at_least(
    hidden: Table, number: int
) -> None:
    rule, told = RULES[number], hidden.get(f"box{number}", {})
    for name in KINDS.keys() & rule.keys():
        assert told[KINDS[name]] >= Severity[rule[name].upper()], rule
    # Nothing that moves, deletes or sends is ordinary where nobody can see it.
    assert told, rule


async def test_what_people_sort_is_nothing_or_as_little_as_it_is() -> None:
    told = await play(SORTING)
    worse = {}
    for number, rule in enumerate(SORTING):
        found = told.get(f"box{number}", {})
        limit = Severity[rule.get("at_most", "info").upper()]
        if any(severity > limit for severity in found.values()):
            worse[json.dumps(rule["set"])] = found
    assert worse == {}
    quiet = [number for number, rule in enumerate(SORTING) if "at_most" not in rule]
    assert len(quiet) > 90
