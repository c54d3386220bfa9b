"""Holders of rights: what a name and an identifier say of somebody."""

from typing import Any

import pytest

from core.microsoft365.addresses import OwnDomains
from core.microsoft365.trustees import (
    HolderType,
    build_remove_right_command,
    classify_holder,
    find_mail_domain,
    find_sid,
    has_mail_elsewhere,
    is_built_in_trustee,
    is_everyone_trustee,
    is_known_kind,
    is_own_mail_user,
    is_system_mailbox,
    list_holder_ids,
    needs_no_lookup,
    normalize_trustee,
    strip_account_prefix,
)
from core.tenant.mail_flow import Recipient
from core.tenant.mailboxes import Delegation, Mailbox

OWN = OwnDomains(frozenset({"contoso.com"}))
ANN_SID = "S-1-5-21-1-2-3-1104"
SERVERS = "EURPRD01A002\\Exchange Servers"
SYSTEM_NAME = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}"


def hold(trustee: str = "ann", sid: str = "", right: str = "FullAccess") -> Delegation:
    """A right that somebody holds."""
    return Delegation(right, trustee, sid)


def find(**more: Any) -> Recipient:
    """Whom Exchange finds for a name."""
    return Recipient("ann", **{"found": True, **more})


@pytest.mark.parametrize(
    ("values", "sid"),
    [
        ((ANN_SID.lower(),), ANN_SID),
        (("ann", None, f" {ANN_SID} "), ANN_SID),
        (("S-1-5-10", ANN_SID), "S-1-5-10"),
        (("S-1", "ann", 5), ""),
    ],
)
def test_the_first_identifier_is_found(values: tuple[object, ...], sid: str) -> None:
    assert find_sid(*values) == sid


def test_names_compare_without_the_forest_the_kind_and_the_case() -> None:
    assert normalize_trustee(" EURPRD01A002\\Ann ") == "ann"
    assert normalize_trustee("NAMP223A001\\ann") == "ann"
    assert normalize_trustee("CONTOSO\\Ann") == "contoso\\ann"
    assert normalize_trustee("EURPRD01A002\\x\\Ann") == "x\\ann"
    assert normalize_trustee("Builtin") == "builtin"
    assert normalize_trustee("SMTP:Ann@Contoso.com") == "ann@contoso.com"
    assert normalize_trustee("A\u030a") == "\u00e5"
    assert strip_account_prefix(f" NT:{ANN_SID}") == ANN_SID
    assert strip_account_prefix(" ann ") == "ann"


@pytest.mark.parametrize(
    ("trustee", "sid", "expected"),
    [
        ("NT AUTHORITY\\SELF", "", True),
        ("whoever", "S-1-5-10", True),
        ("NT AUTHORITY\\SELF", ANN_SID, False),
        ("NT AUTHORITY\\SELF", "S-1-1-0", False),
        (SERVERS, ANN_SID, True),
        ("EURPRD01A002\\Ann", ANN_SID, False),
        ("CONTOSO\\Exchange Servers", ANN_SID, False),
        (SERVERS, "", True),
        ("Exchange Servers", "", False),
        ("Managed Availability Servers", "", False),
        ("Exchange Servers", ANN_SID, False),
        ("Domain Admins", "", False),
        ("EURPRD01A002\\Domain Admins", "", True),
        ("ann", "", False),
    ],
)
def test_what_every_mailbox_has_is_built_in_and_what_only_looks_so_is_not(
    trustee: str, sid: str, expected: bool
) -> None:
    assert is_built_in_trustee(trustee, sid) is expected


@pytest.mark.parametrize(
    ("trustee", "sid", "expected"),
    [
        ("Everyone", "", True),
        ("CONTOSO\\Domain Users", "", True),
        ("ann", "S-1-1-0", True),
        ("ann", "S-1-5-21-1-2-3-513", True),
        ("ann", "S-1-5-21-1-2-3-514", True),
        ("ann", "S-1-5-32-513", False),
        ("ann", ANN_SID, False),
        ("everyone\\ann", "", False),
    ],
)
def test_everybody_is_known_by_name_and_by_identifier(
    trustee: str, sid: str, expected: bool
) -> None:
    assert is_everyone_trustee(trustee, sid) is expected


@pytest.mark.parametrize(
    ("delegation", "expected"),
    [
        (hold("Everyone"), True),
        (hold("ann_x.example#EXT#@contoso.com"), True),
        (hold("ExchangePublishedUser.ann@x.example"), True),
        (hold("ann", ANN_SID, "FolderRights"), True),
        (hold("ann", "", "FolderRights"), False),
        (hold("ann", ANN_SID), False),
    ],
)
def test_nobody_is_looked_up_whose_name_says_who_it_is(
    delegation: Delegation, expected: bool
) -> None:
    assert needs_no_lookup(delegation) is expected


@pytest.mark.parametrize(
    ("recipient", "elsewhere", "domain", "is_own"),
    [
        (
            find(kind="MailUser", external_address="SMTP:ann@x.example", address="ann@x.example"),
            True,
            "x.example",
            False,
        ),
        (
            find(kind="mailuser", external_address="SMTP:ann@contoso.com", address=""),
            True,
            "contoso.com",
            True,
        ),
        (
            find(kind="MailUser", external_address="SMTP:a@contoso.com", address="a@x.example"),
            True,
            "contoso.com",
            False,
        ),
        (
            find(kind="MailUser", external_address="SMTP:a@x.example", address="a@contoso.com"),
            True,
            "x.example",
            False,
        ),
        (find(kind="MailUser", address="ann@contoso.com"), True, "contoso.com", True),
        (find(kind="MailUser"), True, "", False),
        (find(kind="UserMailbox", address="ann@contoso.com"), False, "contoso.com", True),
        (
            Recipient("ann", found=False, kind="MailUser", address="ann@contoso.com"),
            False,
            "contoso.com",
            True,
        ),
    ],
)
def test_a_mail_user_is_own_if_its_mail_and_its_address_are(
    recipient: Recipient, elsewhere: bool, domain: str, is_own: bool
) -> None:
    assert has_mail_elsewhere(recipient) is elsewhere
    assert find_mail_domain(recipient) == domain
    assert is_own_mail_user(recipient, OWN) is is_own


NOBODY = Recipient("ann", found=False)


@pytest.mark.parametrize(
    ("delegation", "recipient", "is_outside", "expected"),
    [
        (hold("Everyone"), find(), True, HolderType.EVERYONE),
        (hold(), find(kind="UserMailbox"), False, HolderType.KNOWN),
        (hold(), find(kind="NewKind"), False, HolderType.UNKNOWN_KIND),
        (hold(), find(), True, HolderType.OUTSIDER),
        (hold("a_x.example#EXT#@c"), find(), False, HolderType.OUTSIDER),
        (hold(), find(kind="GuestMailUser"), False, HolderType.OUTSIDER),
        (hold("ExchangePublishedUser.a@x"), NOBODY, False, HolderType.OUTSIDER),
        (hold(), NOBODY, False, HolderType.UNKNOWN_NAME),
        (hold(ANN_SID), NOBODY, False, HolderType.UNKNOWN_SID),
        (hold(f"NT:{ANN_SID}"), NOBODY, False, HolderType.UNKNOWN_SID),
    ],
)
def test_a_holder_is_what_is_known_of_it(
    delegation: Delegation, recipient: Recipient, is_outside: bool, expected: HolderType
) -> None:
    assert classify_holder(delegation, recipient, is_outside=is_outside) is expected


@pytest.mark.parametrize(
    "kind", ["UserMailbox", "MailUniversalSecurityGroup", "MailUser", "MailContact", "PublicFolder"]
)
def test_it_is_known_of_a_kind_whether_it_belongs_to_the_organization(kind: str) -> None:
    assert is_known_kind(find(kind=kind))
    assert not is_known_kind(find(kind=f"New{kind}s"))


def test_a_holder_goes_by_what_is_never_reused_and_else_by_its_name() -> None:
    known = find(id="id1")
    assert list_holder_ids(hold(sid=ANN_SID), known) == (f"sid:{ANN_SID}", "id:id1")
    assert list_holder_ids(hold(), known) == ("id:id1",)
    assert list_holder_ids(hold(), find()) == ("name:ann",)
    assert list_holder_ids(hold(), Recipient("ann", found=False, id="id1")) == ("name:ann",)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("DiscoveryMailbox", "x", True),
        ("UserMailbox", SYSTEM_NAME, False),
        ("", f" {SYSTEM_NAME} ", True),
        ("", "SystemMailbox", False),
        ("", "ann", False),
    ],
)
def test_a_mailbox_of_exchange_s_own_goes_by_its_kind_and_else_by_its_name(
    kind: str, name: str, expected: bool
) -> None:
    assert is_system_mailbox(Mailbox("m1", "g1", "x@contoso.com", name, kind)) is expected


@pytest.mark.parametrize(
    ("right", "command"),
    [
        ("SendAs", "Remove-RecipientPermission -Identity 'g1' -Trustee 'ann'"),
        ("FullAccess", "Remove-MailboxPermission -Identity 'g1' -User 'ann'"),
    ],
)
def test_a_right_is_revoked_by_its_own_cmdlet(right: str, command: str) -> None:
    box = Mailbox("m1", "g1", "box@contoso.com", "Box")
    revoke = build_remove_right_command(hold(right=right), box, NOBODY)
    assert revoke == f"{command} -AccessRights {right}"
    on_behalf = build_remove_right_command(hold(right="SendOnBehalf"), box, NOBODY)
    assert on_behalf == "Set-Mailbox -Identity 'g1' -GrantSendOnBehalfTo @{Remove='ann'}"


def test_a_command_names_the_surest_and_none_is_given_for_what_cannot_be_quoted() -> None:
    by_address = Mailbox("m1", "", "box@contoso.com", "Box")
    by_name = Mailbox("m1", "", "", "Box")
    known = find(address="ann@contoso.com")
    assert "'box@contoso.com' -User 'ann@contoso.com'" in build_remove_right_command(
        hold(), by_address, known
    )
    assert "-Identity 'Box'" in build_remove_right_command(hold(), by_name, known)
    assert build_remove_right_command(hold("a\u2019b\n"), by_name, NOBODY) == ""
    assert build_remove_right_command(hold(), Mailbox("m1", "", "", "a\nb"), known) == ""
