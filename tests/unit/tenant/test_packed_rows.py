"""What is kept of many objects comes back as it was, and takes no more room than it needs."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tenant.packed_ids import pack_id, unpack_id
from core.tenant.packed_rows import BLOCK_ROWS, PackedRows


@given(st.text())
def test_any_id_comes_back_as_it_was(text: str) -> None:
    assert unpack_id(pack_id(text)) == text


@given(st.uuids())
def test_a_guid_takes_sixteen_bytes_and_comes_back_as_it_was(guid: UUID) -> None:
    assert pack_id(str(guid)) == guid.bytes
    assert unpack_id(guid.bytes) == str(guid)


GUID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    "text",
    [
        GUID.upper(),
        GUID.replace("-", ""),
        f"{{{GUID}}}",
        f" {GUID}",
        GUID.replace("-", " "),
        f"{GUID[:18]}{GUID[19:]}-",
        GUID[:-1],
        "",
    ],
)
def test_what_only_looks_like_a_guid_stays_a_text(text: str) -> None:
    assert pack_id(text) == text


@given(st.lists(st.binary(max_size=9), max_size=12), st.integers(0, 12))
def test_rows_are_found_by_their_number_in_whichever_block_they_are(
    few: list[bytes], before: int
) -> None:
    rows = PackedRows()
    every = [b"x"] * (BLOCK_ROWS - before) + few
    for row in every:
        rows.append(row)
    assert len(rows) == len(every)
    assert list(rows) == every
    assert [rows[number] for number in range(len(every))] == every
