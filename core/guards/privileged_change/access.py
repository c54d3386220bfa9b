"""Conditional Access and named locations: what is asked at a sign-in, and of whom it is not. Pure.

Microsoft Graph v1.0: conditionalAccessPolicy, namedLocation.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from core.keys import hash_parts
from core.model.findings import Severity
from core.property_values import find_property, get_flag, get_text, get_texts
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

POLICY, LOCATION = "conditional-access-policy", "named-location"
MAX_NAME_LENGTH = 120
IN_FORCE = "in force"
USERS = "conditions.users"
EXCLUDED = (
    (f"{USERS}.excludeUsers", "user", Severity.HIGH),
    (f"{USERS}.excludeGroups", "group", Severity.HIGH),
    (f"{USERS}.excludeRoles", "role", Severity.HIGH),
    ("conditions.applications.excludeApplications", "application", Severity.MEDIUM),
    ("conditions.locations.excludeLocations", "location", Severity.MEDIUM),
    ("conditions.platforms.excludePlatforms", "platform", Severity.MEDIUM),
)
INCLUDED = (
    (f"{USERS}.includeUsers", "user"),
    (f"{USERS}.includeGroups", "group"),
    (f"{USERS}.includeRoles", "role"),
    ("conditions.applications.includeApplications", "application"),
)
EVERY = frozenset({"all"})
NARROWING = (
    *("clientAppTypes", "platforms", "locations.includeLocations", "signInRiskLevels"),
    *("userRiskLevels", "servicePrincipalRiskLevels", "insiderRiskLevels", "devices"),
    *("authenticationFlows", "clientApplications"),
)
KNOWN_CONDITIONS = frozenset(
    {"users", "applications", *(name.partition(".")[0].casefold() for name in NARROWING)}
)


def describe_policy(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each policy that is enforced: what it asks, of whom, and who is left out."""
    for one in rows[POLICY] or ():
        is_on = get_text(one.values, "state").casefold() == "enabled"
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=tuple(
                trait if is_on else replace(trait, severity=Severity.INFO)
                for trait in (
                    *list_exemptions(one),
                    *list_alternatives(one),
                    *list_conditions(one),
                )
            ),
            # What is switched off is told as that, and not as the loss of each thing it asks.
            keeps=frozenset(token for token in list_controls(one) if is_on or token != IN_FORCE),
            advice="Ask whoever changed it, by telephone. Unless somebody answers for it, set it "
            "back: Entra admin center > Protection > Conditional Access.",
        )


def list_exemptions(policy: Configuration) -> Iterator[Trait]:
    """Everybody and everything that a policy leaves out."""
    for path, noun, severity in EXCLUDED:
        for entry in get_texts(policy.values, path):
            text = f"leaves out the {noun} {quote_text(entry, MAX_NAME_LENGTH)}"
            yield Trait(build_token(f"without {noun}", entry), text, severity)
    guests = find_property(policy.values, f"{USERS}.excludeGuestsOrExternalUsers")[1]
    if isinstance(guests, Mapping):
        yield Trait(
            build_value_token("guests", hash_parts(guests)[:16]),
            "leaves out guests or external users",
            Severity.HIGH,
        )


def list_alternatives(policy: Configuration) -> Iterator[Trait]:
    """Other ways to meet a policy."""
    grants = find_property(policy.values, "grantControls")[1]
    if isinstance(grants, Mapping) and get_text(grants, "operator").casefold() != "and":
        names = ("builtInControls", "termsOfUse", "customAuthenticationFactors")
        ways = [way for name in names for way in get_texts(grants, name)]
        for way in ways if len(ways) > 1 else ():
            text = f"is also met by {quote_text(way, MAX_NAME_LENGTH)}"
            yield Trait(build_token("or", way), text, Severity.HIGH)


def list_conditions(policy: Configuration) -> Iterator[Trait]:
    """Conditions under which alone a policy counts; one that is not known may be any."""
    for name in NARROWING:
        value = find_property(policy.values, f"conditions.{name}")[1]
        if value and value != ["all"]:
            yield Trait(
                build_value_token("only", f"{name} {hash_parts(value)[:16]}"),
                f"only counts under a condition ({name})",
                Severity.HIGH,
            )
    conditions = find_property(policy.values, "conditions")[1]
    for name, value in conditions.items() if isinstance(conditions, Mapping) else ():
        if value and name.casefold() not in KNOWN_CONDITIONS:
            yield Trait(
                build_value_token("only", f"{name} {hash_parts(value)[:16]}"),
                "only counts under a condition that is not known "
                f"({quote_text(name, MAX_NAME_LENGTH)})",
                Severity.LOW,
            )
    for path, noun in INCLUDED:
        entries = sorted(map(str.casefold, get_texts(policy.values, path)))
        if entries and not frozenset(entries) <= EVERY:
            yield Trait(
                build_value_token(f"for {noun}", hash_parts(entries)[:16]),
                f"counts for another choice of {noun}s",
                Severity.HIGH,
            )


def list_controls(policy: Configuration) -> Iterator[str]:
    """The tokens of what a policy asks and of whom."""
    yield IN_FORCE
    grants = find_property(policy.values, "grantControls")[1]
    if isinstance(grants, Mapping):
        for control in get_texts(grants, "builtInControls"):
            yield build_token("control", control)
        if isinstance(strength := grants.get("authenticationStrength"), Mapping):
            # Microsoft's advice is to ask for a strength in place of the control.
            yield build_token("control", "mfa")
            yield build_token("control", f"strength {get_text(strength, 'id')}")
        if get_text(grants, "operator").casefold() == "and":
            yield "all controls"
    for path, noun in INCLUDED:
        entries = get_texts(policy.values, path)
        if entries and frozenset(map(str.casefold, entries)) <= EVERY:
            yield f"every {noun}"


def explain_policy_loss(token: str) -> Trait:
    """What it means that a policy no longer asks something."""
    if token == IN_FORCE:
        return Trait(token, "is no longer enforced", Severity.HIGH)
    kind, _, entry = token.partition(" ")
    if kind == "control":
        text = f"no longer asks for {quote_text(entry)}"
        return Trait(token, text, Severity.HIGH)
    if kind == "every":
        return Trait(token, f"no longer counts for every {entry}", Severity.HIGH)
    return Trait(token, "no longer asks for all of its controls together", Severity.HIGH)


def list_asking_locations(policies: Iterable[Configuration]) -> frozenset[str]:
    """The locations in which a policy in force asks something, or lets nobody in."""
    return frozenset(
        entry.casefold()
        for one in policies
        if get_text(one.values, "state").casefold() == "enabled"
        for entry in get_texts(one.values, "conditions.locations.includeLocations")
    )


def explain_location_loss(token: str) -> Trait:
    """What it means that a location is smaller in which a policy asks something."""
    entry = quote_text(token.partition(" ")[2])
    text = f"no longer stands for {entry} in a policy that asks something there"
    return Trait(token, text, Severity.MEDIUM)


def describe_location(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each named location: addresses and countries that policies may trust, or ask more in."""
    asking = list_asking_locations(rows[POLICY] or ())
    for one in rows[LOCATION] or ():
        is_trusted = get_flag(one.values, "isTrusted", default=False)
        grave = Severity.HIGH if is_trusted else Severity.MEDIUM
        ranges = find_property(one.values, "ipRanges")[1]
        entries = [
            (name, text)
            for each in (ranges if isinstance(ranges, list) else ())
            if isinstance(each, Mapping)
            for name in ("cidrAddress",)
            if (text := get_text(each, name))
        ] + [("country", text) for text in get_texts(one.values, "countriesAndRegions")]
        trusted = [Trait("trusted", "counts as trusted", Severity.HIGH)] if is_trusted else []
        if get_flag(one.values, "includeUnknownCountriesAndRegions", default=False):
            text = "contains every address whose country nobody knows"
            trusted.append(Trait("unknown countries", text, grave))
        is_asking = one.id.casefold() in asking
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=(
                *trusted,
                *(
                    Trait(
                        build_token(name, text),
                        f"contains {quote_text(text, MAX_NAME_LENGTH)}",
                        grave,
                    )
                    for name, text in entries
                ),
            ),
            keeps=frozenset(build_token("asks", text) for _, text in entries if is_asking),
            advice="Ask whoever changed it. Unless somebody answers for it, set it back: Entra "
            "admin center > Protection > Conditional Access > Named locations.",
        )


POLICIES = WatchedCollection(
    name="conditional-access-policy",
    noun="Conditional Access policy",
    plural="Conditional Access policies",
    needs=(POLICY,),
    describe=describe_policy,
    explain_loss=explain_policy_loss,
    advice="Ask whoever changed it, by telephone.",
    techniques=("T1556.009",),
    reference="Microsoft Graph v1.0: /identity/conditionalAccess/policies",
    harmless="a policy that only reports or is new, whatever asks for more, and who was left out "
    "at the first look, such as emergency accounts",
    departure=Severity.HIGH,
    departure_text="nothing asks what it asked",
    departs_with=IN_FORCE,
    only_protects=True,
)
LOCATIONS = WatchedCollection(
    name="named-location",
    noun="named location",
    plural="named locations",
    needs=(LOCATION, POLICY),
    describe=describe_location,
    explain_loss=explain_location_loss,
    advice="Ask whoever changed it.",
    techniques=("T1562.007",),
    reference="Microsoft Graph v1.0: /identity/conditionalAccess/namedLocations",
    harmless="addresses of the first look, and a location that gets smaller in which no policy in "
    "force asks anything",
)
