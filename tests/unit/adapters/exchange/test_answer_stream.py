"""One long answer, parsed as it arrives."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.exchange.answer_stream import AnswerParser
from core.adapters.parsing import ResponseRow

ROWS = [{"Guid": f"g{number}", "Name": 'é"}],\\ ' * number, "List": [1, {}]} for number in range(9)]
ANSWER = {"@odata.context": "x", "value": ROWS, "@adminapi.warnings": [], "@odata.count": 12}


def parse(content: bytes, size: int) -> tuple[list[ResponseRow], dict[str, object]]:
    parser, rows = AnswerParser(), list[ResponseRow]()
    for start in range(0, len(content), size):
        rows += parser.feed(content[start : start + size])
    return rows, dict(parser.finish())


@given(st.integers(1, 400), st.booleans(), st.sampled_from([None, 2]))
def test_chunks_of_any_size_give_the_same_answer(
    size: int, escaped: bool, indent: int | None
) -> None:
    content = json.dumps(ANSWER, ensure_ascii=escaped, indent=indent).encode()
    rows, beside = parse(content, size)
    assert rows == ROWS
    assert beside == {name: part for name, part in ANSWER.items() if name != "value"}


def test_an_answer_that_breaks_off_anywhere_is_no_answer() -> None:
    content = json.dumps(ANSWER).encode()
    for end in range(len(content)):
        with pytest.raises(ValueError, match=r"breaks off|end of data"):
            parse(content[:end], 50)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"value": [1]}',
        '{"value": {}}',
        '{"value": []} x',
        '{"value": [], "value": []}',
        '{"value": [{"a": 1, "a": 2}]}',
        '{"value": [{"a": NaN}]}',
        "{}",
    ],
)
def test_what_is_no_answer_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(content.encode(), 7)


def test_a_long_answer_takes_the_memory_of_a_chunk() -> None:
    row = json.dumps({"Guid": "g", "Name": "n" * 900}).encode()
    parser, count = AnswerParser(), 0
    tracemalloc.start()
    parser.feed(b'{"value": [')
    for _ in range(200):
        count += len(parser.feed((row + b",") * 100))
    count += len(parser.feed(row + b"]}"))
    parser.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_001
    assert peak < 2_000_000
