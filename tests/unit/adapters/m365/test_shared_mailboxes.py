"""Rows about shared mailboxes: what is understood, and what is not guessed."""

import pytest

from core.adapters.m365.shared_mailboxes import (
    parse_mailbox_size,
    parse_shared_mailbox,
    parse_size_in_bytes,
)
from core.microsoft365.remote_recipient_type import (
    FLAGS,
    compute_shared_flags,
    format_recipient_type,
    parse_recipient_type_flags,
)

ID = "11111111-0000-4000-8000-000000000001"
NONE = "00000000-0000-0000-0000-000000000000"
ROW: dict[str, object] = {
    "ExternalDirectoryObjectId": ID,
    "Guid": "33333333-0000-4000-8000-000000000001",
    "PrimarySmtpAddress": "info@contoso.com",
    "UserPrincipalName": "info@contoso.onmicrosoft.com",
    "RecipientTypeDetails": "SharedMailbox",
    "IsDirSynced": True,
    "LitigationHoldEnabled": False,
    "InPlaceHolds": [],
    "ArchiveGuid": NONE,
    "ArchiveStatus": "None",
    "RemoteRecipientType": "ProvisionMailbox, SharedMailbox",
}


def test_a_row_in_order() -> None:
    found = parse_shared_mailbox(ROW)
    assert (found.mailbox.id, found.mailbox.synced) == (ID, True)
    assert found.upn == "info@contoso.onmicrosoft.com"
    assert (found.litigation_hold, found.has_archive, found.on_hold) == (False, False, False)
    assert (found.remote_recipient_type, found.cloud_managed) == (97, False)


@pytest.mark.parametrize("name", ["LitigationHoldEnabled", "InPlaceHolds", "RemoteRecipientType"])
def test_a_property_that_is_not_there_tells_nothing(name: str) -> None:
    found = parse_shared_mailbox({key: value for key, value in ROW.items() if key != name})
    assert None in (found.litigation_hold, found.on_hold, found.remote_recipient_type)


@pytest.mark.parametrize(
    ("guid", "status", "there"),
    [
        (NONE, "None", False),
        (NONE, "Active", False),
        (ID, "None", True),
        (None, "Active", True),
        (None, "HostedPending", True),
        (None, "None", False),
        (None, None, None),
        ("", "", None),
    ],
)
def test_an_archive_is_known_by_its_guid_and_else_by_its_status(
    guid: object, status: object, there: bool | None
) -> None:
    assert (
        parse_shared_mailbox(ROW | {"ArchiveGuid": guid, "ArchiveStatus": status}).has_archive
        is there
    )


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"InPlaceHolds": ["UniH7d895d48-7e23-4a8d-8346-533c3beac15d"]}, True),
        ({"InPlaceHolds": "mbx7cfb30345d454ac0a989ab3041051209:1"}, True),
        ({"InPlaceHolds": ["-mbx7cfb30345d454ac0a989ab3041051209:1"]}, False),
        ({"InPlaceHolds": None}, False),
        ({"RetentionHoldEnabled": "True"}, True),
        ({"ComplianceTagHoldApplied": True}, True),
    ],
)
def test_a_hold_or_a_policy_that_names_the_mailbox_counts(
    row: dict[str, object], kept: bool
) -> None:
    assert parse_shared_mailbox(ROW | row).on_hold is kept


@pytest.mark.parametrize(
    ("printed", "flags"),
    [
        ("None", 0),
        (None, 0),
        ("", 0),
        ("ProvisionMailbox", 1),
        ("provisionmailbox,provisionarchive", 3),
        ("Migrated, SharedMailbox", 100),
        ("100", 100),
        (100, 100),
        ("RoomMailbox, EquipmentMailbox", 96),
        ("ProvisionMailbox, SomethingNew", None),
        ("1000", None),
        (-1, None),
        (True, None),
        (["Migrated"], None),
        ("Migrated," * 500, None),
    ],
)
def test_flags_are_read_as_names_or_as_their_sum(printed: object, flags: int | None) -> None:
    assert (
        parse_shared_mailbox(ROW | {"RemoteRecipientType": printed}).remote_recipient_type == flags
    )


def test_flags_in_words_are_the_same_flags() -> None:
    for flags in range(256):
        assert parse_recipient_type_flags(format_recipient_type(flags)) == flags


def test_the_sum_that_exchange_prints_as_a_word_is_printed_as_that_word() -> None:
    assert format_recipient_type(97) == "ProvisionMailbox, SharedMailbox"
    assert format_recipient_type(100) == "Migrated, SharedMailbox"
    assert format_recipient_type(32) == "RoomMailbox"
    assert format_recipient_type(0) == "None"
    assert [compute_shared_flags(flags) for flags in (1, 4, 3, 33, 128)] == [
        100,
        100,
        102,
        100,
        100,
    ]
    assert max(FLAGS.values()) == 128


@pytest.mark.parametrize(
    ("printed", "size"),
    [
        ("50 GB (53,687,091,200 bytes)", 53_687_091_200),
        ("50 GB (53.687.091.200 bytes)", 53_687_091_200),
        ("50 GB (53\u00a0687\u00a0091\u00a0200 bytes)", 53_687_091_200),
        ("50 GB (53\u2019687\u2019091\u2019200 bytes)", 53_687_091_200),
        ("0 B (0 bytes)", 0),
        (12, 12),
        ("1,024", 1_024),
    ],
)
def test_a_size_is_read_to_the_byte(printed: object, size: int) -> None:
    assert parse_size_in_bytes(printed) == size


@pytest.mark.parametrize(
    "printed",
    [
        *(None, "", "Unlimited", "50 GB", "(bytes)", "(, bytes)", True, 1.5, -1, 2**70, [], {}),
        "x" * 200 + "(1 bytes)",
    ],
)
def test_a_size_that_makes_no_sense_is_no_small_one(printed: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_mailbox_size("m1", {"TotalItemSize": printed})


def test_a_size_may_be_wrapped() -> None:
    row = {"TotalItemSize": {"IsUnlimited": False, "Value": "1 KB (1,024 bytes)"}}
    assert parse_mailbox_size("m1", row).size_bytes == 1_024
    with pytest.raises(ValueError, match="size"):
        parse_mailbox_size("m1", {})
