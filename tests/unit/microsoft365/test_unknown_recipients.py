"""Recipients of which it is not known where their mail goes, and what is said of them."""

import pytest

from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import (
    MAX_HOPS,
    SEVERAL,
    ForwardTarget,
    KnownRecipients,
    RecipientLocation,
    list_further_lookups,
    locate_forwarding_object,
    locate_recipient,
)
from core.tenant.mail_flow import Recipient

OWN = OwnDomains(frozenset({"contoso.com", "old.example"}), relayed=frozenset({"old.example"}))
INSIDE, OUTSIDE = RecipientLocation.INSIDE, RecipientLocation.OUTSIDE
UNRESOLVED = RecipientLocation.UNRESOLVED
ROUTE = "no recipient has this address, and it may carry another one"


def known(*recipients: Recipient) -> KnownRecipients:
    return KnownRecipients({one.name: one for one in recipients})


def unknown(name: str, *, several: bool = False) -> Recipient:
    return Recipient(name, found=False, several=several)


def contact(name: str, target: str) -> Recipient:
    return Recipient(name, True, "MailContact", name, target)


@pytest.mark.parametrize(
    ("raw", "location", "address", "reason"),
    [
        ("ann@contoso.com", INSIDE, "ann@contoso.com", ""),
        ("Ann Example", UNRESOLVED, "", ""),
        (
            "ann@old.example",
            UNRESOLVED,
            "",
            "Exchange knows no such recipient and passes mail of this domain on elsewhere",
        ),
        ("x%evil.example@contoso.com", UNRESOLVED, "", ROUTE),
        ("imceafax-5@contoso.com", UNRESOLVED, "", "it encapsulates an address of another kind"),
    ],
)
def test_what_nobody_has_leads_nowhere_unless_something_speaks_against_it(
    raw: str, location: RecipientLocation, address: str, reason: str
) -> None:
    found = locate_recipient(raw, OWN, known(unknown(raw)))
    assert found == (ForwardTarget(raw, location, address, reason=reason),)


def test_what_several_answer_to_may_lead_to_any_of_them() -> None:
    for name in ("Ann", "ann@contoso.com", "ann+parcel@contoso.com"):
        answers = known(Recipient("ann@contoso.com", True), unknown(name, several=True))
        expected = (ForwardTarget(name, UNRESOLVED, reason=SEVERAL),)
        assert locate_recipient(name, OWN, answers) == expected
        assert locate_forwarding_object(name, OWN, answers) == expected
        assert list(list_further_lookups(known(unknown(name, several=True)), OWN)) == []


def test_an_address_with_a_plus_that_somebody_has_is_theirs() -> None:
    own = Recipient("bob+parcel@contoso.com", True, "UserMailbox", "bob+parcel@contoso.com")
    base = contact("bob@contoso.com", "x@evil.example")
    (target,) = locate_recipient(own.name, OWN, known(own, base)) or ()
    assert (target.location, target.address) == (INSIDE, "bob+parcel@contoso.com")


def test_a_forwarding_object_nobody_has_is_the_address_that_it_reads_as() -> None:
    found = locate_forwarding_object("X@evil.example", OWN, known(unknown("X@evil.example")))
    assert found == (ForwardTarget("X@evil.example", OUTSIDE, "x@evil.example"),)


def test_a_contact_that_leads_to_nobody_is_told_as_it_was_written() -> None:
    carried = "x%evil.example@contoso.com"
    answers = known(contact("bob@contoso.com", carried), unknown(carried))
    assert locate_recipient("Bob <bob@contoso.com>", OWN, answers) == (
        ForwardTarget(
            "Bob <bob@contoso.com>", UNRESOLVED, "", "MailContact bob@contoso.com", ROUTE
        ),
    )


def test_a_chain_of_contacts_without_an_end_is_called_one() -> None:
    chain = [contact(f"{n}@contoso.com", f"{n + 1}@contoso.com") for n in range(9)]
    (target,) = locate_recipient("0@contoso.com", OWN, known(*chain)) or ()
    assert (target.location, target.reason) == (UNRESOLVED, "a chain of contacts")
    ends = known(*chain[:MAX_HOPS], contact(f"{MAX_HOPS}@contoso.com", "x@evil.example"))
    (target,) = locate_recipient("0@contoso.com", OWN, ends) or ()
    assert target.location is UNRESOLVED
    (target,) = locate_recipient("1@contoso.com", OWN, ends) or ()
    assert (target.location, target.address) == (OUTSIDE, "x@evil.example")


def test_a_legacy_name_that_leads_to_itself_is_inside_and_no_address() -> None:
    itself = contact("/o=org/cn=ann", "ex:/o=org/cn=ann")
    (target,) = locate_recipient("/o=org/cn=ann", OWN, known(itself)) or ()
    assert (target.location, target.address) == (INSIDE, "")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("Novelty", "Novelty is no kind of recipient that is known to keep its mail"),
        ("", "this is no kind of recipient that is known to keep its mail"),
        ("MailContact", ""),
    ],
)
def test_a_recipient_of_a_kind_that_is_not_known_is_told_by_its_kind(
    kind: str, reason: str
) -> None:
    answers = known(Recipient("bob@contoso.com", True, kind, "bob@contoso.com"))
    (target,) = locate_recipient("bob@contoso.com", OWN, answers) or ()
    assert (target.location, target.reason) == (UNRESOLVED, reason)


def test_a_recipient_of_an_unknown_kind_is_no_contact_for_its_address_outside() -> None:
    odd = Recipient("odd", True, "Novelty", "x@evil.example")
    (target,) = locate_forwarding_object("odd", OWN, known(odd)) or ()
    assert target.location is UNRESOLVED
    lost = Recipient("lost", True, "MailContact", "lost@contoso.com", "SMTP:")
    (target,) = locate_forwarding_object("lost", OWN, known(lost)) or ()
    assert target.location is UNRESOLVED
    nameless = Recipient("guest", True, "GuestMailUser")
    (target,) = locate_forwarding_object("guest", OWN, known(nameless)) or ()
    assert target.location is UNRESOLVED


def test_only_what_may_lead_on_and_was_not_asked_for_is_looked_up_next() -> None:
    answers = known(
        contact("c@contoso.com", "smtp:d@contoso.com"),
        contact("out@contoso.com", "x@evil.example"),
        Recipient("e", True, "MailUser", "e@contoso.com"),
        Recipient("box+a@contoso.com", True, "UserMailbox", "box@contoso.com"),
        unknown("f+parcel@contoso.com"),
        unknown("Bob"),
        Recipient("g", False, "MailContact", "g@contoso.com", "smtp:h@contoso.com"),
    )
    following = ["d@contoso.com", "e@contoso.com", "f@contoso.com"]
    assert list(list_further_lookups(answers, OWN)) == following
    asked = known(*answers.by_name.values(), *map(unknown, following))
    assert list(list_further_lookups(asked, OWN)) == []
