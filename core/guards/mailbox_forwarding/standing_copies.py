"""Settings by which Exchange itself sends copies of some mail to an address. Pure.

Journal reports that cannot be delivered go to `JournalingReportNdrTo` with the mail in them, and
mail that looks like spam on its way out goes to `BccSuspiciousOutboundAdditionalRecipients`
(Microsoft Learn: Set-TransportConfig, Set-HostedOutboundSpamFilterPolicy). Both are meant for
administrators; nobody who writes such mail notices that somebody outside reads it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.guards.mailbox_forwarding.connectors import get_object_id
from core.guards.mailbox_forwarding.forwards import MAX_TEXT_LENGTH
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.rating import (
    build_forward_fingerprint,
    decide_forward_verdict,
)
from core.guards.mailbox_forwarding.texts import format_forward_target
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.recipients import ForwardTarget
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.reach import Reach
from core.property_values import get_flag, get_text, get_texts
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS

TRANSPORT_CONFIG, OUTBOUND_POLICY = "transport-config", "outbound-spam-policy"
NOBODY = "<>"
"""What Exchange prints for an address that is not set."""
MAX_TARGETS = 20
SEVERITIES: Mapping[str, Severity] = {
    ForwardingVerdict.EXTERNAL: Severity.MEDIUM,
    ForwardingVerdict.KEEP: Severity.INFO,
    ForwardingVerdict.UNRESOLVED: Severity.LOW,
    Verdict.COULD_NOT_TELL: Severity.LOW,
}
WHERE_TO: Mapping[str, str] = {
    ForwardingVerdict.EXTERNAL: "to the outside",
    ForwardingVerdict.KEEP: "to an allowed domain outside",
    ForwardingVerdict.UNRESOLVED: "to somebody who cannot be identified",
    Verdict.COULD_NOT_TELL: "to a group whose members are not all known",
}


@dataclass(frozen=True, slots=True)
class StandingCopy:
    """One setting that sends copies, with the addresses it names."""

    kind: str
    """The kind of the finding."""
    source: str
    """The configuration source it was read from."""
    object_id: str
    title: str
    """What the setting belongs to, as the beginning of a sentence."""
    does: str
    """What it sends, with a verb before it."""
    setting: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandingCopyItem:
    """Such a setting, and where its addresses are."""

    copy: StandingCopy
    targets: tuple[ForwardTarget, ...]


def list_standing_copies(item: Configuration) -> Iterator[StandingCopy]:
    """The settings of one object that send copies to somebody now."""
    values = item.values
    if item.source == TRANSPORT_CONFIG:
        address = get_text(values, "JournalingReportNdrTo")
        if address and address != NOBODY:
            yield StandingCopy(
                kind="journal-reports",
                source=item.source,
                object_id=item.id or "organization",
                title="The organization",
                does="sends journal reports that cannot be delivered",
                setting="JournalingReportNdrTo",
                addresses=(address,),
            )
    elif get_flag(values, "BccSuspiciousOutboundMail", default=False):
        name = quote_text(item.name or item.id, MAX_TEXT_LENGTH)
        addresses = get_texts(values, "BccSuspiciousOutboundAdditionalRecipients")
        if addresses:
            yield StandingCopy(
                kind="outbound-copies",
                source=item.source,
                object_id=get_object_id(item),
                title=f"Outbound spam policy {name}",
                does="sends blind copies of mail that looks suspicious",
                setting="BccSuspiciousOutboundAdditionalRecipients",
                addresses=addresses,
            )


def judge_standing_copy(item: StandingCopyItem, policy: Policy) -> Iterator[Finding]:
    """Copies that are sent outside, or to nobody knows whom."""
    verdict = decide_forward_verdict(item.targets, policy)
    if verdict is None:
        return
    copy = item.copy
    yield Finding(
        kind=copy.kind,
        object_id=copy.object_id,
        subject=copy.title,
        severity=SEVERITIES[verdict],
        verdict=verdict,
        summary=f"{copy.title} {copy.does} {WHERE_TO[verdict]}.",
        facts=(
            *(Fact("to", format_forward_target(target)) for target in item.targets[:MAX_TARGETS]),
            Fact("setting", copy.setting),
        ),
        sources=(get_configuration_source_name(copy.source), DOMAINS),
        fingerprint=build_forward_fingerprint(item.targets),
        advice=f"Find out who set {copy.setting} and what for; name an address of an administrator "
        "of your own, or none.",
        asks_if_preexisting=True,
        reaches=(Reach.of([copy.setting]),),
    )
