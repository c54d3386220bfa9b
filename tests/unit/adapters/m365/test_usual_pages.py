"""A page of a listing that is told together says what each of its rows says by itself."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.exchange.listed_rows import identify_row, identify_rows
from core.adapters.m365.mailboxes import parse_listed_mailbox, parse_usual_mailboxes
from core.adapters.parsing import EMPTY_GUID, ResponseRow, parse_each_row

GUID, OTHER = "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "00000000-0000-0000-0000-00000000000a"
USUAL = st.uuids().map(str)
ODD: st.SearchStrategy[object] = st.one_of(
    st.sampled_from(
        [
            "",
            None,
            7,
            True,
            [],
            [GUID],
            {},
            EMPTY_GUID,
            GUID.upper(),
            GUID.replace("-", ""),
            f" {GUID}",
        ]
    ),
    st.text(max_size=40),
)
TEXTS = st.one_of(st.text(max_size=6), st.none(), st.just("anna@contoso.com"), st.just(["x"]))


def build_rows(ids: st.SearchStrategy[object]) -> st.SearchStrategy[list[ResponseRow]]:
    row: st.SearchStrategy[ResponseRow] = st.fixed_dictionaries(
        {"Guid": ids, "ExternalDirectoryObjectId": ids},
        optional={
            "PrimarySmtpAddress": TEXTS,
            "UserPrincipalName": TEXTS,
            "RecipientTypeDetails": st.one_of(TEXTS, st.just("sharedmailbox")),
        },
    )
    return st.lists(row, max_size=4)


@given(build_rows(USUAL) | build_rows(st.one_of(USUAL, ODD)))
def test_mailboxes_of_a_page_are_those_of_its_rows(rows: list[ResponseRow]) -> None:
    usual = parse_usual_mailboxes(rows)
    assert usual is None or (usual, []) == parse_each_row(rows, parse_listed_mailbox)
    assert identify_rows(rows) == [identify_row(row) for row in rows]


@given(st.lists(st.uuids(), min_size=1, max_size=3))
def test_a_page_of_the_usual_kind_is_told_together(ids: list[UUID]) -> None:
    rows = [{"Guid": str(one), "ExternalDirectoryObjectId": str(one)} for one in ids]
    told = parse_usual_mailboxes(rows)
    assert told is not None
    assert [(box.id, box.guid, box.has_account) for box in told] == [
        (str(one), str(one), True) for one in ids
    ]


@pytest.mark.parametrize("odd", ["", None, 7, [GUID], EMPTY_GUID, GUID.upper(), f"{{{GUID}}}"])
@pytest.mark.parametrize("name", ["Guid", "ExternalDirectoryObjectId"])
def test_one_odd_id_has_each_row_of_the_page_looked_at(name: str, odd: object) -> None:
    usual = {"Guid": GUID, "ExternalDirectoryObjectId": GUID}
    further = {"Guid": OTHER, "ExternalDirectoryObjectId": OTHER}
    assert parse_usual_mailboxes([usual, further]) is not None
    assert parse_usual_mailboxes([usual, further | {name: odd}]) is None
