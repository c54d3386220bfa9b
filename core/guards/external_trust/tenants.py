"""Other tenants of Entra ID: what is accepted from each of them, and from all by default. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from core.keys import hash_parts
from core.microsoft365.remedies import build_graph_request, make_graph_step
from core.model.findings import Fact, Severity, Step
from core.property_values import find_property, get_flag, get_objects
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

DEFAULT, PARTNER = "cross-tenant-default", "cross-tenant-partner"
REFERENCE = "Microsoft Learn: Cross-tenant access overview (Entra External ID)"
TECHNIQUES = ("T1484.002", "T1199")
MAX_NAME_LENGTH = 120

# What of another tenant's word is taken for true (Graph: crossTenantAccessPolicyInboundTrust).
TRUSTED_CLAIMS = {
    "isMfaAccepted": "is trusted to have asked its users for a second factor",
    "isCompliantDeviceAccepted": "is trusted to say which of its devices are compliant",
    "isHybridAzureADJoinedDeviceAccepted": "is trusted to say which of its devices are its own",
}
DIRECTIONS = (
    ("b2bDirectConnectInbound", "may enter shared channels without a guest account", Severity.HIGH),
    ("b2bDirectConnectOutbound", "may be entered through shared channels", Severity.MEDIUM),
)
EVERYBODY = frozenset({"allusers", "allapplications"})


def is_true(values: Mapping[str, object], name: str) -> bool:
    """Whether a property is true. Null takes over the default, so it opens nothing itself."""
    return get_flag(values, name, default=False)


def list_trust_traits(values: Mapping[str, object]) -> Iterator[Trait]:
    """What is accepted of another tenant's own checks."""
    for name, text in TRUSTED_CLAIMS.items():
        if is_true(values, f"inboundTrust.{name}"):
            yield Trait(name, text, Severity.HIGH)


def list_access_traits(values: Mapping[str, object]) -> Iterator[Trait]:
    """What lets people in without an invitation, one trait for some people and one for all."""
    for name, text, severity in DIRECTIONS:
        for part in ("usersAndGroups", "applications"):
            yield from list_target_traits(values, name, part, text, severity)


def list_target_traits(
    values: Mapping[str, object], name: str, part: str, text: str, severity: Severity
) -> Iterator[Trait]:
    """Whether some or all are let in; a block that names some leaves in everybody else."""
    path = f"{name}.{part}"
    shown = find_property(values, f"{path}.accessType")[1]
    access = shown.strip().casefold() if isinstance(shown, str) else shown
    targets = {str(one.get("target")).casefold() for one in get_objects(values, f"{path}.targets")}
    names_all = not targets.isdisjoint(EVERYBODY)
    what = "people" if part == "usersAndGroups" else "applications"
    if access not in (None, "", "allowed", "blocked"):
        told = quote_text(str(shown), MAX_NAME_LENGTH)
        yield Trait(
            build_value_token(f"{path} unknown", told),
            f"{text} as far as anybody knows ({what}: access is {told})",
            Severity.LOW,
        )
    elif access == "allowed":
        yield Trait(f"{path} some", f"{text} ({what})", severity)
        if names_all:
            yield Trait(f"{path} all", f"{text} (all {what})", severity)
        for one in sorted(targets - EVERYBODY):
            named = f"{text} ({quote_text(one, MAX_NAME_LENGTH)})"
            yield Trait(build_token(path, one), named, severity, within=(f"{path} all",))
    elif access == "blocked" and not names_all:
        yield Trait(f"{path} some", f"{text} ({what})", severity)
        blocked = hash_parts(sorted(targets))[:16]
        yield Trait(
            build_value_token(path, f"but {blocked}"), f"{text} (all {what} but some)", severity
        )


def list_synchronisation_traits(values: Mapping[str, object]) -> Iterator[Trait]:
    """Whether another tenant may put its users into this one, and whether anybody is asked."""
    synchronises = is_true(values, "identitySynchronization.userSyncInbound.isSyncAllowed")
    unasked = is_true(values, "automaticUserConsentSettings.inboundAllowed")
    if synchronises and unasked:
        yield Trait(
            "synchronises unasked",
            "may put users of its own into this tenant, as members, and nobody is asked",
            Severity.CRITICAL,
        )
    if synchronises:
        yield Trait("synchronises", "may put users of its own into this tenant", Severity.HIGH)
    if unasked:
        yield Trait("unasked", "has invitations redeemed without asking anybody", Severity.MEDIUM)


def describe_default(rows: SourceRows) -> Iterator[WatchedItem]:
    """The one default, which also holds for every partner whose own setting is null."""
    for one in rows[DEFAULT] or ():
        yield WatchedItem(
            id="default",
            is_object=False,
            name="for all other tenants",
            opens=(*list_trust_traits(one.values), *list_access_traits(one.values)),
            facts=tuple(list_inheritance_facts(rows[PARTNER])),
        )


def list_inheritance_facts(partners: Sequence[Configuration] | None) -> Iterator[Fact]:
    """For how many partners the default holds, where they were read."""
    if partners is not None:
        inheriting = sum(find_property(each.values, "inboundTrust")[1] is None for each in partners)
        yield Fact("", f"{inheriting:,} partner organizations inherit its trust")


def describe_partner(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each tenant with settings of its own."""
    for one in rows[PARTNER] or ():
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.id, MAX_NAME_LENGTH),
            opens=tuple(list_partner_traits(one)),
            facts=tuple(list_partner_facts(one)),
            stop=(build_partner_removal(one.id),),
        )


def build_partner_removal(tenant: str) -> Step:
    """Remove what is set for one other tenant, after it was saved."""
    return make_graph_step(
        "Unless somebody answers for it: remove what is set for this tenant; what counts for all "
        "others counts for it then.",
        build_graph_request(
            "DELETE", "", "policies", "crossTenantAccessPolicy", "partners", tenant
        ),
    )


def list_partner_traits(partner: Configuration) -> Iterator[Trait]:
    """All that a partner may do here which others may not."""
    values = partner.values
    yield from list_synchronisation_traits(values)
    yield from list_trust_traits(values)
    yield from list_access_traits(values)
    if is_true(values, "isServiceProvider"):
        yield Trait(
            "service provider", "is a service provider that may administer here", Severity.HIGH
        )


def list_partner_facts(partner: Configuration) -> Iterator[Fact]:
    """What the partner is called by whoever set it up, and where it belongs."""
    called = find_property(partner.values, "identitySynchronization.displayName")[1]
    if isinstance(called, str) and called.strip():
        yield Fact("called", quote_text(called, MAX_NAME_LENGTH))
    if is_true(partner.values, "isInMultiTenantOrganization"):
        yield Fact("", "it belongs to the same multi-tenant organization")


ADVICE = (
    "Find out whose tenant this is, by telephone with whoever set it up. Unless somebody answers "
    "for it: Entra admin center > External Identities > Cross-tenant access settings."
)
CROSS_TENANT_DEFAULT = WatchedCollection(
    name="cross-tenant-default",
    noun="cross-tenant default",
    plural="cross-tenant defaults",
    needs=(DEFAULT,),
    uses=(PARTNER,),
    items_of=(),
    describe=describe_default,
    advice=ADVICE,
    techniques=TECHNIQUES,
    reference=REFERENCE,
    harmless="collaboration by invitation, which every new tenant allows",
)
PARTNER_ORGANIZATION = WatchedCollection(
    name="partner-organization",
    noun="partner organization",
    plural="partner organizations",
    needs=(PARTNER,),
    describe=describe_partner,
    advice=ADVICE,
    techniques=TECHNIQUES,
    reference=REFERENCE,
    harmless="a partner whose settings are all null and so inherited, another name, and a partner "
    "that is removed or narrowed",
)
