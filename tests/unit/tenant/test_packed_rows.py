"""What is kept of many objects comes back as it was, and takes no more room than it needs."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tenant.packed_ids import PackedIdPairs, pack_guids
from core.tenant.packed_rows import BLOCK_ROWS, PackedRows

IDS = st.one_of(st.text(max_size=40), st.uuids().map(str), st.sampled_from(["", "-" * 36]))


@given(st.lists(st.lists(st.tuples(IDS, IDS), max_size=4), max_size=4))
def test_any_ids_come_back_as_they_were(parts: list[list[tuple[str, str]]]) -> None:
    pairs = PackedIdPairs()
    for part in parts:
        pairs.extend(part)
    every = [pair for part in parts for pair in part]
    assert len(pairs) == len(every)
    assert pairs.read_each(range(len(every))) == every


@given(st.lists(st.uuids(), max_size=5))
def test_guids_take_sixteen_bytes_each(guids: list[UUID]) -> None:
    assert pack_guids([str(one) for one in guids]) == b"".join(one.bytes for one in guids)
    pairs = PackedIdPairs()
    pairs.extend([(str(one), str(one)) for one in guids])
    assert (len(pairs.packed), pairs.others) == (32 * len(guids), {})


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
    assert pack_guids([GUID, text]) is None
    pairs = PackedIdPairs()
    pairs.extend([(GUID, GUID), (GUID, text), (text, GUID)])
    assert pairs.read_each([2, 0, 1]) == [(text, GUID), (GUID, GUID), (GUID, text)]
    assert set(pairs.others) == {1, 2}


@given(st.lists(st.binary(max_size=9), max_size=12), st.integers(0, 12))
def test_rows_are_found_by_their_number_in_whichever_block_they_are(
    few: list[bytes], before: int
) -> None:
    rows = PackedRows()
    every = [b"x"] * (BLOCK_ROWS - before) + few
    for row in every:
        rows.append(row)
    assert len(rows) == len(every)
    assert list(rows.read_each(range(len(every)))) == every
    backwards = range(len(every) - 1, -1, -1)
    assert list(rows.read_each(backwards)) == every[::-1]
