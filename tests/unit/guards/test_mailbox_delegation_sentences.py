"""What the guard of delegated mailboxes says of one right and another."""

from copy import replace
from typing import Any

from core.guards.mailbox_delegation.guard import GUARD
from core.guards.mailbox_delegation.items import GrantedRight
from core.guards.mailbox_delegation.judge import judge
from core.microsoft365.trustees import FOLDER_RIGHTS_NAME
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.mail_flow import AcceptedDomain, GroupMembers, Recipient
from core.tenant.mailboxes import Delegation, FolderRight, Mailbox, MailboxFolder
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences

TERMS = GuardPolicy(NOW, GUARD.options)
DIRECTOR = Mailbox("m1", "g1", "director@contoso.com", "Director", "UserMailbox")
INFO = Mailbox("m2", "g2", "info@contoso.com", "Info", "SharedMailbox")
SID = "S-1-5-21-1111111111-2222222222-3333333333-1001"
ANN = Recipient("ann", True, "UserMailbox", "ann@contoso.com", id="a1")
GUEST = Recipient("Max", True, "GuestMailUser", "max@partner.example", id="x1")
PARTNER = Recipient("Pia", True, "MailUser", "pia@partner.example", "SMTP:pia@partner.example")
SALES = Recipient("Sales", True, "MailUniversalSecurityGroup", "sales@contoso.com", id="s1")
NOBODY = Recipient("Ghost", False)
OPENS = Delegation("FullAccess", "ann", SID, DIRECTOR)


def say(
    right: str = "FullAccess",
    who: Recipient = ANN,
    over: Mailbox = DIRECTOR,
    trustee: str = "",
    sid: str = SID,
    **more: Any,
) -> list[Finding]:
    """What is said of a right that somebody has over a mailbox."""
    delegation = Delegation(right, trustee or who.name, sid, over)
    return list(judge(GrantedRight(delegation, over, who, **more), TERMS))


def say_folders(
    holder: str,
    *rights: str,
    who: Recipient = NOBODY,
    over: Mailbox = DIRECTOR,
    root: bool = False,
    sid: str = "",
    **more: Any,
) -> list[Finding]:
    """What is said of rights that somebody has over the Inbox, and the root too."""
    folders = [FolderRight(over, MailboxFolder.INBOX, "\\Posteingang", holder, rights)]
    if root:
        folders.append(FolderRight(over, MailboxFolder.ROOT, "\\", holder, ("Reviewer",)))
    delegation = Delegation(FOLDER_RIGHTS_NAME, holder, sid, over)
    return list(judge(GrantedRight(delegation, over, who, folders=tuple(folders), **more), TERMS))


def test_sentences_about_folders() -> None:
    check_sentences(
        "mailbox_delegation_folders",
        {
            "Anybody may read a person's Inbox": say_folders("Anonymous", "Reviewer"),
            "Everybody may change a person's Inbox": say_folders("Default", "Editor", root=True),
            "Everybody may read a shared Inbox": say_folders("Default", "Author", over=INFO),
            "A colleague may read a person's Inbox": say_folders("Ann", "Reviewer", who=ANN),
            "A colleague owns a person's Inbox": say_folders("Ann", "Owner", who=ANN),
            "A guest may read a person's Inbox": say_folders("Max", "ReadItems", who=GUEST),
            "A folder was shared with somebody outside": say_folders(
                "ExchangePublishedUser.eve@outside.example", "Reviewer"
            ),
            "A group with guests may read an Inbox": say_folders(
                "Sales", "Reviewer", who=SALES, outside_members=("max@partner.example",)
            ),
            "Somebody who is gone may read an Inbox": say_folders(f"NT:{SID}", "Editor", sid=SID),
            "A name that nobody has may read an Inbox": say_folders("Ghost", "Reviewer"),
            "A name that several bear may read an Inbox": say_folders(
                "Ann", "Reviewer", who=Recipient("Ann", False, several=True)
            ),
            "A name that cannot be quoted may read an Inbox": say_folders(
                "Ann\u200b", "Reviewer", who=Recipient("Ann\u200b", False)
            ),
        },
    )


def test_sentences_about_rights() -> None:
    outside = tuple(f"guest{number:02}@partner.example" for number in range(12))
    check_sentences(
        "mailbox_delegation",
        {
            "A colleague may open a person's mailbox": say(),
            "A colleague may open a shared mailbox": say(over=INFO),
            "A colleague may give away rights": say("ChangePermission"),
            "A colleague may take a mailbox over": say("ChangeOwner"),
            "A colleague may send as a person": say("SendAs"),
            "A colleague may send on behalf of a person": say("SendOnBehalf", sid=""),
            "A guest may open a person's mailbox": say(who=GUEST),
            "A guest may open a shared mailbox": say(who=GUEST, over=INFO),
            "A guest may send on behalf of a person": say("SendOnBehalf", who=GUEST, sid=""),
            "A mail user of a partner may send as a person": say(
                "SendAs", who=PARTNER, is_outside=True
            ),
            "A mail user of a new domain may open a mailbox": say(
                who=PARTNER, is_outside=True, new_domain="partner.example"
            ),
            "Everybody may open a mailbox": say(trustee="NT AUTHORITY\\Everyone", sid="S-1-1-0"),
            "Everybody may send on behalf of a shared mailbox": say(
                "SendOnBehalf", who=NOBODY, trustee="Everyone", sid="", over=INFO
            ),
            "Somebody who is gone may open a person's mailbox": say(who=NOBODY, trustee=SID),
            "Somebody who is gone may open a shared mailbox": say(
                who=NOBODY, trustee=SID, over=INFO
            ),
            "A name that nobody has may open a person's mailbox": say(who=NOBODY, sid=""),
            "A name that nobody has may send on behalf of a person": say(
                "SendOnBehalf", who=NOBODY, sid=""
            ),
            "A group of colleagues may open a mailbox": say(who=SALES),
            "A group with a guest may open a mailbox": say(who=SALES, outside_members=outside[:1]),
            "A group with twelve guests may open a shared mailbox": say(
                who=SALES, outside_members=outside, over=INFO
            ),
            "A group with ten guests may open a shared mailbox": say(
                who=SALES, outside_members=outside[:10], over=INFO
            ),
            "A group may have guests": say(who=SALES, doubt="it has too many members"),
            "A group has guests and may have others": say(
                who=SALES, outside_members=outside[:2], doubt="y" * 300
            ),
            "A mailbox without an address may be opened": say(over=replace(DIRECTOR, address="")),
            "A mailbox without any name may be opened": say(
                over=Mailbox("m1", "", "", "", "UserMailbox")
            ),
            "A recipient of no known kind may be opened": say(over=replace(DIRECTOR, kind="")),
            "A room may be opened": say(over=replace(DIRECTOR, kind="RoomMailbox")),
            "A team's mailbox may be opened": say(over=replace(DIRECTOR, kind="TeamMailbox")),
            "No command can name the holder": say(who=replace(ANN, address="a\nb")),
            "No command can name the mailbox": say(over=Mailbox("m1", "g\n1", "a\nb")),
            "Names are long": say(
                who=replace(ANN, address="w" * 300, kind="K" * 300),
                over=replace(DIRECTOR, address="o" * 300, kind="B" * 300),
                new_domain="d" * 300,
                outside_members=("m" * 300,),
            ),
        },
    )


def build_delegated_tenant() -> FakeTenant:
    """Mailboxes over which colleagues, guests, groups, mail users and nobody have rights."""
    own = Recipient("Otto", True, "MailUser", "otto@contoso.com", "SMTP:otto@contoso.com", id="o1")
    dynamic = Recipient("All", True, "DynamicDistributionGroup", "all@contoso.com", id="d1")
    unheard = Recipient("Board", True, "MailUniversalSecurityGroup", "board@contoso.com", id="b1")
    director = Recipient("director", True, "UserMailbox", "director@contoso.com", id="m1")
    info = Recipient("info", True, "SharedMailbox", "info@contoso.com", id="m2")
    system = Mailbox("m3", "g3", "", "x", "DiscoveryMailbox")
    holders = ("ann", "Max", "Pia", "Otto", "Sales", "All", "Board", "Ghost", "director", "Lost")
    delegations = [
        *(Delegation("FullAccess", name, "", DIRECTOR) for name in holders),
        *(Delegation("SendAs", name, "", mailbox_name="director") for name in ("ann", "Lost")),
        Delegation("SendAs", "Everyone", "", mailbox_name="info"),
        Delegation("SendAs", "Max", "", mailbox_name="nothing"),
        Delegation("SendAs", "ann", "", mailbox_name="Lost"),
        Delegation("SendAs", "ann", "", mailbox_name="Lost too"),
        Delegation("SendOnBehalf", "Max", "", INFO),
        Delegation("SendOnBehalf", "x_partner.example#EXT#@contoso.com", "", INFO),
        Delegation("FullAccess", "ann", "", system),
    ]
    tenant = FakeTenant(
        boxes=[DIRECTOR, INFO, system],
        domains=[AcceptedDomain("contoso.com")],
        known_recipients=[ANN, GUEST, PARTNER, own, SALES, dynamic, unheard, director, info],
        group_members=[GroupMembers("s1", (ANN, GUEST, PARTNER))],
        delegations=delegations,
        page_size=2,
    )
    for name in ("Lost", "Lost too"):
        tenant.fail_read("recipients", name)
    return tenant


async def test_sentences_about_a_tenant_with_rights_of_all_kinds() -> None:
    await check_looks("mailbox_delegation_rights_looks", GUARD, build_delegated_tenant)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("mailbox_delegation_looks", GUARD)
