"""Edits of a scene make a new one, which shares with the old what they do not touch."""

from copy import deepcopy
from typing import Any

import pytest

from sandbox.state.json_patch import apply_edits

SCENE: dict[str, Any] = {
    "graph": {"users": [{"id": "a", "tags": ["x"]}, {"id": "b"}], "domains": [{"id": "c"}]},
    "exchange": {"Get-Mailbox": [{"Name": "m"}]},
}


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [
        (
            {"op": "set", "path": "/graph/users/A/tags", "value": []},
            {"users": [{"id": "a", "tags": []}, {"id": "b"}]},
        ),
        (
            {"op": "set", "path": "/graph/users/1", "value": {"id": "n"}},
            {"users": [{"id": "a", "tags": ["x"]}, {"id": "n"}]},
        ),
        (
            {"op": "add", "path": "/graph/users/a/tags", "value": "y"},
            {"users": [{"id": "a", "tags": ["x", "y"]}, {"id": "b"}]},
        ),
        (
            {"op": "add", "path": "/graph/users/b", "value": {"id": "n"}},
            {"users": [{"id": "a", "tags": ["x"]}, {"id": "n"}, {"id": "b"}]},
        ),
        (
            {"op": "add", "path": "/graph/users/-", "value": {"id": "n"}},
            {"users": [{"id": "a", "tags": ["x"]}, {"id": "b"}, {"id": "n"}]},
        ),
        ({"op": "add", "path": "/graph/groups/of/all", "value": 1}, {"groups": {"of": {"all": 1}}}),
        ({"op": "remove", "path": "/graph/users/a"}, {"users": [{"id": "b"}]}),
        ({"op": "remove", "path": "/graph/users/a/id"}, {"users": [{"tags": ["x"]}, {"id": "b"}]}),
    ],
)
def test_an_edit_changes_what_it_names_and_leaves_the_given_scene_alone(
    edit: dict[str, Any], wanted: dict[str, Any]
) -> None:
    before = deepcopy(SCENE)
    after = apply_edits(SCENE, [edit])
    assert after == {**SCENE, "graph": {**SCENE["graph"], **wanted}}
    assert before == SCENE
    assert after["exchange"] is SCENE["exchange"]
    assert after["graph"]["domains"] is SCENE["graph"]["domains"]


@pytest.mark.parametrize(
    ("edit", "refusal"),
    [
        ({"op": "set", "path": "graph"}, ValueError),
        ({"op": "swap", "path": "/graph/users"}, ValueError),
        ({"op": "set", "path": "/graph/users/-"}, ValueError),
        ({"op": "set", "path": "/graph/users/a/id/deeper"}, ValueError),
        ({"op": "set", "path": "/graph/users/nobody"}, LookupError),
        ({"op": "set", "path": "/graph/users/nobody/id"}, LookupError),
        ({"op": "set", "path": "/graph/users/a/id/still/deeper"}, LookupError),
        ({"op": "remove", "path": "/graph/nothing"}, LookupError),
        ({"op": "remove", "path": "/graph/nothing/there"}, LookupError),
        ({"op": "remove", "path": "/graph/users/-"}, LookupError),
    ],
)
def test_an_edit_that_cannot_be_made_is_refused(
    edit: dict[str, Any], refusal: type[Exception]
) -> None:
    before = deepcopy(SCENE)
    with pytest.raises(refusal):
        apply_edits(SCENE, [{"op": "set", "path": "/graph/first", "value": 1}, edit])
    assert before == SCENE
