"""Recipients by which mail is kept from where it belongs, and leads outside. Pure.

A contact or mail user that takes an address of the organization receives what is sent there and
passes it on; a mailbox that address lists no longer show is found by nobody who looks for what was
set up (MITRE ATT&CK T1114.003, T1564).
"""

from collections.abc import Iterator, Mapping

from core.guards.mail_protection.mailboxes import list_people_facts, name_mailbox
from core.guards.mail_protection.policies import read_own_domains, read_settled_domains
from core.guards.mail_protection.properties import LOW, MAX_NAME_LENGTH, MEDIUM
from core.microsoft365.recipient_kinds import RECIPIENT_KINDS, normalize_recipient_kind
from core.microsoft365.remedies import build_command, make_exchange_step
from core.model.findings import Fact
from core.property_values import get_flag, get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.domain_names import to_a_label
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
)

HIDDEN, DOMAINS = "hidden-mailbox", "accepted-domain"
# What forwards by being there, with the cmdlet that removes it.
LEADING_OUT: Mapping[str, str] = {
    "mail-contact": "Remove-MailContact",
    "mail-user": "Remove-MailUser",
}
SMTP, ROUTING_SUFFIX = "smtp:", ".onmicrosoft.com"


def describe_hidden(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each mailbox of somebody who can sign in and whom address lists do not show.

    Leavers are hidden once they are blocked; rooms and shared mailboxes all the time.
    """
    for one in rows[HIDDEN] or ():
        values = one.values
        kind = normalize_recipient_kind(get_text(values, "RecipientTypeDetails"))
        # Of a kind that nobody knows it is not known that nobody signs in.
        is_person = kind == "UserMailbox" or kind not in RECIPIENT_KINDS
        if is_person and not get_flag(values, "AccountDisabled", default=False):
            yield WatchedItem(
                id=one.id,
                name=name_mailbox(one),
                opens=(Trait("hidden", "is in no address list, and can be signed in to", LOW),),
                facts=tuple(list_hidden_facts(one)),
                advice="Ask who hid it. Unless somebody answers for it, look at its rules, rights "
                "and sign-ins, and show it again.",
                stop=(
                    make_exchange_step(
                        "Unless somebody answers for it: show it again.",
                        build_command(
                            "Set-Mailbox",
                            "-HiddenFromAddressListsEnabled $false",
                            Identity=one.id,
                        ),
                    ),
                ),
            )


def list_hidden_facts(mailbox: Configuration) -> Iterator[Fact]:
    """What kind of mailbox it is, and how old."""
    yield from list_people_facts(mailbox)
    if made := get_text(mailbox.values, "WhenCreated"):
        yield Fact("made", quote_text(made, 40))


def describe_leading_out(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each contact and mail user that has an address of the organization and leads outside."""
    own, settled = read_own_domains(rows), read_settled_domains(rows)
    for source, removes in LEADING_OUT.items():
        for one in rows[source] or ():
            target = strip_prefix(get_text(one.values, "ExternalEmailAddress"))
            if not target or is_own(target, settled):
                continue
            taken = [
                address
                for entry in get_texts(one.values, "EmailAddresses")
                if (address := strip_prefix(entry))
                and is_own(address, own)
                # Exchange gives one of these to whoever it makes, and nobody writes there.
                and not address.endswith(ROUTING_SUFFIX)
            ]
            if taken:
                yield build_leading_item(one, target, taken, removes)


def build_leading_item(
    recipient: Configuration, target: str, taken: list[str], removes: str
) -> WatchedItem:
    """One recipient, with what it takes and where that goes."""
    shown = quote_text(target, MAX_NAME_LENGTH)
    return WatchedItem(
        id=recipient.id,
        name=quote_text(recipient.name or recipient.id, MAX_NAME_LENGTH),
        opens=tuple(
            Trait(
                build_token("takes", f"{address} {target}"),
                f"takes mail to {quote_text(address, MAX_NAME_LENGTH)} and leads it to {shown}",
                MEDIUM,
            )
            for address in taken
        ),
        facts=(Fact("leads to", shown),),
        advice="Ask who made it. Unless somebody answers for it, take the address back.",
        stop=(
            make_exchange_step(
                "Unless somebody answers for it: remove it. What was saved says how it was.",
                build_command(removes, "-Confirm:$false", Identity=recipient.id),
            ),
        ),
    )


def strip_prefix(address: str) -> str:
    """An address without what Exchange prints before it; empty for one that is not of mail."""
    kind, colon, rest = address.partition(":")
    if colon and kind.casefold() != SMTP.removesuffix(":"):
        return ""
    return (rest if colon else address).strip().casefold()


def is_own(address: str, own: frozenset[str]) -> bool:
    """Whether an address is below a domain of the tenant's own."""
    return to_a_label(address.rpartition("@")[2]) in own


RECIPIENT_COLLECTIONS = (
    WatchedCollection(
        name="hidden-mailbox",
        noun="mailbox",
        plural="hidden mailboxes of people",
        needs=(HIDDEN,),
        describe=describe_hidden,
        advice="Ask who hid it.",
        techniques=("T1564",),
        reference="Microsoft Learn: Set-Mailbox, HiddenFromAddressListsEnabled",
        harmless="rooms, shared mailboxes, leavers who are blocked, and what was hidden at the "
        "first look",
        may_be_old=True,
    ),
    WatchedCollection(
        name="leading-recipient",
        noun="recipient",
        plural="contacts and mail users that take addresses of the organization outside",
        needs=(*LEADING_OUT, DOMAINS),
        items_of=tuple(LEADING_OUT),
        describe=describe_leading_out,
        advice="Ask who made it.",
        techniques=("T1114.003",),
        reference="Microsoft Learn: Get-MailContact, Get-MailUser",
        harmless="contacts and guests without an address of the organization, people whose mailbox "
        "is on the organization's own servers, and those of the first look",
        may_be_old=True,
    ),
)
