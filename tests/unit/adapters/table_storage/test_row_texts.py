"""Texts and rows at the limits of the table service and past them."""

import json

import pytest

from core.adapters.table_storage.row_texts import (
    BATCH_SIZE,
    MAX_TRANSACTION_BYTES,
    OPERATION_OVERHEAD,
    PART_LENGTH,
    get_row_text,
    set_row_text,
    split_into_transactions,
)

# What the service allows of a string property: 64 KiB of UTF-16.
PROPERTY_BYTES = 64 * 1024


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "x" * PART_LENGTH,
        "x" * (PART_LENGTH + 1),
        "\U0001f984" * (3 * PART_LENGTH),
        "\ud800" * (PART_LENGTH + 5),
    ],
    ids=["empty", "short", "at the border", "past it", "beyond the basic plane", "surrogates"],
)
def test_a_text_is_the_same_whatever_number_of_parts_it_takes(text: str) -> None:
    row = set_row_text({"RowKey": "k"}, "body", text)
    assert get_row_text(row, "body") == text
    parts = [value for name, value in row.items() if name.startswith("body")]
    assert len(parts) == max(1, -(-len(text) // PART_LENGTH))
    assert all(len(part.encode("utf-16-le", "surrogatepass")) <= PROPERTY_BYTES for part in parts)


def test_a_shorter_text_leaves_nothing_of_a_longer_one() -> None:
    long = set_row_text({"RowKey": "k", "bodyguard": "stays"}, "body", "x" * (3 * PART_LENGTH))
    assert set_row_text(long, "body", "y") == {"RowKey": "k", "bodyguard": "stays", "body": "y"}


def test_a_text_with_a_part_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a text"):
        get_row_text({"body": "x", "body1": 7}, "body")
    with pytest.raises(KeyError):
        get_row_text({"body1": "x"}, "body")


def build_operation(text: str) -> tuple[str, dict[str, str], dict[str, str]]:
    return ("upsert", {"RowKey": "k", "body": text}, {})


def measure(group: tuple[tuple[object, ...], ...]) -> int:
    return sum(len(json.dumps(operation[1])) for operation in group)


@pytest.mark.parametrize(("count", "groups"), [(0, 0), (99, 1), (100, 2), (250, 3)])
def test_a_transaction_holds_as_many_operations_as_the_service_allows(
    count: int, groups: int
) -> None:
    found = list(split_into_transactions([build_operation("x")] * count, 1_000))
    assert len(found) == groups
    assert sum(map(len, found)) == count
    assert all(len(group) <= BATCH_SIZE for group in found)


@pytest.mark.parametrize("sign", ["x", '"', "\u0416", "\U0001f984"])
def test_a_transaction_is_no_longer_than_what_is_sent_at_once(sign: str) -> None:
    operations = [build_operation(sign * 30_000) for _ in range(99)]
    found = list(split_into_transactions(operations, 10_000))
    assert [one for group in found for one in group] == operations
    assert all(measure(group) <= MAX_TRANSACTION_BYTES - 10_000 for group in found)


def test_an_operation_at_the_border_shares_a_transaction_and_one_past_it_does_not() -> None:
    room = MAX_TRANSACTION_BYTES - 2 * OPERATION_OVERHEAD - 2 * len('""') - 2 * len('"k"')
    fits = [build_operation("x"), build_operation("x" * (room - 1))]
    assert len(list(split_into_transactions(fits, 0))) == 1
    past = [build_operation("x"), build_operation("x" * room)]
    assert len(list(split_into_transactions(past, 0))) == 2


def test_an_operation_that_is_too_long_by_itself_goes_alone() -> None:
    huge = build_operation("x" * MAX_TRANSACTION_BYTES)
    found = list(split_into_transactions([build_operation("x"), huge, build_operation("x")], 0))
    assert [len(group) for group in found] == [1, 1, 1]
