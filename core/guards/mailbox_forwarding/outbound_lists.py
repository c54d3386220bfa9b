"""The lists of settings that decide whether forwards leave, as far as they are whole.

A policy, a remote domain or a rule that a listing leaves out would turn "leaves" into "is stopped",
or the other way round. So each list is compared with that of the look before.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from core.guards.mailbox_forwarding.outbound import OutboundSettings
from core.guards.mailbox_forwarding.stopping_rules import decides_forwards
from core.tenant.known_traits import KnownTraits
from core.tenant.listing_memory import list_missing, note_listing
from core.tenant.mail_flow import OutboundPolicy, RemoteDomain, SenderScope, TransportRule
from core.tenant.readings import Reading

POLICIES, REMOTES, RULES = "outbound-policies", "remote-domains", "stopping-mail-flow-rules"


def build_outbound_settings(
    policies: Reading[OutboundPolicy],
    remotes: Reading[RemoteDomain],
    flow: Reading[TransportRule],
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> OutboundSettings:
    """What decides whether forwards leave, as far as it was read in full."""

    def trust[T](list_name: str, reading: Reading[T], names: Collection[str]) -> Sequence[T] | None:
        whole = is_whole(reading) and not list_missing(list_name, names, known, now)
        return reading.items if whole else None

    return OutboundSettings(
        trust(POLICIES, policies, list_policy_names(policies)),
        trust(REMOTES, remotes, [one.name for one in remotes.items]),
        # Whatever it does now, a rule that is there was not left out.
        trust(RULES, flow, [one.id for one in flow.items]),
    )


def note_outbound_lists(
    policies: Reading[OutboundPolicy],
    remotes: Reading[RemoteDomain],
    flow: Reading[TransportRule],
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> tuple[KnownTraits, ...]:
    """What is to be remembered of the lists that were read to their end."""
    missing = {one.id for one in flow.items if decides_forwards(one)}
    lists = (
        (POLICIES, policies, list_policy_names(policies)),
        (REMOTES, remotes, [one.name for one in remotes.items]),
        (RULES, flow, missing),
    )
    return tuple(
        note_listing(list_name, names, known, now)
        for list_name, reading, names in lists
        if is_whole(reading)
    )


def list_policy_names(policies: Reading[OutboundPolicy]) -> list[str]:
    """The policies, and apart from them that somebody is named by their rules: these are a list of
    their own.
    """
    ruled = [one.name for one in policies.items if one.scope != SenderScope()]
    return [*(one.name for one in policies.items), *(f"rule of {name}" for name in ruled)]


def is_whole(reading: Reading[object]) -> bool:
    """Whether settings that only count as a whole were read to their end."""
    return not reading.failures and reading.complete
