"""What is asked of everybody at a sign-in, and by which methods it may be answered. Pure.

Microsoft Graph v1.0: identitySecurityDefaultsEnforcementPolicy, authenticationMethodsPolicy.
"""

from collections.abc import Iterator, Mapping, Sequence

from core.microsoft365.remedies import build_graph_request, make_graph_step
from core.model.findings import Severity, Step
from core.property_values import (
    find_property,
    get_flag,
    get_objects,
    get_text,
    get_texts,
    parse_printed_bool,
)
from core.tenant.quoting import quote_text
from core.watched.items import (
    SourceRows,
    Trait,
    WatchedCollection,
    WatchedItem,
    build_token,
)

DEFAULTS, METHODS = "security-defaults", "authentication-methods-policy"
POLICY = "conditional-access-policy"
CONFIGURATIONS = "authenticationMethodConfigurations"
MAX_NAME_LENGTH = 120
ENABLED, RULE = "enabled", "rule "
# The ids of Microsoft's own methods, from which the names of their types follow (Microsoft Graph
# v1.0: authenticationMethodConfiguration).
METHOD_TYPES: Mapping[str, str] = {
    one.casefold(): one
    for one in (
        *("sms", "voice", "email", "temporaryAccessPass", "x509Certificate", "softwareOath"),
        *("fido2", "microsoftAuthenticator"),
    )
}
# How grave it is that a method may be used from now on. One that nobody knows may be anything.
METHOD_WEIGHTS: Mapping[str, tuple[str, Severity]] = {
    "sms": ("text messages", Severity.MEDIUM),
    "voice": ("telephone calls", Severity.MEDIUM),
    "email": ("codes by mail", Severity.MEDIUM),
    "temporaryaccesspass": ("passes that an administrator makes", Severity.MEDIUM),
    "qrcodepin": ("a printed code and a PIN", Severity.MEDIUM),
    "x509certificate": ("certificates", Severity.HIGH),
    "hardwareoath": ("hardware tokens", Severity.LOW),
    "softwareoath": ("codes of an app", Severity.LOW),
    "microsoftauthenticator": ("Microsoft Authenticator", Severity.LOW),
    "fido2": ("passkeys", Severity.LOW),
}
# What a method keeps closed: a property that is to be true, and what its loss means.
KEPT: Mapping[str, tuple[str, Severity]] = {
    "isAttestationEnforced": (
        "no longer takes only passkeys whose maker vouches for them",
        Severity.MEDIUM,
    ),
    "keyRestrictions.isEnforced": ("no longer takes only passkeys of some makes", Severity.MEDIUM),
    "crlValidationConfiguration.state": (
        "no longer refuses certificates whose revocation cannot be looked up",
        Severity.MEDIUM,
    ),
    "isUsableOnce": ("makes passes that can be used more than once", Severity.MEDIUM),
}


WHOLE_POLICY = "policy of the tenant"
# What the policy as a whole does for everybody: the property that says so, and what its loss means.
WHOLE_KEPT: Mapping[str, tuple[str, str, Severity]] = {
    "reports": (
        "reportSuspiciousActivitySettings.state",
        "no longer lets people report prompts that are not theirs",
        Severity.MEDIUM,
    ),
    "campaign": (
        "registrationEnforcement.authenticationMethodsRegistrationCampaign.state",
        "no longer asks people to register a better method",
        Severity.LOW,
    ),
}
ASKED = frozenset({"enabled", "default"})
"""States in which Microsoft or the tenant has it on."""
BOTH_FACTORS = "x509certificatemultifactor"


def describe_defaults(rows: SourceRows) -> Iterator[WatchedItem]:
    """The security defaults: off is grave where no policy asks for a second factor instead."""
    is_asked = any(
        get_text(one.values, "state").casefold() == "enabled" for one in rows[POLICY] or ()
    )
    for one in rows[DEFAULTS] or ():
        is_on = parse_printed_bool(find_property(one.values, "isEnabled")[1])
        if is_on is None:
            raise ValueError("Graph does not tell whether the security defaults are on")
        text = "are off: nobody has to have a second factor by them"
        text += "; Conditional Access policies are in force beside them" if is_asked else ""
        severity = Severity.MEDIUM if is_asked else Severity.HIGH
        yield WatchedItem(
            id="security-defaults",
            name="of the tenant",
            is_object=False,
            stop=(
                make_graph_step(
                    "Unless policies of Conditional Access ask for a second factor instead: switch "
                    "them on.",
                    "Update-MgPolicyIdentitySecurityDefaultEnforcementPolicy -IsEnabled:$true",
                ),
            ),
            opens=() if is_on else (Trait("off", text, severity),),
        )


def describe_methods(rows: SourceRows) -> Iterator[WatchedItem]:
    """Each method that may be used, by whom, and what it has to be."""
    for policy in rows[METHODS] or ():
        if not isinstance(find_property(policy.values, CONFIGURATIONS)[1], list):
            raise ValueError("Graph does not tell which methods may be used")
        yield WatchedItem(
            id=WHOLE_POLICY,
            is_object=False,
            name=WHOLE_POLICY,
            keeps=frozenset(
                token
                for token, (path, _, _) in WHOLE_KEPT.items()
                if get_text(policy.values, path).casefold() in ASKED
            ),
        )
        for one in get_objects(policy.values, CONFIGURATIONS):
            identity = get_text(one, "id")
            if not identity:
                raise ValueError("an authentication method without an id")
            is_on = get_text(one, "state").casefold() not in ("disabled", "")
            yield WatchedItem(
                id=identity.casefold(),
                is_object=False,
                name=quote_text(get_text(one, "displayName") or identity, MAX_NAME_LENGTH),
                opens=tuple(list_method_traits(identity, one)) if is_on else (),
                keeps=frozenset(f"{RULE}{name}" for name in KEPT if is_on and is_kept(one, name)),
                keeps_all_of=() if is_on else (RULE,),
            )


def is_kept(method: Mapping[str, object], name: str) -> bool:
    """Whether a property of a method is on, as a flag or as a state."""
    shown = find_property(method, name)[1]
    if isinstance(shown, str):
        return shown.casefold() in ("enabled", "true")
    return get_flag(method, name, default=False)


def restore_method(identity: str, tokens: Sequence[str]) -> tuple[Step, ...]:
    """What switches a method off that was switched on. How one is bound is for a person to set."""
    kind = METHOD_TYPES.get(identity)
    if ENABLED not in tokens or not kind:
        return ()
    body = (
        f"{{ '@odata.type' = '#microsoft.graph.{kind}AuthenticationMethodConfiguration'; "
        "state = 'disabled' }"
    )
    path = ("policies", "authenticationMethodsPolicy", CONFIGURATIONS, kind)
    return (
        make_graph_step(
            "Unless somebody answers for it: switch the method off.",
            build_graph_request("PATCH", body, *path),
        ),
    )


def list_method_traits(identity: str, method: Mapping[str, object]) -> Iterator[Trait]:
    """That a method may be used, and by whom."""
    shown, severity = METHOD_WEIGHTS.get(
        identity.casefold(), ("a method of another provider", Severity.HIGH)
    )
    yield Trait(ENABLED, f"may be used to sign in: {shown}", severity)
    yield from list_certificate_traits(method)
    yield from list_key_traits(method)
    for target in get_objects(method, "includeTargets"):
        if group := get_text(target, "id"):
            whom = "everybody" if group == "all_users" else f"the group {quote_text(group)}"
            yield Trait(
                build_token("for", group),
                f"may be used by {whom}",
                min(severity, Severity.MEDIUM),
            )


def list_certificate_traits(method: Mapping[str, object]) -> Iterator[Trait]:
    """What makes a certificate count for more, or for somebody else."""
    modes = find_property(method, "authenticationModeConfiguration")[1]
    modes = modes if isinstance(modes, Mapping) else {}
    if get_text(modes, "x509CertificateAuthenticationDefaultMode").casefold() == BOTH_FACTORS:
        yield Trait("both factors", "lets any certificate count as both factors", Severity.HIGH)
    for rule in get_objects(modes, "rules"):
        if get_text(rule, "x509CertificateAuthenticationMode").casefold() == BOTH_FACTORS:
            about = get_text(rule, "identifier")
            text = f"lets certificates of {quote_text(about)} count as both factors"
            yield Trait(build_token("rule", about), text, Severity.HIGH)
    for binding in get_objects(method, "certificateUserBindings"):
        field, name = (get_text(binding, one) for one in ("x509CertificateField", "userProperty"))
        text = f"finds whose certificate it is by {quote_text(field)} and {quote_text(name)}"
        yield Trait(build_token("binding", f"{field} {name}"), text, Severity.MEDIUM)


def list_key_traits(method: Mapping[str, object]) -> Iterator[Trait]:
    """The makes of passkeys that alone may be used."""
    if get_text(method, "keyRestrictions.enforcementType").casefold() != "allow":
        return
    restrictions = find_property(method, "keyRestrictions")[1]
    for make in get_texts(restrictions, "aaGuids") if isinstance(restrictions, Mapping) else ():
        text = f"takes passkeys of one more make ({quote_text(make)})"
        yield Trait(build_token("make", make), text, Severity.LOW)


def explain_method_loss(token: str) -> Trait:
    """What it means that a method is less bound than it was."""
    if whole := WHOLE_KEPT.get(token):
        return Trait(token, *whole[1:])
    unknown = ("is less bound than it was", Severity.MEDIUM)
    text, severity = KEPT.get(token.removeprefix(RULE), unknown)
    return Trait(token, text, severity)


SECURITY_DEFAULTS = WatchedCollection(
    name="security-defaults",
    noun="security defaults",
    plural="security defaults",
    needs=(DEFAULTS,),
    uses=(POLICY,),
    items_of=(),
    describe=describe_defaults,
    advice="Ask whoever switched them off. Unless policies ask for a second factor instead, switch "
    "them on: Entra admin center > Overview > Properties > Manage security defaults.",
    techniques=("T1556.006", "T1562.001"),
    reference="Microsoft Graph v1.0: /policies/identitySecurityDefaultsEnforcementPolicy",
    harmless="defaults that are switched on, and those that were off at the first look",
)
AUTHENTICATION_METHODS = WatchedCollection(
    name="authentication-method",
    noun="authentication method",
    plural="authentication methods",
    needs=(METHODS,),
    items_of=(),
    describe=describe_methods,
    explain_loss=explain_method_loss,
    restore=restore_method,
    advice="Ask whoever changed it, by telephone. Unless somebody answers for it, set it back: "
    "Entra admin center > Protection > Authentication methods > Policies.",
    techniques=("T1556.006",),
    reference="Microsoft Graph v1.0: /policies/authenticationMethodsPolicy",
    harmless="a method that is switched off or for fewer people, and stricter rules for one",
)
