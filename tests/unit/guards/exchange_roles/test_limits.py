"""What limits apps and shields mailboxes in Exchange, object by object."""

from typing import Any

import pytest

from core.guards.exchange_roles.app_limits import (
    ACCESS_POLICY,
    describe_access_policy,
    explain_limit_loss,
)
from core.guards.exchange_roles.assignments import SCOPE
from core.guards.exchange_roles.exclusive_scopes import SHIELDS, describe_exclusive_scope
from core.guards.exchange_roles.groups import restore_group
from core.model.findings import Severity, Shell, Step, format_facts
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, Trait, WatchedItem, build_token, build_value_token
from tests.support.watched_looks import NOW

LONG = "n" * 300
CUT = f"{LONG[:120]}… (300 characters)"


def describe_policies(*policies: dict[str, Any]) -> list[WatchedItem]:
    """What is known of the apps that some policies limit."""
    rows = tuple(
        Configuration(ACCESS_POLICY, f"p{number}", f"p{number}", values)
        for number, values in enumerate(policies)
    )
    return list(describe_access_policy(SourceRows({ACCESS_POLICY: rows}, NOW)))


def restrict(scope: str, name: str, severity: Severity = Severity.MEDIUM) -> Trait:
    """That an app is let into the mailboxes of a group."""
    text = f"lets the app into the mailboxes of {name}"
    return Trait(build_value_token("scope", scope), text, severity, within=("everywhere else",))


@pytest.mark.parametrize(
    ("values", "scope"),
    [
        ({"ScopeName": "Sales", "ScopeIdentity": "G1"}, "Sales"),
        ({"ScopeIdentity": "G1"}, "G1"),
        ({}, "p0"),
    ],
)
def test_a_policy_is_known_by_its_app_and_by_the_group_that_it_names(
    values: dict[str, Any], scope: str
) -> None:
    (item,) = describe_policies({"AppId": "A-C1", "AccessRight": "RestrictAccess", **values})
    assert (item.id, item.name) == ("a-c1", f"{scope} (app a-c1)")
    assert item.opens == (restrict(scope, scope),)
    assert (item.keeps, item.on_sight, item.is_object) == (frozenset({"limits"}), (), False)
    assert format_facts(item.facts) == ("right: RestrictAccess",)


def test_a_denial_is_a_limit_and_opens_the_rest_unless_that_is_restricted_too() -> None:
    deny = {"AppId": "a-c1", "AccessRight": "DenyAccess", "ScopeName": "Board"}
    (item,) = describe_policies(deny)
    assert item.keeps == {"limits", build_token("denied", "Board")}
    assert item.opens == (
        Trait(
            "everywhere else",
            "keeps the app out of some mailboxes only, and in all others lets it in",
            Severity.MEDIUM,
        ),
    )
    both = describe_policies(
        deny, {"AppId": "a-c1", "AccessRight": "RestrictAccess", "ScopeName": "Sales"}
    )
    assert [one.opens for one in both] == [(), (restrict("Sales", "Sales"),)]


def test_a_right_that_nobody_knows_is_told_on_sight() -> None:
    (item,) = describe_policies({"AccessRight": LONG, "ScopeName": "Sales"})
    assert (item.id, item.keeps, item.opens) == ("p0", frozenset(), ())
    shown = f"{LONG[:60]}… (300 characters)"
    assert item.on_sight == (
        Trait(
            build_value_token("unknown right", LONG),
            f"has a right that nobody knows ({shown})",
            Severity.LOW,
        ),
    )


def test_names_of_groups_are_cut() -> None:
    right = {"AccessRight": "RestrictAccess", "AppId": "a-c1"}
    (item,) = describe_policies({**right, "ScopeName": LONG, "Description": "Invoices"})
    assert item.name == "Invoices (app a-c1)"
    assert item.opens == (restrict(LONG, CUT),)
    (item,) = describe_policies({**right, "ScopeName": "Sales", "Description": LONG})
    assert item.name == f"{CUT} (app a-c1)"


def test_whom_an_app_is_not_kept_out_of_any_more_is_told_by_the_whole_name() -> None:
    assert explain_limit_loss("denied the board of directors") == Trait(
        "denied the board of directors",
        "no longer keeps the app out of the mailboxes of the board of directors",
        Severity.MEDIUM,
    )
    cut = f"{LONG[:80]}… (300 characters)"
    assert explain_limit_loss(f"denied {LONG}").text == (
        f"no longer keeps the app out of the mailboxes of {cut}"
    )
    assert explain_limit_loss("limits").text == "no longer keeps the app out of any mailbox"


def test_a_scope_shields_mailboxes_only_where_it_is_exclusive() -> None:
    rows = (
        Configuration(SCOPE, "s1", "Plain", {"RecipientFilter": "x"}),
        Configuration(SCOPE, "s2", LONG, {"Exclusive": True, "RecipientFilter": LONG}),
        Configuration(SCOPE, "s3", "", {"Exclusive": "True"}),
    )
    named, bare = describe_exclusive_scope(SourceRows({SCOPE: rows}, NOW))
    assert (named.id, named.name, format_facts(named.facts)) == ("s2", CUT, (f"names: {CUT}",))
    assert named.opens == (Trait(build_value_token("names", LONG), SHIELDS, Severity.HIGH),)
    assert named.stop == (
        Step(
            "Unless somebody answers for it: remove it. Exchange says so where it was given to "
            "somebody: take that away first.",
            "Remove-ManagementScope -Identity 's2' -Confirm:$false",
            Shell.EXCHANGE,
        ),
    )
    assert (bare.id, bare.name, bare.facts) == ("s3", "s3", ())


def test_members_are_taken_out_where_nothing_else_is_new() -> None:
    (step,) = restore_group("g1", ["member u1"])
    assert step.command == "Remove-RoleGroupMember -Identity 'g1' -Member 'u1' -Confirm:$false"
    assert restore_group("g1", ["member u1", "role x"]) == ()
