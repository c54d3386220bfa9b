"""Judges domains that became the organization's own, stopped being it, or began to relay. Pure.

A forward to an address of a domain that becomes accepted seems to have ended. So such a domain is
told itself, and until that is answered mail to it counts as leaving.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.guards.mailbox_forwarding.remedies import build_domain_remedy
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.findings import Fact, Finding, Severity
from core.tenant.domain_memory import SUBDOMAINS, DomainChange, DomainNews
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS

MAX_NAME_LENGTH = 253


@dataclass(frozen=True, slots=True)
class DomainTexts:
    """What is said of one kind of change."""

    summary: str
    """What follows the name of the domain."""
    fact: str
    advice: str


TEXTS: Mapping[DomainChange, DomainTexts] = {
    DomainChange.NEW: DomainTexts(
        "became an accepted domain of the organization",
        "until this is answered, mail to its addresses still counts as leaving",
        "If the organization added it, exempt this case: its addresses then count as inside. "
        "If not, remove the domain, and look for what else was changed by whoever added it.",
    ),
    DomainChange.GONE: DomainTexts(
        "is no longer an accepted domain of the organization",
        "mail to its addresses leaves the organization now, or comes back",
        "Find out who removed it. Whoever adds it to a tenant of their own gets its mail: look "
        "for accounts, forwards and apps that still use addresses of it.",
    ),
    DomainChange.RELAYED: DomainTexts(
        "is no longer authoritative: mail to its unknown addresses is relayed elsewhere",
        "an address of it that nobody has, or nobody has any more, no longer counts as inside",
        "If the organization moves mailboxes to or from another mail system, exempt this case. "
        "If not, make the domain authoritative again, and look at the outbound connectors: they "
        "say where that mail goes.",
    ),
}


def build_domain_id(name: str) -> str:
    """The object that a case about a domain is about."""
    return f"domain:{name}"


def build_object_id(item: DomainNews) -> str:
    """The object of one piece of news: who exempts a domain that is new does not exempt that it
    relays mail later.
    """
    is_relayed = item.change is DomainChange.RELAYED
    return f"relayed-{build_domain_id(item.name)}" if is_relayed else build_domain_id(item.name)


def format_domain(name: str) -> str:
    """A domain as the subject of a sentence."""
    parent = name.removeprefix(SUBDOMAINS)
    shown = quote_text(parent, MAX_NAME_LENGTH)
    return shown if parent == name else f"What lies below {shown}"


def judge_domain_news(item: DomainNews) -> Iterator[Finding]:
    """A domain that appeared, went or began to relay."""
    texts, kind = TEXTS[item.change], f"accepted-domain-{item.change}"
    yield Finding(
        kind=kind,
        object_id=build_object_id(item),
        subject=quote_text(item.name, MAX_NAME_LENGTH),
        severity=Severity.HIGH,
        verdict=ForwardingVerdict.NEW_DOMAIN,
        summary=f"{format_domain(item.name)} {texts.summary}.",
        facts=(Fact("first seen", f"{item.seen_at:%Y-%m-%d %H:%M} UTC"), Fact("", texts.fact)),
        sources=(DOMAINS,),
        advice=texts.advice,
        steps=build_domain_remedy(item.name, item.change),
        # A listing that leaves a domain out once is not yet a domain that is gone.
        confirmations_needed=1 if item.change is DomainChange.GONE else 0,
        is_one_off=True,
    )
