"""Batches are split by type where that is quick, and read member by member where it is not."""

from hypothesis import given
from hypothesis import strategies as st

from core.adapters.graph.replies import sort_graph_replies
from core.adapters.http import BufferedResponse
from core.adapters.retry import RetryableError

AMBIGUOUS_BODY = ("body", '"body": {"a": 1, "a": 2}')
MEMBERS = [
    ("id", '"id": "0"'),
    ("id", '"\\u0069d": "0"'),
    ("id", '"id": "a:b"'),
    ("id", '"id": "\\u003a"'),
    ("status", '"status": 200'),
    ("status", '"status": "a:b"'),
    ("headers", '"headers": {"a:b": ":"}'),
    ("body", '"body": {"value": [{"a": ":"}]}'),
    AMBIGUOUS_BODY,
    ("x", '"x": ":"'),
    ("x", '"x": {"a": 1}'),
]
"""Members of replies by their name, as texts with and without further colons."""


@given(
    st.lists(st.lists(st.sampled_from(MEMBERS), max_size=6), max_size=3),
    st.sampled_from(["", ', "responses": []', ', "x": 1', ', "x": 1, "x": ":"']),
)
def test_no_name_that_occurs_twice_outside_of_the_bodies_is_overlooked(
    replies: list[list[tuple[str, str]]], end: str
) -> None:
    listed = ", ".join(f"{{{', '.join(text for _, text in members)}}}" for members in replies)
    batch = f'{{"responses": [{listed}]{end}}}'.encode()
    is_ambiguous = "responses" in end or end.count("x") > 1
    for members in replies:
        is_ambiguous |= len({name for name, _ in members}) < len(members)
    try:
        [found] = sort_graph_replies(BufferedResponse(200, {}, batch), 1)
    except RetryableError:
        # A look at every member finds what is ambiguous in a body too.
        assert is_ambiguous or any(AMBIGUOUS_BODY in members for members in replies)
    else:
        assert not is_ambiguous
        mine = [members for members in replies if {MEMBERS[0], MEMBERS[1]} & set(members)]
        assert len(found) == len(mine)
