"""Which rows of a long listing are kept: those that say what is looked for."""

from typing import Any

import pytest

from core.microsoft365.configuration_sources import has_flag, rejects_senders
from core.microsoft365.deleted_mail import USUAL_DAYS, loses_deleted_mail


@pytest.mark.parametrize(
    ("values", "is_lost"),
    [
        ({}, False),
        ({"SingleItemRecoveryEnabled": "False"}, True),
        ({"SingleItemRecoveryEnabled": True}, False),
        ({"RetainDeletedItemsFor": f"{USUAL_DAYS}.00:00:00"}, False),
        ({"RetainDeletedItemsFor": f"{USUAL_DAYS - 1}.00:00:00"}, True),
        ({"RetainDeletedItemsFor": "30.00:00:00"}, False),
        ({"RetainDeletedItemsFor": "soon"}, True),
        ({"SingleItemRecoveryEnabled": False, "RetainDeletedItemsFor": "30.00:00:00"}, True),
    ],
)
def test_mail_is_lost_where_its_owner_can_delete_it_for_good_within_the_usual_days(
    values: dict[str, Any], is_lost: bool
) -> None:
    assert loses_deleted_mail(values) is is_lost


@pytest.mark.parametrize(
    ("values", "rejects"),
    [
        ({}, False),
        ({"RejectMessagesFrom": ["soc"]}, True),
        ({"RejectMessagesFromDLMembers": ["Board"]}, True),
        ({"RejectMessagesFromSendersOrMembers": "soc"}, True),
        ({"AcceptMessagesOnlyFrom": ["soc"]}, True),
        ({"AcceptMessagesOnlyFromDLMembers": ["Board"]}, True),
        ({"AcceptMessagesOnlyFromSendersOrMembers": ["Board"]}, True),
        ({"RejectMessagesFrom": [], "AcceptMessagesOnlyFrom": None}, False),
    ],
)
def test_a_mailbox_that_rejects_somebody_is_kept(values: dict[str, Any], rejects: bool) -> None:
    assert rejects_senders(values) is rejects


@pytest.mark.parametrize("value", [True, False])
def test_a_row_that_does_not_tell_a_flag_may_have_it(value: bool) -> None:
    keeps = has_flag("ModerationEnabled", value)
    assert keeps({})
    assert keeps({"ModerationEnabled": str(value)})
    assert not keeps({"ModerationEnabled": not value})
