"""The shipped scenes equal what their builders build, and have Microsoft's shapes."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from sandbox.http_types import Row
from sandbox.scenes.build import SCENE_BUILDERS, SCENES_FOLDER, render_scene, resolve_dates
from sandbox.scenes.row_templates import CONTOSO, FABRIKAM, INITIAL_DOMAIN
from sandbox.state.json_patch import apply_edits

DATA = Path(__file__).parent / "data"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KINDS = {
    "users": "user",
    "domains": "domain",
    "organization": "organization",
    "subscribedSkus": "subscribedSku",
    "messageRules": "messageRule",
    "mailFolders": "mailFolder",
}
ADDRESS = re.compile(r"[\w}]@(\w[\w-]*(?:\.[\w-]+)+)")
# The beta version of Graph shows it; the sandbox needs it to answer for a folder by that name.
BETA = {"wellKnownName"}


def scene_of(name: str) -> dict[str, Any]:
    """A scene as it is played at noon."""
    return resolve_dates(
        json.loads((SCENES_FOLDER / f"{name}.json").read_text(encoding="utf-8")), NOON
    )


def known_only(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema made strict: a property Microsoft's metadata does not have is an error."""
    strict = deepcopy(dict(schema))
    for definition in strict["$defs"].values():
        if definition.get("additionalProperties"):
            definition["additionalProperties"] = False
    return strict


def objects(graph: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    """Every Graph object of a scene with the name of its type."""
    for collection, kind in KINDS.items():
        held = graph.get(collection, [])
        rows = held if isinstance(held, list) else [row for part in held.values() for row in part]
        for row in rows:
            shown = {
                name: value
                for name, value in row.items()
                if not name.startswith("@sandbox.") and name not in BETA
            }
            yield kind, shown


@pytest.fixture(scope="module")
def validators() -> dict[str, Draft202012Validator]:
    """A validator for each type of object."""
    path = DATA / "graph_types.schema.json"
    schema = known_only(json.loads(path.read_text(encoding="utf-8")))
    return {
        kind: Draft202012Validator(
            {"$ref": f"#/$defs/microsoft.graph.{kind}", "$defs": schema["$defs"]},
            validate_formats=True,
        )
        for kind in KINDS.values()
    }


@pytest.mark.parametrize("name", SCENE_BUILDERS)
def test_the_file_of_a_scene_is_what_its_builder_builds(name: str) -> None:
    assert (SCENES_FOLDER / f"{name}.json").read_text(encoding="utf-8") == render_scene(name)


def test_there_is_no_scene_that_nobody_builds() -> None:
    assert {path.stem for path in SCENES_FOLDER.glob("*.json")} == set(SCENE_BUILDERS)


@pytest.mark.parametrize("name", SCENE_BUILDERS)
def test_a_printed_scene_is_the_scene(name: str) -> None:
    assert json.loads(render_scene(name)) == json.loads(json.dumps(SCENE_BUILDERS[name]()))


@pytest.mark.parametrize("name", SCENE_BUILDERS)
def test_every_graph_object_has_the_shape_of_microsofts_metadata(
    name: str, validators: Mapping[str, Draft202012Validator]
) -> None:
    scene = scene_of(name)
    for tick in scene.get("ticks", ()):
        scene = apply_edits(scene, tick.get("edit", ()))
    seen = 0
    for kind, row in objects(scene["graph"]):
        faults = [error.message for error in validators[kind].iter_errors(row)]
        assert faults == [], f"{kind} {row['id']}"
        seen += 1
    assert seen > len(scene["exchange"]["Get-Mailbox"])


def test_the_strict_schema_notices_a_property_that_does_not_exist(
    validators: Mapping[str, Draft202012Validator],
) -> None:
    assert not validators["messageRule"].is_valid({"id": "1", "actions": {"forwardsTo": []}})
    assert not validators["user"].is_valid({"id": "1", "accountEnabled": "True"})


@pytest.mark.parametrize("name", SCENE_BUILDERS)
def test_no_two_objects_share_an_id(name: str) -> None:
    scene = scene_of(name)
    ids = [row["id"] for _, row in objects(scene["graph"])]
    rows = [*scene["exchange"]["Get-Mailbox"], *scene["exchange"]["Get-Recipient"]]
    ids += [row["Guid"] for row in rows]
    assert len(ids) == len(set(ids))


def test_the_first_install_reaches_beyond_a_page() -> None:
    mailboxes = scene_of("first-install")["exchange"]["Get-Mailbox"]
    assert len(mailboxes) == 1050
    positions = {row["Name"]: place for place, row in enumerate(mailboxes, start=1)}
    assert positions["user-1037"] > 1000
    assert positions["user-1042"] > 1000


@pytest.mark.parametrize("name", SCENE_BUILDERS)
def test_every_address_is_the_tenants_or_under_a_domain_nobody_can_own(name: str) -> None:
    domains = {domain.casefold() for domain in ADDRESS.findall(render_scene(name))}
    assert CONTOSO in domains
    ours = (CONTOSO, FABRIKAM, INITIAL_DOMAIN)
    assert [domain for domain in domains if not domain.endswith((".example", *ours))] == []


def test_a_relative_date_becomes_a_moment_before_the_scene_is_played() -> None:
    scene = {"a": [{"b": {"@sandbox.daysAgo": 3}}], "c": {"@sandbox.protected": True}}
    assert resolve_dates(scene, NOON) == {
        "a": [{"b": "2026-11-17T12:00:00Z"}],
        "c": {"@sandbox.protected": True},
    }
    assert scene["a"] == [{"b": {"@sandbox.daysAgo": 3}}]
