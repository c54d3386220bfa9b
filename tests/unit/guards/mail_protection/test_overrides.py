"""Mailboxes whose mail passes every filter, and who is believed about where mail came from."""

import pytest

from core.guards.mail_protection.allow_lists import (
    SEALERS,
    UNFILTERED,
    describe_sealers,
    describe_unfiltered,
)
from core.model.findings import Severity, Shell, Step
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, Trait, WatchedItem
from tests.support.watched_looks import NOW

LONG = "n" * 300
CUT = f"{LONG[:120]}… (300 characters)"


def describe_override(name: str = "Override", **values: object) -> WatchedItem:
    """What is known of one override of the filters."""
    rows = SourceRows({UNFILTERED: (Configuration(UNFILTERED, "u1", name, values),)}, NOW)
    (item,) = describe_unfiltered(rows)
    return item


def test_an_override_is_told_by_its_mailboxes_and_removed_by_its_id() -> None:
    item = describe_override(SentTo=["SecOps@contoso.com", LONG], Mode="Enforce")
    assert (item.id, item.name, item.arrival) == ("u1", "Override", Severity.MEDIUM)
    first, long = item.opens
    assert first == Trait(
        "mailbox secops@contoso.com",
        "has all mail delivered unfiltered to SecOps@contoso.com",
        Severity.HIGH,
    )
    assert long.text == f"has all mail delivered unfiltered to {CUT}"
    assert item.stop == (
        Step(
            "Unless somebody answers for it: remove the override.",
            "Remove-ExoSecOpsOverrideRule -Identity 'u1' -Confirm:$false",
            Shell.EXCHANGE,
        ),
    )
    assert describe_override("").name == "u1"
    assert describe_override(LONG).name == CUT


@pytest.mark.parametrize("mode", ["PendingDeletion", "pendingdeletion"])
def test_an_override_that_is_being_deleted_opens_nothing(mode: str) -> None:
    item = describe_override(SentTo=["a@contoso.com"], Mode=mode)
    assert (item.opens, item.arrival) == ((), Severity.INFO)


def test_each_sealer_is_told_however_the_list_is_printed() -> None:
    values = {"ArcTrustedSealers": ["A.example, b.example,", LONG]}
    rows = SourceRows({SEALERS: (Configuration(SEALERS, "s1", "x", values),)}, NOW)
    (item,) = describe_sealers(rows)
    assert (item.id, item.name) == ("s1", "of the tenant")
    *two, long = item.opens
    assert two == [
        Trait(
            f"sealer {one.casefold()}",
            f"believes {one} about where mail came from",
            Severity.MEDIUM,
        )
        for one in ("A.example", "b.example")
    ]
    assert long.text == f"believes {CUT} about where mail came from"
    unread = SourceRows({SEALERS: None, UNFILTERED: None}, NOW)
    assert list(describe_sealers(unread)) == list(describe_unfiltered(unread)) == []
