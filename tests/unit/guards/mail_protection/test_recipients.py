"""Contacts and mail users that lead outside, and mailboxes that lists no longer show."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.tenant.configuration import Configuration
from tests.support.watched_looks import COLLECTIONS, Looks

DOMAINS = [
    Configuration("accepted-domain", one, one, {"DomainName": one})
    for one in ("contoso.com", "contoso.onmicrosoft.com")
]
OUTSIDE = "SMTP:ann@harbour.example"


async def tell(collection: str, source: str, values: Mapping[str, Any]) -> str:
    """What is said of an object that is there at the second look."""
    looks = Looks(COLLECTIONS[collection])
    await looks.look(DOMAINS)
    found = await looks.look([*DOMAINS, Configuration(source, "r1", "Ann", values)])
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


@pytest.mark.parametrize("source", ["mail-contact", "mail-user"])
@pytest.mark.parametrize(
    ("target", "addresses", "says"),
    [
        (OUTSIDE, [OUTSIDE, "smtp:sales@contoso.com"], "takes mail to sales@contoso.com"),
        ("ann@harbour.example", ["SMTP:Sales@Contoso.com"], "leads it to ann@harbour.example"),
        # A guest, a customer's contact.
        (OUTSIDE, [OUTSIDE], ""),
        # Somebody whose mailbox is on the organization's own servers.
        ("SMTP:ann@contoso.com", ["SMTP:ann@contoso.com"], ""),
        # What Exchange makes up itself, and addresses that are none of mail.
        (OUTSIDE, [OUTSIDE, "smtp:ann@contoso.onmicrosoft.com"], ""),
        (OUTSIDE, ["x500:/o=contoso.com", "sip:ann@contoso.com"], ""),
        ("", ["smtp:sales@contoso.com"], ""),
    ],
)
async def test_who_takes_an_own_address_outside_is_told(
    source: str, target: str, addresses: list[str], says: str
) -> None:
    values = {"ExternalEmailAddress": target, "EmailAddresses": addresses}
    said = await tell("leading-recipient", source, values)
    assert said.startswith("medium: The recipient Ann" if says else "")
    assert bool(said) is bool(says)
    assert says in said


@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        ({"RecipientTypeDetails": "UserMailbox", "AccountDisabled": False}, True),
        ({"RecipientTypeDetails": "UserMailbox"}, True),
        ({"RecipientTypeDetails": "UserMailbox", "AccountDisabled": "True"}, False),
        ({"RecipientTypeDetails": "RoomMailbox"}, False),
        ({"RecipientTypeDetails": "SharedMailbox", "AccountDisabled": False}, False),
    ],
)
async def test_a_person_s_mailbox_that_lists_no_longer_show_is_told(
    values: Mapping[str, Any], is_told: bool
) -> None:
    said = await tell("hidden-mailbox", "hidden-mailbox", values)
    assert said.startswith("low: The mailbox Ann is in no address list" if is_told else "")
    assert bool(said) is is_told


@pytest.mark.parametrize("printed", ["münchen.example", "xn--mnchen-3ya.example"])
async def test_an_own_domain_is_one_however_its_letters_are_printed(printed: str) -> None:
    domain = Configuration("accepted-domain", "d1", "d1", {"DomainName": "xn--mnchen-3ya.example"})
    values = {"ExternalEmailAddress": OUTSIDE, "EmailAddresses": [f"smtp:sales@{printed}"]}
    looks = Looks(COLLECTIONS["leading-recipient"])
    await looks.look([domain])
    found = await looks.look([domain, Configuration("mail-contact", "r1", "Ann", values)])
    assert [one.object_id for one in found] == ["r1"]


async def test_a_domain_that_a_listing_lacks_once_makes_no_own_address_an_outside_one() -> None:
    values = {
        "ExternalEmailAddress": "SMTP:ann@contoso.com",
        "EmailAddresses": ["smtp:ann@contoso.com", "smtp:sales@branch.example"],
    }
    contact = Configuration("mail-contact", "r1", "Ann", values)
    domains = [*DOMAINS, Configuration("accepted-domain", "branch.example", "branch.example", {})]
    looks = Looks(COLLECTIONS["leading-recipient"])
    await looks.look([*domains, contact])
    for _ in range(2):
        assert await looks.look([*domains[1:], contact]) == []
        assert await looks.look([*domains, contact]) == []
    # A domain that went for good is the organization's no longer.
    assert await looks.look([*domains[1:], contact]) == []
    (found,) = await looks.look([*domains[1:], contact])
    assert "takes mail to sales@branch.example" in found.summary
