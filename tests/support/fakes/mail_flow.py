"""Mail flow of a fake tenant."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.tenant.mail_flow import (
    AcceptedDomain,
    GroupMembers,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    TransportRule,
)
from core.tenant.readings import Reading
from core.tenant.sources import (
    DOMAINS,
    GROUP_MEMBERS,
    OUTBOUND_POLICIES,
    RECIPIENTS,
    TRANSPORT_RULES,
)
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeMailFlowReader:
    """MailFlowReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_recipients(self, names: Collection[str]) -> Reading[Recipient]:
        known = {person.name: person for person in self.tenant.known_recipients}
        asked = tuple(dict.fromkeys(names))
        found = [known.get(name, Recipient(name, found=False)) for name in asked]
        return self.tenant.build_reading(RECIPIENTS, found, lambda person: person.name, asked)

    async def read_displayed(self, names: Collection[str]) -> Reading[Recipient]:
        asked = tuple(dict.fromkeys(names))
        found = []
        for name in asked:
            bearers = [one for one in self.tenant.displayed_recipients if one.name == name]
            found.append(
                bearers[0]
                if len(bearers) == 1
                else Recipient(name, found=False, several=len(bearers) > 1)
            )
        return self.tenant.build_reading(RECIPIENTS, found, lambda person: person.name, asked)

    async def read_group_members(self, groups: Sequence[Recipient]) -> Reading[GroupMembers]:
        known = {group.group_key: group for group in self.tenant.group_members}
        keys = tuple(group.key for group in groups)
        found = [known.get(key, GroupMembers(key, complete=False)) for key in keys]
        return self.tenant.build_reading(GROUP_MEMBERS, found, lambda one: one.group_key, keys)

    async def read_accepted_domains(self) -> Reading[AcceptedDomain]:
        return self.tenant.build_reading(DOMAINS, self.tenant.domains, lambda domain: domain.name)

    async def read_remote_domains(self) -> Reading[RemoteDomain]:
        return self.tenant.build_reading(
            OUTBOUND_POLICIES, self.tenant.remote_domain_list, lambda remote: remote.name
        )

    async def read_outbound_policies(self) -> Reading[OutboundPolicy]:
        return self.tenant.build_reading(
            OUTBOUND_POLICIES, self.tenant.policies, lambda policy: policy.name
        )

    async def read_transport_rules(self) -> Reading[TransportRule]:
        listed = [one for one in self.tenant.mail_flow_rules if one.id not in self.tenant.unlisted]
        return self.tenant.build_reading(TRANSPORT_RULES, listed, lambda rule: rule.id)

    async def read_transport_rules_of(self, ids: Sequence[str]) -> Reading[TransportRule]:
        found = [one for one in self.tenant.mail_flow_rules if one.id in ids]
        return self.tenant.build_reading(TRANSPORT_RULES, found, lambda rule: rule.id, ids)
