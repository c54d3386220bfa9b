"""Many objects of Graph, each by its id: which answer is about which."""

import pytest

from core.adapters.graph.objects import is_other_object

ID = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
OTHER = "3f2504e0-4f89-41d3-9a0c-0305e82c3302"


@pytest.mark.parametrize("shown", [OTHER, "Fnord", 7, None, "", [ID], {"id": ID}], ids=repr)
def test_an_answer_with_another_id_is_about_another_object(shown: object) -> None:
    assert is_other_object(ID, {"id": shown})


def test_an_answer_with_the_same_id_in_any_case_is_about_the_object() -> None:
    assert not is_other_object(ID, {"id": ID.upper()})
    assert not is_other_object(ID.upper(), {"id": ID})


def test_an_answer_without_ids_and_one_to_a_name_are_about_what_was_asked() -> None:
    assert not is_other_object(ID, {"displayName": "Ann"})
    assert not is_other_object("ann@contoso.com", {"id": OTHER})
