"""What a setting's value says, however it is printed."""

from collections.abc import Callable, Mapping
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.property_values import (
    Value,
    find_property,
    get_flag,
    get_objects,
    get_text,
    get_texts,
    matches_value,
    parse_printed_bool,
    parse_printed_int,
    parse_printed_list,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
WANTED = (
    st.none()
    | st.booleans()
    | st.integers(-100, 100)
    | st.text(max_size=10)
    | st.lists(st.text(max_size=5), max_size=3).map(tuple)
)


@pytest.mark.parametrize(
    ("found", "wanted", "answer"),
    [
        (True, True, True),
        ("True", True, True),
        (" false ", False, True),
        ("False", True, False),
        (1, True, None),
        (None, False, None),
        ("yes", True, None),
        ("6", 6, True),
        ("12,345", 12_345, True),
        ("12,34", 1_234, False),
        (True, 1, None),
        ("off", "Off", True),
        ("", "Off", False),
        (["Off"], "Off", None),
        (None, None, True),
        ("", None, True),
        (0, None, False),
        (["a", "B"], ("b", "A"), True),
        ("a", ("a",), True),
        (None, (), True),
        ({"a": 1}, (), None),
        (["a", 1], ("a",), None),
    ],
)
def test_a_value_is_what_it_says(found: object, wanted: Value, answer: bool | None) -> None:
    assert matches_value(found, wanted) is answer


@given(JSON, WANTED)
def test_nothing_a_tenant_answers_breaks_the_comparison(found: object, wanted: Value) -> None:
    assert matches_value(found, wanted) in (True, False, None)
    assert parse_printed_bool(found) in (True, False, None)
    assert parse_printed_int(found) is None or isinstance(parse_printed_int(found), int)
    assert parse_printed_list(found) is None or isinstance(parse_printed_list(found), frozenset)


@given(WANTED)
def test_a_value_is_the_same_as_itself_however_it_is_printed(wanted: Value) -> None:
    printed = list(wanted) if isinstance(wanted, tuple) else wanted
    assert matches_value(printed, wanted) is True
    if isinstance(wanted, bool | int):
        assert matches_value(str(wanted), wanted) is True


def test_a_property_is_shown_or_it_is_not() -> None:
    values = {"a": {"b": None, "c": 1}, "n": None, "t": "text"}
    assert find_property(values, "a.c") == (True, 1)
    assert find_property(values, "a.b") == (True, None)
    assert find_property(values, "a.b.x") == (True, None)
    assert find_property(values, "n.anything") == (True, None)
    assert find_property(values, "a.x") == (False, None)
    assert find_property(values, "x.y") == (False, None)
    assert find_property(values, "t.y") == (False, None)


def test_a_property_is_found_in_the_entry_of_a_list_that_has_the_id() -> None:
    rows = [{"id": "Sms", "state": "on"}, {"id": "voice"}, {"id": "twice"}, {"id": "TWICE"}, 7]
    values = {"rows": rows, "empty": [], "texts": ["Sms"]}
    assert find_property(values, "rows.sms.state") == (True, "on")
    assert find_property(values, "rows.Voice") == (True, {"id": "voice"})
    for path in ("rows.Voice.state", "rows.x", "rows.twice", "empty.x", "texts.Sms", "rows.state"):
        assert find_property(values, path) == (False, None)


def test_a_name_that_is_printed_in_another_case_is_the_same_name() -> None:
    values = {"CustomerLockBoxEnabled": True, "a": 1, "A": 2, "b": 3, "B": 4}
    assert find_property(values, "CustomerLockboxEnabled") == (True, True)
    assert find_property(values, "A") == (True, 2)
    assert find_property({"ab": 1, "aB": 2}, "AB") == (False, None)


@pytest.mark.parametrize(
    ("printed", "texts"),
    [
        ("Sales Team : North", ("Sales Team : North",)),
        (["Sales Team : North"], ("Sales Team : North",)),
        (" Ann ", ("Ann",)),
        (("Ann", "ann"), ("Ann", "ann")),
        ({"Address": "Ann@contoso.com"}, ("Ann@contoso.com",)),
        ([{"Domain": "Contoso.com"}, "", None], ("Contoso.com",)),
        ("", ()),
        ([], ()),
        (None, ()),
    ],
)
def test_one_entry_reads_the_same_with_its_list_and_without(
    printed: object, texts: tuple[str, ...]
) -> None:
    assert get_texts({"ManagedBy": printed}, "ManagedBy") == texts


def test_of_a_list_its_objects_are_taken_with_its_list_and_without() -> None:
    one, other = {"id": "a"}, {"id": "b"}
    assert get_objects({"Inner": {"rows": [one, None, other]}}, "inner.Rows") == (one, other)
    assert get_objects({"rows": one}, "rows") == (one,)
    assert get_objects({"rows": [one, "1,234 more, 0123456789ab"]}, "rows") == (one,)
    assert get_objects({"rows": None}, "rows") == get_objects({}, "rows") == ()


@pytest.mark.parametrize(
    ("read", "odd"),
    [
        (get_text, 7),
        (get_text, True),
        (get_text, ["x"]),
        (get_text, {"x": "y"}),
        (get_texts, True),
        (get_texts, ["x", 7]),
        (get_texts, [{"x": 1}]),
        (get_objects, "x"),
        (get_objects, [{"id": "a"}, "x"]),
        (partial(get_flag, default=False), "maybe"),
        (partial(get_flag, default=False), 1),
        (partial(get_flag, default=True), [True]),
    ],
)
def test_what_is_set_and_not_understood_is_never_taken_for_what_is_not_set(
    read: Callable[[Mapping[str, object], str], object], odd: object
) -> None:
    with pytest.raises(ValueError, match="Name "):
        read({"Name": odd}, "Name")


def test_a_flag_is_what_it_says_and_the_default_where_it_says_nothing() -> None:
    for default in (True, False):
        for unset in ({}, {"Name": None}, {"Name": ""}):
            assert get_flag(unset, "Name", default) is default
        assert get_flag({"Name": "True"}, "Name", default) is True
        assert get_flag({"Name": False}, "Name", default) is False
