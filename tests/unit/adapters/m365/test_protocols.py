"""Rows of Get-CASMailbox and of the sign-in log: printed in many ways, and never guessed."""

from datetime import UTC, datetime

import pytest

from core.adapters.m365.protocols import (
    is_failed_sign_in,
    parse_mailbox_protocols,
    parse_protocol_use,
)

ROW = {
    "ExternalDirectoryObjectId": "M1",
    "Guid": "G1",
    "PrimarySmtpAddress": "ann@contoso.com",
    "ImapEnabled": True,
    "PopEnabled": False,
    "SmtpClientAuthenticationDisabled": None,
}


@pytest.mark.parametrize("on", [True, "True", "true"])
def test_what_is_on_is_on_however_it_is_printed(on: object) -> None:
    found = parse_mailbox_protocols({**ROW, "ImapEnabled": on})
    assert (set(found.allowed), set(found.denied), set(found.unknown)) == ({"imap"}, {"pop"}, set())


@pytest.mark.parametrize(
    ("value", "allowed", "refused"),
    [(None, False, False), ("", False, False), (False, True, False), ("True", False, True)],
)
def test_smtp_auth_is_allowed_refused_or_left_to_the_organization(
    value: object, allowed: bool, refused: bool
) -> None:
    found = parse_mailbox_protocols({**ROW, "SmtpClientAuthenticationDisabled": value})
    assert ("smtp" in found.allowed, "smtp" in found.denied) == (allowed, refused)
    assert found.unknown == frozenset()


@pytest.mark.parametrize("name", ["ImapEnabled", "PopEnabled", "SmtpClientAuthenticationDisabled"])
def test_what_is_not_there_is_not_off(name: str) -> None:
    missing = {key: value for key, value in ROW.items() if key != name}
    for row in (missing, {**ROW, name: "maybe"}, {**ROW, name: 1}):
        assert len(parse_mailbox_protocols(row).unknown) == 1


def test_null_means_that_the_organization_decides_for_smtp_alone() -> None:
    assert parse_mailbox_protocols({**ROW, "ImapEnabled": None}).unknown == {"imap"}


def test_a_mailbox_without_an_id_is_broken() -> None:
    with pytest.raises(ValueError, match="id"):
        parse_mailbox_protocols({**ROW, "ExternalDirectoryObjectId": "", "Guid": None})


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ({"errorCode": 50126}, True),
        ({"errorCode": 0}, False),
        ({}, False),
        (None, False),
        ({"errorCode": "50126"}, False),
        ({"errorCode": True}, False),
        ({"errorCode": -1}, False),
    ],
)
def test_only_what_is_known_to_have_failed_has_failed(status: object, answer: bool) -> None:
    assert is_failed_sign_in({"status": status}) is answer


def test_a_sign_in_is_an_account_a_moment_and_a_place() -> None:
    at = "2026-11-19T10:00:00Z"
    row = {"userId": "U1", "createdDateTime": at, "ipAddress": "x" * 500, "userPrincipalName": 7}
    use = parse_protocol_use("imap", row)
    assert (use.account_id, use.protocol, use.upn) == ("U1", "imap", "")
    assert use.last_used == datetime(2026, 11, 19, 10, tzinfo=UTC)
    assert [len(one) for one in use.addresses] == [64]


@pytest.mark.parametrize(
    "row",
    [
        {"createdDateTime": "2026-11-19T10:00:00Z"},
        {"userId": "U1"},
        {"userId": "U1", "createdDateTime": "yesterday"},
        {"userId": 0.5, "createdDateTime": "2026-11-19T10:00:00Z"},
    ],
)
def test_a_sign_in_of_nobody_or_never_is_broken(row: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_protocol_use("imap", row)
