"""JSON has one meaning or is rejected: what msgspec decodes, and what is read member by member."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.strict_json import parse_member_by_member, parse_strict_json, surely_has_unique_names

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "resilience" / "fuzz" / "corpus"


def outcome(parse: Callable[[str | bytes], object], raw: str | bytes) -> str:
    """What comes of a text: the value with its types and the order of its names, or the refusal."""
    try:
        return repr(parse(raw))
    except RecursionError:
        return "nested too deeply"
    except ValueError:
        return "refused"


def assert_same(raw: str | bytes) -> None:
    assert outcome(parse_strict_json, raw) == outcome(parse_member_by_member, raw)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 1}',
        '{"a": 1, "\\u0061": 2}',
        '[{"b": {"a": 1, "a": 2}}]',
        '{"a": {"a": 1}, "a": {}}',
        '{"a" : 1, "a":2, "b:":3}',
        '{"a:": 1, "a\\u003a": 2}',
        '{"x": "\\u003a", "a": 1, "a": 2}',
        '{"x": "\\u003A\\u003A", "a": 1, "a": 2}',
        '{"": 1, "": 2}',
        '{"a": NaN}',
        "[Infinity]",
        "[-Infinity]",
        "1e999",
        "[-1e400]",
        "9" * 5_000,
        '"\t"',
        '"\x00"',
        "01",
        "1.",
        ".5",
        "+1",
        "[1,]",
        '{"a":1,}',
        "'a'",
        '"\\x41"',
        '{"a":1} {}',
        "{a: 1}",
        "// no\n1",
        "",
        " ",
        "tru",
        '{"a"}',
        "{1: 2}",
    ],
)
def test_what_has_no_one_meaning_is_refused(text: str) -> None:
    for raw in (text, text.encode()):
        with pytest.raises(ValueError, match=r".+"):
            parse_strict_json(raw)
        assert outcome(parse_member_by_member, raw) == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "-0",
        "-0.0",
        "1.0",
        "1E5",
        "1e-400",
        "123456789012345678901234567890",
        "-9223372036854775809",
        "18446744073709551616",
        "0.1000000000000000055511151231257827",
        "5e-324",
        "1.7976931348623157e308",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '{"a:b": ":", "c": ["\\u003a"]}',
        '{"\\u003A": 1}',
        '"\\\\u003a"',
        '{"a": {"a": {"a": []}}}',
        '"\\u0000"',
        '" \\/ \\b\\f\\n\\r\\t"',
        ' \r\n\t{ "a" : [ 1 , 2 ] } ',
        "null",
        '"é\u2028"',
    ],
)
def test_what_has_one_meaning_is_understood_as_by_the_reader_of_members(text: str) -> None:
    for raw in (text, text.encode("utf-8")):
        assert outcome(parse_strict_json, raw) not in ("refused", "nested too deeply")
        assert_same(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32-le"),
        '{"a": 1, "a": 2}'.encode("utf-16-be"),
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc0\x80"',
        b'{"a": 1, "\xed\xa0\x80": 2, "\xed\xa0\x80": 3}',
        b"\x00",
        b'"a\x00"',
    ],
)
def test_other_encodings_have_the_meaning_they_had(raw: bytes) -> None:
    assert_same(raw)


def test_what_is_nested_too_deeply_is_no_value() -> None:
    for text in ("[" * 200_000, '{"a":' * 200_000, "[" * 200_000 + "]" * 200_000):
        for raw in (text, text.encode()):
            with pytest.raises((RecursionError, ValueError)):
                parse_strict_json(raw)


def test_an_ordinary_answer_is_not_read_twice() -> None:
    row = {"id": "a:b", "when": "2026-11-30T09:00:00Z", "list": [{"x": 1.5}, {}], "no": None}
    for indent in (None, 2):
        text = json.dumps({"value": [row] * 3}, indent=indent).encode()
        assert surely_has_unique_names(text, parse_strict_json(text))
    assert not surely_has_unique_names(b'{"a": 1, "a": 2}', {"a": 2})


class Members(list[tuple[str, object]]):
    """The members of an object, of which several may have one name."""


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([":", '":"', "\\:", '"', "\\u003a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.tuples(st.sampled_from(["a", "b", ":", '"', ""]), inner), max_size=3).map(
            Members
        )
    ),
    max_leaves=12,
)


def write(value: object, escaped: bool, gap: str) -> str:
    """JSON of a value, with every member."""
    if isinstance(value, Members):
        parts = (
            f"{write(name, escaped, gap)}{gap}:{gap}{write(part, escaped, gap)}"
            for name, part in value
        )
        return "{" + f"{gap},".join(parts) + "}"
    if isinstance(value, list):
        return "[" + f"{gap},".join(write(part, escaped, gap) for part in value) + "]"
    if isinstance(value, str) and escaped:
        return '"' + "".join(f"\\u{ord(one):04x}" for one in value if ord(one) < 0x10000) + '"'
    return json.dumps(value, ensure_ascii=False)


def has_twins(value: object) -> bool:
    """Whether an object in a value has two members of one name."""
    if isinstance(value, Members):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(has_twins(part) for _, part in value)
    return isinstance(value, list) and any(map(has_twins, value))


@given(VALUES, st.booleans(), st.sampled_from(["", " ", "\n\t"]))
def test_every_name_that_occurs_twice_is_noticed(value: object, escaped: bool, gap: str) -> None:
    text = write(value, escaped, gap)
    assert (outcome(parse_strict_json, text) == "refused") is has_twins(value)
    assert_same(text)
    assert_same(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=60))
def test_any_bytes_have_the_meaning_they_had(raw: bytes) -> None:
    assert_same(raw)


@given(st.text(alphabet='{}[]":,\\u003aAeE+-.0123456789 \ntruefalsn', max_size=40))
def test_any_text_has_the_meaning_it_had(text: str) -> None:
    assert_same(text)
    assert_same(text.encode())


def list_kept_texts() -> list[Path]:
    """What the project keeps of JSON: scenes, samples, what Microsoft 365 answered, the corpus."""
    kept = [path for path in CORPUS.rglob("*") if path.is_file()]
    for folder in ("sandbox", "tests", "docs", "core"):
        kept += [*(ROOT / folder).rglob("*.json"), *(ROOT / folder).rglob("*.jsonl")]
    return sorted(path for path in kept if "node_modules" not in path.parts)


def test_everything_that_is_kept_has_the_meaning_it_had() -> None:
    kept = list_kept_texts()
    assert len(kept) > 40
    for path in kept:
        raw = path.read_bytes()
        assert_same(raw)
        for line in raw.splitlines()[:200]:
            assert_same(line)


def test_numbers_keep_their_kind() -> None:
    values = parse_strict_json("[1, 1.0, -0, -0.0, 1e2]")
    assert isinstance(values, list)
    assert [type(one) for one in values] == [int, float, int, float, float]
    assert math.copysign(1, values[3]) == -1
