"""Accounts that Microsoft keeps from sending mail, since they sent spam. Pure.

No sign of a taken account is more precise. `Get-BlockedSenderAddress` lists them; what stands in
`Reason` is not documented, so it is shown as it is.
"""

from collections.abc import Sequence
from typing import Any

from core.guards.privileged_change.remedies import build_sender_remedy
from core.guards.privileged_change.verdicts import PrivilegedVerdict
from core.microsoft365.assumptions.exchange_mail import BLOCKED_SENDERS
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.model.findings import Fact, Finding, Severity
from core.model.guards import ObserveContext, Permission, Service, SingleLook
from core.property_values import show_text
from core.tenant.configuration import Configuration
from core.tenant.port import HasConfiguration
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading

RELIES_ON = (BLOCKED_SENDERS,)

SENDERS = "blocked-sender"
SOURCE = get_configuration_source_name(SENDERS)
PERMISSION = Permission(
    Service.EXCHANGE,
    CONFIGURATION_SOURCES[SENDERS].permission,
    "which accounts Microsoft keeps from sending",
)
MAX_NAME_LENGTH, MAX_REASON_LENGTH = 120, 300
TIMES = ("CreatedDatetime", "CreatedDateTime", "WhenCreated")


async def look_up_senders(
    tenant: HasConfiguration, context: ObserveContext, ids: Sequence[str]
) -> Reading[Configuration]:
    """A few accounts that could not send, each asked for alone."""
    return await tenant.configuration.read_objects(SENDERS, ids)


SENDER_LOOK = SingleLook[Any](SOURCE, frozenset({SOURCE}), look_up_senders)


def build_blocked_finding(sender: Configuration) -> Finding:
    """One account that may not send."""
    name = quote_text(sender.id, MAX_NAME_LENGTH)
    reason = quote_text(show_text(sender.values, "Reason"), MAX_REASON_LENGTH)
    since = next((text for one in TIMES if (text := show_text(sender.values, one))), "")
    facts = [Fact("reason, as Microsoft gives it", reason)] if reason else []
    if since:
        facts.append(Fact("blocked since", quote_text(since, MAX_NAME_LENGTH)))
    return Finding(
        kind="blocked-sender",
        object_id=sender.id.casefold(),
        subject=name,
        severity=Severity.HIGH,
        verdict=PrivilegedVerdict.BLOCKED_SENDER,
        summary=f"Microsoft keeps {name} from sending mail: it sent spam, or too much.",
        facts=(*facts, Fact("technique", "T1078.004, T1534")),
        sources=(SOURCE,),
        advice=f"Treat {name} as taken over: block its sign-in, reset the password, look through "
        "its rules, forwards and sign-in methods. Only then let it send again.",
        steps=build_sender_remedy(sender.id, name),
        needs_own_exemption=True,
    )
