"""mailbox-delegation: who is in a group with a right, and what is said of rights over folders."""

from copy import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_delegation.folders import (
    SEVERAL,
    build_folder_command,
    judge_folders,
    list_folder_facts,
    rate_folders,
)
from core.guards.mailbox_delegation.guard import GUARD
from core.guards.mailbox_delegation.holders import (
    DOMAIN_MISSING,
    DOMAINS_UNREAD,
    TenantDomains,
    is_outsider,
    open_group,
)
from core.guards.mailbox_delegation.items import MAX_TEXT_LENGTH, GrantedRight
from core.guards.mailbox_delegation.judge import list_delegation_facts
from core.guards.mailbox_delegation.texts import (
    MAX_SHOWN,
    is_personal_mailbox,
    list_member_facts,
)
from core.guards.mailbox_delegation.verdicts import DelegationVerdict
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import KnownRecipients
from core.microsoft365.trustees import HolderType
from core.model.findings import Severity, Verdict, format_facts
from core.model.guards import GuardPolicy
from core.tenant.mail_flow import GroupMembers, Recipient
from core.tenant.mailboxes import Delegation, FolderRight, Mailbox, MailboxFolder

BOX = Mailbox("m1", "g1", "box@contoso.com", "Box", kind="UserMailbox")
OWN = OwnDomains(frozenset({"contoso.com"}))
DOMAINS = TenantDomains(OWN, OWN)
LONG = "n" * 300
CUT = "n" * MAX_TEXT_LENGTH + "…"


def person(name: str, kind: str = "UserMailbox") -> Recipient:
    return Recipient(name, True, kind, name, id=f"id-{name}")


STAFF = person("staff@contoso.com", "MailUniversalSecurityGroup")
COLLEAGUE = person("ann@contoso.com")
OWN_MAIL_USER = person("far@contoso.com", "MailUser")
PARTNER = person("kim@partner.example", "MailUser")
GUEST = person("max@guest.example", "GuestMailUser")
RIGHT = GrantedRight(Delegation("FullAccess", "Staff"), BOX, STAFF)


def look_into(
    *members: Recipient, domains: TenantDomains = DOMAINS, whole: bool = True
) -> tuple[tuple[str, ...], str, str]:
    """Who of a group is from outside, why others may be, and what could not be found out."""
    known = KnownRecipients(groups={STAFF.key: GroupMembers(STAFF.key, members, whole)})
    right, failure = open_group(RIGHT, domains, known)
    return right.outside_members, right.doubt, failure


def test_members_from_outside_are_named_in_order_by_their_addresses() -> None:
    nameless = replace(GUEST, name="Max", address="", id="x")
    assert look_into(PARTNER, COLLEAGUE, GUEST, OWN_MAIL_USER, nameless) == (
        ("Max", "kim@partner.example", "max@guest.example"),
        "",
        "",
    )


def test_a_member_of_an_unknown_kind_is_a_doubt_unless_there_is_an_older_one() -> None:
    odd = person("odd@contoso.com", "Novelty")
    doubt = "Novelty odd@contoso.com is of a kind that is not known"
    assert look_into(COLLEAGUE, odd) == ((), doubt, "")
    assert look_into(odd, whole=False)[1].endswith("it has too many members to look into")


def test_without_the_own_domains_one_mail_user_is_enough_to_leave_it_open() -> None:
    unread = TenantDomains()
    assert look_into(COLLEAGUE, PARTNER, domains=unread) == ((), "", DOMAINS_UNREAD)
    assert look_into(COLLEAGUE, GUEST, domains=unread) == (("max@guest.example",), "", "")


def test_a_member_of_a_domain_that_is_missing_is_not_yet_from_outside() -> None:
    cut = replace(DOMAINS, missing=OwnDomains(frozenset({"partner.example"})))
    found = look_into(PARTNER, GUEST, domains=cut)
    assert found == (("max@guest.example",), "", DOMAIN_MISSING)


@pytest.mark.parametrize(
    ("who", "own", "expected"),
    [
        (GUEST, None, True),
        (PARTNER, OWN, True),
        (PARTNER, None, False),
        (OWN_MAIL_USER, OWN, False),
        (person("x@partner.example"), OWN, False),
    ],
)
def test_a_mailbox_is_nobody_from_outside_whatever_its_address(
    who: Recipient, own: OwnDomains | None, expected: bool
) -> None:
    assert is_outsider(who, own) is expected


INBOX = FolderRight(BOX, MailboxFolder.INBOX, "\\Inbox", "Ann", ("Reviewer", "FolderVisible"))
NOBODY = Recipient("Ann", found=False)
OPEN = GrantedRight(Delegation("FolderRights", "Ann"), BOX, NOBODY, folders=(INBOX,))


def say(item: GrantedRight, holder: HolderType = HolderType.UNKNOWN_NAME) -> tuple[str, ...]:
    return format_facts(list_folder_facts(item, holder))


def test_rights_over_a_folder_are_listed_with_the_folder_and_the_mailbox() -> None:
    rights, over, *_ = say(OPEN)
    assert rights == "the Inbox: Reviewer, FolderVisible (\\Inbox)"
    assert over == "over: UserMailbox"
    bare = say(replace(OPEN, mailbox=replace(BOX, kind="")))
    assert bare[1] == "over: a recipient Exchange does not know by name"


def test_that_several_go_by_a_name_is_said_where_nobody_was_found_by_it() -> None:
    several = replace(OPEN, recipient=replace(NOBODY, several=True))
    assert SEVERAL in say(several)
    assert SEVERAL not in say(several, HolderType.UNKNOWN_SID)
    assert SEVERAL not in say(OPEN)


def test_long_texts_of_rights_over_folders_are_cut() -> None:
    folder = replace(INBOX, path=LONG, rights=(LONG,))
    item = GrantedRight(
        Delegation("FolderRights", LONG),
        replace(BOX, kind=LONG),
        replace(COLLEAGUE, kind=LONG),
        folders=(folder,),
    )
    cut = f"{CUT} (300 characters)"
    assert say(item, HolderType.KNOWN) == (
        f"the Inbox: {cut} ({cut})",
        f"over: {cut}",
        f"held by: {cut} ann@contoso.com",
        f"displayed as: {cut}",
    )
    right = GrantedRight(Delegation("FullAccess", LONG, f"S-{LONG}"), BOX, NOBODY)
    *_, held, sid = format_facts(list_delegation_facts(right, HolderType.KNOWN))
    assert held == f"held by: {cut}"
    assert sid == f"security identifier: S-{CUT[2:]} (302 characters)"


def test_a_holder_nobody_knows_is_graver_over_a_person_s_mailbox() -> None:
    for holder in (HolderType.UNKNOWN_SID, HolderType.UNKNOWN_KIND, HolderType.UNKNOWN_NAME):
        assert rate_folders(OPEN, holder, is_personal=True) is Severity.HIGH
        assert rate_folders(OPEN, holder, is_personal=False) is Severity.MEDIUM
    several = replace(OPEN, recipient=replace(NOBODY, several=True))
    assert rate_folders(several, HolderType.UNKNOWN_NAME, is_personal=True) is Severity.MEDIUM


def test_a_right_over_a_folder_is_taken_away_where_both_names_can_be_quoted() -> None:
    removes = "Remove-MailboxFolderPermission -Identity 'g1:\\Inbox' -User 'Ann'"
    assert build_folder_command(OPEN, INBOX) == removes
    by_address = replace(OPEN, mailbox=replace(BOX, guid=""))
    assert "'box@contoso.com:\\Inbox'" in build_folder_command(by_address, INBOX)
    assert build_folder_command(OPEN, replace(INBOX, path="\\In\u2019box")) == ""
    assert build_folder_command(OPEN, replace(INBOX, holder="A\u2019nn")) == ""
    everybody = build_folder_command(OPEN, replace(INBOX, holder="Default"))
    assert everybody == (
        "Set-MailboxFolderPermission -Identity 'g1:\\Inbox' -User Default -AccessRights None"
    )


TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)


@pytest.mark.parametrize(
    ("item", "verdict", "severity"),
    [
        (
            replace(OPEN, recipient=PARTNER, is_outside=True),
            DelegationVerdict.EXTERNAL,
            Severity.CRITICAL,
        ),
        (
            replace(OPEN, recipient=STAFF, outside_members=("max@guest.example",)),
            DelegationVerdict.EXTERNAL,
            Severity.CRITICAL,
        ),
        (replace(OPEN, recipient=STAFF), DelegationVerdict.DELEGATED, Severity.LOW),
        (replace(OPEN, recipient=STAFF, doubt="too many"), Verdict.COULD_NOT_TELL, Severity.LOW),
        (replace(OPEN, doubt="too many"), DelegationVerdict.UNRESOLVED, Severity.HIGH),
    ],
)
def test_who_may_be_from_outside_is_a_doubt_only_where_nothing_is_known_to_be_wrong(
    item: GrantedRight, verdict: str, severity: Severity
) -> None:
    (finding,) = judge_folders(item, TERMS)
    assert (finding.verdict, finding.severity) == (verdict, severity)


def test_a_kind_that_people_share_is_nobodys_own_whatever_its_letters() -> None:
    assert is_personal_mailbox(BOX, TERMS)
    shared = replace(TERMS, options=replace(GUARD.options, resource_kinds=("USERMAILBOX",)))
    assert not is_personal_mailbox(BOX, shared)


def test_of_the_members_from_outside_some_are_named_and_how_many_more_there_are() -> None:
    names = tuple(f"m{number:02}" for number in range(MAX_SHOWN))
    for members, told in ((names, ""), ((*names, "x"), " and 1 more")):
        (fact,) = list_member_facts(replace(OPEN, outside_members=members))
        assert str(fact) == f"members from outside: {', '.join(names)}{told}"
