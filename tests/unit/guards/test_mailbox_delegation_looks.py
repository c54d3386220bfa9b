"""mailbox-delegation: what single looks and lookups cover, and what they leave unread."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from core.guards.mailbox_delegation.guard import GUARD
from core.guards.mailbox_delegation.holders import DOMAIN_MISSING, DOMAINS_UNREAD
from core.guards.mailbox_delegation.items import MAX_TEXT_LENGTH, GrantedRight
from core.guards.mailbox_delegation.observe import (
    HOLDER_UNREAD,
    MAX_FAILED_LOOKUPS,
    add_check,
    inspect,
    is_own_right,
    look_up_mailboxes,
    look_up_send_as,
    look_up_send_on_behalf,
    observe,
    resolve_delegations,
)
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import AcceptedDomain, Recipient
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    DOMAINS,
    FOLDER_RIGHTS,
    FULL_ACCESS,
    GROUP_MEMBERS,
    MAILBOXES,
    RECIPIENTS,
    SEND_AS,
    SEND_ON_BEHALF,
)
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
CHECKS = frozenset({FULL_ACCESS})
CONTEXT = ObserveContext(GuardPolicy(NOW, GUARD.options), CHECKS)
DIRECTOR = Mailbox("m1", "g1", "director@contoso.com", "Director")
INFO = Mailbox("m2", "g2", "info@contoso.com", "Info", kind="SharedMailbox")
SEARCH = Mailbox("m3", "g3", "search@contoso.com", "Search", kind="DiscoveryMailbox")
ANN = Recipient("ann", True, "UserMailbox", "ann@contoso.com", id="a1")
MAX = Recipient("max", True, "MailUser", "max@partner.example", id="x1")
CHIEF = Recipient("director", True, "UserMailbox", "director@contoso.com", id="m1")
SENDS = Delegation("SendAs", "ann", "", mailbox_name="director")
ON_BEHALF = Delegation("SendOnBehalf", "ann", mailbox=DIRECTOR)
OPENS = Delegation("FullAccess", "ann", "", DIRECTOR)
DIRECTORS = Mailbox("m1", "m1", "director@contoso.com", "director", "UserMailbox", False)
"""The mailbox as a right names it that is listed for the whole organization."""


def tenant(*delegations: Delegation, domains: tuple[str, ...] = ("contoso.com",)) -> FakeTenant:
    return FakeTenant(
        boxes=[DIRECTOR, INFO, SEARCH],
        domains=[AcceptedDomain(name) for name in domains],
        known_recipients=[ANN, MAX, CHIEF],
        delegations=list(delegations),
    )


# Single looks -------------------------------------------------------------------------------------


async def test_who_may_send_as_one_recipient_is_asked_by_its_id_or_by_the_name_it_has() -> None:
    unknown = Delegation("SendAs", "ann", "", mailbox_name="Old Hall")
    fake = tenant(SENDS, unknown)
    fake.fail_read(SEND_AS, "lost hall")
    fake.fail_read(SEND_AS, "m8")
    ids = ["m1", "name:old hall", "name:lost hall", "m8"]
    read = await look_up_send_as(fake, CONTEXT, ids)
    hall = Mailbox("name:old hall", "", "", "Old Hall", "", False)
    assert [ids for source, ids in fake.read_log if source == SEND_AS] == [
        ("m1", "old hall", "lost hall", "m8")
    ]
    assert read == Reading(
        items=(GrantedRight(SENDS, DIRECTORS, ANN), GrantedRight(unknown, hall, ANN)),
        failures=(
            ReadFailure(SEND_AS, "HTTP 503", "name:lost hall"),
            ReadFailure(SEND_AS, "HTTP 503", "m8"),
        ),
        sources=frozenset({SEND_AS, RECIPIENTS}),
        scope=frozenset(ids),
    )


async def test_who_may_send_on_behalf_of_one_mailbox_is_asked_by_its_id() -> None:
    fake = tenant(ON_BEHALF, Delegation("SendOnBehalf", "lost", mailbox=INFO))
    fake.fail_read(SEND_ON_BEHALF, "m8")
    fake.fail_read(RECIPIENTS, "lost")
    read = await look_up_send_on_behalf(fake, CONTEXT, ["m1", "m2", "m8"])
    assert read == Reading(
        items=(GrantedRight(ON_BEHALF, DIRECTOR, ANN),),
        failures=(
            ReadFailure(SEND_ON_BEHALF, "HTTP 503", "m8"),
            ReadFailure(SEND_ON_BEHALF, HOLDER_UNREAD, "m2", "info@contoso.com"),
        ),
        sources=frozenset({SEND_ON_BEHALF, RECIPIENTS}),
        scope=frozenset({"m1", "m2", "m8"}),
    )


async def test_mailboxes_a_listing_leaves_out_are_asked_but_for_exchanges_own() -> None:
    over_search = Delegation("FullAccess", "ann", "", SEARCH)
    fake = tenant(OPENS, over_search)
    fake.fail_read(MAILBOXES, "m8")
    fake.fail_read(FULL_ACCESS, "m2")
    read = await look_up_mailboxes(fake, CONTEXT, ["m1", "m2", "m3", "m8", "gone"])
    assert read.items == (GrantedRight(OPENS, DIRECTOR, ANN),)
    assert [ids for source, ids in fake.read_log if source == FULL_ACCESS] == [("m1", "m2")]
    assert read.failures == (
        ReadFailure(MAILBOXES, "HTTP 503", "m8"),
        ReadFailure(FULL_ACCESS, "HTTP 503", "m2"),
    )
    assert read.scope == frozenset({"m1", "m2", "m3", "gone"})


# Listings -----------------------------------------------------------------------------------------


async def test_a_listing_of_rights_that_broke_off_stays_one() -> None:
    async def break_off() -> AsyncIterator[Reading[Delegation]]:
        yield Reading((SENDS,), sources=frozenset({SEND_AS}), complete=False)

    (part,) = [part async for part in resolve_delegations(tenant(), SEND_AS, break_off(), CONTEXT)]
    assert part.items == (GrantedRight(SENDS, DIRECTORS, ANN),)
    assert not part.complete


async def test_a_right_for_everyone_names_nobody_that_was_found() -> None:
    right = Delegation("FullAccess", "Everyone", "S-1-1-0", DIRECTOR)
    (item,) = (await inspect(tenant(right), CONTEXT, [DIRECTOR])).items
    assert item == GrantedRight(right, DIRECTOR, Recipient("Everyone", found=False))


async def test_over_what_a_right_is_that_nobody_found_is_told_in_short() -> None:
    long = "n" * 300
    fake = tenant(Delegation("SendAs", "ann", "", mailbox_name=long))
    fake.fail_read(RECIPIENTS, long)
    parts = [part async for part in observe(fake, CONTEXT)]
    (failure,) = [gap for part in parts if isinstance(part, Reading) for gap in part.failures]
    assert failure == ReadFailure(
        SEND_AS, HOLDER_UNREAD, "unidentified-name-1", f"{'n' * MAX_TEXT_LENGTH}… (300 characters)"
    )


def test_nobody_is_the_owner_of_a_mailbox_for_want_of_an_id() -> None:
    assert not is_own_right(Mailbox("", "", ""), Recipient("ann", True, "UserMailbox"))
    assert is_own_right(DIRECTOR, CHIEF)


# Lookups that fail --------------------------------------------------------------------------------


def test_a_lookup_that_did_not_work_at_all_leaves_its_check_due() -> None:
    one = ReadFailure(GROUP_MEMBERS, "HTTP 503", "m1")
    detail = ReadFailure(GROUP_MEMBERS, "HTTP 403", optional=True)
    whole = ReadFailure(RECIPIENTS, "HTTP 503")
    assert list(add_check((one, detail, whole), FOLDER_RIGHTS)) == [
        *(one, detail, whole),
        ReadFailure(FOLDER_RIGHTS, "HTTP 503"),
    ]


def build_boxes(count: int) -> list[Mailbox]:
    return [Mailbox(f"b{n:03}", f"g{n:03}", f"b{n:03}@contoso.com") for n in range(count)]


async def test_as_many_mailboxes_whose_holders_are_lost_are_told_one_by_one_and_no_more() -> None:
    for more, unread in ((0, MAX_FAILED_LOOKUPS), (1, 1)):
        boxes = build_boxes(MAX_FAILED_LOOKUPS + more)
        fake = tenant(*(Delegation("FullAccess", "ann", "", box) for box in boxes))
        fake.boxes = boxes
        fake.fail_read(RECIPIENTS, "ann")
        assert len((await inspect(fake, CONTEXT, boxes)).failures) == unread


async def test_why_nobody_can_be_looked_up_is_told_however_many_are_lost() -> None:
    boxes = build_boxes(MAX_FAILED_LOOKUPS + 1)
    fake = tenant(*(Delegation("FullAccess", "ann", "", box) for box in boxes))
    fake.boxes = boxes
    fake.fail_read(RECIPIENTS, permission="Get-Recipient")
    refused = ReadFailure(RECIPIENTS, "HTTP 503", permission="Get-Recipient")
    assert (await inspect(fake, CONTEXT, boxes)).failures == (
        refused,
        ReadFailure(FULL_ACCESS, "HTTP 503", permission="Get-Recipient"),
    )


# Domains ------------------------------------------------------------------------------------------

ELSEWHERE = Delegation("FullAccess", "max", "", DIRECTOR)
GAP = ReadFailure(DOMAINS, "HTTP 503", "Get-AcceptedDomain")


async def remember(fake: FakeTenant) -> tuple[KnownTraits, ...]:
    """The domains that the next look will know."""
    first = await anext(observe(fake, CONTEXT))
    assert isinstance(first, Reading)
    assert first.scope == frozenset()
    return first.known_traits


async def list_gaps(fake: FakeTenant, context: ObserveContext = CONTEXT) -> list[str]:
    """Why it is not known who holds a right."""
    return [gap.reason for gap in (await inspect(fake, context, [DIRECTOR])).failures]


async def test_without_all_domains_it_is_not_known_whose_a_mail_user_is() -> None:
    assert await list_gaps(tenant(ELSEWHERE)) == []
    assert await list_gaps(tenant(ELSEWHERE, domains=())) == [DOMAINS_UNREAD]
    fake = tenant(ELSEWHERE)
    fake.failures[DOMAINS, GAP.object_id] = GAP
    assert await list_gaps(fake) == [DOMAINS_UNREAD]
    fake.fail_read(DOMAINS, GAP.object_id)
    assert await list_gaps(fake) == [], "one of the two places is enough"


async def test_domains_are_remembered_where_all_were_read() -> None:
    rows = await remember(tenant())
    assert {name for row in rows for name in row.traits} == {"contoso.com"}
    assert await remember(tenant(domains=())) == ()
    fake = tenant()
    fake.failures[DOMAINS, GAP.object_id] = GAP
    assert await remember(fake) == ()
    fake.fail_read(DOMAINS, GAP.object_id)
    assert await remember(fake) == rows


async def test_of_a_holder_whose_domain_went_a_moment_ago_it_is_not_known_whose_they_are() -> None:
    rows = await remember(tenant(domains=("contoso.com", "partner.example")))
    later = ObserveContext(
        GuardPolicy(NOW + timedelta(minutes=30), GUARD.options),
        CHECKS,
        known_traits={row.key: row for row in rows},
    )
    assert await list_gaps(tenant(ELSEWHERE), later) == [DOMAIN_MISSING]
