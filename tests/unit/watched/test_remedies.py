"""What an operator does about news of a collection: save, find out who, ask, stop, look around."""

from dataclasses import replace

import pytest

from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.model.findings import Severity, Step
from core.watched.items import Trait, WatchedCollection, WatchedItem, WatchedNews
from core.watched.remedies import build_watched_remedy

STOP = Step("Take it away.", "Remove-It", None)
TRAIT = Trait("open", "is open", Severity.HIGH)
GROUPS = WatchedCollection(
    name="role-group",
    noun="role group",
    plural="role groups",
    needs=("role-group",),
    describe=lambda rows: (),
    advice="",
    techniques=(),
    reference="",
    harmless="",
)
UNITS = replace(
    GROUPS,
    name="administrative-unit",
    noun="administrative unit",
    plural="administrative units",
    needs=("administrative-unit",),
)
ADMINISTRATORS = replace(GROUPS, name="administrator", noun="administrator", needs=(ROLE_HOLDER,))
ITEM = WatchedItem("g1", "Help Desk", stop=(STOP,))


def tell(
    collection: WatchedCollection = GROUPS,
    item: WatchedItem | None = ITEM,
    identity: str = "g1",
    is_new: bool = False,
    added: tuple[Trait, ...] = (TRAIT,),
) -> tuple[Step, ...]:
    """The steps about an item."""
    news = WatchedNews(collection, identity, "Help Desk", item, is_new, added)
    return build_watched_remedy(news, "Set it back.")


def test_the_object_is_saved_before_it_is_taken_away_and_the_rest_is_looked_at() -> None:
    save, who, ask, stop, around = tell()
    assert save.text == "Save the role group Help Desk, before anything is changed."
    assert save.command.startswith("Get-RoleGroup -Identity 'g1' | Export-Clixml -Depth 4")
    assert "'evidence-role-group-" in save.command
    assert who.text.startswith("Find out who did it: the audit log has it")
    assert "-Operations 'New-RoleGroup','Set-RoleGroup','Remove-RoleGroup'" in who.command
    assert ask.text.startswith("Ask whoever changed it, by telephone")
    assert stop == STOP
    assert around.text == "Look at the other cases of the role group Help Desk."
    assert around.command == "exo cases --about 'g1'"


@pytest.mark.parametrize(
    ("item", "is_new", "added", "stops"),
    [
        (ITEM, False, (TRAIT,), True),
        (ITEM, True, (), True),
        (ITEM, False, (), False),
        (None, False, (), False),
        (replace(ITEM, stop=()), True, (TRAIT,), False),
    ],
)
def test_what_opens_nothing_more_is_set_back_by_hand(
    item: WatchedItem | None, is_new: bool, added: tuple[Trait, ...], stops: bool
) -> None:
    steps = tell(item=item, is_new=is_new, added=added)
    assert (STOP in steps) is stops
    assert (Step("Set it back.") in steps) is not stops
    assert ("made it" in steps[2].text) is is_new


@pytest.mark.parametrize("item", [None, replace(ITEM, is_object=False)])
def test_where_there_is_no_such_object_the_listing_is_saved(item: WatchedItem | None) -> None:
    save = tell(item=item)[0]
    assert save.text == "Save all role groups, before anything is changed."
    assert save.command.startswith("Get-RoleGroup | Export-Clixml")
    save = tell(UNITS, item)[0]
    assert "-Uri 'v1.0/directory/administrativeUnits'" in save.command


def test_an_object_of_graph_is_saved_by_its_path_and_entra_says_who_changed_it() -> None:
    save, who, *_ = tell(UNITS)
    assert "-Uri 'v1.0/directory/administrativeUnits/g1'" in save.command
    assert who == Step(
        "Find out who did it: Entra admin center > Monitoring > Audit logs has it with the "
        "address it came from."
    )


def test_who_administers_is_saved_as_a_list_and_looked_around_by_the_account() -> None:
    save, who, *_, around = tell(ADMINISTRATORS, None, "role1 u1", added=())
    assert save.text == "Save the list of who administers, before anything is changed."
    assert "-Uri 'v1.0/roleManagement/directory/roleAssignments'" in save.command
    assert "evidence-role-holders-" in save.command
    assert who.text.startswith("Find out who did it: Entra admin center")
    assert around.command == "exo cases --about 'u1'"
