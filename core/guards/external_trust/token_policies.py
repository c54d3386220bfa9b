"""Policies that change what a token says, and other providers that people sign in through. Pure."""

from collections.abc import Callable, Iterator, Mapping

from core.keys import hash_parts
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.remedies import build_graph_request, make_graph_step
from core.microsoft365.source_commands import split_read_path
from core.model.findings import Fact, Severity, Step
from core.property_values import find_property, get_flag, get_text, get_texts
from core.strict_json import parse_strict_json
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

RELIES_ON = ("graph-token-policies",)

MAX_NAME_LENGTH = 120
# Settings inside a definition that weaken a sign-in by themselves (Microsoft Learn: Home Realm
# Discovery for an application).
WEAKENING_SETTINGS = {
    "AllowCloudPasswordValidation": "lets passwords be checked here in a federated domain",
    "AlternateIdLogin": "lets people sign in by another name",
    "PreferredDomain": "sends people to the sign-in page of one domain",
}


def read_definition(policy: Configuration) -> object:
    """The policy's definition, which is a list with one JSON text; the text where it is none."""
    found = find_property(policy.values, "definition")[1]
    text = found[0] if isinstance(found, list) and found else found
    if not isinstance(text, str):
        return text
    try:
        return parse_strict_json(text)
    except (ValueError, RecursionError):
        return text


def list_setting_names(definition: object) -> Iterator[str]:
    """The names of all settings in a definition that are on."""
    if isinstance(definition, Mapping):
        for name, value in definition.items():
            if value not in (False, None, "", "false"):
                yield str(name)
            yield from list_setting_names(value)


def list_policy_traits(policy: Configuration, *, has_default: bool) -> Iterator[Trait]:
    """What a policy opens: nothing as long as it applies to nothing."""
    values = policy.values
    apps = get_texts(values, "appliesTo")
    is_default = has_default and get_flag(values, "isOrganizationDefault", default=False)
    if not apps and not is_default:
        return
    for app in apps:
        text = f"applies to the service principal {quote_text(app, MAX_NAME_LENGTH)}"
        yield Trait(build_token("app", app), text, Severity.MEDIUM)
    if is_default:
        yield Trait("default", "applies to every application of the tenant", Severity.HIGH)
    definition = read_definition(policy)
    mark = hash_parts(definition)[:16]
    yield Trait(
        build_value_token("says", mark),
        "has a definition that was not there before",
        Severity.MEDIUM,
    )
    names = frozenset(list_setting_names(definition))
    for name, text in WEAKENING_SETTINGS.items():
        if name in names:
            yield Trait(name, text, Severity.MEDIUM)


def make_policy_description(
    source: str, *, has_default: bool
) -> Callable[[SourceRows], Iterator[WatchedItem]]:
    """The `describe` of the policies of one source."""

    def describe(rows: SourceRows) -> Iterator[WatchedItem]:
        for one in rows[source] or ():
            yield WatchedItem(
                id=one.id,
                name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
                opens=tuple(list_policy_traits(one, has_default=has_default)),
                facts=(Fact("policy", one.id),),
                stop=(build_removal(source, one.id),),
            )

    return describe


def build_removal(source: str, identity: str) -> Step:
    """Remove a policy, after it was saved."""
    path = split_read_path(CONFIGURATION_SOURCES[source], identity)
    return make_graph_step(
        "Unless somebody answers for it: remove the policy. What was saved says how it was.",
        build_graph_request("DELETE", "", *path),
    )


def define_token_policy(source: str, noun: str, plural: str, path: str) -> WatchedCollection:
    """The collection of one kind of policy."""
    return WatchedCollection(
        name=source,
        noun=noun,
        plural=plural,
        needs=(source,),
        describe=make_policy_description(source, has_default=source != "claims-mapping-policy"),
        advice="Ask who set it and for which application. Unless somebody answers for it, remove "
        "it.",
        techniques=("T1550", "T1484.002"),
        reference=f"Microsoft Graph v1.0: {path}",
        harmless="a policy that applies to nothing, and what was there at the first look",
    )


TOKEN_POLICIES = (
    define_token_policy(
        "claims-mapping-policy",
        "claims mapping policy",
        "claims mapping policies",
        "/policies/claimsMappingPolicies",
    ),
    define_token_policy(
        "token-lifetime-policy",
        "token lifetime policy",
        "token lifetime policies",
        "/policies/tokenLifetimePolicies",
    ),
    define_token_policy(
        "token-issuance-policy",
        "token issuance policy",
        "token issuance policies",
        "/policies/tokenIssuancePolicies",
    ),
    define_token_policy(
        "home-realm-policy",
        "home realm discovery policy",
        "home realm discovery policies",
        "/policies/homeRealmDiscoveryPolicies",
    ),
)


def describe_provider(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each provider; those that Microsoft builds in are part of every tenant."""
    for one in rows["identity-provider"] or ():
        kind = find_property(one.values, "identityProviderType")[1]
        shown = quote_text(kind, MAX_NAME_LENGTH) if isinstance(kind, str) else "unknown"
        client = get_text(one.values, "clientId")
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=(
                (Trait(build_value_token("client", client), CLIENT_TEXT, Severity.MEDIUM),)
                if client
                else ()
            ),
            arrival=Severity.INFO if is_builtin(one) else Severity.MEDIUM,
            facts=(Fact("kind", shown),),
            stop=()
            if is_builtin(one)
            else (
                make_graph_step(
                    "Unless somebody answers for it: remove the provider.",
                    build_graph_request("DELETE", "", "identity", "identityProviders", one.id),
                ),
            ),
        )


CLIENT_TEXT = "lets people sign in through an application registered with another provider"
BUILTIN_IDS = ("aadsignup", "msasignup", "emailotpsignup")


def is_builtin(provider: Configuration) -> bool:
    """Whether a provider is one that Microsoft puts into every tenant: it has no client of its own.

    The names of the three vary, so their ids tell.
    """
    has_client = bool(find_property(provider.values, "clientId")[1])
    return not has_client and provider.id.casefold().startswith(BUILTIN_IDS)


IDENTITY_PROVIDER = WatchedCollection(
    name="identity-provider",
    noun="identity provider",
    plural="identity providers",
    needs=("identity-provider",),
    describe=describe_provider,
    advice="Ask who added it. Unless somebody answers for it: Entra admin center > External "
    "Identities > All identity providers.",
    techniques=("T1484.002", "T1136.003"),
    reference="Microsoft Graph v1.0: /identity/identityProviders",
    harmless="the three providers that Microsoft builds in",
)


def describe_sign_up(rows: SourceRows) -> Iterator[WatchedItem]:
    """Whether anybody may make an account here by themselves."""
    for one in rows["authentication-flows"] or ():
        is_on = get_flag(one.values, "selfServiceSignUp.isEnabled", default=False)
        text = "lets anybody make an account of a guest by themselves"
        yield WatchedItem(
            id="self-service",
            name="of guests",
            opens=(Trait("enabled", text, Severity.MEDIUM),) if is_on else (),
            stop=(
                make_graph_step(
                    "Unless somebody answers for it: switch it off.",
                    build_graph_request(
                        "PATCH",
                        "{ selfServiceSignUp = @{ isEnabled = $false } }",
                        *("policies", "authenticationFlowsPolicy"),
                    ),
                ),
            ),
        )


def describe_federation(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each outside domain whose own server says who its people are, by issuer and certificate."""
    for one in rows["outside-federation"] or ():
        issuer = find_property(one.values, "issuerUri")[1]
        certificate = find_property(one.values, "signingCertificate")[1]
        shown = quote_text(issuer, MAX_NAME_LENGTH) if isinstance(issuer, str) else "not told"
        signer = hash_parts(str(issuer), str(certificate))[:16]
        yield WatchedItem(
            id=one.id,
            name=quote_text(one.name or one.id, MAX_NAME_LENGTH),
            opens=(
                Trait("federates", "says who people of an outside domain are", Severity.MEDIUM),
                Trait(build_value_token("signer", signer), SIGNER_TEXT, Severity.HIGH),
            ),
            facts=(Fact("issuer", shown),),
            stop=(
                make_graph_step(
                    "Unless somebody answers for it: remove the federation. People of the domain "
                    "sign in as other guests do then.",
                    build_graph_request(
                        "DELETE", "", "directory", "federationConfigurations", one.id
                    ),
                ),
            ),
        )


SIGNER_TEXT = "has an issuer or a signing certificate that was not there before"
SELF_SERVICE_SIGN_UP = WatchedCollection(
    name="self-service-sign-up",
    noun="self-service sign-up",
    plural="self-service sign-up",
    needs=("authentication-flows",),
    items_of=(),
    describe=describe_sign_up,
    advice="Ask who switched it on. Unless somebody answers for it: Entra admin center > External "
    "Identities > External collaboration settings.",
    techniques=("T1136.003",),
    reference="Microsoft Graph v1.0: /policies/authenticationFlowsPolicy",
    harmless="sign-up that is off, or was on at the first look",
)
OUTSIDE_FEDERATION = WatchedCollection(
    name="outside-federation",
    noun="federation of an outside domain",
    plural="federations of outside domains",
    needs=("outside-federation",),
    describe=describe_federation,
    advice="Ask who set it up, by telephone: its server decides who counts as whom. Unless "
    "somebody answers for it: Entra admin center > External Identities > All identity providers.",
    techniques=("T1484.002",),
    reference="Microsoft Graph v1.0: samlOrWsFedExternalDomainFederation",
    harmless="what was there at the first look, and one that is removed",
)
