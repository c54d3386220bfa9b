"""Conditional Access and named locations: what is asked at a sign-in, and of whom it is not. Pure.

Microsoft Graph v1.0: conditionalAccessPolicy, namedLocation.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from core.keys import hash_parts
from core.microsoft365.configuration_sources import LEFT_OUT_NAME
from core.microsoft365.directory_roles import BECOMING_ROLES, GRAVE_ROLES
from core.microsoft365.remedies import build_graph_request, make_graph_step
from core.model.findings import Severity, Step
from core.property_values import (
    find_first_text,
    find_property,
    get_flag,
    get_objects,
    get_text,
    get_texts,
    parse_printed_int,
)
from core.tenant.configuration import Configuration
from core.tenant.quoting import quote_text
from core.watched.items import (
    KEEPS_PREFIX,
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
    build_value_token,
)

POLICY, LOCATION = "conditional-access-policy", "named-location"
MAX_NAME_LENGTH = 120
IN_FORCE, TRUSTED = "in force", "trusted"
ASKS = "asks"
"""What a policy keeps that asks for anything before it grants access."""
TOGETHER = "all controls"
"""What a policy keeps that asks for several things together."""
BLOCK, LOCKS_OUT = "block", "locks out"
"""The control of a policy that lets nobody in, and what it opens where that shuts out everybody."""
# Microsoft Learn: Graph authenticationStrengthPolicy; the ids of those that are built in.
STRENGTHS: Mapping[str, str] = {
    "00000000-0000-0000-0000-000000000002": "Multifactor authentication",
    "00000000-0000-0000-0000-000000000003": "Passwordless MFA",
    "00000000-0000-0000-0000-000000000004": "Phishing-resistant MFA",
}
STRENGTH = "strength "
"""Before the id of a strength, where it is one of the things that a policy asks."""
EVERY_APPLICATION = "conditions.applications.includeApplications"
POLICY_PAGE = "Entra admin center > Protection > Conditional Access"
LOCATION_PAGE = f"{POLICY_PAGE} > Named locations"
USERS = "conditions.users"
EXCLUDED = (
    (f"{USERS}.excludeUsers", "user", Severity.HIGH),
    (f"{USERS}.excludeGroups", "group", Severity.HIGH),
    (f"{USERS}.excludeRoles", "role", Severity.HIGH),
    ("conditions.applications.excludeApplications", "application", Severity.MEDIUM),
    ("conditions.locations.excludeLocations", "location", Severity.MEDIUM),
    ("conditions.platforms.excludePlatforms", "platform", Severity.MEDIUM),
)
# For whom and what a policy counts: each entry is one more that it asks.
INCLUDED = (
    (f"{USERS}.includeUsers", "user"),
    (f"{USERS}.includeGroups", "group"),
    (f"{USERS}.includeRoles", "role"),
    (f"{USERS}.includeGuestsOrExternalUsers.guestOrExternalUserTypes", "kind of guest"),
    (EVERY_APPLICATION, "application"),
    ("conditions.applications.includeUserActions", "action"),
    ("conditions.applications.includeAuthenticationContextClassReferences", "context"),
)
PEOPLE = ("user", "group", "role", "kind of guest")
"""What is included where a policy counts for every user."""
# Conditions under which alone a policy counts: without any value it counts always, and each value
# is one case more.
CONDITIONS = (
    ("conditions.clientAppTypes", "kind of client"),
    ("conditions.platforms.includePlatforms", "platform"),
    ("conditions.locations.includeLocations", "location"),
    ("conditions.signInRiskLevels", "risk of a sign-in"),
    ("conditions.userRiskLevels", "risk of a user"),
    ("conditions.servicePrincipalRiskLevels", "risk of an app"),
    ("conditions.insiderRiskLevels", "insider risk"),
    ("conditions.authenticationFlows.transferMethods", "flow"),
)
GUEST_TENANTS = f"{USERS}.includeGuestsOrExternalUsers.externalTenants"
EVERY = frozenset({"all"})
# Conditions that are no list of cases: any other one is told.
NARROWING = ("devices", "clientApplications", "applications.applicationFilter")
KNOWN_CONDITIONS = frozenset(
    {
        *("users", "applications", *(name.casefold() for name in NARROWING)),
        *(path.split(".")[1].casefold() for path, _ in CONDITIONS),
    }
)
SESSION, AGAIN, SESSION_CONTROLS = "session", "again within", "sessionControls"
# What is asked of a session, by the property that is to be true.
SESSION_TEXTS: Mapping[str, str] = {
    "applicationEnforcedRestrictions": "no longer lets apps restrict sessions",
    "cloudAppSecurity": "no longer watches sessions by Defender for Cloud Apps",
    "secureSignInSession": "no longer binds tokens to devices",
    "signInFrequency": "no longer asks again after a time",
    "persistentBrowser": "no longer ends sessions with the browser",
}
HOURS = (0, 1, 4, 8, 12, 24, 72, 168, 720, 2160)


def list_entries(values: Mapping[str, object], path: str) -> tuple[str, ...]:
    """The entries of a list inside a policy, or of a text with commas; what is null has none."""
    found = find_property(values, path)[1]
    if isinstance(found, str):
        return tuple(filter(None, map(str.strip, found.split(","))))
    return get_texts(values, path)


def describe_policy(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each policy that is enforced: what it asks, of whom, and who is left out."""
    names = {one.id.casefold(): one.name for one in rows[LEFT_OUT_NAME] or ()}
    for one in rows[POLICY] or ():
        is_on = get_text(one.values, "state").casefold() == "enabled"
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=tuple(
                trait if is_on else replace(trait, severity=Severity.INFO)
                for trait in (
                    *(list_lockouts(one) if is_on else ()),
                    *list_exemptions(one, names),
                    *list_alternatives(one),
                    *list_conditions(one),
                    *list_session_traits(one),
                )
            ),
            # What is switched off is told as that, and not as the loss of each thing it asks.
            keeps=frozenset(token for token in list_controls(one) if is_on or token != IN_FORCE),
            keeps_all_of=tuple(list_whole_kinds(one)),
            arrival=Severity.HIGH if is_on and locks_out(one) else Severity.INFO,
            stop=(switch_off_lockout(one.id),) if is_on and locks_out(one) else (),
            advice="Ask whoever changed it, by telephone. Unless somebody answers for it, set it "
            f"back: {POLICY_PAGE}.",
        )


def list_lockouts(policy: Configuration) -> Iterator[Trait]:
    """What shuts administrators out of their own tenant: Microsoft warns of such a policy
    (Microsoft Learn: Conditional Access, plan a deployment).
    """
    if locks_out(policy):
        text = "lets in nobody but those whom it leaves out"
        if not counts_for_all(policy, f"{USERS}.includeUsers"):
            text = "lets in no administrator but those whom it leaves out"
        yield Trait(LOCKS_OUT, text, Severity.HIGH)


def locks_out(policy: Configuration) -> bool:
    """Whether a policy blocks everybody, or those who administer, from every application, wherever
    and however they sign in.
    """
    roles = frozenset(map(str.casefold, list_entries(policy.values, f"{USERS}.includeRoles")))
    outside = ("locations.excludeLocations", "platforms.excludePlatforms")
    return (
        blocks(get_grants(policy))
        and (counts_for_all(policy, f"{USERS}.includeUsers") or bool(roles & BECOMING_ROLES))
        and counts_for_all(policy, EVERY_APPLICATION)
        and not any(list_cases(policy, path) for path, _ in CONDITIONS)
        and not any(list_entries(policy.values, f"conditions.{path}") for path in outside)
        and not any(list_conditions(policy))
    )


def list_exemptions(policy: Configuration, names: Mapping[str, str]) -> Iterator[Trait]:
    """Everybody and everything that a policy leaves out, by name where it is known."""
    for path, noun, severity in EXCLUDED:
        for entry in list_entries(policy.values, path):
            name = GRAVE_ROLES.get(entry) or names.get(entry.casefold()) or entry
            text = f"leaves out the {noun} {quote_text(name, MAX_NAME_LENGTH)}"
            yield Trait(build_token(f"without {noun}", entry), text, severity)
    guests = find_property(policy.values, f"{USERS}.excludeGuestsOrExternalUsers")[1]
    if isinstance(guests, Mapping):
        yield Trait(
            build_value_token("guests", hash_parts(guests)[:16]),
            "leaves out guests or external users",
            Severity.HIGH,
        )


def get_grants(policy: Configuration) -> Mapping[str, object]:
    """What a policy asks before it grants access; empty where it asks nothing."""
    grants = find_property(policy.values, "grantControls")[1]
    return grants if isinstance(grants, Mapping) else {}


def list_ways(grants: Mapping[str, object]) -> list[str]:
    """Each thing that a policy asks, by its name or id."""
    names = ("builtInControls", "termsOfUse", "customAuthenticationFactors")
    ways = [way for name in names for way in get_texts(grants, name)]
    if isinstance(strength := grants.get("authenticationStrength"), Mapping):
        ways.append(f"{STRENGTH}{get_text(strength, 'id')}")
    return ways


def name_way(way: str, strength: str = "") -> str:
    """One of the things that a policy asks, as people know it: a strength by its name."""
    if not way.startswith(STRENGTH):
        return quote_text(way, MAX_NAME_LENGTH)
    identity = way.removeprefix(STRENGTH)
    name = STRENGTHS.get(identity) or strength or identity
    return f"the strength {quote_text(name, MAX_NAME_LENGTH)}"


def blocks(grants: Mapping[str, object]) -> bool:
    """Whether a policy lets nobody in, whatever they have."""
    return BLOCK in map(str.casefold, get_texts(grants, "builtInControls"))


def asks_for_all(grants: Mapping[str, object]) -> bool:
    """Whether everything that a policy asks is asked together, and not one of several things."""
    return get_text(grants, "operator").casefold() == "and"


def list_alternatives(policy: Configuration) -> Iterator[Trait]:
    """Each way that alone meets a policy. The only one is news where another way took the place of
    what was asked; of several, fewer are no news.
    """
    grants = get_grants(policy)
    ways = [] if blocks(grants) else list_ways(grants)
    is_only = len(ways) == 1
    for way in ways if is_only or not asks_for_all(grants) else ():
        shown = name_way(way, get_text(grants, "authenticationStrength.displayName"))
        text = f"is {'' if is_only else 'also '}met by {shown}"
        # Microsoft's advice is to ask for a strength in place of the control.
        within = ("or mfa",) if way.startswith(STRENGTH) else ()
        after = ASKS if is_only else ""
        yield Trait(build_token("or", way), text, Severity.HIGH, within, after)


def list_conditions(policy: Configuration) -> Iterator[Trait]:
    """Conditions under which alone a policy counts; one that is not known may be any."""
    for name in NARROWING:
        if value := find_property(policy.values, f"conditions.{name}")[1]:
            yield Trait(
                build_value_token("only", f"{name} {hash_parts(value)[:16]}"),
                f"only counts under a condition ({name})",
                Severity.HIGH,
            )
    tenants = find_property(policy.values, GUEST_TENANTS)[1]
    if isinstance(tenants, Mapping) and get_text(tenants, "membershipKind").casefold() != "all":
        yield Trait(
            build_value_token("only", f"tenants {hash_parts(tenants)[:16]}"),
            "only counts for guests of some organizations",
            Severity.HIGH,
        )
    conditions = find_property(policy.values, "conditions")[1]
    for name, value in conditions.items() if isinstance(conditions, Mapping) else ():
        if value and name.casefold() not in KNOWN_CONDITIONS and "@" not in name:
            yield Trait(
                build_value_token("only", f"{name} {hash_parts(value)[:16]}"),
                "only counts under a condition that is not known "
                f"({quote_text(name, MAX_NAME_LENGTH)})",
                Severity.LOW,
            )


def list_session_traits(policy: Configuration) -> Iterator[Trait]:
    """What makes a session last longer than it would without the policy."""
    session = find_property(policy.values, SESSION_CONTROLS)[1]
    if not isinstance(session, Mapping):
        return
    if get_text(session, "continuousAccessEvaluation.mode").casefold() == "disabled":
        text = "switches off continuous access evaluation: a stolen token lasts longer"
        yield Trait("no continuous evaluation", text, Severity.HIGH)
    is_kept = get_flag(session, "persistentBrowser.isEnabled", default=False)
    if is_kept and get_text(session, "persistentBrowser.mode").casefold() == "always":
        yield Trait("always persistent", "keeps browsers signed in", Severity.MEDIUM)


def counts_for_all(policy: Configuration, path: str) -> bool:
    """Whether a list says that everything counts."""
    entries = list_entries(policy.values, path)
    return bool(entries) and frozenset(map(str.casefold, entries)) <= EVERY


def list_cases(policy: Configuration, path: str) -> tuple[str, ...]:
    """The only cases in which a policy counts by a condition; none where it always does. What is no
    list of cases is one that nobody knows.
    """
    value = find_property(policy.values, path)[1]
    if isinstance(value, Mapping) and value and not find_first_text(value):
        return (hash_parts(value)[:16],)
    return () if counts_for_all(policy, path) else list_entries(policy.values, path)


def list_inclusions(policy: Configuration) -> Iterator[str]:
    """The tokens of whom and what a policy counts for, and when."""
    for path, noun in INCLUDED:
        if counts_for_all(policy, path):
            yield f"every {noun}"
        else:
            for entry in list_entries(policy.values, path):
                yield build_token(f"for {noun}", entry)
    for path, noun in CONDITIONS:
        cases = list_cases(policy, path)
        yield from (build_token(f"at {noun}", case) for case in cases)
        if not cases:
            yield f"any {noun}"


def list_whole_kinds(policy: Configuration) -> Iterator[str]:
    """The beginnings of the tokens of what a policy includes altogether; and of what it asked by
    itself, where that is one of several ways now: the others are told. Of a single thing it says
    nothing that it is asked together with others.
    """
    grants = get_grants(policy)
    if blocks(grants):
        yield from (TOGETHER, "control ")
    elif len(list_ways(grants)) <= 1:
        yield TOGETHER
    elif not asks_for_all(grants):
        yield "control "
    for path, noun in INCLUDED:
        if counts_for_all(policy, path):
            yield from (f"for {one} " for one in (PEOPLE if noun == "user" else (noun,)))
    yield from (f"at {noun} " for path, noun in CONDITIONS if not list_cases(policy, path))


def list_session_controls(policy: Configuration) -> Iterator[str]:
    """The tokens of what a policy asks of a session. One that is asked for anew is asked sooner."""
    session = find_property(policy.values, SESSION_CONTROLS)[1]
    if not isinstance(session, Mapping):
        return
    for name in SESSION_TEXTS:
        is_lax = get_text(session, f"{name}.mode").casefold() == "always"
        if get_flag(session, f"{name}.isEnabled", default=False) and not is_lax:
            yield f"{SESSION} {name}"
    if get_flag(session, "signInFrequency.isEnabled", default=False):
        hours = read_hours(session)
        yield from (f"{AGAIN} {limit}" for limit in HOURS if hours <= limit)


def read_hours(session: Mapping[str, object]) -> int:
    """After how many hours somebody is asked again; 0: each time."""
    if get_text(session, "signInFrequency.frequencyInterval").casefold() == "everytime":
        return 0
    count = parse_printed_int(find_property(session, "signInFrequency.value")[1]) or 0
    return count * (24 if get_text(session, "signInFrequency.type").casefold() == "days" else 1)


def list_controls(policy: Configuration) -> Iterator[str]:
    """The tokens of what a policy asks and of whom."""
    yield IN_FORCE
    grants = get_grants(policy)
    ways = list_ways(grants)
    if ways:
        yield ASKS
    # Nobody has to do one thing in particular where another one will do.
    if asks_for_all(grants) or len(ways) == 1:
        for control in get_texts(grants, "builtInControls"):
            yield build_token("control", control)
        if isinstance(strength := grants.get("authenticationStrength"), Mapping):
            # Microsoft's advice is to ask for a strength in place of the control.
            yield build_token("control", "mfa")
            yield build_token("control", f"{STRENGTH}{get_text(strength, 'id')}")
    if asks_for_all(grants) and len(ways) > 1:
        yield TOGETHER
    yield from list_inclusions(policy)
    yield from list_session_controls(policy)


def explain_policy_loss(token: str) -> Trait:
    """What it means that a policy no longer asks something."""
    if token == IN_FORCE:
        return Trait(token, "is no longer enforced", Severity.HIGH)
    if token == ASKS:
        return Trait(token, "no longer asks for anything before access", Severity.HIGH)
    if token.startswith(AGAIN):
        return Trait(token, "asks again after a longer time, or not at all", Severity.MEDIUM)
    kind, _, entry = token.partition(" ")
    if kind == SESSION:
        return Trait(token, SESSION_TEXTS.get(entry, "asks less of a session"), Severity.MEDIUM)
    return Trait(token, describe_policy_loss(kind, entry), Severity.HIGH)


def describe_policy_loss(kind: str, entry: str) -> str:
    """What a policy asks less, or of fewer."""
    for noun in (noun for _, noun in (*INCLUDED, *CONDITIONS)):
        if kind in ("for", "at") and entry.startswith(f"{noun} "):
            shown = quote_text(entry.removeprefix(f"{noun} "))
            return f"no longer counts for the {noun} {shown}"
    shown = quote_text(entry)
    texts = {
        "control": "lets people in whom it blocked"
        if entry == BLOCK
        else f"no longer asks for {name_way(entry)}",
        "every": f"no longer counts for every {shown}",
        "any": f"only counts under a condition ({shown})",
    }
    return texts.get(kind, "no longer asks for all of its controls together")


def set_state(identity: str, text: str, state: str) -> Step:
    """What switches a policy on or off."""
    path = ("identity", "conditionalAccess", "policies", identity)
    return make_graph_step(text, build_graph_request("PATCH", f"{{ state = '{state}' }}", *path))


def switch_off_lockout(identity: str) -> Step:
    """What lets administrators in again: it takes an account that the policy leaves out."""
    text = (
        "Unless somebody answers for it: switch the policy off, with an emergency account if it "
        "shuts you out."
    )
    return set_state(identity, text, "disabled")


def restore_policy(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What has a policy enforced again, or lets administrators in. Its conditions are lists set
    whole, by a person.
    """
    if LOCKS_OUT in tokens:
        return (switch_off_lockout(identity),)
    if IN_FORCE not in tokens:
        return ()
    text = "Unless somebody answers for it: enforce the policy again."
    enforce = set_state(identity, text, "enabled")
    return (enforce, *([Step(f"Set back the rest: {POLICY_PAGE}.")] if len(tokens) > 1 else []))


def restore_location(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What ends that a location of addresses is trusted. Its addresses are for a person to set."""
    if TRUSTED not in tokens:
        return ()
    body = "{ '@odata.type' = '#microsoft.graph.ipNamedLocation'; isTrusted = $false }"
    path = ("identity", "conditionalAccess", "namedLocations", identity)
    distrust = make_graph_step(
        "Unless somebody answers for it: trust it no longer.",
        build_graph_request("PATCH", body, *path),
    )
    return (distrust, *([Step(f"Set back the rest: {LOCATION_PAGE}.")] if len(tokens) > 1 else []))


def list_asking_locations(policies: Iterable[Configuration]) -> frozenset[str]:
    """The locations in which a policy in force asks something, or lets nobody in."""
    return frozenset(
        entry.casefold()
        for one in policies
        if get_text(one.values, "state").casefold() == "enabled"
        for entry in list_entries(one.values, "conditions.locations.includeLocations")
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
        entries = [
            (name, text)
            for each in get_objects(one.values, "ipRanges")
            for name in ("cidrAddress",)
            if (text := get_text(each, name))
        ] + [("country", text) for text in get_texts(one.values, "countriesAndRegions")]
        trusted = [Trait(TRUSTED, "counts as trusted", Severity.HIGH)] if is_trusted else []
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
            advice="Ask whoever changed it. Unless somebody answers for it, set it back: "
            f"{LOCATION_PAGE}.",
        )


POLICIES = WatchedCollection(
    name="conditional-access-policy",
    noun="Conditional Access policy",
    plural="Conditional Access policies",
    needs=(POLICY,),
    uses=(LEFT_OUT_NAME,),
    describe=describe_policy,
    explain_loss=explain_policy_loss,
    restore=restore_policy,
    advice="Ask whoever changed it, by telephone.",
    techniques=("T1556.009",),
    reference="Microsoft Graph v1.0: /identity/conditionalAccess/policies",
    harmless="a policy that only reports, a new one that blocks no administrator from everything, "
    "whatever asks for more, and who was left out "
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
    may_lack={POLICY: (f"{KEEPS_PREFIX}asks ",)},
    describe=describe_location,
    explain_loss=explain_location_loss,
    restore=restore_location,
    advice="Ask whoever changed it.",
    techniques=("T1562.007",),
    reference="Microsoft Graph v1.0: /identity/conditionalAccess/namedLocations",
    harmless="addresses of the first look, and a location that gets smaller in which no policy in "
    "force asks anything",
)
