"""What a directory on premises makes of a mailbox that was converted in the cloud."""

import pytest

from core.microsoft365.remote_recipient_type import (
    FLAGS,
    MAX_FLAGS,
    ConversionOutcome,
    compute_shared_flags,
    format_recipient_type,
    parse_recipient_type_flags,
    predict_conversion,
)

SHARED, USER = ConversionOutcome.SHARED, ConversionOutcome.USER
RESOURCE, UNSURE = ConversionOutcome.RESOURCE, ConversionOutcome.UNSURE


@pytest.mark.parametrize(
    ("flags", "outcome", "kept"),
    [
        (0, SHARED, 100),
        (1, USER, 100),
        (2, SHARED, 102),
        (3, USER, 102),
        (4, UNSURE, 100),
        (5, UNSURE, 100),
        (16, SHARED, 116),
        (32, RESOURCE, 100),
        (64, RESOURCE, 100),
        (36, RESOURCE, 100),
        (97, SHARED, 100),
        (100, SHARED, 100),
        (118, SHARED, 118),
    ],
)
def test_a_mailbox_becomes_what_its_flags_say_and_keeps_its_archive(
    flags: int, outcome: ConversionOutcome, kept: int
) -> None:
    assert predict_conversion(flags) is outcome
    assert compute_shared_flags(flags) == kept
    assert predict_conversion(kept) is SHARED


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("100", 100),
        (" 4 ", 4),
        ("255", MAX_FLAGS),
        ("256", None),
        ("00000004", 4),
        ("000000004", None),
        ("Migrated, SharedMailbox", 100),
        ("migrated,PROVISIONARCHIVE", 6),
        ("None", 0),
        ("Migrated, Flying", None),
        ("", None),
        ("-1", None),
    ],
)
def test_flags_are_read_as_names_and_as_a_number(text: str, flags: int | None) -> None:
    assert parse_recipient_type_flags(text) == flags


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (0, "None"),
        (4, "Migrated"),
        (100, "Migrated, SharedMailbox"),
        (36, "Migrated, RoomMailbox"),
        (1 | 2 | 64 | 128, "ProvisionMailbox, ProvisionArchive, EquipmentMailbox, TeamMailbox"),
    ],
)
def test_flags_are_printed_as_exchange_prints_them(flags: int, text: str) -> None:
    assert format_recipient_type(flags) == text
    assert parse_recipient_type_flags(text) == flags


def test_every_flag_is_printed_and_read_alike() -> None:
    for flags in range(MAX_FLAGS + 1):
        assert parse_recipient_type_flags(format_recipient_type(flags)) == flags
    assert sum(flag for flag in FLAGS.values() if flag.bit_count() == 1) == MAX_FLAGS
