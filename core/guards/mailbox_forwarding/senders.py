"""Whose mail a rule takes, by the senders that it names. Pure.

A thief takes away what warns the owner: mail of the security and IT people, of banks and payroll,
of the mail system itself, of colleagues. What shops and newsletters send is nobody's alarm.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from core.guards.mailbox_forwarding.words import is_telling, split_names
from core.look_alikes import fold_accents, list_readings
from core.microsoft365.addresses import (
    get_address_domain,
    normalize_address,
    parse_recipient_string,
)
from core.tenant.domain_names import to_a_label

MAX_SENDER_LENGTH = 400
# The people of one organization file by the same senders and words.
CACHE_SIZE = 1_024

type DomainTest = Callable[[str], bool]
"""Whether a domain is one of the tenant's own."""

# Words in the local part of an address, or alone, that name an office which warns or pays.
OFFICES = split_names(
    """abuse accounting accounts accountspayable admin administrator alarm alert alerts audit
    billing buchhaltung cert ciso compliance comptabilite contabilidad csirt cybersecurity
    datenschutz dlp finance finances fraud helpdesk hr infosec it itsupport ithelp itservice
    mailerdaemon noc payroll personal phishing postmaster quarantine rh security servicedesk
    sicherheit sirt soc support swift sysadmin treasury wire wires"""
)
# Offices that only count within the organization: elsewhere they are anybody's.
OFFICES_AT_HOME = split_names("accounts admin hr it personal rh support")
# Shops and gadgets call their news so as well.
ANYBODYS_ALARMS = split_names("alarm alert alerts")
# What is sent to many: its sender's name holds such a word, and warns of nothing.
BULK = split_names(
    """ad ads bulletin campaign campaigns club deal deals digest email event events fashion flash
    infoletter jobs karriere mailing mailings marketing media news newsletter newsletters offer
    offers press promo promos promotion promotions rewards sale sales shop shopping store update
    updates webinar werbung"""
)
# Domains from which sign-in warnings, payroll and account notices come, and those of services that
# watch over organizations.
WARNING_DOMAINS = split_names(
    """accountprotection.microsoft.com accounts.google.com adp.com arcticwolf.com
    blackpointcyber.com crowdstrike.com dayforce.com duosecurity.com expel.io
    fieldeffect.com huntress.io huntress.com gusto.com mail.protection.outlook.com
    microsoftonline.com myworkday.com okta.com paychex.com paylocity.com paypal.com
    redcanary.com sophos.com todyl.com ultipro.com wise.com workday.com"""
)
# Microsoft's own warnings: alerts of Defender, sign-ins at risk, changed passwords, invoices. What
# else comes from microsoft.com are digests and adverts.
WARNING_ADDRESSES = split_names(
    """azure-noreply@microsoft.com defender-noreply@microsoft.com maccount@microsoft.com
    microsoft-noreply@microsoft.com office365alerts@microsoft.com o365alerts@microsoft.com
    security-noreply@microsoft.com"""
)
# Offices whose names stand for them also at either end of a longer one: mssecurity, itsecurity.
PLAIN_OFFICES = tuple(
    split_names(
        """helpdesk infosec mailerdaemon microsoftexchange payroll phishing postmaster quarantine
        security servicedesk sicherheit"""
    )
)
WARNING_NAMES = split_names(
    """microsoft microsoft.com office365 office365.com microsoftexchange outlook.com google.com
    paypal docusign.net"""
)
BANK_DOMAIN = re.compile(
    r"bank|banque|banco|banca|sparkasse|raiffeisen|volksbk|paypal|barclays|hsbc|santander|"
    r"wellsfargo|chase\.com|citi\.com|unicredit|creditagricole|ubs\.com"
)


@dataclass(frozen=True, slots=True)
class Senders:
    """The senders that a rule names, as far as they matter."""

    warning: tuple[str, ...] = ()
    """Those whose mail warns of something, or pays somebody."""
    own: tuple[str, ...] = ()
    """Others of the organization's own."""
    other: tuple[str, ...] = ()
    """Everybody else."""


def weigh_senders(texts: Iterable[str], is_own_domain: DomainTest) -> Senders:
    """Senders of a rule, each where it belongs."""
    warning, own, other = list[str](), list[str](), list[str]()
    for text in dict.fromkeys(texts):
        kind, shown, at_home = place_sender(text, is_own_domain)
        if is_warning_sender(shown, at_home):
            warning.append(text)
        elif at_home or kind == "ex":
            # A legacy name of Exchange is a recipient of the organization.
            own.append(text)
        else:
            other.append(text)
    return Senders(tuple(warning), tuple(own), tuple(other))


def has_warning_sender(texts: Iterable[str], is_own_domain: DomainTest) -> bool:
    """True where mail of any of the senders warns of something, or pays somebody."""
    return any(
        is_warning_sender(shown, at_home)
        for text in texts
        for _, shown, at_home in (place_sender(text, is_own_domain),)
    )


def may_warn(texts: Iterable[str]) -> bool:
    """True where mail of any of the senders warns of something, whoever's domain it comes from."""
    for text in texts:
        said = parse_recipient_string(text)[1] or text
        if is_warning_sender(said, False) or is_warning_sender(said, True):
            return True
    return False


def place_sender(text: str, is_own_domain: DomainTest) -> tuple[str, str, bool]:
    """The kind of a sender's text, what it says, and whether that is one of the tenant's own."""
    kind, said = parse_recipient_string(text)
    shown = said or text
    domain = get_sender_domain(shown)
    return kind, shown, bool(domain) and is_own_domain(domain)


@lru_cache(CACHE_SIZE)
def get_sender_domain(text: str) -> str:
    """The domain that a sender, or a part of an address, ends with; "" for none."""
    address = normalize_address(text)
    if address:
        return get_address_domain(address)
    tail = text.strip().rpartition("@")[2]
    return to_a_label(tail) if re.fullmatch(r"[\w.-]+\.[\w-]{2,}", tail) else ""


@lru_cache(CACHE_SIZE)
def is_warning_sender(text: str, at_home: bool) -> bool:
    """True for somebody whose mail a thief would not let the owner read."""
    text = text[:MAX_SENDER_LENGTH]
    local, domain = split_sender(text)
    shown = fold_accents(text).strip().strip("@*")
    if shown in WARNING_NAMES or shown in WARNING_ADDRESSES:
        return True
    if not WARNING_DOMAINS.isdisjoint(iter_parents(domain)):
        return True
    readings = tuple(list_readings(local))
    words = [word for reading in readings for word in re.findall(r"[^\W_]+", reading)]
    if not BULK.isdisjoint(words) and not at_home:
        return False
    if domain and not at_home and BANK_DOMAIN.search(domain):
        return True
    if domain and not at_home and ANYBODYS_ALARMS.issuperset(words):
        return False
    offices = OFFICES if at_home or not domain else OFFICES - OFFICES_AT_HOME
    names = {*words, *(re.sub(r"[\W_]", "", reading) for reading in readings)}
    return (
        not offices.isdisjoint(names)
        or any(one.startswith(PLAIN_OFFICES) or one.endswith(PLAIN_OFFICES) for one in names)
        or is_telling(re.sub(r"[._-]", " ", local))
    )


def iter_parents(domain: str) -> Iterator[str]:
    """A domain and all that it lies below."""
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def split_sender(text: str) -> tuple[str, str]:
    """The local part and the domain of a sender, or of a part of one; either may be missing."""
    local, at, domain = text.strip().rpartition("@")
    if at:
        return local, fold_accents(domain)
    is_domain = "." in domain.strip(".") and not re.search(r"\s", domain)
    return ("", fold_accents(domain)) if is_domain else (domain, "")
