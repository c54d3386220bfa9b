"""Delegated mailboxes: a tenant in order, then one right varied a case."""

from copy import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_delegation.guard import GUARD
from core.guards.mailbox_delegation.judge import judge
from core.guards.mailbox_delegation.verdicts import DelegationVerdict
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mail_flow import AcceptedDomain, Recipient
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import (
    DOMAINS,
    FULL_ACCESS,
    MAILBOXES,
    RECIPIENTS,
    SEND_AS,
    SEND_ON_BEHALF,
)
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
SWEEP = frozenset({FULL_ACCESS})
DIRECTOR = Mailbox("m1", "g1", "director@contoso.com", "Director")
INFO = Mailbox("m2", "g2", "info@contoso.com", "Info", kind="SharedMailbox")
ANN_SID = "S-1-5-21-1111111111-2222222222-3333333333-1001"
GHOST = "S-1-5-21-1111111111-2222222222-3333333333-4004"
ANN = Recipient("ann@contoso.com", True, "UserMailbox", "ann@contoso.com", id="a1")
GUEST = Recipient("Max", True, "GuestMailUser", "max@partner.example", "SMTP:x", id="x1")
PEOPLE = [
    ANN,
    GUEST,
    Recipient("director", True, "UserMailbox", "director@contoso.com", id="m1"),
    Recipient("info", True, "SharedMailbox", "info@contoso.com", id="m2"),
    Recipient("Sales", True, "MailUniversalSecurityGroup", "sales@contoso.com", id="s1"),
    Recipient("Helpers", True, "MailUniversalSecurityGroup", "helpers@contoso.com", id="h1"),
]
OPENS = Delegation("FullAccess", "ann@contoso.com", ANN_SID, DIRECTOR)
SENDS = Delegation("SendAs", "ann@contoso.com", ANN_SID, mailbox_name="director")
ON_BEHALF = Delegation("SendOnBehalf", "ann@contoso.com", mailbox=DIRECTOR)


def tenant(*delegations: Delegation, people: list[Recipient] | None = None) -> FakeTenant:
    return FakeTenant(
        boxes=[DIRECTOR, INFO],
        domains=[AcceptedDomain("contoso.com")],
        known_recipients=people or list(PEOPLE),
        delegations=list(delegations),
    )


async def look(fake: FakeTenant, due: frozenset[str] = SWEEP) -> Reading[object]:
    return await observe_all(GUARD, fake, ObserveContext(TERMS, due))


async def findings(fake: FakeTenant, due: frozenset[str] = SWEEP) -> list[Finding]:
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, due))
    return [found for item in reading.items for found in judge(item, TERMS)]


async def only(*delegations: Delegation, people: list[Recipient] | None = None) -> Finding:
    (finding,) = await findings(tenant(*delegations, people=people))
    return finding


async def key(*delegations: Delegation, people: list[Recipient] | None = None) -> str:
    return (await only(*delegations, people=people)).compute_key(GUARD.name)


# ----------------------------------------------------------------------------------------------
# What is found
# ----------------------------------------------------------------------------------------------


async def test_a_tenant_without_delegations_is_read_and_is_nothing_to_speak_of() -> None:
    reading = await look(tenant())
    assert (reading.items, reading.failures, reading.population) == ((), (), 2)
    assert reading.covers((FULL_ACCESS, MAILBOXES, RECIPIENTS, SEND_AS, SEND_ON_BEHALF), "m1")


async def test_a_colleague_who_may_open_a_persons_mailbox_is_found() -> None:
    finding = await only(OPENS)
    assert (finding.kind, finding.verdict) == ("full-access", DelegationVerdict.DELEGATED)
    assert finding.severity is Severity.MEDIUM
    assert (finding.object_id, finding.fingerprint) == ("m1", f"sid:{ANN_SID}")
    assert finding.sources == (FULL_ACCESS, MAILBOXES, RECIPIENTS)
    assert finding.summary == "ann@contoso.com may open director@contoso.com."
    assert finding.changes == ()
    assert (
        "Remove-MailboxPermission -Identity 'g1' -User 'ann@contoso.com' -AccessRights FullAccess"
    ) in tell_remedy(finding)


async def test_the_member_of_a_shared_mailbox_is_normal_and_told_all_the_same() -> None:
    finding = await only(replace(OPENS, mailbox=INFO))
    assert (finding.verdict, finding.severity) == (DelegationVerdict.DELEGATED, Severity.LOW)
    assert finding.correlations == ()


async def test_sending_as_a_person_is_found_by_the_persons_id() -> None:
    finding = await only(SENDS)
    assert (finding.kind, finding.object_id) == ("send-as", "m1")
    assert finding.severity is Severity.MEDIUM
    assert finding.sources == (SEND_AS, RECIPIENTS)
    assert (
        "Remove-RecipientPermission -Identity 'm1' -Trustee 'ann@contoso.com' -AccessRights SendAs"
    ) in tell_remedy(finding)


async def test_sending_as_a_group_is_found_too() -> None:
    finding = await only(replace(SENDS, mailbox_name="Sales"))
    assert (finding.object_id, finding.severity) == ("s1", Severity.LOW)
    assert "over: MailUniversalSecurityGroup" in format_facts(finding.facts)


async def test_sending_on_behalf_is_the_least_of_the_three() -> None:
    finding = await only(ON_BEHALF)
    assert (finding.kind, finding.severity) == ("send-on-behalf", Severity.LOW)
    assert finding.fingerprint == "id:a1"
    assert (
        "Set-Mailbox -Identity 'g1' -GrantSendOnBehalfTo @{Remove='ann@contoso.com'}"
    ) in tell_remedy(finding)


@pytest.mark.parametrize(
    ("right", "kind"),
    [("ChangePermission", "change-permission"), ("ChangeOwner", "change-owner")],
)
async def test_the_right_to_give_oneself_rights_is_one(right: str, kind: str) -> None:
    finding = await only(replace(OPENS, right=right))
    assert (finding.kind, finding.severity) == (kind, Severity.MEDIUM)
    assert f"-AccessRights {right}" in tell_remedy(finding)


@pytest.mark.parametrize(
    "guest",
    [
        Delegation("FullAccess", "Max", GHOST, DIRECTOR),
        Delegation("FullAccess", "max_partner.example#EXT#@contoso.onmicrosoft.com", "", DIRECTOR),
        Delegation(
            "SendAs", "max_partner.example#ext#@contoso.onmicrosoft.com", mailbox_name="director"
        ),
    ],
)
async def test_a_guest_over_a_persons_mailbox_is_critical(guest: Delegation) -> None:
    finding = await only(guest)
    assert (finding.verdict, finding.severity) == (DelegationVerdict.EXTERNAL, Severity.CRITICAL)


async def test_a_guest_over_a_shared_mailbox_is_grave() -> None:
    finding = await only(Delegation("FullAccess", "Max", GHOST, INFO))
    assert (finding.verdict, finding.severity) == (DelegationVerdict.EXTERNAL, Severity.HIGH)
    assert finding.correlations != ()


async def test_an_identifier_nobody_has_is_its_own_answer() -> None:
    finding = await only(Delegation("FullAccess", GHOST, GHOST, DIRECTOR))
    assert (finding.verdict, finding.severity) == (DelegationVerdict.UNRESOLVED, Severity.HIGH)
    assert finding.fingerprint == f"sid:{GHOST}"
    shared = await only(Delegation("FullAccess", GHOST, GHOST, INFO))
    assert (shared.verdict, shared.severity) == (DelegationVerdict.UNRESOLVED, Severity.MEDIUM)


@pytest.mark.parametrize(("over", "severity"), [(DIRECTOR, "high"), (INFO, "medium")])
async def test_a_kind_of_recipient_that_is_not_known_is_not_taken_for_a_colleague(
    over: Mailbox, severity: str
) -> None:
    stranger = Recipient("x1", True, "SharedWithMailUser", "x1@contoso.com", id="u9")
    right = Delegation("FullAccess", "x1", "S-1-5-21-9-9-9-9", over)
    finding = await only(right, people=[stranger])
    assert finding.verdict == DelegationVerdict.UNRESOLVED
    assert finding.severity is Severity[severity.upper()]
    assert "whether it belongs to the organization cannot be told" in " ".join(
        format_facts(finding.facts)
    )


async def test_a_name_no_recipient_has_is_not_taken_for_a_colleague() -> None:
    finding = await only(Delegation("FullAccess", "CONTOSO\\admin7", "", INFO))
    assert (finding.verdict, finding.severity) == (DelegationVerdict.UNRESOLVED, Severity.MEDIUM)
    assert "held by: CONTOSO\\admin7" in format_facts(finding.facts)


@pytest.mark.parametrize(
    ("trustee", "sid"),
    [
        ("Everyone", "S-1-1-0"),
        ("everyone", ""),
        ("NT AUTHORITY\\Authenticated Users", "S-1-5-11"),
        ("NT AUTHORITY\\ANONYMOUS LOGON", ""),
        ("Default", ""),
        ("EURPRD01A001\\Domain Users", "S-1-5-21-1-2-3-513"),
        ("harmless", "S-1-5-21-1-2-3-513"),
    ],
)
async def test_a_right_for_everyone_is_critical_wherever_it_is(trustee: str, sid: str) -> None:
    finding = await only(Delegation("FullAccess", trustee, sid, INFO))
    assert (finding.verdict, finding.severity) == (DelegationVerdict.EVERYONE, Severity.CRITICAL)


async def test_ones_own_mailbox_is_no_delegation() -> None:
    own = Recipient("director", True, "UserMailbox", "director@contoso.com", id="m1")
    over = (
        replace(OPENS, trustee="director"),
        replace(SENDS, trustee="director"),
        replace(ON_BEHALF, trustee="director"),
    )
    assert await findings(tenant(*over, people=[own])) == []


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("DiscoverySearchMailbox{D919BA05-46A6-415f-80AD-7E09334BB852}", [ANN]),
        ("Odd", [ANN, Recipient("Odd", True, "DiscoveryMailbox", "o@contoso.com", id="o1")]),
    ],
)
async def test_mailboxes_exchange_keeps_for_itself_are_left_out(
    name: str, people: list[Recipient]
) -> None:
    assert await findings(tenant(replace(SENDS, mailbox_name=name), people=people)) == []


async def test_a_persons_mailbox_that_is_called_like_exchanges_own_is_not_left_out() -> None:
    name = "DiscoverySearchMailbox{D919BA05-46A6-415f-80AD-7E09334BB852}"
    person = Recipient(name, True, "UserMailbox", "x@contoso.com", id="p1")
    assert (await only(replace(SENDS, mailbox_name=name), people=[ANN, person])).object_id == "p1"


# ----------------------------------------------------------------------------------------------
# Identity
# ----------------------------------------------------------------------------------------------


async def test_a_renamed_holder_is_the_same_finding() -> None:
    bride = replace(ANN, name="ann.new@contoso.com", address="ann.new@contoso.com")
    for one in (OPENS, SENDS, ON_BEHALF):
        renamed = replace(one, trustee="ann.new@contoso.com")
        assert await key(one) == await key(renamed, people=[*PEOPLE, bride])


async def test_a_holder_whose_account_is_deleted_is_the_same_finding_and_worse() -> None:
    gone = replace(OPENS, trustee=ANN_SID)
    assert await key(OPENS) == await key(gone)
    before, after = await only(OPENS), await only(gone)
    assert (before.verdict, after.verdict) == (
        DelegationVerdict.DELEGATED,
        DelegationVerdict.UNRESOLVED,
    )
    assert after.severity > before.severity


async def test_another_holder_mailbox_or_right_is_another_finding() -> None:
    others = (
        OPENS,
        replace(OPENS, sid=GHOST),
        replace(OPENS, mailbox=INFO),
        replace(OPENS, right="ChangePermission"),
        SENDS,
        ON_BEHALF,
    )
    assert len({await key(one) for one in others}) == len(others)


async def test_case_and_the_datacenters_name_do_not_make_another_finding() -> None:
    first = Delegation("FullAccess", "EURPRD01A001\\Svc-Backup", "", INFO)
    moved = replace(first, trustee="EURP264A011\\SVC-BACKUP")
    assert await key(first) == await key(moved)
    assert await key(first) != await key(replace(first, trustee="CONTOSO\\svc-backup"))


async def test_rights_twice_in_a_list_are_one_finding() -> None:
    twice = tenant(OPENS, replace(OPENS, trustee="ANN@contoso.com"))
    assert len({one.compute_key(GUARD.name) for one in await findings(twice)}) == 1


async def test_a_holder_of_many_peoples_mailboxes_is_recognised_across_rights() -> None:
    opens, sends, on_behalf = [await only(one) for one in (OPENS, SENDS, ON_BEHALF)]
    assert set(opens.correlations) == set(sends.correlations)
    assert set(on_behalf.correlations) <= set(opens.correlations)
    assert on_behalf.correlations != ()
    assert GUARD.correlation is not None
    assert GUARD.correlation.severity is Severity.HIGH


# ----------------------------------------------------------------------------------------------
# Foreign text
# ----------------------------------------------------------------------------------------------


async def test_a_hostile_name_stays_text_in_the_command() -> None:
    hostile = "x'; Remove-Mailbox -Identity *; '"
    finding = await only(replace(OPENS, trustee=hostile, sid=""))
    assert "-User 'x''; Remove-Mailbox -Identity *; '''" in tell_remedy(finding)


async def test_a_name_that_cannot_be_written_gives_no_command() -> None:
    for name in ("a\nb", "x" * 500, "a\u202eb"):
        finding = await only(replace(OPENS, trustee=name, sid=""))
        assert "Remove-MailboxPermission" not in tell_remedy(finding)
        assert len(finding.summary) < 400
        assert "\n" not in finding.summary


# ----------------------------------------------------------------------------------------------
# What cannot be read
# ----------------------------------------------------------------------------------------------


async def test_without_the_sweep_nobody_is_asked_and_no_case_may_end() -> None:
    fake = tenant(OPENS, SENDS)
    reading = await look(fake, due=frozenset())
    assert FULL_ACCESS not in {surface for surface, _ in fake.read_log}
    assert not reading.covers((FULL_ACCESS, MAILBOXES, RECIPIENTS), "m1")
    assert [found.kind for found in await findings(fake, frozenset())] == ["send-as"]


async def test_between_sweeps_mailboxes_with_an_open_case_are_read_and_only_they_are_covered() -> (
    None
):
    fake = tenant(OPENS, replace(OPENS, mailbox=INFO))
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, open_case_ids=frozenset({"m2"})))
    assert [item.mailbox.id for item in reading.items] == ["m2"]
    assert reading.covers((FULL_ACCESS, MAILBOXES, RECIPIENTS), "m2")
    assert not reading.covers((FULL_ACCESS, MAILBOXES, RECIPIENTS), "m1")


@pytest.mark.parametrize("surface", [FULL_ACCESS, SEND_AS, SEND_ON_BEHALF])
async def test_a_surface_that_is_refused_names_the_permission(surface: str) -> None:
    fake = tenant(OPENS, SENDS, ON_BEHALF)
    fake.fail_read(surface, permission="Get-Something")
    reading = await look(fake)
    miss = reading.find_source_failure(surface)
    assert miss is not None
    assert miss.permission == "Get-Something"
    assert not reading.covers((surface,), "m1")
    assert len(reading.items) == 2


async def test_one_mailbox_that_cannot_be_read_is_not_clean() -> None:
    fake = tenant()
    fake.fail_read(FULL_ACCESS, "m1")
    reading = await look(fake)
    assert not reading.covers((FULL_ACCESS, MAILBOXES, RECIPIENTS), "m1")
    assert reading.covers((FULL_ACCESS, MAILBOXES, RECIPIENTS), "m2")


async def test_a_holder_who_could_not_be_looked_up_leaves_the_mailbox_unread() -> None:
    fake = tenant(OPENS)
    fake.fail_read(RECIPIENTS, "ann@contoso.com")
    reading = await look(fake)
    assert reading.items == ()
    assert not reading.covers((FULL_ACCESS, MAILBOXES, RECIPIENTS), "m1")


async def test_a_recipient_who_could_not_be_looked_up_may_be_anybody() -> None:
    fake = tenant(SENDS)
    fake.fail_read(RECIPIENTS, "director")
    reading = await look(fake)
    assert reading.items == ()
    for somebody in ("m1", "m2", "elsewhere"):
        assert not reading.covers((SEND_AS, RECIPIENTS), somebody)


async def test_many_holders_who_could_not_be_looked_up_are_one_unread_mailbox() -> None:
    names = [f"u{number}@contoso.com" for number in range(150)]
    for of, unread in ((OPENS, "m1"), (SENDS, "unidentified-name-1")):
        fake = tenant(*(replace(of, trustee=name) for name in names), people=[ANN])
        for name in (*names, "director"):
            fake.fail_read(RECIPIENTS, name)
        reading = await look(fake)
        assert [miss.object_id for miss in reading.failures] == [unread]


async def test_when_looking_up_does_not_work_the_sweep_does_not_go_on() -> None:
    boxes = [Mailbox(f"b{n}", f"g{n}", f"b{n}@contoso.com") for n in range(150)]
    fake = tenant(*(replace(OPENS, mailbox=box) for box in boxes))
    fake.boxes = boxes
    fake.fail_read(RECIPIENTS, "ann@contoso.com")
    reading = await look(fake)
    assert len(reading.failures) == 1
    assert reading.find_source_failure(FULL_ACCESS) is not None


async def test_without_get_recipient_nothing_ends_and_the_sweep_does_not_go_on() -> None:
    fake = tenant(OPENS, SENDS, ON_BEHALF)
    fake.fail_read(RECIPIENTS, permission="Get-Recipient")
    reading = await look(fake)
    assert reading.items == ()
    for surface in (RECIPIENTS, FULL_ACCESS):
        miss = reading.find_source_failure(surface)
        assert miss is not None
        assert miss.permission == "Get-Recipient"
    for kind in (SEND_AS, SEND_ON_BEHALF):
        assert not reading.covers((kind, RECIPIENTS), "m1")


async def test_who_is_plainly_a_guest_or_everyone_is_told_without_asking() -> None:
    guest = replace(OPENS, trustee="max_x#EXT#@contoso.onmicrosoft.com")
    fake = tenant(guest, replace(OPENS, trustee="Everyone", sid="S-1-1-0"))
    fake.fail_read(RECIPIENTS, permission="Get-Recipient")
    assert {found.verdict for found in await findings(fake)} == {
        DelegationVerdict.EXTERNAL,
        DelegationVerdict.EVERYONE,
    }


async def test_many_pages_end_with_one_part_that_speaks_of_everybody() -> None:
    helpers = [replace(SENDS, trustee="Helpers", sid=f"S-1-5-21-1-2-3-{n}") for n in range(25)]
    fake = tenant(*helpers)
    fake.page_size = 10
    parts = [part async for part in GUARD.observe(fake, ObserveContext(TERMS))]
    streams = [part for part in parts if isinstance(part, Reading)]
    scopes = [part.scope for part in streams if SEND_AS in part.sources]
    assert scopes == [frozenset(), frozenset(), frozenset(), None]
    assert sum(part.population for part in streams) == 0


# ----------------------------------------------------------------------------------------------
# Mail users: colleagues on premises, and members of another tenant
# ----------------------------------------------------------------------------------------------


def mail_user(address: str, outside: str = "", kind: str = "MailUser") -> Recipient:
    return Recipient("ann@contoso.com", True, kind, address, outside, id="u1")


@pytest.mark.parametrize(
    "holder",
    [
        mail_user("max@partner.example", "SMTP:max@partner.example"),
        mail_user("max@partner.example"),
        mail_user("max@contoso.com", "SMTP:max@partner.example"),
        mail_user("max@partner.example", "SMTP:max@contoso.com"),
        mail_user("max_partner.example#EXT#@contoso.com"),
        mail_user(""),
        mail_user("x", "MailContact", "MailForestContact"),
        mail_user("max@contoso.com", "SMTP:max@partner.example", "MailContact"),
    ],
)
@pytest.mark.parametrize("right", [OPENS, SENDS, ON_BEHALF])
async def test_a_mail_user_of_another_organization_is_somebody_from_outside(
    holder: Recipient, right: Delegation
) -> None:
    people = [*PEOPLE[2:], holder]
    finding = await only(right, people=people)
    assert finding.verdict == DelegationVerdict.EXTERNAL
    assert finding.severity is (Severity.HIGH if right is ON_BEHALF else Severity.CRITICAL)


@pytest.mark.parametrize(
    "holder",
    [
        mail_user("ann@contoso.com", "SMTP:ann@contoso.com"),
        mail_user("ann@contoso.com", "SMTP:ann@contoso.com", "RemoteUserMailbox"),
        mail_user("ann@contoso.com"),
        mail_user("", "SMTP:ann@contoso.com"),
    ],
)
async def test_a_colleague_whose_mailbox_is_on_premises_is_a_colleague(holder: Recipient) -> None:
    finding = await only(OPENS, people=[*PEOPLE[2:], holder])
    assert (finding.verdict, finding.severity) == (DelegationVerdict.DELEGATED, Severity.MEDIUM)


async def test_whose_a_mail_user_is_stays_unread_without_the_domains() -> None:
    fake = tenant(OPENS, people=[*PEOPLE[2:], mail_user("max@partner.example")])
    fake.fail_read(DOMAINS)
    reading = await look(fake)
    (failure,) = reading.failures
    assert (failure.source, failure.object_id) == (FULL_ACCESS, "m1")
    assert "accepted domains were not read" in failure.reason
    (finding,) = await findings(fake)
    assert finding.verdict == DelegationVerdict.DELEGATED


async def test_domains_are_looked_up_again_only_where_a_mail_user_or_group_holds_a_right() -> None:
    for people, count in ((None, 1), ([*PEOPLE[2:], mail_user("max@partner.example")], 2)):
        fake = tenant(OPENS, people=people)
        await look(fake)
        assert [source for source, _ in fake.read_log].count(DOMAINS) == count
