"""Answers in which all rules plainly leave mail where it is, told while they are decoded."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.adapters.m365.inbox_rules.parse import is_harmless_rule
from core.adapters.m365.inbox_rules.plain import CACHED_LENGTH, has_plain_rules_only
from core.adapters.parsing import parse_json_object, parse_response_rows
from core.tenant.mail_flow import RuleCondition

CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#users('a')/mailFolders('inbox')/messageRules"
SENDER = {"emailAddress": {"name": "Mia", "address": "mia@contoso.com"}}
CATEGORY = {
    "id": "AQAAAJ15=",
    "displayName": "Survey",
    "sequence": 1,
    "isEnabled": True,
    "hasError": False,
    "isReadOnly": False,
    "conditions": {"subjectContains": ["survey"], "withinSizeRange": {"minimumSize": 4}},
    "actions": {"assignCategories": ["Blue category"]},
}
IMPORTANCE = CATEGORY | {
    "isEnabled": False,
    "conditions": {"fromAddresses": [SENDER], "sentToMe": True},
    "exceptions": {"importance": "high"},
    "actions": {"markImportance": "high", "stopProcessingRules": True},
}
READING = CATEGORY | {"actions": {"markAsRead": True}}
USUAL = (CATEGORY, IMPORTANCE)


def encode(*rules: Any, **beside: Any) -> bytes:
    return json.dumps({"@odata.context": CONTEXT, "value": rules} | beside).encode()


def accept(name: str, conditions: Sequence[RuleCondition]) -> bool:
    return True


def test_an_answer_as_graph_prints_it_is_told() -> None:
    assert has_plain_rules_only(encode(), None)
    assert has_plain_rules_only(encode(*USUAL), None)
    assert has_plain_rules_only(json.dumps({"value": [CATEGORY]}, indent=2).encode(), None)


@pytest.mark.parametrize(
    "actions",
    [
        {"forwardTo": [SENDER]},
        {"redirectTo": []},
        {"forwardAsAttachmentTo": [SENDER]},
        {"delete": True},
        {"permanentDelete": True},
        {"moveToFolder": "F1"},
        {"copyToFolder": "F1"},
        {"somethingNew": True},
        {"markImportance": "False", "assignCategories": None},
        {"assignCategories": []},
        {"assignCategories": None, "stopProcessingRules": False},
    ],
)
def test_another_action_or_none_is_looked_at(actions: dict[str, Any]) -> None:
    rule = CATEGORY | {"actions": CATEGORY["actions"] | actions}  # type: ignore[operator]
    assert not has_plain_rules_only(encode(*USUAL, rule), accept)


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "x" * 500},
        {"id": "a b"},
        {"id": ".."},
        {"id": "00000000-0000-0000-0000-000000000000"},
        {"id": 7},
        {"isEnabled": None},
        {"isEnabled": 1},
        {"isReadOnly": True},
        {"hasError": True},
        {"hasError": 0},
        {"actions": None},
        {"conditions": []},
        {"conditions": {"somethingNew": True}},
        {"conditions": {"bodyContains": ["x"] * 1_001}},
        {"conditions": {"bodyContains": "x"}},
        {"conditions": {"fromAddresses": [{"address": "x@evil.example"}]}},
        {"exceptions": {"somethingNew": True}},
        {"somethingNew": True},
    ],
)
def test_a_rule_of_another_form_is_looked_at(change: dict[str, Any]) -> None:
    assert not has_plain_rules_only(encode(*USUAL, CATEGORY | change), accept)


@pytest.mark.parametrize(
    "text",
    [
        encode(CATEGORY, **{"@odata.nextLink": "https://graph.microsoft.com/v1.0/next"}),
        encode(CATEGORY)[:-1],
        encode(CATEGORY) + b"{}",
        b'{"value": [], "value": []}',
        encode(CATEGORY).replace(b'"assign', b'"markAsRead": true, "markAsRead": false, "assign'),
        encode(CATEGORY).replace(b'["survey"]', b'["survey"], "subjectContains": ["x"]'),
        b'{"value": [NaN]}',
        b'{"value": null}',
        b"[]",
        b"",
        b"\xff",
    ],
)
def test_an_answer_of_another_form_is_looked_at(text: bytes) -> None:
    assert not has_plain_rules_only(text, accept)


def test_a_rule_that_marks_mail_as_read_is_told_by_its_name_and_its_conditions() -> None:
    asked: list[tuple[str, Sequence[RuleCondition]]] = []

    def refuse(name: str, conditions: Sequence[RuleCondition]) -> bool:
        asked.append((name, conditions))
        return False

    text = encode(READING)
    assert has_plain_rules_only(text, accept)
    assert not has_plain_rules_only(text, None)
    assert not has_plain_rules_only(text, refuse)
    assert asked == [
        (
            "Survey",
            (
                RuleCondition("subjectContains", ("survey",)),
                RuleCondition("withinSizeRange", ("4-",)),
            ),
        )
    ]
    assert not has_plain_rules_only(encode(READING | {"exceptions": {"sentToMe": True}}), accept)


def test_what_was_said_of_a_rule_is_remembered_if_it_is_short() -> None:
    asked: list[str] = []

    def count(name: str, conditions: Sequence[RuleCondition]) -> bool:
        asked.append(name)
        return True

    for name, times in (("Newsletter", 1), ("x" * CACHED_LENGTH, 3)):
        asked.clear()
        for _ in range(3):
            assert has_plain_rules_only(encode(READING | {"displayName": name}), count)
        assert asked == [name] * times
    nameless = {
        key: value for key, value in READING.items() if key not in ("displayName", "conditions")
    }
    asked.clear()
    assert has_plain_rules_only(encode(nameless), count)
    assert asked == [""]


ODD = st.sampled_from([None, False, True, "", "x", "False", 0, 1, 1.5, [], ["x"], {}, {"a": 1}])
ACTIONS = st.dictionaries(
    st.sampled_from(
        [
            *("assignCategories", "copyToFolder", "delete", "forwardTo", "markAsRead"),
            *("markImportance", "moveToFolder", "redirectTo", "stopProcessingRules", "new"),
        ]
    ),
    ODD,
    max_size=3,
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "id": ODD,
        "displayName": ODD,
        "sequence": ODD,
        "isEnabled": ODD,
        "hasError": ODD,
        "isReadOnly": ODD,
        "conditions": ODD,
        "exceptions": ODD,
        "actions": ACTIONS | ODD,
        "new": ODD,
    },
)
RULES = st.builds(lambda rule, change: rule | change, st.sampled_from([*USUAL, READING]), CHANGES)


@given(rules=st.lists(RULES | st.sampled_from(USUAL), max_size=3), name=st.sampled_from("xyz"))
@example(rules=[CATEGORY | {"actions": {"stopProcessingRules": True}}], name="x")
@settings(max_examples=1_000)
def test_it_says_nothing_that_a_look_at_each_rule_does_not_say(
    rules: list[dict[str, Any]], name: str
) -> None:
    def is_plain_reading(shown: str, conditions: Sequence[RuleCondition]) -> bool:
        return shown != name

    text = encode(*rules)
    if has_plain_rules_only(text, is_plain_reading):
        rows = parse_response_rows(parse_json_object(text))
        assert rows == rules
        assert all(is_harmless_rule(row, is_plain_reading) for row in rows)
