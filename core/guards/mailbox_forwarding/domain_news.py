"""Judges domains that became the organization's own, or stopped being it. Pure.

A forward to an address of a domain that becomes accepted seems to have ended. So such a domain is
told itself, and until that is answered mail to it counts as leaving.
"""

from collections.abc import Iterator

from core.guards.mailbox_forwarding.remedies import build_domain_remedy
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.findings import Fact, Finding, Severity
from core.tenant.domain_memory import DomainNews
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS

MAX_NAME_LENGTH = 253


def build_domain_id(name: str) -> str:
    """The object that a case about a domain is about."""
    return f"domain:{name}"


def judge_domain_news(item: DomainNews) -> Iterator[Finding]:
    """A domain that appeared or went."""
    name = quote_text(item.name, MAX_NAME_LENGTH)
    if item.is_gone:
        summary = f"{name} is no longer an accepted domain of the organization."
        fact = "mail to its addresses leaves the organization now, or comes back"
        advice = (
            "Find out who removed it. Whoever adds it to a tenant of their own gets its mail: look "
            "for accounts, forwards and apps that still use addresses of it."
        )
    else:
        summary = f"{name} became an accepted domain of the organization."
        fact = "until this is answered, mail to its addresses still counts as leaving"
        advice = (
            "If the organization added it, exempt this case: its addresses then count as inside. "
            "If not, remove the domain, and look for what else was changed by whoever added it."
        )
    yield Finding(
        kind="accepted-domain-gone" if item.is_gone else "accepted-domain-new",
        object_id=build_domain_id(item.name),
        subject=name,
        severity=Severity.HIGH,
        verdict=ForwardingVerdict.NEW_DOMAIN,
        summary=summary,
        facts=(Fact("first seen", f"{item.seen_at:%Y-%m-%d %H:%M} UTC"), Fact("", fact)),
        sources=(DOMAINS,),
        advice=advice,
        steps=build_domain_remedy(item.name, is_gone=item.is_gone),
        # A listing that leaves a domain out once is not yet a domain that is gone.
        confirmations_needed=1 if item.is_gone else 0,
        is_one_off=True,
    )
