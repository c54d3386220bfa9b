"""Rows of rights over mailboxes, in every form Exchange and exports print them."""

import pytest

from core.adapters.m365.delegation import (
    check_mailbox_rights,
    check_send_as_rights,
    parse_mailbox_rights,
    parse_send_as_rights,
    parse_send_on_behalf_rights,
)
from core.adapters.m365.folder_rights import NO_ROW, collect_folder_rights
from core.tenant.mailboxes import Delegation, Mailbox

OWNER = Mailbox("m1", "g1", "director@contoso.com")
SID = "S-1-5-21-1111111111-2222222222-3333333333-1001"
OPENS = {
    "Identity": "director",
    "User": "ann@contoso.com",
    "UserSid": SID,
    "AccessRights": ["FullAccess"],
    "IsInherited": False,
    "Deny": False,
}
SENDS = {
    "Identity": "director",
    "Trustee": "ann@contoso.com",
    "TrusteeSidString": SID,
    "AccessControlType": "Allow",
    "AccessRights": ["SendAs"],
    "IsInherited": False,
}
SELF = OPENS | {"User": "NT AUTHORITY\\SELF", "UserSid": "S-1-5-10"}
HELD = Delegation("FullAccess", "ann@contoso.com", SID, OWNER)
BOX = {"ExternalDirectoryObjectId": "m1", "Guid": "g1", "PrimarySmtpAddress": "d@contoso.com"}


@pytest.mark.parametrize(
    ("rights", "found"),
    [
        (["FullAccess"], ["FullAccess"]),
        ("FullAccess", ["FullAccess"]),
        ("fullaccess, readpermission", ["FullAccess"]),
        (["FullAccess, DeleteItem"], ["FullAccess"]),
        (
            ["ReadPermission", "ChangePermission", "FullAccess", "ChangeOwner"],
            ["FullAccess", "ChangePermission", "ChangeOwner"],
        ),
        (["ReadPermission"], []),
        (["ExternalAccount", "DeleteItem"], []),
    ],
)
def test_rights_are_understood_as_a_list_or_as_words(rights: object, found: list[str]) -> None:
    assert [
        one.right for one in parse_mailbox_rights(OWNER, OPENS | {"AccessRights": rights})
    ] == found


@pytest.mark.parametrize(
    "trustee",
    [
        "ann@contoso.com",
        "CONTOSO\\ann",
        "Ann Example, Sales",
        "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=1-ann",
    ],
)
def test_the_holder_is_kept_as_it_is_printed(trustee: str) -> None:
    (found,) = parse_mailbox_rights(OWNER, OPENS | {"User": f" {trustee} "})
    assert (found.trustee, found.sid) == (trustee, SID)


def test_a_bare_identifier_is_the_holders_identifier() -> None:
    (found,) = parse_mailbox_rights(OWNER, OPENS | {"User": SID.lower(), "UserSid": None})
    assert (found.trustee, found.sid) == (SID.lower(), SID)


@pytest.mark.parametrize("inherited", [True, "True", "true"])
def test_what_is_inherited_is_left_out_also_as_a_word(inherited: object) -> None:
    assert parse_mailbox_rights(OWNER, OPENS | {"IsInherited": inherited}) == ()
    assert parse_send_as_rights(SENDS | {"IsInherited": inherited}) == ()


@pytest.mark.parametrize("inherited", [False, "False", None])
def test_what_is_not_plainly_inherited_is_a_delegation(inherited: object) -> None:
    assert parse_mailbox_rights(OWNER, OPENS | {"IsInherited": inherited}) == (HELD,)


@pytest.mark.parametrize("name", ["Deny", "IsInherited"])
@pytest.mark.parametrize("value", ["perhaps", -1, 0, 1, [], {}])
def test_a_right_that_does_not_plainly_say_what_it_is_counts_as_unread(
    name: str, value: object
) -> None:
    with pytest.raises(ValueError, match=f"{name} is neither true nor false"):
        parse_mailbox_rights(OWNER, OPENS | {name: value})


def test_what_is_denied_is_left_out() -> None:
    assert parse_mailbox_rights(OWNER, OPENS | {"Deny": True}) == ()
    assert parse_mailbox_rights(OWNER, OPENS | {"Deny": {"IsPresent": True}}) == ()
    assert parse_mailbox_rights(OWNER, OPENS | {"Deny": {"IsPresent": False}}) == (HELD,)
    assert parse_mailbox_rights(OWNER, OPENS | {"Deny": "True"}) == ()
    assert parse_send_as_rights(SENDS | {"AccessControlType": "Deny"}) == ()
    assert parse_send_as_rights(SENDS | {"AccessControlType": "deny "}) == ()


def test_send_as_beside_a_right_over_the_mailbox_is_not_unread() -> None:
    rights = {"AccessRights": "FullAccess, ReadPermission, SendAs"}
    assert parse_mailbox_rights(OWNER, OPENS | rights) == (HELD,)


def test_rows_that_lack_the_columns_for_it_are_delegations() -> None:
    bare = {"User": "ann@contoso.com", "AccessRights": "FullAccess"}
    assert [one.right for one in parse_mailbox_rights(OWNER, bare)] == ["FullAccess"]
    bare = {"Identity": "director", "Trustee": "ann@contoso.com", "AccessRights": "SendAs"}
    assert [one.mailbox_name for one in parse_send_as_rights(bare)] == ["director"]


@pytest.mark.parametrize(
    ("user", "sid"),
    [
        ("NT AUTHORITY\\SELF", "S-1-5-10"),
        ("nt authority\\self", None),
        ("S-1-5-10", None),
        ("printed in another language", "S-1-5-10"),
        ("NT AUTHORITY\\SYSTEM", "S-1-5-18"),
        ("NT AUTHORITY\\NETWORK SERVICE", None),
        ("NULL SID", None),
        ("NAMPRD04A001\\Exchange Trusted Subsystem", SID),
        ("EURP193A010\\Managed Availability Servers", SID),
        ("PRDTSB01\\JitUsers", "S-1-5-18"),
        ("NAMPRD04A001\\Organization Management", SID),
        ("NAMPRD04A001\\Exchange Trusted Subsystem", None),
        ("EURP193A010\\Managed Availability Servers", None),
    ],
)
def test_a_mailboxs_own_rights_and_exchanges_are_left_out(user: str, sid: str | None) -> None:
    assert parse_mailbox_rights(OWNER, OPENS | {"User": user, "UserSid": sid}) == ()
    assert parse_send_as_rights(SENDS | {"Trustee": user, "TrusteeSidString": sid}) == ()


@pytest.mark.parametrize(
    ("user", "sid"),
    [
        ("NT AUTHORITY\\SELF", SID),
        ("Exchange Trusted Subsystem", SID),
        ("Exchange Trusted Subsystem", None),
        ("Managed Availability Servers", None),
        ("CONTOSO\\Exchange Trusted Subsystem", None),
        ("CORP01\\Organization Management", SID),
        ("Organization Management", None),
        ("NT AUTHORITY\\SELF ", "S-1-5-11"),
        ("NAMPRD04A001\\ann", SID),
    ],
)
def test_a_name_that_only_looks_like_exchanges_own_hides_nothing(
    user: str, sid: str | None
) -> None:
    assert len(parse_mailbox_rights(OWNER, OPENS | {"User": user, "UserSid": sid})) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"User": None},
        {"User": ""},
        {"User": {"RawIdentity": "ann"}},
        {"AccessRights": None},
        {"AccessRights": []},
    ],
)
def test_a_row_that_makes_no_sense_is_no_empty_answer(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a right"):
        parse_mailbox_rights(OWNER, OPENS | broken)


@pytest.mark.parametrize("broken", [{"Trustee": None}, {"AccessRights": []}, {"Identity": " "}])
def test_a_row_of_a_recipient_that_makes_no_sense_is_none_either(
    broken: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match="a right"):
        parse_send_as_rights(SENDS | broken)


@pytest.mark.parametrize(
    "rights",
    [
        ["FullAccess", "OwnTheWorld"],
        ["OwnTheWorld, FullAccess, ReadPermission"],
        "FullAccess, SendAs, OwnTheWorld",
    ],
)
def test_an_unknown_right_does_not_hide_the_known_ones_beside_it(rights: object) -> None:
    row = OPENS | {"AccessRights": rights}
    assert parse_mailbox_rights(OWNER, row) == (HELD,)
    with pytest.raises(ValueError, match="a right nobody knows: owntheworld"):
        check_mailbox_rights(row)
    sends = SENDS | {"AccessRights": ["SendAs", "OwnTheWorld"]}
    assert len(parse_send_as_rights(sends)) == 1
    with pytest.raises(ValueError, match="a right nobody knows: owntheworld"):
        check_send_as_rights(sends)


@pytest.mark.parametrize(
    "rights",
    [
        ["FullAccess", "SendAs", "ExternalAccount", "ReadPermission"],
        ["FullAccess, ReadPermission"],
        ["DeleteItem"],
    ],
)
def test_known_rights_and_a_mailbox_s_own_leave_nothing_unread(rights: object) -> None:
    check_mailbox_rights(OPENS | {"AccessRights": rights})
    check_mailbox_rights(SELF | {"AccessRights": ["OwnTheWorld"]})
    check_mailbox_rights(OPENS | {"AccessRights": ["OwnTheWorld"], "Deny": True})
    check_send_as_rights(SENDS)
    check_send_as_rights(SENDS | {"AccessRights": ["More"], "AccessControlType": "Deny"})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (["Ann", "Bob"], ["Ann", "Bob"]),
        (["Ann", "Ann", None], ["Ann"]),
        ("Ann", ["Ann"]),
        ("ann@contoso.com, bob@contoso.com", ["ann@contoso.com", "bob@contoso.com"]),
        ([], []),
        (None, []),
    ],
)
def test_send_on_behalf_is_a_property_of_the_mailbox(value: object, found: list[str]) -> None:
    rights = parse_send_on_behalf_rights(BOX | {"GrantSendOnBehalfTo": value})
    assert [one.trustee for one in rights] == found
    assert {one.mailbox.id for one in rights if one.mailbox} <= {"m1"}


def test_somebody_who_cannot_be_read_is_not_left_out() -> None:
    with pytest.raises(ValueError, match="GrantSendOnBehalfTo"):
        parse_send_on_behalf_rights(BOX | {"GrantSendOnBehalfTo": ["Ann", {"Name": "Bob"}]})


def test_the_listing_of_mailboxes_is_not_where_full_access_stands() -> None:
    """A tool that looks for `User` in rows of Get-Mailbox never finds anybody."""
    assert parse_send_on_behalf_rights(BOX | {"User": "ann@contoso.com"}) == ()
    with pytest.raises(ValueError, match="User cannot be read"):
        parse_mailbox_rights(OWNER, BOX | {"AccessRights": ["FullAccess"]})


def test_what_a_row_leaves_out_does_not_hide_a_right() -> None:
    """The admin API prints neither IsInherited nor Deny with rights to send."""
    bare = {name: SENDS[name] for name in ("Identity", "Trustee", "TrusteeSidString")}
    (found,) = parse_send_as_rights(
        bare | {"AccessControlType": "Allow", "AccessRights": ["SendAs"]}
    )
    assert (found.right, found.trustee, found.sid) == ("SendAs", "ann@contoso.com", SID)


def test_a_right_over_a_folder_that_nobody_knows_does_not_hide_the_known_one_beside_it() -> None:
    row = {"User": "Default", "AccessRights": ["Reviewer", "OwnTheWorld"]}
    reason = "a right over a folder that nobody knows: owntheworld"
    assert collect_folder_rights([row]) == ([("Default", ("Reviewer",))], reason)
    assert collect_folder_rights([{**row, "AccessRights": ["OwnTheWorld"]}]) == ([], reason)
    known = {"User": "Default", "AccessRights": ["Reviewer"]}
    assert collect_folder_rights([known]) == ([("Default", ("Reviewer",))], None)
    assert collect_folder_rights([known, {"AccessRights": ["Owner"]}])[1]
    assert collect_folder_rights([{**known, "AccessRights": "None"}]) == ([], None)
    assert collect_folder_rights([]) == ([], NO_ROW)
