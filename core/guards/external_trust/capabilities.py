"""What a partner tenant may take away by the newer way, its capabilities. Pure.

Microsoft moves migrations between tenants from organization relationships to `m365Capabilities` of
the cross-tenant policy, tenant by tenant. A tenant without them has nothing to compare.
"""

from collections.abc import Iterator, Mapping

from core.guards.external_trust.tenants import build_partner_removal
from core.microsoft365.assumptions.graph_traces import PARTNER_CAPABILITIES
from core.microsoft365.source_shapes import TYPE_NAME
from core.model.findings import Severity
from core.property_values import find_property, get_flag, get_objects, get_text
from core.tenant.quoting import quote_text
from core.watched.items import SourceRows, Trait, WatchedCollection, WatchedItem, build_token

RELIES_ON = (PARTNER_CAPABILITIES,)

PARTNER, CAPABILITIES = "partner-capability", "m365Capabilities"
MIGRATION = "crosstenantmigration"
MAX_NAME_LENGTH = 120


def describe_capability(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each partner, with what Microsoft 365 lets it do beyond signing in."""
    for one in rows[PARTNER] or ():
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.id, MAX_NAME_LENGTH),
            opens=tuple(
                trait
                for found in get_objects(one.values, CAPABILITIES)
                for trait in list_traits(found)
            ),
            stop=(build_partner_removal(one.id),),
        )


def list_traits(capability: Mapping[str, object]) -> Iterator[Trait]:
    """What one capability opens. One that nobody knows may be anything, so it is told."""
    kind = get_text(capability, TYPE_NAME).rpartition(".")[2]
    name = kind or get_text(capability, "name")
    is_migration = MIGRATION in name.casefold()
    shown = quote_text(name or "without a name", MAX_NAME_LENGTH)
    if get_flag(capability, "inboundAccess.isAllowed", default=False):
        text = "may take mailboxes away" if is_migration else f"is given the capability {shown}"
        severity = Severity.HIGH if is_migration else Severity.MEDIUM
        yield Trait(build_token("inbound", name), text, severity)
        yield from list_scopes(capability, text, severity)
    if get_flag(capability, "outboundAccess.isAllowed", default=False):
        text = "may give mailboxes here" if is_migration else f"gives the capability {shown}"
        yield Trait(build_token("outbound", name), text, Severity.MEDIUM)


def list_scopes(capability: Mapping[str, object], text: str, severity: Severity) -> Iterator[Trait]:
    """Whose mailboxes, where that is said."""
    found = find_property(capability, "inboundAccess.resourceScopes")[1]
    for one in found if isinstance(found, list) else ():
        scope = get_text(one, "id") or get_text(one, "scope") if isinstance(one, Mapping) else one
        if isinstance(scope, str) and scope:
            named = f"{text} (of {quote_text(scope, MAX_NAME_LENGTH)})"
            yield Trait(build_token("scope", scope), named, severity)


PARTNER_CAPABILITY = WatchedCollection(
    name="partner-capability",
    noun="partner organization",
    plural="partner organizations with capabilities",
    needs=(PARTNER,),
    describe=describe_capability,
    advice="Find out whose tenant this is, by telephone with whoever set it up, and whether "
    "mailboxes are meant to move. Unless somebody answers for it: Entra admin center > External "
    "Identities > Cross-tenant access settings.",
    techniques=("T1537", "T1114"),
    reference="Microsoft Learn: Cross-tenant mailbox migration; Microsoft Graph v1.0: "
    "crossTenantAccessPolicyConfigurationPartner, m365Capabilities",
    harmless="capabilities of the first look, and one that is taken back",
)
