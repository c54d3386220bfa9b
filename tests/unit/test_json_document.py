"""Typed documents become JSON: names once, null where there is no value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

from core.json_document import INLINE, to_json

AT = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    at: datetime
    colour: Colour


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    merged: Inner = field(metadata=INLINE)
    nested: Inner | None
    rows: tuple[Inner, ...]
    values: Mapping[str, object]
    day: date | None
    omitted: int | None = None
    given: int | None = None


def test_a_document_is_plain_json() -> None:
    inner = Inner(AT, Colour.RED)
    inner_json = {"at": "2026-11-20T06:00:00+00:00", "colour": "red"}
    outer = Outer("x", inner, inner, (inner,), {"a": [1, None]}, AT.date(), given=0)
    assert json.loads(json.dumps(to_json(outer))) == {
        "name": "x",
        **inner_json,
        "nested": inner_json,
        "rows": [inner_json],
        "values": {"a": [1, None]},
        "day": "2026-11-20",
        "given": 0,
    }


def test_a_field_without_a_value_is_null_unless_it_is_optional() -> None:
    document = to_json(Outer("x", Inner(AT, Colour.RED), None, (), {}, None))
    assert (document["nested"], document["day"]) == (None, None)
    assert "omitted" not in document
    assert "given" not in document
