"""Moderation, refused senders, holds and recovery of single mailboxes; contacts of the tenant."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.microsoft365.deleted_mail import loses_deleted_mail
from core.tenant.configuration import Configuration
from tests.support.watched_looks import COLLECTIONS, Looks

BOX = {
    "Identity": "director",
    "PrimarySmtpAddress": "director@contoso.com",
    "RecipientTypeDetails": "UserMailbox",
}
MODERATED = {**BOX, "ModerationEnabled": "True", "ModeratedBy": ["temphelp"]}
DOMAIN = Configuration("accepted-domain", "contoso.com", "contoso.com", {})


async def tell(
    collection: str,
    source: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> str:
    """What is said of one object between two looks, and a third; None: it is not there."""
    looks = Looks(COLLECTIONS[collection])

    def rows(values: Mapping[str, Any] | None) -> list[Configuration]:
        return [DOMAIN, *([Configuration(source, "m1", "x", values)] if values else [])]

    await looks.look(rows(before))
    await looks.look(rows(after))
    found = await looks.look(rows(after))
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


@pytest.mark.parametrize(
    ("before", "after", "severity", "says"),
    [
        (None, MODERATED, "high", "lets temphelp read and approve mail before its reader"),
        (
            None,
            {**MODERATED, "SendModerationNotifications": "Never"},
            "high",
            "tells no sender that a message was refused",
        ),
        (None, {**MODERATED, "RecipientTypeDetails": "SharedMailbox"}, "medium", "temphelp"),
        (None, {**MODERATED, "ModeratedBy": ["director"]}, "low", "lets director read"),
        (None, {**MODERATED, "ModeratedBy": []}, "low", "names no moderator"),
        (MODERATED, {**MODERATED, "ModeratedBy": ["temphelp", "eve"]}, "high", "lets eve read"),
        (MODERATED, MODERATED, "", ""),
        (MODERATED, None, "", ""),
    ],
)
async def test_who_newly_reads_mail_before_its_reader_is_told(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, severity: str, says: str
) -> None:
    said = await tell("mailbox-moderation", "moderated-mailbox", before, after)
    assert said.partition(":")[0] == severity
    assert says in said


async def test_a_sender_who_is_newly_refused_is_told_once_whatever_property_names_them() -> None:
    refused = {
        **BOX,
        "RejectMessagesFrom": ["itdesk"],
        "RejectMessagesFromSendersOrMembers": ["itdesk"],
    }
    assert await tell("mailbox-rejection", "rejecting-mailbox", None, refused) == (
        "medium: The restriction on senders to director@contoso.com is new: it refuses mail from "
        "itdesk."
    )
    assert await tell("mailbox-rejection", "rejecting-mailbox", refused, refused) == ""


async def test_a_mailbox_that_newly_takes_mail_of_some_senders_alone_is_told() -> None:
    alone = {**BOX, "AcceptMessagesOnlyFrom": ["eve"]}
    said = await tell("mailbox-rejection", "rejecting-mailbox", None, alone)
    assert said.startswith("medium: The restriction on senders to director@contoso.com is new: ")
    assert "takes mail of some senders alone" in said
    assert "takes mail of eve alone" in said
    both = {**alone, "AcceptMessagesOnlyFromSendersOrMembers": ["EVE"]}
    assert await tell("mailbox-rejection", "rejecting-mailbox", alone, both) == ""
    others = {**BOX, "AcceptMessagesOnlyFromDLMembers": [f"g{number}" for number in range(7)]}
    changed = await tell("mailbox-rejection", "rejecting-mailbox", alone, others)
    assert changed.startswith("low: ")
    assert "takes mail of g0, g1, g2, g3, g4 and 2 more alone" in changed


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (None, "is gone: it was taken off"),
        (
            {**BOX, "LitigationHoldEnabled": True, "LitigationHoldDuration": "90.00:00:00"},
            "now ends by itself",
        ),
        ({**BOX, "LitigationHoldEnabled": True, "LitigationHoldDuration": "Unlimited"}, ""),
    ],
)
async def test_a_hold_that_is_taken_off_or_shortened_is_told(
    after: Mapping[str, Any] | None, says: str
) -> None:
    held = {**BOX, "LitigationHoldEnabled": True, "LitigationHoldDuration": "Unlimited"}
    said = await tell("mailbox-hold", "held-mailbox", held, after)
    assert says in said
    assert said.startswith("medium" if says else "")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("UserMailbox", "medium"), ("SharedMailbox", "medium"), ("DiscoveryMailbox", "")],
)
async def test_recovery_that_is_switched_off_is_told_but_of_exchanges_own(
    kind: str, expected: str
) -> None:
    off = {**BOX, "RecipientTypeDetails": kind, "SingleItemRecoveryEnabled": "False"}
    said = await tell("mailbox-recovery", "unrecoverable-mailbox", None, off)
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("14.00:00:00", "00:00:00", "keeps deleted mail for 0 days"),
        ("14.00:00:00", "13.23:59:59", "keeps deleted mail for 13 days"),
        ("7.00:00:00", "1.00:00:00", "keeps deleted mail for 1 day in"),
        ("14.00:00:00", "two weeks", "a time that cannot be told"),
        ("14.00:00:00", "30.00:00:00", ""),
        ("30.00:00:00", "14.00:00:00", ""),
        ("1.00:00:00", "7.00:00:00", ""),
        ("7.00:00:00", "7.00:00:00", ""),
        ("30.00:00:00", "", ""),
    ],
)
async def test_deleted_mail_that_is_kept_for_less_is_told(
    before: str, after: str, says: str
) -> None:
    kept = [
        {**BOX, "SingleItemRecoveryEnabled": "True", "RetainDeletedItemsFor": days}
        for days in (before, after)
    ]
    known, changed = (row if loses_deleted_mail(row) else None for row in kept)
    said = await tell("mailbox-recovery", "unrecoverable-mailbox", known, changed)
    assert says in said
    assert bool(said) is bool(says)


@pytest.mark.parametrize(
    ("mails", "expected"),
    [
        (["it@contoso.com", "chief@contoso.com"], "low"),
        (["it@contoso.com", "it@drop.example"], "medium"),
        ([], "low"),
        (["it@contoso.com"], ""),
    ],
)
async def test_where_microsoft_writes_to_is_told_when_it_changes(
    mails: list[str], expected: str
) -> None:
    known = {"displayName": "Contoso", "technicalNotificationMails": ["it@contoso.com"]}
    said = await tell(
        "notice-contact", "organization", known, {**known, "technicalNotificationMails": mails}
    )
    assert said.partition(":")[0] == expected
