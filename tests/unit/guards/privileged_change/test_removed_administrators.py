"""privileged-change: administrators that are gone, several at once or all but one."""

import pytest

from core.guards.privileged_change.removed_administrators import (
    ADMINISTRATORS,
    HOLDS,
    MAX_NAME_LENGTH,
    describe_administrator,
    rate_removal,
)
from core.guards.privileged_change.roles import POWERFUL_ROLES
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.model.findings import Severity
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, WatchedItem
from tests.support.sentences import NOW

USERS = "fe930be7-5e62-47db-91af-98c3a49a38b1"
INFO, HIGH, CRITICAL = Severity.INFO, Severity.HIGH, Severity.CRITICAL


def hold(name: str, *roles: str, shown: str = "") -> Configuration:
    """Somebody who holds some roles."""
    return Configuration(ROLE_HOLDER, name, shown, {"roles": list(roles)})


def describe(*holders: Configuration) -> list[WatchedItem]:
    return list(describe_administrator(SourceRows({ROLE_HOLDER: holders}, NOW)))


def test_each_powerful_role_of_somebody_is_watched_and_the_gravest_come_first() -> None:
    found = describe(hold("ann", USERS, GLOBAL_ADMINISTRATOR, "a-reader", shown="ann@contoso.com"))
    titles = (POWERFUL_ROLES[GLOBAL_ADMINISTRATOR], POWERFUL_ROLES[USERS])
    assert [one.id for one in found] == [f"{GLOBAL_ADMINISTRATOR} ann", f"{USERS} ann"]
    assert [one.name for one in found] == [f"ann@contoso.com ({one})" for one in titles]
    assert all(one.keeps == {HOLDS} and not one.is_object for one in found)
    assert describe(hold("bob", "a-reader")) == []


def test_who_has_no_name_goes_by_their_id_and_a_long_name_is_cut() -> None:
    bare, named = describe(hold("bob", USERS), hold("eve", USERS, shown="n" * 300))
    assert bare.name == f"bob ({POWERFUL_ROLES[USERS]})"
    assert named.name.startswith("n" * MAX_NAME_LENGTH + "…")


def test_where_nobody_could_be_read_nobody_is_described() -> None:
    assert list(describe_administrator(SourceRows({ROLE_HOLDER: None}, NOW))) == []


@pytest.mark.parametrize(
    ("role", "gone", "left", "severity"),
    [
        (GLOBAL_ADMINISTRATOR, 1, 2, INFO),
        (GLOBAL_ADMINISTRATOR, 1, 1, CRITICAL),
        (GLOBAL_ADMINISTRATOR, 1, 0, CRITICAL),
        (GLOBAL_ADMINISTRATOR, 2, 9, CRITICAL),
        (USERS, 1, 0, INFO),
        (USERS, 2, 0, HIGH),
        (USERS, 2, 1, INFO),
    ],
)
def test_one_who_leaves_is_no_news_and_several_or_all_but_one_are(
    role: str, gone: int, left: int, severity: Severity
) -> None:
    others = [f"another-role {number}" for number in range(5)]
    went = [f"{role} gone{number}" for number in range(gone)]
    stay = [f"{role} left{number}" for number in range(left)]
    assert rate_removal(went[0], [*went, *others], [*stay, *others]) is severity


def test_a_removal_is_told_in_full_only_where_the_role_is_no_longer_held() -> None:
    assert ADMINISTRATORS.rate_departure is rate_removal
    assert ADMINISTRATORS.departs_with == HOLDS
