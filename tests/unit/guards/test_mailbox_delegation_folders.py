"""Rights over the root and the Inbox of mailboxes: one holder and one right a case."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_delegation.guard import GUARD
from core.guards.mailbox_delegation.judge import judge
from core.guards.mailbox_delegation.verdicts import DelegationVerdict
from core.microsoft365.folder_rights import ACTS_BY_RIGHT, FolderAct, list_folder_acts
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.model.reach import goes_further
from core.tenant.mail_flow import AcceptedDomain, Recipient
from core.tenant.mailboxes import FolderRight, Mailbox, MailboxFolder, OwnAddIn
from core.tenant.readings import Reading
from core.tenant.sources import FOLDER_RIGHTS, FULL_ACCESS, MAILBOXES, OWN_ADD_INS, RECIPIENTS
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
SWEEP = frozenset({FULL_ACCESS, FOLDER_RIGHTS, OWN_ADD_INS})
DIRECTOR = Mailbox("m1", "g1", "director@contoso.com", "Director")
INFO = Mailbox("m2", "g2", "info@contoso.com", "Info", kind="SharedMailbox")
INBOX, ROOT = MailboxFolder.INBOX, MailboxFolder.ROOT
KARIN = Recipient("Karin", True, "UserMailbox", "karin@contoso.com", id="k1")
GUEST = Recipient("Max", True, "GuestMailUser", "max@partner.example", "SMTP:x", id="x1")
GHOST = "NT:S-1-5-21-1111111111-2222222222-3333333333-4004"


def reads(
    holder: str, *rights: str, of: Mailbox = DIRECTOR, folder: MailboxFolder = INBOX
) -> FolderRight:
    path = "\\Posteingang" if folder is INBOX else "\\"
    return FolderRight(of, folder, path, holder, rights or ("Reviewer",))


def tenant(*rights: FolderRight, people: list[Recipient] | None = None) -> FakeTenant:
    return FakeTenant(
        boxes=[DIRECTOR, INFO],
        domains=[AcceptedDomain("contoso.com")],
        displayed_recipients=[KARIN, GUEST] if people is None else people,
        folder_rights=list(rights),
    )


async def look(
    fake: FakeTenant, due: frozenset[str] = SWEEP, cases: frozenset[str] = frozenset()
) -> Reading[object]:
    return await observe_all(GUARD, fake, ObserveContext(TERMS, due, open_case_ids=cases))


async def findings(fake: FakeTenant) -> list[Finding]:
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, SWEEP))
    return [found for item in reading.items for found in judge(item, TERMS)]


async def only(*rights: FolderRight, people: list[Recipient] | None = None) -> Finding:
    (finding,) = await findings(tenant(*rights, people=people))
    return finding


@pytest.mark.parametrize(
    ("right", "verdict", "severity"),
    [
        (reads("Anonymous"), DelegationVerdict.EVERYONE, Severity.CRITICAL),
        (reads("Anonymous", folder=ROOT), DelegationVerdict.EVERYONE, Severity.CRITICAL),
        (reads("Anonymous", of=INFO), DelegationVerdict.EVERYONE, Severity.CRITICAL),
        (reads("Default", "Author"), DelegationVerdict.EVERYONE, Severity.CRITICAL),
        (reads("Default", folder=ROOT), DelegationVerdict.EVERYONE, Severity.HIGH),
        (reads("Default", of=INFO), DelegationVerdict.EVERYONE, Severity.HIGH),
        (reads("Max"), DelegationVerdict.EXTERNAL, Severity.CRITICAL),
        (
            reads("ExchangePublishedUser.eve@outside.example"),
            DelegationVerdict.EXTERNAL,
            Severity.CRITICAL,
        ),
        (
            reads("max_partner.example#EXT#@contoso.onmicrosoft.com"),
            DelegationVerdict.EXTERNAL,
            Severity.CRITICAL,
        ),
        (reads(GHOST), DelegationVerdict.UNRESOLVED, Severity.HIGH),
        (reads("Nobody"), DelegationVerdict.UNRESOLVED, Severity.HIGH),
        (reads("Nobody", of=INFO), DelegationVerdict.UNRESOLVED, Severity.MEDIUM),
        (reads("Karin"), DelegationVerdict.DELEGATED, Severity.LOW),
        (reads("Karin", "Owner"), DelegationVerdict.DELEGATED, Severity.LOW),
    ],
)
async def test_the_holder_and_the_folder_say_how_grave_a_right_is(
    right: FolderRight, verdict: str, severity: Severity
) -> None:
    finding = await only(right)
    assert (finding.kind, finding.verdict, finding.severity) == ("folder-right", verdict, severity)
    assert finding.object_id == right.mailbox.id
    assert finding.sources == (FOLDER_RIGHTS, MAILBOXES, RECIPIENTS)


async def test_who_it_is_where_and_how_to_take_it_back_is_said() -> None:
    anybody = await only(reads("Anonymous"))
    assert anybody.summary == (
        "Anybody without signing in (Anonymous) may read what lies in the Inbox of "
        "director@contoso.com."
    )
    assert (
        "Set-MailboxFolderPermission -Identity 'g1:\\Posteingang' -User Anonymous "
        "-AccessRights None"
    ) in tell_remedy(anybody)
    everybody = await only(reads("Default", "Editor"))
    assert everybody.summary == (
        "Everybody in the organization (Default) may read, change and delete what lies in the "
        "Inbox of director@contoso.com."
    )
    colleague = await only(reads("Karin", "Owner"), reads("Karin", folder=ROOT))
    assert colleague.summary == (
        "karin@contoso.com may read, change and delete what lies in the Inbox and the top of the "
        "mailbox of director@contoso.com, and give others rights over it."
    )
    assert "the Inbox: Owner (\\Posteingang)" in format_facts(colleague.facts)
    assert [one.command for one in colleague.steps if "Remove-" in one.command] == [
        "Remove-MailboxFolderPermission -Identity 'g1:\\Posteingang' -User 'karin@contoso.com'",
        "Remove-MailboxFolderPermission -Identity 'g1:\\' -User 'karin@contoso.com'",
    ]


async def test_a_name_that_several_are_displayed_by_is_nobodys() -> None:
    finding = await only(reads("Karin"), people=[KARIN, replace(KARIN, id="k2")])
    assert (finding.verdict, finding.severity) == (DelegationVerdict.UNRESOLVED, Severity.MEDIUM)
    assert any("several recipients are displayed" in one for one in format_facts(finding.facts))


async def test_the_alias_of_one_is_not_the_displayed_name_of_another() -> None:
    """A guest who calls itself like the alias of a colleague is the guest."""
    fake = tenant(reads("karin"), people=[replace(GUEST, name="karin")])
    fake.known_recipients = [replace(KARIN, name="karin")]
    (finding,) = await findings(fake)
    assert finding.verdict is DelegationVerdict.EXTERNAL


async def test_ones_own_right_says_nothing() -> None:
    myself = Recipient("Director", True, "UserMailbox", "director@contoso.com", id="m1")
    assert await findings(tenant(reads("Director"), people=[myself])) == []


async def test_a_right_that_grows_goes_further_and_one_that_shrinks_does_not() -> None:
    reviewer, owner = await only(reads("Karin")), await only(reads("Karin", "Owner"))
    assert reviewer.compute_key(GUARD.name) == owner.compute_key(GUARD.name)
    assert goes_further(owner.reaches, reviewer.reaches)
    assert not goes_further(reviewer.reaches, owner.reaches)
    more = await only(reads("Karin"), reads("Karin", folder=ROOT))
    assert goes_further(more.reaches, reviewer.reaches)


@pytest.mark.parametrize(
    ("rights", "acts"),
    [
        (("None",), set()),
        (("FolderVisible", "CreateItems", "CreateSubfolders", "FolderContact"), set()),
        (("Contributor",), set()),
        (("AvailabilityOnly",), set()),
        (("LimitedDetails",), set()),
        (("readitems", "FolderVisible"), {FolderAct.READS}),
        (("DeleteAllItems",), {FolderAct.DELETES}),
        (("PublishingEditor",), {FolderAct.READS, FolderAct.CHANGES, FolderAct.DELETES}),
        (("Owner",), set(FolderAct)),
    ],
)
def test_rights_are_roles_and_single_rights_together(
    rights: tuple[str, ...], acts: set[FolderAct]
) -> None:
    assert list_folder_acts(rights) == acts


def test_a_right_that_nobody_knows_is_no_harmless_one() -> None:
    with pytest.raises(ValueError, match="superreader"):
        list_folder_acts(("None", "SuperReader"))
    assert all(FolderAct.READS in ACTS_BY_RIGHT[one] for one in ("owner", "reviewer", "author"))


async def test_folders_are_read_once_a_day_and_sooner_where_a_case_is_open() -> None:
    fake = tenant(reads("Default"), reads("Default", of=INFO))
    idle = await look(fake, due=frozenset())
    assert not idle.covers((FOLDER_RIGHTS,), "m1")
    assert idle.items == ()
    open_case = await look(fake, due=frozenset({FULL_ACCESS}), cases=frozenset({"m1"}))
    assert len(open_case.items) == 1
    assert open_case.covers((FOLDER_RIGHTS, MAILBOXES, RECIPIENTS), "m1")
    assert not open_case.covers((FOLDER_RIGHTS,), "m2")
    assert open_case.covers((FULL_ACCESS,), "m2")
    swept = await look(fake)
    assert swept.covers((FOLDER_RIGHTS, MAILBOXES, RECIPIENTS), "m2")


async def test_what_could_not_be_read_is_unread_by_name() -> None:
    fake = tenant(reads("Default"))
    fake.fail_read(FOLDER_RIGHTS, "m1", "HTTP 503")
    reading = await look(fake)
    assert [one.object_id for one in reading.failures] == ["m1"]
    assert not reading.covers((FOLDER_RIGHTS,), "m1")
    assert reading.covers((FULL_ACCESS,), "m1")
    fake = tenant(reads("Karin"))
    fake.fail_read(RECIPIENTS, "", "HTTP 503")
    blind = await look(fake)
    assert blind.find_source_failure(FOLDER_RIGHTS) is not None


@pytest.mark.parametrize(
    ("requirements", "severity", "says"),
    [
        ("ReadWriteMailbox", Severity.HIGH, "reads and changes the whole mailbox"),
        ("ReadItem", Severity.MEDIUM, "reads the message that is open"),
        ("Restricted", Severity.MEDIUM, "sees nothing of the messages"),
        ("", Severity.HIGH, "rights that are not known"),
        ("SomethingNew", Severity.HIGH, "rights that are not known"),
    ],
)
async def test_an_add_in_from_a_file_is_as_grave_as_what_it_asks_for(
    requirements: str, severity: Severity, says: str
) -> None:
    fake = tenant()
    fake.own_add_ins = [OwnAddIn(DIRECTOR, "a1", "Message helper", "Support", requirements)]
    (finding,) = await findings(fake)
    assert (finding.kind, finding.verdict) == ("own-add-in", DelegationVerdict.ADD_IN)
    assert (finding.severity, finding.fingerprint) == (severity, "a1")
    assert finding.summary.startswith("The Outlook add-in Message helper from a file ")
    assert says in finding.summary
    assert "Remove-App -Mailbox 'g1' -Identity 'a1'" in tell_remedy(finding)


async def test_an_add_in_that_asks_for_more_goes_further() -> None:
    reach = []
    for requirements in ("ReadItem", "ReadWriteMailbox"):
        fake = tenant()
        fake.own_add_ins = [OwnAddIn(DIRECTOR, "a1", "x", "", requirements)]
        (finding,) = await findings(fake)
        reach.append(finding.reaches)
    assert goes_further(reach[1], reach[0])
    assert not goes_further(reach[0], reach[1])


async def test_add_ins_that_cannot_be_read_are_a_detail_and_end_no_case() -> None:
    fake = tenant(reads("Default"))
    fake.fail_read(OWN_ADD_INS, "", "HTTP 403")
    reading = await look(fake)
    assert len(reading.items) == 1
    assert [one.optional for one in reading.failures] == [True]
    assert not reading.covers((OWN_ADD_INS, MAILBOXES), "m1")
    assert reading.covers((FOLDER_RIGHTS, MAILBOXES, RECIPIENTS), "m1")
